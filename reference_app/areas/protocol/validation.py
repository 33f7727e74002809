"""The application behind `wsgiref.validate`, for requests that ask for it in a field.

The validator of the standard library stands between server and application and holds both to
PEP 3333. What it finds goes to the journal under the key that `X-Wsgi-Validate` names: `validated`
when a request comes, `violation` for what is wrong, `remark` for what it would object to although
the PEP allows it, and `closed` when the server closes the iterable. What it finds before the
application runs is the answer as well.

It is stricter than the PEP in places, and that is no fault of a server. So what stands here on both
sides of it keeps these things from it: a query that is absent (it warns), variables that no text
defines and that are no strings, and an application that reads without a size. Nor is a missing
`close()` left to it, which would find that when the iterable is collected, in no known time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

from reference_app.areas import journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The variables that CGI defines (RFC 3875 section 4.1), and HTTPS as Apache does.
_CGI = frozenset(
    (
        "AUTH_TYPE",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "GATEWAY_INTERFACE",
        "HTTPS",
        "PATH_INFO",
        "PATH_TRANSLATED",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_IDENT",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
    )
)
#: How much is read at once for a read without a size.
_BLOCK = 65536


class _Report:
    """Writes down what was found for one request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def note(self, event: str, **details: str) -> None:
        journal.record(self._key, event, **details)

    def violation(self, where: str, error: BaseException) -> None:
        self.note("violation", where=where, text=f"{type(error).__name__}: {error}")


class _Input:
    """`wsgi.input` as the validator gives it, with the ways of reading that frameworks use."""

    def __init__(self, stream: Any, report: _Report) -> None:
        self._stream = stream
        self._report = report

    def _call(self, name: str, *arguments: int) -> Any:
        try:
            return getattr(self._stream, name)(*arguments)
        except AssertionError as error:
            self._report.violation(f"wsgi.input.{name}", error)
            raise

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size >= 0:
            data: bytes = self._call("read", size)
            return data
        blocks: list[bytes] = []
        while block := self._call("read", _BLOCK):
            blocks.append(block)
        return b"".join(blocks)

    def readinto(self, buffer: bytearray) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self, *size: int) -> bytes:
        line: bytes = self._call("readline", *size)
        return line

    def readlines(self, *hint: int) -> list[bytes]:
        lines: list[bytes] = self._call("readlines", *hint)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line


class _Iterated:
    """The iterable as the validator gives it; what the server does with it is written down."""

    def __init__(self, iterable: Any, report: _Report) -> None:
        self._iterable = iterable
        self._report = report

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            block: bytes = next(self._iterable)
        except AssertionError as error:
            self._report.violation("the iteration", error)
            raise
        return block

    def close(self) -> None:
        self._report.note("closed")
        self._iterable.close()


class Validation:
    """Puts the validator in front of an application for the requests that ask for it.

    :param application: what is served.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key = environ.get("HTTP_X_WSGI_VALIDATE", "")
        if not key:
            return self._application(environ, start_response)
        report = _Report(key)
        report.note("validated")
        _pass_over_what_is_allowed(environ, report)
        called = False

        def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            nonlocal called
            called = True
            environ["wsgi.input"] = _Input(environ["wsgi.input"], report)
            return self._application(environ, start)

        try:
            iterable = validator(application)(environ, start_response)
        except Exception as error:
            if called and not isinstance(error, AssertionError):
                raise  # a failure of the application's own, which is for the server to deal with
            report.violation("the call", error)
            if called:
                raise
            start_response("500 Violation", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{type(error).__name__}: {error}".encode()]
        return _Iterated(iterable, report)


def _pass_over_what_is_allowed(environ: WSGIEnvironment, report: _Report) -> None:
    """Keep from the validator what it objects to and PEP 3333 allows."""
    for name in ("SCRIPT_NAME", "QUERY_STRING"):
        if name not in environ:
            report.note("remark", text=f"{name} is absent")
            environ[name] = ""
    for name, value in list(environ.items()):
        if not isinstance(name, str) or "." in name or name in _CGI or name.startswith("HTTP_"):
            continue
        if type(value) is not str:
            report.note("remark", text=f"{name} is of type {type(value).__name__}")
            del environ[name]
