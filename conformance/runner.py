"""The runner: pytest processes that judge a server each, several side by side.

It collects what they say, and owns everything that outlives one server: preparing images or
environments, the results, the exit status, and leaving nothing behind when it is interrupted. What
happens on one server is the plugin's. When no server waits any more, the processes that are free
help with those that have most before them.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from conformance import catalogue, expectations, releases, shards, threads, usage, verdicts
from conformance.backends import Backend, BackendError, owner
from conformance.backends.process import describe_exit
from conformance.clauses import Clause
from conformance.client.wire import TIME_LIMIT_S
from conformance.queue import Queue
from conformance.registry import Server
from conformance.results import Writer
from conformance.workers import Worker, Workers, WorkersEnded

EXIT_INTERRUPTED = 130
#: Seconds that a pytest process gets to stop its deployment before it is ended by force.
STOP_LIMIT_S = 20.0
#: How many servers must have got no answer from an engine before it is given up: one may be chance.
SILENT_ENOUGH = 2
#: The share of the processors that has to be idle for one more to be worth while, and for how many
#: seconds that is looked at.
IDLE_SHARE, IDLE_LOOK_S = 0.1, 1.0
#: Seconds of a server's checks that have to be left for each process that takes them: to start one
#: more takes what its server needs to start.
WORTH_ONE_MORE_S = 4.0
#: Seconds that a module of checks takes of a server that is expected to need `shards.BASE_S`.
MODULE_S = 0.4


class Listener(Protocol):
    """Who wants to know how a run goes; called from several threads, one call at a time."""

    def preparing(self, servers: Sequence[Server], backend: str) -> None: ...
    def running(self, server: Server, version: str | None) -> None: ...
    def checked(self, server: Server, check: dict[str, Any]) -> None: ...
    def done(self, server: Server, error: str | None) -> None: ...
    def left(self, reason: str) -> None: ...


@dataclass
class Plan:
    """What to run, on what, and how.

    :param checks: the clauses that the expression selects, in order.
    :param jobs: how many deployments are judged side by side.
    :param more_jobs: how many more while processors have nothing to do.
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
    more_jobs: int = 0
    only: dict[str, Sequence[str]] = field(default_factory=dict)


@dataclass
class _State:
    """What is known of one server's run.

    :ivar modules: how many modules there were in the queue.
    :ivar module_s: seconds that one is taken to last until that is known of some.
    :ivar workers: how many processes judge it now.
    :ivar checks_s: the seconds that the checks took of which it is known.
    :ivar finished: whether those that have ended did all that they took.
    """

    server: Server
    queue: Queue
    modules: int = field(init=False)
    module_s: float = MODULE_S
    version: str | None = None
    python: str | None = None
    error: str | None = None
    workers: int = 0
    finished: bool = True
    seen: set[str] = field(default_factory=set)
    phases: dict[str, float] = field(default_factory=dict)
    checks_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: int = 0
    longest_s: float = 0.0

    def __post_init__(self) -> None:
        self.modules = len(self.queue)

    def spend(self, phase: str, seconds: float) -> None:
        """A process for this server has spent so long in a phase."""
        self.phases[phase] = self.phases.get(phase, 0.0) + seconds

    def used(self) -> dict[str, Any]:
        """What its processes used, as far as they have told: those that were killed have not."""
        if not self.memory_mb:
            return {}
        return {
            "cpu_s": round(self.cpu_s, 3),
            "memory_mb": self.memory_mb,
            "longest_s": self.longest_s,
        }

    @property
    def left_s(self) -> float:
        """The seconds that the modules in the queue will take, if they take what others took."""
        left = len(self.queue)
        return left * (self.module_s + self.checks_s) / (1 + self.modules - left)

    @property
    def late(self) -> bool:
        """Whether it would be through sooner if one more process took some of its checks."""
        enough = self.left_s >= WORTH_ONE_MORE_S * (self.workers + 1)
        return self.workers > 0 and self.error is None and enough

    @property
    def incomplete(self) -> bool:
        """Whether there are checks of which nothing is known, not even an error."""
        return self.error is None and not (self.finished and not self.workers and self.seen)

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
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            **self.used(),
        }


