"""`replay`: send what a run has recorded once more, and show both answers."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from conformance import parity, registry, releases, replay, results
from conformance.commands import (
    RESULTS,
    Terminal,
    add_backend,
    add_compose,
    add_time_limit,
    address,
    backend_name,
    positive,
)
from conformance.plugin import make_backend
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
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
    add_compose(parser)
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
        "--exchange", metavar="N", type=positive, help="only this one of the check's"
    )
    add_backend(parser, "containers where an engine answers")
    add_time_limit(parser)
    parser.add_argument(
        "--format", choices=("terminal", "json"), default="terminal", help="how it is told"
    )
    parser.set_defaults(call=_replay)


def _replay(parsed: argparse.Namespace) -> int:
    parsed.url = parsed.target if "://" in parsed.target else None
    if parsed.url is not None:
        target = replay.Target(parsed.target, address(parsed.url))
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
            name = backend_name(parsed, Terminal(stderr=True, highlight=False), [server])
            backend = make_backend(name, None, parsed.framework, None)
            target = stack.enter_context(replay.started(backend, server, parsed.time_limit))
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
