"""Programs that mutants are made of: the reference server alone, and with a master above it.

The reference server has no master that replaces its workers. So that checks of such masters fail
where one is broken, here is a small one: it does what is declared of it, and no more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from reference_app.serving import run, run_simple
from tests.mutants import Mutant

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load() -> WSGIApplication:
    """The application, as every server loads it."""
    from reference_app.wsgi import application

    return application


def serve(host: str, port: int, application: WSGIApplication | None = None, **options: Any) -> None:
    """Serve with threads, as every mutant is served."""
    options = {"threaded": True, "threads": 8, **options}
    run_simple(host, port, application or load(), **options)


class Master:
    """Has one worker, starts another when it dies, and changes it for a new one at SIGHUP.

    :ivar worker: the process that serves.
    :ivar old: those that are to end.
    """

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        self.application = application
        self.listener = self.listen(host, port)
        self.host, self.port = host, port
        self.worker = 0
        self.old: set[int] = set()

    def listen(self, host: str, port: int) -> socket.socket:
        """The socket that all workers accept from."""
        return socket.create_server((host, port), backlog=1024)

    def run(self) -> None:
        """Serve until a signal."""
        awaited = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
        self.worker = self.start()
        while True:
            number = signal.sigwait(awaited)
            if number == signal.SIGHUP:
                self.reload()
            elif number == signal.SIGCHLD:
                self.collect()
            else:
                break
        self.listener.close()
        for pid in {self.worker, *self.old}:
            self.end(pid)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()

    def start(self) -> int:
        """Start a worker and return its process."""
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            server = run.create_server(
                self.host,
                self.port,
                self.application,
                fd=os.dup(self.listener.fileno()),
                threaded=True,
                threads=8,
            )
            self.listener.close()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: server.stop())
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            server.serve_forever()
            server.server_close()
            status = 0
        finally:
            os._exit(status)

    def end(self, pid: int) -> None:
        """Tell a worker to stop."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def collect(self) -> None:
        """Take note of workers that ended."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                self.old.discard(pid)
                if pid == self.worker:
                    self.replace()

    def replace(self) -> None:
        """The worker died: start another."""
        self.worker = self.start()

    def reload(self) -> None:
        """Change the worker for a new one."""
        self.old.add(self.worker)
        previous = self.worker
        self.worker = self.start()
        self.end(previous)


def supervise(
    host: str, port: int, application: WSGIApplication | None = None, **members: Any
) -> None:
    """Serve under a master with these members in place of its own."""
    type("MutantMaster", (Master,), members)(host, port, application or load()).run()


def fork(host: str, port: int) -> None:
    """Serve each request in a process of its own."""
    serve(host, port, threaded=False, threads=None, processes=4)


#: What is declared of a program under the master.
UNDER_MASTER = {"supervised": True, "reload-signal": "SIGHUP"}
#: What is declared of the forking server.
IN_PROCESSES = {"threads": 1, "processes": 4, "supervised": True}

#: What mutants of the two are mutants of.
SUPERVISED = Mutant("supervised", (), program=supervise, capabilities=UNDER_MASTER)
FORKING = Mutant("forking", (), program=fork, capabilities=IN_PROCESSES)
