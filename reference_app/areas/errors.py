"""Errors: what becomes of an exception, and of what the client did wrong.

Most of what is raised here carries a text from the query, which must not come back in a page that
the framework or the server makes. The handlers say which one of them ran, and what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from reference_app.api import (
    Blueprint,
    Flask,
    Gone,
    HTTPException,
    InternalServerError,
    Response,
    abort,
    g,
    jsonify,
    make_response,
    redirect,
    request,
)
from reference_app.areas import journal


class GeneralError(Exception):
    """Handled by the application, and by one blueprint."""


class SpecificError(GeneralError):
    """Handled by the application by itself as well."""


class NoHandlerOfItsOwn(SpecificError):
    """Not handled but as what it derives from."""


class InsufficientStorage(HTTPException):
    """A status that the framework knows no class for."""

    code = 507
    description = "Not enough storage space."


class BrokenHandlerError(Exception):
    """Its handler raises another exception."""


class RedirectedError(Exception):
    """Its handler answers with a redirect."""


class BeforeError(Exception):
    """Raised before the view is called."""


class QuietError(Exception):
    """Its handler gives no status."""


def register(app: Flask) -> None:
    """Add the routes of this area, and the application's own handlers."""
    for blueprint in (_area(), _own(), _generic(), _internal()):
        app.register_blueprint(blueprint)

    def handled(name: str, error: Exception, status: int = 500) -> tuple[Response, int]:
        return jsonify(handler=f"app: {name}", error=type(error).__name__), status

    @app.errorhandler(GeneralError)
    def general(error: GeneralError) -> tuple[Response, int]:
        return handled("GeneralError", error)

    @app.errorhandler(SpecificError)
    def specific(error: SpecificError) -> tuple[Response, int]:
        return handled("SpecificError", error)

    @app.errorhandler(428)
    def by_code(error: HTTPException) -> tuple[Response, int]:
        return handled("428", error, 428)

    @app.errorhandler(Gone)
    def by_class(error: Gone) -> tuple[Response, int]:
        return handled("Gone", error, 410)

    @app.errorhandler(404)
    def not_found(error: HTTPException) -> HTTPException | tuple[Response, int]:
        # Passed through where no check asks for a page of the application's own.
        if request.path.startswith("/errors/own/"):
            return handled("404", error, 404)
        return error

    @app.errorhandler(BrokenHandlerError)
    def broken(error: BrokenHandlerError) -> NoReturn:
        raise RuntimeError(request.args["text"])

    @app.errorhandler(RedirectedError)
    def redirected(error: RedirectedError) -> Response:
        return redirect("/errors/landed")

    @app.errorhandler(InsufficientStorage)
    def insufficient(error: InsufficientStorage) -> tuple[Response, int]:
        return handled("InsufficientStorage", error, error.code)


def _raise(name: str) -> NoReturn:
    """Raise the exception of that name."""
    for error in (
        GeneralError,
        SpecificError,
        NoHandlerOfItsOwn,
        BrokenHandlerError,
        RedirectedError,
        InsufficientStorage,
    ):
        if error.__name__ == name:
            raise error
    raise RuntimeError(request.args["text"])


def _area() -> Blueprint:
    """Raises, and has no handler of its own."""
    area = Blueprint("errors", __name__, url_prefix="/errors")

    @area.route("/fail", methods=["GET", "POST"])
    def fail() -> str:
        """Raise an exception that nothing handles: 500, without its text."""
        raise RuntimeError(request.args["text"])

    @area.get("/raise/<name>")
    def raised(name: str) -> str:
        """Raise the exception of that name, which the application may handle; the answer says which
        handler ran."""
        _raise(name)

    @area.get("/abort/<int:code>")
    def aborted(code: int) -> str:
        """Abort with a status: the page that belongs to it, or what a handler for it says."""
        abort(code)

    @area.get("/abort-described")
    def described() -> str:
        """Abort with 403 and a description, which is escaped in the page."""
        abort(403, description=request.args["text"])

    @area.get("/abort-response")
    def with_response() -> str:
        """Abort with a response that is made already."""
        abort(make_response("a response of its own", 409, {"X-Own": "yes"}))

    @area.get("/landed")
    def landed() -> str:
        """Where the redirect of an error handler leads."""
        return "landed"

    @area.post("/form-key")
    def form_key() -> str:
        """Read a key of the form: 400 if it is not there."""
        return request.form["wanted"]

    @area.get("/query-key")
    def query_key() -> str:
        """Read a key of the query: 400 if it is not there."""
        return request.args["wanted"]

    @area.post("/json")
    def read_json() -> Response:
        """Read JSON: 400 if it is none, 415 if it is not said to be."""
        return jsonify(found=request.get_json())

    @area.get("/none")
    def nothing() -> None:
        """Return None, which no view may: 500."""
        return None

    @area.get("/wrong-type")
    def wrong_type() -> Any:
        """Return a number, which no view may: 500."""
        return 7

    @area.get("/wrong-tuple")
    def wrong_tuple() -> Any:
        """Return a tuple of four, which no view may: 500."""
        return "body", 200, {}, "one too many"

    @area.get("/stream")
    def stream() -> Response:
        """A stream that fails behind its first block."""

        def generate() -> Iterator[str]:
            yield "the first block;"
            raise RuntimeError(request_text)

        request_text = request.args["text"]
        return Response(generate(), mimetype="text/plain")

    @area.get("/teardown")
    def in_teardown() -> str:
        """Answer, and fail in a teardown function, when the response is made already."""
        g.fail_in_teardown = request.args["text"]
        g.teardown_key = request.args["key"]
        return "answered"

    @area.teardown_request
    def fail_in_teardown(error: BaseException | None) -> None:
        if "fail_in_teardown" in g:
            journal.record(g.teardown_key, "teardown")
            raise RuntimeError(g.fail_in_teardown)

    return area


