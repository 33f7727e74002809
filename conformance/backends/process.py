"""The process backend: deployments as local processes, each in a virtual environment of its own.

It runs the command that the container would run, on a loopback port. The server gets an environment
that is built from nothing, so that no secret and no setting of this machine reaches it, and a
working directory of its own that is gone when it is. It serves the reference application, or one of
somebody's own.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import reference_app
from conformance import releases, threads
from conformance.backends import (
    LOG_KEPT,
    Address,
    Backend,
    BackendError,
    Deployment,
    environments,
    grace_period,
    owner,
    ports,
    stop_signal,
)
from conformance.backends.application import Application
from conformance.backends.leftovers import is_ending
from conformance.backends.server_log import READ, ServerLog
from conformance.registry import Server

HOST = "127.0.0.1"
#: How much more a process may map than a container may use.
_MAPPED_PER_USED = 4
_TOKEN = "WSGI_CONFORM_DEPLOYMENT"
#: Seconds between two looks at a gate.
_POLL_S = 0.005
#: Seconds that a process which has begun to exit may take for it.
_END_LIMIT_S = 2.0


class ProcessDeployment(Deployment):
    """A server as a local process group.

    :param framework: what the reference application runs on.
    :param application: what it serves instead of that.
    :param port: where; None for any that is free.
    """

    token: str
    log: ServerLog

    def __init__(
        self,
        server: Server,
        token: str,
        environment: Path,
        framework: str,
        owned_by: str,
        variables: Mapping[str, str] | None = None,
        application: Application | None = None,
        port: int | None = None,
    ) -> None:
        self.server = server
        self.token = token
        self._grace_s = grace_period(server)
        self._stop_signal = stop_signal(server)
        # The limit is there for what the suite sends; how much an application needs is its own.
        self._memory = memory_limit(server) if application is None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._port = ports.reserve(HOST, port)
        self.address = Address(HOST, self._port.number)
        self._directory = Path(tempfile.mkdtemp(prefix=owner.directory_prefix(owned_by)))
        self.log = ServerLog(self._directory / "server.log")
        temporary = self._directory / "tmp"
        temporary.mkdir()
        self._gates = temporary / f"wsgi-conform-{token}"
        # The application is reached by a link, so that nothing else that is installed beside it
        # here can be imported by the server.
        code = self._directory / "code"
        code.mkdir()
        (code / "reference_app").symlink_to(Path(reference_app.__file__).parent)
        self._variables = {
            "PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(environment),
            "HOME": str(self._directory),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "WSGI_HOST": HOST,
            "WSGI_PORT": str(self._port.number),
            "WSGI_CONFORM_FRAMEWORK": framework,
            _TOKEN: token,
            owner.VARIABLE: owned_by,
            **(application.variables if application is not None else {}),
            **(variables or {}),
        }
        own = server.environment(self._variables)
        own_path = own.pop("PYTHONPATH", None)
        paths = [str((server.source.parent / own_path).resolve())] if own_path else []
        self._variables.update(own, PYTHONPATH=os.pathsep.join([*paths, str(code)]))
        try:
            self._start()
        except BaseException:
            self.stop(grace_s=0)
            raise

    def _start(self) -> None:
        self._process = self._spawn(self._variables, self.log)
        if self._memory is not None:
            with contextlib.suppress(ProcessLookupError):
                limits = (self._memory, self._memory)
                resource.prlimit(self._process.pid, resource.RLIMIT_DATA, limits)

    def _spawn(self, variables: Mapping[str, str], log: ServerLog) -> subprocess.Popen[bytes]:
        command = self.server.command(variables)
        program = shutil.which(command[0], path=self._variables["PATH"])
        if program is None:
            raise BackendError(
                f"{self.server.name}: the command {command[0]!r} is not in its environment; "
                f"do its requirements install it?"
            )
        try:
            return subprocess.Popen(
                [program, *command[1:]],
                cwd=self._directory,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log.descriptor,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise BackendError(f"{self.server.name}: {program} cannot be run: {error}") from error

    def exit_status(self) -> str | None:
        if self._process is None:
            return "stopped"
        code = self._process.poll()
        if code is None and is_ending(self._process.pid):
            # Its peers know already that it is gone.
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_END_LIMIT_S)
        return None if code is None else describe_exit(code)

    def wait(self, limit_s: float) -> str | None:
        """Wait until it has ended, and say how; None if it still runs after `limit_s` seconds."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(limit_s)
        return self.exit_status()

    def _status(self) -> str:
        if self._process is None:
            return ""
        try:
            return Path(f"/proc/{self._process.pid}/status").read_text("ascii", "replace")
        except FileNotFoundError:
            return ""

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, grace_s: float | None = None) -> None:
        try:
            self._end(self._grace_s if grace_s is None else grace_s)
        finally:
            self._clean()

    def restart(self) -> None:
        self._end(self._grace_s)
        self._start()

    def logs(self, last_lines: int = 40) -> str:
        return "\n".join(self.log.since(0, READ).splitlines()[-last_lines:])

    def printed_by_now(self) -> float:
        return self.log.mark()

    def printed_since(self, mark: float) -> str:
        return self.log.since(int(mark), LOG_KEPT)

    def follow(self, ended: Callable[[], bool]) -> Iterator[bytes]:
        return self.log.follow(ended)

    def left(self) -> int:
        return len(owner.processes(_TOKEN, self.token))

    def run_again(self, limit_s: float) -> tuple[str | None, str]:
        # By a token of its own it is told apart, in what it answers and when it is ended.
        token = uuid4().hex
        with ServerLog(self._directory / f"{token}.log") as log:
            process = self._spawn({**self._variables, _TOKEN: token}, log)
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(limit_s)
                code = process.poll()
            finally:
                process.kill()
                process.wait()
                owner.end(_TOKEN, token)
            printed = log.since(0, READ)
        return (None if code is None else describe_exit(code)), printed

    def wait_at_gate(self, gate: str, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while not (self._gates / f"{gate}.waiting").exists():
            if time.monotonic() > deadline or not self.alive:
                return False
            time.sleep(_POLL_S)
        return True

    def open_gate(self, gate: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # the application never came to it
            (self._gates / f"{gate}.open").touch()

    def _end(self, grace_s: float) -> None:
        process, self._process = self._process, None
        try:
            if process is not None and process.poll() is None:
                process.send_signal(self._stop_signal)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(grace_s)
        finally:
            # Also when an interrupt cuts the waiting short.
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
            # Workers that outlived the main process, in its process group or out of it.
            owner.end(_TOKEN, self.token)

    def _clean(self) -> None:
        self.log.close()
        self._port.release()
        shutil.rmtree(self._directory, ignore_errors=True)


class ProcessBackend(Backend):
    """Deployments as local processes.

    :param framework: `reference` or `flask`: what the application is run on.
    :param owned_by: the harness that everything belongs to (`backends.owner`).
    :param application: what is served instead of the reference application.
    """

    name = "process"

    def __init__(
        self,
        framework: str = "reference",
        owned_by: str | None = None,
        application: Application | None = None,
    ) -> None:
        self.framework = framework
        self.owned_by = owned_by or owner.me()
        self.application = application

    def prepare(self, servers: Sequence[Server]) -> dict[str, str]:
        failed: dict[str, str] = {}
        installers = environments.Installers()

        def install(server: Server) -> None:
            try:
                self.environment(server, installers)
            except BackendError as error:
                failed[server.name] = str(error)

        # Threads, because uv does the work; a lock per environment makes each of them once.
        threads.each(install, servers, os.cpu_count() or 2, stop=installers.stop)
        return failed

    def start(
        self,
        server: Server,
        token: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> ProcessDeployment:
        return ProcessDeployment(
            server,
            token,
            self.environment(server),
            self.framework,
            self.owned_by,
            variables,
            self.application,
            port,
        )

    def pythons(self, server: Server) -> list[str]:
        return list(dict.fromkeys([environments.PYTHON, *environments.interpreters()]))

    def sweep(self) -> None:
        owner.sweep_processes()
        owner.sweep_directories()
        ports.sweep()

    def environment(
        self, server: Server, installers: environments.Installers | None = None
    ) -> Path:
        """The server's virtual environment, made if it is not there yet.

        :raises BackendError: it cannot be made here; carries the installer's message.
        """
        if reason := server.missing(self.name):
            raise BackendError(f"{server.name} does not run as a local process here: {reason}")
        installers = installers or environments.Installers()
        requirements = releases.resolve(
            server,
            server.python or environments.PYTHON,
            installers,
            self.framework if self.application is None else None,
        )
        framework, name = environments.pinned(self.framework), self.framework
        files = [framework]
        if requirements is not None and requirements != framework:
            files.append(requirements)
        if self.application is not None:
            # It comes with what it needs: no framework, of another version perhaps, in its way.
            files, name = files[1:] or [environments.pinned("serving")], "own"
        python = server.python or environments.INTERPRETER
        return environments.make(f"{server.project}-{name}", files, python, installers)


def memory_limit(server: Server) -> int | None:
    """How many bytes of data a server's process may map, or None where its service has no limit.

    A container has `mem_limit` for what is in use. A process without any can take the whole machine
    when a request makes the server store without end; but what is mapped, the stacks of threads
    among it, is more than what is in use, so it may be several times as much.

    :raises BackendError: `mem_limit` is no size.
    """
    value = server.service.get("mem_limit")
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([bkmg]?)b?", str(value).lower())
    if match is None:
        raise BackendError(f"{server.name}: expected `mem_limit` like 512m, found {value!r}")
    units = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30}
    return int(float(match[1]) * 2 ** units[match[2]]) * _MAPPED_PER_USED


def describe_exit(code: int) -> str:
    """How a process ended, from what `Popen.returncode` is."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal, which has no name
        return f"signal {-code}"
