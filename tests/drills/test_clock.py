"""A clock that is set while a run goes on: it is shown to people, and nothing hangs on it.

Waiting is by the monotonic clock, and what a dead run left is known by when its process started.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from conformance.backends.docker import DockerBackend
from tests.drills.servers import contained, judge

SUITE = """
import itertools, time
from conformance.clauses import Source, clause

# A day back, two days on, three days back, at each look.
time.time = itertools.accumulate((86400.0 * n * (-1) ** n for n in itertools.count(1)),
                                 initial=1e9).__next__

SOURCE = Source("A text", "A section", "https://example.org/#a")

@clause("area/fine", "must", SOURCE)
def test_fine(client):
    '''What is asked.'''
    assert client.get("/-/versions").json() == {}

@clause("area/hangs", "must", SOURCE)
def test_hangs(client):
    '''What is asked.'''
    client.get("/hang")
"""


def test_verdicts_and_durations_do_not_hang_on_it(tmp_path: Path) -> None:
    judged = judge(tmp_path, SUITE, time_limit_s=2.0)
    assert [check["verdict"] for check in judged.checks] == ["pass", "fail"]
    for check in judged.checks:
        assert all(0 <= kept["duration_s"] < 60 for kept in check["exchanges"]["kept"])
    assert {"event": "finished"} in judged.events


@pytest.mark.parametrize("now", [0.0, -1e9, 1e12])
def test_what_a_container_printed_is_asked_for_at_any_time(
    backend: DockerBackend,
    tmp_path: Path,
    image: str,
    monkeypatch: pytest.MonkeyPatch,
    now: float,
) -> None:
    it = contained(backend, tmp_path, image)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now)
        mark = it.printed_by_now()
    assert it.printed_since(mark) in ("", "it starts\n")
    it.stop()
