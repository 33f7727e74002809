"""Contexts held together: what one request puts in place, none of the others at work sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import Kept, read_json
from conformance.checks.rendezvous import at_once, meet, send
from conformance.clauses import Source, clause, flask, pep3333
from conformance.client import Wire
from conformance.client.http import Client

CONTEXT = flask("reqcontext", "How the Context Works")
APP_CONTEXT = flask("appcontext", "Lifetime of the Context")
CALLBACKS = flask("reqcontext", "Callbacks and Errors")
TEARDOWN = flask("reqcontext", "Teardown Callbacks")
DETAILS = pep3333("Specification Details")
STREAMS = pep3333("Input and Error Streams")
START_RESPONSE = pep3333("The start_response() Callable")
THREAD_LOCAL = Source(
    "Python documentation",
    "Thread-local data",
    "https://docs.python.org/3/library/threading.html#thread-local-data",
)
CONTEXT_VARIABLES = Source(
    "Python documentation",
    "Context Variables",
    "https://docs.python.org/3/library/contextvars.html",
)
#: How often a payload stands in a body of which each half is more than a server reads at once.
BODY_REPEATS = 1000


def isolated(
    wire: Wire, capabilities: Capabilities, key: str, name: str, **options: Any
) -> dict[str, Any]:
    """What every request of a rendezvous found in the place called `name`, by its payload."""
    answers = meet(wire, key, at_once(capabilities), **options)
    assert all(answer["met"] for answer in answers.values())
    return {payload: answer[name] for payload, answer in answers.items()}


@clause(
    "context/flash/isolated",
    "contract",
    flask("patterns/flashing", "Message Flashing"),
    requires=("concurrency",),
)
def test_flash(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """Of the messages that all requests flash at once, each finds the one of its own."""
    found = isolated(wire, capabilities, key, "flashed")
    assert found == {payload: [payload] for payload in found}


@clause(
    "context/template/isolated",
    "contract",
    flask("templating", "Standard Context"),
    requires=("concurrency",),
)
def test_template(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """The `request`, `g` and `session` of a template are those of the request that renders it."""
    found = isolated(wire, capabilities, key, "template")
    assert found == {payload: " ".join([payload] * 3) for payload in found}


@clause(
    "context/url-for/isolated",
    "contract",
    flask("api", "flask.Flask.url_for"),
    requires=("concurrency",),
)
def test_url_for(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """An external URL has the host of the request in which it is built, each named its own."""
    found = isolated(wire, capabilities, key, "url", own_host=True)
    assert found == {payload: f"http://{payload}.test/context/meet" for payload in found}


@clause(
    "context/context-variable/isolated", "agreement", CONTEXT_VARIABLES, requires=("concurrency",)
)
def test_context_variable(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """A `ContextVar` that every request sets holds what its own request put there."""
    found = isolated(wire, capabilities, key, "variable")
    assert found == {payload: payload for payload in found}


@clause("context/thread-local/isolated", "agreement", THREAD_LOCAL, requires=("concurrency",))
def test_thread_local(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """A `threading.local` of the application's own holds what its own request put there."""
    found = isolated(wire, capabilities, key, "thread_local")
    assert found == {payload: payload for payload in found}


@clause(
    "context/session/own-cookie",
    "contract",
    flask("quickstart", "Sessions"),
    requires=("concurrency",),
)
def test_session_cookie(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """The cookie that each of the requests gets opens the session of its own."""
    cookies = {
        party.payload: party.receive().header("Set-Cookie").partition(";")[0]
        for party in send(wire, key, at_once(capabilities))
    }
    found = {
        payload: read_json(wire.ask("GET", "/context/session", [("Cookie", cookie)]), str)
        for payload, cookie in cookies.items()
    }
    assert found == {payload: payload for payload in found}


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        pytest.param("before-request", "answer", id="before-request"),
        pytest.param("after-request", "answer", id="after-request"),
        pytest.param("teardown-request", "answer", id="teardown-request"),
        pytest.param("teardown-appcontext", "answer", id="teardown-appcontext"),
        pytest.param("error-handler", "error-handler", id="error-handler"),
        pytest.param("template", "template", id="template"),
        pytest.param("stream", "stream", id="stream"),
        pytest.param("nested", "nested", id="nested"),
        pytest.param("copied", "copied", id="copied"),
    ],
)
@clause("context/held", "contract", CONTEXT, requires=("concurrency",))
def test_held(
    wire: Wire, client: Client, capabilities: Capabilities, key: str, stage: str, path: str
) -> None:
    """Held at a stage with all others, a request sees its own data afterwards, and answers so."""
    parties = send(
        wire, key, at_once(capabilities), path=f"/context/held/{path}", method="GET", stage=stage
    )
    responses = [party.receive("GET") for party in parties]
    payloads = [party.payload for party in parties]
    assert [response.body.decode("latin-1") for response in responses] == payloads
    assert [response.header("X-After") for response in responses] == payloads
    # An inner request is told by a payload that is the outer one's reversed.
    wanted = [payload[::-1] if stage == "nested" else payload for payload in payloads]
    events = client.journal(key, until=lambda events: len(events) >= len(wanted))
    assert sorted(event["own"] for event in events) == sorted(wanted)
    places = ["g"] if stage == "teardown-appcontext" else ["g", "request", "session"]
    assert [(event["met"], event["seen"]) for event in events] == [
        (True, dict.fromkeys(places, event["own"])) for event in events
    ]


