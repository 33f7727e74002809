"""RFC 9110 and 9112, connections, continued: options, Upgrade, HTTP/1.0, and long pipelines."""

from __future__ import annotations

import pytest

from conformance.checks.bodies import in_step, received
from conformance.checks.probes import (
    NEXT,
    answers,
    exchange,
    first,
    mark_of,
    marked,
    read_json,
    request,
    says_close,
)
from conformance.clauses import clause, rfc9110, rfc9112
from conformance.client import Wire

KEEP_ALIVE = ("keep-alive",)
PERSISTENCE = rfc9112("9.3")
PIPELINING = rfc9112("9.3.2")
UPGRADE = rfc9110("7.8")

WEBSOCKET = (
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)

# Upgrade


@clause("http/upgrade/ignored", "must", UPGRADE)
@pytest.mark.parametrize(
    ("version", "fields"),
    [
        pytest.param("1.1", ["Connection: Upgrade", "Upgrade: x-unheard-of/1"], id="unknown"),
        pytest.param(
            "1.0", ["Connection: Upgrade, keep-alive", "Upgrade: x-unheard-of/1"], id="in-1.0"
        ),
    ],
)
def test_upgrade_ignored(wire: Wire, version: str, fields: list[str]) -> None:
    """Upgrade to a protocol that nobody speaks, or in HTTP/1.0, is passed by: HTTP goes on."""
    found = exchange(wire, request(f"GET /wsgi/echo?mark=first HTTP/{version}", *fields), NEXT)
    assert first(found).status == 200, found[0].describe()
    assert mark_of(found[0]) == "first"
    in_step(wire, found)


@clause("http/upgrade/not-switched", "must", UPGRADE)
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        pytest.param("POST", ["Connection: Upgrade", *WEBSOCKET, "Content-Length: 0"], id="post"),
        pytest.param("GET", list(WEBSOCKET), id="without-option"),
        pytest.param(
            "GET",
            ["Connection: Upgrade", *WEBSOCKET[:2], "Sec-WebSocket-Version: 99"],
            id="version-unknown",
        ),
    ],
)
def test_not_switched(wire: Wire, method: str, fields: list[str]) -> None:
    """What is no valid handshake of WebSocket is answered in HTTP, and not by switching.

    Behind it the connection is in step: a proxy in front has not switched either.
    """
    found = exchange(wire, request(f"{method} /wsgi/echo?mark=first HTTP/1.1", *fields), NEXT)
    assert first(found).status == 200 or 400 <= found[0].status < 500, found[0].describe()
    in_step(wire, found)


@clause("http/upgrade/websocket", "may", UPGRADE)
def test_websocket(wire: Wire) -> None:
    """A valid handshake of WebSocket is passed by, or refused: no WSGI application speaks it."""
    data = request("GET /wsgi/echo?mark=first HTTP/1.1", "Connection: Upgrade", *WEBSOCKET)
    response = first(exchange(wire, data, NEXT))
    assert mark_of(response) == "first" or response.status in (400, 403, 404, 426, 501)


@clause("http/upgrade/with-body", "must", UPGRADE)
def test_upgrade_body(wire: Wire) -> None:
    """The body of a request that asks for an upgrade is read whole, and is no part of another."""
    fields = ("Connection: Upgrade", "Upgrade: x-unheard-of/1", "Content-Length: 5")
    found = exchange(
        wire, request("POST /wsgi/echo?mark=first HTTP/1.1", *fields, body=b"hello"), NEXT
    )
    assert received(first(found)) == b"hello"
    in_step(wire, found)


# Options of the connection


@clause("http/close/wins", "must", PERSISTENCE)
@pytest.mark.parametrize(
    ("version", "options"),
    [
        pytest.param("1.1", "keep-alive, close", id="last"),
        pytest.param("1.1", "close, keep-alive", id="first"),
        pytest.param("1.0", "keep-alive, close", id="in-1.0"),
    ],
)
def test_close_wins(wire: Wire, version: str, options: str) -> None:
    """Where `close` and `keep-alive` are both there, the connection is closed."""
    data = request(f"GET /wsgi/echo?mark=last HTTP/{version}", f"Connection: {options}")
    found = exchange(wire, data, NEXT)
    assert [mark_of(response) for response in found] == ["last"]


