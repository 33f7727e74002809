"""`servers` and `checks`: what there is."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from conformance import catalogue, registry, results
from conformance.commands import (
    RESULTS,
    add_compose,
    table,
)
from conformance.report import pages
from conformance.report.terminal import printable
from conformance.verdicts import EXIT_AS_EXPECTED, Verdict


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommands to a parser."""
    servers = commands.add_parser("servers", help="list the servers")
    add_compose(servers)
    servers.add_argument(
        "--format",
        choices=("table", "json", "markdown", "github-matrix"),
        default="table",
        help="how they are listed",
    )
    servers.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="the run whose verdicts the table shows (default %(default)s)",
    )
    servers.set_defaults(call=_servers)

    checks = commands.add_parser("checks", help="list the checks")
    checks.add_argument(
        "-k",
        metavar="EXPR",
        default="",
        dest="expression",
        help="only those that match, as for `run`",
    )
    checks.add_argument(
        "--format",
        choices=("table", "json", "markdown"),
        default="table",
        help="how they are listed",
    )
    checks.set_defaults(call=_checks)


def _servers(parsed: argparse.Namespace) -> int:
    servers = registry.load(parsed.compose)
    if parsed.format == "json":
        print(json.dumps([server.as_json() for server in servers], indent=2))
    elif parsed.format == "markdown":
        unavailable = registry.load_not_available(parsed.compose)
        print(pages.servers([server.as_json() for server in servers], unavailable), end="")
    elif parsed.format == "github-matrix":
        # The value of `strategy.matrix` in a workflow: one job per server.
        print(json.dumps({"server": [server.name for server in servers]}))
    else:
        path = parsed.results / results.FILE_NAME
        last = results.load(path) if path.exists() else None
        rows = [
            (
                server.name,
                f"{server.project} {server.version or ''}",
                ", ".join(
                    f"{name} {value}" for name, value in server.capabilities.as_json().items()
                ),
                ", ".join(server.backends),
                _last_verdicts(last, server.name),
            )
            for server in servers
        ]
        table(("server", "project", "capabilities", "backends", "last run"), rows)
        if last is not None:
            when = f"{last['run']['started']}, {last['run']['backend']}"
            print(f"\nlast run: {path}, {printable(when)}")
    return EXIT_AS_EXPECTED


def _last_verdicts(document: dict[str, Any] | None, name: str) -> str:
    """What a run said of a server, in short."""
    for server in document["servers"] if document is not None else ():
        if server["name"] == name:
            found = Counter(check["verdict"] for check in server["checks"])
            counted = ", ".join(f"{found[word]} {word}" for word in Verdict if found[word])
            return f"{server['version'] or ''} {counted or 'nothing'}".strip()
    return "not run"


def _checks(parsed: argparse.Namespace) -> int:
    checks = catalogue.collect(parsed.expression)
    if parsed.format == "json":
        print(json.dumps([catalogue.as_json(check) for check in checks], indent=2))
    elif parsed.format == "markdown":
        print(pages.checks([catalogue.as_json(check) for check in checks]), end="")
    else:
        table(
            ("check", "level", "clause", "requires"),
            [
                (check.id, check.level, str(check.source), ", ".join(check.requires))
                for check in checks
            ],
        )
        print(f"\n{len(checks)} checks")
    return EXIT_AS_EXPECTED
