"""A peer that does what its script says, whatever it is asked: for tests of the clients."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: What a peer does with a connection, until it returns and the connection is closed.
Script = Callable[[socket.socket], object]


class Peer:
    """Listens on a port of loopback and handles one connection after another with its scripts."""

    def __init__(self, *scripts: Script) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._scripts = scripts
        #: Set by the test when it has seen enough: for scripts that keep a connection open.
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for script in self._scripts:
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection:
                    script(connection)

    def join(self) -> None:
        """Wait until every script has run."""
        self._thread.join(10)

    def close(self) -> None:
        """Let every script end."""
        self.done.set()
        # Wakes an accept() that nobody connected to.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive(), "a script did not end"


@contextmanager
def peer(*scripts: Script) -> Iterator[Peer]:
    """A peer with a script for each connection, for as long as the block runs."""
    made = Peer(*scripts)
    try:
        yield made
    finally:
        made.close()


def read_head(connection: socket.socket) -> bytes:
    """Read one request without a body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


def says(*pieces: bytes, reset: bool = False) -> Script:
    """Reads a request's head, sends these pieces one by one, and closes."""

    def script(connection: socket.socket) -> None:
        read_head(connection)
        for piece in pieces:
            connection.sendall(piece)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script
