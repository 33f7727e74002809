"""RFC 9112, message bodies: Content-Length, chunked, both, and what follows on the connection.

Every request here goes to an application that reads its whole body, so that what is wrong with a
body is met and not left lying. Behind the request under test comes another one, and where a body
would be there is a third in hiding. What the first one is answered with, and what the connection is
used for after it, are judged apart.
"""

from __future__ import annotations

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.bodies import (
    CHUNKED,
    CHUNKED_INPUT,
    ECHO,
    HELLO,
    in_step,
    no_more_than,
    only_first,
    received,
    refused,
)
from conformance.checks.probes import (
    NEXT,
    REACTION_S,
    SMUGGLED,
    alive,
    answers,
    begin,
    comes,
    exchange,
    first,
    mark_of,
    read_json,
    request,
    settled,
)
from conformance.clauses import clause, rfc9110, rfc9112
from conformance.client import Response, Wire
from conformance.client.http import Client

# Content-Length

INVALID_LENGTHS = [
    pytest.param([b"Content-Length: abc"], id="letters"),
    pytest.param([b"Content-Length: -5"], id="negative"),
    pytest.param([b"Content-Length: +5"], id="plus"),
    pytest.param([b"Content-Length: 0x5"], id="hexadecimal"),
    pytest.param([b"Content-Length: 5.0"], id="fraction"),
    pytest.param([b"Content-Length: 1e0"], id="exponent"),
    pytest.param([b"Content-Length: 5 5"], id="space-inside"),
    pytest.param([b"Content-Length: 0_5"], id="underscore"),
    pytest.param([b"Content-Length: \xb2"], id="superscript-two"),
    pytest.param([b"Content-Length: \xef\xbc\x95"], id="fullwidth-digit"),
    pytest.param([b"Content-Length:"], id="empty"),
    pytest.param([b"Content-Length: 5;"], id="semicolon"),
    pytest.param([b"Content-Length: 5, 6"], id="list-of-different"),
    pytest.param([b"Content-Length: 5", b"Content-Length: 6"], id="lines-of-different"),
    pytest.param([b"Content-Length: 5", b"Content-Length: abc"], id="lines-of-which-one-invalid"),
    pytest.param([b"Content-Length: -0"], id="negative-zero"),
    pytest.param([b"Content-Length: 0o5"], id="octal"),
    pytest.param([b"Content-Length: \x0b5"], id="vertical-tab"),
    pytest.param([b"Content-Length: 5\xa0"], id="no-break-space"),
    pytest.param([b"Content-Length: 5,\xa05"], id="no-break-space-in-a-list"),
]


@clause("http/content-length/invalid", "must", rfc9112("6.3"))
@pytest.mark.parametrize("fields", INVALID_LENGTHS)
def test_length_invalid(wire: Wire, fields: list[bytes]) -> None:
    """A Content-Length that is no number is answered with 400: nobody knows where the body ends."""
    refused(first(exchange(wire, request(ECHO, *fields, body=SMUGGLED))), 400)


@clause("http/content-length/invalid-closed", "must", rfc9112("6.3"))
@pytest.mark.parametrize("fields", INVALID_LENGTHS)
def test_length_invalid_closed(wire: Wire, fields: list[bytes]) -> None:
    """After a Content-Length that is no number the connection is closed: nothing more is read."""
    found = exchange(wire, request(ECHO, *fields, body=SMUGGLED), NEXT)
    only_first(wire, found)
    no_more_than(wire, found, "first")


