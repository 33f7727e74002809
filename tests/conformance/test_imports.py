"""The rules between the parts: imports run one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: `Flask.run` starts the server that is at hand, imported when it is called.
ALLOWED = {"reference_app/framework/app.py: reference_app.serving.run_simple"}


def imported(path: Path) -> set[str]:
    """The modules that a file names in its import statements, wherever they stand."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("conformance/checks", ("reference_app", "conformance.backends.", "conformance.runner")),
        ("reference_app", ("conformance", "tests")),
        ("reference_app/framework", ("reference_app.serving", "werkzeug", "flask")),
        ("reference_app/serving", ("reference_app.framework", "reference_app.areas")),
        ("conformance/report", ("conformance.backends", "conformance.plugin", "reference_app")),
    ],
)
def test_imports_run_one_way(part: str, forbidden: tuple[str, ...]) -> None:
    files = sorted((ROOT / part).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in sorted(imported(path))
        if name.startswith(forbidden)
    ]
    assert set(wrong) <= ALLOWED
