"""The command `wsgi-conform`: reads arguments, calls what does the work, returns the exit status.

0  everything is as expected      2  wrong usage, or no check was selected
1  an unexpected fail, or fixed   3  an error: the harness, or a deployment that did not start
                                130  interrupted
"""

from __future__ import annotations

import argparse
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
    results,
    serve,
)
from conformance.backends import BackendError, EngineUnavailable, application
from conformance.backends.process import ProcessBackend
from conformance.backends.remote import NAME, address_of, in_active_profiles
from conformance.capabilities import Capabilities
from conformance.client.wire import TIME_LIMIT_S
from conformance.plugin import make_backend
from conformance.progress import LiveProgress, PlainProgress
from conformance.registry import Server
from conformance.report import pages, terminal
from conformance.runner import EXIT_INTERRUPTED, Plan, Runner
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR, EXIT_USAGE, Verdict

#: Pytest processes side by side. They wait more than they compute, hence more than processors.
DEFAULT_JOBS = (os.cpu_count() or 2) * 2

_WRONG_USAGE = (
    registry.RegistryError,
    registry.UnknownServer,
    application.ApplicationError,
    catalogue.SelectionError,
    expectations.ExpectationError,
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
        default=Path("results"),
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
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="containers or local processes; auto: containers where an engine answers",
    )
    run.add_argument(
        "--url",
        help="check what already runs there (http://HOST:PORT) instead of starting it; {name} "
        "in it stands for the server's name",
    )
    run.add_argument(
        "--capability",
        action="append",
        metavar="NAME=VALUE",
        help="with --url and no name: what the server can do, e.g. threads=8, keep-alive=true",
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
    run.add_argument("--results", metavar="DIR", type=Path, default=Path("results"))
    run.add_argument("--framework", choices=("reference", "flask"), default="reference")
    run.add_argument(
        "--expectations",
        metavar="DIR",
        type=Path,
        default=expectations.DIRECTORY,
        help="where the known deviations are listed",
    )
    run.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=_positive_seconds,
        default=TIME_LIMIT_S,
        help="how long a server may be silent before it hangs (default %(default)g)",
    )
    run.add_argument(
        "--parity",
        action="store_true",
        help=f"show as well what is the same as {parity.REFERENCE}'s, which has to be in the run",
    )
    run.set_defaults(call=_run)

    _add_serve(commands)

    examine = commands.add_parser("doctor", help="say what this machine can do")
    examine.set_defaults(call=_doctor)
    return parser


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
    with tempfile.TemporaryDirectory(prefix="wsgi-conform-") as directory:
        if parsed.url is not None and not parsed.names and NAME not in parsed.url:
            parsed.compose = _remote_registry(Path(directory), parsed.url, parsed.capability or [])
        elif parsed.capability:
            raise UsageError("--capability goes with --url and no server's name")
        servers = releases.select(registry.load(parsed.compose), parsed.names)
        console = _console()
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
        try:
            for server in servers:
                address_of(parsed.url.replace(NAME, server.name))
        except BackendError as error:
            raise UsageError(str(error)) from error
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
    terminal.write(results.load(writer.path), console, parity=parsed.parity)
    print(f"results: {writer.path}")
    return status


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
