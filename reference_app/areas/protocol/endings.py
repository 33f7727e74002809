"""How a response ends: at its announced length, by a failure, and with `close()`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.areas import journal
from reference_app.areas.protocol.core import (
    BIG_BLOCK,
    BINARY,
    OK,
    PAUSE_S,
    TEXT,
    Closeable,
    Failure,
    argument,
    at,
    note,
    patience,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


# Announced lengths


@at("length/too-much")
def length_too_much(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Yield more than was announced."""
    start_response(OK, [TEXT, ("Content-Length", "5")])
    try:
        for number in range(1, 11):
            note(environ, "asked", number=number)
            yield b"01234"
            # A gateway is told of the end by who is in front of it, which takes a moment.
            time.sleep(PAUSE_S)
    finally:
        note(environ, "over")


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


_LENGTHS: dict[str, tuple[str, str, list[bytes]]] = {
    "zero": ("Content-Length", "0", [b"01234"]),
    "spanning": ("Content-Length", "5", [b"012", b"345", b"678"]),
    "nothing": ("Content-Length", "10", []),
    "empty-blocks": ("Content-Length", "10", [b"", b""]),
    "name-in-lower-case": ("content-length", "10", [b"01234", b"56789"]),
    "name-in-upper-case": ("CONTENT-LENGTH", "10", [b"01234", b"56789"]),
}


@at("length")
def any_length(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Announce a length and yield blocks, as the query says."""
    name, length, blocks = _LENGTHS[argument(environ, "kind")]
    start_response(OK, [TEXT, (name, length)])
    return (block for block in blocks)


# Failures, and close()


class _Unprintable(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise Failure("this has no text")

    __repr__ = __str__


_FAILURES: dict[str, Callable[[], BaseException]] = {
    "stop-iteration": StopIteration,
    "generator-exit": GeneratorExit,
    "unprintable": _Unprintable,
    "beyond-encodings": lambda: Failure("\u20ac \U0001f40d \ud800"),
}


@at("raise/kind")
def raise_kind(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail in the call with an exception of the kind that the query names."""
    raise _FAILURES[argument(environ, "kind")]()


@at("raise/in-iter")
def raise_in_iter(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail when the iterable is asked for its iterator."""

    class Failing(Closeable):
        def __iter__(self) -> Iterator[bytes]:
            raise Failure("in __iter__")

    start_response(OK, [TEXT, ("X-First", "1")])
    return Failing(environ, [])


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
    return Closeable(environ, _failing([]))


@at("raise/after-empty-block")
def raise_after_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail when nothing but an empty block has been yielded."""
    start_response(OK, [TEXT, ("X-First", "1")])
    return Closeable(environ, _failing([b""]))


@at("raise/after-block")
def raise_after_block(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail in the middle of a body, whose length was announced if the query says so."""
    length = argument(environ, "length")
    start_response(OK, [BINARY, *([("Content-Length", length)] if length else [])])
    return Closeable(environ, _failing([b"first;"]))


@at("close/normal")
def close_normal(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body that is iterated to its end."""
    start_response(OK, [TEXT])
    return Closeable(environ, [b"one;", b"two;"])


@at("close/empty")
def close_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body without a block."""
    start_response(OK, [TEXT])
    return Closeable(environ, [])


@at("close/order")
def close_order(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say when the iteration ends and when close() comes."""

    def blocks() -> Iterator[bytes]:
        yield b"one;"
        note(environ, "end")

    start_response(OK, [TEXT])
    return Closeable(environ, blocks())


@at("close/fails")
def close_fails(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A complete body whose close() fails."""
    start_response(OK, [TEXT, ("Content-Length", "5")])
    return Closeable(environ, [b"whole"], close_fails=True)


@at("close/disconnected")
def close_disconnected(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body that is longer than any buffer; the client leaves in the middle of it.

    In few blocks: a server that does not notice asks for all of them, and closes then. With `fails`
    its close() fails.
    """
    start_response(OK, [BINARY])
    blocks = (BIG_BLOCK * 16 for _ in range(64))
    if argument(environ, "fails"):
        return _Own(environ, blocks, close_fails=True)
    return Closeable(environ, blocks)


class _Own(Closeable):
    """Its own iterator; the blocks are an iterator as well."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(iter(self._blocks))


class _Listed(Closeable):
    """As good as a list of one block, and to be closed all the same."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> bytes:
        return [b"one;"][index]


@at("close/kind")
def close_kind(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return something to be closed, of the kind that the query names."""
    kind = argument(environ, "kind")
    bad: Any = ["text is not bytes"]
    if kind == "not-started":
        return Closeable(environ, [b"a body without a response"])
    if kind in ("too-long", "too-short"):
        start_response(OK, [TEXT, ("Content-Length", "5")])
        return Closeable(environ, [b"012", b"345", b"678"] if kind == "too-long" else [b"012"])
    write = start_response(OK, [TEXT])
    if kind == "written":
        write(b"one;")
        return Closeable(environ, [])
    if kind == "own-iterator":
        return _Own(environ, iter(()))
    return _Listed(environ, [b"one;"]) if kind == "listed" else Closeable(environ, bad)


@at("close/held")
def close_held(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body whose close() ends only when another request has come to let it go."""

    class Held(Closeable):
        def close(self) -> None:
            met = journal.meet(argument(environ, "key"), 2, patience(environ))
            note(environ, "close", met=met)

    start_response(OK, [TEXT])
    return Held(environ, iter([b"first;"]))


@at("close/left")
def close_left(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A body that is whole, and an iterable that ends only when another request lets it go."""

    def blocks() -> Iterator[bytes]:
        yield b"first;"
        note(environ, "waits")
        journal.meet(argument(environ, "key"), 2, patience(environ))

    start_response(OK, [TEXT, ("Content-Length", "6")])
    return Closeable(environ, blocks())
