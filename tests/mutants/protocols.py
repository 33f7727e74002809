"""Mutants of PEP 3333: a server's side of the interface, broken one thing at a time.

Most are a middleware around the application under test. To the application that is the server, so a
start_response, an environ or an iteration that is broken there is a broken server's.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from reference_app.application import create_app
from reference_app.serving import WSGIRequestHandler
from reference_app.serving.errors import ClientDisconnected
from reference_app.serving.response import ResponseWriter
from tests.mutants import application_mutant, server_mutant
from tests.mutants.building import behind
from tests.mutants.messages import rows

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]
Middleware = Callable[[Any, Any, Any], Iterable[bytes]]


def around(middleware: Middleware) -> WSGIApplication:
    """The application behind a middleware, which leaves the harness's own paths alone."""
    application = create_app()

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/-/"):
            return application(environ, start_response)
        return middleware(application, environ, start_response)

    return serve


def with_environ(change: Callable[[WSGIEnvironment], object]) -> WSGIApplication:
    """The application behind a middleware that changes the environ, except for the harness."""
    return behind(
        lambda environ: None if environ["PATH_INFO"].startswith("/-/") else change(environ)
    )


def with_response(change: Callable[[str, Headers], tuple[str, Headers]]) -> WSGIApplication:
    """The application behind a middleware that changes what start_response is called with."""

    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: Any, headers: Any, exc_info: Any = None) -> Any:
            return start_response(*change(status, headers), exc_info)

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


def with_blocks(change: Callable[[Any], Iterable[bytes]]) -> WSGIApplication:
    """The application behind a middleware that changes the iterable."""
    return around(lambda app, environ, start_response: change(app(environ, start_response)))


class Wrapped:
    """An iterable that passes close() on."""

    def __init__(self, iterable: Any, blocks: Iterable[bytes]) -> None:
        self._iterable = iterable
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blocks)

    def close(self) -> None:
        if hasattr(self._iterable, "close"):
            self._iterable.close()


# start_response


@application_mutant(
    "start-response-twice",
    breaks=[
        "wsgi/start-response/twice",
        "wsgi/start-response/twice-after-block",
        "wsgi/start-response/twice-with-none",
    ],
)
def start_response_twice() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        called = False

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal called
            if called and exc_info is None:
                return lambda data: None
            called = True
            return start_response(status, headers, exc_info)

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "exc-info-ignored",
    breaks=[
        "wsgi/start-response/exc-info-before-headers",
        "wsgi/start-response/exc-info-after-empty-blocks",
        "wsgi/start-response/exc-info-at-end",
    ],
)
def exc_info_ignored() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            if exc_info is not None:
                return lambda data: None
            return start_response(status, headers)

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "exc-info-not-reraised",
    breaks=[
        "wsgi/start-response/exc-info-reraised",
    ],
)
def exc_info_not_reraised() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            try:
                return start_response(status, headers, exc_info)
            except Exception:
                raise AssertionError("the headers have been sent already") from None

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "start-response-expected-in-the-call",
    breaks=[
        "http/response/framed-once",
        "wsgi/content-length/kept",
        "wsgi/content-length/too-much/blocks",
    ],
)
def start_response_in_call() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        called = False

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal called
            called = True
            return start_response(status, headers, exc_info)

        iterable = app(environ, start)
        if not called:
            start_response("500 Not Started", [("Content-Type", "text/plain")])
            return []
        return iterable  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "no-write",
    breaks=[
        "wsgi/start-response/returns-write",
        "wsgi/write/only",
        "wsgi/write/with-length",
    ],
)
def no_write() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            start_response(status, headers, exc_info)

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "never-started-is-200",
    breaks=[
        "wsgi/start-response/never",
    ],
)
def never_started() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        started = False

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal started
            if started:
                return start_response(status, headers, exc_info)
            started = True
            try:
                raise AssertionError("the response is replaced")
            except AssertionError as error:
                return start_response(status, headers, (type(error), error, None))

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "bad-heads-mended",
    breaks=[
        "wsgi/start-response/refuses/value-nul",
        "wsgi/start-response/refuses/value-int",
        "wsgi/start-response/refuses/value-bytes",
        "wsgi/start-response/refuses/name-colon",
        "wsgi/start-response/refuses/name-space",
        "wsgi/start-response/refuses/name-crlf",
        "wsgi/start-response/refuses/name-empty",
        "wsgi/start-response/refuses/status-without-code",
        "wsgi/start-response/refuses/status-int",
        "wsgi/start-response/refuses/hop-by-hop-connection",
        "wsgi/start-response/refuses/hop-by-hop-keep-alive",
        "wsgi/start-response/refuses/hop-by-hop-transfer-encoding",
        "wsgi/start-response/refuses/hop-by-hop-upgrade",
    ],
)
def bad_heads_mended() -> WSGIApplication:
    hop_by_hop = {"connection", "keep-alive", "transfer-encoding", "upgrade"}

    def text(value: Any, pattern: str) -> str:
        found = value.decode() if isinstance(value, bytes) else str(value)
        return re.sub(pattern, "", found.encode("latin-1", "replace").decode("latin-1"))

    def mend(status: Any, headers: Any) -> tuple[str, Headers]:
        kept = [
            (text(name, r"[^\w-]") or "X-Mended", text(value, "[\x00-\x1f]"))
            for name, value in headers
            if name.lower() not in hop_by_hop
        ]
        line = text(status, "[\x00-\x1f]")
        return (line if re.match("[0-9]{3} ", line) else f"200 {line}"), kept

    return with_response(mend)


