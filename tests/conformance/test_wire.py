"""The wire client: what it sends, what it takes for a response, and the words for what is none."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from conformance.client import (
    Connection,
    ConnectionClosed,
    MalformedResponse,
    PeerError,
    Recorder,
    Response,
    TimedOut,
    Wire,
    unread,
    wire,
)
from conformance.client.exchanges import BYTES_KEPT, EXCHANGES_KEPT, Capped, Exchange
from tests.conformance.peer import Script, peer, read_head, says

#: Seconds; only what is about silence waits this long.
SHORT_S = 0.25
#: How a peer delivers what it has to say.
DELIVERIES: dict[str, Callable[[bytes], list[bytes]]] = {
    "whole": lambda data: [data],
    "byte by byte": lambda data: [data[at : at + 1] for at in range(len(data))],
}


@pytest.fixture(params=DELIVERIES)
def deliver(request: pytest.FixtureRequest) -> Callable[[bytes], list[bytes]]:
    """Each way to deliver bytes."""
    return DELIVERIES[request.param]


def ask(script: Script, method: str = "GET", time_limit_s: float = 10.0) -> Response:
    """The response of a peer to one request."""
    with peer(script) as made:
        client = Wire(made.address, time_limit_s=time_limit_s)
        try:
            return client.ask(method, "/")
        finally:
            made.done.set()
            client.close()


OK = b"HTTP/1.1 200 OK\r\n"

# name: (what comes, method, status, body, framing)
WELL_FORMED = {
    "content-length": (
        OK + b"Content-Length: 5\r\n\r\nhello", "GET", 200, b"hello", "content-length",
    ),
    "length of nothing": (OK + b"Content-Length: 0\r\n\r\n", "GET", 200, b"", "content-length"),
    "length twice, the same": (
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "GET", 200, b"hi",
        "content-length",
    ),
    "line ends in a body": (
        OK + b"Content-Length: 8\r\n\r\n\r\n\r\n\n\n\r\r", "GET", 200, b"\r\n\r\n\n\n\r\r",
        "content-length",
    ),
    "chunked": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
        "GET", 200, b"hello!", "chunked",
    ),
    "chunked, nothing": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "GET", 200, b"", "chunked",
    ),
    "chunk extensions": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n00A;name=value ; \"x\"\r\n0123456789\r\n0\r\n\r\n",
        "GET", 200, b"0123456789", "chunked",
    ),
    "until the end": (OK + b"\r\nhello", "GET", 200, b"hello", "close"),
    "1.0 until the end": (b"HTTP/1.0 200 OK\r\n\r\nhello", "GET", 200, b"hello", "close"),
    "head": (OK + b"Content-Length: 5\r\n\r\n", "HEAD", 200, b"", "none"),
    "head, chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", 200, b"", "none"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, b"", "none"),
    "304 with a length": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, b"", "none",
    ),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", 200, b"", "content-length"),
    "an empty value": (
        OK + b"Empty:\r\nBlank:  \t\r\nContent-Length: 0\r\n\r\n", "GET", 200, b"",
        "content-length",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WELL_FORMED)
def test_a_well_formed_response(name: str, deliver: Callable[[bytes], list[bytes]]) -> None:
    data, method, status, body, framing = WELL_FORMED[name]
    response = ask(says(*deliver(data)), method)
    assert (response.status, response.body, response.framing) == (status, body, framing)


@pytest.mark.parametrize("name", [name for name, row in WELL_FORMED.items() if row[4] != "close"])
def test_what_follows_a_response_is_left_for_the_next(name: str) -> None:
    data, method, _, body, _ = WELL_FORMED[name]
    following = b"HTTP/1.1 418 Teapot\r\nContent-Length: 1\r\n\r\nX"
    with peer(says(data + following)) as made, Wire(made.address).connect() as connection:
        connection.request(method, "/")
        assert connection.receive(method).body == body
        second = connection.receive()
        assert (second.status, second.body) == (418, b"X")
        connection.assert_closed()


def test_the_parts_of_a_response(deliver: Callable[[bytes], list[bytes]]) -> None:
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 Fine, \xe4\r\nX-One: a\r\nx-one: \t b c \r\nTransfer-Encoding: chunked\r\n"
        b"\r\n1\r\na\r\n2\r\nbc\r\n0\r\nTrailer-One: x\r\n\r\n"
    )
    response = ask(says(*deliver(data)))
    assert (response.version, response.status, response.reason) == ("1.1", 200, "Fine, \xe4")
    assert response.fields == [
        ("X-One", "a"),
        ("x-one", "b c"),
        ("Transfer-Encoding", "chunked"),
    ]
    assert response.all("X-ONE") == ["a", "b c"]
    assert response.chunks == [b"a", b"bc"]
    assert response.trailers == [("Trailer-One", "x")]
    assert [interim.status for interim in response.interim] == [100, 103]
    assert response.interim[1].fields == [("Link", "</a>")]


def test_a_switch_of_protocols_is_final() -> None:
    assert ask(says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")).status == 101


def test_a_field_that_has_to_be_there_once() -> None:
    response = ask(says(OK + b"Twice: a\r\nTwice: b\r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(PeerError, match="expected one Twice field, found \\['a', 'b'\\] in "):
        response.header("Twice")
    with pytest.raises(PeerError, match="expected one None field, found \\[\\] in "):
        response.header("None")


STATUS_LINE = "expected a status line (RFC 9112 section 4), found "
FIELD_LINE = "expected a field line (RFC 9112 section 5), found "
CHUNK_SIZE = "expected a chunk size (RFC 9112 section 7.1), found "
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "another protocol": (b"SSH-2.0-OpenSSH\r\n", f"{STATUS_LINE}b'SSH-2.0-OpenSSH'"),
    "an empty line": (b"\r\n" + OK, f"{STATUS_LINE}b''"),
    "HTTP/2.0": (b"HTTP/2.0 200 OK\r\n", f"{STATUS_LINE}b'HTTP/2.0 200 OK'"),
    "HTTP/1.2": (b"HTTP/1.2 200 OK\r\n", f"{STATUS_LINE}b'HTTP/1.2 200 OK'"),
    "http in lower case": (b"http/1.1 200 OK\r\n", f"{STATUS_LINE}b'http/1.1 200 OK'"),
    "no space after the code": (b"HTTP/1.1 200\r\n", f"{STATUS_LINE}b'HTTP/1.1 200'"),
    "two digits": (b"HTTP/1.1 20 OK\r\n", f"{STATUS_LINE}b'HTTP/1.1 20 OK'"),
    "four digits": (b"HTTP/1.1 2000 OK\r\n", f"{STATUS_LINE}b'HTTP/1.1 2000 OK'"),
    "code 0xx": (b"HTTP/1.1 099 OK\r\n", f"{STATUS_LINE}b'HTTP/1.1 099 OK'"),
    "a NUL in the reason": (b"HTTP/1.1 200 O\x00K\r\n", rf"{STATUS_LINE}b'HTTP/1.1 200 O\x00K'"),
    "a bare CR in the reason": (b"HTTP/1.1 200 O\rK\r\n", rf"{STATUS_LINE}b'HTTP/1.1 200 O\rK'"),
    "a bare LF": (
        b"HTTP/1.1 200 OK\n",
        r"expected a status line to end in CR LF, found b'HTTP/1.1 200 OK\n'",
    ),
    "a field with a bare LF": (
        OK + b"A: b\n\r\n",
        "expected a field line or the end of the header section to end in CR LF, "
        r"found b'A: b\n'",
    ),
    "no colon": (OK + b"Field\r\n\r\n", f"{FIELD_LINE}b'Field'"),
    "a space before the colon": (OK + b"Field : x\r\n\r\n", f"{FIELD_LINE}b'Field : x'"),
    "no name": (OK + b": x\r\n\r\n", f"{FIELD_LINE}b': x'"),
    "a folded line": (OK + b"A: b\r\n c\r\n\r\n", f"{FIELD_LINE}b' c'"),
    "a NUL in a value": (OK + b"A: b\x00c\r\n\r\n", rf"{FIELD_LINE}b'A: b\x00c'"),
    "a bare CR in a value": (OK + b"A: b\rc\r\n\r\n", rf"{FIELD_LINE}b'A: b\rc'"),
    "a name that is no token": (OK + b"A(b): c\r\n\r\n", f"{FIELD_LINE}b'A(b): c'"),
    "two lengths": (
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "expected one Content-Length, found ['1', '2']",
    ),
    "a list of lengths": (
        OK + b"Content-Length: 1, 1\r\n\r\na",
        "expected one Content-Length, found ['1, 1']",
    ),
    "a negative length": (
        OK + b"Content-Length: -1\r\n\r\n", "expected one Content-Length, found ['-1']",
    ),
    "a length with a sign": (
        OK + b"Content-Length: +1\r\n\r\na", "expected one Content-Length, found ['+1']",
    ),
    "an empty length": (
        OK + b"Content-Length:\r\n\r\n", "expected one Content-Length, found ['']",
    ),
    "a length beyond reason": (
        OK + b"Content-Length: 99999999999\r\n\r\n",
        "the body is said to have 99999999999 bytes; at most 33554432 are read",
    ),
    "a length that no int() takes": (
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        "a Content-Length of 5000 digits",
    ),
    "length and chunked": (
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "a response has both Transfer-Encoding and Content-Length (RFC 9112 section 6.2)",
    ),
    "chunked in 1.0": (
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a response of HTTP/1.0 has Transfer-Encoding",
    ),
    "another coding": (
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "expected the transfer coding chunked, found ['gzip', 'chunked']",
    ),
    "chunked twice": (
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "expected the transfer coding chunked, found ['chunked', 'chunked']",
    ),
    "a chunk size of letters": (CHUNKED + b"xyz\r\n", f"{CHUNK_SIZE}b'xyz'"),
    "an empty chunk size": (CHUNKED + b"\r\n", f"{CHUNK_SIZE}b''"),
    "a chunk size with 0x": (CHUNKED + b"0x1\r\na\r\n", f"{CHUNK_SIZE}b'0x1'"),
    "a chunk size with a sign": (CHUNKED + b"-1\r\n", f"{CHUNK_SIZE}b'-1'"),
    "a chunk size of 17 digits": (
        CHUNKED + b"00000000000000001\r\na\r\n", f"{CHUNK_SIZE}b'00000000000000001'",
    ),
    "a chunk size beyond reason": (
        CHUNKED + b"FFFFFFFFFFFFFFFF\r\n",
        "a chunk of 18446744073709551615 bytes is said to have 18446744073709551615 bytes; "
        "at most 33554432 are read",
    ),
    "a chunk longer than said": (
        CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
        r"expected CR LF after a chunk of 2 bytes, found b'c\r'",
    ),
    "a bare LF after a chunk": (
        CHUNKED + b"1\r\na\n0\r\n\r\n", r"expected CR LF after a chunk of 1 bytes, found b'\n0'",
    ),
    "a trailer that is no field": (CHUNKED + b"0\r\ntrailer\r\n\r\n", f"{FIELD_LINE}b'trailer'"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_response(name: str, deliver: Callable[[bytes], list[bytes]]) -> None:
    data, message = MALFORMED[name]
    with pytest.raises(MalformedResponse) as caught:
        ask(says(*deliver(data)))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_response_with_more_after_it(name: str) -> None:
    data, message = MALFORMED[name]
    with pytest.raises(MalformedResponse) as caught:
        ask(says(data + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert str(caught.value).startswith(message)


PARTIAL = {
    "nothing": (b"", "waited for a status line: the peer closed the connection"),
    "part of a status line": (
        b"HTTP/1.",
        "waited for a status line: the peer closed the connection; so far it sent b'HTTP/1.'",
    ),
    "no end of the head": (
        OK + b"A: b\r\n",
        "waited for a field line or the end of the header section: the peer closed the connection",
    ),
    "part of a body": (
        OK + b"Content-Length: 5\r\n\r\nhel",
        "waited for the body (3 of 5 bytes came): the peer closed the connection",
    ),
    "part of a chunk": (
        CHUNKED + b"5\r\nhel",
        "waited for a chunk of 5 bytes (3 of 5 bytes came): the peer closed the connection; "
        "so far it sent b'hel'",
    ),
    "no end of a chunk": (
        CHUNKED + b"1\r\na",
        "waited for the CR LF after a chunk (0 of 2 bytes came): the peer closed the connection",
    ),
    "no last chunk": (
        CHUNKED + b"1\r\na\r\n",
        "waited for a chunk size: the peer closed the connection",
    ),
    "no end of the trailers": (
        CHUNKED + b"0\r\n",
        "waited for a field line or the end of the header section: the peer closed the connection",
    ),
    "only an interim response": (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        "waited for a status line: the peer closed the connection",
    ),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_a_connection_that_ends_too_early(
    name: str, deliver: Callable[[bytes], list[bytes]]
) -> None:
    data, message = PARTIAL[name]
    with pytest.raises(ConnectionClosed) as caught:
        ask(says(*deliver(data)))
    assert str(caught.value) == message


def test_a_reset_is_told_from_a_close() -> None:
    with pytest.raises(ConnectionClosed) as caught:
        ask(says(b"HTTP/", reset=True))
    # The bytes before it may or may not have been read when it comes.
    assert str(caught.value).startswith("waited for a status line: the peer reset the connection")


@pytest.mark.parametrize("name", PARTIAL)
def test_a_peer_that_falls_silent(name: str) -> None:
    data, message = PARTIAL[name]
    expected = message.replace(
        "the peer closed the connection", "no byte came and the connection stayed open"
    ).replace("waited for", f"waited {SHORT_S:g} s for", 1)
    with peer(lambda connection: hold(connection)) as made:

        def hold(connection: socket.socket) -> None:
            says(data)(connection)
            made.done.wait(10)

        connection = Wire(made.address).connect()
        connection.request("GET", "/")
        assert not data or connection.reacted(10)
        connection.time_limit_s = SHORT_S
        with pytest.raises(TimedOut) as caught:
            connection.receive()
        connection.close()
    assert str(caught.value) == expected


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(ConnectionClosed) as caught:
        Wire(address).connect()
    assert str(caught.value).startswith(f"no connection to 127.0.0.1:{address[1]}: ")


def test_a_peer_that_trickles_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each byte comes in time, and yet the check as a whole has a limit."""
    monkeypatch.setattr(wire, "CHECK_LIMIT", SHORT_S / wire.TIME_LIMIT_S)

    def trickle(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK)
        while not made.done.wait(SHORT_S / 10):
            connection.sendall(b"A")

    with peer(lambda connection: trickle(connection)) as made:
        client = Wire(made.address)
        with pytest.raises(TimedOut) as caught:
            client.ask("GET", "/")
        client.close()
    assert str(caught.value) == "the check as a whole took longer than 0.025 time limits"


