"""Responses: streams, which are sent while they are made."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest

from conformance.checks.bodies import numbered
from conformance.checks.probes import read_json
from conformance.clauses import clause, flask, pep3333, werkzeug
from conformance.client import PeerError, Wire
from conformance.client.http import Client

STREAMING = flask("patterns/streaming", "Basic Usage")
#: The sizes of the pieces that the application sends.
SIZES = [1, 0, 8191, 8192, 8193, 0, 65535, 65536, 65537, 300_000, 2, 500_000, 31_415]
FIRST, SECOND = b"data: 1\n\n", b"data: 2\n\n"


@clause(
    "response/stream/held", "must", pep3333("Buffering and Streaming"), requires=("concurrency",)
)
@pytest.mark.parametrize(
    "kind", [pytest.param("open", id="open"), pytest.param("with-length", id="with-length")]
)
def test_held(wire: Wire, key: str, kind: str) -> None:
    """A piece of a stream is on its way before the next is made, be its length known or not.

    The view's generator yields a piece and waits for another request, which the client sends only
    once it has that piece: neither the framework nor the server may gather the pieces of a stream.
    """
    query = urlencode({"key": key, "patience": wire.time_limit_s * 0.8})
    connection = wire.connect()
    connection.request("GET", f"/response/stream/held/{kind}?{query}", [("Connection", "close")])
    response = connection.receive_head()
    assert response.status == 200, response.describe()
    while not response.body.startswith(FIRST):
        if not connection.receive_body_part(response):
            raise PeerError(f"expected the first piece, found the end after {response.body!r}")
    assert response.body == FIRST, "the pieces came together: the first one was held back"
    assert read_json(wire.ask("GET", f"/response/stream/release?{query}")) == {"met": True}
    while connection.receive_body_part(response):
        pass
    assert response.body == FIRST + SECOND


@clause("response/stream/big", "contract", STREAMING)
@pytest.mark.parametrize(
    "query", [pytest.param("", id="open"), pytest.param("?length=yes", id="with-length")]
)
def test_big(client: Client, query: str) -> None:
    """A stream of 1 MiB in pieces of every size arrives whole, empty pieces or not."""
    answer = client.get(f"/response/stream/big{query}")
    assert answer.status_code == 200
    size = sum(SIZES)
    content = numbered(size)
    assert len(answer.content) == size
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(content).digest()
    if query:
        assert answer.header("Content-Length") == str(size)


def events_until_close(client: Client, key: str) -> list[str]:
    """What the journal has under a key, once the response was closed."""

    def closed(events: list[dict[str, Any]]) -> bool:
        return any(event.get("event") == "close" for event in events)

    return [str(event.get("event")) for event in client.journal(key, until=closed)]


CALL_ON_CLOSE = werkzeug("wrappers", "werkzeug.wrappers.Response.call_on_close")


@clause("response/stream/closed", "contract", CALL_ON_CLOSE)
def test_closed(client: Client, key: str) -> None:
    """What is to be called when a response is closed is called, and after its last piece."""
    answer = client.get(f"/response/stream/noted?key={key}")
    assert (answer.status_code, answer.content) == (200, b"one;two;")
    assert events_until_close(client, key) == ["started", "ended", "close"]


APP_ITER = werkzeug("wrappers", "werkzeug.wrappers.Response.get_app_iter")


@clause("response/stream/head", "contract", APP_ITER)
def test_head(client: Client, key: str) -> None:
    """For HEAD the stream is not begun, and the response is closed all the same."""
    answer = client.head(f"/response/stream/noted?key={key}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert events_until_close(client, key) == ["close"]
