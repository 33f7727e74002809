"""PEP 3333, endings: failures, `close()`, and responses without a body."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlencode

import pytest

from conformance.checks.gateways import get, held_back, rest_of
from conformance.checks.probes import (
    NEXT,
    RESTART,
    SETTLE_LOOKS,
    alive,
    bodiless,
    closed_once,
    mark_of,
)
from conformance.clauses import clause, pep3333, rfc9112
from conformance.client import ConnectionClosed, Wire
from conformance.client.http import Client

DETAILS = pep3333("Specification Details")
START_RESPONSE = pep3333("The start_response() Callable")
BUFFERING = pep3333("Buffering and Streaming")
LENGTH = pep3333("Handling the Content-Length Header")
ERRORS = pep3333("Error Handling")
NO_BODY = rfc9112("6.3")


# Failures


@clause("wsgi/errors/status", "agreement", ERRORS)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("raise/in-call", id="in-call"),
        pytest.param("raise/after-start", id="after-start"),
        pytest.param("raise/first-block", id="first-block"),
        pytest.param("raise/after-empty-block", id="after-empty-block"),
        pytest.param("raise/in-iter", id="in-iter"),
        pytest.param("raise/kind?kind=stop-iteration", id="stop-iteration"),
        pytest.param("raise/kind?kind=unprintable", id="unprintable"),
        pytest.param("raise/kind?kind=beyond-encodings", id="beyond-encodings"),
    ],
)
def test_error_status(wire: Wire, path: str) -> None:
    """An application that fails before a byte of body is answered for with 500."""
    assert get(wire, path).status == 500


@clause("wsgi/errors/headers-not-sent", "must", START_RESPONSE)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("raise/after-start", id="after-start"),
        pytest.param("raise/first-block", id="first-block"),
        pytest.param("raise/after-empty-block", id="after-empty-block"),
        pytest.param("raise/in-iter", id="in-iter"),
    ],
)
def test_error_headers_not_sent(wire: Wire, path: str) -> None:
    """Without body data the announced headers are never sent: the client sees no success."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/{path}")
        if not connection.more():
            alive(wire)  # The connection ended without a response, which is no success either.
            return
        # The head alone says it, whatever becomes of the body.
        response = connection.receive_head()
    assert response.status >= 500, response.describe()
    assert response.all("X-First") == []


@clause("wsgi/errors/survived", "should", ERRORS)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("raise/in-call", id="in-call"),
        pytest.param("raise/first-block", id="first-block"),
        pytest.param("raise/after-block", id="after-block"),
        pytest.param("close/fails", id="in-close"),
        pytest.param("iterable?kind=none", id="no-iterable"),
        pytest.param("write/fails", id="after-write"),
        pytest.param("raise/kind?kind=generator-exit", id="generator-exit"),
        pytest.param("raise/kind?kind=unprintable", id="unprintable"),
    ],
)
def test_error_survived(wire: Wire, path: str) -> None:
    """The server traps what an application raises: 20 failures later it still answers."""

    def fail(_: int) -> None:
        with wire.connect() as connection:
            # A worker may end of it, and others wait for the next one.
            connection.time_limit_s *= RESTART
            connection.request("GET", f"/wsgi/{path}", [("Connection", "close")])
            connection.receive_end()

    # No more at once than the smallest queue of a listening socket takes.
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(fail, range(20)))
    assert mark_of(wire.exchange(NEXT)) == "next"


@clause("wsgi/errors/survived-left", "should", ERRORS)
def test_error_survived_left(wire: Wire, client: Client, key: str) -> None:
    """The server traps as well what `close()` raises when clients have left."""
    for _ in range(3):
        connection = wire.connect()
        connection.request("GET", f"/wsgi/close/disconnected?fails=1&key={key}")
        assert connection.receive_body_part(connection.receive_head())
        connection.reset()
    looks = itertools.count(1)
    # Whether it calls close() at all is another check.
    client.journal(key, until=lambda events: len(events) == 3 or next(looks) >= SETTLE_LOOKS)
    assert mark_of(wire.exchange(NEXT)) == "next"


def broken_off(wire: Wire, path: str) -> None:
    """The body of a response that failed after `first;` is not ended as if it were whole.

    Where it is delimited by the end of the connection there is no way to show that.
    """
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/{path}")
        response = connection.receive_head()
        if response.status == 500 or not response.all("Transfer-Encoding"):
            return
        assert response.status == 200
        rest = rest_of(connection, response)
    assert rest.startswith(b"6\r\nfirst;\r\n")
    assert b"0\r\n\r\n" not in rest, "the body was ended as if it were whole"
    assert b"HTTP/1." not in rest, "another response stands where the next chunk should"


@clause("wsgi/errors/body-broken-off", "agreement", ERRORS)
def test_error_body_broken_off(wire: Wire) -> None:
    """A failure in the middle of a body without a length is visible: the last chunk is missing.

    Ended like a whole one, half a file would be taken for the file. Where the response is delimited
    by the end of the connection there is no way to show it, and the check passes.
    """
    broken_off(wire, "raise/after-block")


