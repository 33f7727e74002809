"""`wsgi-conform serve`: in the foreground until it is stopped, or until the server ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import cli
from conformance.backends import BackendError, owner, ports
from tests.conformance.deployments import compose

Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serve]:
    """Starts the command with a tiny server, in the directory of the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **keys: Any) -> subprocess.Popen[str]:
        code = "import sys; from conformance.cli import main; sys.exit(main())"
        command = [sys.executable, "-P", "-c", code, "serve", "tiny"]
        command += ["--compose", str(compose(tmp_path, tiny=keys)), *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        with process:
            """Its pipes are closed."""


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit status, and what it printed that was not read yet."""
    assert process.stdout is not None
    assert process.stderr is not None
    # Not by communicate(), which would miss what url_of() has read ahead.
    out, err = process.stdout.read(), process.stderr.read()
    return process.wait(20), out, err


def url_of(process: subprocess.Popen[str]) -> str:
    """Where it serves, when it says so."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r" at (http://\S+) ", line)
    assert found, line + end_of(process)[2]
    return found[1]


def get(url: str) -> str:
    """What is at a URL."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def left(process: subprocess.Popen[str]) -> list[int]:
    """The processes that it left."""
    return [
        pid
        for pid, variables in owner._environments()
        if variables.get(owner.VARIABLE, "").startswith(f"{process.pid}:")
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_in_good_order(served: Serve, number: signal.Signals) -> None:
    process = served("--backend", "process")
    assert get(url_of(process)) == "ok"
    process.send_signal(number)
    assert end_of(process) == (0, "it starts\n", "")
    assert left(process) == []


def test_it_ends_when_the_server_does(served: Serve) -> None:
    process = served("--backend", "process")
    with pytest.raises(OSError, match="without response"):
        get(f"{url_of(process)}/die")
    told = "wsgi-conform: tiny ended by itself: exit status 7\n"
    assert end_of(process) == (3, "it starts\ndying of a request\n", told)


def test_a_server_that_does_not_start(served: Serve) -> None:
    process = served("--backend", "process", environment={"EXIT": "a reason"})
    status, out, err = end_of(process)
    assert (status, out) == (3, "")
    assert "tiny ended before it was ready: exit status 1\nit starts\na reason\n" in err


def test_a_terminal_obeys_nothing_that_a_server_prints(served: Serve) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J"
    process = served("--backend", "process", environment={"EXIT": hostile})
    assert r"\x1b]0;title\x07\x1b[2J" in end_of(process)[2]
    process = served("--backend", "process", environment={"SAY": hostile})
    assert get(url_of(process)) == "ok"
    process.send_signal(signal.SIGTERM)
    assert end_of(process)[1] == "it starts\n" + r"\x1b]0;title\x07\x1b[2J" + "\n"


def test_a_port_of_ones_choice(served: Serve) -> None:
    port = ports.reserve()
    port.release()
    process = served("--backend", "process", "--port", port.number)
    assert url_of(process) == f"http://127.0.0.1:{port.number}"
    second = served("--backend", "process", "--port", port.number)
    status, _, err = end_of(second)
    assert status == 3
    assert err.startswith(f"wsgi-conform: the port {port.number} cannot be had on 127.0.0.1: ")


def test_a_port_that_somebody_else_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
        with pytest.raises(BackendError, match="Address already in use"):
            ports.reserve(wanted=number)


APPLICATION = """
import os
print("imported in", os.getcwd(), flush=True)
def create_app(greeting):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{greeting} {os.environ['NAME']} {os.environ.get('PRIVATE')}".encode()]
    return app
"""
WSGIREF = (
    "python3 -m reference_app.launch.wsgiref --host ${WSGI_HOST:-0.0.0.0} --port ${WSGI_PORT:-8000}"
)


def test_an_application_of_ones_own(
    served: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "world")
    monkeypatch.setenv("PRIVATE", "of this shell")
    (tmp_path / "shop.py").write_text(APPLICATION)
    process = served("--app", "shop:create_app('Hello')", "--env", "NAME", command=WSGIREF)
    assert get(url_of(process)) == "Hello world None"
    process.terminate()
    status, out, err = end_of(process)
    assert (status, err) == (0, "")
    assert f"imported in {tmp_path}\n" in out


def test_an_application_that_cannot_be_imported(served: Serve) -> None:
    process = served("--app", "shop:app", command=WSGIREF)
    status, out, err = end_of(process)
    assert (status, out) == (3, "")
    assert "shop:app cannot be imported" in err
    assert err.endswith("ModuleNotFoundError: No module named 'shop'\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["waitres"], "no server is called 'waitres'; did you mean 'waitress'?"),
        (["waitress@new"], "expected a release like waitress@3.0.2, found 'new'"),
        (["waitress", "--app", "shop"], "expected an application like package.module:callable"),
        (["waitress", "--app", "shop:app", "--env", "NOT_SET"], "found 'NOT_SET'"),
        (["waitress", "--env", "A=b"], "--env is for an application of your own (--app)"),
        (["waitress", "--app", "shop:app", "--backend", "docker"], "runs in a local process"),
        (["waitress", "--app", "shop:app", "--framework", "flask"], "not your own"),
        (["bjoern", "--app", "shop:app"], "bjoern does not run as a local process here"),
        (["waitress+python3.9", "--app", "shop:app"], "that the application needs are those of"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", *arguments]) == 2
    assert message in capsys.readouterr().err
