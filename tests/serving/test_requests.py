"""What the server makes of requests: each is sent whole, byte by byte, and with more behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .apps import hello
from .live import PATIENCE, Live, read_responses, serving

HOST = b"Host: a\r\n"

# name -> (bytes of one request, the body that the application sees)
ACCEPTED: dict[str, tuple[bytes, bytes]] = {
    "get": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "empty-line-before": (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "empty-lines-before": (b"\r\n" * 9 + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "token-as-method": (b"X!y-1 / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "minor-version": (b"GET / HTTP/1.7\r\nHost: a\r\n\r\n", b""),
    "absolute-form": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "host-ipv6": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b""),
    "no-space-after-colon": (b"GET / HTTP/1.1\r\nHost:a\r\n\r\n", b""),
    "tab-in-value": (b"GET / HTTP/1.1\r\nHost: a\r\nX:\ta\tb\t\r\n\r\n", b""),
    "high-bytes-in-value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n", b""),
    "empty-value": (b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", b""),
    "length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", b"abcde"),
    "length-zero": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b""),
    "length-padded": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003 \r\n\r\nabc", b"abc"),
    "get-with-body": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", b"ab"),
    "chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n02\r\nde\r\n0\r\n\r\n",
        b"abcde",
    ),
    "chunked-upper-case": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
        b"A\r\n0123456789\r\n0\r\n\r\n",
        b"0123456789",
    ),
    "chunked-padded": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \t chunked \t\r\n\r\n0\r\n\r\n",
        b"",
    ),
    "chunk-extensions": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'1;a\r\nx\r\n1 ; a = "q\\"\xe9" ;b=c\r\ny\r\n0;z\r\n\r\n',
        b"xy",
    ),
    "trailers": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n",
        b"x",
    ),
    "upgrade-ignored": (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"",
    ),
    "expect-continue-in-1.0": (
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n"
        b"Content-Length: 1\r\n\r\nx",
        b"x",
    ),
}

# name -> (bytes, status)
REFUSED: dict[str, tuple[bytes, int]] = {
    # the request line
    "bare-lf": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare-lf-in-fields": (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    "bare-cr": (b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "two-spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space-in-target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space-at-end": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "space-at-start": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab-as-space": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "method-not-token": (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "high-byte-in-target": (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "quote-in-target": (b'GET /" HTTP/1.1\r\nHost: a\r\n\r\n', 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "broken-escape": (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "relative-target": (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "asterisk-with-get": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "other-scheme": (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "userinfo-in-target": (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no-host-in-target": (b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "connect": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
    "connect-with-path": (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no-version": (b"GET /\r\nHost: a\r\n\r\n", 400),
    "version-lower-case": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "version-word": (b"GET / HTCPCP/1.1\r\nHost: a\r\n\r\n", 400),
    "version-long": (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    "version-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "version-0.9": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    # fields
    "obs-fold": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    "fold-first": (b"GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 400),
    "space-before-colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "no-colon": (b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    "no-name": (b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
    "name-not-token": (b"GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n", 400),
    "name-high-byte": (b"GET / HTTP/1.1\r\nHost: a\r\n\xe9: y\r\n\r\n", 400),
    "nul-in-value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
    "control-in-value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x1fb\r\n\r\n", 400),
    "delete-in-value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", 400),
    # Host
    "host-missing": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "host-missing-absolute": (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    "host-twice": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "host-empty": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "host-list": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "host-userinfo": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "host-path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host-port": (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    "host-bracket": (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    "host-invalid-in-1.0": (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
    # framing
    "length-twice": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        400,
    ),
    "length-differs": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        400,
    ),
    **{
        f"length-{value!r}": (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + value + b"\r\n\r\nxxxxxxxxxx",
            400,
        )
        for value in (b"", b"+1", b"-1", b"1,1", b"1, 1", b"0x1", b"1 1", b"1.0", b"1e1", b"\xb2")
    },
    "length-and-coding": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
    ),
    "coding-and-length": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        b"0\r\n\r\n",
        400,
    ),
    "coding-in-1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    **{
        f"coding-{value!r}": (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n",
            status,
        )
        for value, status in (
            (b"", 400),
            (b"identity", 400),
            (b"gzip", 400),
            (b"chunked, gzip", 400),
            (b"chunked, chunked", 400),
            (b"chunked\r\nTransfer-Encoding: chunked", 400),
            (b"chunked\r\nTransfer-Encoding: identity", 400),
            (b"xchunked", 400),
            (b"chunkedx", 400),
            (b"chunked;q=1", 400),
            (b"chunked,", 400),
            (b",chunked", 400),
            (b"\x0bchunked", 400),
            (b'"chunked"', 400),
            (b"gzip, chunked", 501),
        )
    },
    "coding-space-before-colon": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "coding-folded": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "expectation": (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
    # limits
    "long-method": (b"G" * 9000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "long-target": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "long-field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431),
    "many-fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100 + b"\r\n", 431),
    "large-body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
    "larger-body": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n",
        413,
    ),
    # chunks: the application reads, and lets through what the read raises
    **{
        f"chunk-{data!r}": (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data,
            400,
        )
        for data in (
            b"\r\n\r\n",
            b"x\r\n\r\n",
            b"0x1\r\na\r\n0\r\n\r\n",
            b"+1\r\na\r\n0\r\n\r\n",
            b"-1\r\na\r\n0\r\n\r\n",
            b" 1\r\na\r\n0\r\n\r\n",
            b"1 \r\na\r\n0\r\n\r\n",
            b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
            b"1\na\r\n0\r\n\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\nab\r\n0\r\n\r\n",
            b"1\r\na0\r\n\r\n",
            b"1\r\na\r0\r\n\r\n",
            b"1;\r\na\r\n0\r\n\r\n",
            b"1;a=\r\na\r\n0\r\n\r\n",
            b'1;a="b\r\na\r\n0\r\n\r\n',
            b"1;a\nb\r\na\r\n0\r\n\r\n",
            b"1;a\rb\r\na\r\n0\r\n\r\n",
            b"1;a\x00\r\na\r\n0\r\n\r\n",
            b"1111111111111111\r\na",
            b"1\r\na\r\n0\r\nX\r\n\r\n",
            b"1\r\na\r\n0\r\nX : y\r\n\r\n",
            b"1\r\na\r\n0\r\nX: y\n\r\n",
            b"1\r\na\r\n0\r\n" + b"X: yyyyyyyyyyyyyyyyyyyy\r\n" * 1000 + b"\r\n",
            b"1;" + b"a" * 20000 + b"\r\na\r\n0\r\n\r\n",
        )
    },
    "chunked-too-large": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n",
        413,
    ),
}

AFTER = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(echo_server: Live, name: str) -> None:
    data, body = ACCEPTED[name]
    for deliver in ("whole", "bytewise", "pipelined"):
        with echo_server.connect() as client:
            if deliver == "whole":
                client.send(data)
            elif deliver == "bytewise":
                client.send_bytewise(data)
            else:
                client.send(data + AFTER)
            client.end()
            responses = read_responses(client.read_all())
        paths = []
        for response in responses:
            assert response.status == 200, (deliver, response)
            seen = json.loads(response.body)
            paths.append(seen["PATH_INFO"])
            if seen["PATH_INFO"] == "/":
                assert seen["body"].encode("latin-1") == body, deliver
        assert paths == (["/", "/after"] if deliver == "pipelined" else ["/"])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(echo_server: Live, name: str) -> None:
    data, status = REFUSED[name]
    for deliver in ("whole", "bytewise", "pipelined"):
        with echo_server.connect() as client:
            if deliver == "whole":
                client.send(data)
            elif deliver == "bytewise":
                client.send_bytewise(data)
            else:
                client.send(data + AFTER)
            client.end()
            responses = read_responses(client.read_all())
        # One answer, and nothing that came behind is taken for a request.
        assert [response.status for response in responses] == [status], deliver
        assert responses[0].get("Connection") == "close"


@pytest.mark.parametrize("name", ["tls", "bare-lf", "long-target", "chunk-b'x\\r\\n\\r\\n'"])
def test_refused_without_waiting_for_more(echo_server: Live, name: str) -> None:
    data, status = REFUSED[name]
    with echo_server.connect() as client:
        client.send(data)
        assert client.read_response().status == status
        assert client.at_end()


def test_pipelined_requests_are_answered_in_order(echo_server: Live) -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(100))
    responses = echo_server.talk(requests)
    paths = [json.loads(response.body)["PATH_INFO"] for response in responses]
    assert paths == [f"/{number}" for number in range(100)]


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n", True),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n", False),
    ],
)
def test_persistence(echo_server: Live, head: bytes, kept: bool) -> None:
    with echo_server.connect() as client:
        client.send(head + b"\r\n")
        response = client.read_response()
        assert response.status == 200
        if kept:
            assert response.get("Connection") == ("keep-alive" if b"1.0" in head else None)
            client.send(AFTER)
            assert client.read_response().status == 200
        else:
            assert response.get("Connection") == "close"
            assert client.at_end()


def test_options_asterisk_is_answered_by_the_server(echo_server: Live) -> None:
    [response, after] = echo_server.talk(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + AFTER)
    assert (response.status, response.get("Content-Length")) == (200, "0")
    assert after.status == 200


def test_refusal_of_a_head_request_has_no_body(echo_server: Live) -> None:
    for data in (b"HEAD / HTTP/1.1\r\n\r\n", b"HEAD /\x00"):
        [response] = echo_server.talk(data, ["HEAD"])
        assert (response.status, response.body) == (400, b"")


@pytest.mark.parametrize("options", [{}, {"threaded": True, "threads": 1}])
def test_endless_pipelining_does_not_fill_the_memory(options: Any) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with serving(hello, **options) as live, live.connect() as client:
        client.socket.settimeout(0.01)
        sent = 0
        while sent < 20_000_000:
            # Sends without reading, until the server cannot answer any more and stops reading.
            try:
                sent += client.socket.send(request * 1000)
            except TimeoutError:
                break
        [connection] = live.server.connections
        assert len(connection.buffer) < 200_000
        client.socket.settimeout(PATIENCE)
        client.end()
        client.read_all()


def test_request_that_breaks_off(echo_server: Live) -> None:
    for data in (b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n"):
        [response] = echo_server.talk(data)
        assert response.status == 400


def test_body_that_breaks_off_is_not_taken_for_a_shorter_one(echo_server: Live) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\n"
    for rest in (
        b"Content-Length: 9\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ):
        [response] = echo_server.talk(head + rest)
        assert response.status == 400
