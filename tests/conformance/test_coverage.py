"""docs/coverage.md: complete, fresh, and about checks that there are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue
from conformance.report import coverage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return coverage.load()


def test_the_page_is_fresh(document: dict[str, Any]) -> None:
    assert PAGE.read_text(encoding="utf-8") == coverage.page(document), (
        "docs/coverage.md is not what conformance/coverage.toml says: run `make catalogue`"
    )


def test_the_source_is_cited(document: dict[str, Any]) -> None:
    source = document["source"]
    assert re.fullmatch("[0-9a-f]{40}", source["commit"])
    assert source["date"].isoformat() in coverage.page(document)


def test_every_test_of_theirs_is_there_once(document: dict[str, Any]) -> None:
    names = Counter(test["id"] for test in document["test"])
    assert [name for name, count in names.items() if count > 1] == []


def test_every_test_has_checks_or_a_reason(document: dict[str, Any]) -> None:
    for test in document["test"]:
        assert ("checks" in test) is not ("why-not" in test), test["id"]
        assert test.get("checks") or test.get("why-not"), test["id"]


def test_every_check_of_ours_exists(document: dict[str, Any]) -> None:
    named = {check for test in document["test"] for check in test.get("checks", [])}
    assert named - {check.id for check in catalogue.collect()} == set()


def test_the_counts_are_of_what_is_listed() -> None:
    tests = [
        {"id": "A", "category": "One", "scored": True, "checks": ["http/a", "http/b"]},
        {"id": "B", "category": "One", "scored": True, "why-not": "It is not ours."},
        {"id": "C", "category": "Two", "scored": False, "checks": ["http/a"]},
    ]
    source = {"name": "N", "repository": "https://n", "commit": "c" * 40, "date": "2026-01-01"}
    page = coverage.page({"source": source, "test": tests})
    assert "| scored | 2 | 1 | 1 |\n| not scored | 1 | 1 | 0 |\n" in page
    assert "2 checks of ours are named here" in page
    assert "## One (2)" in page
    assert "| `B` | yes | It is not ours. |" in page
