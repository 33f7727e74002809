"""How the server stops: what is under way is answered, and nothing new begins."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reference_app.serving import Settings, Timeouts, make_server

from .apps import Environ, hello
from .live import PATIENCE, QUICK, Live, Process, read_responses, wait_for

Start = Callable[..., Process]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KINDS = [(), ("--threads", "4"), ("--processes", "4")]


def hold(command: Start, *options: str) -> tuple[Process, int]:
    """Start a server whose application waits until the test makes the file "release"."""
    server = command("--app", "tests.serving.apps:hold", "--port", "0", *options)
    return server, server.wait_ready()


def entered(folder: Path) -> int:
    return len(list(folder.glob("entered-*")))


def no_longer_accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", KINDS)
def test_idle_server_stops(command: Start, options: tuple[str, ...], number: int) -> None:
    server = command("--app", "tests.serving.apps:hello", "--port", "0", *options)
    port = server.wait_ready()
    with server.connect(port) as idle, server.connect(port) as fresh:
        idle.send(GET)
        assert idle.read_response().status == 200
        server.signal(number)
        assert server.wait() == 0
        assert idle.at_end()
        assert fresh.at_end()
    assert "Traceback" not in server.log


@pytest.mark.parametrize("options", KINDS)
def test_requests_under_way_are_answered(
    command: Start, options: tuple[str, ...], tmp_path: Path
) -> None:
    server, port = hold(command, *options)
    with server.connect(port) as running, server.connect(port) as partial:
        partial.send(GET[:20])
        running.send(GET)
        assert wait_for(lambda: entered(tmp_path)) == 1
        with server.connect(port) as queued:
            queued.send(GET)
            server.signal(signal.SIGTERM)
            if options:
                # The single server finds the time to close its socket once it has an answer.
                assert wait_for(lambda: no_longer_accepts(port))
            partial.send(GET[20:])
            (tmp_path / "release").touch()
            for client in (running, queued, partial):
                [response] = read_responses(client.read_all())
                assert (response.status, response.body) == (200, b"released")
    assert server.wait() == 0
    assert entered(tmp_path) == 3


@pytest.mark.parametrize("options", KINDS)
def test_second_signal_stops_at_once(
    command: Start, options: tuple[str, ...], tmp_path: Path
) -> None:
    server, port = hold(command, *options)
    with server.connect(port) as client:
        client.send(GET)
        assert wait_for(lambda: entered(tmp_path)) == 1
        server.signal(signal.SIGTERM)
        if options:
            assert wait_for(lambda: no_longer_accepts(port))
        # The first is being dealt with; signals that arrive together may become one.
        assert server.process.poll() is None

        def ended() -> bool:
            server.signal(signal.SIGTERM)
            return server.process.poll() is not None

        assert wait_for(ended)
        assert client.at_end()
    assert server.wait() == 1
    assert "second signal" in server.log


@pytest.mark.parametrize("options", KINDS)
def test_time_to_stop(command: Start, options: tuple[str, ...], tmp_path: Path) -> None:
    server, port = hold(command, *options, "--grace", "0.3")
    with server.connect(port) as client:
        client.send(GET)
        assert wait_for(lambda: entered(tmp_path)) == 1
        server.signal(signal.SIGTERM)
        assert server.wait() == 1
        assert client.at_end()
    assert "lost" in server.log or "in time" in server.log


def test_response_to_a_stopping_server_says_close(command: Start, tmp_path: Path) -> None:
    server, port = hold(command, "--threads", "1")
    with server.connect(port) as one, server.connect(port) as two:
        for client in (one, two):
            client.send(GET)
        assert wait_for(lambda: entered(tmp_path)) == 1
        server.signal(signal.SIGTERM)
        assert wait_for(lambda: no_longer_accepts(port))
        (tmp_path / "release").touch()
        headers = [read_responses(client.read_all())[0].get("Connection") for client in (one, two)]
    # The first was begun before the stop, when nobody knew; the second was not.
    assert "close" in headers
    assert server.wait() == 0


@pytest.mark.parametrize("options", [{}, {"threaded": True}])
def test_shutdown_from_another_thread(options: Any) -> None:
    live = Live(hello, **options)
    with live.connect() as client:
        client.send(GET)
        assert client.read_response().status == 200
        live.close()
        assert client.at_end()
    assert not live.server.requests_lost


def test_requests_that_do_not_end_are_cut_off() -> None:
    inside = threading.Event()
    release = threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        inside.set()
        release.wait(PATIENCE)
        return hello(environ, start_response)

    settings = Settings(timeouts=Timeouts(stop=0.2), access_log=False)
    live = Live(app, threaded=True, settings=settings)
    with live.connect() as client:
        client.send(GET)
        assert inside.wait(PATIENCE)
        live.close()
        assert live.server.requests_lost
        assert client.at_end()
    release.set()


def test_no_request_is_lost_while_stopping() -> None:
    """Clients that talk all the time: each request is answered, or was never taken."""
    live = Live(hello, threaded=True, settings=QUICK)
    lost: list[str] = []
    answered = [0] * 8

    def talk(number: int) -> None:
        while True:
            try:
                client = live.connect()
            except OSError:
                return
            with client:
                try:
                    client.send(GET)
                    data = client.read_all() if number % 2 else client.socket.recv(1000)
                except ConnectionError:
                    return
                if data:
                    if not data.endswith(b"hello"):
                        lost.append(repr(data))
                    answered[number] += 1
                else:
                    return

    def start(number: int) -> threading.Thread:
        thread = threading.Thread(target=talk, args=(number,))
        thread.start()
        return thread

    # Even numbers go on; odd ones wait until the server closes the idle connection.
    threads = [start(number) for number in range(8)]
    wait_for(lambda: sum(answered[::2]) > 50)
    live.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert lost == []
    assert min(answered[1::2]) >= 1


def test_unix_socket_is_removed(command: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = command("--app", "tests.serving.apps:hello", "--host", f"unix://{path}")
    wait_for(lambda: "Serving on unix://" in server.log)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(GET)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not path.exists()
    assert os.listdir(tmp_path) == ["server-0.log"]


def test_child_that_ends_in_the_moment_of_the_stop_is_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = make_server("127.0.0.1", 0, hello, processes=2)
    collected: list[int] = []

    def wait(interval: float) -> int:
        server.stop()
        return 99

    monkeypatch.setattr(server, "_collect", collected.append)
    monkeypatch.setattr(server.waiting, "wait", wait)
    server.serve_forever()
    server.server_close()
    assert collected == [99]


def test_connection_whose_turn_ends_while_the_server_stops_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(timeouts=Timeouts(keep_alive=PATIENCE, stop=PATIENCE))
    live = Live(hello, threaded=True, settings=settings)
    parking = live.server.parking
    swept = threading.Event()
    park, claim_all = parking.park, parking.claim_all

    def park_late(connection: Any) -> None:
        if connection.served:
            swept.wait(PATIENCE)
        park(connection)

    def claim(*_: Any) -> Any:
        claimed = claim_all()
        swept.set()
        return claimed

    monkeypatch.setattr(parking, "park", park_late)
    monkeypatch.setattr(parking, "claim_all", claim)
    with live.connect() as client:
        client.send(GET)
        assert client.read_response().status == 200
        live.close()
        assert client.at_end()
    assert not live.server.requests_lost
