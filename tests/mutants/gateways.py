"""Mutants of PEP 3333, the way in: the environ, the streams, and what `wsgiref.validate` finds.

What `protocols` breaks at large is broken here in its finer points.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from reference_app.serving.response import ResponseWriter
from tests.mutants import application_mutant, server_mutant
from tests.mutants.messages import rows
from tests.mutants.protocols import around, with_blocks, with_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

#: Every check that puts the application behind the validator and asks for no violation.
VALIDATED = [
    *rows(
        "wsgi/validate",
        "get root query escapes head options put patch delete form json empty-body "
        "unread-body binary-body lines not-found not-allowed redirect "
        "failure failure-in-the-call generator empty-blocks nothing big "
        "started-in-the-iteration written file errors-stream",
    ),
    *rows("wsgi/validate-chunked", "read readline unread"),
    "wsgi/validate-http-1.0",
    "wsgi/validate-kept-alive",
    "wsgi/validate-session",
]


# The environ


@application_mutant(
    "path-in-windows-1252",
    breaks=["wsgi/environ/path/every-octet", "wsgi/environ/header/every-character"],
)
def path_in_windows_1252() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for name in ("PATH_INFO", "HTTP_X_EVERY"):
            if name in environ:
                text = environ[name].encode("latin-1").decode("cp1252", "replace")
                environ[name] = text.encode("latin-1", "replace").decode("latin-1")

    return with_environ(change)


@application_mutant("escapes-in-upper-case", breaks=["wsgi/environ/query/case-of-escapes"])
def escapes_in_upper_case() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        query = environ["QUERY_STRING"]
        environ["QUERY_STRING"] = re.sub("%..", lambda found: found[0].upper(), query)

    return with_environ(change)


@application_mutant(
    "content-fields-tidied",
    breaks=["wsgi/environ/content-type-kept", "wsgi/environ/content-length-zero"],
)
def content_fields_tidied() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = environ["CONTENT_TYPE"].lower().replace('"', "")
        if environ.get("CONTENT_LENGTH") == "0":
            del environ["CONTENT_LENGTH"]

    return with_environ(change)


@application_mutant(
    "variables-without-a-value",
    breaks=["wsgi/environ/missing-left-out", "wsgi/environ/extension-names"],
)
def variables_without_value() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["REMOTE_USER"] = ""
        environ["Server.Extension"] = None

    return with_environ(change)


@application_mutant(
    "mounted-at-a-slash",
    breaks=["wsgi/environ/script-name", "wsgi/validate/get"],
)
def mounted_at_a_slash() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["SCRIPT_NAME"] = "/"

    return with_environ(change)


@application_mutant("root-has-an-index", breaks=["wsgi/environ/path-of-the-root"])
def root_has_an_index() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/":
            environ["PATH_INFO"] = "/index.html"

    return with_environ(change)


@application_mutant("host-without-a-port", breaks=rows("wsgi/environ/url", "port ipv6"))
def host_without_a_port() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_HOST" in environ:
            environ["HTTP_HOST"] = environ["HTTP_HOST"].partition(":")[0]

    return with_environ(change)


@application_mutant(
    "server-name-for-host",
    breaks=[
        *rows("wsgi/environ/url", "name port ipv6 query escapes trailing-slash"),
        "wsgi/environ/url-without-host",
    ],
)
def server_name_for_host() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_HOST" in environ:
            del environ["HTTP_HOST"]
        else:
            environ["SERVER_NAME"] = ""

    return with_environ(change)


@application_mutant(
    "url-rewritten", breaks=rows("wsgi/environ/url", "query escapes trailing-slash")
)
def url_rewritten() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("%20", "+")
        environ["PATH_INFO"] = re.sub("[^ -~]", "", environ["PATH_INFO"]).rstrip("/")

    return with_environ(change)


@application_mutant(
    "environ-believed",
    breaks=rows("wsgi/environ/changed", "cleared method protocol content-length input connection"),
)
def environ_believed() -> WSGIApplication:
    looked_at = (
        "REQUEST_METHOD",
        "SERVER_PROTOCOL",
        "CONTENT_LENGTH",
        "HTTP_CONNECTION",
        "wsgi.input",
    )

    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        before = [environ.get(name) for name in looked_at]
        iterable = app(environ, start_response)
        if environ.get("PATH_INFO") not in ("/wsgi/environ-changed", None):
            return iterable  # type: ignore[no-any-return]
        return iterable if before == [environ.get(name) for name in looked_at] else []

    return around(middleware)


@server_mutant(
    "method-asked-of-the-environ",
    breaks=["wsgi/environ/changed/method", "wsgi/environ/changed-head"],
)
def method_of_the_environ() -> type[WSGIRequestHandler]:
    environs: dict[int, dict[str, Any]] = {}
    begin = ResponseWriter.begin

    class Handler(WSGIRequestHandler):
        def make_environ(self, request: Any, body: Any) -> dict[str, Any]:
            environ = super().make_environ(request, body)
            environs[id(request)] = environ
            return environ

    def believing(self: ResponseWriter, *arguments: Any) -> None:
        environ = environs.pop(id(self._request))
        self._request.method = environ.get("REQUEST_METHOD", self._request.method)
        begin(self, *arguments)

    ResponseWriter.begin = believing  # type: ignore[method-assign, assignment]
    return Handler


# The streams


class _Input:
    """`wsgi.input`, to be broken."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, *size: Any) -> bytes:
        data: bytes = self._stream.read(*size)
        return data

    def readline(self, *size: Any) -> bytes:
        line: bytes = self._stream.readline(*size)
        return line

    def readlines(self, *hint: Any) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*hint)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")


