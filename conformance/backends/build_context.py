"""What images are built from: a checkout, or the same files put together again where there is none.

A wheel has them in two places: the packages as installers have them, and what a checkout has around
them in `conformance/deployments` (hatch_build.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import conformance
import reference_app
from conformance.backends import owner

_PACKAGES = [Path(str(module.__file__)).resolve().parent for module in (conformance, reference_app)]
_DEPLOYMENTS = _PACKAGES[0] / "deployments"


@contextmanager
def beside(source: Path) -> Iterator[Path]:
    """A Compose file with all that its images are built from beside it.

    :param source: any Compose file; only that of an installed wheel has to be copied for it, into a
        directory that is there as long as this lasts. Nothing is written where it is installed.
    """
    if source.parent != _DEPLOYMENTS:
        yield source
        return
    with owner.scratch() as root:
        shutil.copytree(_DEPLOYMENTS, root, dirs_exist_ok=True)
        # Without what the root has: an image made here is the same as a checkout's.
        ignored = shutil.ignore_patterns("__pycache__", _DEPLOYMENTS.name)
        for package in _PACKAGES:
            shutil.copytree(package, root / package.name, ignore=ignored)
        yield root / source.name
