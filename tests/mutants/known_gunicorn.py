"""Mutants of what servers have mended: each breaks what some release of a server once broke."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from reference_app.serving import body as bodies
from reference_app.serving import server as servers
from reference_app.serving.response import ResponseWriter
from tests.mutants import program_mutant, server_mutant
from tests.mutants.messages import Handler, mending, rows, sending, without
from tests.mutants.programs import UNDER_MASTER, Master, serve, supervise

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_app.serving.body import Body
    from reference_app.serving.parser import Request

LEFT = "silent head body answered second-head refused"
CODINGS = (
    "gzip chunked-not-last identity prefix suffix quoted parameter second-line vertical-tab nul "
    "no-break-space empty"
)


# Failures


@server_mutant(
    "error-page-in-the-body", breaks=rows("errors/stream/exit", "without-length with-length")
)
def error_page_in_the_body() -> Handler:
    class Worker(WSGIRequestHandler):
        def application_failed(self, error: BaseException, *others: Any) -> None:
            if isinstance(error, SystemExit):
                self.connection.send(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
            super().application_failed(error, *others)

    return Worker


# What is left


def _at_each_connection(leave: Callable[[], object]) -> Handler:
    accept = servers.BaseWSGIServer.get_request

    def accept_and_leave(self: servers.BaseWSGIServer) -> Any:
        leave()
        return accept(self)

    servers.BaseWSGIServer.get_request = accept_and_leave  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant("descriptors-are-left", breaks=rows("security/left", LEFT))
def descriptors_left() -> Handler:
    return _at_each_connection(lambda: os.open(os.devnull, os.O_RDONLY))


@server_mutant("threads-are-left", breaks=["security/left/silent"])
def threads_left() -> Handler:
    return _at_each_connection(
        lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    )


@server_mutant("connections-at-work-are-closed", breaks=["security/at-work"])
def connections_at_work_closed() -> Handler:
    class Impatient(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            timer = threading.Timer(1.0, self.connection.end_output)
            timer.start()
            super().run_wsgi(request)
            timer.cancel()

    return Impatient


# Interim responses


def _hinting(hint: Callable[[WSGIRequestHandler, Request, list[tuple[str, str]]], None]) -> Handler:
    """A handler that offers early hints."""

    class Hinting(WSGIRequestHandler):
        def make_environ(self, request: Request, body: Body) -> dict[str, Any]:
            environ = super().make_environ(request, body)
            environ["wsgi.early_hints"] = lambda fields: hint(self, request, fields)
            return environ

    return Hinting


def _interim(fields: list[tuple[str, str]], more: str = "") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 103 Early Hints\r\n{more}{lines}\r\n".encode("latin-1")


@server_mutant(
    "hints-are-sent-as-they-come",
    breaks=[
        *rows("http/early-hints", "in-1.0 too-late"),
        *rows("http/early-hints/refused", "value value-lf name"),
    ],
)
def hints_as_they_come() -> Handler:
    return _hinting(lambda handler, request, fields: handler.connection.send(_interim(fields)))


@server_mutant("hints-are-framed", breaks=["http/early-hints/not-framed"])
def hints_framed() -> Handler:
    framing = "Transfer-Encoding: chunked\r\n"
    return _hinting(
        lambda handler, request, fields: handler.connection.send(_interim(fields, framing))
    )


@server_mutant("hints-are-final-fields", breaks=["http/early-hints/sent"])
def hints_final() -> Handler:
    return _hinting(lambda handler, request, fields: handler.connection.send(_interim([])))


@server_mutant("continue-is-framed", breaks=rows("http/expect", "not-framed not-framed-chunked"))
def continue_framed() -> Handler:
    line = b"HTTP/1.1 100 Continue\r\n"
    return sending(lambda data: data.replace(line, line + b"Transfer-Encoding: chunked\r\n"))


# Framing


@server_mutant(
    "no-coding-but-chunked-is-seen", breaks=rows("http/transfer-encoding/not-executed", CODINGS)
)
def no_coding_seen() -> Handler:
    drop = without("Transfer-Encoding")
    usual = b"\r\nTransfer-Encoding: chunked\r\n"

    def mend(head: bytes) -> bytes:
        return head if usual in head and head.count(b"Transfer-Encoding") == 1 else drop(head)

    return mending(mend)


@server_mutant(
    "faulty-framing-is-mended",
    breaks=rows("http/refusal/last", "conflict coding coding-and-length length"),
)
def faulty_framing_mended() -> Handler:
    drop_length, drop_coding = without("Content-Length"), without("Transfer-Encoding")

    def mend(head: bytes) -> bytes:
        if re.search(rb"\r\nTransfer-Encoding: (?:identity|xchunked)\r\n", head):
            return drop_coding(head)
        if b"\r\nTransfer-Encoding: chunked\r\n" in head:
            return drop_length(head)
        return head.replace(b"Content-Length: +", b"Content-Length: ")

    return mending(mend)


@server_mutant(
    "extensions-are-taken",
    breaks=rows("http/chunked/extension-not-taken", "without-name delimiter-in-name nul bare-cr"),
)
def extensions_taken() -> Handler:
    bodies._CHUNK_LINE = re.compile(rb"(?s)([0-9A-Fa-f]{1,15})(?:;.*)?")
    return WSGIRequestHandler


@server_mutant("empty-target-is-the-root", breaks=["http/request-line/malformed/target-empty"])
def empty_target_mended() -> Handler:
    return mending(lambda head: head.replace(b"GET  HTTP/", b"GET / HTTP/"))


# The process


@program_mutant("last-response-does-not-say-so", breaks=["lifecycle/drain/next-on-connection"])
def last_response_does_not_say_so(host: str, port: int) -> None:
    def is_last(self: ResponseWriter) -> None:
        # Closed for sure: else a client that is quick still has its next request answered.
        self._connection.closing = True

    ResponseWriter.is_last = is_last  # type: ignore[method-assign]
    serve(host, port)


@program_mutant(
    "reloads-leave-descriptors",
    breaks=["lifecycle/reload/nothing-left"],
    capabilities=UNDER_MASTER,
)
def reloads_leave_descriptors(host: str, port: int) -> None:
    def reload(self: Master) -> None:
        os.open(os.devnull, os.O_RDONLY)
        Master.reload(self)

    supervise(host, port, reload=reload)
