"""Hooks: nesting, what they hand over, signals, and what an error in each kind of them costs."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks.probes import says_close
from conformance.checks.test_errors import leaked
from conformance.checks.test_hooks import (
    AFTER_REQUEST,
    BEFORE_REQUEST,
    CALLBACKS,
    HANDLED,
    TEARDOWN_CALLBACKS,
    after,
    get,
    hooks,
)
from conformance.clauses import clause, flask
from conformance.client import ConnectionClosed, Wire
from conformance.client.http import Client

NESTING = flask("blueprints", "Nesting Blueprints")
UNHANDLED_SIGNAL = flask("api", "flask.got_request_exception")
ONCE = flask("api", "flask.after_this_request")


def torn_down(client: Client, key: str) -> list[dict[str, Any]]:
    """What the teardown function of a request noted, once it has run."""

    def notes(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [event for event in events if event.get("event") == "torn-down"]

    return notes(client.journal(key, until=lambda events: bool(notes(events))))


@clause("hooks/blueprint/nested-order", "agreement", NESTING)
def test_nested_order(client: Client, key: str) -> None:
    """Hooks of an outer blueprint run around those of one in it, and the application's around both.

    Before the view from the outside to the inside, after it and at the end the other way round.
    That they run is documented; their order is not.
    """
    answer = get(client, "/hooks-more/outer/inner/view", key)
    before = [f"{place}-before-{n}" for place in ("app", "outer", "inner") for n in (1, 2)]
    assert hooks(client, key, "-before-", "view") == [*before, "view"]
    assert after(answer) == [
        f"{place}-after-{n}" for place in ("inner", "outer", "app") for n in (2, 1)
    ]
    assert hooks(client, key, "-teardown-") == [
        f"{place}-teardown-{n}" for place in ("inner", "outer", "app") for n in (2, 1)
    ]


@clause("hooks/before-request/hands-over", "contract", BEFORE_REQUEST)
def test_hands_over(client: Client, key: str) -> None:
    """What a function puts into `g` and the session is there for the view, of this request alone.

    The session comes back with the next request, `g` does not.
    """
    for text in (f"{key}-1", f"{key}-2"):
        answer = client.get(f"/hooks-more/handed-over?text={text}")
        assert answer.json() == {"g": text, "session": text}
    assert client.cookies.get("session") is not None


@clause("hooks/after-request/changes-response", "contract", AFTER_REQUEST)
def test_changes_response(client: Client, key: str) -> None:
    """A function sees what the view made, and changes body and header: a length that fits, too."""
    answer = client.get(f"/hooks-more/finished?text={key}")
    assert (answer.status_code, answer.text) == (201, "changed after the view")
    assert answer.header("X-Seen") == "201 as the view made it"
    assert client.cookies.get("after") == key


@clause("hooks/after-this-request/order", "agreement", ONCE)
def test_once_order(client: Client, key: str) -> None:
    """Several functions of `after_this_request` run in the order of their calls, each once."""
    assert get(client, "/hooks-more/after-these", key).header("X-Once") == "123"
    assert hooks(client, key, "once-", "-after-")[:3] == ["once-1", "once-2", "once-3"]


@clause("hooks/after-this-request/view-fails", "agreement", ONCE)
def test_once_error(client: Client, key: str) -> None:
    """They run on the 500 as well when the view fails after it asked for them."""
    answer = get(client, "/hooks-more/after-these", key, fail="1", text=key)
    assert (answer.status_code, answer.header("X-Once")) == (500, "123")


@clause("hooks/fails", "contract", CALLBACKS)
@pytest.mark.parametrize(
    "kind",
    [
        "url-value-preprocessor",
        "before-request",
        "context-processor",
        "after-this-request",
        "after-request",
    ],
)
def test_fails(client: Client, key: str, kind: str) -> None:
    """A function that fails makes a 500 which shows nothing of it, and is told to the teardown.

    The next request is answered as ever.
    """
    text = f"secret-of-{key}"
    answer = get(client, "/hooks-more/view", key, **{"fail-in": kind, "text": text})
    assert (answer.status_code, leaked(answer.text, text)) == (500, [])
    assert [note.get("failed") for note in torn_down(client, key)] == ["HookError"]
    assert client.get("/hooks-more/view").text == "from the area"


@clause("hooks/teardown-request/context", "contract", TEARDOWN_CALLBACKS)
def test_teardown_context(client: Client, key: str) -> None:
    """A teardown function still has the request and its `g`, after a failure as well."""
    get(client, "/hooks-more/after-these", f"{key}-1", text=f"{key}-1")
    get(client, "/hooks-more/after-these", f"{key}-2", fail="1", text=f"{key}-2")
    for each, failed in ((f"{key}-1", None), (f"{key}-2", "HookError")):
        expected = {"path": "/hooks-more/after-these", "g": each, "failed": failed}
        found = torn_down(client, each)
        assert [{name: note.get(name) for name in expected} for note in found] == [expected]


@clause("hooks/method", "contract", HANDLED)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_method(client: Client, key: str, method: str) -> None:
    """The automatic answers to HEAD and OPTIONS pass through every hook."""
    answer = client.request(method, f"/hooks-more/outer/inner/view?key={key}")
    assert answer.status_code == 200
    assert len(after(answer)) == 6
    names = hooks(client, key, "-before-", "-teardown-", "view")
    assert len(names) == 12 + (method == "HEAD")


@clause("hooks/method/not-allowed", "contract", HANDLED)
def test_not_allowed(client: Client, key: str) -> None:
    """A request of a method that is not allowed passes through the application's hooks."""
    answer = client.post(f"/hooks-more/outer/inner/view?key={key}")
    assert answer.status_code == 405
    assert after(answer) == ["app-after-2", "app-after-1"]
    assert "view" not in hooks(client, key)


