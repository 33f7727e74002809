"""Capabilities: what a deployment declares that it can do, and what a check may ask for.

A check that asks for a capability which the deployment does not declare is not applicable there,
and says so; nothing is left out for any other reason. What is declared is itself verified by
checks.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNBOUNDED = "unbounded"

#: What may stand under `capabilities` in a Compose file.
DECLARABLE: dict[str, str] = {
    "threads": f"requests handled at once in one process, by threads: number or `{UNBOUNDED}`",
    "greenlets": f"requests handled at once in one process, by greenlets: number or `{UNBOUNDED}`",
    "processes": "processes that handle requests: a number",
    "keep-alive": "serves several requests on one connection: true or false",
    "chunked-input": "decodes chunked request bodies: true or false, true where it is left out",
    "supervised": "replaces a process that served requests and died: true or false",
    "reload-signal": "starts its workers anew, without losing a request, on this signal: its name",
}

#: What a check may require.
REQUIRABLE: dict[str, str] = {
    "concurrency": "handles at least two requests at once (threads, greenlets or processes)",
    "bounded-concurrency": "declares how many requests it handles at once at the most",
    "keep-alive": DECLARABLE["keep-alive"],
    "chunked-input": "decodes chunked request bodies",
    "processes": "handles each request in a process that has no other, several at once",
    "supervised": DECLARABLE["supervised"],
    "reload-signal": DECLARABLE["reload-signal"],
    "control": "was started by the harness, which can signal and restart it",
}


@dataclass(frozen=True)
class Capabilities:
    """What one deployment declares.

    :param threads: requests at once per process; None when unbounded.
    :param processes: number of worker processes.
    :param greenlets: whether the concurrent requests are greenlets instead of threads.
    :param keep_alive: whether connections persist.
    :param chunked_input: whether chunked request bodies are decoded. Every server of HTTP/1.1 has
        to, so that is what holds unless a deployment says otherwise.
    :param supervised: whether a process that dies while it serves a request is replaced.
    :param reload_signal: the signal that starts the workers anew; None where there is none.
    :param control: whether the harness owns the deployment; set by the backend, never declared.
    """

    threads: int | None = 1
    processes: int = 1
    greenlets: bool = False
    keep_alive: bool = False
    chunked_input: bool = True
    supervised: bool = False
    reload_signal: signal.Signals | None = None
    control: bool = True

    @classmethod
    def parse(cls, declared: Mapping[str, Any]) -> Capabilities:
        """Read the mapping of a Compose file.

        :raises ValueError: an unknown name or a value of the wrong kind; says what to write.
        """
        for name in declared:
            if name not in DECLARABLE:
                close = difflib.get_close_matches(str(name), DECLARABLE, n=1)
                hint = (
                    f"did you mean `{close[0]}`?"
                    if close
                    else f"there are {', '.join(DECLARABLE)}."
                )
                raise ValueError(f"unknown capability `{name}`; {hint}")
        if "threads" in declared and "greenlets" in declared:
            raise ValueError("expected either `threads` or `greenlets`, found both")

        def number(name: str, *, unbounded: bool) -> int | None:
            value = declared.get(name, 1)
            if unbounded and value == UNBOUNDED:
                return None
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"expected `{name}` as {DECLARABLE[name]}, found {value!r}")
            return value

        def flag(name: str, *, default: bool) -> bool:
            value = declared.get(name, default)
            if not isinstance(value, bool):
                raise ValueError(f"expected `{name}` to be true or false, found {value!r}")
            return value

        reload_signal = declared.get("reload-signal")
        if reload_signal is not None and reload_signal not in signal.Signals.__members__:
            raise ValueError(
                f"expected `reload-signal` as a name such as SIGHUP, found {reload_signal!r}"
            )
        greenlets = "greenlets" in declared
        return cls(
            threads=number("greenlets" if greenlets else "threads", unbounded=True),
            processes=number("processes", unbounded=False) or 1,
            greenlets=greenlets,
            keep_alive=flag("keep-alive", default=False),
            chunked_input=flag("chunked-input", default=True),
            supervised=flag("supervised", default=False),
            reload_signal=None if reload_signal is None else signal.Signals[reload_signal],
        )

    @property
    def concurrency(self) -> int | None:
        """How many requests are handled at once; None when unbounded."""
        return None if self.threads is None else self.threads * self.processes

    @property
    def multithread(self) -> bool:
        """What `wsgi.multithread` has to say: may another thread run the application at once?"""
        return self.threads != 1

    def missing(self, requires: tuple[str, ...]) -> str | None:
        """The first capability of `requires` that is not there, or None."""
        have = {
            "concurrency": self.concurrency != 1,
            "bounded-concurrency": self.concurrency is not None,
            "keep-alive": self.keep_alive,
            "chunked-input": self.chunked_input,
            "processes": self.processes > 1 and self.threads == 1,
            "supervised": self.supervised,
            "reload-signal": self.reload_signal is not None,
            "control": self.control,
        }
        return next((name for name in requires if not have[name]), None)

    def as_json(self) -> dict[str, int | bool | str]:
        """The mapping that `parse` reads."""
        handlers = "greenlets" if self.greenlets else "threads"
        declared: dict[str, int | bool | str] = {
            handlers: UNBOUNDED if self.threads is None else self.threads,
            "processes": self.processes,
            "keep-alive": self.keep_alive,
            "chunked-input": self.chunked_input,
            "supervised": self.supervised,
        }
        if self.reload_signal is not None:
            declared["reload-signal"] = self.reload_signal.name
        return declared
