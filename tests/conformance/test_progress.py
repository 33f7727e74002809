"""Progress: the lines for logs, and the table of a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.progress import LiveProgress, PlainProgress
from conformance.registry import Server
from tests.conformance.deployments import tiny

HOSTILE = "1.0\x1b[2J\u202e"


def check(verdict: str) -> dict[str, Any]:
    """As much of a check as progress looks at."""
    return {"id": f"area/{verdict}", "verdict": verdict}


def follow(progress: PlainProgress | LiveProgress, server: Server) -> None:
    """A run of a few checks on one server, with everything a listener can be told."""
    progress.preparing([server], "process")
    progress.running(server, HOSTILE)
    for verdict in ("pass", "pass", "deviation", "fixed", "fail", "error", "not-applicable"):
        progress.checked(server, check(verdict))


def test_lines(tmp_path: Path) -> None:
    output = io.StringIO()
    server = tiny(tmp_path)
    with PlainProgress(Console(file=output), total=7) as progress:
        follow(progress, server)
        progress.done(server, None)
        progress.done(server, f"no module\nnamed {HOSTILE}")
    *lines, done, error, more = output.getvalue().splitlines()
    assert lines == [
        "1 servers, 7 checks each, backend process",
        r"tiny: wsgi-conform 1.0\x1b[2J\u202e is ready",
        "tiny: fixed: area/fixed",
        "tiny: fail: area/fail",
        "tiny: error: area/error",
    ]
    assert done.startswith(
        "tiny: 2 pass, 1 deviation, 1 fail, 1 fixed, 1 not-applicable, 1 error in "
    )
    assert (error, more) == ("tiny: error: no module", r"named 1.0\x1b[2J\u202e")


def test_a_version_that_nobody_knows(tmp_path: Path) -> None:
    output = io.StringIO()
    server = tiny(tmp_path)
    with PlainProgress(Console(file=output), total=1) as progress:
        progress.running(server, None)
        progress.done(server, None)
    first, second = output.getvalue().splitlines()
    assert first == "tiny: wsgi-conform (version unknown) is ready"
    assert second.startswith("tiny: no verdict in ")


def test_the_table(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=120)
    server = tiny(tmp_path)
    with LiveProgress(console, total=7) as progress:
        progress.preparing([server], "process")
        follow(progress, server)
    last = output.getvalue().rpartition("server")[2]
    row = next(line for line in last.splitlines() if line.startswith("tiny"))
    assert row.split(maxsplit=4) == [
        "tiny",
        "wsgi-conform",
        r"1.0\x1b[2J\u202e",
        "7/7",
        row.split(maxsplit=4)[-1],
    ]
    assert "2 pass, 1 deviation, 1 fail, 1 fixed, 1 not-applicable, 1 error" in row
    assert "\u202e" not in output.getvalue()


def test_an_error_in_the_table_is_one_line(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
    server = tiny(tmp_path)
    progress = LiveProgress(console, total=7)
    progress.preparing([server], "process")
    progress.done(server, "no module\nnamed x")
    with console.capture() as captured:
        console.print(progress._table())
    assert any("no module" in line for line in captured.get().splitlines())
    assert "named x" not in captured.get()
