"""Comparison: what is different for an application behind another server, or another release of it.

Two columns or more, each a deployment's checks in a results document. Of two, every check whose
outcome changed is told with what that means and with both answers; and every answer that differs,
in the normal form of `conformance.parity`, where the outcome is the same. Of more, which check
changed where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance import consequences, index, parity, releases, results
from conformance.registry import Server, UnknownServer
from conformance.releases import UnknownRelease
from conformance.results import Document
from conformance.verdicts import Verdict

#: What a verdict says of the server alone: whether it was expected plays no part here.
OUTCOMES = {
    Verdict.PASS: "pass",
    Verdict.FIXED: "pass",
    Verdict.FAIL: "fail",
    Verdict.DEVIATION: "fail",
    Verdict.NOT_APPLICABLE: "not-applicable",
    Verdict.ERROR: "error",
}
JUDGED = ("pass", "fail")
#: Levels of checks, the weightiest first.
LEVELS = ("must", "should", "contract", "may", "agreement")

_RANGE = re.compile(r"([^@+\s]+)@([^@+\s/]+?)\.\.([^@+\s/]+)(.*)")


@dataclass(frozen=True)
class Column:
    """What a results document says of one deployment.

    :param error: why it could not be run, or None.
    :param checks: by id.
    """

    name: str
    version: str | None
    python: str | None
    error: str | None
    checks: dict[str, dict[str, Any]] = field(repr=False)

    def outcome(self, identity: str) -> str | None:
        """The outcome of a check, one of `OUTCOMES`; None where it was not run."""
        check = self.checks.get(identity)
        return None if check is None else OUTCOMES[Verdict(check["verdict"])]

    def varies(self, identity: str) -> bool:
        """Whether its verdict is listed as one that is not the same in every run."""
        expectation = self.checks[identity]["expectation"]
        return bool(expectation is not None and expectation["varies"])


@dataclass(frozen=True)
class Change:
    """A check whose outcome is not the same in two columns.

    :param unsure: why it may be chance, or None.
    """

    id: str
    before: Column
    after: Column
    unsure: str | None = None

    @property
    def check(self) -> dict[str, Any]:
        """What the check is: its title, level and clause."""
        return self.after.checks[self.id]

    @property
    def broken(self) -> bool:
        """Whether it fails after, and passed before."""
        return self.after.outcome(self.id) == "fail"


@dataclass(frozen=True)
class Difference:
    """A check of the same outcome in two columns, which answered differently."""

    id: str
    before: Column
    after: Column
    lines: Sequence[str]

    @property
    def check(self) -> dict[str, Any]:
        """What the check is: its title, level and clause."""
        return self.after.checks[self.id]


@dataclass(frozen=True)
class Pair:
    """Two columns, next to one another.

    :param changes: of what both were judged by, in the order of what they mean.
    :param differences: likewise.
    :param not_asked: checks that only one of them was judged by, and why the other was not.
    """

    before: Column
    after: Column
    changes: Sequence[Change]
    differences: Sequence[Difference]
    not_asked: dict[str, str]

    def differ_in(self, levels: Sequence[str]) -> bool:
        """Whether a check of one of these levels changed its outcome, as far as that is sure."""
        return any(
            change.check["level"] in levels and change.unsure is None for change in self.changes
        )


def expand(target: str, servers: Sequence[Server]) -> list[str]:
    """The deployments that a target means: one, or of `NAME@A..B` each release in between.

    :raises UnknownServer: there is no such deployment, or no such release.
    :raises BackendError: the package index cannot be read.
    """
    match = _RANGE.fullmatch(target)
    if match is None:
        return [target]
    name, first, last, rest = match.groups()
    by_name = {server.name: server for server in servers}
    if name not in by_name:
        raise UnknownServer(name, by_name)
    project, first = releases.split_release(by_name[name], first)
    beside = f"{project}==" if project != by_name[name].project else ""
    for version in (first, releases.split_release(by_name[name], last)[1]):
        if index.find(project, version) is None:
            raise UnknownRelease(f"{target}: {project} has no release {version}")
    found = [str(release.version) for release in index.between(project, first, last)]
    if index.order(first, last) > 0:
        found.reverse()
    return [f"{name}@{beside}{version}{rest}" for version in found]


def file_of(target: str, servers: Sequence[Server]) -> tuple[Path, str | None] | None:
    """The results file that a target means, and which of its servers; None: it is a deployment.

    `PATH` or `PATH:NAME`, of a file or of a directory with a results.json in it.
    """
    if re.split(r"[@+\s]", target)[0] in {server.name for server in servers}:
        return None
    text, colon, name = target.rpartition(":")
    path, only = (Path(text), name) if colon and Path(text).exists() else (Path(target), None)
    if path.is_dir():
        path /= results.FILE_NAME
    # What is said to be one and is not there is for `results.load` to complain about.
    return (path, only) if path.exists() or target.endswith(".json") or "/" in target else None


def columns(document: Document, names: Sequence[str] | None = None) -> list[Column]:
    """The columns of a results document.

    :param names: which, in this order; None for all.
    :raises UnknownServer: one of them is not in it.
    """
    servers = {server["name"]: server for server in document.servers}
    for name in names or ():
        if name not in servers:
            raise UnknownServer(name, servers)
    return [
        Column(
            name,
            servers[name]["version"],
            servers[name]["python"],
            servers[name]["error"],
            {check["id"]: check for check in document.checks(name)},
        )
        for name in (servers if names is None else names)
    ]


def order(identity: str) -> tuple[int, str]:
    """Where a check is told: by what it means, then by id."""
    return consequences.of(identity).order, identity


def changed(before: Column, after: Column) -> Iterator[str]:
    """The ids of checks by which both columns were judged, with another outcome."""
    for identity in after.checks:
        outcomes = (before.outcome(identity), after.outcome(identity))
        if all(outcome in JUDGED for outcome in outcomes) and outcomes[0] != outcomes[1]:
            yield identity


def pair(before: Column, after: Column, again: Sequence[Column] = ()) -> Pair:
    """Compare two columns.

    :param again: the same two once more, of the checks that changed: what does not change again is
        not sure to have changed.
    """
    changes = []
    for identity in sorted(changed(before, after), key=order):
        unsure = None
        if before.varies(identity) or after.varies(identity):
            unsure = "listed as one that is not the same in every run"
        elif again and [column.outcome(identity) for column in again] != [
            before.outcome(identity),
            after.outcome(identity),
        ]:
            unsure = "not so when it was run once more"
        changes.append(Change(identity, before, after, unsure))
    not_asked = {}
    for identity, check in after.checks.items():
        applies = [column.outcome(identity) in JUDGED for column in (before, after)]
        if applies.count(True) == 1 and before.error is None and after.error is None:
            lacking = after if applies[0] else before
            other = lacking.checks.get(identity, {**check, "message": "not run"})
            not_asked[identity] = f"{lacking.name}: {other['message']}".strip()
    return Pair(before, after, changes, list(_differences(before, after)), not_asked)


def _differences(before: Column, after: Column) -> Iterator[Difference]:
    for identity in sorted(after.checks, key=order):
        outcome = after.outcome(identity)
        if outcome not in JUDGED or outcome != before.outcome(identity):
            continue
        forms = [parity.normal_forms(column.checks[identity]) for column in (before, after)]
        if forms[0] is None or forms[1] is None or forms[0] == forms[1]:
            continue
        lines = list(parity.differences(forms[0], forms[1]))
        yield Difference(identity, before, after, lines)


def telling(change: Change) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The exchange by which a change is best seen, in both columns: the last that differs.

    A request that only one of them was sent, because a check went on where it did not fail, is told
    by that one.
    """
    kept = [
        column.checks[change.id]["exchanges"]["kept"] for column in (change.before, change.after)
    ]
    sides = [
        {
            form[0]: (form[1], exchange)
            for exchange in side
            if (form := parity.normal_form(exchange))
        }
        for side in kept
    ]
    before, after = sides
    for asked in reversed([asked for asked in before if asked in after]):
        if before[asked][0] != after[asked][0]:
            return before[asked][1], after[asked][1]
    # Then it is how an exchange ended, or what came of it elsewhere, that makes the difference.
    return (kept[0][-1] if kept[0] else None), (kept[1][-1] if kept[1] else None)


