"""Runs: the same checks on the same server, calmly and under chaos, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import registry, results
from conformance.backends.process import ProcessBackend
from conformance.clauses import Clause
from conformance.runner import EXIT_INTERRUPTED, Plan, Runner
from tests.chaos.pauses import Pauses


class Quiet:
    """A listener that only listens."""

    def preparing(self, servers: Sequence[registry.Server], backend: str) -> None: ...
    def running(self, server: registry.Server, version: str | None) -> None: ...
    def checked(self, server: registry.Server, check: dict[str, Any]) -> None: ...
    def done(self, server: registry.Server, error: str | None) -> None: ...
    def left(self, reason: str) -> None: ...


class ShakenRunner(Runner):
    """A runner whose clients and servers are delayed at random."""

    def __init__(self, plan: Plan, writer: results.Writer, seed: int) -> None:
        super().__init__(plan, writer, Quiet())
        self._seed = seed

    def run(self) -> int:
        """Run every check as `Runner` does, under chaos."""
        with Pauses(self._seed, lambda: [worker.pid for worker in self._workers]):
            return super().run()

    def _command(self, server: registry.Server, events: int) -> list[str]:
        command = super()._command(server, events)
        return [*command, "-p", "tests.chaos.plugin", f"--chaos-seed={self._seed}"]


@dataclass(frozen=True)
class Difference:
    """A check whose verdict chaos has changed."""

    server: str
    id: str
    seed: int
    calm: dict[str, Any]
    shaken: dict[str, Any]

    def __str__(self) -> str:
        lines = [f"{self.server} {self.id}, seed {self.seed}:"]
        for how, check in (("calm", self.calm), ("chaos", self.shaken)):
            message = check["message"].strip() or "(no message)"
            lines.append(f"  {how}: {check['verdict']}: " + message.replace("\n", "\n    "))
        return "\n".join(lines)


def judge(
    server: registry.Server, checks: Sequence[Clause], directory: Path, seed: int | None = None
) -> dict[str, dict[str, Any]]:
    """What the checks say of a server, by their ids.

    :param directory: where the results document is written.
    :param seed: of the chaos; None for none.
    """
    plan = Plan(
        [server], checks, ProcessBackend(), only={server.name: [each.id for each in checks]}
    )
    writer = results.Writer(directory)
    runner = Runner(plan, writer, Quiet()) if seed is None else ShakenRunner(plan, writer, seed)
    if runner.run() == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    document = results.load(writer.path)
    [found] = document["servers"]
    assert found["error"] is None, f"{server.name}, seed {seed}: {found['error']}"
    return {check["id"]: check for check in found["checks"]}


def differences(
    server: registry.Server,
    seed: int,
    calm: dict[str, dict[str, Any]],
    shaken: dict[str, dict[str, Any]],
) -> list[Difference]:
    """The checks whose verdict is not the same."""
    assert calm.keys() == shaken.keys()
    return [
        Difference(server.name, identity, seed, check, shaken[identity])
        for identity, check in calm.items()
        if _verdict(check) != _verdict(shaken[identity])
    ]


def _verdict(check: dict[str, Any]) -> str:
    expectation = check["expectation"]
    if expectation is not None and expectation["varies"] and check["verdict"] == "pass":
        return "deviation"
    return str(check["verdict"])
