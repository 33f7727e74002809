"""A results document that is hostile in every place, through every output that is made of one.

What servers say is in it, and a document itself may be somebody's else. The tests next to each
report say how it shows such text; this one, that none was forgotten.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from conformance import cli
from tests.page.documents import EXPECTATION, check, document, exchange, parity, server

MARKUP = "</script></code><img src=x onerror=alert(1)>[blink]x[/blink]|`</failure>]]><b>&quot;\"'"
#: The title of a window, colours, a cleared screen by the one byte, a reading direction, no text.
HOSTILE = f"{MARKUP}\x1b]0;owned\x07\x1b[31m\x9b2J\x00\b\r\u202e\u2028\ud800\n# x"


def hostile_document() -> dict[str, Any]:
    """Every text that no report needs for its own work is hostile."""
    kept = exchange(f"GET /{HOSTILE} HTTP/1.1\r\n\r\n", f"HTTP/1.1 200 {HOSTILE}\r\n\r\n{HOSTILE}")
    bad: dict[str, Any] = {
        "title": HOSTILE,
        "message": HOSTILE,
        "log": HOSTILE,
        "clause": {"document": HOSTILE, "section": HOSTILE, "url": f"https://a.example/{HOSTILE}"},
        "exchanges": {"total": 1, "kept": [kept]},
        "parity": parity(HOSTILE, False, HOSTILE),
    }
    excused = {**EXPECTATION, "reference": f"javascript:{HOSTILE}"}
    excused |= dict.fromkeys(("instead", "reason", "versions", "varies", "file"), HOSTILE)
    checks = [
        check("routing/fails", "F", **bad),
        check("routing/deviates", "d", **bad, expectation=excused),
        check("routing/fixed", "X", **bad, expectation=excused),
        check("routing/error", "E", **bad),
        check("routing/no", ".", **bad),
        check(f"routing/{HOSTILE}", "F", **bad),
    ]
    said = dict.fromkeys(("project", "version", "python", "command"), HOSTILE)
    return document(
        server("reference-threaded", check("routing/fails", "+")),
        server(f"name {HOSTILE}", *checks, **said),
        server("broken", *checks, error=HOSTILE, **said),
        host=HOSTILE,
        backend=HOSTILE,
        python=HOSTILE,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with the document, a part of it, and one in which the same server passes."""
    found = hostile_document()
    write(tmp_path / "hostile", found)
    write(tmp_path / "one", {**found, "servers": found["servers"][1:2]})
    for checked in found["servers"][1]["checks"]:
        checked["verdict"] = "pass"
    write(tmp_path / "base", found)
    return tmp_path


def write(directory: Path, found: dict[str, Any]) -> None:
    directory.mkdir()
    (directory / "results.json").write_text(json.dumps(found), encoding="utf-8")


def strings(value: object) -> Iterator[str]:
    """Every text in what JSON holds, the names of members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def as_text(text: str) -> list[str]:
    return [text]


def as_markdown(text: str) -> list[str]:
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    assert not re.search(r"<(img|b|script)\b|=.javascript:", rendered.replace(html.escape("<"), ""))
    return [text]


def as_xml(text: str) -> list[str]:
    names = {element.tag for element in ElementTree.fromstring(text).iter()}
    assert not names & {"img", "b", "script"}
    return [text]


def as_json(text: str) -> list[str]:
    return list(strings(json.loads(text)))


def as_page(text: str) -> list[str]:
    assert "<img" not in text
    return [text]


@pytest.mark.parametrize(
    ("arguments", "file", "parts"),
    [
        (["report", "hostile", "--parity", "--durations", "--no-page"], None, as_text),
        (
            ["report", "hostile", "--no-page", "--base", "base", "--markdown", "-"],
            None,
            as_markdown,
        ),
        (["report", "hostile", "--no-page", "--junit", "out"], "out", as_xml),
        (["report", "hostile", "--no-page", "--sarif", "out"], "out", as_json),
        (["report", "one", "--no-page", "--badge", "out"], "out", as_json),
        (["report", "hostile", "--base", "base"], "results/index.html", as_page),
        (["compare", "base/results.json", "hostile/results.json"], None, as_text),
        (
            ["compare", "base/results.json", "hostile/results.json", "--format", "markdown"],
            None,
            as_markdown,
        ),
        (["servers", "--results", "hostile"], None, as_text),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_of_it_has_a_meaning(
    source: Path,
    arguments: Sequence[str],
    file: str | None,
    parts: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(source)
    cli.main(arguments)
    printed = capsys.readouterr()
    text = printed.out if file is None else (source / file).read_text(encoding="utf-8")
    assert "Traceback" not in printed.err
    assert "onerror" in text + printed.err, "so that it is there to be harmless"
    for part in [*parts(text), printed.out, printed.err]:
        meaning = {
            character
            for character in part
            if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cf", "Cs")
        }
        assert meaning == set()
        assert "\u2028" not in part
