"""The command `wsgi-conform`: reads arguments, calls what does the work, returns the exit status.

0  everything is as expected      2  wrong usage, or no check was selected
1  an unexpected fail, or fixed   3  an error: the harness, or a deployment that did not start
                                130  interrupted
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence

from conformance import __version__, catalogue, expectations, registry, results
from conformance.backends import BackendError, application, without_credentials
from conformance.commands import (
    UsageError,
    bisect,
    compare,
    doctor,
    listing,
    page,
    replay,
    report,
    run,
    serve,
)
from conformance.replay import SourceError
from conformance.report.terminal import printable
from conformance.runner import EXIT_INTERRUPTED
from conformance.verdicts import EXIT_ERROR, EXIT_USAGE

_WRONG_USAGE = (
    registry.RegistryError,
    registry.UnknownServer,
    application.ApplicationError,
    catalogue.SelectionError,
    expectations.ExpectationError,
    SourceError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A server's words must not break the report where the terminal cannot show them.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parsed = make_parser().parse_args(arguments)
    try:
        status: int = parsed.call(parsed)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still buffered has nowhere to go, and
        # would be complained about when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except (UsageError, *_WRONG_USAGE) as error:
        _say(str(error))
        return EXIT_USAGE
    except (BackendError, results.ResultsError) as error:
        _say(str(error))
        return EXIT_ERROR
    except Exception:
        # Python's own status for this would be 1, which says that a server failed a check.
        sys.stderr.write(printable(without_credentials(traceback.format_exc())))
        _say("this is a fault of the harness")
        return EXIT_ERROR


def _say(text: str) -> None:
    """Say on the terminal why it ends; in which there may be what a server or a file says."""
    print(f"wsgi-conform: {printable(without_credentials(text))}", file=sys.stderr)


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command, with those of its subcommands."""
    parser = argparse.ArgumentParser(
        prog="wsgi-conform", description="Conformance tests for WSGI servers."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (listing, run, report, page, compare, bisect, replay, serve, doctor):
        module.add(commands)
    return parser
