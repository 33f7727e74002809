"""Progress: what a run shows while it goes on, live on a terminal and as plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from conformance.registry import Server
from conformance.report.terminal import STYLES, printable
from conformance.verdicts import Verdict

#: The order in which verdicts are counted up.
_COUNTED = tuple(Verdict)


def counts(found: Counter[str]) -> str:
    """Verdicts as text: `120 pass, 3 deviation`; those that did not occur are left out."""
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in _COUNTED if found[verdict])


class PlainProgress:
    """A line per server when it is ready and when it is done, for logs and pipes.

    :param total: how many checks each server has; None where that differs.
    :param failures: whether there is a line for what is not as expected as well.
    """

    def __init__(self, console: Console, total: int | None, *, failures: bool = True) -> None:
        self._console = console
        self._total = total
        self._failures = failures
        self._found: dict[str, Counter[str]] = {}
        self._clock: dict[str, float] = {}

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to take down."""

    def preparing(self, servers: Sequence[Server], backend: str) -> None:
        each = f"{self._total} checks each, " if self._total is not None else ""
        self._line(f"{len(servers)} servers, {each}backend {backend}")

    def running(self, server: Server, version: str | None) -> None:
        self._clock[server.name] = time.monotonic()
        self._line(f"{server.name}: {server.project} {version or '(version unknown)'} is ready")

    def checked(self, server: Server, check: dict[str, Any]) -> None:
        self._found.setdefault(server.name, Counter())[check["verdict"]] += 1
        if self._failures and check["verdict"] in (Verdict.FAIL, Verdict.FIXED, Verdict.ERROR):
            self._line(f"{server.name}: {check['verdict']}: {check['id']}")

    def done(self, server: Server, error: str | None) -> None:
        if error is not None:
            self._line(f"{server.name}: error: {error}")
            return
        seconds = time.monotonic() - self._clock[server.name]
        found = counts(self._found.get(server.name, Counter())) or "no verdict"
        self._line(f"{server.name}: {found} in {seconds:.1f} s")

    def _line(self, text: str) -> None:
        self._console.print(Text(printable(text)), soft_wrap=True)


class LiveProgress:
    """A table that is drawn anew while the run goes on: a row per server."""

    def __init__(self, console: Console, total: int) -> None:
        self._total = total
        self._states: dict[str, str] = {}
        self._found: dict[str, Counter[str]] = {}
        self._started = time.monotonic()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8)

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def preparing(self, servers: Sequence[Server], backend: str) -> None:
        self._states = {server.name: f"preparing ({backend})" for server in servers}

    def running(self, server: Server, version: str | None) -> None:
        self._states[server.name] = printable(f"{server.project} {version or ''}")

    def checked(self, server: Server, check: dict[str, Any]) -> None:
        self._found.setdefault(server.name, Counter())[check["verdict"]] += 1

    def done(self, server: Server, error: str | None) -> None:
        if error is not None:
            self._states[server.name] = printable(error.partition("\n")[0])

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("server", "", "checks", "verdicts"):
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        finished = 0
        for name, state in self._states.items():
            found = self._found.get(name, Counter())
            finished += found.total()
            verdicts = Text(", ").join(
                Text(f"{found[verdict]} {verdict}", STYLES[verdict])
                for verdict in _COUNTED
                if found[verdict]
            )
            table.add_row(name, Text(state), f"{found.total()}/{self._total}", verdicts)
        elapsed = time.monotonic() - self._started
        rate = finished / elapsed if elapsed else 0.0
        table.caption = f"{finished} verdicts, {rate:.0f} a second, {elapsed:.0f} s"
        return table
