"""Load: many requests in a short time, each with data of its own, on workers that are reused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from conformance.capabilities import Capabilities
from conformance.checks.probes import Kept, read_json
from conformance.checks.rendezvous import at_once, send
from conformance.clauses import clause, flask
from conformance.client import Wire

CONTEXT = flask("reqcontext", "How the Context Works")
#: How many requests each of the users sends on its connection. Some servers send fields and body
#: apart, which costs each of them the 40 ms that the client's system waits with its ACK.
REQUESTS = 60
#: How many requests pass while others are held.
PASSING = 25
#: How many time limits those that are held wait for their release: they are waiting for as many
#: others, one after the other.
PATIENCE = 3


def users(capabilities: Capabilities) -> int:
    """How many users there are: no more than are served at once, since each keeps its turn."""
    return min(at_once(capabilities), 8)


def all_wrong(number: int, user: Callable[[int], list[str]]) -> list[str]:
    """What was answered wrongly to any of the users, who are all at work at once."""
    with ThreadPoolExecutor(number) as pool:
        return [wrong for found in pool.map(user, range(number)) for wrong in found]


@clause("context/load/kept-connections", "contract", CONTEXT, requires=("keep-alive",))
def test_kept_connections(wire: Wire, capabilities: Capabilities) -> None:
    """Of 60 requests on the kept connection of each user, every one is answered with its own data.

    Data are in the query, a field, the body and the session, whose cookie each user sends back.
    """

    def user(number: int) -> list[str]:
        kept, name, cookie = Kept(wire), f"user-{number}", ""
        wrong = []
        for count in range(1, REQUESTS + 1):
            payload = uuid4().hex
            response = kept.ask(
                "POST",
                f"/context/echo?payload={payload}&user={name}",
                [("X-Payload", payload), *([("Cookie", cookie)] if cookie else [])],
                payload.encode(),
            )
            cookie = response.header("Set-Cookie").partition(";")[0]
            wanted = {"found": None, "user": name, "count": count}
            wanted |= dict.fromkeys(("g", "header", "body"), payload)
            if (answer := read_json(response)) != wanted:
                wrong.append(f"expected {wanted}, found {answer}")
        return wrong

    assert all_wrong(users(capabilities), user) == []


@clause("context/load/beside-held", "contract", CONTEXT, requires=("concurrency",))
def test_beside_held(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """Others pass beside the requests that are held: each finds its own data and no other."""
    number = at_once(capabilities)
    patience = wire.time_limit_s * PATIENCE
    held = send(wire, key, number, number=number - 1, patience_s=patience)
    try:
        for _ in range(PASSING):
            payload = uuid4().hex
            answer = read_json(wire.ask("GET", f"/context/remember?payload={payload}"))
            assert answer == {"found": None, "g": payload}
    finally:
        # Whatever was found, nobody is kept waiting.
        held += send(wire, key, number, number=1, patience_s=patience)
    for party in held:
        answer = read_json(party.receive())
        assert answer["met"] is True
        places = ("g", "request", "header", "body", "session")
        assert [answer[place] for place in places] == [party.payload] * len(places)


@clause("context/load/mixed", "contract", CONTEXT)
def test_mixed(wire: Wire) -> None:
    """Eight users mix views, failures, streams and pages that are missing: each gets its own."""

    def user(_: int) -> list[str]:
        wrong = []
        for _ in range(3):
            payload = uuid4().hex
            for target, status, text in (
                (f"/context/stream?payload={payload}", 200, f"g={payload};request={payload}"),
                (f"/context/remember-and-fail?payload={payload}", 500, None),
                (f"/context/remember?payload={payload}", 200, None),
                (f"/context/nowhere?payload={payload}", 404, None),
            ):
                response = wire.ask("GET", target)
                right = response.status == status
                if text is not None:
                    right = right and response.body == text.encode()
                elif status == 200:
                    right = right and read_json(response) == {"found": None, "g": payload}
                if not right:
                    wrong.append(f"{target}: {response.describe()} {response.body[:200]!r}")
        return wrong

    assert all_wrong(8, user) == []
