"""`python -m tests.chaos NAME ...`: which verdicts does chaos change? See the package."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance import catalogue, registry
from conformance.backends.process import ProcessBackend
from tests.chaos.choice import choose
from tests.chaos.runs import differences, judge

parser = argparse.ArgumentParser(prog="python -m tests.chaos")
parser.add_argument("names", nargs="+", metavar="NAME", help="a server of compose.yaml")
parser.add_argument("--seed", type=int, help="the first seed; a random one without it")
parser.add_argument("--rounds", type=int, default=1, help="how many seeds")
parser.add_argument("-k", metavar="EXPR", default="", help="which checks, as for wsgi-conform run")
parser.add_argument("--timely", action="store_true", help="only the checks that `choice` chooses")
parser.add_argument("--results", metavar="DIR", type=Path, help="keep the results documents there")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print what differs, and return the exit status."""
    arguments = parser.parse_args(argv)
    first = random.randrange(10**6) if arguments.seed is None else arguments.seed
    try:
        servers = registry.select(registry.load(), arguments.names)
        checks = catalogue.collect(arguments.k)
    except (registry.UnknownServer, catalogue.SelectionError) as error:
        parser.error(str(error))
    if arguments.timely:
        checks = choose(checks)
    if failed := ProcessBackend().prepare(servers):
        sys.exit("\n".join(failed.values()))
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        for server in servers:
            directory = (arguments.results or Path(scratch)) / server.name
            calm = judge([(server, checks)], directory / "calm")
            for seed in range(first, first + arguments.rounds):
                shaken = judge([(server, checks)], directory / str(seed), seed)
                found = list(differences(calm, shaken, seed))
                told = f"{server.name}, seed {seed}: {len(found)} of {len(checks)} verdicts differ"
                print("\n".join([told, *map(str, found)]), flush=True)
                status = 1 if found else status
    return status


if __name__ == "__main__":
    sys.exit(main())
