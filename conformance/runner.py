"""The runner: a pytest process per server, several side by side, and what they say collected.

It owns everything that outlives one server: preparing images or environments, the results, the exit
status, and leaving nothing behind when it is interrupted. What happens on one server is the
plugin's.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from conformance import catalogue, expectations, verdicts
from conformance.backends import Backend, owner
from conformance.clauses import Clause
from conformance.client.wire import TIME_LIMIT_S
from conformance.registry import Server
from conformance.results import Writer

EXIT_INTERRUPTED = 130
#: Seconds that a pytest process gets to stop its deployment before it is ended by force.
STOP_LIMIT_S = 20.0


class Listener(Protocol):
    """Who wants to know how a run goes; called from several threads, one call at a time."""

    def preparing(self, servers: Sequence[Server], backend: str) -> None: ...
    def running(self, server: Server, version: str | None) -> None: ...
    def checked(self, server: Server, check: dict[str, Any]) -> None: ...
    def done(self, server: Server, error: str | None) -> None: ...


@dataclass
class Plan:
    """What to run, on what, and how.

    :param checks: the clauses that the expression selects, in order.
    :param url: where the servers already run, `{name}` standing for the server's name; or None.
    :param only: check ids to run on a server instead of all that the expression selects.
    """

    servers: Sequence[Server]
    checks: Sequence[Clause]
    backend: Backend
    framework: str = "reference"
    url: str | None = None
    compose: Path | None = None
    expectations: Path = expectations.DIRECTORY
    expression: str = ""
    time_limit_s: float = TIME_LIMIT_S
    jobs: int = 4
    only: dict[str, Sequence[str]] = field(default_factory=dict)


@dataclass
class _State:
    """What is known of one server's run."""

    server: Server
    version: str | None = None
    python: str | None = None
    error: str | None = None
    finished: bool = False
    seen: set[str] = field(default_factory=set)

    def as_json(self, plan: Plan) -> dict[str, Any]:
        return {
            "name": self.server.name,
            "project": self.server.project,
            "version": self.version or self.server.version,
            "python": self.python,
            "command": self.server.as_json()["command"],
            "framework": plan.framework,
            "capabilities": self.server.capabilities.as_json(),
            "error": self.error,
        }


