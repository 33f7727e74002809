"""PEP 3333, the streams: `wsgi.input` as the application may read it, and `wsgi.errors`."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest

from conformance.checks.probes import NEXT, answers, mark_of, read_json, request
from conformance.clauses import clause, pep3333
from conformance.client import PeerError, Response, Wire

STREAMS = pep3333("Input and Error Streams")
UNICODE = pep3333("Unicode Issues")
OTHER = pep3333("Other HTTP Features")

LINES = b"first\nsecond\r\n\nlast without an end"


def read(wire: Wire, body: bytes, *steps: str) -> list[dict[str, Any]]:
    """What each of these reads of `wsgi.input` gave, for a request with this body.

    Another request follows on the same connection: a read past the end of the body that gets hold
    of it has left its request, and need not hang to show it.
    """
    query = urlencode([("do", step) for step in steps])
    with wire.connect() as connection:
        connection.request("POST", f"/wsgi/input?{query}", body=body, behind=NEXT)
        return read_steps(connection.receive("POST"), len(steps))


def values(found: list[dict[str, Any]]) -> list[Any]:
    """The values alone; a read that raised shows what it raised."""
    return [step.get("value", step) for step in found]


def read_steps(response: Response, count: int) -> list[dict[str, Any]]:
    """What each of so many reads gave.

    :raises PeerError: the response tells of something else.
    """
    found: list[dict[str, Any]] = read_json(response, list)
    if len(found) != count or not all(isinstance(step, dict) for step in found):
        raise PeerError(f"expected what {count} reads gave, found {found}")
    return found


@clause("wsgi/input/bytes", "must", UNICODE)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param("read:3", id="read"),
        pytest.param("readline", id="readline"),
        pytest.param("readlines:1", id="readlines"),
        pytest.param("iterate:1", id="iteration"),
    ],
)
def test_bytes(wire: Wire, step: str) -> None:
    """Every way of reading gives bytes, of which the decoding is the application's."""
    assert read(wire, b"one\ntwo", step)[0].get("types") == ["bytes"]


@clause("wsgi/input/read-size", "must", STREAMS)
def test_read_size(wire: Wire) -> None:
    """`read(size)` gives that many bytes, and goes on where the last one ended."""
    found = values(read(wire, b"0123456789", "read:3", "read:4", "read:3"))
    assert found == ["012", "3456", "789"]


@clause("wsgi/input/read-zero", "must", STREAMS)
def test_read_zero(wire: Wire) -> None:
    """`read(0)` gives nothing and loses nothing."""
    assert values(read(wire, b"0123", "read:0", "read:4")) == ["", "0123"]


@clause("wsgi/input/read-all", "should", STREAMS)
def test_read_all(wire: Wire) -> None:
    """`read()` without a size gives the rest of the body, and only that."""
    assert values(read(wire, b"0123456789", "read:4", "read")) == ["0123", "456789"]


@clause("wsgi/input/read-minus-one", "should", STREAMS)
def test_read_minus_one(wire: Wire) -> None:
    """`read(-1)` is `read()`, as it is of every file in Python."""
    assert values(read(wire, b"0123456789", "read:4", "read:-1")) == ["0123", "456789"]


@clause("wsgi/input/end", "should", STREAMS)
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param("read:20", "", id="read-size"),
        pytest.param("readline", "", id="readline"),
        pytest.param("readline:9", "", id="readline-size"),
        pytest.param("iterate:3", [], id="iteration"),
        pytest.param("readlines:1", [], id="readlines-hint"),
    ],
)
def test_end(wire: Wire, step: str, expected: object) -> None:
    """A read at the end of the body gives nothing, again and again: Content-Length is the end.

    A server that reads on takes bytes of the next request, or waits for a client that waits itself.
    """
    assert values(read(wire, b"0123456789", "read:10", step, step)) == [
        "0123456789",
        expected,
        expected,
    ]


@clause("wsgi/input/past-end", "should", STREAMS)
def test_past_end(wire: Wire) -> None:
    """A `read(size)` of more than is left gives what is left."""
    assert values(read(wire, b"0123456789", "read:30", "read:30")) == ["0123456789", ""]


