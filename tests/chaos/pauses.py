"""Pauses: processes of a run are stopped for a moment, as by a machine with other things to do.

This is what chaos has in common with a busy machine, and it works for every server: whatever it is
written in, it does not notice, except by the clock.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterable, Sequence

from conformance.backends import owner

#: Seconds that a pause takes, from and to.
PAUSE_S = (0.02, 0.4)
#: Seconds between two of them, where there is one client.
GAP_S = (0.01, 0.6)


class Pauses:
    """Stops processes of this harness and has them go on; a context manager.

    :param clients: the process ids of the clients.
    """

    def __init__(self, seed: int, clients: Callable[[], Sequence[int]]) -> None:
        self._random = random.Random(f"{seed} pauses")
        self._clients = clients
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pauses", daemon=True)

    def __enter__(self) -> Pauses:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._random.uniform(*GAP_S) / max(1, len(self._clients()))):
            chosen = self._choose()
            try:
                _send(chosen, signal.SIGSTOP)
                self._over.wait(self._random.uniform(*PAUSE_S))
            finally:
                _send(chosen, signal.SIGCONT)

    def _choose(self) -> Sequence[int]:
        """A client, all processes of a server, or one of them: what is left goes on meanwhile."""
        clients = self._clients()
        if clients and self._random.random() < 1 / 3:
            return [self._random.choice(clients)]
        # Some change their session, and all keep the variable.
        processes = sorted(owner.processes(owner.VARIABLE, owner.me()))
        if not processes:
            return ()
        one = self._random.choice(processes)
        if self._random.random() < 1 / 2:
            return [one]
        return [process for process in processes if _session(process) == _session(one)]


def _session(process: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(process)
    return None


def _send(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
