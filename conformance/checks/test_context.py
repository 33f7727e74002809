"""Contexts: what belongs to one request is seen by that request alone, however many run at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from conformance.capabilities import Capabilities
from conformance.checks.probes import read_json
from conformance.checks.rendezvous import at_once, meet
from conformance.clauses import clause, flask, pep3333
from conformance.client import Wire
from conformance.client.http import Client

#: Seconds that a request waits in vain where a rendezvous must not come about.
SHORT_PATIENCE_S = 0.4

CONTEXT = flask("reqcontext", "How the Context Works")
APP_CONTEXT = flask("appcontext", "Lifetime of the Context")
VARIABLES = pep3333("environ Variables")


@clause("context/concurrency/as-declared", "agreement", VARIABLES, requires=("concurrency",))
def test_concurrency_as_declared(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """As many requests as the deployment declares are inside their handlers at the same time.

    No text asks for a number: it is the declaration that is verified.
    """
    answers = meet(wire, key, at_once(capabilities))
    assert [answer["met"] for answer in answers.values()] == [True] * len(answers)


@clause("context/concurrency/not-more", "agreement", VARIABLES, requires=("bounded-concurrency",))
def test_concurrency_not_more(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """One request more than the deployment declares has to wait until another has ended.

    No text asks for a number: it is the declaration that is verified.
    """
    assert capabilities.concurrency is not None
    parties = capabilities.concurrency + 1
    answers = meet(wire, key, parties, patience_s=SHORT_PATIENCE_S)
    assert [answer["met"] for answer in answers.values()] == [False] * parties


@clause("context/multithread-flag", "should", VARIABLES)
def test_multithread(client: Client, capabilities: Capabilities) -> None:
    """`wsgi.multithread` is true where another thread may run the application at the same time."""
    assert client.get("/context/flags").json()["multithread"] is capabilities.multithread


@clause("context/multiprocess-flag", "should", VARIABLES, requires=("control",))
def test_multiprocess(client: Client, capabilities: Capabilities) -> None:
    """`wsgi.multiprocess` is true where an equivalent application may run in another process."""
    flags = client.get("/context/flags").json()
    assert (flags["multiprocess"], flags["run_once"]) == (capabilities.processes > 1, False)


def isolated(wire: Wire, capabilities: Capabilities, key: str, name: str) -> None:
    """Every request of a rendezvous finds its own payload in the place called `name`."""
    answers = meet(wire, key, at_once(capabilities))
    assert {payload: answer[name] for payload, answer in answers.items()} == {
        payload: payload for payload in answers
    }
    assert all(answer["met"] for answer in answers.values())


@clause(
    "context/g/isolated", "contract", flask("appcontext", "Storing Data"), requires=("concurrency",)
)
def test_g_isolated(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """`g` holds what its own request put there, while others are held in the same handler."""
    isolated(wire, capabilities, key, "g")


@clause("context/request/isolated", "contract", CONTEXT, requires=("concurrency",))
def test_request_isolated(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """`request` is the request of its own handler, though a proxy was kept over the rendezvous."""
    isolated(wire, capabilities, key, "request")


@clause("context/request/headers-isolated", "contract", CONTEXT, requires=("concurrency",))
def test_headers_isolated(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """A header field is that of the handler's own request."""
    isolated(wire, capabilities, key, "header")


