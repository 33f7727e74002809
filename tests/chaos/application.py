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
        return _Blocks(blocks, perhaps) if _is_free(blocks) else blocks

    return middleware


def _is_free(blocks: Iterable[bytes]) -> bool:
    """Whether a server knows nothing more of an iterable than that it is one.

    Of a list it may send the length, and a file in its own wrapper it may send in its own way.
    """
    ours = type(blocks).__module__.startswith(("reference_app.areas", "reference_app.framework"))
    return isinstance(blocks, GeneratorType) or (ours and not hasattr(blocks, "__len__"))


class _Late:
    """An object some of whose methods are late; it has those that the object has, and no others."""

    def __init__(self, late: Any, perhaps: Callable[[], None]) -> None:
        self._itself = late
        self._perhaps = perhaps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._itself, name)
        if name != "close" and not name.startswith("read"):
            return found

        def late(*args: Any, **kwargs: Any) -> Any:
            self._perhaps()
            return found(*args, **kwargs)

        return late


class _Blocks(_Late):
    def __iter__(self) -> Iterator[bytes]:
        # Some servers close the iterator where they should close the iterable.
        iterator = iter(self._itself)
        return self if iterator is self._itself else _Blocks(iterator, self._perhaps)

    def __next__(self) -> bytes:
        block: bytes = next(self._itself)
        self._perhaps()
        return block


class _Input(_Late):
    def __iter__(self) -> Iterator[bytes]:
        self._perhaps()
        return iter(self._itself)
