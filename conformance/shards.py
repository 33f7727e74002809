"""Shards: which servers go to which of several machines, each of which decides that by itself.

Every machine is given the same servers and the same recorded durations, so that all come to the
same plan without talking to one another; their results are merged afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance import expectations
from conformance.registry import Server
from conformance.report.durations import total_s
from conformance.results import Document

#: Seconds that a server is taken to need, for each known deviation besides, because a silence that
#: is listed takes longer than a hundred answers, and for each after which it is started again. How
#: they compare was measured once; a plan that is by them is good and not the best.
BASE_S = 20.0
DEVIATION_S = 0.1
RESTART_S = 1.5


@dataclass(frozen=True)
class Shard:
    """The one of a number of shards that a machine runs."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `K/N`.

        :raises ValueError: it is not that, or K is not one of N.
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise ValueError(f"expected K/N, the shard and how many there are, found {text!r}")
        if not 1 <= int(number) <= int(count):
            raise ValueError(f"expected a shard from 1 to {count}, found {number}")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def expected_s(server: Server, recorded: Document | None, directory: Path) -> float:
    """Seconds that a server's run can be expected to take, from the time before or by estimate.

    :param directory: where its expectations are.
    """
    for found in recorded.servers if recorded is not None else ():
        if found["name"] == server.name and total_s(found):
            return total_s(found)
    known = expectations.load(server.deployment, server.expectations, None, directory).values()
    restarts = sum(entry.damages or entry.crash for entry in known)
    return BASE_S + DEVIATION_S * len(known) + RESTART_S * restarts


def split(servers: Sequence[Server], weights: Sequence[float], count: int) -> list[list[Server]]:
    """Servers in shards that take about the same time: the longest first, to the emptiest shard.

    :param weights: seconds that each takes.
    :returns: the shards, within each the servers in the order in which they were given; there are
        empty ones where there are more shards than servers.
    """
    shards: list[list[int]] = [[] for _ in range(count)]
    filled = [0.0] * count
    for position in sorted(range(len(servers)), key=lambda index: (-weights[index], index)):
        emptiest = filled.index(min(filled))
        shards[emptiest].append(position)
        filled[emptiest] += weights[position]
    return [[servers[position] for position in sorted(shard)] for shard in shards]
