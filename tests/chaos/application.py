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
        make = _IterableInput if hasattr(stream, "__iter__") else _Input
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


class _Blocks:
    def __init__(self, blocks: Iterable[bytes], perhaps: Callable[[], None]) -> None:
        self._blocks = blocks
        self._perhaps = perhaps

    def __iter__(self) -> Iterator[bytes]:
        # An `__iter__` that fails does so when it is called, as without this.
        return map(self._late, self._blocks)

    def _late(self, block: bytes) -> bytes:
        self._perhaps()
        return block

    def close(self) -> None:
        self._perhaps()
        if hasattr(self._blocks, "close"):
            self._blocks.close()


class _Input:
    def __init__(self, stream: Any, perhaps: Callable[[], None]) -> None:
        self._stream = stream
        self._perhaps = perhaps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        return self._late(found) if name.startswith("read") else found

    def _late(self, read: Callable[..., bytes]) -> Callable[..., bytes]:
        def late(*args: Any, **kwargs: Any) -> bytes:
            self._perhaps()
            return read(*args, **kwargs)

        return late


class _IterableInput(_Input):
    def __iter__(self) -> Iterator[bytes]:
        self._perhaps()
        return iter(self._stream)
