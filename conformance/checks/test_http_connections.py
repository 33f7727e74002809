"""RFC 9112, connections: how long they last, what order answers come in, and Expect."""

from __future__ import annotations

import time
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import (
    HOST,
    NEXT,
    ON_ITS_WAY_S,
    alive,
    answers,
    exchange,
    first,
    in_pieces,
    mark_of,
    marked,
    read_json,
    request,
    says_close,
    settled,
)
from conformance.clauses import clause, pep3333, rfc9110, rfc9112
from conformance.client import Connection, ConnectionClosed, PeerError, Response, Wire
from conformance.client.http import Client

PERSISTENCE = rfc9112("9.3")
EXPECT = rfc9110("10.1.1")
#: Seconds after which an application that takes its time has begun.
AT_WORK_S = 0.15
#: How many exchanges on other connections show what a server makes of one that has been read.
EXCHANGES = 5


def asked(connection: Connection, mark: str) -> Response:
    """The response to one more request on a connection; it carries the mark of that request."""
    connection.send(marked(mark))
    response = connection.receive()
    assert mark_of(response) == mark, response.describe()
    return response


def answered_next(connection: Connection, response: Response) -> list[str | None]:
    """The marks of what is answered on a connection after this response.

    It is asked once more, when the answer is there, unless that said that it was the last: then the
    connection has to end, and by the server.
    """
    if says_close(response):
        connection.assert_closed()
        return []
    connection.send(NEXT)
    try:
        return [mark_of(answer) for answer in answers(connection)]
    except ConnectionClosed:
        return []  # A reset, for bytes that came after the end.


# Persistence


@clause("http/keep-alive/as-declared", "should", PERSISTENCE)
def test_as_declared(wire: Wire, capabilities: Capabilities) -> None:
    """A second request on a connection is answered where that is declared, and only there.

    RFC 9112 wants persistent connections supported. What is verified here is the declaration, so
    that a check which needs them is never left out by mistake.
    """
    with wire.connect() as connection:
        marks = answered_next(connection, asked(connection, "first"))
    assert marks == (["next"] if capabilities.keep_alive else [])


@clause("http/keep-alive/close-announced", "must", PERSISTENCE)
def test_close_announced(wire: Wire) -> None:
    """A server that closes after a response says so in it; another takes the next request.

    Without `Connection: close` a client sends its next request into a connection that is gone.
    """
    with wire.connect() as connection:
        response = asked(connection, "first")
        if says_close(response):
            return
        connection.send(NEXT)
        marks = [mark_of(following) for following in answers(connection)]
    assert marks == ["next"], response.describe()


@clause("http/keep-alive/hundred", "should", PERSISTENCE, requires=("keep-alive",))
def test_hundred(wire: Wire) -> None:
    """A hundred requests, some of them with a body, are answered over one connection."""
    with wire.connect() as connection:
        for number in range(100):
            body = b"x" * number if number % 2 else None
            connection.request("POST", f"/wsgi/echo?mark={number}", body=body)
            found = read_json(connection.receive("POST"))
            assert (found["query"], found["length"]) == (f"mark={number}", len(body or b""))


@clause("http/keep-alive/after", "should", rfc9112("9.5"), requires=("keep-alive",))
@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/wsgi/iterable?kind=list", id="several-blocks"),
        pytest.param("GET", "/wsgi/iterable?kind=empty-list", id="empty-body"),
        pytest.param("GET", "/wsgi/iterable?kind=generator", id="generator"),
        pytest.param("GET", "/wsgi/iterable?kind=big", id="big-body"),
        pytest.param("HEAD", "/wsgi/echo", id="head"),
        pytest.param("GET", "/wsgi/status?line=204%20No%20Content", id="204"),
        pytest.param("GET", "/wsgi/status?line=304%20Not%20Modified", id="304"),
        pytest.param("GET", "/wsgi/status?line=404%20Not%20Found&length=1", id="404"),
        pytest.param("GET", "/wsgi/write/with-length", id="write"),
        pytest.param("GET", "/wsgi/file?kind=file", id="file"),
    ],
)
def test_kept_after(wire: Wire, method: str, target: str) -> None:
    """After a complete response of any kind the connection takes the next request."""
    with wire.connect() as connection:
        connection.request(method, target)
        connection.receive(method)
        asked(connection, "next")


# Close


