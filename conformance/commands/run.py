"""`run`: start servers, check them, stop them, report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance import catalogue, expectations, parity, registry, releases, results, shards
from conformance.backends import owner
from conformance.backends.remote import NAME, in_active_profiles
from conformance.capabilities import Capabilities
from conformance.commands import (
    RESULTS,
    UsageError,
    add_compose,
    add_run_options,
    address,
    backend_name,
    make_plan,
    new_console,
    report,
    run_plan,
)
from conformance.registry import Server
from conformance.report.exchanges import Again


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    parser = commands.add_parser(
        "run",
        help="start servers, check them, stop them, report",
        description="Without a name: every server of the registry.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="servers, as `servers` lists them")
    add_compose(parser)
    parser.add_argument(
        "--url",
        help="check what already runs there (http://HOST:PORT) instead of starting it; {name} "
        "in it stands for the server's name",
    )
    parser.add_argument(
        "--capability",
        action="append",
        metavar="NAME=VALUE",
        help="with --url and no name: what the server can do, e.g. threads=8, keep-alive=true; "
        "what is not declared is not checked",
    )
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="where the results go (default %(default)s)",
    )
    add_run_options(parser, "containers where an engine answers")
    parser.add_argument(
        "--parity",
        action="store_true",
        help=f"show as well what is the same as {parity.REFERENCE}'s, which has to be in the run",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        type=_shard,
        help="of all servers, what the K-th of N machines runs; `report` merges their results",
    )
    parser.add_argument(
        "--planned-by",
        metavar="RESULTS",
        type=Path,
        help="with --shard: earlier results, by whose durations the shards are made",
    )
    report.add_outputs(parser)
    parser.set_defaults(call=_run)


def _run(parsed: argparse.Namespace) -> int:
    console = new_console(stderr=report.to_stdout(parsed))
    base = report.base_of(parsed)
    with owner.scratch() as directory:
        if parsed.url is not None and not parsed.names and NAME not in parsed.url:
            parsed.compose = _remote_registry(directory, parsed.url, parsed.capability or [])
            if not parsed.capability:
                console.print(
                    "nothing is declared of it (--capability): taken to handle one request at a "
                    "time, and one on a connection",
                    soft_wrap=True,
                )
        elif parsed.capability:
            raise UsageError("--capability goes with --url and no server's name")
        servers = releases.select(registry.load(parsed.compose), parsed.names)
        backend = backend_name(parsed, console, servers)
        if not parsed.names:
            servers = _those_that_run(servers, backend, parsed.url, console)
        if parsed.shard is not None:
            servers = _of_shard(parsed, servers, console)
        return _run_servers(parsed, servers, backend, base, console)


def _shard(text: str) -> shards.Shard:
    try:
        return shards.Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _of_shard(
    parsed: argparse.Namespace, servers: Sequence[Server], console: Console
) -> list[Server]:
    """The servers of the shard that was asked for; says which they are."""
    recorded = None
    if parsed.planned_by is not None:
        recorded = results.open_document(parsed.planned_by)
    weights = [shards.expected_s(server, recorded, parsed.expectations) for server in servers]
    found = shards.split(servers, weights, parsed.shard.count)[parsed.shard.number - 1]
    if not found:
        raise UsageError(f"shard {parsed.shard} has no server: there are {len(servers)} of them")
    names = ", ".join(server.name for server in found)
    console.print(f"shard {parsed.shard}: {names}", soft_wrap=True)
    return found


def _those_that_run(
    servers: Sequence[Server], backend: str, url: str | None, console: Console
) -> list[Server]:
    """What can be run here of all servers, when none was asked for by name; says what cannot."""
    if url is not None:
        found = in_active_profiles(servers, url)
        left_out = {
            server.name: "its Compose profile is not active"
            for server in servers
            if server not in found
        }
    else:
        reasons = {server.name: server.missing(backend) for server in servers}
        left_out = {name: reason for name, reason in reasons.items() if reason}
        found = [server for server in servers if server.name not in left_out]
    for reason in dict.fromkeys(left_out.values()):
        names = [name for name, why in left_out.items() if why == reason]
        console.print(f"left out ({reason}): {', '.join(names)}", soft_wrap=True)
    if not found:
        raise UsageError("no server is left to run")
    return found


def _remote_registry(directory: Path, url: str, declared: Sequence[str]) -> Path:
    """A registry with one server that is not in any: what already runs at a URL."""
    capabilities: dict[str, Any] = {}
    for text in declared:
        name, _, value = text.partition("=")
        capabilities[name] = (
            json.loads(value) if value in ("true", "false") or value.isdigit() else value
        )
    try:
        Capabilities.parse(capabilities)
    except ValueError as error:
        raise UsageError(f"--capability: {error}") from error
    path = directory / "compose.yaml"
    extension = {"project": "unknown", "documentation": url, "capabilities": capabilities}
    service = {"command": ["(started elsewhere)"], registry.EXTENSION: extension}
    # JSON is YAML.
    path.write_text(json.dumps({"services": {"remote": service}}), encoding="utf-8")
    return path


def _run_servers(
    parsed: argparse.Namespace,
    servers: Sequence[Server],
    backend: str,
    base: results.Document | None,
    console: Console,
) -> int:
    if parsed.url is not None:
        for server in servers:
            address(parsed.url.replace(NAME, server.name))
        if len(servers) > 1 and NAME not in parsed.url:
            raise UsageError(
                f"--url for {len(servers)} servers needs {NAME} in it, for each one's name"
            )
    if parsed.planned_by is not None and parsed.shard is None:
        raise UsageError("--planned-by goes with --shard")
    if parsed.parity and parity.REFERENCE not in {server.name for server in servers}:
        raise UsageError(
            f"--parity compares with {parity.REFERENCE}, which is not in this run: name it as well"
        )
    checks = catalogue.collect(parsed.expression)
    every = checks if not parsed.expression else catalogue.collect()
    ids = {check.id for check in every}
    for server in servers:
        known = expectations.load(server.deployment, server.expectations, None, parsed.expectations)
        expectations.check_ids(known.values(), ids)
    writer = results.Writer(parsed.results)
    status = run_plan(make_plan(parsed, servers, checks, backend), writer, console)
    report.present(parsed, writer.document, base, _again(parsed), console)
    return status


def _again(parsed: argparse.Namespace) -> Again:
    """How what this run records is sent once more: with those of its options that say otherwise."""
    usual: dict[str, object] = {"results": RESULTS}
    if parsed.url is None:
        usual |= {"compose": None, "backend": "auto", "framework": "reference"}
    options: list[str] = []
    for name, value in usual.items():
        if getattr(parsed, name) != value:
            options += [f"--{name}", str(getattr(parsed, name))]
    return Again(parsed.url, tuple(options))
