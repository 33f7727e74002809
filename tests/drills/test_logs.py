"""A server that prints without end: it is neither stopped nor kept waiting, and fills no disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

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
    deployment = ProcessBackend().start(local(tmp_path), uuid4().hex)
    readiness.wait_until_ready(deployment)
    yield deployment
    deployment.stop()


def on_disk(log: server_log.ServerLog) -> int:
    """How much room it takes, in bytes."""
    return os.fstat(log.descriptor).st_blocks * 512


def printing(deployment: ProcessDeployment, path: str) -> int:
    """Have it print; the most room that its log took meanwhile."""
    largest = 0
    done = threading.Event()

    def look() -> None:
        nonlocal largest
        while not done.wait(0.005):
            largest = max(largest, on_disk(deployment.log))

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
    assert len(deployment.logs()) <= server_log.READ


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


def test_room_is_given_back_and_marks_hold(tmp_path: Path) -> None:
    with server_log.ServerLog(tmp_path / "log") as log:
        os.write(log.descriptor, b"first\n" + b"x" * 3 * server_log.KEPT)
        while on_disk(log) > 2 * server_log.KEPT:
            """It is looked at ten times a second."""
        mark = log.mark()
        os.write(log.descriptor, b"second\n")
        assert log.since(mark) == "second\n"
        assert set(log.since(0)) == set("xsecond\n")
        assert b"\0" not in b"".join(log.follow(lambda: True))
