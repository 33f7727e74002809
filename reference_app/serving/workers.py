"""The threads of `ThreadedWSGIServer`, and who of them is awake.

The obvious design is a thread for each connection, or a number of threads that all wait in one
`epoll`. Both were measured, with small responses on a machine of two cores: 30,000 to 50,000
requests a second, against 80,000 for a single thread. The reason is the interpreter's lock. Eight
threads that wake for eight connections do not work at the same time; they take the lock from each
other at every system call, and each exchange costs more than the answer to a small request.

So one thread leads: it alone waits for connections, and it answers what it takes by itself. As
long as requests are short no other thread wakes. What must not happen is that a request which
takes long, because it waits for a database or a peer, keeps the others waiting. Therefore:

* A watch looks at the leader every millisecond. If it is still at the connection that it had at the
  last look, the lead passes to another thread, and the former leader finishes as an ordinary
  worker.
* If requests have been taking long lately, the leader does not wait for that: it gives the lead
  away before each request.

With `threads` given there are never more than that many, so never more than that many requests
under way: when all are busy the lead lies free, nobody waits for connections, and the next request
stays in its socket until a thread is done. Without it there are as many as are needed.

Who leads is a matter of speed, never of correctness: `Parking` gives each connection to one thread
only, so if two should lead for a moment nothing is wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .connection import Connection
from .log import Log
from .parking import Parking

# How long a request may take before others stop waiting for its thread, in seconds.
_PATIENCE = 0.001
# Requests that take longer than this on average are each given a thread at once, in seconds.
_LONG = 0.0005
# An idle thread ends after this many seconds; threads are made again when needed.
_IDLE = 30.0
# The watch goes to sleep after this many looks at a leader that has nothing to do.
_QUIET_LOOKS = 10


class _Lead:
    """One thread's time as the leader. `turn` is odd while it is busy with a connection; only that
    thread ever changes it."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn = 0


class Workers:
    """A group of threads that serve connections out of a `Parking`.

    :param parking: where the connections wait.
    :param serve: called with each connection that has bytes. It must not raise.
    :param threads: the greatest number of threads; None for as many as are needed.
    :param log: for what goes wrong.
    """

    def __init__(
        self,
        parking: Parking,
        serve: Callable[[Connection], None],
        threads: int | None,
        log: Log,
    ) -> None:
        self._parking = parking
        self._serve = serve
        self._limit = threads
        self._log = log
        self._stopped = False
        self._typical = 0.0  # seconds that a turn has taken lately
        self._state = threading.Lock()  # guards the next two, and `_threads`
        self._followers = 0
        self._lead: _Lead | None = None
        self._free = threading.Lock()  # held by whoever leads
        self._threads: set[threading.Thread] = set()
        self._watching = False
        self._watch_bell = threading.Event()

    def start(self) -> None:
        """Start the first thread, and the watch."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        with self._state:
            self._start_thread()

    def stop(self) -> None:
        """Make the threads end once they are done with what they are at; does not wait."""
        self._stopped = True
        self._parking.wake()
        self._watch_bell.set()

    def join(self, timeout: float) -> bool:
        """Wait for the threads to end; return whether they have.

        :param timeout: seconds.
        """
        deadline = time.monotonic() + timeout
        # Not while one is being started: what is in the set has started then.
        with self._state:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _start_thread(self) -> None:
        # The caller holds self._state.
        thread = threading.Thread(target=self._run, daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self._threads.discard(thread)
            self._log.message(f"No further thread could be started: {error}")

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._threads.discard(threading.current_thread())

    def _work(self) -> None:
        parking = self._parking
        while self._take_lead():
            lead = self._lead = _Lead()
            while self._lead is lead:
                connection = parking.wait()
                if self._stopped:
                    if connection is not None:
                        self._serve(connection)
                    self._hand_over(lead)
                    return
                if connection is None:
                    continue
                lead.turn += 1
                if self._typical > _LONG:
                    self._hand_over(lead)
                elif not self._watching:
                    self._watching = True
                    self._watch_bell.set()
                started = time.monotonic()
                self._serve(connection)
                self._typical += (time.monotonic() - started - self._typical) / 16
                lead.turn += 1

    def _take_lead(self) -> bool:
        """Wait to become the leader; return False if this thread has to end instead."""
        if self._stopped:
            return False
        if self._free.acquire(blocking=False):
            return True
        with self._state:
            self._followers += 1
        taken = self._free.acquire(timeout=_IDLE)
        with self._state:
            # Whoever hands over counts the followers under this lock. One that gave up waiting a
            # moment ago but was still counted takes the lead after all, or nobody would.
            taken = taken or self._free.acquire(blocking=False)
            self._followers -= 1
            if not taken:
                self._threads.discard(threading.current_thread())
        return taken

    def _hand_over(self, lead: _Lead) -> None:
        with self._state:
            if self._lead is not lead:
                return
            self._lead = None
            self._free.release()
            room = self._limit is None or len(self._threads) < self._limit
            if self._followers == 0 and room and not self._stopped:
                self._start_thread()

    def _watch(self) -> None:
        """Take the lead from a thread that is held up by its request."""
        while not self._stopped:
            self._watch_bell.wait()
            self._watch_bell.clear()
            last: tuple[_Lead | None, int] = (None, 0)
            quiet = 0
            while quiet < _QUIET_LOOKS and not self._stopped:
                time.sleep(_PATIENCE)
                lead = self._lead
                now = (lead, lead.turn if lead is not None else 0)
                if now != last:
                    quiet = 0
                elif lead is not None and lead.turn % 2:
                    self._hand_over(lead)
                else:
                    quiet += 1
                last = now
            self._watching = False
            # A leader that set out between the last look and here saw a watch that was awake.
            lead = self._lead
            if lead is not None and lead.turn % 2:
                self._watching = True
                self._watch_bell.set()
