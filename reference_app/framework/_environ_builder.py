"""Making requests for tests: from arguments such as path, form and JSON to a WSGI environ."""

from __future__ import annotations

import mimetypes
import sys
import uuid
from collections.abc import Mapping
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from wsgiref.types import WSGIEnvironment

from .datastructures import Authorization, FileMultiDict, Headers, MultiDict
from .http import encode_query
from .request import Request
from .response_fields import get_content_type
from .wsgi import encode_text, iri_to_uri

if TYPE_CHECKING:
    from .app import Flask


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
