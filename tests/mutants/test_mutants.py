"""Every check fails where what it looks at is broken: the mutants, run by the harness itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue, registry, results
from conformance.backends.process import ProcessBackend
from conformance.runner import Plan, Runner
from conformance.verdicts import Verdict
from tests.mutants import MODULES, UNBROKEN, load, table
from tests.mutants.programs import FORKING, SUPERVISED

ROOT = Path(__file__).resolve().parents[2]
#: Seconds of silence that count as a hang here. Mutants that are silent are so for ever.
TIME_LIMIT_S = 2.0
#: The same where whatever has to come has come, or will not: nothing can pass that waits for less.
SHORT_LIMIT_S = 0.3
#: How many servers share the checks that are run on one that does not answer.
SIDE_BY_SIDE = 24


class Quiet:
    """A listener that only listens."""

    def preparing(self, servers: Sequence[registry.Server], backend: str) -> None: ...
    def running(self, server: registry.Server, version: str | None) -> None: ...
    def checked(self, server: registry.Server, check: dict[str, Any]) -> None: ...
    def done(self, server: registry.Server, error: str | None) -> None: ...
    def left(self, reason: str) -> None: ...


def judge(
    directory: Path,
    only: Mapping[str, Sequence[str]],
    time_limit_s: float = TIME_LIMIT_S,
    jobs: int = 4,
) -> dict[str, dict[str, Any]]:
    """Run mutants like servers and return what the checks said, by server and check.

    :param only: the ids of the checks to run, by the mutant; a number and two hyphens before a name
        make several servers of one mutant.
    """
    compose = directory / "compose.yaml"
    known = {**load(), **{mutant.name: mutant for mutant in (UNBROKEN, SUPERVISED, FORKING)}}
    mutants = {name: known[name.rpartition("--")[2]] for name in only}
    services = {
        name: {
            "command": f"python3 -m tests.mutants {mutant.name} "
            "--host ${WSGI_HOST:-0.0.0.0} --port ${WSGI_PORT:-8000}",
            "environment": {"PYTHONPATH": str(ROOT)},
            # Not below what a stop takes on a busy machine: the unbroken ones are to pass.
            "stop_grace_period": "2s" if mutant.breaks else "10s",
            registry.EXTENSION: {
                "project": "mutant",
                "documentation": "tests/mutants",
                "capabilities": {"threads": 8, "keep-alive": True} | dict(mutant.capabilities),
            },
        }
        for name, mutant in mutants.items()
    }
    # JSON is YAML.
    compose.write_text(json.dumps({"services": services}), encoding="utf-8")
    plan = Plan(
        servers=registry.load(compose),
        checks=catalogue.collect(),
        backend=ProcessBackend(),
        compose=compose,
        expectations=directory,
        time_limit_s=time_limit_s,
        jobs=jobs,
        only=dict(only),
    )
    writer = results.Writer(directory)
    Runner(plan, writer, Quiet()).run()
    document = results.load(writer.path)
    errors = {server["name"]: server["error"] for server in document["servers"] if server["error"]}
    assert errors == {}
    return {
        server["name"]: {check["id"]: check for check in server["checks"]}
        for server in document["servers"]
    }


def test_every_check_has_a_mutant() -> None:
    named = {check for mutant in load().values() for check in mutant.breaks}
    assert named == {check.id for check in catalogue.collect()}


def test_the_table_in_the_package_is_fresh() -> None:
    assert table.PATH.read_text(encoding="utf-8") == table.text(), (
        "conformance/mutants.json is not what tests/mutants says: run `make catalogue`"
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_fails_what_it_names(module: str, tmp_path: Path) -> None:
    mutants = {name: mutant for name, mutant in load().items() if mutant.module == module}
    assert mutants, f"{module} has no mutants"
    judged = judge(tmp_path, {name: mutant.breaks for name, mutant in mutants.items()})
    wrong = [
        f"{name} {check}: {judged[name][check]['verdict']} {judged[name][check]['message'][:300]}"
        for name, mutant in mutants.items()
        for check in mutant.breaks
        if judged[name][check]["verdict"] != Verdict.FAIL
    ]
    assert wrong == []


def test_the_unbroken_application_fails_nothing(tmp_path: Path) -> None:
    # What makes the tests above say something: the same way of running, with nothing broken.
    ids = [check.id for check in catalogue.collect()]
    [judged] = judge(tmp_path, {UNBROKEN.name: ids}).values()
    # What it does not do by itself is done by those that have several processes.
    others = [id for id, check in judged.items() if check["verdict"] == Verdict.NOT_APPLICABLE]
    rest = judge(tmp_path, {SUPERVISED.name: others, FORKING.name: others})
    for checks in rest.values():
        for check in checks.values():
            if check["verdict"] != Verdict.NOT_APPLICABLE:
                judged[check["id"]] = check
    assert [id for id, check in judged.items() if check["verdict"] != "pass"] == []


@pytest.mark.parametrize("name", ["hangs", "closes-at-once", "answers-garbage"])
def test_nothing_passes_on_a_server_that(name: str, tmp_path: Path) -> None:
    # How the program that serves them starts and stops is not what is broken.
    ids = [check.id for check in catalogue.collect() if check.area != "lifecycle"]
    # Several servers side by side, because there is nothing to do but to wait.
    parts = {f"{number}--{name}": ids[number::SIDE_BY_SIDE] for number in range(SIDE_BY_SIDE)}
    judged = judge(tmp_path, parts, SHORT_LIMIT_S, jobs=SIDE_BY_SIDE)
    found = {
        identity: check["verdict"]
        for checks in judged.values()
        for identity, check in checks.items()
        if check["verdict"] != Verdict.FAIL
    }
    assert found == {}
