"""The header fields of a request, as attributes, and what the server tells in the environ.

`Request` inherits them. Each one is parsed when it is first read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIEnvironment

from .datastructures import (
    Accept,
    Authorization,
    EnvironHeaders,
    ETags,
    HeaderSet,
    IfRange,
    LanguageAccept,
    MIMEAccept,
    Range,
    RequestCacheControl,
    UserAgent,
)
from .http import (
    parse_accept_header,
    parse_cache_control_header,
    parse_content_length,
    parse_date,
    parse_etags,
    parse_if_range_header,
    parse_options_header,
    parse_range_header,
    parse_set_header,
    plain_int,
)
from .utils import cached_property

if TYPE_CHECKING:
    pass


def _environ_property(key: str, doc: str) -> property:
    return property(lambda self: self.environ.get(key), doc=doc)


def _header_property(name: str, parse: Callable[[str], Any], doc: str) -> Any:
    """An attribute parsed from a header field, None if the field is missing or invalid."""

    def read(self: RequestFields) -> Any:
        return self.headers.get(name, type=parse)

    read.__doc__ = doc
    return cached_property(read)


class RequestFields:
    """What `Request` has of the header."""

    environ: WSGIEnvironment
    user_agent_class: type[UserAgent] = UserAgent

    @cached_property
    def headers(self) -> EnvironHeaders:
        """The header fields."""
        return EnvironHeaders(self.environ)

    # What the server tells

    remote_user = _environ_property("REMOTE_USER", "Who is logged in, where the server knows.")
    is_multithread = _environ_property("wsgi.multithread", "Whether other threads may serve.")
    is_multiprocess = _environ_property("wsgi.multiprocess", "Whether other processes may serve.")
    is_run_once = _environ_property("wsgi.run_once", "Whether the process ends with the request.")
    input_stream = _environ_property("wsgi.input", "The body without any limit; see `stream`.")

    # Header fields

    referrer = _header_property("Referer", str, "Where the client says it came from.")
    origin = _header_property("Origin", str, "The origin of a cross-origin request.")
    content_type = _header_property("Content-Type", str, "The media type of the body.")
    content_encoding = _header_property("Content-Encoding", str, "How the body is encoded.")
    content_md5 = _header_property("Content-MD5", str, "A checksum of the body (RFC 1864).")
    date = _header_property("Date", parse_date, "When the request was made.")
    max_forwards = _header_property("Max-Forwards", plain_int, "Hops left for TRACE and OPTIONS.")
    access_control_request_headers = _header_property(
        "Access-Control-Request-Headers", parse_set_header, "Headers that a preflight asks for."
    )
    access_control_request_method = _header_property(
        "Access-Control-Request-Method", str, "The method that a preflight asks for."
    )

    @cached_property
    def content_length(self) -> int | None:
        """The bytes of the body, None if not announced or chunked."""
        environ = self.environ
        return parse_content_length(
            environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
        )

    @cached_property
    def _parsed_content_type(self) -> tuple[str, dict[str, str]]:
        return parse_options_header(self.environ.get("CONTENT_TYPE"))

    @property
    def mimetype(self) -> str:
        """The content type in lower case and without parameters."""
        return self._parsed_content_type[0].lower()

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the content type."""
        return self._parsed_content_type[1]

    @property
    def is_json(self) -> bool:
        """Whether the content type is one of JSON."""
        mimetype = self.mimetype
        return mimetype == "application/json" or (
            mimetype.startswith("application/") and mimetype.endswith("+json")
        )

    @cached_property
    def accept_mimetypes(self) -> MIMEAccept:
        """The media types that the client accepts."""
        return parse_accept_header(self.headers.get("Accept"), MIMEAccept)

    @cached_property
    def accept_charsets(self) -> Accept:
        """The charsets that the client accepts."""
        return parse_accept_header(self.headers.get("Accept-Charset"), Accept)

    @cached_property
    def accept_encodings(self) -> Accept:
        """The content encodings that the client accepts."""
        return parse_accept_header(self.headers.get("Accept-Encoding"), Accept)

    @cached_property
    def accept_languages(self) -> LanguageAccept:
        """The languages that the client accepts."""
        return parse_accept_header(self.headers.get("Accept-Language"), LanguageAccept)

    @cached_property
    def cache_control(self) -> RequestCacheControl:
        """What the client asks of caches."""
        return parse_cache_control_header(
            self.headers.get("Cache-Control"), cls=RequestCacheControl
        )

    @cached_property
    def pragma(self) -> HeaderSet:
        """The Pragma field."""
        return parse_set_header(self.headers.get("Pragma"))

    @cached_property
    def if_match(self) -> ETags:
        """Entity tags, one of which has to match."""
        return parse_etags(self.headers.get("If-Match"))

    @cached_property
    def if_none_match(self) -> ETags:
        """Entity tags, none of which may match."""
        return parse_etags(self.headers.get("If-None-Match"))

    @cached_property
    def if_modified_since(self) -> datetime | None:
        """The date after which a change is of interest."""
        return parse_date(self.headers.get("If-Modified-Since"))

    @cached_property
    def if_unmodified_since(self) -> datetime | None:
        """The date after which there must not be a change."""
        return parse_date(self.headers.get("If-Unmodified-Since"))

    @cached_property
    def if_range(self) -> IfRange:
        """The condition on which a range is wanted."""
        return parse_if_range_header(self.headers.get("If-Range"))

    @cached_property
    def range(self) -> Range | None:
        """The part of the resource that is wanted."""
        return parse_range_header(self.headers.get("Range"))

    @cached_property
    def user_agent(self) -> UserAgent:
        """What the client says it is."""
        return self.user_agent_class(self.headers.get("User-Agent", ""))

    @cached_property
    def authorization(self) -> Authorization | None:
        """The credentials of the client."""
        return Authorization.from_header(self.headers.get("Authorization"))
