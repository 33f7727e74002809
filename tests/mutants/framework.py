"""Mutants of hooks, sessions and error handling."""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from itsdangerous import URLSafeTimedSerializer

from reference_app.application import create_app
from reference_app.areas import hooks, sessions
from reference_app.framework import Flask, Request, Response, g, get_flashed_messages, request
from reference_app.framework.exceptions import Aborter, HTTPException, InternalServerError
from reference_app.framework.globals import request_ctx
from reference_app.framework.sessions import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMixin,
)
from reference_app.serving import WSGIRequestHandler
from tests.mutants import application_mutant, server_mutant
from tests.mutants.building import with_flask, with_names, with_request, with_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Interface = SecureCookieSessionInterface


def _plain(status: int, text: str = "") -> Response:
    return Response(text, status=status, mimetype="text/plain")


# Hooks


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


# Sessions


@application_mutant(
    "session-not-saved",
    breaks=[
        "session/round-trip",
        "session/added-to",
        "session/size",
        "session/attributes/default",
        "session/attributes/configured",
        "session/permanent/expires",
        "session/permanent/configured",
        "session/permanent/refreshed",
        "session/permanent/not-refreshed",
        "session/permanent/ended",
        "session/portable/written",
        "session/portable/types",
        "session/types",
        "session/tampered/signed-anew",
        "session/key-rotation/signed-anew",
        "session/deleted",
        "session/pop",
        "session/nested/not-noticed",
        "session/nested/modified",
        "session/before-request",
        "session/after-request",
        "session/saved-on-error",
        "session/beside-another-cookie",
        "session/flash/once",
        "session/flash/kept-until-asked",
        "session/flash/filtered",
        "session/users/interleaved",
        "session/vary/is-correct",
    ],
)
def session_not_saved() -> WSGIApplication:
    return with_session(save_session=lambda self, app, session, response: None)


@application_mutant(
    "session-always-saved",
    breaks=[
        "session/no-cookie-when-untouched",
        "session/no-cookie-when-only-read",
        "session/permanent/not-refreshed",
        "session/nested/not-noticed",
    ],
)
def session_always_saved() -> WSGIApplication:
    return with_session(should_set_cookie=lambda self, app, session: True)


@application_mutant("session-replaced-at-each-write", breaks=["session/added-to", "session/pop"])
def session_replaced_at_each_write() -> WSGIApplication:
    def open_session(self: Interface, app: Flask, request: Request) -> Any:
        reads = request.method == "GET"
        return Interface.open_session(self, app, request) if reads else self.session_class()

    return with_session(open_session=open_session)


@application_mutant("session-cut-short", breaks=["session/size"])
def session_cut_short() -> WSGIApplication:
    class Short:
        @staticmethod
        def dumps(value: dict[str, Any]) -> str:
            cut = {key: v[:1000] if isinstance(v, str) else v for key, v in value.items()}
            return Interface.serializer.dumps(cut)  # type: ignore[no-any-return]

        loads = staticmethod(Interface.serializer.loads)

    return with_session(serializer=Short)


@application_mutant("no-vary", breaks=["session/vary", "session/vary/is-correct"])
def no_vary() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        response = Flask.process_response(self, response)
        del response.headers["Vary"]
        return response

    return with_flask(process_response=process_response)


@application_mutant("vary-on-every-answer", breaks=["session/no-cookie-when-untouched"])
def vary_on_every_answer() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        response = Flask.process_response(self, response)
        response.headers["Vary"] = "Cookie"
        return response

    return with_flask(process_response=process_response)


@application_mutant("cookie-open-to-scripts", breaks=["session/attributes/default"])
def cookie_open_to_scripts() -> WSGIApplication:
    return with_session(get_cookie_httponly=lambda self, app: False)


@application_mutant("cookie-configuration-ignored", breaks=["session/attributes/configured"])
def cookie_configuration_ignored() -> WSGIApplication:
    return with_session(
        get_cookie_secure=lambda self, app: False, get_cookie_samesite=lambda self, app: None
    )


@application_mutant(
    "permanent-session-ends-with-the-browser",
    breaks=["session/permanent/expires", "session/permanent/configured"],
)
def permanent_session_ends_with_the_browser() -> WSGIApplication:
    return with_session(get_expiration_time=lambda self, app, session: None)


@application_mutant("lifetime-not-configurable", breaks=["session/permanent/configured"])
def lifetime_not_configurable() -> WSGIApplication:
    def get_expiration_time(self: Interface, app: Flask, session: SessionMixin) -> datetime | None:
        return datetime.now(UTC) + timedelta(days=31) if session.permanent else None

    return with_session(get_expiration_time=get_expiration_time)


