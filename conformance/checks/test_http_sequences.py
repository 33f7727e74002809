"""RFC 9112, several steps on one connection: bodies that hide a request, and who takes it for one.

In each of these a second recipient, a proxy in front or behind, would end the body elsewhere. What
is asked is always the same: the hidden request is not answered, the first one is answered or
refused, and the connection is either in step or closed.
"""

from __future__ import annotations

import contextlib

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
    SMUGGLED,
    alive,
    answers,
    comes,
    exchange,
    first,
    mark_of,
    read_json,
    request,
    says_close,
)
from conformance.checks.test_http_framing import NOT_CHUNKED_LAST
from conformance.clauses import clause, rfc9110, rfc9112
from conformance.client import Connection, ConnectionClosed, Response, Wire

#: Seconds in which a server that does not wait for a body has answered.
EARLY_S = 1.0
IGNORE = "POST /wsgi/ignore?mark=first HTTP/1.1"
LENGTH = f"Content-Length: {len(SMUGGLED)}"
HIDDEN_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
#: Of `HIDDEN_CHUNK` the line of the size, behind which a reader by length would go on.
FIRST_LINE = f"Content-Length: {HIDDEN_CHUNK.index(SMUGGLED)}"


# Two framings


@clause("http/conflict/obfuscated", "must", rfc9112("6.3"))
@pytest.mark.parametrize(
    "coding",
    [
        pytest.param("Transfer-Encoding: xchunked", id="prefix"),
        pytest.param("Transfer-Encoding: chunked, identity", id="identity-last"),
        pytest.param("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", id="second-line"),
        pytest.param('Transfer-Encoding: "chunked"', id="quoted"),
        pytest.param("Transfer-Encoding: \x0bchunked", id="vertical-tab"),
        pytest.param("Transfer-Encoding: chunked\x00", id="nul"),
        pytest.param("Transfer-Encoding:", id="empty"),
        pytest.param("Transfer-Encoding : chunked", id="space-before-colon"),
    ],
)
def test_obfuscated(wire: Wire, coding: str) -> None:
    """Beside a Content-Length, a coding that is not quite chunked is refused, and ends it all.

    Who does not recognise it reads by length, and what is hidden in the chunk becomes a request.
    """
    found = exchange(wire, request(ECHO, FIRST_LINE, coding, body=HIDDEN_CHUNK), NEXT)
    refused(first(found), 400, 501)
    only_first(wire, found)


@clause("http/transfer-encoding/not-executed", "must", rfc9112("6.3"))
@pytest.mark.parametrize("fields", NOT_CHUNKED_LAST)
def test_not_executed(wire: Wire, fields: list[str]) -> None:
    """Where chunked is not the last coding the application is not called, whatever the answer is.

    It would work on a body of which nobody knows where it ends. This application does not read it.
    """
    found = exchange(wire, request(IGNORE, *fields, "Connection: close", body=HELLO))
    if not found:
        alive(wire)
    else:
        assert found[0].status >= 400, found[0].describe()


@clause("http/refusal/last", "must", rfc9112("6.3"))
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param(["Content-Length: 5", CHUNKED], HELLO, id="conflict"),
        pytest.param(["Transfer-Encoding: identity"], b"", id="coding"),
        pytest.param(
            ["Content-Length: 5", "Transfer-Encoding: xchunked"], b"hello", id="coding-and-length"
        ),
        pytest.param(["Content-Length: +5"], b"hello", id="length"),
    ],
)
def test_refusal_last(wire: Wire, fields: list[str], body: bytes) -> None:
    """After the answer to a request with faulty framing the connection is not used again.

    Neither for what came with the request nor for one that comes after the answer, as here.
    """
    with wire.connect() as connection:
        connection.send(request(IGNORE, *fields, body=body))
        answered = connection.more()
        if answered:
            response = connection.receive("POST")
            connection.send(NEXT)
            if says_close(response):
                connection.shutdown_write()
            found = answers(connection)
            assert found == [], [mark_of(response) or response.describe() for response in found]
    alive(wire)


@clause("http/desync/length-against-chunked", "must", rfc9112("6.1"))
@pytest.mark.parametrize(
    ("length", "body"),
    [
        pytest.param(FIRST_LINE, HIDDEN_CHUNK, id="hidden-in-a-chunk"),
        pytest.param(
            f"Content-Length: {len(SMUGGLED) + 5}", b"0\r\n\r\n" + SMUGGLED, id="behind-the-chunks"
        ),
    ],
)
def test_length_against_chunked(wire: Wire, length: str, body: bytes) -> None:
    """With both framings nothing is answered but the first request, wherever the second hides."""
    found = exchange(wire, request(ECHO, length, CHUNKED, body=body), NEXT)
    assert first(found).status in (200, 400, 501), found[0].describe()
    only_first(wire, found)
    no_more_than(wire, found, "first")


