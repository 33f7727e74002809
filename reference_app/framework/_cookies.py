"""The cookies that the test client keeps, and when it sends them (RFC 6265 section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from wsgiref.types import WSGIEnvironment

from .cookies import dump_cookie, parse_cookie
from .http import parse_date, plain_int
from .wsgi import get_host


@dataclass
class Cookie:
    """A cookie as a response set it; a missing attribute is None."""

    key: str
    value: str
    # As it is in the header, with quotes and escapes.
    decoded_key: str
    decoded_value: str
    expires: datetime | None
    max_age: int | None
    domain: str
    origin_only: bool
    path: str
    secure: bool | None
    http_only: bool | None
    same_site: str | None
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def from_header(cls, server_name: str, request_path: str, header: str) -> Cookie:
        """Parse a Set-Cookie field."""
        pair, _, rest = header.partition(";")
        key, _, value = pair.partition("=")
        attributes: dict[str, str | None] = {}
        for item in rest.split(";"):
            name, has_value, text = item.partition("=")
            attributes[name.strip().lower()] = text.strip() if has_value else None
        ((decoded_key, decoded_value),) = list(parse_cookie(pair).items()) or [(key, value)]
        domain = attributes.get("domain")
        max_age = attributes.get("max-age")
        return cls(
            key=key.strip(),
            value=value.strip(),
            decoded_key=decoded_key,
            decoded_value=decoded_value,
            expires=parse_date(attributes.get("expires")),
            max_age=None if max_age is None else plain_int(max_age),
            domain=(domain or server_name).lstrip("."),
            origin_only=not domain,
            path=attributes.get("path") or request_path.rpartition("/")[0] or "/",
            secure="secure" in attributes,
            http_only="httponly" in attributes,
            same_site=attributes.get("samesite"),
        )

    @property
    def storage_key(self) -> tuple[str, str, str]:
        """What makes it the same cookie as another one."""
        return self.domain, self.path, self.decoded_key

    @property
    def is_over(self) -> bool:
        """Whether it has ended; Max-Age goes before Expires."""
        if self.max_age is not None:
            return self.received + timedelta(seconds=self.max_age) <= datetime.now(UTC)
        return self.expires is not None and self.expires <= datetime.now(UTC)

    def matches(self, server_name: str, path: str) -> bool:
        """Whether it is sent to a host and path."""
        return (
            server_name == self.domain
            or (not self.origin_only and server_name.endswith(f".{self.domain}"))
        ) and (
            path == self.path
            or (
                path.startswith(self.path) and (self.path[-1] == "/" or path[len(self.path)] == "/")
            )
        )


class CookieJar:
    """The part of the test client that keeps cookies.

    :param use_cookies: whether it does.
    """

    def __init__(self, use_cookies: bool = True) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] | None = {} if use_cookies else None

    def _require_cookies(self) -> dict[tuple[str, str, str], Cookie]:
        if self._cookies is None:
            raise TypeError("Cookies are disabled. Create a client with 'use_cookies=True'.")
        return self._cookies

    def get_cookie(self, key: str, domain: str = "localhost", path: str = "/") -> Cookie | None:
        """A cookie, None if it is not there.

        :raises TypeError: if the client keeps no cookies.
        """
        return self._require_cookies().get((domain, path, key))

    def set_cookie(
        self,
        key: str,
        value: str = "",
        *,
        domain: str = "localhost",
        origin_only: bool = True,
        path: str = "/",
        **kwargs: Any,
    ) -> None:
        """Set a cookie; other arguments as for `Response.set_cookie`.

        :param origin_only: not for subdomains.
        :raises TypeError: if the client keeps no cookies.
        """
        self._require_cookies()
        header = dump_cookie(key, value, domain=domain, path=path, **kwargs)
        cookie = Cookie.from_header(domain, "/", header)
        cookie.origin_only = origin_only
        self._store(cookie)

    def delete_cookie(self, key: str, *, domain: str = "localhost", path: str = "/") -> None:
        """Delete a cookie.

        :raises TypeError: if the client keeps no cookies.
        """
        self._require_cookies().pop((domain, path, key), None)

    def _store(self, cookie: Cookie) -> None:
        cookies = self._require_cookies()
        if cookie.is_over:
            cookies.pop(cookie.storage_key, None)
        else:
            cookies[cookie.storage_key] = cookie

    def _add_cookies_to(self, environ: WSGIEnvironment) -> None:
        if self._cookies is None:
            return
        server_name = get_host(environ).partition(":")[0] or "localhost"
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") or "/"
        pairs = [
            f"{cookie.key}={cookie.value}"
            for cookie in self._cookies.values()
            if not cookie.is_over and cookie.matches(server_name, path)
        ]
        if pairs:
            environ["HTTP_COOKIE"] = "; ".join(pairs)
        else:
            environ.pop("HTTP_COOKIE", None)

    def _update_cookies(self, server_name: str, path: str, headers: list[str]) -> None:
        if self._cookies is not None:
            for header in headers:
                self._store(Cookie.from_header(server_name, path, header))
