"""The checks that are worth the most under chaos: those with a time in them, and some of each kind.

The whole suite takes minutes under chaos, and nearly all of it has nothing to do with time.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from conformance.clauses import Clause, clause_of

#: Areas that are about nothing else: acts, and many clients at a time.
AREAS = ("lifecycle", "load")
#: Has thousands of requests, of which each may be late: half a minute, and no time in it.
LEFT_OUT = "load/keep-alive/thousands"
#: Of the checks without a time one in so many is taken.
ONE_IN = 25
#: What a function names that has a time in it.
_TIME = re.compile(r"[A-Z_]*[A-Z]_S|sleep|monotonic|patience\w*|reacted|receive_ahead")
_OURS = "conformance.checks"


def choose(checks: Sequence[Clause]) -> list[Clause]:
    """Every check that has a time in it, and a few of all others."""
    return [
        check
        for number, check in enumerate(checks)
        if (check.area in AREAS or number % ONE_IN == 0 or has_time(check)) and check.id != LEFT_OUT
    ]


def has_time(check: Clause) -> bool:
    """Whether the check's function, or one of the suite that it calls, waits for a time."""
    for function in vars(importlib.import_module(check.module)).values():
        clause = clause_of(function)
        if (
            isinstance(function, FunctionType)
            and clause
            and f"{check.id}/".startswith(f"{clause.id}/")
        ):
            return any(_TIME.fullmatch(name) for name in _names(function, set()))
    raise LookupError(f"{check.module} has no check {check.id}")


def _names(function: FunctionType, seen: set[Any]) -> Iterator[str]:
    """What a function names, and what those of the suite do that it names."""
    seen.add(function)
    codes = [function.__code__]
    for code in codes:
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        for name in (*code.co_names, *code.co_varnames):
            yield name
            found = function.__globals__.get(name)
            # A class stands for its methods.
            members = vars(found).values() if isinstance(found, type) else (found,)
            for other in members:
                if (
                    isinstance(other, FunctionType)
                    and other.__module__.startswith(_OURS)
                    and other not in seen
                ):
                    yield from _names(other, seen)
