"""Mutants of PEP 3333, the way out: start_response, bodies, files and endings.

What `protocols` breaks at large is broken here in its finer points.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from reference_app.serving.response import ResponseWriter
from tests.mutants import application_mutant, server_mutant
from tests.mutants.messages import rows
from tests.mutants.protocols import Wrapped, around, with_blocks, with_environ, with_response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


# start_response


@application_mutant(
    "bad-heads-made-good",
    breaks=rows(
        "wsgi/start-response/refuses",
        "value-none value-delete value-bell name-bytes name-int name-nul name-beyond-ascii "
        "name-beyond-latin-1 length-word length-negative length-empty headers-none headers-dict "
        "headers-str header-of-one header-of-three header-str header-none status-bytes status-none "
        "status-empty status-nul status-lf status-trailing-crlf status-beyond-latin-1 "
        "status-two-digits status-four-digits hop-by-hop-te hop-by-hop-trailers "
        "hop-by-hop-proxy-authenticate hop-by-hop-without-case",
    ),
)
def bad_heads_made_good() -> WSGIApplication:
    unsent = {"connection", "te", "trailers", "proxy-authenticate", "content-length"}

    def text(value: Any, pattern: str) -> str:
        found = value.decode() if isinstance(value, bytes) else str(value)
        return re.sub(pattern, "", found)

    def mend(status: Any, headers: Any) -> tuple[str, Headers]:
        pairs = headers.items() if isinstance(headers, dict) else headers
        kept = [
            (text(pair[0], r"[^\x20-\x7e]|[\s:]") or "X-Mended", text(pair[1], "[^\x20-\x7e]"))
            for pair in (pairs if isinstance(headers, list | dict) else [])
            if isinstance(pair, tuple) and len(pair) > 1
        ]
        line = text(status, "[^\x20-\x7e]")
        return (
            line if re.match("[0-9]{3} ", line) else "200 OK",
            [(name, value) for name, value in kept if name.lower() not in unsent],
        )

    return with_response(mend)


@application_mutant("refused-call-forgotten", breaks=["wsgi/start-response/twice-after-refusal"])
def refused_call_forgotten() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        refused = False

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal refused
            if refused and exc_info is None:
                error = AssertionError("this is taken for the first call")
                return start_response(status, headers, (type(error), error, None))
            try:
                return start_response(status, headers, exc_info)
            except Exception:
                refused = True
                raise

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant("exc-info-is-never-none", breaks=["wsgi/start-response/exc-info-none"])
def exc_info_never_none() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            for kind, _, _ in exc_info:
                assert issubclass(kind, BaseException)
            return start_response(status, headers, *exc_info)

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "exc-info-once-and-not-first",
    breaks=["wsgi/start-response/exc-info-first", "wsgi/start-response/exc-info-again"],
)
def exc_info_once() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        calls = 0

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal calls
            calls += 1
            if exc_info is not None and calls != 2:
                raise exc_info[1]
            return start_response(status, headers, exc_info)

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "started-by-the-first-block",
    breaks=[
        "wsgi/start-response/after-empty-block",
        *rows("wsgi/start-response/too-late", "generator empty-list empty-generator after-block"),
    ],
)
def started_by_first_block() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        started = False

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal started
            if started and exc_info is None:
                return lambda data: None
            started = True
            return start_response(status, headers, exc_info)

        def blocks(iterable: Any) -> Iterator[bytes]:
            for block in iterable:
                if not started:
                    start("200 OK", [("Content-Type", "text/plain")])
                yield block
            if not started:
                start("200 OK", [("Content-Type", "text/plain")])

        iterable = app(environ, start)
        if started:
            return iterable  # type: ignore[no-any-return]
        return Wrapped(iterable, blocks(iterable))

    return around(middleware)


# Headers


@application_mutant("twenty-short-headers", breaks=["wsgi/headers/many", "wsgi/headers/long-value"])
def twenty_short_headers() -> WSGIApplication:
    return with_response(
        lambda status, headers: (status, [(name, value[:255]) for name, value in headers[-20:]])
    )


@application_mutant("content-type-added", breaks=["wsgi/headers/content-type-not-added"])
def content_type_added() -> WSGIApplication:
    return with_response(
        lambda status, headers: (status, headers or [("Content-Type", "text/html")])
    )


@application_mutant(
    "content-length-by-its-case",
    breaks=rows("wsgi/content-length/name-without-case", "lower upper"),
)
def content_length_by_case() -> WSGIApplication:
    return with_response(
        lambda status, headers: (
            status,
            [(n, v) for n, v in headers if n == "Content-Length" or n.lower() != "content-length"],
        )
    )


# Bodies


@application_mutant("length-of-the-list-alone", breaks=["wsgi/write/and-list-of-one"])
def length_of_the_list() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/wsgi/write/and-list-of-one":
            return app(environ, start_response)  # type: ignore[no-any-return]
        written: list[bytes] = []
        heads: list[Any] = []

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            heads.append((status, headers))
            return written.append

        [block] = app(environ, start)
        status, headers = heads[-1]
        start_response(status, [*headers, ("Content-Length", str(len(block)))])
        return [*written, block]

    return around(middleware)


@application_mutant(
    "written-blocks-cut-short",
    breaks=["wsgi/write/binary", "wsgi/write/big", "wsgi/write/replaced"],
)
def written_blocks_cut_short() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            write = start_response(status, headers, exc_info)
            return lambda data: write(b"" if exc_info else data[:255])

        return app(environ, start)  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant(
    "iterables-by-index",
    breaks=rows("wsgi/iterable/kind", "unmeasured keys map"),
)
def iterables_by_index() -> WSGIApplication:
    def indexed(iterable: Any) -> Iterator[bytes]:
        for index in range(len(iterable)):
            yield iterable[index]

    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] != "/wsgi/iterable":
            return iterable  # type: ignore[no-any-return]
        return indexed(iterable)

    return around(middleware)


@application_mutant(
    "blocks-of-four-kilobytes",
    breaks=["wsgi/iterable/sizes", "wsgi/iterable/small", "wsgi/iterable/one-big"],
)
def blocks_of_four_kilobytes() -> WSGIApplication:
    def cut(iterable: Any) -> Iterator[bytes]:
        for number, block in enumerate(iterable):
            if number < 500:
                yield block[:4096] if isinstance(block, bytes) else block

    return with_blocks(lambda iterable: Wrapped(iterable, cut(iterable)))


@application_mutant("attributes-looked-for", breaks=["wsgi/iterable/other-attributes"])
def attributes_looked_for() -> WSGIApplication:
    def look(iterable: Any) -> Iterable[bytes]:
        found: Iterable[bytes] = iterable
        return found if getattr(iterable, "fileno", None) is None else []

    return with_blocks(look)


@application_mutant("length-never-determined", breaks=["wsgi/content-length/determined"])
def length_never_determined() -> WSGIApplication:
    return with_blocks(lambda iterable: Wrapped(iterable, iterable))


@server_mutant("written-for-head", breaks=["wsgi/bodiless-written"])
def written_for_head() -> type[WSGIRequestHandler]:
    block = ResponseWriter.block

    def with_body(self: ResponseWriter, data: bytes) -> None:
        block(self, data)
        if self._request.method == "HEAD":
            self._send(data)

    ResponseWriter.block = with_body  # type: ignore[method-assign]
    return WSGIRequestHandler


# Failures, and close()


@server_mutant(
    "failures-shown-carelessly",
    breaks=rows("wsgi/errors/status", "unprintable beyond-encodings"),
)
def failures_shown_carelessly() -> type[WSGIRequestHandler]:
    class Careless(WSGIRequestHandler):
        def application_failed(self, error: BaseException, *rest: Any) -> None:
            str(error).encode("latin-1")
            super().application_failed(error, *rest)

    return Careless


@application_mutant(
    "closed-at-the-end-only",
    breaks=rows("wsgi/close/once", "failed-in-iter not-started bad-block too-long"),
)
def closed_at_the_end() -> WSGIApplication:
    def to_the_end(iterable: Any) -> Iterator[bytes]:
        yield from iterable
        if hasattr(iterable, "close"):
            iterable.close()

    return with_blocks(to_the_end)


@application_mutant(
    "some-kinds-not-closed",
    breaks=rows("wsgi/close/once", "written own-iterator list-of-one too-short"),
)
def some_kinds_not_closed() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] == "/wsgi/close/kind":
            return (block for block in iterable)
        return iterable  # type: ignore[no-any-return]

    return around(middleware)


@application_mutant("closed-before-it-is-sent", breaks=["wsgi/close/not-delaying"])
def closed_before_sent() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] != "/wsgi/close/held":
            return iterable  # type: ignore[no-any-return]
        blocks = list(iterable)
        iterable.close()
        return blocks

    return around(middleware)


# Files


class _Open:
    """Wraps a file and does not close it."""

    def __init__(self, file: Any, size: int = 8192) -> None:
        self._file = file
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self._size), b"")


class _Closing(_Open):
    def close(self) -> None:
        if hasattr(self._file, "close"):
            self._file.close()


def wrapping(wrapper: type) -> WSGIApplication:
    """The application with this file wrapper."""

    def change(environ: WSGIEnvironment) -> None:
        environ["wsgi.file_wrapper"] = wrapper

    return with_environ(change)


@application_mutant("no-file-wrapper", breaks=["wsgi/file-wrapper/offered"])
def no_file_wrapper() -> WSGIApplication:
    return with_environ(lambda environ: environ.pop("wsgi.file_wrapper"))


@application_mutant(
    "files-left-open",
    breaks=[
        *rows("wsgi/file-wrapper/closed-however", "with-a-descriptor head failing"),
        "wsgi/file-wrapper/closed-disconnected",
    ],
)
def files_left_open() -> WSGIApplication:
    return wrapping(_Open)


@application_mutant(
    "descriptor-read-from-its-position",
    breaks=["wsgi/file-wrapper/position/read-from-before"],
)
def descriptor_read() -> WSGIApplication:
    class Descriptor(_Closing):
        def __iter__(self) -> Iterator[bytes]:
            try:
                descriptor = self._file.fileno()
            except (AttributeError, io.UnsupportedOperation):
                return super().__iter__()
            return iter(lambda: os.read(descriptor, 65536), b"")

    return wrapping(Descriptor)


@application_mutant(
    "position-when-wrapped", breaks=["wsgi/file-wrapper/position/moved-after-wrapping"]
)
def position_when_wrapped() -> WSGIApplication:
    class Positioned(_Closing):
        def __init__(self, file: Any, size: int = 8192) -> None:
            super().__init__(file, size)
            self._position = file.tell() if getattr(file, "seekable", bool)() else None

        def __iter__(self) -> Iterator[bytes]:
            if self._position is not None:
                self._file.seek(self._position)
            return super().__iter__()

    return wrapping(Positioned)


@application_mutant(
    "file-read-once",
    breaks=[
        "wsgi/file-wrapper/big",
        "wsgi/file-wrapper/sent/short-reads",
        "wsgi/file-wrapper/sent/of-announced-length",
    ],
)
def file_read_once() -> WSGIApplication:
    class Once(_Closing):
        def __iter__(self) -> Iterator[bytes]:
            return iter([self._file.read(200000)])

    return wrapping(Once)


@application_mutant(
    "files-measured",
    breaks=["wsgi/file-wrapper/pipe", "wsgi/file-wrapper/empty", "wsgi/file-wrapper/range"],
)
def files_measured() -> WSGIApplication:
    class Measured(_Closing):
        """Believes the size that the system tells, and that a file has one and is all of it."""

        def __iter__(self) -> Iterator[bytes]:
            try:
                size = os.fstat(self._file.fileno()).st_size
            except (AttributeError, io.UnsupportedOperation):
                return super().__iter__()
            if size == 0:
                return iter([b"nothing"])
            self._file.seek(0)
            return super().__iter__()

    return wrapping(Measured)


@application_mutant("wrapped-is-sent", breaks=["wsgi/file-wrapper/not-returned"])
def wrapped_is_sent() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        sent: list[bytes] = []

        class Sending(_Closing):
            def __init__(self, file: Any, size: int = 8192) -> None:
                super().__init__(file, size)
                if environ["QUERY_STRING"] == "kind=unused":
                    sent.extend(self)

        environ["wsgi.file_wrapper"] = Sending
        iterable = app(environ, start_response)
        if not sent:
            return iterable  # type: ignore[no-any-return]
        another: list[bytes] = [*sent, *iterable]
        return another

    return around(middleware)
