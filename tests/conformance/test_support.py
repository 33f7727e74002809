"""What servers support: the questions of features.toml, and that the answers are the checks'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue, expectations, registry, results
from conformance.clauses import Clause
from conformance.cli import main
from conformance.report import support
from conformance.report.support import Feature, FeatureError
from conformance.verdicts import Outcome, judge

PAGE = Path(__file__).resolve().parents[2] / "docs" / "support.md"

ENTRY = """\
[[group]]
title = "Bodies"

[[group.feature]]
id = "one"
question = "Does it?"
why = "Because."
checks = ["a/b", "a/c/"]
"""


@pytest.fixture(scope="module")
def clauses() -> list[Clause]:
    return catalogue.collect()


def test_every_question_is_decided_by_checks_that_there_are(clauses: list[Clause]) -> None:
    identities = [clause.id for clause in clauses]
    for feature in support.features():
        for selector in (*feature.checks, *feature.decisive):
            assert {*support.select([selector], identities)} <= {*identities}, (
                f"{feature.id}: no check is, or is below, {selector!r}"
            )


def test_every_question_reads_as_one() -> None:
    for feature in support.features():
        # It is the heading of a section, and the name of its anchor.
        assert re.fullmatch("[a-z0-9-]+", feature.id)
        assert feature.question.endswith("?")
        assert feature.why.endswith(".")
        assert feature.asked is None or feature.asked.startswith("https://")


def test_the_page_is_fresh(clauses: list[Clause]) -> None:
    assert PAGE.read_text(encoding="utf-8") == support.page(registry.load(), clauses), (
        "docs/support.md is not what checks and expectations say: run `make catalogue`"
    )


def test_the_page_has_a_cell_for_every_question_and_server() -> None:
    features, servers = support.features(), registry.load()
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for server in servers:
        rows = [line.split(" | ")[1:] for line in lines if line.startswith(f"| [{server.name}](")]
        assert sum(map(len, rows)) == len(features)
        for cell in [cell.removesuffix(" |") for row in rows for cell in row]:
            assert re.fullmatch(r"✓ yes|✗ no|n/a|~ \d+/\d+", cell)
    for feature in features:
        assert f"### {feature.id}" in lines


MALFORMED = {
    "no TOML": ("[[group]\n", ": is not TOML: Expected ']]' at the end of an array declaration"),
    "no list": (
        ENTRY.replace("[[group]]", "[group]"),
        ": expected [[group]] with `title` and [[group.feature]], found 'title'",
    ),
    "no title": (
        ENTRY.replace("title", "name"),
        ": expected [[group]] with `title` and [[group.feature]], found {'name': 'Bodies'",
    ),
    "unknown key": (
        ENTRY + 'check = "a/b"\n',
        ":4: unknown key `check`; there are id, question, why, checks, decisive, capability, asked",
    ),
    "no question": (
        ENTRY.replace('question = "Does it?"\n', ""),
        ":4: expected text for `question`, found None",
    ),
    "blank reason": (
        ENTRY.replace("Because.", " "),
        ":4: expected text for `why`, found ' '",
    ),
    "no checks": (
        ENTRY.replace('["a/b", "a/c/"]', "[]"),
        ":4: expected `checks` as a list of ids, or of prefixes that end in a slash; found []",
    ),
    "checks as text": (
        ENTRY.replace('["a/b", "a/c/"]', '"a/b"'),
        ":4: expected `checks` as a list of ids, or of prefixes that end in a slash; found 'a/b'",
    ),
    "decisive without being a check": (
        ENTRY + 'decisive = ["a/c/d", "a/d"]\n',
        ":4: 'a/d' is decisive, and not among the `checks`",
    ),
    "unknown capability": (
        ENTRY + 'capability = "keepalive"\n',
        ":4: no capability is called 'keepalive'; there are concurrency, ",
    ),
    "the same id again": (
        ENTRY + ENTRY.partition("\n\n")[2],
        ":9: 'one' is the id of another feature",
    ),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_mistake_in_the_file_is_located(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "features.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FeatureError) as caught:
        support.features(path)
    assert str(caught.value).startswith(f"{path}{message}")


def ask(monkeypatch: pytest.MonkeyPatch, *checks: str, **others: Any) -> None:
    """Make this the one question that there is."""
    decisive = others.pop("decisive", checks)
    capability = others.pop("capability", None)
    feature = Feature("one", "Group", "Does it?", "Why.", checks, decisive, capability, None)
    monkeypatch.setattr(support, "features", lambda: [feature])


def document(verdicts: dict[str, str], **capabilities: Any) -> results.Document:
    """A run of one server; a verdict with a star is of a check that is listed as varying."""
    checks = [
        {
            "id": identity,
            "verdict": verdict.removesuffix("*"),
            "expectation": {"varies": "On Sundays."} if verdict.endswith("*") else None,
        }
        for identity, verdict in verdicts.items()
    ]
    server = {"name": "server", "capabilities": capabilities, "checks": checks}
    return results.document({"run": {}, "servers": [server]})


def answer(found: results.Document) -> tuple[str, int, list[str]]:
    """The one answer: what it is, how many checks apply, and which of them fail."""
    [feature] = support.answers(found)
    cell = feature["servers"]["server"]
    return cell["answer"], cell["applicable"], cell["failing"]


@pytest.mark.parametrize(
    ("b", "c", "expected"),
    [
        ("pass", "pass", ("yes", 2, [])),
        ("pass", "fixed", ("yes", 2, [])),
        ("pass", "not-applicable", ("yes", 1, [])),
        ("pass", "fail", ("partly", 2, ["a/x/c"])),
        # It is told what a server does, and not whether that is excused.
        ("pass", "deviation", ("partly", 2, ["a/x/c"])),
        ("pass", "pass*", ("partly", 2, ["a/x/c"])),
        ("deviation", "fail", ("no", 2, ["a/b", "a/x/c"])),
        ("fail", "not-applicable", ("no", 1, ["a/b"])),
        ("not-applicable", "not-applicable", ("not-declared", 0, [])),
        ("pass", "error", ("unknown", 2, [])),
        ("fail", "error", ("unknown", 2, ["a/b"])),
    ],
)
def test_an_answer_is_that_of_its_checks(
    monkeypatch: pytest.MonkeyPatch, b: str, c: str, expected: tuple[str, int, list[str]]
) -> None:
    ask(monkeypatch, "a/b", "a/x/")
    # What no question names says nothing.
    assert answer(document({"a/b": b, "a/x/c": c, "a/other": "fail", "a/xx": "fail"})) == expected


@pytest.mark.parametrize(
    ("b", "c", "expected"),
    [
        ("fail", "pass", "no"),
        ("pass", "fail", "partly"),
        ("not-applicable", "pass", "not-declared"),
        ("not-applicable", "fail", "not-declared"),
    ],
)
def test_what_is_decisive_decides(
    monkeypatch: pytest.MonkeyPatch, b: str, c: str, expected: str
) -> None:
    ask(monkeypatch, "a/b", "a/c", decisive=("a/b",))
    assert answer(document({"a/b": b, "a/c": c}))[0] == expected


def test_what_rests_on_a_capability_is_asked_where_that_is_declared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(monkeypatch, "a/b", capability="keep-alive")
    assert answer(document({"a/b": "pass"})) == ("not-declared", 0, [])
    assert answer(document({"a/b": "pass"}, **{"keep-alive": True})) == ("yes", 1, [])


@pytest.mark.parametrize("selector", ["a/b", "a/b/"])
def test_what_was_not_run_is_not_known(monkeypatch: pytest.MonkeyPatch, selector: str) -> None:
    ask(monkeypatch, selector)
    assert answer(document({"a/c": "pass"}))[0] == "unknown"


def test_what_another_server_was_asked_is_not_known_of_one_that_broke_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(monkeypatch, "a/")
    check = {"id": "a/b", "verdict": "pass", "expectation": None}
    servers: list[dict[str, Any]] = [
        {"name": "whole", "capabilities": {}, "checks": [check, {**check, "id": "a/c"}]},
        {"name": "broken", "capabilities": {}, "checks": [check]},
        {"name": "not-started", "capabilities": {}, "checks": []},
    ]
    [feature] = support.answers(results.document({"run": {}, "servers": servers}))
    answers = {name: cell["answer"] for name, cell in feature["servers"].items()}
    assert answers == {"whole": "yes", "broken": "unknown", "not-started": "unknown"}
    assert feature["checks"] == ["a/b", "a/c"]


def test_capabilities_of_another_release_are_no_fault_of_the_harness() -> None:
    server = {"name": "one", "capabilities": {"telepathy": True}, "checks": []}
    with pytest.raises(results.ResultsError, match="the results of one: unknown capability"):
        support.answers(results.document({"run": {}, "servers": [server]}))


def test_each_check_of_a_document_is_read_once() -> None:
    reads: list[str] = []

    class Counted(results.Document):
        def checks(self, server: str) -> Iterator[dict[str, Any]]:
            reads.append(server)
            return super().checks(server)

    servers: list[dict[str, Any]] = [{"name": name, "capabilities": {}} for name in ("one", "two")]
    support.answers(Counted({}, servers, lambda *_: {}, {"one": [], "two": []}))
    assert reads == ["one", "two"]


def test_what_is_known_is_what_a_run_that_is_as_expected_says(clauses: list[Clause]) -> None:
    """For every server of the registry: a run in which every listed check fails, and no other."""
    python = "3.12.1"
    servers = registry.load()
    run: list[dict[str, Any]] = []
    for server in servers:
        listed = expectations.load(server.name, server.expectations, server.version, python=python)
        checks = []
        for clause in clauses:
            entry = listed.get(clause.id)
            if server.capabilities.missing(clause.requires):
                outcome = Outcome.NOT_APPLICABLE
            elif entry is None or entry.varies:
                outcome = Outcome.PASSED
            else:
                outcome = Outcome.CRASHED if entry.crash else Outcome.FAILED
            expectation = None if entry is None else entry.as_json()
            verdict = judge(outcome, entry)
            checks.append({"id": clause.id, "verdict": verdict, "expectation": expectation})
        capabilities = server.capabilities.as_json()
        run.append({"name": server.name, "capabilities": capabilities, "checks": checks})
    answers = support.answers(results.document({"run": {}, "servers": run}))
    assert answers == support.known(servers, clauses, python)
    assert {cell["answer"] for feature in answers for cell in feature["servers"].values()} == {
        "yes",
        "no",
        "partly",
        "not-declared",
    }


def test_what_is_known_is_what_a_run_says(tmp_path: Path, clauses: list[Clause]) -> None:
    """Of a real server, which deviates, in part for its Python, and does not declare everything."""
    chosen = "http/expect or http/keep-alive or absolute-form or security/splitting or injected"
    arguments = ["run", "wsgiref", "--backend", "process", "--results", str(tmp_path)]
    assert main([*arguments, "-k", chosen]) == 0
    found = results.open_document(tmp_path)
    answers = {feature["id"]: feature for feature in support.answers(found)}
    servers = registry.select(registry.load(), ["wsgiref"])
    known = support.known(servers, clauses, found.servers[0]["python"])
    whole = [feature for feature in known if {*feature["checks"]} <= {*found.ids("wsgiref")}]
    assert {"expect-continue", "keep-alive", "header-injection"} <= {
        feature["id"] for feature in whole
    }
    for feature in whole:
        assert answers[feature["id"]]["servers"] == feature["servers"], feature["id"]
    assert answers["script-name"]["servers"]["wsgiref"]["answer"] == "unknown"
