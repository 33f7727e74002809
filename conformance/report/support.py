"""What people ask of WSGI servers, answered by the checks: the questions of features.toml.

An answer is computed from what checks found and from nothing else, for a run's document as for what
the project holds to be known: a check that applies to a pinned release fails if it is listed in the
expectations and passes if it is not, which every run of the whole fleet confirms.
`python -m conformance.report.support` prints docs/support.md of that; `make catalogue` writes it.
"""

from __future__ import annotations

import itertools
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from conformance import catalogue, expectations, registry
from conformance.capabilities import REQUIRABLE, Capabilities
from conformance.clauses import Clause
from conformance.registry import Server
from conformance.results import Document, ResultsError
from conformance.verdicts import Verdict

PATH = Path(__file__).resolve().parents[1] / "features.toml"

#: The Python that docs/support.md is for, which is that of the images: some servers' deviations
#: are their Python's.
PYTHON = "3.13.5"

_TEXTS = ("id", "question", "why")
_KEYS = (*_TEXTS, "checks", "decisive", "capability", "asked")


class FeatureError(Exception):
    """A file of features that cannot be used: says file, line, what was found and expected."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}")


class Answer(StrEnum):
    """What a server's checks say to a question."""

    #: Every check that applies passes.
    YES = "yes"
    #: None of those that decide passes.
    NO = "no"
    PARTLY = "partly"
    #: It rests on a capability that the deployment does not declare.
    NOT_DECLARED = "not-declared"
    #: Not every check that decides it was run to its end.
    UNKNOWN = "unknown"


class Finding(StrEnum):
    """What a check found, whether or not that is excused."""

    PASSES = "passes"
    FAILS = "fails"
    NOT_APPLICABLE = "not-applicable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Feature:
    """A question, and the checks that answer it.

    :param checks: ids of checks, or prefixes of ids that end in a slash.
    :param decisive: those of them without which the answer is no; all where none is named.
    :param capability: the question is not asked where that is not declared.
    :param asked: where somebody asked, a link.
    """

    id: str
    group: str
    question: str
    why: str
    checks: tuple[str, ...]
    decisive: tuple[str, ...]
    capability: str | None
    asked: str | None


def features(path: Path = PATH) -> list[Feature]:
    """The questions, in the order of the file.

    :raises FeatureError: it is not TOML, or an entry is not what it has to be.
    """
    text = path.read_text(encoding="utf-8")
    try:
        groups = tomllib.loads(text).get("group", [])
    except tomllib.TOMLDecodeError as error:
        raise FeatureError(path, None, f"is not TOML: {error}") from error
    # The entries of a list come in the order of their headers, so the lines of these are theirs.
    lines = iter(
        number
        for number, line in enumerate(text.splitlines(), 1)
        if re.match(r"\s*\[\[\s*group\s*\.\s*feature\s*\]\]", line)
    )
    found: dict[str, Feature] = {}
    for group in groups:
        if (
            not isinstance(group, dict)
            or set(group) != {"title", "feature"}
            or not isinstance(group["title"], str)
            or not isinstance(group["feature"], list)
        ):
            message = f"expected [[group]] with `title` and [[group.feature]], found {group!r:.60}"
            raise FeatureError(path, None, message)
        for entry in group["feature"]:
            line = next(lines, None)
            feature = _feature(path, line, group["title"], entry)
            if feature.id in found:
                raise FeatureError(path, line, f"{feature.id!r} is the id of another feature")
            found[feature.id] = feature
    return list(found.values())


def _feature(path: Path, line: int | None, group: str, entry: dict[str, Any]) -> Feature:
    for key in entry:
        if key not in _KEYS:
            raise FeatureError(path, line, f"unknown key `{key}`; there are {', '.join(_KEYS)}")
    for key in (*_TEXTS, *(entry.keys() & {"capability", "asked"})):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise FeatureError(path, line, f"expected text for `{key}`, found {entry.get(key)!r}")
    for key in ("checks", *(entry.keys() & {"decisive"})):
        selectors = entry.get(key)
        if not (isinstance(selectors, list) and selectors) or not all(
            isinstance(selector, str) and "/" in selector for selector in selectors
        ):
            raise FeatureError(
                path,
                line,
                f"expected `{key}` as a list of ids, or of prefixes that end in a slash; "
                f"found {selectors!r}",
            )
    decisive = entry.get("decisive", entry["checks"])
    for selector in decisive:
        if not any(_covers(check, selector) for check in entry["checks"]):
            raise FeatureError(path, line, f"{selector!r} is decisive, and not among the `checks`")
    capability = entry.get("capability")
    if capability is not None and capability not in REQUIRABLE:
        there = ", ".join(REQUIRABLE)
        raise FeatureError(path, line, f"no capability is called {capability!r}; there are {there}")
    return Feature(
        id=entry["id"],
        group=group,
        question=entry["question"],
        why=entry["why"],
        checks=tuple(entry["checks"]),
        decisive=tuple(decisive),
        capability=capability,
        asked=entry.get("asked"),
    )


