"""How the checks of a server are divided among processes."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from conformance import catalogue, cli, registry, results, usage
from conformance.commands import make_plan
from conformance.queue import Queue, Taker, take
from conformance.runner import WORTH_ONE_MORE_S, Plan, Runner, _State
from conformance.workers import Worker, Workers

#: Checks of many modules that take little time.
CHECKS = "routing or session or request"


def test_each_name_is_taken_once_and_the_first_first() -> None:
    names = [f"conformance.checks.test_{number}" for number in range(50)]
    queue = Queue(names)
    taking = take(queue.reading)
    assert [next(taking), next(taking), len(queue)] == [*names[:2], 48]
    with ThreadPoolExecutor(4) as pool:
        found = [name for taken in pool.map(lambda _: list(take(queue.reading)), range(4))
                 for name in taken]  # fmt: skip
    assert (sorted(found), len(queue)) == (sorted(names[2:]), 0)
    queue.close()


def test_a_module_that_was_not_collected_is_a_fault_of_the_harness() -> None:
    queue = Queue(["nowhere"])
    session = Mock(spec=pytest.Session, items=[], testsfailed=0)
    with pytest.raises(KeyError, match="nowhere"):
        Taker(queue.reading).pytest_runtestloop(session)
    queue.close()


def test_servers_begin_with_different_modules_and_have_the_same() -> None:
    servers = [server for server in registry.load() if server.project == "waitress"] * 20
    runner = Runner(Plan(servers, catalogue.collect(""), Mock()), Mock(), Mock())
    orders = [list(take(state.queue.reading)) for state in runner._states]
    assert len({order[0] for order in orders}) == len(catalogue.LONGEST)
    for order in orders:
        assert set(order[: len(catalogue.LONGEST)]) == set(catalogue.LONGEST)
        assert sorted(order) == sorted(orders[0])
    for state in runner._states:
        state.queue.close()


class Started:
    """Notes for which servers pytest processes are started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers: list[str] = []
        start = Workers.start

        def noted(self_: Workers, options: Mapping[str, object], files: Sequence[int]) -> Worker:
            self.servers.append(str(options["wsgi_server"]))
            return start(self_, options, files)

        monkeypatch.setattr(Workers, "start", noted)


def run(directory: Path, *arguments: str) -> dict[str, list[str]]:
    """The ids of the checks that were run on each server, in the order of the results."""
    status = cli.main(
        ["run", "--backend", "process", "-k", CHECKS, "--results", str(directory), *arguments]
    )
    found = results.load(directory / "results.json")
    assert (status, found["run"]["incomplete"]) == (0, False)
    return {
        server["name"]: [check["id"] for check in server["checks"]] for server in found["servers"]
    }


def test_processes_that_are_free_help_with_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = Started(monkeypatch)
    monkeypatch.setattr("conformance.runner.MODULE_S", 2.0)
    found = run(tmp_path, "waitress", "--jobs", "3")
    assert started.servers == ["waitress"] * 3
    assert found == {"waitress": [clause.id for clause in catalogue.collect(CHECKS)]}


@pytest.mark.parametrize(
    ("taken", "checks_s", "left_s"),
    [(0, 0.0, 4.0), (4, 0.0, 0.48), (6, 60.4, 34.74), (10, 99.0, 0)],
)
def test_what_is_left_is_told_by_what_was_taken(taken: int, checks_s: float, left_s: float) -> None:
    queue = Queue([f"module_{number}" for number in range(10)])
    state = _State(Mock(), queue, workers=1)
    for _, _ in zip(range(taken), take(queue.reading), strict=False):
        state.checks_s = checks_s
    assert round(state.left_s, 2) == left_s
    assert state.late is (left_s >= 2 * WORTH_ONE_MORE_S)
    queue.close()


@pytest.mark.parametrize(("checks_s", "helped"), [(0.0, False), (1.0, False), (20.0, True)])
def test_who_would_be_waited_for_in_the_end_is_helped_before(checks_s: float, helped: bool) -> None:
    servers = [server for server in registry.load() if server.project == "waitress"] * 3
    runner = Runner(Plan(servers, catalogue.collect(CHECKS), Mock(), jobs=2), Mock(), Mock())
    slow, *waiting = runner._states
    runner._waiting.extend(waiting)
    next(take(slow.queue.reading))
    slow.workers, slow.checks_s = 1, checks_s
    assert (runner._next() is slow) is helped
    for state in runner._states:
        state.queue.close()


@pytest.mark.parametrize(
    ("number", "waits", "shares", "allowed"),
    [
        (1, False, [], True),
        (2, True, [0.0, 0.05, 0.3], True),
        (2, False, [], False),
        (2, True, [0.0, "stopped"], False),
    ],
)
def test_more_than_asked_for_wait_until_processors_are_idle(
    number: int, waits: bool, shares: list[Any], allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(registry.load()[:1], catalogue.collect(CHECKS), Mock(), jobs=2, more_jobs=1)
    runner = Runner(plan, Mock(), Mock())
    runner._waiting.extend(runner._states if waits else [])
    looked = iter(shares)

    def idle_share(seconds: float) -> float:
        share = next(looked)
        if share == "stopped":
            runner._stopping = True
            return 0.0
        return float(share)

    monkeypatch.setattr(usage, "idle_share", idle_share)
    assert runner._allowed(number) is allowed
    assert next(looked, None) is None
    runner._states[0].queue.close()


@pytest.mark.parametrize(
    ("jobs", "url", "expected"),
    [(None, None, (8, 4)), (3, None, (3, 0)), (None, "http://{name}:8000", (8, 0))],
)
def test_only_processes_that_are_started_here_are_more_where_no_number_is_asked_for(
    jobs: int | None, url: str | None, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    options: dict[str, Any] = {"framework": "reference", "expression": "", "time_limit": 10.0}
    options |= dict.fromkeys(["compose", "engine", "expectations"])
    plan = make_plan(Namespace(jobs=jobs, url=url, **options), [], [], "process")
    assert (plan.jobs, plan.more_jobs) == expected


def test_where_nobody_tells_no_processor_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/stat").exists():
        pytest.skip("this system does not tell how idle it is")
    assert usage._idle_s() > 0
    idle = iter([10.0, 10.0 + 0.05 * (os.cpu_count() or 1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usage, "_idle_s", lambda: next(idle))
        assert usage.idle_share(0.1) == pytest.approx(0.5)
    monkeypatch.setattr("builtins.open", Mock(side_effect=FileNotFoundError))
    assert usage.idle_share(0.0001) == 0.0


def test_a_server_that_waits_comes_before_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = Started(monkeypatch)
    run(tmp_path, "waitress", "reference-threaded", "--jobs", "2")
    assert sorted(started.servers[:2]) == ["reference-threaded", "waitress"]


def test_nobody_helps_with_a_few_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = Started(monkeypatch)
    monkeypatch.setattr("tests.conformance.test_queue.CHECKS", "flash")
    run(tmp_path, "waitress", "--jobs", "3")
    assert started.servers == ["waitress"]
