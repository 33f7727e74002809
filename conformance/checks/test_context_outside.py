"""Outside: where no request, or no application, is at work, and where one is inside another."""

from __future__ import annotations

import pytest

from conformance.clauses import clause, flask
from conformance.client.http import Client

NO_REQUEST = flask("reqcontext", "Manually Push a Context")
NO_APPLICATION = flask("appcontext", "Manually Push a Context")


@pytest.mark.parametrize("name", ["request", "session", "flash", "after-this-request", "copied"])
@clause("context/outside/needs-request", "contract", NO_REQUEST)
def test_needs_request(client: Client, name: str) -> None:
    """What concerns a request raises a RuntimeError without one, which names what is missing."""
    raised = client.get(f"/context/outside/{name}").json()["raised"]
    assert isinstance(raised, str)
    assert "request context" in raised


@pytest.mark.parametrize("name", ["current-app", "g", "url-for", "template"])
@clause("context/outside/needs-application", "contract", NO_APPLICATION)
def test_needs_application(client: Client, name: str) -> None:
    """What needs an application raises a RuntimeError without one, which says how to get one."""
    raised = client.get(f"/context/outside/{name}").json()["raised"]
    assert isinstance(raised, str)
    assert "application context" in raised
    assert "app.app_context()" in raised


@clause("context/outside/application-only", "contract", NO_APPLICATION)
def test_application_only(client: Client) -> None:
    """In an application context of its own `current_app` and `g` work, and `request` does not."""
    answer = client.get("/context/application-only").json()
    assert answer["seen"] == {"application": "reference_app", "g": "kept"}
    assert "request context" in str(answer["raised"])


@clause(
    "context/stream/without-context",
    "contract",
    flask("patterns/streaming", "Streaming with Context"),
)
def test_stream_without(client: Client) -> None:
    """A generator that keeps no context finds no request when it runs, not even another's."""
    answer = client.get("/context/stream/without-context?payload=x")
    assert (answer.status_code, answer.text) == (200, "begun;RuntimeError")


@clause("context/proxies/handed-over", "contract", flask("reqcontext", "Notes On Proxies"))
def test_handed_over(client: Client) -> None:
    """The request behind the proxy can be given to a thread, which has no context."""
    assert client.get("/context/handed-over?payload=x").json(shape=list) == ["x"]


@clause(
    "context/nested/other-application",
    "contract",
    flask("reqcontext", "How the Context Works"),
)
def test_other_application(client: Client) -> None:
    """Another application's context has its own `current_app` and `g`, and gives way again."""
    assert client.get("/context/nested/other-application").json() == {
        "inner": {"application": "another_application", "found": None},
        "application": "reference_app",
        "g": "outer",
    }


@clause("context/g/methods", "contract", flask("api", "flask.ctx._AppCtxGlobals"))
def test_g_methods(client: Client) -> None:
    """`g` has `get`, `pop`, `setdefault`, `in` and iteration, and no name that was not set."""
    assert client.get("/context/g-methods").json() == {
        "setdefault": [2, 1],
        "pop": [2, "gone"],
        "get": [1, None, "gone"],
        "contains": [True, False],
        "names": ["one"],
        "missing": "AttributeError",
    }
