"""upgrades.toml: of deployments, releases and checks that exist, and borne out by running them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version
from rich.console import Console

from conformance import catalogue, registry, upgrades
from conformance.report.upgrades import page

FIXES = upgrades.load()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "upgrades.md"


def test_entries_are_of_what_there_is() -> None:
    names = {server.name for server in registry.load()}
    checks = {check.id for check in catalogue.collect()}
    for fix in FIXES:
        assert fix.deployment in names
        assert Version(fix.before) < Version(fix.after)
        assert set(fix.checks) <= checks, (
            f"{fix.deployment} {fix.after}: {set(fix.checks) - checks}"
        )
        assert fix.checks
        assert fix.what.endswith(".")
        assert fix.reference.startswith("https://")


def test_the_page_is_of_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FIXES), "run `make catalogue`"


def test_a_pair_is_borne_out_and_its_reverse_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Of real releases of a real server."""
    [fix, *_] = [fix for fix in FIXES if (fix.deployment, fix.after) == ("waitress", "2.1.1")]
    console = Console(file=io.StringIO())
    assert upgrades.verify([fix], 2, console) == []
    wrong = upgrades.verify([replace(fix, regression=True)], 2, console)
    assert wrong[0] == f"waitress@2.1.0 {fix.checks[0]}: expected pass, found fail"
    assert len(wrong) == 2 * len(fix.checks)
