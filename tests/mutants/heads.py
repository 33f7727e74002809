"""Mutants of the server: what it takes for a line, a field, a target, and for a request at all.

Each does what a tool at hand would do: split lines as text is split, decode first, look for a word.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from reference_app.serving import WSGIRequestHandler
from reference_app.serving.errors import ClientError
from tests.mutants import server_mutant
from tests.mutants.messages import OURS, Handler, mending, reading, rows, sending

if TYPE_CHECKING:
    from reference_app.serving.parser import Request


def refusing(status: int, wrong: Callable[[bytes], object]) -> Handler:
    """A handler that refuses the heads of which this is true."""

    class Refusing(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            if wrong(self.connection.buffer):
                raise ClientError(status, "That is not what this server likes.")
            return super().parse_request()

    return Refusing


def answering(
    when: Callable[[Request], object], answer: Callable[[WSGIRequestHandler, Request], bytes]
) -> Handler:
    """A handler that answers itself, and closes, where this is true of a request."""

    class Answering(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            if when(request):
                self.connection.send(answer(self, request))
                self.connection.closing = self.connection.linger = True
            else:
                super().run_wsgi(request)

    return Answering


# Lines and fields


@server_mutant(
    "lines-split-like-text",
    breaks=rows("http/field/other-line-ends", "vertical-tab form-feed file-separator next-line"),
)
def lines_split_like_text() -> Handler:
    return mending(lambda head: re.sub(rb"[\x0b\x0c\x1c\x85]", b"\r\n", head))


@server_mutant(
    "values-cut-at-controls",
    breaks=rows("http/field/other-control", "bell-and-backspace delete"),
)
def values_cut_at_controls() -> Handler:
    return mending(lambda head: re.sub(rb"[\x01-\x08\x7f][^\r\n]*", b"", head))


@server_mutant(
    "whitespace-ends-the-head", breaks=rows("http/field/line-of-whitespace", "space tab")
)
def whitespace_ends_the_head() -> Handler:
    return mending(lambda head: re.sub(rb"\r\n[ \t]\r\n", b"\r\n\r\n", head))


@server_mutant("cr-ends-a-line", breaks=["http/field/bare-cr-as-end"])
def cr_ends_a_line() -> Handler:
    return mending(lambda head: re.sub(rb"\r(?!\n)", b"\r\n", head))


@server_mutant("lines-end-in-lf-alone", breaks=["http/field/cr-cr-lf"])
def lines_end_in_lf_alone() -> Handler:
    class Keeping(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            kept = b"\r\r\n" in self.connection.buffer
            self.connection.buffer = self.connection.buffer.replace(b"\r\r\n", b"\r\n")
            request = super().parse_request()
            if request is not None and kept:
                request.fields = {key: f"{value}\r" for key, value in request.fields.items()}
            return request

    return Keeping


@server_mutant(
    "underscore-is-hyphen",
    breaks=rows("http/field/underscore", "content-length transfer-encoding"),
)
def underscore_is_hyphen() -> Handler:
    def mend(head: bytes) -> bytes:
        folded = re.sub(rb"(Content|Transfer)_(Length|Encoding):", rb"\1-\2:", head)
        return head if folded == head else re.sub(rb"Content-Length: [1-9]\d*\r\n", b"", folded)

    return mending(mend)


@server_mutant("one-content-type-or-none", breaks=["http/field/repeated-content-type"])
def one_content_type_or_none() -> Handler:
    def change(request: Request) -> None:
        if "," in request.fields.get("CONTENT_TYPE", ""):
            del request.fields["CONTENT_TYPE"]

    return reading(change)


@server_mutant("options-drop-fields", breaks=["http/field/named-as-option"])
def options_drop_fields() -> Handler:
    def mend(head: bytes) -> bytes:
        return re.sub(rb"(?<=: Content-Length\r\n)Content-Length: 5\r\n", b"", head)

    return mending(mend)


@server_mutant("te-is-transfer-encoding", breaks=["http/field/te-alone"])
def te_is_transfer_encoding() -> Handler:
    return mending(lambda head: head.replace(b"\r\nTE:", b"\r\nTransfer-Encoding:"))


# Methods, targets, Host


@server_mutant("connect-is-get", breaks=["http/method/connect"])
def connect_is_get() -> Handler:
    line = re.compile(rb"\ACONNECT [^ ]+")
    return mending(lambda head: line.sub(b"GET /wsgi/echo", head))


@server_mutant("trace-reflects", breaks=["http/method/trace-secrets"])
def trace_reflects() -> Handler:
    def answer(handler: WSGIRequestHandler, request: Request) -> bytes:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: message/http\r\nContent-Length: %d\r\n\r\n"
        return head % len(handler.head) + handler.head

    return answering(lambda request: request.method == "TRACE", answer)


@server_mutant("ranges-for-every-method", breaks=["http/method/range-for-get-only"])
def ranges_for_every_method() -> Handler:
    partial = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2"
    return answering(
        lambda request: "HTTP_RANGE" in request.fields,
        lambda handler, request: partial + b"\r\n\r\n{}",
    )


@server_mutant(
    "absolute-form-needs-a-path",
    breaks=rows("http/target/absolute-form-without-path", "host query"),
)
def absolute_form_needs_a_path() -> Handler:
    return refusing(400, re.compile(rb"GET http://[^/]+ HTTP").match)


@server_mutant("user-in-target-is-the-host", breaks=["http/target/absolute-form-user"])
def user_in_target_is_the_host() -> Handler:
    return mending(lambda head: re.sub(rb"\AGET http://([^/@]+)@[^/]+", rb"GET http://\1", head))


@server_mutant("backslash-corrected", breaks=["http/target/not-corrected"])
def backslash_corrected() -> Handler:
    return mending(lambda head: head.replace(b"\\", b"/"))


@server_mutant(
    "decoded-before-it-is-parsed",
    breaks=[*rows("http/target/escaped", "line-end nul version"), "http/target/overlong-slash"],
)
def decoded_before_it_is_parsed() -> Handler:
    def change(request: Request) -> None:
        path = unquote_to_bytes(request.path).replace(b"\xc0\xaf", b"/")
        path, end, field = path.partition(b"\r\n")
        if end:
            request.fields["HTTP_X_INJECTED"] = field.decode("latin-1")
        request.path = path.partition(b"\x00")[0].partition(b" ")[0].decode("latin-1")

    return reading(change)


@server_mutant("host-of-the-target-suffices", breaks=["http/host/missing-beside-absolute-form"])
def host_of_the_target_suffices() -> Handler:
    def mend(head: bytes) -> bytes:
        missing = head.startswith(b"GET http://") and b"\r\nHost:" not in head
        return head.replace(b"\r\n", b"\r\nHost: target\r\n", 1) if missing else head

    return mending(mend)


@server_mutant("empty-host-fails", breaks=["http/host/empty"])
def empty_host_fails() -> Handler:
    class Failing(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            if b"\r\nHost: \r\n" in self.connection.buffer:
                self.connection.abandon()
                self.connection.buffer = b""
            return super().parse_request()

    return Failing


@server_mutant("port-has-digits", breaks=["http/host/valid/empty-port"])
def port_has_digits() -> Handler:
    return refusing(400, re.compile(rb"\r\nHost: [^\r\n]*:\r\n").search)


# Requests that are none


@server_mutant(
    "incomplete-heads-served",
    breaks=rows("http/incomplete/head", "before-the-last-line in-a-field"),
)
def incomplete_heads_served() -> Handler:
    class Serving(WSGIRequestHandler):
        def input_ended(self) -> None:
            if self.connection.buffer and self.connection.unread is None:
                self.connection.buffer += b"\r\n\r\n"
                self.connection.searched = 0
                self.handle_one_request()
            self.connection.closing = True

    return Serving


@server_mutant(
    "goes-on-after-a-refusal",
    breaks=[
        *rows("http/refusal/body-not-executed", "host field version expectation"),
        *rows(
            "http/garbage",
            "binary response whitespace json redis proxy-protocol proxy-protocol-2",
        ),
    ],
)
def goes_on_after_a_refusal() -> Handler:
    class Going(WSGIRequestHandler):
        def handle_one_request(self) -> bool:
            self.going_on = False
            return super().handle_one_request() or self.going_on

        def send_error(self, error: ClientError) -> None:
            super().send_error(error)
            # Only where the head was taken out: the same bytes again would be refused for ever.
            self.going_on = len(self.connection.buffer) < len(self.head)
            self.connection.closing = self.connection.linger = not self.going_on

    return Going


@server_mutant("refusal-of-head-has-a-body", breaks=["http/refusal/head-without-body"])
def refusal_of_head_has_a_body() -> Handler:
    class Telling(WSGIRequestHandler):
        def send_error(self, error: ClientError) -> None:
            self.head = self.head.replace(b"HEAD ", b"GET ", 1)
            super().send_error(error)

    return Telling


@server_mutant("refusals-do-not-say-close", breaks=["http/refusal/says-close"])
def refusals_do_not_say_close() -> Handler:
    def change(data: bytes) -> bytes:
        refused = data.startswith(b"HTTP/1.1 4")
        return data.replace(b"Connection: close\r\n", b"") if refused else data

    return sending(change)


@server_mutant("proxy-protocol-from-anyone", breaks=["http/garbage/proxy-protocol"])
def proxy_protocol_from_anyone() -> Handler:
    return mending(lambda head: re.sub(rb"\APROXY [^\r]*\r\n", b"", head))


@server_mutant("preface-is-a-request", breaks=["http/garbage/http-2"])
def preface_is_a_request() -> Handler:
    line = b"GET /wsgi/echo HTTP/1.1\r\nHost: preface"
    return mending(lambda head: head.replace(b"PRI * HTTP/2.0", line))


@server_mutant(
    "nobody-is-let-go", breaks=rows("http/garbage/nothing", "no-byte empty-lines no-line-end")
)
def nobody_is_let_go() -> Handler:
    class Holding(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            # What has no line end may still become a request.
            return super().parse_request() if b"\n" in self.connection.buffer else None

        def input_ended(self) -> None:
            if not self.connection.served and OURS not in self.connection.buffer:
                time.sleep(5)
            super().input_ended()

    return Holding
