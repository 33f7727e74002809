"""What belongs to a harness on this machine: processes and directories, found and removed.

A server's workers may leave its process group, and outlive it and the harness. The variables that
it was started with stay with every process it forks, so they tell whose a process is. A server's
working directory tells it by its name. Containers are not found here: they carry labels.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from conformance.backends.leftovers import Owner, start_time

#: The environment variable that names a process's owner.
VARIABLE = "WSGI_CONFORM_OWNER"

_DIRECTORY = "wsgi-conform-server-"

#: Seconds that a killed process may take to be gone.
_KILL_LIMIT_S = 5.0


def me() -> str:
    """This process, as the value of `VARIABLE`."""
    return str(Owner.current())


def processes(name: str, value: str) -> list[int]:
    """The processes, other than this one, that were started with this variable."""
    return [pid for pid, variables in _environments() if variables.get(name) == value]


def kill(pids: Iterable[int]) -> None:
    """End these processes by force, and wait until they are gone."""
    left = set(pids)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_LIMIT_S
    while left := {pid for pid in left if start_time(pid) is not None}:
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def sweep_processes() -> None:
    """End the processes whose owner is gone, and those of this one.

    A harness has pytest processes that start its servers; what they leave, if they are killed, is
    its own to sweep. So this is called before anything is started and after everything was stopped.
    """
    left = []
    for pid, variables in _environments():
        owner = Owner.parse(variables.get(VARIABLE, ""))
        if owner is not None and (owner.gone or owner == Owner.current()):
            left.append(pid)
    kill(left)


def directory_prefix(owned_by: str) -> str:
    """The beginning of the name of a directory that belongs to this harness, for `mkdtemp`."""
    # No colon, which would be a separator where such a directory stands in a search path.
    return f"{_DIRECTORY}{owned_by.replace(':', '-', 2)}-"


def sweep_directories() -> None:
    """Remove the directories whose owner is gone, and those of this process."""
    for path in Path(tempfile.gettempdir()).glob(f"{_DIRECTORY}*"):
        pid, _, rest = path.name.removeprefix(_DIRECTORY).partition("-")
        started, _, rest = rest.partition("-")
        hostname = rest.rpartition("-")[0]
        owner = Owner.parse(f"{pid}:{started}:{hostname}")
        if owner is not None and (owner.gone or owner == Owner.current()):
            shutil.rmtree(path, ignore_errors=True)


def _environments() -> Iterable[tuple[int, dict[str, str]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:  # gone, or another user's
            continue
        pairs = (line.partition("=") for line in text.split("\0") if "=" in line)
        yield int(entry.name), {name: value for name, _, value in pairs}
