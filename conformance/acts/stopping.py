"""Stops: idle, with connections, with requests in flight; and what comes after them."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from dataclasses import dataclass
from uuid import uuid4

from conformance.acts import POLL_S, Stage, act, attempt
from conformance.backends import BackendError, Deployment, stop_signal
from conformance.client import PeerError, Response, Wire

#: Seconds that a server gets to do something about a signal. What shows that it has is waited for
#: first; one that handles a request and nothing else shows nothing.
SETTLE_S = 1.0
#: Seconds after a signal in which requests may still be answered that come after it.
ANSWERED_LIMIT_S = 4.0
#: Seconds for which a request is held on after it is seen that the server stops: it may be cut off
#: only a moment later.
HELD_S = 0.5
#: Seconds that workers may outlive the main process, which is when they notice.
LEFT_LIMIT_S = 2.0
_LOG_LINES = 300


@dataclass(frozen=True)
class Ended:
    """How a server ended after a signal.

    :param signal: the first that it was sent.
    :param status: "exit status 0", "signal SIGTERM"; None: it did not end within its grace period.
    :param left: how many of its processes were left.
    :param refuses: whether its address takes no connection any more.
    """

    signal: signal.Signals
    status: str | None
    left: int
    refuses: bool
    log: str


def end(
    stage: Stage, deployment: Deployment, check: str, sent: signal.Signals | None = None
) -> Ended:
    """Wait for the end of a deployment; `check` is what fails if it does not come.

    :param sent: the signal that it was sent, if not its own stop signal.
    """
    status = stage.wait_for_end(deployment, check)
    deadline = time.monotonic() + stage.stretched(LEFT_LIMIT_S)
    while (left := deployment.left()) and status is not None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    refuses = newcomer(deployment, SETTLE_S) == "refused"
    sent = sent or stop_signal(deployment.server)
    return Ended(sent, status, left, refuses, deployment.logs(_LOG_LINES))


def newcomer(deployment: Deployment, limit_s: float) -> str:
    """How a new connection with a request fares: "refused", "answered", or "silent".

    An engine's proxy accepts for a container that does not, and closes at once.
    """
    address = (deployment.address.host, deployment.address.port)
    try:
        with socket.create_connection(address, timeout=limit_s) as client:
            client.sendall(b"GET /-/identity HTTP/1.1\r\nHost: newcomer\r\n\r\n")
            return "answered" if client.recv(1) else "refused"
    except TimeoutError:
        return "silent"
    except OSError:
        return "refused"


def until_draining(stage: Stage, deployment: Deployment) -> str:
    """Wait until a signal shows: new connections are refused. How the last of them fared."""
    limit = stage.patience(ANSWERED_LIMIT_S, "lifecycle/drain/refuses")
    deadline = time.monotonic() + limit
    while True:
        fared = newcomer(deployment, SETTLE_S)
        if fared == "silent" and stage.capabilities.concurrency != 1:
            # Perhaps the server got no time; on the second one it did.
            fared = newcomer(deployment, SETTLE_S)
        if fared != "answered" or time.monotonic() > deadline:
            return fared
        time.sleep(POLL_S)


def send_signal(deployment: Deployment, number: signal.Signals) -> None:
    """Send a signal to a deployment, which may have ended by now, once its main process waits.

    One that reaches a Python process within `os.fork` is lost at times: what its handler raises
    where functions of `os.register_at_fork` run, such as those of `logging`, is only printed.
    """
    deadline = time.monotonic() + SETTLE_S
    while not deployment.is_waiting() and time.monotonic() < deadline:
        time.sleep(POLL_S)
    with contextlib.suppress(BackendError):
        deployment.signal(number)


def stop(deployment: Deployment) -> None:
    """Send a deployment the stop signal that its service declares."""
    send_signal(deployment, stop_signal(deployment.server))


def ask_and_be_left(stage: Stage, deployment: Deployment, target: str) -> None:
    """Have a request answered, and wait until the server has closed the connection."""
    with stage.wire(deployment).connect() as connection:
        connection.request("GET", target, [("Connection", "close")])
        connection.receive()
        with contextlib.suppress(PeerError):
            connection.receive_end()


class HeldRequest:
    """A request that is in the application, and stays there until its gate is opened.

    :param target: the route, below /lifecycle/.
    :raises PeerError: it does not come to the application.
    """

    def __init__(self, stage: Stage, deployment: Deployment, wire: Wire, target: str) -> None:
        self.key = uuid4().hex
        self._deployment = deployment
        self._connection = wire.connect()
        self._connection.request("GET", f"/lifecycle/{target}/{self.key}")
        if not deployment.wait_at_gate(self.key, stage.time_limit_s):
            raise PeerError(f"the application was not called for /lifecycle/{target}")

    def finish(self, held_s: float = 0.0) -> Response | PeerError:
        """Open the gate and read the response.

        :param held_s: seconds for which it is held before that, unless its connection ends.
        """
        self._connection.cut(held_s)
        self._deployment.open_gate(self.key)
        return attempt(self._connection.receive)

    def ask_again(self) -> Response | PeerError:
        """Send another request on the same connection and read the response."""
        self._connection.request("GET", "/-/identity", [("Connection", "close")])
        return attempt(self._connection.receive)


@dataclass(frozen=True)
class Idle:
    """A stop with nothing to do, and a start after it.

    :param key: what the application wrote to its outputs before.
    :param restarted: "answered" if the server came back at the same address, or what was wrong.
    """

    ended: Ended
    key: str
    restarted: str


@act
def idle(stage: Stage) -> Idle:
    """The server has answered, and is stopped; then it is started again at the same address."""
    deployment = stage.start()
    key = uuid4().hex
    # Who closes first keeps the address for a while (TIME-WAIT): the server is to do that.
    ask_and_be_left(stage, deployment, f"/lifecycle/say/{key}")
    stop(deployment)
    ended = end(stage, deployment, "lifecycle/stop/idle")
    restarted = "answered"
    try:
        deployment.restart()
        stage.wait_until_ready(deployment)
    except BackendError as error:
        restarted = str(error)
    return Idle(ended, key, restarted)


@dataclass(frozen=True)
class Kept:
    """A stop with a connection that is kept open and idle.

    :param rest: what came on it before its end; None: it did not end.
    """

    ended: Ended
    rest: bytes | None


@act
def kept(stage: Stage) -> Kept:
    """A connection has had its answer and is kept by the client when the server is stopped."""
    deployment = stage.start()
    wire = stage.wire(deployment)
    connection = wire.connect()
    connection.request("GET", "/-/identity")
    connection.receive()
    if stage.capabilities.concurrency != 1:
        wire.ask("GET", "/-/identity")  # by now it is done with the other one and keeps it
    stop(deployment)
    ended = end(stage, deployment, "lifecycle/stop/kept")
    if ended.status is None:
        return Kept(ended, None)
    try:
        return Kept(ended, connection.receive_end())
    except PeerError:
        return Kept(ended, None)


@dataclass(frozen=True)
class Drained:
    """A stop with a request in flight.

    :param answer: what came of the request.
    :param newcomers: how a request fared that came after the signal, see `newcomer`.
    :param key: of the request in the application.
    :param began: whether any byte of an answer came.
    """

    ended: Ended
    answer: Response | PeerError
    newcomers: str
    key: str = ""
    began: bool = False


def _drained(stage: Stage, target: str, check: str, signals: int = 1) -> Drained:
    deployment = stage.start()
    held = HeldRequest(stage, deployment, stage.wire(deployment), target)
    for _ in range(signals):
        stop(deployment)
        newcomers = until_draining(stage, deployment)
    answer = held.finish(HELD_S)
    return Drained(end(stage, deployment, check), answer, newcomers, held.key)


@act
def request_in_flight(stage: Stage) -> Drained:
    """A request is in the application when the server is stopped."""
    return _drained(stage, "held", "lifecycle/drain/request-ends")


@act
def stream_in_flight(stage: Stage) -> Drained:
    """A response is half sent when the server is stopped."""
    return _drained(stage, "stream", "lifecycle/drain/stream-ends")


@act
def stopped_twice(stage: Stage) -> Drained:
    """A request is in the application when the server is told to stop, and told again."""
    return _drained(stage, "held", "lifecycle/stop/second-signal", signals=2)


@dataclass(frozen=True)
class AskedAgain:
    """A stop with a request in flight, and another behind its answer on the same connection."""

    answer: Response | PeerError
    following: Response | PeerError


@act
def asked_again(stage: Stage) -> AskedAgain:
    """A client that has had its answer from a server which is stopped sends the next request."""
    deployment = stage.start()
    held = HeldRequest(stage, deployment, stage.wire(deployment), "held")
    stop(deployment)
    until_draining(stage, deployment)
    return AskedAgain(held.finish(HELD_S), held.ask_again())


@act
def half_sent(stage: Stage) -> Drained:
    """A request has come by half when the server is stopped; the rest comes after that."""
    deployment = stage.start()
    wire = stage.wire(deployment)
    connection = wire.connect()
    connection.send(b"GET /-/identity HTTP/1.1\r\nHost: wsgi-conf")
    connection.taken(SETTLE_S)
    if stage.capabilities.concurrency != 1:
        wire.ask("GET", "/-/identity")  # behind a proxy nobody else tells that the half was seen
    stop(deployment)
    newcomers = until_draining(stage, deployment)
    connection.send(b"orm.test\r\nConnection: close\r\n\r\n")
    answer = attempt(connection.receive)
    ended = end(stage, deployment, "lifecycle/drain/half-sent-ends")
    return Drained(ended, answer, newcomers, began=connection.began)


@act
def interrupted(stage: Stage) -> Ended:
    """The server gets SIGINT, as by Ctrl-C."""
    deployment = stage.start()
    # It is done with what asked whether it is ready: an interrupt would end that instead.
    ask_and_be_left(stage, deployment, "/-/identity")
    send_signal(deployment, signal.SIGINT)
    return end(stage, deployment, "lifecycle/interrupt/ends", signal.SIGINT)
