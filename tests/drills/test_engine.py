"""The engine is killed, or hangs, while a run goes on: no server is blamed, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import requests

from conformance import registry, results
from conformance.backends.docker import DockerBackend
from conformance.backends.engine import connect
from conformance.backends.leftovers import RUN_LABEL
from tests.conformance.engine import Engine, own_engine
from tests.conformance.test_cli import command


@pytest.fixture
def engine(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that may be killed."""
    # In `tmp_path` the paths of its sockets would be too long.
    directory = tmp_path_factory.mktemp("engine")
    with own_engine(directory, image, "wsgi-conform-3", "172.31.252.1/24") as engine:
        yield engine


def servers(directory: Path, image: str, *names: str) -> Path:
    """A registry of deployments whose image is there and is not built."""
    [waitress] = registry.select(registry.load(), ["waitress"])
    service = json.loads(json.dumps(waitress.service))
    for key in ("build", "ports"):
        service.pop(key)
    service[registry.EXTENSION].pop("requirements")
    path = directory / "compose.yaml"
    # JSON is YAML.
    services = dict.fromkeys(names, service | {"image": image})
    path.write_text(json.dumps({"services": services}), encoding="utf-8")
    return path


def containers(engine: Engine) -> list[str]:
    """Those of runs."""
    client = connect(engine.host)
    try:
        found = client.containers.list(all=True, filters={"label": RUN_LABEL})
        return [str(container.name) for container in found]
    finally:
        client.close()


def assert_swept(engine: Engine) -> None:
    """What a run has left goes with the next one."""
    next_run = DockerBackend(engine=engine.host)
    try:
        next_run.sweep()
    finally:
        next_run.close()
    assert containers(engine) == []


def failing(arguments: Sequence[object], break_engine: Callable[[], None]) -> str:
    """What a run prints in the middle of which the engine is broken; that is an error."""
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).endswith(" is ready\n"):
            assert line, "it ended too early"
        break_engine()
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert "Traceback" not in output
    return output


def test_it_is_killed_in_the_middle(engine: Engine, image: str, tmp_path: Path) -> None:
    arguments = [
        *("run", "--compose", servers(tmp_path, image, "one"), "--results", tmp_path / "results"),
        *("--engine", engine.host, "-k", "routing or lifecycle/stop", "--time-limit", "2"),
    ]
    output = failing(arguments, engine.kill)
    assert re.search(r"^one: error: one: .*: the container engine says: ", output, re.M), output
    assert "what this run left is not removed, the next one will do it: " in output
    document = results.open_document(tmp_path / "results")
    assert document.run["exit_status"] == 3
    assert document.servers[0]["error"]
    found = [check["verdict"] for check in document.checks("one")]
    # To stop a server needs an engine, and what cannot be asked for is nobody's failure.
    assert "error" in found
    assert "fail" not in found
    assert len(found) == 122

    engine.start()
    assert containers(engine) != []
    assert_swept(engine)


def test_who_was_silent_has_less_time_until_it_answers(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", "2")
    with contextlib.closing(connect(engine.host)) as client:
        engine.freeze()
        try:
            with pytest.raises(requests.Timeout):
                client.ping()
            assert client.api.timeout == 1
        finally:
            engine.thaw()
        for _ in range(60):
            with contextlib.suppress(requests.Timeout):
                client.ping()
                break
        assert client.api.timeout == 2


def test_it_hangs_in_the_middle(
    engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", "3")
    names = ["one", "two", "three", "four", "five"]
    arguments = [
        *("run", "--compose", servers(tmp_path, image, *names), "--results", tmp_path / "results"),
        *("--engine", engine.host, "-k", "routing", "--jobs", "2"),
    ]
    try:
        failing(arguments, engine.freeze)
    finally:
        engine.thaw()
    # Whoever sweeps gives it the usual time.
    monkeypatch.undo()
    document = results.open_document(tmp_path / "results")
    errors = {server["name"]: server["error"] or "" for server in document.servers}
    given_up = {name for name, error in errors.items() if error.startswith("not started: ")}
    found = {name for name in set(names) - given_up if "container engine" in errors[name]}
    assert found | given_up == set(names), errors
    # The first two; one more may have been begun before both had told.
    assert len(found) in (2, 3)
    for name in given_up:
        assert {check["verdict"] for check in document.checks(name)} == {"error"}
    assert_swept(engine)
