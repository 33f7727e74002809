"""What the checks of PEP 3333 share: how a path of the area is asked for, and what its end says."""

from __future__ import annotations

from urllib.parse import urlencode

from conformance.checks.probes import NEXT, alive, read_json, says_close
from conformance.client import Connection, ConnectionClosed, PeerError, Response, Wire
from conformance.client.http import Client


def get(wire: Wire, path: str, **query: str) -> Response:
    """The response to GET of a path below /wsgi/, on a connection of its own."""
    return wire.ask("GET", f"/wsgi/{path}" + (f"?{urlencode(query)}" if query else ""))


def failed(wire: Wire, path: str, **query: str) -> bool:
    """Whether the server answers with a 5xx, or ends the connection without a whole response."""
    try:
        return get(wire, path, **query).status >= 500
    except ConnectionClosed:
        alive(wire)
        return True


def first_event(client: Client, key: str) -> dict[str, object]:
    """The first entry of the journal under a key.

    :raises PeerError: there is none.
    """
    events = client.journal(key)
    if not events:
        raise PeerError("the application was not called, or did not get as far as it should")
    event: dict[str, object] = events[0]
    return event


def rest_of(connection: Connection, response: Response) -> bytes:
    """What comes after a head until the connection ends.

    Where it is to persist, another request tells whether it does. This side stays open: its end
    would make the server end the connection, and that is the question.
    """
    if not says_close(response):
        connection.send(NEXT)
    return connection.receive_end()


def held_back(wire: Wire, path: str, key: str) -> bytes:
    """The body of an application that goes on only when the client has seen its first block."""
    query = urlencode({"key": key, "patience": wire.time_limit_s * 0.8})
    connection = wire.connect()
    connection.request("GET", f"/wsgi/{path}?{query}", [("Connection", "close")])
    response = connection.receive_head()
    while not response.body.startswith(b"first;"):
        if not connection.receive_body_part(response):
            raise PeerError(f"expected the first block, found the end after {response.body!r}")
    assert response.body == b"first;", "the blocks came together: the first one was held back"
    released = read_json(wire.ask("GET", f"/wsgi/release?{query}"))
    assert released == {"met": True}
    while connection.receive_body_part(response):
        pass
    return response.body
