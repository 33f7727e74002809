"""What checks and acts wait for: a server that gets no time is not taken for a silent one."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any
from unittest.mock import Mock

import pytest

from conformance import readiness
from conformance.acts import Stage, stopping
from conformance.capabilities import Capabilities
from conformance.checks import probes
from conformance.checks.probes import (
    NEXT,
    SETTLE_LOOKS,
    comes,
    in_pieces,
    mark_of,
    others_answered,
    settled,
)
from conformance.client import Wire
from conformance.client.http import Client
from conformance.client.unread import unread
from tests.conformance.peer import read_head

ONE = Capabilities(threads=1)


class Echo(BaseHTTPRequestHandler):
    """Answers as /wsgi/echo does, once it has the body."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"query": self.path.partition("?")[2]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # who asked did not wait
            self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        """Nothing is printed."""


@pytest.fixture(params=[HTTPServer, ThreadingHTTPServer], ids=["one-by-one", "side-by-side"])
def server(request: pytest.FixtureRequest) -> Iterator[HTTPServer]:
    """A server that looks after one connection at a time, and one that looks after many."""
    with request.param(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def wire(server: HTTPServer) -> Iterator[Wire]:
    """Connections to it."""
    wire = Wire(("127.0.0.1", server.server_port), time_limit_s=10.0)
    yield wire
    wire.close()


@pytest.mark.parametrize("head", [True, False])
def test_others_are_asked_where_they_are_answered(
    wire: Wire, server: HTTPServer, head: bool
) -> None:
    side_by_side = isinstance(server, ThreadingHTTPServer)
    with wire.connect() as connection:
        connection.send(NEXT[:-2])
        assert others_answered(wire, ONE, head=head) is side_by_side
        connection.send(NEXT[-2:])
        assert connection.receive().status == 200


def test_who_answered_others_once_by_chance_is_not_waited_for(
    wire: Wire, server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "_turns_to_others", lambda *_: True)
    test_others_are_asked_where_they_are_answered(wire, server, head=False)


def test_an_answer_that_comes_is_not_missed(wire: Wire) -> None:
    with wire.connect() as connection:
        assert not comes(wire, ONE, connection, 0.0)
        connection.send(NEXT)
        assert comes(wire, ONE, connection, 10.0)


def test_pieces_are_read_apart_although_others_are_answered_first() -> None:
    pieces = [NEXT[:20], NEXT[20:]]
    body = b'{"query": "mark=next"}'
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 22\r\n\r\n" + body
    read: list[bytes] = []

    def serve() -> None:
        first, _ = listener.accept()
        for _ in range(2):
            other, _ = listener.accept()
            with other:
                read_head(other)
                other.sendall(answer)
        time.sleep(0.1)  # the thread that is to read gets no time
        with first:
            read.extend(first.recv(1024) for _ in pieces)
            first.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname())
        with wire.connect() as connection:
            if unread(connection._socket) is None:
                pytest.skip("this system does not tell what a peer has read")
        listener.accept()[0].close()
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        found = in_pieces(wire, Capabilities(threads=2), *pieces)
        server.join()
    assert read == pieces
    assert [mark_of(response) for response in found] == ["next"]


class Late(Client):
    """A journal that has an entry only at one of the looks at it."""

    def __init__(self, look: int) -> None:
        self._events: list[list[dict[str, Any]]] = [[]] * (look - 1) + [[{"event": "read"}]]

    def journal(
        self, key: str, until: Callable[[list[dict[str, Any]]], bool] = bool
    ) -> list[dict[str, Any]]:
        for events in self._events:
            if until(events):
                break
        return events


@pytest.mark.parametrize(
    ("look", "found"), [(SETTLE_LOOKS - 1, [{"event": "read"}]), (SETTLE_LOOKS + 1, [])]
)
def test_answers_are_counted_until_nothing_more_comes(
    look: int, found: list[dict[str, Any]]
) -> None:
    assert settled(Late(look), "key") == found


@pytest.mark.parametrize(
    ("threads", "fared", "expected"),
    [
        (8, ["answered", "refused"], "refused"),
        (8, ["silent", "answered", "refused"], "refused"),
        (8, ["silent", "silent"], "silent"),
        # The request that is held has the only thread.
        (1, ["silent"], "silent"),
    ],
)
def test_one_silence_is_no_drain(
    threads: int, fared: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomers = iter(fared)
    monkeypatch.setattr(stopping, "newcomer", lambda *_: next(newcomers))
    stage = Stage(Mock(), Capabilities(threads=threads), 10.0, lambda _: 1.0)
    assert stopping.until_draining(stage, Mock()) == expected
    assert next(newcomers, None) is None


@pytest.mark.parametrize(("time_limit_s", "factor"), [(2.0, 1), (10.0, 1), (30.0, 3)])
def test_all_limits_grow_with_the_one_for_silence(
    time_limit_s: float, factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited, deployment = Mock(), Mock()
    monkeypatch.setattr(readiness, "wait_until_ready", waited)
    stage = Stage(lambda _: deployment, Capabilities(), time_limit_s, lambda _: 0.5)
    assert stage.patience(20.0, "lifecycle/stop/idle") == 10.0 * factor
    stage.wait_until_ready(deployment)
    waited.assert_called_once_with(deployment, readiness.START_LIMIT_S * factor)
