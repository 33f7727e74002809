"""From what the application announces to bytes: the response's head checked, its body framed.

`ResponseHead` is what `start_response` was given, after the checks. `ResponseWriter` decides how
the client learns where the body ends (RFC 9112 section 6.3) and keeps the application to it.
"""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from .errors import ApplicationError

if TYPE_CHECKING:
    from .body import Body
    from .connection import Connection
    from .parser import Request

SERVER_SOFTWARE = "wsgi-conform"

# PEP 3333, "The start_response() Callable": a status of the form "999 Message here", and neither
# there nor in a header value any control character.
_STATUS = re.compile(r"[1-9][0-9]{2} [\x20-\x7e\x80-\xff]*")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(r"[^\x20-\x7e\x80-\xff]")
# PEP 3333, "Other HTTP Features": the application may not meddle with the connection. The list is
# that of RFC 2616 section 13.5.1, on which the PEP builds, with the name that its erratum corrects.
_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    )
)
# Names that the server looks at; the rest pass through.
_NOTED = frozenset(("content-length", "date", "server"))

# Lower-case forms of the names that have been checked, so that each spelling is checked once. An
# application may invent names without end, hence the bound.
_names: dict[str, str] = {}
_NAMES_MAX = 1024


def _check_name(name: object) -> str:
    if not isinstance(name, str):
        raise ApplicationError(f"A header name must be a str, not {type(name).__name__}.")
    if not _NAME.fullmatch(name):
        raise ApplicationError(f"{name!r} is not a header name: letters, digits and hyphens are.")
    lower = name.lower()
    if lower in _HOP_BY_HOP:
        raise ApplicationError(f"{name} is a hop-by-hop header, which only the server may send.")
    if len(_names) < _NAMES_MAX:
        _names[name] = lower
    return lower


class ResponseHead:
    """Status and headers as the application gave them to `start_response`, checked.

    :param status: such as "200 OK".
    :param headers: the list of (name, value) tuples.
    :raises ApplicationError: they are not what PEP 3333 asks for. It is raised into the
        application, from its call of `start_response`, because that is where the mistake is.

    :ivar code: the status code.
    :ivar lines: status line and field lines, each with its CRLF.
    :ivar content_length: the application's Content-Length, None if it gave none.
    :ivar has_date: whether the application set Date.
    :ivar has_server: whether the application set Server.
    """

    __slots__ = ("code", "content_length", "has_date", "has_server", "lines")

    def __init__(self, status: str, headers: list[tuple[str, str]]) -> None:
        if not isinstance(status, str):
            raise ApplicationError(f"The status must be a str, not {type(status).__name__}.")
        if not _STATUS.fullmatch(status):
            raise ApplicationError(f'The status must look like "200 OK", not {status!r}.')
        if status[0] == "1":
            raise ApplicationError(
                f"{status!r} is an interim status; an application sends the final one."
            )
        if not isinstance(headers, list):
            raise ApplicationError(f"The headers must be a list, not {type(headers).__name__}.")
        self.code = int(status[:3])
        self.content_length: int | None = None
        self.has_date = self.has_server = False
        lines = [f"HTTP/1.1 {status}\r\n"]
        for header in headers:
            try:
                name, value = header
            except (TypeError, ValueError):
                raise ApplicationError(
                    f"A header must be a tuple of two, not {header!r}."
                ) from None
            try:
                lower = _names[name]
            except (KeyError, TypeError):
                lower = _check_name(name)
            if not isinstance(value, str):
                raise ApplicationError(
                    f"The value of {name} must be a str, not {type(value).__name__}."
                )
            if _BAD_IN_VALUE.search(value):
                raise ApplicationError(
                    f"The value of {name} holds a control character or one beyond ISO-8859-1:"
                    f" {value!r}."
                )
            if lower in _NOTED:
                self._note(lower, value)
                if lower == "content-length":
                    continue  # written by the framing, which may have to leave it out
            lines.append(f"{name}: {value}\r\n")
        self.lines = "".join(lines)

    def _note(self, lower: str, value: str) -> None:
        if lower == "date":
            self.has_date = True
        elif lower == "server":
            self.has_server = True
        else:
            if not (value.isascii() and value.isdigit() and len(value) <= 18):
                raise ApplicationError(f"Content-Length must be a number, not {value!r}.")
            if self.content_length not in (None, int(value)):
                raise ApplicationError("Content-Length was given twice, with different values.")
            self.content_length = int(value)


_date = (0, "")


def date_line() -> str:
    """Return the field line for Date (RFC 9110 section 6.6.1), made once a second."""
    global _date
    now = int(time.time())
    second, line = _date
    if second != now:
        line = f"Date: {formatdate(now, usegmt=True)}\r\n"
        _date = (now, line)
    return line


_SERVER_LINE = f"Server: {SERVER_SOFTWARE}\r\n"

# Below this a copy is cheaper than a second system call, and than a second packet.
_JOIN_SIZE = 65536


