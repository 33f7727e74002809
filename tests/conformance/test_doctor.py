"""The doctor: what it finds here, and its words and status where something is missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from conformance import cli, doctor, registry
from conformance.backends import EngineUnavailable, engine
from conformance.doctor import Finding

SUBJECTS = ["python", "registry", "uv", "environments", "ports", "engine"]


def no_engine() -> str:
    """What a machine without an engine says."""
    raise EngineUnavailable("no engine\nstart one")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """What is found on this machine if it had no engine."""
    monkeypatch.setattr(engine, "probe", no_engine)
    return {finding.subject: finding for finding in doctor.examine()}


def test_what_is_looked_at(found: dict[str, Finding]) -> None:
    interpreters = [f"python3.{minor}" for minor in range(11, 15)]
    assert list(found) == [*SUBJECTS, *interpreters]


def test_what_a_run_needs_is_here(found: dict[str, Finding]) -> None:
    assert [subject for subject in SUBJECTS if not found[subject].ok] == ["engine"]
    assert found["python"].text.endswith(f", {sys.executable}")
    assert found["registry"].text == f"{len(registry.load())} servers in {registry.default_path()}"
    assert re.fullmatch(r"\d+ made, in .*, \d+ GiB free", found["environments"].text)
    assert found["ports"].text == "free ones between 20000 and 31999 on 127.0.0.1"


def test_no_engine_is_told_and_keeps_no_run_from_being_made(found: dict[str, Finding]) -> None:
    assert found["engine"] == Finding("engine", False, "no engine\n    start one")
    assert doctor.can_run(list(found.values()))


@pytest.mark.parametrize("subject", ["python", "registry", "uv", "environments", "ports"])
def test_what_processes_need_has_to_be_there(found: dict[str, Finding], subject: str) -> None:
    found[subject] = Finding(subject, False, "missing")
    assert not doctor.can_run(list(found.values()))


def test_an_interpreter_that_is_not_here_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor._interpreter("3.13") == Finding(
        "python3.13", False, "not found (it is not needed)"
    )
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert not doctor._interpreter("3.13").ok
    shim.write_text("#!/bin/sh\necho Python 3.13.9\n")
    assert doctor._interpreter("3.13") == Finding("python3.13", True, "Python 3.13.9")


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    finding = doctor._finding("environments", doctor._environments)
    assert not finding.ok
    assert str(tmp_path / "file") in finding.text


@pytest.mark.parametrize(("ok", "status"), [(True, 0), (False, 3)])
def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ok: bool, status: int
) -> None:
    findings = [Finding("ports", ok, "free ones"), Finding("engine", False, "none")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert cli.main(["doctor"]) == status
    assert capsys.readouterr().out == (
        f"{'ok' if ok else 'no'}  ports               free ones\nno  engine              none\n"
    )
