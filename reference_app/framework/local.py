"""Data that belongs to one context: `Local`, `LocalStack` and `LocalProxy`.

A web process serves many requests at the same time from the same module-level names. These three
make that possible: a `Local` is one global object with separate attributes in every context, a
`LocalStack` is one global stack with separate contents in every context, and a `LocalProxy` is one
global name that stands for whatever is current in the context that uses it.

"Context" is a `contextvars.Context`: each thread has one, each asyncio task has a copy of its
parent's, and gevent and greenlet switch it with the greenlet. Thread-local storage would not do:
greenlets and tasks share their thread. The values themselves are never changed in place but
replaced, because a task starts with its parent's mapping: writing into it would be seen by both.

This module knows nothing of requests or applications; `globals.py` puts it to use.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

T = TypeVar("T")

UNBOUND_MESSAGE = (
    "You used a LocalProxy that stands for nothing here: no object has been bound in this context."
    " Bind one first, or check with bool(proxy)."
)


class Local:
    """An object whose attributes have separate values in every context.

    :param context_var: holds the attributes; made on demand. Context variables are never garbage
        collected, so create a `Local` at module level, not per call.
    :raises AttributeError: on reading or deleting an attribute not set in this context.
    """

    __slots__ = ("__storage",)

    def __init__(self, context_var: ContextVar[dict[str, Any]] | None = None) -> None:
        # One variable for the whole process is enough, and yet each context has its own values,
        # because ContextVar.get() looks in the context that is running.
        if context_var is None:
            context_var = ContextVar(f"Local<{id(self)}>")
        object.__setattr__(self, "_Local__storage", context_var)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__storage.get({})[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.__storage.set({**self.__storage.get({}), name: value})

    def __delattr__(self, name: str) -> None:
        values = dict(self.__storage.get({}))
        if name not in values:
            raise AttributeError(name)
        del values[name]
        self.__storage.set(values)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.__storage.get({}).items())

    def __call__(self, name: str, *, unbound_message: str | None = None) -> LocalProxy[Any]:
        """A proxy for the attribute `name`."""
        return LocalProxy(self, name, unbound_message=unbound_message)

    def __release_local__(self) -> None:
        self.__storage.set({})


class LocalStack(Generic[T]):
    """A stack with separate contents in every context.

    A stack, not a single slot, because contexts nest: a test request inside a request, one
    application calling another. Its items are pairs of an item and the pairs below it, so that a
    push leaves the stack of other contexts as it is and copies nothing. The last `pop` leaves the
    empty tuple, which holds nothing: nothing of a request outlives it.

    :param context_var: holds the topmost pair, or (); made on demand (see `Local`).
    """

    __slots__ = ("_storage",)

    def __init__(self, context_var: ContextVar[tuple[Any, ...]] | None = None) -> None:
        self._storage = (
            ContextVar(f"LocalStack<{id(self)}>") if context_var is None else context_var
        )

    def push(self, item: T) -> None:
        """Put `item` on top, in this context only."""
        storage = self._storage
        storage.set((item, storage.get(())))

    def pop(self) -> T | None:
        """Take the topmost item off and return it, or None if the stack is empty."""
        pair = self._storage.get(())
        if not pair:
            return None
        self._storage.set(pair[1])
        item: T = pair[0]
        return item

    @property
    def top(self) -> T | None:
        """The topmost item, or None if the stack is empty."""
        pair = self._storage.get(())
        return pair[0] if pair else None

    def __contains__(self, item: object) -> bool:
        pair = self._storage.get(())
        while pair:
            if pair[0] is item:
                return True
            pair = pair[1]
        return False

    def __call__(
        self, name: str | None = None, *, unbound_message: str | None = None
    ) -> LocalProxy[Any]:
        """A proxy for the topmost item, or for its attribute `name`."""
        return LocalProxy(self, name, unbound_message=unbound_message)

    def __release_local__(self) -> None:
        self._storage.set(())


def release_local(local: Local | LocalStack[Any]) -> None:
    """Drop everything that `local` holds in this context.

    :param local: a `Local` or a `LocalStack`; proxies are not accepted, release what they look in.
    """
    local.__release_local__()


class _SpecialAttribute:
    """`__doc__`, `__class__` and the like: the object's on a proxy, our own on the class."""

    def __init__(
        self,
        name: str,
        of_class: Any = None,
        unbound: Callable[[Any], Any] | None = None,
    ) -> None:
        self.name = name
        self.of_class = of_class
        self.unbound = unbound

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            if self.of_class is None:
                raise AttributeError(self.name)
            return self.of_class
        try:
            target = instance._get_current_object()
        except RuntimeError:
            if self.unbound is None:
                raise
            return self.unbound(instance)
        return getattr(target, self.name)


