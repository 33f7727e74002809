"""How the checks of a server are divided among processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from conformance import catalogue, cli, results
from conformance.queue import Queue, Taker, take
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
    monkeypatch.setattr("conformance.runner.WORTH_ONE_MORE", 2)
    found = run(tmp_path, "waitress", "--jobs", "3")
    assert started.servers == ["waitress"] * 3
    assert found == {"waitress": [clause.id for clause in catalogue.collect(CHECKS)]}


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
