"""Files, sent by the `wsgi.file_wrapper` of the server."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from reference_app.areas.protocol.core import (
    BIG_BLOCK,
    BINARY,
    OK,
    Closeable,
    Failure,
    argument,
    at,
    note,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: What is sent.
FILE_CONTENT = bytes(range(256)) * 1024


class _FileLike(io.BytesIO):
    """A file-like object without a descriptor, which says when it is closed."""

    def __init__(self, environ: WSGIEnvironment, content: bytes) -> None:
        super().__init__(content)
        self._environ = environ

    def fileno(self) -> int:
        raise io.UnsupportedOperation("there is no file behind this")

    def close(self) -> None:
        if not self.closed:
            note(self._environ, "close")
        super().close()

    def __del__(self) -> None:
        """To be forgotten is not to be closed."""


class _ReadOnly:
    """The least that is file-like: read() and nothing else."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class _ShortReads:
    """Gives a few bytes at a time, however many are asked for, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(4097)


class _Failing(_FileLike):
    """Fails at the second read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise Failure("in read()")
        return super().read(4096)


class _Real(io.FileIO):
    """A file with a descriptor, which says when it is closed."""

    def __init__(self, environ: WSGIEnvironment, descriptor: int) -> None:
        super().__init__(descriptor, "r+b")
        self._environ = environ

    def close(self) -> None:
        if not self.closed:
            note(self._environ, "close")
        super().close()

    def __del__(self) -> None:
        """To be forgotten is not to be closed."""


def _temporary(content: bytes) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the server closes it)
    file.write(content)
    file.seek(0)
    return file


def _pipe(content: bytes) -> Any:
    reading, writing = os.pipe()
    # Not by `os.close`: gevent puts off what that does, and the reader would wait for the end.
    with os.fdopen(writing, "wb") as file:
        file.write(content)
    return os.fdopen(reading, "rb")


def _real(environ: WSGIEnvironment) -> _Real:
    with _temporary(FILE_CONTENT) as file:
        return _Real(environ, os.dup(file.fileno()))


def _partly_read() -> Any:
    # What is read is buffered, so that the position of the descriptor is another.
    file = _temporary(FILE_CONTENT)
    file.read(1000)
    return file


_FILES: dict[str, Callable[[WSGIEnvironment], Any]] = {
    "like": lambda environ: _FileLike(environ, FILE_CONTENT),
    "read-only": lambda environ: _ReadOnly(FILE_CONTENT),
    "short-reads": lambda environ: _ShortReads(FILE_CONTENT),
    "partly-read": lambda environ: _partly_read(),
    "empty": lambda environ: _temporary(b""),
    "big": lambda environ: _temporary(FILE_CONTENT * 16),
    "pipe": lambda environ: _pipe(FILE_CONTENT[:4096]),
    "failing": lambda environ: _Failing(environ, FILE_CONTENT),
    "real": _real,
    "endless": lambda environ: _FileLike(environ, BIG_BLOCK * 256),
}
#: The Content-Length of a kind that has one.
_LENGTHS = {"length": 1000, "range": 1000, "too-short": 1000, "whole-length": len(FILE_CONTENT)}


@at("file")
def send_file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a file by `wsgi.file_wrapper`; X-File-Wrapper says whether the server offers one.

    The file has the bytes from 0 to 255, 1024 times over. What it is, where it stands and what
    else is done with it, the query says.
    """
    kind = argument(environ, "kind")
    wrapper = environ.get("wsgi.file_wrapper")
    headers = [BINARY, ("X-File-Wrapper", "present" if wrapper else "absent")]
    if kind in _LENGTHS and wrapper:
        headers.append(("Content-Length", str(_LENGTHS[kind])))
    start_response(OK, headers)
    if wrapper is None:
        return [b""]
    if kind == "too-short":
        file = _temporary(FILE_CONTENT[:500])
    elif kind in _FILES:
        file = _FILES[kind](environ)
    else:
        file = _temporary(FILE_CONTENT)
        file.seek(1000 if kind in ("offset", "range") else 0)
    wrapped: Iterable[bytes] = wrapper(file, 8192) if kind == "block-size" else wrapper(file)
    if kind == "moved":
        file.seek(1000)
    if kind == "unused":
        # It is only made, not returned: an error handler may have come in between.
        close = getattr(wrapped, "close", file.close)
        close()
        return [b"another body"]
    if kind == "iterated":
        # As a middleware would that looks at each block; it is in charge of close() as well.
        return Closeable(environ, (block for block in wrapped))
    return wrapped