def _covers(selector: str, identity: str) -> bool:
    return identity == selector or (selector.endswith("/") and identity.startswith(selector))


def select(selectors: Sequence[str], identities: Sequence[str]) -> list[str]:
    """The ids that these stand for, in the order of the selectors.

    One that stands for none is there itself: as a check of which nothing is known.
    """
    found: list[str] = []
    for selector in selectors:
        found += [identity for identity in identities if _covers(selector, identity)] or [selector]
    return list(dict.fromkeys(found))


def answers(document: Document) -> list[dict[str, Any]]:
    """The answers of a run; each server's checks are read once.

    A prefix stands for the checks of the document, so of a run of chosen checks an answer is about
    these; where none of them was chosen it is unknown.

    :returns: for each feature `id`, `group`, `question`, `why`, `asked`, its `checks`, and
        `servers`: by name the `answer`, how many checks were `applicable`, and which are `failing`.
    :raises ResultsError: a server declares what is not known here; another release wrote it.
    """
    return _answers(
        {server["name"]: _declared(server) for server in document.servers},
        {
            server["name"]: {
                check["id"]: _finding(check) for check in document.checks(server["name"])
            }
            for server in document.servers
        },
    )


def _declared(server: dict[str, Any]) -> Capabilities:
    try:
        return Capabilities.parse(server["capabilities"])
    except ValueError as error:
        raise ResultsError(f"the results of {server['name']}: {error}") from error


def known(
    servers: Sequence[Server], clauses: Sequence[Clause], python: str = PYTHON
) -> list[dict[str, Any]]:
    """The answers that a run of these servers on that Python would give, without running them."""
    findings = {}
    for server in servers:
        listed = expectations.load(
            server.deployment, server.expectations, server.version, python=python
        )
        findings[server.name] = {
            clause.id: Finding.NOT_APPLICABLE
            if server.capabilities.missing(clause.requires)
            else Finding.FAILS
            if clause.id in listed
            else Finding.PASSES
            for clause in clauses
        }
    return _answers({server.name: server.capabilities for server in servers}, findings)


def _finding(check: Mapping[str, Any]) -> Finding:
    match check["verdict"]:
        case Verdict.PASS | Verdict.FIXED:
            # One that passes although it is listed, rightly, does not pass in every run.
            varies = check["verdict"] == Verdict.PASS and check["expectation"] is not None
            return Finding.FAILS if varies else Finding.PASSES
        case Verdict.DEVIATION | Verdict.FAIL:
            return Finding.FAILS
        case Verdict.NOT_APPLICABLE:
            return Finding.NOT_APPLICABLE
    return Finding.UNKNOWN


def _answers(
    declared: Mapping[str, Capabilities], findings: Mapping[str, Mapping[str, Finding]]
) -> list[dict[str, Any]]:
    identities = list(dict.fromkeys(identity for found in findings.values() for identity in found))
    table = []
    for feature in features():
        checks = select(feature.checks, identities)
        decisive = select(feature.decisive, identities)
        requires = () if feature.capability is None else (feature.capability,)
        servers = {}
        for name, found in findings.items():
            applicable = {
                check: found.get(check, Finding.UNKNOWN)
                for check in checks
                if found.get(check) is not Finding.NOT_APPLICABLE
            }
            if declared[name].missing(requires):
                applicable = {}
            servers[name] = {
                "answer": _answer(applicable, decisive),
                "applicable": len(applicable),
                "failing": [check for check in applicable if applicable[check] is Finding.FAILS],
            }
        table.append(
            {
                "id": feature.id,
                "group": feature.group,
                "question": feature.question,
                "why": feature.why,
                "asked": feature.asked,
                "checks": checks,
                "servers": servers,
            }
        )
    return table


