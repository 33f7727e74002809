"""What it means for an application when a check fails: the sentences of consequences.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance.dependencies import matches

_FILE = Path(__file__).with_name("consequences.toml")


@dataclass(frozen=True)
class Consequence:
    """What a failure means.

    :param group: what it is about, the title of a group.
    :param order: of the group among the groups, from 0.
    :param text: a sentence.
    """

    group: str
    order: int
    text: str


#: Of a check that only another version of this suite has.
UNKNOWN = Consequence("Other", 1000, "What that means is not known to this version of the suite.")


@cache
def patterns() -> dict[str, Consequence]:
    """The patterns of check ids, and what a failure of these checks means."""
    groups = tomllib.loads(_FILE.read_text(encoding="utf-8"))["group"]
    return {
        pattern: Consequence(group["title"], order, text)
        for order, group in enumerate(groups)
        for pattern, text in group["consequences"].items()
    }


@cache
def of(identity: str) -> Consequence:
    """What it means when the check of that id fails: the entry with the longest pattern.

    A results document of another version may have checks that there is none for: `UNKNOWN`.
    """
    found = [pattern for pattern in patterns() if matches(pattern, identity)]
    if not found:
        return UNKNOWN
    return patterns()[max(found, key=len)]
