"""Mutants with defects that releases of known servers had: in what arrives, and in its environ."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reference_app.serving import WSGIRequestHandler, response
from tests.mutants import application_mutant, program_mutant, server_mutant
from tests.mutants.messages import Handler, mending, rows
from tests.mutants.programs import load, serve
from tests.mutants.protocols import with_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@program_mutant(
    "process-environment-above",
    breaks=[
        *rows("wsgi/environ/of-the-request", "query content-type field"),
        "wsgi/environ/of-the-connection",
        "wsgi/environ/not-of-the-process/query",
    ],
)
def process_environment_above(host: str, port: int) -> None:
    application = load()

    def above(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return application({**environ, **os.environ}, start_response)

    serve(host, port, above)


@program_mutant(
    "process-environment-beneath",
    breaks=rows("wsgi/environ/not-of-the-process", "content-type field"),
)
def process_environment_beneath(host: str, port: int) -> None:
    application = load()

    def beneath(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return application({**os.environ, **environ}, start_response)

    serve(host, port, beneath)


@server_mutant("query-encoded-twice", breaks=["wsgi/environ/query-not-ascii"])
def query_encoded_twice() -> Handler:
    def twice(match: re.Match[bytes]) -> bytes:
        return quote(match[0].decode("latin-1")).encode()

    def mend(head: bytes) -> bytes:
        line, end, rest = head.partition(b"\r\n")
        return re.sub(rb"[\x80-\xff]+", twice, line) + end + rest

    return mending(mend)


@application_mutant("cookies-joined-by-commas", breaks=["wsgi/environ/cookie-repeated"])
def cookies_joined_by_commas() -> WSGIApplication:
    def join(environ: WSGIEnvironment) -> None:
        if "HTTP_COOKIE" in environ:
            environ["HTTP_COOKIE"] = re.sub(";\\s*", ",", environ["HTTP_COOKIE"])

    return with_environ(join)


@server_mutant(
    "forgets-the-first-piece",
    breaks=rows("http/arrival/cut", "method path escape query protocol field-name field-value"),
)
def forgets_the_first_piece() -> Handler:
    class Forgetful(WSGIRequestHandler):
        def handle_one_request(self) -> bool:
            if b"\r\n\r\n" not in self.connection.buffer:
                self.connection.buffer = b""
                self.connection.searched = 0
            return super().handle_one_request()

    return Forgetful


@server_mutant("date-of-the-first-response", breaks=["http/response/date-moves"])
def date_of_the_first_response() -> Handler:
    response.date_line = functools.cache(response.date_line)
    return WSGIRequestHandler


@application_mutant("last-line-goes-on-in-the-buffer", breaks=["wsgi/input/last-line-of-many"])
def last_line_goes_on() -> WSGIApplication:
    class Buffered:
        """Keeps the last line that it gave in a buffer, and the next one over it."""

        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self.read = stream.read
            self.readline = stream.readline
            self.readlines = stream.readlines

        def __iter__(self) -> Iterator[bytes]:
            buffer = b""
            for line in self._stream:
                buffer = (line + buffer)[:8192]
                yield line if line.endswith(b"\n") else buffer[: 2 * len(line)]

    def change(environ: WSGIEnvironment) -> None:
        environ["wsgi.input"] = Buffered(environ["wsgi.input"])

    return with_environ(change)
