"""Workers: what a thread, a greenlet or a process still has of a request when the next one comes.

`/context/leave` leaves behind what it can and ends in the way that the query asks for.
`/wsgi/context/found` says what is there: first around the framework, where there must be no context
at all, and then in a view. The other callables below `/wsgi/context/` are what no framework would
let a view do while several requests are handled at once.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    abort,
    after_this_request,
    current_app,
    flash,
    g,
    get_flashed_messages,
    has_app_context,
    has_request_context,
    jsonify,
    request,
    session,
    stream_with_context,
)
from reference_app.areas import journal
from reference_app.areas.protocol.core import at

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Blocks, and how many of them there are, of a stream that the client leaves: more than any buffer.
BLOCK = b"." * 65536
BLOCKS = 256
#: How long a block of a response is that is sent while others are sent, in bytes.
RESPONSE_BLOCK = 4096

_variable: ContextVar[str | None] = ContextVar("what a step of an iteration sees", default=None)


def register(app: Flask) -> None:
    """Add the routes of this area."""
    app.register_blueprint(_blueprint())
    framework = app.wsgi_app

    @at("context/found")
    def found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Look around before the framework is called, and let a view say what was there."""
        error = sys.exc_info()[0]
        environ["wsgi_conform.outside"] = {
            "request context": has_request_context(),
            "application context": has_app_context(),
            "exception": None if error is None else error.__name__,
            "field": environ.get("HTTP_X_PAYLOAD"),
            "cookie": environ.get("HTTP_COOKIE"),
            "left": environ.get("wsgi_conform.left"),
        }
        environ["PATH_INFO"] = "/context/found"
        return framework(environ, start_response)


def _meet() -> bool:
    return journal.meet(
        request.args["key"],
        request.args.get("parties", 1, type=int),
        request.args.get("patience", 8.0, type=float),
    )


def _leave() -> None:
    """Leave something behind wherever a request can."""
    payload = request.args["payload"]
    request.environ["wsgi_conform.left"] = payload
    g.payload = payload
    g.leave_key = request.args["key"]
    session["payload"] = payload
    flash(payload)

    @after_this_request
    def mark(response: Response) -> Response:
        response.headers["X-Left"] = payload
        return response


def _blueprint() -> Blueprint:
    area = Blueprint("context_worker", __name__, url_prefix="/context")

    @area.before_request
    def leave_before() -> None:
        if request.args.get("how") == "hook-error":
            _leave()
            _meet()
            raise RuntimeError("this hook always fails")

    @area.post("/leave")
    def leave() -> Response | str:
        """Leave something behind in the environ, `g`, the session and the response, and end as
        `how` says."""
        _leave()
        journal.record(request.args["key"], "inside")
        _meet()
        how = request.args["how"]
        if how == "http-error":
            abort(418)
        if how == "error":
            raise RuntimeError("this view always fails")
        if how == "nested-error":
            with current_app.app_context(), current_app.test_request_context("/inner"):
                g.payload = session["payload"] = "inner"
                raise RuntimeError("this view always fails")
        if how in ("stream", "failed-stream"):
            return Response(stream_with_context(_stream(how)), mimetype="text/plain")
        return "left"

    @area.get("/long-stream")
    def long_stream() -> Response:
        """As `/context/leave`, with a stream of 16 MiB that the client leaves; the journal says
        when it is closed."""
        _leave()

        def generate() -> Iterator[bytes]:
            try:
                for _ in range(BLOCKS):
                    yield BLOCK
            finally:
                journal.record(request.args["key"], "closed")

        return Response(stream_with_context(generate()), mimetype="application/octet-stream")

    @area.post("/found")
    def found() -> Response:
        """What is there of an earlier request; called by `/wsgi/context/found`, and of no use
        without it."""
        met = _meet()
        return jsonify(
            met=met,
            outside=request.environ["wsgi_conform.outside"],
            g=sorted(g),
            session=dict(session),
            flashed=get_flashed_messages(),
        )

    return area


def _stream(how: str) -> Iterator[str]:
    yield "begun;"
    if how == "failed-stream":
        raise RuntimeError("this stream always fails")
    yield request.args["payload"]


# Around the framework


def _arguments(environ: WSGIEnvironment) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}


def _meet_around(arguments: dict[str, str]) -> bool:
    return journal.meet(
        arguments["key"], int(arguments["parties"]), float(arguments.get("patience", 8))
    )


def _json(start_response: StartResponse, value: Any) -> list[bytes]:
    body = json.dumps(value).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


@at("context/environ")
def own_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Change the environ, wait for others that do the same, and say what is in it then."""
    arguments = _arguments(environ)
    environ["wsgi_conform.payload"] = environ["PATH_INFO"] = arguments["payload"]
    met = _meet_around(arguments)
    return _json(
        start_response,
        {
            "met": met,
            "added": environ["wsgi_conform.payload"],
            "changed": environ["PATH_INFO"],
            "query": _arguments(environ)["payload"],
            "field": environ.get("HTTP_X_PAYLOAD"),
        },
    )


@at("context/input")
def own_input(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read one half of the body, wait for others that do the same, and read the other half."""
    arguments = _arguments(environ)
    stream = environ["wsgi.input"]
    missing = int(environ["CONTENT_LENGTH"])
    blocks = [stream.read(missing // 2)]
    met = _meet_around(arguments)
    missing -= len(blocks[0])
    while missing > 0 and (block := stream.read(min(missing, 8192))):
        blocks.append(block)
        missing -= len(block)
    # Said by its characters, not sent back: the body of every request is one character repeated.
    body = b"".join(blocks).decode("latin-1")
    return _json(
        start_response,
        {"met": met, "length": len(body), "payloads": sorted(set(body.split()))},
    )


@at("context/response")
def own_response(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A response that is announced, and begun, while others are; in the way the query asks for."""
    arguments = _arguments(environ)
    payload = arguments["payload"]
    block = (payload + " ").encode() * (RESPONSE_BLOCK // (len(payload) + 1))
    headers = [("Content-Type", "text/plain"), ("X-Payload", payload)]
    write = start_response(f"200 {payload}", headers)
    if arguments["by"] == "write":
        write(block)
        _meet_around(arguments)
        write(block)
        return [block]
    if arguments["by"] == "iteration":
        return _held_blocks(arguments, block)
    _meet_around(arguments)
    return [block] * 3


def _held_blocks(arguments: dict[str, str], block: bytes) -> Iterator[bytes]:
    yield block
    _meet_around(arguments)
    yield block
    yield block


class _Steps:
    """An iterable that says of each step in which thread it is, and which variable it sees."""

    def __init__(self, key: str, payload: str) -> None:
        self._key = key
        self._payload = payload
        self._thread = threading.get_ident()
        _variable.set(payload)

    def _note(self, step: str) -> None:
        same = threading.get_ident() == self._thread
        own = _variable.get() == self._payload
        journal.record(self._key, step, same_thread=same, variable=own)

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(3):
            self._note("iteration")
            yield b"block;"

    def close(self) -> None:
        self._note("close")


@at("context/steps")
def steps(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Note in the journal where each step of a request runs: the iteration, and `close()`.

    Others wait in the call at the same time, so that there are several threads to choose from.
    """
    arguments = _arguments(environ)
    response = _Steps(arguments["key"], arguments["payload"])
    _meet_around(arguments)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return response
