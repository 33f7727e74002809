"""Mutants of sessions: the ways to change one, its place among other cookies, and its format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reference_app.framework import Flask, Request, Response
from reference_app.framework.globals import request_ctx
from reference_app.framework.sessions import SecureCookieSession, SecureCookieSessionInterface
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_flask, with_session
from tests.mutants.messages import rows

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Interface = SecureCookieSessionInterface


@application_mutant(
    "format-of-its-own", breaks=rows("session/portable/by-flask", "plain types compressed")
)
def format_of_its_own() -> WSGIApplication:
    return with_session(key_derivation="django-concat")


@application_mutant(
    "only-assignment-noticed", breaks=rows("session/changed-by", "setdefault or popitem del")
)
def only_assignment_noticed() -> WSGIApplication:
    class Blind(SecureCookieSession):
        def setdefault(self, key: str, default: Any = None) -> Any:
            return dict.setdefault(self, key, default)

        def popitem(self) -> Any:
            return dict.popitem(self)

        def __delitem__(self, key: str) -> None:
            dict.__delitem__(self, key)

        def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
            return dict.__ior__(self, other)

    return with_session(session_class=Blind)


@application_mutant("vary-replaced", breaks=["session/vary/added"])
def vary_replaced() -> WSGIApplication:
    def process_response(self: Flask, response: Response) -> Response:
        response = Flask.process_response(self, response)
        if request_ctx._session is not None and request_ctx._session.accessed:
            response.headers["Vary"] = "Cookie"
        return response

    return with_flask(process_response=process_response)


@application_mutant("any-name-like-it", breaks=["session/among-other-cookies"])
def any_name_like_it() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        cookies = environ.get("HTTP_COOKIE", "")
        environ["HTTP_COOKIE"] = re.sub(r"(?i)\b(?:x?session)s?=", "session=", cookies)

    return behind(change)


@application_mutant("quotes-are-a-part", breaks=["session/quoted"])
def quotes_are_a_part() -> WSGIApplication:
    def open_session(self: Interface, app: Flask, request: Request) -> Any:
        if '"' in request.headers.get("Cookie", ""):
            return self.session_class()
        return Interface.open_session(self, app, request)

    return with_session(open_session=open_session)


@application_mutant("deleted-at-the-root", breaks=["session/deleted/configured"])
def deleted_at_the_root() -> WSGIApplication:
    def save_session(self: Interface, app: Flask, session: Any, response: Response) -> None:
        if not session and session.modified:
            response.delete_cookie(self.get_cookie_name(app))
        else:
            Interface.save_session(self, app, session, response)

    return with_session(save_session=save_session)


@application_mutant("signs-without-a-key", breaks=["session/no-key"])
def signs_without_a_key() -> WSGIApplication:
    def open_session(self: Interface, app: Flask, request: Request) -> Any:
        if app.secret_key is None:
            app.secret_key = "no key"
        return Interface.open_session(self, app, request)

    return with_session(open_session=open_session)


@application_mutant("flashes-stay-in-the-session", breaks=["session/flash/same-request"])
def flashes_stay_in_the_session() -> WSGIApplication:
    class Keeping(SecureCookieSession):
        def pop(self, key: str, *default: Any) -> Any:
            return self[key] if key == "_flashes" else super().pop(key, *default)

    return with_session(session_class=Keeping)


@application_mutant("session-of-the-thread", breaks=["session/users/one-connection/written"])
def session_of_the_thread() -> WSGIApplication:
    kept: dict[Any, Any] = {}

    def open_session(self: Interface, app: Flask, request: Request) -> Any:
        # Of the address, as by a cache that keys on the connection.
        key = request.environ["REMOTE_PORT"]
        session = Interface.open_session(self, app, request) or kept.get(key)
        kept[key] = session
        return session

    return with_session(open_session=open_session)
