"""The file that the page is, before a browser reads it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from conformance import results
from conformance.report import page
from conformance.report.exchanges import Again
from conformance.report.page import data
from tests.page.documents import ALPHA, check, document, exchange, server, usual


def written(path: Path, found: dict[str, Any], **keys: Any) -> str:
    """The text of a page."""
    page.write(results.document(found), path / "index.html", **keys)
    return (path / "index.html").read_text(encoding="utf-8")


def test_script_and_style_are_those_of_the_policy(tmp_path: Path) -> None:
    text = written(tmp_path, usual())
    for tag in ("style", "script"):
        [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert not re.search(r"\b(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "innerHTML" not in text


def test_what_looks_like_a_part_of_the_template_stays(tmp_path: Path) -> None:
    text = written(tmp_path, document(server("one", version="{script}{details}{policy}</script>")))
    assert text.count("{script}{details}{policy}\\u003c/script>") == 1


def test_an_earlier_page_stays_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(tmp_path, usual())
    monkeypatch.setattr(page, "_data_element", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        written(tmp_path, usual())
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == before


def test_the_same_results_are_the_same_page(tmp_path: Path) -> None:
    assert written(tmp_path, usual()) == written(tmp_path, usual())


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_texts_that_servers_share_are_there_once() -> None:
    long = "x" * (data.BYTES_SHOWN + 10)
    kept = {"total": 1, "kept": [exchange(long, "")]}
    found = [server(name, check("a/b", "+", exchanges=kept)) for name in ("one", "two")]
    collected = data.collect(results.document(document(*found)), Again())
    [detail] = map(unpacked, collected.details)
    assert sorted(map(len, detail["texts"])) == [0, data.BYTES_SHOWN]
    for cell in detail["cells"]:
        [shown] = cell["exchanges"]
        assert shown["request"][1] == len(long)


def test_how_to_send_it_once_more_is_as_the_run_was() -> None:
    again = Again(url="http://{name}.test:8000")
    collected = data.collect(results.document(usual()), again)
    cell = unpacked(collected.details[0])["cells"][1]
    root = f"http://{ALPHA}.test:8000"
    assert cell["replay"] == f"wsgi-conform replay http/host/missing {root} --recorded-on {ALPHA}"
    assert root in cell["curl"]


def test_of_what_a_check_does_besides_there_is_no_curl() -> None:
    kept = {"total": 1, "kept": [exchange("GET / HTTP/1.1\r\n\r\n", "")]}
    one = check("a/b", "+", exchanges=kept, requires=["control"])
    collected = data.collect(results.document(document(server("one", one))), Again())
    assert unpacked(collected.details[0])["cells"][0]["curl"] is None


def test_a_check_that_only_some_servers_have() -> None:
    found = document(
        server("one", check("a/first", "+")),
        server("two", check("a/second", "F"), check("a/first", "d")),
    )
    collected = data.collect(results.document(found), Again())
    verdicts = {row["id"]: row["verdicts"] for row in collected.overview["checks"]}
    assert verdicts == {"a/first": "+d", "a/second": " F"}


def test_more_answers_than_letters() -> None:
    parities = [
        {"reference": "r", "same": False, "answer": f"answer {number}", "differences": []}
        for number in range(100)
    ]
    found = document(
        *(
            server(f"server {number}", check("a/b", "+", parity=parity))
            for number, parity in enumerate(parities)
        )
    )
    collected = data.collect(results.document(found), Again())
    assert len(set(collected.overview["checks"][0]["answers"])) == 100
