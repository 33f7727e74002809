"""The summary in Markdown: what it says, in which order, and what is left out."""

from __future__ import annotations

import copy
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from conformance import consequences, results
from conformance.report import markdown
from conformance.report.exchanges import Again
from tests.conformance.documents import (
    EXPECTATION,
    check,
    document,
    exchange,
    server,
    whole,
)

ROUTE = "routing/static-rule"
CHUNKED = "http/chunked/as-declared"
LISTED = {
    **EXPECTATION,
    "instead": "Answers 200.",
    "reason": "parse_it (a.py)\nknows none.",
    "reference": "https://github.com/a/b/issues/7",
}


def written(found: dict[str, Any], base: dict[str, Any] | None = None, **keys: Any) -> str:
    out = io.StringIO()
    before = copy.deepcopy(found)
    earlier = None if base is None else results.document(base)
    markdown.write(results.document(found), out, base=earlier, **keys)
    assert found == before
    return out.getvalue()


def section(text: str, title: str) -> str:
    """What stands below a title, up to the next of its rank."""
    match = re.search(rf"^### {title}\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE)
    assert match, text
    return match[1].strip()


def test_a_run_as_it_was_expected() -> None:
    found = document(
        server("one", check(ROUTE, "pass"), check("a/not", "not-applicable")),
        server(
            "two",
            check(ROUTE, "deviation", expectation=LISTED),
            check("a/other", "deviation", expectation=LISTED, level="should"),
            version=None,
            python=None,
        ),
    )
    head = (
        "| server | version | Python | pass | deviation | fail | fixed | not-applicable | error | "
        "must | should |"
    )
    expected = r"""<!-- wsgi-conform -->
## wsgi-conform: 2 servers as expected

2024-01-01 00:00 UTC, backend process, framework reference, 1 s, Linux

### Totals

HEAD
|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
| `one` | 1.0 | 3.13.0 | 1 | 0 | 0 | 0 | 1 | 0 | 1/1 | 0/0 |
| `two` | unknown | unknown | 0 | 2 | 0 | 0 | 0 | 0 | 0/1 | 0/1 |

### Deviations that are listed

<details><summary><code>two</code>: 2 (1 must, 1 should)</summary>

| checks | level | instead | why |
|---|---|---|---|
| `routing/static-rule`, `a/other` | must | Answers 200. | parse\_it (a.py) knows none. \
([reference](<https://redirect.github.com/a/b/issues/7>)) |

</details>

"""
    assert written(found).replace(head, "HEAD") == expected.replace("\\\n", "")


def test_what_is_not_as_expected_comes_before_the_totals() -> None:
    text = written(whole(), again=Again(options=("--results", "there")))
    assert text.splitlines()[1] == "## wsgi-conform: 1 of 2 servers with errors"
    assert text.index("### Not as expected") < text.index("### Totals")
    title = '<https://example.org/#a> "PEP 3333, A section"'
    shown = section(text, "Not as expected")
    assert shown.startswith(
        f"""#### `two`

| verdict | check | level | found |
|---|---|---|---|
| **fixed** | [`area/stale`]({title}) | must | listed at two.toml:7, and passes: remove the entry, \
or narrow its versions |
| **fail** | [`area/unlisted`]({title}) | must | expected 200,<br>found 500 |
| **error** | [`other/broken`]({title}) | must | KeyError: 'x' |

<details><summary><code>area/unlisted</code> on <code>two</code></summary>

```text
The title of area/unlisted.
"""
    )
    assert "\n  < HTTP/1.1 500 No\\r\\n\n" in shown
    assert "\nreplay: wsgi-conform replay area/unlisted two --results there\n" in shown
    assert "| 1 | **1** | **1** | 1 | **1** | 1/4 | 0/0 |" in section(text, "Totals")


def test_a_root_cause_is_told_once() -> None:
    text = written(
        document(
            server(
                "one",
                check("a/root", "fail", message="the cause"),
                check("a/leaf", "fail", rests_on=["a/root"], message="what follows"),
                check("a/listed", "deviation", expectation=LISTED),
                check("a/other", "fail", rests_on=["a/listed"], message="what follows"),
            )
        )
    )
    shown = section(text, "Not as expected")
    assert "the cause" in shown
    assert "what follows" not in shown
    assert "| **fail** | 1 more | | rest on `a/root`, which fails: `a/leaf` |" in shown
    assert "| **fail** | 1 more | | rest on `a/listed`, which fails: `a/other` |" in shown


def test_a_server_that_did_not_start_is_one_error() -> None:
    broken = check("a/b", "error", message="not run: one ended before it was ready")
    text = written(document(server("one", broken, error="ended: exit status 1\n```\nNo module")))
    assert text.splitlines()[1] == "## wsgi-conform: 1 server with errors"
    assert section(text, "Not as expected") == (
        "#### `one` 1.0\n\n````text\nended: exit status 1\n```\nNo module\n````"
    )
    assert "| **1** | 0/1 | 0/0 |" in section(text, "Totals")


def test_changes_since_an_earlier_run_come_first() -> None:
    base = document(
        server(
            "one",
            check(ROUTE, "pass"),
            check(CHUNKED, "deviation", expectation=LISTED),
            check("routing/gone", "pass"),
            check("routing/asked", "not-applicable"),
            check("routing/not-asked", "fail"),
            check("routing/alike", "fail"),
            version="0.9",
        ),
        server("same", check(ROUTE, "pass")),
        server("upgraded", check(ROUTE, "pass"), python="3.12.0"),
        server("gone", check(ROUTE, "pass")),
        backend="docker",
    )
    found = document(
        server(
            "one",
            check(ROUTE, "fail", message="found 404"),
            check(CHUNKED, "pass"),
            check("routing/new", "pass"),
            check("routing/asked", "pass"),
            check("routing/not-asked", "not-applicable"),
            check("routing/alike", "deviation", expectation=LISTED),
        ),
        server("same", check(ROUTE, "pass")),
        server("upgraded", check(ROUTE, "pass")),
        server("new", check(ROUTE, "pass")),
    )
    text = written(found, base)
    assert re.findall("^### (.*)", text, re.MULTILINE) == [
        "Changes",
        "Not as expected",
        "Totals",
        "Deviations that are listed",
    ]
    title = '<https://example.org/#a> "PEP 3333, A section"'
    meaning = [consequences.of(one).text for one in (ROUTE, CHUNKED)]
    assert section(text, "Changes") == (
        f"""Since 2024-01-01 00:00 UTC, backend docker, framework reference.

#### `one`, 0.9 → 1.0

1 newly fail (1 must), 1 newly pass (1 must). New: `routing/new`. Gone: `routing/gone`. \
Judged as well: `routing/asked`. Not judged any more: `routing/not-asked`.

| check | level | before | after | |
|---|---|---|---|---|
| [`routing/static-rule`]({title}) | must | pass | **fail** | now: {meaning[0]} |
| [`http/chunked/as-declared`]({title}) | must | fail | pass | before: {meaning[1]} |

`upgraded`, Python 3.12.0 → 3.13.0: no check changed.

`new` 1.0: not in the earlier run.

Not in this run: `gone`."""
    )


def test_that_nothing_changed_is_said() -> None:
    one = document(server("one", check(ROUTE, "pass")))
    assert section(written(one, one), "Changes").endswith("\n\nNo check changed.")


def test_a_server_that_broke_off_changed_no_check() -> None:
    base = document(server("one", check(ROUTE, "pass")))
    found = document(server("one", check(ROUTE, "error", message="not run: x"), error="x"))
    assert section(written(found, base), "Changes").endswith("\n\nNo check changed.")


def many(verdict: str) -> dict[str, Any]:
    """A run in which there is much to say of two servers."""
    sent = exchange(b"GET /" + b"x" * 500 + b" HTTP/1.1\r\n\r\n", b"")
    checks = [
        check(
            f"routing/check-{number}",
            verdict,
            message="found another answer " * 5,
            exchanges=sent,
            expectation={**LISTED, "file": f"a.toml:{number}"},
        )
        for number in range(200)
    ]
    return document(server("one", *checks), server("two", *checks))


@pytest.mark.parametrize("verdict", ["fail", "deviation"])
@pytest.mark.parametrize("limit", [1500, 2000, 10_123, 20_000, markdown.COMMENT, markdown.SUMMARY])
def test_what_is_too_long_is_left_out_and_that_is_said(verdict: str, limit: int) -> None:
    text = written(many(verdict), many("pass"), limit=limit)
    assert len(text.encode()) <= limit
    rows = text.count("`routing/check-")
    cut = limit < markdown.SUMMARY
    assert ("*Left out, because this may not be longer: " in text) is cut
    assert "| `two` | 1.0 |" in section(text, "Totals")
    if limit == 20_000:
        assert rows > 30
    if not cut:
        assert rows == 2 * 200 * 2
    # Whatever is left out, what is begun is ended.
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0


class _Text(HTMLParser):
    """The tags of a page, and the text outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.outside = ""
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attrs if name == "href"}
        assert {name for name, _ in attrs} <= {"href", "title", "style", "class"}
        self._code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        self.outside += "" if self._code else data


def test_nothing_in_a_document_means_anything() -> None:
    """Of a pull request the whole document may be somebody's, down to the names."""
    hostile = (
        "</code></details>\n\n| @all | <img src=x> `` ``` [x](http://evil.example) #1 \x1b \ud800"
    )
    evil = {
        **EXPECTATION,
        "instead": hostile,
        "reason": hostile,
        "reference": f"https://evil.example/{hostile}",
        "file": f"{hostile}:1",
    }
    clause = {"document": hostile, "section": hostile, "url": f"https://evil.example/{hostile}"}
    about = {"title": hostile, "message": hostile, "clause": clause, "log": hostile}
    found = document(
        server(
            hostile,
            check(
                ROUTE, "fail", **about, exchanges=exchange(hostile.encode("utf-8", "replace"), b"")
            ),
            check(CHUNKED, "deviation", expectation=evil, **about),
            check("routing/x", "fixed", expectation=evil, **about),
            check(f"routing/{hostile}", "error", **about),
            version=hostile,
            python=hostile,
            error=hostile,
        ),
        host=hostile,
        framework=hostile,
    )
    base = document(
        server(
            hostile, check(ROUTE, "pass", **about), check(CHUNKED, "pass", **about), version="1"
        ),
        server(f"{hostile} gone"),
        backend=hostile,
    )
    text = written(found, base)
    page = _Text()
    page.feed(MarkdownIt("commonmark").enable("table").render(text))
    assert page.tags == {
        *("h2", "h3", "h4", "p", "strong", "a", "br", "pre", "code", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert {link.partition("/%3C")[0] for link in page.links} == {"https://evil.example"}
    assert not re.search(r"@|#\d|\x1b|\ud800", page.outside)
