"""`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling")."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from typing import Any

# Files whose bytes are those behind their file descriptor. Others have a `fileno` too, and lie:
# that of a GzipFile, say, leads to the compressed bytes.
_PLAIN_FILES = (io.BufferedReader, io.BufferedRandom, io.FileIO)


class FileWrapper:
    """An iterable over a file, which the server may send without reading it into Python.

    :param filelike: anything with `read`, and `close` if it has to be closed.
    :param blksize: bytes for a read, where it comes to reading.
    """

    def __init__(self, filelike: Any, blksize: int = 65536) -> None:
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.blksize):
            yield block

    def region(self) -> tuple[int, int, int] | None:
        """Return descriptor, offset and number of bytes from the file's position to its end.

        None for what is not a plain file on disk: that is sent by iterating.
        """
        file = self.filelike
        if type(file) not in _PLAIN_FILES:
            return None
        try:
            descriptor = file.fileno()
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            offset = file.tell()
        except (OSError, ValueError):
            return None
        return descriptor, offset, max(status.st_size - offset, 0)
