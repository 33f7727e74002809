"""Blueprints: prefixes, names, nesting, and registering more than once."""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any) -> Any:
    return framework.Flask("tests.framework", static_folder=None, root_path=".")


def make(framework: Any, name: str = "bp", **options: Any) -> Any:
    """A blueprint with a view that says where it is."""
    blueprint = framework.Blueprint(name, "tests.framework", root_path=".", **options)

    @blueprint.route("/view")
    def view(**values: Any) -> Any:
        request = framework.request
        return [request.endpoint, request.blueprint, list(request.blueprints), values]

    return blueprint


PREFIXES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "/view"),
    ({"url_prefix": "/p"}, {}, "/p/view"),
    ({"url_prefix": "/p"}, {"url_prefix": "/q/"}, "/q/view"),
    ({"url_prefix": "/<x>"}, {}, "/5/view"),
]


@pytest.mark.parametrize(("own", "given", "path"), PREFIXES)
def test_prefixes(app: Any, framework: Any, call: Call, own: Any, given: Any, path: str) -> None:
    app.register_blueprint(make(framework, **own), **given)
    assert call(app, path).code == 200


def test_url_defaults_of_a_registration(app: Any, framework: Any, call: Call) -> None:
    app.register_blueprint(make(framework, url_defaults={"a": 1}), url_defaults={"b": 2})
    assert call(app, "/view").text.strip() == '["bp.view","bp",["bp"],{"a":1,"b":2}]'


def test_nested_blueprints(app: Any, framework: Any, call: Call) -> None:
    outer, middle, inner = (make(framework, name, url_prefix=f"/{name}") for name in "omi")
    middle.register_blueprint(inner)
    outer.register_blueprint(middle, url_prefix="/other")
    app.register_blueprint(outer)
    assert call(app, "/o/other/i/view").text.strip() == (
        '["o.m.i.view","o.m.i",["o.m.i","o.m","o"],{}]'
    )


def test_nested_subdomains(app: Any, framework: Any) -> None:
    outer, inner = make(framework, "o", subdomain="o"), make(framework, "i", subdomain="i")
    outer.register_blueprint(inner)
    app.subdomain_matching = True
    app.config["SERVER_NAME"] = "example.org"
    app.register_blueprint(outer)
    with app.app_context():
        assert app.url_for("o.i.view") == "http://i.o.example.org/view"


def test_a_blueprint_registered_twice_needs_another_name(
    app: Any, framework: Any, call: Call
) -> None:
    blueprint = make(framework)
    app.register_blueprint(blueprint)
    with pytest.raises(ValueError, match="already registered"):
        app.register_blueprint(blueprint, url_prefix="/2")
    app.register_blueprint(blueprint, url_prefix="/2", name="second")
    assert '"second.view"' in call(app, "/2/view").text


def test_functions_for_the_whole_application(app: Any, framework: Any, call: Call) -> None:
    trace: Any = []
    blueprint = make(framework)
    blueprint.before_app_request(lambda: trace.append("before"))
    blueprint.after_app_request(lambda response: trace.append("after") or response)
    blueprint.teardown_app_request(lambda error: trace.append("teardown"))
    blueprint.app_url_value_preprocessor(lambda endpoint, values: trace.append("preprocess"))
    blueprint.app_url_defaults(lambda endpoint, values: values.update(z=1))
    blueprint.app_context_processor(lambda: {"processed": "yes"})
    blueprint.app_errorhandler(404)(lambda error: ("not here", 404))
    blueprint.app_template_filter()(shout)
    blueprint.app_template_test("loud")(str.isupper)
    blueprint.app_template_global("shout2")(shout)
    app.register_blueprint(blueprint)
    template = "{{ processed|shout }} {{ 'A' is loud }} {{ shout2('b') }} {{ url_for('view') }}"
    app.add_url_rule("/app", "view", lambda: framework.render_template_string(template))
    assert call(app, "/app").text == "YES! True B! /app?z=1"
    assert trace == ["preprocess", "before", "after", "teardown"]
    assert call(app, "/nowhere").text == "not here"


def shout(text: str) -> str:
    """A template filter."""
    return f"{text.upper()}!"


def test_recorded_functions_get_the_state(app: Any, framework: Any) -> None:
    states = []
    blueprint = make(framework, url_prefix="/p")
    blueprint.record(lambda state: states.append(("each", state.url_prefix, state.name)))
    blueprint.record_once(lambda state: states.append(("once", state.app, state.blueprint)))
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="second", url_prefix="/q")
    assert states == [
        ("each", "/p", "bp"),
        ("once", app, blueprint),
        ("each", "/q", "second"),
    ]


def test_changes_after_registration_are_refused(app: Any, framework: Any) -> None:
    blueprint = make(framework)
    app.register_blueprint(blueprint)
    with pytest.raises(AssertionError, match=r"before_request.*'bp'"):
        blueprint.before_request(lambda: None)


NAMES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda fw: fw.Blueprint("", "x", root_path="."), "empty"),
    (lambda fw: fw.Blueprint("a.b", "x", root_path="."), "dot"),
    (lambda fw: make(fw).add_url_rule("/", "a.b", lambda: ""), "dot"),
    (lambda fw: (lambda bp: bp.register_blueprint(bp))(make(fw)), "itself"),
]


@pytest.mark.parametrize(("function", "message"), NAMES)
def test_wrong_names_are_refused(framework: Any, function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(framework)


def test_files_of_a_blueprint(app: Any, framework: Any, call: Call, tmp_path: Any) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.txt").write_text("static")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "t.html").write_text("{{ '<' }}")
    blueprint = framework.Blueprint(
        "bp",
        "tests.framework",
        url_prefix="/bp",
        static_folder="files",
        template_folder="pages",
        root_path=str(tmp_path),
    )
    app.register_blueprint(blueprint)
    app.add_url_rule("/t", "view", lambda: framework.render_template("t.html"))
    assert call(app, "/bp/files/x.txt").text == "static"
    assert call(app, "/t").text == "&lt;"
    assert app.jinja_env.list_templates() == ["t.html"]
