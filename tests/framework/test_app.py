"""Flask: the way of a request, its functions before and after, errors, contexts, URLs.

Each test runs on both frameworks unless it says so.
"""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any) -> Any:
    return framework.Flask("tests.framework", static_folder=None, root_path=".")


def trace_everything(fw: Any, app: Any, trace: Any) -> None:
    """Note each function that is called around a view, in order."""
    blueprint = fw.Blueprint("bp", "tests.framework", root_path=".")
    nested = fw.Blueprint("nested", "tests.framework", root_path=".")
    for owner, name in ((app, "app"), (blueprint, "bp"), (nested, "nested")):
        for number in (1, 2):

            def before(name: str = name, number: int = number) -> None:
                trace.append(f"before {name} {number}")

            def after(response: Any, name: str = name, number: int = number) -> Any:
                trace.append(f"after {name} {number}")
                return response

            def teardown(error: Any, name: str = name, number: int = number) -> None:
                trace.append(f"teardown {name} {number} {type(error).__name__}")

            def preprocess(
                endpoint: Any, values: Any, name: str = name, number: int = number
            ) -> None:
                trace.append(f"preprocess {name} {number} {endpoint} {values}")

            owner.before_request(before)
            owner.after_request(after)
            owner.teardown_request(teardown)
            owner.url_value_preprocessor(preprocess)

    @app.teardown_appcontext
    def teardown_app(error: Any) -> None:
        trace.append(f"teardown_appcontext {type(error).__name__}")

    @app.route("/app/<int:x>")
    def view(x: int) -> str:
        @fw.after_this_request
        def after_this(response: Any) -> Any:
            trace.append("after_this_request")
            return response

        trace.append("view")
        return "view"

    nested.add_url_rule("/nested", "view", lambda: trace.append("view") or "nested")
    nested.add_url_rule("/fail", "fail", lambda: 1 / 0)
    blueprint.register_blueprint(nested)
    app.register_blueprint(blueprint)


@pytest.mark.parametrize("path", ["/app/1", "/app/x", "/nested", "/fail"])
def test_functions_around_a_view_are_called_in_flasks_order(call: Call, path: str) -> None:
    import flask

    import reference_app.framework

    traces = []
    for fw in (flask, reference_app.framework):
        app: Any = fw.Flask("tests.framework", static_folder=None, root_path=".")
        app.logger.disabled = True
        trace: list[str] = []
        trace_everything(fw, app, trace)
        trace.append(call(app, path).status)
        traces.append(trace)
    assert traces[0] == traces[1]
    assert len(traces[0]) > 6


def test_before_request_may_answer(app: Any, call: Call) -> None:
    @app.before_request
    def answer() -> Any:
        return "before", 202

    @app.before_request
    def never() -> None:
        raise AssertionError

    @app.after_request
    def after(response: Any) -> Any:
        response.headers["X-After"] = "yes"
        return response

    answer_ = call(app, "/")
    assert (answer_.code, answer_.text, answer_["X-After"]) == (202, "before", "yes")


@pytest.mark.parametrize("where", ["view", "before", "after", "handler"])
def test_a_failure_says_nothing_to_the_client(app: Any, call: Call, where: str) -> None:
    def fail(*args: Any) -> Any:
        raise ValueError("secret detail")

    app.logger.disabled = True
    app.add_url_rule("/", "view", fail if where in ("view", "handler") else lambda: "ok")
    if where == "before":
        app.before_request(fail)
    if where == "after":
        app.after_request(fail)
    if where == "handler":
        app.register_error_handler(ValueError, fail)
    answer = call(app, "/")
    assert answer.code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "Internal Server Error" in answer.text


