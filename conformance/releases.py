"""Variants of a deployment: `gunicorn-gthread@23.0.0+python3.13 --keep-alive 1`.

Another release of its server (`@23.0.0`) or of something beside it (`@h11==0.15.0`), one that is in
no index yet (`@./dist/gunicorn-28.0.whl`, `@.`), another Python (`+python3.13`), further options of
its command (everything after the first space). A variant is the same deployment with that changed:
two columns differ in it alone. So the other requirements that the deployment lists stay as they are
pinned; what only the release itself needs is taken as of the release's own time, because an old
release does not know what a newer one of its dependencies has dropped.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import tempfile
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from conformance import index, registry, unreleased
from conformance.backends import BackendError, environments
from conformance.registry import Server, UnknownServer

#: How a variant is written.
FORM = "NAME[@VERSION or @DISTRIBUTION==VERSION or @PATH][+pythonX.Y] [OPTION ...]"
#: What is in the index this long after a release belongs to the release's own time: distributions
#: that are made together come in one after the other.
OWN_TIME = timedelta(days=2)
#: How often it is looked at again what of that there is.
_ROUNDS = 3

_FORM = re.compile(
    # A wheel's name may have a `+` in it, of a local version.
    r"(?P<name>[^@+\s]+)(?:@(?P<version>[^@\s]*/[^@\s]*?|[^@+\s]*))?"
    r"(?:\+python(?P<python>\d+\.\d+))?"
    r"(?:\s+(?P<options>\S.*))?"
)


class UnknownRelease(UnknownServer):
    """A variant that cannot be asked for: says what was found and what to write instead."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


def select(servers: Sequence[Server], names: Sequence[str]) -> list[Server]:
    """The servers of these names, each once and in the order asked for; all of them for no name.

    :param names: as in the registry, or variants of these: `FORM`.
    :raises UnknownServer: there is none of that name, or no such variant of it can be had.
    """
    return [variant(servers, name) for name in dict.fromkeys(names)] or list(servers)


