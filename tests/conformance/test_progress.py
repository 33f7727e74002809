"""Progress: the lines for logs, and the table of a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
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
        "1 server, 7 checks each, backend process",
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


def test_what_is_running_is_shown_and_how_far_it_is(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=140)
    server = tiny(tmp_path)
    others = [replace(server, name="second"), replace(server, name="third")]
    now = [100.0]
    progress = LiveProgress(console, total=7, clock=lambda: now[0])

    def view() -> list[str]:
        with console.capture() as captured:
            console.print(progress._view())
        assert "\u202e" not in captured.get()
        return [line.strip() for line in captured.get().splitlines() if line.strip()]

    progress.preparing([server, *others], "process")
    now[0] = 103.0
    assert view() == ["preparing 3 servers, 3 s"]
    progress.running(server, HOSTILE)
    progress.running(others[0], "2.0")
    assert view()[-1].endswith(" 0 of 21 verdicts, 0 a second, 3 s")
    for verdict in ("pass", "pass", "deviation", "fixed", "fail", "error", "not-applicable"):
        progress.checked(server, check(verdict))
    now[0] = 105.0
    first, second, how_far = view()
    assert first.startswith("tiny")
    assert " 7/7 " in first
    assert "2 pass, 1 deviation, 1 fail, 1 fixed, 1 not-applicable, 1 error" in first
    assert first.endswith(r"wsgi-conform 1.0\x1b[2J\u202e")
    assert " 0/7 " in second
    # 7 in the two seconds since the first was ready; 14 to go take four.
    assert how_far == ("0 of 3 servers done, 7 of 21 verdicts, 4 a second, 5 s, about 4 s to go")
    progress.done(server, None)
    progress.done(others[0], "no module\nnamed x")
    assert view() == ["2 of 3 servers done, 7 of 21 verdicts, 4 a second, 5 s, about 2 s to go"]


def test_what_is_done_leaves_a_line_on_a_terminal(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=120)
    server = tiny(tmp_path)
    with LiveProgress(console, total=7) as progress:
        follow(progress, server)
        progress.done(server, None)
    text = output.getvalue()
    assert "tiny: 2 pass, 1 deviation, 1 fail, 1 fixed, 1 not-applicable, 1 error in " in text
    assert "tiny: fail: area/fail\n" in text
    assert "\u202e" not in text
