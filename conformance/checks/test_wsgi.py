"""PEP 3333, the application's side: start_response, write(), the iterable and its close()."""

from __future__ import annotations

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from conformance.checks.probes import (
    NEXT,
    alive,
    answers,
    bodiless,
    closed_once,
    mark_of,
    read_json,
    says_close,
)
from conformance.clauses import clause, pep3333
from conformance.client import Connection, ConnectionClosed, PeerError, Response, Wire
from conformance.client.http import Client

DETAILS = pep3333("Specification Details")
START_RESPONSE = pep3333("The start_response() Callable")
WRITE = pep3333("The write() Callable")
BUFFERING = pep3333("Buffering and Streaming")
LENGTH = pep3333("Handling the Content-Length Header")
ERRORS = pep3333("Error Handling")
UNICODE = pep3333("Unicode Issues")
OTHER = pep3333("Other HTTP Features")


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


# start_response


@clause("wsgi/start-response/returns-write", "must", START_RESPONSE)
def test_returns_write(wire: Wire) -> None:
    """`start_response` returns a callable, `write`, which older frameworks depend on."""
    assert get(wire, "start-response/result").body == b"callable"


@clause("wsgi/start-response/twice", "must", START_RESPONSE)
def test_twice(wire: Wire) -> None:
    """A second `start_response` without exc_info is a fatal error: it raises, whoever catches it.

    A server that took the second call would let a middleware and an application overwrite each
    other's response unnoticed. The application catches the error and reports it as the body.
    """
    response = get(wire, "start-response/twice")
    assert response.status >= 500 or response.body.startswith(b"raised "), response.body


@clause("wsgi/start-response/twice-after-block", "must", START_RESPONSE)
def test_twice_after_block(wire: Wire) -> None:
    """A second `start_response` without exc_info raises as well once a block has been sent."""
    try:
        body = get(wire, "start-response/twice-lately").body
    except ConnectionClosed:
        alive(wire)  # The server broke the response off, which is as fatal.
        return
    assert body.startswith(b"first;raised "), body


@clause("wsgi/start-response/exc-info-before-headers", "should", START_RESPONSE)
def test_exc_info_before_headers(wire: Wire) -> None:
    """With exc_info and nothing sent yet, the second response replaces the first and its fields."""
    response = get(wire, "start-response/replaced")
    assert (response.status, response.reason) == (503, "Replaced")
    assert (response.all("X-First"), response.all("X-Second")) == ([], ["2"])
    assert response.body == b"replaced"


@clause("wsgi/start-response/exc-info-after-empty-blocks", "must", START_RESPONSE)
def test_exc_info_after_empty_blocks(wire: Wire) -> None:
    """Empty blocks do not send the headers, so the response can still be replaced after them."""
    response = get(wire, "start-response/replaced-after-empty")
    assert (response.status, response.body) == (503, b"replaced")


@clause("wsgi/start-response/exc-info-at-end", "must", START_RESPONSE)
def test_exc_info_at_end(wire: Wire) -> None:
    """Without a byte of body the headers wait until the iterable is exhausted."""
    response = get(wire, "start-response/replaced-at-end")
    assert (response.status, response.body) == (503, b"")


def first_event(client: Client, key: str) -> dict[str, object]:
    """The first entry of the journal under a key.

    :raises PeerError: there is none.
    """
    events = client.journal(key)
    if not events:
        raise PeerError("the application was not called, or did not get as far as it should")
    event: dict[str, object] = events[0]
    return event


def raised_late(wire: Wire, client: Client, path: str, key: str) -> dict[str, object]:
    """What the journal says of a start_response with exc_info after the headers were sent."""
    with contextlib.suppress(ConnectionClosed):  # the response is broken off, as it should be
        get(wire, path, key=key)
    return first_event(client, key)


@clause("wsgi/start-response/exc-info-after-headers", "must", START_RESPONSE)
def test_exc_info_after_headers(wire: Wire, client: Client, key: str) -> None:
    """With exc_info after the headers were sent `start_response` raises; it cannot replace them."""
    event = raised_late(wire, client, "start-response/too-late", key)
    assert event["event"] == "raised", event


@clause("wsgi/start-response/exc-info-reraised", "should", START_RESPONSE)
def test_exc_info_reraised(wire: Wire, client: Client, key: str) -> None:
    """What it raises then is the application's own error, so that the log says what went wrong."""
    assert raised_late(wire, client, "start-response/too-late", key).get("own") is True


