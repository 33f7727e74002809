"""Load, within bounds: many clients, many requests and large bodies, each byte in its place.

Bodies are compared by their hashes, which the application makes block by block. Uploads have 24 MiB
at the most: a container has 64 MiB for temporary files, and a proxy and the server behind it may
each keep one there.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import pytest

from conformance.acts.transferring import Uploaded
from conformance.capabilities import Capabilities
from conformance.checks.probes import (
    CLOSE,
    Kept,
    answers,
    mark_of,
    marked,
    read_json,
    request,
    says_close,
)
from conformance.clauses import clause, pep3333, rfc9112
from conformance.client import Connection, ConnectionClosed, Response, Wire
from conformance.client.http import Client

MIB = 1024 * 1024
DOWNLOAD = 64 * MIB
UPLOAD = 24 * MIB
CHUNKED_UPLOAD = 16 * MIB
BLOCK = 65536
#: How many clients there are where the deployment declares no bound.
MANY = 16
#: How many requests one connection carries; the slowest servers take some hundreds in a second.
REQUESTS = 1000
#: How many of them are under way at once.
BATCH = 50
#: What may have left the application while its client reads nothing: the server's own buffers, and
#: on the way through a container's port twice what a system holds, where 32 MiB received and 4 MiB
#: sent are usual limits. It is far from all of a download of that other size.
HELD_BACK = 80 * MIB
MUCH_MORE = 96 * MIB
#: A download has stopped that has come no further in so many looks, so many seconds apart.
LOOKS = 5
LOOK_S = 0.1

STREAMING = pep3333("Buffering and Streaming")
PERSISTENCE = rfc9112("9.3")
ORDER = rfc9112("9.3.2")
LENGTH = rfc9112("6.3")
OWN = rfc9112("9.2")


def content(size: int, block: int = BLOCK) -> Iterator[bytes]:
    """The blocks of a download, as the application makes them."""
    for position in range(0, size, block):
        yield (b"%015d\n" % position * (block // 16 + 1))[: min(block, size - position)]


@cache
def sha256(size: int, block: int = BLOCK) -> str:
    """The hash of a download."""
    found = hashlib.sha256()
    for data in content(size, block):
        found.update(data)
    return found.hexdigest()


class Download:
    """What comes of a download: its hash is made as it comes, and none of it is kept."""

    def __init__(self, size: int, block: int = BLOCK) -> None:
        self._expected = (size, sha256(size, block))
        self._length = 0
        self._hash = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        """A piece of the body, as `receive` hands them on."""
        self._length += len(piece)
        self._hash.update(piece)
        assert self._length <= self._expected[0], f"{self._length} bytes came, and no end"

    def is_intact(self, response: Response) -> None:
        """The response is the download, and nothing in it is lost, doubled or in another place."""
        assert (response.status, self._length) == (200, self._expected[0])
        assert self._hash.hexdigest() == self._expected[1]


def intact(wire: Wire, data: bytes, size: int, block: int = BLOCK) -> None:
    """The request is answered with a download of that size, as the application made it."""
    download = Download(size, block)
    download.is_intact(wire.exchange(data, take=download.take))


def arrived(response: Response, size: int, block: int = BLOCK) -> None:
    """The application has read an upload as it was sent."""
    found = read_json(response)
    assert found["length"] == size
    assert found["sha256"] == sha256(size, block)


def at_once(capabilities: Capabilities) -> int:
    """How many clients can be served at the same time, as far as it is declared."""
    return min(capabilities.concurrency or MANY, MANY)


def send_upload(connection: Connection, size: int) -> None:
    """Send an upload with its length."""
    connection.send(request("POST /load/upload HTTP/1.1", f"Content-Length: {size}", CLOSE))
    for data in content(size):
        connection.send(data)


# Large bodies


@clause("load/download", "must", LENGTH)
@pytest.mark.parametrize(
    "query", [pytest.param("&length=1", id="length"), pytest.param("", id="no-length")]
)
def test_download(wire: Wire, query: str) -> None:
    """64 MiB arrive as they were yielded, with a length and without one."""
    target = f"/load/download?size={DOWNLOAD}{query}"
    intact(wire, request(f"GET {target} HTTP/1.1", CLOSE), DOWNLOAD)


@clause("load/http-1.0", "must", LENGTH)
def test_download_http_1_0(wire: Wire) -> None:
    """A client of HTTP/1.0 gets 16 MiB without a length whole, up to the end of the connection."""
    size = 16 * MIB
    intact(wire, request(f"GET /load/download?size={size} HTTP/1.0"), size)


@clause("load/download/small-blocks", "must", STREAMING)
def test_small_blocks(wire: Wire) -> None:
    """Four thousand blocks of 16 bytes make one body."""
    size = 64_000
    target = f"/load/download?size={size}&block=16"
    intact(wire, request(f"GET {target} HTTP/1.1", CLOSE), size, 16)


@clause("load/upload", "must", LENGTH)
def test_upload(wire: Wire) -> None:
    """24 MiB reach the application as they were sent."""
    with wire.connect() as connection:
        send_upload(connection, UPLOAD)
        arrived(connection.receive("POST"), UPLOAD)


@clause("load/upload/chunked", "must", LENGTH, requires=("chunked-input",))
@pytest.mark.parametrize(
    ("size", "block"),
    [
        pytest.param(CHUNKED_UPLOAD, BLOCK, id="large"),
        pytest.param(64_000, 16, id="small-chunks"),
    ],
)
def test_upload_chunked(wire: Wire, size: int, block: int) -> None:
    """A chunked body is decoded to what was sent: 16 MiB, and four thousand chunks of 16 bytes."""
    with wire.connect() as connection:
        connection.send(request("POST /load/upload HTTP/1.1", "Transfer-Encoding: chunked", CLOSE))
        pieces = []
        for data in content(size, block):
            pieces.append(b"%x\r\n%b\r\n" % (len(data), data))
            if len(pieces) * block >= BLOCK:
                connection.send(b"".join(pieces))
                pieces = []
        connection.send(b"".join([*pieces, b"0\r\n\r\n"]))
        arrived(connection.receive("POST"), size, block)


@clause("load/upload/memory", "agreement", LENGTH, requires=("control",))
def test_upload_memory(uploaded: Uploaded) -> None:
    """An upload of 24 MiB takes less than half of that in memory where the application reads it
    block by block: else as many clients as there are threads decide how much the server needs."""
    assert uploaded.length == UPLOAD
    assert uploaded.grown < UPLOAD // 2, f"the process grew by {uploaded.grown} bytes"


@clause("load/both-ways", "must", OWN, requires=("concurrency",))
def test_both_ways(wire: Wire, capabilities: Capabilities) -> None:
    """Uploads and downloads at the same time do not get into each other."""
    size = 4 * MIB

    def upload(_: int) -> None:
        with wire.connect() as connection:
            send_upload(connection, size)
            arrived(connection.receive("POST"), size)

    def download(_: int) -> None:
        data = request(f"GET /load/download?size={size} HTTP/1.1", CLOSE)
        intact(wire, data, size)

    number = min(at_once(capabilities), 4)
    with ThreadPoolExecutor(number) as pool:
        works = [upload if index % 2 else download for index in range(2 * number)]
        for result in [pool.submit(work, 0) for work in works]:
            result.result()


@clause("load/held-back", "agreement", STREAMING, requires=("concurrency",))
def test_held_back(wire: Wire, client: Client, key: str) -> None:
    """The application is not asked for a whole large body while its client reads nothing of it.

    Otherwise a few clients that do not read fill the memory. How far it is when that stands still
    is not much more than what the buffers on the way hold. Then all of it is read, unless the
    server has given up on a client that took nothing for so long.
    """
    with wire.connect() as connection:
        connection.send(
            request(f"GET /load/download?size={MUCH_MORE}&length=1&key={key} HTTP/1.1", CLOSE)
        )
        assert client.journal(key), "the application was asked for nothing"
        still, seen = 0, 0
        while still < LOOKS and seen < MUCH_MORE:
            time.sleep(LOOK_S)
            events = client.journal(key)
            last = events[-1]["bytes"] if events else 0
            assert isinstance(last, int)
            still, seen = (still + 1 if last == seen else 0), last
        assert seen <= HELD_BACK, f"the application was asked for {seen} bytes that nobody read"
        download = Download(MUCH_MORE)
        with contextlib.suppress(ConnectionClosed):
            download.is_intact(connection.receive(take=download.take))


# Many requests


def exchange_in_batches(wire: Wire, number: int) -> int:
    """Send so many marked requests, pipelined in batches, and check that each has its answer.

    A server may end a connection after as many requests as it likes, once it has said so: what it
    has not answered is then sent again on the next one.

    :returns: how many connections that took.
    """
    answered = 0
    connections = 0
    while answered < number:
        connections += 1
        before = answered
        with wire.connect() as connection:
            going_on = True
            while going_on and answered < number:
                batch = range(answered, min(answered + BATCH, number))
                connection.send(b"".join(marked(f"request-{index}") for index in batch))
                for index in batch:
                    response = connection.receive()
                    assert mark_of(response) == f"request-{index}"
                    answered += 1
                    if says_close(response):
                        going_on = False
                        break
        assert answered > before
    return connections


@clause("load/keep-alive/thousands", "agreement", ORDER, requires=("keep-alive",))
def test_thousands(wire: Wire) -> None:
    """A thousand requests get their answers in their order, on ten connections at the most.

    A server may close a connection after a number of requests; this is not many for one.
    """
    assert exchange_in_batches(wire, REQUESTS) <= 10


@clause("load/keep-alive/sizes", "must", PERSISTENCE, requires=("keep-alive",))
def test_sizes(wire: Wire) -> None:
    """On one connection answers of all sizes follow each other, each with its own end.

    A server may close instead, once it has said so.
    """
    sizes = [0, 1, 1023, 65_536, 2, 65_537, MIB, 3, 4095, 4097, 3 * MIB, 16_384, 0, 8191]
    queries = ["", "&length=1"]
    connection = wire.connect()
    for index, size in enumerate(sizes):
        connection.request("GET", f"/load/download?size={size}{queries[index % 2]}")
        download = Download(size)
        response = connection.receive(take=download.take)
        download.is_intact(response)
        if says_close(response):
            connection.assert_closed()
            connection = wire.connect()


@clause("load/keep-alive/uploads", "must", ORDER, requires=("keep-alive",))
def test_pipelined_uploads(wire: Wire) -> None:
    """Forty uploads sent behind each other, as fast as they are taken, are told apart."""
    sizes = [1 + 997 * index for index in range(40)]
    data = []
    for index, size in enumerate(sizes):
        fields = [f"Content-Length: {size}", *([CLOSE] if index == len(sizes) - 1 else [])]
        body = b"".join(content(size))
        data.append(request(f"POST /load/upload?{index} HTTP/1.1", *fields, body=body))
    with wire.connect() as connection:
        # Small enough, all of it, for the buffers between here and a server that answers meanwhile.
        connection.send(b"".join(data))
        found = answers(connection, *(["POST"] * len(sizes)))
    assert len(found) == len(sizes)
    for index, (response, size) in enumerate(zip(found, sizes, strict=True)):
        arrived(response, size)
        assert read_json(response)["query"] == str(index)


# Many connections


@clause("load/connections/one-after-another", "must", OWN)
def test_one_after_another(wire: Wire) -> None:
    """A hundred connections, one after the other, are served and let go of."""
    for index in range(100):
        assert mark_of(wire.exchange(marked(f"turn-{index}", CLOSE))) == f"turn-{index}"


@clause("load/connections/burst", "agreement", OWN)
def test_burst(wire: Wire) -> None:
    """Two dozen clients that come at once are all served, in whatever order.

    Each goes as soon as it has its answer, as clients do: a server that waits for that before it
    turns to the next one would wait for every answer here to be read in its turn.
    """

    def served(connection: Connection) -> str | None:
        with connection:
            return mark_of(connection.receive())

    connections = []
    for index in range(24):
        connection = wire.connect()
        connection.send(marked(f"burst-{index}", CLOSE))
        connections.append(connection)
    with ThreadPoolExecutor(len(connections)) as pool:
        marks = list(pool.map(served, connections))
    assert marks == [f"burst-{index}" for index in range(len(connections))]


@clause("load/connections/kept", "must", OWN, requires=("concurrency", "keep-alive"))
def test_kept(wire: Wire, capabilities: Capabilities) -> None:
    """Clients that keep their connections, with requests of all sizes, get their own answers."""
    clients = [Kept(wire) for _ in range(min(at_once(capabilities), 8))]

    def ask(turn: int, index: int) -> None:
        size = (turn * 7919 + index * 104_729) % 60_000
        own = f"{turn}-{index}"
        response = clients[index].ask("POST", f"/load/upload?{own}", body=b"".join(content(size)))
        arrived(response, size)
        assert read_json(response)["query"] == own

    with ThreadPoolExecutor(len(clients)) as pool:
        for turn in range(20):
            list(pool.map(partial(ask, turn), range(len(clients))))
