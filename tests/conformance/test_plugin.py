"""The pytest plugin: tiny checks of a tiny server, the verdicts, and what is told of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Imported before any run, which drops what it imported itself.
import conformance.backends.process
import conformance.plugin  # noqa: F401
from tests.conformance.deployments import compose

pytest_plugins = ["pytester"]

HEADER = """
import pytest
from conformance.clauses import Source, clause

SOURCE = Source("A text", "A section", "https://example.org/#a")
"""

#: name: (level-less) check; each is `area/<name>`.
CHECKS = {
    "passes": 'assert client.get("/ok").status_code == 200',
    "fails": 'assert client.get("/fail").status_code == 200, "expected 200, found 500"',
    "breaks": 'client.get("/ok"); {}["missing"]',
    "dies": 'client.get("/die")',
    "passes-and-dies": 'assert client.get("/die-answered").status_code == 200',
    "dies-slowly": 'client.get("/die-slowly")',
    "is-killed": 'client.get("/kill")',
    "hangs": 'client.get("/hang")',
    "ends-it": 'client.get("/die-for-good")',
    "lives": 'assert client.get("/ok").content == b"ok"',
    "not-http": "client.get('/ok').json()",
    "spoils": 'client.get("/spoil"); assert client.get("/ok").content == b"ok"',
    "spoils-unseen": 'client.get("/spoil")',
}

Judged = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def judged(pytester: pytest.Pytester, tmp_path: Path) -> Judged:
    """Runs checks against the tiny server and returns what the plugin told of it, event by event.

    The result of pytest itself is at `judged.result`, the names of the phases at `judged.phases`.
    """

    def run(
        *checks: str,
        text: str | None = None,
        expectations: str = "",
        arguments: tuple[str, ...] = (),
        **keys: Any,
    ) -> list[dict[str, Any]]:
        pytester.makepyfile(
            test_checks=HEADER + (text if text is not None else "".join(map(one_check, checks)))
        )
        directory = tmp_path / "expectations"
        directory.mkdir()
        (directory / "tiny.toml").write_text(expectations, encoding="utf-8")
        events = tmp_path / "events"
        run.result = pytester.runpytest_inprocess(  # type: ignore[attr-defined]
            "-p",
            "conformance.plugin",
            "--wsgi-server=tiny",
            f"--wsgi-compose={compose(tmp_path, tiny=keys)}",
            f"--wsgi-expectations={directory}",
            "--wsgi-time-limit=0.5",
            f"--wsgi-events={os.open(events, os.O_WRONLY | os.O_CREAT)}",
            *arguments,
        )
        found = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
        phases = [event for event in found if event["event"] == "phase"]
        run.phases = [event["name"] for event in phases]  # type: ignore[attr-defined]
        assert all(event["seconds"] >= 0 for event in phases)
        used = [event for event in found if event["event"] == "used"]
        assert len(used) == bool(phases)
        assert all(event["cpu_s"] > 0 and event["memory_mb"] > 10 for event in used)
        return [event for event in found if event["event"] not in ("phase", "used")]

    return run


def one_check(name: str) -> str:
    """The source of one of `CHECKS`."""
    return f'''
@clause("area/{name}", "must", SOURCE)
def test_{name.replace("-", "_")}(client):
    """What is asked, and what is answered."""
    {CHECKS[name]}
'''


def entry(name: str, **keys: str) -> str:
    """An expectation for one of `CHECKS`."""
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(
        [
            "[[deviation]]",
            f'check = "area/{name}"',
            'instead = "Something else."',
            'reason = "Because."',
            'reference = "unreported"',
            *lines,
            "",
        ]
    )


def verdicts(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Id and verdict of every check that was told of."""
    return [
        (event["check"]["id"].removeprefix("area/"), event["check"]["verdict"])
        for event in events
        if event["event"] == "check"
    ]


def outcomes(judged: Judged) -> dict[str, int]:
    """What pytest itself counted."""
    found: dict[str, int] = judged.result.parseoutcomes()  # type: ignore[attr-defined]
    found.pop("warnings", None)
    found.pop("warning", None)
    return found


def test_what_is_told_of_a_run(judged: Judged) -> None:
    started, checked, finished = judged("passes")
    address = started.pop("address")
    assert address.startswith("127.0.0.1:")
    assert started == {
        "event": "started",
        "version": "7.0",
        "python": "3.99.0",
        "framework": "reference",
    }
    check = checked["check"]
    assert check.pop("duration_s") > 0
    [exchange] = check.pop("exchanges")["kept"]
    assert exchange["request"]["text"].startswith("GET /ok HTTP/1.1\r\n")
    assert exchange["response"]["text"].endswith("\r\n\r\nok")
    assert check == {
        "id": "area/passes",
        "area": "area",
        "level": "must",
        "title": "What is asked, and what is answered.",
        "clause": {
            "document": "A text",
            "section": "A section",
            "url": "https://example.org/#a",
        },
        "requires": [],
        "rests_on": ["routing/static-rule"],
        "verdict": "pass",
        "message": "",
        "expectation": None,
        "parity": None,
    }
    assert finished == {"event": "finished"}
    assert outcomes(judged) == {"passed": 1}