@clause("wsgi/start-response/exc-info-after-write", "must", START_RESPONSE)
def test_exc_info_after_write(wire: Wire, client: Client, key: str) -> None:
    """The headers are sent by the first `write()` as well: exc_info raises after it."""
    event = raised_late(wire, client, "start-response/too-late-after-write", key)
    assert event["event"] == "raised", event


@clause("wsgi/start-response/in-first-step", "must", DETAILS)
def test_in_first_step(wire: Wire) -> None:
    """`start_response` may be called by the first step of the iteration: a generator does that."""
    response = get(wire, "start-response/in-first-step")
    assert (response.status, response.reason) == (299, "From Inside")
    assert (response.all("X-First"), response.body) == (["1"], b"onetwo")


@clause("wsgi/start-response/never", "agreement", ERRORS)
def test_never(wire: Wire) -> None:
    """An application that never calls `start_response` gets no success: the answer is a 5xx."""
    assert get(wire, "start-response/never").status >= 500


@clause("wsgi/start-response/refuses", "should", START_RESPONSE)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case)
        for case in (
            "value-crlf",
            "value-lf",
            "value-cr",
            "value-nul",
            "value-trailing-crlf",
            "value-beyond-latin-1",
            "value-int",
            "value-bytes",
            "name-colon",
            "name-space",
            "name-crlf",
            "name-empty",
            "status-crlf",
            "status-without-code",
            "status-int",
            "hop-by-hop-connection",
            "hop-by-hop-keep-alive",
            "hop-by-hop-transfer-encoding",
            "hop-by-hop-upgrade",
        )
    ],
)
def test_refuses(wire: Wire, case: str) -> None:
    """A status or header that PEP 3333 forbids is refused when `start_response` is called.

    The application answers 500 with what was raised; a server that notices only later answers 500
    by itself. Control characters that get through split the response for the client: injection.
    """
    response = get(wire, "bad-head", case=case)
    assert response.status == 500, response.describe()
    assert response.all("X-Injected") == []


# Status and headers


@clause("wsgi/status/kept", "should", OTHER)
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("201 Created", id="created"),
        pytest.param("299 Own Phrase, with: signs!", id="own-phrase"),
        pytest.param("404 Nothing Here", id="other-phrase"),
        pytest.param("418 I'm a teapot", id="teapot"),
        pytest.param("599 Beyond the List", id="unknown-code"),
    ],
)
def test_status(wire: Wire, line: str) -> None:
    """Code and reason phrase reach the client as the application gave them, known or not."""
    response = get(wire, "status", line=line)
    assert f"{response.status} {response.reason}" == line


@clause("wsgi/headers/repeated", "should", OTHER)
def test_headers_repeated(wire: Wire) -> None:
    """Fields of one name stay apart and in order: Set-Cookie cannot be joined by commas."""
    response = get(wire, "start-response/headers-kept")
    assert response.all("Set-Cookie") == [
        "a=1; Path=/",
        "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "c=3",
    ]
    assert [value.strip() for line in response.all("X-Order") for value in line.split(",")] == [
        "first",
        "second",
    ]


@clause("wsgi/headers/value", "should", OTHER)
def test_headers_value(wire: Wire) -> None:
    """A value reaches the client as it is: inner spaces and punctuation belong to it."""
    response = get(wire, "start-response/headers-kept")
    assert response.header("x-lower-case") == "Value With  two spaces, a comma; and more"


@clause("wsgi/headers/empty-value", "should", OTHER)
def test_headers_empty_value(wire: Wire) -> None:
    """A field with an empty value is sent: to some fields that means something."""
    assert get(wire, "start-response/headers-kept").header("X-Empty") == ""


@clause("wsgi/headers/latin-1", "must", UNICODE)
def test_headers_latin1(wire: Wire) -> None:
    """Characters up to U+00FF are sent as ISO-8859-1, one byte each, and not as UTF-8."""
    assert get(wire, "start-response/headers-kept").header("X-Latin") == "caf\xe9 \xff"


@clause("wsgi/headers/own-date", "should", OTHER)
def test_headers_own_date(wire: Wire) -> None:
    """A Date of the application's own, however it is spelt, is sent once: none is added."""
    assert get(wire, "start-response/own-date").all("Date") == ["Tue, 15 Nov 1994 08:12:31 GMT"]


