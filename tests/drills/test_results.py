"""What a run found until it was killed, or until the disk was full, is kept and can be had."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import cli, results
from conformance.backends.leftovers import Owner
from conformance.results import ResultsError, Writer
from tests.conformance.test_cli import command, document, owned, running, tiny_run, verdicts
from tests.drills.conftest import LIMIT_S

PAGE = os.sysconf("SC_PAGE_SIZE")
#: Some check, as long as one is with its exchanges.
CHECK = {"id": "a/b", "verdict": "pass", "parity": None, "message": "x" * PAGE}


# --- SIGKILL ---


@pytest.fixture
def killed(tmp_path: Path, empty: Path) -> Path:
    """The results directory of a run that was killed after one of its two servers was done."""
    with running(tmp_path, empty, "tiny") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + LIMIT_S
        while list(owned(process.pid)):
            assert time.monotonic() < deadline, "its servers run on"
            time.sleep(0.01)
    assert "results.json" not in os.listdir(tmp_path / "results")
    return tmp_path / "results"


def test_after_a_kill_the_report_has_what_was_found(
    killed: Path, tmp_path: Path, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", str(killed), "--results", str(killed)]) == 130
    assert "\ninterrupted: these are the results so far\n" in capsys.readouterr().out
    found = document(killed)
    assert (found["run"]["exit_status"], found["run"]["incomplete"]) == (130, True)
    assert verdicts(found) == {"tiny": ["fail"], "silent": []}
    # Whoever runs something else next sweeps what was started.
    arguments = tiny_run(tmp_path, empty, "next", next={})
    arguments[arguments.index("--results") + 1] = tmp_path / "next"
    assert cli.main(list(map(str, arguments))) == 1


def test_after_a_kill_the_next_run_keeps_what_was_found_until_it_has_found_something(
    killed: Path, tmp_path: Path, empty: Path
) -> None:
    # One that does not even begin.
    without = ["run", "waitress", "--engine", "unix:///nowhere", "--results", str(killed)]
    assert cli.main(without) == 3
    found = results.load(killed / "results.json")
    assert found["run"]["incomplete"]
    assert verdicts(found) == {"tiny": ["fail"], "silent": []}
    assert cli.main(list(map(str, tiny_run(tmp_path, empty, tiny={})))) == 1
    assert verdicts(document(killed)) == {"tiny": ["fail"]}


# --- A full disk ---


class Disk:
    """A small file system, which can be filled up."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._filler = directory / "filler"

    def leave(self, pages: int) -> None:
        """Fill it up to so many pages."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * PAGE)
        os.truncate(self._filler, self._filler.stat().st_size - pages * PAGE)

    def make_room(self) -> None:
        """As somebody does who has read the message."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 1 MiB with the results of an earlier run."""
    if os.geteuid() != 0:
        pytest.skip("to mount a file system needs root")
    directory = tmp_path / "results"
    directory.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    if subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        writer = Writer(directory)
        writer.finish({"exit_status": 0}, [])
        yield Disk(directory)
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def gone_wrong(writer: Writer, number: int) -> str | None:
    """Write checks and the document, as a run does; what the message says if that fails."""
    outline: tuple[dict[str, Any], list[dict[str, Any]]] = ({"run": number}, [{"name": "it"}])
    try:
        writer.outline(*outline)
        for identity in ("a/b", "a/c", "a/d"):
            writer.add("it", {**CHECK, "id": identity})
            writer.outline(*outline)
        writer.finish(*outline)
    except ResultsError as error:
        # As a run does, whatever happened.
        with contextlib.suppress(ResultsError):
            writer.finish(*outline)
        return str(error)
    return None


def test_wherever_it_gets_full_nothing_is_lost(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = []
    for pages in range(1, 14):
        earlier = results.load(disk.directory / "results.json")
        disk.leave(pages)
        writer = Writer(disk.directory)
        messages.append(gone_wrong(writer, pages))
        if messages[-1] is not None:
            assert results.load(disk.directory / "results.json") == earlier
        kept = [check["id"] for check in writer.checks("it")]
        begun = (writer._parts / "outline.json").exists()
        disk.make_room()
        with monkeypatch.context() as patch:
            patch.setattr(Owner, "gone", True)
            results.recover(disk.directory)
        assert os.listdir(disk.directory) == ["results.json"]
        found = results.open_document(disk.directory)
        if messages[-1] is None:
            assert found.run == {"run": pages}
        elif begun:
            assert found.run == {"run": pages, "incomplete": True}
            assert found.ids("it") == kept
        else:
            assert (found.run, kept) == (earlier["run"], [])
    assert set(messages) == {
        None,
        f"{disk.directory}/results.json cannot be written: No space left on device. What the "
        f"run found until then is kept: when this is mended, `wsgi-conform report "
        f"{disk.directory} --results {disk.directory}` shows it",
    }


def test_a_run_with_a_full_disk(disk: Disk, tmp_path: Path, empty: Path) -> None:
    earlier = (disk.directory / "results.json").read_bytes()
    disk.leave(2)
    arguments = tiny_run(tmp_path, empty, tiny={})
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert done.stderr.startswith(
        f"wsgi-conform: {disk.directory}/results.json cannot be written: No space left on device"
    )
    assert "Traceback" not in done.stderr
    assert (disk.directory / "results.json").read_bytes() == earlier
    disk.make_room()
    assert cli.main(["report", str(disk.directory), "--results", str(disk.directory)]) == 130
    assert verdicts(document(disk.directory))["tiny"] in ([], ["fail"])
