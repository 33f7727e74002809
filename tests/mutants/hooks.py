"""Mutants of hooks: order, what they can do, and what runs after an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from reference_app.application import create_app
from reference_app.areas import hooks
from reference_app.framework import Flask, Response, g, request
from reference_app.framework.globals import request_ctx
from tests.mutants import application_mutant
from tests.mutants.building import with_flask, with_names

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@application_mutant("before-request-in-reverse", breaks=["hooks/before-request/order"])
def before_request_in_reverse() -> WSGIApplication:
    application = create_app()
    for functions in application.before_request_funcs.values():
        functions.reverse()
    return application


@application_mutant(
    "after-request-in-order",
    breaks=[
        "hooks/after-request/order",
        "hooks/after-request/replaces",
        "hooks/after-request/not-found",
        "hooks/after-request/handled-error",
        "hooks/after-request/unhandled-error",
        "hooks/after-failing",
    ],
)
def after_request_in_order() -> WSGIApplication:
    application = create_app()
    for functions in application.after_request_funcs.values():
        functions.reverse()
    return application


@application_mutant(
    "teardown-in-order",
    breaks=[
        "hooks/teardown-request/order",
        "hooks/teardown-request/after-stream",
        "hooks/teardown-request/client-left",
    ],
)
def teardown_in_order() -> WSGIApplication:
    application = create_app()
    application.teardown_appcontext_funcs.reverse()
    for functions in application.teardown_request_funcs.values():
        functions.reverse()
    return application


@application_mutant(
    "application-context-torn-down-first",
    breaks=["hooks/order", "hooks/teardown-appcontext", "hooks/teardown-request/order"],
)
def application_context_torn_down_first() -> WSGIApplication:
    def do_teardown_request(self: Flask, exc: BaseException | None = None) -> None:
        Flask.do_teardown_appcontext(self, exc)
        Flask.do_teardown_request(self, exc)

    return with_flask(
        do_teardown_request=do_teardown_request,
        do_teardown_appcontext=lambda self, exc=None: None,
    )


@application_mutant(
    "before-request-cannot-answer",
    breaks=["hooks/before-request/answers", "hooks/before-request/answers-unmatched"],
)
def before_request_cannot_answer() -> WSGIApplication:
    def preprocess_request(self: Flask) -> None:
        Flask.preprocess_request(self)

    return with_flask(preprocess_request=preprocess_request)


@application_mutant(
    "unmatched-before-hooks",
    breaks=["hooks/before-request/answers-unmatched", "hooks/after-request/not-found"],
)
def unmatched_before_hooks() -> WSGIApplication:
    def preprocess_request(self: Flask) -> Any:
        if request.routing_exception is not None:
            raise request.routing_exception
        return Flask.preprocess_request(self)

    return with_flask(preprocess_request=preprocess_request)


@application_mutant(
    "failing-before-request-ignored",
    breaks=["hooks/before-request/fails", "errors/handler/before-request"],
)
def failing_before_request_ignored() -> WSGIApplication:
    def preprocess_request(self: Flask) -> Any:
        try:
            return Flask.preprocess_request(self)
        except Exception:
            return None

    return with_flask(preprocess_request=preprocess_request)


@application_mutant("after-request-cannot-replace", breaks=["hooks/after-request/replaces"])
def after_request_cannot_replace() -> WSGIApplication:
    def keep(function: Callable[[Response], Response]) -> Callable[[Response], Response]:
        def kept(response: Response) -> Response:
            function(response)
            return response

        return kept

    application = create_app()
    for functions in application.after_request_funcs.values():
        functions[:] = map(keep, functions)
    return application


@application_mutant(
    "no-after-request-on-errors",
    breaks=[
        "hooks/before-request/fails",
        "hooks/after-request/not-found",
        "hooks/after-request/handled-error",
        "hooks/after-request/unhandled-error",
        "session/saved-on-error",
    ],
)
def no_after_request_on_errors() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        return response if response.status_code >= 400 else Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant(
    "failing-after-request-ignored", breaks=["hooks/after-request/fails", "hooks/after-failing"]
)
def failing_after_request_ignored() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        try:
            return Flask.process_response(self, response)
        except Exception:
            return response

    return with_flask(process_response=process_response)


@application_mutant(
    "no-teardown-after-errors",
    breaks=["hooks/teardown-request/always", "hooks/after-request/fails"],
)
def no_teardown_after_errors() -> WSGIApplication:
    def do_teardown_request(self: Flask, exc: BaseException | None = None) -> None:
        if exc is None:
            Flask.do_teardown_request(self, exc)

    return with_flask(do_teardown_request=do_teardown_request)


@application_mutant("teardown-not-told-of-the-error", breaks=["hooks/teardown-request/error"])
def teardown_not_told_of_the_error() -> WSGIApplication:
    return with_flask(should_ignore_error=lambda self, error: True)


@application_mutant("teardown-told-of-handled-errors", breaks=["hooks/teardown-request/no-error"])
def teardown_told_of_handled_errors() -> WSGIApplication:
    def handle_user_exception(self: Flask, error: Exception) -> Any:
        g.handled = error
        return Flask.handle_user_exception(self, error)

    def do_teardown_request(self: Flask, exc: BaseException | None = None) -> None:
        Flask.do_teardown_request(self, exc or g.get("handled"))

    return with_flask(
        handle_user_exception=handle_user_exception, do_teardown_request=do_teardown_request
    )


@application_mutant("after-this-request-forgotten", breaks=["hooks/after-this-request"])
def after_this_request_forgotten() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        request_ctx._after_request_functions.clear()
        return Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant("after-this-request-kept", breaks=["hooks/after-this-request"])
def after_this_request_kept() -> WSGIApplication:
    kept: list[Response] = []

    def process_response(self: Flask, response: Response) -> Response:
        response = Flask.process_response(self, response)
        if "X-After-This" in response.headers:
            kept.append(response)
        elif kept:
            response.headers["X-After-This"] = kept[-1].headers["X-After-This"]
        return response

    return with_flask(process_response=process_response)


@application_mutant(
    "context-processors-ignored",
    breaks=["hooks/context-processor", "hooks/context-processor/blueprint"],
)
def context_processors_ignored() -> WSGIApplication:
    return with_flask(update_template_context=lambda self, context: None)


@application_mutant(
    "blueprint-hooks-everywhere",
    breaks=["hooks/blueprint/own-routes-only", "hooks/context-processor/blueprint"],
)
def blueprint_hooks_everywhere() -> WSGIApplication:
    application = create_app()
    places: tuple[dict[Any, Any], ...] = (
        application.before_request_funcs,
        application.after_request_funcs,
        application.teardown_request_funcs,
        application.template_context_processors,
    )
    for functions in places:
        functions[None] += functions.pop("hooks")
    return application


@application_mutant(
    "blueprint-hooks-for-its-own-only", breaks=["hooks/blueprint/for-the-application"]
)
def blueprint_hooks_for_its_own_only() -> WSGIApplication:
    application = create_app()
    places: tuple[dict[Any, Any], ...] = (
        application.before_request_funcs,
        application.after_request_funcs,
    )
    for functions in places:
        of_blueprint = [found for found in functions[None] if found.__name__.endswith("_all")]
        assert of_blueprint
        functions[None] = [found for found in functions[None] if found not in of_blueprint]
        functions["hooks-other"] = of_blueprint
    return application


@application_mutant("url-value-preprocessors-late", breaks=["hooks/url-value-preprocessor"])
def url_value_preprocessors_late() -> WSGIApplication:
    application = create_app()
    late = application.url_value_preprocessors.pop("hooks-localised")[0]
    application.before_request_funcs["hooks-localised"].append(
        lambda: late(request.endpoint, request.view_args)
    )
    return application


@application_mutant("url-defaults-ignored", breaks=["hooks/url-defaults"])
def url_defaults_ignored() -> WSGIApplication:
    return with_flask(inject_url_defaults=lambda self, endpoint, values: None)


@application_mutant(
    "stream-after-teardown",
    breaks=["hooks/teardown-request/after-stream", "hooks/teardown-request/client-left"],
)
def stream_after_teardown() -> WSGIApplication:
    return with_names(hooks, stream_with_context=lambda generator: generator)


@application_mutant("close-not-called", breaks=["hooks/teardown-request/client-left"])
def close_not_called() -> WSGIApplication:
    application = create_app()
    kept = []

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = application(environ, start_response)
        kept.append(body)
        return map(bytes, body)

    return middleware


@application_mutant("hooks-lost-after-a-failure", breaks=["hooks/after-failing"])
def hooks_lost_after_a_failure() -> WSGIApplication:
    def handle_exception(self: Flask, error: Exception) -> Response:
        response = Flask.handle_exception(self, error)
        self.before_request_funcs.pop("hooks", None)
        return response

    return with_flask(handle_exception=handle_exception)
