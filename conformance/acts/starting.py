"""Starts that must not succeed: the application is broken, or somebody else has the address."""

from __future__ import annotations

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance import readiness
from conformance.acts import Stage, act
from conformance.backends import StartError
from conformance.client import PeerError
from conformance.client.wire import TIME_LIMIT_S

#: Seconds that a start may take to come to nothing. Only one that comes to neither an end nor an
#: answer takes them all.
LIMIT_S = 30.0
#: How a server's output tells of a fault: by the exception's text, or by the name that is missing.
REASONS = {
    "import-failure": "fails at its import, as it was told",
    "no-callable": "application|callable",
}
#: How many requests are sent after the second server's end to see that the first goes on.
_ASKED = 3
#: Seconds between two requests.
_PAUSE_S = 0.02
#: How many times as long as the first server a second one has for its start.
_STARTS = 5


@dataclass(frozen=True)
class FailedStart:
    """How a server fared whose application cannot be loaded.

    :param status: how it ended, or None: it did not.
    :param answer: the status code with which it answered a request, or None: it did not.
    :param told: whether its output tells of the fault.
    """

    status: str | None
    answer: int | None
    told: bool
    log: str


def _broken(stage: Stage, fault: str) -> FailedStart:
    deployment = stage.start({"WSGI_CONFORM_FAULT": fault}, ready=False)
    for_status = stage.patience(LIMIT_S, f"lifecycle/start/status/{fault}")
    for_log = stage.patience(LIMIT_S, f"lifecycle/start/logged/{fault}")
    silence = min(TIME_LIMIT_S, stage.time_limit_s)
    for_output = stage.patience(silence, f"lifecycle/start/logged/{fault}")
    began = time.monotonic()
    answer, answered = None, 0.0
    while True:
        status = deployment.exit_status()
        log = deployment.logs(200)
        told = re.search(REASONS[fault], log) is not None
        waited = time.monotonic() - began
        if answer is None:
            over = waited > (for_status if told else max(for_status, for_log))
        elif answer >= 500:
            # A proxy in front answers with an error already before the application is loaded.
            over = told or waited > for_log
        else:
            # It serves: what it has printed only has to arrive.
            over = told or waited - answered > for_output
        if status is not None or over:
            return FailedStart(status, answer, told, log)
        with contextlib.suppress(PeerError):
            answer = stage.wire(deployment, 1.0).ask("GET", "/-/identity").status
            answered = answered or waited
        time.sleep(_PAUSE_S)


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
    began = time.monotonic()
    deployment = stage.start()
    # Where two have one address, that is seen when the second is ready: on a busy machine as late
    # as the first was.
    limit = min(stage.stretched(LIMIT_S), _STARTS * (time.monotonic() - began))
    limit = max(limit, stage.patience(LIMIT_S, "lifecycle/start/port-taken"))
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