# Status and headers


@application_mutant(
    "reason-phrases-replaced",
    breaks=[
        "wsgi/start-response/refuses/status-crlf",
        "wsgi/status/kept/created",
        "wsgi/status/kept/own-phrase",
        "wsgi/status/kept/other-phrase",
        "wsgi/status/kept/teapot",
        "wsgi/status/kept/unknown-code",
        "wsgi/status/kept/empty-phrase",
        "wsgi/status/kept/latin-1",
        "wsgi/status/kept/long-phrase",
    ],
)
def phrases_replaced() -> WSGIApplication:
    def change(status: str, headers: Headers) -> tuple[str, Headers]:
        code = int(status[:3])
        known = code in {entry.value for entry in HTTPStatus}
        return f"{code} {HTTPStatus(code).phrase + '.' if known else 'Unknown'}", headers

    return with_response(change)


@application_mutant(
    "starts-before-the-iteration",
    breaks=rows("wsgi/start-response/in-first-step", "generator next iter"),
)
def starts_before_iteration() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        calls = []

        def start(*response: Any) -> Any:
            calls.append(response)
            return start_response(*response)

        blocks: Iterable[bytes] = app(environ, start)
        assert calls, "start_response has not been called"
        return blocks

    return around(middleware)


@application_mutant(
    "headers-in-a-dict",
    breaks=[
        "wsgi/headers/repeated",
    ],
)
def headers_in_a_dict() -> WSGIApplication:
    return with_response(
        lambda status, headers: (status, list({n.title(): v for n, v in headers}.items()))
    )


@application_mutant(
    "header-values-normalised",
    breaks=[
        "wsgi/start-response/refuses/value-crlf",
        "wsgi/start-response/refuses/value-lf",
        "wsgi/start-response/refuses/value-cr",
        "wsgi/start-response/refuses/value-trailing-crlf",
        "wsgi/start-response/refuses/value-beyond-latin-1",
        "wsgi/headers/value",
        "wsgi/headers/empty-value",
        "wsgi/headers/latin-1",
    ],
)
def values_normalised() -> WSGIApplication:
    def change(status: str, headers: Headers) -> tuple[str, Headers]:
        kept = [
            (name, " ".join(value.split()).encode().decode("latin-1"))
            for name, value in headers
            if value
        ]
        return status, kept

    return with_response(change)


