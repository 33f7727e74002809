"""Headers: an ordered list of fields whose names have no case.

What single fields mean is in `values.py`; how they are parsed and written in `..http`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, overload

from ..http import dump_options_header
from .mappings import _key_error, _missing, convert, iter_multi_items


def _clean_value(value: object) -> str:
    """A header value as text, refused if it could start another header (RFC 9110 section 5.5)."""
    if not isinstance(value, str):
        value = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if "\n" in value or "\r" in value:
        raise ValueError(
            f"A header value must not contain a newline, got {value!r}. Remove it, or a client"
            " could be sent headers that you did not set."
        )
    return value


class Headers:
    """The header fields of a message, in order; names are compared without case.

    :param defaults: a mapping (a list of values makes several fields), pairs, or other headers.
    :raises ValueError: if a value contains a newline.
    """

    __slots__ = ("__weakref__", "_list")

    def __init__(self, defaults: Any = None) -> None:
        self._list: list[tuple[str, str]] = []
        if isinstance(defaults, Headers):
            self._list = list(defaults)
        elif defaults is not None:
            self.extend(defaults)

    @overload
    def __getitem__(self, key: str) -> str: ...
    @overload
    def __getitem__(self, key: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, key: slice) -> Headers: ...
    def __getitem__(self, key: str | int | slice) -> str | tuple[str, str] | Headers:
        if isinstance(key, int):
            return self._list[key]
        if isinstance(key, slice):
            return Headers(self._list[key])
        name = key.lower()
        for each, value in self._list:
            if each.lower() == name:
                return value
        raise _key_error(key)

    def __setitem__(self, key: str | int | slice, value: Any) -> None:
        if isinstance(key, str):
            self._set(key, value)
        elif isinstance(key, int):
            self._list[key] = (value[0], _clean_value(value[1]))
        else:
            self._list[key] = [(name, _clean_value(each)) for name, each in value]

    def __delitem__(self, key: str | int | slice) -> None:
        if isinstance(key, str):
            self.remove(key)
        else:
            del self._list[key]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key, _missing) is not _missing

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._list)

    def __len__(self) -> int:
        return len(self._list)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return {(k.lower(), v) for k, v in self} == {(k.lower(), v) for k, v in other}

    __hash__ = None  # type: ignore[assignment]

    def get(self, key: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:
        """The first value of a field, converted by `type`; else `default`."""
        name = key.lower()
        for each, value in self:
            if each.lower() == name:
                return value if type is None else convert(value, default, type)
        return default

    def getlist(self, key: str, type: Callable[[str], Any] | None = None) -> list[Any]:
        """All values of a field; those that `type` refuses are left out."""
        name = key.lower()
        values = [value for each, value in self if each.lower() == name]
        if type is None:
            return values
        converted = (convert(value, _missing, type) for value in values)
        return [value for value in converted if value is not _missing]

    def get_all(self, name: str) -> list[str]:
        """As `getlist`, under the name that `wsgiref.headers` uses."""
        return self.getlist(name)

    def keys(self, lower: bool = False) -> Iterator[str]:
        for name, _ in self:
            yield name.lower() if lower else name

    def values(self) -> Iterator[str]:
        for _, value in self:
            yield value

    def items(self, lower: bool = False) -> Iterator[tuple[str, str]]:
        for name, value in self:
            yield (name.lower() if lower else name), value

    def add(self, key: str, value: Any, /, **options: Any) -> None:
        """Add a field, keeping others of that name; `options` become its parameters."""
        if options:
            value = _with_options(value, options)
        self._list.append((key, _clean_value(value)))

    add_header = add

    def set(self, key: str, value: Any, /, **options: Any) -> None:
        """Set a field at the place of the first of that name, removing the others."""
        self._set(key, _with_options(value, options) if options else value)

    def _set(self, key: str, value: Any) -> None:
        if type(value) is not str or "\n" in value or "\r" in value:
            value = _clean_value(value)
        if not self._list:
            self._list.append((key, value))
            return
        name = key.lower()
        for index, field in enumerate(self._list):
            if field[0].lower() == name:
                self._list[index] = (key, value)
                others = self._list[index + 1 :]
                self._list[index + 1 :] = [each for each in others if each[0].lower() != name]
                return
        self._list.append((key, value))

    def setlist(self, key: str, values: Iterable[Any]) -> None:
        """Replace all fields of a name; no values removes them."""
        self.remove(key)
        for value in values:
            self.add(key, value)

    def setdefault(self, key: str, default: Any) -> str:
        """The value of a field, which is set to `default` first if it is missing."""
        if key not in self:
            self.set(key, default)
        return self[key]

    def setlistdefault(self, key: str, default: Iterable[Any]) -> list[str]:
        """The values of a field, which are set to `default` first if there are none."""
        if key not in self:
            self.setlist(key, default)
        return self.getlist(key)

    def extend(self, *args: Any, **fields: Any) -> None:
        """Add the fields of a mapping, of pairs, or of keyword arguments."""
        if len(args) > 1:
            raise TypeError(f"extend() takes one positional argument, got {len(args)}.")
        for source in (*args, fields):
            pairs = source if isinstance(source, Headers) else iter_multi_items(source)
            for name, value in pairs:
                self.add(name, value)

    def update(self, *args: Any, **fields: Any) -> None:
        """Set the fields of a mapping, of pairs, or of keyword arguments, replacing those here."""
        if len(args) > 1:
            raise TypeError(f"update() takes one positional argument, got {len(args)}.")
        for source in (*args, fields):
            if isinstance(source, Headers):
                for name in set(source.keys(lower=True)):
                    self.setlist(name, source.getlist(name))
            elif isinstance(source, Mapping):
                for name, value in source.items():
                    if isinstance(value, (list, tuple, set)):
                        self.setlist(name, value)
                    else:
                        self.set(name, value)
            else:
                for name, value in source:
                    self.set(name, value)

    def __or__(self, other: Any) -> Headers:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ior__(self, other: Any) -> Headers:
        self.update(other)
        return self

    def remove(self, key: str) -> None:
        """Remove all fields of a name; none is no error."""
        name = key.lower()
        self._list[:] = [field for field in self._list if field[0].lower() != name]

    def pop(self, key: str | int | None = None, default: Any = _missing) -> Any:
        """Remove a field and return its value; without `key`, the last as a pair."""
        if key is None:
            return self._list.pop()
        if isinstance(key, int):
            return self._list.pop(key)
        value = self.get(key, default)
        if value is _missing:
            raise _key_error(key)
        self.remove(key)
        return value

    def popitem(self) -> tuple[str, str]:
        return self._list.pop()

    def clear(self) -> None:
        self._list.clear()

    def copy(self) -> Headers:
        # What is in here is clean already.
        copied = Headers.__new__(Headers)
        copied._list = self._list.copy()
        return copied

    __copy__ = copy

    def to_wsgi_list(self) -> list[tuple[str, str]]:
        """The fields as `start_response` takes them."""
        return self._list.copy()

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self]
        return "\r\n".join([*lines, "\r\n"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"


def _with_options(value: Any, options: dict[str, Any]) -> str:
    # Python names cannot contain dashes, header parameters often do.
    return dump_options_header(value, {k.replace("_", "-"): v for k, v in options.items()})


class EnvironHeaders(Headers):
    """The request headers, read from a WSGI environ (PEP 3333); they cannot be changed.

    :param environ: every look-up reads it, nothing is copied.
    """

    __slots__ = ("environ",)

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ

    def __getitem__(self, key: Any) -> Any:
        value = self.get(key, _missing)
        if value is _missing:
            raise _key_error(key)
        return value

    def get(self, key: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:
        name = key.upper().replace("-", "_")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        value = self.environ.get(name, _missing)
        if value is _missing:
            return default
        return value if type is None else convert(value, default, type)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for key, value in self.environ.items():
            if key.startswith("HTTP_") and key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                yield key[5:].replace("_", "-").title(), value
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
                yield key.replace("_", "-").title(), value

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> NoReturn:
        raise TypeError(f"cannot create {type(self).__name__!r} copies; use Headers(headers)")

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__!r} objects are immutable: they show what the client sent."
            " Work on Headers(request.headers)."
        )

    def to_wsgi_list(self) -> list[tuple[str, str]]:
        return list(self)

    __setitem__ = __delitem__ = add = add_header = extend = update = _refuse
    set = setlist = setdefault = setlistdefault = remove = _refuse
    pop = popitem = clear = __ior__ = _refuse
