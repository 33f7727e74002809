"""PEP 3333, bodies: by `write()` and by the iterable, as long as was announced."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest

from conformance.checks.gateways import failed, first_event, get, rest_of
from conformance.checks.probes import NEXT, alive, answers, mark_of, read_json, says_close
from conformance.clauses import clause, pep3333
from conformance.client import ConnectionClosed, PeerError, Wire
from conformance.client.http import Client

DETAILS = pep3333("Specification Details")
WRITE = pep3333("The write() Callable")
BUFFERING = pep3333("Buffering and Streaming")
LENGTH = pep3333("Handling the Content-Length Header")
UNICODE = pep3333("Unicode Issues")


# write()


@clause("wsgi/write/only", "must", WRITE)
def test_write_only(wire: Wire) -> None:
    """A body made by `write()` alone is sent whole, with an empty iterable after it."""
    response = get(wire, "write/only")
    assert (response.status, response.body) == (200, b"one;two;")


@clause("wsgi/write/and-iterable", "must", WRITE)
def test_write_and_iterable(wire: Wire) -> None:
    """What is written comes before what is yielded, and a list of one more block loses neither."""
    assert get(wire, "write/and-iterable").body == b"written;yielded;last;"


@clause("wsgi/write/with-length", "must", WRITE)
def test_write_with_length(wire: Wire) -> None:
    """The application's Content-Length holds for a body by `write()`."""
    response = get(wire, "write/with-length")
    assert (response.header("Content-Length"), response.body) == ("10", b"0123456789")


@clause("wsgi/write/beyond-length", "should", LENGTH)
def test_write_beyond_length(wire: Wire, client: Client, key: str) -> None:
    """A `write()` beyond the announced length raises, and nothing beyond it is sent."""
    response = get(wire, "write/beyond-length", key=key)
    assert response.body == b"01234"
    assert first_event(client, key)["event"] == "raised"


@clause("wsgi/write/str", "agreement", UNICODE)
def test_write_str(wire: Wire) -> None:
    """`write()` of text is refused: a server that encoded it would have guessed an encoding."""
    assert failed(wire, "write/str")


def held_back(wire: Wire, path: str, key: str) -> bytes:
    """The body of an application that goes on only when the client has seen its first block."""
    query = urlencode({"key": key, "patience": wire.time_limit_s * 0.8})
    connection = wire.connect()
    connection.request("GET", f"/wsgi/{path}?{query}", [("Connection", "close")])
    response = connection.receive_head()
    while not response.body.startswith(b"first;"):
        if not connection.receive_body_part(response):
            raise PeerError(f"expected the first block, found the end after {response.body!r}")
    assert response.body == b"first;", "the blocks came together: the first one was held back"
    released = read_json(wire.ask("GET", f"/wsgi/release?{query}"))
    assert released == {"met": True}
    while connection.receive_body_part(response):
        pass
    return response.body


@clause("wsgi/write/not-delayed", "must", WRITE, requires=("concurrency",))
def test_write_not_delayed(wire: Wire, key: str) -> None:
    """What is written is on its way while the application goes on: the client gets it first.

    The application writes a block and then waits for another request, which the client sends only
    once it has the block.
    """
    assert held_back(wire, "write/held", key) == b"first;met;"


# The iterable


@clause("wsgi/iterable/not-delayed", "must", BUFFERING, requires=("concurrency",))
def test_iterable_not_delayed(wire: Wire, key: str) -> None:
    """A block is transmitted before the next is asked for: no server may gather blocks.

    The application yields a block and then waits for another request, which the client sends only
    once it has the block. Server-sent events and progress reports depend on it.
    """
    assert held_back(wire, "held", key) == b"first;met;"


@clause("wsgi/iterable/kind", "must", DETAILS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind)
        for kind in (
            "list",
            "tuple",
            "generator",
            "iterator",
            "sequence",
            "list-of-one",
            "sized",
            "empty-first",
            "empty-last",
        )
    ],
)
def test_iterable_kind(wire: Wire, kind: str) -> None:
    """Any iterable of bytestrings is a body; an empty one in it neither ends nor breaks it."""
    response = get(wire, "iterable", kind=kind)
    assert (response.status, response.body) == (200, b"one;two;three;")
    alive(wire)