@application_mutant(
    "date-and-server-replaced",
    breaks=[
        "wsgi/headers/own-date",
        "wsgi/headers/own-server",
    ],
)
def date_replaced() -> WSGIApplication:
    return with_response(
        lambda status, headers: (
            status,
            [(n, v) for n, v in headers if n.lower() not in ("date", "server")],
        )
    )


@application_mutant(
    "length-dropped",
    breaks=[
        "wsgi/content-length/too-much/one-block",
        "wsgi/content-length/too-little",
        "wsgi/errors/length-not-met",
        "wsgi/content-length/too-much/block-across-the-end",
        "wsgi/content-length/zero",
        "wsgi/content-length/nothing/nothing",
        "wsgi/content-length/nothing/empty-blocks",
        "wsgi/file-wrapper/too-short",
    ],
)
def length_dropped() -> WSGIApplication:
    return with_response(
        lambda status, headers: (
            status,
            [(n, v) for n, v in headers if n.lower() != "content-length"],
        )
    )


# write() and the iterable


@application_mutant(
    "write-gathered",
    breaks=[
        "wsgi/start-response/exc-info-after-write",
        "wsgi/write/and-iterable",
        "wsgi/write/beyond-length",
        "wsgi/write/str",
        "wsgi/write/not-delayed",
    ],
)
def write_gathered() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        written: list[Any] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            start_response(status, headers, exc_info)
            return written.append

        iterable = app(environ, start)
        if not written:
            return iterable  # type: ignore[no-any-return]
        # After the body, and text is taken for bytes.
        texts = [data.encode() if isinstance(data, str) else data for data in written]
        return [*iterable, *texts]

    return around(middleware)


@application_mutant(
    "blocks-gathered",
    breaks=[
        "wsgi/start-response/exc-info-after-headers",
        "wsgi/iterable/not-delayed",
        "wsgi/content-length/iteration-stopped",
    ],
)
def blocks_gathered() -> WSGIApplication:
    def gathered(iterable: Any) -> Iterable[bytes]:
        try:
            return [b"".join(iterable)]
        finally:
            if hasattr(iterable, "close"):
                iterable.close()

    return with_blocks(gathered)


@application_mutant(
    "empty-block-ends",
    breaks=[
        "wsgi/iterable/kind/list",
        "wsgi/iterable/kind/generator",
        "wsgi/iterable/kind/empty-first",
        "wsgi/errors/status/after-empty-block",
        "wsgi/errors/headers-not-sent/after-empty-block",
    ],
)
def empty_block_ends() -> WSGIApplication:
    def until_empty(iterable: Any) -> Iterator[bytes]:
        for block in iterable:
            if not block:
                break
            yield block

    return with_blocks(lambda iterable: Wrapped(iterable, until_empty(iterable)))


@application_mutant(
    "lists-only",
    breaks=[
        "wsgi/iterable/kind/tuple",
    ],
)
def lists_only() -> WSGIApplication:
    def first_only(found: Any) -> Iterable[bytes]:
        blocks: list[bytes] = found if isinstance(found, list) else list(found)[:1]
        return blocks

    return with_blocks(first_only)


@application_mutant(
    "line-ends-converted",
    breaks=[
        "wsgi/iterable/binary",
    ],
)
def line_ends_converted() -> WSGIApplication:
    def converted(iterable: Any) -> Iterator[bytes]:
        for block in iterable:
            yield block.replace(b"\r\n", b"\n") if isinstance(block, bytes) else block

    return with_blocks(lambda iterable: Wrapped(iterable, converted(iterable)))


@application_mutant(
    "text-encoded",
    breaks=[
        "wsgi/iterable/refused/str",
        "wsgi/iterable/refused/str-late",
        "wsgi/iterable/refused/int",
        "wsgi/iterable/refused/none",
    ],
)
def text_encoded() -> WSGIApplication:
    def encoded(iterable: Any) -> Iterator[bytes]:
        for block in iterable or ():
            yield block if isinstance(block, bytes) else str(block).encode()

    return with_blocks(lambda iterable: Wrapped(iterable, encoded(iterable)))


