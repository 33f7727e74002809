from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .apps import echo
from .live import Live, Process


@pytest.fixture
def serve() -> Iterator[Callable[..., Live]]:
    """Start servers in threads of this process: `serve(app, **arguments_of_make_server)`."""
    started: list[Live] = []

    def start(app: Any, **options: Any) -> Live:
        started.append(Live(app, **options))
        return started[-1]

    yield start
    for live in started:
        live.close()


@pytest.fixture(scope="module")
def echo_server() -> Iterator[Live]:
    """A threaded server of the application `echo`."""
    live = Live(echo, threaded=True)
    yield live
    live.close()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Run the command as a process, with a log file of its own: `command("--port", "0", ...)`."""
    started: list[Process] = []

    def start(*arguments: str, cwd: Path | None = None) -> Process:
        log = tmp_path / f"server-{len(started)}.log"
        started.append(Process(arguments, log, cwd or tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.close()
