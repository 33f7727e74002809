"""The process backend: what a server gets, what it leaves, when it is ready or never will be."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from conformance import readiness, registry
from conformance.backends import (
    Address,
    BackendError,
    StartError,
    environments,
    grace_period,
    owner,
    ports,
    stop_signal,
)
from conformance.backends.leftovers import start_time
from conformance.backends.process import (
    ProcessBackend,
    ProcessDeployment,
    describe_exit,
    memory_limit,
)
from conformance.backends.remote import RemoteBackend, address_of, in_active_profiles
from conformance.client import ConnectionClosed, PeerError, Wire
from tests.conformance.deployments import compose, tiny

Start = Callable[..., ProcessDeployment]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts tiny servers and stops what the test left of them."""
    started: list[ProcessDeployment] = []
    backend = ProcessBackend()

    def run(**keys: Any) -> ProcessDeployment:
        # By its token a server is found and ended, whoever started it.
        deployment = backend.start(tiny(tmp_path, **keys), uuid4().hex)
        started.append(deployment)
        return deployment

    yield run
    for deployment in started:
        deployment.stop(grace_s=0)


def ready(deployment: ProcessDeployment) -> ProcessDeployment:
    """The deployment, when it answers."""
    readiness.wait_until_ready(deployment)
    return deployment


def get(deployment: ProcessDeployment, path: str) -> bytes:
    """What it answers."""
    client = Wire((deployment.address.host, deployment.address.port))
    try:
        return client.ask("GET", path).body
    finally:
        client.close()


def gone(pid: int) -> bool:
    """Whether a process is no more."""
    return start_time(pid) is None


def test_a_deployment_says_who_it_is(start: Start) -> None:
    identity = readiness.wait_until_ready(start())
    assert (identity.framework, identity.python) == ("reference", "3.99.0")
    assert identity.version_of("WSGI-Conform") == "7.0"
    assert identity.version_of("other") is None


def test_a_servers_environment_is_built_from_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_TOKEN", "PYTHONHOME", "PYTHONSTARTUP", "GUNICORN_CMD_ARGS", "http_proxy"):
        monkeypatch.setenv(name, "from outside")
    monkeypatch.setenv("PYTHONPATH", "/from/outside")
    deployment = ready(start(environment={"OWN": "port ${WSGI_PORT}", "SECRET_TOKEN": None}))
    found = json.loads(get(deployment, "/environ"))
    assert "outside" not in json.dumps(found)
    assert found["OWN"] == f"port {deployment.address.port}"
    assert found["WSGI_CONFORM_DEPLOYMENT"] == deployment.token
    assert found["WSGI_CONFORM_OWNER"] == owner.me()
    assert set(found) - {"LC_CTYPE", "PWD", "SHLVL", "_"} == {
        "HOME", "LANG", "OWN", "PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "TMPDIR", "VIRTUAL_ENV",
        "WSGI_CONFORM_DEPLOYMENT", "WSGI_CONFORM_FRAMEWORK", "WSGI_CONFORM_OWNER", "WSGI_HOST",
        "WSGI_PORT",
    }  # fmt: skip


def test_further_variables_reach_the_server(tmp_path: Path) -> None:
    deployment = ProcessBackend().start(tiny(tmp_path), uuid4().hex, {"FURTHER": "there"})
    try:
        assert json.loads(get(ready(deployment), "/environ"))["FURTHER"] == "there"
    finally:
        deployment.stop(grace_s=0)


def test_the_same_command_beside_it_finds_the_port_taken(start: Start) -> None:
    deployment = ready(start())
    status, printed = deployment.run_again(20.0)
    assert status == "exit status 1"
    assert "Address already in use" in printed
    assert readiness.silence(deployment, 10.0) is None


def test_a_second_one_that_does_not_end_is_ended(start: Start) -> None:
    deployment = start(environment={"SILENT": "yes"})
    status, printed = deployment.run_again(0.5)
    assert (status, deployment.left()) == (None, 1)
    assert printed in ("", "it starts\n")


