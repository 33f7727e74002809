"""Somebody's own application, to be served in the place of the reference application.

The server has an environment of its own all the same: the project's directories come after it in
the search path (`reference_app.own`).
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.backends import environments
from conformance.registry import Server
from reference_app import own


class ApplicationError(Exception):
    """What is said of an application cannot be meant."""


@dataclass(frozen=True)
class Application:
    """An application and what it needs.

    :param name: "package.module:callable" (`reference_app.own.parse`).
    :param directories: what it is imported from; the first is the project's, its working directory.
    :param own_variables: environment variables beside those of a server.
    :raises ApplicationError: the name is none, or a directory cannot stand in a search path.
    """

    name: str
    directories: tuple[Path, ...]
    own_variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            own.parse(self.name)
        except ValueError as error:
            raise ApplicationError(str(error)) from None
        for directory in self.directories:
            if os.pathsep in str(directory):
                raise ApplicationError(
                    f"{directory} has a {os.pathsep!r} in it, which separates the directories of a "
                    f"search path"
                )

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which a server serves it."""
        return {
            **self.own_variables,
            own.APPLICATION: self.name,
            own.PATH: os.pathsep.join(map(str, self.directories)),
        }


def project_directories(project: Path) -> tuple[Path, ...]:
    """Where this interpreter finds what is not Python's own, the project's directory first."""
    found = {project: None}
    scripts = Path(sysconfig.get_path("scripts"))
    for entry in sys.path:
        path = Path(entry).absolute()
        # A command has the directory that it lies in at the front of its search path.
        if path.is_dir() and path != scripts and not _is_pythons_own(path):
            found[path] = None
    return tuple(found)


def _is_pythons_own(path: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    libraries = (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
    return any(path.is_relative_to(library) for library in libraries)


def variables(texts: Iterable[str], outside: Mapping[str, str]) -> dict[str, str]:
    """Environment variables from NAME=VALUE, and from NAME for one that is to be passed on.

    :param outside: where those are passed on from.
    :raises ApplicationError: one has no name, or is to be passed on and not there.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or (not equals and name not in outside):
            raise ApplicationError(
                f"expected an environment variable NAME=VALUE, or NAME alone for one that is set, "
                f"found {text!r}"
            )
        found[name] = value if equals else outside[name]
    return found


def obstacle(server: Server) -> str | None:
    """Why a server cannot have an application of one's own here, or None where it can."""
    if reason := server.missing("process"):
        return f"{server.name} does not run as a local process here: {reason}"
    if server.python not in (None, environments.PYTHON):
        return (
            f"{server.name}: the packages that the application needs are those of this Python, "
            f"{environments.PYTHON}; run it with the other one"
        )
    return None
