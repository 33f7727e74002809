"""Mutants that are too narrow: what is allowed is refused, lost or taken for something else."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from reference_app.serving import body as bodies
from reference_app.serving.connection import Connection
from reference_app.serving.errors import ClientDisconnected, ClientError
from tests.mutants import application_mutant, server_mutant
from tests.mutants.messages import Handler, rows, sending
from tests.mutants.protocols import Wrapped, around, with_blocks, with_environ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from reference_app.serving.parser import Request


@server_mutant(
    "methods-of-http-only",
    breaks=[
        *rows("http/method/unknown", "word hyphen every-character"),
        "wsgi/environ/method/propfind",
    ],
)
def methods_of_http_only() -> Handler:
    known = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}

    class Narrow(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if request is not None and request.method not in known:
                raise ClientError(400, "No such method.")
            return request

    return Narrow


@server_mutant(
    "empty-chunked-body-refused",
    breaks=["http/chunked/decoded/empty", "http/chunked/decoded-byte-by-byte/empty"],
)
def empty_chunked_body_refused() -> Handler:
    line = bodies.ChunkedBody._line

    def never_empty(self: bodies.ChunkedBody) -> bytes:
        found = line(self)
        if found == b"0" and self._total == 0:
            raise ClientError(400, "There is no chunk.")
        return found

    bodies.ChunkedBody._line = never_empty  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant(
    "expectations-refused",
    breaks=rows(
        "http/expect", "body-sent-at-once next-request in-1.0 unknown without-body transparent"
    ),
)
def expectations_refused() -> Handler:
    class Refusing(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            try:
                request = super().parse_request()
            except ClientError as error:
                raise ClientError(400, "No.") if error.status == 417 else error from None
            if request is not None and "HTTP_EXPECT" in request.fields:
                raise ClientError(417, "Nothing may be expected here.")
            return request

    return Refusing


@server_mutant("half-close-is-the-end", breaks=rows("http/half-closed", "without-body with-body"))
def half_close_is_the_end() -> Handler:
    send = Connection.send

    def unless_ended(self: Connection, data: bytes) -> None:
        client = self.socket
        if select.select([client], [], [], 0)[0] and not client.recv(1, socket.MSG_PEEK):
            self.abandon()
            raise ClientDisconnected("the client has ended its side")
        send(self, data)

    Connection.send = unless_ended  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant("204-in-chunks", breaks=["http/response/204-not-chunked"])
def no_content_in_chunks() -> Handler:
    plain = b" 204 No Content\r\n"
    return sending(lambda data: data.replace(plain, plain + b"Transfer-Encoding: chunked\r\n", 1))


@application_mutant(
    "last-block-lost",
    breaks=rows(
        "wsgi/iterable/kind",
        "list tuple generator iterator sequence list-of-one sized empty-first empty-last "
        "list-subclass unmeasured keys map",
    ),
)
def last_block_lost() -> WSGIApplication:
    def without_last(iterable: Any) -> Iterator[bytes]:
        held: list[bytes] = []
        for block in iterable:
            if block:
                yield from held
                held = [block]

    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] != "/wsgi/iterable":
            return iterable  # type: ignore[no-any-return]
        return Wrapped(iterable, without_last(iterable))

    return around(middleware)


@application_mutant(
    "nothing-is-a-failure",
    breaks=[
        "wsgi/start-response/exc-info-at-end",
        *rows("wsgi/iterable/nothing", "list generator empty-blocks"),
    ],
)
def nothing_is_a_failure() -> WSGIApplication:
    def something(iterable: Any) -> Iterator[bytes]:
        found = False
        for block in iterable:
            found = found or bool(block)
            yield block
        if not found:
            raise AssertionError("a body has to have bytes")

    return with_blocks(lambda iterable: Wrapped(iterable, something(iterable)))


@application_mutant(
    "mount-point-counted-twice",
    breaks=[
        *rows(
            "wsgi/environ/path",
            "plain decoded utf-8-as-latin-1 not-utf-8 delimiters decoded-once plus parameters "
            "trailing-slash",
        ),
        *rows("wsgi/environ/path-slashes", "doubled encoded dot dot-dot"),
    ],
)
def mount_point_twice() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["SCRIPT_NAME"] = environ["PATH_INFO"][:5]

    return with_environ(change)


@application_mutant(
    "question-mark-in-the-path",
    breaks=["http/target/query-only-path", "wsgi/environ/query-absent/empty"],
)
def question_mark_in_path() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["RAW_URI"].endswith("?"):
            environ["PATH_INFO"] += "?"

    return with_environ(change)


@application_mutant(
    "every-method-is-get",
    breaks=[
        *rows("http/method/case", "lower capitalised"),
        *rows("http/method/unknown", "word hyphen every-character"),
        *rows("wsgi/environ/method", "post put patch delete options propfind"),
        "wsgi/environ/head",
    ],
)
def every_method_is_get() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["REQUEST_METHOD"] = "GET"

    return with_environ(change)
