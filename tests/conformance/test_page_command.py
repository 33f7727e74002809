"""`page`: what it serves before there is a page, when there is one, and what it says of that."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from conformance.commands.page import application


def test_before_there_is_a_page_it_looks_again_by_itself(tmp_path: Path) -> None:
    client = application(tmp_path).test_client()
    waiting = client.get("/")
    assert waiting.status_code == 200
    assert 'http-equiv="refresh"' in waiting.text
    assert client.get("/results.json").status_code == 404


def test_the_page_and_the_results_are_served_as_they_are_by_now(tmp_path: Path) -> None:
    client = application(tmp_path).test_client()
    for text in ("first", "second and longer"):
        (tmp_path / "index.html").write_text(text)
        (tmp_path / "results.json").write_text(f'"{text}"')
        for path in ("/", "/index.html"):
            found = client.get(path)
            assert (found.text, found.mimetype) == (text, "text/html")
            assert "no-cache" in found.headers["Cache-Control"]
        assert client.get("/results.json").json == text


@pytest.mark.parametrize("path", ["/other", "/../secret", "/%2e%2e/secret", "/index.html/"])
def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "results").mkdir()
    assert application(tmp_path / "results").test_client().get(path).status_code == 404


@pytest.fixture
def served(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, on a free port."""
    code = "import sys; from conformance.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code, "page", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_it_says_where_the_page_is_and_stops_when_told_to(
    tmp_path: Path, served: subprocess.Popen[str]
) -> None:
    assert served.stdout is not None
    first = served.stdout.readline()
    match = re.fullmatch(r"(http://127\.0\.0\.1:\d+) will show the results\n", first)
    assert match is not None, first
    assert "There are no results yet" in requests.get(match[1], timeout=30).text
    unfinished = tmp_path / "unfinished"
    unfinished.write_text("the page")
    os.replace(unfinished, tmp_path / "index.html")
    assert served.stdout.readline().startswith(f"{match[1]} shows the results of 20")
    assert requests.get(match[1], timeout=30).text == "the page"
    served.send_signal(signal.SIGTERM)
    assert served.wait(30) == 0
