"""Workers: what a thread, greenlet or process keeps of a request, and what it says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import read_json
from conformance.checks.rendezvous import Party, at_once, meet, send, side_by_side
from conformance.clauses import Source, clause, flask, pep3333
from conformance.client import Wire
from conformance.client.http import Client

LIFETIME = flask("reqcontext", "Lifetime of the Context")
CALLBACKS = flask("reqcontext", "Callbacks and Errors")
VARIABLES = pep3333("environ Variables")
THREADS = pep3333("Thread Support")
MODULES = Source(
    "Python documentation",
    "The import system",
    "https://docs.python.org/3/reference/import.html#the-module-cache",
)


def nothing_left(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """As many requests as are handled at once meet, and none finds anything of an earlier one."""
    for party in send(wire, f"{key}-found", at_once(capabilities), path="/wsgi/context/found"):
        response = party.receive()
        assert response.all("X-Left") == [], "a function for after another request was called"
        assert read_json(response) == {
            "met": True,
            "outside": {
                "request context": False,
                "application context": False,
                "exception": None,
                # Its own field is there, and nobody else's.
                "field": party.payload,
                "cookie": None,
                "left": None,
            },
            "g": [],
            "session": {},
            "flashed": [],
        }


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("answer", id="answer"),
        pytest.param("http-error", id="http-error"),
        pytest.param("error", id="error"),
        pytest.param("hook-error", id="hook-error"),
        pytest.param("nested-error", id="nested-error"),
        pytest.param("stream", id="stream"),
        pytest.param("failed-stream", id="failed-stream"),
    ],
)
@clause("context/nothing-left", "contract", LIFETIME)
def test_nothing_left(wire: Wire, capabilities: Capabilities, key: str, how: str) -> None:
    """Every worker handles a request that leaves something wherever it can, and ends in this way.

    Then every worker is asked what it has: no context, no `g`, no session, no message, no function,
    no exception and no entry of the environ is there when the next request comes.
    """

    def ended(party: Party) -> int:
        # How such an answer ends is for other checks; here it only has to be over.
        status = party.connection.receive_head().status
        party.connection.receive_end()
        return status

    parties = send(wire, key, at_once(capabilities), path="/context/leave", how=how)
    if how == "failed-stream":
        # Whether its status had been sent when it failed is the server's to decide.
        assert set(side_by_side(parties, ended)) <= {200, 500}
    else:
        wanted = {"http-error": 418, "answer": 200, "stream": 200}.get(how, 500)
        assert {party.receive().status for party in parties} == {wanted}
    nothing_left(wire, capabilities, key)


@clause("context/nothing-left/reset", "contract", LIFETIME, requires=("concurrency",))
def test_nothing_left_reset(
    wire: Wire, client: Client, capabilities: Capabilities, key: str
) -> None:
    """Clients vanish while their requests are held: nothing of them is left on any worker."""
    number = at_once(capabilities)
    options = {"path": "/context/leave", "how": "answer"}
    parties = send(wire, key, number, number=number - 1, **options)  # type: ignore[arg-type]
    events = client.journal(key, until=lambda events: len(events) >= number - 1)
    assert len(events) == number - 1
    for party in parties:
        party.connection.reset()
    (last,) = send(wire, key, number, number=1, **options)  # type: ignore[arg-type]
    assert last.receive().status == 200
    nothing_left(wire, capabilities, key)


@clause("context/nothing-left/abandoned-stream", "contract", CALLBACKS)
def test_nothing_left_stream(
    wire: Wire, client: Client, capabilities: Capabilities, key: str
) -> None:
    """A client leaves in the middle of a stream: once that is closed, nothing of it is left."""
    # All workers have been at work before: which of them gets the stream is not known.
    nothing_left(wire, capabilities, f"{key}-before")
    connection = wire.connect()
    connection.request("GET", f"/context/long-stream?key={key}&payload=x")
    head = connection.receive_head()
    assert head.status == 200, head.describe()
    connection.receive_body_part(head)
    connection.reset()
    assert client.journal(key), "the stream was not closed"
    nothing_left(wire, capabilities, key)


@clause("context/environ/next-on-connection", "must", VARIABLES, requires=("keep-alive",))
def test_next_on_connection(wire: Wire) -> None:
    """A request has no field, cookie, length or query of the one before it on its connection."""
    with wire.connect() as connection:
        connection.request(
            "POST",
            "/wsgi/environ?left=behind",
            [
                ("X-Left", "behind"),
                ("Cookie", "left=behind"),
                ("Authorization", "Basic bGVmdDpiZWhpbmQ="),
                ("Content-Type", "text/left"),
            ],
            b"",
        )
        first = read_json(connection.receive("POST"))["values"]
        assert first["HTTP_X_LEFT"]["value"] == "behind"
        connection.request("GET", "/wsgi/environ", [("Connection", "close")])
        found = read_json(connection.receive())["values"]
    names = ("HTTP_X_LEFT", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "CONTENT_TYPE", "QUERY_STRING")
    # What the server puts there by itself, such as a type of content by default, is nothing left.
    left = {name: found[name] for name in names if name in found and found[name] == first.get(name)}
    assert left == {}
    assert found["REQUEST_METHOD"]["value"] == "GET"


@pytest.mark.parametrize("step", ["iteration", "close"])
@clause("context/thread/same", "agreement", THREADS)
def test_same_thread(
    wire: Wire, client: Client, capabilities: Capabilities, key: str, step: str
) -> None:
    """A response is iterated, and closed, in the thread or greenlet that called the application.

    No text says so, and what is kept by thread (a transaction, say) is lost where it is not.
    """
    noted = steps(wire, client, capabilities, key, step)
    assert [event["same_thread"] for event in noted] == [True] * len(noted)


@clause("context/context-variable/iteration", "agreement", THREADS)
def test_variable_in_iteration(
    wire: Wire, client: Client, capabilities: Capabilities, key: str
) -> None:
    """A `ContextVar` that the call of the application set is seen when its response is iterated."""
    noted = steps(wire, client, capabilities, key, "iteration")
    assert [event["variable"] for event in noted] == [True] * len(noted)


def steps(
    wire: Wire, client: Client, capabilities: Capabilities, key: str, step: str
) -> list[dict[str, Any]]:
    """What was noted of the steps of that name, of responses that are begun at the same time."""
    number = at_once(capabilities)
    for party in send(wire, key, number, path="/wsgi/context/steps"):
        assert party.receive().body == b"block;" * 3
    wanted = number * {"iteration": 3, "close": 1}[step]

    def named(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [event for event in events if event["event"] == step]

    found = named(client.journal(key, until=lambda events: len(named(events)) >= wanted))
    assert len(found) == wanted
    return found


@clause("context/flags/observed", "should", VARIABLES, requires=("concurrency",))
def test_flags_observed(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """Requests are seen at work at once in one process, or in several: the flags do not deny it."""
    answers = list(meet(wire, key, at_once(capabilities)).values())
    assert all(answer["met"] for answer in answers)
    processes = {answer["pid"] for answer in answers}
    for answer in answers:
        here = [other for other in answers if other["pid"] == answer["pid"]]
        assert answer["multithread"] is True or len(here) == 1
        assert answer["multiprocess"] is True or len(processes) == 1


@clause("context/processes/as-declared", "agreement", VARIABLES, requires=("bounded-concurrency",))
def test_processes(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """When all that can be are at work, so many processes are as the deployment declares.

    No text asks for a number: it is the declaration that is verified.
    """
    answers = meet(wire, key, at_once(capabilities))
    assert len({answer["pid"] for answer in answers.values()}) == capabilities.processes


@clause("context/process/one-application", "agreement", MODULES, requires=("concurrency",))
def test_one_application(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """The threads or greenlets of a process share one application, and its module's globals."""
    answers = meet(wire, key, at_once(capabilities))
    for answer in answers.values():
        here = {
            payload: other for payload, other in answers.items() if other["pid"] == answer["pid"]
        }
        assert {other["application"] for other in here.values()} == {answer["application"]}
        assert sorted(answer["seen"]) == sorted(here)
