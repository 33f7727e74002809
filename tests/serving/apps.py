"""Small WSGI applications for the tests, each for one thing."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
