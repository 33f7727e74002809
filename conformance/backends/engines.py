"""Several container engines as one backend: each starts its share of the servers.

Which share is decided once, before anything is built, so that an image is only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from conformance import threads
from conformance.backends import Backend, BackendError
from conformance.backends.docker import DockerBackend, DockerDeployment
from conformance.backends.engine import stop_commands
from conformance.registry import Server


class EnginesBackend(Backend):
    """Starts deployments as containers, on as many engines as there are.

    :param engines: each as for `conformance.backends.engine.connect`.
    :param split: makes shares of servers, as many as there are engines.
    """

    name = "docker"

    def __init__(
        self,
        engines: Sequence[str],
        split: Callable[[Sequence[Server], int], Sequence[Sequence[Server]]],
        framework: str,
        run_id: str | None = None,
    ) -> None:
        self._backends = [DockerBackend(framework, run_id, engine) for engine in engines]
        self._split = split
        self._chosen: dict[str, DockerBackend] = {}

    def prepare(self, servers: Sequence[Server]) -> dict[str, str]:
        failed: dict[str, str] = {}
        shares = list(zip(self._backends, self._split(servers, len(self._backends)), strict=True))
        for backend, share in shares:
            self._chosen |= {server.name: backend for server in share}
        threads.each(
            lambda pair: failed.update(pair[0].prepare(pair[1])),
            [(backend, share) for backend, share in shares if share],
            len(shares),
            stop_commands,
        )
        return failed

    def engine_of(self, server: Server) -> str | None:
        return self._chosen[server.name].engine

    def start(
        self,
        server: Server,
        token: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> DockerDeployment:
        return self._chosen[server.name].start(server, token, variables, port)

    def pythons(self, server: Server) -> list[str]:
        # Whatever all of them have: which one it will be is not decided yet.
        first, *others = (backend.pythons(server) for backend in self._backends)
        return [python for python in first if all(python in found for found in others)]

    def sweep(self) -> None:
        failed: BackendError | None = None
        for backend in self._backends:
            try:
                backend.sweep()
            except BackendError as error:
                # The others have containers, too.
                failed = failed or error
        if failed is not None:
            raise failed
