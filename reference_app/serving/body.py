"""`wsgi.input`: the body of one request, pulled by the application and never beyond its end.

The application may read as if it were a file: at the end of the body `read` returns b"", whatever
the framing. That is what `wsgi.input_terminated` promises.

A body that breaks off or is malformed raises `ClientError` from every further read. Were it to look
like a shorter body instead, an application would store half an upload as if it were whole.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from .connection import Connection
from .errors import ClientError
from .parser import Request
from .settings import Limits

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
# RFC 9112 section 7.1. Sizes of more than 15 digits are beyond any limit and any memory.
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})"
    rb"(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
)
_TRAILER_LINE = re.compile(_TOKEN + rb":[\t \x21-\x7e\x80-\xff]*")
_MAX_LINE = 8192


class NoBody:
    """The body of a request that has none: always at its end."""

    __slots__ = ()

    finished = True

    def worth_reading(self) -> bool:
        """Return True: there is nothing to read."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Return b""."""
        return b""

    def readline(self, size: int | None = -1) -> bytes:
        """Return b""."""
        return b""

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return []."""
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


class RequestBody:
    """What the two kinds of framing have in common: a file made of pieces, and time limits.

    :param connection: where the bytes come from.
    :param request: the head of the request.
    :param limits: see `Limits`.
    """

    def __init__(self, connection: Connection, request: Request, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self.expects_continue = request.expects_continue
        self.finished = False
        self._rest = b""  # decoded, not yet read by the application
        self._error: tuple[int, str] | None = None  # not the exception: its traceback holds us
        self._wait = True
        self._detached = False
        self._waited = 0.0
        self._received = 0
        self._skipped = 0

    # What PEP 3333 asks for.

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the body; all of it for -1.

        :raises ClientError: the body is malformed, too large, too slow, or broke off.
        """
        if size is None or size < 0:
            pieces = [self._rest]
            self._rest = b""
            while piece := self._next():
                pieces.append(piece)
            return b"".join(pieces)
        if len(self._rest) < size:
            pieces = [self._rest]
            missing = size - len(self._rest)
            self._rest = b""
            while missing > 0 and (piece := self._next()):
                pieces.append(piece)
                missing -= len(piece)
            self._rest = b"".join(pieces)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line with its end, at most `size` bytes of it.

        :raises ClientError: as for `read`.
        """
        limit = -1 if size is None or size < 0 else size
        pieces: list[bytes] = []
        length = 0
        piece = self._rest
        self._rest = b""
        while True:
            end = piece.find(b"\n") + 1
            if limit >= 0 and (end == 0 or end > limit - length) and length + len(piece) >= limit:
                end = limit - length
                self._rest = piece[end:]
                pieces.append(piece[:end])
                break
            if end:
                self._rest = piece[end:]
                pieces.append(piece[:end])
                break
            pieces.append(piece)
            length += len(piece)
            piece = self._next()
            if not piece:
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return the remaining lines; with `hint`, stop once they hold that many bytes.

        :raises ClientError: as for `read`.
        """
        lines: list[bytes] = []
        total = 0
        while line := self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    # For the server.

    def worth_reading(self) -> bool:
        """Return whether the unread rest is likely to be small enough to read and throw away."""
        return not self.expects_continue and self._error is None

    def drain(self) -> bool:
        """Throw away the rest as far as it is in the connection's buffer.

        :return: whether that was all of it.

        :raises ClientError: the rest is malformed or not worth reading.
        """
        self._wait = False
        try:
            while not self.finished:
                self._skipped += len(self._decode())
                if self._skipped > self._limits.drain:
                    raise ClientError(413, "The rest of the body is not worth reading.")
        except BlockingIOError:
            return False
        return True

    def detach(self) -> None:
        """Cut the stream off from the connection: the request is over.

        An application that kept `wsgi.input` would otherwise eat the next request.
        """
        self._detached = True
        self._rest = b""

    # Where the bytes come from.

    def _next(self) -> bytes:
        """Return the next decoded bytes, b"" at the end of the body."""
        if self._detached:
            raise ValueError("wsgi.input was read after the request had ended.")
        if self.finished:
            return b""
        if self._error is not None:
            raise ClientError(*self._error)
        try:
            return self._decode()
        except ClientError as error:
            self._error = error.status, error.explanation
            raise

    def _decode(self) -> bytes:
        raise NotImplementedError

    def _receive(self, size: int) -> bytes:
        """Return at least one more byte from the connection.

        :raises BlockingIOError: there is none, and this is not the time to wait for one.
        """
        connection = self._connection
        if not self._wait:
            data, connection.buffer = connection.buffer, b""
            if not data:
                raise BlockingIOError
            return data
        if self.expects_continue:
            # RFC 9110 section 10.1.1: the client waits for this. It is sent when the application
            # first reads, so an application that refuses the request without reading the body
            # spares the client from sending it.
            self.expects_continue = False
            connection.send(_CONTINUE)
        started = time.monotonic()
        data = connection.receive(size)
        self._waited += time.monotonic() - started
        self._received += len(data)
        if not data:
            raise ClientError(400, "The request body broke off.")
        timeouts = connection.timeouts
        if self._waited > timeouts.body + self._received / timeouts.body_rate:
            # Each read was answered in time, but with so little that the client could hold on to
            # this thread for as long as it likes.
            raise ClientError(408, "The request body came too slowly.")
        return data