@clause("context/errors/others-unaffected", "contract", CALLBACKS, requires=("concurrency",))
def test_others_unaffected(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """Every second request fails while all are held: it is answered 500, the others get theirs."""
    number = at_once(capabilities)
    parties = send(wire, key, number, path="/context/meet-or-fail", fail=range(0, number, 2))
    for place, party in enumerate(parties):
        response = party.receive()
        if place % 2 == 0:
            assert response.status == 500, response.describe()
        else:
            assert read_json(response) == {"g": party.payload, "request": party.payload}


@clause("context/errors/own-in-teardown", "contract", TEARDOWN, requires=("concurrency",))
def test_error_in_teardown(
    wire: Wire, client: Client, capabilities: Capabilities, key: str
) -> None:
    """A teardown function is given the error of its own request, and None where there was none."""
    number = at_once(capabilities)
    parties = send(wire, key, number, path="/context/meet-or-fail", fail=range(0, number, 2))
    for party in parties:
        party.receive()
    events = client.journal(key, until=lambda events: len(events) >= number)
    assert {event["payload"]: event["error"] for event in events} == {
        party.payload: party.payload if place % 2 == 0 else None
        for place, party in enumerate(parties)
    }
    assert len(events) == number


@clause("context/reset/others-unaffected", "contract", CONTEXT, requires=("concurrency",))
def test_reset(wire: Wire, client: Client, capabilities: Capabilities, key: str) -> None:
    """A client that vanishes while its request is held takes nothing from those held with it."""
    number = at_once(capabilities)
    options = {"path": "/context/leave", "how": "answer"}
    (lost,) = send(wire, key, number, number=1, **options)  # type: ignore[arg-type]
    assert client.journal(key), "the request did not reach its view"
    lost.connection.reset()
    found = {}
    for party in send(wire, key, number, number=number - 1):
        found[party.payload] = read_json(party.receive())
    for payload, answer in found.items():
        assert answer["met"] is True
        assert {answer[name] for name in ("g", "request", "header", "body", "session")} == {payload}


@clause("context/environ/isolated", "must", DETAILS, requires=("concurrency",))
def test_environ(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """What an application adds to its environ and changes in it, no other request at work sees."""
    answers = meet(wire, key, at_once(capabilities), path="/wsgi/context/environ")
    places = ("added", "changed", "query", "field")
    assert answers == {
        payload: {"met": True, **dict.fromkeys(places, payload)} for payload in answers
    }


@clause("context/input/isolated", "must", STREAMS, requires=("concurrency",))
def test_input(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """A body that is read in two halves, others read in between, is that of its own request."""
    answers = meet(
        wire, key, at_once(capabilities), path="/wsgi/context/input", repeat=BODY_REPEATS
    )
    assert answers == {
        payload: {"met": True, "length": 33 * BODY_REPEATS - 1, "payloads": [payload]}
        for payload in answers
    }


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("return", id="returned"),
        pytest.param("iteration", id="iterated"),
        pytest.param("write", id="written"),
    ],
)
@clause("context/response/isolated", "must", START_RESPONSE, requires=("concurrency",))
def test_response(wire: Wire, capabilities: Capabilities, key: str, by: str) -> None:
    """Fields and body of a response are its own, though others are begun before it is ended."""
    parties = send(wire, key, at_once(capabilities), path="/wsgi/context/response", by=by)
    for party in parties:
        response = party.receive()
        assert (response.status, response.header("X-Payload")) == (200, party.payload)
        assert len(response.body) == 3 * 33 * (4096 // 33)
        assert set(response.body.split()) == {party.payload.encode()}


@clause(
    "context/concurrency/kept-connections",
    "contract",
    APP_CONTEXT,
    requires=("concurrency", "keep-alive"),
)
def test_kept_connections(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """On kept connections all requests meet three times: each has its own data each time."""
    parties = at_once(capabilities)

    def party(_number: int) -> None:
        kept = Kept(wire)
        for meeting in range(3):
            payload = uuid4().hex
            response = kept.ask(
                "POST",
                f"/context/meet?key={key}-{meeting}&parties={parties}&payload={payload}"
                f"&patience={wire.time_limit_s * 0.8}",
                [("X-Payload", payload)],
                payload.encode(),
            )
            answer = read_json(response)
            assert (answer["met"], answer["found_in_g"]) == (True, [])
            places = ("g", "request", "header", "body", "session")
            assert [answer[place] for place in places] == [payload] * len(places)

    with ThreadPoolExecutor(parties) as pool:
        list(pool.map(party, range(parties)))
