"""The modules of a server's checks that nobody has taken yet: how its checks are divided.

Several pytest processes may judge one server, each on a deployment of its own. Which of them takes
which module is not planned, because nobody knows how long a server takes: the names lie in a pipe
that all of them read, and the kernel hands each name to one of them.
"""

from __future__ import annotations

import array
import fcntl
import os
import termios
import time
from collections.abc import Iterable, Iterator

import pytest

#: Bytes that a name takes in the pipe: reads of that size never get parts of names.
_RECORD = 64
#: What a pipe holds everywhere, in bytes.
_CAPACITY = 16 * 1024


class Queue:
    """Names of modules to be taken by several processes, each by one.

    :param modules: the names, the first to be taken first.
    :ivar reading: the file descriptor that the processes inherit.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        names = [module.encode() for module in modules]
        assert max(map(len, names), default=0) <= _RECORD
        assert len(names) * _RECORD <= _CAPACITY
        self.reading, writing = os.pipe()
        os.write(writing, b"".join(name.ljust(_RECORD) for name in names))
        os.close(writing)

    def __len__(self) -> int:
        """How many are left."""
        found = array.array("i", [0])
        fcntl.ioctl(self.reading, termios.FIONREAD, found)
        return found[0] // _RECORD

    def close(self) -> None:
        """What is left is not taken any more."""
        os.close(self.reading)


def take(reading: int) -> Iterator[str]:
    """Take names out of a queue until none is left."""
    while record := os.read(reading, _RECORD):
        yield record.decode().rstrip()


class Taker:
    """A pytest plugin that runs, of what was collected, the modules that it takes out of a queue.

    :ivar longest_s: the seconds that the module took which took longest.
    """

    def __init__(self, reading: int) -> None:
        self._reading = reading
        self.longest_s = 0.0

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run the checks, in the place of pytest's own loop."""
        if session.testsfailed:
            # To collect them, that is; pytest's own loop says so.
            return None
        modules: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            modules.setdefault(module_of(item), []).append(item)
        for module in take(self._reading):
            began = time.monotonic()
            items = modules[module]
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
        return True


def module_of(item: pytest.Item) -> str:
    """The name of the module that a check is in."""
    assert isinstance(item, pytest.Function)
    return str(item.module.__name__)
