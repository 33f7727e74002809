"""RFC 9110 and 9112, the head of a request, continued: what other parsers make of it.

The defects here come from tools that are at hand: a language's idea of whitespace and line ends, a
decoder that runs too early, names that are folded into one.
"""

from __future__ import annotations

import pytest

from conformance.checks.bodies import ECHO, in_step, no_more_than, received
from conformance.checks.heads import LINE, answer, answered, environ_of
from conformance.checks.probes import (
    CLOSE,
    HOST,
    NEXT,
    SMUGGLED,
    alive,
    exchange,
    first,
    mark_of,
    read_json,
    request,
    settled,
)
from conformance.clauses import clause, rfc3986, rfc9110, rfc9112
from conformance.client import Wire
from conformance.client.http import Client

# Methods


@clause("http/method/too-long", "should", rfc9112("3"))
def test_method_too_long(wire: Wire) -> None:
    """A method that is longer than any the server knows is answered with 501, or as too much.

    A server that hands every method on hands on this one, and none that was cut off.
    """
    method = "M" * 100_000
    response = answer(wire, request(f"{method} /wsgi/echo HTTP/1.1", CLOSE))
    if response.status == 200:
        assert read_json(response)["method"] == method
    else:
        assert response.status in (501, 400, 405, 414, 431), response.describe()


@clause("http/method/connect", "agreement", rfc9110("9.3.6"))
def test_connect_refused(wire: Wire) -> None:
    """CONNECT to another host is refused: a 2xx would promise a tunnel that there is not.

    What follows is the next request, or is not read.
    """
    target = "other.example:443"
    found = exchange(wire, request(f"CONNECT {target} HTTP/1.1", host=target), NEXT)
    assert first(found).status >= 400, found[0].describe()
    in_step(wire, found)


@clause("http/method/trace-secrets", "should", rfc9110("9.3.8"))
def test_trace(wire: Wire) -> None:
    """TRACE reflects no credentials: a script that may not read the cookie could read the answer.

    The application answers without looking at them, so whatever comes back is the server's doing.
    """
    fields = ("Authorization: Basic c2VjcmV0", "Cookie: sid=c2VjcmV0", CLOSE)
    response = answer(wire, request("TRACE /wsgi/method HTTP/1.1", *fields))
    shown = response.body + repr(response.fields).encode()
    assert b"c2VjcmV0" not in shown
    assert response.status in (200, 400, 403, 405, 501), response.describe()


@clause("http/method/range-for-get-only", "must", rfc9110("14.2"))
def test_range_of_post(wire: Wire) -> None:
    """Range means something for GET alone: the answer to a POST with it is whole."""
    fields = ("Range: bytes=0-1", "Content-Length: 5", CLOSE)
    data = request("POST /wsgi/echo HTTP/1.1", *fields, body=b"hello")
    assert received(answered(wire, data, 200)) == b"hello"


# The target


@clause("http/target/absolute-form-without-path", "must", rfc9112("3.2.2"))
@pytest.mark.parametrize(
    "target",
    [pytest.param(f"http://{HOST}", id="host"), pytest.param(f"http://{HOST}?a=1", id="query")],
)
def test_absolute_form_without_path(wire: Wire, target: str) -> None:
    """A target that is a host and nothing else is the root, which is there or is not.

    It is valid, so it is not refused as malformed, and it is no fault of the server.
    """
    answered(wire, request(f"GET {target} HTTP/1.1", CLOSE), 200, 301, 302, 307, 308, 404)


@clause("http/target/absolute-form-user", "should", rfc9110("4.2.4"))
def test_absolute_form_user(wire: Wire) -> None:
    """User information in a target is an error, or is passed by: it never is the host.

    It is there to pass one host off as another.
    """
    line = "GET http://trusted.example@target.example/wsgi/environ HTTP/1.1"
    response = answered(wire, request(line, CLOSE, host="target.example"), 400, 200)
    if response.status == 200:
        found = environ_of(response)
        assert "trusted.example" not in (found["HTTP_HOST"] + found["SERVER_NAME"])


@clause("http/target/many", "should", rfc9112("3"))
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("&a" * 1900, id="parameters"),
        pytest.param("%2F" * 1250, id="escapes"),
    ],
)
def test_many(wire: Wire, query: str) -> None:
    """A request line that is no longer than usual is taken whatever it is made of.

    How many parameters are too many is for the application to say, which may have the limit raised.
    """
    line = f"GET /wsgi/echo?mark={query} HTTP/1.1"
    assert mark_of(answered(wire, request(line, CLOSE), 200)) == query


