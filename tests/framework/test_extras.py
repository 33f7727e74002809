"""Configuration, JSON, templates, views, signals, logging, exceptions and the test client.

A few tests for each, all on both frameworks unless they say so.
"""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

import decimal
import importlib
import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

import reference_app.framework

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any, tmp_path: Path) -> Any:
    return framework.Flask("tests.framework", static_folder=None, root_path=str(tmp_path))


def module_of(framework: Any, name: str) -> Any:
    """A module of the framework."""
    return importlib.import_module(f"{framework.__name__}.{name}")


def test_the_public_names_are_flasks() -> None:
    import flask

    ignored = {"t", "annotations"}
    theirs = {name for name in vars(flask) if not name.startswith("_")} - ignored
    modules = {name for name in theirs if type(getattr(flask, name)).__name__ == "module"}
    assert theirs - modules <= set(reference_app.framework.__all__)
    assert all(hasattr(reference_app.framework, name) for name in reference_app.framework.__all__)


# Configuration


def test_configuration_from_everywhere(
    app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Settings:
        FROM_OBJECT = 1
        lower = 2

    (tmp_path / "settings.py").write_text("FROM_PYFILE = 1 + 1\nlower = 3\n")
    (tmp_path / "settings.json").write_text('{"FROM_FILE": 3, "lower": 4}')
    monkeypatch.setenv("SETTINGS", "settings.py")
    monkeypatch.setenv("APP_FROM_ENV", "[1, 2]")
    monkeypatch.setenv("APP_TEXT", "not json")
    monkeypatch.setenv("APP_NESTED__A__B", "5")
    config = app.config
    before = set(config)
    config.from_object(Settings)
    assert config.from_envvar("SETTINGS")
    assert config.from_file("settings.json", json.load)
    assert config.from_prefixed_env("APP")
    assert config.from_mapping({"FROM_MAPPING": 4, "lower": 1}, FROM_KEYWORD=5)
    added = {key: config[key] for key in set(config) - before}
    assert added == {
        "FROM_OBJECT": 1,
        "FROM_PYFILE": 2,
        "FROM_FILE": 3,
        "FROM_ENV": [1, 2],
        "TEXT": "not json",
        "NESTED": {"A": {"B": 5}},
        "FROM_MAPPING": 4,
        "FROM_KEYWORD": 5,
    }
    assert config.get_namespace("FROM_F") == {"ile": 3}
    assert config.get_namespace("FROM_F", lowercase=False, trim_namespace=False) == {"FROM_FILE": 3}


def test_missing_configuration_is_explained_or_ignored(app: Any) -> None:
    config = app.config
    assert not config.from_pyfile("missing.py", silent=True)
    assert not config.from_envvar("NO_SUCH_VARIABLE", silent=True)
    assert not config.from_file("missing.json", json.load, silent=True)
    with pytest.raises(OSError, match="Unable to load configuration file"):
        config.from_pyfile("missing.py")
    with pytest.raises(RuntimeError, match=r"NO_SUCH_VARIABLE.*not set"):
        config.from_envvar("NO_SUCH_VARIABLE")
    with pytest.raises(ImportError):
        config.from_object("tests.framework.no_such_module")


def test_an_import_that_fails_inside_is_not_hidden() -> None:
    from reference_app.framework.utils import import_string

    assert import_string("json:dumps") is json.dumps
    with pytest.raises(ImportError, match="has no 'nope'"):
        import_string("json.nope")


# JSON


@dataclass
class Point:
    x: int


JSON_VALUES: list[Any] = [
    {"b": 1, "a": [1.5, None, True]},
    date(2020, 1, 2),
    decimal.Decimal("1.50"),
    uuid.UUID(int=1),
    Point(3),
    Markup("<b>"),
    "ü",
]


@pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
def test_json_is_flasks(value: Any) -> None:
    written: list[Any] = []
    for name in ("flask", "reference_app.framework"):
        fw = importlib.import_module(name)
        app = fw.Flask("tests.framework", root_path=".")
        for debug in (False, True):
            app.debug = debug
            with app.app_context():
                written.append((debug, fw.jsonify(value).get_data(), fw.json.dumps(value)))
        written[-1] = (*written[-1], fw.json.dumps(value))
    assert written[:2] == written[2:]


def test_json_refuses_what_it_cannot_write(app: Any, framework: Any) -> None:
    with app.app_context():
        with pytest.raises(TypeError, match="not JSON serializable"):
            framework.jsonify(object())
        with pytest.raises(TypeError, match="args or kwargs"):
            framework.jsonify(1, a=2)


def test_a_json_provider_of_ones_own(app: Any, framework: Any, call: Call) -> None:
    provider = module_of(framework, "json.provider")

    class Provider(provider.DefaultJSONProvider):  # type: ignore[misc, name-defined]
        mimetype = "application/x+json"

        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return f"<{super().dumps(obj, **kwargs)}>"

    app.json = Provider(app)
    app.add_url_rule("/", "view", lambda: {"a": 1})
    answer = call(app, "/")
    assert (answer.text, answer["Content-Type"]) == ('<{"a":1}>\n', "application/x+json")


# Templates


def test_templates(app: Any, framework: Any, call: Call, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text(
        "{% macro hello(name) %}Hi {{ name }}{% endmacro %}{{ x }} {{ added }} {{ g.y }}"
    )
    (tmp_path / "templates" / "page.txt").write_text("{{ x }}")
    app.context_processor(lambda: {"added": "processor", "x": "overridden"})

    @app.route("/<kind>")
    def view(kind: str) -> Any:
        framework.g.y = "from g"
        if kind == "list":
            return framework.render_template(["missing.html", "page.html"], x="<")
        if kind == "text":
            return framework.render_template("page.txt", x="<")
        if kind == "stream":
            return framework.stream_template("page.html", x="<")
        if kind == "stream-string":
            return framework.stream_template_string("{{ request.path }}")
        return framework.get_template_attribute("page.html", "hello")("you")

    assert call(app, "/list").text == "&lt; processor from g"
    assert call(app, "/stream").text == "&lt; processor from g"
    assert call(app, "/stream-string").text == "/stream-string"
    assert call(app, "/text").text == "<"
    assert call(app, "/macro").text == "Hi you"


def test_only_a_template_that_uses_the_session_depends_on_it(
    app: Any, framework: Any, call: Call
) -> None:
    app.secret_key = "secret"
    app.add_url_rule(
        "/<name>", "view", lambda name: framework.render_template_string(f"{{{{ {name} }}}}")
    )
    assert call(app, "/session")["Vary"] == "Cookie"
    assert call(app, "/request")["Vary"] is None


def test_filters_tests_and_globals(app: Any, framework: Any, call: Call) -> None:
    @app.template_filter("twice")
    def double(text: str) -> str:
        return text * 2

    @app.template_test()
    def odd_one(number: int) -> bool:
        return number % 2 == 1

    @app.template_global()
    def answer() -> int:
        return 42

    app.add_url_rule(
        "/",
        "view",
        lambda: framework.render_template_string(
            "{{ 'ab'|twice }} {{ 3 is odd_one }} {{ answer() }}"
        ),
    )
    assert call(app, "/").text == "abab True 42"


# Views


def test_views_as_classes(app: Any, framework: Any, call: Call) -> None:
    views = module_of(framework, "views")

    class Item(views.MethodView):  # type: ignore[misc, name-defined]
        decorators = (lambda f: lambda **kw: f"<{f(**kw)}>",)

        def __init__(self, name: str) -> None:
            self.name = name

        def get(self, x: str) -> str:
            return f"get {self.name} {x}"

        def post(self, x: str) -> str:
            return f"post {x}"

    class Once(views.View):  # type: ignore[misc, name-defined]
        init_every_request = False
        methods = ("PUT",)
        count = 0

        def dispatch_request(self) -> str:
            self.count += 1
            return str(self.count)

    app.add_url_rule("/item/<x>", view_func=Item.as_view("item", "name"))
    app.add_url_rule("/once", view_func=Once.as_view("once"))
    assert call(app, "/item/1").text == "<get name 1>"
    assert call(app, "/item/1", "POST").text == "<post 1>"
    assert call(app, "/item/1", "HEAD").code == 200
    assert call(app, "/item/1", "PUT").code == 405
    assert [call(app, "/once", "PUT").text for _ in range(2)] == ["1", "2"]


# Signals and logging


def test_signals(app: Any, framework: Any, call: Call) -> None:
    names = [
        "appcontext_pushed", "request_started", "before_render_template", "template_rendered",
        "message_flashed", "request_finished", "got_request_exception", "request_tearing_down",
        "appcontext_tearing_down", "appcontext_popped",
    ]  # fmt: skip
    seen = []
    receivers = []
    for name in names:

        def receiver(sender: Any, name: str = name, **details: Any) -> None:
            seen.append((name, sender == app))

        receivers.append(receiver)
        getattr(framework, name).connect(receiver, app)
    app.secret_key = "secret"
    app.logger.disabled = True

    @app.route("/")
    def view() -> Any:
        framework.flash("x")
        framework.render_template_string("x")
        raise ValueError

    call(app, "/")
    for name, receiver in zip(names, receivers, strict=True):
        getattr(framework, name).disconnect(receiver, app)
    call(app, "/")
    expected = [names[index] for index in (0, 1, 4, 2, 3, 6, 5, 7, 8, 9)]
    assert seen == [(name, True) for name in expected]


def test_a_signal_can_be_connected_for_a_while() -> None:
    """On the reference framework only."""
    from reference_app.framework.signals import Signal

    signal = Signal("test")
    with signal.connected_to(lambda sender, **details: (sender, details)):
        assert [result for _, result in signal.send(1, x=2)] == [(1, {"x": 2})]
    assert signal.send(1) == []
    assert repr(signal) == "<Signal 'test'>"


def test_errors_are_logged_to_the_servers_stream(
    framework: Any, call: Call, tmp_path: Path
) -> None:
    name = f"logging_{framework.__name__}"
    app = framework.Flask(name, static_folder=None, root_path=str(tmp_path))
    logging = module_of(framework, "logging")
    app.logger.handlers = [logging.default_handler]
    app.logger.propagate = False
    app.add_url_rule("/", "view", lambda: 1 / 0)
    stream = io.StringIO()
    call(app, "/", wsgi__errors=stream)
    assert "Exception on / [GET]" in stream.getvalue()
    assert "ZeroDivisionError" in stream.getvalue()


# Exceptions


def test_abort(app: Any, framework: Any, call: Call) -> None:
    app.add_url_rule("/1", "v1", lambda: framework.abort(404, "a <b>\nc"))
    app.add_url_rule("/2", "v2", lambda: framework.abort(framework.Response("own", 409)))
    app.add_url_rule("/3", "v3", lambda: framework.abort(503, retry_after=5))
    app.add_url_rule("/4", "v4", lambda: framework.abort(405, valid_methods=["GET", "PUT"]))
    assert "<p>a &lt;b&gt;<br>c</p>" in call(app, "/1").text
    assert (call(app, "/2").code, call(app, "/2").text) == (409, "own")
    assert call(app, "/3")["Retry-After"] == "5"
    assert call(app, "/4")["Allow"] == "GET, PUT"
    with app.app_context(), pytest.raises(LookupError, match="no exception for 200"):
        framework.abort(200)


def test_an_aborter_of_ones_own(app: Any, framework: Any) -> None:
    errors = reference_app.framework.exceptions
    if framework is not reference_app.framework:
        errors = importlib.import_module("werkzeug.exceptions")

    class Odd(errors.HTTPException):
        code = 599

    app.aborter = errors.Aborter(extra={599: Odd})
    with app.app_context(), pytest.raises(Odd, match="599"):
        framework.abort(599)


def test_exceptions_say_what_they_are() -> None:
    """On the reference framework only."""
    from reference_app.framework.exceptions import BadRequestKeyError, HTTPException, NotFound

    assert (str(NotFound("x")), repr(NotFound())) == (
        "404 Not Found: x",
        "<NotFound '404: Not Found'>",
    )
    assert str(HTTPException()) == "??? Unknown Error: None"
    error = BadRequestKeyError("key")
    assert "key" not in error.description
    error.show_exception = True
    assert "KeyError: 'key'" in error.description
    assert error.args == ("key",)


# The test client


def test_the_client_keeps_cookies_and_contexts(app: Any, framework: Any) -> None:
    app.secret_key = "secret"

    @app.route("/count")
    def count() -> Any:
        framework.session["n"] = framework.session.get("n", 0) + 1
        return framework.jsonify(framework.session["n"])

    client = app.test_client()
    assert [client.get("/count").json for _ in range(3)] == [1, 2, 3]
    with client.session_transaction() as session:
        session["n"] = 10
    with client:
        assert client.get("/count").json == 11
        assert framework.session["n"] == 11
        assert framework.request.path == "/count"
    assert not framework.has_request_context()
    client.delete_cookie("session")
    assert client.get("/count").json == 1
    client.set_cookie("session", "forged")
    assert client.get_cookie("session").value == "forged"
    assert client.get("/count").json == 1
    with pytest.raises(TypeError, match="Cookies are disabled"):
        app.test_client(use_cookies=False).get_cookie("x")


def test_the_client_follows_redirects(app: Any, framework: Any) -> None:
    app.add_url_rule("/a", "a", lambda: framework.redirect("/b?x=1"), methods=["GET", "POST"])
    app.add_url_rule("/b", "b", lambda: framework.redirect("c", 307), methods=["GET", "POST"])
    app.add_url_rule(
        "/c", "c", lambda: f"{framework.request.method} {framework.request.data!r}",
        methods=["GET", "POST"],
    )  # fmt: skip
    app.add_url_rule("/loop", "loop", lambda: framework.redirect("/loop"))
    app.add_url_rule("/out", "out", lambda: framework.redirect("http://elsewhere.org/"))
    client = app.test_client()
    response = client.post("/a", data=b"x", follow_redirects=True)
    assert response.text == "GET b''"
    assert [each.request.path for each in response.history] == ["/a", "/b"]
    assert client.post("/b", data=b"x", follow_redirects=True).text == "POST b'x'"
    with pytest.raises(Exception, match="Loop"):
        client.get("/loop", follow_redirects=True)
    with pytest.raises(RuntimeError, match="external"):
        client.get("/out", follow_redirects=True)


BODIES: list[tuple[dict[str, Any], list[Any]]] = [
    ({"data": {"a": "1", "b": ["2", "3"]}}, [[["a", "1"], ["b", "2"], ["b", "3"]], [], ""]),
    ({"data": {"f": (io.BytesIO, "x.txt")}}, [[], [["f", "x.txt", "text/plain", "file"]], ""]),
    ({"data": "text"}, [[], [], "text"]),
    ({"json": {"a": 1}}, [[], [], '{"a": 1}']),
    ({"data": b"a=1", "content_type": "application/x-www-form-urlencoded"}, [[["a", "1"]], [], ""]),
]


@pytest.mark.parametrize(("arguments", "expected"), BODIES)
def test_the_client_sends_bodies(
    app: Any, framework: Any, arguments: dict[str, Any], expected: list[Any]
) -> None:
    @app.post("/")
    def view() -> Any:
        request = framework.request
        return [
            list(request.form.items(multi=True)),
            [[k, f.filename, f.mimetype, f.read().decode()] for k, f in request.files.items()],
            request.get_data(as_text=True),
        ]

    data = arguments.get("data")
    if isinstance(data, dict) and "f" in data:
        arguments = {"data": {"f": (io.BytesIO(b"file"), "x.txt")}}
    assert app.test_client().post("/", **arguments).json == expected


def test_the_client_says_where_and_who(app: Any, framework: Any) -> None:
    app.add_url_rule(
        "/<path:x>",
        "view",
        lambda x: [framework.request.url, framework.request.authorization.username],
    )
    app.config.update(SERVER_NAME="example.org", APPLICATION_ROOT="/root")
    client = app.test_client()
    auth = ("user", "pass")
    assert client.get("/x?a=b", auth=auth).json == ["http://example.org/root/x?a=b", "user"]
    assert client.get("http://example.org/x", query_string={"q": "ü"}, auth=auth).json == [
        "http://example.org/root/x?q=ü",
        "user",
    ]
    assert client.get("/x", url_scheme="https", subdomain="s", auth=auth).json == [
        "https://s.example.org/root/x",
        "user",
    ]
