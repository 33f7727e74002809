"""`python -m tests.shuffled SEED run ...`: the command, with checks in an order of chance.

A server may not be sound after a check that it passes: what comes next then fails. With the checks
always in one order that is not seen, or is taken for the fault of a check that has nothing to do
with it. `python -m tests.soak --shuffle` runs this, with a seed for each round.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

from conformance import cli
from conformance.registry import Server
from conformance.runner import Runner


def shuffled(seed: str) -> Callable[[Runner, Server], list[str]]:
    """The modules of a server's checks as a runner has them, in the order of this seed."""
    own = Runner._modules

    def modules(runner: Runner, server: Server, number: int = 0) -> list[str]:
        found = own(runner, server)
        random.Random(f"{seed} {server.name}").shuffle(found)
        return found

    return modules


if __name__ == "__main__":
    Runner._modules = shuffled(sys.argv[1])  # type: ignore[method-assign,assignment]
    sys.exit(cli.main(sys.argv[2:]))
