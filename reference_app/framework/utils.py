"""Two small tools that the other modules share. Nothing here knows of HTTP."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):
    """An attribute that is computed when it is first read, and may be assigned to.

    :param function: computes it from the object, which needs a `__dict__`.
    """

    # functools.cached_property does the same under a lock in Python 3.11, which is as expensive as
    # most of what is computed here. Without __set__, Python finds the value in the object's dict
    # from the second time on and does not come here at all.

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | cached_property[T]:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value


def import_string(name: str) -> Any:
    """The module or the object that a dotted name stands for.

    :param name: such as "package.module" or "package.module.Class"; a colon counts as a dot.
    :raises ImportError: if there is no such thing.
    """
    name = name.replace(":", ".")
    module_name, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only if the last part is missing may it be an attribute. Otherwise an import inside of the
        # module failed, and that is what the user has to see.
        if not module_name or error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
    module = importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ImportError(
            f"You asked to import {name!r}, but {module_name!r} ({module.__file__}) has no"
            f" {attribute!r}. Check the spelling."
        ) from None
