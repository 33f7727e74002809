"""More hooks: what hooks hand over, what becomes of the errors of each kind of hook, and signals.

The hooks of the application that `hooks.py` has run here as well; the journal is kept in its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    g,
    got_request_exception,
    jsonify,
    render_template_string,
    request,
    request_finished,
    request_started,
    request_tearing_down,
    session,
    stream_with_context,
)
from reference_app.areas import journal
from reference_app.areas.hooks import HookError, add_hooks, note


def register(app: Flask) -> None:
    """Add the routes, and the receivers of signals."""
    app.register_blueprint(_outer())
    app.register_blueprint(_area())
    for name, signal in {
        "started": request_started,
        "finished": request_finished,
        "tearing-down": request_tearing_down,
        "exception": got_request_exception,
    }.items():
        # The receivers are kept: a signal of Flask's does not.
        signal.connect(_receiver(name), app, weak=False)


def _receiver(name: str) -> Any:
    def receive(sender: Flask, **details: Any) -> None:
        if request.path.startswith("/hooks-more/signals"):
            error = details.get("exception") or details.get("exc")
            response = details.get("response")
            note(
                name,
                error=None if error is None else type(error).__name__,
                status=None if response is None else response.status_code,
            )

    return receive


def _outer() -> Blueprint:
    """A blueprint in a blueprint, each with hooks of its own."""
    inner = Blueprint("hooks-inner", __name__, url_prefix="/inner")
    outer = Blueprint("hooks-outer", __name__, url_prefix="/hooks-more/outer")
    add_hooks(outer, "outer")
    add_hooks(inner, "inner")

    @inner.get("/view")
    def view() -> str:
        """A view in a blueprint within another: the hooks of both run, in the journal in their
        order."""
        note("view")
        return "view"

    outer.register_blueprint(inner)
    return outer


def _fail_if_asked(kind: str) -> None:
    if request.args.get("fail-in") == kind:
        raise HookError(request.args["text"])


def _area() -> Blueprint:
    area = Blueprint("hooks-more", __name__, url_prefix="/hooks-more")

    @area.url_value_preprocessor
    def preprocess(endpoint: str | None, values: dict[str, Any] | None) -> None:
        _fail_if_asked("url-value-preprocessor")

    @area.before_request
    def hand_over() -> None:
        _fail_if_asked("before-request")
        g.handed_over = request.args.get("text")
        if request.endpoint == "hooks-more.handed_over":
            session["handed over"] = request.args["text"]

    @area.context_processor
    def variables() -> dict[str, Any]:
        _fail_if_asked("context-processor")
        return {"of_area": "from the area"}

    @area.after_request
    def finish(response: Response) -> Response:
        _fail_if_asked("after-request")
        if request.endpoint == "hooks-more.finished":
            response.headers["X-Seen"] = f"{response.status_code} {response.get_data(as_text=True)}"
            response.set_data("changed after the view")
            response.set_cookie("after", request.args["text"])
        return response

    @area.teardown_request
    def tear_down(error: BaseException | None) -> None:
        if "key" in request.args:
            note(
                "torn-down",
                failed=None if error is None else type(error).__name__,
                path=request.path,
                g=g.get("handed_over"),
            )

    @area.get("/view")
    def view() -> str:
        """A view that a template answers for; a hook of the kind that the query names fails."""

        @after_this_request
        def once(response: Response) -> Response:
            _fail_if_asked("after-this-request")
            return response

        return render_template_string("{{ of_area }}")

    @area.get("/handed-over")
    def handed_over() -> Response:
        """What a hook has put in `g` and in the session before the view."""
        return jsonify(g=g.handed_over, session=session.get("handed over"))

    @area.get("/finished")
    def finished() -> tuple[str, int]:
        """A response that is changed after the view: its body, a field, a cookie."""
        return "as the view made it", 201

    @area.get("/after-these")
    def after_these() -> str:
        """Three functions for after this request, in their order, also if the view fails."""

        def later(name: str) -> None:
            @after_this_request
            def once(response: Response) -> Response:
                note(f"once-{name}")
                response.headers["X-Once"] = response.headers.get("X-Once", "") + name
                return response

        for name in ("1", "2", "3"):
            later(name)
        if "fail" in request.args:
            raise HookError(request.args["text"])
        return "view"

    @area.get("/signals")
    def signals() -> str:
        """A view around which signals are sent; the journal has each."""
        note("view")
        return "view"

    @area.get("/signals/fail")
    def signals_fail() -> str:
        """A view that fails, around which signals are sent; the journal has each."""
        raise HookError(request.args["text"])

    @area.get("/close-fails")
    def close_fails() -> Response:
        """A response whose function for `close()` fails, when all of it is sent."""
        text, key = request.args["text"], request.args["key"]

        def close() -> None:
            journal.record(key, "closed")
            raise HookError(text)

        response = Response("answered", mimetype="text/plain")
        response.call_on_close(close)
        return response

    @area.get("/stream-close-fails")
    def stream_close_fails() -> Response:
        """A stream that fails in its `finally`, when all of it is sent."""

        def generate() -> Iterator[str]:
            try:
                yield "first;"
                yield "last;"
            finally:
                note("closed")
                raise HookError(request.args["text"])

        return Response(stream_with_context(generate()), mimetype="text/plain")

    return area
