"""What the wsgi and http checks share: how a request is told from another, and what an end is.

No check here is content with silence: whoever reads past the last response waits for the end of the
connection, and a peer that gives none has hung.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from conformance.capabilities import Capabilities
from conformance.client import Connection, PeerError, Response, Wire, http
from conformance.client.http import Client

HOST = "wsgi-conform.test"
CLOSE = "Connection: close"
#: How many time limits a server has for its next worker, which a busy machine starts slowly.
RESTART = 3
#: How many time limits a server has for who comes behind clients that are gone: it may have to look
#: at each of them before, in a process of its own.
QUEUED = 3


def request(
    start: str,
    *fields: str | bytes,
    body: bytes = b"",
    host: str | None = HOST,
) -> bytes:
    """The bytes of a request: start line, Host, fields and body, each as it is given."""
    lines = [start.encode("latin-1")]
    if host is not None:
        lines.append(f"Host: {host}".encode())
    lines += [field.encode("latin-1") if isinstance(field, str) else field for field in fields]
    return b"\r\n".join([*lines, b"", b""]) + body


def marked(mark: str, *fields: str) -> bytes:
    """A request that is answered with its mark, so that it is known whether it was answered."""
    return request(f"GET /wsgi/echo?mark={mark} HTTP/1.1", *fields)


#: Seconds between two pieces that are to be read apart, where nobody can tell that one was read.
APART_S = 0.003
#: Seconds that a message in pieces may be on its way: half as many as some servers give a head.
ON_ITS_WAY_S = 1.0
#: Seconds in which a server reacts that does; it has as much to read as its system took for it.
REACTION_S = 5.0
#: Looks at the journal in which a request that was not answered may still reach the application.
#: They are answers, so that a server which gets no time for a while is not taken for one that is
#: done; with the pauses between them they take a few tenths of a second.
SETTLE_LOOKS = 40
#: Seconds in which a server with one thread has answered others, if it turns to them at all.
OTHERS_S = 1.0
#: What follows a request under test, on the same connection: its last.
NEXT = marked("next", CLOSE)
#: What hides where a body would be: whoever answers it took data for a request.
SMUGGLED = marked("smuggled")


def read_json(response: Response, shape: type = dict) -> Any:
    """The JSON of a response of status 200.

    :raises PeerError: it is not 200, not JSON, or not of this shape.
    """
    if response.status != 200:
        raise PeerError(f"expected 200, found {response.describe()}: {response.body[:200]!r}")
    return http.read_json(response, shape)


def mark_of(response: Response) -> str | None:
    """The mark of the request that this response answers, None if it is not one of `marked`."""
    try:
        query = json.loads(response.body)["query"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(query).removeprefix("mark=")


def answers(connection: Connection, *methods: str) -> list[Response]:
    """Every response until the peer ends the connection.

    A response that says `close` is the last one that a client may expect, and it has to close as
    well (RFC 9112 section 9.6): so this ends its own side then, and reads on to see that nothing
    else was answered.

    :param methods: the methods of the requests, in order; GET for those beyond.
    :raises PeerError: what comes is no response, or neither a response nor the end comes.
    """
    found: list[Response] = []
    while connection.more():
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        found.append(connection.receive(method))
        if says_close(found[-1]):
            connection.shutdown_write()
    return found


def exchange(wire: Wire, *data: bytes) -> list[Response]:
    """Send bytes on a connection of their own and read every response until its end.

    All at once: what a server does with the second request must not hang on when it comes.
    """
    with wire.connect() as connection:
        connection.send(b"".join(data))
        return answers(connection)


def _soon_answered(wire: Wire) -> bool:
    quick = Wire(wire.address, time_limit_s=OTHERS_S)
    try:
        alive(quick)
        alive(quick)
    except PeerError:
        return False
    finally:
        quick.close()
    return True


@cache
def _turns_to_others(address: tuple[str, int], half: bytes) -> bool:
    # One thread may look after many connections, until it has all that it calls the application
    # with: of some servers that is a head, of others a head and a body.
    wire = Wire(address, time_limit_s=OTHERS_S)
    try:
        wire.connect().send(half)
        return _soon_answered(wire)
    except PeerError:
        return False
    finally:
        wire.close()


def others_answered(wire: Wire, capabilities: Capabilities, *, head: bool = False) -> bool:
    """Have requests on other connections answered, so that what came before them has been read.

    Nothing else says that it has. False where the server looks after one connection at a time.

    :param head: whether what came before them is a part of a head, and not of a body.
    """
    if capabilities.concurrency == 1:
        half = NEXT[:-2] if head else request("POST /wsgi/echo HTTP/1.1", "Content-Length: 1")
        # That it does not takes a second to find out, once. That it does is not believed for good:
        # at a container's port the second connection may overtake the first.
        return _turns_to_others(wire.address, half) and _soon_answered(wire)
    alive(wire)
    alive(wire)
    return True


def in_pieces(wire: Wire, capabilities: Capabilities, *pieces: bytes) -> list[Response]:
    """Like `exchange`, but the pieces reach the server one by one."""
    with wire.connect() as connection:
        begin(wire, capabilities, connection, pieces[0])
        go_on(connection, pieces[1:])
        return answers(connection)


def begin(wire: Wire, capabilities: Capabilities, connection: Connection, piece: bytes) -> None:
    """Send the first piece of a request, and let the server read it before more is sent.

    When others are answered, it has come through whatever is in between, and a proxy at a
    container's port does not put it together with the second.
    """
    connection.send(piece)
    others_answered(wire, capabilities, head=b"\r\n\r\n" not in piece)
    apart(connection, time.monotonic() + ON_ITS_WAY_S)


def go_on(connection: Connection, pieces: Iterable[bytes]) -> None:
    """Send the other pieces of a request, so that the server reads one after the other."""
    deadline = time.monotonic() + ON_ITS_WAY_S
    for piece in pieces:
        apart(connection, deadline)
        connection.send(piece)


def apart(connection: Connection, deadline: float) -> None:
    """Let the server read what was sent before more is; a moment where nobody can tell that it has.

    :param deadline: until when, as `time.monotonic()` tells it, it is waited for that.
    """
    if not connection.taken(deadline - time.monotonic()):
        time.sleep(APART_S)


def comes(
    wire: Wire, capabilities: Capabilities, connection: Connection, patience_s: float
) -> bool:
    """Whether an answer, or the end, comes within this time; nothing is read.

    When others get theirs after that, the server did not miss this one for want of time.
    """
    return connection.reacted(min(patience_s, connection.time_limit_s)) or (
        others_answered(wire, capabilities) and connection.reacted()
    )


def first(found: list[Response]) -> Response:
    """The first response.

    :raises PeerError: the connection was closed without any.
    """
    if not found:
        raise PeerError("expected a response, found the end of the connection without one")
    return found[0]


def alive(wire: Wire) -> None:
    """The server answers an ordinary request.

    For what it may pass by without an answer: a server that answers nothing at all has not refused
    anything by it.
    """
    assert mark_of(wire.exchange(NEXT)) == "next"


def served(wire: Wire, number: int, name: str = "other", *, behind: bool = False) -> None:
    """So many other clients get their own answers, one after the other.

    :param behind: they come behind many that are gone.
    """
    for index in range(number):
        mark = f"{name}-{index}"
        with wire.connect() as connection:
            if behind:
                connection.time_limit_s *= QUEUED
            connection.send(marked(mark, CLOSE))
            assert mark_of(connection.receive()) == mark


def says_close(response: Response) -> bool:
    """Whether the response says that it is the last one of its connection (RFC 9112 section 9.3).

    By the connection option `close`, or by being of HTTP/1.0 without the option `keep-alive`.
    """
    text = ",".join(response.all("Connection"))
    options = {option.strip().lower() for option in text.split(",")}
    return "close" in options or (response.version == "1.0" and "keep-alive" not in options)


class Kept:
    """A client that keeps its connection as long as the server does, and then takes another.

    A server may close a connection between two requests, also as the next one is on its way (RFC
    9112 section 9.5); httpd does when all of its workers are busy. The request is repeated then,
    which section 9.3.1 leaves to clients that know it to do no harm. A new connection that ends
    without an answer is wrong.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._connection: Connection | None = None

    def ask(
        self, method: str, target: str, fields: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """Send a request and read its response."""
        fields = list(fields)
        if self._connection is not None:
            self._connection.request(method, target, fields, body)
            if self._connection.more():
                return self._receive(self._connection, method)
        self._connection = self._wire.connect()
        self._connection.request(method, target, fields, body)
        return self._receive(self._connection, method)

    def _receive(self, connection: Connection, method: str) -> Response:
        response = connection.receive(method)
        if says_close(response):
            connection.close()
            self._connection = None
        return response


def bodiless(wire: Wire, method: str, target: str) -> Response:
    """The answer to a request that has to come without a body, proven by what follows it.

    Another request goes over the same connection: whatever was sent as a body would be read as the
    beginning of its response. A server that closes instead has sent nothing more either.
    """
    with wire.connect() as connection:
        connection.request(method, target)
        response = connection.receive(method)
        connection.send(NEXT)
        if says_close(response):
            connection.shutdown_write()
        following = answers(connection)
    assert [mark_of(answer) for answer in following] in ([], ["next"])
    if following:
        assert following[0].status == 200
    return response


def settled(client: Client, key: str, deadline: float = math.inf) -> list[dict[str, Any]]:
    """The journal of a request whose body the application reads, once it has, or will not.

    A server may call the application although it has closed the connection already.

    :param deadline: until when, as `time.monotonic()` tells it, the request may wait for more.
    """
    looks = itertools.count(1)

    def is_settled(events: list[dict[str, Any]]) -> bool:
        if not events:
            return next(looks) >= SETTLE_LOOKS or time.monotonic() > deadline
        return any(event.get("event") in ("read", "not-read") for event in events)

    return client.journal(key, until=is_settled)


def closed_once(client: Client, key: str) -> None:
    """The journal says that `close()` was called, and called once."""

    def closed(events: list[dict[str, Any]]) -> bool:
        return any(event["event"] == "close" for event in events)

    assert closed(client.journal(key, until=closed)), "close() was not called"
    # Another look, with a request in between in which a second call would have come.
    events = client.journal(key)
    assert [event["event"] for event in events].count("close") == 1, events
