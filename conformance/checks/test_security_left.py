"""What a server has for its clients, and for how long.

Once they are gone it has nothing for them any more, and until they have their answers it has all.
"""

from __future__ import annotations

import time

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import mark_of, marked, read_json, request
from conformance.clauses import Source, clause, rfc9112
from conformance.client import Connection, PeerError, Wire

#: How many clients come and go. A server that forks for each of them is slow.
CLIENTS = 40
#: Clients that come without waiting for the server.
FEW = 4
#: How many descriptors or threads more there may be afterwards: pools grow, but not by that much.
MORE = 20
#: Time limits in which a server has to notice that they are gone: several times the five seconds
#: for which many keep what may still be used.
PATIENCE = 2
POLL_S = 0.05
#: Seconds that an application works: longer than some servers keep an idle connection.
AT_WORK_S = 3.0

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
    assert mark_of(wire.exchange(marked("before", "Connection: close"))) == "before"
    before = used(wire, capabilities)
    for number in range(CLIENTS):
        with wire.connect() as connection:
            WAYS[way](connection)
        if number % FEW == 0:
            # More than a few at once do not fit into the queue of a server that takes one by one.
            used(wire, capabilities)
    patience = time.monotonic() + PATIENCE * wire.time_limit_s
    while True:
        after = used(wire, capabilities)
        grown = [then - now for then, now in zip(after, before, strict=True)]
        if max(grown) < MORE:
            return
        assert time.monotonic() < patience, (
            f"{CLIENTS} clients are gone: descriptors and threads were {before}, are {after} now"
        )
        time.sleep(POLL_S)


@clause("security/at-work", "agreement", rfc9112("9.5"))
def test_at_work(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """A request at which the application works for seconds is answered: its connection is not idle.

    Neither one that is new nor one that had a request before, and whoever ends idle connections
    does not end himself.
    """
    before = read_json(wire.ask("GET", "/-/identity"))["pid"]
    connections = [wire.connect()]
    if capabilities.keep_alive and capabilities.concurrency != 1:
        connections.append(wire.connect())
        ask(connections[1])
    for index, connection in enumerate(connections):
        connection.time_limit_s += AT_WORK_S
        target = f"/wsgi/held?key={key}-{index}&patience={AT_WORK_S}"
        connection.send(request(f"GET {target} HTTP/1.1", "Connection: close"))
    for connection in connections:
        response = connection.receive()
        assert (response.status, response.body) == (200, b"first;alone;"), response.describe()
        connection.assert_closed()
    after = read_json(wire.ask("GET", "/-/identity"))["pid"]
    assert after == before or capabilities.processes != 1, "the process was replaced by another"
