"""Exchanges: the bytes that a check sent and got, as they are kept in the results."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

#: How much of one direction of one exchange is kept, in bytes.
BYTES_KEPT = 8 * 1024
#: How many exchanges of one check are kept; the last ones, since a check fails at its end.
EXCHANGES_KEPT = 24


class Capped:
    """Bytes of which the first `BYTES_KEPT` are kept and the rest is counted."""

    __slots__ = ("kept", "total")

    def __init__(self) -> None:
        self.kept = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = BYTES_KEPT - len(self.kept)
        if room > 0:
            self.kept += data[:room]

    def as_json(self) -> dict[str, Any]:
        return {"text": self.kept.decode("latin-1"), "bytes": self.total}


@dataclass
class Exchange:
    """What went over one connection from a request to the end of what answered it.

    :param connection: number of the connection within its check, from 1.
    :param started: seconds since the epoch when the first byte was sent.
    :param ended: how it ended: `answered`, `closed`, `reset`, `timed out` or `open`.
    :param pauses: where the client looked for an answer before it sent the rest: how many bytes it
        had sent and received by then.
    :param half_closed: whether it said that it sends no more, before it had an answer.
    """

    connection: int
    started: float = field(default_factory=time.time)
    duration_s: float = 0.0
    ended: str = "open"
    #: How many whole responses the check has read of it.
    answers: int = 0
    request: Capped = field(default_factory=Capped)
    response: Capped = field(default_factory=Capped)
    pauses: list[tuple[int, int]] = field(default_factory=list)
    half_closed: bool = False
    #: Whether the client has looked for an answer since it sent something.
    looked: bool = False
    _clock: float = field(default_factory=time.monotonic)

    def touch(self, ended: str | None = None) -> None:
        """Something was sent or received just now."""
        self.duration_s = time.monotonic() - self._clock
        if ended is not None:
            self.ended = ended

    def send(self, data: bytes) -> None:
        """These bytes are about to be sent."""
        if self.looked:
            self._pause()
        self.request.add(data)

    def half_close(self) -> None:
        """No more bytes will be sent."""
        if self.looked:
            self._pause()
        self.half_closed = True

    def _pause(self) -> None:
        self.looked = False
        # Those in what is not kept would say nothing.
        if self.request.total <= BYTES_KEPT:
            self.pauses.append((self.request.total, self.response.total))

    def as_json(self) -> dict[str, Any]:
        """As in results.json: bytes as latin-1 text, times in seconds."""
        found: dict[str, Any] = {
            "connection": self.connection,
            "started": round(self.started, 6),
            "duration_s": round(self.duration_s, 6),
            "ended": self.ended,
            "answers": self.answers,
            "request": self.request.as_json(),
            "response": self.response.as_json(),
        }
        # Few have them, and there are hundreds of thousands of exchanges.
        if self.pauses:
            found["pauses"] = [
                {"sent": sent, "received": received} for sent, received in self.pauses
            ]
        if self.half_closed:
            found["half_closed"] = True
        return found


class Recorder:
    """Collects the exchanges of one check; several threads may record in it."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        #: Numbers for connections.
        self.numbers = itertools.count(1)

    def begin(self, connection: int) -> Exchange:
        """A new exchange on that connection."""
        exchange = Exchange(connection)
        self.exchanges.append(exchange)
        return exchange

    def as_json(self) -> dict[str, Any]:
        """The exchanges that are kept, and how many there were."""
        return {
            "total": len(self.exchanges),
            "kept": [exchange.as_json() for exchange in self.exchanges[-EXCHANGES_KEPT:]],
        }