def reading(stream: type[_Input]) -> WSGIApplication:
    """The application with `wsgi.input` wrapped in that."""

    def change(environ: WSGIEnvironment) -> None:
        environ["wsgi.input"] = stream(environ["wsgi.input"])

    return with_environ(change)


@application_mutant(
    "sizes-taken-literally",
    breaks=[
        "wsgi/input/read-none",
        *rows("wsgi/input/readline-whole", "minus-one none"),
        "wsgi/input/readline-zero",
        *rows("wsgi/input/readlines-hint", "zero minus-one none"),
    ],
)
def sizes_taken_literally() -> WSGIApplication:
    class Literal(_Input):
        def read(self, *size: Any) -> bytes:
            if size == (None,):
                raise TypeError("a size is a number")
            return super().read(*size)

        def readline(self, *size: Any) -> bytes:
            if size == (None,):
                raise TypeError("a size is a number")
            if size == (-1,):
                return b""
            return super().readline(*(size if size != (0,) else ()))

        def readlines(self, *hint: Any) -> list[bytes]:
            if hint and (hint[0] is None or hint[0] <= 0):
                return []
            return super().readlines(*hint)

    return reading(Literal)


@application_mutant(
    "lines-end-with-the-buffer",
    breaks=[
        "wsgi/input/readline-long",
        "wsgi/input/readline-size-long",
        *rows("wsgi/input/many-lines", "readlines iteration"),
    ],
)
def lines_end_with_the_buffer() -> WSGIApplication:
    class Buffered(_Input):
        def readline(self, *size: Any) -> bytes:
            return super().readline(min(*size, 8192) if size else 8192)

        def __iter__(self) -> Iterator[bytes]:
            while block := self._stream.read(8192):
                yield from block.splitlines(keepends=True)

        def readlines(self, *hint: Any) -> list[bytes]:
            return list(self)

    return reading(Buffered)


