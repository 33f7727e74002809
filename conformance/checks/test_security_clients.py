"""Clients that mean harm, or are merely slow: the others are served all the same, each its own."""

from __future__ import annotations

import contextlib

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import (
    CLOSE,
    ON_ITS_WAY_S,
    REACTION_S,
    alive,
    begin,
    comes,
    exchange,
    first,
    mark_of,
    marked,
    read_json,
    request,
    served,
)
from conformance.checks.sending import MULTIPART, multipart, part
from conformance.clauses import clause, rfc9110, rfc9112
from conformance.client import Connection, ConnectionClosed, PeerError, Wire

#: How many slow clients there are where the deployment declares no bound.
MANY = 16
#: How many clients connect and say nothing.
IDLE = 64
#: The most that is sent of what has no end, in bytes, and in which blocks.
ENDLESS = 2 * 1024 * 1024
BLOCK = 64 * 1024
#: How many clients reset within an answer: what one leaves broken may not show at once.
RESETS = 25
#: How many victims come while the attacker is there, and how many after that.
VICTIMS = 3

DENIAL = rfc9112("9.5")
LIMITS = rfc9110("5.4")
OWN = rfc9112("9.2")


def fewer(capabilities: Capabilities) -> int:
    """Slow clients for half of the handlers: the rest is for the others.

    Not for all but one: a connection that an earlier check has left may hold one for a while.
    """
    return max((capabilities.concurrency or MANY) // 2, 1)


# Slow ones


@clause("security/slow/head", "agreement", DENIAL, requires=("concurrency",))
def test_slow_head(wire: Wire, capabilities: Capabilities) -> None:
    """Clients that send their heads byte by byte keep nobody waiting while a handler is free.

    And they are answered in the end.
    """
    slow = wire.connect_many(fewer(capabilities))
    heads = [marked(f"slow-{index}", CLOSE) for index in range(len(slow))]
    for position in range(6):
        for connection, head in zip(slow, heads, strict=True):
            connection.send(head[position : position + 1])
        served(wire, 1)
    for index, (connection, head) in enumerate(zip(slow, heads, strict=True)):
        connection.send(head[6:])
        assert mark_of(connection.receive()) == f"slow-{index}"


@clause("security/slow/body", "agreement", DENIAL, requires=("concurrency",))
def test_slow_body(wire: Wire, capabilities: Capabilities) -> None:
    """Clients that do not go on with their bodies keep nobody waiting while a handler is free."""
    slow = wire.connect_many(fewer(capabilities))
    for connection in slow:
        head = request("POST /wsgi/echo HTTP/1.1", "Content-Length: 12", CLOSE)
        connection.send(head + b"begun;")
    served(wire, 3)
    for connection in slow:
        connection.send(b"ended.")
    for connection in slow:
        assert read_json(connection.receive())["body"] == "begun;ended."


@clause("security/slow/reading", "agreement", DENIAL, requires=("concurrency",))
def test_slow_reading(wire: Wire, capabilities: Capabilities) -> None:
    """Clients that do not read their answers keep nobody waiting while a handler is free."""
    slow = wire.connect_many(min(fewer(capabilities), 7))
    size = 4 * 1024 * 1024
    for connection in slow:
        connection.send(request(f"GET /load/download?size={size}&length=1 HTTP/1.1", CLOSE))
    served(wire, 3)
    for connection in slow:
        assert len(connection.receive().body) == size


@clause("security/idle", "agreement", DENIAL, requires=("concurrency",))
def test_idle(wire: Wire) -> None:
    """Sixty-four connections on which nothing comes keep nobody waiting.

    Nothing says that they must not, and a server with a thread for each connection will: whoever
    deploys it needs a proxy in front.
    """
    idle: list[Connection] = []
    try:
        # One by one: of many at once, those that do not fit the server's backlog are tried again
        # after a second, and behind a proxy nobody would know that they are not there yet.
        for _ in range(IDLE):
            idle.append(wire.connect())
            served(wire, 1)
    finally:
        # Before whoever asks whether the server lives: it does, once they are gone.
        for connection in idle:
            connection.close()


@clause("security/reset", "should", DENIAL)
@pytest.mark.parametrize(
    ("number", "data"),
    [
        pytest.param(40, b"", id="connection"),
        pytest.param(25, b"GET /wsgi/echo HTTP/1.1\r\nHost: a\r\nX-Half", id="head"),
        pytest.param(
            25, request("POST /wsgi/echo HTTP/1.1", "Content-Length: 9", body=b"half"), id="body"
        ),
    ],
)
def test_reset(wire: Wire, number: int, data: bytes) -> None:
    """Connections that are reset, many of them and wherever they are, cost nobody else anything."""
    for _ in range(number):
        connection = wire.connect()
        if data:
            connection.send(data)
        connection.reset()
    served(wire, 5, behind=True)


@clause("security/reset-within", "should", DENIAL)
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/load/download?size=4000000", id="answer"),
        pytest.param("/load/download?size=4000000&block=4000000", id="block"),
        pytest.param("/wsgi/file?kind=big", id="file"),
    ],
)
def test_reset_within(wire: Wire, target: str) -> None:
    """Connections that are reset while the answer is sent, as well: it is more than fits."""
    for _ in range(RESETS):
        connection = wire.connect()
        connection.send(request(f"GET {target} HTTP/1.1"))
        assert connection.more()
        connection.reset()
    served(wire, 5, behind=True)