@pytest.mark.parametrize(
    ("check", "expectation", "verdict", "counted"),
    [
        ("passes", "", "pass", "passed"),
        ("fails", "", "fail", "failed"),
        ("not-http", "", "fail", "failed"),
        ("breaks", "", "error", "failed"),
        ("fails", entry("fails"), "deviation", "xfailed"),
        ("fails", entry("fails", crash="true"), "fail", "failed"),
        ("passes", entry("passes"), "fixed", "failed"),
        ("breaks", entry("breaks"), "error", "failed"),
        ("fails", entry("fails", versions='"<8"'), "deviation", "xfailed"),
        ("fails", entry("fails", versions='">=8"'), "fail", "failed"),
        ("passes", entry("passes", versions='">=8"'), "pass", "passed"),
        ("fails", entry("fails", deployments='["tiny"]'), "deviation", "xfailed"),
        ("fails", entry("fails", deployments='["other"]'), "fail", "failed"),
        ("dies", "", "fail", "failed"),
        ("dies", entry("dies"), "fail", "failed"),
        ("dies", entry("dies", crash="true"), "deviation", "xfailed"),
    ],
)
def test_verdict(judged: Judged, check: str, expectation: str, verdict: str, counted: str) -> None:
    events = judged(check, "lives", expectations=expectation)
    assert verdicts(events) == [(check, verdict), ("lives", "pass")]
    assert events[-1] == {"event": "finished"}
    expected = {"passed": 1}
    expected[counted] = expected.get(counted, 0) + 1
    assert outcomes(judged) == expected


def message(events: list[dict[str, Any]]) -> str:
    """The message of the first check."""
    text: str = next(event["check"]["message"] for event in events if event["event"] == "check")
    return text


def test_a_failure_says_what_was_expected(judged: Judged) -> None:
    assert message(judged("fails")).startswith("expected 200, found 500")


def test_an_error_says_where_it_is(judged: Judged) -> None:
    text = message(judged("breaks"))
    assert text.startswith("KeyError: 'missing'\n")
    assert "test_checks.py:" in text


@pytest.mark.parametrize(
    ("check", "status"),
    [
        ("dies", "exit status 7"),
        # It has closed its sockets for seconds then.
        ("dies-slowly", "exit status 9"),
        ("is-killed", "signal SIGKILL"),
    ],
)
def test_a_crash_says_how_it_ended_and_the_next_check_has_a_server(
    judged: Judged, check: str, status: str
) -> None:
    events = judged(check, "lives")
    text = message(events)
    assert text.startswith(f"the deployment ended during the check: {status}\nit starts\n")
    assert "waited for a status line: the peer closed the connection" in text
    assert verdicts(events) == [(check, "fail"), ("lives", "pass")]


def test_each_phase_is_told_when_it_is_over(judged: Judged) -> None:
    judged("passes")
    assert judged.phases == ["start_s", "checks_s", "stop_s"]  # type: ignore[attr-defined]


def test_what_the_server_printed_during_a_check_that_does_not_pass_is_kept(judged: Judged) -> None:
    checks = ("lives", "fails", "dies", "passes-and-dies", "passes")
    events = judged(*checks, expectations=entry("fails"))
    logs = {
        event["check"]["id"]: event["check"].get("log")
        for event in events
        if event["event"] == "check"
    }
    assert logs == {
        "area/lives": None,
        "area/fails": "failing a request\n",
        "area/dies": "dying of a request\n",
        "area/passes-and-dies": "dying after an answer\n",
        "area/passes": None,
    }


def test_a_hang_is_a_failure_and_the_next_check_has_a_server(judged: Judged) -> None:
    events = judged("hangs", "lives")
    assert message(events) == (
        "the deployment did not answer any more afterwards and was restarted\n"
        "waited 0.5 s for a status line: no byte came and the connection stayed open"
    )
    assert verdicts(events) == [("hangs", "fail"), ("lives", "pass")]


@pytest.mark.parametrize(
    ("check", "keys", "first", "next_one"),
    [
        ("spoils", {"damages": "true"}, "deviation", "pass"),
        ("spoils", {}, "deviation", "fail"),
        ("spoils-unseen", {"damages": "true", "varies": '"At times."'}, "pass", "pass"),
    ],
    ids=["fails", "is not listed to", "passes"],
)
def test_after_a_check_that_damages_the_next_one_has_a_fresh_server(
    judged: Judged, check: str, keys: dict[str, str], first: str, next_one: str
) -> None:
    events = judged(check, "lives", expectations=entry(check, **keys))
    assert verdicts(events) == [(check, first), ("lives", next_one)]


def test_a_server_that_cannot_be_started_again_ends_the_run_and_keeps_the_verdicts(
    judged: Judged,
) -> None:
    events = judged("passes", "ends-it", "lives")
    assert verdicts(events) == [("passes", "pass"), ("ends-it", "fail")]
    assert events[-1]["event"] == "failed"
    assert events[-1]["message"].startswith(
        "it could not be started again: tiny ended before it was ready: exit status 1\n"
    )
    assert "it does not start again" in events[-1]["message"]


