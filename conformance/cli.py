"""The command `wsgi-conform`: reads arguments, calls what does the work, returns the exit status.

0  everything is as expected      2  wrong usage, or no check was selected
1  an unexpected fail, or fixed   3  an error: the harness, or a deployment that did not start
                                130  interrupted
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import json
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance import (
    __version__,
    bisect,
    catalogue,
    compare,
    doctor,
    expectations,
    index,
    parity,
    registry,
    releases,
    replay,
    results,
    serve,
)
from conformance.backends import Address, BackendError, EngineUnavailable, application
from conformance.backends.process import ProcessBackend
from conformance.backends.remote import NAME, address_of, in_active_profiles
from conformance.capabilities import Capabilities
from conformance.clauses import Clause
from conformance.client.wire import TIME_LIMIT_S
from conformance.plugin import make_backend
from conformance.progress import LiveProgress, PlainProgress
from conformance.registry import Server
from conformance.report import comparison, pages, terminal
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
    application.ApplicationError,
    catalogue.SelectionError,
    expectations.ExpectationError,
    replay.SourceError,
)


#: Two columns of a comparison differ.
EXIT_DIFFERENT = 1


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
    run.add_argument("--results", metavar="DIR", type=Path, default=RESULTS)
    _add_run_options(run, "containers where an engine answers")
    run.add_argument(
        "--parity",
        action="store_true",
        help=f"show as well what is the same as {parity.REFERENCE}'s, which has to be in the run",
    )
    run.set_defaults(call=_run)

    _add_compare(commands)
    _add_bisect(commands)
    _add_replay(commands)
    _add_serve(commands)

    examine = commands.add_parser("doctor", help="say what this machine can do")
    examine.set_defaults(call=_doctor)
    return parser


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "replay",
        help="send what a run has recorded once more, and show both answers",
        description="Exit status: 0 it was sent, whatever came back; 2 wrong usage; 3 the "
        "deployment did not start, nothing listens there, or not every byte is recorded.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a check's id, or a file with the bytes of a request (- for standard input)",
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="a server as `servers` lists it, NAME@VERSION, or http://HOST:PORT",
    )
    _add_compose(parser)
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="the run that recorded it (default %(default)s)",
    )
    parser.add_argument(
        "--recorded-on",
        metavar="NAME",
        help=f"the server whose exchanges are sent (TARGET where it was in the run, "
        f"else {parity.REFERENCE})",
    )
    parser.add_argument(
        "--exchange", metavar="N", type=_positive, help="only this one of the check's"
    )
    _add_backend(parser, "containers where an engine answers")
    _add_time_limit(parser)
    parser.add_argument("--format", choices=("terminal", "json"), default="terminal")
    parser.set_defaults(call=_replay)


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    _add_compose(parser)
    _add_run_options(parser, "local processes where they can be, for no image has to be built")
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        default=Path("results/compare"),
        help="where the results of what is run go (default %(default)s)",
    )
    parser.add_argument("--format", choices=("terminal", "json", "markdown"), default="terminal")
    parser.add_argument("--brief", action="store_true", help="on the terminal: leave out the bytes")
    parser.add_argument(
        "--fail-on",
        metavar="LEVELS",
        type=_levels,
        default=("must",),
        help="levels with a comma between them, `any` or `none` (default must)",
    )
    parser.set_defaults(call=_compare, url=None)


def _add_bisect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bisect",
        help="find the release in which a check changed",
        description="Exit status: 0 it was found, 3 it was not: the reason is told.",
    )
    parser.add_argument(
        "name", metavar="NAME", help="a server, as `servers` lists them; also NAME+pythonX.Y"
    )
    parser.add_argument("--check", metavar="ID", required=True)
    parser.add_argument("--good", metavar="VERSION", required=True, help="a release that passes")
    parser.add_argument(
        "--bad", metavar="VERSION", required=True, help="one that fails; newer or older"
    )
    parser.add_argument("--pre-releases", action="store_true", help="look at these as well")
    parser.add_argument("--yanked", action="store_true", help="look at withdrawn ones as well")
    _add_compose(parser)
    _add_run_options(parser, "a local process where it can be, for no image has to be built")
    parser.add_argument("--format", choices=("terminal", "json"), default="terminal")
    parser.set_defaults(call=_bisect, url=None, expression="")


def _add_run_options(parser: argparse.ArgumentParser, auto: str) -> None:
    """What every command takes that runs checks.

    :param auto: what the backend `auto` is.
    """
    _add_backend(parser, auto)
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=DEFAULT_JOBS,
        help="servers side by side (default %(default)s)",
    )
    parser.add_argument(
        "-k",
        metavar="EXPR",
        default="",
        dest="expression",
        help="only checks that match, as for pytest: 'routing or hooks', 'session and not flash'",
    )
    parser.add_argument(
        "--expectations",
        metavar="DIR",
        type=Path,
        default=expectations.DIRECTORY,
        help="where the known deviations are listed",
    )
    _add_time_limit(parser)


def _levels(text: str) -> tuple[str, ...]:
    if text in ("any", "none"):
        return compare.LEVELS if text == "any" else ()
    found = tuple(text.split(","))
    if not set(found) <= set(compare.LEVELS):
        raise argparse.ArgumentTypeError(
            f"expected some of {', '.join(compare.LEVELS)}, or any, or none; found {text!r}"
        )
    return found


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="serve the reference application, or one of your own, in the foreground",
        description="Ctrl-C or SIGTERM stops it. docs/own-app.md says more about --app.",
    )
    parser.add_argument("name", metavar="NAME", help="a server, as `servers` lists them")
    _add_compose(parser)
    parser.add_argument(
        "--app",
        metavar="MODULE:CALLABLE",
        help="your own application, from this directory and this Python's packages",
    )
    parser.add_argument(
        "--env",
        metavar="NAME[=VALUE]",
        action="append",
        default=[],
        help="with --app: an environment variable for it; without a value, the one of this shell",
    )
    parser.add_argument(
        "--port", type=_positive, metavar="N", help="of 127.0.0.1 (default: any that is free)"
    )
    parser.add_argument(
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="a container or a local process, as for `run`; with --app always a process",
    )
    parser.add_argument("--framework", choices=("reference", "flask"))
    parser.set_defaults(call=_serve, url=None)


def _add_compose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compose",
        metavar="FILE",
        type=Path,
        help="another registry than the one that comes along",
    )


def _add_backend(parser: argparse.ArgumentParser, auto: str) -> None:
    parser.add_argument(
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help=f"containers or local processes; auto: {auto}",
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
    writer = results.Writer(parsed.results)
    status = _run_plan(_plan(parsed, servers, checks, backend), writer, console)
    terminal.write(results.load(writer.path), console, parity=parsed.parity, again=_again(parsed))
    print(f"results: {writer.path}")
    return status


def _plan(
    parsed: argparse.Namespace, servers: Sequence[Server], checks: Sequence[Clause], backend: str
) -> Plan:
    return Plan(
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


def _run_plan(
    plan: Plan, writer: results.Writer, console: Console, *, failures: bool = True
) -> int:
    progress: LiveProgress | PlainProgress
    if console.is_terminal:
        progress = LiveProgress(console, len(plan.checks))
    else:
        progress = PlainProgress(console, len(plan.checks), failures=failures)
    with progress:
        return Runner(plan, writer, progress).run()


def _runner(
    parsed: argparse.Namespace, servers: Sequence[Server], directory: Path, console: Console
) -> compare.Run:
    """What runs deployments for a comparison, and keeps the results in a directory."""
    checks = catalogue.collect(parsed.expression)

    def run(names: Sequence[str], only: dict[str, Sequence[str]] | None) -> list[compare.Column]:
        selected = releases.select(servers, names)
        plan = _plan(parsed, selected, checks, _backend_of(parsed, selected, console))
        plan.only = only or {}
        writer = results.Writer(directory / "again" if only else directory)
        # What is expected of a release is not written anywhere.
        if _run_plan(plan, writer, console, failures=False) == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        return compare.columns(results.load(writer.path))

    return run


def _backend_of(parsed: argparse.Namespace, servers: Sequence[Server], console: Console) -> str:
    """Unlike for a run, `auto` is local processes: of each release an image would be built."""
    if parsed.backend == "auto" and not any(server.missing("process") for server in servers):
        return "process"
    return _backend_name(parsed, console)


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
        for column in compare.columns(results.load(path), None if name is None else [name]):
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
    run = _runner(parsed, servers, parsed.results, _Console(highlight=False, stderr=True))
    found, pairs = compare.compare(names, run, recorded)
    if parsed.format == "json":
        print(json.dumps(compare.as_json(pairs, found), indent=2))
    elif parsed.format == "markdown":
        print(comparison.markdown(found, pairs), end="")
    else:
        comparison.terminal(found, pairs, _console(), parsed.brief)
    if any(column.error is not None for column in found):
        return EXIT_ERROR
    if pairs:
        differ = any(compared.differ_in(parsed.fail_on) for compared in pairs)
    else:
        differ = any(row.check["level"] in parsed.fail_on for row in compare.rows(found))
    return EXIT_DIFFERENT if differ else EXIT_AS_EXPECTED


def _bisect(parsed: argparse.Namespace) -> int:
    servers = registry.load(parsed.compose)
    [server] = releases.select(servers, [parsed.name])
    if server.version is None or (
        server.base is not None and server.base.version != server.version
    ):
        raise UsageError(f"expected a server whose releases are known, found {parsed.name!r}")
    known = [check.id for check in catalogue.collect()]
    if parsed.check not in known:
        close = difflib.get_close_matches(parsed.check, known, n=3)
        raise UsageError(f"no check is called {parsed.check!r}; close: {', '.join(close)}")
    for version in (parsed.good, parsed.bad):
        releases.at(server, version)
        if index.find(server.project, version) is None:
            raise UsageError(f"{server.project} has no release {version}")
    between = index.between(
        *(server.project, parsed.good, parsed.bad),
        pre_releases=parsed.pre_releases,
        yanked=parsed.yanked,
    )
    console = _Console(highlight=False, stderr=parsed.format != "terminal")
    console.print(
        f"{len(between)} releases of {server.project}, about {bisect.runs_needed(len(between))} "
        f"of them to look at",
        soft_wrap=True,
    )
    steps: list[bisect.Step] = []
    with tempfile.TemporaryDirectory(prefix="wsgi-conform-") as directory:
        run = _runner(parsed, servers, Path(directory), _Console(file=io.StringIO()))

        def judge(asked: Sequence[index.Release]) -> list[bisect.Step]:
            names = [releases.at(server, str(release.version)).name for release in asked]
            found = run(names, {name: [parsed.check] for name in names})
            told = [
                bisect.step(release, column, parsed.check)
                for release, column in zip(asked, found, strict=True)
            ]
            for step in told:
                console.print(comparison.step(step), soft_wrap=True)
            steps.extend(told)
            return told

        try:
            found = bisect.bisect(between, judge)
        except bisect.NotFound as error:
            if parsed.format == "json":
                document = {"steps": [step.as_json() for step in steps], "found": None}
                print(json.dumps({**document, "error": str(error)}, indent=2))
            print(f"wsgi-conform: {error}", file=sys.stderr)
            return EXIT_ERROR
    if parsed.format == "json":
        print(json.dumps(bisect.as_json(parsed.check, steps, found), indent=2))
    else:
        comparison.bisection(parsed.check, found, console)
    return EXIT_AS_EXPECTED


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


def _serve(parsed: argparse.Namespace) -> int:
    [server] = releases.select(registry.load(parsed.compose), [parsed.name])
    if parsed.app is None:
        if parsed.env:
            raise UsageError("--env is for an application of your own (--app)")
        backend = _backend_name(parsed, _console())
        framework = parsed.framework or "reference"
        served = f"the reference application on the framework {framework!r}"
        return serve.serve(
            server, make_backend(backend, None, framework, None), served, parsed.port
        )
    if parsed.framework is not None:
        raise UsageError("--framework is what the reference application runs on, not your own")
    if parsed.backend == "docker":
        raise UsageError(
            "your own application runs in a local process (--backend process): an image would have "
            "to contain it, and all that it needs"
        )
    if reason := server.missing("process"):
        raise UsageError(f"{server.name} does not run as a local process here: {reason}")
    own = application.Application(
        parsed.app,
        application.project_directories(Path.cwd()),
        application.variables(parsed.env, os.environ),
    )
    return serve.serve(server, ProcessBackend(application=own), parsed.app, parsed.port)


def _backend_name(parsed: argparse.Namespace, console: Console) -> str:
    name: str = parsed.backend
    if name != "auto":
        return name
    if parsed.url is not None:
        return "process"
    if (
        parsed.compose is None
        and not registry.default_path().with_name("docker").joinpath("Dockerfile").is_file()
    ):
        # A wheel has no Dockerfiles.
        console.print("images are built from a checkout: running local processes", soft_wrap=True)
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