class LocalProxy(Generic[T]):
    """A proxy that looks its object up again at every operation.

    A plain reference to the object would stay with the context in which it was taken. A LocalProxy
    can be imported once, at module level, and means the right object in each thread, greenlet and
    task, and after each push and pop. Every operator is forwarded; use `_get_current_object()`
    where the object itself is wanted (identity, `type()`, handing it to another thread).

    :param local: where to look: a `Local` (needs `name`), a `LocalStack`, a context variable, or a
        function without parameters.
    :param name: the attribute of the found object that the proxy stands for.
    :param unbound_message: what to tell a user for whom nothing is bound.
    :raises RuntimeError: on any use while nothing is bound, except repr(), bool() and dir().
    """

    __slots__ = ("__wrapped", "_get_current_object")

    _get_current_object: Callable[[], T]

    def __init__(
        self,
        local: Local | LocalStack[Any] | ContextVar[Any] | Callable[[], Any],
        name: str | None = None,
        *,
        unbound_message: str | None = None,
    ) -> None:
        message = UNBOUND_MESSAGE if unbound_message is None else unbound_message
        find = _finder(local, name, message)
        object.__setattr__(self, "_get_current_object", find)
        object.__setattr__(self, "_LocalProxy__wrapped", local)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    def __repr__(self) -> str:
        try:
            return repr(self._get_current_object())
        except RuntimeError:
            return f"<{type(self).__name__} unbound>"

    def __bool__(self) -> bool:
        try:
            return bool(self._get_current_object())
        except RuntimeError:
            return False

    def __dir__(self) -> list[str]:
        try:
            return dir(self._get_current_object())
        except RuntimeError:
            return []

    # __eq__ is forwarded below; Python would otherwise take our __hash__ away.
    def __hash__(self) -> int:
        return hash(self._get_current_object())

    __doc__ = _SpecialAttribute(
        "__doc__", of_class=__doc__, unbound=lambda proxy: type(proxy).__doc__
    )
    __wrapped__ = _SpecialAttribute(
        "__wrapped__", unbound=lambda proxy: object.__getattribute__(proxy, "_LocalProxy__wrapped")
    )
    __dict__ = _SpecialAttribute("__dict__")
    # isinstance() asks for it, so that a bound proxy passes for its object.
    __class__ = _SpecialAttribute("__class__", unbound=type)


def _finder(local: Any, name: str | None, message: str) -> Callable[[], Any]:
    """The function that a proxy calls to find its object."""
    select = None if name is None else operator.attrgetter(name)

    if isinstance(local, Local):
        if name is None:
            raise TypeError("A LocalProxy for a Local needs the name of an attribute, got none.")

        def find() -> Any:
            try:
                return getattr(local, name)
            except AttributeError:
                raise RuntimeError(message) from None

    elif isinstance(local, LocalStack):
        storage = local._storage

        def find() -> Any:
            pair = storage.get(())
            if not pair:
                raise RuntimeError(message)
            return pair[0] if select is None else select(pair[0])

    elif isinstance(local, ContextVar):

        def find() -> Any:
            try:
                value = local.get()
            except LookupError:
                raise RuntimeError(message) from None
            return value if select is None else select(value)

    elif callable(local):

        def find() -> Any:
            value = local()
            return value if select is None else select(value)

    else:
        raise TypeError(
            "A LocalProxy looks in a Local, a LocalStack, a ContextVar or a function,"
            f" not in a {type(local).__name__}."
        )
    return find


def _forward(name: str, function: Callable[..., Any]) -> None:
    def method(self: LocalProxy[Any], *args: Any) -> Any:
        return function(self._get_current_object(), *args)

    method.__name__ = name
    setattr(LocalProxy, name, method)


def _forward_reflected(name: str, function: Callable[[Any, Any], Any]) -> None:
    def method(self: LocalProxy[Any], other: Any) -> Any:
        return function(other, self._get_current_object())

    method.__name__ = name
    setattr(LocalProxy, name, method)


def _forward_in_place(name: str, function: Callable[[Any, Any], Any]) -> None:
    # `proxy += x` binds the name to what is returned here; it has to stay a proxy.
    def method(self: LocalProxy[Any], other: Any) -> Any:
        function(self._get_current_object(), other)
        return self

    method.__name__ = name
    setattr(LocalProxy, name, method)


# Python looks operators up on the type and never asks __getattr__, so each one is defined.
_OPERATORS: dict[str, Callable[..., Any]] = {
    "str": str,
    "bytes": bytes,
    "format": format,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "instancecheck": lambda target, instance: isinstance(instance, target),
    "subclasscheck": lambda target, subclass: issubclass(subclass, target),
    "len": len,
    "length_hint": operator.length_hint,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "iter": iter,
    "next": next,
    "reversed": reversed,
    "contains": operator.contains,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "complex": complex,
    "int": int,
    "float": float,
    "index": operator.index,
    "round": round,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "enter": lambda target: target.__enter__(),
    "exit": lambda target, *exc_info: target.__exit__(*exc_info),
    "await": lambda target: target.__await__(),
    "aiter": lambda target: target.__aiter__(),
    "anext": lambda target: target.__anext__(),
    "aenter": lambda target: target.__aenter__(),
    "aexit": lambda target, *exc_info: target.__aexit__(*exc_info),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
_BINARY_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "matmul": operator.matmul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "divmod": divmod,
    "pow": pow,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}
_IN_PLACE_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.iadd,
    "sub": operator.isub,
    "mul": operator.imul,
    "matmul": operator.imatmul,
    "truediv": operator.itruediv,
    "floordiv": operator.ifloordiv,
    "mod": operator.imod,
    "pow": operator.ipow,
    "lshift": operator.ilshift,
    "rshift": operator.irshift,
    "and": operator.iand,
    "or": operator.ior,
    "xor": operator.ixor,
}

for _name, _function in (_OPERATORS | _BINARY_OPERATORS).items():
    _forward(f"__{_name}__", _function)
for _name, _function in _BINARY_OPERATORS.items():
    _forward_reflected(f"__r{_name}__", _function)
for _name, _function in _IN_PLACE_OPERATORS.items():
    _forward_in_place(f"__i{_name}__", _function)


def _call(self: LocalProxy[Any], *args: Any, **kwargs: Any) -> Any:
    return self._get_current_object()(*args, **kwargs)


setattr(LocalProxy, "__call__", _call)  # noqa: B010  (mypy takes it for a mistake)
