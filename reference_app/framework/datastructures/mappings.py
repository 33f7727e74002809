"""Dictionaries: several values for one key, read-only ones, ones that report changes.

Not headers: their keys have no case, see `headers.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_missing: Any = object()
# The methods of the dict underneath a MultiDict, whose values are lists: not what its type says.
_dict: Any = dict


def _key_error(key: object) -> KeyError:
    # exceptions.py needs the response, and the response needs this module.
    from ..exceptions import BadRequestKeyError

    return BadRequestKeyError(key)


def iter_multi_items(mapping: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (key, value) pair of a mapping or of an iterable of pairs.

    :param mapping: a `MultiDict`, a mapping (its lists, tuples and sets count as several values) or
        an iterable of pairs.
    """
    if isinstance(mapping, MultiDict):
        yield from mapping.items(multi=True)
    elif isinstance(mapping, Mapping):
        for key, value in mapping.items():
            if isinstance(value, (list, tuple, set)):
                for each in value:
                    yield key, each
            else:
                yield key, value
    else:
        yield from mapping


def convert(value: Any, default: Any, to_type: Callable[[Any], Any]) -> Any:
    """`to_type(value)`, or `default` if that is a ValueError or TypeError."""
    try:
        return to_type(value)
    except (ValueError, TypeError):
        return default


class MultiDict(dict[K, V]):
    """A dictionary that keeps all values of a key, and answers with the first.

    :param mapping: as `iter_multi_items` takes.
    :raises BadRequestKeyError: on reading a key that is not there; unhandled, it is a 400 response.
    """

    # The values of the dict underneath are lists. It stays a dict for isinstance() and json.

    def __init__(self, mapping: Any = None) -> None:
        super().__init__()
        if isinstance(mapping, MultiDict):
            for key, values in mapping.lists():
                _dict.__setitem__(self, key, list(values))
        elif mapping is not None:
            for key, value in iter_multi_items(mapping):
                _dict.setdefault(self, key, []).append(value)

    def __iter__(self) -> Iterator[K]:
        # dict(multi_dict) copies the lists underneath from a subclass that does not have this.
        return super().__iter__()

    def _list(self, key: Any) -> list[V]:
        return _dict.get(self, key, ())  # type: ignore[no-any-return]

    def __getitem__(self, key: K) -> V:
        values = self._list(key)
        if not values:
            raise _key_error(key)
        return values[0]

    def __setitem__(self, key: K, value: V) -> None:
        self.setlist(key, [value])

    def get(self, key: K, default: Any = None, type: Callable[[Any], Any] | None = None) -> Any:
        """The first value, converted by `type`; `default` if there is none or it does not fit."""
        values = self._list(key)
        if not values:
            return default
        return values[0] if type is None else convert(values[0], default, type)

    def getlist(self, key: K, type: Callable[[Any], Any] | None = None) -> list[Any]:
        """All values of a key; those that `type` refuses are left out."""
        values = self._list(key)
        if type is None:
            return list(values)
        converted = (convert(value, _missing, type) for value in values)
        return [value for value in converted if value is not _missing]

    def setlist(self, key: K, values: Iterable[V]) -> None:
        """Replace the values of a key."""
        _dict.__setitem__(self, key, list(values))

    def add(self, key: K, value: V) -> None:
        """Add a value to those that the key has."""
        self.setlist(key, [*self._list(key), value])

    def setdefault(self, key: K, default: V = None) -> V:  # type: ignore[assignment]
        if key not in self:
            self[key] = default
        return self[key]

    def setlistdefault(self, key: K, default: Iterable[V] = ()) -> list[V]:
        """The list of values of a key, to be changed in place; made from `default` if missing."""
        if key not in self:
            self.setlist(key, default)
        return self._list(key)

    def items(self, multi: bool = False) -> Iterator[tuple[K, V]]:  # type: ignore[override]
        """Pairs of key and first value; with `multi`, one pair for each value."""
        for key, values in self.lists():
            if multi:
                for value in values:
                    yield key, value
            else:
                yield key, values[0]

    def lists(self) -> Iterator[tuple[K, list[V]]]:
        """Pairs of key and list of values."""
        for key, values in _dict.items(self):
            yield key, list(values)

    def values(self) -> Iterator[V]:  # type: ignore[override]
        for _, values in self.lists():
            yield values[0]

    def listvalues(self) -> Iterator[list[V]]:
        """The lists of values."""
        for _, values in self.lists():
            yield values

    def to_dict(self, flat: bool = True) -> dict[K, Any]:
        """A plain dict: of first values, or of lists if not `flat`."""
        return dict(self.items()) if flat else dict(self.lists())

    def pop(self, key: K, default: Any = _missing) -> Any:
        values: Any = _dict.pop(self, key, ())
        if values:
            return values[0]
        if default is _missing:
            raise _key_error(key)
        return default

    def popitem(self) -> tuple[K, V]:
        key, values = self.popitemlist()
        return key, values[0]

    def poplist(self, key: K) -> list[V]:
        """Remove a key and return its values, which may be none."""
        return list(_dict.pop(self, key, ()))

    def popitemlist(self) -> tuple[K, list[V]]:
        """Remove some key and return it with its values."""
        try:
            item: tuple[K, list[V]] = _dict.popitem(self)
            return item
        except KeyError as error:
            raise _key_error(str(error)) from None

    def update(self, mapping: Any) -> None:
        """Add to what is there; nothing is replaced."""
        for key, value in iter_multi_items(mapping):
            self.add(key, value)

    def __or__(self, other: Any) -> MultiDict[K, V]:  # type: ignore[override]
        if not isinstance(other, Mapping):
            return NotImplemented
        merged: MultiDict[K, V] = MultiDict(self)
        merged.update(other)
        return merged

    def __ior__(self, other: Any) -> MultiDict[K, V]:  # type: ignore[override]
        if not isinstance(other, (Mapping, Iterable)):
            return NotImplemented
        self.update(other)
        return self

    def copy(self) -> MultiDict[K, V]:
        """A mutable copy with lists of its own."""
        return MultiDict(self)

    def deepcopy(self, memo: Any = None) -> MultiDict[K, V]:
        """A mutable copy with values of its own."""
        return MultiDict({key: copy.deepcopy(values, memo) for key, values in self.lists()})

    __copy__ = copy
    __deepcopy__ = deepcopy

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items(multi=True))!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (dict(self.lists()),)


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(
        f"{type(self).__name__!r} objects are immutable: you tried to change what a client sent."
        " Work on a copy(), which is mutable."
    )


