"""Virtual environments for servers, made by uv and kept by the content of their requirements."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uv

from conformance.backends import BackendError

#: Seconds that an installation may take; some servers compile.
INSTALL_LIMIT_S = 600.0


def cache_directory() -> Path:
    """Where environments are kept: $XDG_CACHE_HOME/wsgi-conform, or ~/.cache/wsgi-conform."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wsgi-conform" / "environments"


def make(name: str, requirements: Sequence[Path], python: str = sys.executable) -> Path:
    """The environment with these requirements, made if it is not there yet.

    :param name: goes into the directory's name, for people.
    :param requirements: hash-pinned requirements files.
    :returns: the environment's directory.
    :raises BackendError: it could not be installed; carries the installer's message.
    """
    digest = hashlib.sha256(f"{python} {sys.version}".encode())
    for path in requirements:
        digest.update(path.read_bytes())
    environment = cache_directory() / f"{name}-{digest.hexdigest()[:16]}"
    complete = environment / "complete"
    with _locked(environment.with_suffix(".lock")):
        if complete.exists():
            return environment
        shutil.rmtree(environment, ignore_errors=True)
        _uv("venv", "--quiet", "--no-project", "--python", python, str(environment))
        files = [argument for path in requirements for argument in ("--requirements", str(path))]
        interpreter = str(environment / "bin" / "python")
        _uv("pip", "install", "--quiet", "--require-hashes", "--python", interpreter, *files)
        complete.touch()
    return environment


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two runs that want the same environment make it once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv(*arguments: str) -> None:
    command = [uv.find_uv_bin(), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"uv {arguments[0]} was not done after {INSTALL_LIMIT_S:g} s") from error
    if done.returncode != 0:
        message = (done.stderr or done.stdout).strip()
        raise BackendError(f"uv {' '.join(arguments[:2])} failed:\n{message}")
