"""Contexts: `g`, `request`, `session`, `current_app` while several requests are handled."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    copy_current_request_context,
    current_app,
    flash,
    g,
    get_flashed_messages,
    has_app_context,
    has_request_context,
    jsonify,
    render_template_string,
    request,
    session,
    stream_with_context,
    url_for,
)
from reference_app.areas import journal

TEMPLATE = "{{ request.args['payload'] }} {{ g.payload }} {{ session['payload'] }}"

_variable: ContextVar[str] = ContextVar("a context variable of the application's own")
_thread_local = threading.local()
#: The payloads that this process has seen, by rendezvous. Appending to a list is atomic.
_seen: dict[str, list[str]] = {}


def register(app: Flask) -> None:
    """Add the routes of this area."""
    app.register_blueprint(_blueprint())


def _meet() -> bool:
    """Wait for the other requests of the rendezvous that the query names."""
    return journal.meet(
        request.args["key"],
        request.args.get("parties", 2, type=int),
        request.args.get("patience", 8.0, type=float),
    )


def _blueprint() -> Blueprint:
    area = Blueprint("context", __name__, url_prefix="/context")

    @area.route("/meet", methods=["GET", "POST"])
    def meet() -> Response:
        """Put the payload wherever a request can keep data, wait for the others, and say what is
        there then."""
        # Everything is put in place before the rendezvous and looked at after it, so that whatever
        # is not kept apart shows the payload of another request.
        payload = request.args["payload"]
        found = sorted(g)
        g.payload = payload
        session["payload"] = payload
        flash(payload)
        _variable.set(payload)
        _thread_local.payload = payload
        seen = _seen.setdefault(request.args["key"], [])
        seen.append(payload)
        proxy = request
        met = _meet()
        return jsonify(
            met=met,
            pid=os.getpid(),
            application=id(current_app._get_current_object()),  # type: ignore[attr-defined]
            multithread=request.environ["wsgi.multithread"],
            multiprocess=request.environ["wsgi.multiprocess"],
            seen=seen,
            found_in_g=found,
            g=g.payload,
            request=proxy.args["payload"],
            header=request.headers.get("X-Payload"),
            body=request.get_data(as_text=True),
            session=session["payload"],
            flashed=get_flashed_messages(),
            template=render_template_string(TEMPLATE),
            url=url_for(".meet", _external=True),
            variable=_variable.get(),
            thread_local=_thread_local.payload,
            path=request.full_path,
        )

    @area.get("/session")
    def read_session() -> Response:
        """The payload that the session has, or null."""
        return jsonify(session.get("payload"))

    @area.route("/echo", methods=["POST"])
    def echo() -> Response:
        """Put the payload in `g`, count in the session, and say what was found and what came."""
        found = g.get("payload")
        g.payload = request.args["payload"]
        session["count"] = session.get("count", 0) + 1
        session.setdefault("user", request.args["user"])
        return jsonify(
            found=found,
            g=g.payload,
            header=request.headers.get("X-Payload"),
            body=request.get_data(as_text=True),
            user=session["user"],
            count=session["count"],
        )

    @area.route("/meet-or-fail", methods=["POST"])
    def meet_or_fail() -> Response:
        """Wait for the others; fail with the payload as message if the query has `fail`, else
        answer with it."""
        # Every second request of the rendezvous fails in its midst.
        g.payload = request.args["payload"]
        g.fail_key = request.args["key"]
        _meet()
        if "fail" in request.args:
            raise RuntimeError(g.payload)
        return jsonify(g=g.payload, request=request.args["payload"])

    @area.get("/remember")
    def remember() -> Response:
        """Say what an earlier request left in `g`, which is nothing, and put the payload there."""
        found = g.get("payload")
        g.payload = request.args["payload"]
        return jsonify(found=found, g=g.payload)

    @area.get("/remember-and-fail")
    def remember_and_fail() -> Response:
        """Put the payload in `g` and fail, so that whatever is not cleaned up stays."""
        g.payload = request.args["payload"]
        raise RuntimeError("this view always fails")

    @area.get("/flags")
    def flags() -> Response:
        """What the environ says of threads and processes: `wsgi.multithread` and its like."""
        return jsonify(
            multithread=request.environ["wsgi.multithread"],
            multiprocess=request.environ["wsgi.multiprocess"],
            run_once=request.environ["wsgi.run_once"],
        )

    @area.get("/outside")
    def outside() -> Response:
        """Use each proxy in a thread that has no context, and say what each gives or raises."""
        # A thread of the application's own has no context, even while a request is being handled.
        seen: dict[str, object] = {}

        def look() -> None:
            seen["has_request_context"] = has_request_context()
            seen["has_app_context"] = has_app_context()
            for name, use in (
                ("request", lambda: request.path),
                ("session", lambda: session.get("payload")),
                ("g", lambda: g.get("payload")),
                ("current_app", lambda: current_app.name),
            ):
                try:
                    seen[name] = use()
                except RuntimeError as error:
                    seen[name] = f"RuntimeError: {str(error).splitlines()[0]}"

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return jsonify(seen)

    @area.get("/outside/<name>")
    def use_outside(name: str) -> Response:
        """Use one of the proxies or functions in a thread without a context; the message of what is
        raised."""
        # The whole message, of what is used in a thread of the application's own.
        uses: dict[str, Callable[[], object]] = {
            "current-app": lambda: current_app.name,
            "g": lambda: g.get("payload"),
            "request": lambda: request.path,
            "session": lambda: session.get("payload"),
            "url-for": lambda: url_for("context.outside"),
            "template": lambda: render_template_string("{{ 1 }}"),
            "flash": lambda: flash("nobody reads this"),
            "after-this-request": lambda: after_this_request(lambda response: response),
            "copied": lambda: copy_current_request_context(lambda: None),
        }
        return jsonify(raised=_raised_in_thread(uses[name]))

    @area.get("/application-only")
    def application_only() -> Response:
        """Use `g` and `current_app`, and then `request`, in a thread that has an application
        context only."""
        # As a command or a job does: an application is at work, and there is no request.
        application = current_app._get_current_object()  # type: ignore[attr-defined]
        seen: dict[str, object] = {}

        def look() -> None:
            with application.app_context():
                g.payload = "kept"
                seen.update(application=current_app.name, g=g.payload)
                request.path  # noqa: B018 (this is what raises)

        return jsonify(raised=_raised_in_thread(look), seen=seen)

    @area.get("/handed-over")
    def handed_over() -> Response:
        """Read the query in another thread, of the request object itself instead of its proxy."""
        # The object itself, and not the proxy, goes to a thread that has no context.
        itself = request._get_current_object()  # type: ignore[attr-defined]
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(itself.args["payload"]))
        thread.start()
        thread.join()
        return jsonify(seen)

    @area.get("/copied")
    def copied() -> Response:
        """Read the query and the endpoint in a thread that has a copy of the request context."""
        seen: dict[str, object] = {}

        @copy_current_request_context
        def look() -> None:
            seen["payload"] = request.args["payload"]
            seen["endpoint"] = request.endpoint

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return jsonify(seen)

    @area.get("/nested")
    def nested() -> Response:
        """Push an application context and a request context within this one; what each sees, and
        what is left."""
        g.level = "outer"
        with current_app.app_context():
            inner_found = g.get("level")
            g.level = "inner"
        with current_app.test_request_context("/inner?payload=inner"):
            inner_path = request.path
        return jsonify(inner_found=inner_found, g=g.level, inner_path=inner_path, path=request.path)

    @area.get("/nested/other-application")
    def nested_other_application() -> Response:
        """Push the context of another application within this one; what `g` and `current_app` are
        in both."""
        g.level = "outer"
        other = Flask("another_application")
        with other.app_context():
            inner = {"application": current_app.name, "found": g.get("level")}
            g.level = "inner"
        return jsonify(inner=inner, application=current_app.name, g=g.level)

    @area.get("/g-methods")
    def g_methods() -> Response:
        """Use every method of `g`, and say what each gave."""
        g.one = 1
        default = g.setdefault("two", 2)
        kept = g.setdefault("one", 3)
        popped = g.pop("two")
        try:
            missing = str(g.two)
        except AttributeError as error:
            missing = type(error).__name__
        return jsonify(
            setdefault=[default, kept],
            pop=[popped, g.pop("two", "gone")],
            get=[g.get("one"), g.get("two"), g.get("two", "gone")],
            contains=["one" in g, "two" in g],
            names=sorted(g),
            missing=missing,
        )

    @area.get("/proxies")
    def proxies() -> Response:
        """What the proxies stand for: the application's name, whether it is the same, the type of
        the request."""
        return jsonify(
            current_app=current_app.name,
            same_application=current_app == current_app._get_current_object(),  # type: ignore[attr-defined]
            request_type=type(request._get_current_object()).__name__,  # type: ignore[attr-defined]
            truth=bool(request),
        )

    @area.get("/stream")
    def stream() -> Response:
        """A stream of two pieces that uses `g` and `request`, which are kept for it."""
        g.payload = request.args["payload"]

        def generate() -> Iterator[str]:
            yield f"g={g.payload};"
            yield f"request={request.args['payload']}"

        return Response(stream_with_context(generate()), mimetype="text/plain")

    @area.get("/stream/without-context")
    def stream_without_context() -> Response:
        """A stream of two pieces that uses `request`, which is not kept for it: the error's name
        comes second."""

        def generate() -> Iterator[str]:
            yield "begun;"
            try:
                yield request.args["payload"]
            except RuntimeError as error:
                yield type(error).__name__

        return Response(generate(), mimetype="text/plain")

    @area.post("/teardown")
    def in_teardown() -> Response:
        """Wait for the others; the journal has what the teardown function sees in `g`."""
        g.payload = request.args["payload"]
        g.teardown_key = request.args["key"]
        _meet()
        return jsonify(g=g.payload)

    @area.teardown_request
    def note_payload(error: BaseException | None) -> None:
        if "teardown_key" in g:
            journal.record(g.teardown_key, "teardown", payload=g.payload)
        if "fail_key" in g:
            text = None if error is None else str(error)
            journal.record(g.fail_key, "teardown", payload=g.payload, error=text)

    return area


def _raised_in_thread(look: Callable[[], object]) -> str | None:
    """Call a function in a thread of the application's own; the RuntimeError that it raised."""
    raised: list[str] = []

    def run() -> None:
        try:
            look()
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None
