"""Comparisons: what changed between columns, what that means, and what the command says of it."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from rich.console import Console

from conformance import compare, index, registry
from conformance.cli import main
from conformance.commands.compare import Runs
from conformance.compare import Column
from conformance.report import comparison
from conformance.results import SCHEMA

SCHEMA_FILE = Path(compare.__file__).with_name("results.schema.json")
CHUNKED = "http/chunked/as-declared"
ROUTE = "routing/static-rule"
ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def exchange(response: str, request: str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> dict[str, Any]:
    return {
        "connection": 1,
        "started": 0.0,
        "duration_s": 0.01,
        "ended": "answered",
        "answers": 1,
        "request": {"text": request, "bytes": len(request)},
        "response": {"text": response, "bytes": len(response)},
    }


def check(
    identity: str,
    verdict: str = "pass",
    body: str = "ok",
    *,
    level: str = "must",
    message: str = "",
    varies: str = "",
) -> dict[str, Any]:
    expectation = {
        "instead": "no",
        "reason": "a reason",
        "reference": "unreported",
        "versions": "",
        "python": "",
        "crash": False,
        "varies": varies,
        "file": "some.toml:1",
    }
    return {
        "id": identity,
        "area": identity.partition("/")[0],
        "level": level,
        "title": "It is as it should be.",
        "clause": {
            "document": "RFC 9112",
            "section": "section 7.1",
            "url": "https://www.rfc-editor.org/rfc/rfc9112.html#section-7.1",
        },
        "requires": [],
        "rests_on": [],
        "verdict": verdict,
        "duration_s": 0.1,
        "message": message,
        "expectation": expectation if varies or verdict == "deviation" else None,
        "exchanges": {"total": 1, "kept": [exchange(ANSWER + body)]},
        "parity": None,
    }


def column(name: str, *checks: dict[str, Any], error: str | None = None) -> Column:
    return Column(name, "1.0", "3.11", error, {one["id"]: one for one in checks})


def document(*columns: Column) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": {
            "started": "2026-01-01T00:00:00.000+00:00",
            "duration_s": 1.0,
            "backend": "process",
            "framework": "reference",
            "python": "3.11.7",
            "host": "Linux",
            "exit_status": 0,
            "incomplete": False,
        },
        "servers": [
            {
                "name": one.name,
                "project": "some",
                "version": one.version,
                "python": one.python,
                "command": "some",
                "framework": "reference",
                "capabilities": {},
                "error": one.error,
                "checks": list(one.checks.values()),
            }
            for one in columns
        ],
    }


def write(path: Path, *columns: Column) -> str:
    found = document(*columns)
    jsonschema.validate(found, json.loads(SCHEMA_FILE.read_text()))
    path.write_text(json.dumps(found))
    return str(path)


def test_what_changed_and_what_only_answers_differently() -> None:
    before = column("old", check(CHUNKED, "fail"), check(ROUTE), check("routing/x", body="ab"))
    after = column("new", check(CHUNKED, "fixed"), check(ROUTE, "deviation"), check("routing/x"))
    found = compare.pair(before, after)
    assert [(one.id, one.broken) for one in found.changes] == [(CHUNKED, False), (ROUTE, True)]
    [difference] = found.differences
    assert difference.id == "routing/x"
    assert [line.strip() for line in difference.lines] == ["GET / HTTP/1.1", "- ab", "+ ok"]
    assert found.differ_in(["must"])
    assert not found.differ_in(["should"])


def test_a_check_that_one_was_not_asked_is_no_change() -> None:
    before = column("old", check(ROUTE, "not-applicable", message="it needs tls"))
    found = compare.pair(before, column("new", check(ROUTE, "fail")))
    assert found.changes == []
    assert found.not_asked == {ROUTE: "old: it needs tls"}


def test_what_may_be_chance_is_unsure_and_decides_nothing() -> None:
    before = column("old", check(CHUNKED, "deviation", varies="by chance"), check(ROUTE, "fail"))
    after = column("new", check(CHUNKED), check(ROUTE))
    again = [column("old", check(ROUTE)), column("new", check(ROUTE))]
    found = compare.pair(before, after, again)
    assert [one.unsure for one in found.changes] == [
        "listed as one that is not the same in every run",
        "not so when it was run once more",
    ]
    assert not found.differ_in(compare.LEVELS)


def test_what_is_missing_is_run_and_what_changed_is_run_again() -> None:
    asked: list[tuple[list[str], Any]] = []

    def run(names: Sequence[str], only: dict[str, Sequence[str]] | None) -> list[Column]:
        asked.append((list(names), only))
        verdicts = {"old": "fail", "new": "pass"}
        return [column(name, check(ROUTE, verdicts[name])) for name in names]

    _, [pair] = compare.compare(["old", "new"], run, {})
    assert asked == [(["old", "new"], None), (["old", "new"], {"old": [ROUTE], "new": [ROUTE]})]
    assert [one.unsure for one in pair.changes] == [None]
    asked.clear()
    recorded = {"old": column("old", check(ROUTE))}
    columns, [pair] = compare.compare(["old", "new"], run, recorded)
    assert asked == [(["new"], None)]
    assert [one.name for one in columns] == ["old", "new"]
    assert pair.changes == []


def test_where_in_a_row_of_releases_a_check_changed() -> None:
    verdicts = ["fail", "error", "deviation", "pass", "not-applicable", "fixed", "fail"]
    found = [column(str(n), check(ROUTE, verdict)) for n, verdict in enumerate(verdicts)]
    [row] = compare.rows(found)
    assert row.changes_at == [3, 6]
    assert compare.rows(found[:3]) == []


def test_every_release_of_a_range(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tuple(
        index.Release(Version(text), None, text == "21.1", SpecifierSet(), ())
        for text in ("20.0", "20.1", "21.0rc1", "21.1", "21.2", "22.0")
    )
    monkeypatch.setattr(index, "releases", lambda project: known)
    servers = registry.load()
    assert compare.expand("gunicorn-sync@20.0..21.2+python3.11", servers) == [
        "gunicorn-sync@20.0+python3.11",
        "gunicorn-sync@20.1+python3.11",
        "gunicorn-sync@21.2+python3.11",
    ]
    assert compare.expand("waitress@22.0..21.2", servers) == ["waitress@22.0", "waitress@21.2"]
    assert compare.expand("waitress", servers) == ["waitress"]
    with pytest.raises(registry.UnknownServer, match=r"waitress has no release 23"):
        compare.expand("waitress@20.0..23", servers)
    with pytest.raises(registry.UnknownServer, match=r"did you mean 'waitress'"):
        compare.expand("waitres@20.0..22.0", servers)


def test_the_terminal_shows_both_answers_and_what_it_means() -> None:
    hostile = "\x1b[31m\x07"
    before = column("old", check(CHUNKED, "fail", hostile, message="found 400"))
    after = column("new", check(CHUNKED))
    output = io.StringIO()
    comparison.terminal([before, after], [compare.pair(before, after)], Console(file=output), False)
    text = output.getvalue()
    assert "\x1b" not in text
    for part in (
        "Where a request ends",
        f"+ {CHUNKED}  must: failed, passes",
        "before: Clients that do not know a body's length",
        "https://www.rfc-editor.org/rfc/rfc9112.html#section-7.1",
        "found 400",
        r"> GET / HTTP/1.1\r\n",
        r"< \x1b[31m\x07",
        "old (version 1.0, Python 3.11) -> new (version 1.0, Python 3.11)",
        "1 checks that failed pass (1 must), 0 that passed fail, 0 are answered differently",
    ):
        assert part in text


def test_nothing_that_a_server_sent_breaks_out_of_the_markdown() -> None:
    before = column("old", check(ROUTE, "fail", "```\n<script>"), error="it | broke\n````")
    after = column("new", check(ROUTE))
    text = comparison.markdown([before, after], [compare.pair(before, after)])
    assert "`````text\nit | broke\n````\n`````" in text
    assert "| fail | pass |" in text
    # Its own lines are escaped as bytes, within the block.
    assert r"< ```\n" in text
    assert "\n````text\n" in text


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((), 1),
        (("--fail-on", "should,may"), 0),
        (("--fail-on", "any"), 1),
        (("--fail-on=none",), 0),
    ],
)
def test_two_files_and_the_exit_status(
    tmp_path: Path, options: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write(tmp_path / "old.json", column("some", check(ROUTE), check(CHUNKED)))
    (tmp_path / "new").mkdir()
    new = write(
        tmp_path / "new" / "results.json", column("some", check(ROUTE, "fail"), check(CHUNKED))
    )
    assert main(["compare", old, str(tmp_path / "new"), "--format", "json", *options]) == status
    told = json.loads(capsys.readouterr().out)
    [compared] = told["pairs"]
    assert [one["name"] for one in told["columns"]] == ["some", f"some ({new})"]
    [change] = compared["changes"]
    assert (change["id"], change["before"]["outcome"], change["after"]["outcome"]) == (
        ROUTE,
        "pass",
        "fail",
    )
    assert change["consequence"] == "A URL leads to another view than it should, or to none."
    assert change["after"]["exchange"]["response"]["text"] == ANSWER + "ok"


def test_two_servers_of_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.json", column("one", check(ROUTE)), column("two", check(ROUTE)))
    assert main(["compare", f"{path}:one", f"{path}:two"]) == 0
    assert "0 checks that failed pass, 0 that passed fail, 0 are" in capsys.readouterr().out


def test_a_column_that_could_not_be_run_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = column("some@9", check(ROUTE, "error"), error="there is no version of some==9")
    path = write(tmp_path / "a.json", column("some", check(ROUTE)), broken)
    assert main(["compare", path]) == 3
    assert "there is no version of some==9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["waitress"], "expected two targets or more"),
        (["waitres", "granian"], "no server is called 'waitres'; did you mean 'waitress'?"),
        (["no/such.json", "waitress"], "no/such.json cannot be read"),
        (["waitress", "granian", "--fail-on", "most"], "expected some of must, should"),
    ],
)
def test_wrong_usage(targets: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["compare", *targets])
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status == (3 if "such.json" in targets[0] else 2)
    assert message in capsys.readouterr().err


def test_sets_of_options_are_run_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real servers, which differ in what makes no difference to the check."""
    names = ["reference-threaded", "reference-threaded --max-request-line 8000"]
    options = ["-k", "routing/static-rule", "--results", str(tmp_path), "--format", "json"]
    assert main(["compare", *names, *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["error"]) for one in told["columns"]] == [
        (name, None) for name in names
    ]
    assert told["pairs"][0]["changes"] == []


def test_where_one_does_not_run_all_are_run_on_another_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[list[str], str | None]] = []

    def once(
        self: Runs, names: Sequence[str], only: dict[str, Sequence[str]] | None, python: str | None
    ) -> list[Column]:
        asked.append((list(names), python))
        fails = {"waitress@1": python in (None, "3.13")}
        return [
            column(name, check(ROUTE), error="no" if fails.get(name) else None) for name in names
        ]

    monkeypatch.setattr(Runs, "_run", once)
    monkeypatch.setattr(Runs, "_others", lambda self, names: ["3.13", "3.12", "3.11"])
    parsed = argparse.Namespace(expression="routing/static-rule")
    run = Runs(parsed, registry.load(), tmp_path, Console(file=io.StringIO()))
    names = ["waitress@1", "waitress@2"]
    assert [one.error for one in run(names, None)] == [None, None]
    run(names, {names[0]: [ROUTE]})
    assert asked == [(names, None), (names, "3.13"), (names, "3.12"), (names, "3.12")]
