"""`python -m reference_app`: serve a WSGI application with the reference server."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from .serving import Limits, Settings, Timeouts, run_simple
from .serving.server import WSGIApplication


class AppError(Exception):
    """The application cannot be loaded; the message says what was found and what to do about it."""


def load_app(name: str) -> WSGIApplication:
    """Import an application.

    :param name: "module:attribute"; the attribute may be dotted, and is "application" if left out.
    :raises AppError: there is no such module or attribute, it cannot be imported or called.
    """
    module_name, _, attribute = name.partition(":")
    attribute = attribute or "application"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise AppError(
                f"There is no module {error.name!r} to import {name!r} from. Modules are looked for"
                f" in {os.getcwd()} and where Python has its packages."
            ) from error
        raise AppError(
            f"{_traceback(error)}The module {module_name!r} cannot be imported."
        ) from error
    except (Exception, SystemExit) as error:
        raise AppError(
            f"{_traceback(error)}The module {module_name!r} cannot be imported."
        ) from error
    app = module
    for part in attribute.split("."):
        if not hasattr(app, part):
            raise AppError(
                f"The module {module_name!r} has no {attribute!r}. Name the application as"
                f" --app {module_name}:NAME."
            )
        app = getattr(app, part)
    if not callable(app):
        raise AppError(
            f"{module_name}:{attribute} is of type {type(app).__name__} and not callable, so it is"
            " not a WSGI application."
        )
    application: WSGIApplication = app
    return application


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise ValueError
    return seconds


# argparse names the type in its message.
_number.__name__ = "number"
_port.__name__ = "port"
_seconds.__name__ = "number of seconds"


def _parser() -> argparse.ArgumentParser:
    limits, timeouts = Limits(), Timeouts()
    parser = argparse.ArgumentParser(
        prog="python -m reference_app",
        description="Serve a WSGI application with the reference server.",
    )
    add = parser.add_argument
    add(
        "--app",
        default="reference_app.wsgi:application",
        metavar="MODULE:CALLABLE",
        help="the application (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="address, or unix:// and a path (default: %(default)s)")
    add("--port", type=_port, default=8000, help="0 for a free one (default: %(default)s)")
    add("--fd", type=int, help="descriptor of a socket that listens already")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--threaded", action="store_true", help="a thread for each request")
    how.add_argument(
        "--threads", type=_number, metavar="N", help="threads, at most N at the same time"
    )
    how.add_argument(
        "--processes",
        type=_number,
        default=1,
        metavar="N",
        help="processes, at most N at the same time",
    )
    add("--tls-cert", metavar="FILE", help="certificate, in PEM; needs --tls-key")
    add("--tls-key", metavar="FILE", help="its key, in PEM")
    add("--reload", action="store_true", help="start again when a source file changes")
    add("--no-access-log", action="store_true", help="no line for each request")
    for name, default, text in (
        ("keep-alive", timeouts.keep_alive, "an idle connection is kept"),
        ("header-timeout", timeouts.header, "a request's head may take"),
        ("body-timeout", timeouts.body, "a read of a request's body may take"),
        ("send-timeout", timeouts.send, "a client may stop taking the response"),
        ("grace", timeouts.stop, "a stop waits for requests under way"),
    ):
        add(
            f"--{name}",
            type=_seconds,
            default=default,
            metavar="SECONDS",
            help=f"how long {text} (default: %(default)s)",
        )
    for name, number, text in (
        ("request-line", limits.request_line, "bytes of a request line"),
        ("header-fields", limits.header_fields, "header fields of a request"),
        ("header-bytes", limits.header_bytes, "bytes of all header fields"),
        ("body", limits.body, "bytes of a request's body"),
    ):
        add(
            f"--max-{name}",
            type=_number,
            default=number,
            metavar="N",
            help=f"the most {text} (default: %(default)s)",
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: without the program's name; None for those of this process.
    :return: 0 after a graceful stop, 1 if the server could not start or had to cut requests off.
    :raises SystemExit: with status 2, for wrong usage.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key need each other")
    if not options.app.partition(":")[0]:
        parser.error(f"--app takes MODULE:CALLABLE, not {options.app!r}")
    settings = Settings(
        limits=Limits(
            request_line=options.max_request_line,
            header_fields=options.max_header_fields,
            header_bytes=options.max_header_bytes,
            body=options.max_body,
        ),
        timeouts=Timeouts(
            header=options.header_timeout,
            keep_alive=options.keep_alive,
            body=options.body_timeout,
            send=options.send_timeout,
            stop=options.grace,
        ),
        access_log=not options.no_access_log,
    )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        app = load_app(options.app)
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        run_simple(
            options.host,
            options.port,
            app,
            use_reloader=options.reload,
            threaded=options.threaded or options.threads is not None,
            processes=options.processes,
            ssl_context=(options.tls_cert, options.tls_key) if options.tls_cert else None,
            fd=options.fd,
            threads=options.threads,
            settings=settings,
        )
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