@clause("http/close/honoured", "must", rfc9112("9.6"))
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("Connection: close", id="plain"),
        pytest.param("Connection: Close", id="capitalised"),
        pytest.param("connection:close", id="no-space"),
        pytest.param("Connection: x-other, close", id="in-a-list"),
        pytest.param("Connection: x-other\r\nConnection: close", id="second-line"),
        pytest.param("Connection: , close,", id="empty-elements"),
    ],
)
def test_close_honoured(wire: Wire, field: str) -> None:
    """A request with the option `close` is answered, and it is the last one that is."""
    with wire.connect() as connection:
        connection.send(marked("last", field))
        response = connection.receive()
        assert mark_of(response) == "last"
        assert answered_next(connection, response) == []


@clause("http/close/initiated", "must", rfc9112("9.6"))
@pytest.mark.parametrize(
    "behind", [pytest.param(b"", id="nothing-left"), pytest.param(NEXT, id="bytes-left")]
)
def test_close_initiated(wire: Wire, behind: bytes) -> None:
    """After the answer to a request with `close` the server closes, and waits for nobody.

    It closes although the client does not, and although the client sent more than that request.
    """
    with wire.connect() as connection:
        connection.send(marked("last", "Connection: close") + behind)
        assert mark_of(connection.receive()) == "last"
        assert connection.receive_end() == b""


@clause("http/close/not-processed", "must", rfc9112("9.6"))
def test_close_not_processed(wire: Wire, client: Client, key: str) -> None:
    """What follows a request with `close` is not processed: the application never sees it."""
    late = request(f"POST /wsgi/echo?key={key} HTTP/1.1", "Content-Length: 0")
    found = exchange(wire, marked("last", "Connection: close") + late)
    assert [mark_of(response) for response in found] == ["last"]
    assert settled(client, key) == []


@clause("http/close/announced", "should", rfc9112("9.6"))
def test_close_echoed(wire: Wire) -> None:
    """The response to a request with `close` says `close` as well."""
    assert says_close(first(exchange(wire, marked("last", "Connection: close"))))


@clause("http/close/kept-promise", "must", rfc9112("9.6"))
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/wsgi/echo", id="plain"),
        pytest.param("/wsgi/iterable?kind=generator", id="generator"),
        pytest.param("/wsgi/raise/in-call", id="failure"),
        pytest.param("/no/such/path", id="not-found"),
    ],
)
def test_close_kept_promise(wire: Wire, target: str) -> None:
    """A server that says `close` in a response answers nothing after it."""
    found = exchange(wire, request(f"GET {target} HTTP/1.1") + NEXT)
    if not found:
        alive(
            wire
        )  # Nothing was said: what a failure has to be answered with is for another check.
        return
    marks = [mark_of(response) for response in found[1:]]
    assert marks == [] if says_close(found[0]) else marks in ([], ["next"])


# HTTP/1.0


@clause("http/1.0/closed", "must", PERSISTENCE)
def test_1_0_closed(wire: Wire) -> None:
    """A connection of HTTP/1.0 is closed after the response: its client waits for the end."""
    with wire.connect() as connection:
        connection.send(request("GET /wsgi/echo?mark=old HTTP/1.0"))
        assert mark_of(connection.receive()) == "old"
        assert connection.receive_end() == b""


@clause("http/1.0/keep-alive", "may", PERSISTENCE)
def test_1_0_keep_alive(wire: Wire) -> None:
    """An HTTP/1.0 client that asks to keep the connection is told so if it is kept, else it ends.

    Such a client takes a response without `keep-alive` for the last one.
    """
    old = request("GET /wsgi/echo?mark=old HTTP/1.0", "Connection: keep-alive")
    found = exchange(wire, old, NEXT)
    options = ",".join(first(found).all("Connection")).lower()
    marks = [mark_of(response) for response in found]
    assert marks == (["old", "next"] if "keep-alive" in options else ["old"])


@clause("http/1.0/not-chunked", "must", rfc9112("6.1"))
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/wsgi/iterable?kind=generator", id="generator"),
        pytest.param("/wsgi/write/only", id="write"),
    ],
)
def test_1_0_not_chunked(wire: Wire, target: str) -> None:
    """A body of unknown length is not chunked for an HTTP/1.0 client, which cannot read that."""
    response = first(exchange(wire, request(f"GET {target} HTTP/1.0")))
    assert response.all("Transfer-Encoding") == []
    assert response.body.startswith(b"one;two;")