# Endless ones


def reaction(wire: Wire, capabilities: Capabilities, connection: Connection, block: bytes) -> bool:
    """Send block after block until the peer answers or closes, and say whether it did."""
    for _ in range(ENDLESS // len(block)):
        if connection.reacted():
            return True
        connection.send(block)
    return comes(wire, capabilities, connection, REACTION_S)


def limited(wire: Wire, capabilities: Capabilities, start: bytes, block: bytes) -> None:
    """What starts like this and goes on without end is answered, or the connection closed."""
    with wire.connect() as connection:
        begin(wire, capabilities, connection, start)
        reacted = reaction(wire, capabilities, connection, block)
        assert reacted, f"{ENDLESS} bytes were taken, and more asked for"
    alive(wire)


CHUNKED_HEAD = request("POST /load/upload HTTP/1.1", "Transfer-Encoding: chunked")


@clause("security/endless/head", "agreement", LIMITS)
@pytest.mark.parametrize(
    ("start", "block"),
    [
        pytest.param(b"GET /", b"a" * BLOCK, id="target"),
        pytest.param(request("GET / HTTP/1.1")[:-2] + b"X-Field: ", b"a" * BLOCK, id="value"),
        pytest.param(request("GET / HTTP/1.1")[:-2] + b"X", b"a" * BLOCK, id="name"),
        pytest.param(request("GET / HTTP/1.1")[:-2], b"X-Field: value\r\n" * 4096, id="fields"),
    ],
)
def test_endless_head(wire: Wire, capabilities: Capabilities, start: bytes, block: bytes) -> None:
    """A head that does not end is answered or the connection closed, before memory is full of it.

    Within some megabytes, all of which a client may send in a moment, to many connections.
    """
    limited(wire, capabilities, start, block)


@clause("security/endless/extension", "should", rfc9112("7.1.1"), requires=("chunked-input",))
@pytest.mark.parametrize(
    ("start", "block"),
    [
        pytest.param(b"5;extension=", b"a" * BLOCK, id="one"),
        pytest.param(b"", (b"1;" + b"e" * 40 + b"\r\na\r\n") * 1024, id="many"),
    ],
)
def test_endless_extension(
    wire: Wire, capabilities: Capabilities, start: bytes, block: bytes
) -> None:
    """The extensions of the chunks of a body are limited as a head is, and in sum."""
    limited(wire, capabilities, CHUNKED_HEAD + start, block)


@clause("security/endless/chunked", "agreement", rfc9112("7.1"), requires=("chunked-input",))
@pytest.mark.parametrize(
    ("start", "block"),
    [
        pytest.param(b"5\r\nhello\r\n0\r\n", b"X-Trailer: value\r\n" * 4096, id="trailers"),
        pytest.param(b"", b"0" * BLOCK, id="size"),
    ],
)
def test_endless_chunked(
    wire: Wire, capabilities: Capabilities, start: bytes, block: bytes
) -> None:
    """Trailers, and the digits of a size, are limited although nothing of them is kept."""
    limited(wire, capabilities, CHUNKED_HEAD + start, block)


@clause("security/large/whole", "must", LIMITS)
@pytest.mark.parametrize(
    ("target", "fields", "name", "length"),
    [
        pytest.param("", [f"Cookie: a={'c' * 65_536}"], "HTTP_COOKIE", 65_538, id="cookie"),
        pytest.param(f"?{'q' * 60_000}", [], "QUERY_STRING", 60_000, id="query"),
        pytest.param(
            "",
            [f"X-Field-{number}: value" for number in range(2000)],
            "HTTP_X_FIELD_1999",
            5,
            id="fields",
        ),
    ],
)
def test_large(wire: Wire, target: str, fields: list[str], name: str, length: int) -> None:
    """What is larger than usual arrives whole, or is refused with a 4xx; it is not cut off."""
    data = request(f"GET /wsgi/environ{target} HTTP/1.1", *fields, CLOSE)
    response = first(exchange(wire, data))
    alive(wire)
    if not 400 <= response.status < 500:
        values = read_json(response)["values"]
        assert isinstance(values, dict)
        assert isinstance(values.get(name), dict), f"{name} was lost"
        assert len(str(values[name]["value"])) == length


@clause("security/large/part-header", "agreement", DENIAL)
@pytest.mark.parametrize(
    "disposition",
    [
        pytest.param(b'name="' + b";" * 200_000, id="parameters"),
        pytest.param(b'name="' + b"\\" * 150_000, id="escapes"),
        pytest.param(b'name="a"' + b" " * 150_000 + b"x", id="spaces"),
    ],
)
def test_part_header(wire: Wire, disposition: bytes) -> None:
    """A form with a long and crooked part header, which no application reads, is soon answered.

    A server that parses forms itself spends its time on what nobody asked for, and all of it where
    it takes the square of the length.
    """
    body = multipart(part(disposition))
    fields = [f"Content-Type: {MULTIPART}", f"Content-Length: {len(body)}", CLOSE]
    data = request("POST /wsgi/ignore?mark=first HTTP/1.1", *fields, body=body)
    response = first(exchange(wire, data))
    assert mark_of(response) == "first" or 400 <= response.status < 500, response.describe()


@clause("security/large/declared", "agreement", rfc9110("8.6"))
def test_declared(wire: Wire) -> None:
    """A body that is said to be larger than any memory takes none before it comes."""
    for _ in range(8):
        with wire.connect() as connection:
            fields = [f"Content-Length: {10**15}", "Content-Type: text/plain"]
            connection.send(request("POST /wsgi/ignore HTTP/1.1", *fields, body=b"begun"))
            connection.shutdown_write()
    served(wire, 3)


# Between connections

#: The beginning of a request that takes in whatever comes next.
SWALLOWING = marked("stolen")[:-4] + b"\r\nX-Swallowed: "
CHUNKED = "Transfer-Encoding: chunked"


def _post(*fields: str | bytes, body: bytes = SWALLOWING, version: str = "1.1") -> bytes:
    return request(f"POST /wsgi/ignore?mark=attacker HTTP/{version}", *fields, body=body)


@clause("security/smuggling", "must", OWN)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            _post("Content-Length: 50", CHUNKED, body=b"0\r\n\r\n" + SWALLOWING), id="cl-te"
        ),
        pytest.param(
            _post(
                "Content-Length: 4",
                CHUNKED,
                body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SWALLOWING), SWALLOWING),
            ),
            id="te-cl",
        ),
        pytest.param(
            _post(f"Content-Length: {len(SWALLOWING)}", "Content-Length: 0"), id="two-lengths"
        ),
        pytest.param(
            _post(CHUNKED, "Transfer-Encoding: identity", body=b"0\r\n\r\n" + SWALLOWING),
            id="two-codings",
        ),
        pytest.param(
            _post(
                "Content-Length: 50", "Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SWALLOWING
            ),
            id="space-before-colon",
        ),
        pytest.param(
            _post(
                "Content-Length: 50",
                b"Transfer-Encoding:\x0bchunked",
                body=b"0\r\n\r\n" + SWALLOWING,
            ),
            id="vertical-tab",
        ),
        pytest.param(
            _post(b"X-Field: a\nTransfer-Encoding: chunked", body=b"0\r\n\r\n" + SWALLOWING),
            id="bare-lf",
        ),
        pytest.param(
            _post(CHUNKED, body=b"1;a\nb\r\nX\r\n0\r\n\r\n" + SWALLOWING), id="extension-lf"
        ),
        pytest.param(_post(CHUNKED, version="1.0", body=b"0\r\n\r\n" + SWALLOWING), id="http-1.0"),
        pytest.param(
            request(
                "GET /wsgi/ignore?mark=attacker HTTP/1.1",
                f"Content-Length: {len(SWALLOWING)}",
                body=SWALLOWING,
            ),
            id="get-with-body",
        ),
    ],
)
def test_smuggling(wire: Wire, capabilities: Capabilities, data: bytes) -> None:
    """Whatever one client sends, the others get the answers to their own requests.

    Where a server in front and one behind disagree about the end of a request, its rest waits on
    the connection between them for whoever comes next.
    """
    attacker = wire.connect()
    attacker.send(data)
    attacker.taken(ON_ITS_WAY_S)
    attacker.shutdown_write()
    if capabilities.concurrency != 1:
        served(wire, VICTIMS, "during")
    attacker.close()
    served(wire, VICTIMS, "after")


