"""What this process used, processor time and memory, and what nobody used."""

from __future__ import annotations

import os
import resource
import sys
import time

#: `ru_maxrss` is in kibibytes, but for macOS.
_UNIT = 1 if sys.platform == "darwin" else 1024


def cpu_s() -> float:
    """Seconds of processor time of this process and of its children that ended."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def memory_mb() -> int:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT // 1_000_000


def idle_share(seconds: float) -> float:
    """The share of the processor time of this machine that nobody uses for so long from now on.

    0.0 where the system does not tell: only Linux does.
    """
    before = _idle_s()
    time.sleep(seconds)
    return (_idle_s() - before) / seconds / (os.cpu_count() or 1)


def _idle_s() -> float:
    try:
        with open("/proc/stat", encoding="ascii") as file:
            _, _, _, _, idle, waits, *_ = file.readline().split()
    except OSError:
        return 0.0
    return (int(idle) + int(waits)) / os.sysconf("SC_CLK_TCK")
