"""Mutants of the server: where it thinks a body ends, and what it makes of the connection then."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from reference_app.serving import body as bodies
from tests.mutants import server_mutant
from tests.mutants.heads import answering
from tests.mutants.messages import OURS, Handler, mending, reading, rows, without

if TYPE_CHECKING:
    from reference_app.serving.body import Body
    from reference_app.serving.parser import Request

# Two framings


@server_mutant(
    "obfuscated-codings-passed-by",
    breaks=[
        *rows(
            "http/conflict/obfuscated",
            "prefix identity-last second-line quoted vertical-tab nul empty space-before-colon",
        ),
        *rows("http/conflict/overridden", "folded empty-element length-invalid"),
        "http/desync/length-against-chunked/hidden-in-a-chunk",
        "http/transfer-encoding/http-1.0-with-length",
    ],
)
def obfuscated_codings_passed_by() -> Handler:
    coding = re.compile(rb"(?im)^Transfer-Encoding[^\n]*\n(?:[ \t][^\n]*\n)*")

    def mend(head: bytes) -> bytes:
        if b"\r\nContent-Length:" not in head:
            return head
        return coding.sub(b"", head).replace(b"Content-Length: +", b"Content-Length: ")

    return mending(mend)


@server_mutant(
    "chunked-wins-and-goes-on",
    breaks=[
        *rows("http/conflict/closed", "folded empty-element length-invalid"),
        "http/desync/length-against-chunked/behind-the-chunks",
    ],
)
def chunked_wins_and_goes_on() -> Handler:
    drop = without("Content-Length")

    def mend(head: bytes) -> bytes:
        if b"\r\nTransfer-Encoding:" not in head:
            return head
        return re.sub(rb"Encoding:[\s,]*chunked", b"Encoding: chunked", drop(head))

    return mending(mend)


@server_mutant(
    "empty-element-is-no-coding",
    breaks=rows("http/transfer-encoding/empty-element", "before behind"),
)
def empty_element_is_no_coding() -> Handler:
    drop = without("Transfer-Encoding")
    return mending(lambda head: drop(head) if b": ," in head or b"chunked,\r" in head else head)


# Bodies


@server_mutant(
    "leading-zero-is-octal",
    breaks=["http/content-length/valid/like-octal"],
)
def leading_zero_is_octal() -> Handler:
    octal = re.compile(rb"(?<=Content-Length: )0[0-7]+")
    return mending(lambda head: octal.sub(lambda found: b"%d" % int(found[0], 8), head))


@server_mutant(
    "chunks-of-post-only",
    breaks=[
        *rows("http/chunked/any-method", "get delete options propfind"),
        "http/chunked/head-with-body",
    ],
)
def chunks_of_post_only() -> Handler:
    drop = without("Transfer-Encoding")
    return mending(lambda head: head if head.startswith(b"POST ") else drop(head))


@server_mutant(
    "extensions-not-read",
    breaks=rows(
        "http/chunked/invalid-extension",
        "without-name delimiter-in-name nul bare-cr",
    ),
)
def extensions_not_read() -> Handler:
    bodies._CHUNK_LINE = re.compile(rb"(?s)([0-9A-Fa-f]{1,15})(?:;.*)?")
    return WSGIRequestHandler


@server_mutant(
    "extensions-half-read",
    breaks=[
        *rows("http/chunked/decoded", "extension-whitespace extension-escaped"),
        *rows("http/chunked/decoded-byte-by-byte", "extension-whitespace extension-escaped"),
    ],
)
def extensions_half_read() -> Handler:
    bodies._CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[!-\[\]-~]*)?")
    return WSGIRequestHandler


@server_mutant(
    "bare-lf-is-part-of-a-trailer",
    breaks=rows("http/chunked/bare-lf-in-trailers", "empty-line field"),
)
def bare_lf_is_part_of_a_trailer() -> Handler:
    bodies._TRAILER_LINE = re.compile(rb"(?s).*")
    return WSGIRequestHandler


@server_mutant(
    "trailers-frame-the-next",
    breaks=rows("http/chunked/trailer-is-no-framing", "content-length transfer-encoding"),
)
def trailers_frame_the_next() -> Handler:
    class Framing(WSGIRequestHandler):
        def make_environ(self, request: Request, body: Body) -> dict[str, Any]:
            environ = super().make_environ(request, body)
            if isinstance(body, bodies.ChunkedBody):
                framed = re.search(rb"Content-Length|Transfer-Encoding", body._data)
                environ["wsgi.input"] = io.BytesIO(body.read())
                if framed:
                    self.connection.buffer = self.connection.buffer[10:]
            return environ

    return Framing


@server_mutant(
    "too-much-around-fails",
    breaks=rows(
        "http/chunked/too-much-around", "one-extension many-extensions one-trailer many-trailers"
    ),
)
def too_much_around_fails() -> Handler:
    def count(self: bodies.ChunkedBody, size: int) -> None:
        self._overhead += size
        if self._overhead > self._limits.trailer_bytes:
            raise MemoryError("There is too much of it.")

    bodies._MAX_LINE = 1_000_000
    bodies.ChunkedBody._count_overhead = count  # type: ignore[method-assign]
    return WSGIRequestHandler


# Bodies that nobody reads


@server_mutant(
    "done-when-answered",
    breaks=[
        *rows("http/desync/early-answer", "content-length chunked failure not-found"),
        "http/expect/body-after-final-answer",
    ],
)
def done_when_answered() -> Handler:
    bodies.RequestBody.worth_reading = lambda self: True  # type: ignore[method-assign]

    class Done(WSGIRequestHandler):
        def leave_body(self, body: Body) -> None: ...

    return Done


@server_mutant(
    "unread-chunks-searched-for-a-request",
    breaks=rows("http/desync/unread-invalid", "size end-of-chunk trailer"),
)
def unread_chunks_searched() -> Handler:
    class Searching(WSGIRequestHandler):
        def leave_body(self, body: Body) -> None:
            if isinstance(body, bodies.ChunkedBody):
                self.connection.buffer = body._data[max(body._data.find(b"GET "), 0) :]
            else:
                super().leave_body(body)

    return Searching


@server_mutant(
    "expected-bodies-are-none",
    breaks=rows("http/expect/body-is-a-body", "get malformed twice list"),
)
def expected_bodies_are_none() -> Handler:
    drop_length, drop_expect = without("Content-Length"), without("Expect")

    def mend(head: bytes) -> bytes:
        return drop_length(drop_expect(head)) if b"\r\nExpect:" in head else head

    return mending(mend)


# Connections


@server_mutant(
    "every-upgrade-is-accepted",
    breaks=[
        *rows("http/upgrade/ignored", "unknown in-1.0"),
        *rows("http/upgrade/not-switched", "post without-option version-unknown"),
        "http/upgrade/websocket",
        "http/upgrade/with-body",
    ],
)
def every_upgrade_is_accepted() -> Handler:
    return answering(
        lambda request: "HTTP_UPGRADE" in request.fields,
        lambda handler, request: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    )


@server_mutant("keep-alive-wins", breaks=rows("http/close/wins", "last first in-1.0"))
def keep_alive_wins() -> Handler:
    def change(request: Request) -> None:
        request.keep_alive |= "keep-alive" in request.fields.get("HTTP_CONNECTION", "")

    return reading(change)


@server_mutant("close-anywhere-in-it", breaks=["http/keep-alive/other-option/like-close"])
def close_anywhere_in_it() -> Handler:
    def change(request: Request) -> None:
        request.keep_alive &= "close" not in request.fields.get("HTTP_CONNECTION", "")

    return reading(change)


@server_mutant(
    "every-option-closes",
    breaks=rows("http/keep-alive/other-option", "keep-alive unknown"),
)
def every_option_closes() -> Handler:
    def change(request: Request) -> None:
        request.keep_alive &= "HTTP_CONNECTION" not in request.fields

    return reading(change)


@server_mutant("no-bodies-in-1.0", breaks=["http/1.0/body"])
def no_bodies_in_1_0() -> Handler:
    drop = without("Content-Length")
    return mending(lambda head: drop(head) if b" HTTP/1.0\r\n" in head else head)


@server_mutant("fifty-requests-are-enough", breaks=["http/pipelining/hundred"])
def fifty_requests_are_enough() -> Handler:
    class Limited(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            super().run_wsgi(request)
            self.connection.closing |= self.connection.served >= 50

    return Limited


@server_mutant("bodies-end-at-64-k", breaks=["http/pipelining/large-bodies"])
def bodies_end_at_64_k() -> Handler:
    def change(request: Request) -> None:
        request.content_length = min(request.content_length, 65536)

    return reading(change)


@server_mutant("quick-ones-first", breaks=["http/pipelining/slow-first"])
def quick_ones_first() -> Handler:
    class Quick(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            buffer = self.connection.buffer
            slow, end, rest = buffer.partition(b"\r\n\r\n")
            if b" /wsgi/slow" in slow and rest:
                self.connection.buffer = rest + slow + end
            return super().parse_request()

    return Quick


@server_mutant(
    "waits-for-whole-pipelines", breaks=rows("http/pipelining/second-incomplete", "body head")
)
def waits_for_whole_pipelines() -> Handler:
    class Waiting(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            buffer = self.connection.buffer
            if OURS not in buffer and b"\r\n\r\n" in buffer and not buffer.endswith(b"\r\n\r\n"):
                return None
            return super().parse_request()

    return Waiting