def test_a_server_that_does_not_start_is_told_with_its_last_output(judged: Judged) -> None:
    [event] = judged("passes", environment={"EXIT": "no module named x"})
    assert event == {
        "event": "failed",
        "message": "tiny ended before it was ready: exit status 1\nit starts\nno module named x",
        "silent_engine": False,
    }
    assert judged.result.ret == 3  # type: ignore[attr-defined]


def test_a_capability_that_is_missing_makes_a_check_not_applicable(judged: Judged) -> None:
    text = one_check("passes").replace("SOURCE)", 'SOURCE, requires=("keep-alive",))')
    events = judged(text=text, expectations=entry("passes"))
    assert verdicts(events) == [("passes", "not-applicable")]
    assert message(events) == (
        "tiny does not declare 'keep-alive': serves several requests on one connection: true or "
        "false"
    )
    assert outcomes(judged) == {"skipped": 1}


def test_a_fault_of_a_fixture_is_an_error_and_the_only_verdict(judged: Judged) -> None:
    text = (
        """
@pytest.fixture
def before():
    raise KeyError("before")

@pytest.fixture
def after():
    yield
    raise KeyError("after")
"""
        + one_check("passes").replace("(client)", "(client, after)")
        + one_check("lives").replace("(client)", "(client, before)")
    )
    events = judged(text=text)
    assert verdicts(events) == [("passes", "error"), ("lives", "error")]
    assert message(events).startswith("KeyError: 'after'")


def test_rows_of_a_table_are_checks_of_their_own(judged: Judged) -> None:
    text = '@pytest.mark.parametrize("status", [200, 404], ids=["found", "lost"])' + one_check(
        "passes"
    ).replace("(client)", "(client, status)").replace("== 200", "== status")
    events = judged(text=text, expectations=entry("passes/lost"))
    assert verdicts(events) == [("passes/found", "pass"), ("passes/lost", "deviation")]


def test_checks_are_chosen_by_their_ids(judged: Judged) -> None:
    events = judged("passes", "lives", arguments=("-k", "area/lives"))
    assert verdicts(events) == [("lives", "pass")]


def test_one_check_is_chosen_by_its_whole_id(judged: Judged) -> None:
    events = judged("passes", "lives", arguments=("--wsgi-check=area/lives",))
    assert verdicts(events) == [("lives", "pass")]


@pytest.mark.parametrize(
    ("text", "expectation", "message"),
    [
        (
            "def test_plain(): pass",
            "",
            "test_checks.py::test_plain has no @clause, so it is no check",
        ),
        (
            one_check("passes") + one_check("passes").replace("test_passes", "test_other"),
            "",
            "area/passes is the id of both test_checks.py::test_passes and "
            "test_checks.py::test_other",
        ),
        (
            one_check("passes"),
            entry("passe"),
            "tiny.toml:1: no check is called 'area/passe'; did you mean 'area/passes'?",
        ),
        (one_check("passes"), "[[deviation]]", "tiny.toml:1: expected text for `check`"),
    ],
    ids=["no clause", "same id", "unknown check", "malformed"],
)
def test_what_is_wrong_is_told_before_anything_is_started(
    judged: Judged, text: str, expectation: str, message: str
) -> None:
    assert judged(text=text, expectations=expectation) == []
    assert judged.result.ret == pytest.ExitCode.USAGE_ERROR  # type: ignore[attr-defined]
    judged.result.stderr.fnmatch_lines([f"*{message}*"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected --wsgi-server NAME, the deployment to judge"),
        (("--wsgi-server=waitres",), "no server is called 'waitres'; did you mean 'waitress'?"),
        (
            ("--wsgi-server=waitress", "--wsgi-compose=none.yaml"),
            "none.yaml: cannot be read: No such file or directory",
        ),
    ],
)
def test_wrong_usage(pytester: pytest.Pytester, arguments: tuple[str, ...], message: str) -> None:
    pytester.makepyfile(HEADER + one_check("passes"))
    result = pytester.runpytest_inprocess("-p", "conformance.plugin", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])


def test_listing_needs_no_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEADER + one_check("passes"))
    result = pytester.runpytest_inprocess("-p", "conformance.plugin", "--collect-only", "-q")
    assert result.ret == 0


def test_what_runs_already_is_neither_started_nor_restarted(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    pytester.makepyfile(
        HEADER + one_check("passes").replace("SOURCE)", 'SOURCE, requires=("control",))')
    )
    result = pytester.runpytest_inprocess(
        "-p",
        "conformance.plugin",
        "--wsgi-server=waitress",
        f"--wsgi-expectations={tmp_path}",
        "--wsgi-url=ftp://127.0.0.1:1",
    )
    assert result.ret == 3
    result.stdout.fnmatch_lines(["*expected a URL like http://127.0.0.1:8000*"])
