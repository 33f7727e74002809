"""The docker backend: what it makes of a service, and, where an engine answers, of a container.

The tests that need an engine ask for the fixture `backend` and are skipped where there is none.
What the images serve is not tested here: a few lines of Python stand in for a server.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import registry
from conformance.backends import (
    Address,
    BackendError,
    Deployment,
    EngineUnavailable,
    network,
    ports,
)
from conformance.backends import docker as docker_backend
from conformance.backends.compose_service import container_settings, duration
from conformance.backends.docker import DockerBackend, DockerDeployment, describe_exit
from conformance.backends.engine import connect, probe, run
from conformance.backends.leftovers import OWNER_LABEL, RUN_LABEL, Owner, is_leftover
from conformance.registry import Server

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["WSGI_CONFORM_DEPLOYMENT"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
print("it listens", flush=True)
http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""


def service(tmp_path: Path, **keys: Any) -> Server:
    """A server from a Compose file of its own, with these keys."""
    return services(tmp_path, stand_in=keys)[0]


def services(tmp_path: Path, **by_name: dict[str, Any]) -> list[Server]:
    """Servers from one Compose file."""
    extension = {"project": "stand-in", "documentation": "none"}
    document = {
        "services": {
            name: {"image": "stand-in", "command": "serve", registry.EXTENSION: extension, **keys}
            for name, keys in by_name.items()
        }
    }
    path = tmp_path / "compose.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return registry.load(path)


# --- A service's keys ---


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"command": "serve --port 8000 'a b'"}, {"command": ["serve", "--port", "8000", "a b"]}),
        ({"command": ["serve", "a b"]}, {"command": ["serve", "a b"]}),
        ({"command": "serve ${WSGI_PORT:-8000}"}, {"command": ["serve", "8000"]}),
        ({"image": "it:${TAG:-latest}"}, {"image": "it:latest"}),
        ({"user": "10001:10001"}, {"user": "10001:10001"}),
        ({"user": 10001}, {"user": "10001"}),
        ({"read_only": True, "init": True}, {"read_only": True, "init": True}),
        ({"cap_drop": ["ALL"]}, {"cap_drop": ["ALL"]}),
        ({"tmpfs": ["/tmp:size=64m", "/run"]}, {"tmpfs": {"/tmp": "size=64m", "/run": ""}}),
        ({"tmpfs": "/tmp"}, {"tmpfs": {"/tmp": ""}}),
        ({"mem_limit": "512m", "pids_limit": 256}, {"mem_limit": "512m", "pids_limit": 256}),
        ({"environment": {"A": 1, "B": "${A:-x}"}}, {"environment": {"A": "1", "B": "x"}}),
        ({"stop_signal": "SIGINT"}, {"stop_signal": "SIGINT"}),
        ({"healthcheck": {"disable": True}}, {"healthcheck": {"test": ["NONE"]}}),
        (
            {"healthcheck": {"test": "ask", "interval": "1m", "timeout": "500ms", "retries": 3}},
            {
                "healthcheck": {
                    "test": ["CMD-SHELL", "ask"],
                    "interval": 60_000_000_000,
                    "timeout": 500_000_000,
                    "retries": 3,
                }
            },
        ),
    ],
)  # fmt: skip
def test_key_is_translated(tmp_path: Path, keys: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = container_settings(service(tmp_path, **keys), {})
    assert {key: settings[key] for key in expected} == expected


def test_health_check_of_a_run_is_rare(tmp_path: Path) -> None:
    server = service(tmp_path, healthcheck={"test": ["CMD", "ask"], "interval": "2s"})
    assert container_settings(server, {})["healthcheck"]["interval"] == 30_000_000_000


def test_unknown_key_is_refused_with_its_line(tmp_path: Path) -> None:
    server = service(tmp_path, user="1", privileged=True)
    line = (tmp_path / "compose.yaml").read_text().splitlines().index("    privileged: true") + 1
    expected = f"{tmp_path}/compose.yaml:{line}: stand_in: `privileged`: is not understood"
    with pytest.raises(BackendError, match=re.escape(expected)):
        container_settings(server, {})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("read_only", "yes", "expected true or false, found 'yes'"),
        ("pids_limit", "many", "expected a whole number, found 'many'"),
        ("cap_drop", "ALL", "expected a list of texts, found 'ALL'"),
        ("mem_limit", "much", "expected a size such as 512m, found 'much'"),
        ("stop_grace_period", "10", "expected a duration such as 10s or 1m30s, found '10'"),
        ("healthcheck", {"test": "ask", "often": True}, "`often` in it is not understood here"),
        ("environment", {"SECRET": None}, "SECRET has no value"),
    ],
)
def test_wrong_value_is_refused(tmp_path: Path, key: str, value: Any, message: str) -> None:
    server = service(tmp_path, **{key: value})
    with pytest.raises(BackendError, match=rf"compose\.yaml:\d+: stand_in: `{key}`: {message}"):
        container_settings(server, {})


def test_each_server_of_the_project_is_understood() -> None:
    for server in registry.load():
        settings = container_settings(server, {})
        # Apache's and nginx's ports are in their configurations.
        behind = server.project in ("mod_wsgi", "nginx")
        assert behind or "8000" in " ".join(settings["command"]), server.name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1.5s", 1.5), ("0s", 0)],
)
def test_duration(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_suite_in_compose_waits_for_each_server() -> None:
    text = registry.default_path().read_text(encoding="utf-8")
    waits_for = yaml.safe_load(text)["services"]["conformance"]["depends_on"]
    assert list(waits_for) == [server.name for server in registry.load()]
    assert {tuple(sorted(wait.items())) for wait in waits_for.values()} == {
        (("condition", "service_healthy"), ("required", False))
    }


# --- Ends, owners, leftovers ---


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "running", "Running": True, "ExitCode": 0}, None),
        ({"Status": "created", "Running": False, "ExitCode": 0}, None),
        ({"Status": "exited", "Running": False, "ExitCode": 0}, "exit status 0"),
        ({"Status": "exited", "Running": False, "ExitCode": 3}, "exit status 3"),
        ({"Status": "exited", "Running": False, "ExitCode": 139}, "signal SIGSEGV"),
        ({"Status": "exited", "Running": False, "ExitCode": 255}, "exit status 255"),
        (
            {"Status": "exited", "Running": False, "ExitCode": 137, "OOMKilled": True},
            "signal SIGKILL (it reached its memory limit)",
        ),
    ],
)
def test_exit_is_described(state: dict[str, Any], expected: str | None) -> None:
    assert describe_exit(state) == expected


def finished() -> Owner:
    """The owner that a process was which is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
        return Owner(process.pid, stat.rpartition(")")[2].split()[19], socket.gethostname())


