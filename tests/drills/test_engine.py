"""The engine is killed while a run goes on: no server is blamed, and nothing is lost or left."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def servers(directory: Path, image: str) -> Path:
    """A registry with one deployment whose image is there and is not built."""
    [waitress] = registry.select(registry.load(), ["waitress"])
    service = json.loads(json.dumps(waitress.service))
    for key in ("build", "ports"):
        service.pop(key)
    service[registry.EXTENSION].pop("requirements")
    path = directory / "compose.yaml"
    # JSON is YAML.
    path.write_text(json.dumps({"services": {"one": service | {"image": image}}}), encoding="utf-8")
    return path


def containers(engine: Engine) -> list[str]:
    """Those of runs."""
    client = connect(engine.host)
    try:
        found = client.containers.list(all=True, filters={"label": RUN_LABEL})
        return [str(container.name) for container in found]
    finally:
        client.close()


def test_it_is_killed_in_the_middle(engine: Engine, image: str, tmp_path: Path) -> None:
    arguments = [
        *("run", "--compose", servers(tmp_path, image), "--results", tmp_path / "results"),
        *("--engine", engine.host, "-k", "routing or lifecycle/stop", "--time-limit", "2"),
    ]
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).endswith(" is ready\n"):
            assert line, "it ended too early"
        engine.kill()
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert "Traceback" not in output
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
    next_run = DockerBackend(engine=engine.host)
    try:
        next_run.sweep()
    finally:
        next_run.close()
    assert containers(engine) == []
