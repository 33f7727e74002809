"""Stages: a request that is held in one of the functions that it passes through.

Each of these functions asks whether it is the one that the query names as `stage`. If it is, it
waits there for the other requests of its rendezvous and then writes in the journal what it sees: of
which request it is, and whose data are in `g`, `request` and `session`. In `teardown_appcontext`
there is no request to be asked for, so everything that is needed is in `g`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    copy_current_request_context,
    current_app,
    g,
    has_request_context,
    render_template_string,
    request,
    session,
    stream_with_context,
)
from reference_app.areas import journal


class StageError(Exception):
    """Raised by the view whose error handler is the stage; carries the payload."""


def register(app: Flask) -> None:
    """Add the routes of this area, and the application's own function at its end."""
    app.register_blueprint(_blueprint())

    @app.teardown_appcontext
    def teardown_appcontext(error: BaseException | None) -> None:
        if "stage" in g:
            _pass("teardown-appcontext")


def _pass(stage: str) -> str:
    """Wait here if this is the stage, and note what is seen afterwards; give the own payload."""
    own: str = g.payload
    if g.stage == stage:
        key = g.key
        met = journal.meet(key, g.parties, g.patience)
        seen = {"g": g.payload}
        if stage != "teardown-appcontext" and has_request_context():
            seen["request"] = request.args["payload"]
            seen["session"] = session["payload"]
        journal.record(key, "seen", own=own, met=met, seen=seen)
    return own


def _enter() -> None:
    """Put in place what the stages look at."""
    g.payload = session["payload"] = request.args["payload"]
    g.stage = request.args["stage"]
    g.key = request.args["key"]
    g.parties = request.args.get("parties", 2, type=int)
    g.patience = request.args.get("patience", 8.0, type=float)


def _blueprint() -> Blueprint:
    area = Blueprint("context_stages", __name__, url_prefix="/context/held")

    @area.before_request
    def before_request() -> None:
        _enter()
        _pass("before-request")

    @area.after_request
    def after_request(response: Response) -> Response:
        response.headers["X-After"] = _pass("after-request")
        return response

    @area.teardown_request
    def teardown_request(error: BaseException | None) -> None:
        _pass("teardown-request")

    @area.errorhandler(StageError)
    def handle(error: StageError) -> str:
        assert error.args == (request.args["payload"],)
        _pass("error-handler")
        return str(error)

    @area.get("/answer")
    def answer() -> str:
        """Answer with the payload, held in the stage that the query names."""
        return g.payload  # type: ignore[no-any-return]

    @area.get("/error-handler")
    def fail() -> str:
        """Fail, and let the error handler, which is the stage, answer with the payload."""
        raise StageError(g.payload)

    @area.get("/template")
    def template() -> str:
        """Render the payload by a template that is held while it is rendered."""
        return render_template_string("{{ hold('template') }}", hold=_pass)

    @area.get("/stream")
    def stream() -> Response:
        """Send the payload in two pieces, held between them."""

        def generate() -> Iterator[str]:
            payload = request.args["payload"]
            yield payload[:4]
            yield _pass("stream")[4:]

        return Response(stream_with_context(generate()), mimetype="text/plain")

    @area.get("/nested")
    def nested() -> str:
        """Be held in a request context within this one, and answer with the payload of the outer
        one."""
        # The inner request has a payload of its own, and what it leaves must be the outer one's.
        outer = g.payload
        query = request.query_string.decode().replace(outer, outer[::-1])
        with current_app.app_context(), current_app.test_request_context(f"/inner?{query}"):
            _enter()
            _pass("nested")
        return f"{g.payload}" if request.args["payload"] == outer else "another request"

    @area.get("/copied")
    def copied() -> str:
        """Be held in a thread that has a copy of the context, and answer with the payload."""

        @copy_current_request_context
        def work() -> None:
            # Whether a copy has a `g` of its own is not said, so what it needs is put there.
            _enter()
            _pass("copied")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return g.payload  # type: ignore[no-any-return]

    return area
