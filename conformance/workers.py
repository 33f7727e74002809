"""The pytest processes of a run, each forked from one that has collected the checks.

To start Python, to import pytest and the suite and to collect that takes as much of a processor as
to make a hundred checks. So one process does it, while images or environments are prepared, and
forks the others when they are asked for, by a socket: a JSON object in a line, and the files that
the new process gets, which are where it prints, where it tells what it finds (`--wsgi-events`) and
its queue (`--wsgi-queue`).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any

from conformance.backends.process import describe_exit

#: Seconds between two looks whether a process has ended that has told all that it will.
_POLL_S = 0.005
#: Bytes that are read at a time.
_CHUNK = 65536
#: Bytes that are told of what was printed.
_KEPT = 65536


class WorkersEnded(Exception):
    """The process that forks is not there; says how it ended and what it printed."""


class Worker:
    """A process that was forked.

    :ivar pid: its id. It is that of no other until `ended` has said that it ended.
    """

    def __init__(self, workers: Workers, pid: int) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self.pid = pid
        self._status: int | None = None

    def ended(self) -> int | None:
        """Its exit status, as `subprocess.Popen.returncode` has it, or None: it goes on.

        :raises WorkersEnded: nobody can tell.
        """
        with self._lock:
            if self._status is None:
                self._status = self._workers.ask({"ended": self.pid})
            return self._status

    def wait(self) -> int:
        """Wait until it has ended; its exit status.

        :raises WorkersEnded: nobody can tell.
        """
        while (status := self.ended()) is None:
            time.sleep(_POLL_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is known to have ended."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by force."""
        self.send_signal(signal.SIGKILL)


class Workers:
    """The process that collects the checks, and forks.

    :param command: of pytest, with whatever is the same for every server.
    :param environment: of all these processes.
    :param output: a file in which what it prints is kept.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
    ) -> None:
        self._lock = threading.Lock()
        self._output = output
        self._socket, theirs = socket.socketpair()
        self._answers = self._socket.makefile("rb")
        with theirs:
            self._process = subprocess.Popen(
                [*command, f"--wsgi-forks={theirs.fileno()}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[theirs.fileno()],
                # Out of the terminal's process group: an interrupt comes from us, and once.
                start_new_session=True,
            )

    def start(self, options: Mapping[str, object], files: Sequence[int]) -> Worker:
        """Have a process forked that judges a server.

        :param options: the plugin's that are this server's, by the names of their attributes.
        :param files: where it prints, where it tells what it finds, and its queue.
        :raises WorkersEnded: nobody forks.
        """
        return Worker(self, self.ask({"start": options}, files))

    def ask(self, question: Mapping[str, object], files: Sequence[int] = ()) -> Any:
        """Ask the process that forks, one at a time.

        :raises WorkersEnded: it does not answer, because it is not there any more.
        """
        line = json.dumps(question).encode() + b"\n"
        with self._lock:
            try:
                sent = socket.send_fds(self._socket, [line], files)
                self._socket.sendall(line[sent:])
                answer = self._answers.readline()
            except OSError:
                answer = b""
        if not answer:
            raise WorkersEnded(self._end())
        return json.loads(answer)

    def _end(self) -> str:
        ended = describe_exit(self._process.wait())
        text = os.pread(self._output.fileno(), _KEPT, 0).decode("utf-8", "replace")
        return f"pytest, which was to collect the checks, ended with {ended}\n{text}"

    def kill(self) -> None:
        """End the process that forks by force; those that it forked go on."""
        self._process.kill()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Have it end, and wait for that."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self._answers.close()
        self._socket.close()


def serve(descriptor: int) -> dict[str, Any] | None:
    """Fork as often as asked; when nobody asks any more, interrupt those that go on.

    That is so only if who asked was killed: what it has started does not outlive it.

    :param descriptor: of the socket by which it is asked.
    :return: in each process that is forked its options; in the one that forks None, in the end.
    """
    # What is there is there to stay: a collection in one of those forked would copy all of it.
    gc.collect()
    gc.freeze()
    # Nor is what has been printed to be printed once more by each.
    sys.stdout.flush()
    forked: set[int] = set()
    # Whoever asks may be killed in the middle of a question.
    with contextlib.suppress(ConnectionError), socket.socket(fileno=descriptor) as asked:
        while question := _question(asked):
            told, files = question
            if "ended" in told:
                pid, status = os.waitpid(told["ended"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
                forked.discard(pid)
            else:
                answer = os.fork()
                if answer == 0:
                    return _begin(told["start"], files)
                forked.add(answer)
                for file in files:
                    os.close(file)
            asked.sendall(json.dumps(answer).encode() + b"\n")
    for pid in forked:
        os.kill(pid, signal.SIGINT)
    return None


def _question(asked: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    line, files, _, _ = socket.recv_fds(asked, _CHUNK, 3)
    while line and not line.endswith(b"\n"):
        more = asked.recv(_CHUNK)
        if not more:
            return None
        line += more
    return (json.loads(line), list(files)) if line else None


def _begin(options: dict[str, Any], files: Sequence[int]) -> dict[str, Any]:
    """Make a process of its own of this one; its options."""
    os.setsid()
    output, events, queue = files
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    for file in (events, queue):
        os.set_inheritable(file, False)
    return {**options, "wsgi_events": events, "wsgi_queue": queue}
