"""RFC 9112, the head of a request: request line, Host, field lines, limits.

What a server may do with a malformed head differs from case to case, and each check lists the
answers that its text allows. Silence is never among them.
"""

from __future__ import annotations

import json

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.heads import LINE, answer, answered, environ_of
from conformance.checks.probes import (
    CLOSE,
    HOST,
    NEXT,
    alive,
    exchange,
    in_pieces,
    mark_of,
    marked,
    request,
)
from conformance.clauses import clause, rfc9110, rfc9112
from conformance.client import Wire

# The request line

MALFORMED_LINES = [
    pytest.param(b"GET /wsgi/environ", id="no-version"),
    pytest.param(b"GET", id="method-alone"),
    pytest.param(b"/wsgi/environ HTTP/1.1", id="no-method"),
    pytest.param(b"GET HTTP/1.1", id="no-target"),
    pytest.param(b"GET  HTTP/1.1", id="target-empty"),
    pytest.param(b"GET /wsgi/environ /x HTTP/1.1", id="space-in-target"),
    pytest.param(b"GET /wsgi/environ HTTP/1.1 x", id="text-after-version"),
    pytest.param(b"GET /wsgi/environ http/1.1", id="lower-case-version"),
    pytest.param(b"GET /wsgi/environ HTTP/1", id="no-minor-version"),
    pytest.param(b"GET /wsgi/environ HTTP/11", id="no-dot"),
    pytest.param(b"GET /wsgi/environ HTTP/1.10", id="two-digits"),
    pytest.param(b"GET /wsgi/environ HTTP/a.b", id="version-letters"),
    pytest.param(b"GET /wsgi/environ HTP/1.1", id="other-protocol"),
    pytest.param(b"GET /wsgi/environ HTTP/-1.1", id="version-negative"),
    pytest.param(b"GET /wsgi/environ HTTP/01.01", id="version-leading-zeros"),
    pytest.param(b"GET /wsgi/environ HTTP/ 1.1", id="version-space"),
    pytest.param(b"GET /wsgi/environ/\xc3\xa9 HTTP/1.1", id="target-not-ascii"),
    pytest.param(b"GET /wsgi/environ/\x01 HTTP/1.1", id="control-in-target"),
    pytest.param(b"G(T /wsgi/environ HTTP/1.1", id="method-delimiter"),
    pytest.param(b"G\xc3\x8bT /wsgi/environ HTTP/1.1", id="method-not-ascii"),
    pytest.param(b"GET wsgi/environ HTTP/1.1", id="target-without-slash"),
    pytest.param(b"GET /wsgi/environ\x00 HTTP/1.1", id="nul-in-target"),
    pytest.param(b"GET /wsgi/environ#fragment HTTP/1.1", id="fragment"),
    pytest.param(b"GET * HTTP/1.1", id="asterisk-for-get"),
]


@clause("http/request-line/malformed", "should", rfc9112("3.2"))
@pytest.mark.parametrize("line", MALFORMED_LINES)
def test_malformed_line(wire: Wire, line: bytes) -> None:
    """A request line that is not what the grammar allows is refused, with 400 where 400 is meant.

    301 is what section 3.2 allows besides, 501 and 505 are the statuses for a method and a version
    that the server does not have. To mend the line and go on serves whom it was crafted for.
    """
    data = b"\r\n".join([line, f"Host: {HOST}".encode(), CLOSE.encode(), b"", b""])
    answered(wire, data, 400, 301, 501, 505)


@clause("http/request-line/whitespace", "may", rfc9112("3"))
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("GET  /wsgi/environ  HTTP/1.1", id="two-spaces"),
        pytest.param("GET\t/wsgi/environ\tHTTP/1.1", id="tabs"),
        pytest.param("GET /wsgi/environ HTTP/1.1 ", id="space-at-end"),
        pytest.param(" GET /wsgi/environ HTTP/1.1", id="space-at-start"),
        pytest.param("GET\v/wsgi/environ\fHTTP/1.1", id="vertical-tab-and-form-feed"),
        pytest.param("GET\r/wsgi/environ HTTP/1.1", id="bare-cr"),
    ],
)
def test_line_whitespace(wire: Wire, line: str) -> None:
    """Other whitespace in a request line is refused, or taken for the one space that it stands for.

    Taken, it is not part of the method, the target or the version.
    """
    response = answered(wire, request(line, CLOSE), 200, 400, 301)
    if response.status == 200:
        found = environ_of(response)
        parts = (found["REQUEST_METHOD"], found["PATH_INFO"], found["SERVER_PROTOCOL"])
        assert parts == ("GET", "/wsgi/environ", "HTTP/1.1")


