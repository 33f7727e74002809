"""The streams: `wsgi.input` read in every way that it has, and `wsgi.errors`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reference_app.areas.protocol.core import (
    OK,
    TEXT,
    Closeable,
    answer_json,
    argument,
    at,
    named,
    note,
    query,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def _call(stream: Any, name: str, size: str) -> Any:
    arguments = [] if not size else [None if size == "none" else int(size)]
    if name == "iterate":
        # Bounded: on a stream without an end this would otherwise never stop.
        lines = []
        for line in stream:
            lines.append(line)
            if len(lines) >= int(size):
                break
        return lines
    return getattr(stream, name)(*arguments)


@at("input")
def read_input(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call methods of `wsgi.input` as the query says (`do=read:5&do=readline`), in its order.

    With a `key` the journal says which of them have returned.
    """
    stream = environ["wsgi.input"]
    results: list[dict[str, Any]] = []
    for step in query(environ).get("do", []):
        name, _, size = step.partition(":")
        try:
            result = _call(stream, name, size)
        except Exception as error:
            results.append({"raised": named(error)})
            continue
        note(environ, "read", step=step)
        items = result if isinstance(result, list) else [result]
        kinds = sorted({type(item).__name__ for item in items})
        texts = [
            item.decode("latin-1") if isinstance(item, bytes) else repr(item) for item in items
        ]
        results.append({"types": kinds, "value": texts if isinstance(result, list) else texts[0]})
    return answer_json(start_response, results)


@at("input-later")
def read_later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body when the response has begun already."""
    start_response(OK, [TEXT])
    yield b"first;"
    yield environ["wsgi.input"].read(int(argument(environ, "size")))


#: What is written to `wsgi.errors`.
_TEXTS = {
    "plain": "written by the application under test\n",
    "unicode": "caf\xe9 \u20ac \U0001f40d\n",
    "several-lines": "one\ntwo\n\nthree\n",
    "without-line-end": "one",
    "empty": "",
    "long": "x" * 100000 + "\n",
    "control-characters": "tab\t return\r bell\x07 escape\x1b nul\x00\n",
}


def _write_errors(stream: Any, text: str) -> dict[str, str | None]:
    """Use each method of `wsgi.errors`; what each of them raised."""
    raised: dict[str, str | None] = {}
    lines = text.splitlines(keepends=True)
    for name, arguments in (
        ("write", [text]),
        ("writelines", [lines]),
        ("writelines of a tuple", [tuple(lines)]),
        ("writelines of an iterator", [iter(lines)]),
        ("flush", []),
    ):
        try:
            getattr(stream, name.partition(" ")[0])(*arguments)
        except Exception as error:
            raised[name] = named(error)
        else:
            raised[name] = None
    return raised


@at("errors")
def write_errors(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write a text to `wsgi.errors` by each method."""
    text = _TEXTS[argument(environ, "text", "plain")]
    return answer_json(start_response, _write_errors(environ["wsgi.errors"], text))


@at("errors-later")
def write_errors_later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write to `wsgi.errors` in the iteration and in close()."""

    class Writing(Closeable):
        def close(self) -> None:
            raised = _write_errors(environ["wsgi.errors"], _TEXTS["plain"])
            note(environ, "in-close", raised=raised)
            super().close()

    def blocks() -> Iterator[bytes]:
        yield b"one;"
        raised = _write_errors(environ["wsgi.errors"], _TEXTS["plain"])
        note(environ, "in-iteration", raised=raised)
        yield b"two;"

    start_response(OK, [TEXT])
    return Writing(environ, blocks())
