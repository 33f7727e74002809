"""`--reload`: run the server in a child process, and again whenever a source file has changed.

For development only. A child is what makes this safe: an interpreter cannot unload a module so
that nothing of it is left, but a new one starts clean. The child watches the files of the modules
that it has imported, and ends with a status of its own when one changes. If it cannot even start,
because of a syntax error say, the parent waits for the next change of a source file below the
working directory.

A file may change between its import and the first look at it. The parent tells when it started the
child, so that a change since then counts although the file was never seen otherwise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_CHILD = "WSGI_CONFORM_RELOADER_CHILD"
_CHANGED = 66


def is_child() -> bool:
    """Return whether this is the process that serves."""
    return _CHILD in os.environ


def run(serve: Callable[[], int], interval: float) -> int:
    """In the child, call `serve` until a file changes; in the parent, run children.

    :param serve: serves until a signal and returns the exit status.
    :param interval: seconds between two looks at the files.
    :return: the exit status for the process.
    """
    if is_child():
        watch = _Watch(interval)
        watch.start()
        status = serve()
        return _CHANGED if watch.changed else status
    return _supervise(interval)


def _supervise(interval: float) -> int:
    stopped = False
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        if child is not None and child.poll() is None and number != signal.SIGINT:
            child.send_signal(number)  # Ctrl-C reaches the child without help

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    while True:
        before = _times(_sources())
        started = str(time.time_ns())
        child = subprocess.Popen(_command(), env={**os.environ, _CHILD: started})
        status = child.wait()
        if stopped or status == 0:
            return max(status, 0)
        if status == _CHANGED:
            print("A source file has changed: starting again.", file=sys.stderr, flush=True)
            continue
        print(
            f"The server ended with status {status}: waiting for a source file to change.",
            file=sys.stderr,
            flush=True,
        )
        while _times(_sources()) == before:
            if stopped:
                return max(status, 0)
            time.sleep(interval)


def _command() -> list[str]:
    """Return the command that started this process."""
    return [sys.executable, *sys.orig_argv[1:]]


class _Watch(threading.Thread):
    """Ends the process gracefully, by a signal to itself, when the file of a module changes."""

    def __init__(self, interval: float) -> None:
        super().__init__(name="reloader", daemon=True)
        self._interval = interval
        self.changed = False

    def run(self) -> None:
        started = int(os.environ[_CHILD])
        known: dict[str, int] = {}
        while True:
            now = _times(_modules())
            # Not what lies in the future: it would be a change again each time.
            new = [stamp for path, stamp in now.items() if path not in known]
            if (
                any(started < stamp <= time.time_ns() for stamp in new)
                or any(now[path] != stamp for path, stamp in known.items() if path in now)
                or not known.keys() <= now.keys()
            ):
                self.changed = True
                os.kill(os.getpid(), signal.SIGTERM)
                return
            known = now
            time.sleep(self._interval)


def _modules() -> list[str]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return [file for file in files if isinstance(file, str)]


def _sources() -> list[str]:
    return [
        str(path)
        for path in Path.cwd().rglob("*.py")
        if not any(part.startswith(".") for part in path.parts)
    ]


def _times(paths: Iterable[str]) -> dict[str, int]:
    times = {}
    for path in paths:
        try:
            times[path] = os.stat(path).st_mtime_ns
        except OSError:
            continue
    return times
