"""`compare`: what changes from one server, or release of it, to another."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from packaging.version import Version
from rich.console import Console

from conformance import catalogue, compare, registry, releases, results
from conformance.commands import (
    Terminal,
    UsageError,
    add_compose,
    add_run_options,
    backend_name,
    make_plan,
    new_console,
    run_plan,
)
from conformance.plugin import make_backend
from conformance.registry import Server
from conformance.report import comparison
from conformance.runner import EXIT_INTERRUPTED
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR

#: The oldest Python that the application runs on.
_OLDEST = Version("3.11")
#: Two columns differ.
EXIT_DIFFERENT = 1


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    parser = commands.add_parser(
        "compare",
        help="say what changes from one server, or release of it, to another",
        description="A deployment is run; of a results file what it says is taken. "
        "Exit status: 1 when they differ in a check of a level of --fail-on.",
    )
    parser.add_argument(
        "targets",
        nargs="+",
        metavar="TARGET",
        help=f"{releases.FORM}, as one argument; NAME@FIRST..LAST for every release between; "
        "results.json or a directory with one, and :NAME for one of its servers",
    )
    add_compose(parser)
    add_run_options(parser, "local processes where they can be, for no image has to be built")
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=Path("results/compare"),
        help="where the results of what is run go (default %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=("terminal", "json", "markdown"),
        default="terminal",
        help="how it is told",
    )
    parser.add_argument("--brief", action="store_true", help="on the terminal: leave out the bytes")
    parser.add_argument(
        "--fail-on",
        metavar="LEVELS",
        type=_levels,
        default=("must",),
        help="levels with a comma between them, `any` or `none` (default must)",
    )
    parser.set_defaults(call=_compare, url=None)


def _levels(text: str) -> tuple[str, ...]:
    if text in ("any", "none"):
        return compare.LEVELS if text == "any" else ()
    found = tuple(text.split(","))
    if not set(found) <= set(compare.LEVELS):
        raise argparse.ArgumentTypeError(
            f"expected some of {', '.join(compare.LEVELS)}, or any, or none; found {text!r}"
        )
    return found


def _compare(parsed: argparse.Namespace) -> int:
    servers = registry.load(parsed.compose)
    names: list[str] = []
    recorded: dict[str, compare.Column] = {}
    for target in parsed.targets:
        file = compare.file_of(target, servers)
        if file is None:
            names += compare.expand(target, servers)
            continue
        path, name = file
        for column in compare.columns(
            results.open_document(path), None if name is None else [name]
        ):
            # The same deployment may be in two files.
            label = column.name if column.name not in recorded else f"{column.name} ({path})"
            recorded[label] = replace(column, name=label)
            names.append(label)
    names = list(dict.fromkeys(names))
    if len(names) < 2:
        raise UsageError(
            f"expected two targets or more, or one of several releases (NAME@FIRST..LAST); "
            f"found {', '.join(names)}"
        )
    run = Runs(parsed, servers, parsed.results, Terminal(highlight=False, stderr=True))
    found, pairs = compare.compare(names, run, recorded)
    if parsed.format == "json":
        print(json.dumps(compare.as_json(pairs, found), indent=2))
    elif parsed.format == "markdown":
        print(comparison.markdown(found, pairs), end="")
    else:
        comparison.terminal(found, pairs, new_console(), parsed.brief)
    if any(column.error is not None for column in found):
        return EXIT_ERROR
    if pairs:
        differ = any(compared.differ_in(parsed.fail_on) for compared in pairs)
    else:
        differ = any(row.check["level"] in parsed.fail_on for row in compare.rows(found))
    return EXIT_DIFFERENT if differ else EXIT_AS_EXPECTED


class Runs:
    """Runs deployments for a comparison, and keeps the results in a directory.

    Where some do not run and another Python is there, all of them are run on that one: an old
    release may be for an older Python, and two columns are to differ in what was asked for alone.
    """

    def __init__(
        self,
        parsed: argparse.Namespace,
        servers: Sequence[Server],
        directory: Path,
        console: Console,
    ) -> None:
        self._parsed = parsed
        self._servers = servers
        self._directory = directory
        self._console = console
        self._checks = catalogue.collect(parsed.expression)
        self._python: str | None = None
        self._settled = False

    def __call__(
        self, names: Sequence[str], only: dict[str, Sequence[str]] | None
    ) -> list[compare.Column]:
        found = self._run(names, only, self._python)
        if self._settled:
            return found
        self._settled = True
        for python in self._others(names):
            failed = [column.name for column in found if column.error is not None]
            if not failed:
                break
            self._console.print(
                f"{len(failed)} of {len(names)} do not run: all of them on Python {python}",
                soft_wrap=True,
            )
            other = self._run(names, only, python)
            if sum(column.error is not None for column in other) < len(failed):
                found, self._python = other, python
        return found

    def _others(self, names: Sequence[str]) -> list[str]:
        """The other Pythons that are here, the newest first; none where one was asked for."""
        selected = releases.select(self._servers, names)
        if any(server.python is not None for server in selected):
            return []
        backend = make_backend(self._backend_of(selected), None, self._parsed.framework, None)
        here = [backend.pythons(server) for server in selected]
        shared = [python for python in here[0] if all(python in others for others in here)]
        needed = [python for python in shared[1:] if Version(python) >= _OLDEST]
        return sorted(needed, key=Version, reverse=True)

    def _run(
        self, names: Sequence[str], only: dict[str, Sequence[str]] | None, python: str | None
    ) -> list[compare.Column]:
        asked = {}
        for name in names:
            server = releases.variant(self._servers, name)
            asked[name] = releases.on_python(server, python) if python else server
        selected = list(asked.values())
        plan = make_plan(self._parsed, selected, self._checks, self._backend_of(selected))
        if only is not None:
            plan.only = {asked[name].name: checks for name, checks in only.items()}
        writer = results.Writer(self._directory / "again" if only else self._directory)
        # What is expected of a release is not written anywhere.
        if run_plan(plan, writer, self._console, failures=False) == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        found = compare.columns(writer.document, [server.name for server in selected])
        return [replace(column, name=name) for name, column in zip(names, found, strict=True)]

    def _backend_of(self, servers: Sequence[Server]) -> str:
        """Unlike for a run, `auto` is local processes: of each release an image would be built."""
        if self._parsed.backend == "auto" and not any(
            server.missing("process") for server in servers
        ):
            return "process"
        return backend_name(self._parsed, self._console)
