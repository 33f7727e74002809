"""Rendezvous: as many requests as a deployment handles at once, held in their handlers together.

The last one to come lets all of them go, so that they are known to have been at work at the same
time, and on every thread and process that the deployment declares: whatever comes of it does not
depend on which of them got which request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from conformance.capabilities import Capabilities
from conformance.checks.probes import HOST, read_json
from conformance.client import Connection, Response, Wire

_Read = TypeVar("_Read")

#: How many requests meet where the deployment declares no bound.
MANY = 16


def at_once(capabilities: Capabilities) -> int:
    """How many requests can be held at the same time, as far as it is declared."""
    return min(capabilities.concurrency or MANY, MANY)


@dataclass(frozen=True)
class Party:
    """One request of a rendezvous that has been sent.

    :param payload: what tells it from all others; its query, its field X-Payload and its body.
    """

    payload: str
    connection: Connection

    def receive(self, method: str = "POST") -> Response:
        """Its response; the connection is closed then."""
        with self.connection:
            return self.connection.receive(method)


def send(
    wire: Wire,
    key: str,
    parties: int,
    *,
    path: str = "/context/meet",
    number: int | None = None,
    method: str = "POST",
    fail: Iterable[int] = (),
    repeat: int = 1,
    own_host: bool = False,
    patience_s: float | None = None,
    **query: str,
) -> list[Party]:
    """Send requests for a rendezvous at once, each on its own connection with its own payload.

    :param parties: how many have to be there until all of them are let go.
    :param number: how many are sent now; all of them without it.
    :param fail: which of them, counted from 0, are asked to fail.
    :param repeat: how often the payload stands in the body.
    :param own_host: whether each names a host of its own.
    """
    sent = [Party(uuid4().hex, wire.connect()) for _ in range(number or parties)]
    patience = wire.time_limit_s * 0.8 if patience_s is None else patience_s
    for place, party in enumerate(sent):
        arguments = {
            "key": key,
            "parties": str(parties),
            "patience": str(patience),
            "payload": party.payload,
            **query,
            **({"fail": "1"} if place in set(fail) else {}),
        }
        body = " ".join([party.payload] * repeat).encode() if method == "POST" else None
        party.connection.request(
            method,
            f"{path}?{urlencode(arguments)}",
            [("X-Payload", party.payload), ("Content-Type", "text/plain"), ("Connection", "close")],
            body,
            host=f"{party.payload}.test" if own_host else HOST,
        )
    return sent


def side_by_side(parties: Sequence[Party], read: Callable[[Party], _Read]) -> list[_Read]:
    """Read all of them at once, and close each as soon as it is read.

    For what a response cannot tell the end of: a server may be busy with closing one connection,
    for which it waits for the client, while the client waits for it to close another.
    """

    def read_and_close(party: Party) -> _Read:
        with party.connection:
            return read(party)

    with ThreadPoolExecutor(max(len(parties), 1)) as pool:
        return list(pool.map(read_and_close, parties))


def meet(wire: Wire, key: str, parties: int, **options: Any) -> dict[str, dict[str, Any]]:
    """Send `parties` requests at once and read what each of them answered, by its payload.

    :param options: those of `send`.
    """
    sent = send(wire, key, parties, **options)
    method = str(options.get("method", "POST"))
    return {party.payload: read_json(party.receive(method)) for party in sent}
