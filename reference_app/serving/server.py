"""The servers, and `make_server`.

They stand on `socketserver`, and what happens to a connection goes by its names:

    serve_forever -> _handle_request_noblock -> get_request, verify_request, process_request
    -> finish_request -> WSGIRequestHandler: setup, handle, finish

Two things differ from `socketserver`, both because HTTP/1.1 keeps connections open. What it calls
a request is a connection here, and one passes through `process_request` and `finish_request` once
for each time that bytes arrive on it: a *turn*. In between it is parked (see `Parking`), and costs
neither a thread nor a process, in any of the three servers. And stopping is graceful: `shutdown`
ends `serve_forever`, and `server_close` then sees the requests under way to their end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import socketserver
import ssl
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from .connection import Connection, TLSConnection
from .environ import PLACEHOLDERS
from .file_wrapper import FileWrapper
from .handler import WSGIRequestHandler
from .log import Log
from .parking import Parking
from .response import SERVER_SOFTWARE
from .settings import Settings
from .workers import Workers

WSGIApplication = Callable[..., Iterable[bytes]]

UNIX_PREFIX = "unix://"

# Bytes that a closing connection is read on for, so that the client gets to see the answer.
_LINGER_BYTES = 1 << 20
# How often the time limits of parked connections are looked at, in seconds.
_SERVICE_INTERVAL = 0.25
# How long a stopping server waits for the first request of a connection that was made before the
# stop, in seconds.
_FRESH_GRACE = 0.25
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class BaseWSGIServer(socketserver.TCPServer):
    """Serves one request at a time, in the thread that calls `serve_forever`.

    A connection that is idle does not keep others waiting, nor one whose head comes slowly.

    :param host: an address or name to bind to, or "unix://" and a path for a Unix socket.
    :param port: a port; 0 for one that the system chooses. See `port` for the result.
    :param app: the WSGI application.
    :param handler: the request handler's class, None for `WSGIRequestHandler`.
    :param passthrough_errors: let an application's exceptions come out of `serve_forever`.
    :param ssl_context: a server-side `ssl.SSLContext`, or the paths of certificate and key; None
        for clear text.
    :param fd: descriptor of a socket that listens already; the server takes it over.
    :param settings: limits, time-outs and logging; None for the defaults.
    :raises OSError: the address cannot be bound.
    :raises ssl.SSLError: certificate and key do not fit.
    """

    multithread = False
    multiprocess = False
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(
        self,
        host: str,
        port: int,
        app: WSGIApplication,
        handler: type[WSGIRequestHandler] | None = None,
        passthrough_errors: bool = False,
        ssl_context: ssl.SSLContext | tuple[str, str] | None = None,
        fd: int | None = None,
        *,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.log = Log(self.settings.access_log)
        self.app = app
        self.passthrough_errors = passthrough_errors
        self.ssl_context = _load_ssl_context(ssl_context)
        self.draining = False
        self.requests_lost = False
        self.connections: set[Connection] = set()
        self._stopping = False
        self._is_down = threading.Event()
        self._is_down.set()
        self._next_service = 0.0
        self._unix_path: str | None = None

        address: Any = (host, port)
        if host.startswith(UNIX_PREFIX):
            address = host[len(UNIX_PREFIX) :]
        self.address_family = socket.AF_INET
        if isinstance(address, str):
            self.address_family = socket.AF_UNIX
        elif ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler or WSGIRequestHandler, bind_and_activate=False)
        try:
            if fd is None:
                self.server_bind()
                self.server_activate()
            else:
                self.socket.close()
                self.socket = socket.socket(fileno=fd)
                self.address_family = self.socket.family
                self.server_address = self.socket.getsockname()
        except BaseException:
            self.socket.close()
            raise
        self.socket.setblocking(False)
        self.host, self.port = self._name(host, port)
        self._base_environ = self._make_base_environ()
        # `waiting` is what serve_forever waits on, `parking` where connections wait.
        self.waiting = Parking()
        self.waiting.watch(self.fileno(), self)
        self.parking = self.waiting

    # Before serving.

    def server_bind(self) -> None:
        """Bind the socket; for a Unix socket, remove one that nobody listens on any more."""
        if self.address_family == socket.AF_UNIX:
            path = str(self.server_address)
            _remove_stale_socket(path)
            self.socket.bind(path)
            self._unix_path = path
        else:
            super().server_bind()
        self.server_address = self.socket.getsockname()

    def _name(self, host: str, port: int) -> tuple[str, int]:
        address = self.server_address
        if isinstance(address, tuple):
            return (host if not host.startswith(UNIX_PREFIX) else str(address[0])), address[1]
        return host, port

    def _make_base_environ(self) -> dict[str, Any]:
        if self.address_family == socket.AF_UNIX:
            # A URL needs a host and a port, and a path is neither.
            name, port = "localhost", "443" if self.ssl_context else "80"
        else:
            everywhere = self.host in ("", "0.0.0.0", "::")
            name, port = socket.gethostname() if everywhere else self.host, str(self.port)
        return {
            **PLACEHOLDERS,
            "SCRIPT_NAME": "",
            "SERVER_NAME": name,
            "SERVER_PORT": port,
            "SERVER_SOFTWARE": SERVER_SOFTWARE,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if self.ssl_context else "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": self.multithread,
            "wsgi.multiprocess": self.multiprocess,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }

    # Serving.

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown` or `stop`.

        :param poll_interval: seconds between two calls of `service_actions` when nothing happens.
        """
        self._is_down.clear()
        interval = min(poll_interval, _SERVICE_INTERVAL)
        try:
            while not self._stopping:
                ready = self.waiting.wait(interval)
                if ready is self:
                    self._handle_request_noblock()
                elif isinstance(ready, Connection) and self._stopping:
                    self.parking.park(ready)
                elif ready is not None:
                    self.ready(ready)
                self.service_actions()
        finally:
            self._is_down.set()

    def ready(self, what: Any) -> None:
        """Deal with what `waiting` reported: a connection that has bytes."""
        self.take_turn(what)

    def take_turn(self, connection: Connection) -> None:
        """Give a parked connection that has bytes its turn."""
        if connection.lingering:
            self._linger(connection)
        else:
            self.process_request(connection, connection.address)

    def stop(self) -> None:
        """Make `serve_forever` return soon, without waiting for that. Safe in a signal handler."""
        self._stopping = True
        self.waiting.wake()

    @property
    def stopping(self) -> bool:
        """Whether the server was told to stop, and no more requests are to come."""
        return self._stopping or self.draining

    def shutdown(self) -> None:
        """Make `serve_forever` return and wait until it has; call it from another thread."""
        self.stop()
        self._is_down.wait()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection.

        :raises OSError: there is none after all, or no descriptor is left for it.
        """
        try:
            sock, address = self.socket.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._make_room(error)
            raise
        try:
            connection = self._connect(sock, address)
        except OSError:
            sock.close()
            raise
        self.connections.add(connection)
        return connection, address

    def _connect(self, sock: socket.socket, address: Any) -> Connection:
        environ = self._base_environ.copy()
        if self.address_family == socket.AF_UNIX:
            environ["REMOTE_ADDR"] = ""
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            environ["REMOTE_ADDR"] = address[0]
            environ["REMOTE_PORT"] = str(address[1])
        timeouts = self.settings.timeouts
        if self.ssl_context is None:
            return Connection(sock, address, environ, timeouts)
        wrapped = self.ssl_context.wrap_socket(
            sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        return TLSConnection(wrapped, address, environ, timeouts)

    def _make_room(self, error: OSError) -> None:
        """The process has no descriptor left: give up the connection that is idle for longest.

        Without this the listening socket would stay readable and the loop would spin.
        """
        idle = self.parking.claim_idlest()
        if idle is not None:
            idle.linger = False
            self.shutdown_request(idle)
        else:
            self.log.message(f"A connection cannot be accepted: {error}")
            time.sleep(0.05)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a turn: here and now."""
        self.run_turn(request, client_address)
        self.release(request)

    def run_turn(self, connection: Connection, client_address: Any) -> None:
        """Run a handler on a connection, and survive whatever it raises.

        :raises BaseException: the application's own, with `passthrough_errors`, and Ctrl-C.
        """
        try:
            self.finish_request(connection, client_address)  # type: ignore[arg-type]
        except BaseException as error:
            connection.abandon()
            if self.passthrough_errors or not isinstance(error, Exception):
                self.shutdown_request(connection)
                raise
            self.handle_error(connection, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an exception that came out of the handler itself.

        :raises Exception: that exception, with `passthrough_errors`.
        """
        error = sys.exception()
        if error is not None and self.passthrough_errors:
            raise error
        if error is not None:
            self.log.exception("Error in the server:", error)

    def keeps(self, connection: Connection) -> bool:
        """Return whether a connection can be kept for further requests."""
        return True

    # After a turn.

    def release(self, connection: Connection) -> None:
        """Park a connection after its turn, or close it if this was the end of it."""
        if connection.closing:
            self.shutdown_request(connection)
            return
        now = time.monotonic()
        timeouts = self.settings.timeouts
        if connection.unread is not None:
            connection.deadline = now + timeouts.body
        elif connection.started:
            connection.deadline = connection.started + timeouts.header
        elif connection.served:
            connection.deadline = now + timeouts.keep_alive
        # else: still waiting for its first byte, under the deadline that it was accepted with
        self.parking.park(connection)
        # One that was parked too late for `server_close` to find it there.
        if self.draining and self.parking.claim(connection):
            self._keep_or_close(connection)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, at once or after it has been read on for a while."""
        connection: Connection = request
        if connection.linger:
            connection.linger = False
            connection.lingering = True
            connection.unread = None
            connection.buffer = b""
            connection.deadline = time.monotonic() + self.settings.timeouts.linger
            connection.end_output()
            self._linger(connection)
        else:
            self.close_request(connection)

    def close_request(self, request: Any) -> None:
        """Close a connection at once."""
        connection: Connection = request
        connection.close()
        self.connections.discard(connection)

    def _linger(self, connection: Connection) -> None:
        """Throw away what a client goes on sending, until it has closed its side too."""
        while data := connection.receive_now():
            connection.lingered += len(data)
            if connection.lingered > _LINGER_BYTES:
                break
        if data is None:
            self.parking.park(connection)
        else:
            self.close_request(connection)

    def service_actions(self) -> None:
        """Close the connections whose time is up."""
        now = time.monotonic()
        if now < self._next_service:
            return
        self._next_service = now + _SERVICE_INTERVAL
        for connection in self.parking.claim_expired():
            if connection.started and not connection.lingering:
                connection.send_timeout()
            connection.linger = False
            self.shutdown_request(connection)

    # The end.

    def server_close(self) -> None:
        """Stop listening, and see the requests under way to their end.

        Under way is what a client can know nothing else about: a request that an application is at,
        one that has arrived in part, and one that lies in a connection not yet accepted. Idle
        connections are closed.
        After `Timeouts.stop` what is left is cut off, and `requests_lost` is true.
        """
        if self.draining:
            return
        self.draining = True
        deadline = time.monotonic() + self.settings.timeouts.stop
        self.waiting.rest()
        self._accept_pending()
        self.waiting.unwatch(self.fileno())
        self.socket.close()
        if self._unix_path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._unix_path)
        for connection in self.parking.claim_all():
            self._keep_or_close(connection)
        self._next_service = 0.0
        self.finish_connections(deadline)
        left = list(self.connections)
        for connection in left:
            connection.linger = False
            connection.end_output()
            self.close_request(connection)
        self.requests_lost = bool(left)
        self.close_parking()

    def _accept_pending(self) -> None:
        for _ in range(self.request_queue_size):
            try:
                connection, _ = self.get_request()
            except OSError:
                return
            self.parking.park(connection)

    def _keep_or_close(self, connection: Connection) -> None:
        if connection.lingering or connection.started or connection.buffer or connection.unread:
            self.parking.park(connection)
        elif not connection.served:
            connection.deadline = min(connection.deadline, time.monotonic() + _FRESH_GRACE)
            self.parking.park(connection)
        elif _readable(connection):
            self.parking.park(connection)
        else:
            self.shutdown_request(connection)

    def finish_connections(self, deadline: float) -> None:
        """Serve the connections that are left, until there are none or `deadline` has passed."""
        while self.connections and (left := deadline - time.monotonic()) > 0:
            ready = self.waiting.wait(min(left, _SERVICE_INTERVAL / 2))
            if ready is not None:
                self.ready(ready)
            self.service_actions()

    def close_parking(self) -> None:
        """Release what the server waited with."""
        self.waiting.close()

    def kill_children(self) -> None:
        """End the child processes at once; there are none here."""

    def log_startup(self) -> None:
        """Write where the server can be reached."""
        scheme = "https" if self.ssl_context else "http"
        if self.address_family == socket.AF_UNIX:
            where = f"{UNIX_PREFIX}{self.server_address!s}"
        else:
            host = f"[{self.host}]" if ":" in self.host else self.host or "0.0.0.0"
            where = f"{scheme}://{host}:{self.port}"
        self.log.message(f"Serving on {where} (process {os.getpid()}). Press Ctrl-C to stop.")


