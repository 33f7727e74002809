"""The three servers: what they are made with, where they listen, how many they serve at a time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reference_app.serving
from reference_app.serving import (
    BaseWSGIServer,
    ForkingWSGIServer,
    Settings,
    ThreadedWSGIServer,
    Timeouts,
    WSGIRequestHandler,
    make_server,
)

from .apps import Environ, echo, hello
from .live import PATIENCE, QUICK, Client, Live, Process, read_responses, wait_for

Serve = Callable[..., Live]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HERE = Path(__file__).parent
CERTIFICATE = (str(HERE / "localhost.pem"), str(HERE / "localhost.key"))


def test_exported_names() -> None:
    assert sorted(reference_app.serving.__all__) == [
        "BaseWSGIServer",
        "ForkingWSGIServer",
        "Limits",
        "Settings",
        "ThreadedWSGIServer",
        "Timeouts",
        "WSGIRequestHandler",
        "make_server",
        "run_simple",
    ]


def test_which_server_is_made() -> None:
    for options, kind in (
        ({}, BaseWSGIServer),
        ({"threaded": True}, ThreadedWSGIServer),
        ({"threaded": True, "threads": 2}, ThreadedWSGIServer),
        ({"processes": 2}, ForkingWSGIServer),
    ):
        with make_server("127.0.0.1", 0, hello, **options) as server:
            assert type(server) is kind
            assert server.port > 0


@pytest.mark.parametrize(
    "options",
    [
        {"threaded": True, "processes": 2},
        {"processes": 0},
        {"threaded": True, "threads": 0},
        {"threads": 2},
    ],
)
def test_arguments_that_exclude_each_other(options: Any) -> None:
    with pytest.raises(ValueError, match="thread"):
        make_server("127.0.0.1", 0, hello, **options)


def test_the_chain_of_socketserver(serve: Serve) -> None:
    calls: list[str] = []

    class Handler(WSGIRequestHandler):
        def setup(self) -> None:
            calls.append("setup")
            super().setup()

        def handle(self) -> None:
            calls.append("handle")
            super().handle()

        def run_wsgi(self, request: Any) -> None:
            calls.append("run_wsgi")
            super().run_wsgi(request)

        def finish(self) -> None:
            calls.append("finish")
            super().finish()

    live = serve(hello, request_handler=Handler)
    server = live.server

    def spy(name: str) -> None:
        method = getattr(server, name)

        def wrapped(*args: Any) -> Any:
            calls.append(name)
            return method(*args)

        setattr(server, name, wrapped)

    for name in ("get_request", "verify_request", "process_request", "finish_request"):
        spy(name)
    with live.connect() as client:
        client.send(GET)
        assert client.read_response().status == 200
    assert calls[:3] == ["get_request", "verify_request", "process_request"]
    start = calls.index("run_wsgi")
    assert wait_for(lambda: "finish" in calls[start:])
    assert calls[start - 3 : start + 2] == [
        "finish_request",
        "setup",
        "handle",
        "run_wsgi",
        "finish",
    ]


def test_verify_request_can_refuse(serve: Serve) -> None:
    live = serve(hello)
    setattr(live.server, "verify_request", lambda request, address: False)  # noqa: B010 - mypy
    with live.connect() as client:
        assert client.at_end()


# Where it listens.


def test_unix_socket(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    for options in ({}, {"threaded": True}):
        live = serve(echo, host=f"unix://{path}", **options)
        seen = json.loads(live.get().body)
        assert (seen["REMOTE_ADDR"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == (
            "",
            "localhost",
            "80",
        )
        live.close()
        assert not path.exists()


def test_unix_socket_left_behind_is_replaced_and_others_are_not(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    live = serve(hello, host=f"unix://{path}")
    assert live.get().status == 200
    with pytest.raises(OSError, match="in use"):
        make_server(f"unix://{path}", 0, hello)
    assert live.get().status == 200
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        make_server(f"unix://{file}", 0, hello)
    assert file.read_text() == "precious"


def test_ipv6(serve: Serve) -> None:
    try:
        live = serve(echo, host="::1")
    except OSError:
        assert not Path("/proc/net/if_inet6").exists(), "there is IPv6, but it cannot be bound"
        return
    seen = json.loads(live.get().body)
    assert (seen["REMOTE_ADDR"], seen["SERVER_NAME"]) == ("::1", "::1")


@pytest.mark.parametrize("options", [{}, {"threaded": True}])
def test_inherited_descriptor(serve: Serve, options: Any) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    live = serve(hello, host="127.0.0.1", port=0, fd=os.dup(sock.fileno()), **options)
    sock.close()
    assert live.server.port == port
    assert live.get().status == 200


@pytest.mark.parametrize("options", [{}, {"threaded": True}])
def test_tls(serve: Serve, options: Any) -> None:
    live = serve(echo, ssl_context=CERTIFICATE, **options)
    context = ssl.create_default_context(cafile=CERTIFICATE[0])

    def connect() -> Client:
        raw = socket.create_connection(("127.0.0.1", live.server.port), PATIENCE)
        return Client(context.wrap_socket(raw, server_hostname="localhost"))

    # Somebody who begins a handshake and stops, and somebody who speaks HTTP, hold nobody up.
    idle = live.connect()
    idle.send(b"\x16\x03\x01")
    plain = live.connect()
    plain.send(GET)
    with connect() as client:
        for _ in range(2):
            client.send(GET)
            seen = json.loads(client.read_response().body)
            assert (seen["wsgi.url_scheme"], seen["body"]) == ("https", "")
        body = b"x" * 300_000
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + body + GET + GET
        )
        assert len(json.loads(client.read_response().body)["body"]) == 300_000
        assert client.read_response().status == 200
        assert client.read_response().status == 200
        client.send(b"nonsense\r\n\r\n")
        assert client.read_response().status == 400
        assert client.at_end()
    idle.socket.close()
    plain.socket.close()


def test_tls_with_a_wrong_key(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        make_server("127.0.0.1", 0, hello, ssl_context=(CERTIFICATE[0], CERTIFICATE[0]))


# How many at a time.


class Hold:
    """An application in which requests wait until the test lets them go."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.release = threading.Event()

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hold":
            with self.lock:
                self.inside += 1
            assert self.release.wait(PATIENCE)
        start_response("200 OK", [])
        return [b"x"]


