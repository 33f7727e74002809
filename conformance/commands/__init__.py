"""The subcommands of `wsgi-conform`, and what they have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from conformance import expectations, shards
from conformance.backends import Address, Backend, BackendError, EngineUnavailable
from conformance.backends.remote import address_of
from conformance.clauses import Clause
from conformance.client.wire import TIME_LIMIT_S
from conformance.plugin import make_backend
from conformance.progress import LiveProgress, PlainProgress
from conformance.registry import Server
from conformance.results import Writer
from conformance.runner import Plan, Runner

#: Where results are, unless something else is said.
RESULTS = Path("results")
#: Deployments judged side by side for each processor: most of them wait more than they compute.
JOBS = 4
#: How many more for each processor while some have nothing to do. To start a container is too much
#: work for that.
MORE_JOBS = {"process": 2, "docker": 0}


class UsageError(Exception):
    """Arguments that do not go together."""


class Terminal(Console):
    def on_broken_pipe(self) -> None:
        # Rich would end the interpreter with status 1, which says that a server failed a check.
        raise BrokenPipeError


def new_console(*, stderr: bool = False) -> Console:
    """What a report is printed on."""
    return Terminal(highlight=False, stderr=stderr)


def add_compose(parser: argparse.ArgumentParser) -> None:
    """`--compose`."""
    parser.add_argument(
        "--compose",
        metavar="FILE",
        type=Path,
        help="another registry than the one that comes along",
    )


def add_backend(parser: argparse.ArgumentParser, auto: str) -> None:
    """`--backend` and `--framework`.

    :param auto: what the backend `auto` is.
    """
    parser.add_argument(
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help=f"containers or local processes; auto: {auto}",
    )
    parser.add_argument(
        "--framework",
        choices=("reference", "flask"),
        default="reference",
        help="what the reference application runs on",
    )


def add_time_limit(parser: argparse.ArgumentParser) -> None:
    """`--time-limit`."""
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=positive_seconds,
        default=TIME_LIMIT_S,
        help="how long a server may be silent before it hangs (default %(default)g); the limits of "
        "starts, stops and reloads grow with it",
    )


def add_run_options(parser: argparse.ArgumentParser, auto: str) -> None:
    """What every command takes that runs checks.

    :param auto: what the backend `auto` is.
    """
    add_backend(parser, auto)
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=positive,
        help="deployments judged side by side, on each engine (default: four for each processor, "
        "of local processes up to six while processors are idle)",
    )
    parser.add_argument(
        "--engine",
        metavar="URL",
        action="append",
        help="a container engine (unix:///PATH, tcp://HOST:PORT or the name of a Docker context); "
        "given several times, each has its share of the servers",
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
        help="where the known deviations are listed (default: those that come along)",
    )
    add_time_limit(parser)


def positive(text: str) -> int:
    """A number from 1, as the type of an argument."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, found {text!r}")
    return int(text)


def positive_seconds(text: str) -> float:
    """Seconds, above 0 and below an hour."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, found {text!r}")
    return seconds


def backend_name(
    parsed: argparse.Namespace, console: Console, servers: Sequence[Server] = ()
) -> str:
    """The backend that was asked for; says so where `auto` is not containers."""
    name: str = parsed.backend
    if getattr(parsed, "engine", None):
        if name == "process" or parsed.url is not None:
            raise UsageError("--engine is for containers that are started: --backend docker")
        return "docker"
    if name != "auto":
        return name
    if parsed.url is not None:
        return "process"
    if of_files := [server.name for server in servers if server.wheel is not None]:
        console.print(f"{', '.join(of_files)}: running local processes", soft_wrap=True)
        return "process"
    from conformance.backends.engine import probe

    try:
        probe()
    except EngineUnavailable as error:
        reason = str(error).partition("\n")[0]
        console.print(f"no container engine ({reason}): running local processes", soft_wrap=True)
        return "process"
    return "docker"


def address(url: str) -> Address:
    """The address of a URL.

    :raises UsageError: it is none of a server.
    """
    try:
        return address_of(url)
    except BackendError as error:
        raise UsageError(str(error)) from error


def make_plan(
    parsed: argparse.Namespace, servers: Sequence[Server], checks: Sequence[Clause], backend: str
) -> Plan:
    """What the options of `add_run_options` ask for."""
    cores = os.cpu_count() or 2
    return Plan(
        servers=servers,
        checks=checks,
        backend=_backend(parsed, backend),
        framework=parsed.framework,
        url=parsed.url,
        compose=parsed.compose,
        expectations=parsed.expectations,
        expression=parsed.expression,
        time_limit_s=parsed.time_limit,
        jobs=(parsed.jobs or JOBS * cores) * len(parsed.engine or [None]),
        # What somebody else has started is not known to be processes.
        more_jobs=0 if parsed.jobs or parsed.url else MORE_JOBS[backend] * cores,
    )


def _backend(parsed: argparse.Namespace, name: str) -> Backend:
    """The backend of a run, which several engines may be."""
    engines = parsed.engine or [None]
    if name != "docker" or len(engines) == 1:
        return make_backend(name, parsed.url, parsed.framework, None, engines[0])
    from conformance.backends.engines import EnginesBackend

    def split(servers: Sequence[Server], count: int) -> list[list[Server]]:
        weights = [shards.expected_s(server, None, parsed.expectations) for server in servers]
        return shards.split(servers, weights, count)

    return EnginesBackend(engines, split, parsed.framework)


def run_plan(plan: Plan, writer: Writer, console: Console, *, failures: bool = True) -> int:
    """Run a plan and show its progress; the exit status.

    :param failures: whether what is not as expected is shown as it comes.
    """
    total = max([len(only) for only in plan.only.values()] or [len(plan.checks)])
    progress: LiveProgress | PlainProgress
    if console.is_terminal and not console.is_dumb_terminal:
        progress = LiveProgress(console, total, failures=failures)
    else:
        progress = PlainProgress(console, total, failures=failures)
    with progress:
        return Runner(plan, writer, progress).run()


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows below headings, in columns."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
