"""Dependencies: which checks rest on which, so that one root cause is told once.

Nothing is left out for it: every check runs and has its own verdict. But where a check fails and
one that it rests on fails on the same deployment, reports tell the failure with its root instead of
beside it.
"""

from __future__ import annotations

import re
from functools import cache

#: Checks, and what they rest on. A `*` stands for any text, and in the root for the same text.
RESTS_ON: tuple[tuple[str, str], ...] = (
    # Where the simplest request is not answered, nothing is.
    ("*", "routing/static-rule"),
    # Where the next request of a connection is not answered, no check sees one that is.
    ("http/keep-alive/after/*", "http/keep-alive/as-declared"),
    # Where kept connections have no handler for others, many of them have none.
    ("http/keep-alive/many", "security/effort/kept"),
    ("http/keep-alive/hundred", "http/keep-alive/as-declared"),
    ("http/pipelining/*", "http/keep-alive/as-declared"),
    # Where chunked bodies are not decoded, none is decoded in some special way.
    ("http/chunked/decoded/*", "http/chunked/as-declared"),
    ("http/chunked/coding-name/*", "http/chunked/as-declared"),
    ("http/chunked/big", "http/chunked/as-declared"),
    ("wsgi/input/dechunked/*", "http/chunked/as-declared"),
    # Where a request in flight is lost, nobody sends another behind its answer.
    ("lifecycle/drain/next-on-connection", "lifecycle/drain/request"),
)


def matches(pattern: str, identity: str) -> re.Match[str] | None:
    """Whether a pattern is of that check; its group is what the star stands for."""
    return _compiled(pattern).fullmatch(identity)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", "(.+)"))


@cache
def of(identity: str) -> tuple[str, ...]:
    """The ids of the checks on which the check of that id rests directly."""
    found = []
    for pattern, root in RESTS_ON:
        match = matches(pattern, identity)
        if match is not None and root != identity:
            found.append(root.replace("*", match[1]) if "*" in root else root)
    return tuple(found)