@application_mutant(
    "every-session-permanent", breaks=["session/attributes/default", "session/permanent/ended"]
)
def every_session_permanent() -> WSGIApplication:
    return with_session(
        get_expiration_time=lambda self, app, session: datetime.now(UTC) + timedelta(days=31)
    )


@application_mutant("permanent-session-not-refreshed", breaks=["session/permanent/refreshed"])
def permanent_session_not_refreshed() -> WSGIApplication:
    return with_session(should_set_cookie=lambda self, app, session: session.modified)


@application_mutant(
    "permanent-session-always-refreshed", breaks=["session/permanent/not-refreshed"]
)
def permanent_session_always_refreshed() -> WSGIApplication:
    return with_session(
        should_set_cookie=lambda self, app, session: session.modified or session.permanent
    )


def _with_serializer(**members: Any) -> Flask:
    """Sessions signed and opened by a subclass of the serializer with these members."""
    mutant_class = type("MutantSerializer", (URLSafeTimedSerializer,), members)

    def get_signing_serializer(self: Interface, app: Flask) -> Any:
        serializer = Interface.get_signing_serializer(self, app)
        assert serializer is not None
        serializer.__class__ = mutant_class
        return serializer

    return with_session(get_signing_serializer=get_signing_serializer)


@application_mutant("old-cookies-accepted", breaks=["session/expired"])
def old_cookies_accepted() -> WSGIApplication:
    return _with_serializer(
        loads=lambda self, value, **options: URLSafeTimedSerializer.loads(self, value)
    )


@application_mutant(
    "signature-not-verified",
    breaks=[
        *(
            f"session/tampered/{way}"
            for way in (
                "payload",
                "timestamp",
                "signature",
                "signature-empty",
                "another-key",
                "another-salt",
            )
        ),
        "session/tampered/signed-anew",
        "session/expired",
    ],
)
def signature_not_verified() -> WSGIApplication:
    def loads(self: URLSafeTimedSerializer, value: str, **options: Any) -> Any:
        payload = value.rsplit(".", 2)[0] if value.count(".") > 1 else value
        return self.load_payload(payload.encode())

    return _with_serializer(loads=loads)


@application_mutant(
    "spoiled-cookie-is-an-error",
    breaks=[
        *(
            f"session/tampered/{way}"
            for way in (
                "payload",
                "payload-character",
                "timestamp",
                "signature",
                "signature-missing",
                "signature-empty",
                "signature-doubled",
                "truncated",
                "payload-alone",
                "another-key",
                "another-salt",
                "not-signed",
                "not-base64",
                "empty",
                "dots",
            )
        ),
        "session/tampered/signed-anew",
        "session/expired",
    ],
)
def spoiled_cookie_is_an_error() -> WSGIApplication:
    def open_session(self: Interface, app: Flask, request: Request) -> Any:
        value = request.cookies.get(self.get_cookie_name(app))
        if value is None:
            return self.session_class()
        serializer = self.get_signing_serializer(app)
        assert serializer is not None
        age = int(app.permanent_session_lifetime.total_seconds())
        return self.session_class(serializer.loads(value, max_age=age))

    return with_session(open_session=open_session)


@application_mutant(
    "salt-of-its-own",
    breaks=[
        "session/portable/accepted",
        "session/portable/compressed",
        "session/portable/written",
        "session/portable/types",
        "session/key-rotation/accepted",
        "session/users/one-connection",
    ],
)
def salt_of_its_own() -> WSGIApplication:
    return with_session(salt="a salt that is not Flask's")


@application_mutant("compressed-cookies-refused", breaks=["session/portable/compressed"])
def compressed_cookies_refused() -> WSGIApplication:
    def open_session(self: Interface, app: Flask, request: Request) -> Any:
        compressed = request.cookies.get("session", "").startswith(".")
        return self.session_class() if compressed else Interface.open_session(self, app, request)

    return with_session(open_session=open_session)


@application_mutant("types-of-json-only", breaks=["session/types", "session/portable/types"])
def types_of_json_only() -> WSGIApplication:
    return with_session(
        serializer=type(
            "Text", (), {"dumps": functools.partial(json.dumps, default=str), "loads": json.loads}
        )
    )


