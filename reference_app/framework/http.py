"""HTTP header fields: parsing what clients send and writing what servers answer.

Plain functions on strings, after RFC 9110 (semantics) and RFC 9111 (caching). Cookies are in
`cookies.py`. What they parse to lives in `datastructures`; nothing here knows of requests or
responses.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha1
from http import HTTPStatus
from time import mktime, struct_time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlencode

if TYPE_CHECKING:
    from .datastructures import ETags, HeaderSet, IfRange, Range

# Reason phrases as Flask prints them; where they differ from the standard library's, old RFCs did.
HTTP_STATUS_CODES: dict[int, str] = {status.value: status.phrase for status in HTTPStatus} | {
    203: "Non Authoritative Information",
    207: "Multi Status",
    226: "IM Used",
    306: "Switch Proxy",
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Entity",
    449: "Retry With",
    505: "HTTP Version Not Supported",
    511: "Network Authentication Failed",
}
STATUS_LINES: dict[int, str] = {
    code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()
}

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_token_re = re.compile(rf"{TOKEN}+")
_integer_re = re.compile(r"-?[0-9]+")
# A parameter value is a token or a quoted string (RFC 9110 section 5.6.6). In the latter, only a
# backslash and a quote are escaped: browsers send Windows paths without escaping anything.
_parameter_key_re = re.compile(rf"({TOKEN}+)=")
_parameter_value_re = re.compile(rf'{TOKEN}+|"(?:\\[\\"]|[^"])*+"')
_parameter_end_re = re.compile(r";[ \t]*")
# charset'language'text, where the first two have no quote in them (RFC 8187).
_UNQUOTED = TOKEN.replace("'", "")
_extended_value_re = re.compile(rf"({_UNQUOTED}*)'{_UNQUOTED}*'({TOKEN}+)")
_charsets = {"ascii", "us-ascii", "utf-8", "iso-8859-1"}
# What may stand in the parts of a URL besides letters and digits (RFC 3986 section 3.3).
URL_PATH_SAFE = "!$&'()*+,/:;=@"

T = TypeVar("T")


def plain_int(value: str) -> int:
    """An integer of ASCII digits; int() would also take "1_0", "+1" and other scripts' digits.

    :raises ValueError: if it is anything else.
    """
    value = value.strip(" \t")
    if _integer_re.fullmatch(value) is None:
        raise ValueError(f"not an integer: {value!r}")
    return int(value)


def quote_header_value(value: Any, allow_token: bool = True) -> str:
    """A value as token if it is one and may be, else in quotes (RFC 9110 section 5.6.4)."""
    text = str(value)
    if allow_token and _token_re.fullmatch(text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def unquote_header_value(value: str) -> str:
    """The content of a quoted string; other values as they are."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def dump_options_header(header: str | None, options: Mapping[str, Any]) -> str:
    """`value; key=value; ...`; a key that ends in `*` is written as it comes (RFC 8187)."""
    parts = [] if header is None else [header]
    for key, value in options.items():
        if value is not None:
            written = value if key.endswith("*") else quote_header_value(value)
            parts.append(f"{key}={written}")
    return "; ".join(parts)


def parse_options_header(value: str | None) -> tuple[str, dict[str, str]]:
    """Split `value; key=value; ...` into the value and its parameters, keys in lower case.

    Understands quoted values, RFC 8187 encoded ones (`key*=`) and RFC 2231 continuations
    (`key*0=`). Malformed parameters are skipped.
    """
    if not value:
        return "", {}
    value, _, rest = value.partition(";")
    value, rest = value.strip(" \t"), rest.strip(" \t")
    if not value or not rest:
        return value, {}
    options: dict[str, str] = {}
    continued: dict[str, str] = {}
    charset = ""
    for key, text in _scan_parameters(rest):
        name, star, number = key.partition("*")
        if star and key.endswith("*"):
            number = number.rstrip("*")
            if extended := _extended_value_re.fullmatch(text):
                charset, text = extended[1].lower(), extended[2]
            if charset in _charsets:
                text = unquote(text, encoding=charset)
        else:
            # Browsers escape quotes in form field names this way (HTML, multipart/form-data).
            text = unquote_header_value(text).replace("%22", '"')
        if number.isdigit():
            continued[name] = continued.get(name, "") + text
        else:
            options[name] = text
    options.update(continued)
    return value, options


def _scan_parameters(text: str) -> Iterator[tuple[str, str]]:
    """The names, in lower case, and values of parameters, as they are written."""
    position = 0
    while position < len(text):
        if key := _parameter_key_re.match(text, position):
            position = key.end()
            if value := _parameter_value_re.match(text, position):
                yield key[1].lower(), value[0]
                position = value.end()
            elif text.startswith('"', position):
                # A quote that does not end takes all the rest.
                return
        end = _parameter_end_re.search(text, position)
        if end is None:
            return
        position = end.end()