# Failures and close()


@application_mutant(
    "failures-swallowed",
    breaks=[
        "wsgi/errors/status/in-call",
        "wsgi/errors/status/after-start",
        "wsgi/errors/status/first-block",
        "wsgi/errors/headers-not-sent/after-start",
        "wsgi/errors/headers-not-sent/first-block",
        "wsgi/errors/body-broken-off",
        "wsgi/errors/status/in-iter",
        "wsgi/errors/status/stop-iteration",
        "wsgi/errors/status/unprintable",
        "wsgi/errors/status/beyond-encodings",
        "wsgi/errors/headers-not-sent/in-iter",
        "wsgi/errors/write-broken-off",
    ],
)
def failures_swallowed() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        started = False

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal started
            started = True
            return start_response(status, headers, exc_info)

        def blocks(iterable: Any) -> Iterator[bytes]:
            nonlocal started
            try:
                yield from iterable
            except Exception:
                yield b"."

        try:
            iterable = app(environ, start)
        except Exception:
            iterable = []
        if not started and not isinstance(iterable, Iterator):
            start_response("200 OK", [("Content-Type", "text/plain")])
        return Wrapped(iterable, blocks(iterable))

    return around(middleware)


@application_mutant(
    "dies-of-failures",
    breaks=[
        "wsgi/errors/survived/in-call",
        "wsgi/errors/survived/after-write",
        "wsgi/errors/survived/generator-exit",
        "wsgi/errors/survived/unprintable",
    ],
)
def dies_of_failures() -> WSGIApplication:
    failures = 0

    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def answer(iterable: Any) -> Iterator[bytes]:
            nonlocal failures
            try:
                yield from iterable
            except BaseException:
                failures += 1
                raise

        def close(iterable: Any) -> None:
            nonlocal failures
            try:
                if hasattr(iterable, "close"):
                    iterable.close()
            except BaseException:
                failures += 1
                raise

        nonlocal failures
        # A worker is lost with every failure, and here are twenty of them.
        if failures >= 20:
            start_response("503 No Worker Left", [("Content-Type", "text/plain")])
            return []
        try:
            iterable = app(environ, start_response)
        except BaseException:
            failures += 1
            raise
        wrapped = Wrapped(iterable, answer(iterable))
        wrapped.close = lambda: close(iterable)  # type: ignore[method-assign]
        return wrapped

    return around(middleware)


@server_mutant("dies-of-close-when-the-client-left", breaks=["wsgi/errors/survived-left"])
def dies_of_close() -> type[WSGIRequestHandler]:
    class Dying(WSGIRequestHandler):
        def application_failed(self, error: BaseException, *rest: Any) -> None:
            if isinstance(error.__context__, ClientDisconnected):
                os._exit(1)
            super().application_failed(error, *rest)

    return Dying


@application_mutant(
    "close-forgotten",
    breaks=[
        "wsgi/close/once/fails-itself",
    ],
)
def close_forgotten() -> WSGIApplication:
    return with_blocks(iter)


@application_mutant(
    "closed-twice",
    breaks=[
        "wsgi/close/once/normal",
        "wsgi/close/once/empty",
        "wsgi/close/once/failed-at-once",
        "wsgi/close/once/failed",
        "wsgi/close/once/head",
        "wsgi/close/once/304",
        "wsgi/close/once/204",
    ],
)
def closed_twice() -> WSGIApplication:
    class Twice(Wrapped):
        def close(self) -> None:
            super().close()
            super().close()

    return with_blocks(lambda iterable: Twice(iterable, iterable))


@application_mutant(
    "closed-too-early",
    breaks=[
        "wsgi/close/last",
        "wsgi/file-wrapper/closed",
    ],
)
def closed_too_early() -> WSGIApplication:
    def early(iterable: Any) -> Iterable[bytes]:
        if hasattr(iterable, "close") and not isinstance(iterable, Iterator):
            iterable.close()
        return iter(iterable)  # type: ignore[no-any-return]

    return with_blocks(early)


