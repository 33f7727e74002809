"""Hooks: what runs before, after and at the end of a request, in which order and on which requests.

Every hook here has a name, writes it in the journal under the key of the query, and does what the
query asks of the hook of that name: `fail=NAME` raises, `answer=NAME` returns a response of its
own. So one set of hooks serves every check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    g,
    jsonify,
    render_template_string,
    request,
    stream_with_context,
    url_for,
)
from reference_app.areas import journal

#: Big enough that a client which stops reading is noticed before the end of the stream.
BLOCK = b"." * 65536
BLOCKS = 256


class HookError(Exception):
    """Raised by a hook or a view that was asked to fail; nothing handles it."""


class HandledError(Exception):
    """Raised by a view that was asked to, and turned into a response by the area's handler."""


def register(app: Flask) -> None:
    """Add the routes of this area, and the application's own hooks."""
    # The blueprints come first, so that the application's hooks run before theirs by rule and not
    # because they were registered earlier.
    for blueprint in (_area(), _other(), _localised()):
        app.register_blueprint(blueprint)
    add_hooks(app, "app")

    @app.teardown_appcontext
    def appcontext_1(error: BaseException | None) -> None:
        note_end("appcontext-1", error)

    @app.teardown_appcontext
    def appcontext_2(error: BaseException | None) -> None:
        note_end("appcontext-2", error)

    @app.context_processor
    def everywhere() -> dict[str, Any]:
        return {"everywhere": "from the application"}


def _in_area() -> bool:
    # The application's hooks run on every request; those of other areas are left alone.
    return request.path.startswith("/hooks")


def note(name: str, **details: Any) -> None:
    if "key" in request.args:
        journal.record(request.args["key"], name, **details)


def note_end(name: str, error: BaseException | None) -> None:
    # By `g` and not by the request: when the application context ends there may be no request.
    if "hooks_key" in g:
        journal.record(g.hooks_key, name, error=None if error is None else type(error).__name__)


def _turn(name: str) -> Response | None:
    """Note that it is the turn of the hook of that name, and do what the query asks of it."""
    note(name)
    if request.args.get("fail") == name:
        raise HookError(f"{name} was asked to fail")
    if request.args.get("answer") == name:
        return Response(f"answered by {name}", status=203, mimetype="text/plain")
    return None


def add_hooks(place: Flask | Blueprint, prefix: str) -> None:
    """Two hooks of each kind, which differ in nothing but their names."""

    def before(name: str) -> Callable[[], Response | None]:
        def hook() -> Response | None:
            if not _in_area():
                return None
            if "key" in request.args:
                g.hooks_key = request.args["key"]
            return _turn(name)

        return hook

    def after(name: str) -> Callable[[Response], Response]:
        def hook(response: Response) -> Response:
            if not _in_area():
                return response
            response.headers.add("X-After", name)
            return _turn(name) or response

        return hook

    def teardown(name: str) -> Callable[[BaseException | None], None]:
        return lambda error: note_end(name, error)

    for number in (1, 2):
        place.before_request(before(f"{prefix}-before-{number}"))
        place.after_request(after(f"{prefix}-after-{number}"))
        place.teardown_request(teardown(f"{prefix}-teardown-{number}"))


def _area() -> Blueprint:
    area = Blueprint("hooks", __name__, url_prefix="/hooks")
    add_hooks(area, "area")

    @area.errorhandler(HandledError)
    def handle(error: HandledError) -> tuple[str, int]:
        note("handler")
        return "handled", 418

    @area.context_processor
    def here() -> dict[str, Any]:
        return {"here": "from the blueprint"}

    @area.get("/view")
    def view() -> str:
        """A view with all hooks around it; the journal has each in its turn."""
        note("view")
        return "view"

    @area.get("/fail")
    def fail() -> str:
        """A view that fails, with all hooks around it."""
        note("view")
        raise HookError("the view was asked to fail")

    @area.get("/handled")
    def handled() -> str:
        """A view whose exception a handler turns into 418, with all hooks around it."""
        note("view")
        raise HandledError

    @area.get("/after-this")
    def after_this() -> str:
        """A view that asks for a function after this request, which sets a field."""

        @after_this_request
        def once(response: Response) -> Response:
            note("after-this")
            response.headers["X-After-This"] = request.args["payload"]
            return response

        return "view"

    @area.get("/template")
    def template() -> str:
        """A template with variables of the application, of the blueprint and of the view."""
        return _rendered()

    @area.get("/stream")
    def stream() -> Response:
        """A stream of three blocks; the journal says that the hooks for after a request run before
        them."""

        def generate() -> Iterator[str]:
            for number in (1, 2, 3):
                note(f"block-{number}")
                yield f"{request.args['payload']}-{number};"

        return Response(stream_with_context(generate()), mimetype="text/plain")

    @area.get("/long-stream")
    def long_stream() -> Response:
        """A stream of 16 MiB of dots that the client leaves; the journal says when it is closed."""

        def generate() -> Iterator[bytes]:
            try:
                for _ in range(BLOCKS):
                    yield BLOCK
            finally:
                note("closed")

        return Response(stream_with_context(generate()), mimetype="application/octet-stream")

    return area


def _other() -> Blueprint:
    """A blueprint without hooks of its own, and with two for the whole application."""
    other = Blueprint("hooks-other", __name__, url_prefix="/hooks-other")

    @other.before_app_request
    def before_all() -> None:
        if _in_area():
            note("before-app")

    @other.after_app_request
    def after_all(response: Response) -> Response:
        if _in_area():
            note("after-app")
        return response

    @other.get("/view")
    def view() -> str:
        """A view of a blueprint that has no hooks of its own."""
        note("view")
        return "view"

    @other.get("/template")
    def template() -> str:
        """A template with variables of the application and of the view, and none of another
        blueprint."""
        return _rendered()

    return other


def _localised() -> Blueprint:
    """A blueprint whose URLs all have a language, which its views do not see as an argument."""
    localised = Blueprint("hooks-localised", __name__, url_prefix="/hooks-localised/<language>")

    @localised.url_value_preprocessor
    def take(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.language = (values or {}).pop("language", None)

    @localised.url_defaults
    def give(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("language", g.language)

    @localised.before_request
    def seen_before() -> None:
        g.seen_before = g.language

    @localised.get("/page/<int:number>")
    def page(**arguments: Any) -> Response:
        """A view that has one variable of its URL as its argument; a hook has taken the other."""
        return jsonify(
            arguments=arguments,
            language=g.language,
            seen_before=g.seen_before,
            here=url_for(".page", number=2),
            elsewhere=url_for(".page", number=2, language="cy"),
        )

    return localised


def _rendered() -> str:
    return render_template_string("{{ everywhere }}|{{ here }}|{{ own }}", own="from the view")
