"""PEP 3333, `wsgi.file_wrapper`: a server need not offer one, but what it offers has to work."""

from __future__ import annotations

import hashlib

import pytest

from conformance.checks.gateways import rest_of
from conformance.checks.probes import NEXT, answers, closed_once, mark_of, says_close
from conformance.clauses import clause, pep3333, rfc9112
from conformance.client import PeerError, Response, Wire
from conformance.client.http import Client

FILES = pep3333("Optional Platform-Specific File Handling")
LENGTH = pep3333("Handling the Content-Length Header")
#: What the application sends.
CONTENT = bytes(range(256)) * 1024


def send(wire: Wire, kind: str, method: str = "GET") -> tuple[Response, bool]:
    """The response to a request for a file, and whether the server offers a file wrapper.

    Another request over the same connection proves that the file ended where the framing says.
    """
    with wire.connect() as connection:
        connection.request(method, f"/wsgi/file?kind={kind}")
        response = connection.receive(method)
        # Only now: a server that closes with bytes unread may lose what it has not sent yet.
        connection.send(NEXT)
        if says_close(response):
            connection.shutdown_write()
        assert [mark_of(answer) for answer in answers(connection)] in ([], ["next"])
    assert response.status == 200, response.describe()
    return response, response.header("X-File-Wrapper") == "present"


def offers(wire: Wire) -> bool:
    """Whether the server offers a file wrapper.

    :raises PeerError: it answers something else.
    """
    found = wire.ask("GET", "/wsgi/file?kind=empty").header("X-File-Wrapper")
    if found not in ("present", "absent"):
        raise PeerError(f"expected present or absent, found {found!r}")
    return found == "present"


@clause("wsgi/file-wrapper/offered", "may", FILES)
def test_offered(wire: Wire) -> None:
    """The environ has `wsgi.file_wrapper`, which a server may leave out.

    Where it is there, `send_file` of Flask and others hands files over to the server.
    """
    assert offers(wire), "the environ has no wsgi.file_wrapper"


@clause("wsgi/file-wrapper/sent", "must", FILES)
@pytest.mark.parametrize(
    ("kind", "start"),
    [
        pytest.param("file", 0, id="file"),
        pytest.param("offset", 1000, id="from-its-position"),
        pytest.param("block-size", 0, id="block-size"),
        pytest.param("like", 0, id="file-like"),
        pytest.param("read-only", 0, id="read-and-nothing-else"),
        pytest.param("iterated", 0, id="iterated-by-middleware"),
        pytest.param("short-reads", 0, id="short-reads"),
        pytest.param("whole-length", 0, id="of-announced-length"),
    ],
)
def test_sent(wire: Wire, kind: str, start: int) -> None:
    """A file, or what is like one, is sent from its position to its end.

    With `sendfile` it is the kernel that sends, and the position, the length and what only has
    `read()` are what goes wrong then.
    """
    response, offered = send(wire, kind)
    if offered:
        expected = CONTENT[start:]
        assert len(response.body) == len(expected)
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(expected).digest()


@clause("wsgi/file-wrapper/position", "should", FILES)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("partly-read", id="read-from-before"),
        pytest.param("moved", id="moved-after-wrapping"),
    ],
)
def test_position(wire: Wire, kind: str) -> None:
    """The position that counts is the file's own, when it is sent: not the descriptor's, not 0.

    A file that was read from is buffered, and its descriptor is ahead of it.
    """
    response, offered = send(wire, kind)
    if offered:
        assert len(response.body) == len(CONTENT) - 1000
        assert response.body == CONTENT[1000:]


@clause("wsgi/file-wrapper/big", "must", FILES)
def test_big(wire: Wire) -> None:
    """A file of 4 MiB is sent whole: no system call takes so much at once."""
    response, offered = send(wire, "big")
    if offered:
        assert len(response.body) == len(CONTENT) * 16
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(CONTENT * 16).digest()


@clause("wsgi/file-wrapper/empty", "must", FILES)
def test_empty(wire: Wire) -> None:
    """An empty file is a body without a byte, and a response like any other."""
    response, _ = send(wire, "empty")
    assert response.body == b""


@clause("wsgi/file-wrapper/pipe", "must", FILES)
def test_pipe(wire: Wire) -> None:
    """A pipe has a descriptor and no position: what `sendfile` does not take is read."""
    response, offered = send(wire, "pipe")
    if offered:
        assert response.body == CONTENT[:4096]


@clause("wsgi/file-wrapper/range", "should", FILES)
def test_range(wire: Wire) -> None:
    """From its position so many bytes are sent as were announced: that is how a range is sent."""
    response, offered = send(wire, "range")
    if offered:
        assert (response.header("Content-Length"), response.body) == ("1000", CONTENT[1000:2000])


@clause("wsgi/file-wrapper/not-returned", "must", FILES)
def test_not_returned(wire: Wire) -> None:
    """Nothing is sent of a file that was wrapped and not returned: another body took its place."""
    response, offered = send(wire, "unused")
    if offered:
        assert response.body == b"another body"


@clause("wsgi/file-wrapper/too-short", "should", LENGTH)
def test_too_short(wire: Wire) -> None:
    """A file that is shorter than announced ends with the connection: the client can tell."""
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/file?kind=too-short")
        response = connection.receive_head()
        if response.status >= 500 or response.header("X-File-Wrapper") == "absent":
            return
        assert response.header("Content-Length") == "1000"
        assert CONTENT[:500].startswith(rest_of(connection, response))


@clause("wsgi/file-wrapper/content-length", "should", FILES)
def test_content_length(wire: Wire) -> None:
    """A file that is longer than the announced Content-Length is sent up to that."""
    response, offered = send(wire, "length")
    if offered:
        assert (response.header("Content-Length"), response.body) == ("1000", CONTENT[:1000])


@clause("wsgi/file-wrapper/head", "must", rfc9112("6.3"))
def test_head(wire: Wire) -> None:
    """For HEAD nothing of the file is sent."""
    response, _ = send(wire, "file", "HEAD")
    assert response.body == b""


@clause("wsgi/file-wrapper/closed", "must", FILES)
def test_closed(wire: Wire, client: Client, key: str) -> None:
    """The file-like object's own `close()` is called once the response is over."""
    response = wire.ask("GET", f"/wsgi/file?kind=like&key={key}")
    if response.header("X-File-Wrapper") == "present":
        closed_once(client, key)


@clause("wsgi/file-wrapper/closed-however", "must", FILES)
@pytest.mark.parametrize(
    ("method", "kind"),
    [
        pytest.param("GET", "real", id="with-a-descriptor"),
        pytest.param("HEAD", "like", id="head"),
        pytest.param("GET", "failing", id="failing"),
    ],
)
def test_closed_however(wire: Wire, client: Client, key: str, method: str, kind: str) -> None:
    """The file is closed however the response ends: a descriptor that is left open is one less."""
    if not offers(wire):
        return
    with wire.connect() as connection:
        connection.request(method, f"/wsgi/file?kind={kind}&key={key}", [("Connection", "close")])
        connection.receive_end()
    closed_once(client, key)


@clause("wsgi/file-wrapper/closed-disconnected", "must", FILES)
def test_closed_disconnected(wire: Wire, client: Client, key: str) -> None:
    """The file is closed when the client goes away in the middle of it."""
    if not offers(wire):
        return
    connection = wire.connect()
    connection.request("GET", f"/wsgi/file?kind=endless&key={key}")
    response = connection.receive_head()
    assert connection.receive_body_part(response)
    connection.reset()
    closed_once(client, key)
