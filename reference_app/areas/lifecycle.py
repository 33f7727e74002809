"""What the checks of start and stop ask for: requests that stay, streams that stay, an end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator

from reference_app.api import Flask, Response, request
from reference_app.areas import journal

#: Seconds that a request waits at a gate that nobody opens.
PATIENCE_S = 15.0


class Stream:
    """Two blocks with a gate between them; its `close()` is told in the log."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __iter__(self) -> Iterator[bytes]:
        yield b"before the gate\n"
        if journal.hold(self._key, PATIENCE_S):
            yield b"behind the gate\n"

    def close(self) -> None:
        print(f"closed {self._key}", file=sys.stderr, flush=True)


def register(app: Flask) -> None:
    """Add the routes of this area."""

    @app.get("/lifecycle/held/<key>")
    def held(key: str) -> Response:
        """Wait at a gate, and say whether it was opened."""
        opened = journal.hold(key, PATIENCE_S)
        return Response("behind the gate" if opened else "gave up")

    @app.get("/lifecycle/stream/<key>")
    def stream(key: str) -> Response:
        """A block, a gate, and another block if it was opened; the log says when `close()` was
        called."""
        return Response(Stream(key))

    @app.get("/lifecycle/say/<key>")
    def say(key: str) -> Response:
        """Write a line to stdout, to stderr and to `wsgi.errors`."""
        print(f"stdout {key}", flush=True)
        print(f"stderr {key}", file=sys.stderr, flush=True)
        errors = request.environ["wsgi.errors"]
        errors.write(f"wsgi.errors {key}\n")
        errors.flush()
        return Response("said")

    @app.get("/lifecycle/end/killed")
    def killed() -> Response:
        """End the process by SIGKILL, before there is a response."""
        os.kill(os.getpid(), signal.SIGKILL)
        return Response("not ended")

    @app.get("/lifecycle/end/exits")
    def exits() -> Response:
        """End the process with exit status 7, before there is a response."""
        # Not 3 or 4, by which gunicorn's workers tell their master that no other would do better.
        os._exit(7)

    @app.get("/lifecycle/end/faults")
    def faults() -> Response:
        """End the process by a fault in memory, before there is a response."""
        # As a fault in an extension module ends it: in the thread that it happens in.
        ctypes.string_at(0)
        return Response("not ended")