@clause("context/request/body-isolated", "contract", CONTEXT, requires=("concurrency",))
def test_body_isolated(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """A body that is read only after the rendezvous is that of the handler's own request."""
    isolated(wire, capabilities, key, "body")


@clause(
    "context/session/isolated",
    "contract",
    flask("quickstart", "Sessions"),
    requires=("concurrency",),
)
def test_session_isolated(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """`session` holds what its own request put there."""
    isolated(wire, capabilities, key, "session")


@clause("context/g/isolated-in-teardown", "contract", APP_CONTEXT, requires=("concurrency",))
def test_g_in_teardown(wire: Wire, client: Client, capabilities: Capabilities, key: str) -> None:
    """A teardown function sees the `g` of its own request."""
    answers = meet(wire, key, at_once(capabilities), path="/context/teardown")
    events = client.journal(key, until=lambda events: len(events) >= len(answers))
    assert sorted(event["payload"] for event in events) == sorted(answers)


@clause("context/g/empty-at-start", "contract", APP_CONTEXT)
def test_g_empty_at_start(client: Client) -> None:
    """A request never finds in `g` what an earlier one on the same worker put there."""
    found = [client.get(f"/context/remember?payload={number}").json() for number in range(20)]
    assert found == [{"found": None, "g": str(number)} for number in range(20)]


@clause("context/g/empty-after-error", "contract", APP_CONTEXT)
def test_g_empty_after_error(client: Client) -> None:
    """What a request put in `g` is gone with it, even when its view failed."""
    for number in range(10):
        assert client.get(f"/context/remember-and-fail?payload={number}").status_code == 500
        assert client.get("/context/remember?payload=x").json() == {"found": None, "g": "x"}


@clause("context/g/empty-on-kept-connection", "contract", APP_CONTEXT, requires=("keep-alive",))
def test_g_kept_connection(wire: Wire) -> None:
    """The requests of one connection share a handler thread, and still not `g`."""
    connection = wire.connect()
    for number in range(20):
        connection.request("GET", f"/context/remember?payload={number}")
        assert read_json(connection.receive()) == {"found": None, "g": str(number)}


@clause("context/load/unique-payloads", "contract", CONTEXT)
def test_unique_payloads(wire: Wire) -> None:
    """Of 400 requests by eight users at once, each is answered with its own payload."""

    def user(_: int) -> list[str]:
        """One of eight users: what was answered wrongly."""
        wrong = []
        for payload in (uuid4().hex for _ in range(50)):
            answer = read_json(wire.ask("GET", f"/context/remember?payload={payload}"))
            if answer != {"found": None, "g": payload}:
                wrong.append(f"sent {payload}, found {answer}")
        return wrong

    with ThreadPoolExecutor(8) as users:
        assert list(users.map(user, range(8))) == [[]] * 8


@clause("context/outside", "contract", flask("reqcontext", "Lifetime of the Context"))
def test_outside(client: Client) -> None:
    """Outside of a request the proxies raise a RuntimeError that says so, never give old data."""
    seen = client.get("/context/outside?payload=x").json()
    assert (seen["has_request_context"], seen["has_app_context"]) == (False, False)
    for name in ("request", "session", "g", "current_app"):
        assert seen[name].startswith("RuntimeError:"), name
    assert "outside of request context" in seen["request"]
    assert "outside of application context" in seen["g"]


@clause("context/copied-to-thread", "contract", flask("api", "flask.copy_current_request_context"))
def test_copied(client: Client) -> None:
    """`copy_current_request_context` gives a thread of the application the request it came from."""
    answer = client.get("/context/copied?payload=x")
    assert answer.json() == {"payload": "x", "endpoint": "context.copied"}


@clause("context/nested", "contract", flask("appcontext", "Manually Push a Context"))
def test_nested(client: Client) -> None:
    """A context pushed inside another has its own `g`, and gives way to the outer one again."""
    assert client.get("/context/nested").json() == {
        "inner_found": None,
        "g": "outer",
        "inner_path": "/inner",
        "path": "/context/nested",
    }


@clause("context/proxies", "contract", flask("reqcontext", "Notes On Proxies"))
def test_proxies(client: Client) -> None:
    """The proxies stand for the objects, and `_get_current_object` gives the object itself."""
    assert client.get("/context/proxies").json() == {
        "current_app": "reference_app",
        "same_application": True,
        "request_type": "Request",
        "truth": True,
    }


@clause("context/stream", "contract", flask("patterns/streaming", "Streaming with Context"))
def test_stream(client: Client) -> None:
    """`stream_with_context` keeps `g` and `request` for a generator that runs after the view."""
    assert client.get("/context/stream?payload=x").text == "g=x;request=x"
