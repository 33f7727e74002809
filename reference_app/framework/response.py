"""The response: status, headers and body, and itself a WSGI application.

The body is a list when it is known, and otherwise an iterable that is sent piece by piece. What a
view may return, and how that becomes a response, is in `Flask.make_response`. Header fields as
attributes are in `response_fields.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from markupsafe import escape

from . import json
from .datastructures import (
    Headers,
)
from .exceptions import RequestedRangeNotSatisfiable
from .http import (
    STATUS_LINES,
    generate_etag,
    http_date,
    is_resource_modified,
    parse_etags,
    parse_range_header,
)
from .response_fields import ResponseFields, get_content_type
from .wsgi import ClosingIterator, RangeWrapper, iri_to_uri

if TYPE_CHECKING:
    from .request import Request

F = TypeVar("F", bound=Callable[[], Any])

# A 304 says nothing of the body that it does not have (RFC 9110 section 15.4.5); these two stay.
_entity_headers = {
    "allow",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-range",
    "content-type",
    "last-modified",
}


def _encoded(piece: str | bytes) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


def has_no_body(status: int) -> bool:
    """Whether a response of this status has none (RFC 9110 sections 15.2, 15.3.5, 15.4.5)."""
    return 100 <= status < 200 or status in (204, 304)


class Response(ResponseFields):
    """What a client gets.

    :param response: the body: text or bytes, or an iterable of either.
    :param status: a number, or a line such as "404 NOT FOUND".
    :param headers: a mapping or pairs; a `Headers` object is used itself.
    :param mimetype: the media type; the charset is added to text.
    :param content_type: the whole Content-Type field instead.
    :param direct_passthrough: hand the iterable to the server untouched, as for files.
    """

    default_status = 200
    default_mimetype: str | None = "text/html"
    json_module: Any = json
    automatically_set_content_length = True
    implicit_sequence_conversion = True
    autocorrect_location_header = False

    response: Iterable[Any]

    def __init__(
        self,
        response: Iterable[bytes] | Iterable[str] | bytes | str | None = None,
        status: int | str | HTTPStatus | None = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        if isinstance(headers, Headers):
            self.headers = headers
        else:
            self.headers = Headers(headers) if headers else Headers()
        if content_type is None:
            if mimetype is None and not (headers and "Content-Type" in self.headers):
                mimetype = self.default_mimetype
            if mimetype is not None:
                content_type = get_content_type(mimetype, "utf-8")
        if content_type is not None:
            self.headers._set("Content-Type", content_type)
        self.status = self.default_status if status is None else status
        self.direct_passthrough = direct_passthrough
        self._on_close: list[Callable[[], Any]] = []
        if response is None:
            self.response = []
        elif isinstance(response, (str, bytes, bytearray)):
            self.set_data(response)
        else:
            self.response = response

    def __repr__(self) -> str:
        if self.is_sequence:
            body = f"{sum(map(len, self.iter_encoded()))} bytes"
        else:
            body = "streamed" if self.is_streamed else "likely-streamed"
        return f"<{type(self).__name__} {body} [{self.status}]>"

    @classmethod
    def force_type(
        cls, response: Response | WSGIApplication, environ: WSGIEnvironment | None = None
    ) -> Response:
        """Make another response, or what a WSGI application answers, one of this class.

        :param environ: for the application.
        :raises TypeError: if it is an application and there is no environ.
        """
        if not isinstance(response, Response):
            if environ is None:
                raise TypeError(
                    "You passed a WSGI application where a response is needed, but no environ to"
                    " call it with. Pass the environ of the request."
                )
            response = Response.from_app(response, environ)
        response.__class__ = cls
        return response

    @classmethod
    def from_app(
        cls, app: WSGIApplication, environ: WSGIEnvironment, buffered: bool = False
    ) -> Response:
        """What a WSGI application answers.

        :param buffered: read the whole body now.
        """
        from .testing import run_wsgi_app

        return cls(*run_wsgi_app(app, environ, buffered))

    # Status

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return self._status_code

    @status_code.setter
    def status_code(self, code: int) -> None:
        self.status = code

    @property
    def status(self) -> str:
        """The status line without the HTTP version, such as "200 OK"; a number may be assigned."""
        return self._status

    @status.setter
    def status(self, value: str | int | HTTPStatus) -> None:
        if isinstance(value, int):
            self._status_code = int(value)
            line = STATUS_LINES.get(self._status_code)
            self._status = f"{self._status_code} UNKNOWN" if line is None else line
            return
        text = (value.decode() if isinstance(value, (bytes, bytearray)) else value).strip()
        if not text:
            raise ValueError("You set an empty status. It has to start with a number: '200 OK'.")
        code, _, phrase = text.partition(" ")
        if not code.isdecimal():
            # Werkzeug's way with a phrase alone; servers refuse it.
            self._status, self._status_code = f"0 {text}", 0
        elif phrase:
            self._status, self._status_code = text, int(code)
        else:
            self.status = int(code)

    # Body

    @overload
    def get_data(self, as_text: Literal[False] = False) -> bytes: ...
    @overload
    def get_data(self, as_text: Literal[True]) -> str: ...
    def get_data(self, as_text: bool = False) -> bytes | str:
        """The body, read to its end; `as_text` decodes it as UTF-8."""
        self._ensure_sequence()
        data = b"".join(self.iter_encoded())
        return data.decode() if as_text else data

    def set_data(self, value: bytes | str) -> None:
        """Replace the body and its Content-Length."""
        data = value.encode() if isinstance(value, str) else bytes(value)
        self.response = [data]
        if self.automatically_set_content_length:
            self.headers._set("Content-Length", str(len(data)))

    @property
    def data(self) -> Any:
        """The body as bytes; text may be assigned."""
        return self.get_data()

    @data.setter
    def data(self, value: bytes | str) -> None:
        self.set_data(value)

    @property
    def is_sequence(self) -> bool:
        """Whether the body is a list, and not a stream."""
        return isinstance(self.response, (list, tuple))

    @property
    def is_streamed(self) -> bool:
        """Whether the body has no length."""
        return not hasattr(self.response, "__len__")

    def calculate_content_length(self) -> int | None:
        """The bytes of the body, None if that cannot be told without sending it."""
        try:
            self._ensure_sequence()
        except RuntimeError:
            return None
        return sum(map(len, self.iter_encoded()))

    def _ensure_sequence(self) -> None:
        if self.is_sequence:
            return
        if self.direct_passthrough:
            raise RuntimeError(
                "You asked for the body of a response in direct passthrough mode: it goes from a"
                " file to the server and is not read here. Set direct_passthrough = False first."
            )
        if not self.implicit_sequence_conversion:
            raise RuntimeError(
                "You asked for the body of a streamed response, and its class does not convert"
                " streams by itself. Call make_sequence() first."
            )
        self.make_sequence()

    def make_sequence(self) -> None:
        """Read a streamed body into a list."""
        if not self.is_sequence:
            close = getattr(self.response, "close", None)
            self.response = list(self.iter_encoded())
            if close is not None:
                self.call_on_close(close)

    def iter_encoded(self) -> Iterator[bytes]:
        """The pieces of the body as bytes."""
        return map(_encoded, self.response)

    def freeze(self) -> None:
        """Make it storable: read the body, set length and entity tag."""
        self.response = list(self.iter_encoded())
        self.headers["Content-Length"] = str(sum(map(len, self.response)))
        self.add_etag()

    def call_on_close(self, func: F) -> F:
        """Have a function called when the response is sent or given up."""
        self._on_close.append(func)
        return func

    def close(self) -> None:
        """Close the body and call the `call_on_close` functions."""
        close = getattr(self.response, "close", None)
        if close is not None:
            close()
        for func in self._on_close:
            func()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # JSON

    @property
    def is_json(self) -> bool:
        """Whether the content type is one of JSON."""
        mimetype = self.mimetype or ""
        return mimetype == "application/json" or (
            mimetype.startswith("application/") and mimetype.endswith("+json")
        )

    @property
    def json(self) -> Any:
        """The body as JSON, None if it is none."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """The body as JSON, None if the content type is another.

        :param force: whatever the content type says.
        :param silent: None instead of an error.
        :raises ValueError: if it is not JSON.
        """
        if not (force or self.is_json):
            return None
        try:
            return self.json_module.loads(self.get_data())
        except ValueError:
            if not silent:
                raise
            return None

    def add_etag(self, overwrite: bool = False, weak: bool = False) -> None:
        """Set an entity tag made from the body, unless there is one."""
        if overwrite or "ETag" not in self.headers:
            self.set_etag(generate_etag(self.get_data()), weak)

    # Conditional and range responses (RFC 9110 sections 13 and 14)

    def make_conditional(
        self,
        request_or_environ: WSGIEnvironment | Request,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Response:
        """Answer the conditions and ranges of a request: 304, 412 or 206 instead of 200.

        :param accept_ranges: answer ranges; the unit, True means "bytes".
        :param complete_length: of the body, in bytes; needed for ranges.
        :return: itself.
        :raises RequestedRangeNotSatisfiable: if the range lies outside of the body.
        """
        environ: WSGIEnvironment = (
            request_or_environ
            if isinstance(request_or_environ, dict)
            else request_or_environ.environ
        )
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self
        self.headers.setdefault("Date", http_date())
        is_partial = self._process_range_request(environ, complete_length, accept_ranges)
        if not is_partial and not is_resource_modified(
            environ, self.headers.get("ETag"), self.headers.get("Last-Modified")
        ):
            self.status_code = 412 if parse_etags(environ.get("HTTP_IF_MATCH")) else 304
        if self.automatically_set_content_length and "Content-Length" not in self.headers:
            length = self.calculate_content_length()
            if length is not None:
                self.headers["Content-Length"] = str(length)
        return self

    def _process_range_request(
        self,
        environ: WSGIEnvironment,
        complete_length: int | None,
        accept_ranges: bool | str,
    ) -> bool:
        if not accept_ranges:
            return False
        self.accept_ranges = "bytes" if accept_ranges is True else accept_ranges
        if not complete_length or "HTTP_RANGE" not in environ:
            return False
        if "HTTP_IF_RANGE" in environ and is_resource_modified(
            environ,
            self.headers.get("ETag"),
            self.headers.get("Last-Modified"),
            ignore_if_range=False,
        ):
            return False
        wanted = parse_range_header(environ["HTTP_RANGE"])
        content_range = None if wanted is None else wanted.make_content_range(complete_length)
        if content_range is None:
            raise RequestedRangeNotSatisfiable(complete_length)
        assert content_range.start is not None
        assert content_range.stop is not None
        length = content_range.stop - content_range.start
        self.content_length = length
        self.content_range = content_range
        self.status_code = 206
        self.response = RangeWrapper(self.response, content_range.start, length)
        return True

    # WSGI

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """The header as it is sent: URLs in ASCII, and a length that fits the status."""
        headers = self.headers.copy()
        status = self._status_code
        has_length = False
        for name, value in self.headers:
            lower = name.lower()
            if lower == "content-length":
                has_length = True
            elif lower == "location":
                value = iri_to_uri(value)
                if self.autocorrect_location_header:
                    value = self._absolute(value, environ)
                headers["Location"] = value
            elif lower == "content-location":
                headers["Content-Location"] = iri_to_uri(value)
        if 100 <= status < 200 or status == 204:
            headers.remove("Content-Length")
        elif status == 304:
            headers[:] = [field for field in headers if field[0].lower() not in _entity_headers]
        elif not has_length and self.automatically_set_content_length and self.is_sequence:
            headers["Content-Length"] = str(sum(map(len, self.iter_encoded())))
        return headers

    @staticmethod
    def _absolute(location: str, environ: WSGIEnvironment) -> str:
        from urllib.parse import urljoin

        from .request import Request

        return urljoin(iri_to_uri(Request(environ).base_url), location)

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """The body as it is sent, empty for HEAD and where the status says so."""
        if environ["REQUEST_METHOD"] == "HEAD" or has_no_body(self._status_code):
            return ClosingIterator((), [self.close])
        if self.direct_passthrough:
            # The server recognises its own file wrapper, which closes its file itself.
            return self.response
        pieces = self.iter_encoded()
        if (
            not self._on_close
            and type(self.response) is list
            and type(self).close is Response.close
        ):
            # Nothing to close, as with nearly all responses: a list will do.
            return list(pieces)
        return ClosingIterator(pieces, [self.close])

    def get_wsgi_response(
        self, environ: WSGIEnvironment
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """The body, the status and the header for `start_response`."""
        headers = self.get_wsgi_headers(environ)
        return self.get_app_iter(environ), self.status, headers.to_wsgi_list()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body, status, headers = self.get_wsgi_response(environ)
        start_response(status, headers)
        return body


def redirect(
    location: str, code: int = 302, response_class: type[Response] | None = None
) -> Response:
    """A response that sends the client to another URL.

    :param code: 301, 302, 303, 307 or 308; see RFC 9110 section 15.4 for which repeat the method.
    """
    html = escape(location)
    response = (response_class or Response)(
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n"
        "<h1>Redirecting...</h1>\n<p>You should be redirected automatically to the target URL:"
        f' <a href="{html}">{html}</a>. If not, click the link.\n',
        code,
        mimetype="text/html",
    )
    response.headers["Location"] = location
    return response
