"""What a local server prints: a file that takes little room, however much is printed.

A pipe would have to be read all the time, or a server that prints would wait; a limit on the size
of its files (RLIMIT_FSIZE) would end it. So it appends to a file, and when that has got long the
harness gives back the room of its beginning (fallocate(2), "Deallocating file space"): what follows
stays where it is, nobody waits, and a server that prints little costs nothing.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

#: How much of the end is kept at least, in bytes; a container's log has as much.
KEPT = 16 * 1024 * 1024
#: How much is read at once, in bytes.
READ = 64 * 1024
#: Seconds between two looks at the size: in that time a server prints a hundred megabytes or so.
_LOOK_S = 0.1
#: Seconds between two looks at what was printed, for who follows it.
_FOLLOW_S = 0.1
#: FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE (linux/falloc.h).
_PUNCH_HOLE = 0x03

_libc = ctypes.CDLL(None)


class ServerLog:
    """The file that a server prints into, which can be read for as long as this object is there.

    A context manager.
    """

    def __init__(self, path: Path) -> None:
        #: The file's descriptor, for the server to append by.
        self.descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self.descriptor)
        #: How much of the beginning is not kept.
        self._dropped = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __enter__(self) -> ServerLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more is printed: let it be."""
        self._closed.set()
        self._thread.join()

    def mark(self) -> int:
        """How much was printed so far."""
        return os.fstat(self.descriptor).st_size

    def since(self, mark: int, most: int = KEPT) -> str:
        """What was printed since a mark, and no more than the last `most` bytes of it."""
        start = max(mark, self.mark() - most, 0)
        return os.pread(self.descriptor, most, start).decode("utf-8", "replace")

    def follow(self, ended: Callable[[], bool]) -> Iterator[bytes]:
        """What is printed, from the beginning and as it comes; what is not kept any more left out.

        :param ended: whether nothing more will come.
        """
        position = 0
        while True:
            # Asked first, so that what came before the end is still read.
            last = ended()
            while printed := os.pread(self.descriptor, READ, position):
                # Looked at after that: what was dropped meanwhile is read as zeros.
                if position >= self._dropped:
                    yield printed
                position = max(position + len(printed), self._dropped)
            if last:
                return
            time.sleep(_FOLLOW_S)

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_S):
            end = self.mark() - KEPT
            if end - self._dropped > KEPT:
                start, self._dropped = self._dropped, end
                size = ctypes.c_int64(end - start)
                # Where a file system cannot do it, all is kept.
                _libc.fallocate(self.descriptor, _PUNCH_HOLE, ctypes.c_int64(start), size)