def test_a_check_that_is_answered_often_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(wire, "time", SimpleNamespace(monotonic=lambda: now_s))
    with peer(*[says(OK + b"Content-Length: 0\r\n\r\n")] * 100) as made:
        client = Wire(made.address)
        for _ in range(100):
            now_s += 1.5
            assert client.ask("GET", "/").status == 200
        now_s += 15
        with pytest.raises(TimedOut) as caught:
            client.ask("GET", "/")
    assert str(caught.value) == "the check as a whole took longer than 16 time limits"


def test_a_peer_that_takes_no_bytes_is_not_waited_for() -> None:
    with peer(lambda connection: made.done.wait(10)) as made:
        connection = Wire(made.address, time_limit_s=SHORT_S).connect()
        data = b"x" * (64 * 1024 * 1024)
        with pytest.raises(TimedOut) as caught:
            connection.send(data)
        connection.close()
    assert str(caught.value) == (
        f"the peer took no more bytes for {SHORT_S:g} s while being sent {len(data)} bytes"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"H" * 1000, "waited for a status line: "),
        (OK + b"A: " + b"a" * 1000, "waited for a field line or the end of the header section: "),
        (OK + b"A: b\r\n" * 300, "expected a field line (RFC 9112 section 5), found b'A: b'"),
        (CHUNKED + b"1;" + b"a" * 1000, "waited for a chunk size: "),
    ],
    ids=["status line", "field", "many fields", "chunk line"],
)
def test_a_peer_that_babbles_is_not_read_without_end(
    monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.setattr(wire, "HEAD_LIMIT", 500)
    with pytest.raises(MalformedResponse) as caught:
        ask(says(data))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (OK + b"\r\n" + b"x" * 2000, "the body has more than 1000 bytes; no more are read"),
        (CHUNKED + b"190\r\n" + b"x" * 400 + b"\r\n" + b"190\r\n" + b"x" * 400 + b"\r\n"
         + b"190\r\n" + b"x" * 400 + b"\r\n0\r\n\r\n",
         "the body has more than 1000 bytes; no more are read"),
    ],
    ids=["until the end", "chunked"],
)  # fmt: skip
def test_a_body_without_end_is_not_read(
    monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.setattr(wire, "BODY_LIMIT", 1000)
    with pytest.raises(MalformedResponse) as caught:
        ask(says(data))
    assert str(caught.value) == message


@pytest.mark.parametrize("name", WELL_FORMED)
def test_a_body_is_handed_on_and_not_kept(
    monkeypatch: pytest.MonkeyPatch, deliver: Callable[[bytes], list[bytes]], name: str
) -> None:
    data, method, status, body, framing = WELL_FORMED[name]
    # What is kept has a limit, a chunk too, and what is not kept has none.
    monkeypatch.setattr(wire, "BODY_LIMIT", 10)
    pieces: list[bytes] = []
    with peer(says(*deliver(data))) as made, Wire(made.address).connect() as connection:
        connection.request(method, "/")
        response = connection.receive(method, pieces.append)
    assert (response.status, b"".join(pieces), response.framing) == (status, body, framing)
    assert (response.body, response.chunks) == (b"", [])


def test_interim_responses_without_end_are_not_read() -> None:
    with pytest.raises(MalformedResponse) as caught:
        ask(says(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000))
    assert str(caught.value) == "more than 100 interim responses came before a final one"


# --- Sending ---


def sent_by(send: Callable[[Connection], None]) -> bytes:
    """What a peer gets."""
    got: list[bytes] = []

    def script(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            got.append(data)

    with peer(script) as made, Wire(made.address).connect() as connection:
        send(connection)
        connection.shutdown_write()
        connection.assert_closed()
    return b"".join(got)


def test_bytes_are_sent_as_they_are() -> None:
    data = bytes(range(256)) + b"\r\n\n\r"
    assert sent_by(lambda connection: connection.send(data)) == data


def test_a_request_is_sent_with_what_it_needs() -> None:
    assert sent_by(
        lambda connection: connection.request("POST", "/a?b", [("X", "\xe4")], b"body")
    ) == (
        b"POST /a?b HTTP/1.1\r\nHost: wsgi-conform.test\r\nX: \xe4\r\nContent-Length: 4\r\n\r\nbody"
    )
    assert (
        sent_by(lambda connection: connection.request("GET", "/", version="1.0", host=None))
        == b"GET / HTTP/1.0\r\n\r\n"
    )


def test_an_answer_that_comes_while_the_request_is_sent_is_read() -> None:
    """The peer answers the head, takes no body and closes: the answer still counts."""
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"

    def script(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with peer(script) as made, Wire(made.address).connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        connection.send(b"x" * 1000000)
        assert connection.receive().status == 413


def test_what_was_sent_is_taken_once_the_peer_has_read_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Wire(listener.getsockname()).connect() as connection,
    ):
        connection.send(b"a piece")
        if (waiting := unread.unread(connection._socket)) is None:
            pytest.skip("this system does not tell what a peer has read")
        assert waiting == len(b"a piece")
        assert not connection.taken(0.0)
        accepted, _ = listener.accept()
        with accepted:
            assert not connection.taken(0.0)
            accepted.recv(1)
            assert unread.unread(connection._socket) == len(b" piece")
            threading.Timer(0.05, accepted.recv, [1024]).start()
            assert connection.taken(10.0)


def test_where_nobody_can_tell_nothing_is_taken() -> None:
    with socket.socket() as nowhere:
        assert unread.unread(nowhere) is None
    with peer(lambda connection: connection.recv(1024)) as made:
        wire = Wire(made.address)
        with wire.connect() as connection, pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "AF_NETLINK", -1)
            connection.send(b"a piece")
            made.join()
            assert not connection.taken(10.0)


def test_that_a_connection_is_cut_is_told_before_what_came_is_read() -> None:
    if not hasattr(select, "POLLRDHUP"):
        pytest.skip("this system does not tell")
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Wire(listener.getsockname()).connect() as connection,
    ):
        connection.request("GET", "/")
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
            assert connection.reacted(10)
            assert not connection.cut(0.0)
            threading.Timer(0.05, accepted.shutdown, [socket.SHUT_WR]).start()
            assert connection.cut(10.0)
        with pytest.raises(ConnectionClosed):
            connection.receive()


