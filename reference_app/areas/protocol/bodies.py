"""Bodies: by `write()`, and by every kind of iterable."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.areas import journal
from reference_app.areas.protocol.core import (
    BINARY,
    OK,
    PAUSE_S,
    TEXT,
    Failure,
    answer_json,
    argument,
    at,
    named,
    note,
    patience,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


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
        note(environ, "raised", error=named(error))
        raise
    note(environ, "returned")
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
    met = journal.meet(argument(environ, "key"), 2, patience(environ))
    write(b"met;" if met else b"alone;")
    return []


@at("write/and-list-of-one")
def write_and_list_of_one(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """A list of one block after what was written: its length is not that of the body."""
    write = start_response(OK, [TEXT])
    write(b"written;")
    return [b"last;"]


@at("write/binary")
def write_binary(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Bytes of every value by write()."""
    write = start_response(OK, [BINARY])
    write(bytes(range(256)))
    write(b"\r\n0\r\n\r\n")
    return []


@at("write/big")
def write_big(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A megabyte by write(), in blocks that tell from each other."""
    write = start_response(OK, [BINARY])
    for number in range(16):
        write(bytes([number]) * 65536)
    return []


@at("write/replaced")
def write_replaced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write by what start_response returned when it replaced the response."""
    start_response(OK, [TEXT, ("X-First", "1"), ("Content-Length", "1000")])
    try:
        raise Failure("before the headers")
    except Failure:
        write = start_response("503 Replaced", [TEXT], sys.exc_info())
    write(b"written;")
    return [b"yielded;"]


@at("write/fails")
def write_fails(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fail when a block has been written."""
    write = start_response(OK, [TEXT])
    write(b"first;")
    raise Failure("after write()")


# Iterables


class _Unmeasured(list[bytes]):
    """A list whose length cannot be had."""

    def __len__(self) -> int:
        raise TypeError("there is no length")


class _List(list[bytes]):
    """More than a list."""


#: Sizes around those at which buffers end and numbers get another digit.
_SIZES = (1, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 8192, 16384, 65535, 65536, 65537)


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
    "list-subclass": lambda: _List([b"one;", b"two;", b"three;"]),
    "unmeasured": lambda: _Unmeasured([b"one;", b"two;", b"three;"]),
    "keys": lambda: dict.fromkeys([b"one;", b"two;", b"three;"]).keys(),
    "map": lambda: map(bytes, [b"one;", b"two;", b"three;"]),
    "small": lambda: (b"%d;" % number for number in range(1000)),
    "sizes": lambda: (b"x" * size for size in _SIZES),
    "one-big": lambda: [bytes(range(256)) * 16384],
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
    found: Iterable[bytes] = _ITERABLES[argument(environ, "kind")]()
    return found


class _Guarded:
    """An iterable that notes the name of every attribute it is asked for."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__"):
            note(object.__getattribute__(self, "environ"), "asked", name=name)
            if name != "close":
                raise AttributeError(name)
        return object.__getattribute__(self, name)

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"one;", b"two;")
        note(object.__getattribute__(self, "environ"), "exhausted")

    def close(self) -> None:
        """There is nothing to close; that it is looked for is noted."""


@at("iterable-guarded")
def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return an iterable that watches what the server does with it."""
    start_response(OK, [TEXT])
    return _Guarded(environ)


@at("held")
def held(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Yield a block, and the next only when another request has come to let it go."""
    start_response(OK, [TEXT])
    yield b"first;"
    met = journal.meet(argument(environ, "key"), 2, patience(environ))
    yield b"met;" if met else b"alone;"


@at("release")
def release(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Let a held request go."""
    met = journal.meet(argument(environ, "key"), 2, patience(environ))
    return answer_json(start_response, {"met": met})
