"""The protocol area: plain WSGI callables, one behaviour each, at the paths below `/wsgi/`.

What PEP 3333 lets an application do, and what it forbids, no framework would let a view do: call
`start_response` twice, yield before it, use `write()`, announce a length and not keep it. So these
paths are served around the framework, by callables that take environ and start_response and have
nothing in between. What a response cannot show (that `close()` ran, how much of a body was read)
goes to the journal under the `key` of the query.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from reference_app.areas import journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/wsgi/"
#: How much of a body comes back in an answer, in bytes; the hash is of all of it.
BODY_SHOWN = 4096
#: How long the slow answer takes, in seconds: longer than the end of a connection needs to be seen.
SLOW_S = 0.5
#: How long an application waits that goes on beyond its length, in seconds.
PAUSE_S = 0.03
#: How much of a body without a known length is read: more than any check sends, so that a server
#: that makes bytes up is found out instead of filling the memory.
BODY_LIMIT = 4 * 1024 * 1024
#: The size of the blocks in which it is read. Small, because `io.RawIOBase` believes a `readinto()`
#: that returns more than it read, and takes the process down with it where the block is large.
BODY_BLOCK = 256
#: What the paths below `/wsgi/file/` send.
FILE_CONTENT = bytes(range(256)) * 1024
#: A block that no socket buffer swallows whole many times over.
BIG_BLOCK = b"x" * 65536

OK = "200 OK"
TEXT = ("Content-Type", "text/plain")
BINARY = ("Content-Type", "application/octet-stream")

_applications: dict[str, WSGIApplication] = {}


class Middleware:
    """Serves the paths of this area and hands every other one on.

    :param application: what serves the other paths.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(PREFIX):
            # What follows a second slash is the application's own: /wsgi/environ/any/path.
            name = path.removeprefix(PREFIX)
            application = _applications.get(name) or _applications.get(name.partition("/")[0])
            if application is not None:
                return application(environ, start_response)
        return self._application(environ, start_response)


def at(path: str) -> Callable[[WSGIApplication], WSGIApplication]:
    """Serve a path below `/wsgi/` by the decorated application."""

    def register(application: WSGIApplication) -> WSGIApplication:
        _applications[path] = application
        return application

    return register


class Failure(Exception):
    """What the applications here raise when failing is their purpose."""


def _query(environ: WSGIEnvironment) -> dict[str, list[str]]:
    return parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)


def _argument(environ: WSGIEnvironment, name: str, default: str = "") -> str:
    return _query(environ).get(name, [default])[0]


def _note(environ: WSGIEnvironment, event: str, **details: Any) -> None:
    """Record an event in the journal if the request names a key of it."""
    key = _argument(environ, "key")
    if key:
        journal.record(key, event, **details)


def _json(start_response: StartResponse, value: Any, status: str = OK) -> list[bytes]:
    body = json.dumps(value).encode()
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# Requests


def _read_body(environ: WSGIEnvironment) -> bytes:
    """The whole body: as much as CONTENT_LENGTH says, or up to its end where no length is known."""
    stream = environ["wsgi.input"]
    blocks: list[bytes] = []
    if environ.get("HTTP_TRANSFER_ENCODING") or environ.get("wsgi.input_terminated"):
        size = 0
        while size < BODY_LIMIT and (block := stream.read(BODY_BLOCK)):
            blocks.append(block)
            size += len(block)
        return b"".join(blocks)
    length = environ.get("CONTENT_LENGTH") or "0"
    missing = int(length) if length.isascii() and length.isdigit() else 0
    while missing > 0 and (block := stream.read(min(missing, 65536))):
        blocks.append(block)
        missing -= len(block)
    return b"".join(blocks)


