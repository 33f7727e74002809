"""Sessions: the cookie, its attributes, Vary, keys and their rotation, flashed messages."""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import Markup

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any) -> Any:
    app = framework.Flask("tests.framework", static_folder=None, root_path=".")
    app.secret_key = "secret"
    session = framework.session
    app.add_url_rule("/set/<value>", "set", lambda value: session.update(x=value) or "set")
    app.add_url_rule("/get", "get", lambda: repr(session.get("x")))
    app.add_url_rule("/clear", "clear", lambda: session.clear() or "cleared")
    app.add_url_rule("/untouched", "untouched", lambda: "untouched")

    @app.route("/permanent")
    def permanent() -> str:
        session.permanent = True
        session["x"] = 1
        return "permanent"

    return app


def cookie_of(answer: Any) -> str:
    """The session cookie as a client sends it back."""
    value: str = answer["Set-Cookie"].partition(";")[0]
    return value


def test_a_session_comes_back(app: Any, call: Call) -> None:
    cookie = cookie_of(call(app, "/set/me"))
    assert call(app, "/get", headers={"Cookie": cookie}).text == "'me'"
    assert call(app, "/get").text == "None"


VARY = [
    # path, with a cookie, Vary, whether a cookie is set
    ("/untouched", False, None, False),
    ("/untouched", True, None, False),
    ("/get", False, "Cookie", False),
    ("/get", True, "Cookie", False),
    ("/set/2", True, "Cookie", True),
    ("/clear", True, "Cookie", True),
    ("/permanent", False, "Cookie", True),
]


@pytest.mark.parametrize(("path", "with_cookie", "vary", "sets"), VARY)
def test_vary_is_set_when_the_cookie_matters(
    app: Any, call: Call, path: str, with_cookie: bool, vary: str | None, sets: bool
) -> None:
    headers = {"Cookie": cookie_of(call(app, "/set/1"))} if with_cookie else {}
    answer = call(app, path, headers=headers)
    assert (answer["Vary"], answer["Set-Cookie"] is not None) == (vary, sets)


@pytest.mark.parametrize("refresh", [True, False])
def test_a_permanent_session_is_refreshed_unless_switched_off(
    app: Any, call: Call, refresh: bool
) -> None:
    app.config["SESSION_REFRESH_EACH_REQUEST"] = refresh
    cookie = cookie_of(call(app, "/permanent"))
    answer = call(app, "/untouched", headers={"Cookie": cookie})
    assert (answer["Set-Cookie"] is not None) is refresh
    if refresh:
        assert "Expires=" in answer["Set-Cookie"]


ATTRIBUTES: list[tuple[dict[str, Any], str]] = [
    ({}, "; HttpOnly; Path=/"),
    ({"SESSION_COOKIE_HTTPONLY": False}, "; Path=/"),
    ({"SESSION_COOKIE_SECURE": True}, "; Secure; HttpOnly; Path=/"),
    ({"SESSION_COOKIE_PARTITIONED": True}, "; Secure; HttpOnly; Path=/; Partitioned"),
    ({"SESSION_COOKIE_SAMESITE": "Lax"}, "; HttpOnly; Path=/; SameSite=Lax"),
    ({"SESSION_COOKIE_DOMAIN": ".example.org"}, "; Domain=example.org; HttpOnly; Path=/"),
    ({"SESSION_COOKIE_PATH": "/path"}, "; HttpOnly; Path=/path"),
    ({"APPLICATION_ROOT": "/root"}, "; HttpOnly; Path=/root"),
]


@pytest.mark.parametrize(("config", "expected"), ATTRIBUTES)
def test_cookie_attributes(app: Any, call: Call, config: dict[str, Any], expected: str) -> None:
    app.config.update(config)
    _, mark, attributes = call(app, "/set/1")["Set-Cookie"].partition(";")
    assert mark + attributes == expected


def test_the_cookie_name_is_configured(app: Any, call: Call) -> None:
    app.config["SESSION_COOKIE_NAME"] = "other"
    assert call(app, "/set/1")["Set-Cookie"].startswith("other=")


