"""The examples of the pages that explain the code do what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(("page", "at_least"), [("internals", 40), ("request", 60)])
def test_every_example_runs(page: str, at_least: int) -> None:
    failed, attempted = doctest.testfile(
        str(DOCS / f"{page}.md"),
        module_relative=False,
        optionflags=doctest.ELLIPSIS,
        encoding="utf-8",
    )
    assert failed == 0
    assert attempted > at_least
