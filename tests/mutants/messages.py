"""Mutants of the server: how it reads requests, frames messages and keeps connections.

Most of them mend what they should refuse, which is what lenient servers do: the head of a request
is changed before the reference server's own parser sees it.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from reference_app.serving import WSGIRequestHandler
from reference_app.serving import body as bodies
from reference_app.serving.connection import Connection
from reference_app.serving.errors import ClientError
from reference_app.serving.response import ResponseWriter
from tests.mutants import server_mutant

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from reference_app.serving.body import Body
    from reference_app.serving.parser import Request

Handler = type[WSGIRequestHandler]

#: The paths that the harness needs, which no mutant breaks.
OURS = b" /-/"


def rows(check: str, names: str) -> list[str]:
    """The ids of a check's rows."""
    return [f"{check}/{name}" for name in names.split()]


def mending(mend: Callable[[bytes], bytes]) -> Handler:
    """A handler that changes the head of a request before it is parsed."""

    class Mending(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            buffer = self.connection.buffer
            end = buffer.find(b"\r\n\r\n")
            if end >= 0 and OURS not in buffer[:end]:
                self.connection.buffer = mend(buffer[: end + 4]) + buffer[end + 4 :]
                self.connection.searched = 0
            return super().parse_request()

    return Mending


def reading(change: Callable[[Request], None]) -> Handler:
    """A handler that changes a request after it was parsed."""

    class Reading(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if request is not None and not request.path.startswith("/-/"):
                change(request)
            return request

    return Reading


def sending(change: Callable[[bytes], bytes]) -> Handler:
    """A handler that changes whatever is sent and begins like a response."""
    send = Connection.send

    def changed(self: Connection, data: bytes) -> None:
        send(self, change(data) if data.startswith(b"HTTP/") else data)

    Connection.send = changed  # type: ignore[method-assign]
    return WSGIRequestHandler


def without(name: str) -> Callable[[bytes], bytes]:
    """Take the lines of one field out of a head."""
    line = re.compile(rb"(?im)^" + name.encode() + rb":[^\n]*\n")
    return lambda head: line.sub(b"", head)


# Nothing, nothing at all, and nothing that makes sense


@server_mutant(
    "hangs",
    breaks=[
        "http/keep-alive/as-declared",
    ],
)
def hangs() -> Handler:
    class Hanging(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            if request.path.startswith("/-/"):
                super().run_wsgi(request)

        def send_error(self, error: ClientError) -> None: ...

        def input_ended(self) -> None:
            # Even a client that ends its own side is kept waiting, as long as anyone would.
            if self.connection.served or self.connection.buffer:
                time.sleep(5)
            super().input_ended()

    return Hanging


class _Unreasonable(WSGIRequestHandler):
    def answer(self) -> None:
        raise NotImplementedError

    def run_wsgi(self, request: Request) -> None:
        if request.path.startswith("/-/"):
            super().run_wsgi(request)
        else:
            self.answer()
            self.connection.closing = True

    def send_error(self, error: ClientError) -> None:
        self.answer()
        self.connection.closing = True


@server_mutant(
    "closes-at-once",
    breaks=[
        "routing/static-rule",
        "wsgi/close/disconnected",
        "wsgi/input/big",
        "wsgi/iterable/kind/list-of-one",
        "wsgi/iterable/kind/sized",
        "wsgi/iterable/nothing/list",
        "wsgi/iterable/nothing/generator",
        "wsgi/iterable/nothing/empty-blocks",
        "wsgi/environ/method/post",
        "wsgi/environ/method/put",
        "wsgi/environ/method/patch",
        "wsgi/environ/method/delete",
        "wsgi/environ/method/options",
        "wsgi/environ/method/propfind",
        "wsgi/environ/path/plain",
        "wsgi/environ/content-fields-absent",
        "wsgi/environ/header-absent",
        "http/half-closed/without-body",
        "http/half-closed/with-body",
        "http/expect/transparent",
        "http/response/204-not-chunked",
    ],
)
def closes_at_once() -> Handler:
    class Closing(_Unreasonable):
        def answer(self) -> None: ...

    return Closing


class _OtherApplication:
    """A server with an application of its own."""

    def __init__(self, server: Any, app: WSGIApplication) -> None:
        self._server = server
        self.app = app

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


@server_mutant("drains-before-close", breaks=["wsgi/close/left"])
def drains_before_close() -> Handler:
    # As Werkzeug does: what has come meanwhile is read, and if that fails, close() is not called.
    class Drained:
        def __init__(self, iterable: Any, sock: socket.socket) -> None:
            self._iterable, self._socket = iterable, sock

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._iterable)

        def close(self) -> None:
            with contextlib.suppress(BlockingIOError):
                self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            self._iterable.close()

    class Draining(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            server: Any = self.server

            def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
                iterable: Any = server.app(environ, start_response)
                if not hasattr(iterable, "close"):
                    return cast(Iterable[bytes], iterable)
                return Drained(iterable, self.connection.socket)

            self.server = _OtherApplication(server, app)  # type: ignore[assignment]
            super().run_wsgi(request)
            self.server = server

    return Draining


@server_mutant(
    "answers-garbage",
    breaks=[
        "http/1.0/closed",
    ],
)
def answers_garbage() -> Handler:
    class Garbage(_Unreasonable):
        def answer(self) -> None:
            self.connection.send(b"\x00\x01 200 OK or so\n\n")

    return Garbage


@server_mutant(
    "refuses-everything",
    breaks=[
        "http/1.0/closed",
    ],
)
def refuses_everything() -> Handler:
    class Refusing(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            if request.path.startswith("/-/"):
                super().run_wsgi(request)
            else:
                self.send_error(ClientError(400, "Whatever it is."))

    return Refusing


@server_mutant(
    "serves-everything",
    breaks=[
        "http/expect/unknown",
        "http/field/folded/more",
        "http/refusal/closed/field",
    ],
)
def serves_everything() -> Handler:
    # What is wrong with a request becomes a plain response, and the connection goes on.
    class Serving(WSGIRequestHandler):
        def send_error(self, error: ClientError) -> None:
            if self.connection.unread is not None or OURS in self.head:
                super().send_error(error)
                return
            self.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    return Serving


# Heads that are mended


@server_mutant(
    "host-not-checked",
    breaks=[
        "http/host/missing",
        "http/host/invalid/space",
        "http/host/invalid/slash",
        "http/host/invalid/question-mark",
        "http/host/invalid/fragment",
        "http/host/invalid/user",
        "http/host/invalid/port-letters",
        "http/host/invalid/two-ports",
        "http/host/invalid/bracket-open",
        "http/host/invalid/bracket-name",
        "http/host/invalid/angle-brackets",
        "http/host/invalid/quotation-mark",
        "http/host/invalid/backslash",
        "http/host/invalid/broken-escape",
        "http/host/invalid/list",
    ],
)
def host_not_checked() -> Handler:
    lines = without("Host")

    def mend(head: bytes) -> bytes:
        start, _, rest = lines(head).partition(b"\r\n")
        return start + b"\r\nHost: mended.test\r\n" + rest

    return mending(mend)


@server_mutant(
    "length-mended",
    breaks=[
        "http/content-length/invalid/letters",
        "http/content-length/invalid/negative",
        "http/content-length/invalid/plus",
        "http/content-length/invalid/hexadecimal",
        "http/content-length/invalid/fraction",
        "http/content-length/invalid/exponent",
        "http/content-length/invalid/space-inside",
        "http/content-length/invalid/underscore",
        "http/content-length/invalid/superscript-two",
        "http/content-length/invalid/fullwidth-digit",
        "http/content-length/invalid/empty",
        "http/content-length/invalid/semicolon",
        "http/content-length/invalid/list-of-different",
        "http/content-length/invalid/lines-of-different",
        "http/content-length/invalid/lines-of-which-one-invalid",
        "http/content-length/invalid-closed/letters",
        "http/content-length/invalid-closed/negative",
        "http/content-length/invalid-closed/plus",
        "http/content-length/invalid-closed/hexadecimal",
        "http/content-length/invalid-closed/fraction",
        "http/content-length/invalid-closed/exponent",
        "http/content-length/invalid-closed/space-inside",
        "http/content-length/invalid-closed/underscore",
        "http/content-length/invalid-closed/superscript-two",
        "http/content-length/invalid-closed/fullwidth-digit",
        "http/content-length/invalid-closed/empty",
        "http/content-length/invalid-closed/semicolon",
        "http/content-length/invalid-closed/list-of-different",
        "http/content-length/invalid-closed/lines-of-different",
        "http/content-length/invalid-closed/lines-of-which-one-invalid",
        "http/content-length/repeated-equal/list",
        "http/content-length/repeated-equal/lines",
        "http/content-length/invalid/negative-zero",
        "http/content-length/invalid/octal",
        "http/content-length/invalid/vertical-tab",
        "http/content-length/invalid/no-break-space",
        "http/content-length/invalid-closed/negative-zero",
        "http/content-length/invalid-closed/octal",
        "http/content-length/invalid-closed/vertical-tab",
        "http/content-length/invalid-closed/no-break-space",
    ],
)
def length_mended() -> Handler:
    field = re.compile(rb"(?im)^Content-Length:[ \t]*([^\r\n]*)")

    def mend(head: bytes) -> bytes:
        values = field.findall(head)
        if not values or (len(values) == 1 and re.fullmatch(rb"[0-9]+[ \t]*", values[0])):
            return head
        start, _, rest = without("Content-Length")(head).partition(b"\r\n")
        return start + b"\r\nContent-Length: 1\r\n" + rest

    return mending(mend)


@server_mutant(
    "length-overflows",
    breaks=[
        "http/content-length/huge/32-bit",
        "http/content-length/huge/64-bit",
        "http/content-length/huge/40-digits",
        "http/content-length/huge/5000-digits",
    ],
)
def length_overflows() -> Handler:
    return mending(lambda head: re.sub(rb"(Content-Length: )[0-9]{9,}", rb"\g<1>5", head))


@server_mutant(
    "body-of-post-only",
    breaks=[
        "http/content-length/any-method/get",
        "http/content-length/any-method/delete",
        "http/content-length/any-method/options",
        "http/content-length/head-with-body",
    ],
)
def body_of_post_only() -> Handler:
    drop = without("Content-Length")
    return mending(lambda head: head if head.startswith(b"POST ") else drop(head))


@server_mutant(
    "length-wins-over-chunked",
    breaks=[
        "http/conflict/overridden/length-first",
        "http/conflict/overridden/length-last",
        "http/conflict/overridden/length-zero",
        "http/conflict/overridden/length-too-long",
        "http/conflict/overridden/upper-case",
        "http/conflict/overridden/tab",
        "http/conflict/closed/length-first",
        "http/conflict/closed/length-last",
        "http/conflict/closed/length-zero",
        "http/conflict/closed/length-too-long",
        "http/conflict/closed/upper-case",
        "http/conflict/closed/tab",
    ],
)
def length_wins() -> Handler:
    drop = without("Transfer-Encoding")
    return mending(lambda head: drop(head) if b"\r\nContent-Length:" in head else head)


@server_mutant(
    "every-coding-is-chunked",
    breaks=[
        "http/transfer-encoding/unknown/gzip",
        "http/transfer-encoding/unknown/unheard-of",
        "http/transfer-encoding/not-chunked/gzip",
        "http/transfer-encoding/not-chunked/chunked-not-last",
        "http/transfer-encoding/not-chunked/identity",
        "http/transfer-encoding/not-chunked/prefix",
        "http/transfer-encoding/not-chunked/suffix",
        "http/transfer-encoding/not-chunked/quoted",
        "http/transfer-encoding/not-chunked/parameter",
        "http/transfer-encoding/not-chunked/second-line",
        "http/transfer-encoding/chunked-twice",
        "http/transfer-encoding/not-chunked-closed/gzip",
        "http/transfer-encoding/not-chunked-closed/chunked-not-last",
        "http/transfer-encoding/not-chunked-closed/identity",
        "http/transfer-encoding/not-chunked-closed/prefix",
        "http/transfer-encoding/not-chunked-closed/suffix",
        "http/transfer-encoding/not-chunked-closed/quoted",
        "http/transfer-encoding/not-chunked-closed/parameter",
        "http/transfer-encoding/not-chunked-closed/second-line",
        "http/transfer-encoding/http-1.0",
        "http/transfer-encoding/not-chunked/vertical-tab",
        "http/transfer-encoding/not-chunked/nul",
        "http/transfer-encoding/not-chunked/no-break-space",
        "http/transfer-encoding/not-chunked/empty",
        "http/transfer-encoding/not-chunked-closed/vertical-tab",
        "http/transfer-encoding/not-chunked-closed/nul",
        "http/transfer-encoding/not-chunked-closed/no-break-space",
        "http/transfer-encoding/not-chunked-closed/empty",
    ],
)
def every_coding_is_chunked() -> Handler:
    drop = without("Transfer-Encoding")

    def mend(head: bytes) -> bytes:
        if b"\r\nTransfer-Encoding:" not in head or b"\r\nContent-Length" in head:
            return head
        start, _, rest = drop(head).replace(b"HTTP/1.0", b"HTTP/1.1", 1).partition(b"\r\n")
        return start + b"\r\nTransfer-Encoding: chunked\r\n" + rest

    return mending(mend)


@server_mutant(
    "request-line-mended",
    breaks=[
        "http/pipelining/after-refusal",
        "http/request-line/malformed/no-version",
        "http/request-line/malformed/method-alone",
        "http/request-line/malformed/no-method",
        "http/request-line/malformed/no-target",
        "http/request-line/malformed/space-in-target",
        "http/request-line/malformed/text-after-version",
        "http/request-line/malformed/lower-case-version",
        "http/request-line/malformed/no-minor-version",
        "http/request-line/malformed/no-dot",
        "http/request-line/malformed/two-digits",
        "http/request-line/malformed/version-letters",
        "http/request-line/malformed/other-protocol",
        "http/request-line/malformed/version-negative",
        "http/request-line/malformed/method-delimiter",
        "http/request-line/malformed/method-not-ascii",
        "http/request-line/malformed/target-without-slash",
        "http/request-line/malformed/nul-in-target",
        "http/request-line/malformed/fragment",
        "http/request-line/malformed/asterisk-for-get",
        "http/request-line/whitespace/two-spaces",
        "http/request-line/whitespace/tabs",
        "http/request-line/whitespace/space-at-end",
        "http/request-line/whitespace/space-at-start",
        "http/version/major-unknown/2.0",
        "http/version/major-unknown/9.9",
        "http/method/unknown/every-character",
        "http/method/connect-without-port/empty",
        "http/method/connect-without-port/too-large",
        "http/method/connect-without-port/letters",
        "http/refusal/closed/target",
        "http/refusal/closed/tls",
        "http/refusal/closed/ssh",
        "http/request-line/malformed/version-leading-zeros",
        "http/request-line/malformed/version-space",
        "http/request-line/malformed/target-not-ascii",
        "http/request-line/malformed/control-in-target",
        "http/request-line/whitespace/vertical-tab-and-form-feed",
        "http/request-line/whitespace/bare-cr",
    ],
)
def request_line_mended() -> Handler:
    whole = re.compile(rb"[A-Z-]+ (?:/[!-\"$-~]*|http://[!-~]+|\*) HTTP/1\.[0-9]")

    def mend(head: bytes) -> bytes:
        line, _, rest = head.partition(b"\r\n")
        if whole.fullmatch(line) and line != b"GET * HTTP/1.1":
            return head
        fields = b"".join(
            field + b"\r\n" for field in rest.split(b"\r\n") if re.match(rb"[\w-]+:", field)
        )
        fields = without("Host")(fields)
        return b"GET /wsgi/environ/mended HTTP/1.1\r\nHost: mended.test\r\n" + fields + b"\r\n"

    return mending(mend)


@server_mutant(
    "methods-in-upper-case",
    breaks=[
        "http/method/case/lower",
        "http/method/case/capitalised",
    ],
)
def methods_in_upper_case() -> Handler:
    def change(request: Request) -> None:
        request.method = request.method.upper()

    return reading(change)


@server_mutant(
    "fields-mended",
    breaks=[
        "http/host/repeated/different",
        "http/host/repeated/equal",
        "http/host/repeated/empty",
        "http/field/space-before-colon/space",
        "http/field/space-before-colon/tab",
        "http/field/space-before-colon/content-length",
        "http/field/space-before-colon/transfer-encoding",
        "http/field/space-before-colon/host",
        "http/field/folded/space",
        "http/field/folded/tab",
        "http/field/space-before-first",
        "http/field/control-in-value/nul",
        "http/field/control-in-value/bare-cr",
        "http/field/malformed/no-colon",
        "http/field/malformed/no-name",
        "http/field/malformed/delimiter-in-name",
        "http/field/malformed/space-in-name",
        "http/field/malformed/nul-in-name",
        "http/field/malformed/name-not-ascii",
        "http/field/malformed/cr-in-name",
        "http/field/malformed/slash-in-name",
        "http/field/malformed/tab-in-name",
    ],
)
def fields_mended() -> Handler:
    def mend(head: bytes) -> bytes:
        line, _, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
        rest = re.sub(rb"[ \t]*\r\n[ \t]+", b"", rest)
        rest = re.sub(rb"\x00|\r(?!\n)|(?<!\r)\n", b"", rest).lstrip(b" \t")
        mended: list[bytes] = []
        for field in rest.split(b"\r\n"):
            name, colon, value = field.partition(b":")
            name = re.sub(rb"[^\w-]", b"", name)
            if colon and name and not (name == b"Host" and any(b"Host:" in m for m in mended)):
                mended.append(name + b": " + value.strip(b" \t"))
        return b"\r\n".join([line, *mended, b"", b""])

    return mending(mend)


@server_mutant(
    "bare-lf-waited-for",
    breaks=[
        "http/field/bare-lf",
        "http/field/bare-lf-as-end",
    ],
)
def bare_lf_waited_for() -> Handler:
    class Waiting(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            head = self.connection.buffer.partition(b"\r\n\r\n")[0]
            if re.search(rb"(?<!\r)\n", head):
                return None
            return super().parse_request()

    return Waiting


@server_mutant(
    "large-heads-cut-off",
    breaks=[
        "http/limits/header-too-large/one-field",
        "http/limits/header-too-large/many-fields",
        "http/limits/header-too-large/name",
        "http/method/too-long",
    ],
)
def large_heads_cut_off() -> Handler:
    class Cutting(WSGIRequestHandler):
        def send_error(self, error: ClientError) -> None:
            if error.status in (414, 431):
                self.connection.abandon()
            else:
                super().send_error(error)

    return Cutting


@server_mutant(
    "small-limits",
    breaks=[
        "http/request-line/length-8000",
        "http/request-line/too-long",
        "http/limits/usual-header",
    ],
)
def small_limits() -> Handler:
    class Small(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            head = self.connection.buffer.partition(b"\r\n\r\n")[0]
            if len(head) > 4000:
                raise ClientError(431, "That is too much.")
            return super().parse_request()

    return Small


@server_mutant(
    "one-receive-one-request",
    breaks=[
        "http/arrival/byte-by-byte",
    ],
)
def one_receive_one_request() -> Handler:
    class Hasty(WSGIRequestHandler):
        def handle_one_request(self) -> bool:
            buffer = self.connection.buffer
            if buffer and b"\r\n\r\n" not in buffer and self.connection.unread is None:
                self.send_error(ClientError(400, "Only half of a request came."))
                return False
            return super().handle_one_request()

    return Hasty


@server_mutant(
    "empty-line-refused",
    breaks=[
        "http/pipelining/empty-line-between",
        "http/request-line/empty-line-before",
    ],
)
def empty_line_refused() -> Handler:
    class Strict(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            if self.connection.buffer.startswith(b"\r\n"):
                raise ClientError(400, "A request does not begin with an empty line.")
            return super().parse_request()

    return Strict


@server_mutant(
    "called-before-the-head-is-there",
    breaks=[
        "http/response/after-whole-head",
        "http/arrival/split-line-end",
    ],
)
def called_before_head() -> Handler:
    # As if every head came in pieces, whatever arrived together: a mutant knows no luck.
    class Hasty(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            line, end, rest = self.connection.buffer.partition(b"\r\n")
            if end and b" /wsgi/" in line:
                self.connection.buffer = line + b"\r\nHost: early\r\n\r\n" + rest
                self.connection.searched = 0
            return super().parse_request()

    return Hasty


@server_mutant(
    "absolute-form-refused",
    breaks=[
        "http/target/absolute-form/plain",
        "http/target/absolute-form/port",
        "http/target/absolute-form/scheme-without-case",
        "http/target/asterisk",
    ],
)
def absolute_form_refused() -> Handler:
    class OriginOnly(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if request is not None and not request.target.startswith("/"):
                raise ClientError(400, "Only the origin form is known.")
            return request

    return OriginOnly


@server_mutant(
    "absolute-form-keeps-host",
    breaks=[
        "http/target/absolute-form-host",
        "http/host/invalid/scheme",
    ],
)
def absolute_form_keeps_host() -> Handler:
    return mending(lambda head: re.sub(rb" http://[^/ ]*", b" ", head, count=1))


@server_mutant(
    "only-1.1",
    breaks=[
        "http/1.0/closed",
        "http/version/minor-unknown",
        "http/host/missing-in-1.0",
        "wsgi/environ/protocol-1.0",
    ],
)
def only_1_1() -> Handler:
    class Modern(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if request is not None and request.protocol != "HTTP/1.1":
                raise ClientError(505, "Only HTTP/1.1 is spoken here.")
            return request

    return Modern


# Bodies


@server_mutant(
    "chunks-not-decoded",
    breaks=[
        "http/chunked/supported",
        "http/chunked/as-declared",
        "http/chunked/big",
        *rows("http/chunked/coding-name", "capitalised upper-case no-space whitespace-around"),
        *rows("http/chunked/decoded", "one several upper-case-size extension trailer"),
        *rows("wsgi/input/dechunked", "read-size across-chunks readline iteration read-all"),
        "http/chunked/decoded-byte-by-byte/one",
        "http/chunked/decoded-byte-by-byte/several",
        "http/chunked/decoded-byte-by-byte/upper-case-size",
        "http/chunked/decoded-byte-by-byte/lower-case-size",
        "http/chunked/decoded-byte-by-byte/extension",
        "http/chunked/decoded-byte-by-byte/extension-without-value",
        "http/chunked/decoded-byte-by-byte/extensions-quoted",
        "http/chunked/decoded-byte-by-byte/trailer",
        "http/chunked/decoded-byte-by-byte/line-end-as-data",
        "http/chunked/decoded-byte-by-byte/last-chunk-as-data",
    ],
)
def chunks_not_decoded() -> Handler:
    def change(request: Request) -> None:
        request.chunked = False

    return reading(change)


@server_mutant(
    "chunk-sizes-overflow",
    breaks=[
        "http/chunked/overflow/32-bit",
        "http/chunked/overflow/64-bit",
        "http/chunked/overflow/64-bit-minus-one",
        "http/chunked/overflow/sign-bit",
        "http/chunked/overflow/40-digits",
    ],
)
def chunk_sizes_overflow() -> Handler:
    line = bodies.ChunkedBody._line

    def short(self: bodies.ChunkedBody) -> bytes:
        found = line(self)
        if len(found) > 8 and not self._in_trailer:
            # The line that is left to be skipped stays as long as it is.
            self._data = (
                self._data[: self._position] + b"5" + self._data[self._position + len(found) :]
            )
            return line(self)
        return found

    bodies.ChunkedBody._line = short  # type: ignore[method-assign]
    return WSGIRequestHandler


class _LenientChunks(bodies.ChunkedBody):
    """Takes whatever looks like chunks, up to the last one or the end of the connection."""

    def _decode(self) -> bytes:
        while b"\n" not in self._data[self._position :]:
            self._more()
        line, _, rest = self._data[self._position :].partition(b"\n")
        digits = re.search(rb"[0-9a-fA-F]+", line.replace(b"0x", b"").replace(b"_", b""))
        size = int(digits[0], 16) if digits and len(digits[0]) < 4 else 0
        if size == 0 and line.strip():
            while line.strip():
                while b"\n" not in rest:
                    self._data, self._position = rest, 0
                    self._more()
                    rest = self._data
                line, _, rest = rest.partition(b"\n")
        if size == 0:
            self._connection.buffer = rest + self._connection.buffer
            self._data, self._position, self.finished = b"", 0, True
            return b""
        while b"\n" not in rest[size:]:
            self._data, self._position = line + b"\n" + rest, 0
            self._more()
            rest = self._data.partition(b"\n")[2]
        data = rest[:size]
        self._data, self._position = rest[size:].partition(b"\n")[2], 0
        return data


@server_mutant(
    "late-error-is-not-told",
    breaks=[
        *rows("http/chunked/invalid-late", "size data trailer"),
        "security/endless/chunked/size",
    ],
)
def late_error_is_not_told() -> Handler:
    class Waiting(bodies.ChunkedBody):
        def __init__(self, connection: Connection, *arguments: Any) -> None:
            self._late = not connection.buffer
            super().__init__(connection, *arguments)

        def _decode(self) -> bytes:
            try:
                return super()._decode()
            except ClientError:
                while self._late:
                    self._more()
                raise

    bodies.ChunkedBody = Waiting  # type: ignore[misc, assignment]
    return WSGIRequestHandler


@server_mutant(
    "chunks-mended",
    breaks=[
        "http/chunked/decoded/leading-zeros",
        "http/chunked/decoded-byte-by-byte/leading-zeros",
        "http/chunked/invalid-closed/size-letters",
        "http/chunked/invalid-closed/size-negative",
        "http/chunked/invalid-closed/size-plus",
        "http/chunked/invalid-closed/size-prefixed",
        "http/chunked/invalid-closed/size-underscore",
        "http/chunked/invalid-closed/size-after-space",
        "http/chunked/invalid-closed/size-empty",
        "http/chunked/invalid-closed/size-missing",
        "http/chunked/invalid-closed/no-line-end-after-data",
        "http/chunked/invalid-closed/data-too-long",
        "http/chunked/invalid-closed/bare-lf-after-size",
        "http/chunked/invalid-closed/bare-lf-after-data",
        "http/chunked/invalid-closed/bare-lf-in-extension",
        "http/chunked/invalid-closed/trailer-without-colon",
        "http/chunked/invalid-closed/trailer-name",
        "http/chunked/invalid-closed/size-before-space",
        "http/chunked/invalid-closed/bare-cr-after-size",
    ],
)
def chunks_mended() -> Handler:
    bodies.ChunkedBody = _LenientChunks  # type: ignore[misc]
    return WSGIRequestHandler


@server_mutant(
    "truncated-body-is-whole",
    breaks=[
        "http/incomplete/content-length",
        "http/incomplete/chunked/between-chunks",
        "http/incomplete/chunked/in-a-chunk",
        "http/incomplete/chunked/before-the-end-of-a-chunk",
        "http/incomplete/chunked/in-a-size",
        "http/incomplete/chunked/before-the-last-line",
        "http/incomplete/chunked/in-the-trailers",
    ],
)
def truncated_body_is_whole() -> Handler:
    receive = bodies.RequestBody._receive
    following = bodies.RequestBody._next

    class End(Exception):
        """The client ended its side."""

    def at_the_end(self: bodies.RequestBody, size: int) -> bytes:
        try:
            return receive(self, size)
        except ClientError as error:
            raise End from error

    def padded(self: bodies.RequestBody) -> bytes:
        try:
            return following(self)
        except End:
            self.finished = True
            return b"\x00" * getattr(self, "_remaining", 0)

    bodies.RequestBody._receive = at_the_end  # type: ignore[method-assign]
    bodies.RequestBody._next = padded  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant(
    "trailers-merged",
    breaks=[
        "http/chunked/trailer-not-merged/unknown",
        "http/chunked/trailer-not-merged/forwarded-for",
        "http/chunked/trailer-not-merged/authorization",
        "http/chunked/invalid/size-letters",
        "http/chunked/invalid/size-negative",
        "http/chunked/invalid/size-plus",
        "http/chunked/invalid/size-prefixed",
        "http/chunked/invalid/size-underscore",
        "http/chunked/invalid/size-after-space",
        "http/chunked/invalid/size-empty",
        "http/chunked/invalid/size-missing",
        "http/chunked/invalid/no-line-end-after-data",
        "http/chunked/invalid/data-too-long",
        "http/chunked/invalid/bare-lf-after-size",
        "http/chunked/invalid/bare-lf-after-data",
        "http/chunked/invalid/bare-lf-in-extension",
        "http/chunked/invalid/trailer-without-colon",
        "http/chunked/invalid/trailer-name",
        "http/chunked/invalid/size-before-space",
        "http/chunked/invalid/bare-cr-after-size",
        "http/chunked/trailer-not-merged/host",
        "http/chunked/trailer-not-merged/content-type",
    ],
)
def trailers_merged() -> Handler:
    class Merging(WSGIRequestHandler):
        def make_environ(self, request: Request, body: Body) -> dict[str, Any]:
            environ = super().make_environ(request, body)
            if isinstance(body, bodies.ChunkedBody):
                trailers = re.findall(rb"([\w-]+): ([^\r\n]*)\r\n", body._data)
                environ["wsgi.input"] = io.BytesIO(body.read())
                for name, value in trailers:
                    key = name.decode("latin-1").upper().replace("-", "_")
                    key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
                    environ[key] = value.decode("latin-1")
            return environ

    return Merging


@server_mutant(
    "unread-body-executed",
    breaks=[
        "http/desync/unread-body/content-length",
        "http/desync/unread-body/chunked",
        "http/desync/unread-body/content-length-large",
        "http/desync/failed-application",
        "http/desync/not-found",
        "wsgi/input/unread/large",
        "http/desync/unread-prefix/get",
        "http/desync/unread-prefix/put",
        "http/desync/options-asterisk",
    ],
)
def unread_body_executed() -> Handler:
    class Executing(WSGIRequestHandler):
        def leave_body(self, body: Body) -> None:
            if not isinstance(body, bodies.NoBody):
                rest = body.read()
                body.detach()
                self.connection.buffer = rest + self.connection.buffer
                self.connection.closing = False

    return Executing


# Connections


@server_mutant(
    "closes-without-a-word",
    breaks=[
        "http/keep-alive/as-declared",
        "http/keep-alive/close-announced",
        "http/keep-alive/hundred",
        "http/keep-alive/after/several-blocks",
        "http/keep-alive/after/empty-body",
        "http/keep-alive/after/generator",
        "http/keep-alive/after/big-body",
        "http/keep-alive/after/404",
        "http/keep-alive/after/write",
        "http/keep-alive/after/file",
        "http/pipelining/order",
        "http/pipelining/bodies",
        "http/pipelining/split-anywhere",
    ],
)
def closes_without_a_word() -> Handler:
    class Closing(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            super().run_wsgi(request)
            self.connection.closing = True

    return Closing


@server_mutant(
    "never-closes",
    breaks=[
        "http/expect/body-sent-at-once",
        "http/expect/without-body",
        "http/chunked/decoded-byte-by-byte/empty",
        "http/desync/partly-read/chunked",
        "http/method/unknown/word",
        "http/method/unknown/hyphen",
        "http/target/query-only-path",
    ],
)
def never_closes() -> Handler:
    def change(request: Request) -> None:
        request.keep_alive = True

    return reading(change)


@server_mutant(
    "says-close-and-goes-on",
    breaks=[
        "http/close/honoured/plain",
        "http/close/honoured/capitalised",
        "http/close/honoured/no-space",
        "http/close/honoured/in-a-list",
        "http/close/honoured/second-line",
        "http/close/honoured/empty-elements",
        "http/close/initiated/nothing-left",
        "http/close/initiated/bytes-left",
        "http/close/not-processed",
        "http/close/kept-promise/plain",
        "http/close/kept-promise/failure",
        "http/close/kept-promise/not-found",
        "wsgi/errors/survived/in-call",
        "wsgi/errors/survived/first-block",
        "wsgi/errors/survived/after-block",
        "wsgi/errors/survived/in-close",
        "wsgi/errors/survived/no-iterable",
    ],
)
def says_close_and_goes_on() -> Handler:
    class Going(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            if not request.path.startswith("/-/"):
                request.keep_alive = False
            super().run_wsgi(request)
            self.connection.closing = False

        def input_ended(self) -> None:
            self.connection.closing = True

    return Going


@server_mutant(
    "close-not-said",
    breaks=[
        "http/close/announced",
        "http/1.0/keep-alive",
    ],
)
def close_not_said() -> Handler:
    return sending(without("Connection"))


@server_mutant(
    "responses-in-reverse",
    breaks=[
        "http/conflict/closed/length-first",
    ],
)
def responses_in_reverse() -> Handler:
    class Reversing(WSGIRequestHandler):
        def handle_one_request(self) -> bool:
            # The order of a stack: what was received last is looked at first.
            buffer = self.connection.buffer
            requests = re.split(rb"(?<=\r\n\r\n)(?=[A-Z]+ /)", buffer)
            if len(requests) > 2 and OURS not in buffer:
                self.connection.buffer = b"".join([*reversed(requests[:-1]), requests[-1]])
            return super().handle_one_request()

    return Reversing


@server_mutant(
    "later-requests-answered-for-another",
    breaks=[
        "http/expect/next-request",
        "http/content-length/valid/plain",
        "http/content-length/valid/name-without-case",
        "http/content-length/valid/no-space",
        "http/content-length/valid/whitespace-around",
        "http/content-length/valid/leading-zeros",
        "http/content-length/valid/zero",
        "http/content-length/absent",
        "http/chunked/decoded/one",
        "http/chunked/decoded/several",
        "http/chunked/decoded/empty",
        "http/chunked/decoded/upper-case-size",
        "http/chunked/decoded/lower-case-size",
        "http/chunked/decoded/extension",
        "http/chunked/decoded/extension-without-value",
        "http/chunked/decoded/extensions-quoted",
        "http/chunked/decoded/trailer",
        "http/chunked/decoded/line-end-as-data",
        "http/chunked/decoded/last-chunk-as-data",
        "http/chunked/coding-name/capitalised",
        "http/chunked/coding-name/upper-case",
        "http/chunked/coding-name/no-space",
        "http/chunked/coding-name/whitespace-around",
        "http/desync/partly-read/content-length",
        "wsgi/input/unread/small",
        "http/content-length/valid/zeros",
    ],
)
def later_answered_for_another() -> Handler:
    class Stale(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if self.connection.served and request is not None and OURS not in self.head:
                request.path, request.query = "/wsgi/echo", "mark=stale"
            return request

    return Stale


@server_mutant(
    "never-continues",
    breaks=[
        "http/expect/continue",
        "http/expect/continue-chunked",
        "http/expect/without-case",
    ],
)
def never_continues() -> Handler:
    def change(request: Request) -> None:
        request.expects_continue = False

    return reading(change)


@server_mutant("expectation-with-case", breaks=["http/expect/without-case"])
def expectation_with_case() -> Handler:
    def change(request: Request) -> None:
        request.expects_continue &= request.fields.get("HTTP_EXPECT") == "100-continue"

    return reading(change)


@server_mutant(
    "1.0-is-1.1",
    breaks=[
        "http/1.0/not-chunked/generator",
        "http/1.0/not-chunked/write",
        "http/expect/in-1.0",
    ],
)
def old_is_new() -> Handler:
    def change(request: Request) -> None:
        if request.http_1_0:
            request.http_1_0 = False
            request.expects_continue = "HTTP_EXPECT" in request.fields

    return reading(change)


# Responses


@server_mutant(
    "date-left-out",
    breaks=[
        "http/response/date/200",
        "http/response/date/204",
        "http/response/date/302",
        "http/response/date/304",
        "http/response/date/404",
        "http/refusal/date",
    ],
)
def date_left_out() -> Handler:
    return sending(without("Date"))


@server_mutant(
    "answers-in-1.0",
    breaks=[
        "http/close/kept-promise/generator",
        "http/response/self-delimited/generator",
        "http/version/of-response",
        "wsgi/iterable/kind/iterator",
        "wsgi/iterable/kind/sequence",
        "wsgi/iterable/kind/empty-last",
        "wsgi/iterable/big",
    ],
)
def answers_in_1_0() -> Handler:
    return sending(lambda head: head.replace(b"HTTP/1.1", b"HTTP/1.0", 1))


@server_mutant(
    "head-is-get",
    breaks=[
        "http/keep-alive/after/head",
        "wsgi/bodiless/head",
        "wsgi/bodiless/head-of-error",
        "wsgi/environ/head",
        "http/pipelining/head-between",
    ],
)
def head_is_get() -> Handler:
    def change(request: Request) -> None:
        if request.method == "HEAD":
            request.method = "GET"

    return reading(change)


@server_mutant(
    "bodies-for-every-status",
    breaks=[
        "http/keep-alive/after/204",
        "http/keep-alive/after/304",
        "http/response/no-length/own",
        "http/response/no-length/from-the-application",
        "wsgi/bodiless/204",
        "wsgi/bodiless/304",
    ],
)
def bodies_for_every_status() -> Handler:
    begin = ResponseWriter.begin

    def with_body(self: ResponseWriter, head: Any, length: int | None, body: Body) -> None:
        code = head.code
        if code in (204, 304):
            head.code = 200
        begin(self, head, length, body)
        head.code = code

    ResponseWriter.begin = with_body  # type: ignore[method-assign]
    ResponseWriter.bodiless = lambda self: False  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant(
    "ends-by-closing",
    breaks=[
        "http/response/self-delimited/list",
        "http/response/self-delimited/empty-list",
        "http/response/self-delimited/list-of-one",
    ],
)
def ends_by_closing() -> Handler:
    def mend(head: bytes) -> bytes:
        return head.replace(b"\r\nContent-Length: ", b"\r\nX-Length: ", 1)

    def change(data: bytes) -> bytes:
        head, _, body = data.partition(b"\r\n\r\n")
        if b"json" in head:
            return data
        return mend(head) + b"\r\nConnection: close\r\n\r\n" + body

    class Closing(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            if not request.path.startswith("/-/"):
                request.http_1_0 = True
                request.keep_alive = False
            super().run_wsgi(request)

    sending(change)
    return Closing


@server_mutant(
    "framed-twice",
    breaks=[
        "http/chunked/invalid-closed/bare-lf-after-data",
    ],
)
def framed_twice() -> Handler:
    def change(data: bytes) -> bytes:
        head, _, body = data.partition(b"\r\n\r\n")
        if b"json" in head or b"\r\nContent-Length" not in head:
            return data
        return head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + body

    return sending(change)


@server_mutant(
    "length-of-head-left-out",
    breaks=[
        "http/response/head-fields",
    ],
)
def length_of_head_left_out() -> Handler:
    begin = ResponseWriter.begin

    def unknown(self: ResponseWriter, head: Any, length: int | None, body: Body) -> None:
        begin(self, head, length, body)
        if self._request.method == "HEAD":
            self._head_bytes = without("Content-Length")(self._head_bytes)

    ResponseWriter.begin = unknown  # type: ignore[method-assign]
    return WSGIRequestHandler
