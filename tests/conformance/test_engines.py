"""Several engines at once: each has its share of the servers, and nothing stays on any of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from conformance import cli, registry, results
from conformance.backends import EngineUnavailable
from conformance.backends.docker import DockerBackend
from conformance.backends.engine import connect, host_of, published_at
from conformance.backends.engines import EnginesBackend
from conformance.backends.leftovers import RUN_LABEL, SERVER_LABEL, Owner
from conformance.registry import Server
from tests.conformance.engine import own_engine

#: The second engine's own network: the first one's bridge is not to be shared.
BRIDGE, NETWORK = "wsgi-conform-2", "172.31.253.1/24"


def test_where_containers_are_reached() -> None:
    assert published_at("unix:///run/other.sock") == "127.0.0.1"
    assert published_at("tcp://127.0.0.2:2375") == "127.0.0.2"


def test_an_engine_that_there_is_not() -> None:
    with pytest.raises(EngineUnavailable, match=r"--engine no-context: .*context, of which there"):
        host_of("no-context")
    with pytest.raises(EngineUnavailable, match="tried --engine unix:///no/such/socket: No such"):
        connect("unix:///no/such/socket")


@pytest.mark.parametrize("others", [["--backend", "process"], ["--url", "http://127.0.0.1:1"]])
def test_engines_are_for_containers(
    others: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "waitress", "--engine", "default", *others]) == 2
    assert "--engine is for containers that are started" in capsys.readouterr().err


@pytest.mark.usefixtures("image")
def test_the_environment_may_change_while_an_engine_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = connect()

    def changed_meanwhile() -> None:
        raise KeyError("PYTEST_CURRENT_TEST")

    monkeypatch.setattr(os.environ, "items", changed_meanwhile, raising=False)
    try:
        assert client.ping()
    finally:
        client.close()


# --- With two engines ---


@pytest.fixture(scope="module")
def servers(image: str, tmp_path_factory: pytest.TempPathFactory) -> list[Server]:
    """Two deployments of one image that is there and is not built."""
    [waitress] = registry.select(registry.load(), ["waitress"])
    service = json.loads(json.dumps(waitress.service))
    for key in ("build", "ports"):
        service.pop(key)
    service["image"] = image
    service[registry.EXTENSION].pop("requirements")
    path = tmp_path_factory.mktemp("registry") / "compose.yaml"
    # JSON is YAML.
    path.write_text(json.dumps({"services": {"one": service, "two": service}}), encoding="utf-8")
    return registry.load(path)


@pytest.fixture(scope="module")
def second(servers: list[Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another engine on this machine, which has the image as well."""
    image = str(servers[0].service["image"])
    with own_engine(tmp_path_factory.mktemp("engine"), image, BRIDGE, NETWORK) as engine:
        yield engine.host


def split(servers: Sequence[Server], count: int) -> list[list[Server]]:
    return [[server] for server in servers][:count]


def running(engine: str) -> list[str]:
    """The servers whose containers an engine has."""
    client = connect(engine)
    try:
        # Those of others may go at this moment.
        found = client.containers.list(
            all=True, filters={"label": SERVER_LABEL}, ignore_removed=True
        )
        return [container.labels[SERVER_LABEL] for container in found]
    finally:
        client.close()


def networks(engine: str) -> list[str]:
    """The networks that an engine has for runs of this process."""
    client = connect(engine)
    try:
        label = f"{RUN_LABEL}={Owner.current()}"
        return [str(network.name) for network in client.networks.list(filters={"label": label})]
    finally:
        client.close()


def test_each_engine_has_its_share(servers: list[Server], second: str) -> None:
    engines = ["default", second]
    backend = EnginesBackend(engines, split, "reference")
    assert DockerBackend(engine=second).engine_of(servers[0]) == second, "where it is one alone"
    assert backend.prepare(servers) == {}
    assert [backend.engine_of(server) for server in servers] == engines
    deployments = [backend.start(server, "token") for server in servers]
    try:
        assert "one" in running("default")
        assert running(second) == ["two"]
        assert len(networks("default")) == len(networks(second)) == 1
    finally:
        for deployment in deployments:
            deployment.stop()
        backend.sweep()
    assert networks("default") == networks(second) == []
    assert running(second) == []
    assert "one" not in running("default")


def test_a_run_on_two_engines(
    servers: list[Server], second: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(
        [
            *("run", "--compose", str(servers[0].source), "--results", str(tmp_path / "results")),
            *("--engine", "default", "--engine", second),
            *("-k", "routing/static-rule or lifecycle/stop"),
        ]
    )
    assert status == 0, capsys.readouterr().out
    document = results.open_document(tmp_path / "results")
    found = [
        {check["id"]: check["verdict"] for check in document.checks(server["name"])}
        for server in document.servers
    ]
    assert found[0] == found[1]
    assert found[0]["routing/static-rule"] == "pass"
    assert running(second) == networks(second) == networks("default") == []
