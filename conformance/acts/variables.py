"""A start with variables in the process' environment that are named like those of a request."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.acts import Stage, act
from conformance.client import Response

#: What the process has of them. None keeps a request from the route that it is for: a server that
#: takes them for the request's has to answer here, and say so.
VARIABLES = {
    "QUERY_STRING": "of=the-process",
    "CONTENT_TYPE": "of/the-process",
    "REMOTE_ADDR": "203.0.113.9",
    # As containers get it where a service of their cluster is called `server`.
    "SERVER_PORT": "tcp://203.0.113.9:80",
    "HTTP_X_VALUE": "of-the-process",
}


@dataclass(frozen=True)
class Variables:
    """What the application said of the environ of two requests.

    :param full: of one that has a value of its own for each of the variables.
    :param bare: of one that has as little as a request can have.
    """

    full: Response
    bare: Response


@act
def variables(stage: Stage) -> Variables:
    """Two requests to a server in whose environment the variables are."""
    wire = stage.wire(stage.start(VARIABLES))
    fields = [("Content-Type", "of/the-request"), ("X-Value", "of-the-request")]
    full = wire.ask("POST", "/wsgi/environ?of=the-request", fields, b"ab")
    return Variables(full, wire.ask("GET", "/wsgi/environ"))
