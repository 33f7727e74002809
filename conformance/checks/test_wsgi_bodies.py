"""PEP 3333, bodies: by `write()` and by the iterable, as long as was announced."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from conformance.checks.gateways import failed, first_event, get, held_back, rest_of
from conformance.checks.probes import NEXT, alive, answers, mark_of, says_close
from conformance.clauses import clause, pep3333
from conformance.client import ConnectionClosed, Wire
from conformance.client.http import Client

DETAILS = pep3333("Specification Details")
START_RESPONSE = pep3333("The start_response() Callable")
WRITE = pep3333("The write() Callable")
BUFFERING = pep3333("Buffering and Streaming")
LENGTH = pep3333("Handling the Content-Length Header")
OTHER = pep3333("Other HTTP Features")
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


@clause("wsgi/write/and-list-of-one", "must", LENGTH)
def test_write_and_list_of_one(wire: Wire) -> None:
    """After a `write()` the one block of a list is not the body: its length cannot be told."""
    assert get(wire, "write/and-list-of-one").body == b"written;last;"


@clause("wsgi/write/binary", "must", WRITE)
def test_write_binary(wire: Wire) -> None:
    """`write()` takes bytes of every value, and what looks like the last chunk ends nothing."""
    assert get(wire, "write/binary").body == bytes(range(256)) + b"\r\n0\r\n\r\n"


@clause("wsgi/write/big", "must", WRITE)
def test_write_big(wire: Wire) -> None:
    """A megabyte by `write()` arrives whole and in order, though no buffer takes it at once."""
    body = get(wire, "write/big").body
    expected = b"".join(bytes([number]) * 65536 for number in range(16))
    assert len(body) == len(expected)
    assert hashlib.sha256(body).digest() == hashlib.sha256(expected).digest()


@clause("wsgi/write/replaced", "must", START_RESPONSE)
def test_write_replaced(wire: Wire) -> None:
    """The `write` of the call that replaced the response sends that response."""
    response = get(wire, "write/replaced")
    assert (response.status, response.body) == (503, b"written;yielded;")
    assert response.all("X-First") == []


@clause("wsgi/write/with-length", "should", OTHER)
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
            "list-subclass",
            "unmeasured",
            "keys",
            "map",
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


@clause("wsgi/iterable/sizes", "must", DETAILS)
def test_iterable_sizes(wire: Wire) -> None:
    """Blocks of sizes around those at which buffers end and chunk sizes get another digit."""
    sizes = (1, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 8192, 16384, 65535, 65536, 65537)
    body = get(wire, "iterable", kind="sizes").body
    assert (len(body), set(body)) == (sum(sizes), {ord("x")})


@clause("wsgi/iterable/small", "must", DETAILS)
def test_iterable_small(wire: Wire) -> None:
    """A thousand small blocks arrive whole and in order."""
    expected = b"".join(b"%d;" % number for number in range(1000))
    assert get(wire, "iterable", kind="small").body == expected


@clause("wsgi/iterable/one-big", "must", DETAILS)
def test_iterable_one_big(wire: Wire) -> None:
    """One block of 4 MiB arrives whole: no system call takes so much at once."""
    body = get(wire, "iterable", kind="one-big").body
    expected = bytes(range(256)) * 16384
    assert len(body) == len(expected)
    assert hashlib.sha256(body).digest() == hashlib.sha256(expected).digest()


@clause("wsgi/iterable/other-attributes", "must", DETAILS)
def test_iterable_other_attributes(wire: Wire, client: Client, key: str) -> None:
    """Of the iterable the server uses the iteration, `len()` and `close()`, and nothing else.

    An attribute that means something to the server (a file, a descriptor) may mean something else
    to whoever wrote the iterable.
    """
    response = get(wire, "iterable-guarded", key=key)
    assert (response.status, response.body) == (200, b"one;two;")
    # Not until it is closed: a server that never does that would be waited for in vain.
    events = client.journal(key)
    assert events, "its iteration did not come to an end"
    asked = {event["name"] for event in events if event["event"] == "asked"}
    assert asked <= {"close"}, asked


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


@clause("wsgi/content-length/kept", "should", OTHER)
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
        pytest.param("length?kind=spanning", id="block-across-the-end"),
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


@clause("wsgi/content-length/zero", "should", LENGTH)
def test_length_zero(wire: Wire) -> None:
    """Where 0 was announced nothing is sent, whatever the iterable yields."""
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/length?kind=zero", behind=NEXT)
        response = connection.receive()
        assert (response.header("Content-Length"), response.body) == ("0", b"")
        if says_close(response):
            connection.shutdown_write()
        assert [mark_of(response) for response in answers(connection)] in ([], ["next"])


@clause("wsgi/content-length/name-without-case", "should", START_RESPONSE)
@pytest.mark.parametrize("case", [pytest.param(case, id=case) for case in ("lower", "upper")])
def test_length_name_case(wire: Wire, case: str) -> None:
    """Names have no case: a `content-length` of the application's is its Content-Length."""
    response = get(wire, "length", kind=f"name-in-{case}-case")
    assert (response.header("Content-Length"), response.body) == ("10", b"0123456789")


@clause("wsgi/content-length/determined", "may", LENGTH)
def test_length_determined(wire: Wire) -> None:
    """The length of a list of one block is sent: clients show progress by it.

    The server can tell it from `len()` of the iterable being 1, and then need not chunk.
    """
    response = get(wire, "iterable", kind="list-of-one")
    assert (response.header("Content-Length"), response.body) == ("14", b"one;two;three;")


@clause("wsgi/content-length/iteration-stopped", "should", LENGTH)
def test_length_stopped(wire: Wire, client: Client, key: str) -> None:
    """The iteration stops once the announced bytes are sent, instead of going on for nobody."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/length/too-much?key={key}", [("Connection", "close")])
        connection.receive_end()

    def over(events: list[dict[str, Any]]) -> bool:
        return any(event["event"] == "over" for event in events)

    asked = [event for event in client.journal(key, until=over) if event["event"] == "asked"]
    assert 0 < len(asked) < 10


@clause("wsgi/content-length/nothing", "should", LENGTH)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=kind) for kind in ("nothing", "empty-blocks")]
)
def test_length_nothing(wire: Wire, kind: str) -> None:
    """A body without a byte of which ten were announced ends with the connection as well."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/length?kind={kind}")
        if not connection.more():
            alive(wire)
            return
        response = connection.receive_head()
        if response.status >= 500:
            return
        assert response.header("Content-Length") == "10"
        assert rest_of(connection, response) == b""


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
