"""What the server writes to standard error: the access log, and what went wrong.

Not the `logging` module: the server must not depend on how the application configures it, and a
line per request is on the hot path. Each entry is one `write`, so entries of threads and of
processes that share a standard error do not mix.
"""

from __future__ import annotations

import re
import sys
import time
import traceback
from typing import TextIO

# Whatever could end a line, open a field or drive a terminal. A client chooses the request line,
# so an access log that wrote it as it came could be given entries that never happened.
_UNSAFE = re.compile(r'[\x00-\x1f"\\\x7f-\uffff]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def escape(text: str) -> str:
    """Return `text` with everything but plain printable ASCII written as an escape."""
    return _UNSAFE.sub(_escape, text)


class Log:
    """The log of one server.

    :param access: whether requests are logged; errors always are.
    :param stream: where to write; None for whatever `sys.stderr` is at the time of writing.
    """

    def __init__(self, access: bool = True, stream: TextIO | None = None) -> None:
        self.access = access
        self._stream = stream
        self._stamp = (0, "")

    def _write(self, text: str) -> None:
        stream = self._stream or sys.stderr
        try:
            stream.write(text)
            stream.flush()
        except (AttributeError, OSError, RuntimeError, ValueError):
            # Standard error is closed, full, or in use by what a signal handler interrupted. None
            # of these is a reason to fail a request.
            pass

    def request(self, address: str, request_line: str, status: int, size: int) -> None:
        """Write one line in Common Log Format.

        :param address: the client's address, "-" if it has none.
        :param request_line: as it was received, in ISO-8859-1.
        :param status: the status code of the response.
        :param size: bytes of the response's body that were sent.
        """
        if self.access:
            quoted = escape(request_line)
            self._write(f'{address} - - [{self._time()}] "{quoted}" {status} {size or "-"}\n')

    def _time(self) -> str:
        now = int(time.time())
        second, text = self._stamp
        if second != now:
            local = time.localtime(now)
            hours, minutes = divmod(abs(local.tm_gmtoff) // 60, 60)
            sign = "-" if local.tm_gmtoff < 0 else "+"
            zone = f"{sign}{hours:02}{minutes:02}"
            text = (
                f"{local.tm_mday:02}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:"
                f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {zone}"
            )
            self._stamp = (now, text)
        return text

    def message(self, text: str) -> None:
        """Write one line of plain text."""
        self._write(f"{text}\n")

    def exception(self, text: str, error: BaseException) -> None:
        """Write `text` and the traceback of `error`: for the operator, never for the client."""
        lines = "".join(traceback.format_exception(error))
        self._write(f"{text}\n{lines}")