@clause("http/content-length/huge", "must", rfc9110("8.6"))
@pytest.mark.parametrize(
    "length",
    [
        pytest.param("4294967301", id="32-bit"),
        pytest.param("18446744073709551621", id="64-bit"),
        pytest.param("9" * 40, id="40-digits"),
        pytest.param("9" * 5000, id="5000-digits"),
    ],
)
def test_length_huge(wire: Wire, length: str) -> None:
    """A length that overflows an integer is not taken for a small one: the body is incomplete.

    The client ends its side after a few bytes. Refused, cut off or answered for being cut short is
    all the same here; a body of 5 bytes and a second request out of the rest is an overflow.
    """
    with wire.connect() as connection:
        connection.send(request(ECHO, f"Content-Length: {length}", body=b"hello" + SMUGGLED))
        connection.shutdown_write()
        found = answers(connection)
    only_first(wire, found)
    for response in found:
        assert response.status >= 400 or read_json(response)["length"] != 5


@clause("http/content-length/repeated-equal", "may", rfc9110("8.6"))
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["Content-Length: 5, 5"], id="list"),
        pytest.param(["Content-Length: 5", "Content-Length: 5"], id="lines"),
    ],
)
def test_length_repeated(wire: Wire, fields: list[str]) -> None:
    """The same number twice is refused with 400, or taken for the number that it is."""
    answer = first(exchange(wire, request(ECHO, *fields, "Connection: close", body=b"hello")))
    if answer.status != 400:
        assert received(answer) == b"hello"


@clause("http/content-length/valid", "must", rfc9112("6.3"))
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("Content-Length: 5", b"hello", id="plain"),
        pytest.param("content-LENGTH: 5", b"hello", id="name-without-case"),
        pytest.param("Content-Length:5", b"hello", id="no-space"),
        pytest.param("Content-Length: \t 5 \t", b"hello", id="whitespace-around"),
        pytest.param("Content-Length: 0005", b"hello", id="leading-zeros"),
        pytest.param("Content-Length: 0", b"", id="zero"),
        pytest.param("Content-Length: 00", b"", id="zeros"),
        pytest.param("Content-Length: 010", b"0123456789", id="like-octal"),
    ],
)
def test_length_valid(wire: Wire, field: str, body: bytes) -> None:
    """A Content-Length of decimal digits is the length of the body, and the body ends there."""
    found = exchange(wire, request(ECHO, field, body=body) + NEXT)
    assert received(first(found)) == body
    no_more_than(wire, found, "first", "next")


@clause("http/content-length/any-method", "must", rfc9112("6"))
@pytest.mark.parametrize(
    "method", [pytest.param(method, id=method.lower()) for method in ("GET", "DELETE", "OPTIONS")]
)
def test_length_any_method(wire: Wire, method: str) -> None:
    """Framing does not depend on the method: the body of a GET is no second request.

    To refuse it, and close, is safe as well.
    """
    start = f"{method} /wsgi/echo?mark=first HTTP/1.1"
    fields = ("Content-Type: text/plain", f"Content-Length: {len(SMUGGLED)}")
    found = exchange(wire, request(start, *fields, body=SMUGGLED), NEXT)
    no_more_than(wire, found, "first", "next")
    assert first(found).status >= 400 or received(first(found)) == SMUGGLED


@clause("http/content-length/absent", "must", rfc9112("6.3"))
def test_length_absent(wire: Wire) -> None:
    """Without Content-Length and Transfer-Encoding there is no body: a request comes next."""
    found = exchange(wire, request(ECHO) + NEXT)
    assert received(first(found)) == b""
    no_more_than(wire, found, "first", "next")


@clause("http/content-length/head-with-body", "must", rfc9112("6"))
def test_length_of_head(wire: Wire) -> None:
    """The body of a HEAD request is a body as well: what hides in it is not answered."""
    with wire.connect() as connection:
        start = "HEAD /wsgi/echo?mark=first HTTP/1.1"
        connection.send(request(start, f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED) + NEXT)
        no_more_than(wire, answers(connection, "HEAD"), "next")


# Incomplete bodies


def cut_short(wire: Wire, client: Client, key: str, *fields: str, body: bytes) -> list[Response]:
    """The answers to a request whose client ends its side in the middle of the body."""
    with wire.connect() as connection:
        connection.send(request(f"POST /wsgi/echo?key={key} HTTP/1.1", *fields, body=body))
        connection.shutdown_write()
        return answers(connection)


