"""Configuration: a dict with ways to fill it. Only keys in upper case count as settings."""

from __future__ import annotations

import errno
import json
import os
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any, Generic, TypeVar, overload

from .utils import import_string

T = TypeVar("T")


class ConfigAttribute(Generic[T]):
    """An attribute of the application that is kept in its configuration.

    :param name: the key.
    :param get_converter: applied to the value when it is read.
    """

    def __init__(self, name: str, get_converter: Callable[[Any], T] | None = None) -> None:
        self.name = name
        self.get_converter = get_converter

    @overload
    def __get__(self, obj: None, owner: type) -> ConfigAttribute[T]: ...
    @overload
    def __get__(self, obj: Any, owner: type) -> T: ...
    def __get__(self, obj: Any, owner: type) -> T | ConfigAttribute[T]:
        if obj is None:
            return self
        value: T = obj.config[self.name]
        return value if self.get_converter is None else self.get_converter(value)

    def __set__(self, obj: Any, value: Any) -> None:
        obj.config[self.name] = value


class Config(dict[str, Any]):
    """The configuration of an application.

    :param root_path: what file names are relative to.
    :param defaults: what it starts with.
    """

    def __init__(
        self, root_path: str | os.PathLike[str], defaults: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(defaults or {})
        self.root_path = root_path

    def from_envvar(self, variable_name: str, silent: bool = False) -> bool:
        """`from_pyfile` with the file that an environment variable names.

        :param silent: do not fail if there is no such variable or file.
        :return: whether the file was loaded.
        :raises RuntimeError: if the variable is not set.
        """
        filename = os.environ.get(variable_name)
        if not filename:
            if silent:
                return False
            raise RuntimeError(
                f"The environment variable {variable_name!r} is not set, so the configuration could"
                " not be loaded. Set it to the path of a configuration file."
            )
        return self.from_pyfile(filename, silent=silent)

    def from_prefixed_env(
        self, prefix: str = "FLASK", *, loads: Callable[[str], Any] = json.loads
    ) -> bool:
        """Take the environment variables that start with a prefix and an underscore.

        A value that is no JSON is taken as text. Two underscores in a name go into a nested dict.

        :param loads: reads values.
        """
        prefix = f"{prefix}_"
        for variable in sorted(os.environ):
            if not variable.startswith(prefix):
                continue
            value: Any = os.environ[variable]
            # Any parser with any error may be passed; what it cannot read is text.
            with suppress(Exception):
                value = loads(value)
            *parents, key = variable.removeprefix(prefix).split("__")
            target: Any = self
            for parent in parents:
                target = target.setdefault(parent, {})
            target[key] = value
        return True

    def from_pyfile(self, filename: str | os.PathLike[str], silent: bool = False) -> bool:
        """Take the settings of a Python file, which is executed.

        :param silent: do not fail if there is no such file.
        :return: whether the file was loaded.
        """
        path = os.path.join(self.root_path, filename)
        module = types.ModuleType("config")
        module.__file__ = path
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as error:
            return self._missing(error, silent, errno.ENOTDIR)
        exec(compile(source, path, "exec"), module.__dict__)
        self.from_object(module)
        return True

    def from_object(self, obj: object | str) -> None:
        """Take the attributes in upper case of an object, or of what a dotted name stands for."""
        if isinstance(obj, str):
            obj = import_string(obj)
        for key in dir(obj):
            if key.isupper():
                self[key] = getattr(obj, key)

    def from_file(
        self,
        filename: str | os.PathLike[str],
        load: Callable[[IO[Any]], Mapping[str, Any]],
        silent: bool = False,
        text: bool = True,
    ) -> bool:
        """Take the settings that a function reads from a file, such as `json.load`.

        :param silent: do not fail if there is no such file.
        :param text: open it as text.
        :return: whether the file was loaded.
        """
        path = os.path.join(self.root_path, filename)
        try:
            with open(path, "r" if text else "rb") as file:
                mapping = load(file)
        except OSError as error:
            return self._missing(error, silent)
        return self.from_mapping(mapping)

    @staticmethod
    def _missing(error: OSError, silent: bool, *more: int) -> bool:
        if silent and error.errno in (errno.ENOENT, errno.EISDIR, *more):
            return False
        error.strerror = f"Unable to load configuration file ({error.strerror})"
        raise error

    def from_mapping(self, mapping: Any = None, **kwargs: Any) -> bool:
        """Take the keys in upper case of a mapping or of pairs, and of the keyword arguments."""
        for key, value in dict(mapping or (), **kwargs).items():
            if key.isupper():
                self[key] = value
        return True

    def get_namespace(
        self, namespace: str, lowercase: bool = True, trim_namespace: bool = True
    ) -> dict[str, Any]:
        """The settings whose keys start with `namespace`.

        :param lowercase: put the keys in lower case.
        :param trim_namespace: leave the start out.
        """
        settings = {}
        for key, value in self.items():
            if key.startswith(namespace):
                name = key[len(namespace) :] if trim_namespace else key
                settings[name.lower() if lowercase else name] = value
        return settings

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict.__repr__(self)}>"
