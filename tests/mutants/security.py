"""Mutants that trust clients: their fields, their line ends, their paths and their patience."""

from __future__ import annotations

import os
import posixpath
import re
import select
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from markupsafe import Markup

from reference_app.application import create_app
from reference_app.framework import cookies, exceptions, files
from reference_app.framework import response as responses
from reference_app.framework.datastructures import headers
from reference_app.serving import WSGIRequestHandler, parser
from reference_app.serving import body as bodies
from reference_app.serving import response as heads
from reference_app.serving.errors import ClientError
from reference_app.serving.server import BaseWSGIServer
from reference_app.serving.settings import Limits
from tests.mutants import application_mutant, server_mutant
from tests.mutants.building import with_flask
from tests.mutants.messages import OURS, Handler, mending, rows
from tests.mutants.protocols import around, with_environ, with_response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from reference_app.serving.body import Body
    from reference_app.serving.parser import Request
    from reference_app.serving.response import ResponseWriter

#: Seconds in which a mutant says nothing: longer than the checks wait for it.
SILENCE_S = 5.0

# Names


def keys(make: Callable[[bytes], str | None]) -> None:
    """Let the parser take its environ keys from this."""
    parser._environ_key = make  # type: ignore[assignment]


def merged(name: bytes) -> str:
    """The key of a field, underscores for hyphens."""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


@server_mutant(
    "spellings-joined",
    breaks=rows("security/underscore/not-merged", "before behind mixed"),
)
def underscores_joined() -> Handler:
    keys(merged)
    return WSGIRequestHandler


@server_mutant(
    "underscores-win",
    breaks=[
        *rows("security/underscore/not-merged", "behind mixed"),
        *rows("security/underscore/alone", "all one"),
        *rows("security/underscore/content", "length type"),
        "security/underscore/framing/length",
    ],
)
def underscores_win() -> Handler:
    class Winning(parser._Fields):
        def on_header(self, name: bytes, value: bytes) -> None:
            if b"_" in name:
                self.fields.pop(merged(name), None)
            super().on_header(name, value)

    keys(merged)
    parser._Fields = Winning  # type: ignore[misc]
    return WSGIRequestHandler


@server_mutant("coding-by-underscore", breaks=["security/underscore/framing/coding"])
def coding_by_underscore() -> Handler:
    def mend(head: bytes) -> bytes:
        if b"Transfer_Encoding" in head:
            head = re.sub(rb"Content-Length:[^\n]*\n", b"", head)
        return head.replace(b"Transfer_Encoding", b"Transfer-Encoding")

    return mending(mend)


@server_mutant(
    "fields-are-variables",
    breaks=[
        *rows(
            "security/fields/own-variables",
            "hyphen-as-is hyphen-prefixed underscore-as-is underscore-prefixed",
        ),
        "security/fields/wsgi-variables",
    ],
)
def fields_are_variables() -> Handler:
    def variable(name: bytes) -> str:
        if name.startswith(b"wsgi."):
            return name.decode()
        key = merged(name).removeprefix("HTTP_").removeprefix("HTTP_")
        own = ("REMOTE_USER", "AUTH_TYPE", "REMOTE_ADDR")
        return key if key in own else merged(name)

    keys(variable)
    return WSGIRequestHandler


@application_mutant(
    "fields-in-the-process-environment", breaks=["security/fields/process-environment"]
)
def fields_in_process_environment() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_PROXY" in environ:
            os.environ["HTTP_PROXY"] = environ["HTTP_PROXY"]

    return with_environ(change)


@application_mutant(
    "every-proxy-believed",
    breaks=[
        *rows("security/address", "forwarded real-ip forwarded-for"),
        *rows("security/scheme", "forwarded front-end-https https"),
        "security/forwarded-host",
    ],
)
def every_proxy_believed() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        forwarded = environ.get("HTTP_FORWARDED", "")
        if "for=" in forwarded or "HTTP_X_REAL_IP" in environ:
            environ["REMOTE_ADDR"] = "203.0.113.9"
        if "HTTP_X_FORWARDED_FOR" in environ:
            environ["REMOTE_ADDR"] = f"for {environ['HTTP_X_FORWARDED_FOR']}"
        if "https" in forwarded or {"HTTP_FRONT_END_HTTPS", "HTTP_HTTPS"} & environ.keys():
            environ["wsgi.url_scheme"] = "https"
        if "HTTP_X_FORWARDED_HOST" in environ:
            environ["HTTP_HOST"] = environ["HTTP_X_FORWARDED_HOST"]

    return with_environ(change)


@application_mutant(
    "redirects-elsewhere",
    breaks=rows("security/redirect-elsewhere", "two-slashes three-slashes inside"),
)
def redirects_elsewhere() -> WSGIApplication:
    return with_response(
        lambda status, fields: (
            status,
            [
                (name, "//security/branch/" if name == "Location" else value)
                for name, value in fields
            ],
        )
    )


# Line ends


def _options(value: str, options: dict[str, Any]) -> str:
    """The value of a field with options, as it is where nothing is encoded or quoted."""
    parts = [f"{name}={unquote(str(found))}" for name, found in options.items()]
    return "; ".join([value, *parts])