class Runner:
    """Runs a plan and writes its results."""

    def __init__(self, plan: Plan, writer: Writer, listener: Listener) -> None:
        self._plan = plan
        self._writer = writer
        self._listener = listener
        self._lock = threading.RLock()
        self._looking = threading.Lock()
        self._workers: Workers | None = None
        self._running: set[Worker] = set()
        self._stopping = False
        self._began = False
        self._prepare_s = self._cpu_before_s = 0.0
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._states = [
            _State(server, Queue(self._modules(server, number)))
            for number, server in enumerate(plan.servers)
        ]
        self._waiting: deque[_State] = deque()
        #: The servers that got no answer from an engine.
        self._silent: dict[str | None, set[str]] = {}

    def run(self) -> int:
        """Run every check on every server and return the exit status.

        :raises BackendError: nothing could be started at all. Whatever is raised, the results so
            far are written, if there are any; those of an earlier run are left alone otherwise.
        """
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._cpu_before_s = usage.cpu_s()
        status = verdicts.EXIT_ERROR
        with Interrupts(self._kill_workers) as interrupts:
            try:
                self._run_all()
                failed = any(state.error for state in self._states)
                found = [name for counted in self._writer.verdicts.values() for name in counted]
                status = verdicts.EXIT_ERROR if failed else verdicts.exit_status(found)
            except KeyboardInterrupt:
                status = EXIT_INTERRUPTED
                self._began = True
            finally:
                interrupts.hold()
                if self._began:
                    if (reason := self._sweep()) is not None:
                        self._listener.left(reason)
                        status = max(status, verdicts.EXIT_ERROR)
                    order = [clause.id for clause in self._plan.checks]
                    self._writer.finish(*self._summary(status), order)
                else:
                    self._writer.discard()
                for state in self._states:
                    state.queue.close()
        return status

    def _sweep(self) -> str | None:
        """Remove what is left of this run; why that cannot be, or None."""
        try:
            self._plan.backend.sweep()
        except BackendError as error:
            return f"what this run left is not removed, the next one will do it: {error}"
        return None

    def _summary(self, status: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The `run` object and the server objects, as far as they are known."""
        return (
            {
                "started": self._started.isoformat(timespec="milliseconds"),
                "duration_s": round(time.monotonic() - self._clock, 3),
                "prepare_s": round(self._prepare_s, 3),
                "cpu_s": round(usage.cpu_s() - self._cpu_before_s, 3),
                "memory_mb": usage.memory_mb(),
                "jobs": self._plan.jobs,
                "cores": os.cpu_count() or 1,
                "backend": self._plan.backend.name,
                "framework": self._plan.framework,
                "python": platform.python_version(),
                "host": f"{platform.system()} {platform.release()} {platform.machine()}",
                "exit_status": status,
                "incomplete": any(state.incomplete for state in self._states),
            },
            [state.as_json(self._plan) for state in self._states],
        )

    def _run_all(self) -> None:
        plan = self._plan
        plan.backend.sweep()
        self._listener.preparing(plan.servers, plan.backend.name)
        with (
            tempfile.TemporaryFile() as output,
            Workers(self._command(), _environment(), output) as self._workers,
        ):
            clock = time.monotonic()
            failed = plan.backend.prepare(plan.servers)
            self._prepare_s = time.monotonic() - clock
            self._began = True
            self._writer.outline(*self._summary(EXIT_INTERRUPTED))
            for state in self._states:
                expected_s = shards.expected_s(state.server, None, plan.expectations)
                state.module_s = MODULE_S * expected_s / shards.BASE_S
            # The one that ends last should not begin last.
            self._waiting.extend(sorted(self._states, key=lambda state: -state.left_s))
            for state in self._states:
                if (reason := failed.get(state.server.name)) is not None:
                    state.error = reason
                    self._waiting.remove(state)
                    self._done(state)
            most = plan.jobs + plan.more_jobs
            threads.each(self._work, range(most), most, self._stop_workers)

    def _modules(self, server: Server, number: int = 0) -> list[str]:
        """The modules of the checks that run on a server, in the order in which they are taken.

        :param number: of the server in the plan. Each begins with another of those that take
            longest: some compute and some wait, and the acts of all at once are too many starts.
        """
        only = self._plan.only.get(server.name)
        found = dict.fromkeys(
            clause.module for clause in self._plan.checks if only is None or clause.id in only
        )
        longest = [module for module in catalogue.LONGEST if module in found]
        at = number % max(len(longest), 1)
        return list(dict.fromkeys([*longest[at:], *longest[:at], *found]))

    def _work(self, number: int) -> None:
        """Judge one server after the other, and help with those that take longest."""
        while self._allowed(number) and (state := self._next()) is not None:
            with tempfile.TemporaryFile() as output:
                ended, finished = self._run_worker(state, output)
                with self._lock:
                    state.workers -= 1
                    state.finished &= finished
                    if not finished and state.error is None and not self._stopping:
                        output.seek(0)
                        text = output.read().decode("utf-8", "replace")
                        state.error = f"the harness broke off: {ended}\n{text[-4000:]}"
                    last = state.workers == 0
            if last:
                self._done(state)

    def _allowed(self, number: int) -> bool:
        """Whether one more is worth while: those above `jobs` wait until processors are idle.

        One at a time looks whether they are, so that each sees what the one before it does to them.
        """
        if number < self._plan.jobs:
            return True
        with self._looking:
            while not self._stopping and (self._waiting or self._late()):
                if usage.idle_share(IDLE_LOOK_S) >= IDLE_SHARE:
                    return True
        return False

    def _late(self) -> list[_State]:
        """The servers that one more process would help with."""
        # On what already runs two processes would be in each other's way.
        return [state for state in self._states if state.late and not self._plan.url]

    def _next(self) -> _State | None:
        """The server that a process is to be started for now, or None if that helps nobody."""
        with self._lock:
            if self._stopping:
                return None
            late = self._late()
            latest = max(late, key=lambda state: state.left_s / state.workers, default=None)
            if latest is not None and (not self._waiting or self._waited_for(latest)):
                state = latest
            elif self._waiting:
                state = self._waiting.popleft()
            else:
                return None
            state.workers += 1
            return state

    def _waited_for(self, state: _State) -> bool:
        """Whether a server would still be judged when all the others are through, as it goes."""
        rest_s = sum(other.left_s for other in self._states if other.error is None)
        return state.checks_s > 0 and state.left_s / state.workers > rest_s / self._plan.jobs

    def _done(self, state: _State) -> None:
        """No process judges the server any more."""
        if state.error is not None:
            self._write_errors(state)
        if not self._stopping:
            with self._lock:
                self._listener.done(state.server, state.error)

    def _run_worker(self, state: _State, output: IO[bytes]) -> tuple[str, bool]:
        """Run a pytest process for a server; how it ended, and whether it did all that it took."""
        began, spent_s, finished = time.monotonic(), 0.0, False
        assert self._workers is not None
        reading, writing = os.pipe()
        try:
            files = [output.fileno(), writing, state.queue.reading]
            worker = self._workers.start(self._options(state), files)
        except WorkersEnded as error:
            os.close(reading)
            return str(error), False
        finally:
            os.close(writing)
        with self._lock:
            self._running.add(worker)
            if self._stopping:
                worker.send_signal(signal.SIGINT)
        try:
            with os.fdopen(reading, encoding="utf-8") as events:
                for line in events:
                    # Killed while it wrote, it leaves half a line.
                    if line.endswith("\n"):
                        event = json.loads(line)
                        spent_s += event.get("seconds", 0.0)
                        finished |= event["event"] == "finished"
                        with self._lock:
                            self._take(state, event)
            ended = f"pytest ended with {describe_exit(worker.wait())}"
        except WorkersEnded as error:
            ended = str(error)
        finally:
            worker.kill()
            with contextlib.suppress(WorkersEnded):
                # What it had locked is swept when it is gone, and not before.
                worker.wait()
            with self._lock:
                self._running.discard(worker)
                state.spend("collect_s", time.monotonic() - began - spent_s)
        return ended, finished

    def _take(self, state: _State, event: dict[str, Any]) -> None:
        match event["event"]:
            case "started":
                if state.python is None:
                    self._listener.running(state.server, event["version"])
                state.version, state.python = event["version"], event["python"]
            case "check":
                check = event["check"]
                state.seen.add(check["id"])
                state.checks_s += check["duration_s"]
                self._writer.add(state.server.name, check)
                self._listener.checked(state.server, check)
            case "failed":
                # Of what follows from it as well, the first is the reason.
                state.error = state.error or event["message"]
                if event.get("silent_engine"):
                    self._found_silent(state)
            case "phase":
                state.spend(event["name"], event["seconds"])
            case "used":
                state.cpu_s += event["cpu_s"]
                state.memory_mb = max(state.memory_mb, event["memory_mb"])
                state.longest_s = max(state.longest_s, event["longest_s"])
        if event["event"] in ("started", "failed", "finished"):
            self._writer.outline(*self._summary(EXIT_INTERRUPTED))

    def _found_silent(self, state: _State) -> None:
        """The engine of a server does not answer: if others found that, it is given up."""
        engine_of = self._plan.backend.engine_of
        engine = engine_of(state.server)
        found = self._silent.setdefault(engine, set())
        found.add(state.server.name)
        if len(found) < SILENT_ENOUGH:
            return
        for waiting in [state for state in self._waiting if engine_of(state.server) == engine]:
            self._waiting.remove(waiting)
            waiting.error = (
                f"not started: {', '.join(sorted(found))} got no answer from the container engine. "
                "Restart it"
            )
            self._done(waiting)

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

    def _command(self) -> list[str]:
        """The command of pytest, with what is the same for every server."""
        plan = self._plan
        # To collect all checks takes longer than to run a few.
        modules = [catalogue.PACKAGE]
        if plan.only:
            modules = sorted({name for server in plan.servers for name in self._modules(server)})
        # -P: what lies in the working directory is not ours to import.
        command = [sys.executable, "-P", "-m", "pytest", *catalogue.PYTEST_ARGUMENTS]
        command += [*modules, "-q", "--tb=no", "--capture=no"]
        options: dict[str, object] = {
            "framework": plan.framework,
            "expectations": plan.expectations,
            "time-limit": plan.time_limit_s,
            "owner": owner.me(),
        }
        if plan.url is not None:
            options["url"] = plan.url
        else:
            options["backend"] = plan.backend.name
        if plan.compose is not None:
            options["compose"] = plan.compose
        command += [f"--wsgi-{name}={value}" for name, value in options.items()]
        return [*command, "--wsgi-prepared", "-k", plan.expression]

    def _options(self, state: _State) -> dict[str, object]:
        """The plugin's options for a server."""
        server = state.server
        return {
            "wsgi_server": releases.spelled(server),
            "wsgi_engine": self._plan.backend.engine_of(server),
            "wsgi_check": self._plan.only.get(server.name),
        }

    def _stop_workers(self) -> None:
        """Have every pytest process stop its deployment, and end those that do not."""
        with self._lock:
            self._stopping = True
            workers = list(self._running)
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_LIMIT_S
        with contextlib.suppress(WorkersEnded):
            while any(worker.ended() is None for worker in workers):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
        self._kill_workers()

    def _kill_workers(self) -> None:
        """End every pytest process by force; what they leave is swept."""
        self._stopping = True
        # Without the lock: called between two instructions of a thread that may hold it.
        for worker in list(self._running):
            worker.kill()
        if self._workers is not None:
            self._workers.kill()


class Interrupts:
    """What interrupts a run: Ctrl-C, and SIGTERM and SIGHUP likewise, so that they leave as little.

    The first raises KeyboardInterrupt, and the run ends in good order. Any further one makes it end
    by force, and raises nothing: the results are still written and what was started is removed.
    """

    def __init__(self, force: Callable[[], None]) -> None:
        self._force = force
        self._interrupted = False
        self._previous: dict[signal.Signals, Callable[..., Any] | int | None] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def hold(self) -> None:
        """Raise nothing from now on: what is left to do is short, and has to be done."""
        self._interrupted = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: object) -> None:
        if self._interrupted:
            self._force()
            return
        self._interrupted = True
        raise KeyboardInterrupt


def _environment() -> dict[str, str]:
    """The environment of a pytest process: it imports this harness and no other."""
    root = Path(__file__).resolve().parent.parent
    found = {**os.environ, **catalogue.PYTEST_ENVIRONMENT}
    # Where they are set pytest compares without a limit: of a long body that took 17 seconds.
    for name in ("CI", "BUILD_NUMBER"):
        found.pop(name, None)
    # Installed, it is found as it is; put first, its directory would hide the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        paths = [str(root), os.environ.get("PYTHONPATH", "")]
        found["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return found
