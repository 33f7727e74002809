"""PEP 3333, `wsgi.file_wrapper`: a server need not offer one, but what it offers has to work."""

from __future__ import annotations

import hashlib

import pytest

from conformance.checks.probes import NEXT, answers, closed_once, mark_of, says_close
from conformance.clauses import clause, pep3333
from conformance.client import Response, Wire
from conformance.client.http import Client

FILES = pep3333("Optional Platform-Specific File Handling")
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


@clause("wsgi/file-wrapper/content-length", "must", FILES)
def test_content_length(wire: Wire) -> None:
    """A file that is longer than the announced Content-Length is sent up to that."""
    response, offered = send(wire, "length")
    if offered:
        assert (response.header("Content-Length"), response.body) == ("1000", CONTENT[:1000])


@clause("wsgi/file-wrapper/head", "must", FILES)
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
