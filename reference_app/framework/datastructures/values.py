"""What single header fields parse to: sets, preferences, entity tags, ranges, credentials.

Parsing and the plain text forms are in `..http`. Objects with an `on_update` write themselves back
to the header that they came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from ..http import dump_header, http_date, quote_etag
from .mappings import CallbackDict


class HeaderSet:
    """An ordered set of tokens without case, such as Allow or Vary.

    :param on_update: called with the set after each change.
    """

    def __init__(
        self,
        headers: Iterable[str] | None = None,
        on_update: Callable[[HeaderSet], None] | None = None,
    ) -> None:
        self._headers = list(headers or ())
        self.on_update = on_update

    def _changed(self) -> None:
        if self.on_update is not None:
            self.on_update(self)

    def add(self, header: str) -> None:
        """Add one that is not there yet."""
        self.update((header,))

    def update(self, iterable: Iterable[str]) -> None:
        """Add those that are not there yet."""
        count = len(self)
        for header in iterable:
            if header not in self:
                self._headers.append(header)
        if len(self) > count:
            self._changed()

    def remove(self, header: str) -> None:
        """Remove one.

        :raises KeyError: if it is not there.
        """
        if header not in self:
            raise KeyError(header)
        self._headers = [each for each in self._headers if each.lower() != header.lower()]
        self._changed()

    def discard(self, header: str) -> None:
        """Remove one if it is there."""
        if header in self:
            self.remove(header)

    def find(self, header: str) -> int:
        """The position of one, or -1."""
        lower = [each.lower() for each in self._headers]
        return lower.index(header.lower()) if header.lower() in lower else -1

    def clear(self) -> None:
        """Remove all."""
        self._headers.clear()
        self._changed()

    def as_set(self, preserve_casing: bool = False) -> set[str]:
        """A plain set, in lower case unless `preserve_casing`."""
        return set(self._headers) if preserve_casing else {each.lower() for each in self._headers}

    def to_header(self) -> str:
        """As the field has it."""
        return dump_header(self._headers)

    def __getitem__(self, index: int) -> str:
        return self._headers[index]

    def __contains__(self, header: str) -> bool:
        return self.find(header) >= 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __bool__(self) -> bool:
        return bool(self._headers)

    def __str__(self) -> str:
        return self.to_header()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._headers!r})"


class Accept(list[tuple[str, float]]):
    """What a client prefers: (value, quality) pairs, the most specific first.

    :param values: in any order; those of equal specificity are ranked by quality.
    """

    def __init__(self, values: Iterable[tuple[str, float]] = ()) -> None:
        # Specific before general, then by quality; reverse=True keeps the client's order of equals.
        super().__init__(
            sorted(values, key=lambda item: (self._specificity(item[0]), item[1]), reverse=True)
        )

    def _specificity(self, value: str) -> tuple[int, ...]:
        return (int(value != "*"),)

    def _matches(self, value: str, item: str) -> bool:
        return item == "*" or item.lower() == value.lower()

    def __getitem__(self, key: Any) -> Any:
        return self.quality(key) if isinstance(key, str) else super().__getitem__(key)

    def __contains__(self, value: Any) -> bool:
        return any(self._matches(str(value), item) for item, _ in self)

    def quality(self, key: str) -> float:
        """The quality of a value, 0 if it is not accepted."""
        return next((quality for item, quality in self if self._matches(key, item)), 0)

    def values(self) -> Iterator[str]:
        """The values, best first."""
        return (item for item, _ in self)

    @property
    def best(self) -> str | None:
        """The value that is liked best, or None."""
        return self[0][0] if self else None

    def best_match(self, matches: Iterable[str], default: str | None = None) -> str | None:
        """The one of `matches` that the client likes best, or `default`."""
        best: tuple[float, tuple[int, ...]] = (0, ())
        result = default
        for candidate in matches:
            # The most specific item that matches decides, be its quality the lowest or 0 (RFC 9110
            # section 12.5.1): the more general ones are for what it does not name.
            item, quality = next(
                (each for each in self if self._matches(candidate, each[0])), ("", 0.0)
            )
            rank = (quality, self._specificity(item))
            if quality > 0 and rank > best:
                best, result = rank, candidate
        return result

    def to_header(self) -> str:
        """As the field has it."""
        return ",".join(
            value if quality == 1 else f"{value};q={quality:g}" for value, quality in self
        )

    def __str__(self) -> str:
        return self.to_header()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"


class MIMEAccept(Accept):
    """Accepted media types; `*/*` and `type/*` match what they should (RFC 9110 section 12.5.1)."""

    def _specificity(self, value: str) -> tuple[int, ...]:
        return tuple(int(part != "*") for part in re.split(r"/|(?:\s*;\s*)", value))

    def _matches(self, value: str, item: str) -> bool:
        if "/" not in item or "/" not in value:
            return False
        wanted, _, wanted_parameters = item.lower().partition(";")
        offered, _, offered_parameters = value.lower().partition(";")
        wanted_type, _, wanted_subtype = wanted.strip().partition("/")
        offered_type, _, offered_subtype = offered.strip().partition("/")
        if "*" in (wanted_type, offered_type):
            return True
        if wanted_type != offered_type:
            return False
        if "*" in (wanted_subtype, offered_subtype):
            return True
        return wanted_subtype == offered_subtype and sorted(
            part.strip() for part in wanted_parameters.split(";")
        ) == sorted(part.strip() for part in offered_parameters.split(";"))

    @property
    def accept_html(self) -> bool:
        """Whether HTML is accepted, or XHTML."""
        return self.quality("text/html") > 0 or self.accept_xhtml

    @property
    def accept_xhtml(self) -> bool:
        """Whether XHTML or XML is accepted."""
        return self.quality("application/xhtml+xml") > 0 or self.quality("application/xml") > 0

    @property
    def accept_json(self) -> bool:
        """Whether JSON is accepted."""
        return self.quality("application/json") > 0


class LanguageAccept(Accept):
    """Accepted languages; `best_match` falls back from `en-GB` to `en` and the other way round."""

    def _matches(self, value: str, item: str) -> bool:
        return item == "*" or _language(item) == _language(value)

    def best_match(self, matches: Iterable[str], default: str | None = None) -> str | None:
        candidates = list(matches)
        result = super().best_match(candidates)
        if result is not None:
            return result
        general = Accept([(_language(item)[0], quality) for item, quality in self])
        result = general.best_match(candidates)
        if result is not None:
            return result
        primary = [_language(item)[0] for item in candidates]
        result = super().best_match(primary)
        return default if result is None else candidates[primary.index(result)]


def _language(tag: str) -> list[str]:
    return re.split(r"[_-]", tag.lower())


class ETags:
    """The entity tags of an If-Match or If-None-Match field.

    :param star_tag: the field is `*`: any tag matches.
    """

    def __init__(
        self,
        strong_etags: Iterable[str] = (),
        weak_etags: Iterable[str] = (),
        star_tag: bool = False,
    ) -> None:
        self._strong = frozenset(() if star_tag else strong_etags)
        self._weak = frozenset(weak_etags)
        self.star_tag = star_tag

    def is_weak(self, etag: str) -> bool:
        """Whether the tag is listed as weak."""
        return etag in self._weak

    def is_strong(self, etag: str) -> bool:
        """Whether the tag is listed as strong."""
        return etag in self._strong

    def contains(self, etag: str) -> bool:
        """Whether the tag matches, compared strongly (RFC 9110 section 8.8.3.2)."""
        return self.star_tag or self.is_strong(etag)

    def contains_weak(self, etag: str) -> bool:
        """Whether the tag matches, compared weakly."""
        return self.is_weak(etag) or self.contains(etag)

    def as_set(self, include_weak: bool = False) -> set[str]:
        """The strong tags, or all."""
        return set(self._strong | self._weak) if include_weak else set(self._strong)

    def to_header(self) -> str:
        """As the field has it."""
        if self.star_tag:
            return "*"
        strong = [quote_etag(tag) for tag in sorted(self._strong)]
        return ", ".join(strong + [quote_etag(tag, weak=True) for tag in sorted(self._weak)])

    def __contains__(self, etag: str) -> bool:
        return self.contains(etag)

    def __iter__(self) -> Iterator[str]:
        return iter(self._strong)

    def __bool__(self) -> bool:
        return bool(self.star_tag or self._strong or self._weak)

    def __str__(self) -> str:
        return self.to_header()


class IfRange:
    """An If-Range field: an entity tag (unquoted) or a date."""

    def __init__(self, etag: str | None = None, date: datetime | None = None) -> None:
        self.etag = etag
        self.date = date

    def to_header(self) -> str:
        """As the field has it."""
        if self.date is not None:
            return http_date(self.date)
        return "" if self.etag is None else quote_etag(self.etag)

    def __str__(self) -> str:
        return self.to_header()


class Range:
    """A Range field.

    :param ranges: (begin, end) in bytes, end exclusive or None for "to the end"; a negative begin
        counts from the end.
    """

    def __init__(self, units: str, ranges: list[tuple[int, int | None]]) -> None:
        self.units = units
        self.ranges = ranges

    def range_for_length(self, length: int | None) -> tuple[int, int] | None:
        """Begin and end for a body of `length` bytes; None unless one range fits."""
        if self.units != "bytes" or length is None or len(self.ranges) != 1:
            return None
        begin, end = self.ranges[0]
        if end is None:
            end = length
            if begin < 0:
                begin = max(0, begin + length)
        return (begin, min(end, length)) if 0 <= begin < min(end, length) else None

    def make_content_range(self, length: int | None) -> ContentRange | None:
        """What the Content-Range field of the answer says."""
        found = self.range_for_length(length)
        return None if found is None else ContentRange(self.units, *found, length)

    def to_content_range_header(self, length: int | None) -> str | None:
        """As `make_content_range`, as text."""
        content_range = self.make_content_range(length)
        return None if content_range is None else content_range.to_header()

    def to_header(self) -> str:
        """As the field has it."""
        parts = []
        for begin, end in self.ranges:
            if end is None:
                parts.append(f"{begin}-" if begin >= 0 else str(begin))
            else:
                parts.append(f"{begin}-{end - 1}")
        return f"{self.units}={','.join(parts)}"

    def __str__(self) -> str:
        return self.to_header()


class ContentRange:
    """A Content-Range field.

    :param start: first byte; None for an unsatisfied range.
    :param stop: byte after the last.
    :param length: of the whole, None if unknown.
    :param on_update: called with it after `set` and `unset`.
    """

    def __init__(
        self,
        units: str | None,
        start: int | None,
        stop: int | None,
        length: int | None = None,
        on_update: Callable[[ContentRange], None] | None = None,
    ) -> None:
        self.on_update = on_update
        self.units, self.start, self.stop, self.length = units, start, stop, length

    def set(
        self,
        start: int | None,
        stop: int | None,
        length: int | None = None,
        units: str | None = "bytes",
    ) -> None:
        """Change it."""
        self.units, self.start, self.stop, self.length = units, start, stop, length
        if self.on_update is not None:
            self.on_update(self)

    def unset(self) -> None:
        """Remove it."""
        self.set(None, None, units=None)

    def to_header(self) -> str:
        """As the field has it."""
        if self.units is None:
            return ""
        length = "*" if self.length is None else self.length
        if self.start is None or self.stop is None:
            return f"{self.units} */{length}"
        return f"{self.units} {self.start}-{self.stop - 1}/{length}"

    def __bool__(self) -> bool:
        return self.units is not None

    def __str__(self) -> str:
        return self.to_header()


def _directive(name: str, type: Callable[[str], Any] | None = None) -> property:
    """A Cache-Control directive: a flag if `type` is None, else a value."""

    def read(self: dict[str, str | None]) -> Any:
        if type is None:
            return name in self
        if name not in self:
            return None
        value = self[name]
        try:
            return None if value is None else type(value)
        except ValueError:
            return None

    def write(self: dict[str, Any], value: Any) -> None:
        if value is None or value is False:
            self.pop(name, None)
        elif value is True or type is None:
            self[name] = None
        else:
            self[name] = str(value)

    return property(read, write, doc=f"The directive `{name}` (RFC 9111 section 5.2).")


class _CacheControl(CallbackDict[str, str | None]):
    """The directives of a Cache-Control field, as attributes and as items."""

    no_store = _directive("no-store")
    no_transform = _directive("no-transform")
    max_age = _directive("max-age", int)
    stale_if_error = _directive("stale-if-error", int)

    def to_header(self) -> str:
        """As the field has it."""
        return dump_header(self)

    def __str__(self) -> str:
        return self.to_header()


class RequestCacheControl(_CacheControl):
    """Cache-Control of a request."""

    no_cache = _directive("no-cache")
    only_if_cached = _directive("only-if-cached")
    max_stale = _directive("max-stale", int)
    min_fresh = _directive("min-fresh", int)


class ResponseCacheControl(_CacheControl):
    """Cache-Control of a response."""

    no_cache = _directive("no-cache")
    public = _directive("public")
    private = _directive("private")
    must_revalidate = _directive("must-revalidate")
    proxy_revalidate = _directive("proxy-revalidate")
    must_understand = _directive("must-understand")
    immutable = _directive("immutable")
    s_maxage = _directive("s-maxage", int)
    stale_while_revalidate = _directive("stale-while-revalidate", int)


class UserAgent:
    """The User-Agent field; not taken apart."""

    def __init__(self, string: str) -> None:
        self.string = string

    def to_header(self) -> str:
        """As the field has it."""
        return self.string

    def __bool__(self) -> bool:
        return bool(self.string)

    def __str__(self) -> str:
        return self.string

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.string!r}>"
