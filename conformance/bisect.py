"""Bisection: the release in which a check changed, in logarithmically many runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.compare import JUDGED, Column
from conformance.index import Release


class NotFound(Exception):
    """There is no release to name; says why."""


@dataclass(frozen=True)
class Step:
    """What came of one release.

    :param outcome: "pass" or "fail", or None where it could not be told.
    :param message: why the check failed, or why it could not be told.
    """

    release: Release
    outcome: str | None
    message: str
    column: Column

    def as_json(self) -> dict[str, Any]:
        """The step in the document that `bisect --format json` prints."""
        return {
            "version": str(self.release.version),
            "uploaded": self.release.uploaded and self.release.uploaded.isoformat(),
            "outcome": self.outcome,
            "message": self.message,
        }


@dataclass(frozen=True)
class Found:
    """Between which two releases a check changed.

    :param before: the last with the older outcome.
    :param after: the first with the newer one.
    :param untold: releases between the two of which it could not be told.
    """

    before: Step
    after: Step
    untold: Sequence[Step]


#: Runs the check on these releases, side by side.
Judge = Callable[[Sequence[Release]], list[Step]]


def runs_needed(number: int) -> int:
    """How many releases are looked at, at most, where each can be judged.

    :param number: of releases, both ends among them.
    """
    return 2 + math.ceil(math.log2(max(1, number - 1)))


def bisect(releases: Sequence[Release], judge: Judge) -> Found:
    """Find the release in which a check changed.

    :param releases: the oldest first; the first and the last are those that are known.
    :param judge: is asked for both ends at first, then for one release at a time.
    :raises NotFound: an end cannot be judged, or both have the same outcome.
    """
    first, last = judge([releases[0], releases[-1]])
    for step in (first, last):
        if step.outcome is None:
            raise NotFound(f"{step.release.version} cannot be judged: {step.message}")
    if first.outcome == last.outcome:
        raise NotFound(
            f"it is the same in {first.release.version} and {last.release.version}: "
            f"{first.outcome}; name two releases between which it changed"
        )
    low, high = 0, len(releases) - 1
    known = {low: first, high: last}
    while candidates := [number for number in range(low + 1, high) if number not in known]:
        # The middle, or next to it where that could not be judged.
        middle = min(candidates, key=lambda number: abs(2 * number - low - high))
        [step] = judge([releases[middle]])
        known[middle] = step
        if step.outcome == first.outcome:
            low = middle
        elif step.outcome == last.outcome:
            high = middle
    return Found(known[low], known[high], [known[number] for number in range(low + 1, high)])


def step(release: Release, column: Column, check: str) -> Step:
    """What a run of one check says of a release."""
    outcome = column.outcome(check)
    if column.error is not None:
        return Step(release, None, column.error, column)
    message = column.checks[check]["message"] if check in column.checks else "it was not run"
    return Step(release, outcome if outcome in JUDGED else None, message, column)


def as_json(check: str, steps: Sequence[Step], found: Found) -> dict[str, Any]:
    """The document that `bisect --format json` prints."""
    return {
        "check": check,
        "steps": [step.as_json() for step in steps],
        "found": {
            "before": found.before.as_json(),
            "after": found.after.as_json(),
            "untold": [step.as_json() for step in found.untold],
        },
    }
