"""What all drills share: whatever happens in one, nothing of ours is left when it is over."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.backends import owner
from conformance.backends.docker import DockerBackend
from tests.conformance.test_docker_backend import containers

#: Seconds that what ends by itself may take for it.
LIMIT_S = 30.0


def processes(directory: Path) -> list[tuple[int, str]]:
    """The processes whose temporary files are there: servers, and pytest processes of runs."""
    return [
        (pid, Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " "))
        for pid, variables in owner._environments()
        if Path(variables.get("TMPDIR", "/")).is_relative_to(directory)
        if Path(f"/proc/{pid}").exists()
    ]


def files(directory: Path) -> list[str]:
    """What lies there, locks of ports among it, for which alone a directory may stay."""
    locks = f"wsgi-conform-ports-{os.getuid()}"
    return [str(path) for path in directory.rglob("*") if path.name != locks]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of the drill's own for temporary files; nobody and nothing is there at its end.

    pytest's own, `tmp_path`, is elsewhere.
    """
    directory = Path(tempfile.mkdtemp(prefix="wsgi-conform-drill-"))
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    deadline = time.monotonic() + LIMIT_S
    while (left := [*processes(directory), *files(directory)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(directory)
    assert left == []


@pytest.fixture
def backend(image: str) -> Iterator[DockerBackend]:
    """A backend that has no container any more at the end of the drill, without being told."""
    backend = DockerBackend(run_id=f"drill-{uuid.uuid4().hex[:8]}")
    try:
        yield backend
        assert containers(backend) == []
    finally:
        backend.close()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A directory without expectations."""
    directory = tmp_path / "expectations"
    directory.mkdir()
    return directory
