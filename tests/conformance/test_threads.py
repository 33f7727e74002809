"""Threads: what they raise is raised, the others are stopped, and no signal is missed."""

from __future__ import annotations

import signal
import threading

import pytest

from conformance import threads


def test_each_item_is_worked_on() -> None:
    found: list[int] = []
    threads.each(found.append, range(20), 4, found.clear)
    assert sorted(found) == list(range(20))
    threads.each(found.append, [], 4, found.clear)


def test_what_one_raises_stops_the_others() -> None:
    release = threading.Event()
    begun: list[str] = []

    def work(item: str) -> None:
        begun.append(item)
        if item == "waits":
            release.wait()
        else:
            int(item)

    with pytest.raises(ValueError, match="no number"):
        threads.each(work, ["waits", "no number", *["waits"] * 20], 2, release.set)
    assert release.is_set()
    # The one that raised has made way for one more at most.
    assert len(begun) <= 3


def test_a_signal_that_another_thread_got_is_noticed() -> None:
    """Sent to that thread, as the kernel does with the second of two that come at once."""
    release = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def got_it(item: int) -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        release.wait()

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.each(got_it, [1], 1, release.set)
    finally:
        signal.signal(signal.SIGUSR1, previous)