@application_mutant(
    "retired-keys-refused",
    breaks=["session/key-rotation/accepted", "session/key-rotation/signed-anew"],
)
def retired_keys_refused() -> WSGIApplication:
    application = create_app()
    application.config["SECRET_KEY_FALLBACKS"] = None
    return application


@application_mutant(
    "signs-with-a-retired-key",
    breaks=["session/key-rotation/signed-anew", "session/portable/written"],
)
def signs_with_a_retired_key() -> WSGIApplication:
    application = create_app()
    fallbacks = application.config["SECRET_KEY_FALLBACKS"]
    application.config["SECRET_KEY"], fallbacks[0] = fallbacks[0], application.config["SECRET_KEY"]
    return application


@application_mutant("empty-session-stays", breaks=["session/deleted", "session/pop"])
def empty_session_stays() -> WSGIApplication:
    def save_session(self: Interface, app: Flask, session: Any, response: Response) -> None:
        if session or request.endpoint == "session.untouched":
            Interface.save_session(self, app, session, response)

    class Keeping(SecureCookieSession):
        def pop(self, key: str, default: Any = None) -> Any:
            return self.get(key, default)

    return with_session(save_session=save_session, session_class=Keeping)


@application_mutant(
    "empty-session-always-deleted",
    breaks=["session/deleted/nothing-to-delete", "session/no-cookie-when-untouched"],
)
def empty_session_always_deleted() -> WSGIApplication:
    def save_session(self: Interface, app: Flask, session: Any, response: Response) -> None:
        if not session:
            response.delete_cookie(self.get_cookie_name(app))
        Interface.save_session(self, app, session, response)

    return with_session(save_session=save_session)


@application_mutant("modified-cannot-be-set", breaks=["session/nested/modified"])
def modified_cannot_be_set() -> WSGIApplication:
    class Stubborn(SecureCookieSession):
        _touched = False
        modified = property(lambda self: self._touched, lambda self, value: None)

        def on_update(self, _: object) -> None:
            self._touched = True

    return with_session(session_class=Stubborn)


@application_mutant("session-opened-after-hooks", breaks=["session/before-request"])
def session_opened_after_hooks() -> WSGIApplication:
    def preprocess_request(self: Flask) -> Any:
        context = request_ctx._get_current_object()  # type: ignore[attr-defined]
        opened, context._session = context._session, SecureCookieSession()
        try:
            return Flask.preprocess_request(self)
        finally:
            context._session = opened

    return with_flask(preprocess_request=preprocess_request)


@application_mutant("session-saved-before-hooks", breaks=["session/after-request"])
def session_saved_before_hooks() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        session = request_ctx.session
        self.session_interface.save_session(self, session, response)
        cookies = response.headers.getlist("Set-Cookie")
        response = Flask.process_response(self, response)
        response.headers.setlist("Set-Cookie", cookies)
        return response

    return with_flask(process_response=process_response)


@application_mutant("cookies-joined", breaks=["session/beside-another-cookie"])
def cookies_joined() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        response = Flask.process_response(self, response)
        if cookies := response.headers.getlist("Set-Cookie"):
            response.headers["Set-Cookie"] = ", ".join(cookies)
        return response

    return with_flask(process_response=process_response)


@application_mutant("flashes-stay", breaks=["session/flash/once"])
def flashes_stay() -> WSGIApplication:
    class Keeping(SecureCookieSession):
        def pop(self, key: str, *default: Any) -> Any:
            return self[key] if key == "_flashes" else super().pop(key, *default)

    return with_session(session_class=Keeping)


@application_mutant("flashes-for-the-next-request-only", breaks=["session/flash/kept-until-asked"])
def flashes_for_the_next_request_only() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        if request.endpoint != "session.flash_messages":
            request_ctx.session.pop("_flashes", None)
        return Flask.process_response(self, response)

    return with_flask(process_response=process_response)


@application_mutant("flashes-not-filtered", breaks=["session/flash/filtered"])
def flashes_not_filtered() -> WSGIApplication:
    return with_names(
        sessions,
        get_flashed_messages=lambda with_categories=False, **_: get_flashed_messages(
            with_categories
        ),
    )


@application_mutant(
    "one-session-for-all",
    breaks=[
        "session/users/interleaved",
        "session/users/nobody",
        "session/users/one-connection",
        "session/deleted/nothing-to-delete",
        "session/tampered/signed-anew",
    ],
)
def one_session_for_all() -> WSGIApplication:
    shared = SecureCookieSession({"of": "everybody"})
    return with_session(open_session=lambda self, app, request: shared)


# Errors


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
