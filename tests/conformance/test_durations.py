"""Where the time went: the table, and what is the least that it could have taken."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from conformance import results
from conformance.report import durations
from tests.conformance.documents import check, document, server

ONE_RUN = {
    "prepare_s": 2.0, "cpu_s": 30.0, "jobs": 4, "cores": 2, "duration_s": 16.0, "memory_mb": 65,
}  # fmt: skip


def printed(found: dict[str, Any]) -> list[str]:
    output = io.StringIO()
    durations.write(results.document(found), Console(file=output, highlight=False))
    return output.getvalue().splitlines()


def servers() -> list[dict[str, Any]]:
    """Two servers: a quick one, and one that did not get to its stop."""
    quick = {"collect_s": 0.5, "start_s": 0.25, "checks_s": 3.0, "stop_s": 0.25}
    slow = {"collect_s": 1.0, "start_s": 1.0, "checks_s": 10.0}
    return [
        server(
            "quick", check("a/b", "pass", duration_s=1.5), phases=quick, cpu_s=2.5, memory_mb=99
        ),
        server(
            "slow",
            check("a/b", "fail", duration_s=9.0),
            check("a/c", "pass"),
            phases=slow,
            longest_s=9.0,
        ),
    ]


def test_where_the_time_went() -> None:
    assert printed(document(*servers(), **ONE_RUN)) == [
        "",
        "seconds  collect    start   checks     stop    total      CPU    MB",
        "slow         1.0      1.0     10.0      0.0     12.0",
        "quick        0.5      0.2      3.0      0.2      4.0      2.5    99",
        "",
        "the 3 longest checks",
        "     9.00  slow a/b",
        "     1.50  quick a/b",
        "     0.00  slow a/c",
        "",
        "16.0 s for 3 verdicts (0 a second), 2.0 s of it for images or environments; 30.0 s of "
        "processor time on 2 cores; at the least 15.0 s, of which this is 1.07 times; "
        "65 MB of memory beside those",
    ]


def test_the_least_is_the_longest_module_where_processors_are_idle() -> None:
    found = results.document(document(*servers(), **{**ONE_RUN, "cpu_s": 3.0}))
    assert durations.lower_bound_s(found) == 11.0


def test_of_merged_runs_there_is_no_least() -> None:
    found = document(*servers(), duration_s=16.0)
    assert durations.lower_bound_s(results.document(found)) is None
    assert printed(found)[-1] == "16.0 s, of several runs"
