"""The reference server's handlers, late to read and late to call the application.

A mutant that is served by them fails its checks all the same, unless one of them looks, or goes on,
before what it sent has been read: on a busy machine that would see nothing.
"""

from __future__ import annotations

import itertools

from reference_app.serving import WSGIRequestHandler
from tests.chaos.delays import Delays

#: Of each method, the share of its calls that are late, and the longest delay in seconds.
METHODS = {"handle": (0.6, 0.2), "run_wsgi": (0.15, 0.1)}


def make_late(seed: str) -> None:
    """Make them late, in this process, for good."""
    for name, (share, longest_s) in METHODS.items():
        _make_late(name, seed, share, longest_s)


def _make_late(name: str, seed: str, share: float, longest_s: float) -> None:
    method = getattr(WSGIRequestHandler, name)
    numbers = itertools.count()

    def late(self: WSGIRequestHandler, *arguments: object) -> object:
        Delays(f"{seed} {name} {next(numbers)}", share, longest_s, 1).perhaps()
        return method(self, *arguments)

    setattr(WSGIRequestHandler, name, late)
