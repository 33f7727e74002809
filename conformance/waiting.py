"""Waiting for threads in a way that an interrupt ends.

A signal is meant for the process, and where two come at once, the kernel may hand both to a thread
that waits for something else. Python notes them there and runs their handlers in the main thread,
but nothing wakes that up: if it waits without a limit, it waits on as if nothing had come.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future
from concurrent.futures import wait as wait_for
from typing import Any

#: Seconds after which the main thread looks whether a signal came.
_LOOK_S = 0.2


def wait(futures: Iterable[Future[Any]]) -> None:
    """Wait until all are done.

    :raises BaseException: what one of them raised, while others may still go on.
    """
    waiting = set(futures)
    while waiting:
        done, waiting = wait_for(waiting, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


def settle(futures: Iterable[Future[Any]]) -> None:
    """Cancel those that have not begun and wait for the others, whatever becomes of them."""
    waiting = {future for future in futures if not future.cancel()}
    while waiting:
        waiting = wait_for(waiting, timeout=_LOOK_S).not_done
