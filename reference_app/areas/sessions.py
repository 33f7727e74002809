"""Sessions: the signed cookie that remembers, and messages that are flashed through it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from markupsafe import Markup

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    flash,
    g,
    get_flashed_messages,
    jsonify,
    make_response,
    request,
    session,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: One value of each type that the cookie carries beyond those of JSON.
TYPES: dict[str, Any] = {
    "tuple": (1, ("two", [3])),
    "bytes": b"\x00\xff",
    "datetime": datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC),
    "uuid": UUID("123e4567-e89b-42d3-a456-426614174000"),
    "markup": Markup("<b>bold</b>"),
    # A dictionary that looks like the mark of such a type, and is none.
    "look-alike": {" t": [1, 2]},
}

#: Where the second application is, whose cookie is configured otherwise.
CONFIGURED = "/session-configured"
#: Where one is that has no key, and one that accepts cookies for ever.
KEYLESS = "/session-keyless"
LASTING = "/session-lasting"


def register(app: Flask) -> None:
    """Add the routes of this area, and applications with a configuration of their own."""
    app.register_blueprint(_blueprint())
    others = {
        CONFIGURED: _configured(type(app)),
        KEYLESS: _keyless(type(app)),
        LASTING: _lasting(type(app)),
    }
    app.wsgi_app = _Dispatcher(app.wsgi_app, others)  # type: ignore[method-assign]


class _Dispatcher:
    """The first application, and the others for the paths that are their own."""

    def __init__(self, first: WSGIApplication, others: Mapping[str, WSGIApplication]) -> None:
        self._first = first
        self._others = others

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for place, application in self._others.items():
            if environ["PATH_INFO"].startswith(f"{place}/"):
                return application(environ, start_response)
        return self._first(environ, start_response)


def _configured(flask_class: type[Flask]) -> Flask:
    """An application that sets everything which is configured about the cookie."""
    app = flask_class("configured")
    app.config.update(
        SECRET_KEY="wsgi-conform signs this one with another key",
        SESSION_COOKIE_NAME="configured",
        SESSION_COOKIE_PATH=CONFIGURED,
        SESSION_COOKIE_DOMAIN="shop.example",
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=600,
    )

    @app.get(f"{CONFIGURED}/values")
    def read() -> Response:
        """The values of the session whose cookie is configured otherwise."""
        return jsonify(dict(session))

    @app.post(f"{CONFIGURED}/values")
    def write() -> Response:
        """Put JSON in the session whose cookie is configured otherwise, perhaps for longer."""
        session.update(request.get_json())
        session.permanent = "permanent" in request.args
        return jsonify(dict(session))

    @app.post(f"{CONFIGURED}/clear")
    def clear() -> str:
        """Clear the session whose cookie is configured otherwise."""
        session.clear()
        return "cleared"

    return app


def _keyless(flask_class: type[Flask]) -> Flask:
    """An application without a key to sign with."""
    app = flask_class("keyless")

    @app.get(f"{KEYLESS}/values")
    def read() -> Response:
        """The values of a session without a key to sign with: there are none."""
        return jsonify(dict(session))

    @app.post(f"{KEYLESS}/values")
    def write() -> str:
        """Write to a session without a key to sign with: 500."""
        session["value"] = 1
        return "written"

    return app


def _lasting(flask_class: type[Flask]) -> Flask:
    """An application that accepts cookies for ever, so that one may be a constant of the suite."""
    app = flask_class("lasting")
    app.config.update(
        SECRET_KEY="wsgi-conform signs with this for ever",
        PERMANENT_SESSION_LIFETIME=100 * 365 * 24 * 3600,
    )

    @app.get(f"{LASTING}/values")
    def read() -> Response:
        """The types and values of a session whose cookie does not expire."""
        return jsonify(
            {name: [type(value).__name__, str(value)] for name, value in session.items()}
        )

    return app


def _blueprint() -> Blueprint:
    area = Blueprint("session", __name__, url_prefix="/session")

    @area.before_request
    def look_before() -> None:
        if request.endpoint == "session.seen_before":
            g.seen_before = session.get("value")

    @area.after_request
    def write_after(response: Response) -> Response:
        if request.endpoint == "session.written_after":
            session["written"] = "after the view"
        return response

    @area.get("/values")
    def read() -> Response:
        """The values of the session; none if the cookie is missing, forged or expired."""
        return jsonify(dict(session))

    @area.post("/values")
    def write() -> Response:
        """Put the JSON of the body in the session, and give its values."""
        session.update(request.get_json())
        return jsonify(dict(session))

    @area.get("/untouched")
    def untouched() -> str:
        """Do not look at the session: nothing is said of it in the response."""
        return "the session was not looked at"

    @area.post("/clear")
    def clear() -> str:
        """Clear the session, which deletes the cookie."""
        session.clear()
        return "cleared"

    @area.post("/pop/<name>")
    def pop(name: str) -> Response:
        """Take a value out of the session, and give it or null."""
        return jsonify(found=session.pop(name, None))

    @area.post("/permanent/<int:permanent>")
    def permanent(permanent: int) -> Response:
        """Have the session last beyond the browser's, or not."""
        session.permanent = bool(permanent)
        return jsonify(permanent=session.permanent)

    @area.post("/append")
    def append() -> Response:
        """Append to a list in the session, which is noticed only if the query says that it was
        modified."""
        session["items"].append("more")
        if "modified" in request.args:
            session.modified = True
        return jsonify(dict(session))

    @area.post("/change/<way>")
    def change(way: str) -> Response:
        """Change the session in one of the ways that a dictionary has."""
        changed: dict[str, Any] = session  # type: ignore[assignment]
        if way == "setdefault":
            changed.setdefault("other", 2)
        elif way == "popitem":
            changed.popitem()
        elif way == "del":
            del changed["value"]
        elif way == "or":
            changed |= {"other": 2}
        return jsonify(dict(changed))

    @area.get("/varied")
    def varied() -> Response:
        """Read the session in a response that varies by another field already."""
        response = jsonify(dict(session))
        response.headers["Vary"] = "Accept-Language"
        return response

    @area.post("/flash-now")
    def flash_now() -> Response:
        """Flash a message, and get it in the same request."""
        flash("now")
        return jsonify(get_flashed_messages(with_categories=True))

    @area.post("/types")
    def write_types() -> str:
        """Put a value of each type in the session that JSON has none for."""
        session.update(TYPES)
        return "written"

    @area.get("/types")
    def read_types() -> Response:
        """Whether these values come back as they were, and of which type."""
        return jsonify(
            {
                name: {
                    "same": session.get(name) == value,
                    "type": type(session.get(name)).__name__,
                }
                for name, value in TYPES.items()
            }
        )

    @area.get("/seen-before")
    def seen_before() -> Response:
        """The value that a hook saw before the view."""
        return jsonify(seen=g.seen_before)

    @area.post("/written-after")
    def written_after() -> str:
        """A session that a hook writes to after the view."""
        return "written after this"

    @area.post("/beside")
    def beside() -> Response:
        """Write to the session, and set another cookie."""
        session["value"] = request.args["value"]
        response = make_response("two cookies")
        response.set_cookie("beside", request.args["value"])
        return response

    @area.post("/fail")
    def fail() -> str:
        """Write to the session, and fail: what was written is kept all the same."""
        session["value"] = request.args["value"]
        raise RuntimeError("this view always fails")

    @area.post("/flash")
    def flash_messages() -> str:
        """Flash the messages in the body, each with its category."""
        for message, category in request.get_json():
            flash(message, category)
        return "flashed"

    @area.get("/flashed")
    def flashed() -> Response:
        """Get the flashed messages, and again, which gives the same in this request and none in the
        next."""
        first = get_flashed_messages(with_categories=True)
        return jsonify(first=first, again=get_flashed_messages(with_categories=True))

    @area.get("/flashed-errors")
    def flashed_errors() -> Response:
        """Get the flashed messages of one category."""
        return jsonify(
            get_flashed_messages(category_filter=["error"]),
        )

    return area