def test_a_gate_is_opened_from_outside(start: Start) -> None:
    deployment = ready(start())
    found = json.loads(get(deployment, "/environ"))
    gates = Path(found["TMPDIR"], f"wsgi-conform-{found['WSGI_CONFORM_DEPLOYMENT']}")
    deployment.open_gate("never-reached")
    assert not deployment.wait_at_gate("one", 0.02)
    gates.mkdir()
    (gates / "one.waiting").touch()
    assert deployment.wait_at_gate("one", 0.02)
    deployment.open_gate("one")
    assert (gates / "one.open").exists()


def test_what_it_does_upon_a_signal_is_known(start: Start) -> None:
    deployment = ready(start())
    assert deployment.handles(signal.SIGTERM)
    assert not deployment.handles(signal.SIGUSR1)
    deployment.signal(signal.SIGKILL)
    assert deployment.wait(10.0) == "signal SIGKILL"
    assert not deployment.handles(signal.SIGTERM)


def test_whether_it_waits_is_known(start: Start) -> None:
    waiting = ready(start())
    while not waiting.is_waiting():
        time.sleep(0.01)
    spinning = start(command=["python3", "-c", "while True: pass"])
    while spinning.is_waiting():
        time.sleep(0.01)
    spinning.signal(signal.SIGKILL)
    assert spinning.wait(10.0) == "signal SIGKILL"
    assert spinning.is_waiting()


def test_a_stopped_server_leaves_nothing(start: Start) -> None:
    deployment = ready(start())
    found = json.loads(get(deployment, "/environ"))
    child = int(get(deployment, "/child"))
    home = Path(found["HOME"])
    assert home.is_dir()
    assert not gone(child)
    deployment.stop()
    assert not home.exists()
    assert gone(child)
    assert deployment.exit_status() == "stopped"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((deployment.address.host, deployment.address.port))
    deployment.stop()
    assert deployment.logs() == "it starts", "kept for whoever asks why it ended"


def test_a_server_that_does_not_listen_to_its_signal_is_ended_by_force(start: Start) -> None:
    deployment = ready(start(environment={"STUBBORN": "1"}))
    pid = json.loads(get(deployment, "/-/identity"))["pid"]
    deployment.stop(grace_s=0.05)
    assert gone(pid)


def test_a_restart_keeps_the_address_the_identity_and_the_log(start: Start) -> None:
    deployment = ready(start())
    before = json.loads(get(deployment, "/-/identity"))
    address = deployment.address
    deployment.restart()
    after = json.loads(get(ready(deployment), "/-/identity"))
    assert deployment.address == address
    assert after["deployment"] == before["deployment"]
    assert after["pid"] != before["pid"]
    assert deployment.logs() == "it starts\nit starts"
    assert deployment.logs(1) == "it starts"


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, "signal SIGKILL"), (signal.SIGTERM, "exit status 0")],
)
def test_how_a_server_ended(start: Start, number: signal.Signals, status: str) -> None:
    deployment = ready(start())
    assert deployment.alive
    assert deployment.exit_status() is None
    deployment.signal(number)
    assert deployment._process is not None
    deployment._process.wait(10)
    assert deployment.exit_status() == status
    assert not deployment.alive


@pytest.mark.parametrize(
    ("code", "status"),
    [(0, "exit status 0"), (3, "exit status 3"), (-11, "signal SIGSEGV"), (-40, "signal 40")],
)
def test_exit_status(code: int, status: str) -> None:
    assert describe_exit(code) == status


# --- Readiness ---


def test_a_server_that_exits_is_told_at_once_with_its_last_output(start: Start) -> None:
    with pytest.raises(StartError) as caught:
        readiness.wait_until_ready(start(environment={"EXIT": "no such module"}), limit_s=600)
    assert str(caught.value) == (
        "tiny ended before it was ready: exit status 1\nit starts\nno such module"
    )


def test_a_server_that_exits_without_a_word(start: Start) -> None:
    with pytest.raises(StartError) as caught:
        readiness.wait_until_ready(start(command=["sh", "-c", "exit 4"]), limit_s=600)
    assert (
        str(caught.value) == "tiny ended before it was ready: exit status 4\n(it printed nothing)"
    )