@clause("wsgi/errors/write-broken-off", "agreement", ERRORS)
def test_error_write_broken_off(wire: Wire) -> None:
    """A failure after a `write()` is visible in the same way."""
    broken_off(wire, "write/fails")


@clause("wsgi/errors/length-not-met", "should", LENGTH)
def test_error_length_not_met(wire: Wire) -> None:
    """A failure in the middle of a body with a length ends the connection before its time."""
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/raise/after-block?length=1000")
        try:
            response = connection.receive_head()
        except ConnectionClosed:
            alive(wire)
            return
        assert response.status in (200, 500)
        if response.status == 200:
            # What was not sent yet when it failed may be dropped.
            assert b"first;".startswith(rest_of(connection, response))


# close()


@clause("wsgi/close/once", "must", DETAILS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "close/normal", id="normal"),
        pytest.param("GET", "close/empty", id="empty"),
        pytest.param("GET", "raise/first-block", id="failed-at-once"),
        pytest.param("GET", "raise/after-block", id="failed"),
        pytest.param("GET", "close/fails", id="fails-itself"),
        pytest.param("GET", "raise/in-iter", id="failed-in-iter"),
        pytest.param("GET", "close/kind?kind=not-started", id="not-started"),
        pytest.param("GET", "close/kind?kind=bad-block", id="bad-block"),
        pytest.param("GET", "close/kind?kind=too-long", id="too-long"),
        pytest.param("GET", "close/kind?kind=too-short", id="too-short"),
        pytest.param("GET", "close/kind?kind=written", id="written"),
        pytest.param("GET", "close/kind?kind=own-iterator", id="own-iterator"),
        pytest.param("GET", "close/kind?kind=listed", id="list-of-one"),
        pytest.param("HEAD", "close/normal", id="head"),
        pytest.param("GET", f"status?line={quote('304 Not Modified')}", id="304"),
        pytest.param("GET", f"status?line={quote('204 No Content')}", id="204"),
    ],
)
def test_close_once(wire: Wire, client: Client, key: str, method: str, path: str) -> None:
    """`close()` of the iterable is called once, however the request ends: it releases resources."""
    target = f"/wsgi/{path}{'&' if '?' in path else '?'}key={key}"
    with wire.connect() as connection:
        connection.request(method, target, [("Connection", "close")])
        connection.receive_end()
    closed_once(client, key)


@clause("wsgi/close/disconnected", "must", DETAILS)
def test_close_disconnected(wire: Wire, client: Client, key: str) -> None:
    """`close()` is called when the client goes away in the middle of the body."""
    connection = wire.connect()
    connection.request("GET", f"/wsgi/close/disconnected?key={key}")
    response = connection.receive_head()
    assert connection.receive_body_part(response)
    connection.reset()
    closed_once(client, key)


@clause("wsgi/close/left", "must", DETAILS, requires=("concurrency",))
def test_close_left(wire: Wire, client: Client, key: str) -> None:
    """`close()` is called when the client resets the connection while the iterable has yielded its
    last block and has not ended: nothing more is sent that could fail."""
    query = urlencode({"key": key, "patience": wire.time_limit_s * 0.8})
    connection = wire.connect()
    connection.request("GET", f"/wsgi/close/left?{query}")
    client.journal(key)  # it waits, or was closed when the length that it announced was there
    connection.reset()
    wire.ask("GET", f"/wsgi/release?{query}")
    closed_once(client, key)


@clause("wsgi/close/last", "must", DETAILS)
def test_close_last(wire: Wire, client: Client, key: str) -> None:
    """`close()` comes upon completion: after the iterable has ended and not before."""
    assert get(wire, "close/order", key=key).body == b"one;"
    closed_once(client, key)
    assert [event["event"] for event in client.journal(key)] == ["end", "close"]


@clause("wsgi/close/not-delaying", "must", BUFFERING, requires=("concurrency",))
def test_close_not_delaying(wire: Wire, client: Client, key: str) -> None:
    """The last block is on its way while `close()` runs: the client need not wait for that.

    `close()` waits for another request, which the client sends only once it has the body.
    """
    assert held_back(wire, "close/held", key) == b"first;"
    assert client.journal(key) == [{"event": "close", "met": True}]


# Responses without a body


@clause("wsgi/bodiless-written", "must", NO_BODY)
def test_bodiless_written(wire: Wire) -> None:
    """What is given to `write()` for HEAD is kept back as well."""
    assert bodiless(wire, "HEAD", "/wsgi/write/only").status == 200


@clause("wsgi/bodiless", "must", NO_BODY)
@pytest.mark.parametrize(
    ("method", "line"),
    [
        pytest.param("HEAD", "200 OK", id="head"),
        pytest.param("GET", "204 No Content", id="204"),
        pytest.param("GET", "304 Not Modified", id="304"),
        pytest.param("HEAD", "404 Not Found", id="head-of-error"),
    ],
)
def test_bodiless(wire: Wire, method: str, line: str) -> None:
    """What an application yields for HEAD, 204 and 304 is kept back: the next response is in step.

    Applications yield bodies there all the time, because they need not care about the method.
    """
    response = bodiless(wire, method, f"/wsgi/status?line={quote(line)}")
    assert str(response.status) == line[:3]
