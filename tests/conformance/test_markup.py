"""Text of others in Markdown: rendered, it is text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt

from conformance.report import markup
from conformance.report.terminal import printable

HOSTILE = [
    "plain text, with 3 > 2 & more",
    "<script>alert(1)</script><!-- --><img src=x onerror=y>",
    "**bold** _it_ ~~no~~ `code` ``two`` [a](http://evil.example) ![b](c) <http://d.example>",
    "a | b \\| c \\\\| d || `e|f` \\`|",
    "@somebody and @org/team; #1 GH-2 owner/repo#3 www.evil.example a@b.example :tada: $x$",
    "line\nline\r\n\tline\x00\x1b[2J\u202e\ud800",
    "`",
    "``",
    "` `` ```",
    "\\",
    "a\\",
    "`a",
    "a`",
    "| |",
    "&amp; &#64; &lt;b&gt;",
    "# title",
    "> quote",
    "- item",
    "1. item",
    "```",
    "---",
    "    code",
    "|---|",
]
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def cells(markdown: str) -> list[str]:
    """The cells of a table of one row and three columns, as HTML."""
    rendered = MARKDOWN.render(f"| a | b | c |\n|---|---|---|\n| x | {markdown} | y |\n")
    found = re.findall(r"<td>(.*?)</td>", rendered, re.DOTALL)
    assert [found[0], *found[2:]] == ["x", "y"]
    return found


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("as_markdown", [markup.text, markup.code])
def test_in_a_table_it_is_text_in_its_cell(hostile: str, as_markdown: Callable[[str], str]) -> None:
    found = cells(as_markdown(hostile))[1]
    outside = re.sub(r"<code>.*?</code>", "", found)
    assert not re.search(r"[<@]|#\d|://|www\.|:tada:", outside)
    shown = html.unescape(re.sub(r"</?code>", "", found))
    assert shown == " ".join(printable(hostile).split())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_in_a_block_nothing_ends_it(hostile: str) -> None:
    rendered = MARKDOWN.render("\n".join([*markup.block([hostile, "last"]), "after"]))
    match = re.fullmatch(
        r'<pre><code class="language-text">(.*)\n</code></pre>\n<p>after</p>\n', rendered, re.DOTALL
    )
    assert match
    assert html.unescape(match[1]) == printable(f"{hostile}\nlast").strip("\n")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_in_a_summary_it_is_text(hostile: str) -> None:
    line = f"<details><summary>{markup.html_code(hostile)}</summary>"
    assert MARKDOWN.render(f"{line}\n\nmore\n") == f"{line}\n<p>more</p>\n"
    assert html.unescape(re.sub(r"<[^>]*>", "", line)) == " ".join(printable(hostile).split())


@pytest.mark.parametrize(
    "hostile", ["a b", "a>b", "a)b(", "a|b", "a`b", 'a"b', "a\\b", "a\nb", "ä"]
)
def test_a_url_ends_where_it_ends(hostile: str) -> None:
    found = cells(markup.link(markup.code("shown"), f"https://example.org/{hostile}", hostile))[1]
    match = re.fullmatch(r'<a href="([^"]*)" title="([^"]*)"><code>shown</code></a>', found)
    assert match
    assert match[1].startswith("https://example.org/a") or "%C3%A4" in match[1]
    assert html.unescape(match[2]) == " ".join(hostile.split())


def test_what_is_no_address_of_the_web_is_no_link() -> None:
    for url in ("javascript:alert(1)", "unreported", "data:text/html,x", " https://example.org"):
        assert markup.link("shown", url) == "shown"


def test_a_link_leaves_no_trace_in_somebodys_issue() -> None:
    """GitHub lists every comment that names an issue in that issue."""
    there = "github.com/Pylons/waitress/issues/463"
    assert markup.link("a", f"https://{there}") == f"[a](<https://redirect.{there}>)"
    source = "https://github.com/Pylons/waitress/blob/main/setup.py"
    assert markup.link("a", source) == f"[a](<{source}>)"


def test_long_text_is_cut() -> None:
    assert markup.text("x" * 11, 10) == "x" * 10 + "..."
    assert markup.code("x" * 11, 10) == "`" + "x" * 10 + "...`"
    assert markup.code("") == markup.text("") == ""