@clause("wsgi/iterable/nothing", "must", DETAILS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("empty-list", id="list"),
        pytest.param("empty-generator", id="generator"),
        pytest.param("empty-blocks", id="empty-blocks"),
    ],
)
def test_iterable_nothing(wire: Wire, kind: str) -> None:
    """A body without a byte is a response like any other: its headers are sent at the end."""
    response = get(wire, "iterable", kind=kind)
    assert (response.status, response.body) == (200, b"")
    assert response.header("Content-Type") == "application/octet-stream"
    alive(wire)


@clause("wsgi/iterable/binary", "should", DETAILS)
def test_iterable_binary(wire: Wire) -> None:
    """Blocks are bytes and not text: every value, line end and chunk-like line comes through."""
    expected = bytes(range(256)) + b"\r\n\r\n\n\r0\r\n\r\n" + bytes(range(255, -1, -1))
    assert get(wire, "iterable", kind="binary").body == expected


@clause("wsgi/iterable/big", "must", DETAILS)
def test_iterable_big(wire: Wire) -> None:
    """4 MiB in 64 blocks arrive whole and in order."""
    expected = b"".join(bytes([number]) * 65536 for number in range(64))
    body = get(wire, "iterable", kind="big").body
    assert len(body) == len(expected)
    assert hashlib.sha256(body).digest() == hashlib.sha256(expected).digest()


@clause("wsgi/iterable/refused", "agreement", UNICODE)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=kind) for kind in ("str", "str-late", "int", "none")]
)
def test_iterable_refused(wire: Wire, kind: str) -> None:
    """A body of anything but bytestrings is not sent as if it were one: 5xx, or broken off.

    Text would need an encoding that the server can only guess, and a guess shows as mojibake.
    """
    assert failed(wire, "iterable", kind=kind)


# Announced lengths


@clause("wsgi/content-length/kept", "must", LENGTH)
def test_length_kept(wire: Wire) -> None:
    """The application's Content-Length is the one that is sent, for several blocks too."""
    response = get(wire, "length/right")
    assert (response.header("Content-Length"), response.body) == ("10", b"0123456789")


@clause("wsgi/content-length/too-much", "should", LENGTH)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("length/too-much", id="blocks"),
        pytest.param("length/too-much-at-once", id="one-block"),
    ],
)
def test_length_too_much(wire: Wire, path: str) -> None:
    """No more bytes are sent than were announced: they would be taken for the next response.

    Fewer are right as well, with the connection ended: the client can tell that it went wrong.
    """
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/{path}", behind=NEXT)
        try:
            response = connection.receive()
        except ConnectionClosed:
            alive(wire)
            return
        assert response.body == b"01234"
        if says_close(response):
            connection.shutdown_write()
        assert [mark_of(response) for response in answers(connection)] in ([], ["next"])


@clause("wsgi/content-length/iteration-stopped", "should", LENGTH)
def test_length_stopped(wire: Wire, client: Client, key: str) -> None:
    """The iteration stops once the announced bytes are sent, instead of going on for nobody."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/length/too-much?key={key}", [("Connection", "close")])
        connection.receive_end()

    def over(events: list[dict[str, Any]]) -> bool:
        return any(event["event"] == "over" for event in events)

    asked = [event for event in client.journal(key, until=over) if event["event"] == "asked"]
    assert len(asked) < 10


@clause("wsgi/content-length/too-little", "should", LENGTH)
def test_length_too_little(wire: Wire) -> None:
    """A body that is shorter than announced ends with the connection, so that the client can tell.

    A server that kept the connection would have the client wait, or take the next response for the
    rest of this one.
    """
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/length/too-little")
        response = connection.receive_head()
        if response.status >= 500:
            return  # The mistake was noticed before anything was sent.
        assert response.header("Content-Length") == "10"
        assert rest_of(connection, response) == b"01234"