@clause("hooks/redirect", "agreement", HANDLED)
def test_redirect(client: Client, key: str) -> None:
    """A redirect by routing passes through the application's hooks, which may answer instead."""
    answer = get(client, "/hooks-more//outer/inner/view", key)
    assert answer.status_code == 308
    assert after(answer) == ["app-after-2", "app-after-1"]
    answer = get(client, "/hooks-more//outer/inner/view", key, answer="app-before-2")
    assert (answer.status_code, answer.text) == (203, "answered by app-before-2")


@clause("hooks/signals/order", "contract", HANDLED)
def test_signals(client: Client, key: str) -> None:
    """Signals are sent when a request has started, has a response, and is torn down."""
    get(client, "/hooks-more/signals", key)
    found = hooks(client, key, "started", "view", "finished", "tearing-down", "exception")
    assert found == ["started", "view", "finished", "tearing-down"]


@clause("hooks/signals/exception", "contract", UNHANDLED_SIGNAL)
def test_signals_exception(client: Client, key: str) -> None:
    """`got_request_exception` has the exception that nothing handled, and 500 is the response."""
    get(client, "/hooks-more/signals/fail", key, text=key)
    hooks(client, key)
    events = {event.get("event"): event for event in client.journal(key)}
    found = {name: events.get(name) for name in ("exception", "finished", "tearing-down")}
    assert found == {
        "exception": {"event": "exception", "error": "HookError", "status": None},
        "finished": {"event": "finished", "error": None, "status": 500},
        "tearing-down": {"event": "tearing-down", "error": "HookError", "status": None},
    }


@clause("hooks/teardown-request/close-fails", "agreement", TEARDOWN_CALLBACKS)
@pytest.mark.parametrize("path", ["close-fails", "stream-close-fails"])
def test_close_fails(wire: Wire, client: Client, key: str, path: str) -> None:
    """A response whose `close()` raises costs its own answer at the most: teardown has run.

    What the client gets has nothing of the exception, and the next request is answered as ever.
    """
    connection = wire.connect()
    target = f"/hooks-more/{path}?key={key}&text=secret-of-{key}"
    connection.request("GET", target, [("Connection", "close")])
    received = connection.receive_end().decode("latin-1")
    assert received.startswith("HTTP/1.")
    assert leaked(received, f"secret-of-{key}") == []

    def over(events: list[dict[str, Any]]) -> bool:
        return {"closed", "torn-down"} <= {event.get("event") for event in events}

    assert over(client.journal(key, until=over))
    assert client.get("/hooks-more/view").text == "from the area"


@clause("hooks/after-failing/many", "contract", flask("appcontext", "Lifetime of the Context"))
def test_many(wire: Wire, client: Client, key: str) -> None:
    """After a request that failed, 200 others are answered each by itself, `g` included."""
    failed = get(client, "/hooks-more/view", key, **{"fail-in": "after-request", "text": key})
    assert failed.status_code == 500
    connection = wire.connect()
    for number in range(200):
        try:
            connection.request("GET", f"/context/remember?payload={number}")
            response = connection.receive()
        except ConnectionClosed:
            # A connection may be closed after any response; a new one has to do.
            connection.close()
            connection = wire.connect()
            connection.request("GET", f"/context/remember?payload={number}")
            response = connection.receive()
        found = response.body.replace(b" ", b"").strip()
        assert found == b'{"found":null,"g":"%d"}' % number, response.describe()
        if says_close(response):
            # Who sends more there waits for a server that reads it as a rest, to its end.
            connection.close()
            connection = wire.connect()