# The environ


@server_mutant(
    "environ-of-a-subclass",
    breaks=[
        "wsgi/environ/dict",
    ],
)
def environ_of_a_subclass() -> type[WSGIRequestHandler]:
    class Environ(dict[str, Any]):
        """More than a dict."""

    class Handler(WSGIRequestHandler):
        def make_environ(self, request: Any, body: Any) -> dict[str, Any]:
            return Environ(super().make_environ(request, body))

    return Handler


@server_mutant(
    "environ-shared",
    breaks=[
        "wsgi/environ/own",
    ],
)
def environ_shared() -> type[WSGIRequestHandler]:
    shared: dict[str, Any] = {}

    class Handler(WSGIRequestHandler):
        def make_environ(self, request: Any, body: Any) -> dict[str, Any]:
            shared.update(super().make_environ(request, body))
            return shared

    return Handler


@application_mutant(
    "environ-of-other-types",
    breaks=[
        "wsgi/environ/text-types",
        "wsgi/environ/required/request-method",
        "wsgi/environ/required/server-protocol",
        "wsgi/environ/required/wsgi-version",
        "wsgi/environ/required/wsgi-url-scheme",
        "wsgi/environ/required/server-name",
        "wsgi/environ/required/server-port",
    ],
)
def environ_of_other_types() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["SERVER_PORT"] = int(environ["SERVER_PORT"])
        environ["wsgi.version"] = list(environ["wsgi.version"])
        for name in ("REQUEST_METHOD", "SERVER_NAME", "SERVER_PROTOCOL", "wsgi.url_scheme"):
            environ[name] = type("Text", (str,), {})(environ[name])

    return with_environ(change)


@application_mutant(
    "environ-incomplete",
    breaks=[
        "http/host/valid/name",
        "http/host/valid/port",
        "http/host/valid/ipv4",
        "http/host/valid/ipv6",
        "http/host/valid/upper-case",
        "http/host/valid/dot-at-end",
        "http/host/valid/underscore",
        "wsgi/environ/flags",
        "wsgi/environ/host",
        "wsgi/environ/remote-address",
    ],
)
def environ_incomplete() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for name in ("SERVER_NAME", "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST"):
            environ.pop(name, None)
        for name in [name for name in environ if name.startswith("wsgi.")]:
            if name not in ("wsgi.input", "wsgi.errors"):
                del environ[name]

    return with_environ(change)


@application_mutant(
    "streams-incomplete",
    breaks=[
        "wsgi/environ/input-methods",
        "wsgi/environ/errors-methods",
        "wsgi/input/bytes/readlines",
        "wsgi/input/bytes/iteration",
        "wsgi/input/end/iteration",
        "wsgi/input/no-body/iteration",
        "wsgi/input/readlines",
        "wsgi/input/iteration",
        "wsgi/input/dechunked/iteration",
        "wsgi/errors-stream/methods",
        "wsgi/errors-stream/unicode",
    ],
)
def streams_incomplete() -> WSGIApplication:
    class Input:
        def __init__(self, stream: Any) -> None:
            self.read = stream.read
            self.readline = stream.readline

    class Errors:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def write(self, text: str) -> None:
            self._stream.write(text.encode("ascii").decode())

    def change(environ: WSGIEnvironment) -> None:
        environ["wsgi.input"] = Input(environ["wsgi.input"])
        environ["wsgi.errors"] = Errors(environ["wsgi.errors"])

    return with_environ(change)


@application_mutant(
    "environ-in-unicode",
    breaks=[
        "http/field/obs-text",
        "wsgi/environ/latin-1",
        "wsgi/environ/path/utf-8-as-latin-1",
        "wsgi/environ/path/not-utf-8",
        "wsgi/environ/header/latin-1",
    ],
)
def environ_in_unicode() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for name, value in list(environ.items()):
            if isinstance(value, str):
                environ[name] = value.encode("latin-1").decode("utf-8", "replace")

    return with_environ(change)