def test_owner_is_written_and_read() -> None:
    assert Owner.parse(str(Owner.current())) == Owner.current()
    assert Owner.parse("12:345:host.example") == Owner(12, "345", "host.example")
    assert Owner.parse("12::host.example") == Owner(12, "", "host.example")


@pytest.mark.parametrize("label", ["", "12", "12:345", "12:345:", "x:345:host", "12:-1:host"])
def test_malformed_owner_is_nobody(label: str) -> None:
    assert Owner.parse(label) is None


def test_owner_is_gone() -> None:
    me = Owner.current()
    assert not me.gone
    assert finished().gone
    assert Owner(me.pid, "1", me.hostname).gone, "the number is another process's now"
    assert not Owner(me.pid, "1", "elsewhere.example").gone, "nothing is known of another machine"


def test_what_is_left_over() -> None:
    me, gone = str(Owner.current()), str(finished())
    assert is_leftover({RUN_LABEL: "then", OWNER_LABEL: gone})
    assert not is_leftover({RUN_LABEL: "now", OWNER_LABEL: me})
    assert not is_leftover({RUN_LABEL: "now", OWNER_LABEL: me}, own_run="mine")
    assert is_leftover({RUN_LABEL: "mine", OWNER_LABEL: me}, own_run="mine")
    assert not is_leftover({RUN_LABEL: "now", OWNER_LABEL: "nonsense"})
    assert not is_leftover({RUN_LABEL: "now"})
    assert not is_leftover({OWNER_LABEL: gone}), "not ours without the label of a run"