def test_retired_keys_open_and_do_not_sign(app: Any, call: Call) -> None:
    old = cookie_of(call(app, "/set/1"))
    app.secret_key = "new"
    assert call(app, "/get", headers={"Cookie": old}).text == "None"
    app.config["SECRET_KEY_FALLBACKS"] = ["secret"]
    assert call(app, "/get", headers={"Cookie": old}).text == "'1'"
    new = cookie_of(call(app, "/set/2", headers={"Cookie": old}))
    app.config["SECRET_KEY_FALLBACKS"] = None
    assert call(app, "/get", headers={"Cookie": new}).text == "'2'"


def test_a_changed_cookie_is_not_opened(app: Any, call: Call) -> None:
    name, _, value = cookie_of(call(app, "/set/1")).partition("=")
    for broken in (value[:-1], value[1:], value.replace(".", ""), "x", '"', ""):
        assert call(app, "/get", headers={"Cookie": f"{name}={broken}"}).text == "None"


def test_an_old_cookie_is_not_opened(app: Any, call: Call) -> None:
    cookie = cookie_of(call(app, "/set/1"))
    app.permanent_session_lifetime = timedelta(seconds=-1)
    assert call(app, "/get", headers={"Cookie": cookie}).text == "None"


def test_without_a_secret_key_reading_works_and_writing_is_explained(app: Any, call: Call) -> None:
    app.secret_key = None
    app.testing = True
    assert call(app, "/get").text == "None"
    with pytest.raises(RuntimeError, match="secret key"):
        call(app, "/set/1")


VALUES: list[Any] = [
    "text",
    1,
    None,
    [1, (2, [3])],
    (1, "2"),
    b"\x00\xff",
    {"a": {"b": (1,)}},
    {" t": [1]},
    Markup("<b>"),
    uuid.UUID(int=5),
    datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
]


@pytest.mark.parametrize("signer", ["reference_app.framework", "flask"])
@pytest.mark.parametrize("opener", ["reference_app.framework", "flask"])
def test_values_of_all_types_come_back_from_either_framework(signer: str, opener: str) -> None:
    import importlib

    apps = []
    for name in (signer, opener):
        app = importlib.import_module(name).Flask("tests.framework", root_path=".")
        app.secret_key = "secret"
        apps.append(app)
    serializers = [app.session_interface.get_signing_serializer(app) for app in apps]
    assert serializers[1].loads(serializers[0].dumps({"values": VALUES})) == {"values": VALUES}
    assert type(serializers[1].loads(serializers[0].dumps(VALUES))[8]) is Markup


def test_flashed_messages_come_once(app: Any, framework: Any, call: Call) -> None:
    @app.route("/flash")
    def flash() -> str:
        framework.flash("one")
        framework.flash("two", "error")
        return "flashed"

    @app.route("/show")
    def show() -> Any:
        get = framework.get_flashed_messages
        return [get(), get(True), get(category_filter=["error"]), get(True, ["message"])]

    cookie = cookie_of(call(app, "/flash"))
    answer = call(app, "/show", headers={"Cookie": cookie})
    assert answer.text.strip() == (
        '[["one","two"],[["message","one"],["error","two"]],["two"],[["message","one"]]]'
    )
    # The session is empty now, so its cookie is deleted.
    assert "Max-Age=0" in answer["Set-Cookie"]
    assert call(app, "/show").text.strip() == "[[],[],[],[]]"


def test_a_session_interface_of_ones_own(app: Any, framework: Any, call: Call) -> None:
    import importlib

    sessions = importlib.import_module(f"{framework.__name__}.sessions")
    saved = []

    class Session(dict, sessions.SessionMixin):  # type: ignore[misc, type-arg, name-defined]
        pass

    class Interface(sessions.SessionInterface):  # type: ignore[misc, name-defined]
        def open_session(self, app: Any, request: Any) -> Any:
            return Session(x=request.path)

        def save_session(self, app: Any, session: Any, response: Any) -> None:
            saved.append(dict(session))

    app.session_interface = Interface()
    assert call(app, "/get").text == "'/get'"
    assert saved == [{"x": "/get"}]