# --- Connections ---


def test_the_end_of_a_connection() -> None:
    with peer(says(b"rest")) as made, Wire(made.address).connect() as connection:
        connection.request("GET", "/")
        assert connection.receive_end() == b"rest"
        assert connection.receive_end() == b""
        assert connection.more() is False


def test_something_instead_of_the_end() -> None:
    with peer(says(b"rest")) as made, Wire(made.address).connect() as connection:
        connection.request("GET", "/")
        with pytest.raises(MalformedResponse) as caught:
            connection.assert_closed()
    assert str(caught.value) == "expected the connection to end, found b'rest'"


def test_no_end_is_a_hang() -> None:
    with peer(lambda connection: made.done.wait(10)) as made:
        connection = Wire(made.address, time_limit_s=SHORT_S).connect()
        with pytest.raises(TimedOut, match=r"waited 0\.25 s for the end of the connection: "):
            connection.assert_closed()
        with pytest.raises(TimedOut, match="for another response or the end of the connection"):
            connection.more()
        connection.close()


def test_a_connection_in_step() -> None:
    def script(connection: socket.socket) -> None:
        for status in (b"200 OK", b"500 No"):
            read_head(connection)
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    with peer(script) as made, Wire(made.address).connect() as connection:
        connection.assert_usable()
        with pytest.raises(PeerError, match="expected 200 on the same connection, found 500 No"):
            connection.assert_usable()