@clause("http/target/not-corrected", "should", rfc9112("3.2"))
def test_backslash(wire: Wire) -> None:
    """A backslash is refused, or stays one; it is not corrected to a slash and then served."""
    response = answered(wire, request("GET /wsgi\\environ HTTP/1.1", CLOSE), 400, 404, 301)
    assert response.status != 301 or "\\" not in response.header("Location")


@clause("http/target/escaped", "must", rfc3986("2.4"))
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        pytest.param("a%0D%0AX-Injected:%201", "a\r\nX-Injected: 1", id="line-end"),
        pytest.param("a%00b", "a\x00b", id="nul"),
        pytest.param("a%20HTTP/1.0", "a HTTP/1.0", id="version"),
    ],
)
def test_escaped(wire: Wire, sent: str, path: str) -> None:
    """What is percent-encoded is data: it ends no line and no path, and begins no field.

    To refuse such a path is allowed as well; to decode it before the request is taken apart is not.
    """
    response = answered(wire, request(f"GET /wsgi/environ/{sent} HTTP/1.1", CLOSE), 200, 400, 404)
    if response.status == 200:
        found = environ_of(response)
        assert found["PATH_INFO"] == f"/wsgi/environ/{path}"
        assert "HTTP_X_INJECTED" not in found


@clause("http/target/overlong-slash", "agreement", rfc3986("7.3"))
def test_overlong_slash(wire: Wire) -> None:
    """Two bytes that a careless decoder takes for a slash make none: a filter saw no slash either.

    What else becomes of bytes that are no UTF-8 is for another check.
    """
    line = "GET /wsgi/environ/a%C0%AFb HTTP/1.1"
    response = answered(wire, request(line, CLOSE), 200, 400, 404)
    if response.status == 200:
        assert environ_of(response)["PATH_INFO"] != "/wsgi/environ/a/b"


# Host


@clause("http/host/missing-beside-absolute-form", "must", rfc9112("3.2"))
def test_host_missing_absolute(wire: Wire) -> None:
    """Host is required although the target names a host: without it the answer is 400."""
    line = f"GET http://{HOST}/wsgi/environ HTTP/1.1"
    answered(wire, request(line, CLOSE, host=None), 400)


@clause("http/host/empty", "may", rfc9112("3.3"))
def test_host_empty(wire: Wire) -> None:
    """An empty Host is refused with 400, or a name that was configured stands in for it."""
    response = answered(wire, request(LINE, CLOSE, host=""), 400, 200)
    if response.status == 200:
        assert environ_of(response)["SERVER_NAME"]


# Field lines


@clause("http/field/other-line-ends", "must", rfc9112("2.2"))
@pytest.mark.parametrize(
    "character",
    [
        pytest.param(b"\x0b", id="vertical-tab"),
        pytest.param(b"\x0c", id="form-feed"),
        pytest.param(b"\x1c", id="file-separator"),
        pytest.param(b"\x85", id="next-line"),
    ],
)
def test_other_line_ends(wire: Wire, character: bytes) -> None:
    """What ends a line elsewhere ends none here: it begins no field that nobody in front saw.

    A control character is invalid in a value, so it may be refused; those of latin-1 are data.
    """
    field = b"X-Text: a" + character + b"X-Injected: 1"
    response = answered(wire, request(LINE, field, CLOSE), 200, 400)
    if response.status == 200:
        assert "HTTP_X_INJECTED" not in environ_of(response)


@clause("http/field/other-control", "may", rfc9110("5.5"))
@pytest.mark.parametrize(
    "character",
    [pytest.param(b"\x07\x08", id="bell-and-backspace"), pytest.param(b"\x7f", id="delete")],
)
def test_other_control(wire: Wire, character: bytes) -> None:
    """Another control character in a value is refused with 400, or kept, and cuts nothing off."""
    field = b"X-Control: a" + character + b"b"
    response = answered(wire, request(LINE, field, CLOSE), 200, 400)
    if response.status == 200:
        value = environ_of(response)["HTTP_X_CONTROL"]
        assert (value[0], value[-1]) == ("a", "b"), repr(value)


@clause("http/field/line-of-whitespace", "must", rfc9112("5.2"))
@pytest.mark.parametrize("line", [pytest.param(" ", id="space"), pytest.param("\t", id="tab")])
def test_line_of_whitespace(wire: Wire, line: str) -> None:
    """A line of whitespace is a fold and no empty line: the head goes on behind it.

    To refuse it is allowed. Who ends the head there takes the fields behind it for a request.
    """
    found = exchange(wire, request(LINE, "X-First: a", line, "X-Second: b", CLOSE))
    assert first(found).status in (200, 400), found[0].describe()
    assert len(found) == 1
    if found[0].status == 200:
        assert environ_of(found[0])["HTTP_X_SECOND"] == "b"