@clause("http/request-line/empty-line-before", "should", rfc9112("2.2"))
def test_empty_line_before(wire: Wire) -> None:
    """An empty line before a request line is ignored: some clients send one after a body."""
    answered(wire, b"\r\n" + request(LINE, CLOSE), 200)


@clause("http/request-line/length-8000", "should", rfc9112("3"))
def test_line_of_8000(wire: Wire) -> None:
    """A request line of 8000 bytes is taken."""
    start, end = "GET /wsgi/echo?mark=", " HTTP/1.1"
    mark = "x" * (8000 - len(start) - len(end))
    assert mark_of(answered(wire, request(f"{start}{mark}{end}", CLOSE), 200)) == mark


@clause("http/request-line/too-long", "must", rfc9112("3"))
def test_line_too_long(wire: Wire) -> None:
    """A target that is longer than the server wants is answered with 414, another with 200."""
    answered(wire, request(f"GET /wsgi/echo?mark={'x' * 200_000} HTTP/1.1", CLOSE), 414, 200)


@clause("http/version/major-unknown", "agreement", rfc9110("6.2"))
@pytest.mark.parametrize(
    "version", [pytest.param("HTTP/2.0", id="2.0"), pytest.param("HTTP/9.9", id="9.9")]
)
def test_major_version(wire: Wire, version: str) -> None:
    """A major version that is not spoken is answered with 505, or refused as malformed with 400.

    A server can send a 505; no text forbids it to go on as if the version were its own.
    """
    answered(wire, request(f"GET /wsgi/environ {version}", CLOSE), 505, 400)


@clause("http/version/minor-unknown", "should", rfc9110("6.2"))
def test_minor_version(wire: Wire) -> None:
    """HTTP/1.2 is processed as the highest version of HTTP/1 that the server knows."""
    response = answered(wire, request("GET /wsgi/environ HTTP/1.2", CLOSE), 200)
    assert response.version == answer(wire, request(LINE, CLOSE)).version


@clause("http/version/of-response", "should", rfc9110("6.2"))
def test_version_of_response(wire: Wire) -> None:
    """A request of HTTP/1.1 is answered in HTTP/1.1: a downgrade is for clients that are broken."""
    assert answer(wire, request(LINE, CLOSE)).version == "1.1"


@clause("http/method/case", "must", rfc9112("3.1"))
@pytest.mark.parametrize(
    "method", [pytest.param("get", id="lower"), pytest.param("Get", id="capitalised")]
)
def test_method_case(wire: Wire, method: str) -> None:
    """Methods have case: `get` is a method that nobody knows, and is not taken for GET."""
    response = answered(
        wire, request(f"{method} /wsgi/environ HTTP/1.1", CLOSE), 200, 400, 405, 501
    )
    if response.status == 200:
        assert environ_of(response)["REQUEST_METHOD"] == method


@clause("http/method/unknown", "should", rfc9110("9.1"))
@pytest.mark.parametrize(
    "method",
    [
        pytest.param("PURGE", id="word"),
        pytest.param("M-SEARCH", id="hyphen"),
        pytest.param("X!#$%&'*+.^_`|~9", id="every-character"),
    ],
)
def test_method_unknown(wire: Wire, method: str) -> None:
    """A method that the server does not know goes to the application, or is answered with 501."""
    response = answered(wire, request(f"{method} /wsgi/environ HTTP/1.1", CLOSE), 200, 501)
    if response.status == 200:
        assert environ_of(response)["REQUEST_METHOD"] == method


@clause("http/method/connect-without-port", "must", rfc9110("9.3.6"))
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("example.com:", id="empty"),
        pytest.param("example.com:99999", id="too-large"),
        pytest.param("example.com:abc", id="letters"),
    ],
)
def test_connect(wire: Wire, target: str) -> None:
    """CONNECT to an empty or invalid port is rejected; a 2xx would promise a tunnel."""
    assert answer(wire, request(f"CONNECT {target} HTTP/1.1", CLOSE, host=target)).status >= 400


# The request target


