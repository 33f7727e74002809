"""`run_simple`: a server from its start, with errors that say what to do, to its end by signal."""

from __future__ import annotations

import errno
import os
import signal
import socket
import ssl
import sys
import threading
from types import FrameType
from typing import Any

from . import reloader
from .handler import WSGIRequestHandler
from .server import UNIX_PREFIX, BaseWSGIServer, WSGIApplication, make_server
from .settings import Settings


class StartError(Exception):
    """The server cannot start; the message says what was found and what to do about it."""


def create_server(host: str, port: int, app: WSGIApplication, **options: Any) -> BaseWSGIServer:
    """Call `make_server`, and explain its errors.

    :param options: the further arguments of `make_server`.
    :raises StartError: the address cannot be bound, or certificate and key cannot be used.
    """
    where = host if host.startswith(UNIX_PREFIX) else f"{host or '0.0.0.0'} port {port}"
    try:
        return make_server(host, port, app, **options)
    except ssl.SSLError as error:
        raise StartError(
            f"The certificate and key cannot be used: {error}. They must be PEM files that belong"
            " together, the key without a pass phrase."
        ) from error
    except (socket.gaierror, OverflowError) as error:
        raise StartError(f"There is no such address as {where}: {error}.") from error
    except OSError as error:
        if error.filename is not None and not host.startswith(UNIX_PREFIX):
            raise StartError(f"{error.filename} cannot be read: {error.strerror}.") from error
        raise StartError(_explain(error, host, port, where)) from error


def _explain(error: OSError, host: str, port: int, where: str) -> str:
    unix = host.startswith(UNIX_PREFIX)
    if error.errno == errno.EADDRINUSE:
        if unix:
            return (
                f"{where} is in use, or is a file that is not a socket. Remove it, or give another."
            )
        return (
            f"Port {port} on {host or '0.0.0.0'} is in use by another program. Stop that program,"
            " or choose another port with --port; --port 0 takes a free one."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        if unix:
            return f"There is no permission to make a socket at {where}."
        return (
            f"There is no permission to listen on port {port}. Ports below 1024 are reserved:"
            " choose a higher one with --port."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine. 127.0.0.1 and 0.0.0.0 always are."
    return f"The server cannot listen on {where}: {error.strerror or error}."


class _Signals:
    """The first SIGTERM or SIGINT stops a server gracefully, the second at once."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._server = server
        self._received = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received:
            self._force("A second signal: stopping at once.")
        self._received = True
        self._server.stop()
        # The single server runs the application in this very thread, so nothing but another
        # thread can end a request that never ends by itself.
        grace = self._server.settings.timeouts.stop
        timer = threading.Timer(grace + 2.0, self._force, ["The time to stop is up."])
        timer.daemon = True
        timer.start()

    def _force(self, why: str) -> None:
        self._server.log.message(f"{why} Requests under way are lost.")
        self._server.kill_children()
        sys.stdout.flush()
        os._exit(1)


def serve(server: BaseWSGIServer) -> bool:
    """Serve until a signal, then stop gracefully.

    :return: whether every request under way came to its end.
    """
    with _Signals(server):
        try:
            server.serve_forever()
        finally:
            server.server_close()
    if server.requests_lost:
        server.log.message("Stopped, but not all requests under way came to their end in time.")
    return not server.requests_lost


def run_simple(
    hostname: str,
    port: int,
    application: WSGIApplication,
    use_reloader: bool = False,
    reloader_interval: float = 0.5,
    threaded: bool = False,
    processes: int = 1,
    request_handler: type[WSGIRequestHandler] | None = None,
    passthrough_errors: bool = False,
    ssl_context: ssl.SSLContext | tuple[str, str] | None = None,
    fd: int | None = None,
    *,
    threads: int | None = None,
    settings: Settings | None = None,
) -> None:
    """Serve an application until SIGTERM or SIGINT (Ctrl-C).

    The first signal stops the server gracefully: it accepts no new connection, closes the idle ones
    and sees the requests under way to their end. A second one, or the end of `Timeouts.stop`, cuts
    these off.

    :param hostname: as `host` for `make_server`.
    :param port: as for `make_server`.
    :param application: the WSGI application.
    :param use_reloader: for development: restart when a source file changes.
    :param reloader_interval: seconds between two looks at the source files.

    The other parameters are those of `make_server`.

    :raises ValueError: as for `make_server`.
    :raises SystemExit: with status 1, after a message on standard error, when the server cannot
        start or had to cut requests off; with use_reloader, always, when it stops.
    """
    options: dict[str, Any] = {
        "threaded": threaded,
        "processes": processes,
        "request_handler": request_handler,
        "passthrough_errors": passthrough_errors,
        "ssl_context": ssl_context,
        "threads": threads,
        "settings": settings,
    }

    def run(descriptor: int | None) -> int:
        try:
            server = create_server(hostname, port, application, fd=descriptor, **options)
        except StartError as error:
            print(error, file=sys.stderr)
            return 1
        server.log_startup()
        return 0 if serve(server) else 1

    if use_reloader:
        sys.exit(reloader.run(lambda: run(fd), reloader_interval))
    if status := run(fd):
        sys.exit(status)