@clause("wsgi/headers/own-server", "should", OTHER)
def test_headers_own_server(wire: Wire) -> None:
    """A Server field of the application's own is sent once: none is added."""
    assert get(wire, "start-response/own-date").all("Server") == ["the-application/1"]


# write()


@clause("wsgi/write/only", "must", WRITE)
def test_write_only(wire: Wire) -> None:
    """A body made by `write()` alone is sent whole, with an empty iterable after it."""
    response = get(wire, "write/only")
    assert (response.status, response.body) == (200, b"one;two;")


@clause("wsgi/write/and-iterable", "must", WRITE)
def test_write_and_iterable(wire: Wire) -> None:
    """What is written comes before what is yielded, and a list of one more block loses neither."""
    assert get(wire, "write/and-iterable").body == b"written;yielded;last;"


@clause("wsgi/write/with-length", "must", WRITE)
def test_write_with_length(wire: Wire) -> None:
    """The application's Content-Length holds for a body by `write()`."""
    response = get(wire, "write/with-length")
    assert (response.header("Content-Length"), response.body) == ("10", b"0123456789")


@clause("wsgi/write/beyond-length", "should", LENGTH)
def test_write_beyond_length(wire: Wire, client: Client, key: str) -> None:
    """A `write()` beyond the announced length raises, and nothing beyond it is sent."""
    response = get(wire, "write/beyond-length", key=key)
    assert response.body == b"01234"
    assert first_event(client, key)["event"] == "raised"


@clause("wsgi/write/str", "agreement", UNICODE)
def test_write_str(wire: Wire) -> None:
    """`write()` of text is refused: a server that encoded it would have guessed an encoding."""
    assert failed(wire, "write/str")


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


@clause("wsgi/write/not-delayed", "must", WRITE, requires=("concurrency",))
def test_write_not_delayed(wire: Wire, key: str) -> None:
    """What is written is on its way while the application goes on: the client gets it first.

    The application writes a block and then waits for another request, which the client sends only
    once it has the block.
    """
    assert held_back(wire, "write/held", key) == b"first;met;"


# The iterable


@clause("wsgi/iterable/not-delayed", "must", BUFFERING, requires=("concurrency",))
def test_iterable_not_delayed(wire: Wire, key: str) -> None:
    """A block is transmitted before the next is asked for: no server may gather blocks.

    The application yields a block and then waits for another request, which the client sends only
    once it has the block. Server-sent events and progress reports depend on it.
    """
    assert held_back(wire, "held", key) == b"first;met;"


@clause("wsgi/iterable/kind", "must", DETAILS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind)
        for kind in (
            "list",
            "tuple",
            "generator",
            "iterator",
            "sequence",
            "list-of-one",
            "sized",
            "empty-first",
            "empty-last",
        )
    ],
)
def test_iterable_kind(wire: Wire, kind: str) -> None:
    """Any iterable of bytestrings is a body; an empty one in it neither ends nor breaks it."""
    response = get(wire, "iterable", kind=kind)
    assert (response.status, response.body) == (200, b"one;two;three;")
    alive(wire)


@clause("wsgi/iterable/nothing", "must", DETAILS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("empty-list", id="list"),
        pytest.param("empty-generator", id="generator"),
        pytest.param("empty-blocks", id="empty-blocks"),
    ],
)
def test_iterable_nothing(wire: Wire, kind: str) -> None:
    """A body without a byte is a response like any other: its headers are sent at the end."""
    response = get(wire, "iterable", kind=kind)
    assert (response.status, response.body) == (200, b"")
    assert response.header("Content-Type") == "application/octet-stream"
    alive(wire)


@clause("wsgi/iterable/binary", "should", DETAILS)
def test_iterable_binary(wire: Wire) -> None:
    """Blocks are bytes and not text: every value, line end and chunk-like line comes through."""
    expected = bytes(range(256)) + b"\r\n\r\n\n\r0\r\n\r\n" + bytes(range(255, -1, -1))
    assert get(wire, "iterable", kind="binary").body == expected


@clause("wsgi/iterable/big", "must", DETAILS)
def test_iterable_big(wire: Wire) -> None:
    """4 MiB in 64 blocks arrive whole and in order."""
    expected = b"".join(bytes([number]) * 65536 for number in range(64))
    body = get(wire, "iterable", kind="big").body
    assert len(body) == len(expected)
    assert hashlib.sha256(body).digest() == hashlib.sha256(expected).digest()