HOLD = GET.replace(b"/ ", b"/hold ")


def test_threads_are_bounded(serve: Serve) -> None:
    hold = Hold()
    live = serve(hold, threaded=True, threads=8)
    clients = [live.connect() for _ in range(9)]
    for client in clients[:8]:
        client.send(HOLD)
    assert wait_for(lambda: hold.inside == 8)
    clients[8].send(HOLD)
    with live.connect() as other:
        # The ninth waits. That a thing does not happen can only be watched for a while.
        other.socket.settimeout(0.3)
        other.send(GET)
        with pytest.raises(TimeoutError):
            other.socket.recv(1)
        assert hold.inside == 8
        hold.release.set()
        other.socket.settimeout(PATIENCE)
        assert other.read_response().status == 200
    for client in clients:
        assert client.read_response().status == 200
        client.socket.close()
    assert hold.inside == 9


def test_threads_are_as_many_as_needed(serve: Serve) -> None:
    hold = Hold()
    live = serve(hold, threaded=True)
    clients = [live.connect() for _ in range(50)]
    for client in clients:
        client.send(HOLD)
    assert wait_for(lambda: hold.inside == 50)
    assert live.get().status == 200
    hold.release.set()
    for client in clients:
        assert client.read_response().status == 200
        client.socket.close()


@pytest.mark.parametrize("options", [{}, {"threaded": True, "threads": 1}])
def test_idle_and_slow_connections_hold_nobody_up(serve: Serve, options: Any) -> None:
    live = serve(hello, **options)
    idle = [live.connect() for _ in range(20)]
    for client in idle[:10]:
        client.send(GET)
        assert client.read_response().status == 200
    for client in idle[5:15]:
        client.send(b"GET / HTTP/1.1\r\nHo")
    assert live.get().status == 200
    for client in idle[5:15]:
        client.send(b"st: a\r\n\r\n")
        assert client.read_response().status == 200
    for client in idle:
        client.socket.close()


def test_more_busy_connections_than_threads(serve: Serve) -> None:
    live = serve(hello, threaded=True, threads=2)
    counts = [0] * 10

    def talk(number: int) -> None:
        with live.connect() as client:
            while min(counts) < 20:
                client.send(GET * 5)
                for _ in range(5):
                    assert client.read_response().status == 200
                counts[number] += 5

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert min(counts) >= 20


def test_a_thousand_idle_connections(serve: Serve) -> None:
    live = serve(hello, threaded=True)
    idle = [live.connect() for _ in range(400)]
    for client in idle:
        client.send(GET)
    for client in idle:
        assert client.read_response().status == 200
    assert threading.active_count() < 50
    assert live.get().status == 200
    for client in idle:
        client.socket.close()


def test_no_descriptor_left_for_a_new_connection(command: Callable[..., Process]) -> None:
    server = command("--app", "tests.serving.apps:hello", "--port", "0", "--threads", "2")
    port = server.wait_ready()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (30, 30))
    clients = []
    for _ in range(60):
        client = server.connect(port)
        clients.append(client)
        client.send(GET)
        assert client.read_response().status == 200
    assert clients[0].at_end()  # the one that was idle for longest made room
    for client in clients:
        client.socket.close()


# Time limits.


def with_timeouts(**timeouts: float) -> Settings:
    return Settings(timeouts=Timeouts(**timeouts), access_log=False)


