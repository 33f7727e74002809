"""Every check fails where what it looks at is broken: the mutants, run by the harness itself.

Where there are many of them, the plugin judges them in this process. To start one for each, and to
have it import pytest and the checks, took twice as long as all the rest.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue, registry, results
from conformance.backends import owner
from conformance.backends.process import ProcessBackend
from conformance.clauses import Clause
from conformance.client import wire
from conformance.runner import Plan, Runner
from conformance.verdicts import Verdict
from tests.listening import Quiet
from tests.mutants import MODULES, UNBROKEN, Mutant, load, table
from tests.mutants.programs import FORKING, SUPERVISED

ROOT = Path(__file__).resolve().parents[2]
#: Seconds of silence that count as a hang here. Mutants that are silent are so for ever.
TIME_LIMIT_S = 2.0
#: The same where whatever has to come has come, or will not: nothing can pass that waits for less.
SHORT_LIMIT_S = 0.3
#: How many servers share the checks that are run on one that does not answer. Each costs as much as
#: two seconds of waiting, because it has all checks collected.
SIDE_BY_SIDE = 16


class Interrupted:
    """A plugin for a pytest in this process, which would keep an interrupt to itself."""

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # Those that pytest derives from it end nothing but the one.
        self.by_hand = excinfo.type is KeyboardInterrupt

    by_hand = False


@cache
def checks() -> list[Clause]:
    """All checks."""
    return catalogue.collect()


def compose(directory: Path, mutants: Mapping[str, Mutant]) -> Path:
    """A registry in which mutants are servers of these names."""
    path = directory / "compose.yaml"
    chaos = {name: os.environ[name] for name in ["WSGI_CONFORM_CHAOS"] if name in os.environ}
    services = {
        name: {
            "command": f"python3 -m tests.mutants {mutant.name} "
            "--host ${WSGI_HOST:-0.0.0.0} --port ${WSGI_PORT:-8000}",
            "environment": {"PYTHONPATH": str(ROOT), **chaos},
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
    path.write_text(json.dumps({"services": services}), encoding="utf-8")
    return path


def judge(
    mutant: Mutant, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """Run what a mutant breaks on it, in this process, and return what the checks said."""
    events = directory / "events"
    arguments = [
        *catalogue.PYTEST_ARGUMENTS,
        *sorted({check.module for check in checks() if check.id in mutant.breaks}),
        *("-q", "--tb=no", "--capture=no"),
        f"--wsgi-server={mutant.name}",
        f"--wsgi-compose={compose(directory, {mutant.name: mutant})}",
        f"--wsgi-expectations={directory}",
        f"--wsgi-time-limit={TIME_LIMIT_S}",
        f"--wsgi-owner={owner.me()}",
        f"--wsgi-events={os.open(events, os.O_WRONLY | os.O_CREAT)}",
        "--wsgi-prepared",
        *(f"--wsgi-check={identity}" for identity in mutant.breaks),
    ]
    interrupted = Interrupted()
    with monkeypatch.context() as patch, warnings.catch_warnings():
        # As in a process of its own: no warning is an error, and nothing is compared without limit.
        warnings.resetwarnings()
        for name in ("CI", "BUILD_NUMBER"):
            patch.delenv(name, raising=False)
        for name, value in catalogue.PYTEST_ENVIRONMENT.items():
            patch.setenv(name, value)
        pytest.main(arguments, [interrupted])
    if interrupted.by_hand:
        raise KeyboardInterrupt
    told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    assert [event for event in told if event["event"] == "failed"] == []
    return {event["check"]["id"]: event["check"] for event in told if event["event"] == "check"}


def run(
    directory: Path,
    only: Mapping[str, Sequence[str]],
    time_limit_s: float = wire.TIME_LIMIT_S,
    jobs: int = 4,
) -> dict[str, dict[str, Any]]:
    """Run mutants like servers and return what the checks said, by server and check.

    :param only: the ids of the checks to run, by the mutant; a number and two hyphens before a name
        make several servers of one mutant.
    """
    known = {**load(), **{mutant.name: mutant for mutant in (UNBROKEN, SUPERVISED, FORKING)}}
    path = compose(directory, {name: known[name.rpartition("--")[2]] for name in only})
    plan = Plan(
        servers=registry.load(path),
        checks=checks(),
        backend=ProcessBackend(),
        compose=path,
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
    assert named == {check.id for check in checks()}


def test_every_module_has_mutants() -> None:
    assert {mutant.module for mutant in load().values()} == set(MODULES)


def test_the_table_in_the_package_is_fresh() -> None:
    assert table.PATH.read_text(encoding="utf-8") == table.text(), (
        "conformance/mutants.json is not what tests/mutants says: run `make catalogue`"
    )


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(mutant, id=f"{mutant.module}-{mutant.name}") for mutant in load().values()],
)
def test_every_mutant_fails_what_it_names(
    mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = judge(mutant, tmp_path, monkeypatch)
    assert judged.keys() == set(mutant.breaks)
    wrong = [
        f"{name}: {check['verdict']} {check['message'][:300]}"
        for name, check in judged.items()
        if check["verdict"] != Verdict.FAIL
    ]
    assert wrong == []


def test_the_unbroken_application_fails_nothing(tmp_path: Path) -> None:
    # What makes the tests above say something: the same way of running, with nothing broken.
    ids = [check.id for check in checks()]
    [judged] = run(tmp_path, {UNBROKEN.name: ids}).values()
    # What it does not do by itself is done by those that have several processes.
    others = [id for id, check in judged.items() if check["verdict"] == Verdict.NOT_APPLICABLE]
    rest = run(tmp_path, {SUPERVISED.name: others, FORKING.name: others})
    for others_judged in rest.values():
        for check in others_judged.values():
            if check["verdict"] != Verdict.NOT_APPLICABLE:
                judged[check["id"]] = check
    assert [id for id, check in judged.items() if check["verdict"] != "pass"] == []


@pytest.mark.parametrize("name", ["hangs", "closes-at-once", "answers-garbage"])
def test_nothing_passes_on_a_server_that(name: str, tmp_path: Path) -> None:
    # How the program that serves them starts and stops is not what is broken.
    ids = [check.id for check in checks() if check.area != "lifecycle"]
    # Several servers side by side, because there is nothing to do but to wait.
    parts = {f"{number}--{name}": ids[number::SIDE_BY_SIDE] for number in range(SIDE_BY_SIDE)}
    judged = run(tmp_path, parts, SHORT_LIMIT_S, jobs=SIDE_BY_SIDE)
    found = {
        identity: check["verdict"]
        for checks in judged.values()
        for identity, check in checks.items()
        if check["verdict"] != Verdict.FAIL
    }
    assert found == {}