@clause("http/incomplete/content-length", "must", rfc9112("6.3"))
def test_incomplete_length(wire: Wire, client: Client, key: str) -> None:
    """A body that ends before its Content-Length is incomplete: the connection is closed.

    The application reads, if it was called, no more than what came: no byte is made up.
    """
    found = cut_short(wire, client, key, "Content-Length: 10", body=b"hello")
    only_first(wire, found)
    read = [event["length"] for event in settled(client, key) if "length" in event]
    assert all(length <= len(b"hello") for length in read)


@clause("http/incomplete/chunked", "must", rfc9112("8"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5\r\nhello\r\n", id="between-chunks"),
        pytest.param(b"a\r\nhello", id="in-a-chunk"),
        pytest.param(b"5\r\nhello", id="before-the-end-of-a-chunk"),
        pytest.param(b"5\r\nhello\r\n1", id="in-a-size"),
        pytest.param(b"5\r\nhello\r\n0\r\n", id="before-the-last-line"),
        pytest.param(b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n", id="in-the-trailers"),
    ],
)
def test_incomplete_chunked(wire: Wire, client: Client, key: str, body: bytes) -> None:
    """A chunked body without its end is incomplete, and never reaches the application as a whole.

    There is no length to compare with: an application that is told that this was all would store
    half an upload.
    """
    only_first(wire, cut_short(wire, client, key, CHUNKED, body=body))
    events = settled(client, key)
    assert [event for event in events if event["event"] == "read"] == []


# Chunked

VALID_CHUNKED = [
    pytest.param(HELLO, b"hello", id="one"),
    pytest.param(b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello", id="several"),
    pytest.param(b"0\r\n\r\n", b"", id="empty"),
    pytest.param(b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", id="upper-case-size"),
    pytest.param(b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", id="lower-case-size"),
    pytest.param(b"0005\r\nhello\r\n0000\r\n\r\n", b"hello", id="leading-zeros"),
    pytest.param(b"5;name=value\r\nhello\r\n0\r\n\r\n", b"hello", id="extension"),
    pytest.param(b"5;name\r\nhello\r\n0\r\n\r\n", b"hello", id="extension-without-value"),
    pytest.param(b'5;a="b, c";d=e\r\nhello\r\n0;f\r\n\r\n', b"hello", id="extensions-quoted"),
    pytest.param(b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n", b"hello", id="trailer"),
    pytest.param(b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", id="line-end-as-data"),
    pytest.param(b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", id="last-chunk-as-data"),
    pytest.param(b"5 ; a = b\r\nhello\r\n0\r\n\r\n", b"hello", id="extension-whitespace"),
    pytest.param(b'5;a="\\";b"\r\nhello\r\n0\r\n\r\n', b"hello", id="extension-escaped"),
]


def decodes_chunks(wire: Wire) -> bool:
    """Whether the application gets the content of a chunked body."""
    answer = first(exchange(wire, request(ECHO, CHUNKED, "Connection: close", body=HELLO)))
    return answer.status == 200 and received(answer) == b"hello"


@clause("http/chunked/supported", "must", rfc9112("6.1"))
def test_chunked_supported(wire: Wire) -> None:
    """A chunked body is decoded at all: every recipient of HTTP/1.1 has to be able to.

    A server that is not ignores how the body is framed, and the application gets none.
    """
    assert decodes_chunks(wire)


@clause("http/chunked/as-declared", "must", rfc9112("6.1"))
def test_chunked_as_declared(wire: Wire, capabilities: Capabilities) -> None:
    """Chunked bodies are decoded where that is declared, and only there.

    This verifies the declaration, so that a check which needs it is never left out by mistake.
    """
    assert decodes_chunks(wire) is capabilities.chunked_input


@clause("http/chunked/decoded", "must", rfc9112("7.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(("body", "content"), VALID_CHUNKED)
def test_chunked(wire: Wire, body: bytes, content: bytes) -> None:
    """A chunked body is decoded, and the next request is found where it ends."""
    found = exchange(wire, request(ECHO, CHUNKED, body=body) + NEXT)
    assert received(first(found)) == content
    no_more_than(wire, found, "first", "next")


@clause("http/chunked/decoded-byte-by-byte", "must", rfc9112("7.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(("body", "content"), VALID_CHUNKED)
def test_chunked_in_pieces(wire: Wire, body: bytes, content: bytes) -> None:
    """It makes no difference that the body comes in pieces of one byte."""
    data = request(ECHO, CHUNKED, "Connection: close", body=body)
    with wire.connect() as connection:
        connection.send(data[: -len(body)])
        for byte in body:
            connection.send(bytes([byte]))
        assert received(first(answers(connection))) == content


@clause("http/chunked/coding-name", "must", rfc9112("7"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("Transfer-Encoding: Chunked", id="capitalised"),
        pytest.param("Transfer-Encoding: CHUNKED", id="upper-case"),
        pytest.param("transfer-encoding:chunked", id="no-space"),
        pytest.param("Transfer-Encoding: \tchunked\t ", id="whitespace-around"),
    ],
)
def test_chunked_name(wire: Wire, field: str) -> None:
    """The name of a coding has no case, and whitespace around a value is not part of it."""
    found = exchange(wire, request(ECHO, field, body=HELLO) + NEXT)
    assert received(first(found)) == b"hello"
    no_more_than(wire, found, "first", "next")


@clause("http/chunked/big", "must", rfc9112("7.1"), requires=CHUNKED_INPUT)
def test_chunked_big(wire: Wire) -> None:
    """A body of a thousand chunks of every size up to a thousand arrives whole."""
    pieces = [bytes([size % 256]) * size for size in range(1, 1001)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    found = exchange(wire, request(ECHO, CHUNKED, "Connection: close", body=body))
    assert read_json(first(found))["length"] == sum(map(len, pieces))


@clause("http/chunked/trailer-not-merged", "must", rfc9112("7.1.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    ("trailer", "name"),
    [
        pytest.param("X-Trailer: 1", "HTTP_X_TRAILER", id="unknown"),
        pytest.param("X-Forwarded-For: 192.0.2.1", "HTTP_X_FORWARDED_FOR", id="forwarded-for"),
        pytest.param("Authorization: Basic eDp5", "HTTP_AUTHORIZATION", id="authorization"),
        pytest.param("Host: trailer.example", "HTTP_HOST", id="host"),
        pytest.param("Content-Type: text/trailer", "CONTENT_TYPE", id="content-type"),
    ],
)
def test_trailer(wire: Wire, trailer: str, name: str) -> None:
    """A trailer field does not turn up among the header fields: filters in front did not see it."""
    body = f"5\r\nhello\r\n0\r\n{trailer}\r\n\r\n".encode()
    data = request("POST /wsgi/environ HTTP/1.1", CHUNKED, "Connection: close", body=body)
    answer = first(exchange(wire, data))
    if answer.status < 400:
        # A proxy may have a field of that name of its own.
        found = read_json(answer)["values"].get(name, {"value": ""})
        assert trailer.partition(": ")[2] not in found["value"]


INVALID_CHUNKED = [
    pytest.param(b"xyz\r\nhello\r\n0\r\n\r\n", id="size-letters"),
    pytest.param(b"-5\r\nhello\r\n0\r\n\r\n", id="size-negative"),
    pytest.param(b"+5\r\nhello\r\n0\r\n\r\n", id="size-plus"),
    pytest.param(b"0x5\r\nhello\r\n0\r\n\r\n", id="size-prefixed"),
    pytest.param(b"0_5\r\nhello\r\n0\r\n\r\n", id="size-underscore"),
    pytest.param(b" 5\r\nhello\r\n0\r\n\r\n", id="size-after-space"),
    pytest.param(b"5 \r\nhello\r\n0\r\n\r\n", id="size-before-space"),
    pytest.param(b"5\rhello\r\n0\r\n\r\n", id="bare-cr-after-size"),
    pytest.param(b"\r\nhello\r\n0\r\n\r\n", id="size-empty"),
    pytest.param(b";a=b\r\nhello\r\n0\r\n\r\n", id="size-missing"),
    pytest.param(b"5\r\nhelloXX0\r\n\r\n", id="no-line-end-after-data"),
    pytest.param(b"5\r\nhello world\r\n0\r\n\r\n", id="data-too-long"),
    pytest.param(b"5\nhello\r\n0\r\n\r\n", id="bare-lf-after-size"),
    pytest.param(b"5\r\nhello\n0\r\n\r\n", id="bare-lf-after-data"),
    pytest.param(b"5;a\nb\r\nhello\r\n0\r\n\r\n", id="bare-lf-in-extension"),
    pytest.param(b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", id="trailer-without-colon"),
    pytest.param(b"5\r\nhello\r\n0\r\nX Y: 1\r\n\r\n", id="trailer-name"),
]


@clause("http/chunked/invalid", "should", rfc9112("2.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize("body", INVALID_CHUNKED)
def test_chunked_invalid(wire: Wire, body: bytes) -> None:
    """A body that is not what the chunked grammar allows is answered with 400."""
    found = exchange(wire, request(ECHO, CHUNKED, body=body), NEXT)
    refused(first(found), 400)


@clause("http/chunked/invalid-closed", "should", rfc9112("2.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize("body", INVALID_CHUNKED)
def test_chunked_invalid_closed(wire: Wire, body: bytes) -> None:
    """After a body that is not what the grammar allows the connection is closed.

    Two recipients that mend such a body in two ways disagree on where the next request begins.
    """
    found = exchange(wire, request(ECHO, CHUNKED, body=body), NEXT)
    only_first(wire, found)
    no_more_than(wire, found, "first")


@clause("http/chunked/invalid-late", "should", rfc9112("2.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"xyz\r\nhello\r\n0\r\n\r\n", id="size"),
        pytest.param(b"5\r\nhello world\r\n0\r\n\r\n", id="data"),
        pytest.param(b"5\r\nhello\r\n0\r\nX Y: 1\r\n\r\n", id="trailer"),
    ],
)
def test_chunked_invalid_late(wire: Wire, capabilities: Capabilities, body: bytes) -> None:
    """A body that breaks the grammar after its head has been read is answered or cut off as well.

    Somebody may wait for that body by then, and has to be told: a client that has sent all it has
    would be waited for, and each such client holds a thread.
    """
    with wire.connect() as connection:
        begin(wire, capabilities, connection, request(ECHO, CHUNKED, "Connection: close"))
        connection.send(body)
        answered = comes(wire, capabilities, connection, REACTION_S)
    assert answered, "it was neither answered nor closed"
    alive(wire)


@clause("http/chunked/overflow", "must", rfc9112("7.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "size",
    [
        pytest.param("100000005", id="32-bit"),
        pytest.param("10000000000000005", id="64-bit"),
        pytest.param("f" * 16, id="64-bit-minus-one"),
        pytest.param("8000000000000005", id="sign-bit"),
        pytest.param("f" * 40, id="40-digits"),
    ],
)
def test_chunked_overflow(wire: Wire, client: Client, key: str, size: str) -> None:
    """A chunk size that overflows an integer is not taken for a small one.

    The client ends its side after a few bytes, so the body is refused or incomplete, and never 5
    bytes with another request behind.
    """
    body = f"{size}\r\nhello\r\n0\r\n\r\n".encode() + SMUGGLED
    only_first(wire, cut_short(wire, client, key, CHUNKED, body=body))
    events = settled(client, key)
    assert [event for event in events if event["event"] == "read"] == []


# Transfer-Encoding


@clause("http/transfer-encoding/unknown", "should", rfc9112("6.1"))
@pytest.mark.parametrize(
    "coding",
    [
        pytest.param("gzip, chunked", id="gzip"),
        pytest.param("unheard-of, chunked", id="unheard-of"),
    ],
)
def test_unknown_coding(wire: Wire, coding: str) -> None:
    """A transfer coding that the server does not know is answered with 501.

    A server that knows gzip may decode it; this body is none, so it would answer 400.
    """
    found = exchange(wire, request(ECHO, f"Transfer-Encoding: {coding}", body=HELLO), NEXT)
    refused(first(found), 501, *([400] if coding.startswith("gzip") else []))


NOT_CHUNKED_LAST = [
    pytest.param(["Transfer-Encoding: gzip"], id="gzip"),
    pytest.param(["Transfer-Encoding: chunked, gzip"], id="chunked-not-last"),
    pytest.param(["Transfer-Encoding: identity"], id="identity"),
    pytest.param(["Transfer-Encoding: xchunked"], id="prefix"),
    pytest.param(["Transfer-Encoding: chunkedx"], id="suffix"),
    pytest.param(['Transfer-Encoding: "chunked"'], id="quoted"),
    pytest.param(["Transfer-Encoding: chunked;q=1"], id="parameter"),
    pytest.param(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], id="second-line"),
    pytest.param(["Transfer-Encoding: \x0bchunked"], id="vertical-tab"),
    pytest.param(["Transfer-Encoding: chunked\x00"], id="nul"),
    pytest.param(["Transfer-Encoding: \xa0chunked"], id="no-break-space"),
    pytest.param(["Transfer-Encoding:"], id="empty"),
]


@clause("http/transfer-encoding/not-chunked", "must", rfc9112("6.3"))
@pytest.mark.parametrize("fields", NOT_CHUNKED_LAST)
def test_not_chunked(wire: Wire, fields: list[str]) -> None:
    """Where chunked is not the last coding, the end is unknown: 400.

    501 is accepted too: it is what section 6.1 names for a coding that the server does not know,
    and most of these are one.
    """
    refused(first(exchange(wire, request(ECHO, *fields, body=HELLO), NEXT)), 400, 501)


@clause("http/transfer-encoding/not-chunked-closed", "must", rfc9112("6.3"))
@pytest.mark.parametrize("fields", NOT_CHUNKED_LAST)
def test_not_chunked_closed(wire: Wire, fields: list[str]) -> None:
    """Where chunked is not the last coding the connection is closed, and nothing more answered."""
    found = exchange(wire, request(ECHO, *fields, body=HELLO + SMUGGLED), NEXT)
    only_first(wire, found)


@clause("http/transfer-encoding/chunked-twice", "agreement", rfc9112("6.1"))
def test_chunked_twice(wire: Wire) -> None:
    """Chunked applied twice is refused: no sender may do that, and readers differ over the end."""
    found = exchange(wire, request(ECHO, "Transfer-Encoding: chunked, chunked", body=HELLO), NEXT)
    refused(first(found), 400, 501)
    only_first(wire, found)


@clause("http/transfer-encoding/http-1.0", "must", rfc9112("6.1"))
def test_chunked_in_1_0(wire: Wire) -> None:
    """Transfer-Encoding in a request of HTTP/1.0 is faulty framing: the connection is closed."""
    data = request(
        "POST /wsgi/echo?mark=first HTTP/1.0", CHUNKED, "Connection: keep-alive", body=HELLO
    )
    found = exchange(wire, data, NEXT)
    only_first(wire, found)
    no_more_than(wire, found, "first")


CONFLICTING = [
    pytest.param(["Content-Length: 5", CHUNKED], id="length-first"),
    pytest.param([CHUNKED, "Content-Length: 5"], id="length-last"),
    pytest.param(["Content-Length: 0", CHUNKED], id="length-zero"),
    pytest.param(["Content-Length: 1000", CHUNKED], id="length-too-long"),
    pytest.param(["Content-Length: 5", "Transfer-Encoding: CHUNKED"], id="upper-case"),
    pytest.param(["Content-Length: 5", "Transfer-Encoding:\tchunked"], id="tab"),
    pytest.param(["Content-Length: 5", "Transfer-Encoding:\r\n chunked"], id="folded"),
    pytest.param(["Content-Length: 5", "Transfer-Encoding: , chunked"], id="empty-element"),
    pytest.param(["Content-Length: +5", CHUNKED], id="length-invalid"),
]


@clause("http/conflict/overridden", "must", rfc9112("6.3"))
@pytest.mark.parametrize("fields", CONFLICTING)
def test_conflict(wire: Wire, fields: list[str]) -> None:
    """With both, Transfer-Encoding decides or the request is refused; Content-Length never does."""
    answer = first(exchange(wire, request(ECHO, *fields, body=HELLO), NEXT))
    if answer.status not in (400, 501):
        assert received(answer) == b"hello"


@clause("http/conflict/closed", "must", rfc9112("6.1"))
@pytest.mark.parametrize("fields", CONFLICTING)
def test_conflict_closed(wire: Wire, fields: list[str]) -> None:
    """With both, the connection is closed after the answer: this is how requests are smuggled."""
    found = exchange(wire, request(ECHO, *fields, body=HELLO), SMUGGLED, NEXT)
    only_first(wire, found)
    no_more_than(wire, found, "first")


# Desynchronisation: several steps on one connection


@clause("http/desync/unread-body", "must", rfc9112("9.3"))
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param(f"Content-Length: {len(SMUGGLED)}", SMUGGLED, id="content-length"),
        pytest.param(CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED), id="chunked"),
        pytest.param(
            f"Content-Length: {len(SMUGGLED) * 2000}", SMUGGLED * 2000, id="content-length-large"
        ),
    ],
)
def test_unread_body(wire: Wire, field: str, body: bytes) -> None:
    """A body that the application leaves unread is read by the server, or the connection is closed.

    Otherwise what a client uploads to a page that ignores it is executed as requests.
    """
    start = "POST /wsgi/ignore?mark=first HTTP/1.1"
    found = exchange(wire, request(start, field, body=body), NEXT)
    assert mark_of(first(found)) == "first"
    in_step(wire, found)


@clause("http/desync/failed-application", "must", rfc9112("9.3"))
def test_unread_after_failure(wire: Wire) -> None:
    """A body that was unread when the application failed is not executed either."""
    data = request(
        "POST /wsgi/raise/in-call HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED
    )
    in_step(wire, exchange(wire, data, NEXT))


@clause("http/desync/not-found", "must", rfc9112("9.3"))
def test_unread_not_found(wire: Wire) -> None:
    """A body sent to a path that there is not is not executed."""
    data = request("POST /no/such/path HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED)
    in_step(wire, exchange(wire, data, NEXT))


@clause("http/desync/partly-read", "must", rfc9112("9.3"))
@pytest.mark.parametrize(
    "field",
    [
        pytest.param(f"Content-Length: {len(SMUGGLED)}", id="content-length"),
        pytest.param(CHUNKED, id="chunked"),
    ],
)
def test_partly_read(wire: Wire, field: str) -> None:
    """Of a body that is read in part the rest is skipped, or the connection is closed."""
    body = SMUGGLED
    if field == CHUNKED:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    data = request("POST /wsgi/input?do=read:7 HTTP/1.1", field, body=body)
    in_step(wire, exchange(wire, data, NEXT))
