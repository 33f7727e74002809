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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from conformance.backends.leftovers import Owner, start_time

#: The environment variable that names a process's owner.
VARIABLE = "WSGI_CONFORM_OWNER"

_DIRECTORY = "wsgi-conform-server-"
_SCRATCH = "wsgi-conform-scratch-"

#: Seconds that a killed process may take to be gone.
_KILL_LIMIT_S = 5.0
#: Seconds between two looks whether it is.
_POLL_S = 0.002


def me() -> str:
    """This process, as the value of `VARIABLE`."""
    return str(Owner.current())


def processes(name: str, value: str) -> list[int]:
    """The processes, other than this one, that were started with this variable."""
    return [pid for pid, variables in _environments() if variables.get(name) == value]


def end(name: str, value: str) -> None:
    """End the processes that were started with this variable."""
    _kill(lambda variables: variables.get(name) == value)


def sweep_processes() -> None:
    """End the processes whose owner is gone, and those of this one.

    A harness has pytest processes that start its servers; what they leave, if they are killed, is
    its own to sweep. So this is called before anything is started and after everything was stopped.
    """

    def is_left(variables: Mapping[str, str]) -> bool:
        owner = Owner.parse(variables.get(VARIABLE, ""))
        return owner is not None and (owner.gone or owner == Owner.current())

    _kill(is_left)


def _kill(wanted: Callable[[Mapping[str, str]], bool]) -> None:
    """End processes by force, and wait until they are gone; some fork others in the meantime."""
    deadline = time.monotonic() + _KILL_LIMIT_S
    looks = 1
    while looks and time.monotonic() < deadline:
        looks -= 1
        killed = []
        for pid, variables in _environments():
            if wanted(variables):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
        if killed:
            # One that forks and ends all the time is missed now and then.
            looks = 3
        while any(start_time(pid) is not None for pid in killed) and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def directory_prefix(owned_by: str, kind: str = _DIRECTORY) -> str:
    """The beginning of the name of a directory that belongs to this harness, for `mkdtemp`."""
    # No colon, which would be a separator where such a directory stands in a search path.
    return f"{kind}{owned_by.replace(':', '-', 2)}-"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory for files of this process's own; swept by a later run if this one is killed."""
    with tempfile.TemporaryDirectory(prefix=directory_prefix(me(), _SCRATCH)) as name:
        yield Path(name)


def sweep_directories() -> None:
    """Remove the directories whose owner is gone, and those of servers of this process."""
    for kind in (_DIRECTORY, _SCRATCH):
        for path in Path(tempfile.gettempdir()).glob(f"{kind}*"):
            pid, _, rest = path.name.removeprefix(kind).partition("-")
            started, _, rest = rest.partition("-")
            owner = Owner.parse(f"{pid}:{started}:{rest.rpartition('-')[0]}")
            if owner is None:
                continue
            if owner.gone or (kind == _DIRECTORY and owner == Owner.current()):
                shutil.rmtree(path, ignore_errors=True)


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    # The newest first: they may be gone, with others in their place, before the rest is read.
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True):
        if pid == os.getpid():
            continue
        try:
            text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        except OSError:  # gone, or another user's
            continue
        pairs = (line.partition("=") for line in text.split("\0") if "=" in line)
        yield pid, {name: value for name, _, value in pairs}
