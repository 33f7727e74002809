"""`python -m tests.disturbed SEED shuffle,chaos run ...`: what changes no verdict is done to a run.

- `shuffle`: checks in an order of chance. A server may not be sound after a check that it passes:
  what comes next then fails. With the checks always in one order that is not seen, or is taken for
  the fault of a check that has nothing to do with it.
- `chaos`: client and servers are late at random (`tests.chaos`).

`python -m tests.soak --shuffle --chaos` does so, with a seed for each round.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable
from unittest import mock

from conformance import cli, commands
from conformance.registry import Server
from conformance.runner import Runner
from tests.chaos.runs import ShakenRunner


def shuffled(seed: str) -> Callable[[Runner, Server], list[str]]:
    """The modules of a server's checks as a runner has them, in the order of this seed."""
    own = Runner._modules

    def modules(runner: Runner, server: Server, number: int = 0) -> list[str]:
        found = own(runner, server)
        random.Random(f"{seed} {server.name}").shuffle(found)
        return found

    return modules


def disturb(seed: str, how: str) -> None:
    """Have every run of this process disturbed, for good.

    :param how: `shuffle`, `chaos`, or both with a comma between them.
    """
    if "shuffle" in how:
        mock.patch.object(Runner, "_modules", shuffled(seed)).start()
    if "chaos" in how:
        mock.patch.object(
            commands, "Runner", functools.partial(ShakenRunner, seed=int(seed))
        ).start()


if __name__ == "__main__":
    disturb(*sys.argv[1:3])
    sys.exit(cli.main(sys.argv[3:]))
