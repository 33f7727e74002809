"""Mutants of hooks: nesting, what they hand over, errors in each kind of them, and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_app.application import create_app
from reference_app.framework import Flask, Response, g, request
from reference_app.framework.globals import request_ctx
from reference_app.framework.signals import Signal
from tests.mutants import application_mutant
from tests.mutants.building import with_flask, with_request
from tests.mutants.messages import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KINDS = "url-value-preprocessor before-request context-processor after-this-request after-request"


@application_mutant("inner-blueprint-alone", breaks=["hooks/blueprint/nested-order"])
def inner_blueprint_alone() -> WSGIApplication:
    def blueprints(self: Any) -> list[str]:
        return [] if self.blueprint is None else [self.blueprint]

    return with_request(blueprints=property(blueprints))


@application_mutant("g-emptied-before-the-view", breaks=["hooks/before-request/hands-over"])
def g_emptied_before_the_view() -> WSGIApplication:
    def dispatch_request(self: Flask) -> Any:
        g.pop("handed_over", None)
        g.handed_over = None
        return Flask.dispatch_request(self)

    return with_flask(dispatch_request=dispatch_request)


@application_mutant("after-request-on-a-copy", breaks=["hooks/after-request/changes-response"])
def after_request_on_a_copy() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        body = response.get_data() if request.path == "/hooks-more/finished" else None
        response = Flask.process_response(self, response)
        if body is not None:
            response.set_data(body)
        return response

    return with_flask(process_response=process_response)


@application_mutant("after-this-request-in-reverse", breaks=["hooks/after-this-request/order"])
def after_this_request_in_reverse() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        request_ctx._after_request_functions.reverse()
        return Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant(
    "after-this-request-not-on-errors", breaks=["hooks/after-this-request/view-fails"]
)
def after_this_request_not_on_errors() -> WSGIApplication:
    def handle_exception(self: Flask, error: Exception) -> Response:
        request_ctx._after_request_functions.clear()
        return Flask.handle_exception(self, error)

    return with_flask(handle_exception=handle_exception)


@application_mutant("failing-hooks-shown", breaks=rows("hooks/fails", KINDS))
def failing_hooks_shown() -> WSGIApplication:
    return with_flask(
        handle_exception=lambda self, error: Response(repr(error), 500, mimetype="text/plain")
    )


@application_mutant("teardown-without-g", breaks=["hooks/teardown-request/context"])
def teardown_without_g() -> WSGIApplication:
    def do_teardown_request(self: Flask, exc: BaseException | None = None) -> None:
        if request.path == "/hooks-more/after-these":
            g.pop("handed_over", None)
        Flask.do_teardown_request(self, exc)

    return with_flask(do_teardown_request=do_teardown_request)


@application_mutant("automatic-answers-skip-hooks", breaks=rows("hooks/method", "HEAD OPTIONS"))
def automatic_answers_skip_hooks() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        if request.method in ("HEAD", "OPTIONS"):
            return response
        return Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant(
    "routing-errors-skip-hooks", breaks=["hooks/method/not-allowed", "hooks/redirect"]
)
def routing_errors_skip_hooks() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        if request.routing_exception is not None:
            return response
        return Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant("no-signals", breaks=["hooks/signals/order", "hooks/signals/exception"])
def no_signals() -> WSGIApplication:
    Signal.send = lambda self, sender, **details: []  # type: ignore[method-assign]
    return create_app()


@application_mutant(
    "close-shows-its-error", breaks=rows("hooks/teardown-request/close-fails", "close-fails")
)
def close_shows_its_error() -> WSGIApplication:
    application = create_app()

    class Shown:
        def __init__(self, body: Any) -> None:
            self.body = body

        def __iter__(self) -> Any:
            yield from self.body
            try:
                close = getattr(self.body, "close", None)
                if close is not None:
                    close()
            except Exception as error:
                yield repr(error).encode()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/hooks-more/close-fails":
            return application(environ, start_response)

        def without_length(status: str, fields: Any, exc_info: Any = None) -> Any:
            kept = [field for field in fields if field[0].lower() != "content-length"]
            return start_response(status, kept, exc_info)

        return Shown(application(environ, without_length))

    return middleware


@application_mutant(
    "no-teardown-after-a-stream",
    breaks=["hooks/teardown-request/close-fails/stream-close-fails"],
)
def no_teardown_after_a_stream() -> WSGIApplication:
    def do_teardown_request(self: Flask, exc: BaseException | None = None) -> None:
        if request.path != "/hooks-more/stream-close-fails":
            Flask.do_teardown_request(self, exc)

    return with_flask(do_teardown_request=do_teardown_request)


@application_mutant("g-kept-after-a-failure", breaks=["hooks/after-failing/many"])
def g_kept_after_a_failure() -> WSGIApplication:
    failed: list[Exception] = []

    def handle_exception(self: Flask, error: Exception) -> Response:
        failed.append(error)
        return Flask.handle_exception(self, error)

    def preprocess_request(self: Flask) -> Any:
        if failed and request.args.get("payload") == "150":
            raise failed[0]
        return Flask.preprocess_request(self)

    return with_flask(handle_exception=handle_exception, preprocess_request=preprocess_request)
