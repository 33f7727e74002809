"""`report`: merge the results of several runs and render them; `run` renders its own likewise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console

from conformance import merge, parity, registry, results
from conformance.commands import RESULTS, UsageError, new_console
from conformance.report import badge, durations, junit, markdown, page, sarif, support, terminal
from conformance.report.exchanges import Again
from conformance.results import Document, ResultsError

#: The page's name, next to the results document.
PAGE = "index.html"
#: The formats by the option that asks for them, and what each is for.
_FORMATS = {
    "junit": "JUnit XML, a suite for each server",
    "markdown": "a summary for people: a job's summary, or a comment",
    "badge": "an endpoint for shields.io, as JSON",
    "sarif": "SARIF 2.1.0, for code scanning",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    parser = commands.add_parser(
        "report",
        help="merge results, of CI jobs for example, and render them",
        description="Prints the matrix, and writes DIR/results.json and the page DIR/index.html. "
        "The exit status is that of the merged run.",
    )
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="RESULTS",
        type=Path,
        default=[RESULTS],
        help=f"results documents, and directories that have some in them (default {RESULTS})",
    )
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="where the merged results and the page go (default %(default)s)",
    )
    parser.add_argument(
        "--parity",
        action="store_true",
        help=f"show as well what is the same as {parity.REFERENCE}'s",
    )
    add_outputs(parser)
    parser.set_defaults(call=_report)


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """The options that say what else is written."""
    group = parser.add_argument_group("reports", "FILE may be - for the standard output")
    for name, purpose in _FORMATS.items():
        group.add_argument(f"--{name}", metavar="FILE", help=purpose)
    group.add_argument(
        "--base",
        metavar="RESULTS",
        type=Path,
        help="earlier results: the page and the Markdown say what changed since",
    )
    group.add_argument(
        "--durations", action="store_true", help="show where the time went, and how little would do"
    )
    group.add_argument("--no-page", action="store_true", help=f"do not write DIR/{PAGE}")


def to_stdout(parsed: argparse.Namespace) -> bool:
    """Whether a report is the standard output, so that nothing else may be.

    :raises UsageError: two of them would be.
    """
    asked = [name for name in _FORMATS if getattr(parsed, name) == "-"]
    if len(asked) > 1:
        raise UsageError(f"one report fits on the standard output: --{' - and --'.join(asked)} -")
    return bool(asked)


def base_of(parsed: argparse.Namespace) -> Document | None:
    """The earlier results that were named; read before a run, so that a mistake is told at once."""
    return None if parsed.base is None else _open([parsed.base])


def present(
    parsed: argparse.Namespace,
    document: Document,
    base: Document | None,
    again: Again,
    console: Console,
) -> None:
    """Print the matrix of a results document, write what the options ask for, and say where it is.

    :raises ResultsError: one of the files cannot be written.
    """
    terminal.write(document, console, parity=parsed.parity, again=again)
    if parsed.durations:
        durations.write(document, console)
    writers: dict[str, Callable[[TextIO], None]] = {
        "junit": lambda out: junit.write(document, out, again=again),
        "markdown": lambda out: markdown.write(document, out, base=base, again=again),
        "badge": lambda out: badge.write(document, out),
        "sarif": lambda out: sarif.write(document, out, places=_places(), again=again),
    }
    _say(console, "results", parsed.results / results.FILE_NAME)
    for name in _FORMATS:
        target = getattr(parsed, name)
        if target is None:
            continue
        with _out(target) as out:
            writers[name](out)
        if target != "-":
            _say(console, name, Path(target))
    if not parsed.no_page:
        path = parsed.results / PAGE
        try:
            answers = support.answers(document)
            page.write(document, path, base=base, support=answers, again=again)
        except OSError as error:
            raise ResultsError(f"{path} cannot be written: {error.strerror}") from error
        _say(console, "page", path)


def _places() -> sarif.Places:
    """Where each server of this project's own registry stands in it."""
    servers = registry.load(None)
    return sarif.Places(lines={server.name: server.line for server in servers if server.line})


def _say(console: Console, what: str, path: Path) -> None:
    console.print(f"{what}: {path}", soft_wrap=True, markup=False)


@contextmanager
def _out(target: str) -> Iterator[TextIO]:
    if target == "-":
        yield sys.stdout
        return
    try:
        # Text of a server's may have characters that are none.
        with open(target, "w", encoding="utf-8", errors="backslashreplace") as out:
            yield out
    except OSError as error:
        raise ResultsError(f"{target} cannot be written: {error.strerror}") from error


def _open(paths: list[Path]) -> Document:
    documents = [results.open_document(path) for path in merge.find(paths)]
    return documents[0] if len(documents) == 1 else merge.merged(documents)


def _report(parsed: argparse.Namespace) -> int:
    console = new_console(stderr=to_stdout(parsed))
    for source in parsed.sources:
        if source.is_dir():
            results.recover(source)
    found = merge.find(parsed.sources)
    base = base_of(parsed)
    document = _open(parsed.sources)
    target = parsed.results / results.FILE_NAME
    if found != [target]:
        try:
            parsed.results.mkdir(parents=True, exist_ok=True)
            results.write(target, document.run, document.servers, document.checks)
        except OSError as error:
            raise ResultsError(f"{target} cannot be written: {error.strerror}") from error
        document = results.open_document(target)
    again = Again(None, () if parsed.results == RESULTS else ("--results", str(parsed.results)))
    present(parsed, document, base, again, console)
    return int(document.run["exit_status"])
