"""What this process used: processor time and memory."""

from __future__ import annotations

import resource
import sys

#: `ru_maxrss` is in kibibytes, but for macOS.
_UNIT = 1 if sys.platform == "darwin" else 1024


def cpu_s() -> float:
    """Seconds of processor time of this process and of its children that ended."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def memory_mb() -> int:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT // 1_000_000
