"""The network of a run's containers: they can be asked, and can themselves ask nobody.

A network that is `internal` would say so, but an engine publishes no port of a container in one. So
each run has a bridge of its own, with two of its services switched off. Traffic from one container
to another is dropped by the engine's packet filter. What goes to the outside keeps the container's
own address, to which no answer finds back, so that no connection comes about. Names are asked of
nobody: the engine would resolve them on behalf of a container, and a name can carry data out.

Not kept away: services of the machine itself that listen on all its addresses, and a datagram sent
into the blue. An engine that was told to leave the packet filter alone (`iptables: false`)
separates nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound

from conformance.backends import BackendError, EngineHung, ports
from conformance.backends.engine import engine_errors, reason
from conformance.backends.leftovers import OWNER_LABEL, RUN_LABEL, Owner, is_leftover

_OPTIONS = {
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": "false",
}

#: What goes with it into each container, as parameters of the SDK's `containers.create`. The
#: resolver is the container's own loopback, where nobody listens; a server that asks waits a
#: second for that, and not the usual ten.
SETTINGS: dict[str, Any] = {"dns": ["127.0.0.1"], "dns_opt": ["timeout:1", "attempts:1"]}

_POLL_S = 0.02

#: The status with which an engine refuses to remove a network that a container is in.
_IN_USE = 403


def of_run(client: DockerClient, run_id: str) -> str:
    """The id of a run's network, which is made when the first of its processes needs it.

    :raises BackendError: it cannot be made; says what to do.
    :raises EngineHung: another process of the run waits for the engine.
    """
    with _one_at_a_time(client.api.timeout):
        try:
            found = client.api.networks(filters={"label": f"{RUN_LABEL}={run_id}"})
            if found:
                return str(found[0]["Id"])
            made = client.api.create_network(
                f"wsgi-conform-{re.sub('[^A-Za-z0-9_.-]', '-', run_id)}",
                driver="bridge",
                options=_OPTIONS,
                # Not whichever of the run's processes makes it: it outlives that.
                labels={RUN_LABEL: run_id, OWNER_LABEL: str(_owner_of(run_id))},
            )
        except APIError as error:
            raise BackendError(
                f"no network could be made for the containers of this run: {reason(error)}. If"
                " there are too many, `docker network prune` removes those that nothing uses"
            ) from error
    return str(made["Id"])


def sweep(client: DockerClient, run_id: str, *, own: bool) -> None:
    """Remove the networks of runs that are gone, and this run's if it is named after this process.

    One that a container is still in stays: who removes that removes it later.

    :param own: remove this run's whoever asks.
    """
    own_run = run_id if own or run_id == str(Owner.current()) else None
    with engine_errors("looking for networks of earlier runs"):
        found = client.api.networks(filters={"label": RUN_LABEL})
    for network in found:
        if is_leftover(network["Labels"], own_run):
            with contextlib.suppress(NotFound), engine_errors("removing a network"):
                try:
                    client.api.remove_network(network["Id"])
                except APIError as error:
                    if error.status_code != _IN_USE:
                        raise


def _owner_of(run_id: str) -> Owner:
    """The process that a run is named after; this one, if it has another name."""
    return Owner.parse(run_id) or Owner.current()


@contextlib.contextmanager
def _one_at_a_time(limit_s: float) -> Iterator[None]:
    """Let the processes of a run make its network one after the other.

    Until release 25 the engine makes two of a name when it is asked for both at once.
    """
    directory = os.open(ports.directory(), os.O_RDONLY | os.O_CLOEXEC)
    deadline = time.monotonic() + limit_s
    try:
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EngineHung(
                        "another process waits for the container engine to make a network"
                    ) from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(directory)