@clause("security/answer-of-another/left", "must", OWN, requires=("concurrency",))
def test_answer_of_another(wire: Wire, capabilities: Capabilities, key: str) -> None:
    """The answer to a client that has left goes to nobody else.

    It leaves while the application works for it; those who come next, perhaps on a socket of the
    same number, get their own.
    """
    patience = wire.time_limit_s * 0.8
    left = wire.connect()
    left.request("GET", f"/wsgi/held?key={key}&patience={patience}&mark=left")
    assert left.receive_head().status == 200
    left.reset()
    # A handler is for him who left, and one for who releases: only the rest can wait with these.
    others = [wire.connect() for _ in range(min(4, fewer(capabilities) - 1))]
    # A server that has noticed may have given the request up: then nobody comes to be released.
    released = read_json(wire.ask("GET", f"/wsgi/release?key={key}&patience={patience / 8}"))
    assert isinstance(released.get("met"), bool)
    for index, connection in enumerate(others):
        with contextlib.suppress(PeerError):
            connection.send(marked(f"other-{index}", CLOSE))
    for index, connection in enumerate(others):
        try:
            response = connection.receive()
        except ConnectionClosed:
            # It was idle meanwhile, and such a connection may be closed (RFC 9112 section 9.5).
            assert not connection.began
            continue
        assert mark_of(response) == f"other-{index}"
        connection.assert_closed()
    served(wire, VICTIMS)
