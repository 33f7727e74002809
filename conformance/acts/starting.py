"""Starts that must not succeed: the application is broken, or somebody else has the address."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance import readiness
from conformance.acts import POLL_S, Stage, act
from conformance.backends import StartError
from conformance.client import PeerError

#: Seconds that a start may take to come to nothing. Only one that comes to neither an end nor an
#: answer takes them all.
LIMIT_S = 20.0
#: How many requests are sent after the second server's end to see that the first goes on.
_ASKED = 3
#: Seconds between two of them.
_PAUSE_S = 0.02


@dataclass(frozen=True)
class FailedStart:
    """How a server fared whose application cannot be loaded.

    :param status: how it ended, or None: it did not.
    :param answer: the status code with which it answered a request, or None: it did not.
    """

    status: str | None
    answer: int | None
    log: str


def _broken(stage: Stage, fault: str) -> FailedStart:
    deployment = stage.start({"WSGI_CONFORM_FAULT": fault}, ready=False)
    limit = stage.patience(LIMIT_S, f"lifecycle/start/status/{fault}")
    deadline = time.monotonic() + limit
    answer = None
    while True:
        status = deployment.exit_status()
        if status is not None or answer is not None or time.monotonic() > deadline:
            return FailedStart(status, answer, deployment.logs(200))
        with contextlib.suppress(PeerError):
            answer = stage.wire(deployment, 1.0).ask("GET", "/-/identity").status
        time.sleep(POLL_S)


@act
def import_failure(stage: Stage) -> FailedStart:
    """The application's module raises an exception."""
    return _broken(stage, "import-failure")


@act
def no_callable(stage: Stage) -> FailedStart:
    """The application's module has no such name."""
    return _broken(stage, "no-callable")


@dataclass(frozen=True)
class PortTaken:
    """How a second server fared at the address of a first.

    :param status: how the second ended, or None: it did not.
    :param printed: what it printed.
    :param first: what became of requests to the first: "answered", or what was wrong.
    """

    status: str | None
    printed: str
    first: str


@act
def port_taken(stage: Stage) -> PortTaken:
    """The same command is run once more, for the same address."""
    deployment = stage.start()
    limit = stage.patience(LIMIT_S, "lifecycle/start/port-taken")
    first = "answered"
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(deployment.run_again, limit)
        # Also while it runs: it may have the address as well, and get a share of the requests.
        asked = 0
        while first == "answered" and (asked < _ASKED or not second.done()):
            try:
                readiness.identify(deployment, stage.time_limit_s)
            except (PeerError, StartError) as error:
                first = str(error)
            asked = asked + 1 if second.done() else 0
            time.sleep(_PAUSE_S)
        status, printed = second.result()
    return PortTaken(status, printed, first)