@clause("http/field/bare-cr-as-end", "must", rfc9112("2.2"))
def test_bare_cr_as_end(wire: Wire) -> None:
    """A head whose lines end in CR alone is none, and is not served."""
    lines = f"GET /wsgi/echo?mark=cr HTTP/1.1\rHost: {HOST}\r{CLOSE}\r\r".encode()
    # The end that a server waits for to which CR alone is none.
    found = exchange(wire, lines + b"\r\n\r\n", NEXT)
    no_more_than(wire, found, "next")
    assert first(found).status in (400, 501, 505), found[0].describe()


@clause("http/field/framing-behind", "agreement", rfc9110("5.5"))
@pytest.mark.parametrize(
    "end", [pytest.param(b"\n", id="bare-lf"), pytest.param(b"\r", id="bare-cr")]
)
def test_framing_behind(wire: Wire, end: bytes) -> None:
    """A length behind a bare CR or LF of another value frames a body, or the request is refused.

    RFC 9110 lets a recipient take CR and LF for spaces. One that does executes what another, which
    takes them for the end of the line, took for a body.
    """
    field = b"X-Field: a%bContent-Length: %d" % (end, len(SMUGGLED))
    found = exchange(wire, request(ECHO, field, body=SMUGGLED), NEXT)
    no_more_than(wire, found, "first", "next")


@clause("http/field/cr-cr-lf", "must", rfc9112("2.2"))
def test_cr_cr_lf(wire: Wire) -> None:
    """A CR in front of a line end is refused, or becomes a space; it is not part of the value."""
    response = answered(wire, request(LINE, "X-Field: a\r", CLOSE), 200, 400)
    if response.status == 200:
        assert environ_of(response)["HTTP_X_FIELD"] == "a"


@clause("http/field/underscore", "must", rfc9112("6.3"))
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("Content_Length: 0", SMUGGLED, id="content-length"),
        pytest.param("Transfer_Encoding: chunked", b"0\r\n\r\n" + SMUGGLED, id="transfer-encoding"),
    ],
)
def test_underscore(wire: Wire, field: str, body: bytes) -> None:
    """A name with an underscore is another name: it says nothing about where the body ends.

    In an environ both become the same key, so a server that frames by that is smuggled through.
    """
    length = f"Content-Length: {len(body)}"
    data = request("POST /wsgi/ignore?mark=first HTTP/1.1", length, field, body=body)
    found = exchange(wire, data, NEXT)
    in_step(wire, found)
    assert first(found).status == 400 or mark_of(found[0]) == "first"


@clause("http/field/repeated-content-type", "agreement", rfc9110("5.3"))
def test_repeated_content_type(wire: Wire) -> None:
    """Two Content-Types are refused with 400, or the application gets one of them, or a list."""
    fields = ("Content-Type: text/one", "Content-Type: text/two", "Content-Length: 0", CLOSE)
    response = answered(wire, request("POST /wsgi/environ HTTP/1.1", *fields), 200, 400)
    if response.status == 200:
        values = [value.strip() for value in environ_of(response)["CONTENT_TYPE"].split(",")]
        assert values in (["text/one"], ["text/two"], ["text/one", "text/two"])


@clause("http/field/named-as-option", "agreement", rfc9110("7.6.1"))
def test_named_as_option(wire: Wire) -> None:
    """Content-Length keeps its meaning although Connection names it as an option, or is refused."""
    fields = ("Connection: Content-Length", "Content-Length: 5")
    data = request("POST /wsgi/echo?mark=first HTTP/1.1", *fields, body=b"hello")
    found = exchange(wire, data, NEXT)
    assert first(found).status == 400 or received(found[0]) == b"hello"
    in_step(wire, found)


# Incomplete heads, and what follows a refused one


@clause("http/incomplete/head", "must", rfc9110("5.3"))
@pytest.mark.parametrize(
    "cut", [pytest.param(2, id="before-the-last-line"), pytest.param(9, id="in-a-field")]
)
def test_incomplete_head(wire: Wire, client: Client, key: str, cut: int) -> None:
    """A head that ends too early is no request: it is not processed, and the connection ends.

    The client has said that nothing more comes, so there is nothing to wait for.
    """
    head = request(f"GET /wsgi/echo?key={key}&mark=cut HTTP/1.1", CLOSE)
    with wire.connect() as connection:
        connection.send(head[:-cut])
        connection.shutdown_write()
        rest = connection.receive_end()
    assert settled(client, key) == []
    assert rest == b"" or rest.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), rest[:100]
    alive(wire)


REFUSED = [
    pytest.param(["Host: a", "Host: b"], "HTTP/1.1", id="host"),
    pytest.param([f"Host: {HOST}", "X Y: 1"], "HTTP/1.1", id="field"),
    pytest.param([f"Host: {HOST}"], "HTTP/3.0", id="version"),
    pytest.param([f"Host: {HOST}", "Expect: the-unexpected"], "HTTP/1.1", id="expectation"),
]


