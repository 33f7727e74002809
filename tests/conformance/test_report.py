"""`report`, and what `run` writes besides its results: which files, which words, which status."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance import cli, results
from conformance.commands.report import PAGE
from tests.conformance.deployments import compose
from tests.conformance.documents import check, document, server

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Called:
    """Calls the command in a directory of its own: its status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(arguments)
        output = capsys.readouterr()
        return status, output.out, output.err

    return call


def saved(path: str, *servers: dict[str, Any], **run: Any) -> Path:
    """A results document in a file, as a run writes it."""
    found = document(*servers, **run)
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    whole = results.document(found)
    results.write(place, whole.run, whole.servers, whole.checks)
    return place


def test_results_of_jobs_are_merged_and_rendered(called: Called) -> None:
    saved("jobs/results-one/results.json", server("one", check("wsgi/close/last", "pass")))
    saved("jobs/results-two/results.json", server("two", check("wsgi/close/last", "fail")))
    status, out, err = called("report", "jobs")
    assert (status, err) == (1, "")
    assert "2 servers, 2 verdicts (1 pass, 1 fail)" in out
    assert out.endswith("\nresults: results/results.json\npage: results/index.html\n")
    whole = results.open_document(Path("results"))
    assert [found["name"] for found in whole.servers] == ["one", "two"]
    assert sorted(os.listdir("results")) == [PAGE, "results.json"]
    # Once more, of what it has written itself.
    before = Path("results/results.json").read_bytes()
    assert called("report")[0] == 1
    assert Path("results/results.json").read_bytes() == before


def test_each_format_goes_where_it_is_to_go(called: Called) -> None:
    saved("results/results.json", server("one", check("wsgi/close/last", "pass")))
    status, out, err = called(
        *("report", "--no-page", "--junit", "one.xml", "--badge", "badge.json"),
        *("--sarif", "one.sarif", "--markdown", "-"),
    )
    assert status == 0
    assert out.startswith("<!-- wsgi-conform -->\n## wsgi-conform: 1 server as expected\n")
    # The report is not mixed with it.
    assert "1 server, 1 verdict (1 pass)" in err
    assert err.endswith(
        "results: results/results.json\njunit: one.xml\nbadge: badge.json\nsarif: one.sarif\n"
    )
    assert json.loads(Path("badge.json").read_text())["label"] == "one 1.0"
    assert json.loads(Path("one.sarif").read_text())["version"] == "2.1.0"
    assert "<testsuite " in Path("one.xml").read_text()
    assert os.listdir("results") == ["results.json"]


def test_what_changed_since_the_base(called: Called) -> None:
    one = check("wsgi/close/last", "pass")
    saved("base.json", server("one", one, version="1.0"))
    saved(
        "results/results.json",
        server("one", {**one, "verdict": "fail"}, version="2.0"),
        exit_status=1,
    )
    status, out, _ = called("report", "--base", "base.json", "--markdown", "-")
    assert status == 1
    assert out.index("wsgi/close/last") < out.index("### Totals")
    assert re.search(r"1\.0.*2\.0", out)


def test_a_run_writes_the_same(called: Called, tmp_path: Path) -> None:
    status, out, err = called(
        *("run", "--backend", "process", "--compose", str(compose(tmp_path, tiny={}))),
        *("-k", "routing/static-rule", "--expectations", str(tmp_path), "--junit", "-"),
    )
    assert status == 1
    assert out.startswith("<?xml ")
    assert "tiny: fail: routing/static-rule\n" in err
    assert sorted(os.listdir("results")) == [PAGE, "results.json"]
    again = called("report", "--junit", "-")
    assert again[0] == 1
    # But for how it is sent once more: `report` does not know how the run was called.
    assert [line for line in again[1].splitlines() if "replay:" not in line] == [
        line for line in out.splitlines() if "replay:" not in line
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("report missing", 3, "missing cannot be read: No such file or directory"),
        ("report empty", 3, "empty: expected a results.json in it, found none"),
        ("report broken.json", 3, "broken.json is not JSON: "),
        ("report other.json", 3, "other.json: expected a results document of schema 1, found 7"),
        ("report --base missing", 3, "missing cannot be read: No such file or directory"),
        ("report --junit no/such/place", 3, "no/such/place cannot be written: No such file"),
        (
            "report --junit - --markdown -",
            2,
            "one report fits on the standard output: --junit - and --markdown -",
        ),
        ("report --results good.json", 3, "good.json/results.json cannot be written: "),
        ("run wsgiref --planned-by good.json", 2, "--planned-by goes with --shard"),
        ("page missing", 2, "missing: expected a directory of results, which `run` writes"),
        ("page empty --host 192.0.2.1", 2, "192.0.2.1 is not an address of this machine."),
    ],
)
def test_what_cannot_be_done_is_said(
    called: Called, arguments: str, status: int, message: str
) -> None:
    for name in ("results/results.json", "good.json"):
        saved(name, server("one", check("wsgi/close/last", "pass")))
    Path("empty").mkdir()
    Path("broken.json").write_text('{"schema": 1,\n')
    Path("other.json").write_text('{"schema": 7}')
    found, _, err = called(*arguments.split())
    assert (found, err.startswith(f"wsgi-conform: {message}")) == (status, True), err