class ResponseWriter:
    """The response to one request: sends the head with the first block, and frames the body.

    :param connection: where to send.
    :param request: what is answered.
    :param keep_alive: whether the connection may be used again afterwards.

    :ivar sent: bytes of the body that were sent.
    :ivar head: what was sent as the head; None before that.
    :ivar ended: whether the client has all of the response.
    """

    __slots__ = (
        "_allowed",
        "_chunked",
        "_connection",
        "_head_bytes",
        "_keep_alive",
        "_request",
        "ended",
        "head",
        "sent",
    )

    def __init__(self, connection: Connection, request: Request, keep_alive: bool) -> None:
        self._connection = connection
        self._request = request
        self._keep_alive = keep_alive
        self.head: ResponseHead | None = None
        self.ended = False
        self.sent = 0
        self._chunked = False
        self._allowed: int | None = None  # bytes of body that may still be sent; None: any number
        self._head_bytes = b""

    def is_last(self) -> None:
        """Have the head say that this is the last response of its connection."""
        self._keep_alive = False

    def begin(self, head: ResponseHead, length: int | None, body: Body) -> None:
        """Decide on the framing and make the head, which is sent with what comes next.

        :param head: status and headers.
        :param length: bytes of the body, if that is known already; None if it is not.
        :param body: the request's body. If the application has left so much of it unread that the
            connection is not worth keeping, this is the last moment to say so.
        """
        if not body.finished and not body.worth_reading():
            self._keep_alive = False
        request = self._request
        connection = self._connection
        code = head.code
        lines = head.lines
        announced = head.content_length
        if announced is None:
            announced = length
        if request.method == "HEAD" or code == 304:
            # RFC 9110 sections 9.3.2 and 15.4.5: no body, but the length that there would have been
            # with GET may be told. Where only the application knows it, nothing is said: one that
            # yields nothing here leaves out the work for a body, and does not say that it is empty.
            self._allowed = 0
            if code == 304 or length == 0:
                announced = head.content_length
            if announced is not None and code != 204:
                lines += f"Content-Length: {announced}\r\n"
        elif code == 204:
            self._allowed = 0  # RFC 9110 section 8.6: not even a Content-Length
        elif code == 205:
            self._allowed = 0  # RFC 9110 section 15.3.6: no content
            lines += "Content-Length: 0\r\n"
        elif announced is not None:
            self._allowed = announced
            lines += f"Content-Length: {announced}\r\n"
        elif request.http_1_0:
            self._keep_alive = False  # the end of the connection is the end of the body
        else:
            self._chunked = True
            lines += "Transfer-Encoding: chunked\r\n"
        if not self._keep_alive:
            connection.closing = True
            lines += "Connection: close\r\n"
        elif request.http_1_0:
            lines += "Connection: keep-alive\r\n"
        date = "" if head.has_date else date_line()
        server = "" if head.has_server else _SERVER_LINE
        self.head = head
        self._head_bytes = f"{lines}{date}{server}\r\n".encode("latin-1")

    def block(self, data: bytes) -> None:
        """Send one block of the body, after the head if that is still due.

        What goes beyond the Content-Length is not sent: the client would take it for the start of
        the next response.

        :raises ApplicationError: the block goes beyond the Content-Length that was announced.
        :raises ClientDisconnected: the client is gone.
        """
        if self.ended:
            raise ApplicationError("write() was called after the response had ended.")
        excess = False
        allowed = self._allowed
        if allowed is not None:
            if len(data) > allowed:
                # No body is allowed for HEAD, 204, 304: an application that sends one is not wrong.
                excess = not self.bodiless()
                data = data[:allowed]
            self._allowed = allowed - len(data)
        size = len(data)
        self._send(b"%x\r\n%b\r\n" % (size, data) if self._chunked and size else data)
        self.sent += size
        if excess:
            raise ApplicationError("The body is longer than its Content-Length.")

    def file(self, descriptor: int, offset: int, size: int) -> None:
        """Send part of a file as the body, or as the rest of it.

        :raises ClientDisconnected: the client is gone.
        """
        if self._allowed is not None:
            size = min(size, self._allowed)
        self._send(b"")
        if size:
            sent = self._connection.send_file(descriptor, offset, size)
            self.sent += sent
            if self._allowed is not None:
                self._allowed -= sent

    def takes_files(self) -> bool:
        """Return whether the framing leaves the body's bytes as they are, so `file` can be used."""
        return not self._chunked

    def bodiless(self) -> bool:
        """Return whether the response has no body, whatever the application yields."""
        head = self.head
        return self._request.method == "HEAD" or (head is not None and head.code in (204, 205, 304))

    def _send(self, framed: bytes) -> None:
        head = self._head_bytes
        if head:
            self._head_bytes = b""
            if len(framed) < _JOIN_SIZE:
                self._connection.send(head + framed)
                return
            self._connection.send(head)
        if framed:
            self._connection.send(framed)

    def end(self) -> None:
        """Send what ends the body.

        :raises ApplicationError: the body is shorter than its Content-Length. The connection is
            closed: the client must not take the next response for the rest of this one.
        :raises ClientDisconnected: the client is gone.
        """
        if self._chunked:
            self._send(b"0\r\n\r\n")
        elif self._head_bytes:
            self._send(b"")
        if self._allowed and not self.bodiless():
            raise ApplicationError(
                f"The body is {self._allowed} bytes shorter than its Content-Length."
            )
        self.ended = True
