"""Every number that bounds what a client can make the server do, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send.

    :param request_line: bytes of the request line, above which the answer is 414. RFC 9112
        section 3 recommends to support at least 8000.
    :param header_fields: number of field lines, above which the answer is 431.
    :param header_bytes: bytes of all field lines together, above which the answer is 431.
    :param body: bytes of a request body, above which the answer is 413; None for no limit.
    :param drain: bytes of an unread request body that are read and thrown away to keep the
        connection. Above it, closing is cheaper than reading on.
    :param trailer_bytes: bytes of chunk extensions and trailer fields of one chunked body. They
        are thrown away, so a client that needs more is not after anything useful.
    """

    request_line: int = 8192
    header_fields: int = 100
    header_bytes: int = 32768
    body: int | None = 1 << 30
    drain: int = 65536
    trailer_bytes: int = 16384


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client may take, in seconds.

    :param header: from the first byte of a request (for a new connection: from the connection) to
        the end of its header section. The sum counts, not the gaps: a client that sends a byte a
        second gains nothing.
    :param keep_alive: how long a connection may be idle between two requests.
    :param body: how long a read of the request body may wait, on top of what `body_rate` allows.
    :param body_rate: bytes per second that a client must deliver on average once `body` is used up.
    :param send: how long the client may refuse to take any more bytes of a response.
    :param linger: how long a connection that the server closes early is read on, so that the
        client gets to see the answer (RFC 9112 section 9.6).
    :param stop: how long a graceful stop waits for requests in flight.
    """

    header: float = 10.0
    keep_alive: float = 15.0
    body: float = 20.0
    body_rate: float = 500.0
    send: float = 20.0
    linger: float = 1.0
    stop: float = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What `make_server` and `run_simple` take beyond the arguments that Werkzeug knows.

    :param limits: see `Limits`.
    :param timeouts: see `Timeouts`.
    :param access_log: write a line per request, in Common Log Format, to standard error.
    """

    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    access_log: bool = True