@clause("http/transfer-encoding/http-1.0-with-length", "must", rfc9112("6.1"))
def test_both_in_1_0(wire: Wire) -> None:
    """In HTTP/1.0 Transfer-Encoding is faulty framing although there is a length as well: close."""
    start = "POST /wsgi/echo?mark=first HTTP/1.0"
    data = request(start, FIRST_LINE, CHUNKED, "Connection: keep-alive", body=HIDDEN_CHUNK)
    found = exchange(wire, data, NEXT)
    only_first(wire, found)
    no_more_than(wire, found, "first")


@clause("http/transfer-encoding/empty-element", "agreement", rfc9110("5.6.1"))
@pytest.mark.parametrize(
    "coding", [pytest.param(", chunked", id="before"), pytest.param("chunked,", id="behind")]
)
def test_empty_element(wire: Wire, coding: str) -> None:
    """An empty element of the list of codings is ignored, or the request refused and all ended.

    RFC 9110 wants it ignored; that nobody but an attacker sends one is a reason to do otherwise.
    """
    field = f"Transfer-Encoding: {coding}"
    found = exchange(wire, request(ECHO, field, body=HIDDEN_CHUNK), NEXT)
    if first(found).status == 200:
        assert received(found[0]) == SMUGGLED
        in_step(wire, found)
    else:
        refused(found[0], 400, 501)
        only_first(wire, found)


# Chunked, beyond the size


