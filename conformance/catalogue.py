"""The catalogue: which checks there are, asked of pytest itself, so that it cannot drift."""

from __future__ import annotations

import contextlib
import io
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.clauses import Clause
from conformance.plugin import clause_of_item

#: What every pytest of ours is called with: no configuration but our own, and nothing written.
PYTEST_ARGUMENTS = (
    "-c",
    os.devnull,
    "--rootdir",
    str(Path(__file__).parent / "checks"),
    # Whatever directory this is called in: its conftest.py is not about our checks.
    "--noconftest",
    "-p",
    "no:cacheprovider",
    # It collects garbage several times over in the end, for as long as it takes to collect checks.
    "-p",
    "no:unraisableexception",
    "-p",
    "conformance.plugin",
    "--pyargs",
)
#: Where the checks are.
PACKAGE = "conformance.checks"
#: The modules that take longest, mostly because they wait. They are begun first: whoever takes one
#: last keeps all others waiting.
LONGEST = tuple(
    f"{PACKAGE}.test_{name}"
    for name in (
        "lifecycle",
        "load",
        "security_left",
        "http_framing",
        "http_sequences",
        "errors_more",
        "security_clients",
        "wsgi_endings",
        "wsgi_start",
        "context",
        "http_connections",
        "http_syntax",
    )
)
#: The same for its environment: no plugins that happen to be installed, no options from outside.
PYTEST_ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "",
    "PYTEST_ADDOPTS": "",
}


class SelectionError(Exception):
    """An expression that pytest does not understand, or that selects no check."""


class _Collector:
    def __init__(self) -> None:
        self.clauses: list[Clause] = []
        self.interrupted = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = excinfo.errisinstance(KeyboardInterrupt)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.clauses = [clause_of_item(item) for item in session.items]


def collect(expression: str = "") -> list[Clause]:
    """The clauses of the checks that an expression selects, in the order in which they run.

    :param expression: as for pytest's ``-k``; matches check ids as well as function names.
    :raises SelectionError: it is no expression, or selects nothing.
    """
    collector = _Collector()
    output = io.StringIO()
    # Nothing is run here, so nothing has to say which values an assertion had.
    arguments = [
        *PYTEST_ARGUMENTS,
        PACKAGE,
        "--assert=plain",
        "--collect-only",
        "-q",
        "-k",
        expression,
    ]
    saved = {name: os.environ.get(name) for name in PYTEST_ENVIRONMENT}
    os.environ.update(PYTEST_ENVIRONMENT)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = pytest.main(arguments, plugins=[collector])
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    if collector.interrupted:
        raise KeyboardInterrupt
    if status == pytest.ExitCode.NO_TESTS_COLLECTED or (status == 0 and not collector.clauses):
        raise SelectionError(
            f"no check matches {expression!r}; `wsgi-conform checks` lists the ids, and the "
            f"expression is pytest's: 'routing or hooks', 'session and not flash'"
        )
    if status != 0:
        # Of all that pytest prints, the lines that say what is wrong.
        text = output.getvalue().strip()
        wrong = [line.removeprefix("ERROR: ") for line in text.splitlines() if "ERROR:" in line]
        raise SelectionError("\n".join(wrong) or text)
    return collector.clauses


def as_json(check: Clause) -> dict[str, Any]:
    """A check as `wsgi-conform checks --format json` lists it, with the mutants that it catches."""
    return {**check.as_json(), "mutants": _mutants().get(check.id, [])}


@cache
def _mutants() -> dict[str, list[str]]:
    """Which mutants fail which checks: generated from tests/mutants, which no wheel contains."""
    path = Path(__file__).with_name("mutants.json")
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return found
