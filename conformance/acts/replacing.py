"""Workers that are replaced under a server that goes on: by a reload, and after a sudden death."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from conformance.acts import POLL_S, ActFailed, Stage, act
from conformance.acts.stopping import SETTLE_S, HeldRequest
from conformance.backends import Deployment
from conformance.client import ConnectionClosed, PeerError, Response, TimedOut, Wire
from conformance.client.http import read_json

#: Clients that send requests all the time during a reload.
_TALKERS = 2
#: Requests that each sends to the new workers before it stops.
_GO_ON = 10
#: How many times a server is reloaded to see what each time leaves behind.
RELOADS = 5
#: Requests that were lost of which it is told.
_LOST = 3


def process_of(response: Response) -> int:
    """The process that answered, from the identity that it told.

    :raises PeerError: it told none.
    """
    found = read_json(response)["pid"]
    if response.status != 200 or not isinstance(found, int):
        raise PeerError(f"expected an identity, found {response.describe()}")
    return found


@dataclass(frozen=True)
class Reloaded:
    """A reload, with requests before, in and after it.

    :param before: the process that answered before.
    :param after: the processes that answered last.
    :param lost: what became of the first requests that were not answered.
    :param held: what came of the request that was in flight.
    :param ended: how the whole server ended, or None as it should.
    """

    before: int
    after: frozenset[int]
    lost: tuple[str, ...]
    held: Response | PeerError
    ended: str | None


@dataclass
class _Talk:
    """What clients that send one request after the other have got."""

    before: int
    over: threading.Event = field(default_factory=threading.Event)
    lost: list[str] = field(default_factory=list)
    new: list[int] = field(default_factory=list)

    def run(self, wire: Wire) -> None:
        # Whoever loses a request goes on: that the new workers answer is another question.
        while not self.over.is_set():
            try:
                process = process_of(wire.ask("GET", "/-/identity"))
            except PeerError as error:
                if len(self.lost) < _LOST:
                    self.lost.append(str(error))
            else:
                if process != self.before:
                    self.new.append(process)
            time.sleep(POLL_S)


@contextmanager
def _talking(stage: Stage, deployment: Deployment, talk: _Talk) -> Iterator[None]:
    threads = [
        threading.Thread(target=talk.run, args=(stage.wire(deployment),), daemon=True)
        for _ in range(_TALKERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        talk.over.set()
        for thread in threads:
            thread.join()


def _wait(deployment: Deployment, limit_s: float, talk: _Talk, answers: int) -> None:
    deadline = time.monotonic() + limit_s
    while len(talk.new) < answers and deployment.alive and time.monotonic() < deadline:
        time.sleep(POLL_S)


@act
def reloaded(stage: Stage) -> Reloaded:
    """The reload signal comes while a request is in flight and others come all the time."""
    deployment = stage.start()
    wire = stage.wire(deployment)
    number = stage.capabilities.reload_signal
    assert number is not None
    talk = _Talk(process_of(wire.ask("GET", "/-/identity")))
    held = HeldRequest(stage, deployment, wire, "held")
    stage.wait_for_handler(deployment, number)
    with _talking(stage, deployment, talk):
        deployment.signal(number)
        # Some have the new workers at work before the old ones are done, others do not.
        _wait(deployment, SETTLE_S, talk, 1)
        answer = held.finish()
        _wait(deployment, stage.time_limit_s, talk, _TALKERS * _GO_ON)
    return Reloaded(
        talk.before,
        frozenset(talk.new[-_GO_ON:]),
        tuple(talk.lost),
        answer,
        deployment.exit_status(),
    )


@dataclass(frozen=True)
class ReloadedOften:
    """How many descriptors a process of each generation had, in their order.

    :param ended: how the whole server ended, or None as it should.
    """

    descriptors: tuple[int, ...]
    ended: str | None


@act
def reloaded_often(stage: Stage) -> ReloadedOften:
    """The server is reloaded several times, each time when the workers from before are gone."""
    deployment = stage.start()
    wire = stage.wire(deployment)
    number = stage.capabilities.reload_signal
    assert number is not None
    seen: set[int] = set()
    descriptors: list[int] = []
    for reloads in range(RELOADS + 1):
        if reloads:
            # The next worker may answer before who started it takes signals again.
            stage.wait_for_handler(deployment, number)
            deployment.signal(number)
        deadline = time.monotonic() + stage.time_limit_s
        while deployment.alive and time.monotonic() < deadline:
            with contextlib.suppress(PeerError):
                answer = read_json(wire.ask("GET", "/-/resources"))
                process, found = answer.get("pid"), answer.get("descriptors")
                if not isinstance(process, int) or not isinstance(found, int):
                    raise ActFailed(f"expected a process and its descriptors, found {answer}")
                if process not in seen:
                    seen.add(process)
                    descriptors.append(found)
                    break
            time.sleep(POLL_S)
        else:
            break
    return ReloadedOften(tuple(descriptors), deployment.exit_status())


@dataclass(frozen=True)
class Death:
    """A process that died while it served a request.

    :param seen: what the client of that request saw: "closed", "silent", or a status code.
    :param before: the process that served requests before.
    :param after: the one that answered first afterwards, or None: none did.
    :param note: the last thing that was wrong before that.
    """

    seen: str
    before: int
    after: int | None
    note: str


@dataclass(frozen=True)
class Deaths:
    """What came of each way to die, by its name, and of a request that another process had."""

    ways: dict[str, Death]
    sibling: Response | PeerError | None


def _die(stage: Stage, deployment: Deployment, way: str) -> Death:
    wire = stage.wire(deployment)
    before = process_of(wire.ask("GET", "/-/identity"))
    try:
        seen = str(wire.ask("GET", f"/lifecycle/end/{way}").status)
    except ConnectionClosed:
        seen = "closed"
    except TimedOut:
        seen = "silent"
    deadline = time.monotonic() + stage.time_limit_s
    note = ""
    while time.monotonic() < deadline and deployment.alive:
        try:
            return Death(seen, before, process_of(wire.ask("GET", "/-/identity")), note)
        except PeerError as error:
            note = str(error)
        time.sleep(POLL_S)
    ended = deployment.exit_status()
    return Death(seen, before, None, note if ended is None else f"the server ended: {ended}")


@act
def killed(stage: Stage) -> Deaths:
    """A process that serves a request dies, in one way after the other."""
    deployment = stage.start()
    held = None
    if stage.capabilities.missing(("processes",)) is None:
        held = HeldRequest(stage, deployment, stage.wire(deployment), "held")
    ways: dict[str, Death] = {}
    for way in ("killed", "exits", "faults"):
        ways[way] = _die(stage, deployment, way)
        if ways[way].after is None:
            break
    return Deaths(ways, None if held is None else held.finish())
