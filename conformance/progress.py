"""Progress: what a run shows while it goes on; on a terminal with what is running below."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from conformance.registry import Server
from conformance.report.terminal import STYLES, counted, printable
from conformance.verdicts import Verdict

#: The order in which verdicts are counted up.
_COUNTED = tuple(Verdict)
#: How much of a run has to be done before what remains can be told, as a share.
_FORESEEABLE = 0.05


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
        each = f"{counted(self._total, 'check')} each, " if self._total is not None else ""
        self._line(f"{counted(len(servers), 'server')}, {each}backend {backend}")

    def running(self, server: Server, version: str | None) -> None:
        self._clock[server.name] = time.monotonic()
        self._line(f"{server.name}: {server.project} {version or '(version unknown)'} is ready")

    def checked(self, server: Server, check: dict[str, Any]) -> None:
        self._found.setdefault(server.name, Counter())[check["verdict"]] += 1
        if self._failures and check["verdict"] in (Verdict.FAIL, Verdict.FIXED, Verdict.ERROR):
            self._line(
                f"{server.name}: {check['verdict']}: {check['id']}", STYLES[check["verdict"]]
            )

    def done(self, server: Server, error: str | None) -> None:
        if error is not None:
            self._line(f"{server.name}: error: {error}", STYLES[Verdict.ERROR])
            return
        seconds = time.monotonic() - self._clock[server.name]
        found = counts(self._found.get(server.name, Counter())) or "no verdict"
        self._line(f"{server.name}: {found} in {seconds:.1f} s")

    def left(self, reason: str) -> None:
        self._line(f"error: {reason}", STYLES[Verdict.ERROR])

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(printable(text), style), soft_wrap=True)


class LiveProgress(PlainProgress):
    """For a terminal: the servers that are running, and how far all of it is, below the lines.

    Those that are done leave a line and give way, so that dozens of servers fit a small window.

    :param clock: seconds that go by.
    """

    def __init__(
        self,
        console: Console,
        total: int,
        *,
        failures: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, total, failures=failures)
        self._each = total
        self._servers: list[str] = []
        self._running: dict[str, str] = {}
        self._done: set[str] = set()
        self._now = clock
        self._began = clock()
        self._first: float | None = None
        self._live = Live(
            console=console, get_renderable=self._view, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def preparing(self, servers: Sequence[Server], backend: str) -> None:
        super().preparing(servers, backend)
        self._servers = [server.name for server in servers]

    def running(self, server: Server, version: str | None) -> None:
        self._clock[server.name] = self._now()
        self._first = self._first or self._now()
        self._running[server.name] = printable(f"{server.project} {version or ''}")

    def done(self, server: Server, error: str | None) -> None:
        self._running.pop(server.name, None)
        self._done.add(server.name)
        super().done(server, error)

    def _view(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(width=20)
        for _ in range(3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for name, what in self._running.items():
            found = self._found.get(name, Counter())
            verdicts = Text(", ").join(
                Text(f"{found[verdict]} {verdict}", STYLES[verdict])
                for verdict in _COUNTED
                if found[verdict]
            )
            bar = ProgressBar(total=self._each, completed=found.total())
            table.add_row(name, bar, f"{found.total()}/{self._each}", verdicts, what)
        table.caption = self._how_far()
        table.caption_justify = "left"
        return table

    def _how_far(self) -> str:
        finished = sum(found.total() for found in self._found.values())
        every = len(self._servers) * self._each
        elapsed = self._now() - self._began
        if self._first is None:
            return f"preparing {counted(len(self._servers), 'server')}, {elapsed:.0f} s"
        rate = finished / max(self._now() - self._first, 0.001)
        text = (
            f"{len(self._done)} of {counted(len(self._servers), 'server')} done, "
            f"{finished} of {counted(every, 'verdict')}, {rate:.0f} a second, {elapsed:.0f} s"
        )
        # Of what broke off nothing more comes.
        left = sum(
            self._each - self._found.get(name, Counter()).total()
            for name in self._servers
            if name not in self._done
        )
        if finished >= every * _FORESEEABLE and rate:
            text += f", about {left / rate:.0f} s to go"
        return text
