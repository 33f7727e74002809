"""The registry: a Compose file read as a list of servers.

`compose.yaml` is the only place that says which servers there are. A service is a server when it
carries the extension `x-wsgi-conform`. This module reads the file without Docker, so that local
processes run from the same lines as containers; every mistake in it is reported with file and line.
It starts nothing: that is the business of `conformance.backends`.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from conformance import __version__
from conformance.capabilities import Capabilities

EXTENSION = "x-wsgi-conform"
NOT_AVAILABLE = "x-not-available"
BACKENDS = ("docker", "process")
OWN_PROJECT = "wsgi-conform"


class RegistryError(Exception):
    """A Compose file that cannot be used: says the file, the line, what was found and expected."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {message}")


class UnknownServer(Exception):
    """A name that no server in the registry has."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        known = list(known)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}."
        super().__init__(f"no server is called {name!r}; {hint}")


class Located(dict[str, Any]):
    """A YAML mapping that knows on which line it and each of its keys stand (from 1)."""

    line: int
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """SafeLoader whose mappings are `Located`."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Located:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(
                problem="expected text as a key", problem_mark=key.start_mark
            )
        if key.value in seen:
            # YAML forbids it, PyYAML takes the last one, Compose refuses.
            raise yaml.MarkedYAMLError(
                problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark
            )
        seen.add(key.value)
    loader.flatten_mapping(node)
    located = Located(
        (str(key.value), loader.construct_object(value, deep=True)) for key, value in node.value
    )
    located.line = node.start_mark.line + 1
    located.lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    return located


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


@dataclass(frozen=True)
class Server:
    """One deployment of the registry: a server in one configuration.

    :param name: the service's name, e.g. ``gunicorn-gthread``.
    :param project: the distribution that provides the server, e.g. ``gunicorn``.
    :param version: the pinned version of that distribution, or None where nothing pins it.
    :param requirements: the hash-pinned requirements file, or None.
    :param capabilities: what the deployment declares that it can do.
    :param expectations: the name of the expectations file that it shares with others; its project's
        where the service names none.
    :param backends: the backends that can run it, of ``docker`` and ``process``.
    :param programs: what has to be on the PATH of a machine where it is to be a local process.
    :param late_signals: whether it answers requests before it handles signals.
    :param service: the Compose service as it stands in the file, not interpolated.
    :param source: the Compose file.
    :param base: the deployment that this is a variant of (another release, other options); None
        for those of the file.
    :param release: what of its requirements is another release, as "h11==0.15.0"; None for none.
    :param wheel: the file that this release is, where it is of no index; None where it is.
    :param python: the Python that it is to run on, as "3.13"; None for the backend's own.
    """

    name: str
    project: str
    version: str | None
    requirements: Path | None
    documentation: str
    capabilities: Capabilities
    expectations: str
    backends: tuple[str, ...]
    programs: tuple[str, ...]
    late_signals: bool
    service: Mapping[str, Any] = field(repr=False)
    source: Path = field(repr=False)
    base: Server | None = field(default=None, repr=False)
    release: str | None = None
    wheel: Path | None = None
    python: str | None = None

    @property
    def line(self) -> int | None:
        """The line of the Compose file on which the service begins; None for a variant of it."""
        return self.service.line if isinstance(self.service, Located) else None

    def missing(self, backend: str) -> str | None:
        """Why it does not run on this machine by this backend, or None where it should."""
        if backend not in self.backends:
            return f"it runs by {' and '.join(self.backends)} alone"
        wanting = [name for name in self.programs if shutil.which(name) is None]
        if backend == "process" and wanting:
            return f"its installation needs {', '.join(wanting)}, which is not on the PATH"
        return None

    @property
    def deployment(self) -> str:
        """The name that it has in the file, and in expectations."""
        return self.name if self.base is None else self.base.name

    def command(self, variables: Mapping[str, str] | None = None) -> list[str]:
        """The command line, with Compose's ``${NAME:-default}`` replaced from `variables`."""
        variables = variables or {}
        command = self.service["command"]
        words = shlex.split(command) if isinstance(command, str) else command
        return [interpolate(str(word), variables) for word in words]

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The service's own environment variables, interpolated like the command.

        A variable without a value is one that Compose would pass on from its own environment; it is
        there if `variables` has it.
        """
        variables = variables or {}
        environment = self.service.get("environment") or {}
        return {
            name: variables[name] if value is None else interpolate(str(value), variables)
            for name, value in environment.items()
            if value is not None or name in variables
        }

    def as_json(self) -> dict[str, Any]:
        """What `wsgi-conform servers --format json` says of it."""
        return {
            "name": self.name,
            "project": self.project,
            "version": self.version,
            "command": shlex.join(self.command()),
            "capabilities": self.capabilities.as_json(),
            "backends": list(self.backends),
            "documentation": self.documentation,
        }


_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(
    # The text after an operator may hold a variable in braces itself.
    rf"\$(?:(\$)|\{{({_NAME})(?:(:?[-+])((?:\$\{{[^{{}}]*\}}|[^{{}}])*))?\}}|({_NAME})|)"
)


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace variables as Compose does.

    ``$NAME`` and ``${NAME}``; with a default, ``${NAME:-default}`` where it is unset or empty and
    ``${NAME-default}`` where it is unset; with a replacement, ``${NAME:+other}`` and
    ``${NAME+other}``; ``$$`` is a dollar sign. Compose's ``${NAME:?message}`` is not taken: what
    runs here must run without settings.

    :raises ValueError: a dollar sign begins none of these.
        Source: the Compose file reference, "Interpolation".
    """

    def value(match: re.Match[str]) -> str:
        escaped, braced, operator, other, bare = match.groups()
        if escaped:
            return "$"
        if not (braced or bare):
            raise ValueError(
                f"expected $NAME, ${{NAME}} or ${{NAME:-default}}, and $$ for a dollar sign; "
                f"found {text[match.start() :]!r}"
            )
        found = variables.get(braced or bare)
        there = found is not None if operator in ("-", "+") else bool(found)
        if operator in (":-", "-"):
            return str(found) if there else interpolate(other, variables)
        if operator in (":+", "+"):
            return interpolate(other, variables) if there else ""
        return found or ""

    return _VARIABLE.sub(value, text)


