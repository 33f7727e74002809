"""Releases with a known fix, and the checks that notice: upgrades.toml, borne out by running them.

    python -m conformance.upgrades [NAME ...]     runs all pairs, or those of these deployments

Each entry says which checks have another outcome in the first release with the fix than in the last
one without it. This is the proof that `compare` names what a changelog names; docs/upgrades.md is
the table.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console

from conformance import catalogue, compare, registry, releases, results
from conformance.backends import owner
from conformance.backends.process import ProcessBackend
from conformance.progress import PlainProgress
from conformance.runner import EXIT_INTERRUPTED, Plan, Runner
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_UNEXPECTED

_FILE = Path(__file__).with_name("upgrades.toml")


@dataclass(frozen=True)
class Fix:
    """A release in which something was mended, or broken.

    :param deployment: as in the registry.
    :param requirement: the distribution whose releases they are; None for the server's own.
    :param options: of the deployment in both; empty for none.
    :param before: the last release in which it was otherwise.
    :param after: the first in which it is as said.
    :param day: when `after` came into the package index.
    :param checks: ids of checks that fail before and pass after; the reverse of a regression.
    :param what: what changes for an application, in a sentence.
    :param reference: where the project says so.
    """

    deployment: str
    requirement: str | None
    options: str
    before: str
    after: str
    day: date
    checks: tuple[str, ...]
    what: str
    reference: str
    regression: bool

    @property
    def targets(self) -> tuple[str, str]:
        """What `wsgi-conform compare` compares for it."""
        beside = f"{self.requirement}==" if self.requirement else ""
        options = f" {self.options}" if self.options else ""
        before, after = (
            f"{self.deployment}@{beside}{version}{options}" for version in (self.before, self.after)
        )
        return before, after


def load() -> list[Fix]:
    """The entries of upgrades.toml."""
    return [
        Fix(
            deployment=entry["deployment"],
            requirement=entry.get("requirement"),
            options=entry.get("options", ""),
            before=entry["before"],
            after=entry["after"],
            day=entry["date"],
            checks=tuple(entry["checks"]),
            what=entry["what"],
            reference=entry["reference"],
            regression=entry.get("regression", False),
        )
        for entry in tomllib.loads(_FILE.read_text(encoding="utf-8"))["fix"]
    ]


def verify(fixes: Sequence[Fix], jobs: int, console: Console) -> list[str]:
    """Run the checks of each pair on both of its releases; what is not as it is said.

    :raises KeyboardInterrupt: the run was interrupted.
    """
    wanted: dict[str, set[str]] = {}
    for fix in fixes:
        for target in fix.targets:
            wanted.setdefault(target, set()).update(fix.checks)
    plan = Plan(
        servers=releases.select(registry.load(), list(wanted)),
        checks=catalogue.collect(),
        backend=ProcessBackend(),
        jobs=jobs,
        only={name: sorted(checks) for name, checks in wanted.items()},
    )
    with owner.scratch() as directory:
        writer = results.Writer(directory)
        with PlainProgress(console, None, failures=False) as progress:
            if Runner(plan, writer, progress).run() == EXIT_INTERRUPTED:
                raise KeyboardInterrupt
        columns = compare.columns(writer.document)
    found = {column.name: column for column in columns}
    wrong = [f"{column.name}: {column.error}" for column in columns if column.error]
    for fix in fixes:
        expected = ("pass", "fail") if fix.regression else ("fail", "pass")
        for target, outcome in zip(fix.targets, expected, strict=True):
            column = found[target]
            for check in fix.checks:
                told = column.outcome(check)
                if column.error is None and told != outcome:
                    wrong.append(f"{column.name} {check}: expected {outcome}, found {told}")
    return list(dict.fromkeys(wrong))


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify pairs and return the exit status: 1 if something is not as it is said."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.upgrades", description="Verify upgrades.toml on real servers."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only pairs of these deployments")
    parser.add_argument("--jobs", type=int, default=4, help="servers side by side")
    parsed = parser.parse_args(arguments)
    servers = {server.name: server for server in registry.load()}
    fixes = []
    for fix in load():
        if parsed.names and fix.deployment not in parsed.names:
            continue
        if reason := servers[fix.deployment].missing("process"):
            print(f"left out: {fix.deployment} {fix.before} to {fix.after}: {reason}")
        else:
            fixes.append(fix)
    if not fixes:
        parser.error(f"there is no pair of {', '.join(parsed.names)} to run here")
    wrong = verify(fixes, parsed.jobs, Console(highlight=False))
    for line in wrong:
        print(line)
    print(f"{len(fixes)} pairs, {sum(len(fix.checks) for fix in fixes)} checks, {len(wrong)} wrong")
    return EXIT_UNEXPECTED if wrong else EXIT_AS_EXPECTED


if __name__ == "__main__":
    sys.exit(main())
