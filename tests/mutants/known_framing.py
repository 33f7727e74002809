"""Mutants after defects that releases of servers had: where a body ends, and what they went by."""

from __future__ import annotations

import re

from reference_app.serving import WSGIRequestHandler
from reference_app.serving import body as bodies
from tests.mutants import server_mutant
from tests.mutants.messages import Handler, mending, rows


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