@clause("wsgi/iterable/refused", "agreement", UNICODE)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=kind) for kind in ("str", "str-late", "int", "none")]
)
def test_iterable_refused(wire: Wire, kind: str) -> None:
    """A body of anything but bytestrings is not sent as if it were one: 5xx, or broken off.

    Text would need an encoding that the server can only guess, and a guess shows as mojibake.
    """
    assert failed(wire, "iterable", kind=kind)


# Announced lengths


@clause("wsgi/content-length/kept", "must", LENGTH)
def test_length_kept(wire: Wire) -> None:
    """The application's Content-Length is the one that is sent, for several blocks too."""
    response = get(wire, "length/right")
    assert (response.header("Content-Length"), response.body) == ("10", b"0123456789")


@clause("wsgi/content-length/too-much", "should", LENGTH)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("length/too-much", id="blocks"),
        pytest.param("length/too-much-at-once", id="one-block"),
    ],
)
def test_length_too_much(wire: Wire, path: str) -> None:
    """No more bytes are sent than were announced: they would be taken for the next response.

    Fewer are right as well, with the connection ended: the client can tell that it went wrong.
    """
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/{path}", behind=NEXT)
        try:
            response = connection.receive()
        except ConnectionClosed:
            alive(wire)
            return
        assert response.body == b"01234"
        if says_close(response):
            connection.shutdown_write()
        assert [mark_of(response) for response in answers(connection)] in ([], ["next"])


