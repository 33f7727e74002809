"""A Chromium for the tests of the page, and pages opened in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conformance import results
from conformance.report import page as report
from tests.page import documents

_NAMES = ("chromium", "chromium-browser", "google-chrome")

#: How long to wait for what has to come, in milliseconds: long, for a machine that is busy.
TIMEOUT = 30_000
expect.set_options(timeout=TIMEOUT)

#: Opens the page of a document (the usual one, where none is given) at a fragment.
Open = Callable[..., Page]


# Not for longer: while Playwright is there no other test in this process can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        pytest.skip("there is no Chromium: apt install chromium, or name one in CHROMIUM")
    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it opens nothing but these files.
        launched = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the usual document, with all that there can be in it."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    write(documents.usual(), path, base=documents.earlier(), support=documents.SUPPORT)
    return path


def write(
    found: dict[str, Any], path: Path, base: dict[str, Any] | None = None, **keys: Any
) -> None:
    """Write the page of documents that are in memory."""
    earlier = None if base is None else results.document(base)
    report.write(results.document(found), path, base=earlier, **keys)


@pytest.fixture
def open_page(browser: Browser, usual: Path, tmp_path: Path) -> Iterator[Open]:
    """Opens pages; at the end, nothing may have gone wrong in them, or been asked of a network."""
    wrong: list[str] = []
    contexts = []

    def open_(
        fragment: str = "",
        found: dict[str, Any] | None = None,
        base: dict[str, Any] | None = None,
        **options: Any,
    ) -> Page:
        path = usual
        if found is not None:
            path = tmp_path / "index.html"
            write(found, path, base=base)
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 800}, **options})
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:"))
                else wrong.append(f"asked for {request.url}")
            ),
        )
        page.goto(f"{path.as_uri()}{fragment}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []
