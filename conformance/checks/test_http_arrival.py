"""How messages come: in more pieces than lines, and on more connections than there is room for."""

from __future__ import annotations

import time

from conformance.capabilities import Capabilities
from conformance.checks.probes import (
    CLOSE,
    ON_ITS_WAY_S,
    alive,
    answers,
    apart,
    exchange,
    mark_of,
    marked,
    request,
    says_close,
)
from conformance.clauses import clause, rfc9112
from conformance.client import Response, Wire

#: The pieces of a head.
PIECES = 40
#: More connections than some servers keep.
MANY = 24


@clause("http/arrival/large-head", "must", rfc9112("2.2"))
def test_large_head(wire: Wire, capabilities: Capabilities) -> None:
    """A head of 16 kB that comes in forty pieces is answered as it is when it comes at once.

    Who counts the bytes of a head has to count each of them once, however often the end was looked
    for. A server whose limit is lower refuses both, or closes.
    """
    fields = [f"X-Field-{index}: {'x' * 360}" for index in range(PIECES)]
    data = request("GET /wsgi/echo?mark=large HTTP/1.1", *fields, CLOSE)
    whole = _outcome(exchange(wire, data))
    size = -(-len(data) // PIECES)
    with wire.connect() as connection:
        deadline = time.monotonic() + ON_ITS_WAY_S
        for start in range(0, len(data), size):
            connection.send(data[start : start + size])
            # Read before the next one comes: other clients have had their answers meanwhile. On a
            # busy machine forty of them take longer than the whole head may.
            if capabilities.concurrency != 1 and time.monotonic() < deadline:
                alive(wire)
            apart(connection, deadline)
        assert _outcome(answers(connection)) == whole
    alive(wire)


def _outcome(found: list[Response]) -> str:
    """How a request was answered: with what it asks for, or refused.

    A refusal can get lost on the way to a client that is still sending: then there is the end.
    """
    if found and found[0].status == 200:
        return mark_of(found[0]) or "something else"
    assert not found or 400 <= found[0].status < 500, found[0].describe()
    return "refused"


@clause("http/keep-alive/many", "should", rfc9112("9.6"), requires=("keep-alive",))
def test_many(wire: Wire) -> None:
    """However many connections are kept, one that ends after an answer is announced in the answer.

    The client of a connection that is kept sends its next request, and cannot know of one that is
    lost whether it may send it again. A server may end old ones to make room: so it is the newest
    on which a second request has to be answered.
    """
    for index in range(MANY):
        connection = wire.connect()
        connection.send(marked(f"first-{index}"))
        response = connection.receive()
        assert mark_of(response) == f"first-{index}"
    if says_close(response):
        connection.assert_closed()
        return
    connection.send(marked("second"))
    assert mark_of(connection.receive()) == "second"
