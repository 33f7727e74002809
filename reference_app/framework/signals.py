"""Signals: being told of what the framework does, without taking part in it.

A small equivalent of the Blinker library that Flask uses, with its names as far as Flask's
documentation shows them. Receivers are kept by strong references until they are disconnected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
ANY: Any = None


class Signal:
    """Something that happens, and the functions that are told of it.

    :param name: for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # Callers ask this before they send: most applications have no receivers.
        self.receivers: list[tuple[Callable[..., Any], Any]] = []

    def connect(self, receiver: F, sender: Any = ANY, weak: bool = False) -> F:
        """Have `receiver(sender, **details)` called.

        :param sender: only for this application; None means for all.
        :param weak: accepted as Blinker does, and without effect.
        """
        self.receivers.append((receiver, sender))
        return receiver

    def disconnect(self, receiver: Callable[..., Any], sender: Any = ANY) -> None:
        """Undo a `connect`."""
        self.receivers = [each for each in self.receivers if each != (receiver, sender)]

    @contextmanager
    def connected_to(self, receiver: Callable[..., Any], sender: Any = ANY) -> Iterator[None]:
        """`connect` for the time of a with block."""
        self.connect(receiver, sender)
        try:
            yield
        finally:
            self.disconnect(receiver, sender)

    def send(self, sender: Any, **details: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Call the receivers and return what they returned."""
        return [
            (receiver, receiver(sender, **details))
            for receiver, wanted in list(self.receivers)
            if wanted is None or wanted == sender
        ]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


template_rendered = Signal("template-rendered")
before_render_template = Signal("before-render-template")
request_started = Signal("request-started")
request_finished = Signal("request-finished")
request_tearing_down = Signal("request-tearing-down")
got_request_exception = Signal("got-request-exception")
appcontext_tearing_down = Signal("appcontext-tearing-down")
appcontext_pushed = Signal("appcontext-pushed")
appcontext_popped = Signal("appcontext-popped")
message_flashed = Signal("message-flashed")
