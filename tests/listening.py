"""A listener for runs of which the results alone are of interest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.registry import Server


class Quiet:
    """A listener that only listens."""

    def preparing(self, servers: Sequence[Server], backend: str) -> None: ...
    def running(self, server: Server, version: str | None) -> None: ...
    def checked(self, server: Server, check: dict[str, Any]) -> None: ...
    def done(self, server: Server, error: str | None) -> None: ...
    def left(self, reason: str) -> None: ...