# Pipelining


@clause("http/pipelining/order", "must", rfc9112("9.3.2"), requires=("keep-alive",))
def test_pipelining(wire: Wire) -> None:
    """Twenty requests sent at once are answered in the order in which they came."""
    marks = [str(number) for number in range(20)]
    found = exchange(wire, b"".join(map(marked, marks)) + NEXT)
    assert [mark_of(response) for response in found] == [*marks, "next"]


@clause("http/pipelining/bodies", "must", rfc9112("9.3.2"), requires=("keep-alive",))
def test_pipelining_bodies(wire: Wire) -> None:
    """Pipelined requests with bodies of both framings come apart where they should."""
    data = b""
    for number in range(6):
        start = f"POST /wsgi/echo?mark={number} HTTP/1.1"
        if number % 3 == 0:
            data += request(start, "Content-Length: 5", body=b"hello")
        elif number % 3 == 1:
            body = b"5\r\nhello\r\n0\r\n\r\n"
            data += request(start, "Transfer-Encoding: chunked", body=body)
        else:
            data += request(start, "Content-Length: 0")
    found = exchange(wire, data + NEXT)
    assert [mark_of(response) for response in found] == [*map(str, range(6)), "next"]
    bodies = [read_json(response)["body"] for response in found[:6]]
    assert bodies == ["hello", "hello", ""] * 2


@clause("http/pipelining/split-anywhere", "must", rfc9112("9.3.2"), requires=("keep-alive",))
def test_pipelining_split(wire: Wire, capabilities: Capabilities) -> None:
    """Where a packet ends says nothing: two requests cut in the middle of the second are two."""
    data = marked("one") + marked("two", "Connection: close")
    for cut in (10, len(data) // 2 - 1, len(data) // 2 + 1, len(data) - 2):
        found = in_pieces(wire, capabilities, data[:cut], data[cut:])
        assert [mark_of(response) for response in found] == ["one", "two"]


@clause("http/pipelining/empty-line-between", "should", rfc9112("2.2"), requires=("keep-alive",))
def test_empty_line_between(wire: Wire) -> None:
    """An empty line between two requests is ignored, as old clients sent one after a body."""
    data = request("POST /wsgi/echo?mark=first HTTP/1.1", "Content-Length: 2", body=b"ab")
    found = exchange(wire, data + b"\r\n" + NEXT)
    assert [mark_of(response) for response in found] == ["first", "next"]


@clause("http/pipelining/after-refusal", "must", PERSISTENCE, requires=("keep-alive",))
def test_after_refusal(wire: Wire) -> None:
    """A request that is refused does not take back the answer to the one before it."""
    found = exchange(wire, marked("first") + b"no request line at all\r\n\r\n")
    assert mark_of(first(found)) == "first"


@clause("http/half-closed", "agreement", rfc9112("9.6"))
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="without-body"),
        pytest.param(b"ab", id="with-body"),
    ],
)
def test_half_closed(
    wire: Wire, client: Client, capabilities: Capabilities, key: str, body: bytes
) -> None:
    """A client that ends its own side after a request still gets the response to it.

    The application takes its time, and the end comes while it is at work.
    """
    query, method = f"key={key}", "POST" if body else "GET"
    with wire.connect() as connection:
        if capabilities.concurrency == 1:
            connection.request(method, f"/wsgi/slow?{query}", body=body or None)
            # Nobody can be asked whether it has begun, once it has been read.
            connection.taken(ON_ITS_WAY_S)
            time.sleep(AT_WORK_S)
            connection.shutdown_write()
        else:
            query += f"&patience={wire.time_limit_s * 0.8}"
            connection.request(method, f"/wsgi/slow?{query}", body=body or None)
            client.journal(key)
            connection.shutdown_write()
            # By then the end has been seen, if anybody looks.
            alive(wire)
            wire.ask("GET", f"/wsgi/release?{query}")
        found = answers(connection)
    assert [read_json(response)["query"] for response in found] == [query]


# Expect


def expecting(path: str, *fields: str, version: str = "1.1") -> bytes:
    """The head of a request that waits for 100 (Continue) before its body of 5 bytes."""
    return request(
        f"POST /wsgi/{path} HTTP/{version}",
        "Content-Length: 5",
        "Expect: 100-continue",
        *(fields or ["Connection: close"]),
    )