@pytest.mark.parametrize("options", [{}, {"threaded": True}])
def test_head_that_comes_too_slowly(serve: Serve, options: Any) -> None:
    live = serve(hello, settings=with_timeouts(header=0.3), **options)
    with live.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.read_response().status == 408
        assert client.at_end()
    with live.connect() as client:
        assert client.at_end()  # no byte, no answer
    with live.connect() as client:
        # Bytes that keep coming do not extend the time.
        client.socket.settimeout(0.01)
        for _ in range(10_000):
            with contextlib.suppress(TimeoutError):
                assert client.read_response().status == 408
                break
            client.send(b"X")
        else:
            pytest.fail("the server never lost its patience")


@pytest.mark.parametrize("options", [{}, {"threaded": True}])
def test_idle_connection_is_closed(serve: Serve, options: Any) -> None:
    live = serve(hello, settings=with_timeouts(keep_alive=0.3), **options)
    with live.connect() as client:
        client.send(GET)
        assert client.read_response().status == 200
        assert client.at_end()


def test_body_that_comes_too_slowly(serve: Serve) -> None:
    live = serve(echo, threaded=True, settings=with_timeouts(body=0.3))
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    with live.connect() as client:
        client.send(head)
        assert client.read_response().status == 408
    with live.connect() as client:
        client.send(head)
        stop = threading.Event()

        def trickle() -> None:
            try:
                while not stop.wait(0.05):
                    client.send(b"x")
            except OSError:
                pass

        thread = threading.Thread(target=trickle)
        thread.start()
        assert client.read_response().status == 408
        stop.set()
        thread.join(PATIENCE)


def test_client_that_does_not_read(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Endless:
            return self

        def __next__(self) -> bytes:
            return b"x" * 100_000

        def close(self) -> None:
            closed.set()

    def app(environ: Environ, start_response: Any) -> Endless:
        start_response("200 OK", [])
        return Endless()

    live = serve(app, threaded=True, settings=with_timeouts(send=0.3))
    with live.connect() as client:
        client.send(GET)
        assert closed.wait(PATIENCE)
    assert capfd.readouterr().err == ""


# Processes.


def test_processes(command: Callable[..., Process]) -> None:
    server = command("--app", "tests.serving.apps:pid", "--port", "0", "--processes", "2")
    port = server.wait_ready()
    seen = set()
    idle = []
    for _ in range(5):
        client = server.connect(port)
        client.send(GET * 3)
        pids = {client.read_response().body for _ in range(3)}
        assert len(pids) == 1
        seen |= pids
        idle.append(client)  # stays open, more of them than there may be processes
    assert str(server.process.pid).encode() not in seen
    for client in idle:
        client.send(GET)
        assert client.read_response().status == 200
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        assert client.read_response().status == 200
        client.send(b"c" + b"nonsense\r\n\r\n")
        assert client.read_response().status == 400
        assert client.at_end()
        client.socket.close()


def test_processes_are_bounded(command: Callable[..., Process], tmp_path: Path) -> None:
    server = command("--app", "tests.serving.apps:hold", "--port", "0", "--processes", "2")
    port = server.wait_ready()
    clients = [server.connect(port) for _ in range(3)]
    for client in clients:
        client.send(GET)

    def entered() -> int:
        return len(list(tmp_path.glob("entered-*")))

    assert wait_for(lambda: entered() == 2)
    clients[0].socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        clients[0].socket.recv(1)
    assert entered() == 2
    (tmp_path / "release").touch()
    for client in clients:
        client.socket.settimeout(PATIENCE)
        assert client.read_response().status == 200
        client.socket.close()
    assert entered() == 3


def test_child_that_dies(command: Callable[..., Process]) -> None:
    server = command("--app", "tests.serving.apps:suicide", "--port", "0", "--processes", "2")
    port = server.wait_ready()
    for _ in range(3):
        with server.connect(port) as client:
            client.send(GET.replace(b"/ ", b"/die "))
            assert client.at_end()
    with server.connect(port) as client:
        client.send(GET)
        assert client.read_response().status == 200


def test_processes_over_tls(command: Callable[..., Process]) -> None:
    server = command(
        *("--app", "tests.serving.apps:pid", "--port", "0", "--processes", "2"),
        *("--tls-cert", CERTIFICATE[0], "--tls-key", CERTIFICATE[1]),
    )
    port = server.wait_ready()
    context = ssl.create_default_context(cafile=CERTIFICATE[0])
    for _ in range(3):
        raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
        with Client(context.wrap_socket(raw, server_hostname="localhost")) as client:
            client.send(GET)
            [response] = read_responses(client.read_all())
            assert (response.status, response.get("Connection")) == (200, "close")


@pytest.mark.parametrize("options", [{}, {"threaded": True}])
def test_no_descriptor_is_left_behind(serve: Serve, options: Any) -> None:
    before = len(os.listdir("/proc/self/fd"))
    live = Live(hello, settings=QUICK, **options)
    for data in (GET, b"nonsense\r\n\r\n", b"GET", b""):
        for _ in range(10):
            live.talk(data)
    with live.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")
        client.read_response()
    live.close()
    assert not live.server.connections
    assert wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)
