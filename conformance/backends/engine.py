"""The container engine and Compose: finding them, and saying plainly what they answer.

What is run in containers is not known here; that is `conformance.backends.docker`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from docker import APIClient, DockerClient, from_env
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound
from requests.utils import get_environ_proxies

from conformance.backends import BackendError, EngineHung, EngineUnavailable

#: Seconds that the engine has for an answer. Far more than one takes: a machine that builds images
#: or runs other suites at the same time answers late, and that is nothing to fail for.
ENGINE_TIMEOUT_S = 60
#: What part of that it has where it has just not answered: whoever asks again and again, as the
#: checks of start and stop do, would else wait for hours.
SILENT_SHARE = 12
#: The environment variable that says otherwise, as it did to Docker's own tools in Python.
_TIMEOUT = "DOCKER_CLIENT_TIMEOUT"
CONNECT_TIMEOUT_S = 10
LOOPBACK = "127.0.0.1"

#: The commands that `run` has under way.
_running: set[subprocess.Popen[bytes]] = set()


def connect(engine: str | None = None) -> DockerClient:
    """A client of an engine.

    :param engine: where it listens, as unix:///PATH or tcp://HOST:PORT, or a Docker context's name;
        None for the one that the `docker` command would use.
    :raises EngineUnavailable: none answers; says what was tried and what to do.
    :raises BackendError: the variable for its timeout has no number.
    """
    timeout_s = _timeout_s()
    tried = "the current Docker context" if engine is None else f"--engine {engine}"
    try:
        host, tried = _where() if engine is None else (host_of(engine), tried)
        if host.startswith("unix://"):
            # Tried first without the SDK, which wraps a plain refusal in three others, and leaves
            # its socket open.
            with socket.socket(socket.AF_UNIX) as trying:
                trying.settimeout(CONNECT_TIMEOUT_S)
                trying.connect(host.removeprefix("unix://"))
        if engine is None:
            client = from_env(timeout=CONNECT_TIMEOUT_S, max_pool_size=32)
        else:
            context = None if "://" in engine else ContextAPI.get_context(engine)
            client = DockerClient(
                base_url=host,
                tls=(context is not None and context.TLSConfig) or False,
                timeout=CONNECT_TIMEOUT_S,
                max_pool_size=32,
            )
            client.ping()
    except (DockerException, requests.RequestException, OSError, ValueError) as error:
        raise EngineUnavailable(_unavailable(tried, reason(error))) from error
    _give_time(client.api, timeout_s)
    # The environment is read here, and not again with each request: acts send requests in threads
    # of their own, while pytest changes the environment with each phase of a check.
    client.api.proxies = get_environ_proxies(client.api.base_url)
    client.api.trust_env = False
    return client


def _give_time(api: APIClient, timeout_s: int) -> None:
    """Give an engine its time for each answer, and little where it has just not answered."""
    send = api.send

    def timed(request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        try:
            response = send(request, **kwargs)
        except requests.Timeout:
            api.timeout = max(timeout_s // SILENT_SHARE, 1)
            raise
        api.timeout = timeout_s
        return response

    api.timeout = timeout_s
    api.send = timed  # type: ignore[method-assign]


def _timeout_s() -> int:
    told = os.environ.get(_TIMEOUT) or str(ENGINE_TIMEOUT_S)
    if not told.isdecimal() or not int(told):
        raise BackendError(f"{_TIMEOUT}={told}: expected a whole number of seconds, such as 60")
    return int(told)


def host_of(engine: str) -> str:
    """Where an engine listens.

    :param engine: that itself, or the name of a Docker context.
    :raises EngineUnavailable: there is no such context.
    """
    if "://" in engine:
        return engine
    context = ContextAPI.get_context(engine)
    if context is None or not context.Host:
        names = ", ".join(sorted(found.name for found in ContextAPI.contexts()))
        raise EngineUnavailable(
            f"--engine {engine}: expected where an engine listens, such as tcp://HOST:2375, or the"
            f" name of a Docker context, of which there are: {names}"
        )
    return str(context.Host)


def published_at(engine: str | None) -> str:
    """The address at which an engine's containers are reached: loopback for one of this machine.

    :raises EngineUnavailable: there is no such engine.
    """
    where = os.environ.get("DOCKER_HOST", "") if engine is None else host_of(engine)
    parts = urlsplit(where)
    if parts.scheme in ("", "unix", "npipe") or not parts.hostname:
        return LOOPBACK
    try:
        return socket.gethostbyname(parts.hostname)
    except OSError as error:
        raise EngineUnavailable(f"--engine {engine}: {parts.hostname}: {error.strerror}") from error


def _where() -> tuple[str, str]:
    """Where the engine listens, and that with the reason why it is looked for there."""
    if host := os.environ.get("DOCKER_HOST"):
        return host, f"DOCKER_HOST, which is {host}"
    context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT"))
    host = str(context.Host) if context is not None else ""
    name = context.name if context is not None else os.environ.get("DOCKER_CONTEXT")
    return host, f"{host or 'nothing'}, of the Docker context {name!r}"


def probe() -> str:
    """The versions of the engine and of Compose, for `wsgi-conform doctor`.

    :raises EngineUnavailable: one of them is missing; says what was tried and what to do.
    """
    client = connect()
    try:
        with engine_errors("asking for the engine's version"):
            engine = client.version()
    finally:
        client.close()
    return f"Docker Engine {engine['Version']}, Docker Compose {compose_version()}"


def compose_version() -> str:
    """The version of Docker Compose.

    :raises EngineUnavailable: it is missing or too old; says what was found and what to install.
    """
    try:
        done = run(["docker", "compose", "version", "--short"], os.environ, ENGINE_TIMEOUT_S)
    except FileNotFoundError:
        found = "there is no `docker` command on the PATH"
    else:
        version = done.output.strip().removeprefix("v")
        if done.status == 0 and version[:1].isdigit() and int(version.partition(".")[0]) >= 2:
            return version
        found = f"`docker compose version` printed {last_lines(done.output, 1)!r}"
    raise EngineUnavailable(
        f"Docker Compose 2 or newer is needed to build the images: {found}. Install the Compose"
        " plugin (on Debian and Ubuntu: docker-compose-v2 or docker-compose-plugin), or use"
        " `--backend process`, which needs no container engine."
    )


def _unavailable(tried: str, reason: str) -> str:
    hint = "start one (`sudo systemctl start docker`, or Docker Desktop)"
    if "ermission" in reason:
        hint = "let this user use it (`sudo usermod -aG docker $USER`, then log in again)"
    return (
        f"no container engine answers: tried {tried}: {reason}. To have one, {hint}, or set"
        " DOCKER_HOST to where it listens. `--backend process` needs no engine."
    )


def reason(error: BaseException) -> str:
    """The one sentence of an error that says why, without what the SDK wraps round it."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return str(error) or type(error).__name__


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into a BackendError that says at what; NotFound stays as it is.

    :raises EngineHung: the engine has not answered in time.
    """
    try:
        yield
    except NotFound:
        raise
    except requests.Timeout as error:
        raise EngineHung(f"{doing}: the container engine has not answered in time") from error
    except (DockerException, requests.RequestException) as error:
        raise BackendError(f"{doing}: the container engine says: {reason(error)}") from error


@dataclass(frozen=True)
class Run:
    """How a command ended, and all that it printed."""

    status: int
    output: str


def run(argv: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Run:
    """Run a command to its end; when this process is interrupted, it and its children end too.

    A session of its own: `docker compose` is two processes, and a signal to the first alone would
    leave the second building.
    """
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _running.add(process)
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except BaseException as error:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            try:
                output, _ = process.communicate(timeout=10)
                break
            except subprocess.TimeoutExpired:
                continue
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        text = output.decode(errors="replace").rstrip()
        return Run(-1, f"{text}\nnot finished after {timeout_s:g} s, so stopped")
    finally:
        _running.discard(process)
    return Run(process.returncode, output.decode(errors="replace"))


def stop_commands() -> None:
    """End the commands that other threads run; an interrupt reaches the main thread alone."""
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def last_lines(text: str, count: int) -> str:
    """The last lines of a text that are not blank."""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-count:])