@dataclass(frozen=True)
class Row:
    """A check over several columns.

    :param outcomes: one per column; None where it was not run.
    """

    id: str
    check: dict[str, Any]
    outcomes: Sequence[str | None]

    @property
    def changes_at(self) -> list[int]:
        """Numbers of the columns, from 0, whose outcome is not that of the last judged one."""
        found, last = [], None
        for number, outcome in enumerate(self.outcomes):
            if outcome in JUDGED:
                if last not in (None, outcome):
                    found.append(number)
                last = outcome
        return found


def rows(found: Sequence[Column]) -> list[Row]:
    """The checks that changed from one column to another, in the order of what they mean."""
    every = {identity: check for column in found for identity, check in column.checks.items()}
    table = [
        Row(identity, every[identity], [column.outcome(identity) for column in found])
        for identity in sorted(every, key=order)
    ]
    return [row for row in table if row.changes_at]


def as_json(pairs: Sequence[Pair], found: Sequence[Column]) -> dict[str, Any]:
    """The document that `compare --format json` prints."""
    return {
        "columns": [
            {
                "name": column.name,
                "version": column.version,
                "python": column.python,
                "error": column.error,
            }
            for column in found
        ],
        "pairs": [_pair_as_json(compared) for compared in pairs],
        "rows": [
            {
                **_about(row.id, row.check),
                "outcomes": list(row.outcomes),
                "changes_at": [found[number].name for number in row.changes_at],
            }
            for row in (rows(found) if not pairs else ())
        ],
    }


