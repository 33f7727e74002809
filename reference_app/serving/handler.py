"""`WSGIRequestHandler`: what happens on a connection once bytes have arrived.

`socketserver` makes a handler for a request, and making it runs `setup`, `handle` and `finish`.
Here a handler lives for one *turn* of a connection: from the moment that bytes are there until they
are used up. It answers the requests that these bytes hold, one after the other, and then ends; the
server keeps the connection and makes another handler when more bytes come. So a connection between
two requests, or in the middle of a head that comes slowly, costs a small object and no thread.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from socketserver import BaseRequestHandler
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .body import Body, NoBody, make_body
from .connection import Connection
from .environ import make_environ
from .errors import REASONS, ApplicationError, ClientDisconnected, ClientError
from .file_wrapper import FileWrapper
from .log import escape
from .parser import Request, find_head, parse_head
from .response import SERVER_SOFTWARE, ResponseHead, ResponseWriter, date_line

if TYPE_CHECKING:
    from .server import BaseWSGIServer

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

# A client that pipelines without end must not keep a thread from everybody else.
_REQUESTS_PER_TURN = 32
_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")


class WSGIRequestHandler(BaseRequestHandler):
    """Answers the requests that have arrived on a connection by running the WSGI application.

    A subclass given as `request_handler` to `make_server` may override any of the methods.

    :param request: the `Connection`; `socketserver` calls it a request.
    :param client_address: the client's address.
    :param server: the server, with the application as `app`.
    """

    request: Connection
    server: BaseWSGIServer

    def setup(self) -> None:
        """Name what `handle` works on."""
        self.connection = self.request
        self.head = b""  # what came as a head, for the errors that leave no `Request`

    def handle(self) -> None:
        """Answer the requests that have arrived, until no complete one is left."""
        connection = self.connection
        if not connection.handshake():
            return
        while True:
            if connection.more:
                # The last turn was cut short. Reading on regardless would let a client that
                # pipelines faster than it is answered fill the memory.
                connection.more = False
                data = None
            else:
                data = connection.receive_now()
            if data:
                connection.buffer += data
            for _ in range(_REQUESTS_PER_TURN):
                if not self.handle_one_request():
                    if data == b"":
                        self.input_ended()
                    break
                if not connection.buffer and data and connection.unread is None:
                    break  # the common case: one request, and all of it used
            else:
                connection.more = True
                return
            if connection.closing or not connection.pending():
                return

    def finish(self) -> None:
        """Do nothing: what becomes of the connection is the server's to decide."""

    def handle_one_request(self) -> bool:
        """Take one request out of the connection's buffer and answer it.

        :return: whether there may be another one.
        """
        connection = self.connection
        try:
            if connection.unread is not None:
                if not connection.unread.drain():
                    return False
                connection.unread = None
            request = self.parse_request()
        except ClientDisconnected:
            connection.abandon()
            return False
        except ClientError as error:
            if connection.unread is not None:
                connection.closing = connection.linger = True  # the request had its answer
            else:
                self.send_error(error)
            return False
        if request is None:
            return False
        self.run_wsgi(request)
        connection.served += 1
        return not connection.closing

    def parse_request(self) -> Request | None:
        """Return the next request in the buffer, None while its head is incomplete.

        :raises ClientError: it is not one that this server can answer otherwise.
        """
        connection = self.connection
        buffer = connection.buffer
        if buffer.startswith(b"\r\n"):
            # RFC 9112 section 2.2: empty lines before a request line are ignored.
            connection.buffer = buffer = _EMPTY_LINES.sub(b"", buffer, count=1)
        if not buffer:
            return None
        limits = self.server.settings.limits
        self.head = buffer
        end = find_head(buffer, limits, connection.searched)
        if not end:
            connection.searched = len(buffer)
            if not connection.started:
                connection.started = time.monotonic()
            return None
        connection.searched = 0
        connection.started = 0.0
        connection.buffer = buffer[end:]
        return parse_head(buffer[:end], limits)

    def input_ended(self) -> None:
        """Deal with the end of what the client sends: between requests it is the normal ending."""
        connection = self.connection
        if connection.buffer and connection.unread is None and not connection.closing:
            self.send_error(ClientError(400, "The request broke off."))
            connection.linger = False
        connection.closing = True

    def make_environ(self, request: Request, body: Body) -> dict[str, Any]:
        """Return the environ for a request."""
        return make_environ(self.connection.environ, request, body)

    def run_wsgi(self, request: Request) -> None:
        """Run the application for one request, as PEP 3333 says, and send what it answers.

        :param request: the head of the request.
        """
        connection = self.connection
        server = self.server
        app = _answer_options if request.path == "*" else server.app
        body = make_body(connection, request, server.settings.limits)
        environ = self.make_environ(request, body)
        keep_alive = request.keep_alive and not server.draining and server.keeps(connection)
        response = ResponseWriter(connection, request, keep_alive)

        # What the application has announced, and whether it can still be changed.
        called = False  # start_response was, if only with what it refused
        headers_set: ResponseHead | None = None
        headers_sent = False

        def begin(head: ResponseHead, length: int | None) -> None:
            nonlocal headers_sent
            headers_sent = True
            if server.stopping:
                response.is_last()  # told to stop since it was asked
            response.begin(head, length, body)

        def send_block(data: bytes, length: int | None) -> None:
            # `length` is that of the whole body, if it is known by the time of the first block.
            if not isinstance(data, bytes):
                raise ApplicationError(f"The body must be of bytes, not {type(data).__name__}.")
            if headers_set is None:
                raise ApplicationError("There is a body before start_response() was called.")
            if data:
                if not headers_sent:
                    begin(headers_set, length)
                response.block(data)
            # else: an empty block says nothing yet, so the headers can still be changed

        def write(data: bytes) -> None:
            send_block(data, None)

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
        ) -> Callable[[bytes], None]:
            nonlocal called, headers_set
            if exc_info:
                try:
                    if headers_sent:
                        # Too late for another response: the application's own error goes on up.
                        raise _exception(exc_info)
                finally:
                    exc_info = None  # no cycle through this frame
            elif called:
                raise ApplicationError("start_response() was called again without exc_info.")
            called = True
            headers_set = ResponseHead(status, headers)
            return write

        try:
            iterable = app(environ, start_response)
            try:
                region = iterable.region() if isinstance(iterable, FileWrapper) else None
                if region is not None and headers_set is not None and response.takes_files():
                    if not headers_sent:
                        begin(headers_set, region[2])
                    response.file(*region)
                else:
                    length, alone = (None, False) if headers_sent else _foresee(iterable)
                    # Lazily, as PEP 3333 has it: a block is sent before the next is asked for.
                    for block in iterable:
                        send_block(block, len(block) if alone else length)
                        if headers_sent and response.bodiless():
                            break  # nobody would see the rest
                if headers_set is None:
                    raise ApplicationError("The application did not call start_response().")
                if not headers_sent:
                    begin(headers_set, 0)
                response.end()
            finally:
                close = getattr(iterable, "close", None)
                if close is not None:
                    close()
        except ClientDisconnected as error:
            self.connection_dropped(error, environ)
        except ClientError as error:
            # A read of wsgi.input failed and the application let that through: the client's fault.
            if headers_sent:
                connection.closing = connection.linger = True
            else:
                self.send_error(error)
                return
        except BaseException as error:
            self.application_failed(error, request, response, body)
        finally:
            response.ended = True  # for an application that kept write()
            if not body.finished:
                self.leave_body(body)
        self.log_request(request, response)

    def application_failed(
        self, error: BaseException, request: Request, response: ResponseWriter, body: Body
    ) -> None:
        """Answer with a 500 if nothing has been sent yet; else break the response off.

        Nothing that an application raises ends the server, `SystemExit` and `KeyboardInterrupt`
        included: it may have been meant for a thread or a test, and other requests are under way.
        The exceptions are Ctrl-C itself, and a server made with `passthrough_errors`.

        :param error: what the application raised.
        :param request: the request under way.
        :param response: how far the answer has come.
        :param body: the request's body.
        """
        server = self.server
        server.log.exception(f"Error while answering {escape(request.line)}:", error)
        try:
            if response.head is None:
                text = b"500 Internal Server Error\n"
                headers = [("Content-Type", "text/plain; charset=utf-8")]
                response.begin(ResponseHead("500 Internal Server Error", headers), len(text), body)
                response.block(text)
                response.end()
            elif not response.ended:
                # The client has a part of the response. Only the end of the connection before the
                # end of the body can tell it that this is not all.
                self.connection.abandon()
        except ClientDisconnected:
            pass
        if server.passthrough_errors or (
            isinstance(error, KeyboardInterrupt)
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            self.connection.abandon()
            raise error

    def leave_body(self, body: Body) -> None:
        """See to a body that the application did not read to its end.

        If the connection goes on, the rest is read and thrown away as it comes, before the next
        request. If not, the client may still be sending and is read on until it has seen the
        answer: closing now would make its system throw the answer away (RFC 9112 section 9.6).
        """
        connection = self.connection
        if isinstance(body, NoBody):
            return
        body.detach()
        if connection.closing:
            connection.linger = True
        else:
            connection.unread = body

    def connection_dropped(self, error: BaseException, environ: dict[str, Any]) -> None:
        """Called when the client went away before it had its answer. Does nothing by default."""

    def send_error(self, error: ClientError) -> None:
        """Tell the client what it did wrong, and end the connection.

        After a request that cannot be understood, nobody can say where the next one begins.

        :param error: status and explanation.
        """
        connection = self.connection
        reason = REASONS[error.status]
        text = f"{error.status} {reason}\n\n{error.explanation}\n".encode()
        head = (
            f"HTTP/1.1 {error.status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n"
            f"{date_line()}Server: {SERVER_SOFTWARE}\r\n\r\n"
        ).encode()
        if self.head.startswith(b"HEAD "):
            text = b""
        connection.closing = connection.linger = True
        try:
            connection.send(head + text)
        except ClientDisconnected:
            return
        line = self.head[:1000].partition(b"\r\n")[0].decode("latin-1")
        self.server.log.request(self.address_string(), line, error.status, len(text))

    def log_request(self, request: Request, response: ResponseWriter) -> None:
        """Write the access log's line for a request that was answered."""
        log = self.server.log
        if log.access:
            status = 0 if response.head is None else response.head.code
            log.request(self.address_string(), request.line, status, response.sent)

    def address_string(self) -> str:
        """Return the client's address for the log."""
        address: str = self.connection.environ.get("REMOTE_ADDR") or "-"
        return address


def _answer_options(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A WSGI application for `OPTIONS *`, which asks about the server and not about any resource.

    PEP 3333 has no way to pass it on: PATH_INFO is empty or begins with a slash, and to make "*"
    out of "/*", or "/", would be a request that nobody sent (RFC 9110 section 9.3.7).
    """
    start_response("200 OK", [("Content-Length", "0")])
    return []


def _foresee(iterable: Any) -> tuple[int | None, bool]:
    """Return what is known of a body before it is iterated over: its length, if it is a list or
    tuple of blocks, and whether its first block will be the only one.

    PEP 3333, "Handling the Content-Length Header": with `len(iterable) == 1` the length of the one
    block is that of the body.
    """
    if type(iterable) is list or type(iterable) is tuple:
        if len(iterable) == 1:
            return None, True
        for block in iterable:
            if not isinstance(block, bytes):
                raise ApplicationError(f"The body must be of bytes, not {type(block).__name__}.")
        return sum(map(len, iterable)), False
    try:
        return None, len(iterable) == 1
    except Exception:
        return None, False


def _exception(exc_info: ExcInfo) -> BaseException:
    error = exc_info[1]
    if error is None:
        return ApplicationError("exc_info holds no exception.")
    return error.with_traceback(exc_info[2])