def test_a_server_that_never_listens(start: Start) -> None:
    deployment = start(environment={"SILENT": "1"})
    with pytest.raises(StartError) as caught:
        readiness.wait_until_ready(deployment, limit_s=0.2)
    assert str(caught.value).startswith(
        f"tiny was not ready after 0.2 s: no connection to {deployment.address}: "
    )


def test_another_process_at_the_address_is_noticed(start: Start) -> None:
    deployment = start(environment={"CLAIMED": "somebody-else"})
    with pytest.raises(readiness.WrongDeployment) as caught:
        readiness.wait_until_ready(deployment)
    assert str(caught.value) == (
        f"{deployment.address} is answered by another process: expected the deployment "
        f"{deployment.token!r}, found 'somebody-else'"
    )


def test_something_that_is_not_the_application(start: Start) -> None:
    command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "${WSGI_PORT}"]
    deployment = start(command=command)
    assert deployment._process is not None
    with pytest.raises(StartError) as caught:
        readiness.wait_until_ready(deployment, limit_s=1)
    text = str(caught.value)
    assert text.startswith("tiny was not ready after 1 s: ")
    assert isinstance(readiness.silence(deployment, time_limit_s=1), PeerError)


def test_a_command_that_is_not_installed(start: Start) -> None:
    with pytest.raises(BackendError) as caught:
        start(command=["no-such-server"])
    assert str(caught.value) == (
        "tiny: the command 'no-such-server' is not in its environment; "
        "do its requirements install it?"
    )


def test_a_command_that_cannot_be_run(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(BackendError, match=r"^tiny: .*/script cannot be run: "):
        start(command=[str(script)])


def test_what_does_not_start_leaves_nothing(start: Start) -> None:
    before = set(Path(tempfile.gettempdir()).glob("wsgi-conform-server-*"))
    for keys in ({"command": ["no-such-server"]}, {"stop_signal": "SIGNONE"}):
        with pytest.raises(BackendError):
            start(**keys)
    mine = owner.directory_prefix(owner.me())
    after = set(Path(tempfile.gettempdir()).glob("wsgi-conform-server-*"))
    assert [path for path in after - before if path.name.startswith(mine)] == []


# --- What a service says ---


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), (None, 10.0)]
)
def test_grace_period(tmp_path: Path, text: str | None, seconds: float) -> None:
    keys = {} if text is None else {"stop_grace_period": text}
    server = tiny(tmp_path, **keys)
    if text is None:
        del server.service["stop_grace_period"]  # type: ignore[attr-defined]
    assert grace_period(server) == seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGINT", signal.SIGINT), ("int", signal.SIGINT), ("SIGQUIT", signal.SIGQUIT)],
)
def test_stop_signal(tmp_path: Path, text: str, number: signal.Signals) -> None:
    assert stop_signal(tiny(tmp_path, stop_signal=text)) is number
    assert stop_signal(tiny(tmp_path)) is signal.SIGTERM


def test_what_is_no_duration_and_no_signal(tmp_path: Path) -> None:
    server = tiny(tmp_path, stop_grace_period="soon", stop_signal="SIGNONE")
    with pytest.raises(BackendError, match=r"^tiny: `stop_grace_period`: expected a duration"):
        grace_period(server)
    with pytest.raises(BackendError, match=r"^tiny: expected `stop_signal` like SIGTERM, found"):
        stop_signal(server)


def test_a_server_for_containers_only(tmp_path: Path) -> None:
    extension = {
        "project": "wsgi-conform",
        "documentation": "https://example.org",
        "backends": ["docker"],
    }
    server = tiny(tmp_path, **{registry.EXTENSION: extension})
    assert ProcessBackend().prepare([server]) == {
        "tiny": "tiny does not run as a local process here: it runs by docker alone"
    }


