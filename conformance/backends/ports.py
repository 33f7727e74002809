"""Ports for local processes: chosen so that two deployments, or two runs, never get the same one.

To bind port 0, note the number and close the socket would be a race: until the server binds it, the
kernel may hand the same number to anybody, outgoing connections included. Ports below the ephemeral
range are handed to nobody, and a lock on a file per port keeps harnesses apart.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from conformance.backends import BackendError

#: Below the ephemeral range of Linux, which starts at 32768.
RANGE = range(20000, 32000)


class Port:
    """A port of this machine that is ours until `release`."""

    def __init__(self, number: int, lock: int, path: Path) -> None:
        self.number = number
        self._lock = lock
        self._path = path

    def release(self) -> None:
        """Let others have it."""
        if self._lock >= 0:
            # While it is locked; who opened it before that finds out that it is gone.
            self._path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1


def directory() -> Path:
    """The directory of the locks, made if it is not there.

    :raises OSError: it cannot be made.
    """
    path = Path(tempfile.gettempdir()) / f"wsgi-conform-ports-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def reserve(host: str = "127.0.0.1", wanted: int | None = None) -> Port:
    """Reserve a free port.

    :param wanted: this one and no other.
    :raises BackendError: it, or every port of the range, is taken, or the locks have no place.
    """
    reason = "taken"
    for number in random.sample(RANGE, len(RANGE)) if wanted is None else [wanted]:
        try:
            path = directory() / str(number)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BackendError(f"ports cannot be locked: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink == 0:
                raise BlockingIOError("released, and its file removed, since it was opened")
            with socket.socket() as probe:
                # Of all ports one is taken that nobody used in the last minute: connections of then
                # keep it from a server that does not set this option.
                reused = wanted is not None
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reused)
                probe.bind((host, number))
        except OSError as error:
            os.close(lock)
            reason = error.strerror or str(error)
            continue
        return Port(number, lock, path)
    if wanted is not None:
        raise BackendError(f"the port {wanted} cannot be had on {host}: {reason}")
    raise BackendError(f"no port of {RANGE.start} to {RANGE.stop - 1} is free on {host}")


def sweep() -> None:
    """Remove the lock files of harnesses that were killed: those that nobody has locked."""
    with contextlib.suppress(OSError):
        for path in directory().glob("[0-9]*"):
            _remove_if_left(path)


def _remove_if_left(path: Path) -> None:
    with contextlib.suppress(OSError):
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Else it is somebody else's by now.
            if os.fstat(lock).st_nlink:
                path.unlink()
        finally:
            os.close(lock)