def dump_header(items: Mapping[str, Any] | Iterable[Any]) -> str:
    """A comma-separated list; from a mapping, of `key=value` or, where the value is None, `key`."""
    if not isinstance(items, Mapping):
        return ", ".join(quote_header_value(item) for item in items)
    parts = []
    for key, value in items.items():
        if value is None:
            parts.append(key)
        else:
            parts.append(f"{key}={value if key.endswith('*') else quote_header_value(value)}")
    return ", ".join(parts)


_quoted_re = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_list_item_re = re.compile(rf'(?:[^,"]|{_quoted_re.pattern})++', re.DOTALL)


def parse_list_header(value: str) -> list[str]:
    """The items of a comma-separated list, unquoted (RFC 9110 section 5.6.1).

    A list with a quote that does not end is empty: there is no telling where its items are.
    """
    if '"' not in value:
        return [item for item in (each.strip(" \t") for each in value.split(",")) if item]
    if '"' in _quoted_re.sub("", value):
        return []
    items = (match[0].strip(" \t") for match in _list_item_re.finditer(value))
    return [unquote_header_value(item) for item in items if item]


def parse_dict_header(value: str) -> dict[str, str | None]:
    """The items of a comma-separated list of `key=value` or `key` (then the value is None)."""
    result: dict[str, str | None] = {}
    for item in parse_list_header(value):
        key, has_value, text = item.partition("=")
        key, text = key.strip(" \t"), text.strip(" \t")
        if not key:
            continue
        if has_value and key.endswith("*"):
            key = key[:-1]
            if extended := _extended_value_re.fullmatch(text):
                text = extended[2]
                if extended[1].lower() in _charsets:
                    text = unquote(text, encoding=extended[1])
        result[key] = unquote_header_value(text) if has_value else None
    return result


def parse_set_header(
    value: str | None, on_update: Callable[[HeaderSet], None] | None = None
) -> HeaderSet:
    """A comma-separated list as a set; `on_update` is called when it changes."""
    return datastructures.HeaderSet(parse_list_header(value) if value else (), on_update)


def parse_cache_control_header(
    value: str | None,
    on_update: Callable[[Any], None] | None = None,
    cls: Callable[..., T] | None = None,
) -> T:
    """A Cache-Control field (RFC 9111 section 5.2) as `cls`, by default `RequestCacheControl`."""
    make: Any = datastructures.RequestCacheControl if cls is None else cls
    result: T = make(parse_dict_header(value) if value else (), on_update)
    return result


_quality_re = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse_accept_header(value: str | None, cls: Callable[..., T] | None = None) -> T:
    """An Accept field (RFC 9110 section 12.5) as `cls`; items of invalid quality are dropped."""
    make: Any = datastructures.Accept if cls is None else cls
    items = []
    for part in parse_list_header(value or ""):
        item, options = parse_options_header(part)
        quality = options.pop("q", "1").strip(" \t")
        if item and _quality_re.fullmatch(quality) and float(quality) <= 1:
            items.append((dump_options_header(item, options), float(quality)))
    result: T = make(items)
    return result


# Dates (RFC 9110 section 5.6.7)