def test_a_server_whose_installation_needs_a_program(tmp_path: Path) -> None:
    extension = {
        "project": "wsgi-conform",
        "documentation": "https://example.org",
        "programs": ["sh", "no-such-compiler"],
    }
    server = tiny(tmp_path, **{registry.EXTENSION: extension})
    assert ProcessBackend().prepare([server]) == {
        "tiny": "tiny does not run as a local process here: its installation needs "
        "no-such-compiler, which is not on the PATH"
    }


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 2**31),
        ("1g", 2**32),
        ("64k", 2**18),
        ("64KB", 2**18),
        (1000, 4000),
        ("8b", 32),
        ("1.5k", 6144),
    ],
)
def test_memory_limit(tmp_path: Path, text: str | int, size: int) -> None:
    assert memory_limit(tiny(tmp_path, mem_limit=text)) == size
    assert memory_limit(tiny(tmp_path)) is None
    with pytest.raises(BackendError, match=r"^tiny: expected `mem_limit` like 512m, found 'much'$"):
        memory_limit(tiny(tmp_path, mem_limit="much"))


def test_a_server_that_stores_without_end_does_not_take_the_machine(start: Start) -> None:
    eat = "import sys, time; sys.stdin.readline(); x = [bytearray(2**24) for _ in range(2**20)]"
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.001)\n"
    deployment = start(command=["python3", "-c", wait + eat], mem_limit="64m")
    (deployment._directory / "go").touch()
    assert deployment._process is not None
    deployment._process.wait(60)
    assert deployment.exit_status() == "exit status 1"
    assert deployment.logs(1) == "MemoryError"


# --- Ports ---


def test_a_port_is_reserved_once_until_it_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = ports.reserve()
    path = Path(tempfile.gettempdir()) / f"wsgi-conform-ports-{os.getuid()}" / str(reserved.number)
    monkeypatch.setattr(ports, "RANGE", range(reserved.number, reserved.number + 1))
    with pytest.raises(BackendError) as caught:
        ports.reserve()
    assert str(caught.value) == (
        f"no port of {reserved.number} to {reserved.number} is free on 127.0.0.1"
    )
    assert path.exists()
    reserved.release()
    reserved.release()
    assert not path.exists()
    again = ports.reserve()
    assert again.number == reserved.number
    again.release()


def test_a_port_that_somebody_listens_on_is_not_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        monkeypatch.setattr(ports, "RANGE", range(number, number + 1))
        with pytest.raises(BackendError, match=r"is free on"):
            ports.reserve()


def test_locks_without_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(BackendError, match=r"^ports cannot be locked: "):
        ports.reserve()


# --- Owners ---

ORPHANING = """
import sys
from pathlib import Path
from conformance.backends.process import ProcessBackend
from conformance.registry import load
server = load(Path(sys.argv[1]))[0]
deployment = ProcessBackend().start(server, "orphan")
print(deployment._process.pid, deployment._directory, flush=True)
"""


