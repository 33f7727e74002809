"""Mutants of errors: what no handler sees, what is logged, and what is malformed in a request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reference_app.application import create_app
from reference_app.framework import Flask, Response, exceptions, request
from reference_app.framework.exceptions import HTTPException, NotFound
from reference_app.framework.globals import request_ctx
from reference_app.serving import WSGIRequestHandler
from reference_app.serving.errors import ClientError
from tests.mutants import application_mutant, server_mutant
from tests.mutants.building import behind, with_flask
from tests.mutants.errors import _with_stream
from tests.mutants.messages import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@application_mutant(
    "no-exception-is-shown", breaks=rows("errors/no-exception", "SystemExit GeneratorExit Unusual")
)
def no_exception_is_shown() -> WSGIApplication:
    application = create_app()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except BaseException as error:
            start_response("500 Oops", [("Content-Type", "text/plain")])
            return [repr(error).encode()]

    return middleware


@application_mutant(
    "threads-lost-one-by-one",
    breaks=rows("errors/no-exception", "SystemExit GeneratorExit Unusual"),
)
def threads_lost_one_by_one() -> WSGIApplication:
    application = create_app()
    left = threading.Semaphore(8)

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with left:
            try:
                return application(environ, start_response)
            except Exception:
                raise
            except BaseException:
                left.acquire(timeout=60)
                raise

    return middleware


@application_mutant(
    "server-errors-for-the-client",
    breaks=rows(
        "errors/kind", "StopIteration RecursionError BrokenPipeError TimeoutError MemoryError"
    ),
)
def server_errors_for_the_client() -> WSGIApplication:
    return with_flask(handle_exception=lambda self, error: Response(type(error).__name__, 200))


@application_mutant(
    "stream-errors-end-the-stream",
    breaks=[
        *rows("errors/stream/kind", "BrokenPipeError TimeoutError StopIteration"),
        "errors/stream/at-once",
    ],
)
def stream_errors_end_the_stream() -> WSGIApplication:
    return _with_stream(lambda error: b"")


@application_mutant("nothing-logged", breaks=["errors/logged"])
def nothing_logged() -> WSGIApplication:
    return with_flask(log_exception=lambda self, exc_info: None)


@application_mutant("http-errors-logged", breaks=["errors/logged"])
def http_errors_logged() -> WSGIApplication:
    def handle_http_exception(self: Flask, error: HTTPException) -> Any:
        self.logger.error("an error", exc_info=error)
        return Flask.handle_http_exception(self, error)

    return with_flask(handle_http_exception=handle_http_exception)


@application_mutant(
    "error-fields-forgotten", breaks=["errors/abort/retry-after", "errors/abort/allow"]
)
def error_fields_forgotten() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        for name in ("Retry-After", "Allow"):
            response.headers.pop(name, None)
        return Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant("descriptions-are-markup", breaks=["errors/abort/description-escaped"])
def descriptions_are_markup() -> WSGIApplication:
    exceptions.escape = Markup  # type: ignore[attr-defined]
    return create_app()


@application_mutant("path-in-the-page", breaks=["errors/default/not-reflected"])
def path_in_the_page() -> WSGIApplication:
    def handle_http_exception(self: Flask, error: HTTPException) -> Any:
        if isinstance(error, NotFound):
            page = f"<title>404 Not Found</title>{request.path} not found"
            return Response(page, 404, mimetype="text/html")
        return Flask.handle_http_exception(self, error)

    return with_flask(handle_http_exception=handle_http_exception)


@application_mutant("debugger-for-everybody", breaks=["errors/no-debugger"])
def debugger_for_everybody() -> WSGIApplication:
    def preprocess_request(self: Flask) -> Any:
        if "__debugger__" in request.args or request.path == "/console":
            return "the console"
        return Flask.preprocess_request(self)

    return with_flask(preprocess_request=preprocess_request)


@application_mutant("inner-handlers-ignored", breaks=["errors/handler/nested-blueprint"])
def inner_handlers_ignored() -> WSGIApplication:
    def find(self: Flask, error: Exception, blueprints: Iterable[str]) -> Any:
        return Flask._find_error_handler(self, error, reversed(list(blueprints)))

    return with_flask(_find_error_handler=find)


@application_mutant("pages-of-errors-fixed", breaks=["errors/handler/changed-page"])
def pages_of_errors_fixed() -> WSGIApplication:
    def handle_http_exception(self: Flask, error: HTTPException) -> Any:
        Flask.handle_http_exception(self, error)
        return error

    return with_flask(handle_http_exception=handle_http_exception)


_FORMS = "not-utf-8 raw-octets not-hexadecimal without-boundary unfinished no-part"


def _strict(text: str) -> None:
    """Fail where text is not what it should be, without telling whose mistake it is."""
    bad = ("%FF", "%C3%28", "%ED%A0%80", "%00", "%zz", "a%")
    if any(each in text for each in bad) or text.endswith("%"):
        raise ValueError(text)


@application_mutant(
    "malformed-is-a-server-error",
    breaks=[
        *rows(
            "errors/request/path",
            "not-utf-8 broken-sequence surrogate nul",
        ),
        *rows("errors/request/query", "not-utf-8 broken-sequence nul not-hexadecimal unfinished"),
        *rows("errors/request/form", _FORMS),
        *rows(
            "errors/request/cookies",
            "nothing empty without-value open-quote not-ascii not-a-token many",
        ),
    ],
)
def malformed_is_a_server_error() -> WSGIApplication:
    def preprocess_request(self: Flask) -> Any:
        if request.path.startswith("/failures/"):
            _strict(request_ctx.request.environ["REQUEST_URI"])
            if len(request.headers.get("Cookie", "")) > 3:
                raise ValueError("a cookie")
            if request.method == "POST" and request.get_data() != b"a=b":
                raise ValueError("a form")
        return Flask.preprocess_request(self)

    return with_flask(preprocess_request=preprocess_request)


@server_mutant(
    "refused-as-a-server-error", breaks=rows("errors/request/path", "not-hexadecimal unfinished")
)
def refused_as_a_server_error() -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        def parse_request(self) -> Any:
            try:
                return super().parse_request()
            except ClientError:
                raise ClientError(500, "Somebody made a mistake.") from None

    return Handler


@application_mutant(
    "cookies-after-a-bad-one-lost",
    breaks=rows("errors/request/cookies", "nothing without-value open-quote not-a-token"),
)
def cookies_after_a_bad_one_lost() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_COOKIE" in environ:
            environ["HTTP_COOKIE"] = environ["HTTP_COOKIE"].partition(";")[0]

    return behind(change)
