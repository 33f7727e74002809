"""The command `wsgi-conform`: reads arguments, calls what does the work, returns the exit status.

0  everything is as expected      2  wrong usage, or no check was selected
1  an unexpected fail, or fixed   3  an error: the harness, or a deployment that did not start
                                130  interrupted
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance import (
    __version__,
    catalogue,
    doctor,
    expectations,
    parity,
    registry,
    releases,
    replay,
    results,
)
from conformance.backends import Address, BackendError, EngineUnavailable
from conformance.backends.remote import NAME, address_of, in_active_profiles
from conformance.capabilities import Capabilities
from conformance.client.wire import TIME_LIMIT_S
from conformance.plugin import make_backend
from conformance.progress import LiveProgress, PlainProgress
from conformance.registry import Server
from conformance.report import pages, terminal
from conformance.report.exchanges import Again
from conformance.runner import EXIT_INTERRUPTED, Plan, Runner
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR, EXIT_USAGE, Verdict

#: Where results are, unless something else is said.
RESULTS = Path("results")
#: Pytest processes side by side. They wait more than they compute, hence more than processors.
DEFAULT_JOBS = (os.cpu_count() or 2) * 2

_WRONG_USAGE = (
    registry.RegistryError,
    registry.UnknownServer,
    catalogue.SelectionError,
    expectations.ExpectationError,
    replay.SourceError,
)


class UsageError(Exception):
    """Arguments that do not go together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A server's words must not break the report where the terminal cannot show them.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.call(parsed)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("wsgi-conform: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still buffered has nowhere to go, and
        # would be complained about when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except (UsageError, *_WRONG_USAGE) as error:
        print(f"wsgi-conform: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (BackendError, results.ResultsError) as error:
        print(f"wsgi-conform: {error}", file=sys.stderr)
        return EXIT_ERROR
    except Exception:
        # Python's own status for this would be 1, which says that a server failed a check.
        traceback.print_exc()
        print("wsgi-conform: this is a fault of the harness", file=sys.stderr)
        return EXIT_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wsgi-conform", description="Conformance tests for WSGI servers."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    servers = commands.add_parser("servers", help="list the servers")
    _add_compose(servers)
    servers.add_argument(
        "--format", choices=("table", "json", "markdown", "github-matrix"), default="table"
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
    checks.add_argument("-k", metavar="EXPR", default="", dest="expression", help="only these")
    checks.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    checks.set_defaults(call=_checks)

    run = commands.add_parser(
        "run",
        help="start servers, check them, stop them, report",
        description="Without a name: every server of the registry.",
    )
    run.add_argument("names", nargs="*", metavar="NAME", help="servers, as `servers` lists them")
    _add_compose(run)
    _add_backend(run)
    run.add_argument(
        "--url",
        help="check what already runs there (http://HOST:PORT) instead of starting it; {name} "
        "in it stands for the server's name",
    )
    run.add_argument(
        "--capability",
        action="append",
        metavar="NAME=VALUE",
        help="with --url and no name: what the server can do, e.g. threads=8, keep-alive=true; "
        "what is not declared is not checked",
    )
    run.add_argument(
        "--jobs",
        type=_positive,
        default=DEFAULT_JOBS,
        help="servers side by side (default %(default)s)",
    )
    run.add_argument(
        "-k",
        metavar="EXPR",
        default="",
        dest="expression",
        help="only checks that match, as for pytest: 'routing or hooks', 'session and not flash'",
    )
    run.add_argument("--results", metavar="DIR", type=Path, default=RESULTS)
    run.add_argument(
        "--expectations",
        metavar="DIR",
        type=Path,
        default=expectations.DIRECTORY,
        help="where the known deviations are listed",
    )
    _add_time_limit(run)
    run.add_argument(
        "--parity",
        action="store_true",
        help=f"show as well what is the same as {parity.REFERENCE}'s, which has to be in the run",
    )
    run.set_defaults(call=_run)

    again = commands.add_parser(
        "replay",
        help="send what a run has recorded once more, and show both answers",
        description="Exit status: 0 it was sent, whatever came back; 2 wrong usage; 3 the "
        "deployment did not start, nothing listens there, or not every byte is recorded.",
    )
    again.add_argument(
        "source",
        metavar="SOURCE",
        help="a check's id, or a file with the bytes of a request (- for standard input)",
    )
    again.add_argument(
        "target",
        metavar="TARGET",
        help="a server as `servers` lists it, NAME@VERSION, or http://HOST:PORT",
    )
    _add_compose(again)
    again.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="the run that recorded it (default %(default)s)",
    )
    again.add_argument(
        "--recorded-on",
        metavar="NAME",
        help=f"the server whose exchanges are sent (TARGET where it was in the run, "
        f"else {parity.REFERENCE})",
    )
    again.add_argument(
        "--exchange", metavar="N", type=_positive, help="only this one of the check's"
    )
    _add_backend(again)
    _add_time_limit(again)
    again.add_argument("--format", choices=("terminal", "json"), default="terminal")
    again.set_defaults(call=_replay)

    examine = commands.add_parser("doctor", help="say what this machine can do")
    examine.set_defaults(call=_doctor)
    return parser


def _add_compose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compose",
        metavar="FILE",
        type=Path,
        help="another registry than the one that comes along",
    )


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="containers or local processes; auto: containers where an engine answers",
    )
    parser.add_argument("--framework", choices=("reference", "flask"), default="reference")


