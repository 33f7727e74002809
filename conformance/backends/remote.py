"""The remote backend: a deployment that already runs somewhere, reached by its URL.

It is started and stopped by somebody else, so checks that need its control do not apply to it.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from conformance.backends import Address, Backend, BackendError, Deployment
from conformance.registry import Server

#: Replaced in a URL by each server's name.
NAME = "{name}"


def address_of(url: str) -> Address:
    """The address in a root URL.

    :raises BackendError: it is not of the form http://HOST:PORT.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise BackendError(
            f"expected a URL like http://127.0.0.1:8000, found {url!r}: {error}"
        ) from None
    if (
        parts.scheme != "http"
        or not parts.hostname
        or "@" in parts.netloc
        or parts.path not in ("", "/")
        or parts.query
    ):
        raise BackendError(
            "expected a URL like http://127.0.0.1:8000 (http, a host, no user, no path), found"
            f" {url!r}"
        )
    return Address(parts.hostname, port)


def in_active_profiles(servers: Sequence[Server], url: str) -> list[Server]:
    """The servers that `docker compose up` has started, seen from a container of the same project.

    Those without a profile are always among them. A profile is active when any of its services is
    known by name; then all of its servers are, so that one which is missing is noticed.
    """
    profiles = {server.name: set(server.service.get("profiles") or ()) for server in servers}
    optional = [name for name, of_server in profiles.items() if of_server]
    hosts = [address_of(url.replace(NAME, name)).host for name in optional]
    # Side by side: without a network a name that nobody knows takes ten seconds.
    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        known = list(pool.map(_is_known, hosts))
    active = {
        profile
        for name, is_known in zip(optional, known, strict=True)
        if is_known
        for profile in profiles[name]
    }
    return [
        server for server in servers if not profiles[server.name] or profiles[server.name] & active
    ]


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


class RemoteDeployment(Deployment):
    """Something that runs already; whether it is alive shows only when it is talked to."""

    token = None
    controllable = False

    def __init__(self, server: Server, address: Address) -> None:
        self.server = server
        self.address = address

    def exit_status(self) -> str | None:
        return None

    def signal(self, number: signal.Signals) -> None:
        raise BackendError(f"{self.server.name} runs elsewhere and cannot be signalled")

    def stop(self, grace_s: float | None = None) -> None:
        """Leave it as it is: it is not ours."""

    def restart(self) -> None:
        """Leave it as it is: it is not ours."""

    def logs(self, last_lines: int = 40) -> str:
        return (
            "what runs there has to serve reference_app.wsgi:application, which the checks talk "
            "to; its log is where it runs"
        )


class RemoteBackend(Backend):
    """Deployments at a URL, in which `{name}` stands for the server's name."""

    name = "remote"

    def __init__(self, url: str) -> None:
        self.url = url

    def prepare(self, servers: Sequence[Server]) -> dict[str, str]:
        return {}

    def start(
        self,
        server: Server,
        token: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> RemoteDeployment:
        return RemoteDeployment(server, address_of(self.url.replace(NAME, server.name)))

    def sweep(self) -> None:
        """Nothing was started."""