@clause("http/target/absolute-form", "must", rfc9112("3.2.2"))
@pytest.mark.parametrize(
    "target",
    [
        pytest.param(f"http://{HOST}/wsgi/environ?a=1", id="plain"),
        pytest.param(f"http://{HOST}:80/wsgi/environ?a=1", id="port"),
        pytest.param(f"HTTP://{HOST}/wsgi/environ?a=1", id="scheme-without-case"),
    ],
)
def test_absolute_form(wire: Wire, target: str) -> None:
    """The absolute form is accepted, and the path of it is the path."""
    found = environ_of(answered(wire, request(f"GET {target} HTTP/1.1", CLOSE), 200))
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/wsgi/environ", "a=1")


@clause("http/target/absolute-form-host", "must", rfc9112("3.2.2"))
def test_absolute_form_host(wire: Wire) -> None:
    """The host of an absolute target counts, and the Host field that says another is ignored."""
    line = "GET http://target.example/wsgi/environ HTTP/1.1"
    found = environ_of(answered(wire, request(line, CLOSE, host="field.example"), 200))
    assert found["HTTP_HOST"] == "target.example"


@clause("http/target/asterisk", "must", rfc9112("3.2.4"))
def test_asterisk(wire: Wire) -> None:
    """`OPTIONS *`, which asks for the server as a whole, is a valid request.

    The server answers itself, or the application does; it is not refused as malformed, and it is no
    fault of the server either. One that does not know OPTIONS says so (RFC 9110 section 9.1).
    """
    response = answer(wire, request("OPTIONS * HTTP/1.1", CLOSE))
    assert response.status < 500 or response.status == 501, response.describe()
    assert response.status != 400, response.describe()


@clause("http/target/query-only-path", "must", rfc9112("3.2.1"))
def test_empty_query(wire: Wire) -> None:
    """A question mark with nothing behind it ends the path."""
    found = environ_of(answered(wire, request("GET /wsgi/environ? HTTP/1.1", CLOSE), 200))
    assert found["PATH_INFO"] == "/wsgi/environ"


# Host


@clause("http/host/missing", "must", rfc9112("3.2"))
def test_host_missing(wire: Wire) -> None:
    """A request of HTTP/1.1 without Host is answered with 400."""
    answered(wire, request(LINE, CLOSE, host=None), 400)


@clause("http/host/missing-in-1.0", "must", rfc9112("3.2"))
def test_host_missing_in_1_0(wire: Wire) -> None:
    """A request of HTTP/1.0 needs no Host: there was none then."""
    answered(wire, request("GET /wsgi/environ HTTP/1.0", host=None), 200)


@clause("http/host/repeated", "must", rfc9112("3.2"))
@pytest.mark.parametrize(
    "second",
    [
        pytest.param("other.example", id="different"),
        pytest.param(HOST, id="equal"),
        pytest.param("", id="empty"),
    ],
)
def test_host_repeated(wire: Wire, second: str) -> None:
    """More than one Host line is answered with 400: one for the filter, another for the router."""
    answered(wire, request(LINE, f"Host: {second}", CLOSE), 400)


@clause("http/host/invalid", "must", rfc9112("3.2"))
@pytest.mark.parametrize(
    "host",
    [
        pytest.param("a b", id="space"),
        pytest.param("a/b", id="slash"),
        pytest.param("a?b", id="question-mark"),
        pytest.param("a#b", id="fragment"),
        pytest.param("user@example.com", id="user"),
        pytest.param("http://example.com", id="scheme"),
        pytest.param("example.com:port", id="port-letters"),
        pytest.param("example.com:80:80", id="two-ports"),
        pytest.param("[::1", id="bracket-open"),
        pytest.param("[example.com]", id="bracket-name"),
        pytest.param("a<b>", id="angle-brackets"),
        pytest.param('a"b', id="quotation-mark"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("a%zz", id="broken-escape"),
        pytest.param("a.example, b.example", id="list"),
    ],
)
def test_host_invalid(wire: Wire, host: str) -> None:
    """A Host that is no host and port is answered with 400: applications build links from it."""
    answered(wire, request(LINE, CLOSE, host=host), 400)


@clause("http/host/valid", "must", rfc9110("7.2"))
@pytest.mark.parametrize(
    "host",
    [
        pytest.param("example.com", id="name"),
        pytest.param("example.com:8080", id="port"),
        pytest.param("127.0.0.1:80", id="ipv4"),
        pytest.param("[::1]:80", id="ipv6"),
        pytest.param("EXAMPLE.com", id="upper-case"),
        pytest.param("example.com.", id="dot-at-end"),
        pytest.param("a_b.example", id="underscore"),
        pytest.param("example.com:", id="empty-port"),
    ],
)
def test_host_valid(wire: Wire, host: str) -> None:
    """A valid Host is taken, and reaches the application."""
    found = environ_of(answered(wire, request(LINE, CLOSE, host=host), 200))
    assert found["HTTP_HOST"].lower() == host.lower()


# Field lines


@clause("http/field/space-before-colon", "must", rfc9112("5.1"))
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("X-Field : 1", id="space"),
        pytest.param("X-Field\t: 1", id="tab"),
        pytest.param("Content-Length : 5", id="content-length"),
        pytest.param("Transfer-Encoding : chunked", id="transfer-encoding"),
        pytest.param("Host : other.example", id="host"),
    ],
)
def test_space_before_colon(wire: Wire, field: str) -> None:
    """Whitespace between a name and its colon is answered with 400.

    A server that strips it and a proxy that does not, or the other way round, see two requests.
    """
    data = request("POST /wsgi/echo HTTP/1.1", field, CLOSE, body=b"5\r\nhello\r\n0\r\n\r\n")
    answered(wire, data, 400)


