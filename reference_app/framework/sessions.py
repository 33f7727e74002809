"""Sessions: a dict that comes back with the client's next request.

The default keeps it in a cookie, signed so that the client can read it but not change it. Format,
salt and key derivation are Flask's: a cookie signed by either opens in the other. Another way to
keep sessions is another `SessionInterface`.

`Vary: Cookie` tells caches that a response depends on the cookie. It is set when the session was
accessed, changed or refreshed in a request, and not otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from itsdangerous import BadSignature, URLSafeTimedSerializer

from .datastructures import CallbackDict
from .json.tag import TaggedJSONSerializer

if TYPE_CHECKING:
    from .app import Flask
    from .request import Request
    from .response import Response


class SessionMixin(MutableMapping[str, Any]):
    """What a session has besides being a mapping."""

    # Whether it was created by this request; the default cannot tell.
    new = False
    # Whether it has to be saved; sessions that cannot tell always are.
    modified = True
    # Whether anybody looked at it. Set by the request context.
    accessed = False

    @property
    def permanent(self) -> bool:
        """Whether it outlives the browser, for PERMANENT_SESSION_LIFETIME."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)


class SecureCookieSession(CallbackDict[str, Any], SessionMixin):
    """A session kept in a signed cookie.

    Only changes of its own items are noticed. After changing something inside of one, set
    `modified = True`.
    """

    modified = False

    def __init__(self, initial: Any = None) -> None:
        dict.__init__(self, () if initial is None else initial)

    def on_update(self, _: object) -> None:
        """Called by `CallbackDict` after each change."""
        self.modified = True


class NullSession(SecureCookieSession):
    """The session of an application without a secret key: empty, and an error to write to."""

    def _fail(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            "The session is unavailable because no secret key was set. You tried to write to it,"
            " and it is kept in a cookie that has to be signed. Set app.secret_key to something"
            " unique and secret, such as the output of: python -c 'import secrets;"
            " print(secrets.token_hex())'"
        )

    __setitem__ = __delitem__ = __ior__ = _fail
    clear = pop = popitem = update = setdefault = _fail


class SessionInterface:
    """How an application opens and saves sessions; assign one to `app.session_interface`.

    Subclasses have `open_session` and `save_session`. Requests of one client may overlap: what is
    shared has to be locked.
    """

    null_session_class: type[SecureCookieSession] = NullSession
    # For extensions: whether values have to be picklable.
    pickle_based = False

    def make_null_session(self, app: Flask) -> SecureCookieSession:
        """The session for when there can be none."""
        return self.null_session_class()

    def is_null_session(self, obj: object) -> bool:
        """Whether a session is such a one, which is not saved."""
        # As isinstance(), which is slow for classes that are abstract mappings as well.
        return self.null_session_class in type(obj).__mro__

    def get_cookie_name(self, app: Flask) -> str:
        """SESSION_COOKIE_NAME."""
        name: str = app.config["SESSION_COOKIE_NAME"]
        return name

    def get_cookie_domain(self, app: Flask) -> str | None:
        """SESSION_COOKIE_DOMAIN; without it, the cookie is for the exact host only."""
        domain: str | None = app.config["SESSION_COOKIE_DOMAIN"]
        return domain

    def get_cookie_path(self, app: Flask) -> str:
        """SESSION_COOKIE_PATH, or else APPLICATION_ROOT."""
        path: str = app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"]
        return path

    def get_cookie_httponly(self, app: Flask) -> bool:
        """SESSION_COOKIE_HTTPONLY: scripts do not see the cookie."""
        return bool(app.config["SESSION_COOKIE_HTTPONLY"])

    def get_cookie_secure(self, app: Flask) -> bool:
        """SESSION_COOKIE_SECURE: it is sent over encrypted connections only."""
        return bool(app.config["SESSION_COOKIE_SECURE"])

    def get_cookie_samesite(self, app: Flask) -> str | None:
        """SESSION_COOKIE_SAMESITE: when it is sent with requests from other sites."""
        samesite: str | None = app.config["SESSION_COOKIE_SAMESITE"]
        return samesite

    def get_cookie_partitioned(self, app: Flask) -> bool:
        """SESSION_COOKIE_PARTITIONED: it is kept apart for each embedding site."""
        return bool(app.config["SESSION_COOKIE_PARTITIONED"])

    def get_expiration_time(self, app: Flask, session: SessionMixin) -> datetime | None:
        """When the session ends, None for with the browser."""
        if not session.permanent:
            return None
        return datetime.now(UTC) + app.permanent_session_lifetime

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Whether to send a cookie: for a changed session, and to refresh a permanent one."""
        return session.modified or (
            session.permanent and bool(app.config["SESSION_REFRESH_EACH_REQUEST"])
        )

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        """The session of a request; None if there can be none. Called before routing."""
        raise NotImplementedError

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep a session; called with the response, before the contexts are popped."""
        raise NotImplementedError


session_json_serializer = TaggedJSONSerializer()


def _sha1(data: bytes = b"") -> Any:
    # Looked up when it is needed: a FIPS build of Python has no SHA-1 and may not import it.
    return hashlib.sha1(data)


class SecureCookieSessionInterface(SessionInterface):
    """Keeps sessions in signed cookies."""

    salt = "cookie-session"
    digest_method: Callable[[bytes], Any] = staticmethod(_sha1)
    key_derivation = "hmac"
    serializer: Any = session_json_serializer
    session_class: type[SecureCookieSession] = SecureCookieSession

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """What signs and opens the cookie; None without a secret key."""
        if not app.secret_key:
            return None
        # itsdangerous opens with any of the keys and signs with the last.
        keys = [*(app.config["SECRET_KEY_FALLBACKS"] or ()), app.secret_key]
        return URLSafeTimedSerializer(
            keys,
            salt=self.salt,
            serializer=self.serializer,
            signer_kwargs={
                "key_derivation": self.key_derivation,
                "digest_method": self.digest_method,
            },
        )

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if not app.secret_key:
            return None
        # A request without any cookie is common, and then there is nothing to look for.
        has_cookies = "HTTP_COOKIE" in request.environ
        value = request.cookies.get(self.get_cookie_name(app)) if has_cookies else None
        if not value:
            return self.session_class()
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            return self.session_class(serializer.loads(value, max_age=max_age))
        except BadSignature:
            # Forged, expired, or signed with a key that was retired: begin anew.
            return self.session_class()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if session.accessed:
            response.vary.add("Cookie")
        if not session:
            if session.modified:
                # It was emptied.
                response.delete_cookie(self.get_cookie_name(app), **self._attributes(app))
                response.vary.add("Cookie")
            return
        if not self.should_set_cookie(app, session):
            return
        serializer = self.get_signing_serializer(app)
        assert serializer is not None, "the session was opened with a key that is gone now"
        response.set_cookie(
            self.get_cookie_name(app),
            serializer.dumps(dict(session)),
            expires=self.get_expiration_time(app, session),
            **self._attributes(app),
        )
        response.vary.add("Cookie")

    def _attributes(self, app: Flask) -> dict[str, Any]:
        return {
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "httponly": self.get_cookie_httponly(app),
            "secure": self.get_cookie_secure(app),
            "samesite": self.get_cookie_samesite(app),
            "partitioned": self.get_cookie_partitioned(app),
        }
