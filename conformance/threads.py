"""Work in several threads that an interrupt ends.

A signal is meant for the process, and where two come at once, the kernel may hand both to a thread
that waits for something else. Python notes them there and runs their handlers in the main thread,
but nothing wakes that up: if it waits without a limit, it waits on as if nothing had come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds after which the main thread looks whether a signal came.
_LOOK_S = 0.2


def each(
    function: Callable[[T], object], items: Iterable[T], threads: int, stop: Callable[[], object]
) -> None:
    """Call a function with each item, several at a time, and wait until all are done.

    :param threads: how many at a time.
    :param stop: called at the first exception or interrupt: it makes the calls under way end soon.
        Those that have not begun are not made.
    :raises BaseException: the first that a call raised, or the interrupt.
    """
    waiting: set[Future[Any]] = set()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.add(pool.submit(function, item))
            while waiting:
                done, waiting = wait(waiting, _LOOK_S, FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            waiting = {future for future in waiting if not future.cancel()}
            stop()
            while waiting:
                waiting = wait(waiting, _LOOK_S).not_done
            raise
