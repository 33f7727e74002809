"""Mutants with faults that servers have been mended of, in releases that are known."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from reference_app.serving import WSGIRequestHandler, log
from reference_app.serving import body as bodies
from reference_app.serving.connection import Connection
from reference_app.serving.errors import ClientDisconnected, ClientError
from tests.mutants import application_mutant, server_mutant
from tests.mutants.messages import Handler, rows
from tests.mutants.protocols import with_environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from reference_app.serving.parser import Request

#: Bytes of a head that are too many for a server that counts them again and again.
COUNTED = 64 * 1024
#: Connections that a server keeps which has room for few.
ROOM = 10
#: What only a bad pattern has trouble with.
NEARLY_RIGHT = re.compile(
    rb'[! -~]{40}\x10|x{3000} :|(?:a/){9}.*%zz|(?:"\\"){9}|(?:;q=a/\*){9}|\\{99}|(?:a\.){99}'
)
NEARLY_RIGHT_LINE = re.compile(rb"[!-~]{40}\x10|0{999}x")


def with_path(change: Callable[[str], str]) -> WSGIApplication:
    """The application with a path that is made from the target in some other way."""

    def replace(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = change(environ["RAW_URI"])

    return with_environ(replace)


@application_mutant(
    "target-is-a-reference",
    breaks=rows(
        "wsgi/environ/path-begins",
        "two-slashes two-slashes-port two-slashes-query two-slashes-user only-slashes",
    ),
)
def target_is_a_reference() -> WSGIApplication:
    return with_path(lambda target: unquote(urlsplit(target).path, "latin-1"))


@application_mutant(
    "host-looked-for-in-the-path",
    breaks=rows("wsgi/environ/path-begins", "three-slashes colon url parameter"),
)
def host_looked_for() -> WSGIApplication:
    name = re.compile(r"^/+(?:http://|/name|:\d+|;[^/]*)")
    return with_path(lambda target: unquote(name.sub("", target.partition("?")[0]), "latin-1"))


@application_mutant(
    "values-stripped", breaks=rows("wsgi/environ/header-ends", "no-break-space next-line")
)
def values_stripped() -> WSGIApplication:
    def strip(environ: WSGIEnvironment) -> None:
        for key, value in environ.items():
            if key.startswith("HTTP_"):
                environ[key] = value.strip()

    return with_environ(strip)


@application_mutant(
    "proxies-not-heard", breaks=rows("wsgi/environ/forwarded", "for proto host forwarded")
)
def proxies_not_heard() -> WSGIApplication:
    def leave_out(environ: WSGIEnvironment) -> None:
        for key in [key for key in environ if "FORWARDED" in key]:
            del environ[key]

    return with_environ(leave_out)


@server_mutant("head-counted-again", breaks=["http/arrival/large-head"])
def head_counted_again() -> Handler:
    class Counting(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            connection = self.connection
            connection.lingered += len(connection.buffer)
            if connection.lingered > COUNTED:
                connection.lingered = 0
                raise ClientError(431, "The head is too large.")
            request = super().parse_request()
            if request is not None:
                connection.lingered = 0
            return request

    return Counting


@server_mutant(
    "tried-in-every-way",
    breaks=[
        *rows(
            "security/effort/pattern",
            "value words spaces name target cookie accept parameter host",
        ),
        *rows("security/effort/pattern-in-chunks", "extensions quoted extension size"),
    ],
)
def tried_in_every_way() -> Handler:
    # As if it had no more stack: a pattern that took for ever would take its time here as well.
    class Trying(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            if NEARLY_RIGHT.search(self.connection.buffer.partition(b"\r\n\r\n")[0]):
                os._exit(1)
            return super().parse_request()

    line = bodies.ChunkedBody._line

    def tried(self: bodies.ChunkedBody) -> bytes:
        found = line(self)
        if NEARLY_RIGHT_LINE.search(found):
            os._exit(1)
        return found

    bodies.ChunkedBody._line = tried  # type: ignore[method-assign]
    return Trying


@server_mutant("busy-with-the-vanished", breaks=["security/effort/vanished"])
def busy_with_the_vanished() -> Handler:
    receive = Connection.receive_now

    def spin() -> None:
        while True:
            pass

    def receive_now(self: Connection) -> bytes | None:
        data = receive(self)
        if data == b"" and not self.served and threading.active_count() < 100:
            threading.Thread(target=spin, name="spinning", daemon=True).start()
        return data

    Connection.receive_now = receive_now  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant("broken-off-with-the-client", breaks=["security/effort/broken-off"])
def broken_off_with_the_client() -> Handler:
    send = Connection.send

    def fatal(self: Connection, data: bytes) -> None:
        try:
            send(self, data)
        except ClientDisconnected:
            os._exit(1)

    Connection.send = fatal  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant(
    "handler-for-each-connection", breaks=["security/effort/kept", "http/keep-alive/many"]
)
def handler_for_each_connection() -> Handler:
    class Keeping(WSGIRequestHandler):
        def handle(self) -> None:
            super().handle()
            # Not for the harness, which keeps none.
            while not self.connection.closing and re.search(rb"mark=(?:kept|first)-", self.head):
                client = self.connection.socket
                select.select([client], [], [])
                if not client.recv(1, socket.MSG_PEEK):
                    break
                super().handle()

    return Keeping


@server_mutant("no-room-for-more", breaks=["http/keep-alive/many"])
def no_room_for_more() -> Handler:
    kept: set[int] = set()

    class Full(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            super().run_wsgi(request)
            kept.add(self.connection.fileno())
            if len(kept) > ROOM and request.keep_alive:
                self.connection.closing = True

    return Full


@server_mutant("log-unquoted", breaks=rows("security/log-lines", "line-end line-feed escape query"))
def log_unquoted() -> Handler:
    log.escape = lambda text: unquote(text, "latin-1")
    return WSGIRequestHandler
