"""One client's connection: its socket, what was read too much, and what is to become of it.

Every read and write of a socket is here, and so is the translation of what the operating system
reports into `ClientError` and `ClientDisconnected`.

A plain socket is left blocking and is given its time limits as socket options. Python's own
`settimeout` would poll before each read and each write: one system call more for each.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any

from .errors import ClientDisconnected, ClientError

if TYPE_CHECKING:
    from .body import RequestBody
    from .settings import Timeouts

RECEIVE_SIZE = 65536
_TIMEOUT_RESPONSE = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 20\r\nConnection: close\r\n\r\n408 Request Timeout\n"
)
_SENDFILE_SIZE = 1 << 20


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("ll", whole, max(int((seconds - whole) * 1_000_000), 0 if whole else 1))


class Connection:
    """A connection in clear text, over TCP or a Unix socket.

    :param sock: the accepted socket; the connection closes it.
    :param address: the client's address as `accept` gave it.
    :param environ: the environ entries that all requests of this connection share.
    :param timeouts: see `Timeouts`.

    :ivar buffer: bytes that were received and that nothing has used yet.
    :ivar searched: how many bytes of `buffer` are known not to end a head.
    :ivar unread: the body of the last request, if the application left some of it unread.
    :ivar served: number of requests that were answered.
    :ivar closing: whether this is the end: no further request is read.
    :ivar linger: whether the client may still be sending, so that it has to be read on for a while.
    :ivar lingering: whether that while has begun; `lingered` counts its bytes.
    :ivar deadline: when `time.monotonic()` passes this, a parked connection has been idle too long.
    :ivar more: whether `buffer` is known to hold more than the last turn could answer.
    :ivar started: when the first byte of an incomplete head came, 0.0 if there is none.
    """

    __slots__ = (
        "address",
        "buffer",
        "closing",
        "deadline",
        "environ",
        "linger",
        "lingered",
        "lingering",
        "more",
        "registered",
        "searched",
        "served",
        "socket",
        "started",
        "timeouts",
        "unread",
    )

    def __init__(
        self, sock: socket.socket, address: Any, environ: dict[str, Any], timeouts: Timeouts
    ) -> None:
        self.socket = sock
        self.address = address
        self.environ = environ
        self.timeouts = timeouts
        self.buffer = b""
        self.searched = 0
        self.unread: RequestBody | None = None
        self.served = 0
        self.closing = False
        self.linger = False
        self.lingering = False
        self.lingered = 0
        self.more = False
        self.registered = False
        self.started = 0.0
        self.deadline = time.monotonic() + timeouts.header
        self._set_timeouts()

    def _set_timeouts(self) -> None:
        self.socket.setblocking(True)
        timeouts = self.timeouts
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(timeouts.body))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeouts.send))

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 once it is closed."""
        return self.socket.fileno()

    def handshake(self) -> bool:
        """Return whether the connection is ready for HTTP; never waits."""
        return True

    def receive_now(self) -> bytes | None:
        """Return what has arrived, b"" at the end of the stream, None if nothing is there yet."""
        try:
            return self.socket.recv(RECEIVE_SIZE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def receive(self, size: int = RECEIVE_SIZE) -> bytes:
        """Wait for bytes and return at most `size` of them, b"" at the end of the stream.

        :raises ClientError: 408 when nothing comes within `Timeouts.body` seconds.
        :raises ClientDisconnected: the connection broke.
        """
        try:
            return self.socket.recv(size)
        except (BlockingIOError, TimeoutError):
            raise ClientError(408, "The request body did not come in time.") from None
        except OSError as error:
            self.abandon()
            raise ClientDisconnected(f"the connection broke while reading: {error}") from None

    def pending(self) -> bool:
        """Return whether bytes were taken from the kernel that `receive_now` has yet to return."""
        return False

    def send(self, data: bytes) -> None:
        """Send all of `data`.

        :raises ClientDisconnected: the client is gone, or took nothing for `Timeouts.send` seconds.
        """
        try:
            self.socket.sendall(data)
        except OSError as error:
            self.abandon()
            raise ClientDisconnected(f"the connection broke while writing: {error}") from None

    def send_file(self, descriptor: int, offset: int, size: int) -> int:
        """Send `size` bytes of a file from `offset` on; return how many there were.

        :raises ClientDisconnected: as for `send`.
        """
        sent = 0
        try:
            while sent < size:
                amount = min(size - sent, _SENDFILE_SIZE)
                count = os.sendfile(self.socket.fileno(), descriptor, offset + sent, amount)
                if count == 0:
                    break  # the file has become shorter
                sent += count
        except OSError as error:
            self.abandon()
            raise ClientDisconnected(
                f"the connection broke while sending a file: {error}"
            ) from None
        return sent

    def send_timeout(self) -> None:
        """Tell a client that its head came too slowly, if it takes that without waiting."""
        with contextlib.suppress(OSError):
            self.socket.send(_TIMEOUT_RESPONSE, socket.MSG_DONTWAIT)

    def abandon(self) -> None:
        """Make this the end of the connection, with nobody left to be polite to."""
        self.closing = True
        self.linger = False

    def end_output(self) -> None:
        """Tell the client that nothing more will come, and keep listening."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.linger = False

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        self.socket.close()


class TLSConnection(Connection):
    """A connection under TLS. Its socket has a timeout of its own, changed as needed.

    The handshake is done step by step as bytes arrive, so that a client which begins one and
    falls silent costs no thread.
    """

    __slots__ = ("_established",)

    socket: ssl.SSLSocket

    def _set_timeouts(self) -> None:
        self._established = False
        self.socket.settimeout(0)

    def handshake(self) -> bool:
        if not self._established:
            self.socket.settimeout(0)
            try:
                self.socket.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError:
                self.abandon()
                return False
            self._established = True
        return True

    def receive_now(self) -> bytes | None:
        self.socket.settimeout(0)
        try:
            return self.socket.recv(RECEIVE_SIZE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError:
            return b""

    def receive(self, size: int = RECEIVE_SIZE) -> bytes:
        self.socket.settimeout(self.timeouts.body)
        return super().receive(size)

    def pending(self) -> bool:
        return self._established and self.socket.pending() > 0

    def send(self, data: bytes) -> None:
        self.socket.settimeout(self.timeouts.send)
        super().send(data)

    def send_timeout(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.settimeout(0)
            self.socket.send(_TIMEOUT_RESPONSE)

    def close(self) -> None:
        # The client is told that this is the end (RFC 8446 section 6.1), if that takes no waiting.
        with contextlib.suppress(OSError, ValueError):
            self.socket.settimeout(0)
            self.socket.unwrap()
        super().close()

    def send_file(self, descriptor: int, offset: int, size: int) -> int:
        # The kernel cannot encrypt what it sends, so the file goes through Python.
        sent = 0
        while sent < size:
            block = os.pread(descriptor, min(size - sent, RECEIVE_SIZE), offset + sent)
            if not block:
                break
            self.send(block)
            sent += len(block)
        return sent
