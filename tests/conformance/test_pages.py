"""The generated pages are what the code says: `make catalogue` was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", ["checks", "servers"])
def test_the_generated_page_is_fresh(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--format", "markdown"]) == 0
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page, f"docs/{name}.md is not fresh: run `make catalogue`"
