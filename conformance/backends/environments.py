"""Virtual environments for servers, made by uv and kept by the content of their requirements."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uv

from conformance.backends import BackendError
from conformance.registry import default_path

#: Seconds that an installation may take; some servers compile.
INSTALL_LIMIT_S = 600.0
#: What uv says where there is no network, whatever the reason.
_UNREACHED = "error sending request"
#: Seconds between two looks at whether another run has made an environment.
_LOCK_POLL_S = 0.05
#: The interpreter itself and not a checkout's link to it, so that environments of the same
#: requirements are made once for all checkouts.
INTERPRETER = os.path.realpath(sys.executable)
#: Its version, as "3.13".
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
#: The frameworks that the application runs on, each with requirements of its own.
FRAMEWORKS = ("reference", "flask")


def cache_directory() -> Path:
    """Where environments are kept: $XDG_CACHE_HOME/wsgi-conform, or ~/.cache/wsgi-conform."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification has a relative path ignored, and an environment cannot have one.
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "wsgi-conform" / "environments"


def make(
    name: str,
    requirements: Sequence[Path],
    python: str = INTERPRETER,
    installers: Installers | None = None,
) -> Path:
    """The environment with these requirements, made if it is not there yet.

    :param name: goes into the directory's name, for people.
    :param requirements: hash-pinned requirements files.
    :param installers: what to stop when the installation is to be broken off.
    :returns: the environment's directory.
    :raises BackendError: it could not be installed; carries the installer's message.
    """
    try:
        environment = cache_directory() / f"{name}-{digest(requirements, python)}"
        installers = installers or Installers()
        with locked(environment.with_name(f"{environment.name}.lock"), installers) as lock:
            _install(environment, requirements, python, installers, lock)
    except (OSError, RuntimeError) as error:
        raise BackendError(
            f"no environment can be made: {error} (XDG_CACHE_HOME says where they are kept)"
        ) from error
    return environment


def pin(
    source: Path,
    preferred: Path,
    output: Path,
    python: str,
    bounds: Mapping[str, str],
    constraints: Path | None,
    leave_out: str | None,
    installers: Installers,
    lock: int,
) -> None:
    """Pin requirements with hashes, each as it is pinned already wherever that fits.

    :param source: what is required.
    :param preferred: a pinned requirements file.
    :param output: the file to write.
    :param python: what they are for, as "3.13".
    :param bounds: distributions, and the time (RFC 3339) up to which their releases are taken.
    :param constraints: a file of what has to hold if it is installed at all.
    :param leave_out: a distribution that is not written, only what it needs.
    :param lock: as for `Installers.run`.
    :raises BackendError: they cannot be had together; carries the installer's message.
    """
    # uv keeps to what its output names already.
    shutil.copyfile(preferred, output)
    options = ["--quiet", "--generate-hashes", "--no-header", "--no-annotate"]
    options += ["--python-version", python]
    for name, until in bounds.items():
        options += ["--exclude-newer-package", f"{name}={until}"]
    if constraints is not None:
        options += ["--constraint", str(constraints)]
    if leave_out is not None:
        options += ["--no-emit-package", leave_out]
    _uv(installers, lock, "pip", "compile", *options, str(source), "--output-file", str(output))


def pinned(name: str) -> Path:
    """The pinned requirements file of that name among those that come with the project."""
    return default_path().parent / "docker" / "requirements" / f"{name}.txt"


def interpreters() -> list[str]:
    """The Pythons that uv finds on this machine, as "3.13".

    :raises BackendError: uv fails; carries its message.
    """
    command = [uv.find_uv_bin(), "python", "list", "--only-installed", "--output-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BackendError(f"uv python list failed:\n{done.stderr.strip()}")
    found = [interpreter["version_parts"] for interpreter in json.loads(done.stdout)]
    return [f"{version['major']}.{version['minor']}" for version in found]


def digest(requirements: Sequence[Path], python: str = INTERPRETER) -> str:
    """What tells environments with other requirements, or of another Python, apart."""
    found = hashlib.sha256(f"{python} {sys.version}".encode())
    for path in requirements:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _install(
    environment: Path,
    requirements: Sequence[Path],
    python: str,
    installers: Installers,
    lock: int,
) -> None:
    def uv(*arguments: str) -> None:
        _uv(installers, lock, *arguments)

    complete = environment / "complete"
    if complete.exists():
        return
    shutil.rmtree(environment, ignore_errors=True)
    uv("venv", "--quiet", "--no-project", "--python", python, str(environment))
    files = [argument for path in requirements for argument in ("--requirements", str(path))]
    interpreter = str(environment / "bin" / "python")
    uv("pip", "install", "--quiet", "--require-hashes", "--python", interpreter, *files)
    complete.touch()


@contextmanager
def locked(path: Path, installers: Installers) -> Iterator[int]:
    """Two runs that want the same environment make it once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        # Not waited for in the kernel, where an interrupt of the run would not be noticed.
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                installers.check()
                time.sleep(_LOCK_POLL_S)
        yield lock.fileno()


class Installers:
    """The installers that run now, so that an interrupt does not have to wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        #: Where uv is. Looked up once and before there are threads: two of them that make sysconfig
        #: read its configuration at the same time find half of it.
        self.program = uv.find_uv_bin()

    def run(self, command: Sequence[str], lock: int) -> subprocess.CompletedProcess[str]:
        """Run one to its end.

        :param lock: stays locked for as long as it runs, even if this process is killed.
        :raises subprocess.TimeoutExpired: it takes longer than `INSTALL_LIMIT_S`.
        """
        with self._lock:
            self.check()
            installer = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[lock],
            )
            self._running.add(installer)
        with installer:
            try:
                out, err = installer.communicate(timeout=INSTALL_LIMIT_S)
            finally:
                if installer.poll() is None:
                    installer.kill()
                with self._lock:
                    self._running.discard(installer)
        return subprocess.CompletedProcess(command, installer.returncode, out, err)

    def check(self) -> None:
        """Go on, unless they were stopped.

        :raises BackendError: they were.
        """
        if self._stopped:
            raise BackendError("the installation was interrupted")

    def stop(self) -> None:
        """End those that run and let none begin; what they made is made anew by the next run."""
        with self._lock:
            self._stopped = True
            for installer in self._running:
                installer.kill()


def _uv(installers: Installers, lock: int, *arguments: str) -> None:
    command = [installers.program, *arguments]
    try:
        done = installers.run(command, lock)
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"uv {arguments[0]} was not done after {INSTALL_LIMIT_S:g} s") from error
    if done.returncode != 0:
        message = (done.stderr or done.stdout).strip()
        if _UNREACHED in message:
            message += (
                "\nNo package index is reached from here; UV_DEFAULT_INDEX says where another is."
                f" What is installed once is kept in {cache_directory()}, and needs none."
            )
        raise BackendError(f"uv {' '.join(arguments[:2])} failed:\n{message}")
