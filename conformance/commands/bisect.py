"""`bisect`: find the release in which a check changed."""

from __future__ import annotations

import argparse
import difflib
import io
import json
import sys
from collections.abc import Sequence

from conformance import bisect, catalogue, index, registry, releases
from conformance.backends import owner
from conformance.commands import (
    Terminal,
    UsageError,
    add_compose,
    add_run_options,
)
from conformance.commands.compare import Runs
from conformance.report import comparison
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    parser = commands.add_parser(
        "bisect",
        help="find the release in which a check changed",
        description="Exit status: 0 it was found, 3 it was not: the reason is told.",
    )
    parser.add_argument(
        "name", metavar="NAME", help="a server, as `servers` lists them; also NAME+pythonX.Y"
    )
    parser.add_argument("--check", metavar="ID", required=True, help="the check that changed")
    parser.add_argument(
        "--good",
        metavar="VERSION",
        required=True,
        help="a release that passes; DISTRIBUTION==VERSION for one of something beside the server",
    )
    parser.add_argument(
        "--bad", metavar="VERSION", required=True, help="one that fails; newer or older"
    )
    parser.add_argument("--pre-releases", action="store_true", help="look at these as well")
    parser.add_argument("--yanked", action="store_true", help="look at withdrawn ones as well")
    add_compose(parser)
    add_run_options(parser, "a local process where it can be, for no image has to be built")
    parser.add_argument(
        "--format", choices=("terminal", "json"), default="terminal", help="how it is told"
    )
    parser.set_defaults(call=_bisect, url=None, expression="")


def _bisect(parsed: argparse.Namespace) -> int:
    servers = registry.load(parsed.compose)
    [server] = releases.select(servers, [parsed.name])
    if server.version is None or server.release is not None:
        raise UsageError(f"expected a server whose releases are known, found {parsed.name!r}")
    known = [check.id for check in catalogue.collect()]
    if parsed.check not in known:
        close = difflib.get_close_matches(parsed.check, known, n=3)
        raise UsageError(f"no check is called {parsed.check!r}; close: {', '.join(close)}")
    project, good = releases.split_release(server, parsed.good)
    other, bad = releases.split_release(server, parsed.bad)
    if project != other:
        raise UsageError(f"expected releases of one distribution, found {project} and {other}")
    for version in (good, bad):
        releases.at(server, f"{project}=={version}")
        if index.find(project, version) is None:
            raise UsageError(f"{project} has no release {version}")
    between = index.between(
        *(project, good, bad),
        pre_releases=parsed.pre_releases,
        yanked=parsed.yanked,
    )
    console = Terminal(highlight=False, stderr=parsed.format != "terminal")
    console.print(
        f"{len(between)} releases of {project}, about {bisect.runs_needed(len(between))} "
        f"of them to look at",
        soft_wrap=True,
    )
    steps: list[bisect.Step] = []
    with owner.scratch() as directory:
        run = Runs(parsed, servers, directory, Terminal(file=io.StringIO()))

        def judge(asked: Sequence[index.Release]) -> list[bisect.Step]:
            names = [releases.at(server, f"{project}=={release.version}").name for release in asked]
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
