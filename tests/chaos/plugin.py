"""A pytest plugin beside `conformance.plugin`: the client is late, and so are its applications."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.client import Connection
from conformance.registry import Server
from tests.chaos.delays import Delays

#: What the client does late: it connects, sends, says that no more will come, reads.
STEPS = ("__init__", "send", "shutdown_write", "_more")
INSIDE = Path(__file__).parent / "inside"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The seed."""
    parser.addoption("--chaos-seed", type=int, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Make client and applications late."""
    config.pluginmanager.register(_Late(config.option.chaos_seed, pytest.MonkeyPatch()))


class _Late:
    def __init__(self, seed: int, patch: pytest.MonkeyPatch) -> None:
        self._seed = seed
        self._patch = patch
        self._delays = Delays("", 0, 0, 0)
        for step in STEPS:
            patch.setattr(Connection, step, self._late(getattr(Connection, step)))
        patch.setattr(Server, "environment", self._environment(Server.environment))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Each check has delays of its own, so that it can be run alone and has the same ones."""
        self._delays = Delays(f"{self._seed} {item.nodeid}", 0.15, 0.3, 8)

    def pytest_unconfigure(self) -> None:
        """Leave everything as it was, for whoever runs pytest in a process of its own."""
        self._patch.undo()

    def _late(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def late(*args: Any, **kwargs: Any) -> Any:
            self._delays.perhaps()
            return step(*args, **kwargs)

        return late

    def _environment(self, own: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
        @functools.wraps(own)
        def environment(*args: Any, **kwargs: Any) -> dict[str, str]:
            found = own(*args, **kwargs)
            return {"PYTHONPATH": str(INSIDE), "WSGI_CONFORM_CHAOS": str(self._seed), **found}

        return environment
