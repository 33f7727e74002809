"""What a local server prints: a file that stays small, however much is printed.

A pipe would have to be read all the time, or a server that prints would wait; a limit on the size
of its files (RLIMIT_FSIZE) would end it. So it appends to a file, out of which the harness takes
what is old when there is much of it: nobody waits, and a server that prints little costs nothing.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

#: The size above which what is old is dropped, in bytes; a container's log has the same.
LIMIT = 16 * 1024 * 1024
#: How much of the end is kept then, and how much is read at once, in bytes.
KEPT = 64 * 1024
#: Seconds between two looks at the size: a server prints a hundred megabytes in them, not more.
_LOOK_S = 0.1
#: Seconds between two looks at what was printed, for who follows it.
_FOLLOW_S = 0.1
_NOTE = b"(of what was printed before this, wsgi-conform kept nothing: it was too much)\n"


class ServerLog:
    """The file that a server prints into, which can be read for as long as this object is there.

    Marks count all bytes that were printed, dropped or not. A context manager.
    """

    def __init__(self, path: Path) -> None:
        #: The file's descriptor, for the server to append by.
        self.descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self.descriptor)
        self._lock = threading.Lock()
        #: How many bytes were printed before the first that is in the file.
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
        with self._lock:
            return self._dropped + self._size()

    def since(self, mark: int, most: int = LIMIT) -> str:
        """What was printed since a mark, and no more than the last `most` bytes of it."""
        with self._lock:
            start = max(mark - self._dropped, self._size() - most, 0)
            return os.pread(self.descriptor, most, start).decode("utf-8", "replace")

    def follow(self, ended: Callable[[], bool]) -> Iterator[bytes]:
        """What is printed, from the beginning and as it comes.

        :param ended: whether nothing more will come.
        """
        position = 0
        while True:
            # Asked first, so that what came before the end is still read.
            last = ended()
            while True:
                with self._lock:
                    # What was printed while some was dropped is lost, and not counted.
                    position = min(position, self._dropped + self._size())
                    position = max(position, self._dropped)
                    printed = os.pread(self.descriptor, KEPT, position - self._dropped)
                position += len(printed)
                if not printed:
                    break
                yield printed
            if last:
                return
            time.sleep(_FOLLOW_S)

    def _size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_S):
            if self._size() > LIMIT:
                self._drop()

    def _drop(self) -> None:
        with self._lock:
            size = self._size()
            kept = _NOTE + os.pread(self.descriptor, KEPT, size - KEPT)
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, kept)
            self._dropped += size - len(kept)