def parse_date(value: str | None) -> datetime | None:
    """A date with time zone, or None if the field is missing or invalid."""
    if value is None:
        return None
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def as_utc(moment: datetime) -> datetime:
    """In UTC; a naive value is taken to be."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def http_date(timestamp: datetime | date | float | struct_time | None = None) -> str:
    """The date as HTTP writes it.

    :param timestamp: a date or datetime (naive means UTC), seconds since the epoch, or a local
        time tuple; None means now.
    """
    if isinstance(timestamp, datetime):
        return email.utils.format_datetime(as_utc(timestamp), usegmt=True)
    if isinstance(timestamp, date):
        midnight = datetime.combine(timestamp, time(), tzinfo=UTC)
        return email.utils.format_datetime(midnight, usegmt=True)
    if isinstance(timestamp, struct_time):
        timestamp = mktime(timestamp)
    return email.utils.formatdate(timestamp, usegmt=True)


def parse_age(value: str | None = None) -> timedelta | None:
    """An Age field in seconds, or None if it is missing or invalid."""
    try:
        seconds = plain_int(value or "")
        return timedelta(seconds=seconds) if seconds >= 0 else None
    except (ValueError, OverflowError):
        return None


def dump_age(age: timedelta | int | None = None) -> str | None:
    """An Age field; `age` in seconds.

    :raises ValueError: if it is negative.
    """
    if age is None:
        return None
    seconds = int(age.total_seconds()) if isinstance(age, timedelta) else int(age)
    if seconds < 0:
        raise ValueError(f"An age cannot be negative, got {seconds}.")
    return str(seconds)


# Entity tags, conditions and ranges (RFC 9110 sections 8.8.3, 13 and 14)


def quote_etag(etag: str, weak: bool = False) -> str:
    """An entity tag as the field has it.

    :raises ValueError: if it contains a double quote.
    """
    if '"' in etag:
        raise ValueError(f"An entity tag must not contain a double quote, got {etag!r}.")
    return f'W/"{etag}"' if weak else f'"{etag}"'


def unquote_etag(etag: str | None) -> tuple[str, bool] | tuple[None, None]:
    """The tag without quotes and whether it is weak; (None, None) if there is none."""
    if not etag:
        return None, None
    weak = etag[:2] in ("W/", "w/")
    tag = etag[2:] if weak else etag
    return (tag[1:-1] if tag[:1] == tag[-1:] == '"' else tag), weak


_etag_re = re.compile(r'[ \t]*([Ww]/)?(?:"([^"]*)"|([^" \t,]+))[ \t]*(?:,|$)')


def parse_etags(value: str | None) -> ETags:
    """An If-Match or If-None-Match field; malformed tags are skipped."""
    if not value:
        return datastructures.ETags()
    if value.strip() == "*":
        return datastructures.ETags(star_tag=True)
    strong: list[str] = []
    weak: list[str] = []
    position = 0
    while position < len(value):
        match = _etag_re.match(value, position)
        if match is None:
            position = value.find(",", position) + 1
            if not position:
                break
            continue
        (weak if match[1] else strong).append(match[2] if match[2] is not None else match[3])
        position = match.end()
    return datastructures.ETags(strong, weak)


def generate_etag(data: bytes) -> str:
    """An entity tag for a body."""
    return sha1(data, usedforsecurity=False).hexdigest()


def parse_if_range_header(value: str | None) -> IfRange:
    """An If-Range field: a date or an entity tag."""
    if not value:
        return datastructures.IfRange()
    moment = parse_date(value)
    if moment is not None:
        return datastructures.IfRange(date=moment)
    return datastructures.IfRange(unquote_etag(value)[0])


def parse_range_header(value: str | None) -> Range | None:
    """A Range field, or None if it is missing, invalid, or its ranges overlap or go backwards."""
    units, separator, text = (value or "").partition("=")
    if not separator:
        return None
    ranges: list[tuple[int, int | None]] = []
    last_end: int | None = 0  # None: a range to the end came before, nothing can follow.
    for item in text.split(","):
        first, dash, last = item.strip(" \t").partition("-")
        if not dash or last_end is None:
            return None
        try:
            if not first:
                begin, end = -plain_int(last), None
                if begin >= 0:
                    return None
            else:
                begin, end = plain_int(first), plain_int(last) + 1 if last.strip(" \t") else None
                if begin < last_end or (end is not None and begin >= end):
                    return None
        except ValueError:
            return None
        last_end = end
        ranges.append((begin, end))
    return datastructures.Range(units.strip(" \t").lower(), ranges)


def is_resource_modified(
    environ: Mapping[str, Any],
    etag: str | None = None,
    last_modified: datetime | str | None = None,
    ignore_if_range: bool = True,
) -> bool:
    """Whether the conditions of a request (RFC 9110 section 13) ask for the resource to be sent.

    :param environ: of the request, its `HTTP_IF_...` keys.
    :param etag: of the resource, as in the ETag field.
    :param last_modified: of the resource.
    :param ignore_if_range: leave If-Range out of account.
    """
    unmodified = False
    if isinstance(last_modified, str):
        last_modified = parse_date(last_modified)
    if last_modified is not None:
        # HTTP dates have no fractions of seconds.
        last_modified = as_utc(last_modified.replace(microsecond=0))
    if_range = None
    if not ignore_if_range and "HTTP_RANGE" in environ:
        if_range = parse_if_range_header(environ.get("HTTP_IF_RANGE"))
    if if_range is not None and if_range.date is not None:
        modified_since: datetime | None = if_range.date
    else:
        modified_since = parse_date(environ.get("HTTP_IF_MODIFIED_SINCE"))
    if modified_since and last_modified and last_modified <= modified_since:
        unmodified = True
    if etag:
        tag, _ = unquote_etag(etag)
        assert tag is not None
        if if_range is not None and if_range.etag is not None:
            return if_range.etag != tag
        # Entity tags win over dates (RFC 9110 section 13.2.2).
        if if_none_match := parse_etags(environ.get("HTTP_IF_NONE_MATCH")):
            unmodified = if_none_match.contains_weak(tag)
        if if_match := parse_etags(environ.get("HTTP_IF_MATCH")):
            unmodified = not if_match.is_strong(tag)
    return not unmodified


# Lengths and URLs


def parse_content_length(length: str | None, transfer_encoding: str | None) -> int | None:
    """The bytes of a body: None if not announced or chunked, 0 if announced wrongly."""
    if length is None or (transfer_encoding and "chunked" in transfer_encoding.lower()):
        return None
    try:
        return max(0, plain_int(length))
    except ValueError:
        return 0


def encode_query(query: Any) -> str:
    """A query string from a mapping or pairs; None values are left out."""
    items = [item for item in datastructures.iter_multi_items(query) if item[1] is not None]
    return urlencode(items, safe="!$'()*,/:;?@")


from . import datastructures  # noqa: E402  (it needs the functions above)
