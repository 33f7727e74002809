"""What the tests of the framework share.

Many of them run the same application source on the reference framework and on Flask: what a test
expects is then Flask's behaviour and not only our idea of it. They talk to applications through
`call`, which is plain WSGI and belongs to neither.
"""

from __future__ import annotations

import importlib
import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

import pytest

from reference_app.framework.globals import _app_stack, _request_stack

FRAMEWORKS = {"reference": "reference_app.framework", "flask": "flask"}


@pytest.fixture(params=sorted(FRAMEWORKS))
def framework(request: pytest.FixtureRequest) -> Any:
    """The module of a framework: the test runs on each."""
    return importlib.import_module(FRAMEWORKS[request.param])


@pytest.fixture(autouse=True)
def no_context_left() -> Iterator[None]:
    """Fails a test that leaves a context pushed."""
    yield
    left = []
    for stack in (_request_stack, _app_stack):
        while stack.top is not None:
            left.append(stack.pop())
    assert left == []


@pytest.fixture(autouse=True)
def loggers_as_found() -> Iterator[None]:
    """Tests of failures switch the applications' logger off; it is one for all of a name."""
    yield
    logging.getLogger("tests.framework").disabled = False


@dataclass
class Answer:
    """What an application answered."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        """A header field, None if it is missing; a test does not care which of several."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        """All header fields of a name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status.split()[0])

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def call_wsgi(
    app: WSGIApplication,
    path: str = "/",
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    **environ: Any,
) -> Answer:
    """Call a WSGI application as a server does.

    :param path: with a query string.
    :param headers: of the request.
    :param environ: more of the environ; dots in keys are written as double underscores.
    """
    path, _, query = path.partition("?")
    result: dict[str, Any] = {}
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        result.update(status=status, headers=headers)
        return written.append

    full: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body is not None:
        full["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        full[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    full.update({key.replace("__", "."): value for key, value in environ.items()})
    full = {key: value for key, value in full.items() if value is not None}
    iterable = app(full, start_response)
    try:
        data = b"".join(iterable)
    finally:
        close = getattr(iterable, "close", None)
        if close is not None:
            close()
    return Answer(result["status"], result["headers"], b"".join(written) + data)


@pytest.fixture
def call() -> Callable[..., Answer]:
    """`call_wsgi`, for test modules: pytest's import mode has them import nothing of each other."""
    return call_wsgi
