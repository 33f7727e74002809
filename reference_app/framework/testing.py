"""Testing applications without a server: the client, and how it makes a request.

Cookies that the client keeps are in `_cookies.py`.
"""

from __future__ import annotations

import mimetypes
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from wsgiref.types import WSGIApplication, WSGIEnvironment

from ._cookies import Cookie, CookieJar
from .datastructures import Authorization, FileMultiDict, Headers, MultiDict
from .http import encode_query
from .request import Request
from .response import Response, get_content_type
from .sessions import SessionMixin
from .wsgi import encode_text, get_host, iri_to_uri

if TYPE_CHECKING:
    from .app import Flask

__all__ = ["Cookie", "EnvironBuilder", "FlaskClient", "TestResponse", "run_wsgi_app"]


class EnvironBuilder:
    """Makes the environ of a request.

    :param app: for its configuration.
    :param path: of the URL, with a query string; or a whole URL.
    :param base_url: of the application; by default SERVER_NAME and APPLICATION_ROOT say it.
    :param subdomain: goes before SERVER_NAME.
    :param url_scheme: instead of PREFERRED_URL_SCHEME.
    :param query_string: text or a mapping.
    :param data: the body: text or bytes, or a mapping of form fields. A file, a tuple of file, name
        and type, or a path object in it makes the form a multipart one.
    :param json: an object for the body, instead of `data`.
    :param auth: user name and password, or an `Authorization`.
    :param environ_base: what the environ starts with.
    :param environ_overrides: what it ends with.
    :raises ValueError: if there is a query string both in the path and as an argument.
    :raises TypeError: if there are two bodies.
    """

    def __init__(
        self,
        app: Flask,
        path: str = "/",
        base_url: str | None = None,
        subdomain: str | None = None,
        url_scheme: str | None = None,
        query_string: Mapping[str, Any] | str | None = None,
        method: str = "GET",
        input_stream: IO[bytes] | None = None,
        content_type: str | None = None,
        content_length: int | None = None,
        errors_stream: IO[str] | None = None,
        multithread: bool = False,
        multiprocess: bool = False,
        run_once: bool = False,
        headers: Any = None,
        data: Any = None,
        environ_base: Mapping[str, Any] | None = None,
        environ_overrides: Mapping[str, Any] | None = None,
        mimetype: str | None = None,
        json: Any = None,
        auth: Authorization | tuple[str, str] | None = None,
    ) -> None:
        if base_url is not None and (subdomain or url_scheme):
            raise AssertionError(
                'You passed both "base_url" and "subdomain" or "url_scheme", which are parts of it.'
            )
        self.app = app
        url = urlsplit(path)
        self.request_uri = path
        if base_url is None:
            host = app.config["SERVER_NAME"] or "localhost"
            host = f"{subdomain}.{host}" if subdomain else host
            scheme = url.scheme or url_scheme or app.config["PREFERRED_URL_SCHEME"]
            root = app.config["APPLICATION_ROOT"].lstrip("/")
            base_url = f"{scheme}://{url.netloc or host}/{root}"
            self.request_uri = f"{url.path}?{url.query}" if url.query else url.path
        if query_string is not None and "?" in path:
            raise ValueError("Query string is defined in the path and as an argument")
        self.base_url = base_url
        self.path = iri_to_uri(url.path)
        if query_string is None:
            query_string = url.query
        self.query_string = (
            query_string if isinstance(query_string, str) else encode_query(query_string)
        )
        self.method = method
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.errors_stream = sys.stderr if errors_stream is None else errors_stream
        self.multithread = multithread
        self.multiprocess = multiprocess
        self.run_once = run_once
        self.environ_base = environ_base
        self.environ_overrides = environ_overrides
        self.input_stream = input_stream
        self.form: MultiDict[str, str] = MultiDict()
        self.files = FileMultiDict()
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        if mimetype is not None:
            self.headers["Content-Type"] = get_content_type(mimetype, "utf-8")
        if content_length is not None:
            self.headers["Content-Length"] = str(content_length)
        if auth is not None:
            if isinstance(auth, tuple):
                auth = Authorization("basic", {"username": auth[0], "password": auth[1]})
            self.headers["Authorization"] = auth.to_header()
        if json is not None:
            if data is not None:
                raise TypeError("can't provide both json and data")
            data = self.json_dumps(json)
            self.headers.setdefault("Content-Type", "application/json")
        if data:
            if input_stream is not None:
                raise TypeError("can't provide input stream and data")
            self._set_data(data)

    def json_dumps(self, obj: Any, **kwargs: Any) -> str:
        """JSON text, by the application's provider."""
        return self.app.json.dumps(obj, **kwargs)

    def _set_data(self, data: Any) -> None:
        if hasattr(data, "read"):
            data = data.read()
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, bytes):
            self.input_stream = BytesIO(data)
            self.headers.setdefault("Content-Length", str(len(data)))
            return
        pairs = data.items(multi=True) if isinstance(data, MultiDict) else data.items()
        for key, value in pairs:
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, tuple):
                    self.files.add_file(key, *each)
                elif isinstance(each, dict):
                    self.files.add_file(key, **each)
                elif hasattr(each, "read"):
                    self.files.add_file(key, each)
                else:
                    self.form.add(key, each)

    # base_url is kept in parts, which redirects change one by one.

    @property
    def base_url(self) -> str:
        """Scheme, host and the path under which the application is mounted."""
        return f"{self.url_scheme}://{self.host}{self.script_root}/"

    @base_url.setter
    def base_url(self, value: str) -> None:
        parts = urlsplit(iri_to_uri(value))
        if parts.query or parts.fragment:
            raise ValueError("base url must not contain a query string or fragment")
        self.url_scheme = parts.scheme
        self.host = parts.netloc
        self.script_root = parts.path.rstrip("/")

    @classmethod
    def from_environ(cls, environ: WSGIEnvironment, app: Flask, **kwargs: Any) -> EnvironBuilder:
        """A builder for the same request as an environ's."""
        headers = Headers(list(Request(environ).headers))
        headers.remove("Host")
        arguments = {
            "path": unquote_keep(environ["PATH_INFO"]),
            "base_url": Request(environ).root_url,
            "query_string": environ["QUERY_STRING"],
            "method": environ["REQUEST_METHOD"],
            "input_stream": environ["wsgi.input"],
            "errors_stream": environ["wsgi.errors"],
            "multithread": environ["wsgi.multithread"],
            "multiprocess": environ["wsgi.multiprocess"],
            "run_once": environ["wsgi.run_once"],
            "headers": headers,
        }
        return cls(app, **{**arguments, **kwargs})

    @property
    def content_type(self) -> str | None:
        """The Content-Type, by default that of the form."""
        content_type: str | None = self.headers.get("Content-Type")
        if content_type is None and self.input_stream is None:
            if self.files:
                return "multipart/form-data"
            if self.form:
                return "application/x-www-form-urlencoded"
        return content_type

    def get_environ(self) -> WSGIEnvironment:
        """The environ (PEP 3333)."""
        content_type = self.content_type
        mimetype = (content_type or "").partition(";")[0].strip()
        stream = self.input_stream
        length = self.headers.get("Content-Length")
        if stream is not None:
            start = stream.tell()
            length = str(stream.seek(0, 2) - start)
            stream.seek(start)
        elif mimetype == "multipart/form-data":
            body, boundary = encode_multipart(self.form, self.files)
            content_type = f'{mimetype}; boundary="{boundary}"'
            stream, length = BytesIO(body), str(len(body))
        elif mimetype == "application/x-www-form-urlencoded":
            body = encode_query(self.form).encode("ascii")
            stream, length = BytesIO(body), str(len(body))
        host, _, port = self.host.partition(":")
        uri = encode_text(self.request_uri)
        environ: WSGIEnvironment = {
            **(self.environ_base or {}),
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": encode_text(unquote(self.script_root)),
            "PATH_INFO": encode_text(unquote(self.path)),
            "QUERY_STRING": encode_text(self.query_string),
            "REQUEST_URI": uri,
            "RAW_URI": uri,
            "SERVER_NAME": host,
            "SERVER_PORT": port or ("443" if self.url_scheme == "https" else "80"),
            "HTTP_HOST": self.host,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.url_scheme,
            "wsgi.input": BytesIO() if stream is None else stream,
            "wsgi.errors": self.errors_stream,
            "wsgi.multithread": self.multithread,
            "wsgi.multiprocess": self.multiprocess,
            "wsgi.run_once": self.run_once,
        }
        fields: dict[str, list[str]] = {}
        for name, value in self.headers:
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                fields.setdefault(f"HTTP_{key}", []).append(value)
        environ.update({key: ", ".join(values) for key, values in fields.items()})
        if content_type is not None:
            environ["CONTENT_TYPE"] = content_type
        if length is not None:
            environ["CONTENT_LENGTH"] = length
        environ.update(self.environ_overrides or {})
        return environ

    def get_request(self) -> Request:
        """The request."""
        return Request(self.get_environ())

    def close(self) -> None:
        """Close the files."""
        for _, file in self.files.items(multi=True):
            file.close()


def unquote_keep(path: str) -> str:
    """The path of an environ as `EnvironBuilder` takes it, quoted again."""
    from urllib.parse import quote

    return quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=")


def encode_multipart(form: MultiDict[str, str], files: MultiDict[str, Any]) -> tuple[bytes, str]:
    """A form as `multipart/form-data` (RFC 7578): the body and the boundary."""
    boundary = uuid.uuid4().hex
    body = BytesIO()

    def begin(name: str, extra: str = "") -> None:
        quoted = name.replace('"', "%22")
        body.write(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted}"{extra}'.encode()
        )

    for name, value in form.items(multi=True):
        begin(name)
        body.write(b"\r\n\r\n" + str(value).encode() + b"\r\n")
    for name, file in files.items(multi=True):
        filename = (file.filename or "").replace('"', "%22")
        begin(name, f'; filename="{filename}"' if file.filename else "")
        content_type = (
            file.content_type
            or mimetypes.guess_type(file.filename or "")[0]
            or "application/octet-stream"
        )
        body.write(f"\r\nContent-Type: {content_type}\r\n\r\n".encode() + file.read() + b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())
    return body.getvalue(), boundary


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
