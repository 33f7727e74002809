"""The whole application behind `wsgiref.validate`, which holds the server to PEP 3333.

The validator stands between server and application for the requests that name a key in a field.
What it finds is in the journal under that key. What it is stricter about than the PEP is no
violation: see `wsgi/validate-strict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.checks.probes import request
from conformance.clauses import Source, clause
from conformance.client import Response, Wire
from conformance.client.http import Client

VALIDATOR = Source(
    "Python documentation",
    "wsgiref.validate",
    "https://docs.python.org/3/library/wsgiref.html#module-wsgiref.validate",
)
FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"


@dataclass(frozen=True)
class Case:
    """One request, and what an application that is served properly answers.

    :param part: what the body has to contain.
    """

    start: str
    status: int = 200
    part: bytes = b""
    fields: Sequence[str] = ()
    body: bytes = b""


def chunked(*pieces: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def sized(body: bytes, *fields: str) -> dict[str, Any]:
    """Fields and body of a request whose body has a length."""
    return {"fields": (*fields, f"Content-Length: {len(body)}"), "body": body}


CASES = {
    "get": Case("GET /wsgi/echo", part=b'"method": "GET"'),
    "root": Case("GET /", 404),
    "query": Case("GET /routing/query?a=1&a=2", part=b"2"),
    "escapes": Case("GET /wsgi/echo/caf%C3%A9%20%25", part=b"caf"),
    "head": Case("HEAD /wsgi/method"),
    "options": Case("OPTIONS /routing/methods"),
    "put": Case("PUT /routing/methods", part=b"PUT", **sized(b"data")),
    "patch": Case("PATCH /routing/methods", part=b"PATCH", **sized(b"data")),
    "delete": Case("DELETE /routing/methods", part=b"DELETE"),
    "form": Case("POST /errors/form-key", part=b"x y", **sized(b"wanted=x+y", FORM)),
    "json": Case("POST /session/values", part=b"value", **sized(b'{"value": 1}', JSON)),
    "empty-body": Case("POST /wsgi/echo", part=b'"length": 0', **sized(b"")),
    "unread-body": Case("POST /wsgi/ignore", **sized(b"x" * 100000)),
    "binary-body": Case(
        "POST /wsgi/echo", part=b'"length": 256', **sized(bytes(range(256)), "X-Empty:")
    ),
    "lines": Case(
        "POST /wsgi/input?do=readline&do=iterate:2", part=b"two", **sized(b"1\ntwo\nthree")
    ),
    "not-found": Case("GET /no/such/page", 404),
    "not-allowed": Case("DELETE /routing/query", 405),
    "redirect": Case("GET /errors/raise/RedirectedError", 302),
    "failure": Case("GET /errors/fail?text=x", 500),
    "failure-in-the-call": Case("GET /wsgi/raise/in-call", 500),
    "generator": Case("GET /wsgi/iterable?kind=generator", part=b"one;two;three;"),
    "empty-blocks": Case("GET /wsgi/iterable?kind=empty-first", part=b"one;two;three;"),
    "nothing": Case("GET /wsgi/iterable?kind=empty-list"),
    "big": Case("GET /wsgi/iterable?kind=big"),
    "started-in-the-iteration": Case("GET /wsgi/start-response/in-first-step", 299, b"onetwo"),
    "written": Case("GET /wsgi/write/and-iterable", part=b"written;yielded;last;"),
    "file": Case("GET /wsgi/file?kind=file"),
    "errors-stream": Case("GET /wsgi/errors", part=b'"flush": null'),
}


def finished(events: list[dict[str, Any]]) -> bool:
    """Whether the journal has the end of a validated request."""
    return any(event.get("event") in ("closed", "violation") for event in events)


def judge(client: Client, key: str, requests: int = 1) -> list[dict[str, Any]]:
    """Say what the validator found in so many requests; what it remarked comes back."""

    def over(events: list[dict[str, Any]]) -> bool:
        return sum(finished([event]) for event in events) >= requests

    client.journal(key, until=over)
    # Another look, with a request in between in which a second close() would have come.
    events = client.journal(key)
    names = [event.get("event") for event in events]
    wrong = [event for event in events if event.get("event") == "violation"]
    assert wrong == [], wrong
    assert names.count("validated") == requests, "the request did not reach the validator"
    assert names.count("closed") == requests, f"close() was called {names.count('closed')} times"
    return [event for event in events if event.get("event") == "remark"]


def send(wire: Wire, case: Case, key: str, version: str = "1.1") -> Response:
    """Send the request of a case through the validator and look at the answer."""
    method = case.start.partition(" ")[0]
    data = request(
        f"{case.start} HTTP/{version}",
        *case.fields,
        f"X-Wsgi-Validate: {key}",
        "Connection: close",
        body=case.body,
    )
    with wire.connect() as connection:
        connection.send(data)
        response = connection.receive(method)
        if method == "HEAD":
            # What a server sends as a body is for other checks. Closed over it, the connection
            # would be reset, and where the server is by then would be left to chance.
            connection.receive_end()
    shown = f"{response.describe()}: {response.body[:500]!r}"
    assert response.status == case.status, shown
    assert case.part in response.body, shown
    return response


@clause("wsgi/validate", "must", VALIDATOR)
@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in CASES])
def test_validate(wire: Wire, client: Client, key: str, name: str) -> None:
    """The validator of the standard library finds nothing wrong with the server in this request.

    It looks at the environ and the streams, at what reading gives, and at what the server does with
    the iterable, which is closed once.
    """
    send(wire, CASES[name], key)
    if not CASES[name].start.endswith("/raise/in-call"):
        judge(client, key)
        return
    # Without an iterable there is nothing to close.
    names = {event.get("event") for event in client.journal(key)}
    assert names - {"remark"} == {"validated"}, names


@clause("wsgi/validate-http-1.0", "must", VALIDATOR)
def test_validate_old(wire: Wire, client: Client, key: str) -> None:
    """Nor does it in a request of HTTP/1.0."""
    send(wire, CASES["form"], key, "1.0")
    judge(client, key)


@clause("wsgi/validate-chunked", "must", VALIDATOR, requires=("chunked-input",))
@pytest.mark.parametrize(
    ("start", "part"),
    [
        pytest.param("POST /wsgi/echo", b'"length": 11', id="read"),
        pytest.param("POST /wsgi/input?do=readline&do=read:99", b"hello world", id="readline"),
        pytest.param("POST /wsgi/ignore", b"", id="unread"),
    ],
)
def test_validate_chunked(wire: Wire, client: Client, key: str, start: str, part: bytes) -> None:
    """Nor does it in a request with a chunked body."""
    body = chunked(b"hello", b" world")
    send(wire, Case(start, 200, part, ["Transfer-Encoding: chunked"], body), key)
    judge(client, key)


@clause("wsgi/validate-kept-alive", "must", VALIDATOR, requires=("keep-alive",))
def test_validate_kept_alive(wire: Wire, client: Client, key: str) -> None:
    """Nor does it in three requests on one connection, of which each has an environ of its own."""
    field = f"X-Wsgi-Validate: {key}"
    with wire.connect() as connection:
        for data in (
            request("POST /wsgi/echo HTTP/1.1", field, "Content-Length: 3", body=b"one"),
            request("GET /wsgi/ignore HTTP/1.1", field),
            request("GET /wsgi/echo HTTP/1.1", field, "Connection: close"),
        ):
            connection.send(data)
            assert connection.receive().status == 200
    judge(client, key, 3)


@clause("wsgi/validate-session", "must", VALIDATOR)
def test_validate_session(client: Client, key: str) -> None:
    """Nor does it in a session, whose cookie goes out in one request and comes in with the next."""
    field = {"X-Wsgi-Validate": key}
    client.post("/session/values", json={"value": "kept"}, headers=field)
    assert client.get("/session/values", headers=field).json() == {"value": "kept"}
    judge(client, key, 2)


@clause("wsgi/validate-strict", "agreement", VALIDATOR)
def test_validate_strict(wire: Wire, client: Client, key: str) -> None:
    """It has nothing to remark either on what the PEP allows and it is stricter about.

    That is a query string that is left out where there is none, and variables that are no text
    without being those of CGI. Whoever tests an application behind it sees these all the time.
    """
    send(wire, CASES["get"], key)
    assert judge(client, key) == []
