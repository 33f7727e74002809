"""Contexts: `g`, `request`, `session`, `current_app` while several requests are handled."""

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
    has_app_context,
    has_request_context,
    jsonify,
    request,
    session,
    stream_with_context,
)
from reference_app.areas import journal


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
        # Everything is put in place before the rendezvous and looked at after it, so that whatever
        # is not kept apart shows the payload of another request.
        payload = request.args["payload"]
        found = sorted(g)
        g.payload = payload
        session["payload"] = payload
        proxy = request
        met = _meet()
        return jsonify(
            met=met,
            found_in_g=found,
            g=g.payload,
            request=proxy.args["payload"],
            header=request.headers.get("X-Payload"),
            body=request.get_data(as_text=True),
            session=session["payload"],
            path=request.full_path,
        )

    @area.get("/remember")
    def remember() -> Response:
        found = g.get("payload")
        g.payload = request.args["payload"]
        return jsonify(found=found, g=g.payload)

    @area.get("/remember-and-fail")
    def remember_and_fail() -> Response:
        g.payload = request.args["payload"]
        raise RuntimeError("this view always fails")

    @area.get("/flags")
    def flags() -> Response:
        return jsonify(
            multithread=request.environ["wsgi.multithread"],
            multiprocess=request.environ["wsgi.multiprocess"],
            run_once=request.environ["wsgi.run_once"],
        )

    @area.get("/outside")
    def outside() -> Response:
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

    @area.get("/copied")
    def copied() -> Response:
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
        g.level = "outer"
        with current_app.app_context():
            inner_found = g.get("level")
            g.level = "inner"
        with current_app.test_request_context("/inner?payload=inner"):
            inner_path = request.path
        return jsonify(inner_found=inner_found, g=g.level, inner_path=inner_path, path=request.path)

    @area.get("/proxies")
    def proxies() -> Response:
        return jsonify(
            current_app=current_app.name,
            same_application=current_app == current_app._get_current_object(),  # type: ignore[attr-defined]
            request_type=type(request._get_current_object()).__name__,  # type: ignore[attr-defined]
            truth=bool(request),
        )

    @area.get("/stream")
    def stream() -> Response:
        g.payload = request.args["payload"]

        def generate() -> Iterator[str]:
            yield f"g={g.payload};"
            yield f"request={request.args['payload']}"

        return Response(stream_with_context(generate()), mimetype="text/plain")

    @area.post("/teardown")
    def in_teardown() -> Response:
        g.payload = request.args["payload"]
        g.teardown_key = request.args["key"]
        _meet()
        return jsonify(g=g.payload)

    @area.teardown_request
    def note_payload(error: BaseException | None) -> None:
        if "teardown_key" in g:
            journal.record(g.teardown_key, "teardown", payload=g.payload)

    return area