@application_mutant(
    "seven-bytes-at-a-time",
    breaks=rows("wsgi/input/in-pieces", "readline iteration read"),
)
def seven_bytes() -> WSGIApplication:
    class Sip(_Input):
        def read(self, *size: Any) -> bytes:
            return super().read(min(size[0], 7) if size and size[0] >= 0 else -1)

        def readline(self, *size: Any) -> bytes:
            return super().readline(7)

    return reading(Sip)


@application_mutant(
    "input-ends-with-the-first-block", breaks=["wsgi/input/after-the-response-began"]
)
def input_ends_with_first_block() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        iterable = app(environ, start_response)
        if environ["PATH_INFO"] != "/wsgi/input-later":
            return iterable  # type: ignore[no-any-return]

        def blocks() -> Iterator[bytes]:
            for block in iterable:
                yield block
                environ["wsgi.input"] = io.BytesIO()

        return blocks()

    return around(middleware)


@application_mutant("end-of-chunks-not-told", breaks=["wsgi/input/chunked-length-known"])
def end_of_chunks_not_told() -> WSGIApplication:
    return with_environ(lambda environ: environ.pop("wsgi.input_terminated", None))


@application_mutant(
    "errors-are-messages",
    breaks=rows(
        "wsgi/errors-stream/text",
        "several-lines without-line-end empty long control-characters",
    ),
)
def errors_are_messages() -> WSGIApplication:
    class Messages:
        """Takes messages: one line each, of printable characters."""

        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self.flush = stream.flush

        def write(self, text: str) -> None:
            if not re.fullmatch("[^\x00-\x1f]{1,500}\n", text):
                raise ValueError("this is no message")
            self._stream.write(text)

        def writelines(self, lines: Any) -> None:
            for line in lines:
                self.write(line)

    def change(environ: WSGIEnvironment) -> None:
        environ["wsgi.errors"] = Messages(environ["wsgi.errors"])

    return with_environ(change)


@application_mutant("errors-end-with-the-call", breaks=["wsgi/errors-stream/later"])
def errors_end_with_call() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/wsgi/errors-later":
            return app(environ, start_response)  # type: ignore[no-any-return]
        stream = environ["wsgi.errors"] = io.StringIO()
        iterable = app(environ, start_response)
        stream.close()
        return iterable  # type: ignore[no-any-return]

    return around(middleware)


# What the validator finds


@application_mutant("content-length-twice", breaks=[*VALIDATED, "wsgi/environ/content-fields-once"])
def content_length_twice() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["HTTP_CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH", "0")

    return with_environ(change)


@application_mutant(
    "port-of-bytes",
    breaks=[check for check in VALIDATED if not check.endswith("-session")],
)
def port_of_bytes() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_X_WSGI_VALIDATE" in environ:
            environ["SERVER_PORT"] = environ["SERVER_PORT"].encode()

    return with_environ(change)


@application_mutant(
    "input-of-byte-arrays",
    breaks=[
        *rows("wsgi/validate", "form json binary-body lines"),
        *rows("wsgi/validate-chunked", "read readline"),
    ],
)
def input_of_byte_arrays() -> WSGIApplication:
    class Arrays(_Input):
        def read(self, *size: Any) -> Any:
            return bytearray(super().read(*size))

        def readline(self, *size: Any) -> Any:
            return bytearray(super().readline(*size))

    return reading(Arrays)


@application_mutant(
    "read-on-after-close",
    breaks=rows("wsgi/validate", "generator nothing big written file started-in-the-iteration"),
)
def read_on_after_close() -> WSGIApplication:
    class ReadOn:
        def __init__(self, iterable: Any) -> None:
            self._iterable = iterable

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._iterable)

        def close(self) -> None:
            if hasattr(self._iterable, "close"):
                self._iterable.close()
            # Whether there is more after all.
            for block in self._iterable:
                assert not block

    return with_blocks(ReadOn)


@application_mutant("variables-of-numbers", breaks=["wsgi/validate-strict"])
def variables_of_numbers() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["REMOTE_PORT"] = 12345

    return with_environ(change)