class LengthBody(RequestBody):
    """A body that is framed by Content-Length (RFC 9112 section 6.2)."""

    def __init__(self, connection: Connection, request: Request, limits: Limits) -> None:
        super().__init__(connection, request, limits)
        length = request.content_length
        buffer = connection.buffer
        self._ready, connection.buffer = buffer[:length], buffer[length:]
        self._remaining = length - len(self._ready)
        self.finished = length == 0
        if self._remaining == 0:
            self.expects_continue = False

    def worth_reading(self) -> bool:
        return super().worth_reading() and self._remaining <= self._limits.drain

    def _decode(self) -> bytes:
        data = self._ready
        if data:
            self._ready = b""
        else:
            data = self._receive(min(self._remaining, 65536))
            if len(data) > self._remaining:  # it came out of the connection's buffer
                extra = data[self._remaining :]
                data = data[: self._remaining]
                self._connection.buffer = extra
            self._remaining -= len(data)
        if self._remaining == 0:
            self.finished = True
        return data


class ChunkedBody(RequestBody):
    """A body that is framed by Transfer-Encoding: chunked (RFC 9112 section 7.1).

    llhttp could decode this, but does not tell where in its input the body ended and the next
    request begins. The grammar is followed strictly: CRLF ends a line and nothing else does, and
    extensions and trailer fields have to be well-formed although they are thrown away.
    """

    def __init__(self, connection: Connection, request: Request, limits: Limits) -> None:
        super().__init__(connection, request, limits)
        # The bytes that came with the head are taken over, and those behind the body's end are
        # given back. `_position` moves only over what has been understood, so decoding can be
        # interrupted at any byte and taken up again.
        self._data, connection.buffer = connection.buffer, b""
        self._position = 0
        self._chunk = 0  # bytes that remain of the current chunk
        self._need_crlf = False  # the data of a chunk is over, its CRLF is due
        self._in_trailer = False
        self._total = 0
        self._overhead = 0

    def _more(self) -> None:
        data = self._receive(65536)
        self._data = self._data[self._position :] + data
        self._position = 0

    def _line(self) -> bytes:
        searched = self._position
        while (end := self._data.find(b"\r\n", searched)) < 0:
            if len(self._data) - self._position > _MAX_LINE:
                raise ClientError(400, "A line of the chunked body is too long.")
            tail = self._data[self._position :]
            if b"\n" in tail or b"\r" in tail[:-1]:
                raise ClientError(400, "A line of the chunked body does not end in CRLF.")
            self._more()
            searched = max(len(tail) - 1, 0)
        return self._data[self._position : end]

    def _decode(self) -> bytes:
        while True:
            if self._chunk:
                if self._position >= len(self._data):
                    self._data = b""
                    self._position = 0
                    self._more()
                piece = self._data[self._position : self._position + self._chunk]
                self._position += len(piece)
                self._chunk -= len(piece)
                self._need_crlf = self._chunk == 0
                return piece
            if self._need_crlf:
                while len(self._data) - self._position < 2:
                    if self._data[self._position :] not in (b"", b"\r"):
                        break
                    self._more()
                if not self._data.startswith(b"\r\n", self._position):
                    raise ClientError(400, "A chunk is longer than its size says.")
                self._position += 2
                self._need_crlf = False
            line = self._line()
            if self._in_trailer:
                self._position += len(line) + 2
                if not line:
                    # In front of what has been received since: a body that is drained may be
                    # over in bytes that came before the next request did.
                    self._connection.buffer = self._data[self._position :] + self._connection.buffer
                    self._data = b""
                    self._position = 0
                    self.finished = True
                    return b""
                self._count_overhead(len(line))
                if not _TRAILER_LINE.fullmatch(line):
                    raise ClientError(400, "A trailer field is malformed.")
                continue
            match = _CHUNK_LINE.fullmatch(line)
            if match is None:
                raise ClientError(400, "The size line of a chunk is malformed.")
            self._position += len(line) + 2
            self._count_overhead(len(line) - len(match[1].lstrip(b"0")))
            self._chunk = int(match[1], 16)
            self._total += self._chunk
            limit = self._limits.body
            if limit is not None and self._total > limit:
                self._chunk = 0
                raise ClientError(413, "The body is too large.")
            self._in_trailer = self._chunk == 0

    def _count_overhead(self, size: int) -> None:
        self._overhead += size
        if self._overhead > self._limits.trailer_bytes:
            raise ClientError(400, "Chunk extensions and trailer fields are too large.")


Body = NoBody | LengthBody | ChunkedBody


def make_body(connection: Connection, request: Request, limits: Limits) -> Body:
    """Return the stream for `wsgi.input` that fits the framing of the request."""
    if request.chunked:
        return ChunkedBody(connection, request, limits)
    if request.content_length:
        return LengthBody(connection, request, limits)
    return _NO_BODY


_NO_BODY = NoBody()
