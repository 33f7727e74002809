"""Testing applications without a server: the client.

Requests are made by `_environ_builder.py`, cookies are kept by `_cookies.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from wsgiref.types import WSGIApplication, WSGIEnvironment

from ._cookies import Cookie, CookieJar
from ._environ_builder import EnvironBuilder
from .datastructures import Headers
from .request import Request
from .response import Response
from .sessions import SessionMixin
from .wsgi import get_host

if TYPE_CHECKING:
    from .app import Flask

__all__ = ["Cookie", "EnvironBuilder", "FlaskClient", "TestResponse", "run_wsgi_app"]


def run_wsgi_app(
    app: WSGIApplication, environ: WSGIEnvironment, buffered: bool = False
) -> tuple[Iterable[bytes], str, Headers]:
    """Call a WSGI application as a server does: body, status, header.

    :param buffered: read and close the body now; else only as far as the status needs.
    """
    status: str | None = None
    headers: list[tuple[str, str]] = []
    written: list[bytes] = []

    def start_response(
        new_status: str, new_headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], None]:
        nonlocal status, headers
        if exc_info is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        status, headers = new_status, new_headers
        return written.append

    body = app(dict(environ), start_response)
    iterator = iter(body)
    close = getattr(body, "close", None)
    # start_response need not be called before the first piece is asked for.
    while status is None:
        written.append(next(iterator))

    def pieces() -> Iterator[bytes]:
        try:
            yield from written
            yield from iterator
        finally:
            if close is not None:
                close()

    result: Iterable[bytes] = _Body(pieces(), close)
    if buffered:
        result = list(result)
    return result, status, Headers(headers)


class _Body:
    """A body that is closed even if nothing of it was read."""

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None] | None) -> None:
        self._pieces = pieces
        self._close = close
        self._started = False

    def __iter__(self) -> Iterator[bytes]:
        self._started = True
        return self._pieces

    def close(self) -> None:
        if self._started:
            self._pieces.close()  # type: ignore[attr-defined]
        elif self._close is not None:
            self._close()
            self._close = None


class TestResponse(Response):
    """A response to the test client.

    :param request: that it answers.
    """

    # Not a test, whatever pytest thinks of the name.
    __test__ = False
    default_mimetype = None

    def __init__(
        self, response: Any, status: str, headers: Headers, request: Request, **kwargs: Any
    ) -> None:
        super().__init__(response, status, headers, **kwargs)
        self.request = request
        # The responses that redirected here.
        self.history: tuple[TestResponse, ...] = ()

    @property
    def text(self) -> str:
        """The body as text."""
        return self.get_data(as_text=True)


class FlaskClient(CookieJar):
    """A client that calls an application without a server.

    As a with block, it keeps the contexts of the last request, for a look into `request`, `session`
    and `g`.

    :param application: to call.
    :param response_wrapper: the class of responses.
    :param use_cookies: keep cookies between requests.
    :param allow_subdomain_redirects: follow redirects to subdomains.
    """

    def __init__(
        self,
        application: Flask,
        response_wrapper: type[Response] | None = None,
        use_cookies: bool = True,
        allow_subdomain_redirects: bool = False,
    ) -> None:
        super().__init__(use_cookies)
        self.application = application
        wrapper: Any = TestResponse
        if response_wrapper is not None and issubclass(response_wrapper, TestResponse):
            wrapper = response_wrapper
        elif response_wrapper not in (None, Response):
            wrapper = type("WrapperTestResponse", (TestResponse, response_wrapper), {})
        self.response_wrapper: type[TestResponse] = wrapper
        self.allow_subdomain_redirects = allow_subdomain_redirects
        self.environ_base = {"REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "reference_app-test"}
        self.preserve_context = False
        self._new_contexts: list[Any] = []
        self._context_stack = ExitStack()

    @contextmanager
    def session_transaction(self, *args: Any, **kwargs: Any) -> Iterator[SessionMixin]:
        """The session as the next request will find it, to be changed in a with block.

        :raises TypeError: if the client keeps no cookies.
        :raises RuntimeError: if no session was opened.
        """
        self._require_cookies()
        app = self.application
        ctx = app.test_request_context(*args, **kwargs)
        self._add_cookies_to(ctx.request.environ)
        with ctx:
            session = app.session_interface.open_session(app, ctx.request)
        if session is None:
            raise RuntimeError(
                "Session backend did not open a session. The default one needs app.secret_key."
            )
        yield session
        response = app.response_class()
        if app.session_interface.is_null_session(session):
            return
        with ctx:
            app.session_interface.save_session(app, session, response)
        self._update_cookies(
            ctx.request.host.partition(":")[0],
            ctx.request.path,
            response.headers.getlist("Set-Cookie"),
        )

    def _copy_environ(self, other: Mapping[str, Any]) -> WSGIEnvironment:
        environ = {**self.environ_base, **other}
        if self.preserve_context:
            environ["reference_app.preserve_context"] = self._new_contexts.append
        return environ

    def _environ_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> WSGIEnvironment:
        first = args[0] if args else None
        if isinstance(first, EnvironBuilder):
            builder = copy(first)
            builder.environ_base = self._copy_environ(builder.environ_base or {})
            return builder.get_environ()
        if isinstance(first, Request):
            return self._copy_environ(first.environ)
        if isinstance(first, dict):
            return EnvironBuilder.from_environ(
                first, self.application, environ_base=self._copy_environ({})
            ).get_environ()
        kwargs["environ_base"] = self._copy_environ(kwargs.get("environ_base") or {})
        builder = EnvironBuilder(self.application, *args, **kwargs)
        try:
            return builder.get_environ()
        finally:
            builder.close()

    def open(
        self, *args: Any, buffered: bool = False, follow_redirects: bool = False, **kwargs: Any
    ) -> TestResponse:
        """Make a request.

        :param args: those of `EnvironBuilder` without the application; or one builder, request or
            environ.
        :param buffered: read and close the response now.
        :param follow_redirects: go where redirects lead to.
        """
        environ = self._environ_for(args, kwargs)
        # The contexts of the request before are over now.
        self._context_stack.close()
        response = self._open(environ, buffered)
        history: list[TestResponse] = []
        while follow_redirects and response.status_code in (301, 302, 303, 305, 307, 308):
            if not buffered:
                response.make_sequence()
                response.close()
            if any(
                (old.location, old.status_code) == (response.location, response.status_code)
                for old in history
            ):
                raise RuntimeError(
                    f"Loop detected: a {response.status_code} redirect to {response.location} was"
                    " already made."
                )
            response.history = tuple(history)
            history.append(response)
            response = self._open(self._redirected(response), buffered)
        response.history = tuple(history)
        for context in self._new_contexts:
            self._context_stack.enter_context(context)
        self._new_contexts.clear()
        return response

    def _open(self, environ: WSGIEnvironment, buffered: bool) -> TestResponse:
        self._add_cookies_to(environ)
        # Only the contexts of the last response are kept.
        self._new_contexts.clear()
        body, status, headers = run_wsgi_app(self.application, environ, buffered)
        request = Request(environ)
        self._update_cookies(
            get_host(environ).partition(":")[0] or "localhost",
            request.path,
            headers.getlist("Set-Cookie"),
        )
        response = self.response_wrapper(body, status, headers, request=request)
        response.json_module = self.application.json
        return response

    def _redirected(self, response: TestResponse) -> WSGIEnvironment:
        """The environ of the request that a redirect asks for."""
        scheme, netloc, path, query, _ = urlsplit(response.location)
        builder = EnvironBuilder.from_environ(response.request.environ, self.application)
        builder.environ_base = self._copy_environ({})
        builder.query_string = query
        if netloc:
            here = builder.host.partition(":")[0].split(".")
            there = netloc.partition(":")[0].split(".")
            if there != here:
                if there[-len(here) :] != here:
                    raise RuntimeError("Following external redirects is not supported.")
                if not self.allow_subdomain_redirects:
                    raise RuntimeError("Following subdomain redirects is not enabled.")
            builder.url_scheme, builder.host = scheme, netloc
        root = builder.script_root
        if path == root or path.startswith(f"{root}/"):
            builder.path = path[len(root) :]
        else:
            # Out of the application: the server would have to answer, so this one gets it whole.
            builder.path, builder.script_root = path, ""
        builder.request_uri = path
        if response.status_code not in (307, 308):
            if builder.method != "HEAD":
                builder.method = "GET"
            builder.input_stream = None
            for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
                builder.headers.remove(name)
        elif builder.input_stream is not None:
            builder.input_stream.seek(0)
        return builder.get_environ()

    def get(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with GET."""
        return self.open(*args, **{**kwargs, "method": "GET"})

    def post(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with POST."""
        return self.open(*args, **{**kwargs, "method": "POST"})

    def put(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with PUT."""
        return self.open(*args, **{**kwargs, "method": "PUT"})

    def delete(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with DELETE."""
        return self.open(*args, **{**kwargs, "method": "DELETE"})

    def patch(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with PATCH."""
        return self.open(*args, **{**kwargs, "method": "PATCH"})

    def options(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with OPTIONS."""
        return self.open(*args, **{**kwargs, "method": "OPTIONS"})

    def head(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with HEAD."""
        return self.open(*args, **{**kwargs, "method": "HEAD"})

    def trace(self, *args: Any, **kwargs: Any) -> TestResponse:
        """`open` with TRACE."""
        return self.open(*args, **{**kwargs, "method": "TRACE"})

    def __enter__(self) -> FlaskClient:
        if self.preserve_context:
            raise RuntimeError("Cannot nest client invocations: you used a client in its own with.")
        self.preserve_context = True
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.preserve_context = False
        self._context_stack.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.application!r}>"
