"""Waiting for threads: what they raise is raised, and a signal that one of them got is noticed."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from conformance.waiting import settle, wait


def test_all_are_waited_for() -> None:
    with ThreadPoolExecutor(4) as pool:
        futures: list[Future[Any]] = [pool.submit(pow, 2, exponent) for exponent in range(20)]
        wait(futures)
        assert all(future.done() for future in futures)
    wait([])


def test_what_one_raises_is_raised_while_others_go_on() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[Any]] = [
            pool.submit(release.wait),
            pool.submit(int, "no number"),
        ]
        with pytest.raises(ValueError, match="no number"):
            wait(futures)
        assert not futures[0].done()
        release.set()


def test_settling_cancels_what_has_not_begun_and_raises_nothing() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        futures: list[Future[Any]] = [
            pool.submit(release.wait),
            pool.submit(int, "no number"),
            pool.submit(int, "no number"),
        ]
        threading.Timer(0.05, release.set).start()
        settle(futures)
        assert futures[0].result() is True
        assert [future.cancelled() for future in futures] == [False, True, True]


def test_a_signal_that_another_thread_got_is_noticed() -> None:
    """Sent to that thread, as the kernel does with the second of two that come at once."""
    release = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def got_it() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        release.wait()

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with ThreadPoolExecutor(1) as pool:
            try:
                with pytest.raises(KeyboardInterrupt):
                    wait([pool.submit(got_it)])
            finally:
                release.set()
    finally:
        signal.signal(signal.SIGUSR1, previous)
