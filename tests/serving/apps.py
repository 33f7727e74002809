"""Small WSGI applications for the tests, each for one thing."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Environ = dict[str, Any]


def echo(environ: Environ, start_response: Any) -> list[bytes]:
    """Answer with what the server made of the request."""
    body = environ["wsgi.input"].read()
    seen = {key: value for key, value in environ.items() if isinstance(value, (str, bool))}
    seen["body"] = body.decode("latin-1")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


def hello(environ: Environ, start_response: Any) -> list[bytes]:
    """Answer without reading the body."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


class Body:
    """A body that counts how often it is closed."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self.blocks = iter(blocks)
        self.closed = 0

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> Any:
        return next(self.blocks)

    def close(self) -> None:
        self.closed += 1


def pid(environ: Environ, start_response: Any) -> list[bytes]:
    """Answer with the number of the process."""
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]


def suicide(environ: Environ, start_response: Any) -> list[bytes]:
    """End the process the hard way, if asked to."""
    if environ["PATH_INFO"] == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    return hello(environ, start_response)


def hold(environ: Environ, start_response: Any) -> list[bytes]:
    """Leave a file that says so, and wait for one that says to go on."""
    Path(f"entered-{uuid.uuid4()}").touch()
    while not Path("release").exists():
        time.sleep(0.005)
    start_response("200 OK", [])
    return [b"released"]