# --- No engine, and builds that fail ---


def test_no_engine_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", nowhere)
    with pytest.raises(EngineUnavailable) as raised:
        probe()
    assert str(raised.value) == (
        f"no container engine answers: tried DOCKER_HOST, which is {nowhere}: No such file or"
        " directory. To have one, start one (`sudo systemctl start docker`, or Docker Desktop), or"
        " set DOCKER_HOST to where it listens. `--backend process` needs no engine."
    )
    with pytest.raises(EngineUnavailable):
        DockerBackend().prepare(registry.load())


@pytest.mark.parametrize("told", ["soon", "-1", "0", "1.5"])
def test_a_timeout_that_is_no_number_is_said(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", told)
    with pytest.raises(BackendError) as raised:
        probe()
    assert str(raised.value) == (
        f"DOCKER_CLIENT_TIMEOUT={told}: expected a whole number of seconds, such as 60"
    )


def test_engine_that_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(EngineUnavailable, match="Connection refused"):
            probe()


@pytest.fixture
def path_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a `docker` command of one's own before all others."""

    def put(script: str) -> Path:
        command = tmp_path / "bin" / "docker"
        command.parent.mkdir()
        command.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
        return tmp_path

    return put


def test_failed_build_is_that_servers_alone(path_with: Any) -> None:
    where = path_with(
        """
        case "$*" in
          "compose version --short") echo v2.26.1; exit ;;
          *broken*) echo "no such package at https://me:secret@127.0.0.1/simple"; exit 17 ;;
        esac
        echo "$WSGI_CONFORM_FRAMEWORK $*" >> "${0%/*}/calls"
        """
    )
    failures = DockerBackend("flask")._build([Path("compose.yaml")], ["good", "broken", "fine"])
    assert failures == {
        "broken": "its image is not built:\nno such package at https://****@127.0.0.1/simple"
    }
    calls = (where / "bin" / "calls").read_text().splitlines()
    start = "flask compose --ansi never --file compose.yaml build"
    assert sorted(calls) == [f"{start} fine", f"{start} good"]


@pytest.mark.parametrize("answer", ["echo 1.29.2", "echo 'no such command: compose'; exit 1"])
def test_old_or_missing_compose_is_said(path_with: Any, answer: str) -> None:
    path_with(answer)
    with pytest.raises(EngineUnavailable, match=r"Docker Compose 2 or newer is needed"):
        DockerBackend()._build([Path("compose.yaml")], ["any"])


def test_command_that_does_not_finish_ends_with_its_children(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # The child holds the pipe open for as long as it lives.
    script = f"echo started; sleep 600 > {pipe} & read line < {pipe}"
    done = run(["sh", "-c", script], {"PATH": os.environ["PATH"]}, timeout_s=0.5)
    assert done.status != 0
    assert done.output.splitlines() == ["started", "not finished after 0.5 s, so stopped"]
    # No writer is left, and one that only looks is told so.
    with pytest.raises(OSError, match="No such device"):
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)


# --- With an engine ---


@pytest.fixture
def backend(image: str) -> Iterator[DockerBackend]:
    """A backend whose containers are all gone at the end, whatever the test did."""
    backend = DockerBackend(run_id=f"test-{uuid.uuid4().hex[:8]}")
    yield backend
    backend.close()


@pytest.fixture
def stand_in(tmp_path: Path, image: str) -> Server:
    """A server of a few lines, hardened like the project's own."""
    keys = json.loads(json.dumps(registry.load()[0].service))
    for key in ("build", "ports", registry.EXTENSION):
        keys.pop(key)
    return service(tmp_path, **keys | {"image": image, "command": ["python3", "-c", SERVER]})


def answer(deployment: Deployment) -> str:
    """What the deployment says, as soon as it says anything."""
    deadline = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection(*_address(deployment), timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            status = deployment.exit_status()
            assert status is None, f"{status}: {deployment.logs()}"
            assert time.monotonic() < deadline, deployment.logs()
            time.sleep(0.02)
        finally:
            connection.close()


def _address(deployment: Deployment) -> tuple[str, int]:
    return deployment.address.host, deployment.address.port


def ended(deployment: Deployment) -> str:
    """How the deployment ended, as soon as it has."""
    deadline = time.monotonic() + 30
    while (status := deployment.exit_status()) is None:
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.01)
    return status


def containers(backend: DockerBackend) -> list[str]:
    """The containers of this run, by id."""
    label = f"{RUN_LABEL}={backend.run_id}"
    found = backend.client.api.containers(all=True, filters={"label": label})
    return [container["Id"] for container in found]


def test_crash_is_seen_and_a_restart_keeps_the_port(
    backend: DockerBackend, stand_in: Server
) -> None:
    deployment = backend.start(stand_in, "first-token")
    address = deployment.address
    assert answer(deployment) == "first-token"
    assert deployment.alive
    deployment.signal(signal.SIGKILL)
    assert ended(deployment) == "signal SIGKILL"
    deployment.restart()
    assert deployment.address == address
    assert answer(deployment) == "first-token"
    deployment.restart()  # while it runs, too
    assert answer(deployment) == "first-token"
    assert "it listens" in deployment.logs()
    mark = deployment.printed_by_now()
    assert deployment.printed_since(mark) == ""
    deployment.restart()
    assert answer(deployment) == "first-token"
    assert "it listens" in deployment.printed_since(mark)
    deployment.stop()
    assert deployment.exit_status() == "exit status 3"
    assert "it listens" in deployment.logs(), "kept for whoever asks why it ended"
    assert containers(backend) == []
    deployment.stop()


def test_port_of_ones_choice_and_output_followed_to_its_end(
    backend: DockerBackend, stand_in: Server
) -> None:
    free = ports.reserve()
    free.release()
    deployment = backend.start(stand_in, "token", port=free.number)
    try:
        assert deployment.address.port == free.number
        assert answer(deployment) == "token"
        deployment.signal(signal.SIGKILL)
        assert b"it listens" in b"".join(deployment.follow(lambda: False))
    finally:
        deployment.stop(grace_s=0)


def test_what_it_does_upon_a_signal_is_known(backend: DockerBackend, stand_in: Server) -> None:
    deployment = backend.start(stand_in, "mine")
    answer(deployment)
    assert deployment.handles(signal.SIGTERM)
    assert not deployment.handles(signal.SIGUSR1)
    while not deployment.is_waiting():
        time.sleep(0.01)
    deployment.signal(signal.SIGTERM)
    assert ended(deployment) == "exit status 3"
    assert not deployment.handles(signal.SIGTERM)


def test_server_that_ends_at_once_is_not_an_error_of_the_start(
    backend: DockerBackend, stand_in: Server, tmp_path: Path, image: str
) -> None:
    server = service(tmp_path, image=image, command=["sh", "-c", "echo the reason; exit 7"])
    deployment = backend.start(server, "token")
    assert ended(deployment) == "exit status 7"
    assert deployment.logs() == "the reason\n"
    deployment.stop()


def test_living_deployment_costs_no_question_to_the_engine(
    backend: DockerBackend, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = backend.start(stand_in, "token")
    if deployment._pidfd is None:
        pytest.skip("the engine's processes are not processes of this machine")

    def asked(*_: object, **__: object) -> str:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(deployment, "_ask_for_exit_status", asked)
    assert deployment.exit_status() is None


def test_without_a_pidfd_the_engine_is_asked(backend: DockerBackend, stand_in: Server) -> None:
    deployment = backend.start(stand_in, "token")
    deployment._unwatch()
    assert deployment.exit_status() is None
    deployment.signal(signal.SIGKILL)
    assert ended(deployment) == "signal SIGKILL"


def test_an_answer_of_the_engine_that_was_lost_is_asked_for_again(
    backend: DockerBackend, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = backend.start(stand_in, "mine")
    answer(deployment)
    execute, lost = deployment._execute, [(0, ""), (126, "OCI runtime exec failed")]
    monkeypatch.setattr(
        deployment, "_execute", lambda *what: lost.pop() if lost else execute(*what)
    )
    assert deployment.handles(signal.SIGTERM)
    assert lost == []


def test_container_that_somebody_removed(backend: DockerBackend, stand_in: Server) -> None:
    deployment = backend.start(stand_in, "token")
    address = deployment.address
    backend.remove(containers(backend)[0])
    assert ended(deployment) == "removed by somebody else"
    with pytest.raises(BackendError, match="somebody removed its container"):
        deployment.signal(signal.SIGTERM)
    deployment.restart()
    assert deployment.address == address
    assert answer(deployment) == "token"
    backend.remove(containers(backend)[0])
    deployment.stop()


def test_what_somebody_removes_at_this_moment_is_gone_as_well(
    backend: DockerBackend, stand_in: Server
) -> None:
    at_once = 8
    together = threading.Barrier(at_once)

    def remove(container: str) -> list[str]:
        together.wait()
        backend.remove(container)
        return containers(backend)

    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(3):
            backend.start(stand_in, "token")
            (container,) = containers(backend)
            assert list(pool.map(remove, [container] * at_once)) == [[]] * at_once


def test_server_that_ignores_its_stop_signal_is_ended_by_force(
    backend: DockerBackend, stand_in: Server, tmp_path: Path, image: str
) -> None:
    script = SERVER.replace("lambda *_: sys.exit(3)", "signal.SIG_IGN")
    server = service(tmp_path, image=image, command=["python3", "-c", script])
    deployment = backend.start(server, "token")
    assert answer(deployment) == "token"
    deployment.stop(grace_s=0.2)
    assert deployment.exit_status() == "signal SIGKILL"
    assert containers(backend) == []


def test_container_is_hardened(backend: DockerBackend, image: str) -> None:
    assert image
    servers = registry.load()
    assert backend.prepare(servers) == {}
    for server in servers:
        port = ports.reserve()
        address = Address("127.0.0.1", port.number)
        created = backend.create(server, "token", address, docker_backend.container_name(server))
        port.release()
        config, host = created.attrs["Config"], created.attrs["HostConfig"]
        assert config["User"] == "10001:10001"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["Privileged"] is False
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] == 512 * 1024 * 1024
        assert host["PidsLimit"] == 256
        # mod_wsgi-express runs a script that it writes.
        executable = ",exec" if server.name == "mod_wsgi-express" else ""
        assert host["Tmpfs"] == {"/tmp": f"mode=1777,size=64m{executable}"}
        assert host["Init"] is True
        assert not host["Binds"]
        assert host["PortBindings"] == {
            "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port.number)}]
        }
        assert config["Healthcheck"]["Test"][:2] == ["CMD", "python3"]
        assert "WSGI_CONFORM_DEPLOYMENT=token" in config["Env"]


def test_nothing_of_this_environment_gets_into_a_container(
    image: str, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WSGI_CONFORM_TEST_SECRET", "HTTP_PROXY", "WSGI_PORT"):
        monkeypatch.setenv(name, "a-secret")
    backend = DockerBackend(run_id=f"test-{uuid.uuid4().hex[:8]}")
    try:
        address = Address("127.0.0.1", 1)
        created = backend.create(
            stand_in, "token", address, docker_backend.container_name(stand_in)
        )
        assert "a-secret" not in str(created.attrs)
    finally:
        backend.close()


def test_container_is_not_taken_for_one_of_composes(backend: DockerBackend) -> None:
    (server,) = registry.select(registry.load(), ["waitress"])
    deployment = backend.start(server, "token")
    project = yaml.safe_load(registry.default_path().read_text(encoding="utf-8"))["name"]
    label = f"com.docker.compose.project={project}"
    taken = backend.client.api.containers(all=True, filters={"label": label})
    assert not {container["Id"] for container in taken} & set(containers(backend))
    deployment.stop()


def test_sweep_removes_what_nobody_owns_and_nothing_else(
    backend: DockerBackend, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.start(stand_in, "token")
    (living,) = containers(backend)
    with monkeypatch.context() as patch:
        gone = finished()
        patch.setattr(Owner, "current", classmethod(lambda _: gone))
        backend.start(stand_in, "token")
    assert len(containers(backend)) == 2
    other = DockerBackend(run_id="another")
    try:
        other.sweep()
    finally:
        other.close()
    assert containers(backend) == [living]
    backend.sweep(own=True)
    assert containers(backend) == []


def test_interrupted_start_leaves_nothing(
    backend: DockerBackend, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: DockerDeployment) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DockerDeployment, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.start(stand_in, "token")
    assert containers(backend) == []


def networks(run_id: str) -> list[str]:
    """The networks of a run, by id."""
    client = connect()
    try:
        found = client.api.networks(filters={"label": f"{RUN_LABEL}={run_id}"})
        return [made["Id"] for made in found]
    finally:
        client.close()


#: Says whether a connection comes about, for a limit of 2 s.
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


def connects(deployment: Deployment, host: str, port: int) -> bool:
    """Whether something in a container can connect to that address."""
    return executed(deployment, ["python3", "-c", CONNECT, host, str(port)]) == "connected\n"


def executed(deployment: Deployment, command: list[str]) -> str:
    """What a command prints in a container."""
    assert isinstance(deployment, DockerDeployment)
    status, printed = deployment._execute(command, {})
    assert status == 0
    return printed


def inner_address(deployment: DockerDeployment) -> str:
    """A container's own address, in its network."""
    assert deployment._container is not None
    deployment._container.reload()
    [joined] = deployment._container.attrs["NetworkSettings"]["Networks"].values()
    return str(joined["IPAddress"])


def test_containers_of_a_run_do_not_reach_each_other(
    backend: DockerBackend, stand_in: Server
) -> None:
    one, two = backend.start(stand_in, "one"), backend.start(stand_in, "two")
    assert answer(one) == "one"
    assert answer(two) == "two", "what is published is reached all the same"
    assert len(networks(backend.run_id)) == 1
    assert connects(one, inner_address(one), 8000), "so one can see how that looks"
    assert not connects(one, inner_address(two), 8000)
    assert one._container is not None
    assert not connects(two, str(one._container.name), 8000)
    one.stop()
    two.stop()


def test_containers_of_different_runs_do_not_reach_each_other(
    backend: DockerBackend, stand_in: Server
) -> None:
    other = DockerBackend(run_id=f"test-{uuid.uuid4().hex[:8]}")
    try:
        one, two = backend.start(stand_in, "one"), other.start(stand_in, "two")
        assert answer(two) == "two"
        assert networks(backend.run_id) != networks(other.run_id)
        assert not connects(one, inner_address(two), 8000)
    finally:
        other.close()


@pytest.fixture
def outside() -> Iterator[str]:
    """An address that is not of this machine, on whose port 8000 somebody listens."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("something outside of this machine needs root and ip")
    name, here, there = "wsgi-outside", "198.51.100.1", "198.51.100.2"

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    # One that a killed run of this test left would be in the way.
    subprocess.run(["ip", "netns", "delete", name], capture_output=True)
    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("address", "add", f"{here}/24", "dev", name)
        ip("link", "set", name, "up")
        ip("-n", name, "address", "add", f"{there}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        listener = subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-m", "http.server", "8000"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _until_it_listens(there)
            yield there
        finally:
            listener.terminate()
            listener.wait()
    finally:
        ip("netns", "delete", name)


def _until_it_listens(host: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, 8000), 5).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_containers_do_not_reach_the_outside(
    backend: DockerBackend, stand_in: Server, outside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = backend.start(stand_in, "token")
    assert not connects(deployment, outside, 8000)
    assert not connects(deployment, "outside.example", 8000)
    resolver = executed(deployment, ["cat", "/etc/resolv.conf"])
    assert re.search(r"^options .*timeout:1 attempts:1", resolver, re.M), "that is known soon"
    monkeypatch.setattr(network, "of_run", lambda client, run_id: "bridge")
    assert connects(backend.start(stand_in, "token"), outside, 8000), "only the network keeps it"


def test_network_is_one_for_all_processes_of_a_run_and_goes_with_the_first(image: str) -> None:
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    script = (
        "import sys; from conformance.backends.engine import connect;"
        "from conformance.backends import network; print(network.of_run(connect(), sys.argv[1]))"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", script, run_id], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    made = {maker.communicate()[0].decode().strip() for maker in makers}
    try:
        assert sorted(made) == networks(run_id)
        assert len(made) == 1
    finally:
        swept = DockerBackend(run_id=run_id)
        swept.sweep(own=True)
        swept.close()
    assert networks(run_id) == []


def test_network_of_a_run_that_is_gone_is_swept(backend: DockerBackend, stand_in: Server) -> None:
    gone, here = str(finished()), str(Owner.current())
    for run_id in (gone, here):
        network.of_run(backend.client, run_id)
    deployment = backend.start(stand_in, "token")
    backend.sweep()
    assert networks(gone) == []
    assert networks(here), "another run's of this process"
    assert networks(backend.run_id), "a container is in it"
    deployment.stop()
    same = DockerBackend()
    same.sweep()
    same.close()
    assert networks(here) == [], "this process is what the run is named after"
    backend.close()
    assert networks(backend.run_id) == []


def test_network_that_cannot_be_made_is_said(
    backend: DockerBackend, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_OPTIONS", {"com.docker.network.bridge.enable_icc": "no idea"})
    with pytest.raises(BackendError, match=r"no network could be made .*`docker network prune`"):
        backend.start(stand_in, "token")
    assert networks(backend.run_id) == []


def test_port_that_somebody_uses_is_said(
    backend: DockerBackend, stand_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_backend, "PORT_LIMIT_S", 0)
    port = ports.reserve()
    monkeypatch.setattr(ports, "reserve", lambda host, wanted: port)
    with (
        socket.create_server(("127.0.0.1", port.number)),
        pytest.raises(BackendError, match=rf"stand_in: .*127\.0\.0\.1:{port.number}.*in use"),
    ):
        backend.start(stand_in, "token")
    assert containers(backend) == []


def test_image_that_does_not_exist_is_said(backend: DockerBackend, tmp_path: Path) -> None:
    server = service(tmp_path, image="wsgi-conform-test/no-such-image:none")
    with pytest.raises(
        BackendError, match=r"there is no image wsgi-conform-test/no-such-image:none"
    ):
        backend.start(server, "token")


def test_images_are_built_and_one_that_fails_is_told(
    backend: DockerBackend, tmp_path: Path
) -> None:
    def built(name: str, line: str) -> dict[str, Any]:
        inline = f"FROM scratch\n{line}\n"
        return {
            "image": f"wsgi-conform-test/{name}:{backend.run_id}",
            "build": {"context": ".", "dockerfile_inline": inline},
        }

    servers = services(
        tmp_path,
        good=built("good", "COPY compose.yaml /"),
        same=built("good", "COPY compose.yaml /"),
        broken=built("broken", "COPY missing-from-the-context /"),
        odd={"image": "any", "privileged": True},
    )
    failures = backend.prepare(servers)
    try:
        assert set(failures) == {"broken", "odd"}
        assert "missing-from-the-context" in failures["broken"]
        assert "`privileged`: is not understood" in failures["odd"]
    finally:
        backend.client.images.remove(f"wsgi-conform-test/good:{backend.run_id}")