@server_mutant(
    "heads-not-checked",
    breaks=[
        *rows(
            "security/splitting",
            "head.value head.value-lf head.value-cr head.value-nul head.value-wide head.name "
            "head.reason head.location head.cookie head.content-type replaced.value "
            "first-step.value",
        ),
        *rows("security/injection/harmless", "content-type cookie-value download-name status"),
    ],
)
def heads_not_checked() -> Handler:
    make = heads.ResponseHead.__init__

    def unchecked(self: heads.ResponseHead, status: str, fields: Any) -> None:
        make(self, status, fields)
        self.lines = "".join(chr(ord(character) & 0xFF) for character in self.lines)

    heads._BAD_IN_VALUE = re.compile("(?!)")
    heads._STATUS = re.compile(r"(?s)[1-9][0-9]{2} .*")
    heads._check_name = str.lower  # type: ignore[assignment]
    heads.ResponseHead.__init__ = unchecked  # type: ignore[method-assign, assignment]
    headers._clean_value = lambda value: str(value)
    headers.dump_options_header = _options  # type: ignore[attr-defined, assignment]
    cookies._escape_cookie_value = lambda value: value
    return WSGIRequestHandler


@application_mutant(
    "line-ends-mended",
    breaks=rows("security/injection/refused", "set lf cr added in-tuple location"),
)
def line_ends_mended() -> WSGIApplication:
    headers._clean_value = lambda value: str(value).splitlines()[0]
    return create_app()


# Markup, and what is not for everybody


@application_mutant(
    "markup-believed",
    breaks=[
        *rows("security/markup/escaped", "description template in-a-script"),
        "security/markup/redirect",
    ],
)
def markup_believed() -> WSGIApplication:
    exceptions.escape = Markup  # type: ignore[attr-defined]
    responses.escape = Markup  # type: ignore[attr-defined]
    app = with_flask(select_jinja_autoescape=lambda self, name: False)
    app.jinja_env.filters["tojson"] = Markup
    return app


@server_mutant(
    "refusals-show-the-request",
    breaks=rows("security/markup/not-reflected", "target method version host field"),
)
def refusals_show_the_request() -> Handler:
    class Showing(WSGIRequestHandler):
        def send_error(self, error: ClientError) -> None:
            shown = self.head
            self.connection.closing = True
            self.connection.send(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(shown), shown)
            )

    return Showing


@application_mutant("not-found-shows-the-path", breaks=["security/markup/not-reflected/path"])
def not_found_shows_the_path() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/no/"):
            return app(environ, start_response)  # type: ignore[no-any-return]
        start_response("404 Not Found", [("Content-Type", "text/html")])
        return [environ["PATH_INFO"].encode("latin-1")]

    return around(middleware)


@server_mutant(
    "failures-shown", breaks=rows("security/refusal/no-leak", "in-call first-block malformed")
)
def failures_shown() -> Handler:
    class Showing(WSGIRequestHandler):
        def show(self, error: BaseException) -> None:
            text = "".join(traceback.format_exception(error)).encode()
            self.connection.closing = True
            self.connection.send(
                b"HTTP/1.1 500 Failed\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
            )

        def send_error(self, error: ClientError) -> None:
            self.show(error)

        def application_failed(
            self, error: BaseException, request: Request, response: ResponseWriter, body: Body
        ) -> None:
            self.show(error)

    return Showing


