"""The HTTP client: requests on top of the wire client; the peer is blamed for what is its own."""

from __future__ import annotations

import gzip
import socket

import pytest
import requests

from conformance.client import MalformedResponse, PeerError, Recorder, Wire
from conformance.client.http import Answer, Client
from tests.conformance.peer import Script, peer, read_head, says


def answer(*fields: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    """A response with these fields."""
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def talk(*scripts: Script, path: str = "/", method: str = "GET") -> list[Answer]:
    """One user's answers, a script for each request."""
    with peer(*scripts) as made:
        client = Client(Wire(made.address))
        return [client.request(method, path) for _ in scripts]


def test_an_answer_is_an_ordinary_one_of_requests() -> None:
    [found] = talk(
        says(answer("Content-Type: text/plain; charset=utf-8", "X: a", body="ä".encode()))
    )
    assert isinstance(found, requests.Response)
    assert (found.status_code, found.reason, found.ok) == (200, "OK", True)
    assert found.text == "ä"
    assert found.headers["x"] == "a"
    assert found.header("X") == "a"
    assert found.wire.framing == "content-length"


def test_what_is_sent() -> None:
    got: list[bytes] = []

    def script(connection: socket.socket) -> None:
        got.append(read_head(connection))
        connection.sendall(answer())

    with peer(script) as made:
        host, port = made.address
        Client(Wire(made.address)).get("/a%20b?c=d", headers={"X": "\xe4"})
    [head] = got
    assert head.startswith(b"GET /a%20b?c=d HTTP/1.1\r\n")
    assert f"Host: {host}:{port}\r\n".encode() in head
    assert b"Connection: close\r\n" in head
    assert b"X: \xe4\r\n" in head


def test_forms_and_text_are_sent_as_bytes() -> None:
    got: list[bytes] = []

    def script(connection: socket.socket) -> None:
        data = read_head(connection)
        while not data.endswith(b"a=b+%C3%A4"):
            data += connection.recv(1024)
        got.append(data)
        connection.sendall(answer())

    with peer(script) as made:
        Client(Wire(made.address)).post("/", data={"a": "b ä"})
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in got[0]
    assert b"Content-Length: 10\r\n" in got[0]


def test_a_body_that_is_no_bytes_is_a_fault_of_the_check() -> None:
    with peer() as made, pytest.raises(TypeError, match="expected a body of bytes or text"):
        Client(Wire(made.address)).post("/", data=iter([b"a"]))


def test_cookies_go_back_to_who_set_them() -> None:
    heads: list[bytes] = []

    def script(*fields: str) -> Script:
        def run(connection: socket.socket) -> None:
            heads.append(read_head(connection))
            connection.sendall(answer(*fields))

        return run

    with peer(
        script("Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/", 'Set-Cookie: c="x, y"'),
        script("Set-Cookie: a=; Path=/; Max-Age=0"),
        script(),
    ) as made:
        client = Client(Wire(made.address))
        first = client.get("/")
        assert first.cookies["a"] == "1"
        assert first.wire.all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/", 'c="x, y"']
        assert client.cookies.get_dict() == {"a": "1", "b": "2", "c": '"x, y"'}
        client.get("/")
        client.get("/")
    assert [b"Cookie:" in head for head in heads] == [False, True, True]
    assert b"a=1" in heads[1]
    assert b"a=1" not in heads[2]
    assert b"b=2" in heads[2]


def test_users_have_cookies_of_their_own() -> None:
    with peer(says(answer("Set-Cookie: a=1"))) as made:
        wire = Wire(made.address)
        one, other = Client(wire), Client(wire)
        one.get("/")
        assert (len(one.cookies), len(other.cookies)) == (1, 0)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_redirects_are_not_followed(method: str) -> None:
    data = answer("Location: /elsewhere", status="302 Found")
    [found] = talk(says(data), method=method)
    assert found.status_code == 302
    assert found.header("Location") == "/elsewhere"


def test_an_answer_to_head_has_no_body() -> None:
    with peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as made:
        found = Client(Wire(made.address)).head("/")
    assert (found.content, found.header("Content-Length")) == (b"", "5")


def test_json() -> None:
    [found] = talk(says(answer(body=b'{"a": [1]}')))
    assert found.json() == {"a": [1]}


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe"])
def test_what_is_not_json_is_the_peers_fault(body: bytes) -> None:
    [found] = talk(says(answer("Content-Type: application/json", body=body)))
    with pytest.raises(PeerError) as caught:
        found.json()
    assert str(caught.value).startswith("expected JSON, dict, found 200 OK")
    assert str(caught.value).endswith(f"with body {body!r}")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1"])
def test_json_of_another_shape_is_the_peers_fault(body: bytes) -> None:
    [found] = talk(says(answer(body=body)))
    with pytest.raises(PeerError, match="expected JSON, dict, found 200 OK"):
        found.json()


def test_what_is_missing_in_json_is_the_peers_fault() -> None:
    [found] = talk(says(answer(body=b'{"a": {"b": 1}}')))
    with pytest.raises(PeerError, match=r"expected 'c' in \['b'\]"):
        found.json()["a"]["c"]


def test_a_content_coding_is_undone() -> None:
    body = gzip.compress(b"plain")
    [found] = talk(says(answer("Content-Encoding: gzip", body=body)))
    assert (found.content, found.wire.body) == (b"plain", body)


def test_a_content_coding_that_is_none_is_the_peers_fault() -> None:
    """The plugin counts the exceptions of requests among what the peer does wrong."""
    with pytest.raises(requests.RequestException, match="failed to decode it"):
        talk(says(answer("Content-Encoding: gzip", body=b"plain")))


def test_what_is_malformed_is_the_peers_fault() -> None:
    with pytest.raises(MalformedResponse, match="expected a status line"):
        talk(says(b"nonsense\r\n\r\n"))


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    [found] = talk(says(answer(body=b"direct")))
    assert found.content == b"direct"


def test_the_journal_is_looked_at_until_it_holds() -> None:
    def entries(count: int) -> Script:
        return says(answer(body=str([{"n": 1}] * count).replace("'", '"').encode()))

    with peer(entries(0), entries(1), entries(2)) as made:
        client = Client(Wire(made.address))
        assert client.journal("key", until=lambda events: len(events) == 2) == [{"n": 1}] * 2


def test_a_journal_that_never_holds_comes_back_as_it_is() -> None:
    with peer(*[says(answer(body=b"[]"))] * 1000) as made:
        client = Client(Wire(made.address, time_limit_s=0.5))
        assert client.journal("key") == []


def test_a_journal_that_is_none() -> None:
    with (
        peer(says(answer(body=b"{}"))) as made,
        pytest.raises(PeerError, match=r"expected JSON, list, found 200 OK .* body b'\{\}'"),
    ):
        Client(Wire(made.address)).journal("key")


def test_every_request_is_recorded() -> None:
    recorder = Recorder()
    with peer(says(answer()), says(answer())) as made:
        client = Client(Wire(made.address, recorder))
        client.get("/one")
        client.get("/two")
    assert [exchange.request.kept[:8] for exchange in recorder.exchanges] == [
        b"GET /one",
        b"GET /two",
    ]
