"""Mutants under load: what is lost, mixed up or kept where there is much of it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from tests.mutants import application_mutant, server_mutant
from tests.mutants.messages import Handler, reading, rows
from tests.mutants.protocols import Wrapped, around, with_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from reference_app.serving.parser import Request


@application_mutant(
    "third-block-lost",
    breaks=[
        *rows("load/download", "length no-length small-blocks"),
        "load/http-1.0",
        "load/both-ways",
        "load/keep-alive/sizes",
    ],
)
def third_block_lost() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] != "/load/download":
            return iterable  # type: ignore[no-any-return]
        kept = (block for number, block in enumerate(iterable) if number != 2)
        return Wrapped(iterable, kept)

    return around(middleware)


@application_mutant(
    "bodies-changed",
    breaks=[
        "load/upload",
        *rows("load/upload/chunked", "large small-chunks"),
        "load/both-ways",
        "load/keep-alive/uploads",
        "load/connections/kept",
    ],
)
def bodies_changed() -> WSGIApplication:
    class Changed:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def read(self, size: int) -> bytes:
            data: bytes = self._stream.read(size)
            return b"x" + data[1:] if data else data

    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/load/upload":
            environ["wsgi.input"] = Changed(environ["wsgi.input"])

    return with_environ(change)


@application_mutant("whole-body-asked-for", breaks=["load/held-back"])
def whole_body_asked_for() -> WSGIApplication:
    def asked_for(iterable: Any) -> Iterator[bytes]:
        yield from list(iterable)

    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] != "/load/download":
            return iterable  # type: ignore[no-any-return]
        return Wrapped(iterable, asked_for(iterable))

    return around(middleware)


@server_mutant("connections-end-soon", breaks=["load/keep-alive/thousands"])
def connections_end_soon() -> Handler:
    numbers = itertools.count(1)

    def change(request: Request) -> None:
        if next(numbers) % 30 == 0:
            request.keep_alive = False

    return reading(change)


@server_mutant(
    "answers-mixed-up-in-the-end",
    breaks=["load/connections/one-after-another", "load/connections/burst"],
)
def answers_mixed_up() -> Handler:
    numbers = itertools.count(1)

    def change(request: Request) -> None:
        if next(numbers) > 20:
            request.query = "mark=another"

    return reading(change)


@application_mutant("uploads-are-kept", breaks=["load/upload/memory"])
def uploads_are_kept() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/load/upload":
            whole = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(whole)

    return with_environ(change)


@server_mutant("keeps-what-was-not-taken", breaks=["security/answer-of-another/left"])
def keeps_what_was_not_taken() -> Handler:
    kept: list[bytes] = []

    class Keeping(WSGIRequestHandler):
        def connection_dropped(self, error: BaseException, environ: Any) -> None:
            kept.append(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmet;")

        def run_wsgi(self, request: Request) -> None:
            if kept and not request.path.startswith("/-/"):
                self.connection.send(kept.pop())
            super().run_wsgi(request)

    return Keeping
