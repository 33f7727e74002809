"""Mutants after defects that releases of servers had: of bodies, their ends and what is in them."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING, Any

from reference_app.serving import WSGIRequestHandler
from reference_app.serving import body as bodies
from reference_app.serving.errors import ClientError
from tests.mutants import server_mutant
from tests.mutants.messages import Handler, mending, rows
from tests.mutants.security import SILENCE_S

if TYPE_CHECKING:
    from reference_app.serving.body import Body
    from reference_app.serving.parser import Request


@server_mutant(
    "one-trailer-and-no-more",
    breaks=[
        *rows("http/desync/trailers", "read unread"),
        *rows("http/desync/request-in-trailers", "read unread"),
    ],
)
def one_trailer_and_no_more() -> Handler:
    # The line behind the last chunk is taken for the end, whatever is on it.
    line = bodies.ChunkedBody._line

    def one_line(self: bodies.ChunkedBody) -> bytes:
        if vars(self).get("one_seen"):
            self._position -= 2
            return b""
        found = line(self)
        if self._in_trailer and found:
            vars(self)["one_seen"] = True
        return found

    bodies.ChunkedBody._line = one_line  # type: ignore[method-assign]
    return WSGIRequestHandler


@server_mutant(
    "any-space-between-lengths",
    breaks=[
        "http/content-length/invalid/no-break-space-in-a-list",
        "http/content-length/invalid-closed/no-break-space-in-a-list",
    ],
)
def any_space_between_lengths() -> Handler:
    # Python knows more characters that are space than HTTP does.
    equal = re.compile(rb"(?<=Content-Length: )([0-9]+),\xa0\1(?=\r)")
    return mending(lambda head: equal.sub(rb"\1", head))


@server_mutant("thousand-parameters", breaks=["http/target/many/parameters"])
def thousand_parameters() -> Handler:
    class Counting(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if request is not None and request.query.count("&") > 1000:
                raise ClientError(400, "The query has too many parameters.")
            return request

    return Counting


@server_mutant("thousand-escapes", breaks=["http/target/many/escapes"])
def thousand_escapes() -> Handler:
    class Counting(WSGIRequestHandler):
        def parse_request(self) -> Request | None:
            request = super().parse_request()
            if request is not None and request.query.count("%") > 1000:
                raise ClientError(400, "The target has too many escapes.")
            return request

    return Counting


@server_mutant(
    "line-ends-in-values-are-spaces",
    breaks=rows("http/field/framing-behind", "bare-lf bare-cr"),
)
def line_ends_in_values_are_spaces() -> Handler:
    # As RFC 9110 allows, so that no field is left of what a stricter reader sees.
    bare = re.compile(rb"\r(?!\n)|(?<!\r)\n")
    return mending(lambda head: bare.sub(b" ", head))


@server_mutant(
    "forms-cost-their-square",
    breaks=rows("security/large/part-header", "parameters escapes spaces"),
)
def forms_cost_their_square() -> Handler:
    # The server parses forms itself, whether or not anybody wants them.
    class Parsing(WSGIRequestHandler):
        def make_environ(self, request: Request, body: Body) -> dict[str, Any]:
            environ = super().make_environ(request, body)
            if environ.get("CONTENT_TYPE", "").startswith("multipart/"):
                form = body.read()
                time.sleep(min((len(form) / 50_000) ** 2, SILENCE_S))
                environ["wsgi.input"] = io.BytesIO(form)
            return environ

    return Parsing
