"""Cookies: the Cookie and Set-Cookie fields (RFC 6265, and RFC 6265bis for SameSite).

Partitioned is a draft of its own. What the test client keeps of them is in `_cookies.py`.
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from .datastructures import MultiDict
from .http import URL_PATH_SAFE, http_date

_cookie_re = re.compile(
    r"""
    [ \t]*([^ \t=";]+)                  # the name
    (?:[ \t]*=[ \t]*
        ("(?:[^\\"]|\\.)*"|[^ \t";]*)   # a value, in quotes or not
    )?[ \t]*(?:;|$)                     # and nothing else before the next pair
    """,
    re.VERBOSE,
)
_cookie_escape_re = re.compile(rb"\\([0-3][0-7]{2}|.)")
_cookie_plain_re = re.compile(r"[\w!#$%&'()*+\-./:<=>?@\[\]^`{|}~]*", re.ASCII)


def parse_cookie(header: str | None) -> MultiDict[str, str]:
    """The cookies of a Cookie field; malformed pairs are skipped."""
    pairs = []
    position = 0
    header = header or ""
    while position < len(header):
        match = _cookie_re.match(header, position)
        if match is None:
            position = header.find(";", position) + 1
            if not position:
                break
            continue
        value = match[2] or ""
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = _unescape_cookie_value(value[1:-1])
        pairs.append((match[1], value))
        position = match.end()
    return MultiDict(pairs)


def _unescape_cookie_value(value: str) -> str:
    def replace(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return escaped if len(escaped) == 1 else bytes([int(escaped, 8)])

    return _cookie_escape_re.sub(replace, value.encode()).decode(errors="replace")


def _escape_cookie_value(value: str) -> str:
    def replace(byte: int) -> str:
        if byte in b'"\\':
            return "\\" + chr(byte)
        return chr(byte) if 32 <= byte < 127 and byte not in b",;" else f"\\{byte:03o}"

    return "".join(map(replace, value.encode()))


def dump_cookie(
    key: str,
    value: str = "",
    max_age: timedelta | int | None = None,
    expires: str | datetime | float | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    sync_expires: bool = True,
    max_size: int = 4093,
    samesite: str | None = None,
    partitioned: bool = False,
) -> str:
    """A Set-Cookie field.

    :param max_age: seconds the cookie lives; None means as long as the browser.
    :param expires: date at which it ends; set from `max_age` if `sync_expires`.
    :param max_size: warn when the field has more bytes, since browsers drop such cookies; 0 is off.
    :param samesite: "Strict", "Lax" or "None".
    :param partitioned: keep it apart for each embedding site; implies `secure`.
    :raises ValueError: if `samesite` is anything else.
    """
    if isinstance(max_age, timedelta):
        max_age = int(max_age.total_seconds())
    if expires is not None:
        expires = expires if isinstance(expires, str) else http_date(expires)
    elif max_age is not None and sync_expires:
        expires = http_date(datetime.now(UTC).timestamp() + max_age)
    if samesite is not None:
        samesite = samesite.title()
        if samesite not in ("Strict", "Lax", "None"):
            raise ValueError(f"SameSite must be 'Strict', 'Lax', or 'None', got {samesite!r}.")
    if domain:
        domain = domain.partition(":")[0].lstrip(".").encode("idna").decode("ascii")
    if _cookie_plain_re.fullmatch(value) is None:
        value = f'"{_escape_cookie_value(value)}"'
    parts = [f"{key.encode().decode('latin-1')}={value}"]
    attributes: tuple[tuple[str, Any], ...] = (
        ("Domain", domain),
        ("Expires", expires),
        ("Max-Age", max_age),
        ("Secure", secure or partitioned),
        ("HttpOnly", httponly),
        ("Path", None if path is None else quote(path, safe="%" + URL_PATH_SAFE.replace(";", ""))),
        ("SameSite", samesite),
        ("Partitioned", partitioned),
    )
    for name, attribute in attributes:
        if attribute is True:
            parts.append(name)
        elif attribute is not None and attribute is not False:
            parts.append(f"{name}={attribute}")
    field = "; ".join(parts)
    if max_size and len(field) > max_size:
        warnings.warn(
            f"The '{key}' cookie is too large: the field has {len(field)} bytes, {len(value)} of"
            f" them the value; the limit is {max_size}. Browsers may ignore it without a word."
            " Keep less in it.",
            stacklevel=2,
        )
    return field