def _own() -> Blueprint:
    """Has handlers of its own for what the application handles as well."""
    own = Blueprint("errors-own", __name__, url_prefix="/errors/own")

    def handled(name: str, error: Exception, status: int) -> tuple[Response, int]:
        return jsonify(handler=f"blueprint: {name}", error=type(error).__name__), status

    @own.errorhandler(GeneralError)
    def general(error: GeneralError) -> tuple[Response, int]:
        return handled("GeneralError", error, 500)

    @own.errorhandler(404)
    def not_found(error: HTTPException) -> tuple[Response, int]:
        return handled("404", error, 404)

    @own.errorhandler(428)
    def by_code(error: HTTPException) -> tuple[Response, int]:
        return handled("428", error, 428)

    @own.errorhandler(BeforeError)
    def before_error(error: BeforeError) -> tuple[Response, int]:
        return handled("BeforeError", error, 503)

    @own.before_request
    def fail_before() -> None:
        if "fail-before" in request.args:
            raise BeforeError

    @own.get("/raise/<name>")
    def raised(name: str) -> str:
        """As `/errors/raise/{name}`, with handlers of the blueprint's own, which come first."""
        _raise(name)

    @own.get("/abort/<int:code>")
    def aborted(code: int) -> str:
        """As `/errors/abort/{code}`, with handlers of the blueprint's own for 404 and 428."""
        abort(code)

    return own


def _generic() -> Blueprint:
    """Has handlers for the base classes of everything."""
    generic = Blueprint("errors-generic", __name__, url_prefix="/errors/generic")

    @generic.errorhandler(Exception)
    def anything(error: Exception) -> tuple[Response, int]:
        return jsonify(handler="Exception", error=type(error).__name__), 500

    @generic.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Response, int]:
        return jsonify(handler="HTTPException", error=type(error).__name__), error.code or 500

    @generic.errorhandler(409)
    def conflict(error: HTTPException) -> tuple[Response, int]:
        return jsonify(handler="409", error=type(error).__name__), 409

    @generic.get("/fail")
    def fail() -> str:
        """Raise an exception that a handler for all exceptions turns into a response."""
        raise RuntimeError(request.args["text"])

    @generic.errorhandler(QuietError)
    def quiet_error(error: QuietError) -> str:
        return "nothing happened"

    @generic.get("/quiet")
    def quiet() -> str:
        """Raise an exception whose handler gives no status: 200."""
        raise QuietError

    @generic.get("/abort/<int:code>")
    def aborted(code: int) -> str:
        """Abort where there are handlers for all exceptions, all HTTP exceptions, and for 409."""
        abort(code)

    return generic


def _internal() -> Blueprint:
    """Has a handler for 500."""
    internal = Blueprint("errors-internal", __name__, url_prefix="/errors/internal")

    @internal.errorhandler(500)
    def server_error(error: InternalServerError) -> tuple[Response, int]:
        original = error.original_exception
        return jsonify(
            error=type(error).__name__,
            original=None if original is None else [type(original).__name__, str(original)],
        ), 500

    @internal.get("/fail")
    def fail() -> str:
        """Raise an exception that a handler for 500 is given, as the original of its own."""
        raise ValueError(request.args["text"])

    @internal.get("/abort")
    def aborted() -> str:
        """Abort with 500, for which there is a handler; it has no original exception."""
        abort(500)

    return internal
