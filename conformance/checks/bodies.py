"""What the checks of message bodies share: the request under test, and how its answers are judged.

What the first request is answered with, what the connection is used for after it, and whether what
hides in a body was taken for a request are judged apart.
"""

from __future__ import annotations

from conformance.checks.probes import alive, mark_of, read_json
from conformance.client import Response, Wire

ECHO = "POST /wsgi/echo?mark=first HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKED_INPUT = ("chunked-input",)
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def numbered(size: int) -> bytes:
    """Bytes of which no two blocks are alike, as the application makes them: numbered lines."""
    blocks = (b"%07d\n" * 512 % tuple(range(n, n + 512)) for n in range(0, size // 8 + 1, 512))
    return b"".join(blocks)[:size]


def refused(response: Response, *statuses: int) -> None:
    """The answer to a request that has to be refused is one of these statuses."""
    assert response.status in statuses, f"expected {statuses}, found {response.describe()}"


def received(response: Response) -> bytes:
    """The body as the application saw it."""
    found = read_json(response)
    body: bytes = found["body"].encode("latin-1")
    assert found["length"] == len(body)
    return body


def only_first(wire: Wire, found: list[Response]) -> None:
    """The connection was closed after the first answer: nothing behind it was answered.

    Or without an answer, which is judged elsewhere, by a server that does give some.
    """
    if not found:
        alive(wire)
    assert len(found) <= 1, [mark_of(response) or response.describe() for response in found]


def no_more_than(wire: Wire, found: list[Response], *marks: str) -> None:
    """No other request than these was answered, and these in order."""
    if not found:
        alive(wire)
    seen = [mark for mark in map(mark_of, found) if mark is not None]
    assert seen == list(marks)[: len(seen)], seen


def in_step(wire: Wire, found: list[Response]) -> None:
    """Behind the first answer comes that to the next request, or nothing at all."""
    if not found:
        alive(wire)
    seen = [mark_of(response) or response.describe() for response in found[1:]]
    assert seen in ([], ["next"]), seen
