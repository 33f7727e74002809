"""Mutants of error handling: pages, handlers, leaks, and what is left of the connection."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.application import create_app
from reference_app.framework import Flask, Request, Response, request
from reference_app.framework.exceptions import Aborter, HTTPException, InternalServerError
from reference_app.serving import WSGIRequestHandler
from tests.mutants import application_mutant, server_mutant
from tests.mutants.building import with_flask, with_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def _plain(status: int, text: str = "") -> Response:
    return Response(text, status=status, mimetype="text/plain")


@application_mutant(
    "errors-without-a-page",
    breaks=[
        "errors/default/not-found",
        "errors/default/method-not-allowed",
        "errors/default/server-error",
        "errors/abort/response",
        "errors/abort/description",
        *(f"errors/abort/{code}" for code in (400, 401, 403, 404, 405, 409, 410, 413, 415, 418)),
        *(f"errors/abort/{code}" for code in (422, 429)),
        *(f"errors/abort/server-errors/{code}" for code in (500, 501, 502, 503, 504)),
    ],
)
def errors_without_a_page() -> WSGIApplication:
    return with_flask(
        handle_http_exception=lambda self, error: _plain(error.code or 500),
        handle_exception=lambda self, error: _plain(500),
    )


@application_mutant(
    "traceback-shown",
    breaks=[
        "errors/default/server-error",
        "errors/no-leak",
        "errors/handler/fails",
        *(f"errors/return-value/{value}" for value in ("none", "wrong-type", "wrong-tuple")),
    ],
)
def traceback_shown() -> WSGIApplication:
    return with_flask(
        handle_exception=lambda self, error: _plain(500, "".join(traceback.format_exception(error)))
    )


@application_mutant("abort-takes-every-code", breaks=["errors/abort/unknown-code"])
def abort_takes_every_code() -> WSGIApplication:
    class Lenient(Aborter):
        def __call__(self, code: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(code, int) and code < 300:
                raise HTTPException(response=_plain(code))
            super().__call__(code, *args, **kwargs)

    return with_flask(aborter_class=Lenient)


@application_mutant(
    "handlers-ignored",
    breaks=[
        *(
            f"errors/handler/{name}"
            for name in (
                "by-code",
                "by-class",
                "unusual-status",
                "own-exception",
                "most-specific",
                "inherited",
                "status-from-handler",
                "blueprint-first",
                "blueprint-abort",
                "blueprint-unmatched",
                "http-exception",
                "exception",
                "server-error",
                "server-error-aborted",
                "redirects",
                "before-request",
            )
        ),
        "hooks/after-request/handled-error",
    ],
)
def handlers_ignored() -> WSGIApplication:
    return with_flask(_find_error_handler=lambda self, error, blueprints: None)


def _with_lookup(look_up: Callable[[Flask, Any, type[Exception]], Any]) -> Flask:
    """Handlers found by another rule, in what is registered for one place and one code."""

    def find(self: Flask, error: Exception, blueprints: Iterable[str]) -> Any:
        exc_class, code = self._get_exc_class_and_code(type(error))
        for each_code in dict.fromkeys((code, None)):
            for name in (*blueprints, None):
                by_class = self.error_handler_spec[name][each_code]
                if (handler := look_up(self, by_class, exc_class)) is not None:
                    return handler
        return None

    return with_flask(_find_error_handler=find)


@application_mutant("least-specific-handler", breaks=["errors/handler/most-specific"])
def least_specific_handler() -> WSGIApplication:
    return _with_lookup(
        lambda app, by_class, exc_class: next(
            (by_class[cls] for cls in reversed(exc_class.__mro__) if cls in by_class), None
        )
    )


@application_mutant(
    "handler-for-the-exact-class-only",
    breaks=[
        "errors/handler/inherited",
        "errors/handler/exception",
        "errors/handler/http-exception",
    ],
)
def handler_for_the_exact_class_only() -> WSGIApplication:
    return _with_lookup(lambda app, by_class, exc_class: by_class.get(exc_class))


@application_mutant("application-handlers-first", breaks=["errors/handler/blueprint-first"])
def application_handlers_first() -> WSGIApplication:
    def find(self: Flask, error: Exception, blueprints: Iterable[str]) -> Any:
        found = Flask._find_error_handler(self, error, ())
        return found or Flask._find_error_handler(self, error, blueprints)

    return with_flask(_find_error_handler=find)


@application_mutant("blueprint-owns-its-prefix", breaks=["errors/handler/blueprint-unmatched"])
def blueprint_owns_its_prefix() -> WSGIApplication:
    def find(self: Flask, error: Exception, blueprints: Iterable[str]) -> Any:
        own = request.path.startswith("/errors/own/")
        return Flask._find_error_handler(self, error, ["errors-own"] if own else blueprints)

    return with_flask(_find_error_handler=find)


@application_mutant(
    "handler-keeps-the-error-status",
    breaks=["errors/handler/status-from-handler", "errors/handler/redirects"],
)
def handler_keeps_the_error_status() -> WSGIApplication:
    def handle_user_exception(self: Flask, error: Exception) -> Any:
        response = self.make_response(Flask.handle_user_exception(self, error))
        response.status_code = getattr(error, "code", None) or 500
        return response

    return with_flask(handle_user_exception=handle_user_exception)


@application_mutant(
    "original-exception-mixed-up",
    breaks=["errors/handler/server-error", "errors/handler/server-error-aborted"],
)
def original_exception_mixed_up() -> WSGIApplication:
    def find(self: Flask, error: Exception, blueprints: Iterable[str]) -> Any:
        if isinstance(error, InternalServerError):
            error.original_exception = None if error.original_exception else error
        return Flask._find_error_handler(self, error, blueprints)

    return with_flask(_find_error_handler=find)


@application_mutant(
    "clients-mistake-is-a-server-error",
    breaks=[
        "errors/request/form-key",
        "errors/request/query-key",
        *(
            f"errors/request/json/{row}"
            for row in ("empty", "unfinished", "single-quotes", "trailing", "not-utf-8")
        ),
    ],
)
def clients_mistake_is_a_server_error() -> WSGIApplication:
    application = create_app()
    application.config["TRAP_BAD_REQUEST_ERRORS"] = True
    return application


@application_mutant(
    "json-of-every-type",
    breaks=[
        "errors/request/json-type/text",
        "errors/request/json-type/form",
    ],
)
def json_of_every_type() -> WSGIApplication:
    return with_request(
        get_json=lambda self, **options: Request.get_json(self, **{**options, "force": True})
    )


@application_mutant(
    "fails-for-ever-after-an-error",
    breaks=["errors/next-request", "errors/stream/next-request", "errors/teardown"],
)
def fails_for_ever_after_an_error() -> WSGIApplication:
    application = with_flask(handle_exception=lambda self, error: _fail(error))
    failed: list[Exception] = []

    def _fail(error: Exception) -> Response:
        failed.append(error)
        raise error

    def guarded(body: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from body
        except Exception as error:
            failed.append(error)
            raise

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if failed and not environ["PATH_INFO"].startswith("/-/"):
            return _plain(500)(environ, start_response)
        try:
            return guarded(application(environ, start_response))
        except Exception as error:
            failed.append(error)
            raise

    return middleware


def _with_stream(end: Callable[[Exception], bytes]) -> WSGIApplication:
    """The application whose body ends with something when it fails."""
    application = create_app()

    def guarded(body: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from body
        except Exception as error:
            yield end(error)

    return lambda environ, start_response: guarded(application(environ, start_response))


@application_mutant("failed-stream-looks-complete", breaks=["errors/stream/truncation-noticed"])
def failed_stream_looks_complete() -> WSGIApplication:
    return _with_stream(lambda error: b"")


@application_mutant(
    "traceback-in-the-stream",
    breaks=["errors/stream/no-leak", "errors/stream/truncation-noticed"],
)
def traceback_in_the_stream() -> WSGIApplication:
    return _with_stream(lambda error: "".join(traceback.format_exception(error)).encode())


@application_mutant("traceback-after-teardown", breaks=["errors/teardown"])
def traceback_after_teardown() -> WSGIApplication:
    application = create_app()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except Exception as error:
            shown = "".join(traceback.format_exception(error)).encode()
            start_response("500 Oops", [("Content-Type", "text/plain")], (type(error), error, None))  # type: ignore[arg-type]
            return [shown]

    return middleware


@server_mutant(
    "head-is-answered-like-get",
    breaks=[
        f"errors/head/{row}" for row in ("not-found", "method-not-allowed", "aborted", "unhandled")
    ],
)
def head_is_answered_like_get() -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        def parse_request(self) -> Any:
            parsed = super().parse_request()
            if parsed is not None and parsed.method == "HEAD":
                parsed.method = "GET"
            return parsed

    return Handler


@server_mutant("surplus-after-errors", breaks=["errors/connection"])
def surplus_after_errors() -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        def log_request(self, request: Any, response: Any) -> None:
            if response.head is not None and response.head.code >= 400:
                self.connection.send(b"one line more\r\n")

    return Handler


@server_mutant("unread-body-is-a-request", breaks=["errors/connection/unread-body"])
def unread_body_is_a_request() -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        def leave_body(self, body: Any) -> None:
            # What came with the head was set apart for the application.
            self.connection.buffer = getattr(body, "_ready", b"") + self.connection.buffer

    return Handler
