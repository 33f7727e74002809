"""What clients leave behind: once they are gone, so is all that the server had for them."""

from __future__ import annotations

import time

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import mark_of, marked, read_json, request
from conformance.clauses import Source, clause
from conformance.client import Connection, PeerError, Wire

#: How many clients come and go. A server that forks for each of them is slow.
CLIENTS = 40
#: How many descriptors or threads more there may be afterwards: pools grow, but not by that much.
MORE = 20
#: Seconds that a server has to notice that they are gone.
PATIENCE_S = 3.0
POLL_S = 0.05

RELEASE = Source(
    "Common Weakness Enumeration", "CWE-772", "https://cwe.mitre.org/data/definitions/772.html"
)

HALF_HEAD = b"GET /wsgi/echo HTTP/1.1\r\nHost: a\r\nX-Half"
HALF_BODY = request("POST /wsgi/echo HTTP/1.1", "Content-Length: 9", body=b"half")
REFUSED = request("GET / HTTP/1.1", "X Y: 1")


def used(wire: Wire, capabilities: Capabilities) -> tuple[int, int]:
    """How many descriptors and threads a process has: the one that has most of them."""
    found = []
    for _ in range(capabilities.processes):
        answer = read_json(wire.ask("GET", "/-/resources"))
        numbers = answer.get("descriptors"), answer.get("threads")
        if not all(isinstance(number, int) for number in numbers):
            raise PeerError(f"expected numbers of descriptors and threads, found {answer}")
        found.append(numbers)
    return max(number for number, _ in found), max(number for _, number in found)


def ask(connection: Connection) -> None:
    """Send a request and read the answer."""
    connection.send(marked("left"))
    assert mark_of(connection.receive()) == "left"


def go_on(connection: Connection) -> None:
    """Send half of another request behind one that was answered."""
    ask(connection)
    connection.send(HALF_HEAD)


def be_refused(connection: Connection) -> None:
    """Send what is no request, and see that there is an answer, or the end."""
    connection.send(REFUSED)
    connection.more()


WAYS = {
    "silent": lambda connection: None,
    "head": lambda connection: connection.send(HALF_HEAD),
    "body": lambda connection: connection.send(HALF_BODY),
    "answered": ask,
    "second-head": go_on,
    "refused": be_refused,
}


@clause("security/left", "agreement", RELEASE)
@pytest.mark.parametrize("way", WAYS)
def test_left(wire: Wire, capabilities: Capabilities, way: str) -> None:
    """Clients that come and close their connections leave no descriptor and no thread behind.

    However far they got: a server that keeps one for each of them has none left some day.
    """
    before = used(wire, capabilities)
    for _ in range(CLIENTS):
        with wire.connect() as connection:
            WAYS[way](connection)
    patience = time.monotonic() + PATIENCE_S
    while True:
        after = used(wire, capabilities)
        grown = [then - now for then, now in zip(after, before, strict=True)]
        if max(grown) < MORE:
            return
        assert time.monotonic() < patience, (
            f"{CLIENTS} clients are gone: descriptors and threads were {before}, are {after} now"
        )
        time.sleep(POLL_S)
