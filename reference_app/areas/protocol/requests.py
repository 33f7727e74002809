"""What reaches the application: the environ and the body, as a request became them."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.util import request_uri

from reference_app.areas import journal
from reference_app.areas.protocol.core import (
    OK,
    TEXT,
    answer_json,
    argument,
    at,
    named,
    note,
    patience,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: How much of a body comes back in an answer, in bytes; the hash is of all of it.
BODY_SHOWN = 4096
#: How long the slow answer takes, in seconds: longer than the end of a connection needs to be seen.
SLOW_S = 0.5
#: How long the process is watched while nothing comes, in seconds.
IDLE_S = 0.3
#: How long nothing else of the interpreter runs, in seconds.
HOLD_S = 0.1
#: How much of a body without a known length is read: more than any check sends, so that a server
#: that makes bytes up is found out instead of filling the memory.
BODY_LIMIT = 4 * 1024 * 1024
#: The size of the blocks in which it is read. Small, because `io.RawIOBase` believes a `readinto()`
#: that returns more than it read, and takes the process down with it where the block is large.
BODY_BLOCK = 256


def read_body(environ: WSGIEnvironment) -> bytes:
    """The whole body: as much as CONTENT_LENGTH says, or up to its end where no length is known."""
    stream = environ["wsgi.input"]
    blocks: list[bytes] = []
    if environ.get("HTTP_TRANSFER_ENCODING") or environ.get("wsgi.input_terminated"):
        size = 0
        while size < BODY_LIMIT and (block := stream.read(BODY_BLOCK)):
            blocks.append(block)
            size += len(block)
        return b"".join(blocks)
    length = environ.get("CONTENT_LENGTH") or "0"
    missing = int(length) if length.isascii() and length.isdigit() else 0
    while missing > 0 and (block := stream.read(min(missing, 65536))):
        blocks.append(block)
        missing -= len(block)
    return b"".join(blocks)


@at("echo")
def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the whole body and answer with what came, and as which request."""
    note(environ, "called")
    try:
        body = read_body(environ)
    except BaseException as error:
        note(environ, "not-read", error=named(error))
        raise
    note(environ, "read", length=len(body))
    answer = {
        "method": environ["REQUEST_METHOD"],
        "path": environ.get("PATH_INFO", ""),
        "query": environ.get("QUERY_STRING", ""),
        "content_length": environ.get("CONTENT_LENGTH"),
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body[:BODY_SHOWN].decode("latin-1"),
    }
    return answer_json(start_response, answer)


@at("slow")
def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body and take a while before the answer, or until another request lets it go."""
    read_body(environ)
    note(environ, "called")
    if argument(environ, "patience", ""):
        journal.meet(argument(environ, "key"), 2, patience(environ))
    else:
        time.sleep(SLOW_S)
    return answer_json(start_response, {"query": environ.get("QUERY_STRING", "")})


@at("idle")
def idle(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Do nothing for a while, and say how long that was and how much the process computed in it.

    `waited_s` is the longest time in it that one thread had work and no processor.
    """
    waited = _waited_s()
    began, spent = time.monotonic(), time.process_time()
    time.sleep(IDLE_S)
    answer = {"passed_s": time.monotonic() - began, "spent_s": time.process_time() - spent}
    now = _waited_s()
    answer["waited_s"] = max((now[thread] - waited.get(thread, 0.0) for thread in now), default=0.0)
    return answer_json(start_response, answer)


def _waited_s() -> dict[str, float]:
    """How long each thread of this process has waited for a processor so far, where Linux tells."""
    waited = {}
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # it has ended, or the kernel does not count
            waited[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return waited


@at("hold")
def hold(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Have no other thread of this process run any Python for a while, nor this one."""
    # What is called by PyDLL keeps the GIL.
    ctypes.PyDLL(None).usleep(int(HOLD_S * 1_000_000))
    return answer_json(start_response, {"held_s": HOLD_S})


@at("ignore")
def ignore(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without reading the body."""
    note(environ, "called")
    return answer_json(start_response, {"query": environ.get("QUERY_STRING", "")})


@at("environ")
def show_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The environ: of each value its type, and the value itself where it is text or a number."""
    values = {}
    for key, value in environ.items():
        shown: object = repr(value)
        if value is None or isinstance(value, str | int | float | bool):
            shown = value
        elif isinstance(value, tuple):
            shown = list(value)
        values[str(key)] = {"type": type(value).__name__, "value": shown}
    keys = sorted({type(key).__name__ for key in environ})
    streams = {
        name: [
            method
            for method in methods
            if callable(getattr(environ.get(f"wsgi.{name}"), method, None))
        ]
        for name, methods in (
            ("input", ("read", "readline", "readlines", "__iter__")),
            ("errors", ("flush", "write", "writelines")),
        )
    }
    return answer_json(
        start_response,
        {"type": type(environ).__name__, "keys": keys, "values": values, "streams": streams},
    )


@at("method")
def method(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say in a field, which HEAD has as well, with which method the application was called."""
    start_response(OK, [TEXT, ("X-Method", environ["REQUEST_METHOD"])])
    return [b"see X-Method"]


@at("environ-own")
def own_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Add, change and remove entries, and say whether an earlier request's were found."""
    found = environ.get("wsgi_conform.left")
    environ["wsgi_conform.left"] = "behind"
    environ["PATH_INFO"] = "/changed"
    environ.pop("QUERY_STRING", None)
    return answer_json(start_response, {"found": found, "path": environ["PATH_INFO"]})


_CHANGES: dict[str, Callable[[WSGIEnvironment], object]] = {
    "cleared": lambda environ: environ.clear(),
    "method": lambda environ: environ.update(REQUEST_METHOD="HEAD"),
    "method-of-head": lambda environ: environ.update(REQUEST_METHOD="GET"),
    "protocol": lambda environ: environ.update(SERVER_PROTOCOL="HTTP/0.9"),
    "content-length": lambda environ: environ.update(CONTENT_LENGTH="1000"),
    "input": lambda environ: environ.update({"wsgi.input": io.BytesIO(b"another")}),
    "connection": lambda environ: environ.update(HTTP_CONNECTION="close", HTTP_EXPECT="nothing"),
}


@at("environ-changed")
def change_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Change the environ as middleware may, and answer in two blocks of unknown length."""
    _CHANGES[argument(environ, "change")](environ)
    start_response(OK, [TEXT])
    return (block for block in (b"one;", b"two;"))


@at("url")
def reconstruct_url(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The URL of the request, rebuilt by the algorithm of PEP 3333, which the library has."""
    start_response(OK, [TEXT])
    return [request_uri(environ).encode("latin-1")]
