"""From the bytes of a request's head to a `Request`, or to a `ClientError` that says what is wrong.

Which parser: measured on a browser's request of 13 fields, h11 takes 31 microseconds, httptools
(llhttp, the parser of Node.js) 2.4, and regular expressions of our own 5. So the field lines are
llhttp's. In its default mode it refuses what has been used to smuggle requests: whitespace around
a field name, folded lines, bare CR, bare LF, NUL and other control characters, several or malformed
Content-Length fields, Content-Length next to Transfer-Encoding. `tests/serving/test_parser.py`
holds it to that.

Three things are done here instead:

* The end of the head is found before llhttp sees any of it. llhttp is a stream parser and reads
  on into the body and the next request, while WSGI wants the body pulled by the application.
  It also means that the size limits count bytes of the wire and not what llhttp makes of them.
* The request line. llhttp knows some forty methods and four versions; RFC 9110 section 9.1 lets
  any token be a method, and section 2.5 asks a server to take HTTP/1.2 for the HTTP/1.1 it knows.
  So llhttp is given the field lines under a request line of our own.
* What the fields mean: Host, framing, expectation, persistence. That is the rest of this module.
"""

from __future__ import annotations

import re
from typing import NoReturn

import httptools

from .errors import ClientError
from .settings import Limits

_STAND_IN = b"POST / HTTP/1.1\r\n"

# White space at the end of a line that holds something else; white space alone would be a fold.
_SPACE_AT_END = re.compile(rb"(?<=[!-~\x80-\xff])[ \t]+\r\n")

