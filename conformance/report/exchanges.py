"""An exchange as lines of text: its bytes made visible, and the command that sends them again.

Whatever was sent or came back, the lines are printable ASCII, so that a hostile answer does nothing
to the terminal or the page that shows it.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from conformance.report import curl


def visible(text: str) -> str:
    r"""Bytes, each as the latin-1 character of its value, on one line of printable ASCII.

    A line end shows as ``\r\n``, any other byte that would not show as ``\xNN``, and a backslash
    that was really there as two.
    """
    return text.encode("unicode_escape").decode("ascii")


def one_direction(direction: dict[str, Any], sign: str, limit: int | None = None) -> list[str]:
    """The bytes of a request or a response, a line for each of theirs.

    :param direction: `request` or `response` of an exchange in results.json.
    :param sign: what each line begins with, such as `>`.
    :param limit: how much is shown, in bytes; None for all that is kept.
    """
    text = direction["text"][:limit]
    lines = [f"{sign} {visible(line)}" for line in re.split(r"(?<=\n)", text) if line]
    rest = direction["bytes"] - len(text)
    if rest:
        lines.append(f"{sign} ... and {rest} bytes more")
    return lines or [f"{sign} (nothing)"]


def end_of(exchange: dict[str, Any]) -> str:
    """How an exchange ended, and after how long."""
    return f"{exchange['ended']} after {exchange['duration_s']:.3f} s"


def both_sides(exchange: dict[str, Any], limit: int | None = None) -> list[str]:
    """What was sent (`>`), what came back (`<`), and how it ended.

    :param limit: how much of each is shown, in bytes; None for all that is kept.
    """
    return [
        *one_direction(exchange["request"], ">", limit),
        *one_direction(exchange["response"], "<", limit),
        end_of(exchange),
    ]


@dataclass(frozen=True)
class Again:
    """How to send what a run has recorded once more.

    :param url: where the servers of the run are, `{name}` standing for the server's name; None
        where the run started them itself.
    :param options: those that `wsgi-conform replay` needs to find the run and its servers.
    """

    url: str | None = None
    options: tuple[str, ...] = ()

    def root(self, server: str) -> str:
        """Where the server is reached: after the run, somewhere else than in it."""
        return curl.URL if self.url is None else self.url.replace("{name}", server).rstrip("/")

    def command(self, check: str, server: str) -> str:
        """The command line that replays a check's exchanges."""
        if self.url is None:
            return shlex.join(["wsgi-conform", "replay", check, server, *self.options])
        words = [check, self.root(server), "--recorded-on", server]
        return shlex.join(["wsgi-conform", "replay", *words, *self.options])