def default_path() -> Path:
    """The Compose file that comes with the project."""
    here = Path(__file__).resolve().parent
    # A wheel has it among its files (hatch_build.py), a checkout at its root.
    installed = here / "deployments" / "compose.yaml"
    return installed if installed.is_file() else here.parent / "compose.yaml"


def load(path: Path | None = None) -> list[Server]:
    """Read a Compose file and return its servers in the order of the file.

    :raises RegistryError: the file is missing, is not YAML, or describes a server wrongly.
    """
    path = path or default_path()
    services: Located = _read(path)["services"]
    servers = [
        _server(path, name, service, services.lines[name])
        for name, service in services.items()
        if isinstance(service, Located) and EXTENSION in service
    ]
    if not servers:
        raise RegistryError(
            path, services.line, f"no service has `{EXTENSION}`, so none is a server"
        )
    return servers


def _read(path: Path) -> Located:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RegistryError(path, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RegistryError(path, None, f"is not YAML: not UTF-8 at byte {error.start}") from error
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise RegistryError(path, line, f"is not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RegistryError(path, line, f"is not YAML: {error.reason}") from error
    if not isinstance(document, Located) or not isinstance(document.get("services"), Located):
        line = document.lines.get("services", 1) if isinstance(document, Located) else 1
        raise RegistryError(path, line, "expected a Compose file with a mapping `services`")
    return document


def load_not_available(path: Path | None = None) -> list[dict[str, str]]:
    """What the file says of servers that could not be had: `name`, what was `tried` and `found`.

    :raises RegistryError: the file cannot be read, or an entry is not of these three texts.
    """
    path = path or default_path()
    document = _read(path)
    entries = document.get(NOT_AVAILABLE, [])
    for entry in entries:
        texts = isinstance(entry, dict) and all(isinstance(text, str) for text in entry.values())
        if not texts or set(entry) != {"name", "tried", "found"}:
            line = document.lines[NOT_AVAILABLE]
            raise RegistryError(
                path, line, f"expected `name`, `tried` and `found` in each of `{NOT_AVAILABLE}`"
            )
    return [dict(entry) for entry in entries]


def select(servers: Sequence[Server], names: Sequence[str]) -> list[Server]:
    """The servers of these names, each once and in the order asked for; all of them for no name.

    :raises UnknownServer: with the closest name that there is.
    """
    by_name = {server.name: server for server in servers}
    for name in names:
        if name not in by_name:
            raise UnknownServer(name, by_name)
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(servers)


def _server(path: Path, name: str, service: Located, line: int) -> Server:
    extension = service[EXTENSION]
    line = service.lines.get(EXTENSION, line)
    if not isinstance(extension, Located):
        raise RegistryError(path, line, f"expected a mapping for `{EXTENSION}` of {name}")

    def wrong(key: str, message: str) -> RegistryError:
        where = extension.lines.get(key, line)
        return RegistryError(path, where, f"{name}: {message}")

    known = {
        "project",
        "requirements",
        "documentation",
        "capabilities",
        "expectations",
        "backends",
        "programs",
        "late-signals",
    }
    for key in extension:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = (
                f"did you mean `{close[0]}`?" if close else f"expected {', '.join(sorted(known))}."
            )
            raise wrong(key, f"unknown key `{key}`; {hint}")
    for key in ("project", "documentation"):
        if not isinstance(extension.get(key), str):
            raise wrong(key, f"expected text for `{key}`, found {extension.get(key)!r}")
    command = service.get("command")
    where = service.lines.get("command", line)
    if not (isinstance(command, str) and command.strip()) and not (
        isinstance(command, list) and command
    ):
        raise RegistryError(path, where, f"{name}: expected a `command`, found {command!r}")
    try:
        for word in shlex.split(command) if isinstance(command, str) else command:
            interpolate(str(word), {})
    except ValueError as error:
        raise RegistryError(
            path, where, f"{name}: the `command` cannot be read: {error}"
        ) from error
    environment = service.get("environment") or {}
    where = service.lines.get("environment", line)
    if not isinstance(environment, dict):
        raise RegistryError(path, where, f"{name}: expected `environment` as a mapping, not a list")
    for variable, value in environment.items():
        try:
            interpolate(str(value), {})
        except ValueError as error:
            raise RegistryError(path, where, f"{name}: `{variable}`: {error}") from error

    shared = extension.get("expectations", extension["project"].lower())
    if not isinstance(shared, str):
        raise wrong("expectations", f"expected the name of a file, found {shared!r}")
    requirements = None
    if extension.get("requirements") is not None:
        requirements = path.parent / str(extension["requirements"])
        if not requirements.is_file():
            raise wrong("requirements", f"requirements file {requirements} does not exist")
    backends = extension.get("backends", list(BACKENDS))
    if not isinstance(backends, list) or not backends or not set(backends) <= set(BACKENDS):
        raise wrong("backends", f"expected a list of {' and '.join(BACKENDS)}, found {backends!r}")
    programs = extension.get("programs", [])
    if not isinstance(programs, list) or not all(isinstance(name, str) for name in programs):
        raise wrong("programs", f"expected a list of names of programs, found {programs!r}")
    late_signals = extension.get("late-signals", False)
    if not isinstance(late_signals, bool):
        raise wrong("late-signals", f"expected true or false, found {late_signals!r}")
    declared = extension.get("capabilities") or {}
    if not isinstance(declared, dict):
        raise wrong("capabilities", f"expected a mapping for `capabilities`, found {declared!r}")
    try:
        capabilities = Capabilities.parse(declared)
    except ValueError as error:
        raise wrong("capabilities", str(error)) from error
    return Server(
        name=name,
        project=extension["project"],
        version=_pinned_version(extension["project"], requirements),
        requirements=requirements,
        documentation=extension["documentation"],
        capabilities=capabilities,
        expectations=shared,
        backends=tuple(backends),
        programs=tuple(programs),
        late_signals=late_signals,
        service=service,
        source=path,
    )


def _pinned_version(project: str, requirements: Path | None) -> str | None:
    if project == OWN_PROJECT:
        return __version__
    if requirements is None:
        return None
    # A distribution's name may be written with any of the three (PyPA, "Names and normalization").
    name = re.sub(r"[-_.]+", "[-_.]+", project)
    pattern = re.compile(rf"^{name}==([^\s;\\]+)", re.IGNORECASE | re.MULTILINE)
    match = pattern.search(requirements.read_text(encoding="utf-8"))
    return match[1] if match else None


def compose_variables() -> dict[str, str]:
    """The variables that Compose itself would interpolate: the environment of this process."""
    return dict(os.environ)
