"""`python -m reference_app`: its options, and its words when it cannot start."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from reference_app.__main__ import AppError, load_app, main

from .live import ROOT, Process, wait_for

Start = Callable[..., Process]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = ("--app", "tests.serving.apps:hello")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nonsense",),
        ("--port", "x"),
        ("--port", "65536"),
        ("--port", "-1"),
        ("--threads", "0"),
        ("--processes", "0"),
        ("--threads", "2", "--processes", "2"),
        ("--threaded", "--processes", "2"),
        ("--tls-cert", "x.pem"),
        ("--app", ":application"),
        ("--keep-alive", "0"),
        ("--grace", "soon"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m reference_app" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--threads N" in capsys.readouterr().out


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "good_app_module.py").write_text(
        "class holder:\n    @staticmethod\n    def app(environ, start_response): ...\n"
        "application = holder.app\nnumber = 5\n"
    )
    (tmp_path / "import_app_module.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "exit_app_module.py").write_text("import sys\nsys.exit('enough')\n")
    (tmp_path / "broken_app_module.py").write_text("def broken(:\n")
    return tmp_path


def test_load_app(modules: Path) -> None:
    assert load_app("good_app_module") is load_app("good_app_module:application")
    assert load_app("good_app_module:holder.app") is load_app("good_app_module:application")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere_at_all:app", ["no module 'nowhere_at_all'", "Modules are looked for in"]),
        ("good_app_module.sub:app", ["no module 'good_app_module.sub'"]),
        ("good_app_module:nothing", ["has no 'nothing'", "--app good_app_module:NAME"]),
        ("good_app_module:number", ["of type int and not callable"]),
        ("import_app_module:app", ["not_installed_anywhere", "cannot be imported"]),
        ("exit_app_module:app", ["enough", "cannot be imported"]),
        ("broken_app_module:app", ["SyntaxError", "cannot be imported"]),
    ],
)
def test_application_that_cannot_be_loaded(
    modules: Path, name: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AppError) as caught:
        load_app(name)
    for word in words:
        assert word in str(caught.value)
    assert main(["--app", name, "--port", "0"]) == 1
    assert str(caught.value).splitlines()[-1] in capsys.readouterr().err


def test_port_in_use(command: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        server = command(*HELLO, "--port", str(port))
        assert server.wait() == 1
    assert server.log == (
        f"Port {port} on 127.0.0.1 is in use by another program. Stop that program, or choose"
        " another port with --port; --port 0 takes a free one.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "192.0.2.1", "--port", "0"), "is not an address of this machine"),
        (("--host", "no.such.host.invalid"), "There is no such address"),
        (("--host", "unix:///nowhere/at/all"), "cannot listen on unix:///nowhere/at/all"),
        (
            ("--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"),
            "/nowhere.pem cannot be read",
        ),
        (("--fd", "99"), "cannot listen"),
    ],
)
def test_address_that_cannot_be_had(command: Start, arguments: tuple[str, ...], words: str) -> None:
    server = command(*HELLO, *arguments)
    assert server.wait() == 1
    assert words in server.log
    assert "Traceback" not in server.log


def test_port_without_permission(capsys: pytest.CaptureFixture[str]) -> None:
    from reference_app.serving.run import _explain

    text = _explain(PermissionError(13, "Permission denied"), "127.0.0.1", 80, "")
    assert text.startswith("There is no permission to listen on port 80.")


def test_access_log_cannot_be_injected_into(command: Start) -> None:
    server = command(*HELLO, "--port", "0", "--threads", "2")
    with server.connect(server.wait_ready()) as client:
        client.send(b"GET /a?b=%22%0a' HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\r\n\r\n")
        assert client.read_response().status == 200
        client.send(b'GET /"\xff\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n')
        assert client.read_response().status == 400
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    lines = server.log.splitlines()[1:]
    assert len(lines) == 2
    assert lines[0].startswith("127.0.0.1 - - [")
    assert lines[0].endswith('] "GET /a?b=%22%0a\' HTTP/1.1" 200 5')
    assert '] "GET /\\x22\\xff\\x1b[31m HTTP/1.1" 400 ' in lines[1]


def test_access_log_can_be_switched_off(command: Start) -> None:
    server = command(*HELLO, "--port", "0", "--no-access-log")
    with server.connect(server.wait_ready()) as client:
        client.send(GET)
        assert client.read_response().status == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert len(server.log.splitlines()) == 1


def test_inherited_descriptor(tmp_path: Path) -> None:
    import subprocess
    import sys

    with socket.create_server(("127.0.0.1", 0)) as sock:
        process = subprocess.Popen(
            [sys.executable, "-m", "reference_app", *HELLO, "--fd", str(sock.fileno())],
            pass_fds=[sock.fileno()],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        try:
            with socket.create_connection(sock.getsockname(), 20) as client:
                client.sendall(GET)
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
        finally:
            process.terminate()
            assert process.wait(20) == 0


APP = "def application(environ, start_response):\n    start_response('200 OK', [])\n"


def test_reload(command: Start, tmp_path: Path) -> None:
    module = tmp_path / "reloaded.py"
    draft = tmp_path / "reloaded.py.draft"

    def edit(text: str) -> None:
        draft.write_text(text)
        draft.replace(module)

    edit(f"{APP}    return [b'first']\n")
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    sock.close()
    server = command("--app", "reloaded", "--port", str(port), "--reload")

    def body() -> bytes:
        try:
            with server.connect(port) as client:
                client.send(GET)
                return client.read_response().body
        except (OSError, AssertionError):
            return b""

    assert wait_for(body) == b"first"
    edit(f"{APP}    return [b'second']\n")
    assert wait_for(lambda: body() == b"second")
    edit("def broken(:\n")
    assert wait_for(lambda: "waiting for a source file to change" in server.log)
    edit(f"{APP}    return [b'third']\n")
    assert wait_for(lambda: body() == b"third")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert wait_for(lambda: body() == b"")