@application_mutant("trace-shows-everything", breaks=["security/trace"])
def trace_shows_everything() -> WSGIApplication:
    def middleware(app: Any, environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "TRACE":
            return app(environ, start_response)  # type: ignore[no-any-return]
        start_response("200 OK", [("Content-Type", "message/http")])
        return [environ.get("HTTP_COOKIE", "").encode("latin-1")]

    return around(middleware)


@server_mutant("server-tells-all", breaks=["security/server-field"])
def server_tells_all() -> Handler:
    heads._SERVER_LINE = "Server: mutant/1.2.3 Python/3.11.2 OpenSSL/3.0.1\r\n"
    return WSGIRequestHandler


@application_mutant("cookie-prefixes-lost", breaks=["security/cookie-prefixes"])
def cookie_prefixes_lost() -> WSGIApplication:
    return with_response(
        lambda status, fields: (
            status,
            [(name, value.removeprefix("__Host-")) for name, value in fields],
        )
    )


# Paths


@application_mutant(
    "files-from-anywhere",
    breaks=rows("security/path/not-outside", "encoded encoded-twice backslash overlong nul"),
)
def files_from_anywhere() -> WSGIApplication:
    def join(directory: str, *names: str) -> str:
        name = unquote(names[0]).replace("\\", "/").replace("\0", "")
        name = name.replace("\ufffd\ufffd", ".")
        return posixpath.normpath(posixpath.join(directory, posixpath.normpath(name)))

    files.safe_join = join
    return create_app()


@application_mutant(
    "paths-resolved",
    breaks=rows("security/path/literal", "encoded-dots backslash nul overlong line-end"),
)
def paths_resolved() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        path = environ["PATH_INFO"].replace("\\", "/").replace("\xc0\xae", ".")
        path = re.sub(r"[\0\r\n]", "", path)
        environ["PATH_INFO"] = posixpath.normpath(path) if ".." in path else path

    return with_environ(change)


# Patience


@server_mutant("one-at-a-time", breaks=rows("security/slow", "body reading"))
def one_at_a_time() -> Handler:
    lock = threading.Lock()

    class Alone(WSGIRequestHandler):
        def run_wsgi(self, request: Request) -> None:
            if request.path.startswith("/-/"):
                super().run_wsgi(request)
                return
            with lock:
                super().run_wsgi(request)

    return Alone


@server_mutant("waits-for-heads", breaks=["security/slow/head"])
def waits_for_heads() -> Handler:
    lock = threading.Lock()

    class Waiting(WSGIRequestHandler):
        def handle(self) -> None:
            with lock:
                while b"\r\n\r\n" not in self.connection.buffer:
                    data = self.connection.socket.recv(65536)
                    if not data:
                        break
                    self.connection.buffer += data
            super().handle()

    return Waiting


@server_mutant("waits-for-the-first-byte", breaks=["security/idle"])
def waits_for_first_byte() -> Handler:
    accept = BaseWSGIServer.get_request

    def get_request(self: BaseWSGIServer) -> Any:
        connection, address = accept(self)
        select.select([connection.socket], [], [], SILENCE_S)
        return connection, address

    BaseWSGIServer.get_request = get_request  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant("tired-of-resets", breaks=rows("security/reset", "connection head body"))
def tired_of_resets() -> Handler:
    left: list[int] = []

    class Tired(tired_after(left)):  # type: ignore[misc]
        def input_ended(self) -> None:
            left.append(1)
            super().input_ended()

    return Tired


@server_mutant("tired-of-broken-answers", breaks=rows("security/reset-within", "answer block file"))
def tired_of_broken_answers() -> Handler:
    return tired_after([])


def tired_after(left: list[int]) -> Handler:
    """A handler that answers no more once more than ten clients have left.

    :param left: an item for each; those that leave while they are answered are added here.
    """

    class Tired(WSGIRequestHandler):
        def connection_dropped(self, error: BaseException, environ: Any) -> None:
            left.append(1)

        def run_wsgi(self, request: Request) -> None:
            if len(left) > 10 and not request.path.startswith("/-/"):
                time.sleep(SILENCE_S)
            super().run_wsgi(request)

    return Tired


def unlimited(handler: Handler) -> Handler:
    """The handler, with a server that takes whatever comes as a head or between chunks."""

    class Unlimited(handler):  # type: ignore[valid-type, misc]
        def handle(self) -> None:
            many = 1 << 30
            limits = Limits(many, many, many, trailer_bytes=many)
            self.server.settings = replace(self.server.settings, limits=limits)
            super().handle()

    return Unlimited


@server_mutant(
    "no-limits",
    breaks=[
        *rows("security/endless/head", "target value name fields"),
        *rows("security/endless/chunked", "trailers size"),
        *rows("security/endless/extension", "one many"),
    ],
)
def no_limits() -> Handler:
    bodies._MAX_LINE = 1 << 30
    return unlimited(WSGIRequestHandler)


@server_mutant("large-heads-cut-short", breaks=rows("security/large/whole", "cookie query fields"))
def large_heads_cut_off() -> Handler:
    def mend(head: bytes) -> bytes:
        lines = head.split(b"\r\n")[:-2]
        first = re.sub(rb"\?q{1000,}", b"?q", lines[0])
        kept = [first, *(line[:8000] for line in lines[1:20])]
        return b"\r\n".join([*kept, b"Connection: close", b"", b""])

    return unlimited(mending(mend))


@server_mutant("memory-for-what-is-declared", breaks=["security/large/declared"])
def memory_for_what_is_declared() -> Handler:
    full = threading.Event()

    class Full(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            if b"1000000000000" in self.connection.buffer:
                full.set()
            return super().parse_request()

        def run_wsgi(self, request: Request) -> None:
            if full.is_set() and not request.path.startswith("/-/"):
                time.sleep(SILENCE_S)
            super().run_wsgi(request)

    return Full


@server_mutant(
    "connections-share-what-is-left",
    breaks=rows(
        "security/smuggling",
        "cl-te te-cl two-lengths two-codings space-before-colon vertical-tab bare-lf "
        "extension-lf http-1.0 get-with-body",
    ),
)
def connections_share_what_is_left() -> Handler:
    left: list[bytes] = []

    class Sharing(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            buffer = self.connection.buffer
            if b"\r\n\r\n" in buffer and b"attacker" in buffer:
                # What is behind the head, however it was framed, is for whoever comes next.
                _, _, rest = buffer.partition(b"\r\n\r\n")
                position = rest.find(b"GET /wsgi/echo?mark=stolen")
                if position >= 0:
                    left.append(rest[position:].rstrip(b"0\r\n"))
                    self.connection.buffer = b""
                    self.connection.closing = True
                    return None
            elif left and buffer and OURS not in buffer:
                self.connection.buffer = left.pop() + buffer
            return super().parse_request()

    return Sharing
