"""Which areas of checks talk to a path: read off the source of the checks.

A path is looked for as it is written there: as a whole, with a variable at its end, or in pieces
(`f"/wsgi/{path}"` and "length/right").
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from conformance import acts, checks

_DIRECTORY = Path(checks.__file__).parent


@dataclass
class _Named:
    """What the source of an area has: texts that may be paths, and beginnings of paths."""

    texts: set[str] = field(default_factory=set)
    beginnings: set[str] = field(default_factory=set)

    def has(self, path: str) -> bool:
        fixed, variable, _ = path.partition("{")
        if variable:
            return any(beginning.startswith(fixed) for beginning in self.beginnings) or any(
                text.startswith(rest) or text == rest.rstrip("/")
                for rest in self._behind(fixed)
                for text in self.texts
            )
        return not self.texts.isdisjoint([*self._behind(path), *self._behind(path.rstrip("/"))])

    def _behind(self, path: str) -> Iterator[str]:
        """The path, and what is behind each beginning that it has."""
        yield path
        for beginning in self.beginnings:
            if path.startswith(beginning) and path != beginning:
                yield path.removeprefix(beginning)


def areas(path: str) -> set[str]:
    """The areas whose checks name a path of the document."""
    return {area for area, named in _by_area().items() if named.has(path)}


@cache
def _by_area() -> dict[str, _Named]:
    trees = {file.stem: ast.parse(file.read_text("utf-8")) for file in _DIRECTORY.glob("*.py")}
    # What is done to deployments of their own, for checks of this area.
    for file in Path(acts.__file__).parent.glob("*.py"):
        trees[f"test_lifecycle_{file.stem}"] = ast.parse(file.read_text("utf-8"))
    found: dict[str, _Named] = {}
    for name, tree in trees.items():
        if name.startswith("test_"):
            named = found.setdefault(name.split("_")[1], _Named())
            for node in [tree, *_imported(tree, trees)]:
                _collect(node, named)
    return found


def _imported(tree: ast.Module, trees: dict[str, ast.Module]) -> Iterator[ast.stmt]:
    """The definitions that a module has from another one of the checks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(checks.__name__):
            names = {alias.name for alias in node.names}
            for statement in trees[str(node.module).rpartition(".")[2]].body:
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement]
                if names & {
                    getattr(target, "id", getattr(target, "name", "")) for target in targets
                }:
                    yield statement


def _collect(tree: ast.AST, named: _Named) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = re.findall(r"""[^\s?"'#:,;]+""", node.value)
            named.texts.update(unquote(word) for word in words)
        elif isinstance(node, ast.JoinedStr):
            for part, behind in zip(node.values, node.values[1:], strict=False):
                if isinstance(part, ast.Constant) and isinstance(behind, ast.FormattedValue):
                    named.beginnings.update(re.findall(r"[^\s?=]+/$", str(part.value)))
