"""The client that keeps its connection: when it takes another, and when the peer is to blame."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from conformance.checks.probes import Kept
from conformance.client import ConnectionClosed, Wire
from tests.conformance.peer import Script, peer, read_head, says

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"


def answers_once(then: bytes = b"", fields: bytes = b"") -> Script:
    """Answers the first request, and the second with what is given, if anything; then closes."""

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(ANSWER.replace(b"\r\n\r\n", fields + b"\r\n\r\n") + b"1")
        if not fields:
            read_head(connection)
            connection.sendall(then)

    return script


def asked_twice(*scripts: Script) -> Iterator[bytes]:
    """The bodies that answer two requests of one client."""
    with peer(*scripts) as server:
        wire = Wire(server.address, time_limit_s=10.0)
        kept = Kept(wire)
        try:
            for _ in range(2):
                yield kept.ask("GET", "/").body
        finally:
            wire.close()


@pytest.mark.parametrize("fields", [b"", b"\r\nConnection: close"], ids=["in-between", "announced"])
def test_a_kept_connection_that_ends_is_replaced(fields: bytes) -> None:
    assert list(asked_twice(answers_once(fields=fields), says(ANSWER + b"2"))) == [b"1", b"2"]


def test_a_new_connection_that_ends_at_once_is_wrong() -> None:
    bodies = asked_twice(answers_once(), says())
    assert next(bodies) == b"1"
    with pytest.raises(ConnectionClosed):
        next(bodies)


def test_an_answer_that_is_cut_is_wrong() -> None:
    bodies = asked_twice(answers_once(then=ANSWER), says(ANSWER + b"2"))
    assert next(bodies) == b"1"
    with pytest.raises(ConnectionClosed):
        next(bodies)
