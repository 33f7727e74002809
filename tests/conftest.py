"""How the tests run side by side, which is what `make test` has them do, by pytest-xdist."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.conformance.deployments import built_image

#: Fixtures for what there is one of on this machine: the tests that use it run one after the other.
#: What a run left on the container engine is removed by whoever uses that next, so tests that look
#: whether something is left would be in each other's way; and one browser takes enough memory.
ALONE = ("image", "browser")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Two processes for each core: half of what the tests do is to wait."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 2 * len(os.sched_getaffinity(0))


# Before pytest-xdist looks at the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests that use the same thing run in the same process."""
    for item in items:
        for name in ALONE:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))


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
