"""Load: bodies too large to be kept, made and hashed block by block; plain WSGI callables.

Every block of a download says where in the body it stands, so that one that is lost, doubled or in
the wrong place changes the hash; and no side has to keep the whole of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from reference_app.areas import journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from reference_app.api import Flask

PREFIX = "/load/"
#: The blocks of a download, in bytes, unless the query says otherwise.
BLOCK = 65536
#: How much of a body without a known length is asked for at once, and at most, in bytes.
READ_BLOCK = 4096
READ_LIMIT = 64 * 1024 * 1024
#: After so many bytes a download that is watched says how far it is.
NOTED = 64 * 1024


def register(app: Flask) -> None:
    """Serve the paths of this area in front of the application."""
    app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[method-assign]


class Middleware:
    """Downloads and uploads, and the application for every other path."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == f"{PREFIX}download":
            return _download(environ, start_response)
        if path == f"{PREFIX}upload":
            return _upload(environ, start_response)
        return self._application(environ, start_response)


def _download(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """A body of `size` bytes in blocks of `block`, with its length if the query has `length`.

    With a `key` the journal says how much of it the server has asked for.
    """
    query = parse_qs(environ.get("QUERY_STRING", ""))
    size = int(query["size"][0])
    block = int(query.get("block", [str(BLOCK)])[0])
    key = query.get("key", [""])[0]
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", str(size)))
    start_response("200 OK", headers)
    return _blocks(size, block, key)


def _blocks(size: int, block: int, key: str) -> Iterator[bytes]:
    position = 0
    while position < size:
        content = b"%015d\n" % position * (block // 16 + 1)
        yield content[: min(block, size - position)]
        position += block
        if key and position % NOTED == 0:
            journal.record(key, "yielded", bytes=position)


def _upload(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read a body to its end, and say how long it was and what its hash is.

    With `memory` in the query also how much memory this process has had at most.
    """
    stream = environ["wsgi.input"]
    seen = hashlib.sha256()
    length = 0
    # Without a length the body is a chunked one, which the server ends.
    known = environ.get("CONTENT_LENGTH")
    limit, block = (int(known), BLOCK) if known else (READ_LIMIT, READ_BLOCK)
    while length < limit and (data := stream.read(min(limit - length, block))):
        seen.update(data)
        length += len(data)
    query = environ.get("QUERY_STRING", "")
    answer = {"query": query, "length": length, "sha256": seen.hexdigest()}
    if "memory" in parse_qs(query):
        answer["peak"] = _peak()
    body = json.dumps(answer).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def _peak() -> int:
    """The most memory that this process has had, in bytes (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
