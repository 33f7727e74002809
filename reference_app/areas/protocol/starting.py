"""`start_response`: called twice, lately, never, and with what it has to refuse."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.areas.protocol.core import (
    BIG_BLOCK,
    BINARY,
    OK,
    TEXT,
    Closeable,
    Failure,
    argument,
    at,
    named,
    note,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


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
            note(environ, "raised", own=error is failure, error=named(error))
            raise
        note(environ, "returned")


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


def _start_late(start_response: StartResponse, first: bytes) -> Iterator[bytes]:
    yield first
    start_response(OK, [TEXT, ("X-First", "1")])
    yield b"two"


@at("start-response/never")
def start_never(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return without having called start_response, or call it behind the first block."""
    kinds: dict[str, Callable[[], Iterable[bytes]]] = {
        "list": lambda: [b"a body without a response"],
        "generator": lambda: (block for block in (b"one", b"two")),
        "empty-list": list,
        "empty-generator": lambda: iter(()),
        "after-block": lambda: _start_late(start_response, b"one"),
        "after-empty-block": lambda: _start_late(start_response, b""),
    }
    return kinds[argument(environ, "kind")]()


@at("start-response/three-arguments")
def start_with_none(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give exc_info as None, which is its default."""
    start_response("299 With None", [TEXT], None)
    return [b"none"]


@at("start-response/twice-with-none")
def start_twice_with_none(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Call it a second time with exc_info None, and say what that raised."""
    start_response(OK, [TEXT])
    try:
        start_response("299 Again", [TEXT], None)
    except BaseException as error:
        return [f"raised {type(error).__name__}".encode()]
    return [b"nothing was raised"]


@at("start-response/exc-info-first")
def start_with_exc_info(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call it for the first time with exc_info: the error came before any response."""
    try:
        raise Failure("before start_response")
    except Failure:
        start_response("503 First", [TEXT], sys.exc_info())
    return [b"failed"]


@at("start-response/replaced-twice")
def start_replaced_twice(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Replace the response by another, and that by a third."""
    start_response(OK, [TEXT, ("X-First", "1"), ("Content-Length", "1000")])
    for status, header in (("502 Second", ("X-Second", "2")), ("503 Third", ("X-Third", "3"))):
        try:
            raise Failure("before the headers")
        except Failure:
            start_response(status, [TEXT, header], sys.exc_info())
    return [b"replaced"]


@at("start-response/after-refused")
def start_after_refused(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call it again without exc_info when the first call was refused, and say what that raised."""
    with contextlib.suppress(Exception):
        start_response(OK, [TEXT, ("X-Bad", "a\r\nX-Injected: 1")])
    try:
        start_response("299 Again", [TEXT])
    except Exception as error:
        text = f"raised {type(error).__name__}".encode()
        start_response("500 Raised", [TEXT], sys.exc_info())
        return [text]
    return [b"nothing was raised"]


@at("start-response/many-headers")
def start_many_headers(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Many fields, and a long value."""
    many = [(f"X-Number-{number}", str(number)) for number in range(50)]
    start_response(OK, [TEXT, *many, ("X-Long", "0123456789" * 100)])
    return [b"headers"]


@at("start-response/no-content-type")
def start_bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A response with no field at all."""
    start_response(OK, [])
    return [b"bare"]


class _Starting:
    """An iterable of a class, which calls start_response when it is iterated over.

    :param early: in `__iter__`; otherwise in the first `__next__`.
    """

    def __init__(self, start: Callable[[], object], *, early: bool) -> None:
        self._start = start
        self._early = early
        self._blocks = iter([b"one", b"two"])
        self._begun = False

    def __iter__(self) -> Iterator[bytes]:
        if self._early:
            self._begin()
        return self

    def __next__(self) -> bytes:
        self._begin()
        return next(self._blocks)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._start()


@at("start-response/in-first-step")
def start_in_first_step(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call start_response when the iteration begins: by a generator, in `next` or in `iter`."""
    kind = argument(environ, "kind", "generator")

    def start() -> object:
        return start_response("299 From Inside", [TEXT, ("X-First", "1")])

    def generator() -> Iterator[bytes]:
        start()
        yield b"one"
        yield b"two"

    return generator() if kind == "generator" else _Starting(start, early=kind == "iter")


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
    if argument(environ, "length"):
        headers.append(("Content-Length", str(len(body))))
    start_response(argument(environ, "line", OK), headers)
    return Closeable(environ, [body]) if argument(environ, "key") else [body]


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
    "value-none": (OK, "X-Bad", None),
    "value-delete": (OK, "X-Bad", "a\x7fb"),
    "value-bell": (OK, "X-Bad", "a\x07b"),
    "name-colon": (OK, "X-Bad:", "a"),
    "name-space": (OK, "X Bad", "a"),
    "name-crlf": (OK, "X-Bad\r\nX-Injected", "a"),
    "name-empty": (OK, "", "a"),
    "name-bytes": (OK, b"X-Bad", "a"),
    "name-int": (OK, 5, "a"),
    "name-nul": (OK, "X-B\x00d", "a"),
    "name-beyond-ascii": (OK, "X-B\xe4d", "a"),
    "name-beyond-latin-1": (OK, "X-B\u20acd", "a"),
    "length-word": (OK, "Content-Length", "many"),
    "length-negative": (OK, "Content-Length", "-1"),
    "length-empty": (OK, "Content-Length", ""),
    "status-crlf": ("200 OK\r\nX-Injected: 1", "X-Bad", "a"),
    "status-without-code": ("OK", "X-Bad", "a"),
    "status-int": (200, "X-Bad", "a"),
    "status-bytes": (b"200 OK", "X-Bad", "a"),
    "status-none": (None, "X-Bad", "a"),
    "status-empty": ("", "X-Bad", "a"),
    "status-nul": ("200 O\x00K", "X-Bad", "a"),
    "status-lf": ("200 OK\nX-Injected: 1", "X-Bad", "a"),
    "status-trailing-crlf": ("200 OK\r\n", "X-Bad", "a"),
    "status-beyond-latin-1": ("200 \u20ac", "X-Bad", "a"),
    "status-two-digits": ("20 OK", "X-Bad", "a"),
    "status-four-digits": ("2000 OK", "X-Bad", "a"),
    "hop-by-hop-connection": (OK, "Connection", "close"),
    "hop-by-hop-keep-alive": (OK, "Keep-Alive", "timeout=5"),
    "hop-by-hop-transfer-encoding": (OK, "Transfer-Encoding", "chunked"),
    "hop-by-hop-upgrade": (OK, "Upgrade", "websocket"),
    "hop-by-hop-te": (OK, "TE", "trailers"),
    "hop-by-hop-trailers": (OK, "Trailers", "X-Checksum"),
    "hop-by-hop-proxy-authenticate": (OK, "Proxy-Authenticate", "Basic"),
    "hop-by-hop-without-case": (OK, "cOnNeCtIoN", "close"),
}
#: What no application may hand to start_response in place of the list of headers.
BAD_LISTS: dict[str, Any] = {
    "headers-none": None,
    "headers-dict": {"X-Bad": "a"},
    "headers-str": "X-Bad: a",
    "header-of-one": [("X-Bad",)],
    "header-of-three": [("X-Bad", "a", "b")],
    "header-str": ["X-Bad: a"],
    "header-none": [None],
}


@at("bad-head")
def bad_head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Hand start_response what it should refuse; answer 500 with what it raised."""
    case = argument(environ, "case")
    status, name, value = BAD_HEADS.get(case, (OK, "", ""))
    headers = BAD_LISTS.get(case, [TEXT, (name, value)])
    try:
        start_response(status, headers)
    except Exception as error:
        text = type(error).__name__
        start_response("500 Refused", [TEXT, ("X-Refused", text)], sys.exc_info())
        return [b"refused"]
    return [b"taken"]


#: Early hints: good ones, and those with a line end where none may be.
HINTS = {
    "value": ("Link", "a\r\nX-Injected: 1"),
    "value-lf": ("Link", "a\nX-Injected: 1"),
    "name": ("Link: a\r\nX-Injected", "1"),
}


@at("early-hints")
def early_hints(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Give hints before the response, or in the middle of it, where the server offers that."""
    kind = argument(environ, "kind")
    give = environ.get("wsgi.early_hints")

    def hint() -> None:
        if give is not None:
            # What it refuses is none of the client's business.
            with contextlib.suppress(Exception):
                give([HINTS.get(kind, ("Link", "</style.css>; rel=preload"))])

    if kind != "late":
        hint()
    offered = "no" if give is None else "yes"
    start_response(OK, [TEXT, ("Content-Length", "5"), ("X-Offered", offered)])
    yield b"fin"
    if kind == "late":
        hint()
    yield b"al"