def test_a_failure_is_logged(app: Any, call: Call, caplog: pytest.LogCaptureFixture) -> None:
    app.add_url_rule("/x", "view", lambda: 1 / 0)
    app.logger.propagate = True
    with caplog.at_level(logging.ERROR):
        call(app, "/x")
    assert "Exception on /x [GET]" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("setting", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
def test_a_failure_is_raised_where_developers_want_it(app: Any, call: Call, setting: str) -> None:
    app.config[setting] = True
    app.add_url_rule("/", "view", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call(app, "/")


def test_teardown_functions_that_fail_reach_the_server(
    app: Any, call: Call, framework: Any
) -> None:
    @app.teardown_request
    def fail(error: Any) -> None:
        raise ValueError("teardown")

    app.add_url_rule("/", "view", lambda: "ok")
    with pytest.raises(ValueError, match="teardown"):
        call(app, "/")
    assert not framework.has_request_context()
    assert not framework.has_app_context()


class Base(Exception):
    pass


class Derived(Base):
    pass


HANDLERS: list[tuple[list[Any], str, str]] = [
    ([Base], "derived", "Base"),
    ([Base, Derived], "derived", "Derived"),
    ([Exception, Base], "derived", "Base"),
    ([Exception], "404", "Exception"),
    ([Exception, 404], "404", "404"),
    ([Exception, 500], "derived", "Exception"),
    ([500], "derived", "500"),
    ([404], "410", "410 page"),
]


@pytest.mark.parametrize(("registered", "raised", "expected"), HANDLERS)
def test_the_most_specific_error_handler_answers(
    app: Any, framework: Any, call: Call, registered: list[Any], raised: str, expected: str
) -> None:
    app.logger.disabled = True
    for key in registered:
        name = str(key) if isinstance(key, int) else key.__name__
        app.register_error_handler(key, lambda error, name=name: name)

    @app.route("/")
    def view() -> Any:
        if raised.isdigit():
            framework.abort(int(raised))
        raise Derived

    text = call(app, "/").text
    assert text == expected or (expected == "410 page" and "410 Gone" in text)


def test_the_500_handler_gets_the_original_exception(app: Any, call: Call) -> None:
    app.logger.disabled = True
    app.add_url_rule("/", "view", lambda: 1 / 0)

    @app.errorhandler(500)
    def handler(error: Any) -> Any:
        return type(error.original_exception).__name__, 500

    assert call(app, "/").text == "ZeroDivisionError"


WRONG_HANDLERS: list[tuple[Any, type[Exception]]] = [
    (999, ValueError),
    (ValueError("instance"), TypeError),
    (list, ValueError),
]


@pytest.mark.parametrize(("key", "error"), WRONG_HANDLERS)
def test_error_handlers_for_nonsense_are_refused(app: Any, key: Any, error: Any) -> None:
    with pytest.raises(error):
        app.register_error_handler(key, lambda e: "")


NOT_RESPONSES: list[tuple[Any, str]] = [
    (None, "returned None"),
    (True, "it was a bool"),
    (object(), "it was a object"),
    (1, "it was a int"),
    (("a",), "tuple must have the form"),
    (("a", 200, {}, 1), "tuple must have the form"),
]


@pytest.mark.parametrize(("value", "message"), NOT_RESPONSES)
def test_what_is_no_response_is_explained(app: Any, call: Call, value: Any, message: str) -> None:
    app.testing = True
    app.add_url_rule("/", "view", lambda: value)
    with pytest.raises(TypeError, match=message):
        call(app, "/")


def test_wsgi_app_can_be_wrapped(app: Any, call: Call) -> None:
    app.add_url_rule("/", "view", lambda: "inner")
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Any:
        return [b"<", *inner(environ, start_response), b">"]

    app.wsgi_app = middleware
    assert call(app, "/").text == "<inner>"


def test_set_up_after_the_first_request_is_refused(app: Any, call: Call) -> None:
    call(app, "/")
    with pytest.raises(AssertionError, match="add_url_rule"):
        app.add_url_rule("/x", "x", lambda: "x")


def test_two_functions_for_one_endpoint_are_refused(app: Any) -> None:
    app.add_url_rule("/", "view", lambda: "1")
    with pytest.raises(AssertionError, match="overwriting"):
        app.add_url_rule("/2", "view", lambda: "2")


def test_methods_as_text_are_refused(app: Any) -> None:
    with pytest.raises(TypeError, match="list of strings"):
        app.route("/", methods="POST")(lambda: "x")


HOST_RULES = [
    ("one.example", "/", "one"),
    ("two.example", "/", "two"),
    ("any.sub.example", "/", "sub any"),
    ("other.example", "/", "404"),
    ("ONE.example", "/", "one"),
    ("one.example:8080", "/", "404"),
]


@pytest.mark.parametrize(("host", "path", "expected"), HOST_RULES)
def test_host_matching(framework: Any, call: Call, host: str, path: str, expected: str) -> None:
    app = framework.Flask("tests.framework", static_folder=None, host_matching=True, root_path=".")
    app.add_url_rule("/", "one", lambda: "one", host="one.example")
    app.add_url_rule("/", "two", lambda: "two", host="two.example")
    app.add_url_rule("/", "sub", lambda name: f"sub {name}", host="<name>.sub.example")
    answer = call(app, path, headers={"Host": host})
    assert (answer.text if answer.code == 200 else str(answer.code)) == expected


SUBDOMAINS = [
    ("example.org", "main /api http://api.example.org/ http://example.org/"),
    ("api.example.org", "api / / http://example.org/"),
    ("de.user.example.org", "user de"),
]


@pytest.mark.parametrize(("host", "expected"), SUBDOMAINS)
def test_subdomain_matching(framework: Any, call: Call, host: str, expected: str) -> None:
    app = framework.Flask(
        "tests.framework", static_folder=None, subdomain_matching=True, root_path="."
    )
    app.config["SERVER_NAME"] = "example.org"
    url_for = framework.url_for
    app.add_url_rule(
        "/", "main", lambda: f"main /api {url_for('api')} {url_for('main', _external=True)}"
    )
    app.add_url_rule(
        "/",
        "api",
        lambda: f"api / {url_for('api')} {url_for('main')}",
        subdomain="api",
    )
    app.add_url_rule("/", "user", lambda name: f"user {name}", subdomain="<name>.user")
    assert call(app, "/", headers={"Host": host}).text == expected


TRUSTED = [
    ("example.org", 200),
    ("example.org:80", 200),
    ("sub.example.org", 200),
    ("example.com", 400),
    ("bad example.org", 400),
]


@pytest.mark.parametrize(("host", "code"), TRUSTED)
def test_hosts_that_are_not_trusted_are_refused(app: Any, call: Call, host: str, code: int) -> None:
    app.config["TRUSTED_HOSTS"] = [".example.org"]
    app.add_url_rule("/", "view", lambda: "ok")
    assert call(app, "/", headers={"Host": host}).code == code


def test_urls_outside_of_requests_need_a_server_name(app: Any) -> None:
    app.add_url_rule("/x", "view", lambda: "ok")
    with app.app_context(), pytest.raises(RuntimeError, match="SERVER_NAME"):
        app.url_for("view")
    app.config.update(SERVER_NAME="example.org", APPLICATION_ROOT="/root")
    app.config["PREFERRED_URL_SCHEME"] = "https"
    with app.app_context():
        assert app.url_for("view") == "https://example.org/root/x"
        assert app.url_for("view", _external=False) == "/root/x"


def test_url_defaults_and_preprocessors_carry_values(app: Any, framework: Any, call: Call) -> None:
    @app.url_defaults
    def add_language(endpoint: str, values: dict[str, Any]) -> None:
        if app.url_map.is_endpoint_expecting(endpoint, "language"):
            values.setdefault("language", framework.g.language)

    @app.url_value_preprocessor
    def take_language(endpoint: str, values: dict[str, Any]) -> None:
        framework.g.language = values.pop("language")

    app.add_url_rule("/<language>/", "view", lambda: framework.url_for("view"))
    assert call(app, "/de/").text == "/de/"


def test_a_url_that_cannot_be_built_says_what_is_missing(app: Any) -> None:
    app.add_url_rule("/<x>", "view", lambda x: "ok")
    with app.test_request_context(), pytest.raises(LookupError, match="specify values \\['x'\\]"):
        app.url_for("view")
    with app.test_request_context(), pytest.raises(LookupError, match="Did you mean 'view'"):
        app.url_for("views")


def test_url_build_error_handlers_may_answer(app: Any) -> None:
    app.url_build_error_handlers.append(lambda error, endpoint, values: f"/{endpoint}")
    with app.test_request_context():
        assert app.url_for("missing") == "/missing"


def test_trapped_errors_are_treated_as_failures(app: Any, framework: Any, call: Call) -> None:
    app.config.update(TRAP_HTTP_EXCEPTIONS=True, PROPAGATE_EXCEPTIONS=True)
    app.add_url_rule("/", "view", lambda: framework.abort(404))
    with pytest.raises(Exception, match="404 Not Found"):
        call(app, "/")


def test_debug_mode_names_a_missing_key(app: Any, framework: Any, call: Call) -> None:
    app.add_url_rule("/", "view", lambda: framework.request.args["secret-name"])
    assert "secret-name" not in call(app, "/").text
    app.debug = True
    with pytest.raises(KeyError, match="secret-name"):
        call(app, "/")


def test_subclasses_may_extend_each_step(framework: Any, call: Call) -> None:
    steps = []

    class App(framework.Flask):  # type: ignore[misc]
        def preprocess_request(self) -> Any:
            steps.append("preprocess")
            return super().preprocess_request()

        def dispatch_request(self) -> Any:
            steps.append("dispatch")
            return super().dispatch_request()

        def make_response(self, rv: Any) -> Any:
            steps.append("make_response")
            return super().make_response(rv)

        def process_response(self, response: Any) -> Any:
            steps.append("process")
            return super().process_response(response)

    app = App("tests.framework", static_folder=None, root_path=".")
    app.add_url_rule("/", "view", lambda: "ok")
    assert call(app, "/").text == "ok"
    assert steps == ["preprocess", "dispatch", "make_response", "process"]


def test_async_functions_are_refused() -> None:
    """On the reference framework only: Flask runs them with asgiref."""
    import reference_app.framework

    async def view() -> str:
        return "async"

    app = reference_app.framework.Flask("tests.framework", root_path=".")
    assert app.ensure_sync(len) is len
    with pytest.raises(RuntimeError, match="'view' is an async function"):
        app.ensure_sync(view)


def test_run_needs_no_server_until_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the reference framework only: which server it is differs."""
    import sys
    import types

    import reference_app.framework

    calls: list[Any] = []
    serving = types.ModuleType("reference_app.serving")
    serving.run_simple = lambda *args, **options: calls.append((args, options))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reference_app.serving", serving)
    app = reference_app.framework.Flask("tests.framework", root_path=".")
    app.config["SERVER_NAME"] = "localhost:1234"
    app.run(debug=False)
    app.run("0.0.0.0", 0, use_debugger=True)
    ours = {"use_reloader": False, "threaded": True}
    assert calls == [(("localhost", 1234, app), ours), (("0.0.0.0", 0, app), ours)]


WSGI_REQUESTS = [
    ("/text", "GET", None),
    ("/text", "HEAD", None),
    ("/text", "OPTIONS", None),
    ("/stream", "GET", None),
    ("/stream", "HEAD", None),
    ("/file", "GET", None),
    ("/echo", "POST", b"body"),
    ("/missing", "GET", None),
    ("/fail", "GET", None),
]


@pytest.mark.parametrize(("path", "method", "body"), WSGI_REQUESTS)
def test_answers_are_valid_wsgi(
    app: Any, framework: Any, call: Call, path: str, method: str, body: bytes | None
) -> None:
    """The standard library's validator checks both sides of PEP 3333."""
    import io
    from wsgiref.validate import validator

    app.logger.disabled = True
    app.add_url_rule("/text", "text", lambda: "text")
    app.add_url_rule("/stream", "stream", lambda: iter(["a", "b"]))
    app.add_url_rule(
        "/file", "file", lambda: framework.send_file(io.BytesIO(b"x"), download_name="x.txt")
    )
    app.add_url_rule("/echo", "echo", lambda: framework.request.data, methods=["POST"])
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    answer = call(validator(app), path, method, body)
    assert answer.code in (200, 404, 500)
