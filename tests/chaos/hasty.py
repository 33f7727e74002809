"""A check as none should be: it waits for a time, and passes on an idle machine."""

from __future__ import annotations

from conformance.clauses import Source, clause
from conformance.client import Wire

#: Seconds.
SOON_S = 0.1
REQUESTS = 3000


@clause("chaos/hasty", "must", Source("A text", "A section", "https://example.org/#a"))
def test_hasty(wire: Wire) -> None:
    """Every answer comes soon."""
    for _ in range(REQUESTS):
        with wire.connect() as connection:
            connection.request("GET", "/-/identity", [("Connection", "close")])
            assert connection.reacted(SOON_S), "no answer came soon"
            connection.receive()
