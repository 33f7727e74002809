"""Acts: what is done once to a deployment of its own, so that several checks can look at it.

A server that is stopped, killed or started in vain is of no use to other checks, and to start one
for each check would take minutes. So an act starts a deployment, does something to it and returns
facts, a frozen dataclass; the checks of `test_lifecycle.py` ask for an act by its name, as for any
fixture, and judge its facts.

    @act
    def stopped(stage: Stage) -> Ended: ...

An act is performed once in a run, and only if a check that is run needs it. Those that are needed
are performed a few side by side, because they mostly wait. What the server does wrong in an act
(a `PeerError`) fails the checks that need its facts; anything else is an error of the harness.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import pytest

from conformance import readiness
from conformance.backends import BackendError, Deployment, grace_period, stop_signal
from conformance.capabilities import Capabilities
from conformance.client import PeerError, Recorder, Response, Wire

#: How many acts are performed at a time.
SIDE_BY_SIDE = 5
#: What a busy machine may add to the grace period of a server: it is not the server that is slow.
GRACE_FACTOR = 2.0
#: Seconds between two looks at a process, and between two attempts to connect.
POLL_S = 0.005
#: Seconds after which the main thread looks whether a signal came (`conformance.threads`).
_LOOK_S = 0.2

Facts = TypeVar("Facts")


class ActFailed(AssertionError):
    """The server did something in an act that left no facts to judge."""


class Stage:
    """What one act works with: deployments of its own, and connections to them.

    :param start: starts a deployment with further environment variables.
    :param capabilities: what the deployment declares.
    :param time_limit_s: seconds without a byte after which it has hung.
    :param impatience: the share of a limit that is waited for, by the id of the check that fails
        when it passes: less than 1 where that check is listed.
    """

    def __init__(
        self,
        start: Callable[[Mapping[str, str]], Deployment],
        capabilities: Capabilities,
        time_limit_s: float,
        impatience: Callable[[str], float],
    ) -> None:
        self.recorder = Recorder()
        self.capabilities = capabilities
        self.time_limit_s = time_limit_s
        self._start = start
        self._impatience = impatience
        self._lock = threading.Lock()
        self._closed = False
        self._deployments: list[Deployment] = []
        self._wires: list[Wire] = []

    def start(
        self, variables: Mapping[str, str] | None = None, *, ready: bool = True
    ) -> Deployment:
        """Start a deployment, and wait until it is ready unless it never will be.

        :raises BackendError: it does not start.
        """
        with self._lock:
            if self._closed:
                raise BackendError("the run was broken off")
            deployment = self._start(variables or {})
            self._deployments.append(deployment)
        if ready:
            self.wait_until_ready(deployment)
            if deployment.server.late_signals:
                self.wait_for_handler(deployment, stop_signal(deployment.server))
        return deployment

    def wait_until_ready(self, deployment: Deployment) -> None:
        """Wait until a deployment answers as itself.

        :raises StartError: it ended, or was given up.
        """
        readiness.wait_until_ready(deployment, readiness.start_limit_s(self.time_limit_s))

    def stretched(self, limit_s: float) -> float:
        """A limit in seconds, as long as it has to be on this machine (`--time-limit`)."""
        return readiness.stretched(limit_s, self.time_limit_s)

    def wait_for_handler(self, deployment: Deployment, number: signal.Signals) -> None:
        """Wait until the main process of a deployment has something of its own to do upon a signal.

        Until then it does what the kernel does, or nothing, which is not what an act is about.
        """
        deadline = time.monotonic() + self.time_limit_s
        while not deployment.handles(number):
            if time.monotonic() > deadline or not deployment.alive:
                return
            time.sleep(POLL_S)

    def wire(self, deployment: Deployment, time_limit_s: float | None = None) -> Wire:
        """Connections to it; they are closed when the act is over."""
        address = (deployment.address.host, deployment.address.port)
        wire = Wire(address, self.recorder, time_limit_s or self.time_limit_s)
        self._wires.append(wire)
        return wire

    def patience(self, limit_s: float, check: str) -> float:
        """The seconds that are waited for something whose absence fails this check."""
        return self.stretched(limit_s) * self._impatience(check)

    def wait_for_end(self, deployment: Deployment, check: str) -> str | None:
        """How the deployment ended within its grace period, or None if it did not.

        :param check: the id of the check that fails if it does not.
        """
        limit = self.patience(grace_period(deployment.server) * GRACE_FACTOR, check)
        deadline = time.monotonic() + limit
        while (status := deployment.exit_status()) is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return status

    def close(self) -> None:
        """End what was started, by force; another thread that works with it finds that out."""
        with self._lock:
            self._closed = True
            deployments, self._deployments = self._deployments, []
        for wire in self._wires:
            wire.close()
        for deployment in deployments:
            deployment.stop(grace_s=0)


#: The acts by name.
ACTS: dict[str, Callable[[Stage], Any]] = {}


def act(perform: Callable[[Stage], Facts]) -> Any:
    """Register an act, and make a fixture of its name that returns its facts."""
    name = perform.__name__
    ACTS[name] = perform

    @pytest.fixture(name=name)
    def facts(facts_of: Callable[[str], Facts]) -> Facts:
        return facts_of(name)

    return facts


class Performances:
    """The acts of one run.

    :param make_stage: makes a stage for an act.
    :param names: the acts that are needed.
    """

    def __init__(self, make_stage: Callable[[], Stage], names: Iterable[str]) -> None:
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="act")
        self._stages = {name: make_stage() for name in names}
        self._futures = {name: self._pool.submit(self._perform, name) for name in self._stages}

    def _perform(self, name: str) -> Any:
        stage = self._stages[name]
        try:
            return ACTS[name](stage)
        finally:
            stage.close()

    def recorder(self, name: str) -> Recorder:
        """The exchanges of an act."""
        return self._stages[name].recorder

    def facts(self, name: str) -> Any:
        """The facts of an act, once it is over.

        :raises ActFailed: there are none, by the server's fault.
        """
        future: Future[Any] = self._futures[name]
        while not future.done():
            wait([future], _LOOK_S)
        try:
            return future.result()
        except AssertionError as error:
            raise ActFailed(str(error)) from error

    def close(self) -> None:
        """Break off what is still performed, and leave nothing of it behind."""
        for future in self._futures.values():
            future.cancel()
        for stage in self._stages.values():
            with contextlib.suppress(BackendError):
                stage.close()
        self._pool.shutdown()


def attempt(answer: Callable[[], Response]) -> Response | PeerError:
    """A response, or what was wrong with it."""
    try:
        return answer()
    except PeerError as error:
        return error