@clause("http/chunked/any-method", "must", rfc9112("6"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "method",
    [pytest.param(name, id=name.lower()) for name in ("GET", "DELETE", "OPTIONS", "PROPFIND")],
)
def test_chunked_any_method(wire: Wire, method: str) -> None:
    """A chunked body is one whatever the method: what hides in it is no second request.

    To refuse it, and close or read it, is safe as well.
    """
    start = f"{method} /wsgi/echo?mark=first HTTP/1.1"
    found = exchange(wire, request(start, CHUNKED, body=HIDDEN_CHUNK), NEXT)
    assert first(found).status >= 400 or received(found[0]) == SMUGGLED
    in_step(wire, found)


@clause("http/chunked/head-with-body", "must", rfc9112("6"), requires=CHUNKED_INPUT)
def test_chunked_head(wire: Wire) -> None:
    """The chunked body of a HEAD request is a body as well: what hides in it is not answered."""
    with wire.connect() as connection:
        start = "HEAD /wsgi/echo?mark=first HTTP/1.1"
        connection.send(request(start, CHUNKED, body=HIDDEN_CHUNK) + NEXT)
        in_step(wire, answers(connection, "HEAD"))


INVALID_EXTENSIONS = [
    pytest.param(b";", id="without-name"),
    pytest.param(b";a[]=b", id="delimiter-in-name"),
    pytest.param(b";a=\x00", id="nul"),
    pytest.param(b";a\rb", id="bare-cr"),
]


@clause("http/chunked/extension-not-taken", "should", rfc9112("2.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize("extension", INVALID_EXTENSIONS)
def test_extension_not_taken(wire: Wire, extension: bytes) -> None:
    """A body with an extension that the grammar does not allow is not taken for a good one.

    Whatever the answer is, and if there is none.
    """
    body = b"5" + extension + b"\r\nhello\r\n0\r\n\r\n"
    found = exchange(wire, request(ECHO, CHUNKED, "Connection: close", body=body))
    if found:
        assert found[0].status >= 400, found[0].describe()
    else:
        alive(wire)


@clause("http/chunked/invalid-extension", "should", rfc9112("2.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize("extension", INVALID_EXTENSIONS)
def test_invalid_extension(wire: Wire, extension: bytes) -> None:
    """An extension that the grammar does not allow is refused with 400, and ends the connection.

    Extensions are ignored, so their end is where two readers that are careless come to differ.
    """
    body = b"5" + extension + b"\r\nhello\r\n0\r\n\r\n"
    found = exchange(wire, request(ECHO, CHUNKED, body=body), NEXT)
    refused(first(found), 400)
    only_first(wire, found)


@clause("http/chunked/bare-lf-in-trailers", "may", rfc9112("2.2"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "trailers",
    [pytest.param(b"\n", id="empty-line"), pytest.param(b"X-Trailer: 1\n\r\n", id="field")],
)
def test_bare_lf_in_trailers(wire: Wire, trailers: bytes) -> None:
    """A bare LF ends a line of the trailers, or the body is refused and the connection closed."""
    body = b"5\r\nhello\r\n0\r\n" + trailers
    found = exchange(wire, request(ECHO, CHUNKED, body=body), NEXT)
    if first(found).status == 200:
        assert received(found[0]) == b"hello"
        in_step(wire, found)
    else:
        refused(found[0], 400)
        only_first(wire, found)


@clause("http/chunked/trailer-is-no-framing", "must", rfc9110("6.5.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "trailer",
    [
        pytest.param(f"Content-Length: {len(SMUGGLED)}", id="content-length"),
        pytest.param("Transfer-Encoding: chunked", id="transfer-encoding"),
    ],
)
def test_trailer_is_no_framing(wire: Wire, trailer: str) -> None:
    """What a trailer says of the framing is ignored, or refused: the body has ended."""
    body = f"5\r\nhello\r\n0\r\n{trailer}\r\n\r\n".encode()
    found = exchange(wire, request(ECHO, CHUNKED, body=body), NEXT)
    assert first(found).status == 400 or received(found[0]) == b"hello"
    in_step(wire, found)


@clause("http/chunked/too-much-around", "should", rfc9112("7.1.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5;a=%b\r\nhello\r\n0\r\n\r\n" % (b"x" * 300_000), id="one-extension"),
        pytest.param(b"1;a=%b\r\nx\r\n" % (b"x" * 60) * 5_000 + b"0\r\n\r\n", id="many-extensions"),
        pytest.param(b"5\r\nhello\r\n0\r\nX: %b\r\n\r\n" % (b"x" * 300_000), id="one-trailer"),
        pytest.param(b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 20_000 + b"\r\n", id="many-trailers"),
    ],
)
def test_too_much_around(wire: Wire, body: bytes) -> None:
    """Extensions and trailers beyond what the server wants are answered with a 4xx, or all taken.

    They are bytes that no limit of the body counts.
    """
    response = first(exchange(wire, request(ECHO, CHUNKED, "Connection: close", body=body)))
    if response.status == 200:
        assert read_json(response)["length"] == (5000 if body.startswith(b"1") else 5)
    assert response.status == 200 or 400 <= response.status < 500, response.describe()


# Bodies that the application leaves alone


@clause("http/desync/unread-prefix", "must", rfc9112("9.3"))
@pytest.mark.parametrize("method", [pytest.param(name, id=name.lower()) for name in ("GET", "PUT")])
def test_unread_prefix(wire: Wire, method: str) -> None:
    """The beginning of a request in an unread body is not completed by the next one.

    The next request would be answered for a target that somebody else chose.
    """
    prefix = b"GET /wsgi/echo?mark=smuggled HTTP/1.1\r\nX-Ignored: "
    start = f"{method} /wsgi/ignore?mark=first HTTP/1.1"
    found = exchange(wire, request(start, f"Content-Length: {len(prefix)}", body=prefix), NEXT)
    assert first(found).status >= 400 or mark_of(found[0]) == "first"
    in_step(wire, found)


@clause("http/desync/unread-invalid", "must", rfc9112("9.3"))
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"xyz\r\n" + SMUGGLED, id="size"),
        pytest.param(b"5\r\nhelloXX" + SMUGGLED, id="end-of-chunk"),
        pytest.param(b"0\r\nno trailer\r\n" + SMUGGLED, id="trailer"),
    ],
)
def test_unread_invalid(wire: Wire, body: bytes) -> None:
    """An unread chunked body that turns out to be malformed ends the connection.

    The request may have had its answer; nobody knows where another one begins. To say so with 400
    is as good as to close without a word: nothing behind the malformed body is taken for a request.
    """
    found = exchange(wire, request(IGNORE, CHUNKED, body=body), NEXT)
    if len(found) == 2 and found[1].status == 400 and says_close(found[1]):
        found.pop()
    only_first(wire, found)


@clause("http/desync/trailers", "must", rfc9112("7.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "start", [pytest.param(ECHO, id="read"), pytest.param(IGNORE, id="unread")]
)
def test_trailers(wire: Wire, start: str) -> None:
    """Behind several trailer fields the next request is found, or the connection is closed.

    Who knows of one line behind the last chunk, or of none, takes the others for a request.
    """
    body = b"5\r\nhello\r\n0\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n\r\n"
    found = exchange(wire, request(start, CHUNKED, body=body), NEXT)
    assert mark_of(first(found)) == "first", found[0].describe()
    in_step(wire, found)


@clause("http/desync/request-in-trailers", "must", rfc9112("7.1"), requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "start", [pytest.param(ECHO, id="read"), pytest.param(IGNORE, id="unread")]
)
def test_request_in_trailers(wire: Wire, start: str) -> None:
    """A request that stands among the trailer fields is not executed, whatever else comes of them.

    A proxy in front that looks at no trailer passes it on as a part of the body.
    """
    body = b"5\r\nhello\r\n0\r\nX-One: 1\r\n" + SMUGGLED
    found = exchange(wire, request(start, CHUNKED, body=body), NEXT)
    no_more_than(wire, found, "first", "next")


@clause("http/desync/options-asterisk", "must", rfc9112("9.3"))
def test_options_asterisk(wire: Wire) -> None:
    """The body of `OPTIONS *`, which no application reads, is not executed either."""
    in_step(wire, exchange(wire, request("OPTIONS * HTTP/1.1", LENGTH, body=SMUGGLED), NEXT))


def rest_of(connection: Connection) -> list[Response]:
    """Every response until the end; a reset is an end as well, for bytes that came too late."""
    found: list[Response] = []
    with contextlib.suppress(ConnectionClosed):
        while connection.more():
            found.append(connection.receive())
            if says_close(found[-1]):
                connection.shutdown_write()
    return found


def after_the_answer(
    wire: Wire, capabilities: Capabilities, connection: Connection, body: bytes
) -> list[Response]:
    """Send a body once the request was answered without it, and the next request; the answers.

    A server that reads bodies before it calls the application does not answer before: it gets the
    body after a moment, and has nothing to be confused by.
    """
    found: list[Response] = []
    if comes(wire, capabilities, connection, EARLY_S) and connection.more():
        found.append(connection.receive("POST"))
        if says_close(found[0]):
            connection.assert_closed()
            return found
    connection.send(body + NEXT)
    return found + rest_of(connection)


@clause("http/desync/early-answer", "must", rfc9112("9.3"))
@pytest.mark.parametrize(
    ("target", "field", "body"),
    [
        pytest.param("/wsgi/ignore?mark=first", LENGTH, SMUGGLED, id="content-length"),
        pytest.param("/wsgi/ignore?mark=first", CHUNKED, HIDDEN_CHUNK, id="chunked"),
        pytest.param("/wsgi/raise/in-call", LENGTH, SMUGGLED, id="failure"),
        pytest.param("/no/such/path", LENGTH, SMUGGLED, id="not-found"),
    ],
)
def test_early_answer(
    wire: Wire, capabilities: Capabilities, target: str, field: str, body: bytes
) -> None:
    """A body that comes after the answer is still the body: it is skipped, or the connection ends.

    A server that thinks itself done with the request takes what comes for the next one.
    """
    with wire.connect() as connection:
        connection.send(request(f"POST {target} HTTP/1.1", field))
        in_step(wire, after_the_answer(wire, capabilities, connection, body))


@clause("http/expect/body-after-final-answer", "must", rfc9112("9.3"))
def test_expect_final(wire: Wire, capabilities: Capabilities) -> None:
    """A client that had a final answer instead of 100 may send its body: it is not executed."""
    with wire.connect() as connection:
        connection.send(request(IGNORE, LENGTH, "Expect: 100-continue"))
        found: list[Response] = []
        if comes(wire, capabilities, connection, EARLY_S) and connection.more():
            response = connection.receive_head()
            if response.status != 100:
                while connection.receive_body_part(response):
                    pass
                found.append(response)
                if says_close(response):
                    connection.shutdown_write()
        connection.send(SMUGGLED + NEXT)
        found += rest_of(connection)
    in_step(wire, found)


@clause("http/expect/body-is-a-body", "must", rfc9112("6"))
@pytest.mark.parametrize(
    ("method", "expectation"),
    [
        pytest.param("GET", "100-continue", id="get"),
        pytest.param("POST", "y 100-continue", id="malformed"),
        pytest.param("POST", "100-continue, 100-continue", id="twice"),
        pytest.param("POST", "100-continue, other", id="list"),
    ],
)
def test_expect_framing(wire: Wire, method: str, expectation: str) -> None:
    """An expectation, met or not, changes nothing about where the body is and ends.

    Who waits for a client that does not wait, or gives up on the body, executes it.
    """
    start = f"{method} /wsgi/echo?mark=first HTTP/1.1"
    data = request(start, LENGTH, f"Expect: {expectation}", body=SMUGGLED)
    found = exchange(wire, data, NEXT)
    assert first(found).status in (400, 417) or received(found[0]) == SMUGGLED
    in_step(wire, found)
