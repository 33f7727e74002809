"""How the tests run side by side, which is what `make test` has them do, by pytest-xdist."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.conformance.deployments import built_image

#: Tests that run one after the other, by how their ids begin. What a run left on the container
#: engine is removed by whoever uses that next, so those that look whether something is left would
#: be in each other's way; one browser takes enough memory; and where dozens of servers run, what is
#: to pass might not. The mark for this, `xdist_group`, has no effect with the pytest of today.
TOGETHER = {
    "engine": (
        "tests/conformance/test_docker_backend.py",
        "tests/conformance/test_engines.py",
        "tests/drills/",
    ),
    "browser": ("tests/page/",),
    "servers": (
        "tests/mutants/test_mutants.py::test_the_unbroken",
        "tests/mutants/test_mutants.py::test_nothing_passes",
    ),
}


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out one test at a time, except for those that belong together; these come first."""

    def _split_scope(self, nodeid: str) -> str:
        found = [name for name, begin in TOGETHER.items() if nodeid.startswith(begin)]
        return found[0] if found else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Have the tests handed out like that, where no other way is asked for."""
    return Scheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_xdist_auto_num_workers() -> int | None:
    """Two processes for each core: half of what the tests do is to wait."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 2 * len(os.sched_getaffinity(0))


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for temporary files where no run but the test's own finds what one left.

    Processes have no such place: if they are left, any other run may have removed them already.
    """
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture(scope="session")
def image() -> str:
    """An image of the project to run something in; skips where there is no engine."""
    return built_image()