def _answer(applicable: Mapping[str, Finding], decisive: Sequence[str]) -> Answer:
    deciding = [applicable[check] for check in decisive if check in applicable]
    if not deciding:
        return Answer.NOT_DECLARED
    if Finding.UNKNOWN in applicable.values():
        return Answer.UNKNOWN
    if Finding.FAILS not in applicable.values():
        return Answer.YES
    return Answer.PARTLY if Finding.PASSES in deciding else Answer.NO


_HEAD = """\
# What servers support

Generated by `make catalogue` from [features.toml](../conformance/features.toml): {number} questions
that people ask of WSGI servers, answered by the [checks](checks.md) and not by hand.

- **✓ yes**: every check that applies passes.
- **~ 7/9**: partly; seven of nine checks pass.
- **✗ no**: none of the checks that decide it passes.
- **n/a**: not asked. It rests on something that the deployment does not claim to have (a reload by
  a signal, kept connections), or that it takes to find out (several requests at once).

It says what a server does and not whether it may: a no is often allowed, and sometimes a decision
with a good reason. What happens instead, and why, stands for each check that fails in the list of
known deviations, to which a server's name leads. What fails in some runs only counts as failing.

The answers are for the releases and options of [servers.md](servers.md), on Linux and Python
{python}; of others a run tells. They are no ranking: what a server lacks may be what the proxy in
front of it does.

| question | ✓ yes | ~ partly | ✗ no | n/a |
|---|---|---|---|---|
"""

#: The answers that there are without a run, in the order of the page, and their signs.
_SIGNS = {
    Answer.YES: "✓ yes",
    Answer.PARTLY: "~ {passing}/{applicable}",
    Answer.NO: "✗ no",
    Answer.NOT_DECLARED: "n/a",
}


def page(servers: Sequence[Server], clauses: Sequence[Clause]) -> str:
    """docs/support.md."""
    answered = {feature["id"]: feature["servers"] for feature in known(servers, clauses)}
    asked = features()
    lines = [_HEAD.format(number=len(asked), python=PYTHON)]
    for feature in asked:
        counts = Counter(cell["answer"] for cell in answered[feature.id].values())
        numbers = " | ".join(str(counts[answer]) for answer in _SIGNS)
        lines.append(f"| [{feature.question}](#{feature.id}) | {numbers} |\n")
    areas = Counter(clause.area for clause in clauses)
    for group, members in itertools.groupby(asked, lambda feature: feature.group):
        columns = list(members)
        names = " | ".join(f"[{feature.id}](#{feature.id})" for feature in columns)
        lines.append(f"\n## {group}\n\n| server | {names} |\n|---|{'---|' * len(columns)}\n")
        for server in servers:
            cells = " | ".join(_cell(answered[feature.id][server.name]) for feature in columns)
            lines.append(f"| {_deviations(server)} | {cells} |\n")
        for feature in columns:
            asked_there = f" ([asked]({feature.asked}))" if feature.asked else ""
            lines.append(f"\n### {feature.id}\n\n{feature.question}{asked_there} {feature.why}\n\n")
            lines.append(f"Checks: {_links(feature.checks, areas)}.\n")
            if feature.decisive != feature.checks:
                lines.append(f"Decisive: {_links(feature.decisive, areas)}.\n")
    return "".join(lines)


def _links(selectors: Sequence[str], areas: Mapping[str, int]) -> str:
    """To the sections of docs/checks.md, whose headings have the number of an area's checks."""
    return ", ".join(
        f"[`{selector}`](checks.md#{area}-{areas[area]})"
        for selector in selectors
        for area in [selector.partition("/")[0]]
    )


def _cell(cell: Mapping[str, Any]) -> str:
    passing = cell["applicable"] - len(cell["failing"])
    return _SIGNS[cell["answer"]].format(passing=passing, applicable=cell["applicable"])


def _deviations(server: Server) -> str:
    own = (expectations.DIRECTORY / f"{server.name}.toml").is_file()
    file = server.name if own else server.expectations
    return f"[{server.name}](../conformance/expectations/{file}.toml)"


if __name__ == "__main__":
    sys.stdout.write(page(registry.load(), catalogue.collect()))