def _pair_as_json(compared: Pair) -> dict[str, Any]:
    def side(column: Column, identity: str, exchange: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "outcome": column.outcome(identity),
            "message": column.checks[identity]["message"],
            "exchange": exchange,
        }

    changes = []
    for change in compared.changes:
        before, after = telling(change)
        changes.append(
            {
                **_about(change.id, change.check),
                "unsure": change.unsure,
                "before": side(change.before, change.id, before),
                "after": side(change.after, change.id, after),
            }
        )
    return {
        "before": compared.before.name,
        "after": compared.after.name,
        "changes": changes,
        "differences": [
            {**_about(difference.id, difference.check), "lines": list(difference.lines)}
            for difference in compared.differences
        ],
        "not_asked": compared.not_asked,
    }


def _about(identity: str, check: dict[str, Any]) -> dict[str, Any]:
    consequence = consequences.of(identity)
    return {
        "id": identity,
        "level": check["level"],
        "title": check["title"],
        "clause": check["clause"],
        "group": consequence.group,
        "consequence": consequence.text,
    }


#: Runs deployments and returns what came of them; the second argument is the ids of the only checks
#: to run, by deployment, or None for all that were selected.
Run = Callable[[Sequence[str], dict[str, Sequence[str]] | None], list[Column]]


def compare(
    names: Sequence[str], run: Run, recorded: dict[str, Column]
) -> tuple[list[Column], list[Pair]]:
    """Compare deployments, of which those that are not recorded are run.

    What changed between two that were both run is run once more.

    :param names: in order; each one of `recorded` or a deployment.
    :returns: the columns, and where there are two of them, the pair.
    """
    missing = [name for name in names if name not in recorded]
    by_name = dict(recorded)
    if missing:
        by_name |= {column.name: column for column in run(missing, None)}
    found = [by_name[name] for name in names]
    if len(found) != 2:
        return found, []
    before, after = found
    suspects = list(changed(before, after))
    again: list[Column] = []
    if len(missing) == 2 and suspects:
        again = run(missing, dict.fromkeys(missing, suspects))
    return found, [pair(before, after, again)]
