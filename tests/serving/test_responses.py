"""What the server makes of applications: PEP 3333 from their side, HTTP from the client's."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reference_app.serving import Limits, Settings

from .apps import Body, Environ
from .live import QUICK, Live, Response, wait_for

Serve = Callable[..., Live]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
GET_1_0 = b"GET / HTTP/1.0\r\n\r\n"


def plain(body: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    """Return an application that answers with `body`, made anew for each request if callable."""

    def app(environ: Environ, start_response: Any) -> Any:
        start_response(status, list(headers))
        return body() if callable(body) else body

    return app


def framing(response: Response) -> tuple[str | None, str | None]:
    return response.get("Content-Length"), response.get("Transfer-Encoding")


# Framing.


@pytest.mark.parametrize(
    ("body", "length", "coding"),
    [
        ([], "0", None),
        ([b""], "0", None),
        ([b"abc"], "3", None),
        ((b"abc",), "3", None),
        ([b"ab", b"", b"c"], "3", None),
        (lambda: iter([b"abc"]), None, "chunked"),
        (lambda: iter([b"", b"a", b"bc"]), None, "chunked"),
        (lambda: iter([]), "0", None),
    ],
)
def test_framing(serve: Serve, body: Any, length: str | None, coding: str | None) -> None:
    live = serve(plain(body))
    expected = b"".join(body() if callable(body) else body)
    one, two = live.talk(GET + GET)
    assert (one.body, one.complete, framing(one)) == (expected, True, (length, coding))
    assert two.body == expected
    [old] = live.talk(GET_1_0)
    assert (old.body, old.get("Transfer-Encoding")) == (expected, None)
    assert old.get("Connection") == "close"
    bodiless, after = live.talk(HEAD + GET, ["HEAD", "GET"])
    assert bodiless.body == b""
    # What yields nothing for HEAD may have a body for GET all the same (RFC 9110 section 8.6).
    assert bodiless.get("Content-Length") == (length if expected else None)
    assert after.body == expected


def test_iterable_of_length_one(serve: Serve) -> None:
    class One(Body):
        def __len__(self) -> int:
            return 1

    live = serve(plain(lambda: One([b"abc"])))
    assert framing(live.get()) == ("3", None)


@pytest.mark.parametrize(
    ("status", "body", "length"),
    [
        ("204 No Content", [], None),
        ("204 No Content", [b"abc"], None),
        ("304 Not Modified", [], None),
        ("304 Not Modified", [b"abc"], None),
        ("205 Reset Content", [b"abc"], "0"),
    ],
)
def test_status_without_body(serve: Serve, status: str, body: Any, length: str | None) -> None:
    live = serve(plain(body, status=status))
    one, two = live.talk(GET + GET)
    assert (one.body, framing(one)) == (b"", (length, None))
    assert two.status == one.status
    live = serve(plain(body, ("Content-Length", "3"), status=status))
    one, two = live.talk(GET + GET)
    assert one.body == two.body == b""
    assert one.get("Content-Length") == ("3" if status[:3] == "304" else length)


def test_body_longer_than_its_content_length_is_cut(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    for body in ([b"abcdef"], lambda: iter([b"ab", b"cd", b"ef"])):
        live = serve(plain(body, ("Content-Length", "3")))
        with live.connect() as client:
            client.send(GET + GET)
            response = client.read_response()
            assert (response.status, response.body) == (200, b"abc")
            assert client.at_end()
        assert "longer than its Content-Length" in capfd.readouterr().err


def test_body_shorter_than_its_content_length_ends_the_connection(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    for body in ([b"ab"], lambda: iter([b"a", b"b"]), []):
        live = serve(plain(body, ("Content-Length", "3")))
        [response] = live.talk(GET + GET)
        assert (response.status, response.complete) == (200, False)
        assert "shorter than its Content-Length" in capfd.readouterr().err


def test_head_does_not_run_through_the_body(serve: Serve) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 1000

    live = serve(plain(endless))
    [response] = live.talk(HEAD, ["HEAD"])
    assert (response.status, response.body) == (200, b"")


# Laziness and close().


def test_each_block_is_sent_before_the_next_is_asked_for(serve: Serve) -> None:
    received = threading.Event()

    def blocks() -> Iterator[bytes]:
        yield b"first"
        assert received.wait(20)
        yield b"second"

    live = serve(plain(blocks), threaded=True)
    with live.connect() as client:
        client.send(GET)
        client.read_until(b"first\r\n")
        received.set()
        client.read_until(b"second\r\n0\r\n\r\n")


def test_empty_blocks_do_not_send_the_headers(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b""
        try:
            raise ValueError
        except ValueError:
            start_response("400 Bad Request", [("X", "y")], sys.exc_info())
        yield b"sorry"

    response = serve(app).get()
    assert (response.status, response.get("X"), response.body) == (400, "y", b"sorry")


def test_start_response_in_the_first_step_of_the_iterable(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x"

    assert serve(app).get().body == b"x"


def failing(blocks: list[bytes]) -> Iterator[bytes]:
    yield from blocks
    raise ValueError("secret")


@pytest.mark.parametrize(
    "blocks",
    [
        lambda: [],
        lambda: [b"abc"],
        lambda: failing([]),
        lambda: failing([b"abc"]),
        lambda: ["not bytes"],
        lambda: [b"abc", 3],
    ],
)
@pytest.mark.parametrize("request_", [GET, HEAD, GET_1_0])
def test_close_is_called_once(serve: Serve, blocks: Callable[[], Any], request_: bytes) -> None:
    bodies: list[Body] = []

    def app(environ: Environ, start_response: Any) -> Body:
        start_response("200 OK", [])
        bodies.append(Body(blocks()))
        return bodies[-1]

    live = serve(app)
    live.talk(request_, [request_.split()[0].decode()])
    [body] = bodies
    assert wait_for(lambda: body.closed) == 1


def test_close_is_called_when_the_client_goes_away(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    bodies: list[Body] = []

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    def app(environ: Environ, start_response: Any) -> Body:
        start_response("200 OK", [])
        bodies.append(Body(endless()))
        return bodies[-1]

    live = serve(app, threaded=True)
    with live.connect() as client:
        client.send(GET)
        client.read_until(b"xxx")
    assert wait_for(lambda: bodies and bodies[0].closed) == 1
    assert capfd.readouterr().err == ""


def test_close_that_fails_spoils_nothing(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    class Failing(Body):
        def close(self) -> None:
            raise ValueError("from close")

    live = serve(plain(lambda: Failing([b"abc"])))
    one, two = live.talk(GET + GET)
    assert one.complete
    assert two.body == b"abc"
    assert "from close" in capfd.readouterr().err


# write().


def test_write_and_iterable(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one ")
        write(b"")
        write(b"two ")
        return [b"three"]

    one, two = serve(app).talk(GET + GET)
    assert one.body == two.body == b"one two three"
    assert framing(one) == (None, "chunked")


def test_write_sends_at_once(serve: Serve) -> None:
    received = threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "6")])(b"abc")
        assert received.wait(20)
        return [b"def"]

    live = serve(app, threaded=True)
    with live.connect() as client:
        client.send(GET)
        client.read_until(b"abc")
        received.set()
        client.read_until(b"def")


def test_write_beyond_the_content_length_raises_in_the_application(serve: Serve) -> None:
    raised: list[BaseException] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "3")])
        try:
            write(b"abcdef")
        except AssertionError as error:
            raised.append(error)
        return []

    one, two = serve(app).talk(GET + GET)
    assert one.body == two.body == b"abc"
    assert len(raised) == 2


# start_response: what an application can do wrong. Each is a 500 that says nothing.


def twice(environ: Environ, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"x"]


def never(environ: Environ, start_response: Any) -> list[bytes]:
    return [b"x"]


def never_and_empty(environ: Environ, start_response: Any) -> list[bytes]:
    return []


def returns_none(environ: Environ, start_response: Any) -> None:
    start_response("200 OK", [])


def raises(environ: Environ, start_response: Any) -> list[bytes]:
    raise ValueError("secret")


def raises_after_start(environ: Environ, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("X-Secret", "secret")])
    raise ValueError("secret")


def exits(environ: Environ, start_response: Any) -> list[bytes]:
    sys.exit(3)


def interrupts(environ: Environ, start_response: Any) -> list[bytes]:
    raise KeyboardInterrupt


class Strange(BaseException):
    pass


def raises_strange(environ: Environ, start_response: Any) -> list[bytes]:
    raise Strange


def own_connection_error(environ: Environ, start_response: Any) -> list[bytes]:
    raise ConnectionResetError("the database")


WRONG_CALLS = [
    twice,
    never,
    never_and_empty,
    returns_none,
    raises,
    raises_after_start,
    exits,
    interrupts,
    raises_strange,
    own_connection_error,
]
WRONG_STATUS: list[Any] = [
    b"200 OK",
    200,
    None,
    "",
    "200",
    "20 OK",
    "2000 OK",
    "OK",
    "200OK",
    "099 Low",
    " 200 OK",
    "200 OK\r\nX: y",
    "200 OK\n",
    "200 O\x00K",
    "200 \u20ac",
    "100 Continue",
    "101 Switching Protocols",
    "\u0662\u0660\u0660 OK",
]
WRONG_HEADERS: list[Any] = [
    (),
    {},
    None,
    [("X",)],
    [("X", "a", "b")],
    [None],
    ["X: y"],
    [("X", 1)],
    [("X", None)],
    [("X", b"a")],
    [(b"X", "a")],
    [("", "a")],
    [("X:", "a")],
    [("X Y", "a")],
    [("X\r\nY", "a")],
    [("X\u00e9", "a")],
    [("X", "a\r\nSet-Cookie: b=c")],
    [("X", "a\nb")],
    [("X", "a\rb")],
    [("X", "a\n")],
    [("X", "a\x00b")],
    [("X", "a\x7fb")],
    [("X", "\u20ac")],
    [("Connection", "close")],
    [("connection", "keep-alive")],
    [("Keep-Alive", "timeout=5")],
    [("Proxy-Authenticate", "Basic")],
    [("Proxy-Authorization", "x")],
    [("TE", "trailers")],
    [("Trailer", "X")],
    [("Transfer-Encoding", "chunked")],
    [("Upgrade", "x")],
    [("Content-Length", "x")],
    [("Content-Length", "-1")],
    [("Content-Length", "+1")],
    [("Content-Length", "1, 1")],
    [("Content-Length", "1"), ("Content-Length", "2")],
]
WRONG_BODY: list[Any] = [None, 5, ["x"], [b"x", "x"], [bytearray(b"x")], "text", [None]]

CASES: dict[str, Any] = {app.__name__: app for app in WRONG_CALLS}
CASES |= {f"status-{status!r}": plain([b"x"], status=status) for status in WRONG_STATUS}


def with_headers(headers: Any) -> Any:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", headers)
        return [b"x"]

    return app


CASES |= {f"headers-{headers!r}": with_headers(headers) for headers in WRONG_HEADERS}
CASES |= {f"body-{body!r}": plain(body) for body in WRONG_BODY}


@pytest.fixture(scope="module")
def wrong_server() -> Iterator[Live]:
    """A server of all the applications above, chosen by number."""
    apps = list(CASES.values())

    def app(environ: Environ, start_response: Any) -> Any:
        return apps[int(environ["PATH_INFO"][1:])](environ, start_response)

    live = Live(app, threaded=True)
    yield live
    live.close()


@pytest.mark.parametrize("name", CASES)
def test_application_error_is_a_500(
    wrong_server: Live, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    number = list(CASES).index(name)
    request = f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    for response in wrong_server.talk(request + request):
        assert response.status == 500
        assert response.complete
        assert response.body == b"500 Internal Server Error\n"
        assert not response.all("X-Secret")
    log = capfd.readouterr().err
    assert log.count("Traceback") >= 2
    assert f"GET /{number} HTTP/1.1" in log
    [head] = wrong_server.talk(request.replace(b"GET", b"HEAD"), ["HEAD"])
    assert (head.status, head.body) == (500, b"")


def test_error_after_the_headers_breaks_the_response_off(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    for headers in ([], [("Content-Length", "9")]):
        live = serve(plain(lambda: failing([b"abc"]), *headers))
        [response] = live.talk(GET + GET)
        assert (response.status, response.body, response.complete) == (200, b"abc", False)
        assert "secret" in capfd.readouterr().err


def test_exc_info_before_the_headers_replaces_the_response(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X", "first")])
        try:
            raise ValueError
        except ValueError:
            start_response("503 Busy", [("Y", "second")], sys.exc_info())
        return [b"x"]

    response = serve(app).get()
    assert (response.status, response.get("X"), response.get("Y")) == (503, None, "second")


def test_exc_info_after_the_headers_is_raised_again(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    raised: list[BaseException] = []

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"abc"
        try:
            raise ValueError("original")
        except ValueError as error:
            raised.append(error)
            start_response("500 Error", [], sys.exc_info())
            raised.clear()  # not reached

    [response] = serve(app).talk(GET + GET)
    assert (response.status, response.body, response.complete) == (200, b"abc", False)
    assert wait_for(lambda: raised)
    assert "original" in capfd.readouterr().err


def test_passthrough_errors(capfd: pytest.CaptureFixture[str]) -> None:
    from reference_app.serving import make_server

    server = make_server("127.0.0.1", 0, raises, passthrough_errors=True, settings=QUICK)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            server.serve_forever()
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    live = Live.__new__(Live)
    live.server = server
    assert live.get().status == 500
    thread.join(20)
    server.server_close()
    assert [str(error) for error in raised] == ["secret"]


def test_write_kept_by_the_application_reaches_nobody_else(serve: Serve) -> None:
    kept: list[Any] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        kept.append(start_response("200 OK", []))
        return [b"x"]

    live = serve(app)
    with live.connect() as client:
        client.send(GET)
        assert client.read_response().body == b"x"
        client.send(GET)
        assert client.read_response().body == b"x"
        with pytest.raises(AssertionError, match="ended"):
            kept[0](b"intruder")
        client.send(GET)
        assert client.read_response().body == b"x"


# Heads.


def test_date_and_server_are_added_unless_given(serve: Serve) -> None:
    response = serve(plain([b""])).get()
    date = response.get("Date")
    assert date
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert response.get("Server") == "wsgi-conform"
    given = serve(plain([b""], ("date", "x"), ("SERVER", "y"))).get()
    assert (given.get("Date"), given.get("Server")) == ("x", "y")


def test_headers_are_sent_as_given_and_in_order(serve: Serve) -> None:
    headers = [("Set-Cookie", "a=b"), ("X-Last", ""), ("set-cookie", "c=\u00e9")]
    response = serve(plain([b""], *headers)).get()
    assert response.fields[:3] == headers


def test_large_bodies(serve: Serve) -> None:
    block = bytes(range(256)) * 4096
    for body in ([block, block], lambda: iter([block, block]), [block * 2]):
        one, two = serve(plain(body)).talk(GET + GET)
        assert one.body == two.body == block * 2


# Bodies of requests that the application does not read.


def post(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size


def chunked(size: int) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * (size // 4096) + b"0\r\n\r\n"


def test_unread_body_is_skipped(serve: Serve) -> None:
    live = serve(plain([b"x"]))
    for data in (post(5) + b"abcde", post(60_000) + b"x" * 60_000, chunked(32768)):
        one, two = live.talk(data + GET)
        assert (one.status, two.status) == (200, 200)
        with live.connect() as client:
            client.send(data + GET)  # and no end of the stream that would wake the server again
            assert [client.read_response().status for _ in range(2)] == [200, 200]
        with live.connect() as client:
            client.send_bytewise(data[:500])
            client.read_until(b"\r\n\r\nx")
            client.send(data[500:] + GET)
            assert client.read_response().status == 200


def test_unread_body_that_is_too_large_ends_the_connection(serve: Serve) -> None:
    live = serve(plain([b"x"]))
    with live.connect() as client:
        client.send(post(1_000_000) + b"x" * 1_000_000)
        response = client.read_response()
        assert (response.status, response.get("Connection")) == (200, "close")
        assert client.at_end()
    with live.connect() as client:
        client.send(chunked(200_000))
        assert client.read_response().status == 200
        assert client.at_end()


def test_unread_body_that_is_malformed_is_never_taken_for_a_request(serve: Serve) -> None:
    live = serve(plain([b"x"]))
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    [response] = live.talk(head + b"zz\r\n" + GET)
    assert response.status == 200


def test_input_kept_by_the_application_does_not_eat_the_next_request(serve: Serve) -> None:
    kept: list[Any] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        start_response("200 OK", [])
        return [b"x"]

    live = serve(app)
    with live.connect() as client:
        client.send(post(5) + b"ab")
        assert client.read_response().status == 200
        client.send(b"cde" + GET)
        assert client.read_response().status == 200
        client.send(b"GE")
        with pytest.raises(ValueError, match="ended"):
            kept[0].read()
        client.send(b"T" + GET[3:])
        assert client.read_response().status == 200


# Expect: 100-continue.

EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"


def reads(environ: Environ, start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body]


def test_continue_is_sent_when_the_application_reads(serve: Serve) -> None:
    live = serve(reads)
    with live.connect() as client:
        client.send(EXPECT)
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert client.read_response().body == b"abc"
        client.send(GET)
        assert client.read_response().status == 200


def test_continue_is_not_sent_when_the_application_does_not_read(serve: Serve) -> None:
    live = serve(plain([b"no"], status="403 Forbidden"))
    with live.connect() as client:
        client.send(EXPECT)
        response = client.read_response()
        # The client may send the body or not, so the next request could not be found.
        assert (response.status, response.get("Connection")) == (403, "close")
        assert client.at_end()


def test_continue_is_not_sent_when_the_body_is_there(serve: Serve) -> None:
    [response] = serve(reads).talk(EXPECT + b"abc")
    assert (response.status, response.body) == (200, b"abc")


def test_continue_is_not_sent_without_a_body(serve: Serve) -> None:
    [response] = serve(reads).talk(EXPECT.replace(b"Length: 3", b"Length: 0"))
    assert response.status == 200


# Limits of the body.


def test_body_beyond_the_limit(serve: Serve) -> None:
    settings = Settings(limits=Limits(body=10), timeouts=QUICK.timeouts, access_log=False)
    live = serve(reads, settings=settings)
    assert live.talk(post(10) + b"x" * 10)[0].status == 200
    assert live.talk(post(11) + b"x" * 11)[0].status == 413
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert live.talk(head + b"a\r\n0123456789\r\n0\r\n\r\n")[0].status == 200
    assert live.talk(head + b"a\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n")[0].status == 413


def test_error_of_the_body_that_the_application_deals_with(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except Exception as error:
            start_response("422 No", [])
            return [type(error).__name__.encode()]
        raise AssertionError

    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    [response] = serve(app).talk(head + b"zz\r\n" + GET)
    assert (response.status, response.body) == (422, b"ClientError")


def test_logging_to_wsgi_errors(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("from the application\n")
        environ["wsgi.errors"].writelines(["a", "b\n"])
        environ["wsgi.errors"].flush()
        start_response("200 OK", [])
        return [b""]

    serve(app).get()
    assert "from the application\nab\n" in capsys.readouterr().err


def test_connection_without_a_request_is_nothing_to_report(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    live = serve(plain([b""]))
    live.connect().socket.close()
    assert live.get().status == 200
    assert capfd.readouterr().err == ""
