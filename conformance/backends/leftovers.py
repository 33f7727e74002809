"""Whose something is that outlives the harness if that is killed, and whether anybody still cares.

A container goes on when the harness that started it is gone. It carries its owner's name, so that a
later run can sweep it and a run next to it leaves it alone. Sweeping is the backends' business.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Of the flags of a process: it is being shut down (Linux, include/linux/sched.h).
_PF_EXITING = 0x4

RUN_LABEL = "wsgi-conform.run"
OWNER_LABEL = "wsgi-conform.owner"
SERVER_LABEL = "wsgi-conform.server"


@dataclass(frozen=True)
class Owner:
    """The process that started a container, told from a later one with the same number.

    :param started: the process's start time as /proc gives it, in clock ticks since boot; empty
        where there is no /proc.
    """

    pid: int
    started: str
    hostname: str

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        return cls(os.getpid(), start_time(os.getpid()) or "", socket.gethostname())

    @classmethod
    def parse(cls, label: str) -> Owner | None:
        """Read what `str()` wrote, or return None for anything else."""
        match = re.fullmatch(r"(\d+):(\d*):(.+)", label)
        return cls(int(match[1]), match[2], match[3]) if match else None

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}:{self.hostname}"

    @property
    def gone(self) -> bool:
        """Whether the process certainly runs no more; another machine's are not known here."""
        if self.hostname != socket.gethostname():
            return False
        if self.started and Path("/proc/self/stat").exists():
            return start_time(self.pid) != self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None if it is gone (proc(5), "stat")."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name is in parentheses and may itself hold any character.
    state, *rest = text.rpartition(")")[2].split()
    return None if state in ("Z", "X") else rest[18]


def is_ending(pid: int) -> bool:
    """Whether a process has begun to exit: before it closes a socket by that (proc(5), "flags")."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    _, *rest = text.rpartition(")")[2].split()
    return bool(int(rest[5]) & _PF_EXITING)


def is_leftover(labels: Mapping[str, str], own_run: str | None = None) -> bool:
    """Whether a container may be removed: nobody is there to do it, or it belongs to `own_run`."""
    run = labels.get(RUN_LABEL)
    if run is None:
        return False
    if own_run is not None and run == own_run:
        return True
    owner = Owner.parse(labels.get(OWNER_LABEL, ""))
    return owner is not None and owner.gone
