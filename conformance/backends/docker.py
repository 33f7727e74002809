"""Deployments in containers: the services of a Compose file, one container each, by the Docker SDK.

Compose builds the images; the containers are made here, because every run needs ports, an identity
and an end of its own, and runs side by side must not share a Compose project. What a service says
of its container holds all the same: `conformance.backends.compose_service` sees to that. Whether a
deployment is ready is not decided here but in `conformance.readiness`.

A container is in its run's network, from which it reaches nothing (`conformance.backends.network`).
Its port is published on 127.0.0.1, where the engine's proxy accepts the connections. It accepts
before the server listens (and closes again), and it makes an orderly close of a reset.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.types import LogConfig

from conformance import releases
from conformance.backends import (
    LOG_KEPT,
    LOG_LINES_KEPT,
    Address,
    Backend,
    BackendError,
    Deployment,
    build_context,
    environments,
    network,
    owner,
    ports,
    stop_signal,
    without_credentials,
)
from conformance.backends.compose_service import container_settings, duration
from conformance.backends.engine import (
    LOOPBACK,
    Run,
    compose_version,
    connect,
    engine_errors,
    host_of,
    last_lines,
    published_at,
    reason,
    run,
)
from conformance.backends.leftovers import OWNER_LABEL, RUN_LABEL, SERVER_LABEL, Owner, is_leftover
from conformance.registry import Server, compose_variables, interpolate, load

#: Where a server listens inside its container: compose.yaml's default for WSGI_PORT.
CONTAINER_PORT = 8000

BUILD_TIMEOUT_S = 1800
#: Seconds for which somebody else may be on the port that is reserved for a deployment.
PORT_LIMIT_S = 10
#: Seconds in which the engine says what the main process of a container that runs does.
STATUS_LIMIT_S = 2

#: The repository of base images; docker/Dockerfile says what is needed of one.
BASE_NAME = "python"

_REASON_LINES = 20
_KEPT_LOG_LINES = 400
#: How much is read of what a container printed, in bytes: a line may be of any length.
LOG_READ = 64 * 1024
#: The status of a command that `timeout` ended by SIGKILL.
_KILLED = 137


class DockerDeployment(Deployment):
    """A container that serves the reference application, on one port for as long as it lives."""

    token: str

    def __init__(
        self,
        backend: DockerBackend,
        server: Server,
        token: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.server = server
        self.token = token
        self._backend = backend
        self._variables = dict(variables or {})
        self._gates = f"/tmp/wsgi-conform-{token}"
        self._lock = threading.Lock()
        self._pidfd: int | None = None
        self._ended: str | None = None
        self._kept_log = ""
        self._container: Container | None = None
        # Not left to the engine, which would choose another port at each restart.
        # Of another machine's ports nothing is known here, but what this one uses is left alone.
        self._port = ports.reserve(LOOPBACK, port)
        self.address = Address(backend.host, self._port.number)
        try:
            self._until_published(self._create_and_start)
        except BaseException:
            self._port.release()
            raise

    def _until_published(self, start: Callable[[], None]) -> None:
        """Start, and try again for a while when it is only the port that is not free.

        It is reserved, but a program that reserves nothing may use it for a moment.
        """
        deadline = time.monotonic() + PORT_LIMIT_S
        while True:
            try:
                with engine_errors(f"{self.server.name}: starting its container"):
                    start()
                return
            except NotFound as error:
                raise BackendError(
                    f"{self.server.name}: somebody removed its container while it was started"
                ) from error
            except BackendError as error:
                if not _is_port_taken(error.__cause__) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _create_and_start(self) -> None:
        """Make the container and start it, or leave nothing behind."""
        name = container_name(self.server)
        try:
            self._container = self._backend.create(
                self.server, self.token, self.address, name, self._variables
            )
            self._container.start()
            self._watch()
        except BaseException:
            # An interrupt may come before the engine's answer did; the name is known all the same.
            self._container = None
            self._backend.remove(name)
            raise

    def _watch(self) -> None:
        """Get hold of the server's main process, to see its end without asking the engine.

        `exit_status` is called after each check, and the engine takes milliseconds for an answer
        and a tenth of a second to notice an end. A pidfd is exact and takes microseconds. It can be
        had when the engine's processes are processes of this machine: not if it is elsewhere or, as
        on macOS and Windows, in a virtual machine. There, each call asks the engine.
        """
        assert self._container is not None
        self._container.reload()
        pid = int(self._container.attrs["State"]["Pid"])
        if not pid or not hasattr(os, "pidfd_open"):
            return
        with self._lock, contextlib.suppress(OSError):
            pidfd = os.pidfd_open(pid)
            try:
                # Another machine's number may be anybody's here.
                groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
                if str(self._container.id) in groups:
                    self._pidfd, pidfd = pidfd, -1
            finally:
                if pidfd >= 0:
                    os.close(pidfd)

    def _unwatch(self) -> None:
        with self._lock:
            if self._pidfd is not None:
                os.close(self._pidfd)
            self._pidfd = None

    def exit_status(self) -> str | None:
        if self._ended is not None:
            return self._ended
        with self._lock:
            pidfd = self._pidfd
            if pidfd is not None:
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                if not poll.poll(0):
                    return None
        self._ended = self._ask_for_exit_status(certain=pidfd is not None)
        return self._ended

    def _ask_for_exit_status(self, *, certain: bool) -> str | None:
        """What the engine knows of the end; where it is `certain`, wait until it knows."""
        container = self._container
        if container is None:
            return "removed"
        try:
            with engine_errors(f"{self.server.name}: asking how its container ended"):
                if certain:
                    container.wait(timeout=self._backend.client.api.timeout)
                container.reload()
        except NotFound:
            return "removed by somebody else"
        return describe_exit(container.attrs["State"])

    def _status(self) -> str:
        # Compose's `init` is the first process and passes signals on to its one child.
        return self._status_of("$(cut -d' ' -f1 /proc/1/task/1/children)")

    def _status_of(self, process: str) -> str:
        deadline = time.monotonic() + STATUS_LIMIT_S
        while True:
            code, status = -1, ""
            with contextlib.suppress(BackendError):
                code, status = self._execute(["sh", "-c", f"cat /proc/{process}/status"], {})
            if code == 0 and "State:" in status:
                return status
            # It is gone, or its container will be; or an engine with much to do lost the answer.
            if self.exit_status() is not None or time.monotonic() > deadline:
                return ""
            time.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        try:
            with engine_errors(f"{self.server.name}: sending {number.name}"):
                if self._container is None:
                    raise BackendError(f"{self.server.name}: {number.name} was sent after its end")
                self._container.kill(signal=number.name)
            # What comes next is to find it passed on, however little time `init` gets.
            deadline = time.monotonic() + STATUS_LIMIT_S
            while is_pending(number, self._status_of("1")) and time.monotonic() < deadline:
                time.sleep(0.01)
        except NotFound:
            raise BackendError(
                f"{self.server.name}: {number.name} was sent, but somebody removed its container"
            ) from None

    def stop(self, grace_s: float | None = None) -> None:
        container = self._container
        if container is None:
            return
        try:
            with (
                contextlib.suppress(NotFound),
                engine_errors(f"{self.server.name}: stopping its container"),
            ):
                container.stop(timeout=self._grace(grace_s))
                self._ended = self._ask_for_exit_status(certain=False)
                self._kept_log = self.logs(_KEPT_LOG_LINES)
        finally:
            # Also when the engine did not manage to stop it, and when this is interrupted.
            self._unwatch()
            try:
                self._backend.remove(str(container.id))
            finally:
                self._container = None
                self._port.release()
                self._ended = self._ended or "removed"

    def _grace(self, grace_s: float | None) -> int:
        if grace_s is None:
            grace_s = duration(self.server.service.get("stop_grace_period", "10s"))
        return math.ceil(grace_s)  # the engine counts in whole seconds

    def restart(self) -> None:
        self._unwatch()
        self._ended = None
        self._until_published(self._start_again)

    def _start_again(self) -> None:
        if self._container is None:
            raise BackendError(
                f"{self.server.name}: it was stopped for good, so nothing restarts it"
            )
        try:
            self._container.restart(timeout=self._grace(None))
            self._watch()
        except NotFound:  # somebody removed it
            self._create_and_start()

    def logs(self, last_lines: int = 40) -> str:
        if self._container is None:
            return "\n".join(self._kept_log.splitlines()[-last_lines:])
        try:
            with engine_errors(f"{self.server.name}: reading what it printed"):
                output: bytes = self._container.logs(tail=last_lines)
        except NotFound:
            return self._kept_log
        return output[-LOG_READ:].decode(errors="replace")

    def printed_by_now(self) -> float:
        return time.time()

    def printed_since(self, mark: float) -> str:
        if self._container is None:
            return ""
        # What it printed is for people to read: a verdict does not hang on whether it can be had.
        with contextlib.suppress(NotFound, BackendError), engine_errors("reading what it printed"):
            output: bytes = self._container.logs(since=mark, tail=LOG_LINES_KEPT)
            return output[-LOG_KEPT:].decode(errors="replace")
        return ""

    def follow(self, ended: Callable[[], bool]) -> Iterator[bytes]:
        if self._container is None:
            return
        # It ends when the container does.
        with (
            contextlib.suppress(NotFound),
            engine_errors(f"{self.server.name}: reading what it prints"),
        ):
            yield from self._container.logs(stream=True, follow=True)

    def left(self) -> int:
        # A container ends with its main process, and all that is in it ends with the container.
        return 0 if self.exit_status() is not None else 1

    def run_again(self, limit_s: float) -> tuple[str | None, str]:
        command = self.server.command(self._backend.variables)
        status, printed = self._execute(
            ["timeout", "--signal=KILL", f"{limit_s:g}", *command],
            {"WSGI_CONFORM_DEPLOYMENT": uuid4().hex},
        )
        return (None if status == _KILLED else f"exit status {status}"), printed

    def wait_at_gate(self, gate: str, limit_s: float) -> bool:
        script = f"until test -e {self._gates}/{gate}.waiting; do sleep 0.02; done"
        status, _ = self._execute(
            ["timeout", "--signal=KILL", f"{limit_s:g}", "sh", "-c", script], {}
        )
        return status == 0

    def open_gate(self, gate: str) -> None:
        self._execute(["touch", f"{self._gates}/{gate}.open"], {})

    def _execute(self, command: Sequence[str], variables: dict[str, str]) -> tuple[int, str]:
        """Run a command in the container and return its status and output; -1 if it is gone."""
        if self._container is None:
            return -1, ""
        try:
            with engine_errors(f"{self.server.name}: running {command[0]} in its container"):
                result = self._container.exec_run(list(command), environment=variables)
                status, output = result.exit_code, result.output
        except (NotFound, BackendError):
            if self.exit_status() is None:
                raise
            return -1, ""
        return (-1 if status is None else status), str(output, errors="replace")  # type: ignore[arg-type]


def is_pending(number: signal.Signals, status: str) -> bool:
    """Whether a process has not taken a signal that it was sent (proc(5), ShdPnd)."""
    found = re.search(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & 1 << (number - 1))


def container_name(server: Server) -> str:
    """A new name, for the reader of `docker ps`, and to remove a container by that is half made."""
    return f"wsgi-conform-{re.sub('[^A-Za-z0-9_.-]', '-', server.name)[:80]}-{uuid4().hex[:12]}"


def _is_port_taken(error: BaseException | None) -> bool:
    text = str(error.explanation).lower() if isinstance(error, APIError) else ""
    return "port is already allocated" in text or "address already in use" in text


def describe_exit(state: Mapping[str, Any]) -> str | None:
    """How a container ended, from the `State` that the engine gives; None while it runs.

    A process that a signal ended has the status 128 plus the signal's number, as in a shell.
    """
    if state["Running"] or state["Status"] == "created":
        return None
    code = int(state["ExitCode"])
    if code > 128 and code - 128 in set(signal.Signals):
        text = f"signal {signal.Signals(code - 128).name}"
    else:
        text = f"exit status {code}"
    if state.get("OOMKilled"):
        text += " (it reached its memory limit)"
    if state.get("Error"):
        text += f" ({state['Error']})"
    return text


class DockerBackend(Backend):
    """Starts deployments as containers of images that Compose builds.

    :param framework: the framework in the images, `reference` or `flask`.
    :param run_id: names this run's containers, whichever of its processes starts them; by default
        a run is one process.
    :param engine: as for `engine.connect`.
    """

    name = "docker"

    def __init__(
        self, framework: str = "reference", run_id: str | None = None, engine: str | None = None
    ) -> None:
        self.framework = framework
        self.engine = engine
        self.host = published_at(engine)
        self.run_id = run_id or str(Owner.current())
        # Of the variables that Compose would see, those that place a local process are not meant
        # for a container: it listens where its port is published from.
        self.variables = {
            name: value
            for name, value in compose_variables().items()
            if name not in ("WSGI_HOST", "WSGI_PORT")
        } | {"WSGI_CONFORM_FRAMEWORK": framework}
        self._lock = threading.Lock()
        self._client: DockerClient | None = None

    @property
    def client(self) -> DockerClient:
        """The engine's client, connected at its first use.

        :raises EngineUnavailable: no engine answers.
        """
        with self._lock:
            if self._client is None:
                self._client = connect(self.engine)
            return self._client

    def prepare(self, servers: Sequence[Server]) -> dict[str, str]:
        client = self.client
        failures: dict[str, str] = {}
        wanted: dict[tuple[Path, str], list[Server]] = {}
        for server in servers:
            if server.base is not None and server.service.get("image") != server.base.service.get(
                "image"
            ):
                if reason := self._prepare_variant(client, server):
                    failures[server.name] = reason
                continue
            try:
                image = container_settings(server, self.variables)["image"]
            except BackendError as error:
                failures[server.name] = str(error)
            else:
                wanted.setdefault((server.source, image), []).append(server)

        for source in dict.fromkeys(source for source, _ in wanted):
            services: dict[str, list[Server]] = {}
            for (path, image), users in wanted.items():
                if path != source:
                    continue
                if any("build" in server.service for server in users):
                    services[self._builder_of(source, image, users)] = users
                elif reason := self._missing(client, image):
                    failures |= {server.name: reason for server in users}
            for service, reason in self._build([source], list(services)).items():
                failures |= {server.name: reason for server in services[service]}
        return failures

    def _prepare_variant(self, client: DockerClient, server: Server) -> str | None:
        """Build the image of another release or on another Python; why that cannot be, or None.

        The Compose file is taken with a second one, which puts other values in the place of the
        arguments REQUIREMENTS and BASE_IMAGE of docker/Dockerfile.
        """
        assert server.base is not None
        if reason := server.missing(self.name):
            return reason
        if "build" not in server.service:
            return "it has no `build`, so there is no other image of it"
        arguments: dict[str, str] = {}
        try:
            if server.python is not None:
                arguments["BASE_IMAGE"] = self._base_image(client, server.python)
            if server.release is not None:
                python = server.python or self._python(server)
                found = releases.resolve(server, python, environments.Installers(), self.framework)
                assert found is not None
                arguments["REQUIREMENTS"] = found.read_text(encoding="utf-8")
        except BackendError as error:
            return str(error)
        service = {"image": server.service["image"], "build": {"args": arguments}}
        with owner.scratch() as directory:
            override = directory / "compose.yaml"
            # JSON is YAML.
            override.write_text(json.dumps({"services": {server.base.name: service}}))
            return self._build([server.source, override], [server.base.name]).get(server.base.name)

    def _base_image(self, client: DockerClient, python: str) -> str:
        """The base image with that Python: one that is here, or else the official one."""
        there = self._base_images(client).get(python)
        return there or f"{BASE_NAME}:{python}-slim-trixie"

    def _base_images(self, client: DockerClient) -> dict[str, str]:
        """The base images that are here, by their Python."""
        with engine_errors("looking for base images"):
            tags = sorted(tag for image in client.images.list(BASE_NAME) for tag in image.tags)
        found = (re.fullmatch(rf"{BASE_NAME}:(\d+\.\d+)-slim-.*", tag) for tag in tags)
        return {match[1]: match[0] for match in found if match}

    def engine_of(self, server: Server) -> str | None:
        return self.engine

    def pythons(self, server: Server) -> list[str]:
        if "build" not in server.service:
            return []
        return list(dict.fromkeys([self._python(server), *self._base_images(self.client)]))

    def _python(self, server: Server) -> str:
        """The Python of a service's image, as far as its build arguments tell."""
        build = server.service["build"]
        arguments = build.get("args", {}) if isinstance(build, dict) else {}
        base = str(arguments.get("BASE_IMAGE", "")) if isinstance(arguments, dict) else ""
        match = re.search(r":(\d+\.\d+)", interpolate(base, self.variables))
        return match[1] if match else environments.PYTHON

    def _builder_of(self, source: Path, image: str, users: Sequence[Server]) -> str:
        """The service to build an image by, when several share it: each time the same.

        Compose writes the service's name into the image. Building it by another one would replace
        an image by an equal one, and leave the old one behind without a name.
        """
        for server in load(source):
            text = interpolate(str(server.service.get("image", "")), self.variables)
            if text == image and "build" in server.service:
                return server.name
        return users[0].name

    def _build(self, files: Sequence[Path], services: Sequence[str]) -> dict[str, str]:
        """Build the images of these services; the reasons of those that cannot be, by service.

        One call for all: Compose builds side by side, and when nothing changed that costs half a
        second. It stops at the first failure, so then each is built by itself, to find which it
        was; what was finished is in the build cache.
        """
        if not services:
            return {}
        compose_version()
        environment = os.environ | {
            "WSGI_CONFORM_FRAMEWORK": self.framework,
            "DOCKER_BUILDKIT": "1",
            "BUILDKIT_PROGRESS": "plain",
        }
        if self.engine is not None:
            environment["DOCKER_HOST"] = host_of(self.engine)
        source, *overriding = files
        with build_context.beside(source) as first:
            named = [word for file in (first, *overriding) for word in ("--file", str(file))]
            command = ["docker", "compose", "--ansi", "never", *named, "build"]

            def build(*names: str) -> Run:
                return run([*command, *names], environment, BUILD_TIMEOUT_S)

            if build(*services).status == 0:
                return {}
            with ThreadPoolExecutor(max_workers=4) as pool:
                runs = list(pool.map(build, services))
        return {
            service: without_credentials(
                f"its image is not built:\n{last_lines(run.output, _REASON_LINES)}"
            )
            for service, run in zip(services, runs, strict=True)
            if run.status != 0
        }

    def _missing(self, client: DockerClient, image: str) -> str | None:
        """Why an image that is not built here cannot be had, or None when it is there."""
        try:
            with engine_errors(f"looking for the image {image}"):
                try:
                    client.images.get(image)
                except NotFound:
                    client.images.pull(image)
        except (NotFound, BackendError) as error:
            return (
                f"its image {image} is not on this machine, has no `build` in the Compose file, and"
                f" cannot be pulled: {reason(error)}"
            )
        return None

    def start(
        self,
        server: Server,
        token: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> DockerDeployment:
        return DockerDeployment(self, server, token, variables, port)

    def create(
        self,
        server: Server,
        token: str,
        address: Address,
        name: str,
        variables: Mapping[str, str] | None = None,
    ) -> Container:
        """Make, and do not start, a server's container.

        :param variables: environment variables beside those of the service.

        :raises docker.errors.APIError: the engine refuses.
        :raises BackendError: the service is not understood, or its image is not there.
        """
        settings = container_settings(server, self.variables)
        settings["environment"] = settings.get("environment", {}) | {
            "WSGI_CONFORM_DEPLOYMENT": token,
            "WSGI_CONFORM_FRAMEWORK": self.framework,
            **(variables or {}),
        }
        settings.setdefault("stop_signal", stop_signal(server).name)
        try:
            return self.client.containers.create(
                **settings,
                **network.SETTINGS,
                name=name,
                network=network.of_run(self.client, self.run_id),
                ports={f"{CONTAINER_PORT}/tcp": (address.host, address.port)},
                labels={
                    RUN_LABEL: self.run_id,
                    OWNER_LABEL: str(Owner.current()),
                    SERVER_LABEL: server.name,
                    # Compose writes its project into the images that it builds, and a container has
                    # its image's labels: a `docker compose up` at the same time would take this
                    # container for one of its own, and end when it ends.
                    "com.docker.compose.project": "",
                    "com.docker.compose.service": "",
                },
                # Said rather than left to the engine's configuration: with some of its drivers
                # nothing can be read back, and without a limit a server can fill the disk.
                log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "16m"}),
                # The SDK would pass on the proxies of the user's Docker configuration.
                use_config_proxy=False,
            )
        except NotFound as error:
            raise BackendError(
                f"{server.name}: there is no image {settings['image']}; `prepare` builds it"
                f" ({reason(error)})"
            ) from error

    def remove(self, container: str) -> None:
        """Remove a container, by its id or name and in any state, with its anonymous volumes.

        It is gone when this returns, also where somebody else removes it at this moment: another
        run that sweeps, or a question of this one that the engine had not answered in time.

        :raises BackendError: the engine cannot.
        """
        with contextlib.suppress(NotFound), engine_errors(f"removing the container {container}"):
            try:
                self.client.api.remove_container(container, force=True, v=True)
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                # Without a timeout of its own this one would have none.
                limit_s = self.client.api.timeout
                ended = self.client.api.wait(container, condition="removed", timeout=limit_s)
                if failure := ended.get("Error"):
                    raise DockerException(failure["Message"]) from error

    def sweep(self, *, own: bool = False) -> None:
        """Remove what crashed runs left behind; leaves runs that go on alone.

        A container is left behind when the process that started it is gone, so also when that was
        one of several that this run is made of. The run's network goes with the last of them.

        :param own: also remove what this run still has.
        :raises EngineUnavailable: no engine answers.
        """
        owner.sweep_directories()
        ports.sweep()
        with engine_errors("looking for containers of earlier runs"):
            found = self.client.api.containers(all=True, filters={"label": RUN_LABEL})
        for container in found:
            if is_leftover(container["Labels"], self.run_id if own else None):
                self.remove(container["Id"])
        network.sweep(self.client, self.run_id, own=own)

    def close(self) -> None:
        """Remove what this run still has, and leave the engine."""
        if self._client is not None:
            try:
                self.sweep(own=True)
            finally:
                self._client.close()
                self._client = None
