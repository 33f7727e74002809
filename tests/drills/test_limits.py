"""Servers that take what there is: processes, memory, disk. Others do not notice.

A container has limits for all three. A local process has one for memory alone: Linux counts
processes by user and not by their parent (RLIMIT_NPROC, which does not hold for root), so a limit
would hit everything else that the user runs; what a server forks is ended with it.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from conformance import readiness
from conformance.backends import docker
from conformance.backends.docker import DockerBackend
from conformance.backends.process import ProcessBackend
from conformance.client import PeerError
from tests.conformance.test_docker_backend import ended
from tests.drills.servers import contained, get, local


def test_processes_that_fork_while_they_are_ended(tmp_path: Path) -> None:
    """Each forks its successor and is gone before its number is looked up."""
    deployment = ProcessBackend().start(local(tmp_path), uuid4().hex)
    readiness.wait_until_ready(deployment)
    get(deployment, "/comets")
    deployment.stop()
    assert deployment.left() == 0


# --- In containers ---


def test_what_one_takes_another_has(backend: DockerBackend, tmp_path: Path, image: str) -> None:
    other = contained(backend, tmp_path, image)
    it = contained(backend, tmp_path, image, pids_limit=64, mem_limit="64m", tmpfs="/tmp:size=2m")
    assert get(it, "/fill/tmp/file") == "No space left on device"
    made, reason = get(it, "/bomb").split(" ", 1)
    assert (int(made) < 64, reason) == (True, "Resource temporarily unavailable")
    assert get(other, "/-/versions") == "{}"
    it.stop()
    assert get(other, "/-/versions") == "{}"
    other.stop()


def test_memory_up_to_the_limit(backend: DockerBackend, tmp_path: Path, image: str) -> None:
    it = contained(backend, tmp_path, image, mem_limit="64m")
    with pytest.raises(PeerError):
        get(it, "/fill-memory")
    assert "SIGKILL" in ended(it)
    it.restart()
    readiness.wait_until_ready(it)
    it.stop()


def test_a_line_of_any_length(backend: DockerBackend, tmp_path: Path, image: str) -> None:
    it = contained(backend, tmp_path, image)
    get(it, "/print-one-line/8")
    assert len(it.logs()) <= docker.LOG_READ
    it.stop()
