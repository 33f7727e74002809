"""Where connections wait for bytes, without a thread.

`epoll` in one-shot mode: a connection that has bytes is reported once, to one thread, and not again
before it is parked again. So several threads may wait in the same `Parking`, and the kernel does
what a queue and a lock would do otherwise.

Who takes a connection out of `_parked` owns it. Popping from a dict is one step under the
interpreter's lock, so a connection that gets bytes in the same moment in which its time is up goes
either to a worker or to whoever closes it. An event for a descriptor that is no longer parked, or
that has been reused since, does no harm: the first read of a turn never waits.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import Any

from .connection import Connection

_BYTES = select.EPOLLIN | select.EPOLLONESHOT
_BYTES_OR_NOW = _BYTES | select.EPOLLOUT


class Parking:
    """Connections that wait for bytes, and whatever else the server waits for."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._parked: dict[int, Connection] = {}
        self._watched: dict[int, Any] = {}
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._alarm, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._parked)

    def park(self, connection: Connection) -> None:
        """Wait for bytes on a connection; the caller must not touch it any more.

        One that has more requests in its buffer only has to queue behind the others. It waits for
        the socket to be writable as well, which it nearly always is.
        """
        descriptor = connection.fileno()
        self._parked[descriptor] = connection
        events = _BYTES_OR_NOW if connection.more else _BYTES
        if connection.registered:
            # A stale event can have given the connection to another thread between these lines,
            # and that may have closed it by now.
            with contextlib.suppress(OSError, ValueError):
                self._epoll.modify(descriptor, events)
        else:
            connection.registered = True
            self._epoll.register(descriptor, events)

    def watch(self, descriptor: int, what: Any) -> None:
        """Have `wait` return `what` whenever `descriptor` is readable."""
        self._watched[descriptor] = what
        self._epoll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Take back `watch`."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def wait(self, timeout: float | None = None) -> Any:
        """Return a connection that has bytes, now the caller's, or something watched, or None.

        :param timeout: seconds; None to wait without end. None is also returned after `wake`.
        """
        for descriptor, _ in self._epoll.poll(timeout, 1):
            connection = self._parked.pop(descriptor, None)
            if connection is not None:
                return connection
            return self._watched.get(descriptor)
        return None

    def wake(self) -> None:
        """Make all calls of `wait` return, these and later ones, until `rest`. Safe in a signal
        handler."""
        with contextlib.suppress(OSError):
            os.eventfd_write(self._alarm, 1)

    def rest(self) -> None:
        """Take back `wake`."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._alarm)

    def claim_expired(self) -> list[Connection]:
        """Take out the connections whose deadline has passed, and return them."""
        now = time.monotonic()
        late = [c for c in list(self._parked.values()) if c.deadline < now]
        return [c for c in late if self.claim(c)]

    def claim_all(self) -> list[Connection]:
        """Take out all connections, and return them."""
        return [c for c in list(self._parked.values()) if self.claim(c)]

    def claim_idlest(self) -> Connection | None:
        """Take out the connection that has been idle for longest, if there is any."""
        idle = [c for c in list(self._parked.values()) if not c.buffer]
        while idle:
            connection = min(idle, key=lambda c: c.deadline)
            if self.claim(connection):
                return connection
            idle.remove(connection)
        return None

    def claim(self, connection: Connection) -> bool:
        """Take out a connection; return False if somebody else has it."""
        claimed = self._parked.pop(connection.fileno(), None)
        if claimed is not None and claimed is not connection:
            # In this very moment the connection was taken by a worker, closed, and its descriptor
            # given to another one.
            self.park(claimed)
        return claimed is connection

    def close(self) -> None:
        """Release the descriptors; connections are not closed."""
        self._epoll.close()
        os.close(self._alarm)