@clause("http/keep-alive/other-option", "should", PERSISTENCE, requires=KEEP_ALIVE)
@pytest.mark.parametrize(
    "option",
    [
        pytest.param("keep-alive", id="keep-alive"),
        pytest.param("x-close-not", id="like-close"),
        pytest.param("x-unheard-of", id="unknown"),
    ],
)
def test_other_option(wire: Wire, option: str) -> None:
    """An option that is not `close`, however it is spelt, leaves the connection as it is."""
    with wire.connect() as connection:
        connection.send(marked("first", f"Connection: {option}"))
        assert mark_of(connection.receive()) == "first"
        connection.send(NEXT)
        assert mark_of(connection.receive()) == "next"


@clause("http/1.0/body", "must", rfc9112("6.2"))
def test_1_0_body(wire: Wire) -> None:
    """A request of HTTP/1.0 with Content-Length has a body, and the answer comes without an end."""
    data = request("POST /wsgi/echo HTTP/1.0", "Content-Length: 5", body=b"hello")
    assert received(first(exchange(wire, data))) == b"hello"


# Pipelining


@clause("http/pipelining/hundred", "must", PIPELINING, requires=KEEP_ALIVE)
def test_pipelining_hundred(wire: Wire) -> None:
    """Of a hundred requests sent at once each is answered in its place, or the end is announced."""
    marks = [str(number) for number in range(100)]
    found = exchange(wire, b"".join(map(marked, marks)) + NEXT)
    first(found)
    seen = [mark_of(response) for response in found]
    assert seen == [*marks, "next"][: len(seen)]
    assert len(seen) == 101 or says_close(found[-1])


@clause("http/pipelining/head-between", "must", PIPELINING, requires=KEEP_ALIVE)
def test_pipelining_head(wire: Wire) -> None:
    """The answer to HEAD between two others has no body: the third is found right behind it."""
    # To a path whose answer the framework makes, which gives HEAD no body of its own accord.
    head = request("HEAD /no/such/path HTTP/1.1")
    with wire.connect() as connection:
        connection.send(marked("first") + head + NEXT)
        found = answers(connection, "GET", "HEAD")
    first(found)
    assert [response.status for response in found] == [200, 404, 200][: len(found)]
    assert [mark_of(response) for response in found] == ["first", None, "next"][: len(found)]
    assert len(found) == 3 or says_close(found[-1])


@clause("http/pipelining/large-bodies", "must", PIPELINING, requires=KEEP_ALIVE)
def test_pipelining_large(wire: Wire) -> None:
    """Pipelined bodies that are larger than any buffer come apart where they should."""
    sizes = [200_000, 65_537, 131_072]
    data = b"".join(
        request("POST /wsgi/echo HTTP/1.1", f"Content-Length: {size}", body=b"x" * size)
        for size in sizes
    )
    found = exchange(wire, data, NEXT)
    assert [read_json(response)["length"] for response in found] == [*sizes, 0]


@clause("http/pipelining/slow-first", "must", PIPELINING, requires=KEEP_ALIVE)
def test_pipelining_slow(wire: Wire) -> None:
    """A request that takes its time is answered before the quick one behind it."""
    slow = request("GET /wsgi/slow?mark=slow HTTP/1.1")
    found = exchange(wire, slow + NEXT)
    assert [mark_of(response) for response in found] == ["slow", "next"]


@clause("http/pipelining/second-incomplete", "must", PIPELINING, requires=KEEP_ALIVE)
@pytest.mark.parametrize("missing", [pytest.param(7, id="body"), pytest.param(30, id="head")])
def test_second_incomplete(wire: Wire, missing: int) -> None:
    """A request is answered although only a part of the next one has come.

    A client that waits for the first answer before it goes on would wait for ever.
    """
    body = b"0123456789"
    second = request(
        "POST /wsgi/echo HTTP/1.1", "Content-Length: 10", "Connection: close", body=body
    )
    with wire.connect() as connection:
        connection.send(marked("first") + second[:-missing])
        assert mark_of(connection.receive()) == "first"
        connection.send(second[-missing:])
        found = answers(connection)
    assert [received(response) for response in found] == [body]
