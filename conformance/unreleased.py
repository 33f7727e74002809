"""A release that is in no index yet: `NAME@PATH`, of a wheel, an sdist or a project's directory.

Whatever it is becomes a wheel first. A file has a hash, so that it is installed like everything
else, and every process of a run installs the same one, whatever becomes of the directory meanwhile.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import uv

from conformance.backends import BackendError, environments

_SUFFIXES = (".whl", ".tar.gz")
_REASON_LINES = 20


def is_path(release: str) -> bool:
    """Whether `NAME@RELEASE` names a file or a directory: no version is written like one."""
    return "/" in release or release in (".", "..") or release.endswith(_SUFFIXES)


def find(text: str) -> Path:
    """The one file or directory that a path means; `*` stands for what is not known of its name.

    :raises ValueError: there is none, or several, or it is nothing to install.
    """
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    found = [text] if Path(text).exists() else sorted(glob.glob(text))
    if len(found) != 1:
        raise ValueError(f"expected one file or directory, found {', '.join(found) or 'none'}")
    path = Path(found[0]).resolve()
    if not path.is_dir() and not path.name.endswith(_SUFFIXES):
        raise ValueError(f"expected a wheel, an sdist or a directory, found {path.name}")
    return path


@functools.cache
def wheel(path: Path, python: str) -> Path:
    """The wheel that it is, or that is built of it, once for all of this process.

    :param path: as `find` gives it.
    :param python: the Python that it is for, a version or an interpreter.
    :raises BackendError: it cannot be built; carries the installer's message.
    """
    if path.suffix == ".whl":
        return path
    cache = environments.cache_directory().with_name("wheels")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            # Of a directory an sdist, and the wheel of that: as it would be released, and without
            # what earlier builds left in the directory.
            command = [uv.find_uv_bin(), "build", "--python", python]
            command += ["--out-dir", scratch, *([] if path.is_dir() else ["--wheel"]), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            built = list(Path(scratch).glob("*.whl"))
            if done.returncode != 0 or not built:
                last = "\n".join(done.stderr.splitlines()[-_REASON_LINES:])
                raise BackendError(f"no wheel can be built of {path}:\n{last}")
            # By its content: the next build may be another one, and this one still be in use.
            output = cache / digest(built[0])[:16] / built[0].name
            output.parent.mkdir(exist_ok=True)
            return built[0].rename(output)
    except OSError as error:
        raise BackendError(f"no wheel can be built of {path}: {error}") from error


def digest(path: Path) -> str:
    """The SHA-256 of a file, as pinned requirements have it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
