"""Text of others in Markdown: whatever is in it, it is shown and means nothing.

What servers say may be hostile, and what a run of somebody's pull request has written may be so as
a whole, down to the names. On GitHub more than Markdown has a meaning: `@name` notifies people,
`#1` and links to issues leave a trace there, raw HTML is HTML. Within code none of it does.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from conformance.report.terminal import printable

#: Words of which GitHub makes something: mentions, references, links, emoji.
_MEANS = re.compile(r"@|#\d|\bGH-\d|://|\bwww\.|:[a-z]\w*:", re.IGNORECASE)
#: An issue, a pull request or a discussion on GitHub.
_THREAD = re.compile(r"https?://(?:www\.)?github\.com(/[^/]+/[^/]+/(?:issues|pull|discussions)/)")


def text(of_others: str, limit: int | None = None) -> str:
    """Prose that has no meaning as Markdown, on one line; it may stand in a table.

    :param limit: how much of it is shown, in characters.
    """
    words = _line(of_others, limit).split(" ")
    return " ".join(code(word) if _MEANS.search(word) else _escaped(word) for word in words)


def code(of_others: str, limit: int | None = None) -> str:
    """Text as code, on one line; it may stand in a table."""
    # A table is cut at its bars before anything else is looked at, in code as well.
    line = _line(of_others, limit).replace("|", "\\|")
    if not line:
        return ""
    fence = "`" * (max([0, *map(len, re.findall("`+", line))]) + 1)
    # A space on both sides is taken away again.
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def link(shown: str, url: str, title: str = "") -> str:
    """A link around what is Markdown already; that alone where the URL is none of the web.

    A link to somebody's issue leaves a trace in it each time that it is written into a comment, if
    it does not go by way of redirect.github.com.

    :param title: what is shown where the pointer rests on it.
    """
    if not re.match(r"https?://", url):
        return shown
    url = _THREAD.sub(r"https://redirect.github.com\1", url)
    url = re.sub(r"[^!-~]|[<>|`\\]", lambda match: _percent(match[0]), url)
    # References to characters are taken for what they stand for, but end nothing.
    title = re.sub(r"[^\w ,.()-]", lambda match: f"&#{ord(match[0])};", _line(title, None))
    return f'[{shown}](<{url}> "{title}")' if title else f"[{shown}](<{url}>)"


def html_code(of_others: str) -> str:
    """Text as code where Markdown is not looked at: on a line that begins with a tag of HTML."""
    return f"<code>{html.escape(_line(of_others, None))}</code>"


def block(lines: Sequence[str], language: str = "text") -> list[str]:
    """A code block that nothing in it can end."""
    inside = printable("\n".join(lines)).strip("\n")
    longest = max([2, *(len(ticks) for ticks in re.findall("`+", inside))])
    fence = "`" * (longest + 1)
    return [f"{fence}{language}", inside, fence, ""]


def _line(of_others: str, limit: int | None) -> str:
    line = " ".join(printable(of_others).split())
    return line if limit is None or len(line) <= limit else f"{line[:limit]}..."


def _escaped(plain: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", plain)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))
