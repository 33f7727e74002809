"""The header fields of a response, as attributes.

`Response` inherits them. Each one is kept in the header and nowhere else: reading parses the field,
assigning writes it, and a set or dict that was read writes itself back when it changes. Cookies are
here too, as a cookie is a header field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .cookies import dump_cookie
from .datastructures import (
    CallbackDict,
    ContentRange,
    Headers,
    HeaderSet,
    ResponseCacheControl,
    WWWAuthenticate,
)
from .globals import _app_stack
from .http import (
    dump_age,
    dump_header,
    dump_options_header,
    http_date,
    parse_age,
    parse_cache_control_header,
    parse_date,
    parse_options_header,
    parse_set_header,
    plain_int,
    quote_etag,
    unquote_etag,
)

if TYPE_CHECKING:
    pass


# Media types outside of text/ that are text, and so have a charset.
_text_types = {
    "application/ecmascript",
    "application/javascript",
    "application/sql",
    "application/xml",
    "application/xml-dtd",
    "application/xml-external-parsed-entity",
}


@lru_cache(maxsize=64)
def get_content_type(mimetype: str, charset: str) -> str:
    """A media type with the charset, if it is text."""
    if mimetype.startswith("text/") or mimetype in _text_types or mimetype.endswith("+xml"):
        return f"{mimetype}; charset={charset}"
    return mimetype


def header_property(
    name: str,
    doc: str,
    parse: Callable[[str], Any] = str,
    dump: Callable[[Any], Any] = str,
) -> Any:
    """An attribute kept in a header field: None if that is missing or invalid."""

    def read(self: ResponseFields) -> Any:
        return self.headers.get(name, type=parse)

    def write(self: ResponseFields, value: Any) -> None:
        if value is None:
            self.headers.remove(name)
        else:
            self.headers[name] = dump(value)

    def delete(self: ResponseFields) -> None:
        self.headers.remove(name)

    return property(read, write, delete, doc)


def _set_property(name: str, doc: str) -> Any:
    """An attribute that is a set kept in a header field, and written back when it changes."""

    def read(self: ResponseFields) -> HeaderSet:
        def on_update(header_set: HeaderSet) -> None:
            if header_set:
                self.headers[name] = header_set.to_header()
            else:
                self.headers.remove(name)

        return parse_set_header(self.headers.get(name), on_update)

    def write(self: ResponseFields, value: str | Iterable[str] | None) -> None:
        if not value:
            self.headers.remove(name)
        else:
            self.headers[name] = value if isinstance(value, str) else dump_header(value)

    return property(read, write, doc=doc)


class ResponseFields:
    """What `Response` has of the header."""

    headers: Headers

    # Cookies

    @property
    def max_cookie_size(self) -> int:
        """The bytes above which a cookie is warned of, MAX_COOKIE_SIZE."""
        ctx = _app_stack.top
        return 4093 if ctx is None else ctx.app.config["MAX_COOKIE_SIZE"]

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: timedelta | int | None = None,
        expires: str | datetime | float | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Set a cookie; for the parameters see `http.dump_cookie`."""
        cookie = dump_cookie(
            key,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            max_size=self.max_cookie_size,
            samesite=samesite,
            partitioned=partitioned,
        )
        self.headers.add("Set-Cookie", cookie)

    def delete_cookie(
        self,
        key: str,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Delete a cookie; path and domain have to be those that it was set with."""
        self.set_cookie(
            key,
            expires=0,
            max_age=0,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )

    location = header_property("Location", "Where to go instead.")
    content_type = header_property("Content-Type", "The media type of the body.")
    content_length = header_property("Content-Length", "The bytes of the body.", plain_int)
    content_location = header_property("Content-Location", "Another URL of the body.")
    content_encoding = header_property("Content-Encoding", "How the body is encoded.")
    content_md5 = header_property("Content-MD5", "A checksum of the body (RFC 1864).")
    date = header_property("Date", "When the response was made.", parse_date, http_date)
    expires = header_property("Expires", "Until when it is fresh.", parse_date, http_date)
    last_modified = header_property(
        "Last-Modified", "When the resource changed.", parse_date, http_date
    )
    age = header_property("Age", "The time it was cached.", parse_age, dump_age)
    accept_ranges = header_property("Accept-Ranges", "The unit of ranges, `bytes` or `none`.")
    vary = _set_property("Vary", "The request headers that the response depends on.")
    allow = _set_property("Allow", "The methods that are allowed.")
    content_language = _set_property("Content-Language", "The languages of the intended readers.")
    access_control_allow_origin = header_property(
        "Access-Control-Allow-Origin", "The origin that may read this, or `*`."
    )
    access_control_allow_headers = header_property(
        "Access-Control-Allow-Headers", "Headers that may be sent.", parse_set_header, dump_header
    )
    access_control_allow_methods = header_property(
        "Access-Control-Allow-Methods", "Methods that may be used.", parse_set_header, dump_header
    )
    access_control_expose_headers = header_property(
        "Access-Control-Expose-Headers", "Headers that may be read.", parse_set_header, dump_header
    )
    access_control_max_age = header_property(
        "Access-Control-Max-Age", "Seconds for which a preflight holds.", plain_int
    )
    content_security_policy = header_property(
        "Content-Security-Policy", "Where a page may load things from."
    )

    @property
    def access_control_allow_credentials(self) -> bool:
        """Whether a script of another origin may send credentials."""
        return "Access-Control-Allow-Credentials" in self.headers

    @access_control_allow_credentials.setter
    def access_control_allow_credentials(self, value: bool | None) -> None:
        if value:
            self.headers["Access-Control-Allow-Credentials"] = "true"
        else:
            self.headers.remove("Access-Control-Allow-Credentials")

    @property
    def mimetype(self) -> str | None:
        """The content type without parameters; the charset is added to text that is assigned."""
        content_type: str | None = self.headers.get("content-type")
        return content_type.partition(";")[0].strip() if content_type else None

    @mimetype.setter
    def mimetype(self, value: str) -> None:
        self.headers["Content-Type"] = get_content_type(value, "utf-8")

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the content type; changes are written back."""

        def on_update(params: dict[str, str]) -> None:
            self.headers["Content-Type"] = dump_options_header(self.mimetype, params)

        return CallbackDict(parse_options_header(self.headers.get("Content-Type"))[1], on_update)

    @property
    def retry_after(self) -> datetime | None:
        """When the client may come again; seconds may be assigned."""
        value = self.headers.get("Retry-After")
        if value is not None and value.isdecimal():
            return datetime.now(UTC) + timedelta(seconds=int(value))
        return parse_date(value)

    @retry_after.setter
    def retry_after(self, value: datetime | int | str | None) -> None:
        if value is None:
            self.headers.remove("Retry-After")
        else:
            self.headers["Retry-After"] = (
                http_date(value) if isinstance(value, datetime) else str(value)
            )

    @property
    def cache_control(self) -> ResponseCacheControl:
        """What caches may do; changes are written back."""

        def on_update(directives: ResponseCacheControl) -> None:
            if directives:
                self.headers["Cache-Control"] = directives.to_header()
            else:
                self.headers.remove("Cache-Control")

        return parse_cache_control_header(
            self.headers.get("Cache-Control"), on_update, ResponseCacheControl
        )

    @property
    def www_authenticate(self) -> WWWAuthenticate | None:
        """The challenge of a 401; a list of them may be assigned."""
        return WWWAuthenticate.from_header(self.headers.get("WWW-Authenticate"))

    @www_authenticate.setter
    def www_authenticate(self, value: Any) -> None:
        challenges = [] if not value else value if isinstance(value, list) else [value]
        self.headers.setlist("WWW-Authenticate", [each.to_header() for each in challenges])

    @property
    def content_range(self) -> ContentRange:
        """The part of the resource that the body is; `set()` it."""

        def on_update(content_range: ContentRange) -> None:
            if content_range:
                self.headers["Content-Range"] = content_range.to_header()
            else:
                self.headers.remove("Content-Range")

        units, _, rest = self.headers.get("Content-Range", "").partition(" ")
        positions, _, length = rest.partition("/")
        start, _, last = positions.partition("-")
        try:
            return ContentRange(
                units,
                None if positions == "*" else plain_int(start),
                None if positions == "*" else plain_int(last) + 1,
                None if length == "*" else plain_int(length),
                on_update,
            )
        except ValueError:
            return ContentRange(None, None, None, None, on_update)

    @content_range.setter
    def content_range(self, value: ContentRange | str | None) -> None:
        if value:
            self.headers["Content-Range"] = str(value)
        else:
            self.headers.remove("Content-Range")

    def set_etag(self, etag: str, weak: bool = False) -> None:
        """Set the entity tag."""
        self.headers["ETag"] = quote_etag(etag, weak)

    def get_etag(self) -> tuple[str, bool] | tuple[None, None]:
        """The entity tag and whether it is weak; (None, None) if there is none."""
        return unquote_etag(self.headers.get("ETag"))
