"""The request: a WSGI environ, read when and as far as somebody asks.

Making one costs next to nothing. Each attribute is computed from the environ when it is first read
and then kept. Reading the body is up to the attributes that need it: `form` and `files`, `json`,
`data`, `stream`. Header fields as attributes are in `request_fields.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload
from wsgiref.types import WSGIEnvironment

from . import json
from .cookies import parse_cookie
from .datastructures import (
    CombinedMultiDict,
    FileStorage,
    ImmutableMultiDict,
    MultiDict,
)
from .exceptions import BadRequest, HTTPException, UnsupportedMediaType
from .forms import FormDataParser, default_stream_factory, parse_query
from .globals import _app_stack
from .http import (
    parse_list_header,
)
from .request_fields import RequestFields
from .utils import cached_property
from .wsgi import decode_text, get_current_url, get_host, get_input_stream

if TYPE_CHECKING:
    from .routing import Rule

T = TypeVar("T")


@lru_cache(maxsize=256)
def _parents_of(blueprint: str) -> tuple[str, ...]:
    """A blueprint's name and those of the blueprints around it, from the inside out."""
    parent = blueprint.rpartition(".")[0]
    return (blueprint, *_parents_of(parent)) if parent else (blueprint,)


class Request(RequestFields):
    """What a client asks for.

    :param environ: see PEP 3333.
    :param populate_request: accepted as Werkzeug does, and without effect.
    :param shallow: refuse to read the body, for code that only looks.
    """

    parameter_storage_class: type[MultiDict[str, Any]] = ImmutableMultiDict
    form_data_parser_class: type[FormDataParser] = FormDataParser
    json_module: Any = json
    trusted_hosts: Collection[str] | None = None
    shallow = False

    # Set by routing, which follows the creation of the request.
    url_rule: Rule | None = None
    view_args: dict[str, Any] | None = None
    routing_exception: HTTPException | None = None

    _max_content_length: int | None = None
    _max_form_memory_size: int | None = None
    _max_form_parts: int | None = None
    _cached_data: bytes | None = None
    # (for silent=False, for silent=True); Ellipsis means not parsed yet.
    _cached_json: tuple[Any, Any] = (..., ...)

    def __init__(
        self, environ: WSGIEnvironment, populate_request: bool = True, shallow: bool = False
    ) -> None:
        self.environ = environ
        if shallow:
            self.shallow = True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url!r} [{self.method}]>"

    # What the client wants

    @cached_property
    def method(self) -> str:
        """The method in upper case."""
        method: str = self.environ.get("REQUEST_METHOD", "GET")
        return method.upper()

    @cached_property
    def scheme(self) -> str:
        """`http` or `https`."""
        scheme: str = self.environ.get("wsgi.url_scheme", "http")
        return scheme

    @cached_property
    def server(self) -> tuple[str, int | None] | None:
        """Host name (or socket path) and port of the server."""
        name = self.environ.get("SERVER_NAME")
        if name is None:
            return None
        try:
            return name, int(self.environ["SERVER_PORT"])
        except (KeyError, ValueError):
            return name, None

    @cached_property
    def root_path(self) -> str:
        """The path under which the application is mounted, without a slash at the end."""
        return decode_text(self.environ.get("SCRIPT_NAME") or "").rstrip("/")

    @cached_property
    def path(self) -> str:
        """The path within the application, with a slash in front."""
        return "/" + decode_text(self.environ.get("PATH_INFO") or "").lstrip("/")

    @cached_property
    def query_string(self) -> bytes:
        """The part of the URL after the question mark, as it came."""
        query: str = self.environ.get("QUERY_STRING", "")
        return query.encode("latin-1")

    @cached_property
    def remote_addr(self) -> str | None:
        """The address of the client, or of the proxy before the server."""
        address: str | None = self.environ.get("REMOTE_ADDR")
        return address

    @cached_property
    def access_route(self) -> list[str]:
        """The addresses from the client to the last proxy, as X-Forwarded-For says."""
        if "HTTP_X_FORWARDED_FOR" in self.environ:
            return parse_list_header(self.environ["HTTP_X_FORWARDED_FOR"])
        return [] if self.remote_addr is None else [self.remote_addr]

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("https", "wss")

    @cached_property
    def host(self) -> str:
        """The host name, with the port if it is not the usual one; "" if it is malformed.

        :raises SecurityError: if it is not one of `trusted_hosts`.
        """
        return get_host(self.environ, self.trusted_hosts)

    @cached_property
    def host_url(self) -> str:
        """Scheme and host."""
        return get_current_url(self.scheme, self.host)

    @cached_property
    def root_url(self) -> str:
        """The URL under which the application is mounted."""
        return get_current_url(self.scheme, self.host, self.root_path)

    @cached_property
    def base_url(self) -> str:
        """The URL without the query string."""
        return get_current_url(self.scheme, self.host, self.root_path, self.path)

    @cached_property
    def url(self) -> str:
        """The whole URL."""
        return get_current_url(self.scheme, self.host, self.root_path, self.path, self.query_string)

    @cached_property
    def full_path(self) -> str:
        """Path and query string, with a question mark even if there is none."""
        return f"{self.path}?{self.query_string.decode(errors='replace')}"

    @property
    def script_root(self) -> str:
        """As `root_path`."""
        return self.root_path

    @property
    def url_root(self) -> str:
        """As `root_url`."""
        return self.root_url

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The query string, parsed."""
        query = self.query_string.decode(errors="replace")
        return self.parameter_storage_class(parse_query(query))

    @cached_property
    def cookies(self) -> MultiDict[str, str]:
        """The cookies."""
        header = self.environ.get("HTTP_COOKIE")
        return ImmutableMultiDict(parse_cookie(header) if header else None)

    # Where routing led to

    @property
    def endpoint(self) -> str | None:
        """The endpoint that the URL leads to, None if there is none."""
        rule = self.url_rule
        return None if rule is None else rule.endpoint

    @property
    def blueprint(self) -> str | None:
        """The name of the blueprint that the endpoint belongs to."""
        endpoint = self.endpoint
        return (endpoint.rpartition(".")[0] or None) if endpoint else None

    @property
    def blueprints(self) -> tuple[str, ...]:
        """The names of that blueprint and of those around it, from the inside out."""
        rule = self.url_rule
        if rule is None or "." not in rule.endpoint:
            return ()
        return _parents_of(rule.endpoint.rpartition(".")[0])

    # The body

    def _limit(self, own: int | None, key: str) -> int | None:
        if own is not None:
            return own
        ctx = _app_stack.top
        return None if ctx is None else ctx.app.config[key]

    @property
    def max_content_length(self) -> int | None:
        """The bytes that a body may have, by default MAX_CONTENT_LENGTH; else it is a 413."""
        return self._limit(self._max_content_length, "MAX_CONTENT_LENGTH")

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    @property
    def max_form_memory_size(self) -> int | None:
        """The bytes that a multipart field may have, by default MAX_FORM_MEMORY_SIZE."""
        if _app_stack.top is None and self._max_form_memory_size is None:
            return 500_000
        return self._limit(self._max_form_memory_size, "MAX_FORM_MEMORY_SIZE")

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        self._max_form_memory_size = value

    @property
    def max_form_parts(self) -> int | None:
        """The parts that a multipart form may have, by default MAX_FORM_PARTS."""
        if _app_stack.top is None and self._max_form_parts is None:
            return 1_000
        return self._limit(self._max_form_parts, "MAX_FORM_PARTS")

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        self._max_form_parts = value

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body, ending where it ends. Once it is read, form and data find it empty.

        :raises RequestEntityTooLarge: if it announces more than `max_content_length`.
        """
        if self.shallow:
            raise RuntimeError(
                "You read the body of a request that was created with shallow=True, which forbids"
                " it, so that the body is left for others. Create it without."
            )
        return get_input_stream(self.environ, self.max_content_length)

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Where to put an uploaded file; for subclasses."""
        return default_stream_factory(total_content_length, content_type, filename, content_length)

    @property
    def want_form_data_parsed(self) -> bool:
        """Whether there may be form data."""
        return bool(self.environ.get("CONTENT_TYPE"))

    def make_form_data_parser(self) -> FormDataParser:
        """The parser for form data, with this request's limits."""
        return self.form_data_parser_class(
            self._get_file_stream,
            self.max_form_memory_size,
            self.max_form_parts,
            self.parameter_storage_class,
        )

    def _load_form_data(self) -> None:
        if "form" in self.__dict__:
            return
        form: MultiDict[str, str] = self.parameter_storage_class()
        files: MultiDict[str, FileStorage] = self.parameter_storage_class()
        if self.want_form_data_parsed:
            stream = self.stream if self._cached_data is None else BytesIO(self._cached_data)
            form, files = self.make_form_data_parser().parse(
                stream, self.mimetype, self.content_length, self.mimetype_params
            )
        self.form, self.files = form, files
        ctx = _app_stack.top
        debug = ctx is not None and ctx.app.debug
        if debug and not files and self.mimetype != "multipart/form-data":
            from .debughelpers import explain_missing_files

            explain_missing_files(self)

    @cached_property
    def form(self) -> MultiDict[str, str]:
        """The fields of a form, without files."""
        self._load_form_data()
        return self.__dict__["form"]  # type: ignore[no-any-return]

    @cached_property
    def files(self) -> MultiDict[str, FileStorage]:
        """The files of a form."""
        self._load_form_data()
        return self.__dict__["files"]  # type: ignore[no-any-return]

    @cached_property
    def values(self) -> CombinedMultiDict[str, str]:
        """`args` and, unless the method is GET, `form`."""
        return CombinedMultiDict([self.args] if self.method == "GET" else [self.args, self.form])

    @cached_property
    def data(self) -> bytes:
        """The body, empty if it is form data."""
        return self.get_data(parse_form_data=True)

    @overload
    def get_data(
        self, cache: bool = True, as_text: Literal[False] = False, parse_form_data: bool = False
    ) -> bytes: ...
    @overload
    def get_data(
        self, cache: bool = True, *, as_text: Literal[True], parse_form_data: bool = False
    ) -> str: ...
    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> bytes | str:
        """The body.

        :param cache: keep it, so that it can be asked for again.
        :param as_text: decode it as UTF-8.
        :param parse_form_data: if it is form data, parse it, which leaves nothing.
        """
        data = self._cached_data
        if data is None:
            if parse_form_data:
                self._load_form_data()
            data = self.stream.read()
            if cache:
                self._cached_data = data
        return data.decode(errors="replace") if as_text else data

    @property
    def json(self) -> Any:
        """The body as JSON; see `get_json`."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON.

        :param force: whatever the content type says.
        :param silent: None instead of an error.
        :param cache: keep it, so that it can be asked for again.
        :raises UnsupportedMediaType: if the content type is not JSON.
        :raises BadRequest: if the body is not JSON.
        """
        if cache and self._cached_json[silent] is not ...:
            return self._cached_json[silent]
        if not (force or self.is_json):
            return None if silent else self.on_json_loading_failed(None)
        data = self.get_data(cache=cache)
        try:
            value = both = self.json_module.loads(data)
        except ValueError as error:
            value = None if silent else self.on_json_loading_failed(error)
            both = ...
        if cache:
            loud, quiet = self._cached_json
            if both is not ...:
                self._cached_json = (value, value)
            else:
                self._cached_json = (loud, value) if silent else (value, quiet)
        return value

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Called for JSON that cannot be had; what it returns is the value.

        :param e: why it could not be parsed; None if the content type is wrong.
        """
        if e is None:
            self._refuse_media_type()
        ctx = _app_stack.top
        if ctx is None or not ctx.app.debug:
            # What the parser says is for developers.
            raise BadRequest() from e
        raise BadRequest(f"Failed to decode JSON object: {e}") from e

    @staticmethod
    def _refuse_media_type() -> NoReturn:
        raise UnsupportedMediaType(
            "Did not attempt to load JSON data because the request Content-Type was not"
            " 'application/json'."
        )

    def close(self) -> None:
        """Close the uploaded files; done when the request ends."""
        files = self.__dict__.get("files")
        if files:
            for _, file in files.items(multi=True):
                file.close()

    def __enter__(self) -> Request:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
