"""What MkDocs needs beside the pages: those of the repository's root, and links as they are there.

The pages are written to be read in the repository, where a link is a path relative to its page. On
the site a link to another page leads to that page, and one to a file that is no page leads to that
file in the repository. What is not there at all is left as it is: MkDocs warns of it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

#: Files of the repository's root that are pages of the site.
ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
BRANCH = "main"

_LINK = re.compile(r"(?P<text>\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as GitHub does, so that a link to one is right in both places."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of the repository's root."""
    root = _root(config)
    for name, page in ROOT_PAGES.items():
        text = (root / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have the links of a page lead where they lead in the repository."""
    return rewritten(markdown, page.file.src_uri, _root(config), config.extra["repository"])


def rewritten(markdown: str, page: str, root: Path, repository: str) -> str:
    """The text of a page with its links as the site needs them.

    :param page: its path on the site.
    :param root: of the repository, whose pages are in `docs/`.
    :param repository: the address of the repository.
    """
    sources = {shown: name for name, shown in ROOT_PAGES.items()}
    directory = PurePosixPath(sources.get(page, f"docs/{page}")).parent

    def link(match: re.Match[str]) -> str:
        target = os.path.normpath(directory / match["path"])
        anchor = match["anchor"] or ""
        if target in ROOT_PAGES:
            there = ROOT_PAGES[target]
        elif target.startswith("docs/"):
            there = target.removeprefix("docs/")
        elif (root / target).exists():
            kind = "tree" if (root / target).is_dir() else "blob"
            there = f"{repository}/{kind}/{BRANCH}/{target}"
        else:
            there = match["path"]
        return f"{match['text']}{there}{anchor}"

    # Code is left alone: what looks like a link in it is none.
    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(link, part) for part in parts[::2]]
    return "".join(parts)


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent
