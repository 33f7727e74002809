"""What a run comes to on each server: counts, what is unexpected and why, what is listed.

Made in one pass over the checks. Ids and the sentences of expectations are kept, exchanges are not,
so that a document of any size can be told in short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance import compare
from conformance.report.terminal import root_of
from conformance.results import Document
from conformance.verdicts import Verdict

#: What makes a run's exit status another one than 0.
UNEXPECTED = (Verdict.ERROR, Verdict.FAIL, Verdict.FIXED)
_FAILS = (Verdict.FAIL, Verdict.DEVIATION)


@dataclass
class Entry:
    """An entry of the expectations that holds: what is listed there, and the checks it covers.

    :param level: the weightiest of the checks'.
    """

    expectation: dict[str, Any]
    level: str
    checks: list[str] = field(default_factory=list)


@dataclass
class Digest:
    """What a run comes to on one server.

    :param server: its object in the document, without the checks.
    :param verdicts: by the check's id.
    :param levels: how many checks there are of a level and a verdict.
    :param not_run: checks that are errors because their server did not start or broke off.
    :param rests_on: of the checks that fail, listed or not, those that each rests on.
    :param entries: listed deviations, by file and line.
    """

    server: dict[str, Any]
    verdicts: dict[str, str] = field(default_factory=dict)
    levels: Counter[tuple[str, str]] = field(default_factory=Counter)
    not_run: set[str] = field(default_factory=set)
    rests_on: dict[str, Sequence[str]] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    duration_s: float = 0.0

    @property
    def name(self) -> str:
        """The server's name."""
        return str(self.server["name"])

    @property
    def broken(self) -> bool:
        """Whether the harness or the server broke off, so that this is not the whole of it."""
        return self.server["error"] is not None or self.count(Verdict.ERROR) > 0

    @property
    def as_expected(self) -> bool:
        """Whether every check was judged, and as it is listed."""
        return bool(self.verdicts) and not (
            self.server["error"] or any(map(self.count, UNEXPECTED))
        )

    def count(self, verdict: str) -> int:
        """How many checks have this verdict."""
        return sum(number for (_, found), number in self.levels.items() if found == verdict)

    def passed(self, level: str) -> tuple[int, int]:
        """How many checks of a level pass, and how many apply: an error applies and does not."""
        passed = self.levels[level, Verdict.PASS] + self.levels[level, Verdict.FIXED]
        of_level = sum(number for (found, _), number in self.levels.items() if found == level)
        return passed, of_level - self.levels[level, Verdict.NOT_APPLICABLE]

    def unexpected(self) -> tuple[list[str], dict[str, list[str]]]:
        """The checks that are not as expected, of which each root cause is told once.

        :returns: those that stand for themselves; and failures that follow from another, by that
            other. What was not run stands in the server's error.
        """
        alone: list[str] = []
        follow: dict[str, list[str]] = {}
        for identity, verdict in self.verdicts.items():
            if verdict not in UNEXPECTED or (self.server["error"] and identity in self.not_run):
                continue
            root = root_of(identity, self.rests_on) if verdict == Verdict.FAIL else identity
            if root == identity:
                alone.append(identity)
            else:
                follow.setdefault(root, []).append(identity)
        return alone, follow

    def column(self) -> compare.Column:
        """It as a column that knows the verdicts alone."""
        checks = {identity: {"verdict": verdict} for identity, verdict in self.verdicts.items()}
        server = self.server
        return compare.Column(
            self.name, server["version"], server["python"], server["error"], checks
        )


def not_run(check: dict[str, Any]) -> bool:
    """Whether an error says nothing of the check: its server did not start, or broke off before."""
    return bool(check["verdict"] == Verdict.ERROR and check["message"].startswith("not run"))


def of(document: Document, server: dict[str, Any]) -> Digest:
    """What the document comes to on one of its servers."""
    found = Digest(server)
    for check in document.checks(server["name"]):
        identity, verdict, level = check["id"], check["verdict"], check["level"]
        found.verdicts[identity] = verdict
        found.levels[level, verdict] += 1
        found.duration_s += check["duration_s"]
        if not_run(check):
            found.not_run.add(identity)
        if verdict in _FAILS:
            found.rests_on[identity] = check["rests_on"]
        if verdict == Verdict.DEVIATION:
            expectation = check["expectation"]
            entry = found.entries.setdefault(expectation["file"], Entry(expectation, level))
            entry.level = min(entry.level, level, key=compare.LEVELS.index)
            entry.checks.append(identity)
    return found


def every(document: Document) -> list[Digest]:
    """What the document comes to on each of its servers, in order."""
    return [of(document, server) for server in document.servers]


def headline(document: Document, digests: Sequence[Digest]) -> str:
    """What a run comes to, in a few words; an error outweighs a failure, as in the exit status."""
    if document.run["incomplete"]:
        return "interrupted before its end"
    if not any(digest.verdicts or digest.broken for digest in digests):
        return "nothing was checked"
    errors = sum(digest.broken for digest in digests)
    if errors:
        return f"{_servers(errors, len(digests))} with errors"
    others = sum(not digest.as_expected for digest in digests)
    if others:
        return f"{_servers(others, len(digests))} not as expected"
    return f"{_servers(len(digests), len(digests))} as expected"


def _servers(number: int, of_all: int) -> str:
    noun = "server" if of_all == 1 else "servers"
    return f"{number} {noun}" if number == of_all else f"{number} of {of_all} {noun}"
