"""Runs: the same checks on the same servers, calmly and under chaos, and what differs."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import registry, results
from conformance.backends.process import ProcessBackend
from conformance.clauses import Clause
from conformance.runner import EXIT_INTERRUPTED, Listener, Plan, Runner
from tests.chaos.pauses import Pauses
from tests.listening import Quiet

#: What each check said, by server and check.
Judged = dict[str, dict[str, dict[str, Any]]]


class ShakenRunner(Runner):
    """A runner whose clients and servers are late at random."""

    def __init__(self, plan: Plan, writer: results.Writer, listener: Listener, seed: int) -> None:
        super().__init__(plan, writer, listener)
        self._seed = seed

    def run(self) -> int:
        """Run every check as `Runner` does, under chaos."""
        with Pauses(self._seed, lambda: [worker.pid for worker in list(self._running)]):
            return super().run()

    def _command(self) -> list[str]:
        return [*super()._command(), "-p", "tests.chaos.plugin", f"--chaos-seed={self._seed}"]


def judge(
    chosen: Sequence[tuple[registry.Server, Sequence[Clause]]],
    directory: Path,
    seed: int | None = None,
) -> Judged:
    """Run checks on servers, all of them side by side.

    :param chosen: the servers, and the checks of each.
    :param directory: where the results document is written.
    :param seed: of the chaos; None for none.
    """
    plan = Plan(
        [server for server, _ in chosen],
        [check for _, checks in chosen for check in checks],
        ProcessBackend(),
        jobs=len(chosen),
        only={server.name: [check.id for check in checks] for server, checks in chosen},
    )
    writer = results.Writer(directory)
    make = Runner if seed is None else functools.partial(ShakenRunner, seed=seed)
    runner = make(plan, writer, Quiet())
    if runner.run() == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    judged: Judged = {}
    for server in results.load(writer.path)["servers"]:
        assert server["error"] is None, f"{server['name']}, seed {seed}: {server['error']}"
        judged[server["name"]] = {check["id"]: check for check in server["checks"]}
    return judged


@dataclass(frozen=True)
class Difference:
    """A check whose verdict chaos has changed."""

    server: str
    id: str
    seed: int
    calm: dict[str, Any]
    shaken: dict[str, Any]

    def __str__(self) -> str:
        lines = [f"{self.server} {self.id}"]
        for how, check in (("calm", self.calm), ("chaos", self.shaken)):
            message = check["message"].strip() or "(no message)"
            lines.append(f"  {how}: {check['verdict']}: " + message.replace("\n", "\n    "))
        lines.append(
            f"  again: python -m tests.chaos {self.server} --seed {self.seed} -k {self.id}"
        )
        return "\n".join(lines)


def differences(calm: Judged, shaken: Judged, seed: int) -> Iterator[Difference]:
    """The checks whose verdict is not the same."""
    for server, checks in calm.items():
        assert checks.keys() == shaken[server].keys()
        for identity, check in checks.items():
            if verdict(check) != verdict(shaken[server][identity]):
                yield Difference(server, identity, seed, check, shaken[server][identity])


def verdict(check: dict[str, Any]) -> str:
    """The verdict; of a check that is listed as varying, what it is listed as."""
    expectation = check["expectation"]
    if expectation is not None and expectation["varies"] and check["verdict"] == "pass":
        return "deviation"
    return str(check["verdict"])
