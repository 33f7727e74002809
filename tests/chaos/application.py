"""A middleware that makes an application late; it changes nothing else that a server could see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from tests.chaos.delays import Delays

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def late(application: WSGIApplication, seed: str) -> WSGIApplication:
    """The application, late."""
    numbers = itertools.count()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        perhaps = Delays(f"{seed} {next(numbers)}", 0.15, 0.3, 4).perhaps

        def start(*args: Any, **kwargs: Any) -> Callable[[bytes], object]:
            perhaps()
            write = start_response(*args, **kwargs)

            def write_late(data: bytes) -> object:
                perhaps()
                return write(data)

            # Against PEP 3333 some servers give none, and there is a check of that.
            return write_late if callable(write) else write

        stream = environ["wsgi.input"]
        # Likewise, some cannot be iterated over.
        make = _Input if hasattr(stream, "__iter__") else _Late
        environ["wsgi.input"] = make(stream, perhaps)
        perhaps()
        blocks = application(environ, start)
        return _late_blocks(blocks, perhaps) if _is_free(blocks) else blocks

    return middleware


def _is_free(blocks: Iterable[bytes]) -> bool:
    """Whether a server knows nothing more of an iterable than that it is one.

    Of a list it may send the length, and a file it may send in its own way.
    """
    ours = type(blocks).__module__.startswith(("reference_app.areas", "reference_app.framework"))
    methods = dir(type(blocks))
    plain = "__iter__" in methods and not {"__len__", "read"} & set(methods)
    return isinstance(blocks, GeneratorType) or (ours and plain)


class _Late:
    """A stream whose reading is late; it has the methods that the stream has, and no others."""

    def __init__(self, late: Any, perhaps: Callable[[], None]) -> None:
        self._itself = late
        self._perhaps = perhaps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._itself, name)
        if not name.startswith("read"):
            return found

        def late(*args: Any, **kwargs: Any) -> Any:
            self._perhaps()
            return found(*args, **kwargs)

        return late


def _late_blocks(blocks: Any, perhaps: Callable[[], None]) -> Any:
    """Blocks that come late: from a generator, or an object of a class with the methods of theirs.

    Servers in C look for methods in the class, and have a way of their own with generators.
    """
    if isinstance(blocks, GeneratorType):
        return _late_generator(blocks, perhaps)
    there = {name: step for name, step in _STEPS.items() if hasattr(type(blocks), name)}
    made = type("_Blocks", (), there)()
    made.itself, made.perhaps = blocks, perhaps
    return made


def _late_generator(blocks: GeneratorType[bytes], perhaps: Callable[[], None]) -> Iterator[bytes]:
    try:
        for block in blocks:
            perhaps()
            yield block
    finally:
        perhaps()
        blocks.close()


def _iter(self: Any) -> Iterator[bytes]:
    # Some servers close the iterator where they should close the iterable.
    iterator = iter(self.itself)
    late: Iterator[bytes] = (
        self if iterator is self.itself else _late_blocks(iterator, self.perhaps)
    )
    return late


def _next(self: Any) -> bytes:
    block: bytes = next(self.itself)
    self.perhaps()
    return block


def _close(self: Any) -> None:
    self.perhaps()
    self.itself.close()


_STEPS = {"__iter__": _iter, "__next__": _next, "close": _close}


class _Input(_Late):
    def __iter__(self) -> Iterator[bytes]:
        self._perhaps()
        return iter(self._itself)
