"""`serve`: one deployment in the foreground."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from conformance import registry, releases, serve
from conformance.backends import application
from conformance.backends.process import ProcessBackend
from conformance.commands import (
    UsageError,
    add_compose,
    backend_name,
    new_console,
    positive,
)
from conformance.plugin import make_backend


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    parser = commands.add_parser(
        "serve",
        help="serve the reference application, or one of your own, in the foreground",
        description="Ctrl-C or SIGTERM stops it. docs/own-app.md says more about --app.",
    )
    parser.add_argument("name", metavar="NAME", help="a server, as `servers` lists them")
    add_compose(parser)
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
        "--port", type=positive, metavar="N", help="of 127.0.0.1 (default: any that is free)"
    )
    parser.add_argument(
        "--backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="a container or a local process, as for `run`; with --app always a process",
    )
    parser.add_argument(
        "--framework",
        choices=("reference", "flask"),
        help="what the reference application runs on (default: reference)",
    )
    parser.set_defaults(call=_serve, url=None)


def _serve(parsed: argparse.Namespace) -> int:
    [server] = releases.select(registry.load(parsed.compose), [parsed.name])
    if parsed.app is None:
        if parsed.env:
            raise UsageError("--env is for an application of your own (--app)")
        backend = backend_name(parsed, new_console(), [server])
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
    if reason := application.obstacle(server):
        raise UsageError(reason)
    own = application.Application(
        parsed.app,
        application.project_directories(Path.cwd()),
        application.variables(parsed.env, os.environ),
    )
    return serve.serve(server, ProcessBackend(application=own), parsed.app, parsed.port)
