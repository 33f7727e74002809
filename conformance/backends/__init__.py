"""Backends: how a deployment is started, reached, signalled and stopped.

One small protocol, three ways to fulfil it: `docker` (a container), `process` (a virtual
environment and a local process) and `remote` (something that already runs). What is sent to a
deployment and how it is judged is the same for all three and knows nothing of this package.
"""

from __future__ import annotations

import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance.registry import Server

#: How much is kept of what a server prints while a check talks to it, in bytes and in lines.
LOG_KEPT = 4096
LOG_LINES_KEPT = 60


def without_credentials(text: str) -> str:
    """Text in which URLs have no user and password.

    An index of packages or an engine may be named with them, and what an installer, a build or the
    SDK says of a failure, it says with the URL; that goes into results, and those are published.
    """
    return re.sub(r"://[^/\s?#]*@", "://****@", text)


class BackendError(Exception):
    """The harness could not do its part: no engine, no environment, no start. Never a verdict."""

    def __init__(self, message: str) -> None:
        super().__init__(without_credentials(message))


class EngineUnavailable(BackendError):
    """No container engine answers, and containers were asked for."""


class EngineHung(BackendError):
    """A container engine has taken a question, and has not answered it in time."""


class StartError(BackendError):
    """A deployment did not become ready; carries its last output."""


@dataclass(frozen=True)
class Address:
    """Where a deployment listens, as the client reaches it."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The root URL, without a trailing slash."""
        return f"http://{self}"


class Deployment(ABC):
    """A server that serves the application, at an address.

    :param server: what the registry says of it.
    :param token: the identity it was started with; the readiness endpoint returns it, so that
        another process on a reused port is noticed. None when the harness did not start it.
    """

    server: Server
    token: str | None
    address: Address
    #: Whether the harness owns the deployment and can signal and restart it.
    controllable: bool = True

    @abstractmethod
    def exit_status(self) -> str | None:
        """How the deployment ended ("exit status 3", "signal SIGSEGV"), or None while it runs."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.exit_status() is None

    def handles(self, number: signal.Signals) -> bool:
        """Whether the server's main process has something of its own to do upon a signal."""
        found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", self._status(), re.MULTILINE)
        return found is not None and bool(int(found[1], 16) & 1 << (number - 1))

    def is_waiting(self) -> bool:
        """Whether the server's main process has nothing to do at this moment, or is gone."""
        return re.search(r"^State:\s*[RD]", self._status(), re.MULTILINE) is None

    def _status(self) -> str:
        """What the system tells of the server's main process (proc(5), status); "" of none."""
        raise self._out_of_reach()

    @abstractmethod
    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's main process."""

    @abstractmethod
    def stop(self, grace_s: float | None = None) -> None:
        """End it with its stop signal, and by force `grace_s` seconds later; leaves nothing behind.

        :param grace_s: seconds; None for the service's own `stop_grace_period`.
        """

    @abstractmethod
    def restart(self) -> None:
        """Stop it if it runs and start it again as it was; does not wait for readiness."""

    @abstractmethod
    def logs(self, last_lines: int = 40) -> str:
        """The last lines that the server printed."""

    def printed_by_now(self) -> float:
        """A mark in what the server prints, for `printed_since`."""
        return 0

    def printed_since(self, mark: float) -> str:
        """What the server printed since; as far as is known, and no more than the last of it."""
        return ""

    def follow(self, ended: Callable[[], bool]) -> Iterator[bytes]:
        """What the server prints, from the beginning and as it comes.

        :param ended: whether nothing more will come.
        """
        raise self._out_of_reach()

    def left(self) -> int:
        """How many of its processes still run; for after its end."""
        raise self._out_of_reach()

    def run_again(self, limit_s: float) -> tuple[str | None, str]:
        """Run the same command once more beside it, for the same address.

        :param limit_s: seconds after which the second one is ended by force.
        :returns: how it ended by itself (None: it did not), and what it printed.
        """
        raise self._out_of_reach()

    def wait_at_gate(self, gate: str, limit_s: float) -> bool:
        """Wait until a request of the application waits at this gate; False if none came.

        A gate is a file in the application's directory, so it can be opened from outside when the
        server takes no request any more.
        """
        raise self._out_of_reach()

    def open_gate(self, gate: str) -> None:
        """Let go the request that waits at this gate."""
        raise self._out_of_reach()

    def _out_of_reach(self) -> BackendError:
        return BackendError(f"{self.server.name} runs elsewhere, out of reach")


class Backend(ABC):
    """Starts deployments of one kind."""

    name: str

    @abstractmethod
    def prepare(self, servers: Sequence[Server]) -> dict[str, str]:
        """Make images or environments for these servers, as much side by side as that can be.

        :returns: the servers that cannot be started, by name, with the reason (an installer's
            message, say); the others are ready to start.
        :raises EngineUnavailable: containers were asked for and there is no engine.
        """

    @abstractmethod
    def start(
        self,
        server: Server,
        token: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> Deployment:
        """Start a deployment; does not wait for readiness (`conformance.readiness` does).

        :param token: goes to the application as WSGI_CONFORM_DEPLOYMENT.
        :param variables: further environment variables.
        :param port: where it is to be reached; None for any that is free.
        :raises BackendError: it cannot even be started.
        """

    def engine_of(self, server: Server) -> str | None:
        """The container engine that has it, where there are several; None for the usual one."""
        return None

    def pythons(self, server: Server) -> list[str]:
        """The Pythons, as "3.13", that are here for it: its own first, then the others.

        The application needs 3.11.
        """
        return []

    @abstractmethod
    def sweep(self) -> None:
        """Remove what crashed runs left behind; leaves runs that go on alone."""


def grace_period(server: Server) -> float:
    """The service's `stop_grace_period` in seconds; ten where none is given, as Compose has it.

    :raises BackendError: it is no duration.
    """
    # Imported here, because that module imports this one.
    from conformance.backends.compose_service import duration

    try:
        return duration(server.service.get("stop_grace_period", "10s"))
    except ValueError as error:
        raise BackendError(f"{server.name}: `stop_grace_period`: {error}") from error


def stop_signal(server: Server) -> signal.Signals:
    """The service's `stop_signal`; SIGTERM where none is given.

    :raises BackendError: there is no such signal.
    """
    text = str(server.service.get("stop_signal", "SIGTERM")).upper()
    try:
        return signal.Signals[text if text.startswith("SIG") else f"SIG{text}"]
    except KeyError:
        raise BackendError(
            f"{server.name}: expected `stop_signal` like SIGTERM, found {text!r}"
        ) from None