@application_mutant(
    "path-info-not-decoded",
    breaks=[
        "wsgi/environ/path/decoded",
        "wsgi/environ/path/delimiters",
        "wsgi/environ/query/not-decoded",
    ],
)
def path_not_decoded() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = environ["RAW_URI"].partition("?")[0] + ""
        environ["QUERY_STRING"] = unquote(environ["QUERY_STRING"].replace("+", " "))

    return with_environ(change)


@application_mutant(
    "path-decoded-again",
    breaks=[
        "wsgi/environ/path/decoded-once",
        "wsgi/environ/path/plus",
        "wsgi/environ/path/parameters",
        "wsgi/environ/path/trailing-slash",
    ],
)
def path_decoded_again() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        path = unquote(environ["PATH_INFO"], "latin-1").replace("+", " ").partition(";")[0]
        environ["PATH_INFO"] = path.rstrip("/")

    return with_environ(change)


@application_mutant(
    "path-normalised",
    breaks=[
        "wsgi/environ/path-slashes/doubled",
        "wsgi/environ/path-slashes/encoded",
        "wsgi/environ/path-slashes/dot",
        "wsgi/environ/path-slashes/dot-dot",
    ],
)
def path_normalised() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        target = environ["RAW_URI"].partition("?")[0]
        if re.search("//|%2F|/[.]", target):
            segments: list[str] = []
            for segment in environ["PATH_INFO"].split("/"):
                if segment == "..":
                    segments.pop()
                elif segment not in ("", "."):
                    segments.append(segment)
            environ["PATH_INFO"] = "/" + "/".join(segments)
            if "%2F" in target:
                environ["PATH_INFO"] = target

    return with_environ(change)


@application_mutant(
    "query-parsed",
    breaks=[
        "wsgi/environ/query/plain",
        "wsgi/environ/query/question-mark",
        "wsgi/environ/query/slashes",
        "wsgi/environ/query/no-pairs",
        "wsgi/environ/query-absent/none",
        "wsgi/environ/query-absent/empty",
        "wsgi/input/read-size",
        "wsgi/input/read-zero",
        "wsgi/input/end/readline-size",
        "wsgi/input/end/readlines-hint",
        "wsgi/input/readline-size",
        "wsgi/input/readlines-all",
        "wsgi/input/mixed",
    ],
)
def query_parsed() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        pairs = environ["QUERY_STRING"].partition("?")[0].split("&")
        environ["QUERY_STRING"] = quote("&".join(sorted(pairs, reverse=True)) or "?", "=&%+")

    return with_environ(change)


@application_mutant(
    "content-fields-made-up",
    breaks=[
        "wsgi/environ/content-fields",
    ],
)
def content_fields_made_up() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["CONTENT_TYPE"] = "text/plain"
        environ.setdefault("CONTENT_LENGTH", "0")
        environ["HTTP_CONTENT_TYPE"] = environ["CONTENT_TYPE"]

    return with_environ(change)


@application_mutant(
    "request-headers-mangled",
    breaks=[
        "wsgi/environ/header/name",
        "wsgi/environ/header/name-without-case",
        "wsgi/environ/header/whitespace-around",
        "wsgi/environ/header/no-whitespace",
        "wsgi/environ/header/colons",
        "wsgi/environ/header/quotes",
        "wsgi/environ/header/digits-in-name",
        "wsgi/environ/header-empty",
        "wsgi/environ/header-repeated",
    ],
)
def request_headers_mangled() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for name in [name for name in environ if name.startswith("HTTP_X_")]:
            value = environ.pop(name).rpartition(",")[2].strip(" \"'")
            environ[name.rstrip("9")] = f" {value or 'None'}"

    return with_environ(change)


# The streams


