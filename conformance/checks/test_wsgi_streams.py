"""PEP 3333, the streams: `wsgi.input` as the application may read it, and `wsgi.errors`."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import (
    NEXT,
    answers,
    begin,
    closed_once,
    first,
    go_on,
    mark_of,
    read_json,
    request,
    settled,
)
from conformance.clauses import clause, pep3333, rfc9112, werkzeug
from conformance.client import PeerError, Response, Wire
from conformance.client.http import Client

STREAMS = pep3333("Input and Error Streams")
VARIABLES = pep3333("environ Variables")
UNICODE = pep3333("Unicode Issues")
OTHER = pep3333("Other HTTP Features")
READING = werkzeug("wsgi", "werkzeug.wsgi.get_input_stream")

LINES = b"first\nsecond\r\n\nlast without an end"


def read(wire: Wire, body: bytes, *steps: str, behind: bytes = NEXT) -> list[dict[str, Any]]:
    """What each of these reads of `wsgi.input` gave, for a request with this body.

    Another request follows on the same connection: a read past the end of the body that gets hold
    of it has left its request, and need not hang to show it. None follows where the answer is long:
    a server that closes with a request unread might lose a part of it.
    """
    query = urlencode([("do", step) for step in steps])
    with wire.connect() as connection:
        connection.request("POST", f"/wsgi/input?{query}", body=body, behind=behind)
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


@clause("wsgi/input/read-none", "agreement", STREAMS)
def test_read_none(wire: Wire) -> None:
    """`read(None)` is `read()`, as it is of every file in Python."""
    assert values(read(wire, b"0123456789", "read:4", "read:none")) == ["0123", "456789"]


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


@clause("wsgi/input/readline-whole", "should", STREAMS)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param("readline:-1", id="minus-one"),
        pytest.param("readline:none", id="none"),
    ],
)
def test_readline_whole(wire: Wire, step: str) -> None:
    """A size of -1 or None is none: `readline()` gives the whole line then."""
    assert values(read(wire, LINES, step, step)) == ["first\n", "second\r\n"]


@clause("wsgi/input/readline-zero", "should", STREAMS)
def test_readline_zero(wire: Wire) -> None:
    """`readline(0)` gives nothing and loses nothing."""
    assert values(read(wire, LINES, "readline:0", "readline")) == ["", "first\n"]


@clause("wsgi/input/readline-long", "must", STREAMS)
def test_readline_long(wire: Wire) -> None:
    """A line that is longer than any buffer is one line still."""
    body = b"0123456789" * 10000 + b"\nnext\n"
    found = values(read(wire, body, "readline", "readline", behind=b""))
    assert found == [body[:100001].decode(), "next\n"]


@clause("wsgi/input/readline-size-long", "should", STREAMS)
def test_readline_size_long(wire: Wire) -> None:
    """`readline(size)` stops at its size in a line that is longer than any buffer."""
    body = b"0123456789" * 10000 + b"\nnext\n"
    found = values(read(wire, body, "readline:70001", "readline:70001", behind=b""))
    assert found == [body[:70001].decode(), body[70001:100001].decode()]


@clause("wsgi/input/readlines-hint", "should", STREAMS)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param("readlines:0", id="zero"),
        pytest.param("readlines:-1", id="minus-one"),
        pytest.param("readlines:none", id="none"),
    ],
)
def test_readlines_hint(wire: Wire, step: str) -> None:
    """A hint of 0, -1 or None is none: `readlines()` gives every line then."""
    expected = ["first\n", "second\r\n", "\n", "last without an end"]
    assert values(read(wire, LINES, step)) == [expected]


#: Lines of many lengths.
MANY = ["x" * (number * 7 % 300) + "\n" for number in range(900)]


@clause("wsgi/input/many-lines", "must", STREAMS)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(f"readlines:{len(''.join(MANY))}", id="readlines"),
        pytest.param(f"iterate:{len(MANY)}", id="iteration"),
    ],
)
def test_many_lines(wire: Wire, step: str) -> None:
    """Lines of every length from 0 to 299 come out as they went in, wherever a buffer ends."""
    # Both stop with the last line, before a read that would have to find the end of the body.
    assert values(read(wire, "".join(MANY).encode(), step, behind=b"")) == [MANY]


#: Lines that fill more than a buffer, and a last one without an end.
UNENDED = [*(f"{number:04}\n" for number in range(1001)), "final"]


@clause("wsgi/input/last-line-of-many", "should", STREAMS)
def test_last_line_of_many(wire: Wire) -> None:
    """A last line without an end stops where the body does, and not where a buffer does.

    What else is in the buffer may be of an earlier line, or of another request.
    """
    step = f"iterate:{len(UNENDED)}"
    assert values(read(wire, "".join(UNENDED).encode(), step, behind=b"")) == [UNENDED]


#: A body, and where it is cut so that a line, a line end and a size lie across the cuts.
PIECES = (b"first li", b"ne\r", b"\nsecond", b" line\nthird")
#: Seconds for which a read is left waiting for more: less than half of what servers give a body.
WAITS_S = 0.4


@clause("wsgi/input/in-pieces", "must", STREAMS)
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(["readline", "readline"], ["first line\r\n", "second line\n"], id="readline"),
        pytest.param(["iterate:2"], [["first line\r\n", "second line\n"]], id="iteration"),
        pytest.param(["read:15", "readline"], ["first line\r\nsec", "ond line\n"], id="read"),
    ],
)
def test_in_pieces(
    wire: Wire,
    capabilities: Capabilities,
    client: Client,
    key: str,
    steps: list[str],
    expected: list[Any],
) -> None:
    """A read waits for what it was asked for, although the body comes in pieces.

    A line that ends where a packet does would be two lines, and a size that the network decides
    is none.
    """
    query = urlencode([("key", key), *(("do", step) for step in steps)])
    head = request(
        f"POST /wsgi/input?{query} HTTP/1.1",
        f"Content-Length: {len(b''.join(PIECES))}",
        "Connection: close",
    )
    with wire.connect() as connection:
        if capabilities.concurrency == 1:
            begin(wire, capabilities, connection, head + PIECES[0])
        else:
            connection.send(head + PIECES[0])
            # With the rest there as well, a read that does not wait would have it all.
            returned = settled(client, key, time.monotonic() + WAITS_S)
            assert returned == [], "a read returned before the rest of the body came"
        go_on(connection, PIECES[1:])
        found = answers(connection)
    assert values(read_steps(first(found), len(steps))) == expected


@clause("wsgi/input/after-the-response-began", "must", VARIABLES)
def test_read_later(wire: Wire) -> None:
    """The body can be read when a block of the response has been sent: uploads are echoed so."""
    response = wire.ask("POST", "/wsgi/input-later?size=9", body=b"the body!")
    assert (response.status, response.body) == (200, b"first;the body!")


@clause("wsgi/input/chunked-length-known", "agreement", READING, requires=("chunked-input",))
def test_chunked_length(wire: Wire) -> None:
    """An application can tell that a chunked body may be read to its end.

    Either `wsgi.input_terminated` is true, or CONTENT_LENGTH says how much was decoded. With
    neither, frameworks take the body for empty: reading it might wait for ever.
    """
    data = request(
        "POST /wsgi/environ HTTP/1.1",
        "Transfer-Encoding: chunked",
        "Connection: close",
        body=b"5\r\nhello\r\n0\r\n\r\n",
    )
    shown = read_json(wire.exchange(data, "POST"))["values"]
    found = {name: entry["value"] for name, entry in shown.items()}
    assert found.get("wsgi.input_terminated") or found.get("CONTENT_LENGTH") == "5"


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


@clause("wsgi/input/unread", "must", rfc9112("9.3"))
@pytest.mark.parametrize("size", [pytest.param(10, id="small"), pytest.param(1000000, id="large")])
def test_unread(wire: Wire, size: int) -> None:
    """An application may leave the body unread: it still answers, and what follows is in step."""
    with wire.connect() as connection:
        connection.request("POST", "/wsgi/ignore?mark=first", body=b"x" * size, behind=NEXT)
        marks = [mark_of(response) for response in answers(connection)]
    assert marks in (["first"], ["first", "next"])


def written(found: object) -> bool:
    """Whether every method of `wsgi.errors` was called, and none raised.

    :raises PeerError: one raised, or was not called.
    """
    methods = ("write", "writelines", "writelines of a tuple", "writelines of an iterator", "flush")
    if found != dict.fromkeys(methods):
        raise PeerError(f"expected no error of {', '.join(methods)}, found {found!r}")
    return True


@clause("wsgi/errors-stream/methods", "must", STREAMS)
def test_errors_methods(wire: Wire) -> None:
    """`write`, `writelines` and `flush` of `wsgi.errors` work, for any sequence of lines."""
    assert written(read_json(wire.ask("GET", "/wsgi/errors")))


@clause("wsgi/errors-stream/unicode", "should", STREAMS)
def test_errors_unicode(wire: Wire) -> None:
    """`wsgi.errors` takes any text, if only to replace what its encoding does not have."""
    assert written(read_json(wire.ask("GET", "/wsgi/errors?text=unicode")))


@clause("wsgi/errors-stream/text", "must", STREAMS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=text)
        for text in ("several-lines", "without-line-end", "empty", "long", "control-characters")
    ],
)
def test_errors_text(wire: Wire, text: str) -> None:
    """`wsgi.errors` takes text of any form: it is a text stream, and not a log of messages."""
    assert written(read_json(wire.ask("GET", f"/wsgi/errors?text={text}")))


@clause("wsgi/errors-stream/later", "must", STREAMS)
def test_errors_later(wire: Wire, client: Client, key: str) -> None:
    """`wsgi.errors` works in the iteration and in `close()`, where clean-up reports failures."""
    response = wire.ask("GET", f"/wsgi/errors-later?key={key}")
    assert (response.status, response.body) == (200, b"one;two;")
    closed_once(client, key)
    raised = {event["event"]: event.get("raised") for event in client.journal(key)}
    assert written(raised.get("in-iteration"))
    assert written(raised.get("in-close"))
