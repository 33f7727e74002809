"""What is installed is pinned by hash, and nothing names a place that it has to come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PINNED = sorted(
    path
    for pattern in ("requirements/*.txt", "docker/requirements/*.txt", "examples/**/*.txt")
    for path in ROOT.glob(pattern)
)
#: `name==version`, perhaps with a marker, then its hashes, each on a line of its own.
_REQUIREMENT = re.compile(
    r"[a-z0-9][a-z0-9._-]*==[^\s;]+(?: ; [^\\\n]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
)


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_files_to_look_at() -> None:
    assert len(PINNED) > 30


@pytest.mark.parametrize("path", PINNED, ids=ids)
def test_each_requirement_has_a_version_and_hashes(path: Path) -> None:
    # So neither a URL nor an option that names an index has a place.
    assert _REQUIREMENT.sub("", path.read_text(encoding="utf-8")) == ""


@pytest.mark.parametrize("path", [*PINNED, ROOT / "Makefile", ROOT / "pyproject.toml"], ids=ids)
def test_no_index_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"--(extra-)?index-url|--find-links|/simple\b", text)


@pytest.mark.parametrize(
    "path", [ROOT / "Makefile", ROOT / "docker/Dockerfile", ROOT / "action.yml"], ids=ids
)
def test_nothing_is_installed_without_hashes(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    installed = [
        line for line in text.splitlines() if re.search(r"\bpip\b.* (install|wheel)\b", line)
    ]
    assert installed
    # What has no dependencies and is of this project, or was checked before, is installed by path.
    assert [line for line in installed if not re.search("--require-hashes|--no-deps", line)] == []


def test_every_file_is_audited() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\naudit:")[2].partition("\n\n")[0]
    patterns = re.findall(r"\S+\*\.txt", recipe)
    audited = {path for pattern in patterns for path in ROOT.glob(pattern)}
    assert audited == set(PINNED)
    workflow = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text(encoding="utf-8"))
    # YAML 1.1 reads `on` as true.
    assert set(patterns) <= set(workflow[True]["push"]["paths"])
    assert workflow["jobs"]["audit"]["steps"][-1]["run"] == "make audit"
