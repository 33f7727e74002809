"""Dependencies: which checks rest on which, so that one root cause is told once.

Nothing is left out for it: every check runs and has its own verdict. But where a check fails and
one that it rests on fails on the same deployment, reports tell the failure with its root instead of
beside it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

#: Patterns of check ids, and the checks on which those rest.
RESTS_ON: dict[str, tuple[str, ...]] = {
    "http/chunked/decoded/*": ("http/chunked/as-declared",),
}


@cache
def of(identity: str) -> tuple[str, ...]:
    """The ids of the checks on which the check of that id rests directly."""
    return tuple(
        sorted(
            {
                root
                for pattern, roots in RESTS_ON.items()
                if fnmatchcase(identity, pattern)
                for root in roots
                if root != identity
            }
        )
    )
