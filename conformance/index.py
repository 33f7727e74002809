"""The package index: which releases of a distribution there are, and since when."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import requests
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from conformance.backends import BackendError

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage

#: Seconds for one answer of the index.
_TIME_LIMIT_S = 30.0
#: What names another index than the usual one: the variables of uv, and pip's.
_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


@dataclass(frozen=True)
class Release:
    """One release of a distribution.

    :param uploaded: when the first of its files came into the index; None where it does not say.
    :param yanked: whether all of its files are withdrawn (PEP 592).
    :param requires_python: the Pythons that it says it is for; empty for any.
    :param wheels: the tags of its wheels, and when each came into the index.
    """

    version: Version
    uploaded: datetime | None
    yanked: bool
    requires_python: SpecifierSet
    wheels: tuple[tuple[Tag, datetime], ...]

    def wheel_since(self, python: str) -> datetime | None:
        """Since when it has a wheel for this Python, as "3.11", here; None: it has none."""
        usable = _tags(python)
        return min((time for tag, time in self.wheels if tag in usable), default=None)


@functools.cache
def releases(project: str) -> tuple[Release, ...]:
    """All releases of a distribution in the package index, the oldest first.

    :raises BackendError: the index cannot be reached, or has no such distribution.
    """
    # Imported here: it takes a fifth of a second, and every process with checks would wait for it.
    from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, PyPISimple

    endpoint = next(filter(None, map(os.environ.get, _VARIABLES)), PYPI_SIMPLE_ENDPOINT)
    try:
        with PyPISimple(endpoint) as index:
            page = index.get_project_page(project, timeout=_TIME_LIMIT_S)
    except NoSuchProjectError as error:
        raise BackendError(f"the package index has no distribution {project!r}") from error
    except (requests.RequestException, ValueError) as error:
        raise BackendError(
            f"the package index cannot be read for {project!r}: {error} "
            f"({', '.join(_VARIABLES)} name another one)"
        ) from error
    files: defaultdict[Version, list[DistributionPackage]] = defaultdict(list)
    for file in page.packages:
        try:
            files[Version(file.version or "")].append(file)
        except InvalidVersion:
            continue  # from before versions had a form; no installer takes it
    return tuple(_release(version, files[version]) for version in sorted(files))


def find(project: str, version: str) -> Release | None:
    """The release of that version, or None.

    :raises BackendError: as `releases`.
    """
    wanted = Version(version)
    return next((found for found in releases(project) if found.version == wanted), None)


def order(one: str, other: str) -> int:
    """Whether a version is older than another (-1), the same (0) or newer (1)."""
    first, second = Version(one), Version(other)
    return (first > second) - (first < second)


def between(
    project: str, first: str, last: str, *, pre_releases: bool = False, yanked: bool = False
) -> list[Release]:
    """The releases from one version to another, both included, the oldest first.

    :param pre_releases: also alpha, beta and development releases and release candidates.
    :param yanked: also those that were withdrawn.
    :raises BackendError: as `releases`.
    """
    ends = {Version(first), Version(last)}
    return [
        release
        for release in releases(project)
        if min(ends) <= release.version <= max(ends)
        and (
            release.version in ends
            or (
                (pre_releases or not release.version.is_prerelease)
                and (yanked or not release.yanked)
            )
        )
    ]


def _release(version: Version, files: list[DistributionPackage]) -> Release:
    times = [file.upload_time for file in files if file.upload_time is not None]
    wanted = SpecifierSet()
    for file in files:
        try:
            wanted = SpecifierSet(file.requires_python or "")
        except InvalidSpecifier:
            continue
    return Release(
        version=version,
        uploaded=min(times, default=None),
        yanked=all(file.is_yanked for file in files),
        requires_python=wanted,
        wheels=tuple(
            (tag, file.upload_time)
            for file in files
            if file.upload_time is not None
            for tag in _wheel_tags(file.filename)
        ),
    )


def _wheel_tags(filename: str) -> Iterator[Tag]:
    try:
        yield from parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return


@functools.cache
def _tags(python: str) -> frozenset[Tag]:
    major, minor = map(int, python.split("."))
    return frozenset(cpython_tags((major, minor))) | frozenset(compatible_tags((major, minor)))
