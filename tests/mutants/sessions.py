"""Mutants of the session: when its cookie is set, how it is signed, and what is refused."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from itsdangerous import URLSafeTimedSerializer

from reference_app.application import create_app
from reference_app.areas import sessions
from reference_app.framework import Flask, Request, Response, get_flashed_messages, request
from reference_app.framework.globals import request_ctx
from reference_app.framework.sessions import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMixin,
)
from tests.mutants import application_mutant
from tests.mutants.building import with_flask, with_names, with_session

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Interface = SecureCookieSessionInterface


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