@pytest.mark.parametrize(
    ("data", "pieces", "framing"),
    [
        (CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", [b"a", b"bc"], "chunked"),
        (OK + b"Content-Length: 3\r\n\r\nabc", [b"abc"], "content-length"),
        (OK + b"\r\nabc", [b"abc"], "close"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", [], "none"),
    ],
)
def test_a_body_read_piece_by_piece(data: bytes, pieces: list[bytes], framing: str) -> None:
    with peer(says(data)) as made, Wire(made.address).connect() as connection:
        connection.request("GET", "/")
        response = connection.receive_head()
        found = []
        while piece := connection.receive_body_part(response):
            found.append(piece)
        assert found == pieces
        assert (response.body, response.framing) == (b"".join(pieces), framing)


def test_what_is_left_open_is_closed() -> None:
    ended: list[bytes] = []

    def script(connection: socket.socket) -> None:
        ended.append(connection.recv(10))

    with peer(script, script) as made:
        client = Wire(made.address)
        assert len(client.connect_many(2)) == 2
        client.close()
        made.join()
    assert ended == [b"", b""]


# --- What is recorded ---


def exchanges(recorder: Recorder) -> list[tuple[int, str, str, str]]:
    """Connection, request, response and end of every exchange."""
    return [
        (
            found["connection"],
            found["request"]["text"],
            found["response"]["text"],
            found["ended"],
        )
        for found in recorder.as_json()["kept"]
    ]


def test_every_exchange_is_recorded_with_its_bytes(
    deliver: Callable[[bytes], list[bytes]],
) -> None:
    answer = OK + b"Content-Length: 1\r\n\r\n\xff"

    def script(connection: socket.socket) -> None:
        for _ in range(2):
            read_head(connection)
            for piece in deliver(answer):
                connection.sendall(piece)

    recorder = Recorder()
    with peer(script, says(b"")) as made:
        client = Wire(made.address, recorder)
        with client.connect() as connection:
            for request in (b"one\r\n\r\n", b"two\r\n\r\n"):
                connection.send(request[:2])
                connection.send(request[2:])
                connection.receive()
            connection.assert_closed()
        with client.connect() as connection:
            connection.send(b"three\r\n\r\n")
            with pytest.raises(ConnectionClosed):
                connection.receive()
    text = answer.decode("latin-1")
    assert exchanges(recorder) == [
        (1, "one\r\n\r\n", text, "answered"),
        (1, "two\r\n\r\n", text, "answered"),
        (2, "three\r\n\r\n", "", "closed"),
    ]
    assert recorder.as_json()["total"] == 3


def test_a_hang_is_recorded_as_one() -> None:
    recorder = Recorder()
    with peer(lambda connection: made.done.wait(10)) as made:
        client = Wire(made.address, recorder, SHORT_S)
        with pytest.raises(TimedOut):
            client.ask("GET", "/")
        client.close()
    assert [ended for *_, ended in exchanges(recorder)] == ["timed out"]


def test_an_exchange_that_nobody_waited_for_stays_open() -> None:
    recorder = Recorder()
    with peer(says(b"")) as made, Wire(made.address, recorder).connect() as connection:
        connection.send(b"x\r\n\r\n")
    assert exchanges(recorder) == [(1, "x\r\n\r\n", "", "open")]


def test_where_the_client_looked_for_an_answer_is_recorded() -> None:
    """Pieces without a look between them are one, and a look after the last says nothing."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while connection.recv(100):
            pass
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    recorder = Recorder()
    with peer(script) as made, Wire(made.address, recorder).connect() as connection:
        connection.send(b"one")
        connection.receive_head()
        connection.send(b"two")
        connection.send(b"three")
        assert not connection.reacted()
        connection.send(b"four")
        assert not connection.reacted(SHORT_S)
        connection.shutdown_write()
        connection.receive()
        # After the answer it says nothing of this exchange.
        connection.shutdown_write()
    [found] = recorder.as_json()["kept"]
    assert found["pauses"] == [{"sent": 3, "received": 25}, {"sent": 15, "received": 25}]
    assert found["half_closed"] is True


def test_what_was_sent_in_one_go_has_no_pauses() -> None:
    recorder = Recorder()
    with peer(says(OK + b"Content-Length: 0\r\n\r\n")) as made:
        client = Wire(made.address, recorder)
        with client.connect() as connection:
            connection.send(b"one")
            connection.send(b"\r\n\r\n")
            connection.receive()
            connection.shutdown_write()
            connection.assert_closed()
    [found] = recorder.as_json()["kept"]
    assert found.keys().isdisjoint({"pauses", "half_closed"})


def test_pauses_in_what_is_not_kept_are_not_kept() -> None:
    exchange = Exchange(1)
    for _ in range(3):
        exchange.send(b"x" * (BYTES_KEPT // 2 + 1))
        exchange.looked = True
    assert exchange.pauses == [(BYTES_KEPT // 2 + 1, 0)]


def test_what_is_kept_is_capped_and_the_cap_is_told() -> None:
    capped = Capped()
    capped.add(b"a" * (BYTES_KEPT - 1))
    capped.add(b"bc")
    capped.add(b"d")
    found = capped.as_json()
    assert found["bytes"] == BYTES_KEPT + 2
    assert found["text"] == "a" * (BYTES_KEPT - 1) + "b"


def test_the_last_exchanges_are_kept() -> None:
    recorder = Recorder()
    for number in range(EXCHANGES_KEPT + 5):
        recorder.begin(number)
    found = recorder.as_json()
    assert found["total"] == EXCHANGES_KEPT + 5
    assert [kept["connection"] for kept in found["kept"]] == list(range(5, EXCHANGES_KEPT + 5))