class ThreadedWSGIServer(BaseWSGIServer):
    """Serves each request in a thread.

    :param threads: the greatest number of requests at the same time; None for no limit.

    The other parameters are those of `BaseWSGIServer`. How many threads are awake, and why a
    connection has none of its own, is explained in `workers`.
    """

    multithread = True

    def __init__(self, *args: Any, threads: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parking = Parking()
        self.workers = Workers(self.parking, self._serve, threads, self.log)
        self._turn_over = threading.Event()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Accept connections in this thread and serve them in others, until `shutdown` or `stop`.

        :param poll_interval: as for `BaseWSGIServer`.
        """
        self.workers.start()
        super().serve_forever(poll_interval)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to the threads."""
        self.parking.park(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give a connection a turn: in a thread."""
        self.run_turn(request, client_address)
        self.release(request)

    def _serve(self, connection: Connection) -> None:
        try:
            if connection.lingering:
                self._linger(connection)
            else:
                self.process_request_thread(connection, connection.address)
        except BaseException as error:
            if self.passthrough_errors:
                threading.excepthook(
                    threading.ExceptHookArgs((type(error), error, error.__traceback__, None))
                )
            else:
                self.log.exception("Error in a thread of the server:", error)
        finally:
            if self.draining:
                self._turn_over.set()

    def finish_connections(self, deadline: float) -> None:
        """Wait until the threads are done with what is left."""
        while self.connections and (left := deadline - time.monotonic()) > 0:
            self._turn_over.wait(min(left, _SERVICE_INTERVAL / 2))
            self._turn_over.clear()
            self.service_actions()

    def close_parking(self) -> None:
        """Make the threads end. A thread that is stuck is left to the end of the process."""
        super().close_parking()
        self.workers.stop()
        if self.workers.join(0.0 if self.requests_lost else 1.0):
            self.parking.close()


class ForkingWSGIServer(BaseWSGIServer):
    """Serves each connection that has something to say in a process of its own.

    The child answers the requests that have arrived. If the connection is idle afterwards, the
    child ends and the connection goes back to the parent, which kept its copy of the socket. So
    idle connections do not use up the processes.

    Over TLS the connection cannot go back, since the keys are in the child, so there each
    connection is used for one request, and the response says so.

    :param processes: the greatest number of child processes, so of requests at the same time.

    The other parameters are those of `BaseWSGIServer`.
    """

    multiprocess = True

    # Exit statuses of a child, chosen to differ from those of an interpreter that failed.
    _KEEP = 64
    _CLOSE = 65
    # How long a child waits for the next request before it gives the connection back, in seconds.
    _WAIT = 0.05

    def __init__(self, *args: Any, processes: int = 40, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.processes = processes
        self._children: dict[int, tuple[int, Connection]] = {}

    def keeps(self, connection: Connection) -> bool:
        """Return whether a connection can go back to the parent."""
        return not isinstance(connection, TLSConnection)

    def ready(self, what: Any) -> None:
        """Deal with what `waiting` reported: a connection that has bytes, or a child's end."""
        if isinstance(what, int):
            self._collect(what)
        else:
            self.take_turn(what)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a turn: in a child process, once it has bytes."""
        connection: Connection = request
        if not _readable(connection):
            self.parking.park(connection)
            return
        while len(self._children) >= self.processes:
            self._await_child()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal between the fork and the child's own handlers would run the parent's there.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        try:
            child = os.fork()
            if child == 0:
                self._in_child(connection, client_address)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        descriptor = os.pidfd_open(child)
        self._children[descriptor] = (child, connection)
        self.waiting.watch(descriptor, descriptor)

    def _await_child(self) -> None:
        """Wait until a child has ended: all processes are in use."""
        poll = select.poll()
        for descriptor in self._children:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(_SERVICE_INTERVAL * 1000):
            self._collect(descriptor)
        self.service_actions()

    def _collect(self, descriptor: int) -> None:
        child, connection = self._children.pop(descriptor)
        self.waiting.unwatch(descriptor)
        os.close(descriptor)
        try:
            _, status = os.waitpid(child, 0)
        except ChildProcessError:
            status = -1  # somebody else in this process has collected it
        if status != -1 and os.waitstatus_to_exitcode(status) == self._KEEP:
            connection.served += 1
        else:
            connection.abandon()
            connection.end_output()  # a child that crashed has left it open
        self.release(connection)

    def _in_child(self, connection: Connection, client_address: Any) -> None:
        status = self._CLOSE
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
            signal.signal(signal.SIGTERM, self._drain_child)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
            self.socket.close()
            self.waiting.close()
            for other in self.connections:
                if other is not connection:
                    other.socket.close()
            for descriptor in self._children:
                os.close(descriptor)
            self.connections = {connection}
            if self._serve_in_child(connection, client_address):
                status = self._KEEP
            else:
                self._close_in_child(connection)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException as error:
            self.log.exception("Error in a process of the server:", error)
        finally:
            os._exit(status)

    def _drain_child(self, signum: int, frame: Any) -> None:
        self.draining = True

    def _serve_in_child(self, connection: Connection, client_address: Any) -> bool:
        """Run turns until the connection is idle or ends; return whether it goes back."""
        timeouts = self.settings.timeouts
        while True:
            self.run_turn(connection, client_address)
            if connection.closing:
                return False
            if connection.started:
                left = connection.started + timeouts.header - time.monotonic()
                if left <= 0 or not _readable(connection, left):
                    connection.send_timeout()
                    return False
            elif connection.unread is not None:
                if not _readable(connection, timeouts.body):
                    return False
            elif connection.buffer:
                continue
            elif not isinstance(connection, TLSConnection):
                # In the last free process, others may be waiting for this one.
                wait = self._WAIT if len(self._children) < self.processes - 1 else 0.0
                if self.draining or not _readable(connection, wait):
                    return True
            elif not _readable(connection, timeouts.header):
                return False

    def _close_in_child(self, connection: Connection) -> None:
        if connection.linger:
            connection.end_output()
            deadline = time.monotonic() + self.settings.timeouts.linger
            while (left := deadline - time.monotonic()) > 0 and _readable(connection, left):
                if not connection.receive_now():
                    break
        connection.close()

    def finish_connections(self, deadline: float) -> None:
        """Have the children announce the end, and wait for them and for what is left."""
        for child, _ in list(self._children.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        super().finish_connections(deadline)
        self.kill_children()
        for descriptor, (child, _) in list(self._children.items()):
            os.waitpid(child, 0)
            os.close(descriptor)
        self._children.clear()

    def kill_children(self) -> None:
        """End the child processes at once."""
        for child, _ in list(self._children.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _readable(connection: Connection, timeout: float = 0.0) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return connection.pending() or bool(poll.poll(timeout * 1000))


def _load_ssl_context(
    given: ssl.SSLContext | tuple[str, str] | None,
) -> ssl.SSLContext | None:
    if given is None or isinstance(given, ssl.SSLContext):
        return given
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in given:
        open(path, "rb").close()  # its error names the file, that of load_cert_chain does not
    context.load_cert_chain(*given)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _remove_stale_socket(path: str) -> None:
    """Remove the socket that a server left behind; leave alone one that is served, and any file."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return


def make_server(
    host: str,
    port: int,
    app: WSGIApplication,
    threaded: bool = False,
    processes: int = 1,
    request_handler: type[WSGIRequestHandler] | None = None,
    passthrough_errors: bool = False,
    ssl_context: ssl.SSLContext | tuple[str, str] | None = None,
    fd: int | None = None,
    *,
    threads: int | None = None,
    settings: Settings | None = None,
) -> BaseWSGIServer:
    """Return a server that listens already and serves once its `serve_forever` is called.

    :param host: an address or name to bind to, or "unix://" and a path for a Unix socket.
    :param port: a port; 0 for one that the system chooses.
    :param app: the WSGI application.
    :param threaded: serve each request in a thread.
    :param processes: if greater than 1, serve in that many processes at most.
    :param request_handler: the request handler's class, None for `WSGIRequestHandler`.
    :param passthrough_errors: let an application's exceptions come out of `serve_forever`.
    :param ssl_context: a server-side `ssl.SSLContext`, or the paths of certificate and key.
    :param fd: descriptor of a socket that listens already; the server takes it over.
    :param threads: with `threaded`, the greatest number of requests at the same time.
    :param settings: limits, time-outs and logging; None for the defaults.
    :raises ValueError: both threads and processes are asked for, or a number is below 1.
    :raises OSError: the address cannot be bound.
    :raises ssl.SSLError: certificate and key do not fit.
    """
    if processes < 1 or (threads is not None and threads < 1):
        raise ValueError("threads and processes are counted from 1.")
    if threaded and processes > 1:
        raise ValueError(
            "A server has either threads or processes: threaded=True with processes>1."
        )
    if threads is not None and not threaded:
        raise ValueError("threads says how many at most, and needs threaded=True.")
    arguments = (host, port, app, request_handler, passthrough_errors, ssl_context, fd)
    if threaded:
        return ThreadedWSGIServer(*arguments, threads=threads, settings=settings)
    if processes > 1:
        return ForkingWSGIServer(*arguments, processes=processes, settings=settings)
    return BaseWSGIServer(*arguments, settings=settings)