@clause("wsgi/content-length/iteration-stopped", "should", LENGTH)
def test_length_stopped(wire: Wire, client: Client, key: str) -> None:
    """The iteration stops once the announced bytes are sent, instead of going on for nobody."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/length/too-much?key={key}", [("Connection", "close")])
        connection.receive_end()

    def over(events: list[dict[str, Any]]) -> bool:
        return any(event["event"] == "over" for event in events)

    asked = [event for event in client.journal(key, until=over) if event["event"] == "asked"]
    assert len(asked) < 10


def rest_of(connection: Connection, response: Response) -> bytes:
    """What comes after a head until the connection ends.

    Where it is to persist, another request tells whether it does. This side stays open: its end
    would make the server end the connection, and that is the question.
    """
    if not says_close(response):
        connection.send(NEXT)
    return connection.receive_end()


@clause("wsgi/content-length/too-little", "should", LENGTH)
def test_length_too_little(wire: Wire) -> None:
    """A body that is shorter than announced ends with the connection, so that the client can tell.

    A server that kept the connection would have the client wait, or take the next response for the
    rest of this one.
    """
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/length/too-little")
        response = connection.receive_head()
        if response.status >= 500:
            return  # The mistake was noticed before anything was sent.
        assert response.header("Content-Length") == "10"
        assert rest_of(connection, response) == b"01234"


# Failures


@clause("wsgi/errors/status", "agreement", ERRORS)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("raise/in-call", id="in-call"),
        pytest.param("raise/after-start", id="after-start"),
        pytest.param("raise/first-block", id="first-block"),
        pytest.param("raise/after-empty-block", id="after-empty-block"),
    ],
)
def test_error_status(wire: Wire, path: str) -> None:
    """An application that fails before a byte of body is answered for with 500."""
    assert get(wire, path).status == 500


@clause("wsgi/errors/headers-not-sent", "must", START_RESPONSE)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("raise/after-start", id="after-start"),
        pytest.param("raise/first-block", id="first-block"),
        pytest.param("raise/after-empty-block", id="after-empty-block"),
    ],
)
def test_error_headers_not_sent(wire: Wire, path: str) -> None:
    """Without body data the announced headers are never sent: the client sees no success."""
    with wire.connect() as connection:
        connection.request("GET", f"/wsgi/{path}")
        if not connection.more():
            alive(wire)  # The connection ended without a response, which is no success either.
            return
        # The head alone says it, whatever becomes of the body.
        response = connection.receive_head()
    assert response.status >= 500, response.describe()
    assert response.all("X-First") == []


@clause("wsgi/errors/survived", "should", ERRORS)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("raise/in-call", id="in-call"),
        pytest.param("raise/first-block", id="first-block"),
        pytest.param("raise/after-block", id="after-block"),
        pytest.param("close/fails", id="in-close"),
        pytest.param("iterable?kind=none", id="no-iterable"),
    ],
)
def test_error_survived(wire: Wire, path: str) -> None:
    """The server traps what an application raises: 20 failures later it still answers."""

    def fail(_: int) -> None:
        with wire.connect() as connection:
            connection.request("GET", f"/wsgi/{path}", [("Connection", "close")])
            connection.receive_end()

    # No more at once than the smallest queue of a listening socket takes.
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(fail, range(20)))
    assert mark_of(wire.exchange(NEXT)) == "next"


@clause("wsgi/errors/body-broken-off", "agreement", ERRORS)
def test_error_body_broken_off(wire: Wire) -> None:
    """A failure in the middle of a body without a length is visible: the last chunk is missing.

    Ended like a whole one, half a file would be taken for the file. Where the response is delimited
    by the end of the connection there is no way to show it, and the check passes.
    """
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/raise/after-block")
        response = connection.receive_head()
        if response.status == 500 or not response.all("Transfer-Encoding"):
            return
        assert response.status == 200
        rest = rest_of(connection, response)
    assert rest.startswith(b"6\r\nfirst;\r\n")
    assert b"0\r\n\r\n" not in rest, "the body was ended as if it were whole"
    assert b"HTTP/1." not in rest, "another response stands where the next chunk should"


@clause("wsgi/errors/length-not-met", "should", LENGTH)
def test_error_length_not_met(wire: Wire) -> None:
    """A failure in the middle of a body with a length ends the connection before its time."""
    with wire.connect() as connection:
        connection.request("GET", "/wsgi/raise/after-block?length=1000")
        try:
            response = connection.receive_head()
        except ConnectionClosed:
            alive(wire)
            return
        assert response.status in (200, 500)
        if response.status == 200:
            # What was not sent yet when it failed may be dropped.
            assert b"first;".startswith(rest_of(connection, response))


# close()


@clause("wsgi/close/once", "must", DETAILS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "close/normal", id="normal"),
        pytest.param("GET", "close/empty", id="empty"),
        pytest.param("GET", "raise/first-block", id="failed-at-once"),
        pytest.param("GET", "raise/after-block", id="failed"),
        pytest.param("GET", "close/fails", id="fails-itself"),
        pytest.param("HEAD", "close/normal", id="head"),
        pytest.param("GET", f"status?line={quote('304 Not Modified')}", id="304"),
        pytest.param("GET", f"status?line={quote('204 No Content')}", id="204"),
    ],
)
def test_close_once(wire: Wire, client: Client, key: str, method: str, path: str) -> None:
    """`close()` of the iterable is called once, however the request ends: it releases resources."""
    target = f"/wsgi/{path}{'&' if '?' in path else '?'}key={key}"
    with wire.connect() as connection:
        connection.request(method, target, [("Connection", "close")])
        connection.receive_end()
    closed_once(client, key)


@clause("wsgi/close/disconnected", "must", DETAILS)
def test_close_disconnected(wire: Wire, client: Client, key: str) -> None:
    """`close()` is called when the client goes away in the middle of the body."""
    connection = wire.connect()
    connection.request("GET", f"/wsgi/close/disconnected?key={key}")
    response = connection.receive_head()
    assert connection.receive_body_part(response)
    connection.reset()
    closed_once(client, key)


@clause("wsgi/close/last", "must", DETAILS)
def test_close_last(wire: Wire, client: Client, key: str) -> None:
    """`close()` comes upon completion: after the iterable has ended and not before."""
    assert get(wire, "close/order", key=key).body == b"one;"
    closed_once(client, key)
    assert [event["event"] for event in client.journal(key)] == ["end", "close"]


# Responses without a body


@clause("wsgi/bodiless", "must", OTHER)
@pytest.mark.parametrize(
    ("method", "line"),
    [
        pytest.param("HEAD", "200 OK", id="head"),
        pytest.param("GET", "204 No Content", id="204"),
        pytest.param("GET", "304 Not Modified", id="304"),
        pytest.param("HEAD", "404 Not Found", id="head-of-error"),
    ],
)
def test_bodiless(wire: Wire, method: str, line: str) -> None:
    """What an application yields for HEAD, 204 and 304 is kept back: the next response is in step.

    Applications yield bodies there all the time, because they need not care about the method.
    """
    response = bodiless(wire, method, f"/wsgi/status?line={quote(line)}")
    assert str(response.status) == line[:3]
