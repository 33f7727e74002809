"""Acts: performed once, when they are needed, on deployments of which nothing is left."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock, call

import pytest

import conformance.backends.process
import conformance.plugin  # noqa: F401
from conformance import readiness, registry
from conformance.acts import ACTS, Stage
from conformance.acts.stopping import HeldRequest, stop
from conformance.backends import Deployment, owner
from conformance.capabilities import Capabilities
from conformance.client import ConnectionClosed, Wire
from tests.conformance.deployments import compose, tiny
from tests.conformance.peer import peer, read_head

pytest_plugins = ["pytester"]

TEXT = """
from pathlib import Path
import pytest
from conformance.acts import act
from conformance.client import PeerError
from conformance.clauses import Source, clause

SOURCE = Source("A text", "A section", "https://example.org/#a")

@act
def once(stage):
    with open(PERFORMED, "a") as file:
        file.write("once ")
    deployment = stage.start({"EXTRA": "told"})
    return stage.wire(deployment).ask("GET", "/environ").body

@act
def spoiled(stage):
    stage.start()
    raise PeerError("the server did wrong")

@act
def broken(stage):
    raise KeyError("the harness did wrong")

@act
def unneeded(stage):
    with open(PERFORMED, "a") as file:
        file.write("unneeded ")

@clause("area/told", "must", SOURCE, requires=("control",))
def test_told(once):
    "A title."
    assert b'"EXTRA": "told"' in once

@clause("area/again", "must", SOURCE, requires=("control",))
def test_again(once):
    "A title."
    assert b"something else" in once

@clause("area/spoiled", "must", SOURCE, requires=("control",))
def test_spoiled(spoiled):
    "A title."

@clause("area/broken", "must", SOURCE, requires=("control",))
def test_broken(broken):
    "A title."

@clause("area/does-not-apply", "must", SOURCE, requires=("reload-signal",))
def test_does_not_apply(unneeded):
    "A title."
"""

Verdicts = Callable[..., dict[str, str]]


@pytest.fixture
def verdicts(pytester: pytest.Pytester, tmp_path: Path) -> Verdicts:
    """Runs the checks above against the tiny server and returns their verdicts."""

    def run(*arguments: str) -> dict[str, str]:
        known = dict(ACTS)
        pytester.makepyfile(test_checks=f"PERFORMED = {str(tmp_path / 'performed')!r}\n{TEXT}")
        directory = tmp_path / "expectations"
        directory.mkdir()
        events = tmp_path / "events"
        pytester.runpytest_inprocess(
            "-p",
            "conformance.plugin",
            "--wsgi-server=tiny",
            f"--wsgi-compose={compose(tmp_path, tiny={})}",
            f"--wsgi-expectations={directory}",
            "--wsgi-time-limit=2",
            # The plugin closes it.
            f"--wsgi-events={os.open(events, os.O_WRONLY | os.O_CREAT)}",
            f"--wsgi-owner={owner.me()}",
            *arguments,
        )
        ACTS.clear()
        ACTS.update(known)
        told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
        checks = [event["check"] for event in told if event["event"] == "check"]
        return {check["id"]: check["verdict"] for check in checks}

    return run


def test_facts_are_judged_and_what_gives_none_is_blamed(verdicts: Verdicts, tmp_path: Path) -> None:
    assert verdicts() == {
        "area/told": "pass",
        "area/again": "fail",
        "area/spoiled": "fail",
        "area/broken": "error",
        "area/does-not-apply": "not-applicable",
    }
    assert (tmp_path / "performed").read_text() == "once "
    assert owner.processes(owner.VARIABLE, owner.me()) == []


@pytest.mark.parametrize(("late", "asked"), [(False, 0), (True, 3)])
def test_a_signal_that_is_handled_late_is_waited_for(
    late: bool, asked: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = [False, False, True]
    deployment = Mock(spec=Deployment, alive=True)
    deployment.handles.side_effect = answers
    deployment.server = tiny(
        tmp_path,
        **{
            registry.EXTENSION: {
                "project": "late",
                "documentation": "https://example.org",
                "late-signals": late,
            }
        },
    )
    monkeypatch.setattr(readiness, "wait_until_ready", lambda *_: None)
    stage = Stage(lambda _: deployment, Capabilities(), 2.0, lambda _: 1.0)
    assert stage.start() is deployment
    assert deployment.handles.call_args_list == [call(signal.SIGTERM)] * asked


def test_a_signal_is_sent_once_the_main_process_waits(tmp_path: Path) -> None:
    deployment = Mock(spec=Deployment, server=tiny(tmp_path))
    deployment.is_waiting.side_effect = [False, False, True]
    stop(deployment)
    expected = [
        call.is_waiting(),
        call.is_waiting(),
        call.is_waiting(),
        call.signal(signal.SIGTERM),
    ]
    assert deployment.method_calls == expected


def test_only_what_the_chosen_checks_need_is_performed(verdicts: Verdicts, tmp_path: Path) -> None:
    assert verdicts("--wsgi-check=area/spoiled") == {"area/spoiled": "fail"}
    assert not (tmp_path / "performed").exists()


def test_a_request_that_is_cut_off_a_moment_later_is_not_let_go_before() -> None:
    if not hasattr(select, "POLLRDHUP"):
        pytest.skip("this system does not tell that a connection is cut")
    happened: list[str] = []

    def cut(connection: socket.socket) -> None:
        read_head(connection)
        time.sleep(0.1)
        happened.append("cut")

    deployment = Mock()
    deployment.open_gate.side_effect = lambda key: happened.append("let go")
    with peer(cut) as server:
        stage = Stage(Mock(), Capabilities(), 10.0, lambda _: 1.0)
        wire = Wire(server.address)
        held = HeldRequest(stage, deployment, wire, "held")
        answer = held.finish(10.0)
        wire.close()
    assert isinstance(answer, ConnectionClosed)
    assert happened == ["cut", "let go"]
