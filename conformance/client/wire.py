"""The wire client: bytes out, bytes in, and a strict reader of HTTP/1.1 responses.

It sends exactly the bytes it is given, so that a check can send what no well-behaved client would.
It reads responses by the letter of RFC 9112 and forgives nothing, because it is the judge. It never
waits for a time to pass: it waits for bytes or for the end of the connection, and a peer that gives
neither within the time limit has hung, which is an outcome of its own (`TimedOut`).

    PeerError (an AssertionError)     the peer did wrong
     ├─ MalformedResponse             what came is not HTTP/1.1
     ├─ ConnectionClosed              the connection ended before the answer was complete
     └─ TimedOut                      nothing came, and the connection stayed open
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from conformance.client.exchanges import Exchange, Recorder
from conformance.client.unread import unread

__all__ = [
    "Connection",
    "ConnectionClosed",
    "MalformedResponse",
    "PeerError",
    "Recorder",
    "Response",
    "TimedOut",
    "Wire",
]

#: Seconds without a byte after which a peer has hung. Only a failing check ever waits this long.
TIME_LIMIT_S = 10.0
#: How many time limits one check may take as a whole, against a peer that trickles, and how many
#: more for each answer that it got, for some checks ask hundreds of times.
CHECK_LIMIT = 6
ANSWER_LIMIT = 0.1
#: The longest head and chunk line that are read before the peer counts as babbling, in bytes.
HEAD_LIMIT = 256 * 1024
#: The longest body that is kept, in bytes; what is larger is read piece by piece.
BODY_LIMIT = 32 * 1024 * 1024
#: What a chunk takes in memory beside its own bytes; chunks of one byte add up, too.
_CHUNK_COST = 64
#: The most interim (1xx) responses that are read before a final one has to come.
INTERIM_LIMIT = 100


class PeerError(AssertionError):
    """The peer did something that the check, or HTTP itself, does not allow."""


class MalformedResponse(PeerError):
    """What came back is not an HTTP/1.1 response."""


class ConnectionClosed(PeerError):
    """The connection ended before the answer was complete."""


class TimedOut(PeerError):
    """No byte came within the time limit, and the connection stayed open: the peer hangs."""


_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# RFC 9112 section 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]
_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2}) ([\t \x21-\x7e\x80-\xff]*)")
# RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS
_FIELD_LINE = re.compile(
    rb"(" + _TOKEN + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff][\t \x21-\x7e\x80-\xff]*)?)"
)
#: Seconds between two looks at what the peer has read.
_LOOK_S = 0.0005
#: More than the size of anything has, and few enough for int().
_LENGTH_DIGITS = 100
# RFC 9112 section 7.1: chunk = chunk-size [ chunk-ext ] CRLF
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?")


@dataclass
class Response:
    """One response as it came.

    :param fields: the header section, in order, names and values as sent (latin-1).
    :param framing: what ended the body: `none`, `content-length`, `chunked` or `close`.
    :param interim: the 1xx responses that came before it.
    """

    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    framing: str = "none"
    trailers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    interim: list[Response] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """The values of every field of that name, in order; names have no case."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The value of a field that has to be there exactly once.

        :raises PeerError: it is missing or is there more than once.
        """
        values = self.all(name)
        if len(values) != 1:
            raise PeerError(f"expected one {name} field, found {values!r} in {self.describe()}")
        return values[0]

    def describe(self) -> str:
        """Status and fields in one line, for messages."""
        fields = "; ".join(f"{name}: {value}" for name, value in self.fields)
        return f"{self.status} {self.reason} [{fields}]"


class Connection:
    """One TCP connection to the deployment; every byte of it is recorded.

    A context manager. Closing is the caller's, and the `wire` fixture closes what is left.
    """

    def __init__(
        self,
        address: tuple[str, int],
        recorder: Recorder,
        time_limit_s: float,
        patience: _Patience | None = None,
    ) -> None:
        self.number = next(recorder.numbers)
        self.time_limit_s = time_limit_s
        self._check = patience or _Patience(math.inf)
        self._recorder = recorder
        self._exchange: Exchange | None = None
        self._answered = False
        self._buffer = bytearray()
        self._ended = False
        try:
            self._socket = socket.create_connection(address, timeout=self._patience())
        except OSError as error:
            raise ConnectionClosed(
                f"no connection to {address[0]}:{address[1]}: {error}"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Sending

    def begin(self) -> Exchange:
        """The exchange that the next bytes belong to."""
        return self._current(sending=True)

    def send(self, data: bytes) -> None:
        """Send these bytes and nothing else.

        A peer that closes while it is sent to has often answered already, and the answer is still
        to be read; so a broken pipe is no error here, and the reading that follows finds out.
        """
        exchange = self.begin()
        exchange.send(data)
        try:
            self._socket.settimeout(self._patience())
            self._socket.sendall(data)
        except TimeoutError:
            exchange.touch("timed out")
            self._patience()
            raise TimedOut(
                f"the peer took no more bytes for {self.time_limit_s:g} s while being sent "
                f"{len(data)} bytes"
            ) from None
        except OSError:
            pass
        exchange.touch()

    def request(
        self,
        method: str,
        target: str,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        *,
        version: str = "1.1",
        host: str | None = "wsgi-conform.test",
        behind: bytes = b"",
    ) -> None:
        """Send a well-formed request; Host and Content-Length are added where they are needed.

        :param behind: what is sent with it, right behind it.
        """
        lines = [f"{method} {target} HTTP/{version}"]
        if host is not None:
            lines.append(f"Host: {host}")
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"") + behind)

    def taken(self, patience_s: float) -> bool:
        """Whether the peer's program has read within this time all that was sent.

        False, at once, where nobody can tell as well: see `unread`.
        """
        deadline = time.monotonic() + patience_s
        while waiting := unread(self._socket):
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_S)
        return waiting == 0

    @property
    def began(self) -> bool:
        """Whether any byte has come since the last request was sent."""
        return self._exchange is not None and self._exchange.response.total > 0

    def shutdown_write(self) -> None:
        """Say that no more bytes will be sent (a half-close)."""
        if self._exchange is not None and not self._answered:
            self._exchange.half_close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection in the ordinary way."""
        self._socket.close()

    def reset(self) -> None:
        """Close it with a TCP reset, as a client does that vanishes."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    # Receiving

    def receive(
        self, method: str = "GET", take: Callable[[bytes], object] | None = None
    ) -> Response:
        """Read one whole response, interim (1xx) ones before it included.

        :param method: the method of the request that it answers; the answer to HEAD has no body.
        :param take: is called with each piece of the body as it comes, and none of it is kept.
        :raises MalformedResponse: what came is not HTTP/1.1 (RFC 9112).
        :raises ConnectionClosed: the connection ended before the response was complete.
        :raises TimedOut: no byte came within the time limit.
        """
        interim = []
        while True:
            response = self.receive_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
            if len(interim) > INTERIM_LIMIT:
                raise MalformedResponse(
                    f"more than {INTERIM_LIMIT} interim responses came before a final one"
                )
        response.interim = interim
        self._read_body(response, method, take)
        self._answered = True
        self._check.answered()
        if self._exchange is not None:
            self._exchange.touch("answered")
            self._exchange.answers += 1
        return response

    def receive_head(self) -> Response:
        """Read a status line and a header section, and leave the body for later."""
        line = self._line("a status line")
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise MalformedResponse(
                f"expected a status line (RFC 9112 section 4), found {_shown(line)}"
            )
        version, status, reason = (part.decode("latin-1") for part in match.groups())
        return Response(version, int(status), reason, self._fields())

    def receive_body_part(self, response: Response) -> bytes:
        """Read the next piece of a body as it arrives: one chunk, or whatever bytes are there.

        Empty at the end of the body; for `receive_head` followed by piecewise reading.
        """
        framing, length = self._framing(response, "GET")
        response.framing = framing
        if framing == "chunked":
            if piece := self._chunk(response):
                response.chunks.append(piece)
        elif framing == "content-length":
            missing = length - len(response.body)
            piece = self._some(missing, "more of the body") if missing else b""
        elif framing == "close":
            piece = self._some(BODY_LIMIT, None)
        else:
            piece = b""
        if len(response.body) + len(response.chunks) * _CHUNK_COST > BODY_LIMIT:
            raise MalformedResponse(f"the body has more than {BODY_LIMIT} bytes; no more are read")
        response.body += piece
        return piece

    def more(self) -> bool:
        """Wait for what comes next: True if it is a byte, False if it is the end of the connection.

        :raises TimedOut: neither came.
        """
        return bool(self._buffer) or self._more(
            "another response or the end of the connection", end_is_wrong=False
        )

    def reacted(self, patience_s: float = 0.0) -> bool:
        """Whether a byte or the end of the connection is there to be read; nothing is read."""
        if patience_s and self._exchange is not None:
            self._exchange.looked = True
        return bool(self._buffer) or bool(select.select([self._socket], [], [], patience_s)[0])

    def receive_ahead(self, patience_s: float) -> bool:
        """Receive what comes next, to be read later; False if nothing comes, or the end does."""
        self._current().looked = True
        there = not self._ended and bool(select.select([self._socket], [], [], patience_s)[0])
        return there and self._more("more bytes", end_is_wrong=False)

    @property
    def ended(self) -> bool:
        """Whether the peer has ended the connection, as far as it was read."""
        return self._ended

    def cut(self, patience_s: float) -> bool:
        """Whether the peer ends the connection within this time, read or not what came before.

        False, after that time, where the system does not tell: only Linux does.
        """
        poll = select.poll()
        poll.register(self._socket, getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(patience_s * 1000))

    def receive_end(self) -> bytes:
        """Read until the peer closes; return what came before that, usually nothing.

        :raises TimedOut: the peer kept the connection open.
        """
        going_on = True
        while going_on:
            going_on = self._more("the end of the connection", end_is_wrong=False)
            if len(self._buffer) > BODY_LIMIT:
                raise MalformedResponse(f"more than {BODY_LIMIT} bytes came without an end")
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def assert_closed(self) -> None:
        """The peer closes the connection and sends nothing more before that."""
        rest = self.receive_end()
        if rest:
            raise MalformedResponse(f"expected the connection to end, found {_shown(rest)}")

    def assert_usable(self, target: str = "/-/identity") -> None:
        """The connection is in step: another request on it gets its own answer."""
        self.request("GET", target)
        response = self.receive()
        if response.status != 200:
            raise PeerError(f"expected 200 on the same connection, found {response.describe()}")

    # The inside

    def _current(self, *, sending: bool = False) -> Exchange:
        if self._exchange is None or (sending and self._answered):
            self._exchange = self._recorder.begin(self.number)
            self._answered = False
        return self._exchange

    def _more(self, wanted: str, *, end_is_wrong: bool = True) -> bool:
        """Receive some bytes into the buffer; False at the end of the connection."""
        exchange = self._current()
        exchange.looked = True
        data = b""
        ended = "closed"
        if not self._ended:
            try:
                self._socket.settimeout(self._patience())
                data = self._socket.recv(65536)
            except TimeoutError:
                exchange.touch("timed out")
                self._patience()
                raise TimedOut(
                    f"waited {self.time_limit_s:g} s for {wanted}: no byte came and the connection "
                    f"stayed open{self._so_far()}"
                ) from None
            except OSError:
                ended = "reset"
        if data:
            exchange.response.add(data)
            exchange.touch()
            self._buffer += data
            return True
        self._ended = True
        if exchange.ended != "answered":
            exchange.touch(ended)
        if end_is_wrong:
            how = "reset" if ended == "reset" else "closed"
            raise ConnectionClosed(
                f"waited for {wanted}: the peer {how} the connection{self._so_far()}"
            )
        return False

    def _patience(self) -> float:
        """Seconds to wait for the peer now: the time limit, or what is left of the check's.

        :raises TimedOut: nothing is left.
        """
        return min(self.time_limit_s, self._check.left_s())

    def _so_far(self) -> str:
        return f"; so far it sent {_shown(bytes(self._buffer))}" if self._buffer else ""

    def _line(self, wanted: str) -> bytes:
        """One line without its CRLF; a bare LF is not the end of a line for a strict reader."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if start > HEAD_LIMIT:
                raise MalformedResponse(
                    f"waited for {wanted}: {start} bytes came without a line end"
                )
            self._more(wanted)
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            raise MalformedResponse(f"expected {wanted} to end in CR LF, found {_shown(line)}")
        return line[:-2]

    def _fields(self) -> list[tuple[str, str]]:
        fields = []
        size = 0
        while line := self._line("a field line or the end of the header section"):
            size += len(line)
            match = _FIELD_LINE.fullmatch(line)
            if match is None or size > HEAD_LIMIT:
                raise MalformedResponse(
                    f"expected a field line (RFC 9112 section 5), found {_shown(line)}"
                )
            name, value = match.groups()
            fields.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))
        return fields

    def _framing(self, response: Response, method: str) -> tuple[str, int]:
        """What delimits the body: RFC 9112 section 6.3, in its order."""
        status = response.status
        if method == "HEAD" or status < 200 or status in (204, 304):
            return "none", 0
        codings = [
            value.strip().lower()
            for line in response.all("Transfer-Encoding")
            for value in line.split(",")
        ]
        lengths = response.all("Content-Length")
        if codings:
            if response.version == "1.0":
                raise MalformedResponse("a response of HTTP/1.0 has Transfer-Encoding")
            if lengths:
                raise MalformedResponse(
                    "a response has both Transfer-Encoding and Content-Length "
                    "(RFC 9112 section 6.2)"
                )
            if codings != ["chunked"]:
                raise MalformedResponse(f"expected the transfer coding chunked, found {codings!r}")
            return "chunked", 0
        if lengths:
            if len(set(lengths)) != 1 or not re.fullmatch("[0-9]+", lengths[0]):
                raise MalformedResponse(f"expected one Content-Length, found {lengths!r}")
            if len(lengths[0]) > _LENGTH_DIGITS:
                raise MalformedResponse(f"a Content-Length of {len(lengths[0])} digits")
            return "content-length", int(lengths[0])
        return "close", 0

    def _read_body(
        self, response: Response, method: str, take: Callable[[bytes], object] | None
    ) -> None:
        response.framing, length = self._framing(response, method)
        if take is not None:
            for piece in self._pieces(response, length):
                take(piece)
            return
        if length > BODY_LIMIT:
            raise MalformedResponse(
                f"the body is said to have {length} bytes; at most {BODY_LIMIT} are read"
            )
        pieces: list[bytes] = []
        size = 0
        chunked = response.framing == "chunked"
        for piece in self._pieces(response, length):
            pieces.append(piece)
            size += len(piece) + (_CHUNK_COST if chunked else 0)
            if size > BODY_LIMIT:
                raise MalformedResponse(
                    f"the body has more than {BODY_LIMIT} bytes; no more are read"
                )
        response.body = b"".join(pieces)
        response.chunks = pieces if chunked else []

    def _pieces(self, response: Response, length: int) -> Iterator[bytes]:
        """The body as it comes: chunk by chunk, or whatever bytes are there."""
        if response.framing == "chunked":
            while piece := self._chunk(response):
                yield piece
        elif response.framing == "content-length":
            came = 0
            while came < length:
                piece = self._some(length - came, f"the body ({came} of {length} bytes came)")
                came += len(piece)
                yield piece
        elif response.framing == "close":
            while piece := self._some(BODY_LIMIT, None):
                yield piece

    def _chunk(self, response: Response) -> bytes:
        line = self._line("a chunk size")
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise MalformedResponse(
                f"expected a chunk size (RFC 9112 section 7.1), found {_shown(line)}"
            )
        size = int(match[1], 16)
        if size == 0:
            response.trailers = self._fields()
            return b""
        data = self._exactly(size, f"a chunk of {size} bytes")
        end = self._exactly(2, "the CR LF after a chunk")
        if end != b"\r\n":
            raise MalformedResponse(
                f"expected CR LF after a chunk of {size} bytes, found {_shown(end)}"
            )
        return data

    def _exactly(self, size: int, wanted: str) -> bytes:
        if size > BODY_LIMIT:
            raise MalformedResponse(
                f"{wanted} is said to have {size} bytes; at most {BODY_LIMIT} are read"
            )
        while len(self._buffer) < size:
            self._more(f"{wanted} ({len(self._buffer)} of {size} bytes came)")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _some(self, limit: int, wanted: str | None) -> bytes:
        """Up to `limit` bytes as soon as there are any; `wanted` None: the end may come instead."""
        if not self._buffer:
            self._more(wanted or "more bytes or the end", end_is_wrong=wanted is not None)
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data