@clause("http/field/folded", "must", rfc9112("5.2"))
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("X-Folded: a\r\n b", id="space"),
        pytest.param("X-Folded: a\r\n\tb", id="tab"),
        pytest.param("X-Folded: a \r\n  \t b", id="more"),
    ],
)
def test_folded(wire: Wire, field: str) -> None:
    """A folded line is refused with 400, or each fold becomes spaces; no line end gets through."""
    response = answered(wire, request(LINE, field, CLOSE), 200, 400)
    if response.status == 200:
        value = environ_of(response)["HTTP_X_FOLDED"]
        assert value.split() == ["a", "b"]
        assert not {"\r", "\n"} & set(value), repr(value)


@clause("http/field/space-before-first", "must", rfc9112("2.2"))
def test_space_before_first(wire: Wire) -> None:
    """A first field line that begins with whitespace is refused, or the whole line ignored."""
    data = f"{LINE}\r\n X-Hidden: 1\r\nHost: {HOST}\r\n{CLOSE}\r\n\r\n".encode()
    response = answered(wire, data, 200, 400)
    if response.status == 200:
        assert not [key for key in environ_of(response) if "X_HIDDEN" in key]


@clause("http/field/control-in-value", "must", rfc9110("5.5"))
@pytest.mark.parametrize(
    "character",
    [
        pytest.param(b"\x00", id="nul"),
        pytest.param(b"\r", id="bare-cr"),
    ],
)
def test_control_in_value(wire: Wire, character: bytes) -> None:
    """NUL and CR in a value are refused, or become a space each; the application sees neither."""
    found = exchange(wire, request(LINE, b"X-Control: a" + character + b"b", CLOSE))
    if not found:
        alive(wire)  # To close without a word is to refuse as well.
    elif found[0].status != 400:
        assert environ_of(found[0]).get("HTTP_X_CONTROL") in ("a b", None)


@clause("http/field/bare-lf", "may", rfc9112("2.2"))
def test_bare_lf(wire: Wire) -> None:
    """A bare LF is refused, ends the line, or becomes a space; it is not part of a value."""
    response = answered(wire, request(LINE, "X-First: a\nX-Second: b", CLOSE), 200, 400)
    if response.status == 200:
        found = environ_of(response)
        pair = (found.get("HTTP_X_FIRST"), found.get("HTTP_X_SECOND"))
        assert pair in (("a", "b"), ("a X-Second: b", None)), pair


@clause("http/field/bare-lf-as-end", "may", rfc9112("2.2"))
def test_bare_lf_as_end(wire: Wire) -> None:
    """A head whose lines end in LF alone is refused, or read as if they ended in CRLF."""
    data = f"GET /wsgi/echo?mark=lf HTTP/1.1\nHost: {HOST}\n{CLOSE}\n\n".encode()
    # The end that a server waits for to which LF alone is none.
    response = answered(wire, data + b"\r\n\r\n", 200, 400)
    if response.status == 200:
        assert mark_of(response) == "lf"