@clause("wsgi/input/no-body", "should", STREAMS)
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param("read:9", "", id="read-size"),
        pytest.param("readline", "", id="readline"),
        pytest.param("iterate:3", [], id="iteration"),
    ],
)
def test_no_body(wire: Wire, step: str, expected: object) -> None:
    """Without a body the stream is at its end from the beginning."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/input?do={step}", behind=NEXT)
        assert values(read_steps(connection.receive(), 1)) == [expected]


@clause("wsgi/input/readline", "must", STREAMS)
def test_readline(wire: Wire) -> None:
    """`readline()` gives a line with its end, and the last one although it has none."""
    found = values(read(wire, LINES, "readline", "readline", "readline", "read:19"))
    assert found == ["first\n", "second\r\n", "\n", "last without an end"]


@clause("wsgi/input/readline-last", "should", STREAMS)
def test_readline_last(wire: Wire) -> None:
    """`readline()` of a last line without an end stops where the body does."""
    found = values(read(wire, LINES, "readline", "readline", "readline", "readline"))
    assert found == ["first\n", "second\r\n", "\n", "last without an end"]


@clause("wsgi/input/readline-size", "should", STREAMS)
def test_readline_size(wire: Wire) -> None:
    """`readline(size)` gives at most that many bytes, and no more than the line."""
    found = values(read(wire, LINES, "readline:3", "readline:100", "readline:6", "readline:9"))
    assert found == ["fir", "st\n", "second", "\r\n"]


@clause("wsgi/input/readlines", "must", STREAMS)
def test_readlines(wire: Wire) -> None:
    """`readlines(hint)` gives a list of lines, of which a hint may stop it early."""
    found = values(read(wire, b"a\nb\nc\n", "readlines:2"))[0]
    assert found in (["a\n"], ["a\n", "b\n"], ["a\n", "b\n", "c\n"])


@clause("wsgi/input/readlines-all", "should", STREAMS)
def test_readlines_all(wire: Wire) -> None:
    """`readlines()` gives every line of the rest, and only that."""
    found = values(read(wire, LINES, "readline", "readlines"))
    assert found == ["first\n", ["second\r\n", "\n", "last without an end"]]


@clause("wsgi/input/iteration", "must", STREAMS)
def test_iteration(wire: Wire) -> None:
    """Iterating gives line after line."""
    assert values(read(wire, LINES, "iterate:3")) == [["first\n", "second\r\n", "\n"]]


@clause("wsgi/input/mixed", "must", STREAMS)
def test_mixed(wire: Wire) -> None:
    """The ways of reading share one position, so that they can be mixed."""
    found = values(
        read(wire, b"one\ntwo\nthree\nfour", "read:2", "readline", "iterate:1", "read:5")
    )
    assert found == ["on", "e\n", ["two\n"], "three"]


@clause("wsgi/input/binary", "must", STREAMS)
def test_binary(wire: Wire) -> None:
    """Every byte value arrives as it was sent, line ends included."""
    body = bytes(range(256)) + b"\r\n\n\r\x00"
    assert values(read(wire, body, f"read:{len(body)}")) == [body.decode("latin-1")]


@clause("wsgi/input/big", "must", STREAMS)
def test_big(wire: Wire) -> None:
    """4 MiB arrive whole."""
    body = hashlib.sha256(b"seed").digest() * 131072
    found = read_json(wire.ask("POST", "/wsgi/echo", body=body))
    assert (found["length"], found["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


@clause("wsgi/input/dechunked", "must", OTHER, requires=("chunked-input",))
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param("read:5", "hello", id="read-size"),
        pytest.param("read:9", "hello wor", id="across-chunks"),
        pytest.param("readline", "hello world\n", id="readline"),
        pytest.param("iterate:1", ["hello world\n"], id="iteration"),
        pytest.param("read", "hello world\nnext", id="read-all"),
        pytest.param("read:99", "hello world\nnext", id="past-end"),
    ],
)
def test_dechunked(wire: Wire, step: str, expected: object) -> None:
    """A chunked body is decoded by the server: the application reads content and never chunks."""
    with wire.connect() as connection:
        connection.send(
            request(
                f"POST /wsgi/input?do={step} HTTP/1.1",
                "Transfer-Encoding: chunked",
                body=b"5\r\nhello\r\n7\r\n world\n\r\n4\r\nnext\r\n0\r\n\r\n" + NEXT,
            )
        )
        assert values(read_steps(connection.receive("POST"), 1)) == [expected]


@clause("wsgi/input/unread", "must", OTHER)
@pytest.mark.parametrize("size", [pytest.param(10, id="small"), pytest.param(1000000, id="large")])
def test_unread(wire: Wire, size: int) -> None:
    """An application may leave the body unread: it still answers, and what follows is in step."""
    with wire.connect() as connection:
        connection.request("POST", "/wsgi/ignore?mark=first", body=b"x" * size, behind=NEXT)
        marks = [mark_of(response) for response in answers(connection)]
    assert marks in (["first"], ["first", "next"])
