"""The documentation: pages are on the site, links lead somewhere, commands are ones."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from conformance import registry
from conformance.cli import make_parser
from conformance.report.terminal import SIGNS
from conformance.verdicts import Verdict

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/*/*.md")])


@cache
def hooks() -> ModuleType:
    """docs/hooks.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def tokens(page: Path) -> list[Token]:
    """A page as GitHub reads it."""
    return MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    for block in tokens(page):
        for token in block.children or ():
            target = token.attrGet("href") or token.attrGet("src")
            if target is not None:
                yield str(target)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for before, token in zip(tokens(page), tokens(page)[1:], strict=False):
        if before.type == "heading_open":
            text = "".join(child.content for child in token.children or ())
            name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return found


def wrong(page: Path, target: str) -> str | None:
    """What is wrong with a link of a page, None if nothing is or it leads out of the repository."""
    path, _, anchor = unquote(target).partition("#")
    if re.match(r"[a-z]+:", target):
        return None
    there = (page.parent / path).resolve() if path else page
    if not there.exists() or not there.is_relative_to(ROOT):
        return f"{page.relative_to(ROOT)}: there is no {path} ({target})"
    if anchor and there.suffix == ".md" and anchor not in anchors(there):
        return f"{page.relative_to(ROOT)}: no heading of {there.name} is #{anchor} ({target})"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_in_the_repository(page: Path) -> None:
    assert [found for target in links(page) if (found := wrong(page, target))] == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("there.md", None),
        ("there.md#a-heading-with-code", None),
        ("there.md#twice-1", None),
        ("https://example.org/nowhere", None),
        ("missing.md", "there is no missing.md"),
        ("there.md#elsewhere", "no heading of there.md is #elsewhere"),
        ("#elsewhere", "no heading of here.md is #elsewhere"),
        ("../outside.md", "there is no ../outside.md"),
    ],
)
def test_a_wrong_link_is_found(
    target: str, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(sys.modules[__name__], "ROOT", root)
    (tmp_path / "outside.md").write_text("")
    (root / "there.md").write_text("# A heading, with `code`\n\n## Twice\n\n## Twice\n")
    (root / "here.md").write_text(f"# Here\n\nText with [a link]({target}).\n")
    [found] = links(root / "here.md")
    message = wrong(root / "here.md", found)
    assert (message is None) if said is None else (message is not None and said in message)


# The site.


def listed(nav: Any) -> Iterator[str]:
    """The pages that a navigation lists."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from listed(entry)


def test_the_navigation_lists_every_page_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = {path.name for path in DOCS.glob("*.md")} | set(hooks().ROOT_PAGES.values())
    assert sorted(listed(nav)) == sorted(pages)


def test_the_site_is_built_without_a_warning_and_asks_nothing_of_other_hosts(
    tmp_path: Path,
) -> None:
    # Not --quiet: then warnings are not counted either.
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert (done.returncode, warnings) == (0, []), done.stderr
    pages = sorted(tmp_path.glob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|img|iframe)[^>]+src=[\"']?(https?:[^\"' >]+)", text) == []
        assert re.findall(r"<link[^>]+stylesheet[^>]+href=[\"']?(https?:[^\"' >]+)", text) == []


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("architecture.md", "results.md#parity", "results.md#parity"),
        ("architecture.md", "../README.md", "index.md"),
        ("architecture.md", "../CONTRIBUTING.md#add-a-check", "contributing.md#add-a-check"),
        (
            "architecture.md",
            "../conformance/parity.py",
            "REPOSITORY/blob/main/conformance/parity.py",
        ),
        ("architecture.md", "../conformance/checks", "REPOSITORY/tree/main/conformance/checks"),
        ("architecture.md", "images/matrix.png", "images/matrix.png"),
        ("architecture.md", "../nowhere.py", "../nowhere.py"),
        ("architecture.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("architecture.md", "#decisions", "#decisions"),
        ("index.md", "docs/results.md", "results.md"),
        ("index.md", "docs", "REPOSITORY/tree/main/docs"),
        ("index.md", "SECURITY.md", "security.md"),
        ("contributing.md", "docs/architecture.md", "architecture.md"),
    ],
)
def test_a_link_leads_on_the_site_where_it_leads_in_the_repository(
    page: str, link: str, there: str
) -> None:
    text = "A [link]({}), and `[code](../README.md)`:\n\n```text\n[link]({})\n```\n"
    found = hooks().rewritten(text.format(link, link), page, ROOT, "REPOSITORY")
    assert found == text.format(there, link)


# What pages say of the code.


def commands() -> Iterator[str]:
    """What the pages tell people to type."""
    for page in PAGES:
        for token in tokens(page):
            if token.type == "fence":
                for line in token.content.splitlines():
                    if match := re.match(r"\$ (?:.* \| )?(wsgi-conform .*)", line):
                        yield match[1]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_of_the_documentation_is_one(line: str) -> None:
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    if not {"NAME", "COMMAND"} & set(words):
        make_parser().parse_args(words)


def test_code_that_is_shown_is_the_code() -> None:
    """Each block of extending.md stands as it is in the last file that was linked before it."""
    source, shown = ROOT, 0
    for token in tokens(DOCS / "extending.md"):
        for child in token.children or ():
            if child.type == "link_open":
                source = DOCS / str(child.attrGet("href"))
        if token.type == "fence":
            text = source.resolve().read_text(encoding="utf-8")
            for piece in token.content.split("...\n"):
                assert piece in text, f"not in {source.name}: {piece}"
                shown += 1
    assert shown > 5


def test_the_signs_of_the_matrix_are_told() -> None:
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z-]+)` \| `(.)` \|", page, re.MULTILINE))
    assert told == {verdict.value: SIGNS[verdict] for verdict in Verdict}
    tutorial = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^- `(.)` ", tutorial, re.MULTILINE)) == set(SIGNS.values())


def test_the_readme_counts_the_servers() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    servers = registry.load()
    projects = {server.project for server in servers}
    assert f"[{len(servers)} deployments of {len(projects)} projects](docs/servers.md)" in readme