def _add_time_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=_positive_seconds,
        default=TIME_LIMIT_S,
        help="how long a server may be silent before it hangs (default %(default)g)",
    )


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, found {text!r}")
    return int(text)


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, found {text!r}")
    return seconds


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Rich would end the interpreter with status 1, which says that a server failed a check.
        raise BrokenPipeError


def _console() -> Console:
    return _Console(highlight=False)


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
        _table(("server", "project", "capabilities", "backends", "last run"), rows)
        if last is not None:
            print(f"\nlast run: {path}, {last['run']['started']}, {last['run']['backend']}")
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
        _table(
            ("check", "level", "clause", "requires"),
            [
                (check.id, check.level, str(check.source), ", ".join(check.requires))
                for check in checks
            ],
        )
        print(f"\n{len(checks)} checks")
    return EXIT_AS_EXPECTED


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _run(parsed: argparse.Namespace) -> int:
    console = _console()
    with tempfile.TemporaryDirectory(prefix="wsgi-conform-") as directory:
        if parsed.url is not None and not parsed.names and NAME not in parsed.url:
            parsed.compose = _remote_registry(Path(directory), parsed.url, parsed.capability or [])
            if not parsed.capability:
                console.print(
                    "nothing is declared of it (--capability): taken to handle one request at a "
                    "time, and one on a connection",
                    soft_wrap=True,
                )
        elif parsed.capability:
            raise UsageError("--capability goes with --url and no server's name")
        servers = releases.select(registry.load(parsed.compose), parsed.names)
        backend = _backend_name(parsed, console)
        if not parsed.names:
            servers = _those_that_run(servers, backend, parsed.url, console)
        return _run_servers(parsed, servers, backend, console)


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
    parsed: argparse.Namespace, servers: Sequence[Server], backend: str, console: Console
) -> int:
    if parsed.url is not None:
        for server in servers:
            _address(parsed.url.replace(NAME, server.name))
        if len(servers) > 1 and NAME not in parsed.url:
            raise UsageError(
                f"--url for {len(servers)} servers needs {NAME} in it, for each one's name"
            )
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
    plan = Plan(
        servers=servers,
        checks=checks,
        backend=make_backend(backend, parsed.url, parsed.framework, None),
        framework=parsed.framework,
        url=parsed.url,
        compose=parsed.compose,
        expectations=parsed.expectations,
        expression=parsed.expression,
        time_limit_s=parsed.time_limit,
        jobs=parsed.jobs,
    )
    writer = results.Writer(parsed.results)
    progress = (LiveProgress if console.is_terminal else PlainProgress)(console, len(checks))
    with progress:
        status = Runner(plan, writer, progress).run()
    terminal.write(results.load(writer.path), console, parity=parsed.parity, again=_again(parsed))
    print(f"results: {writer.path}")
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


def _replay(parsed: argparse.Namespace) -> int:
    parsed.url = parsed.target if "://" in parsed.target else None
    if parsed.url is not None:
        target = replay.Target(parsed.target, _address(parsed.url))
    else:
        [server] = releases.select(registry.load(parsed.compose), [parsed.target])
    source = replay.find(
        parsed.source,
        parsed.results / results.FILE_NAME,
        parsed.target,
        recorded_on=parsed.recorded_on,
        exchange=parsed.exchange,
    )
    with contextlib.ExitStack() as stack:
        if parsed.url is None:
            name = _backend_name(parsed, _Console(stderr=True, highlight=False))
            backend = make_backend(name, None, parsed.framework, None)
            target = stack.enter_context(replay.started(backend, server))
        sender = stack.enter_context(replay.Replay(target, parsed.time_limit))
        if parsed.format == "json":
            found = list(sender.send(source))
            print(json.dumps(replay.as_json(source, target, found), indent=2))
        else:
            found = []
            print(replay.heading(source, target))
            for replayed in sender.send(source):
                found.append(replayed)
                print("\n".join(["", *replay.told(replayed, source)]))
    return EXIT_ERROR if any(replayed.refused for replayed in found) else EXIT_AS_EXPECTED


def _address(url: str) -> Address:
    try:
        return address_of(url)
    except BackendError as error:
        raise UsageError(str(error)) from error


def _backend_name(parsed: argparse.Namespace, console: Console) -> str:
    name: str = parsed.backend
    if name != "auto":
        return name
    if parsed.url is not None:
        return "process"
    from conformance.backends.engine import probe

    try:
        probe()
    except EngineUnavailable as error:
        reason = str(error).partition("\n")[0]
        console.print(f"no container engine ({reason}): running local processes", soft_wrap=True)
        return "process"
    return "docker"


def _doctor(parsed: argparse.Namespace) -> int:
    findings = doctor.examine()
    for finding in findings:
        print(f"{'ok' if finding.ok else 'no':<4}{finding.subject:<20}{finding.text}")
    return EXIT_AS_EXPECTED if doctor.can_run(findings) else EXIT_ERROR