def statuses(response: Response) -> list[int]:
    """The statuses of a response and of the interim ones before it."""
    return [*(interim.status for interim in response.interim), response.status]


@clause("http/expect/continue", "must", EXPECT)
def test_expect(wire: Wire) -> None:
    """A client that waits for 100 (Continue) gets it, or a final answer, without sending a body."""
    with wire.connect() as connection:
        connection.send(expecting("echo"))
        interim = connection.receive_head()
        if interim.status == 100:
            connection.send(b"hello")
            assert read_json(connection.receive("POST"))["body"] == "hello"
        else:
            assert interim.status >= 400, interim.describe()


@clause("http/expect/continue-chunked", "must", EXPECT, requires=("chunked-input",))
def test_expect_chunked(wire: Wire) -> None:
    """The same holds for a chunked body."""
    with wire.connect() as connection:
        connection.send(
            request(
                "POST /wsgi/echo HTTP/1.1",
                "Transfer-Encoding: chunked",
                "Expect: 100-continue",
                "Connection: close",
            )
        )
        interim = connection.receive_head()
        if interim.status == 100:
            connection.send(b"5\r\nhello\r\n0\r\n\r\n")
            assert read_json(connection.receive("POST"))["body"] == "hello"
        else:
            assert interim.status >= 400, interim.describe()


@clause("http/expect/without-case", "must", EXPECT)
def test_expect_without_case(wire: Wire) -> None:
    """The expectation is the same in any case."""
    head = request(
        "POST /wsgi/echo HTTP/1.1",
        "Content-Length: 5",
        "Expect: 100-CONTINUE",
        "Connection: close",
    )
    with wire.connect() as connection:
        connection.send(head)
        interim = connection.receive_head()
        assert interim.status == 100 or interim.status >= 400, interim.describe()


@clause("http/expect/body-sent-at-once", "must", EXPECT)
def test_expect_at_once(wire: Wire) -> None:
    """A client need not wait: with the body already there the answer comes, after a 100 or not."""
    response = first(exchange(wire, expecting("echo") + b"hello"))
    assert set(statuses(response)[:-1]) <= {100}
    assert read_json(response)["body"] == "hello"


@clause("http/expect/next-request", "must", EXPECT)
def test_expect_next(wire: Wire) -> None:
    """After an expectation was met the next request on the connection is in step."""
    with wire.connect() as connection:
        connection.send(expecting("echo?mark=first", "X-None: 1") + b"hello" + NEXT)
        marks = [mark_of(response) for response in answers(connection)]
    assert marks in (["first"], ["first", "next"])


@clause("http/expect/in-1.0", "must", EXPECT)
def test_expect_1_0(wire: Wire, capabilities: Capabilities) -> None:
    """In a request of HTTP/1.0 the expectation is ignored: its client knows no interim response."""
    with wire.connect() as connection:
        connection.send(expecting("echo", "X-None: 1", version="1.0"))
        connection.taken(ON_ITS_WAY_S)
        if capabilities.concurrency != 1:
            # Whole exchanges on other connections, in which a hasty 100 would have been sent.
            for _ in range(EXCHANGES):
                alive(wire)
        connection.send(b"hello")
        response = connection.receive("POST")
    assert statuses(response) == [200]
    assert read_json(response)["body"] == "hello"


@clause("http/expect/unknown", "may", EXPECT)
def test_expect_unknown(wire: Wire) -> None:
    """An expectation that nobody knows is answered with 417, or the request is processed."""
    data = request(
        "POST /wsgi/echo HTTP/1.1",
        "Content-Length: 5",
        "Expect: the-unexpected",
        "Connection: close",
        body=b"hello",
    )
    response = first(exchange(wire, data))
    assert statuses(response) in ([417], [200])


@clause("http/expect/without-body", "must", rfc9112("6.3"))
def test_expect_without_body(wire: Wire) -> None:
    """Where no body is announced the server waits for none: the final answer comes."""
    data = request("GET /wsgi/echo HTTP/1.1", "Expect: 100-continue", "Connection: close")
    assert statuses(first(exchange(wire, data)))[-1] == 200


@clause("http/expect/transparent", "must", pep3333("HTTP 1.1 Expect/Continue"))
def test_expect_transparent(wire: Wire) -> None:
    """An application that never reads the body answers nevertheless, and the client gets that.

    Whether a 100 comes first is the server's to choose, so the client sends the body after it.
    """
    with wire.connect() as connection:
        connection.send(expecting("ignore?mark=ignored"))
        response = connection.receive_head()
        if response.status == 100:
            connection.send(b"hello")
            response = connection.receive("POST")
        else:
            while connection.receive_body_part(response):
                pass
    assert mark_of(response) == "ignored"


