"""A server that prints without end: it is neither stopped nor kept waiting, and fills no disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import readiness
from conformance.backends import LOG_KEPT, server_log
from conformance.backends.process import ProcessBackend, ProcessDeployment
from tests.drills.servers import get, local

MIB = 1024 * 1024
#: The most that lies on the disk at any time: the limit, and what is printed between two looks.
MOST = 768 * MIB


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[ProcessDeployment]:
    """A local server that is ready."""
    deployment = ProcessBackend().start(local(tmp_path), "token")
    readiness.wait_until_ready(deployment)
    yield deployment
    deployment.stop()


def printing(deployment: ProcessDeployment, path: str) -> int:
    """Have it print; the largest size that its log had meanwhile."""
    largest = 0
    done = threading.Event()

    def look() -> None:
        nonlocal largest
        while not done.wait(0.005):
            largest = max(largest, os.fstat(deployment.log.descriptor).st_size)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        get(deployment, path)
    finally:
        done.set()
        looking.join()
    return largest


def test_a_gigabyte_of_log(deployment: ProcessDeployment) -> None:
    mark = deployment.printed_by_now()
    assert printing(deployment, "/print/1024") < MOST
    assert deployment.alive
    assert deployment.printed_by_now() > mark
    assert deployment.logs(1) == "the last line"
    since = deployment.printed_since(mark)
    assert since.endswith("the last line\n")
    assert len(since) <= LOG_KEPT
    mark = deployment.printed_by_now()
    assert deployment.printed_since(mark) == ""
    printing(deployment, "/print/0")
    assert deployment.printed_since(mark) == "the last line\n"


def test_one_line_that_is_all_of_it(deployment: ProcessDeployment) -> None:
    printing(deployment, "/print-one-line/32")
    assert len(deployment.logs()) <= server_log.KEPT


def test_who_follows_it_gets_the_end(deployment: ProcessDeployment) -> None:
    ended = threading.Event()
    got: list[bytes] = []

    def follow() -> None:
        for printed in deployment.follow(ended.is_set):
            # The beginning is there, and it is not known here how much there is between.
            got[1:] = [printed]

    following = threading.Thread(target=follow)
    following.start()
    printing(deployment, "/print/128")
    deployment.stop()
    ended.set()
    following.join(60)
    assert got[0].startswith(b"it starts\n")
    assert got[-1].endswith(b"the last line\n")


def test_what_is_dropped_is_told_once_and_marks_hold(tmp_path: Path) -> None:
    with server_log.ServerLog(tmp_path / "log") as log:
        os.write(log.descriptor, b"first\n" + b"x" * server_log.LIMIT)
        while log.since(0, 2 * server_log.LIMIT).startswith("first"):
            """It is looked at ten times a second."""
        mark = log.mark()
        os.write(log.descriptor, b"second\n")
        assert log.since(mark) == "second\n"
        assert log.since(0).startswith("(of what was printed before this, wsgi-conform kept")
        assert log.mark() == len(b"first\n") + server_log.LIMIT + len(b"second\n")
        assert (tmp_path / "log").stat().st_size < 2 * server_log.KEPT
