"""Requests sent to an application, and what it did: what the document says of each exchange.

The gateway here is the least that PEP 3333 asks for and judges nothing: what an application hands
to `start_response` is written down as it is, and so is what it raises, how many blocks its body has
and what is in the journal at the end. What differs from one run to the next is replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from wsgiref.util import FileWrapper

import conformance
from reference_app.areas import journal
from tests.contract.surface import Route, routes

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

HOST = "wsgi-conform.test"
#: Text that is longer than this is told by its length and its hash, in characters.
SHOWN = 600
#: What is of the process or of the moment, and stands for it in the document.
VARYING: dict[str, object] = {
    "pid": 4711,
    "peak": 40000000,
    "application": 140000000000000,
    "deployment": "a-token",
    "python": "3.13.5",
    "framework": "reference",
}
#: Fields that say when, or what a file system says.
_MOMENTS = ("date", "etag", "last-modified", "expires")
#: Words that differ between versions of Python.
_RENAMED = {413: "Request Entity Too Large", 416: "Requested Range Not Satisfiable"}
#: Cookies that are signed, with the time in the signature.
_SIGNED = ("session", "configured")


def send(application: WSGIApplication, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request, in a journal of its own, and give what came of it.

    :param request: its `method` and `target`; perhaps `headers`, `body`, requests whose cookies it
        carries (`after`), and the gate that is `open` when it comes.
    """
    with _own_journal() as directory, contextlib.redirect_stdout(io.StringIO()):
        if "open" in request:
            (directory / f"{request['open']}.open").touch()
        cookies = [
            value.partition(";")[0]
            for earlier in request.get("after", [])
            for name, value in _call(application, earlier)["fields"]
            if name.lower() == "set-cookie"
        ]
        headers = dict(request.get("headers", {}))
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        for file in directory.glob("*.journal"):
            file.unlink()
        answer = _call(application, {**request, "headers": headers})
        events = [journal.read(file.stem) for file in sorted(directory.glob("*.journal"))]
    return _told(answer, [event for found in events for event in found])


@contextlib.contextmanager
def _own_journal() -> Iterator[Path]:
    """A directory for the journal that nothing is in yet."""
    before = os.environ.get("WSGI_CONFORM_DEPLOYMENT")
    directory = Path(tempfile.mkdtemp(prefix="wsgi-conform-"))
    os.environ["WSGI_CONFORM_DEPLOYMENT"] = directory.name.removeprefix("wsgi-conform-")
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        del os.environ["WSGI_CONFORM_DEPLOYMENT"]
        if before is not None:
            os.environ["WSGI_CONFORM_DEPLOYMENT"] = before


def _environ(request: dict[str, Any]) -> dict[str, Any]:
    path, _, query = request["target"].partition("?")
    body = request.get("body", "").encode("latin-1")
    environ = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": HOST,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in request.get("headers", {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ


def _call(application: WSGIApplication, request: dict[str, Any]) -> dict[str, Any]:
    """Call the application as a server does, and write down what it does."""
    answer: dict[str, Any] = {"status": None, "fields": [], "blocks": [], "raised": None}

    def start_response(status: Any, headers: Any, exc_info: Any = None) -> Any:
        if exc_info and any(answer["blocks"]):
            raise exc_info[1].with_traceback(exc_info[2])
        assert exc_info or answer["status"] is None, "start_response was called before"
        answer["status"], answer["fields"] = status, headers
        return answer["blocks"].append

    where = "in the call"
    iterable: Any = None
    try:
        iterable = application(_environ(request), start_response)
        where = "in the iteration"
        for block in iterable:
            answer["blocks"].append(block)
    except BaseException as error:
        answer["raised"] = f"{type(error).__name__} {where}"
    close = getattr(iterable, "close", None)
    if close is not None:
        try:
            close()
        except BaseException as error:
            answer["raised"] = f"{type(error).__name__} in close()"
    return answer


def phrase(status: int) -> str:
    """The words for a status; none where there are no usual ones."""
    if status in _RENAMED:
        return _RENAMED[status]
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


def _told(answer: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    """What is said of an answer; what is usual is left out."""
    told: dict[str, Any] = {}
    line = answer["status"]
    if isinstance(line, str) and line[:3].isdigit():
        told["status"] = int(line[:3])
        usual = re.sub(r"\W", "", phrase(told["status"])).casefold()
        if re.sub(r"[ '-]", "", line[4:]).casefold() != usual:
            told["line"] = line
    elif line is not None:
        told["line"] = line if isinstance(line, str) else repr(line)
    told["headers"] = _headers(answer["fields"])
    if told["headers"].get("Content-Type") == "application/json":
        # By which blanks values are set apart is not said.
        told["headers"].pop("Content-Length", None)
    blocks = answer["blocks"]
    if all(isinstance(block, bytes) for block in blocks):
        told["body"] = _body(b"".join(blocks), str(told["headers"].get("Content-Type", "")))
    else:
        told["body"] = {"not bytes": repr(blocks)}
    if len(blocks) > 1:
        told["blocks"] = len(blocks)
    if answer["raised"]:
        told["raises"] = answer["raised"]
    if events:
        told["journal"] = steady(events)
    return told


def _headers(fields: Any) -> dict[str, Any]:
    """The fields by name; a list of values where there are several."""
    found: dict[str, Any] = {}
    try:
        for name, value in fields:
            if not isinstance(name, str) or not isinstance(value, str):
                name, value = str(name), repr(value)
            if name.lower() in _MOMENTS and "v1" not in value:
                value = "..."
            elif name == "Set-Cookie":
                value = _steady_cookie(value)
            found.setdefault(name, []).append(value)
    except (TypeError, ValueError):
        return {"not a list of pairs": repr(fields)}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _steady_cookie(cookie: str) -> str:
    """A cookie without its signature, and without the moment at which it is to end."""
    name, _, value = cookie.partition("=")
    if name in _SIGNED and not value.startswith(";"):
        return re.sub(r"Expires=[^;]+", "Expires=...", re.sub(r"=[^;]+", "=...", cookie, count=1))
    return re.sub(r"Expires=[^;]+(?=; Max-Age=[1-9])", "Expires=...", cookie)


def _body(data: bytes, content_type: str) -> Any:
    if content_type.startswith("application/json") and data:
        with contextlib.suppress(ValueError):
            return {"json": steady(json.loads(data))}
    with contextlib.suppress(ValueError):
        text = data.decode()
        if len(text) <= SHOWN and (text.isprintable() or "\n" in text):
            return text
    return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def steady(value: Any) -> Any:
    """A value without what differs from one run to the next."""
    if isinstance(value, dict):
        return {
            key: VARYING[key] if type(item) is type(VARYING.get(key, ...)) else steady(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [steady(item) for item in value]
    return value


def observe(
    requests: Sequence[dict[str, Any]], framework: str = ""
) -> tuple[list[Route], list[dict[str, Any]]]:
    """The routes and the answers of the application on a framework.

    In a process of its own, because the framework is chosen when it is imported.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.exchanges"],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "WSGI_CONFORM_FRAMEWORK": framework},
        cwd=Path(conformance.__file__).parents[1],
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    told = json.loads(done.stdout)
    found = [Route(**{**route, "methods": tuple(route["methods"])}) for route in told["routes"]]
    return found, told["answers"]


if __name__ == "__main__":
    from reference_app.application import create_app

    app = create_app()
    real = sys.stdout
    json.dump(
        {
            "routes": [vars(route) for route in routes(app)],
            "answers": [send(app, request) for request in json.load(sys.stdin)],
        },
        real,
    )
