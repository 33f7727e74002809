"""Another release of a server than the pinned one: `gunicorn-gthread@23.0.0`.

It is the same deployment with one requirement changed. What else is installed stays at the pinned
version wherever that release agrees with it, so that two columns differ in the server alone.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conformance import registry
from conformance.backends import environments
from conformance.registry import Server, UnknownServer


class UnknownRelease(UnknownServer):
    """A release that cannot be asked for: says what was found and what to write instead."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


def select(servers: Sequence[Server], names: Sequence[str]) -> list[Server]:
    """The servers of these names, each once and in the order asked for; all of them for no name.

    :param names: as in the registry, or with a release: `NAME@VERSION`.
    :raises UnknownServer: there is none of that name, or no such release of it can be had.
    """
    found = []
    for name in dict.fromkeys(names):
        name, at_sign, version = name.partition("@")
        [server] = registry.select(servers, [name])
        found.append(at(server, version) if at_sign else server)
    return found or list(servers)


def at(server: Server, version: str) -> Server:
    """The deployment with this release of its server; what that needs is not looked up yet.

    :raises UnknownRelease: it is no version, or the server is not installed from an index.
    """
    try:
        Version(version)
    except InvalidVersion:
        raise UnknownRelease(
            f"expected a release like {server.name}@{server.version or '1.0'}, found {version!r}"
        ) from None
    wanted = _requirements(server, version)
    if wanted is None or server.requirements is None:
        raise UnknownRelease(
            f"{server.name} has no other release: it does not come from the distribution "
            f"{server.project!r} by its requirements"
        )
    # Named by all that it is made from: newer pins make it anew.
    pinned = server.requirements.read_bytes()
    digest = hashlib.sha256(wanted.encode() + pinned).hexdigest()[:16]
    service = dict(server.service)
    if "image" in service:
        # A tag has no `+` and no `!`.
        service["image"] = f"{service['image']}-{re.sub(r'[^A-Za-z0-9_.-]', '_', version)}"
    return replace(
        server,
        name=f"{server.name}@{version}",
        version=version,
        # The file keeps its name, by which the build of an image finds it.
        requirements=environments.cache_directory().with_name("releases")
        / f"{server.project}-{version}-{digest}"
        / server.requirements.name,
        service=service,
        base=server,
    )


def resolve(server: Server, installers: environments.Installers | None = None) -> None:
    """Pin what a release needs, if that was not done yet.

    :raises BackendError: there is no such release, or it cannot be had here; carries the
        installer's message.
    """
    if server.base is None or server.requirements is None or server.requirements.is_file():
        return
    wanted = _requirements(server.base, str(server.version))
    assert wanted is not None
    assert server.base.requirements is not None
    with tempfile.TemporaryDirectory(prefix="wsgi-conform-") as directory:
        source = Path(directory) / "requirements.in"
        source.write_text(wanted, encoding="utf-8")
        environments.pin(source, server.base.requirements, server.requirements, installers)


def _requirements(server: Server, version: str) -> str | None:
    """What a deployment requires with its server in this release; None if it is not among it."""
    if server.requirements is None:
        return None
    # What the pinned file was made from, or else the names that are in it.
    source = server.requirements.with_suffix(".in")
    by_hand = source.is_file()
    text = (source if by_hand else server.requirements).read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        if line.startswith((" ", "#", "-")) or not line.strip():
            continue
        try:
            requirement = Requirement(re.split(r"\s[\\#]", line)[0])
        except InvalidRequirement:
            continue
        if not by_hand:
            requirement.specifier = SpecifierSet()
        found[canonicalize_name(requirement.name)] = requirement
    project = found.get(canonicalize_name(server.project))
    if project is None:
        return None
    project.specifier = SpecifierSet(f"=={version}")
    return "".join(f"{requirement}\n" for requirement in found.values())