# Responses


@clause("http/response/date", "must", rfc9110("6.6.1"))
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("200%20OK", id="200"),
        pytest.param("204%20No%20Content", id="204"),
        pytest.param("302%20Found", id="302"),
        pytest.param("304%20Not%20Modified", id="304"),
        pytest.param("404%20Not%20Found", id="404"),
    ],
)
def test_date(wire: Wire, line: str) -> None:
    """A response has one Date, in the form of HTTP-date; caches reckon ages from it."""
    date = wire.ask("GET", f"/wsgi/status?line={line}").header("Date")
    assert is_date(date), date


def is_date(text: str) -> bool:
    """Whether this is an IMF-fixdate (RFC 9110 section 5.6.7)."""
    try:
        return format_datetime(parsedate_to_datetime(text), usegmt=True) == text
    except ValueError:
        return False


@clause("http/response/no-length", "must", rfc9110("8.6"))
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("line=204%20No%20Content", id="own"),
        pytest.param("line=204%20No%20Content&length=1", id="from-the-application"),
    ],
)
def test_204_without_length(wire: Wire, query: str) -> None:
    """A 204 has no Content-Length, although the application gave one or yielded a body."""
    response = wire.ask("GET", f"/wsgi/status?{query}")
    assert (response.status, response.all("Content-Length")) == (204, [])


@clause("http/response/204-not-chunked", "must", rfc9112("6.1"))
def test_204_not_chunked(wire: Wire) -> None:
    """A 204 has no Transfer-Encoding: there is no body that could be in chunks."""
    response = wire.ask("GET", "/wsgi/status?line=204%20No%20Content")
    assert (response.status, response.all("Transfer-Encoding")) == (204, [])


@clause("http/response/head-fields", "should", rfc9110("9.3.2"))
def test_head_fields(wire: Wire) -> None:
    """HEAD is answered with the fields of GET, the application's Content-Length included."""
    target = "/wsgi/status?length=1"
    head, get = wire.ask("HEAD", target), wire.ask("GET", target)
    assert get.header("Content-Length") == str(len(get.body))
    for name in ("Content-Length", "Content-Type"):
        assert head.all(name) == get.all(name)


@clause("http/response/self-delimited", "should", rfc9112("6.3"))
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, id=kind) for kind in ("list", "generator", "empty-list", "list-of-one")],
)
def test_self_delimited(wire: Wire, kind: str) -> None:
    """A body has a length or is chunked, so that its end can be told from a broken connection."""
    response = wire.ask("GET", f"/wsgi/iterable?kind={kind}")
    # A server of HTTP/1.0 has no chunks, and may not hold several blocks back to count them.
    if response.version != "1.0" or kind.endswith(("-list", "-of-one")):
        assert response.framing in ("content-length", "chunked")


@clause("http/response/framed-once", "must", rfc9112("6.2"))
def test_framed_once(wire: Wire) -> None:
    """A response with the application's Content-Length has no Transfer-Encoding beside it."""
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/length/right", [("Connection", "close")])
        response = connection.receive()
    assert response.all("Transfer-Encoding") == []
    assert response.header("Content-Length") == "10"


def journal_of(client: Client, key: str) -> list[dict[str, Any]]:
    """The journal as it is."""
    return client.journal(key, until=lambda _: True)


@clause("http/response/after-whole-head", "must", rfc9110("5.3"), requires=("concurrency",))
def test_after_whole_head(wire: Wire, client: Client, key: str) -> None:
    """A request is not processed before its whole header section is there.

    A later field may hold what decides over it: credentials, a condition, another Host.
    """
    with wire.connect() as connection:
        connection.send(f"GET /wsgi/echo?key={key}&mark=x HTTP/1.1\r\nHost: {HOST}\r\n".encode())
        connection.taken(ON_ITS_WAY_S)
        # Whole exchanges, in which a hasty server would have called.
        if any(journal_of(client, key) for _ in range(EXCHANGES)):
            raise PeerError("the application was called before the end of the header section")
        connection.send(b"Connection: close\r\n\r\n")
        assert connection.receive().status == 200