@clause("http/field/malformed", "should", rfc9112("2.2"))
@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"no colon at all", id="no-colon"),
        pytest.param(b": value", id="no-name"),
        pytest.param(b"X(Y): 1", id="delimiter-in-name"),
        pytest.param(b"X Y: 1", id="space-in-name"),
        pytest.param(b"X\x00Y: 1", id="nul-in-name"),
        pytest.param(b"X-\xc3\xbc: 1", id="name-not-ascii"),
        pytest.param(b"X-Y\r: 1", id="cr-in-name"),
        pytest.param(b"X/Y: 1", id="slash-in-name"),
        pytest.param(b"Content\tLength: 9", id="tab-in-name"),
    ],
)
def test_malformed_field(wire: Wire, field: bytes) -> None:
    """A line that is no field line is answered with 400, not dropped: another recipient may not."""
    # In this order, so that a server which drops all that follows still closes.
    answered(wire, request(LINE, CLOSE, field), 400)


@clause("http/field/obs-text", "should", rfc9110("5.5"))
def test_obs_text(wire: Wire) -> None:
    """Bytes beyond ASCII in a value are opaque data, and no reason to refuse."""
    found = environ_of(answered(wire, request(LINE, b"X-Text: \x80\xff", CLOSE), 200))
    assert found["HTTP_X_TEXT"] == "\x80\xff"


# Limits


@clause("http/limits/header-too-large", "must", rfc9110("5.4"))
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([f"X-Large: {'x' * 1_000_000}"], id="one-field"),
        pytest.param([f"X-Field-{number}: x" for number in range(20_000)], id="many-fields"),
        pytest.param([f"X-{'n' * 1_000_000}: x"], id="name"),
    ],
)
def test_header_too_large(wire: Wire, fields: list[str]) -> None:
    """A header section that is larger than the server wants is answered with a 4xx.

    A server that takes it answers 200. Cutting it off, or closing without a word, leaves the client
    to try again.
    """
    response = answer(wire, request("GET /wsgi/echo HTTP/1.1", *fields, CLOSE))
    assert response.status == 200 or 400 <= response.status < 500, response.describe()


@clause("http/limits/usual-header", "agreement", rfc9110("5.4"))
def test_usual_header(wire: Wire) -> None:
    """What browsers send is taken: fifty fields, of which a cookie of 4 kB.

    No text sets a limit that a server has to allow at least.
    """
    fields = [f"X-Field-{number}: {'x' * 20}" for number in range(49)]
    data = request("GET /wsgi/echo?mark=usual HTTP/1.1", *fields, f"Cookie: a={'x' * 4000}", CLOSE)
    assert mark_of(answered(wire, data, 200)) == "usual"


# How it arrives


@clause("http/arrival/byte-by-byte", "must", rfc9112("2.2"))
def test_byte_by_byte(wire: Wire, capabilities: Capabilities) -> None:
    """A head that arrives in pieces of one byte is the same request."""
    data = marked("pieces", CLOSE)
    found = in_pieces(wire, capabilities, *(bytes([byte]) for byte in data))
    assert [mark_of(response) for response in found] == ["pieces"]


@clause("http/arrival/split-line-end", "must", rfc9112("2.2"))
def test_split_line_end(wire: Wire, capabilities: Capabilities) -> None:
    """CR and LF may arrive apart, after any line of the head."""
    data = request("POST /wsgi/echo?mark=split HTTP/1.1", "Content-Length: 5", CLOSE, body=b"hello")
    pieces = [piece for part in data.split(b"\n") for piece in (part, b"\n")][:-1]
    found = in_pieces(wire, capabilities, *pieces)
    assert [mark_of(response) for response in found] == ["split"]


@clause("http/refusal/date", "must", rfc9110("6.6.1"))
def test_refusal_date(wire: Wire) -> None:
    """The server's own 4xx has a Date like any other response."""
    found = exchange(wire, request("GET /a b HTTP/1.1", CLOSE))
    if not found:
        alive(wire)  # That it does not answer is for another check.
    elif 400 <= found[0].status < 500:
        found[0].header("Date")


@clause("http/refusal/closed", "should", rfc9112("2.2"))
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", id="field"),
        pytest.param(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", id="target"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls"),
        pytest.param(b"SSH-2.0-client\r\n\r\n", id="ssh"),
    ],
)
def test_refusal_closed(wire: Wire, data: bytes) -> None:
    """After what is not HTTP the connection is closed: where the next request begins is unknown."""
    found = exchange(wire, data, NEXT)
    assert "next" not in [mark_of(response) for response in found]
    assert [response.status for response in found] == [400], json.dumps(
        [response.describe() for response in found]
    )
