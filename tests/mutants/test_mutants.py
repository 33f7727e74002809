"""Every check fails where what it looks at is broken: the mutants, run by the harness itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue, registry, results
from conformance.backends.process import ProcessBackend
from conformance.runner import Plan, Runner
from conformance.verdicts import Verdict
from tests.mutants import MODULES, UNBROKEN, Mutant, load, table
from tests.mutants.programs import FORKING, SUPERVISED

ROOT = Path(__file__).resolve().parents[2]
#: Seconds of silence that count as a hang here. Mutants that are silent are so for ever.
TIME_LIMIT_S = 2.0


class Quiet:
    """A listener that only listens."""

    def preparing(self, servers: Sequence[registry.Server], backend: str) -> None: ...
    def running(self, server: registry.Server, version: str | None) -> None: ...
    def checked(self, server: registry.Server, check: dict[str, Any]) -> None: ...
    def done(self, server: registry.Server, error: str | None) -> None: ...


def judge(directory: Path, mutants: Sequence[Mutant], checks: list[str] | None = None) -> Any:
    """Run mutants like servers and return what the checks said, by mutant and check.

    :param checks: the checks to run on each; without it the ones that it names.
    """
    compose = directory / "compose.yaml"
    services = {
        mutant.name: {
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
        for mutant in mutants
    }
    # JSON is YAML.
    compose.write_text(json.dumps({"services": services}), encoding="utf-8")
    plan = Plan(
        servers=registry.load(compose),
        checks=catalogue.collect(),
        backend=ProcessBackend(),
        compose=compose,
        expectations=directory,
        time_limit_s=TIME_LIMIT_S,
        only={mutant.name: checks or mutant.breaks for mutant in mutants},
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
    judged = judge(tmp_path, list(mutants.values()))
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
    [judged] = judge(tmp_path, [UNBROKEN], ids).values()
    # What it does not do by itself is done by those that have several processes.
    others = [id for id, check in judged.items() if check["verdict"] == Verdict.NOT_APPLICABLE]
    [supervised, forking] = judge(tmp_path, [SUPERVISED, FORKING], others).values()
    for check in (*supervised.values(), *forking.values()):
        if check["verdict"] != Verdict.NOT_APPLICABLE:
            judged[check["id"]] = check
    assert [id for id, check in judged.items() if check["verdict"] != "pass"] == []