@pytest.mark.usefixtures("own_temporary")
def test_what_a_dead_harness_left_is_swept_and_what_a_living_one_has_is_not(
    tmp_path: Path, start: Start
) -> None:
    mine = ready(start())
    path = compose(tmp_path, tiny={"environment": {"SILENT": "1"}})
    done = subprocess.run(
        [sys.executable, "-c", ORPHANING, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    pid, directory = done.stdout.split()
    assert Path(directory).is_dir()
    # Another harness sweeps: to it, this one is alive.
    subprocess.run(
        [sys.executable, "-c", "from conformance.backends.process import ProcessBackend as B\n"
         "B().sweep()"],
        check=True,
        timeout=60,
    )  # fmt: skip
    assert gone(int(pid))
    assert not Path(directory).exists()
    assert mine.alive
    assert mine._directory.is_dir()


def test_what_the_harness_itself_left_is_swept(start: Start) -> None:
    deployment = ready(start())
    ProcessBackend().sweep()
    assert deployment._process is not None
    deployment._process.wait(10)
    assert deployment.exit_status() == "signal SIGKILL"
    assert not deployment._directory.exists()


# --- Environments ---


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for environments of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wsgi-conform" / "environments"


def test_an_environment_is_made_once(tmp_path: Path, cache: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    made = environments.make("name", [requirements])
    assert made.parent == cache
    assert (made / "bin" / "python").exists()
    (made / "kept").touch()
    assert environments.make("name", [requirements]) == made
    assert (made / "kept").exists()
    requirements.write_text("# nothing else\n")
    assert environments.make("name", [requirements]) != made


def test_an_environment_that_was_left_half_made_is_made_anew(tmp_path: Path, cache: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    made = environments.make("name", [requirements])
    (made / "complete").unlink()
    (made / "half").touch()
    environments.make("name", [requirements])
    assert not (made / "half").exists()


def test_what_the_installer_says_is_told(tmp_path: Path, cache: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("not hashed\n")
    with pytest.raises(BackendError, match=r"^uv pip install failed:\n(.|\n)*not hashed"):
        environments.make("name", [requirements])


def test_an_interrupted_installation_is_not_waited_for(tmp_path: Path, cache: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    installers = environments.Installers()
    installers.stop()
    with pytest.raises(BackendError, match=r"^the installation was interrupted$"):
        environments.make("name", [requirements], installers=installers)
    assert (environments.make("name", [requirements]) / "complete").exists()


def test_environments_without_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BackendError, match=r"^no environment can be made: .*XDG_CACHE_HOME says"):
        environments.make("name", [])


@pytest.mark.parametrize("base", ["", "relative/path"])
def test_a_cache_that_is_no_absolute_path_is_ignored(
    monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert environments.cache_directory() == Path.home() / ".cache/wsgi-conform/environments"


# --- What runs elsewhere ---


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("http://example.org/", Address("example.org", 80)),
        ("http://[::1]:8000", Address("::1", 8000)),
    ],
)
def test_the_address_in_a_url(url: str, address: Address) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:8000", "https://a", "http://", "http://a/path", "http://a?b", "http://a:port"),
        *("http://user:password@a", ""),
    ],
)
def test_what_is_no_url_of_a_server(url: str) -> None:
    with pytest.raises(BackendError, match=r"^expected a URL like http://127.0.0.1:8000"):
        address_of(url)


def test_addresses_as_text() -> None:
    assert Address("::1", 80).url == "http://[::1]:80"
    assert str(Address("127.0.0.1", 80)) == "127.0.0.1:80"


def test_how_ended_what_runs_elsewhere_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = RemoteBackend("http://{name}:8000").start(tiny(tmp_path), "token")
    monkeypatch.setattr(
        "conformance.readiness.time.sleep", lambda _: pytest.fail("it was waited for")
    )
    assert readiness.ending(deployment, ConnectionClosed("closed"), 10.0) is None


def test_what_runs_elsewhere_is_not_ours(tmp_path: Path) -> None:
    deployment = RemoteBackend("http://{name}:8000").start(tiny(tmp_path), "token")
    assert deployment.address == Address("tiny", 8000)
    assert not deployment.controllable
    with pytest.raises(BackendError, match=r"^tiny runs elsewhere and cannot be signalled$"):
        deployment.signal(signal.SIGTERM)
    deployment.stop()
    assert deployment.alive


def test_a_profile_is_active_when_one_of_its_services_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then all of its servers are, so that one which is missing is found to be."""
    servers = registry.load(
        compose(
            tmp_path,
            common={},
            one={"profiles": ["all"]},
            two={"profiles": ["all", "other"]},
            three={"profiles": ["third"]},
        )
    )
    known: set[str] = set()

    def look_up(host: str, *_: object) -> list[object]:
        if host not in known:
            raise OSError(f"{host} is not known")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    def found() -> list[str]:
        return [server.name for server in in_active_profiles(servers, "http://{name}:8000")]

    assert found() == ["common"]
    known.add("one")
    assert found() == ["common", "one", "two"]
    known.add("three")
    assert found() == ["common", "one", "two", "three"]


def test_a_port_with_connections_of_a_moment_ago_is_taken_only_if_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that does not set SO_REUSEADDR could not have it."""
    used, other = ports.reserve(), ports.reserve()
    with socket.create_server(("127.0.0.1", used.number)) as listener:
        client = socket.create_connection(listener.getsockname())
        # Who closes first keeps the address for a while.
        listener.accept()[0].close()
        client.close()
    used.release()
    other.release()
    monkeypatch.setattr(random, "sample", lambda *_: [used.number, other.number])
    for wanted, expected in [(None, other.number), (used.number, used.number)]:
        found = ports.reserve(wanted=wanted)
        assert found.number == expected
        found.release()