def variant(servers: Sequence[Server], text: str) -> Server:
    """The server of that name, or the variant of it that the text asks for.

    :raises UnknownServer: as `select`.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UnknownRelease(f"expected {FORM}, found {text!r}")
    name, version, python, options = match.groups()
    [server] = registry.select(servers, [name])
    if version is not None and unreleased.is_path(version):
        server = from_file(server, version, python)
    elif version is not None:
        server = at(server, version)
    if python is not None:
        server = on_python(server, python)
    return with_options(server, options) if options else server


def split_release(server: Server, release: str) -> tuple[str, str]:
    """The distribution and the version that `NAME@RELEASE` means.

    :raises UnknownRelease: it is no version.
    """
    project, equals, version = release.rpartition("==")
    try:
        Version(version)
    except InvalidVersion:
        hint = f" (the path is written ./{release})" if release and Path(release).exists() else ""
        raise UnknownRelease(
            f"expected a release like {server.name}@{server.version or '1.0'}, "
            f"found {release!r}{hint}"
        ) from None
    return (project if equals else server.project), version


def at(server: Server, release: str) -> Server:
    """The deployment with a release; what that needs is not looked up yet.

    :param release: of its server, as "23.0.0", or of something beside it, as "h11==0.15.0".
    :raises UnknownRelease: it is no version, or the server is not installed from an index.
    """
    project, version = split_release(server, release)
    own = canonicalize_name(project) == canonicalize_name(server.project)
    if server.requirements is None or _requirements(server, server.project, version) is None:
        raise UnknownRelease(
            f"{server.name} has no other release: it does not come from the distribution "
            f"{server.project!r} by its requirements"
        )
    changes: dict[str, Any] = {"version": version} if own else {}
    written = version if own else release
    # Also where it was of a file before.
    changes |= {"wheel": None, "backends": (server.base or server).backends}
    return _vary(server, {"version": written}, release=f"{project}=={version}", **changes)


def from_file(server: Server, text: str, python: str | None = None) -> Server:
    """The deployment with a release that is in no index; of what is no wheel one is built.

    :param text: the path of a wheel, an sdist or a directory.
    :param python: the Python that it is for, as "3.13"; None for the backend's own.
    :raises UnknownRelease: there is no such file, or nothing of this deployment is installed of it.
    :raises BackendError: it cannot be built.
    """
    try:
        path = unreleased.find(text)
        wheel = unreleased.wheel(path, python or environments.INTERPRETER)
        name, version, *_ = parse_wheel_filename(wheel.name)
    except (ValueError, InvalidWheelFilename) as error:
        raise UnknownRelease(f"{server.name}@{text}: {error}") from None
    if "process" not in server.backends:
        raise UnknownRelease(
            f"{server.name}@{text}: it runs by {' and '.join(server.backends)} alone, and a file "
            f"is installed for local processes"
        )
    if server.requirements is None or name not in _pins(server.requirements):
        raise UnknownRelease(f"{server.name}@{text}: nothing of {name} is in its environment")
    return _vary(
        server,
        {"version": text},
        release=f"{name}=={version}",
        version=str(version) if name == canonicalize_name(server.project) else server.version,
        wheel=wheel,
        backends=("process",),
    )


def spelled(server: Server) -> str:
    """The text by which another process selects the same, and builds nothing for it."""
    if server.wheel is None:
        return server.name
    match = _FORM.fullmatch(server.name)
    assert match is not None
    return f"{match['name']}@{server.wheel.as_uri()}{server.name[match.end('version') :]}"


def on_python(server: Server, python: str) -> Server:
    """The deployment on another Python.

    :param python: as "3.13".
    """
    return _vary(server, {"python": python}, python=python)


def with_options(server: Server, options: str) -> Server:
    """The deployment with further words in its command.

    :param options: as one would type them.
    :raises UnknownRelease: they cannot be read: a quotation mark is not closed.
    """
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise UnknownRelease(f"{server.name}: the options {options!r}: {error}") from None
    command = server.service["command"]
    known = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    # Not every command takes options after the application.
    place = len(known) - known[-1].startswith("reference_app.")
    # In the file, a dollar sign begins a variable.
    known[place:place] = [word.replace("$", "$$") for word in words]
    service = {**server.service, "command": known}
    return _vary(server, {"options": options}, service=service)


def _vary(server: Server, parts: Mapping[str, str], **changes: Any) -> Server:
    base = server.base or server
    match = _FORM.fullmatch(server.name)
    assert match is not None
    known = {**match.groupdict(), **parts}
    version, python = known["version"], known["python"]
    suffix = f"@{version}" if version else ""
    suffix += f"+python{python}" if python else ""
    service = dict(changes.pop("service", server.service))
    if "image" in base.service and suffix:
        # A tag has no `+` and no `!`.
        service["image"] = base.service["image"] + re.sub(r"[^A-Za-z0-9_.-]", "-", f"-{suffix[1:]}")
    name = base.name + suffix + (f" {known['options']}" if known["options"] else "")
    return replace(server, name=name, service=service, base=base, **changes)


def resolve(
    server: Server,
    python: str,
    installers: environments.Installers,
    framework: str | None = "reference",
) -> Path | None:
    """The pinned requirements of a deployment; those of another release are pinned at first use.

    :param python: the Python that they are for, as "3.13".
    :param framework: what is installed beside them: its requirements stay as they are pinned.
    :returns: a file with hashes; None for a deployment without requirements.
    :raises BackendError: there is no such release, or it cannot be had here; carries the
        installer's message.
    """
    if server.base is None or server.release is None:
        return server.requirements
    project, version = split_release(server, server.release)
    pinned = server.requirements
    wanted = _requirements(server.base, project, version, server.wheel)
    assert pinned is not None
    assert wanted is not None
    # Named by all that it is made from: newer pins make it anew.
    made_from = "".join(map(str, wanted)).encode() + pinned.read_bytes()
    made_from += f"{python} {framework}".encode()
    if server.wheel is not None:
        made_from += unreleased.digest(server.wheel).encode()
    digest = hashlib.sha256(made_from).hexdigest()[:16]
    directory = environments.cache_directory().with_name("releases")
    # The file keeps its name, by which the build of an image finds it.
    output = directory / f"{project}-{version}-{digest}" / pinned.name
    try:
        with environments.locked(output.parent.with_suffix(".lock"), installers) as lock:
            if not output.is_file():
                output.parent.mkdir(exist_ok=True)
                with tempfile.TemporaryDirectory(dir=directory) as name:
                    scratch = Path(name)
                    pinning = _Pinning(
                        *(server, wanted, scratch, python, framework, installers, lock)
                    )
                    found = (
                        pinning.as_of_its_time()
                        if server.wheel is None
                        else pinning.with_file(server.wheel)
                    )
                    found.rename(output)
    except OSError as error:
        raise BackendError(f"requirements cannot be pinned: {error}") from error
    return output


class _Pinning:
    """Finds what to install for a release, in a directory for what it writes meanwhile."""

    def __init__(
        self,
        server: Server,
        wanted: Sequence[Requirement],
        directory: Path,
        python: str,
        framework: str | None,
        installers: environments.Installers,
        lock: int,
    ) -> None:
        self._server = server
        self._framework = framework
        self._python = python
        self._installers = installers
        self._lock = lock
        self._directory = directory
        self._wanted = wanted
        self._source = directory / "requirements.in"
        self._source.write_text("".join(f"{requirement}\n" for requirement in wanted))

    def with_file(self, wheel: Path) -> Path:
        """Pins as of today with a file for one of them, by its own hash."""
        assert self._server.requirements is not None
        [of_file] = [requirement for requirement in self._wanted if requirement.url is not None]
        # Of a release of the same version, the installer would keep the hash that is pinned.
        found = self._pin("file", self._server.requirements, {}, leave_out=of_file.name)
        with found.open("a", encoding="utf-8") as output:
            output.write(f"{of_file} \\\n    --hash=sha256:{unreleased.digest(wheel)}\n")
        return found

    def as_of_its_time(self) -> Path:
        """Pins with what the release alone needs as of its own time, or else as of today."""
        assert self._server.requirements is not None
        best = self._pin("today", self._server.requirements, {})
        assert self._server.release is not None
        release = index.find(*split_release(self._server, self._server.release))
        if release is None or release.uploaded is None:
            return best
        # What is asked for beside it, and what the application needs, is not the release's.
        beside = {canonicalize_name(requirement.name) for requirement in self._wanted}
        kept = set(beside)
        if self._framework is not None:
            kept.update(_pins(environments.pinned(self._framework)))
        # Where that does not go together: what today's release needs as well, as of today.
        for not_its_own in (kept, kept.union(_pins(self._server.requirements))):
            with contextlib.suppress(BackendError):
                return self._bounded(best, release.uploaded + OWN_TIME, not_its_own, beside)
        return best

    def _bounded(
        self, today: Path, until: datetime, kept: Collection[str], beside: Collection[str]
    ) -> Path:
        """Pins with everything up to a time, but for what is kept.

        :raises BackendError: these do not go together.
        """
        fixed = [one for one in _read(today) if canonicalize_name(one.name) in beside]
        constraints = self._directory / "constraints.txt"
        constraints.write_text("".join(f"{one}\n" for one in fixed), encoding="utf-8")
        best = today
        bounds: dict[str, str] = {}
        # More than once: a bound may bring in what only the old dependency needs.
        for _ in range(_ROUNDS):
            new = [name for name in _pins(best) if name not in kept and name not in bounds]
            if not new:
                break
            bounds |= {name: self._bound(name, until).isoformat() for name in new}
            best = self._pin(f"{len(kept)}-{len(bounds)}", today, bounds, constraints)
        return best

    def _pin(
        self,
        name: str,
        preferred: Path,
        bounds: Mapping[str, str],
        constraints: Path | None = None,
        leave_out: str | None = None,
    ) -> Path:
        output = self._directory / f"{name}.txt"
        environments.pin(
            *(self._source, preferred, output, self._python, bounds, constraints, leave_out),
            *(self._installers, self._lock),
        )
        return output

    def _bound(self, name: str, until: datetime) -> datetime:
        """Until when releases of a distribution are taken.

        To the release's own time, or else to the first that installs here without a compiler: what
        is compiled was not made for a Python that came later.
        """
        first = min(
            (
                since
                for release in index.releases(name)
                if not release.version.is_prerelease
                and (since := release.wheel_since(self._python)) is not None
            ),
            default=until,
        )
        return max(until, first + OWN_TIME)


def _pins(path: Path) -> Iterator[NormalizedName]:
    """The names of the distributions in a pinned requirements file."""
    for requirement in _read(path):
        yield canonicalize_name(requirement.name)


def _read(path: Path) -> Iterator[Requirement]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith((" ", "#", "-")) or not line.strip():
            continue
        try:
            yield Requirement(re.split(r"\s[\\#]", line)[0])
        except InvalidRequirement:
            continue


def _requirements(
    server: Server, project: str, version: str, wheel: Path | None = None
) -> list[Requirement] | None:
    """What a deployment requires, with a distribution in this release.

    :param wheel: the file that it is, if it is of no index.
    :returns: None if its server does not come from these requirements.
    """
    if server.requirements is None:
        return None
    # What the pinned file was made from, or else the names that are in it.
    source = server.requirements.with_suffix(".in")
    by_hand = source.is_file()
    found = {}
    for requirement in _read(source if by_hand else server.requirements):
        if not by_hand:
            requirement.specifier = SpecifierSet()
        found[canonicalize_name(requirement.name)] = requirement
    if canonicalize_name(server.project) not in found:
        return None
    # Something beside it may only be there because something else needs it.
    one = found.setdefault(canonicalize_name(project), Requirement(project))
    if wheel is None:
        one.specifier = SpecifierSet(f"=={version}")
    else:
        one.specifier, one.url = SpecifierSet(), wheel.as_uri()
    return [*found.values(), *_unsaid(project, version)]


def _unsaid(project: str, version: str) -> Iterator[Requirement]:
    """What a release needs and does not say; from releases.toml."""
    path = Path(__file__).with_name("releases.toml")
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["needs"]:
        if entry["project"] == project and Version(version) in SpecifierSet(entry["versions"]):
            yield Requirement(entry["requires"])