class _Patience:
    """How long a check may take as a whole, on all of its connections and in all of its threads.

    :param time_limit_s: how long the peer may be silent.
    """

    def __init__(self, time_limit_s: float) -> None:
        self._time_limit_s = time_limit_s
        self._began = time.monotonic()
        self._answers = itertools.count()
        self._limits = float(CHECK_LIMIT)

    def answered(self) -> None:
        """A whole answer came: the check gets on, and may go on for longer."""
        self._limits = CHECK_LIMIT + ANSWER_LIMIT * (next(self._answers) + 1)

    def left_s(self) -> float:
        """Seconds that are left.

        :raises TimedOut: none.
        """
        left_s = self._began + self._limits * self._time_limit_s - time.monotonic()
        if left_s <= 0:
            raise TimedOut(f"the check as a whole took longer than {self._limits:g} time limits")
        return left_s


class Wire:
    """Opens connections to one deployment for one check, and closes those that are left open."""

    def __init__(
        self,
        address: tuple[str, int],
        recorder: Recorder | None = None,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        self.address = address
        self.recorder = recorder or Recorder()
        self.time_limit_s = time_limit_s
        self._patience = _Patience(time_limit_s)
        self._connections: list[Connection] = []

    def connect(self) -> Connection:
        """A new connection."""
        connection = Connection(self.address, self.recorder, self.time_limit_s, self._patience)
        self._connections.append(connection)
        return connection

    def connect_many(self, number: int) -> Sequence[Connection]:
        """That many connections."""
        return [self.connect() for _ in range(number)]

    def exchange(
        self, data: bytes, method: str = "GET", take: Callable[[bytes], object] | None = None
    ) -> Response:
        """Send bytes on a connection of their own and read one response."""
        with self.connect() as connection:
            connection.send(data)
            return connection.receive(method, take)

    def ask(
        self,
        method: str,
        target: str,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Response:
        """Send a well-formed request on a connection of its own and read the response."""
        with self.connect() as connection:
            connection.request(method, target, [*fields, ("Connection", "close")], body)
            return connection.receive(method)

    def close(self) -> None:
        """Close every connection that was opened."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()


def _shown(data: bytes) -> str:
    """Bytes for a message: as a literal, and not more of them than help."""
    return repr(data) if len(data) <= 200 else f"{data[:200]!r} and {len(data) - 200} bytes more"
