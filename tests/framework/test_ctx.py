"""Contexts: pushed in pairs, nested, copied, popped in order, isolated, gone afterwards."""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from reference_app import framework as fw
from reference_app.framework.globals import _app_stack, _request_stack

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any) -> Any:
    app = framework.Flask("tests.framework", static_folder=None, root_path=".")
    app.secret_key = "secret"
    return app


def test_contexts_are_pushed_in_pairs(app: Any, framework: Any) -> None:
    assert not framework.has_app_context()
    with app.test_request_context("/path"):
        assert framework.has_request_context()
        assert framework.has_app_context()
        assert framework.current_app == app
        assert framework.request.path == "/path"
    assert not framework.has_app_context()


def test_an_application_context_may_stand_alone(app: Any, framework: Any) -> None:
    with app.app_context():
        framework.g.x = 1
        assert framework.current_app.name == "tests.framework"
        assert not framework.has_request_context()
        with pytest.raises(RuntimeError, match="outside of request context"):
            framework.request.path  # noqa: B018


UNBOUND = ["request.path", "session.get('x')", "g.x", "current_app.name"]


@pytest.mark.parametrize("expression", UNBOUND)
def test_use_outside_of_contexts_is_explained(framework: Any, expression: str) -> None:
    with pytest.raises(RuntimeError, match=r"Working outside of (request|application) context"):
        eval(expression, vars(framework))


@pytest.mark.parametrize(
    "name", ["after_this_request", "copy_current_request_context", "stream_with_context"]
)
def test_functions_for_requests_explain_that_there_is_none(framework: Any, name: str) -> None:
    with pytest.raises(RuntimeError, match=name):
        getattr(framework, name)(iter([]) if name == "stream_with_context" else lambda: None)


def test_nested_contexts_have_g_of_their_own(app: Any, framework: Any) -> None:
    with app.test_request_context("/outer"):
        framework.g.x = "outer"
        with app.app_context():
            assert "x" not in framework.g
            framework.g.x = "inner"
        assert framework.g.x == "outer"
        with app.test_request_context("/inner"):
            # A request in a request of the same application shares its context.
            assert framework.request.path == "/inner"
            assert framework.g.x == "outer"
        assert framework.request.path == "/outer"


def test_teardown_runs_with_the_last_pop(app: Any) -> None:
    torn = []
    app.teardown_request(lambda error: torn.append("request"))
    app.teardown_appcontext(lambda error: torn.append("app"))
    ctx = app.test_request_context()
    ctx.push()
    ctx.push()
    ctx.pop()
    assert torn == []
    ctx.pop()
    assert torn == ["request", "app"]


def test_popping_in_the_wrong_order_is_explained_and_leaves_nothing() -> None:
    app = fw.Flask("tests.framework", static_folder=None, root_path=".")
    first, second = app.test_request_context("/first"), app.test_request_context("/second")
    first.push()
    second.push()
    with pytest.raises(AssertionError, match=r"/second.* was pushed after it"):
        first.pop()
    assert not fw.has_request_context()
    assert not fw.has_app_context()


def test_popping_what_is_not_pushed_is_explained_and_changes_nothing() -> None:
    app = fw.Flask("tests.framework", static_folder=None, root_path=".")
    with app.test_request_context("/first"):
        with pytest.raises(AssertionError, match="is not pushed here"):
            app.test_request_context("/second").pop()
        assert fw.request.path == "/first"


def test_a_view_that_leaves_a_context_does_not_spoil_the_next_request(call: Call) -> None:
    app = fw.Flask("tests.framework", static_folder=None, root_path=".")

    def leave() -> str:
        app.app_context().push()
        return "ok"

    app.add_url_rule("/", "view", leave)
    with pytest.raises(AssertionError, match="was pushed after it"):
        call(app, "/")
    assert (_request_stack.top, _app_stack.top) == (None, None)


def test_threads_do_not_see_each_others_request(app: Any, framework: Any, call: Call) -> None:
    barrier = threading.Barrier(8)
    seen: dict[str, str] = {}

    @app.route("/<name>")
    def view(name: str) -> Any:
        framework.g.name = framework.session["name"] = name
        # Every thread has written before any reads.
        barrier.wait(10)
        seen[name] = f"{framework.g.name} {framework.session['name']} {framework.request.path}"
        return "ok"

    threads = [threading.Thread(target=call, args=(app, f"/{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {str(n): f"{n} {n} /{n}" for n in range(8)}


def test_a_copied_context_works_in_another_thread(app: Any, framework: Any, call: Call) -> None:
    @app.route("/<name>")
    def view(name: str) -> Any:
        framework.session["x"] = "kept"
        results = []

        @framework.copy_current_request_context
        def work(word: str) -> None:
            results.append(f"{word} {framework.request.path} {framework.session['x']}")

        thread = threading.Thread(target=work, args=("hello",))
        thread.start()
        thread.join()
        return results

    assert call(app, "/a").text.strip() == '["hello /a kept"]'


def test_a_stream_keeps_its_request(app: Any, framework: Any, call: Call) -> None:
    closed: list[str] = []

    class Source:
        def __iter__(self) -> Source:
            return self

        def __next__(self) -> str:
            if closed:
                raise StopIteration
            closed.append("item")
            return str(framework.request.path)

        def close(self) -> None:
            closed.append("closed")

    app.add_url_rule("/s", "view", lambda: framework.stream_with_context(Source()))
    assert call(app, "/s").text == "/s"
    assert closed == ["item", "closed"]


def test_g_is_gone_with_the_request(app: Any, framework: Any, call: Call) -> None:
    @app.route("/")
    def view() -> str:
        found = framework.g.get("count", 0)
        framework.g.count = found + 1
        return str(framework.g.count)

    assert [call(app, "/").text for _ in range(3)] == ["1", "1", "1"]


def test_g_is_a_namespace_with_the_look_of_a_dict(app: Any, framework: Any) -> None:
    g = framework.g
    with app.app_context():
        g.a = 1
        assert (g.get("a"), g.get("b"), g.get("b", 2), "a" in g, list(g)) == (
            1,
            None,
            2,
            True,
            ["a"],
        )
        assert (g.setdefault("a", 5), g.setdefault("c", 6)) == (1, 6)
        assert (g.pop("a"), g.pop("a", 7)) == (1, 7)
        with pytest.raises(KeyError):
            g.pop("a")
        with pytest.raises(AttributeError):
            g.missing  # noqa: B018
        del g.c
        assert repr(g) == "<flask.g of 'tests.framework'>"


def test_nothing_of_a_request_outlives_it(call: Call) -> None:
    app = fw.Flask("tests.framework", static_folder=None, root_path=".")
    references: list[Any] = []

    class Value:
        pass

    @app.route("/")
    def view() -> str:
        value = fw.g.value = Value()
        ctx = _request_stack.top
        references.extend(map(weakref.ref, (value, ctx, ctx.request)))  # type: ignore[union-attr]
        return "ok"

    gc.disable()
    try:
        call(app, "/")
        # Without the collector, so there are no reference cycles either.
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


def test_base_exceptions_pop_the_contexts_too(app: Any, framework: Any, call: Call) -> None:
    errors: list[Any] = []
    app.teardown_request(errors.append)

    @app.route("/")
    def view() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(app, "/")
    assert [type(error) for error in errors] == [KeyboardInterrupt]
    assert not framework.has_app_context()
