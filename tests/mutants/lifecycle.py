"""Mutants of how the server starts and stops."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_app.areas import journal, lifecycle
from reference_app.serving import run, server
from reference_app.serving.connection import Connection
from tests.mutants import program_mutant
from tests.mutants.messages import rows
from tests.mutants.programs import IN_PROCESSES, UNDER_MASTER, Master, fork, load, serve, supervise

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Seconds that what never happens takes: longer than any check waits for it.
NEVER_S = 60.0

FAULTS = "import-failure no-callable"
WAYS = "killed exits faults"


def on_signals(handle: Callable[[server.BaseWSGIServer, int], object]) -> None:
    """Have the program do this at SIGTERM and SIGINT instead of stopping gracefully."""

    def replaced(self: Any, number: int, frame: Any) -> None:
        handle(self._server, number)

    run._Signals._handle = replaced  # type: ignore[method-assign]


def broken_application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What a server might serve that has no application."""
    start_response("200 OK", [("Content-Length", "8")])
    return [b"It works"]


# Start


@program_mutant(
    "serves-without-the-application",
    breaks=[
        *rows("lifecycle/start/not-served", FAULTS),
        *rows("lifecycle/start/status", FAULTS),
        *rows("lifecycle/start/logged", FAULTS),
    ],
)
def serves_without(host: str, port: int) -> None:
    try:
        application: WSGIApplication = load()
    except (ImportError, RuntimeError):
        application = broken_application
    serve(host, port, application)


@program_mutant(
    "failed-start-is-success",
    breaks=[*rows("lifecycle/start/status", FAULTS), "lifecycle/start/port-taken"],
)
def failed_start_is_success(host: str, port: int) -> None:
    try:
        serve(host, port)
    except (ImportError, RuntimeError, SystemExit) as error:
        print(error, "The port is in use.", file=sys.stderr)
        sys.exit(0)


@program_mutant(
    "says-nothing-of-a-failed-start",
    breaks=[*rows("lifecycle/start/logged", FAULTS), "lifecycle/start/port-taken-logged"],
)
def says_nothing(host: str, port: int) -> None:
    errors, sys.stderr = sys.stderr, io.StringIO()
    try:
        application = load()
        with socket.create_server((host, port)):
            pass
    except (ImportError, RuntimeError, OSError):
        sys.exit(1)
    sys.stderr = errors
    serve(host, port, application)


@program_mutant(
    "shares-its-port",
    breaks=rows("lifecycle/start", "port-taken port-taken-logged port-taken-first"),
)
def shares_its_port(host: str, port: int) -> None:
    bind = server.BaseWSGIServer.server_bind

    def shared(self: server.BaseWSGIServer) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bind(self)

    server.BaseWSGIServer.server_bind = shared  # type: ignore[method-assign]
    serve(host, port)


@program_mutant("ends-who-was-first", breaks=["lifecycle/start/port-taken-first"])
def ends_who_was_first(host: str, port: int) -> None:
    file = Path(os.environ["HOME"], "process")
    try:
        with socket.create_server((host, port)):
            file.write_text(str(os.getpid()), encoding="utf-8")
    except OSError:
        os.kill(int(file.read_text(encoding="utf-8")), signal.SIGKILL)
        sys.exit("The port was in use.")
    serve(host, port)


# Stop


@program_mutant(
    "signals-ignored",
    breaks=[
        *rows("lifecycle/stop", "idle status nothing-left refuses kept kept-closed second-signal"),
        *rows("lifecycle/drain", "request-ends request-status refuses stream-ends half-sent-ends"),
        *rows("lifecycle/interrupt", "ends status"),
    ],
)
def signals_ignored(host: str, port: int) -> None:
    on_signals(lambda server, number: None)
    serve(host, port)


@program_mutant(
    "stop-is-failure",
    breaks=[
        "lifecycle/stop/status",
        "lifecycle/drain/request-status",
        "lifecycle/interrupt/status",
    ],
)
def stop_is_failure(host: str, port: int) -> None:
    serve(host, port)
    sys.exit(3)


@program_mutant(
    "a-process-is-left",
    breaks=[*rows("lifecycle/stop", "nothing-left kept second-signal"), "lifecycle/interrupt/ends"],
)
def process_left(host: str, port: int) -> None:
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        time.sleep(NEVER_S)
        os._exit(0)
    serve(host, port)