class ImmutableDict(dict[K, V]):
    """A dict that cannot be changed; `copy()` can."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    setdefault = update = pop = popitem = clear = _refuse

    def copy(self) -> dict[K, V]:
        return dict(self)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.__repr__(self)})"


class ImmutableMultiDict(MultiDict[K, V]):
    """A `MultiDict` that cannot be changed; `copy()` can."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    add = setlist = setdefault = setlistdefault = update = _refuse
    pop = popitem = poplist = popitemlist = clear = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items(multi=True)))


class CombinedMultiDict(ImmutableMultiDict[K, V]):
    """Several `MultiDict`s read as one; the first that has a key answers.

    :param dicts: what to look in, in this order.
    """

    def __init__(self, dicts: Iterable[MultiDict[K, V]] = ()) -> None:
        super().__init__()
        self.dicts = list(dicts)

    def _list(self, key: Any) -> list[V]:
        return [value for each in self.dicts for value in each._list(key)]

    def lists(self) -> Iterator[tuple[K, list[V]]]:
        for key in self.keys():
            yield key, self._list(key)

    def items(self, multi: bool = False) -> Iterator[tuple[K, V]]:  # type: ignore[override]
        if not multi:
            yield from super().items()
            return
        for each in self.dicts:
            yield from each.items(multi=True)

    def keys(self) -> Any:
        return dict.fromkeys(key for each in self.dicts for key in each).keys()

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return any(key in each for each in self.dicts)

    def __bool__(self) -> bool:
        return any(self.dicts)


class CallbackDict(dict[K, V]):
    """A dict that calls a function after every change of its own items.

    :param initial: what it starts with, a mapping or pairs.
    :param on_update: called with the dict.
    """

    def __init__(self, initial: Any = None, on_update: Callable[[Any], None] | None = None) -> None:
        super().__init__(() if initial is None else initial)
        self.on_update = on_update

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict.__repr__(self)}>"


def reports_changes(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a mutating method so that `self.on_update(self)` follows it."""

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        if self.on_update is not None:
            self.on_update(self)
        return result

    wrapper.__name__ = method.__name__
    wrapper.__doc__ = method.__doc__
    return wrapper


def _setdefault(self: dict[Any, Any], key: Any, default: Any = None) -> Any:
    # Reading a key that is there is not a change.
    if key not in self:
        self[key] = default
    return self[key]


def _pop(self: dict[Any, Any], key: Any, *default: Any) -> Any:
    if key in self or not default:
        value = self[key]
        del self[key]
        return value
    return default[0]


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "popitem", "update"):
    setattr(CallbackDict, _name, reports_changes(getattr(dict, _name)))
setattr(CallbackDict, "setdefault", _setdefault)  # noqa: B010
setattr(CallbackDict, "pop", _pop)  # noqa: B010
