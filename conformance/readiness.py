"""Readiness: waiting until a deployment answers as itself, and noticing when it never will."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from conformance.backends import Deployment, StartError
from conformance.client import PeerError, Recorder, Wire
from conformance.client.wire import TIME_LIMIT_S, ConnectionClosed

#: The project that is no distribution: its version is Python's.
STANDARD_LIBRARY = "wsgiref"
#: Seconds that a deployment may take from its start to its first answer.
START_LIMIT_S = 60.0
#: Seconds in which the end of a silent process becomes known, and of one that ends connections.
SILENT_LIMIT_S = 2.0
ENDING_LIMIT_S = 20.0
_FIRST_POLL_S = 0.005
_LAST_POLL_S = 0.1


@dataclass(frozen=True)
class Identity:
    """What a deployment says of itself at `/-/identity` and `/-/versions`."""

    framework: str
    python: str
    versions: dict[str, str]

    def version_of(self, project: str) -> str | None:
        """The installed version of a distribution, as the deployment itself sees it."""
        if project == STANDARD_LIBRARY:
            return self.python
        wanted = project.lower().replace("_", "-")
        for name, version in self.versions.items():
            if name.lower().replace("_", "-") == wanted:
                return version
        return None


class WrongDeployment(StartError):
    """Something else answers at the address."""


def stretched(limit_s: float, time_limit_s: float) -> float:
    """A limit in seconds, longer in the measure in which a server may be silent for longer.

    So on a slow machine one option is enough for all limits, and where it is set to less than its
    default the others stay as they are.

    :param time_limit_s: how long a server may be silent before it hangs (`--time-limit`).
    """
    return limit_s * max(1.0, time_limit_s / TIME_LIMIT_S)


def start_limit_s(time_limit_s: float) -> float:
    """Seconds that a start may take where a server may be silent for so long."""
    return stretched(START_LIMIT_S, time_limit_s)


def wait_until_ready(deployment: Deployment, limit_s: float = START_LIMIT_S) -> Identity:
    """Wait until the deployment answers as itself.

    :raises StartError: it exited (noticed at once), another answers, or the limit passed; with the
        last output of the server.
    """
    deadline = time.monotonic() + limit_s
    pause = _FIRST_POLL_S
    while True:
        try:
            return identify(deployment, time_limit_s=max(1.0, deadline - time.monotonic()))
        except (PeerError, WrongDeployment) as error:
            status = deployment.exit_status()
            if status is not None:
                raise StartError(
                    _told(f"ended before it was ready: {status}", deployment)
                ) from error
            if isinstance(error, WrongDeployment):
                raise
            if time.monotonic() > deadline:
                told = f"was not ready after {limit_s:g} s: {error}"
                raise StartError(_told(told, deployment)) from error
        time.sleep(pause)
        pause = min(pause * 1.5, _LAST_POLL_S)


def identify(deployment: Deployment, time_limit_s: float) -> Identity:
    """Ask the deployment who it is.

    :raises PeerError: it does not answer, or not with an identity.
    :raises WrongDeployment: it is not the one that was started.
    """
    wire = Wire((deployment.address.host, deployment.address.port), Recorder(), time_limit_s)
    try:
        found = _get(wire, "/-/identity")
        if deployment.token is not None and found.get("deployment") != deployment.token:
            raise WrongDeployment(
                f"{deployment.address} is answered by another process: expected the deployment "
                f"{deployment.token!r}, found {found.get('deployment')!r}"
            )
        versions = _get(wire, "/-/versions")
    finally:
        wire.close()
    return Identity(
        framework=str(found.get("framework")),
        python=str(found.get("python")),
        versions={str(name): str(version) for name, version in versions.items()},
    )


def silence(deployment: Deployment, time_limit_s: float) -> PeerError | WrongDeployment | None:
    """Why the deployment does not answer a simple request as itself, or None where it does."""
    try:
        identify(deployment, time_limit_s)
    except (PeerError, WrongDeployment) as error:
        return error
    return None


def ending(deployment: Deployment, silence: Exception | None, time_limit_s: float) -> str | None:
    """How a deployment ended, or None where it is still there, or nobody tells.

    A process that dies closes its sockets first, and an engine tells of it last. One that keeps
    them open is most likely not on its way to an end, and waited for less.

    :param silence: why it does not answer, if it does not.
    """
    limit_s = 0.0
    if silence is not None and deployment.controllable:
        limit_s = ENDING_LIMIT_S if isinstance(silence, ConnectionClosed) else SILENT_LIMIT_S
    deadline = time.monotonic() + stretched(limit_s, time_limit_s)
    while (status := deployment.exit_status()) is None and time.monotonic() < deadline:
        time.sleep(_LAST_POLL_S)
    return status


def _get(wire: Wire, path: str) -> dict[str, object]:
    response = wire.ask("GET", path)
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        found = None
    if response.status != 200 or not isinstance(found, dict):
        raise PeerError(
            f"expected the reference application's {path}, found {response.describe()}: "
            f"{response.body[:200]!r}"
        )
    return found


def _told(message: str, deployment: Deployment) -> str:
    output = deployment.logs().strip()
    return f"{deployment.server.name} {message}\n{output or '(it printed nothing)'}"