@program_mutant("socket-is-left", breaks=["lifecycle/stop/refuses", "lifecycle/stop/nothing-left"])
def socket_left(host: str, port: int) -> None:
    activate = server.BaseWSGIServer.server_activate

    def inherited(self: server.BaseWSGIServer) -> None:
        activate(self)
        if os.fork() == 0:
            time.sleep(NEVER_S)
            os._exit(0)

    server.BaseWSGIServer.server_activate = inherited  # type: ignore
    serve(host, port)


@program_mutant(
    "idle-connections-are-waited-for", breaks=rows("lifecycle/stop", "kept kept-closed")
)
def idle_waited_for(host: str, port: int) -> None:
    def keep(self: server.BaseWSGIServer, connection: Connection) -> None:
        self.parking.park(connection)

    server.BaseWSGIServer._keep_or_close = keep  # type: ignore[method-assign]
    serve(host, port)


@program_mutant("says-goodbye", breaks=["lifecycle/stop/kept-closed"])
def says_goodbye(host: str, port: int) -> None:
    keep_or_close = server.BaseWSGIServer._keep_or_close

    def say(self: server.BaseWSGIServer, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        keep_or_close(self, connection)

    server.BaseWSGIServer._keep_or_close = say  # type: ignore[method-assign]
    serve(host, port)


@program_mutant("second-signal-blocks", breaks=["lifecycle/stop/second-signal"])
def second_signal_blocks(host: str, port: int) -> None:
    received: list[int] = []

    def handle(server: server.BaseWSGIServer, number: int) -> None:
        if received:
            time.sleep(NEVER_S)
        received.append(number)
        server.stop()

    on_signals(handle)
    serve(host, port)


@program_mutant("interrupt-ignored", breaks=rows("lifecycle/interrupt", "ends status"))
def interrupt_ignored(host: str, port: int) -> None:
    def handle(server: server.BaseWSGIServer, number: int) -> None:
        if number == signal.SIGTERM:
            server.stop()

    on_signals(handle)
    serve(host, port)


@program_mutant("address-not-reused", breaks=["lifecycle/restart/same-port"])
def address_not_reused(host: str, port: int) -> None:
    server.BaseWSGIServer.allow_reuse_address = False
    serve(host, port)


@program_mutant("outputs-go-nowhere", breaks=rows("lifecycle/log", "stdout stderr wsgi-errors"))
def outputs_go_nowhere(host: str, port: int) -> None:
    application = load()
    sys.stdout = sys.stderr = io.StringIO()
    serve(host, port, application)


# Stop, with requests in flight


@program_mutant(
    "stops-at-once",
    breaks=rows("lifecycle/drain", "request refuses stream stream-closed next-on-connection"),
)
def stops_at_once(host: str, port: int) -> None:
    on_signals(lambda server, number: os._exit(0))
    serve(host, port)


@program_mutant("streams-are-cut-off", breaks=["lifecycle/drain/stream"])
def streams_cut_off(host: str, port: int) -> None:
    stopping = threading.Event()

    def handle(server: server.BaseWSGIServer, number: int) -> None:
        stopping.set()
        server.stop()

    def blocks(self: lifecycle.Stream) -> Iterator[bytes]:
        yield b"before the gate\n"
        journal.hold(self._key, NEVER_S)
        if not stopping.is_set():
            yield b"behind the gate\n"

    on_signals(handle)
    lifecycle.Stream.__iter__ = blocks  # type: ignore[method-assign]
    serve(host, port)


@program_mutant("close-is-forgotten", breaks=["lifecycle/drain/stream-closed"])
def close_forgotten(host: str, port: int) -> None:
    del lifecycle.Stream.close
    serve(host, port)


class Counted:
    """The application, and how many requests are held in it."""

    def __init__(self) -> None:
        self._application = load()
        self.held = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/lifecycle/held"):
            return self._application(environ, start_response)
        self.held += 1
        try:
            return self._application(environ, start_response)
        finally:
            self.held -= 1


@program_mutant("goes-on-while-it-drains", breaks=["lifecycle/drain/refuses"])
def goes_on(host: str, port: int) -> None:
    application = Counted()

    def handle(server: server.BaseWSGIServer, number: int) -> None:
        def stop_later() -> None:
            while application.held:
                time.sleep(0.01)
            server.stop()

        threading.Thread(target=stop_later).start()

    on_signals(handle)
    serve(host, port, application)


@program_mutant(
    "does-not-end-after-requests",
    breaks=rows("lifecycle/drain", "request-ends request-status"),
)
def does_not_end(host: str, port: int) -> None:
    application = Counted()
    held: list[int] = []

    def handle(server: server.BaseWSGIServer, number: int) -> None:
        held.append(application.held)
        server.stop()

    on_signals(handle)
    serve(host, port, application)
    if sum(held):
        time.sleep(NEVER_S)


@program_mutant("does-not-end-after-streams", breaks=["lifecycle/drain/stream-ends"])
def does_not_end_after_streams(host: str, port: int) -> None:
    closed: list[str] = []
    lifecycle.Stream.close = lambda self: closed.append(self._key)  # type: ignore[method-assign]
    serve(host, port)
    if closed:
        time.sleep(NEVER_S)


def at_the_end(act: Callable[[server.BaseWSGIServer, Connection], None]) -> None:
    """Do this to each connection of which a part of a request has come when the server stops."""
    keep_or_close = server.BaseWSGIServer._keep_or_close

    def changed(self: server.BaseWSGIServer, connection: Connection) -> None:
        if connection.started:
            act(self, connection)
        else:
            keep_or_close(self, connection)

    server.BaseWSGIServer._keep_or_close = changed  # type: ignore[method-assign]


@program_mutant("half-a-request-is-half-answered", breaks=["lifecycle/drain/half-sent"])
def half_answered(host: str, port: int) -> None:
    def half(self: server.BaseWSGIServer, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        self.close_request(connection)

    at_the_end(half)
    serve(host, port)


@program_mutant("half-a-request-is-waited-for", breaks=["lifecycle/drain/half-sent-ends"])
def half_waited_for(host: str, port: int) -> None:
    def forget(self: server.BaseWSGIServer, connection: Connection) -> None:
        connection.deadline = time.monotonic() + NEVER_S

    at_the_end(forget)
    serve(host, port)


# Reload and death


@program_mutant(
    "reload-ignored", breaks=["lifecycle/reload/new-workers"], capabilities=UNDER_MASTER
)
def reload_ignored(host: str, port: int) -> None:
    supervise(host, port, reload=lambda self: None)


@program_mutant("reload-by-force", breaks=["lifecycle/reload/in-flight"], capabilities=UNDER_MASTER)
def reload_by_force(host: str, port: int) -> None:
    supervise(host, port, end=lambda self, pid: os.kill(pid, signal.SIGKILL))


@program_mutant(
    "reload-closes-the-socket", breaks=["lifecycle/reload/none-lost"], capabilities=UNDER_MASTER
)
def reload_closes(host: str, port: int) -> None:
    def reload(self: Master) -> None:
        self.old.add(self.worker)
        self.listener.close()
        self.end(self.worker)
        time.sleep(0.5)
        self.listener = self.listen(self.host, self.port)
        self.worker = self.start()

    supervise(host, port, reload=reload)


@program_mutant(
    "the-dead-are-not-replaced",
    breaks=rows("lifecycle/death/replaced", WAYS),
    capabilities=UNDER_MASTER,
)
def not_replaced(host: str, port: int) -> None:
    supervise(host, port, replace=lambda self: None)


@program_mutant(
    "dies-after-the-answer", breaks=rows("lifecycle/death/seen", WAYS), capabilities=UNDER_MASTER
)
def dies_after_the_answer(host: str, port: int) -> None:
    application = load()
    answered: list[str] = []

    def later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if answered:
            os._exit(7)
        if environ["PATH_INFO"].startswith("/lifecycle/end/"):
            answered.append(environ["PATH_INFO"])
            return broken_application(environ, start_response)
        return application(environ, start_response)

    supervise(host, port, application=later)


@program_mutant(
    "deaths-end-siblings", breaks=["lifecycle/death/sibling"], capabilities=IN_PROCESSES
)
def deaths_end_siblings(host: str, port: int) -> None:
    collect = server.ForkingWSGIServer._collect

    def with_siblings(self: server.ForkingWSGIServer, descriptor: int) -> None:
        status = os.waitid(os.P_PID, self._children[descriptor][0], os.WEXITED | os.WNOWAIT)
        if status is not None and status.si_code != os.CLD_EXITED:
            self.kill_children()
        collect(self, descriptor)

    server.ForkingWSGIServer._collect = with_siblings  # type: ignore[method-assign]
    fork(host, port)
