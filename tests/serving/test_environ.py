"""The environ, as PEP 3333 and CGI have it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.validate import validator

import pytest

from .apps import Environ, hello
from .live import Live, Process

Serve = Callable[..., Live]


def see(live: Live, request: bytes) -> dict[str, Any]:
    [response] = live.talk(request)
    assert response.status == 200, response
    seen: dict[str, Any] = json.loads(response.body)
    return seen


def test_environ_of_a_request(echo_server: Live) -> None:
    seen = see(
        echo_server,
        b"POST /a%20b?c=%20d HTTP/1.1\r\nHost: example:80\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 2\r\nX-One: 1\r\n\r\nab",
    )
    port = str(echo_server.server.port)
    remote_port = seen.pop("REMOTE_PORT")
    assert remote_port.isdigit()
    assert remote_port != port
    assert seen == {
        "CONTENT_LENGTH": "2",
        "CONTENT_TYPE": "text/plain",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "HTTP_HOST": "example:80",
        "HTTP_X_ONE": "1",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=%20d",
        "RAW_URI": "/a%20b?c=%20d",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/a%20b?c=%20d",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "wsgi-conform",
        "body": "ab",
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": False,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
    }


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", ""),
        (b"/?", b"/", ""),
        (b"/a?b?c", b"/a", "b?c"),
        (b"//a//b", b"//a//b", ""),
        (b"/a/../b/./c", b"/a/../b/./c", ""),
        (b"/%C3%A9", b"/\xc3\xa9", ""),
        (b"/%ff%00", b"/\xff\x00", ""),
        (b"/a%2Fb%3f%25", b"/a/b?%", ""),
        (b"/a+b", b"/a+b", ""),
        (b"/a;b=c", b"/a;b=c", ""),
        (b"/?%zz", b"/", "%zz"),
        (b"http://other:81/a?b", b"/a", "b"),
        (b"HTTP://other", b"/", ""),
        (b"https://other?b", b"/", "b"),
    ],
)
def test_path_and_query(echo_server: Live, target: bytes, path: bytes, query: str) -> None:
    seen = see(echo_server, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert seen["PATH_INFO"].encode("latin-1") == path
    assert seen["QUERY_STRING"] == query
    assert seen["RAW_URI"] == target.decode()


def test_host_of_the_target_wins(echo_server: Live) -> None:
    seen = see(echo_server, b"GET http://b:81/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert seen["HTTP_HOST"] == "b:81"


def test_repeated_fields_are_joined(echo_server: Live) -> None:
    seen = see(
        echo_server,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nCookie: a=b\r\nx:2\r\nCookie: c=d\r\nX:\r\n\r\n",
    )
    assert seen["HTTP_X"] == "1, 2, "
    assert seen["HTTP_COOKIE"] == "a=b; c=d"


def test_names_with_an_underscore_are_dropped(echo_server: Live) -> None:
    seen = see(
        echo_server,
        b"GET / HTTP/1.1\r\nHost: a\r\nX_Real: spoofed\r\nContent_Length: 5\r\n"
        b"X-Real: true\r\n\r\n",
    )
    assert seen["HTTP_X_REAL"] == "true"
    assert "CONTENT_LENGTH" not in seen
    assert "HTTP_CONTENT_LENGTH" not in seen


def test_values_are_latin_1(echo_server: Live) -> None:
    seen = see(echo_server, b"GET / HTTP/1.1\r\nHost: a\r\nX:  \xe9\xff \t\r\n\r\n")
    assert seen["HTTP_X"] == "\xe9\xff"


def test_invented_names_do_not_fill_the_memory(echo_server: Live) -> None:
    from reference_app.serving import parser

    for start in range(0, 3000, 90):
        fields = b"".join(b"X-%d: y\r\n" % number for number in range(start, start + 90))
        seen = see(echo_server, b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        assert seen[f"HTTP_X_{start}"] == "y"
    assert len(parser._environ_keys) <= parser._ENVIRON_KEYS_MAX


def test_chunked_body_has_no_content_length(echo_server: Live) -> None:
    seen = see(
        echo_server,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    )
    assert "CONTENT_LENGTH" not in seen
    assert seen["body"] == "x"


def test_environ_is_a_dict_of_its_own(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        assert type(environ) is dict
        assert "marked" not in environ
        environ["marked"] = "yes"
        environ.pop("wsgi.errors")
        start_response("200 OK", [])
        return [b"ok"]

    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert [response.status for response in serve(app).talk(request * 3)] == [200] * 3


def read_in_pieces(stream: Any, how: str) -> list[bytes]:
    if how == "read":
        return [stream.read(), stream.read(), stream.read(5)]
    if how == "read-none":
        return [stream.read(None), stream.read(0)]
    if how == "read-sizes":
        return [stream.read(size) for size in (0, 1, 2, 3, 5, 8, 1000)]
    if how == "readline":
        return [stream.readline() for _ in range(7)]
    if how == "readline-sizes":
        return [stream.readline(size) for size in (0, 1, 2, 3, 5, 8, 1000, -1)]
    if how == "readlines":
        return [*stream.readlines()]
    if how == "readlines-hint":
        return [*stream.readlines(4), b"|", *stream.readlines()]
    if how == "iter":
        return [*stream]
    return [stream.readline(), stream.read(2), stream.readline(1), *stream]


@pytest.mark.parametrize(
    "how",
    [
        "read",
        "read-none",
        "read-sizes",
        "readline",
        "readline-sizes",
        "readlines",
        "readlines-hint",
        "iter",
        "mixed",
    ],
)
def test_input_reads_like_a_file(serve: Serve, how: str) -> None:
    body = b"first\n\nthird line\nno end"
    expected = read_in_pieces(io.BytesIO(body), how)
    seen: list[list[bytes]] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        seen.append(read_in_pieces(environ["wsgi.input"], how))
        start_response("200 OK", [])
        return [b"ok"]

    live = serve(app)
    head = b"POST / HTTP/1.1\r\nHost: a\r\n"
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(chunk), chunk)
        for chunk in (body[:3], body[3:6], body[6:7], body[7:])
    )
    for request in (
        head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n",
    ):
        assert live.talk(request)[0].status == 200
        with live.connect() as client:
            client.send_bytewise(request)
            assert client.read_response().status == 200
    assert seen == [expected] * 4
    empty: list[bytes] = []

    def empty_app(environ: Environ, start_response: Any) -> list[bytes]:
        empty.extend(read_in_pieces(environ["wsgi.input"], how))
        start_response("200 OK", [])
        return [b"ok"]

    assert serve(empty_app).get().status == 200
    assert empty == read_in_pieces(io.BytesIO(), how)


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_wsgiref_validator_agrees(serve: Serve) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(10)
        environ["wsgi.errors"].write("")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    checked: Any = validator(app)
    for options in ({}, {"threaded": True}):
        live = serve(checked, **options)
        responses = live.talk(
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /a%2Fb?c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
            b"DELETE http://b HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert [response.status for response in responses] == [200] * 4


def test_errors_is_standard_error(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    streams: list[Any] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        streams.append(environ["wsgi.errors"])
        return hello(environ, start_response)

    serve(app).get()
    assert streams == [sys.stderr]


def test_multiprocess_is_told(command: Callable[..., Process]) -> None:
    app = "tests.serving.apps:echo"
    for options, thread, process in (
        ((), False, False),
        (("--threads", "2"), True, False),
        (("--processes", "2"), False, True),
    ):
        running = command("--app", app, "--port", "0", *options)
        with running.connect(running.wait_ready()) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            seen = json.loads(client.read_response().body)
        assert (seen["wsgi.multithread"], seen["wsgi.multiprocess"]) == (thread, process)
        assert seen["wsgi.run_once"] is False
