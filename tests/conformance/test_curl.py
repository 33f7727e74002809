"""Requests as curl commands: what curl sends is what was recorded, or there is no command."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance.report import curl
from tests.conformance.peer import peer
from tests.conformance.test_replay import exchange

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

FIELD = 'Content-Disposition: form-data; name="a"'
MULTIPART = f"--x\r\n{FIELD}\r\n\r\n100% \\ '\xe9\x00\r\n--x--\r\n"


def request(line: str, *fields: str, body: str = "") -> str:
    """The text of a request."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([line, *fields, *length, "", body])


def parts(text: str) -> tuple[str, list[tuple[str, str]], str]:
    """Request line, fields and body; the order of the fields says nothing."""
    head, _, body = text.partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    pairs = [field.partition(":") for field in fields]
    return line, sorted((name.lower(), value.strip()) for name, _, value in pairs), body


@needs_curl
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(request("GET / HTTP/1.1", "Host: a"), id="get"),
        pytest.param(request("GET /a HTTP/1.1"), id="no-fields"),
        pytest.param(request("GET / HTTP/1.0", "Connection: keep-alive"), id="http-1.0"),
        pytest.param(request("HEAD /a HTTP/1.1", "Host: a", "Accept: */*"), id="head"),
        pytest.param(request("BREW /pot HTTP/1.1", "Host: a"), id="another-method"),
        pytest.param(request("GET /a/../b/./c?d=/../ HTTP/1.1", "Host: a"), id="dot-segments"),
        pytest.param(request("GET /a%2F%2e%2e/;b?c=%00&d={e}[1-3] HTTP/1.1", "Host: a"), id="odd"),
        pytest.param(request("GET //a//b? HTTP/1.1", "Host: a"), id="empty-query"),
        pytest.param(request("OPTIONS * HTTP/1.1", "Host: a"), id="asterisk-form"),
        pytest.param(request("GET http://b/c HTTP/1.1", "Host: a"), id="absolute-form"),
        pytest.param(request("GET /\"'`$(x)\\#f HTTP/1.1", "Host: a"), id="shell"),
        pytest.param(
            request("GET / HTTP/1.1", "Host: a", "X-A: $HOME `x` 'y' \"z\"", "X-B:"),
            id="fields",
        ),
        pytest.param(request("GET / HTTP/1.1", "Host: a", "Cookie: a=1; b=2"), id="cookie"),
        pytest.param(request("POST / HTTP/1.1", "Host: a", body="a=1&b='2'"), id="post"),
        pytest.param(
            request("PUT / HTTP/1.1", "Host: a", "Content-Type: text/plain", body="@file"), id="at"
        ),
        pytest.param(request("GET / HTTP/1.1", "Host: a", body="with a body"), id="get-body"),
        pytest.param(request("POST / HTTP/1.1", "Host: a", "Content-Length: 0"), id="empty-body"),
        pytest.param(request("POST / HTTP/1.1", "Host: a"), id="post-without-length"),
        pytest.param(
            request(
                "POST / HTTP/1.1",
                "Host: a",
                "Content-Type: multipart/form-data; boundary=x",
                body=MULTIPART,
            ),
            id="multipart",
        ),
    ],
)
def test_curl_sends_the_same(text: str, tmp_path: Path) -> None:
    got: list[str] = []

    def script(connection: socket.socket) -> None:
        data = b""
        while True:
            head, ended, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if ended and len(body) >= int(length[1] if length else 0):
                break
            more = connection.recv(65536)
            assert more
            data += more
        got.append(data.decode("latin-1"))
        connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    with peer(script) as to:
        line = curl.of_request(text, f"http://127.0.0.1:{to.address[1]}")
        assert line is not None
        assert line.isprintable()
        subprocess.run(
            ["sh", "-c", line],
            check=True,
            capture_output=True,
            timeout=20,
            # No proxy, and no settings of the one who tests.
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
    assert list(map(parts, got)) == [parts(text)]


def test_the_own_address_is_left_to_curl() -> None:
    """The deployment has another port the next time."""
    text = request("GET / HTTP/1.1", "Host: 127.0.0.1:30320", "User-Agent: a", "Accept: b")
    assert curl.of_request(text) == (
        "curl -i --http1.1 -H 'User-Agent: a' -H 'Accept: b' http://127.0.0.1:8000/"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("GET / HTTP/1.1\r\nHost: a\r\n", id="half"),
        pytest.param("GET / HTTP/1.1\nHost: a\n\n", id="bare-line-feeds"),
        pytest.param(request("GET /a b HTTP/1.1", "Host: a"), id="space-in-target"),
        pytest.param(request("GET /\xe9 HTTP/1.1", "Host: a"), id="beyond-ascii"),
        pytest.param(request("GET  / HTTP/1.1", "Host: a"), id="two-spaces"),
        pytest.param(request("GET / HTTP/2.0", "Host: a"), id="version"),
        pytest.param(request("GET /", "Host: a"), id="http-0.9"),
        pytest.param("\r\n" + request("GET / HTTP/1.1", "Host: a"), id="empty-line-before"),
        pytest.param(request("GET / HTTP/1.1", "Host : a"), id="space-before-colon"),
        pytest.param(request("GET / HTTP/1.1", "Host: a", " b"), id="folded"),
        pytest.param(request("GET / HTTP/1.1", "Host: a", "X: \x00"), id="null"),
        pytest.param(request("GET / HTTP/1.1", "Host: a", "X: \xe9"), id="field-beyond-ascii"),
        pytest.param(request("GET / HTTP/1.1", "Host: a", "X: 1", "x: 2"), id="twice"),
        pytest.param(request("GET / HTTP/1.1", "Host: a", "Content-Length: 1"), id="short"),
        pytest.param(request("GET / HTTP/1.1", "Host: a") + "GET / HTTP/1.1", id="two"),
        pytest.param(
            request("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked") + "0\r\n\r\n",
            id="chunked",
        ),
        pytest.param(request("PUT / HTTP/1.1", "Expect: 100-continue", body="a"), id="expect"),
        pytest.param(request("HEAD / HTTP/1.1", body="a"), id="head-with-a-body"),
        pytest.param(request("POST / HTTP/1.1", body="a" * 501), id="long"),
    ],
)
def test_what_curl_cannot_say_has_no_command(text: str) -> None:
    assert curl.of_request(text) is None


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([exchange(), exchange(b"GET /-/journal/x HTTP/1.1", connection=2, at=1.0)],
                     "http://127.0.0.1:8000/ok", id="journal"),
        pytest.param([exchange(b"GET /-/identity HTTP/1.1\r\n\r\n")],
                     "http://127.0.0.1:8000/-/identity", id="nothing-else"),
        pytest.param([exchange(), exchange(at=1.0)], None, id="same-connection"),
        pytest.param([exchange(), exchange(at=0.25, connection=2)], None, id="together"),
        pytest.param([exchange(pauses=[{"sent": 1, "received": 0}])], None, id="pauses"),
        pytest.param([exchange(half_closed=True)], None, id="half-closed"),
        pytest.param([exchange(request("GET / HTTP/1.1", f"X: {'a' * 9000}").encode())], None,
                     id="cut"),
    ],
)  # fmt: skip
def test_the_exchange_that_tells(kept: list[dict[str, Any]], found: str | None) -> None:
    line = curl.command(kept)
    assert (line and line.split()[-1]) == found