@application_mutant(
    "input-of-text",
    breaks=[
        "wsgi/input/bytes/read",
        "wsgi/input/bytes/readline",
        "wsgi/input/dechunked/read-size",
        "wsgi/input/dechunked/across-chunks",
    ],
)
def input_of_text() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/wsgi/input":
            stream = io.TextIOWrapper(io.BytesIO(environ["wsgi.input"].read()), "latin-1")
            environ["wsgi.input"] = stream

    return with_environ(change)


@application_mutant(
    "input-without-an-end",
    breaks=[
        "wsgi/input/read-all",
        "wsgi/input/read-minus-one",
        "wsgi/input/end/read-size",
        "wsgi/input/end/readline",
        "wsgi/input/past-end",
        "wsgi/input/no-body/read-size",
        "wsgi/input/no-body/readline",
        "wsgi/input/readline-last",
        "wsgi/input/dechunked/read-all",
        "wsgi/input/dechunked/past-end",
    ],
)
def input_without_an_end() -> WSGIApplication:
    class Endless:
        """Goes on behind the body with what is not its own."""

        def __init__(self, body: bytes) -> None:
            self._stream = io.BytesIO(body + b"GET / HTTP/1.1\r\nHost: next\r\n\r\n" * 9)
            self.read = self._stream.read
            self.readline = self._stream.readline
            self.readlines = self._stream.readlines

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._stream)

    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/wsgi/input":
            environ["wsgi.input"] = Endless(environ["wsgi.input"].read())

    return with_environ(change)


@application_mutant(
    "input-with-a-position-per-method",
    breaks=[
        "wsgi/input/readline",
        "wsgi/input/dechunked/readline",
    ],
)
def input_with_positions() -> WSGIApplication:
    class Apart:
        """Every way of reading begins at the beginning, and no size is heeded."""

        def __init__(self, body: bytes) -> None:
            self._body = body

        def read(self, size: int = -1) -> bytes:
            return self._body[: size or 1]

        def readline(self) -> bytes:
            return self._body.rstrip(b"\n").partition(b"\n")[0]

        def readlines(self, hint: int = -1) -> list[bytes]:
            return self._body.rstrip(b"\n").split(b"\n")

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.readlines())

    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/wsgi/input":
            environ["wsgi.input"] = Apart(environ["wsgi.input"].read())

    return with_environ(change)


@application_mutant(
    "input-in-one-piece",
    breaks=[
        "http/chunked/big",
        "wsgi/input/binary",
    ],
)
def input_in_one_piece() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        body = environ["wsgi.input"].read(65536)
        environ["wsgi.input"] = io.BytesIO(body.rstrip(b"\x00"))

    return with_environ(change)


# Files


class _Careless:
    """A file wrapper that knows real files only, reads them from the start and leaves them open."""

    def __init__(self, file: Any, size: int = 8192) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        try:
            self._file.fileno()
            self._file.seek(1)
        except (OSError, AttributeError):
            return iter([b"not a file"])
        return iter(lambda: self._file.read(65536), b"")


@application_mutant(
    "file-wrapper-careless",
    breaks=[
        "wsgi/file-wrapper/sent/file",
        "wsgi/file-wrapper/sent/from-its-position",
        "wsgi/file-wrapper/sent/block-size",
        "wsgi/file-wrapper/sent/file-like",
        "wsgi/file-wrapper/sent/read-and-nothing-else",
        "wsgi/file-wrapper/sent/iterated-by-middleware",
    ],
)
def file_wrapper_careless() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["wsgi.file_wrapper"] = _Careless

    return with_environ(change)


@server_mutant(
    "file-sent-whole",
    breaks=[
        "wsgi/file-wrapper/content-length",
        "wsgi/file-wrapper/head",
    ],
)
def file_sent_whole() -> type[WSGIRequestHandler]:
    # sendfile, whatever was announced and whichever the method was.
    def whole(self: Any, descriptor: int, offset: int, size: int) -> None:
        self._send(b"")
        self._connection.send_file(descriptor, offset, size)
        self._allowed = 0

    ResponseWriter.file = whole  # type: ignore[method-assign]
    return WSGIRequestHandler