@clause("http/refusal/body-not-executed", "must", rfc9112("9.3"))
@pytest.mark.parametrize(("fields", "version"), REFUSED)
def test_refused_body(wire: Wire, fields: list[str], version: str) -> None:
    """The body of a request that is refused is read, or the connection closed: it is not executed.

    The next request behind it gets its own answer, or none.
    """
    lines = [f"POST /wsgi/ignore?mark=first {version}", *fields]
    head = "\r\n".join([*lines, f"Content-Length: {len(SMUGGLED)}", "", ""]).encode()
    in_step(wire, exchange(wire, head + SMUGGLED, NEXT))


@clause("http/refusal/head-without-body", "must", rfc9110("9.3.2"))
def test_refused_head(wire: Wire) -> None:
    """The refusal of a HEAD request has no body: what came as one would be the next response."""
    with wire.connect() as connection:
        connection.send(request("HEAD /wsgi/echo HTTP/1.1", CLOSE, host="a b"))
        if not connection.more():
            alive(wire)  # Nothing was sent, so no body either.
            return
        connection.receive("HEAD")
        connection.assert_closed()


@clause("http/refusal/says-close", "should", rfc9112("9.6"))
def test_refusal_says_close(wire: Wire) -> None:
    """A refusal after which the server closes says so, and another keeps the connection."""
    data = request(LINE, "X Y: 1")
    found = exchange(wire, data, NEXT)
    options = ",".join(first(found).all("Connection")).lower()
    assert len(found) > 1 or found[0].version == "1.0" or "close" in options, found[0].describe()


# What is not HTTP

GARBAGE = [
    pytest.param(bytes(range(128, 256)) + b"\r\n\r\n", id="binary"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="response"),
    pytest.param(b"   \r\n\r\n", id="whitespace"),
    pytest.param(b'{"jsonrpc": "2.0", "method": "x"}\r\n\r\n', id="json"),
    pytest.param(b"*1\r\n$4\r\nPING\r\n\r\n", id="redis"),
    pytest.param(
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n" + request("GET /wsgi/environ HTTP/1.1"),
        id="proxy-protocol",
    ),
    pytest.param(
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x50"
        + request("GET /wsgi/environ HTTP/1.1"),
        id="proxy-protocol-2",
    ),
]


@clause("http/garbage", "should", rfc9112("2.2"))
@pytest.mark.parametrize("data", GARBAGE)
def test_garbage(wire: Wire, data: bytes) -> None:
    """What is no HTTP is answered with 400 and the end of the connection; nothing in it is served.

    Other statuses are those of a server that takes a part of it for a method or a version.
    """
    found = exchange(wire, data, NEXT)
    assert first(found).status in (400, 501, 505), found[0].describe()
    assert len(found) == 1, [response.describe() for response in found]


@clause("http/garbage/http-2", "agreement", rfc9112("2.2"))
def test_http_2(wire: Wire) -> None:
    """The preface of HTTP/2 is refused, or answered in HTTP/2; it is no request of HTTP/1.1."""
    with wire.connect() as connection:
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        # The end of this side may come before what it did not wait for, and drop an answer.
        connection.more()
        connection.shutdown_write()
        found = connection.receive_end()
    if not found:
        alive(wire)
        return
    # The first frame of a server is SETTINGS, which is type 4 (RFC 9113 section 3.4).
    refused = found.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 5", b"HTTP/1.0 5"))
    assert refused or found[3:4] == b"\x04", found[:100]


@clause("http/garbage/nothing", "agreement", rfc9112("2.2"))
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="no-byte"),
        pytest.param(b"\r\n" * 100, id="empty-lines"),
        pytest.param(b"A" * 300_000, id="no-line-end"),
    ],
)
def test_nothing(wire: Wire, data: bytes) -> None:
    """A client that leaves without having asked for anything is let go, refused or not."""
    with wire.connect() as connection:
        connection.send(data)
        connection.shutdown_write()
        found = connection.receive_end()
    if found:
        codes = [b"HTTP/1.%d %d" % (minor, code) for minor in (0, 1) for code in (4, 5)]
        assert found.startswith(tuple(codes)), found[:100]
    alive(wire)


@clause("http/field/te-alone", "must", rfc9110("10.1.4"))
def test_te(wire: Wire) -> None:
    """TE says what codings a client takes, and is no framing: the request has no body."""
    data = request("POST /wsgi/echo?mark=first HTTP/1.1", "TE: chunked", "Connection: TE")
    found = exchange(wire, data, NEXT)
    assert received(first(found)) == b""
    in_step(wire, found)
