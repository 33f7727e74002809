"""What the applications of this area share: the path each is served at, and how it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from reference_app.areas import journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/wsgi/"
#: How long an application waits that goes on beyond its length, in seconds.
PAUSE_S = 0.03
#: A block that no socket buffer swallows whole many times over.
BIG_BLOCK = b"x" * 65536

OK = "200 OK"
TEXT = ("Content-Type", "text/plain")
BINARY = ("Content-Type", "application/octet-stream")

_applications: dict[str, WSGIApplication] = {}


class Middleware:
    """Serves the paths of this area and hands every other one on.

    :param application: what serves the other paths.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        # A request for another path can name the application in a field.
        field = environ.get("HTTP_X_WSGI_APPLICATION", "")
        if field or path.startswith(PREFIX):
            # What follows a second slash is the application's own: /wsgi/environ/any/path.
            name = field or path.removeprefix(PREFIX)
            application = _applications.get(name) or _applications.get(name.partition("/")[0])
            if application is not None:
                return application(environ, start_response)
        return self._application(environ, start_response)


def at(path: str) -> Callable[[WSGIApplication], WSGIApplication]:
    """Serve a path below `/wsgi/` by the decorated application."""

    def register(application: WSGIApplication) -> WSGIApplication:
        _applications[path] = application
        return application

    return register


class Failure(Exception):
    """What the applications here raise when failing is their purpose."""


def query(environ: WSGIEnvironment) -> dict[str, list[str]]:
    """The query of a request, decoded."""
    return parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)


def argument(environ: WSGIEnvironment, name: str, default: str = "") -> str:
    """The first value of a name in the query."""
    return query(environ).get(name, [default])[0]


def note(environ: WSGIEnvironment, event: str, **details: Any) -> None:
    """Record an event in the journal if the request names a key of it."""
    key = argument(environ, "key")
    if key:
        journal.record(key, event, **details)


def answer_json(start_response: StartResponse, value: Any, status: str = OK) -> list[bytes]:
    """Answer with a value as JSON."""
    body = json.dumps(value).encode()
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def named(error: BaseException) -> str:
    """An exception as text: its class and its message."""
    return f"{type(error).__name__}: {error}"


def patience(environ: WSGIEnvironment) -> float:
    """Seconds that this request waits at a rendezvous at the most."""
    return float(argument(environ, "patience", "8"))


class Closeable:
    """An iterable that says in the journal when it is iterated and when it is closed."""

    def __init__(
        self, environ: WSGIEnvironment, blocks: Iterable[bytes], *, close_fails: bool = False
    ) -> None:
        self._environ = environ
        self._blocks = blocks
        self._close_fails = close_fails

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blocks)

    def close(self) -> None:
        note(self._environ, "close")
        if self._close_fails:
            raise Failure("close() fails")
