"""Security: what goes wrong where an application hands on what a client sent, or a server merges.

Most routes do what no careful application does, and put text from the query where it could split a
response, leave a directory or become markup. The paths below `/security/wsgi/` are plain WSGI
callables: what they do, a framework would not let a view do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template_string,
    request,
    send_file,
    send_from_directory,
    url_for,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The plain WSGI callables, by the name behind this.
PREFIX = "/security/wsgi/"

OK = "200 OK"
TEXT = ("Content-Type", "text/plain")

#: What a second response looks like to a client that is made to read one.
SECOND = "HTTP/1.1 200 OK\r\nX-Injected: 1\r\nContent-Length: 8\r\n\r\ninjected"
#: What follows the value that is injected into: the end of the head, and another response.
SPLIT = f"\r\nContent-Length: 0\r\n\r\n{SECOND}"
#: Characters whose low bytes are CR and LF, for a server that cuts characters off to bytes.
WIDE_LINE_END = "\u560d\u560a"

#: The heads that hold more than they should: status and fields, by what is injected into.
HEADS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "value": (OK, [("X-Value", f"a{SPLIT}")]),
    "value-lf": (OK, [("X-Value", "a\nX-Injected: 1")]),
    "value-cr": (OK, [("X-Value", "a\rX-Injected: 1")]),
    "value-nul": (OK, [("X-Value", "a\x00X-Injected: 1")]),
    "value-wide": (OK, [("X-Value", f"a{WIDE_LINE_END}X-Injected: 1")]),
    "name": (OK, [(f"X-Name: a{SPLIT}X", "a")]),
    "reason": (f"200 OK{SPLIT}", []),
    "location": ("302 Found", [("Location", f"/{SPLIT}")]),
    "cookie": (OK, [("Set-Cookie", f"a=1{SPLIT}")]),
    "content-type": (OK, [("Content-Type", f"text/plain{SPLIT}")]),
}


def register(app: Flask) -> None:
    """Add the routes of this area, and the callables in front of the application."""
    app.register_blueprint(_markup())
    app.register_blueprint(_injection())
    app.register_blueprint(_elsewhere())
    app.wsgi_app = _Dispatcher(app.wsgi_app)  # type: ignore[method-assign]


class _Dispatcher:
    """The callables of this area, and the application for every other path."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        name, _, case = path.removeprefix(PREFIX).partition("/")
        serve = _callables.get(name) if path.startswith(PREFIX) else None
        if serve is None:
            return self._application(environ, start_response)
        return serve(case, start_response)


def _head(case: str, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a head that holds more than it should."""
    status, headers = HEADS[case]
    start_response(status, headers)
    return [b"answered"]


def _replaced(case: str, start_response: StartResponse) -> Iterable[bytes]:
    """Announce a response, and replace it by one whose head holds more than it should."""
    start_response(OK, [TEXT])
    try:
        raise LookupError("what the response is replaced for")
    except LookupError:
        status, headers = HEADS[case]
        start_response(status, headers, sys.exc_info())
    return [b"answered"]


def _first_step(case: str, start_response: StartResponse) -> Iterator[bytes]:
    """As the first, but from within the iterable."""
    status, headers = HEADS[case]
    start_response(status, headers)
    yield b"answered"


_callables: dict[str, Callable[[str, StartResponse], Iterable[bytes]]] = {
    "head": _head,
    "replaced": _replaced,
    "first-step": _first_step,
}


def _injection() -> Blueprint:
    """Puts text from the query into the head of a response."""
    area = Blueprint("security-injection", __name__, url_prefix="/security/inject")

    @area.get("/header")
    def header() -> Response:
        """Put the text in a field: 500 if it has a line end."""
        response = make_response("answered")
        response.headers["X-Value"] = request.args["text"]
        return response

    @area.get("/header-in-tuple")
    def header_in_tuple() -> tuple[str, int, dict[str, str]]:
        """Put the text in a field, by a tuple: 500 if it has a line end."""
        return "answered", 200, {"X-Value": request.args["text"]}

    @area.get("/header-added")
    def header_added() -> Response:
        """Add the text as a field: 500 if it has a line end."""
        response = make_response("answered")
        response.headers.add("X-Value", request.args["text"])
        return response

    @area.get("/location")
    def location() -> Response:
        """Redirect to the text: 500 if it has a line end."""
        return redirect(request.args["text"])

    @area.get("/content-type")
    def content_type() -> Response:
        """Make the text the content type: 500 if it has a line end."""
        return Response("answered", content_type=request.args["text"])

    @area.get("/cookie-value")
    def cookie_value() -> Response:
        """Set a cookie to the text, which is quoted."""
        response = make_response("answered")
        response.set_cookie("value", request.args["text"])
        return response

    @area.get("/download-name")
    def download_name() -> Response:
        """Offer a file to be saved under the text as its name, which is quoted."""
        name = request.args["text"]
        return send_file(BytesIO(b"answered"), "text/plain", as_attachment=True, download_name=name)

    @area.get("/status")
    def status() -> Response:
        """Make the text the status line: what is behind a line end is dropped."""
        return Response("answered", status=request.args["text"])

    return area


def _markup() -> Blueprint:
    """Puts text from the query into a page."""
    area = Blueprint("security-markup", __name__, url_prefix="/security/markup")

    @area.get("/description")
    def description() -> str:
        """Abort with the text as the description, which is escaped."""
        abort(400, description=request.args["text"])

    @area.get("/template")
    def template() -> str:
        """Put the text in a template, which escapes it."""
        return render_template_string("<p>{{ text }}</p>", text=request.args["text"])

    @area.get("/script")
    def script() -> str:
        """Put the text in a script, as JSON that cannot end it."""
        return render_template_string(
            "<script>const text = {{ text|tojson }}</script>", text=request.args["text"]
        )

    @area.get("/redirect")
    def redirected() -> Response:
        """Redirect to the text, and name it in the page, escaped."""
        return redirect(request.args["text"])

    return area


def _elsewhere() -> Blueprint:
    """What is outside of a directory, of a host, or of the environ."""
    area = Blueprint("security", __name__, url_prefix="/security")

    @area.get("/files/<path:name>")
    def file(name: str) -> Response:
        """A file of a folder; 404 for all that is not in it."""
        # Made at the first request: the image of a container cannot be written to but in /tmp.
        root = Path(tempfile.gettempdir()) / "wsgi-conform-security"
        inside = root / "inside"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / "file.txt").write_text("what is inside", "utf-8")
        (root / "outside.txt").write_text("what is outside", "utf-8")
        return send_from_directory(inside, name)

    @area.get("/branch/")
    def branch() -> str:
        """A folder, to which requests without the slash are redirected."""
        return "branch"

    @area.get("/url")
    def url() -> Response:
        """A URL built for this host, and the root that the request has."""
        return jsonify(url=url_for(".branch", _external=True), root=request.url_root)

    @area.get("/cookies")
    def cookies() -> Response:
        """The cookies of a request, and two with the prefixes that browsers guard."""
        response = jsonify(request.cookies)
        response.set_cookie("__Host-id", "1", secure=True, httponly=True, samesite="Lax")
        response.set_cookie(
            "__Secure-id", "2", secure=True, path="/security", samesite="Strict", max_age=60
        )
        return response

    @area.get("/process-environment")
    def process_environment() -> Response:
        """The names of the environment variables that have the text in their values."""
        # What a CGI script would find there, and what libraries read that know nothing of WSGI.
        return jsonify(
            sorted(name for name, value in os.environ.items() if request.args["text"] in value)
        )

    return area
