"""Failures: exceptions that no handler sees, what is logged of them, and malformed requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NoReturn

from reference_app.api import (
    Blueprint,
    Flask,
    HTTPException,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    request,
)
from reference_app.areas import journal


class Unusual(BaseException):
    """No `Exception`, so no handler for exceptions sees it."""


class NestedError(Exception):
    """Handled by blueprints in each other."""


#: What a view or a stream raises, by its name in the path.
KINDS: dict[str, type[BaseException]] = {
    error.__name__: error
    for error in (
        SystemExit,
        GeneratorExit,
        Unusual,
        StopIteration,
        RecursionError,
        BrokenPipeError,
        TimeoutError,
        MemoryError,
    )
}


class _Journal(logging.Handler):
    """Notes in the journal what is logged for one request."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def emit(self, record: logging.LogRecord) -> None:
        if request and request.args.get("key") == self._key:
            error = record.exc_info[1] if record.exc_info else None
            journal.record(
                self._key,
                "logged",
                level=record.levelname,
                error=None if error is None else str(error),
            )


def register(app: Flask) -> None:
    """Add the routes of this area."""
    app.register_blueprint(_area())
    app.register_blueprint(_outer())


def _area() -> Blueprint:
    area = Blueprint("failures", __name__, url_prefix="/failures")

    @area.get("/raise/<kind>")
    def raised(kind: str) -> NoReturn:
        """Raise an exception that is often not caught: 500, or what is no `Exception` goes to the
        server."""
        g.left = kind
        raise KINDS[kind](request.args["text"])

    @area.get("/stream/<kind>")
    def stream(kind: str) -> Response:
        """A stream that raises such an exception behind its first block, perhaps with a length
        announced."""
        error = KINDS[kind](request.args["text"])

        def generate() -> Iterator[str]:
            yield "the first block;"
            raise error

        response = Response(generate(), mimetype="text/plain")
        if "length" in request.args:
            response.headers["Content-Length"] = request.args["length"]
        return response

    @area.get("/stream-at-once")
    def stream_at_once() -> Response:
        """A stream that fails before its first block."""
        error = RuntimeError(request.args["text"])

        def generate() -> Iterator[str]:
            if error:
                raise error
            yield "never"

        return Response(generate(), mimetype="text/plain")

    @area.get("/logged/<how>")
    def logged(how: str) -> str:
        """Fail, abort or answer, and note in the journal what is logged of it."""
        logger = current_app.logger
        g.log_handler = _Journal(request.args["key"])
        logger.addHandler(g.log_handler)
        if how == "unhandled":
            raise RuntimeError(request.args["text"])
        if how == "aborted":
            abort(403)
        return "nothing to log"

    @area.teardown_request
    def log_no_more(error: BaseException | None) -> None:
        if "log_handler" in g:
            current_app.logger.removeHandler(g.log_handler)
            journal.record(request.args["key"], "over")

    @area.get("/abort/retry")
    def retry() -> NoReturn:
        """Abort with 503 and a time to wait; the handler answers as JSON and keeps the field."""
        abort(503, retry_after=120)

    @area.get("/abort/allow")
    def allow() -> NoReturn:
        """Abort with 405 and a list of methods, which come back in `Allow`."""
        abort(405, valid_methods=["PUT", "DELETE"])

    @area.get("/cookies")
    def cookies() -> Response:
        """The cookies of a request, malformed ones left out."""
        return jsonify(dict(request.cookies))

    @area.get("/text/<value>")
    def text(value: str) -> Response:
        """The value in the path and the query, whatever bytes were in them."""
        return jsonify(value=value, query=dict(request.args))

    @area.post("/form")
    def form() -> Response:
        """The fields of a form, malformed ones left out."""
        return jsonify(dict(request.form))

    @area.errorhandler(HTTPException)
    def as_json(error: HTTPException) -> Any:
        response = error.get_response()
        if request.path == "/failures/abort/retry":
            response.data = b'{"as": "json"}'
            response.content_type = "application/json"
        return response

    return area


def _outer() -> Blueprint:
    """A blueprint in a blueprint, with handlers in both."""
    inner = Blueprint("failures-inner", __name__, url_prefix="/inner")
    outer = Blueprint("failures-outer", __name__, url_prefix="/failures/outer")

    @outer.errorhandler(NestedError)
    def of_outer(error: NestedError) -> str:
        return "outer"

    @inner.errorhandler(409)
    def of_inner(error: HTTPException) -> str:
        return "inner"

    @outer.errorhandler(409)
    def not_of_inner(error: HTTPException) -> str:
        return "outer"

    @inner.get("/error")
    def fail() -> NoReturn:
        """Raise an exception in a blueprint within another, which has the handler."""
        raise NestedError

    @inner.get("/conflict")
    def conflict() -> NoReturn:
        """Abort in a blueprint within another, where both have a handler: the inner one's."""
        abort(409)

    outer.register_blueprint(inner)
    return outer