@at("echo")
def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the whole body and answer with what came, and as which request."""
    _note(environ, "called")
    try:
        body = _read_body(environ)
    except BaseException as error:
        _note(environ, "not-read", error=_named(error))
        raise
    _note(environ, "read", length=len(body))
    answer = {
        "method": environ["REQUEST_METHOD"],
        "path": environ.get("PATH_INFO", ""),
        "query": environ.get("QUERY_STRING", ""),
        "content_length": environ.get("CONTENT_LENGTH"),
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body[:BODY_SHOWN].decode("latin-1"),
    }
    return _json(start_response, answer)


@at("slow")
def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body and take a while before the answer."""
    _read_body(environ)
    _note(environ, "called")
    time.sleep(SLOW_S)
    return _json(start_response, {"query": environ.get("QUERY_STRING", "")})


@at("ignore")
def ignore(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without reading the body."""
    _note(environ, "called")
    return _json(start_response, {"query": environ.get("QUERY_STRING", "")})


@at("environ")
def show_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The environ: of each value its type, and the value itself where it is text or a number."""
    values = {}
    for key, value in environ.items():
        shown: object = repr(value)
        if value is None or isinstance(value, str | int | float | bool):
            shown = value
        elif isinstance(value, tuple):
            shown = list(value)
        values[str(key)] = {"type": type(value).__name__, "value": shown}
    keys = sorted({type(key).__name__ for key in environ})
    streams = {
        name: [
            method
            for method in methods
            if callable(getattr(environ.get(f"wsgi.{name}"), method, None))
        ]
        for name, methods in (
            ("input", ("read", "readline", "readlines", "__iter__")),
            ("errors", ("flush", "write", "writelines")),
        )
    }
    return _json(
        start_response,
        {"type": type(environ).__name__, "keys": keys, "values": values, "streams": streams},
    )


@at("method")
def method(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say in a field, which HEAD has as well, with which method the application was called."""
    start_response(OK, [TEXT, ("X-Method", environ["REQUEST_METHOD"])])
    return [b"see X-Method"]


@at("environ-own")
def own_environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Add, change and remove entries, and say whether an earlier request's were found."""
    found = environ.get("wsgi_conform.left")
    environ["wsgi_conform.left"] = "behind"
    environ["PATH_INFO"] = "/changed"
    environ.pop("QUERY_STRING", None)
    return _json(start_response, {"found": found, "path": environ["PATH_INFO"]})


def _call(stream: Any, name: str, argument: str) -> Any:
    arguments = [int(argument)] if argument else []
    if name == "iterate":
        # Bounded: on a stream without an end this would otherwise never stop.
        lines = []
        for line in stream:
            lines.append(line)
            if len(lines) >= arguments[0]:
                break
        return lines
    return getattr(stream, name)(*arguments)


@at("input")
def read_input(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call methods of `wsgi.input` as the query says (`do=read:5&do=readline`), in its order."""
    stream = environ["wsgi.input"]
    results: list[dict[str, Any]] = []
    for step in _query(environ).get("do", []):
        name, _, argument = step.partition(":")
        try:
            result = _call(stream, name, argument)
        except Exception as error:
            results.append({"raised": _named(error)})
            continue
        items = result if isinstance(result, list) else [result]
        kinds = sorted({type(item).__name__ for item in items})
        texts = [
            item.decode("latin-1") if isinstance(item, bytes) else repr(item) for item in items
        ]
        results.append({"types": kinds, "value": texts if isinstance(result, list) else texts[0]})
    return _json(start_response, results)


@at("errors")
def write_errors(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Use each method of `wsgi.errors`; with `text` as what is written."""
    stream = environ["wsgi.errors"]
    text = _argument(environ, "text", "written by the application under test")
    raised: dict[str, str | None] = {}
    for name, argument in (("write", text + "\n"), ("writelines", [text, "\n"]), ("flush", None)):
        try:
            getattr(stream, name)(*([] if argument is None else [argument]))
        except Exception as error:
            raised[name] = _named(error)
        else:
            raised[name] = None
    return _json(start_response, raised)


# start_response


@at("start-response/twice")
def start_twice(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call start_response a second time without exc_info, and say what that raised."""
    start_response(OK, [TEXT])
    try:
        start_response("299 Again", [TEXT])
    except BaseException as error:
        return [f"raised {type(error).__name__}".encode()]
    return [b"nothing was raised"]


@at("start-response/twice-lately")
def start_twice_lately(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """As above, with the second call from within the iterable, after a block was sent."""
    start_response(OK, [TEXT])
    yield b"first;"
    try:
        start_response("299 Again", [TEXT])
    except BaseException as error:
        yield f"raised {type(error).__name__}".encode()
    else:
        yield b"nothing was raised"


@at("start-response/result")
def start_result(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say whether start_response returned a callable."""
    write = start_response(OK, [TEXT])
    return [b"callable" if callable(write) else repr(write).encode()]


@at("start-response/replaced")
def start_replaced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Announce one response, fail, and replace it by another, with exc_info."""
    start_response(OK, [TEXT, ("X-First", "1"), ("Content-Length", "1000")])
    try:
        raise Failure("before the headers")
    except Failure:
        start_response("503 Replaced", [TEXT, ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


@at("start-response/replaced-after-empty")
def start_replaced_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Replace the response when only empty blocks have been yielded."""
    start_response(OK, [TEXT, ("X-First", "1")])
    yield b""
    yield b""
    try:
        raise Failure("after empty blocks")
    except Failure:
        start_response("503 Replaced", [TEXT, ("X-Second", "2")], sys.exc_info())
    yield b"replaced"


@at("start-response/replaced-at-end")
def start_replaced_at_end(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Replace the response with the last step of an iterable that never yields a byte."""
    start_response(OK, [TEXT, ("X-First", "1")])
    yield b""
    try:
        raise Failure("without any body")
    except Failure:
        start_response("503 Replaced", [TEXT, ("X-Second", "2")], sys.exc_info())


def _replace_too_late(environ: WSGIEnvironment, start_response: StartResponse) -> None:
    failure = Failure("the application's own error")
    try:
        raise failure
    except Failure:
        try:
            start_response("503 Replaced", [TEXT], sys.exc_info())
        except BaseException as error:
            _note(environ, "raised", own=error is failure, error=_named(error))
            raise
        _note(environ, "returned")


@at("start-response/too-late")
def start_too_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Try to replace a response of which a block has been sent."""
    start_response(OK, [BINARY])
    # Big, so that a server which gathers small blocks has sent this one.
    yield BIG_BLOCK * 4
    yield b"and one more"
    _replace_too_late(environ, start_response)
    yield b"the application went on"


@at("start-response/too-late-after-write")
def start_too_late_after_write(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Try to replace a response of which a block has been written."""
    write = start_response(OK, [BINARY])
    write(BIG_BLOCK * 4)
    _replace_too_late(environ, start_response)
    return [b"the application went on"]


@at("start-response/never")
def start_never(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return a body without having called start_response."""
    return [b"a body without a response"]


@at("start-response/in-first-step")
def start_in_first_step(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call start_response in the first step of the iteration."""
    start_response("299 From Inside", [TEXT, ("X-First", "1")])
    yield b"one"
    yield b"two"


@at("start-response/headers-kept")
def start_headers_kept(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give names and values that an over-eager server would sort, merge, trim or change."""
    start_response(
        OK,
        [
            TEXT,
            ("X-Order", "first"),
            ("Set-Cookie", "a=1; Path=/"),
            ("X-Between", "x"),
            ("Set-Cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("x-lower-CASE", "Value With  two spaces, a comma; and more"),
            ("X-Order", "second"),
            ("X-Empty", ""),
            ("X-Latin", "caf\xe9 \xff"),
            ("Set-Cookie", "c=3"),
        ],
    )
    return [b"headers"]


@at("start-response/own-date")
def start_own_date(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Bring the fields that a server adds where they are missing."""
    start_response(
        OK, [TEXT, ("date", "Tue, 15 Nov 1994 08:12:31 GMT"), ("server", "the-application/1")]
    )
    return [b"dated"]


@at("status")
def any_status(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the status line of the query, and with a body whatever the status."""
    body = b"the body of this status"
    headers = [TEXT]
    if _argument(environ, "length"):
        headers.append(("Content-Length", str(len(body))))
    start_response(_argument(environ, "line", OK), headers)
    return _Closeable(environ, [body]) if _argument(environ, "key") else [body]


#: What no application may hand to start_response: (status, name, value) each.
BAD_HEADS: dict[str, tuple[Any, Any, Any]] = {
    "value-crlf": (OK, "X-Bad", "a\r\nX-Injected: 1"),
    "value-lf": (OK, "X-Bad", "a\nX-Injected: 1"),
    "value-cr": (OK, "X-Bad", "a\rX-Injected: 1"),
    "value-nul": (OK, "X-Bad", "a\x00b"),
    "value-trailing-crlf": (OK, "X-Bad", "a\r\n"),
    "value-beyond-latin-1": (OK, "X-Bad", "\u20ac"),
    "value-int": (OK, "X-Bad", 5),
    "value-bytes": (OK, "X-Bad", b"bytes"),
    "name-colon": (OK, "X-Bad:", "a"),
    "name-space": (OK, "X Bad", "a"),
    "name-crlf": (OK, "X-Bad\r\nX-Injected", "a"),
    "name-empty": (OK, "", "a"),
    "status-crlf": ("200 OK\r\nX-Injected: 1", "X-Bad", "a"),
    "status-without-code": ("OK", "X-Bad", "a"),
    "status-int": (200, "X-Bad", "a"),
    "hop-by-hop-connection": (OK, "Connection", "close"),
    "hop-by-hop-keep-alive": (OK, "Keep-Alive", "timeout=5"),
    "hop-by-hop-transfer-encoding": (OK, "Transfer-Encoding", "chunked"),
    "hop-by-hop-upgrade": (OK, "Upgrade", "websocket"),
}


@at("bad-head")
def bad_head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Hand start_response what it should refuse; answer 500 with what it raised."""
    status, name, value = BAD_HEADS[_argument(environ, "case")]
    try:
        start_response(status, [TEXT, (name, value)])
    except Exception as error:
        text = type(error).__name__
        start_response("500 Refused", [TEXT, ("X-Refused", text)], sys.exc_info())
        return [b"refused"]
    return [b"taken"]


# write()


@at("write/only")
def write_only(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """All of the body by write()."""
    write = start_response(OK, [TEXT])
    write(b"one;")
    write(b"two;")
    return []


@at("write/and-iterable")
def write_and_iterable(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body begun by write() and ended by the iterable."""
    write = start_response(OK, [TEXT])
    write(b"written;")
    return [b"yielded;", b"", b"last;"]


@at("write/with-length")
def write_with_length(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body by write() whose length was announced."""
    write = start_response(OK, [TEXT, ("Content-Length", "10")])
    write(b"01234")
    write(b"56789")
    return []


@at("write/beyond-length")
def write_beyond_length(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write more than was announced, and say in the journal what came of it."""
    write = start_response(OK, [TEXT, ("Content-Length", "5")])
    write(b"01234")
    time.sleep(PAUSE_S)
    try:
        write(b"56789")
    except Exception as error:
        _note(environ, "raised", error=_named(error))
        raise
    _note(environ, "returned")
    return []


@at("write/str")
def write_str(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write text where bytes are asked for."""
    write = start_response(OK, [TEXT])
    write("text is not bytes")  # type: ignore[arg-type]
    return []


@at("write/held")
def write_held(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write a block, and the next only when another request has come to let it go."""
    write = start_response(OK, [TEXT])
    write(b"first;")
    met = journal.meet(_argument(environ, "key"), 2, _patience(environ))
    write(b"met;" if met else b"alone;")
    return []


# Iterables


class _Closeable:
    """An iterable that says in the journal when it is iterated and when it is closed."""

    def __init__(
        self, environ: WSGIEnvironment, blocks: Iterable[bytes], *, close_fails: bool = False
    ) -> None:
        self._environ = environ
        self._blocks = blocks
        self._close_fails = close_fails

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blocks)

    def close(self) -> None:
        _note(self._environ, "close")
        if self._close_fails:
            raise Failure("close() fails")


class _Iterator:
    """An iterator with nothing but what the protocol asks for: no length, no close()."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)


class _Sequence:
    """Iterable in the old way, by index, as the file wrapper in PEP 3333 is."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    def __getitem__(self, index: int) -> bytes:
        return self._blocks[index]


class _Sized:
    """Has a length of 1 and yields its one block, but is no list."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        yield self._block


_ITERABLES: dict[str, Callable[[], Any]] = {
    "list": lambda: [b"one;", b"", b"two;", b"three;"],
    "tuple": lambda: (b"one;", b"two;", b"three;"),
    "generator": lambda: (block for block in (b"one;", b"", b"two;", b"three;")),
    "iterator": lambda: _Iterator([b"one;", b"two;", b"three;"]),
    "sequence": lambda: _Sequence([b"one;", b"two;", b"three;"]),
    "list-of-one": lambda: [b"one;two;three;"],
    "sized": lambda: _Sized(b"one;two;three;"),
    "empty-first": lambda: [b"", b"", b"one;two;three;"],
    "empty-last": lambda: iter([b"one;two;three;", b"", b""]),
    "empty-list": list,
    "empty-generator": lambda: iter(()),
    "empty-blocks": lambda: iter([b"", b"", b""]),
    "binary": lambda: [bytes(range(256)), b"\r\n\r\n\n\r0\r\n\r\n", bytes(range(255, -1, -1))],
    "big": lambda: (bytes([number]) * 65536 for number in range(64)),
    # What no application may return.
    "str": lambda: ["text is not bytes"],
    "str-late": lambda: iter([b"one;", "text is not bytes"]),
    "bytearray": lambda: [bytearray(b"a bytearray is not bytes")],
    "bytes": lambda: b"the blocks of this are ints",
    "int": lambda: [5],
    "none": lambda: None,
}


@at("iterable")
def any_iterable(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return an iterable of the kind that the query names."""
    start_response(OK, [BINARY])
    found: Iterable[bytes] = _ITERABLES[_argument(environ, "kind")]()
    return found


def _patience(environ: WSGIEnvironment) -> float:
    return float(_argument(environ, "patience", "8"))


@at("held")
def held(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Yield a block, and the next only when another request has come to let it go."""
    start_response(OK, [TEXT])
    yield b"first;"
    met = journal.meet(_argument(environ, "key"), 2, _patience(environ))
    yield b"met;" if met else b"alone;"


@at("release")
def release(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Let a held request go."""
    met = journal.meet(_argument(environ, "key"), 2, _patience(environ))
    return _json(start_response, {"met": met})


# Announced lengths


@at("length/too-much")
def length_too_much(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Yield more than was announced."""
    start_response(OK, [TEXT, ("Content-Length", "5")])
    try:
        for number in range(1, 11):
            _note(environ, "asked", number=number)
            yield b"01234"
            # A gateway is told of the end by who is in front of it, which takes a moment.
            time.sleep(PAUSE_S)
    finally:
        _note(environ, "over")


@at("length/too-much-at-once")
def length_too_much_at_once(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Return one block that is longer than was announced."""
    start_response(OK, [TEXT, ("Content-Length", "5")])
    return [b"0123456789"]


@at("length/too-little")
def length_too_little(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Yield less than was announced."""
    start_response(OK, [TEXT, ("Content-Length", "10")])
    return [b"01234"]


@at("length/right")
def length_right(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Yield in several blocks what was announced."""
    start_response(OK, [TEXT, ("Content-Length", "10")])
    yield b"01234"
    yield b"56789"


# Failures, and close()


@at("raise/in-call")
def raise_in_call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail before start_response."""
    raise Failure("in the call")


@at("raise/after-start")
def raise_after_start(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail in the call, after start_response."""
    start_response(OK, [TEXT, ("X-First", "1")])
    raise Failure("after start_response")


def _failing(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield from blocks
    raise Failure("in the iteration")


@at("raise/first-block")
def raise_first_block(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail when the first block is asked for."""
    start_response(OK, [TEXT, ("X-First", "1")])
    return _Closeable(environ, _failing([]))


@at("raise/after-empty-block")
def raise_after_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail when nothing but an empty block has been yielded."""
    start_response(OK, [TEXT, ("X-First", "1")])
    return _Closeable(environ, _failing([b""]))


@at("raise/after-block")
def raise_after_block(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail in the middle of a body, whose length was announced if the query says so."""
    length = _argument(environ, "length")
    start_response(OK, [BINARY, *([("Content-Length", length)] if length else [])])
    return _Closeable(environ, _failing([b"first;"]))


@at("close/normal")
def close_normal(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body that is iterated to its end."""
    start_response(OK, [TEXT])
    return _Closeable(environ, [b"one;", b"two;"])


@at("close/empty")
def close_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body without a block."""
    start_response(OK, [TEXT])
    return _Closeable(environ, [])


@at("close/order")
def close_order(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say when the iteration ends and when close() comes."""

    def blocks() -> Iterator[bytes]:
        yield b"one;"
        _note(environ, "end")

    start_response(OK, [TEXT])
    return _Closeable(environ, blocks())


@at("close/fails")
def close_fails(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A complete body whose close() fails."""
    start_response(OK, [TEXT, ("Content-Length", "5")])
    return _Closeable(environ, [b"whole"], close_fails=True)


@at("close/disconnected")
def close_disconnected(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body that is longer than any buffer; the client leaves in the middle of it."""
    start_response(OK, [BINARY])
    return _Closeable(environ, (BIG_BLOCK for _ in range(1024)))


# Files


class _FileLike(io.BytesIO):
    """A file-like object without a descriptor, which says when it is closed."""

    def __init__(self, environ: WSGIEnvironment, content: bytes) -> None:
        super().__init__(content)
        self._environ = environ

    def fileno(self) -> int:
        raise io.UnsupportedOperation("there is no file behind this")

    def close(self) -> None:
        if not self.closed:
            _note(self._environ, "close")
        super().close()


class _ReadOnly:
    """The least that is file-like: read() and nothing else."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


@at("file")
def send_file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a file by `wsgi.file_wrapper`; X-File-Wrapper says whether the server offers one."""
    kind = _argument(environ, "kind")
    wrapper = environ.get("wsgi.file_wrapper")
    headers = [BINARY, ("X-File-Wrapper", "present" if wrapper else "absent")]
    if kind == "length" and wrapper:
        headers.append(("Content-Length", "1000"))
    start_response(OK, headers)
    if wrapper is None:
        return [b""]
    file: Any
    if kind == "like":
        file = _FileLike(environ, FILE_CONTENT)
    elif kind == "read-only":
        file = _ReadOnly(FILE_CONTENT)
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the server closes it)
        file.write(FILE_CONTENT)
        file.seek(1000 if kind == "offset" else 0)
    wrapped: Iterable[bytes] = wrapper(file, 8192) if kind == "block-size" else wrapper(file)
    if kind == "iterated":
        # As a middleware would that looks at each block; it is in charge of close() as well.
        return _Closeable(environ, (block for block in wrapped))
    return wrapped