class Runner:
    """Runs a plan and writes its results."""

    def __init__(self, plan: Plan, writer: Writer, listener: Listener) -> None:
        self._plan = plan
        self._writer = writer
        self._listener = listener
        self._lock = threading.Lock()
        self._workers: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        self._states = [_State(server) for server in plan.servers]

    def run(self) -> int:
        """Run every check on every server and return the exit status."""
        started = datetime.now(UTC)
        clock = time.monotonic()
        status = verdicts.EXIT_ERROR
        try:
            with _signals_as_interrupts():
                interrupted = self._run_all()
        finally:
            # Written whatever happened: results so far are results.
            found = [verdict for counted in self._writer.verdicts.values() for verdict in counted]
            failed = any(state.error for state in self._states)
            incomplete = not all(state.finished or state.error for state in self._states)
            status = verdicts.EXIT_ERROR if failed else verdicts.exit_status(found)
            if incomplete:
                status = EXIT_INTERRUPTED
            self._writer.finish(
                {
                    "started": started.isoformat(timespec="milliseconds"),
                    "duration_s": round(time.monotonic() - clock, 3),
                    "backend": self._plan.backend.name,
                    "framework": self._plan.framework,
                    "python": platform.python_version(),
                    "host": f"{platform.system()} {platform.release()} {platform.machine()}",
                    "exit_status": status,
                    "incomplete": incomplete,
                },
                [state.as_json(self._plan) for state in self._states],
            )
        return EXIT_INTERRUPTED if interrupted else status

    def _run_all(self) -> bool:
        """Run everything; True when it was interrupted."""
        plan = self._plan
        try:
            plan.backend.sweep()
            self._listener.preparing(plan.servers, plan.backend.name)
            failed = plan.backend.prepare(plan.servers)
            with ThreadPoolExecutor(max_workers=plan.jobs) as pool:
                try:
                    for future in [
                        pool.submit(self._run_server, state, failed.get(state.server.name))
                        for state in self._states
                    ]:
                        future.result()
                except BaseException:
                    self._stop_workers()
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
        except KeyboardInterrupt:
            return True
        finally:
            plan.backend.sweep()
        return False

    def _run_server(self, state: _State, failed: str | None) -> None:
        if self._stopping:
            return
        if failed is None:
            with tempfile.TemporaryFile() as output:
                self._run_worker(state, output)
                if not state.finished and state.error is None and not self._stopping:
                    output.seek(0)
                    text = output.read().decode("utf-8", "replace")
                    state.error = f"the harness broke off:\n{text[-4000:]}"
        else:
            state.error = failed
        if state.error is not None:
            self._write_errors(state)
        if not self._stopping:
            with self._lock:
                self._listener.done(state.server, state.error)

    def _run_worker(self, state: _State, output: IO[bytes]) -> None:
        reading, writing = os.pipe()
        with self._lock:
            if self._stopping:
                os.close(reading)
                os.close(writing)
                return
            worker = subprocess.Popen(
                self._command(state.server, writing),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **catalogue.PYTEST_ENVIRONMENT},
                pass_fds=[writing],
                # Out of the terminal's process group: an interrupt comes from us, and once.
                start_new_session=True,
            )
            self._workers.add(worker)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as events:
            for line in events:
                with self._lock:
                    self._take(state, json.loads(line))
        worker.wait()
        with self._lock:
            self._workers.discard(worker)

    def _take(self, state: _State, event: dict[str, Any]) -> None:
        match event["event"]:
            case "started":
                state.version, state.python = event["version"], event["python"]
                self._listener.running(state.server, state.version)
            case "check":
                check = event["check"]
                state.seen.add(check["id"])
                self._writer.add(state.server.name, check)
                self._listener.checked(state.server, check)
            case "failed":
                state.error = event["message"]
            case "finished":
                state.finished = True

    def _write_errors(self, state: _State) -> None:
        """Checks that were not run for an error are errors too: they stay in the denominator."""
        reason = str(state.error).partition("\n")[0]
        only = self._plan.only.get(state.server.name)
        for clause in self._plan.checks:
            if clause.id in state.seen or (only is not None and clause.id not in only):
                continue
            check = {
                **clause.as_json(),
                "verdict": verdicts.Verdict.ERROR,
                "duration_s": 0.0,
                "message": f"not run: {reason}",
                "expectation": None,
                "exchanges": {"total": 0, "kept": []},
                "parity": None,
            }
            with self._lock:
                self._writer.add(state.server.name, check)

    def _command(self, server: Server, events: int) -> list[str]:
        plan = self._plan
        command = [sys.executable, "-m", "pytest", *catalogue.PYTEST_ARGUMENTS, "-q", "--tb=no"]
        options: dict[str, object] = {
            "server": server.name,
            "framework": plan.framework,
            "expectations": plan.expectations,
            "time-limit": plan.time_limit_s,
            "owner": owner.me(),
            "events": events,
        }
        if plan.url is not None:
            options["url"] = plan.url
        else:
            options["backend"] = plan.backend.name
        if plan.compose is not None:
            options["compose"] = plan.compose
        command += [f"--wsgi-{name}={value}" for name, value in options.items()]
        command += [f"--wsgi-check={identity}" for identity in plan.only.get(server.name, ())]
        return [*command, "--wsgi-prepared", "-k", plan.expression]

    def _stop_workers(self) -> None:
        """Have every pytest process stop its deployment, and end those that do not."""
        with self._lock:
            self._stopping = True
            workers = list(self._workers)
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_LIMIT_S
        for worker in workers:
            try:
                worker.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """SIGTERM and SIGHUP interrupt a run as Ctrl-C does, so that they leave as little behind."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous: dict[signal.Signals, Callable[..., Any] | int | None] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