# RFC 9112 section 3: exactly one space between the parts, method a token, and a target without
# whitespace. Which visible characters a target may hold is decided by its form, below.
_REQUEST_LINE = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])(?=\r\n)"
)
_VERSION_LIKE = re.compile(rb"[^ \r\n]+ [^ \r\n]+ HTTP/[0-9]\.[0-9]\Z")
# RFC 3986: pchar, "/" and "?". A fragment is never sent ("#" is not in here). The characters
# "[", "]", "^", "|" and, in a query, "{", "}" and the backquote are not in the RFC's set either,
# but the URL standard that browsers follow leaves them unescaped; they are let through.
_PATH = r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/\[\]^|]*"
_QUERY = r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/?\[\]^|{}`]*"
_ORIGIN_FORM = re.compile(rf"(/{_PATH})(?:\?({_QUERY}))?")
_ABSOLUTE_FORM = re.compile(rf"(?i:https?)://([^/?#]*)({_PATH})(?:\?({_QUERY}))?")
_AUTHORITY_FORM = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]+):[0-9]{1,5}")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 9110 section 7.2: uri-host [ ":" port ]. No userinfo (section 4.2.4), no empty host (4.2.1).
_HOST = re.compile(
    r"(?:\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
    r"|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)

_STRAY_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")

# Field names come in a few dozen spellings, so the environ key of each is computed once. The bounds
# keep a client that invents names from filling the memory; None marks a name that is dropped.
_environ_keys: dict[bytes, str | None] = {}
_ENVIRON_KEYS_MAX = 1024
_ENVIRON_KEYS_LENGTH = 64


def _environ_key(name: bytes) -> str | None:
    """Return the environ key of a field name, None if the field is not to reach the application.

    PEP 3333 takes the names from CGI, where "-" becomes "_". `X_User` and `X-User` would then be
    one key, so a client could pass off a field that a proxy in front removes or sets. Names with
    an underscore are dropped, as nginx and others do.
    """
    key: str | None
    if b"_" in name:
        key = None
    else:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
    if len(name) <= _ENVIRON_KEYS_LENGTH:
        if len(_environ_keys) >= _ENVIRON_KEYS_MAX:
            _environ_keys.clear()  # somebody is inventing names; the usual ones soon are back
        _environ_keys[name] = key
    return key


class _Fields:
    """What llhttp calls back: gathers field lines under their environ keys."""

    __slots__ = ("complete", "count", "fields")

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.count = 0
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        try:
            key = _environ_keys[name]
        except KeyError:
            key = _environ_key(name)
        if key is not None:
            text = value.decode("latin-1").rstrip(" \t")
            if key in self.fields:
                # RFC 9110 section 5.3: several lines of one name are one list. Cookie is the
                # exception (RFC 6265 section 5.4, RFC 9113 section 8.2.3).
                separator = "; " if key == "HTTP_COOKIE" else ", "
                text = f"{self.fields[key]}{separator}{text}"
            self.fields[key] = text

    def on_headers_complete(self) -> None:
        self.complete = True


class Request:
    """The head of one request, checked: what the rest of the server may rely on.

    :ivar line: the request line, for the log.
    :ivar method: any token, as sent.
    :ivar target: the request target, as sent.
    :ivar path: the path, still percent-encoded; "*" for the asterisk form.
    :ivar query: the query, without its "?".
    :ivar protocol: "HTTP/1.0" or "HTTP/1.1", as sent, or a later HTTP/1 minor version.
    :ivar http_1_0: whether the client speaks HTTP/1.0, so knows neither chunks nor 100 (Continue).
    :ivar fields: field values under their environ keys.
    :ivar chunked: whether the body is chunked.
    :ivar content_length: bytes of the body, 0 without one; not known for a chunked body.
    :ivar keep_alive: whether the client wants the connection kept.
    :ivar expects_continue: whether the client waits for 100 (Continue) before it sends the body.
    """

    __slots__ = (
        "chunked",
        "content_length",
        "expects_continue",
        "fields",
        "http_1_0",
        "keep_alive",
        "line",
        "method",
        "path",
        "protocol",
        "query",
        "target",
    )

    line: str
    method: str
    target: str
    path: str
    query: str
    protocol: str
    http_1_0: bool
    fields: dict[str, str]
    chunked: bool
    content_length: int
    keep_alive: bool
    expects_continue: bool


def find_head(buffer: bytes, limits: Limits, searched: int = 0) -> int:
    """Return the length of the head at the start of `buffer`, 0 while it is incomplete.

    A head that can no longer become a valid one is refused at once, not when the client has sent
    all of it or the time is up: one beyond a limit, and one that holds a byte which no head may
    hold. That is how somebody who speaks TLS to a plain port, or ends lines with LF alone, gets an
    answer rather than a silence.

    :param buffer: what has been received, without leading empty lines.
    :param searched: how many bytes of it an earlier call has already seen.
    :raises ClientError: 414, 431 or 400.
    """
    end = buffer.find(b"\r\n\r\n", max(searched - 3, 0))
    if end > 0:
        line_end = buffer.find(b"\r\n")
        if line_end > limits.request_line:
            raise ClientError(414, "The request line is too long.")
        if end - line_end > limits.header_bytes:
            raise ClientError(431, "The header section is too large.")
        return end + 4
    line_end = buffer.find(b"\r\n")
    if line_end < 0:
        if len(buffer) > limits.request_line:
            raise ClientError(414, "The request line is too long.")
    elif line_end > limits.request_line:
        raise ClientError(414, "The request line is too long.")
    elif len(buffer) - line_end > limits.header_bytes:
        raise ClientError(431, "The header section is too large.")
    if _STRAY_BYTE.search(buffer, max(searched - 1, 0)):
        raise ClientError(400, "The header section holds a control character or a bare CR or LF.")
    return 0


def parse_head(head: bytes, limits: Limits) -> Request:
    """Parse a complete head, from the first byte of the request line to the empty line.

    :raises ClientError: 400, 413, 417, 431, 501 or 505.
    """
    match = _REQUEST_LINE.match(head)
    if match is None:
        _refuse_request_line(head)
    method, target, major, minor = match.groups()
    if major != b"1":
        raise ClientError(505, "This server speaks HTTP/1.0 and HTTP/1.1.")
    gathered = _Fields()
    try:
        parser = httptools.HttpRequestParser(gathered)
        section = head[match.end() + 2 :]
        if b" \r\n" in section or b"\t\r\n" in section:
            # RFC 9112 section 5.1: white space around a value is no part of it. llhttp takes
            # "chunked" with a space behind it for a coding that it does not know.
            section = _SPACE_AT_END.sub(b"\r\n", section)
        parser.feed_data(_STAND_IN + section)
    except httptools.HttpParserUpgrade:
        pass  # RFC 9110 section 7.8: a server may ignore Upgrade, and goes on with HTTP/1.1
    except httptools.HttpParserError as error:
        # What llhttp finds once it has all fields is its view of the framing, such as that
        # "chunked" with a space behind it is no coding. That is decided below.
        if not gathered.complete:
            # The client may see what llhttp found: its messages hold no bytes of the request.
            raise ClientError(400, f"The header section is malformed: {error}.") from None
    if not gathered.complete:
        raise ClientError(400, "The header section is malformed.")
    if gathered.count > limits.header_fields:
        raise ClientError(431, "There are too many header fields.")
    fields = gathered.fields

    request = Request()
    request.line = match[0].decode("latin-1")
    request.method = method.decode("latin-1")
    request.target = target.decode("latin-1")
    request.http_1_0 = minor == b"0"
    request.protocol = f"HTTP/1.{minor.decode()}"
    request.fields = fields
    _read_host(request)
    _read_target(request)
    _read_framing(request, limits)
    _read_connection(request)
    return request


def _refuse_request_line(head: bytes) -> NoReturn:
    line = head[: head.find(b"\r\n")]
    if _VERSION_LIKE.match(line):
        raise ClientError(400, "The method or the request target holds a character it must not.")
    raise ClientError(400, "The request line is not of the form METHOD TARGET HTTP/1.1.")


def _read_host(request: Request) -> None:
    """RFC 9112 section 3.2: exactly one Host in HTTP/1.1, and a valid one wherever it is sent.

    Several Host lines have become one value with ", " in it by now, which is no valid host.
    """
    host = request.fields.get("HTTP_HOST")
    if host is None:
        if not request.http_1_0:
            raise ClientError(400, "The Host header field is missing.")
    elif not _HOST.fullmatch(host):
        raise ClientError(400, "The Host header field is not one valid host.")


def _read_target(request: Request) -> None:
    """RFC 9112 section 3.2: the four forms of a request target."""
    target = request.target
    match = _ORIGIN_FORM.fullmatch(target)
    if request.method == "CONNECT":
        if not _AUTHORITY_FORM.fullmatch(target):
            raise ClientError(400, "CONNECT takes a host and a port.")
        # RFC 9110 section 9.3.6: for proxies. WSGI has no way to hand a tunnel to the application.
        raise ClientError(501, "CONNECT is not implemented.")
    if match:
        path, query = match.groups()
    elif target == "*" and request.method == "OPTIONS":
        path, query = "*", None
    else:
        match = _ABSOLUTE_FORM.fullmatch(target)
        if match is None:
            raise ClientError(400, "The request target is not valid.")
        authority, path, query = match.groups()
        if not _HOST.fullmatch(authority):
            raise ClientError(400, "The request target does not name a valid host.")
        # RFC 9112 section 3.2.2: the host of the target wins over the Host field.
        request.fields["HTTP_HOST"] = authority
        path = path or "/"
    if "%" in target and _BROKEN_ESCAPE.search(path):
        raise ClientError(400, "The request target holds a broken percent-encoding.")
    request.path = path
    request.query = query or ""


def _read_framing(request: Request, limits: Limits) -> None:
    """RFC 9112 section 6.3: where the body ends. Any doubt is a 400, because doubt is how requests
    are smuggled past whoever stands in front."""
    fields = request.fields
    request.chunked = False
    request.content_length = 0
    coding = fields.get("HTTP_TRANSFER_ENCODING")
    length = fields.get("CONTENT_LENGTH")
    if coding is not None:
        if length is not None:
            raise ClientError(400, "Content-Length and Transfer-Encoding exclude each other.")
        if request.http_1_0:
            # Section 6.1: HTTP/1.0 has no transfer codings, so the framing is faulty.
            raise ClientError(400, "HTTP/1.0 has no Transfer-Encoding.")
        codings = [item.strip(" \t").lower() for item in coding.split(",")]
        if codings[-1] != "chunked" or "chunked" in codings[:-1] or "" in codings:
            # Empty elements are legal in a list. Here they are refused all the same: nobody but an
            # attacker sends them, and implementations differ in what they make of them.
            raise ClientError(400, "Transfer-Encoding must end in chunked, and hold it once.")
        if len(codings) > 1:
            raise ClientError(501, "Only the transfer coding chunked is implemented.")
        request.chunked = True
    elif length is not None:
        if not (length.isascii() and length.isdigit()):
            raise ClientError(400, "Content-Length is not a number.")
        if len(length) > 18:
            raise ClientError(413, "The body is too large.")
        request.content_length = int(length)
        if limits.body is not None and request.content_length > limits.body:
            raise ClientError(413, "The body is too large.")

    expectation = fields.get("HTTP_EXPECT")
    request.expects_continue = False
    if expectation is not None and not request.http_1_0:
        # RFC 9110 section 10.1.1: 100-continue is the only expectation there is; HTTP/1.0 clients
        # cannot have it, and it means nothing without a body.
        if expectation.lower() != "100-continue":
            raise ClientError(417, "The only expectation that is known is 100-continue.")
        request.expects_continue = request.chunked or request.content_length > 0


def _read_connection(request: Request) -> None:
    """RFC 9112 section 9.3: an HTTP/1.1 connection persists unless it says close, an HTTP/1.0 one
    does not unless it says keep-alive."""
    value = request.fields.get("HTTP_CONNECTION")
    if value is None:
        request.keep_alive = not request.http_1_0
        return
    options = {option.strip(" \t").lower() for option in value.split(",")}
    if "close" in options:
        request.keep_alive = False
    else:
        request.keep_alive = "keep-alive" in options or not request.http_1_0
