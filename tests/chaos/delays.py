"""Delays: a step of a client or an application that comes late now and then."""

from __future__ import annotations

import random
import time

#: The shortest delay, as a share of the longest.
SHORTEST = 1 / 300


class Delays:
    """The delays of one check, or of one request.

    :param seed: decides which steps are late, and how late.
    :param share: of the steps that are late.
    :param longest_s: seconds; there are as many delays of 1 to 10 ms as of 10 to 100 ms.
    :param most: how many steps are late at most: some checks have ten thousand.
    """

    def __init__(self, seed: str, share: float, longest_s: float, most: int) -> None:
        self._random = random.Random(seed)
        self._share = share
        self._longest_s = longest_s
        self._left = most

    def perhaps(self) -> None:
        """Wait, or do not."""
        if self._left and self._random.random() < self._share:
            self._left -= 1
            # By its name in the module: some servers put another function there.
            time.sleep(self._longest_s * SHORTEST ** self._random.random())
