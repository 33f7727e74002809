"""`page`: serve the page of a results directory, while a run is still at it as well."""

from __future__ import annotations

import argparse
import threading
from datetime import datetime
from pathlib import Path

from conformance.backends import Address
from conformance.commands import RESULTS, UsageError
from conformance.commands.report import PAGE
from conformance.results import FILE_NAME
from conformance.verdicts import EXIT_AS_EXPECTED
from reference_app.framework import Flask, Response, send_from_directory
from reference_app.serving import Settings
from reference_app.serving.run import StartError, create_server, serve

#: Seconds between two looks at whether there is a new page.
_POLL_S = 0.5
_NOT_YET = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>wsgi-conform</title><body style="font: 1rem system-ui; margin: 3rem">
<h1>There are no results yet</h1><p>A run writes them when it is done. This page looks by itself.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    parser = commands.add_parser(
        "page",
        help="serve the page of a results directory",
        description="Serves what a run has written, or will write, until Ctrl-C.",
    )
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="DIR",
        type=Path,
        default=RESULTS,
        help="where the results are, or will be (default %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument(
        "--port", type=_port, default=8080, help="0 takes a free one (default %(default)s)"
    )
    parser.set_defaults(call=_page)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)


def application(directory: Path) -> Flask:
    """What serves the page, on this project's own framework."""
    app = Flask(__name__, static_folder=None)

    @app.get("/")
    @app.get(f"/{PAGE}")
    def show() -> Response:
        if not (directory / PAGE).is_file():
            return Response(_NOT_YET, mimetype="text/html")
        return send_from_directory(directory, PAGE, max_age=0)

    @app.get(f"/{FILE_NAME}")
    def document() -> Response:
        return send_from_directory(directory, FILE_NAME, max_age=0)

    return app


def _page(parsed: argparse.Namespace) -> int:
    directory = parsed.directory.resolve()
    if not directory.is_dir():
        raise UsageError(
            f"{parsed.directory}: expected a directory of results, which `run` writes and `report` "
            f"as well; there is none"
        )
    try:
        server = create_server(
            parsed.host,
            parsed.port,
            application(directory),
            threaded=True,
            settings=Settings(access_log=False),
        )
    except StartError as error:
        raise UsageError(str(error)) from error
    # Any address of this machine is reached by the loopback one.
    host = "127.0.0.1" if parsed.host in ("0.0.0.0", "::") else parsed.host
    url = Address(host, server.server_address[1]).url
    stopped = threading.Event()
    watcher = threading.Thread(target=_announce, args=(directory / PAGE, url, stopped))
    watcher.start()
    try:
        serve(server)
    finally:
        stopped.set()
        watcher.join()
    return EXIT_AS_EXPECTED


def _announce(page: Path, url: str, stopped: threading.Event) -> None:
    """Say where the page is, whenever there is a new one."""
    seen: float | None = None
    if not page.is_file():
        print(f"{url} will show the results", flush=True)
    while True:
        changed = page.stat().st_mtime if page.is_file() else None
        if changed is not None and changed != seen:
            when = datetime.fromtimestamp(changed).isoformat(" ", "seconds")
            print(f"{url} shows the results of {when}", flush=True)
        seen = changed
        if stopped.wait(_POLL_S):
            return
