"""What can go wrong with a request, told apart by who did wrong.

::

    Exception
        ClientError             the client broke HTTP: it is answered with `status` and cut off
            ClientDisconnected  the client is gone, or too slow to read: nobody is left to answer
    AssertionError
        ApplicationError        the application broke PEP 3333: the client is answered with a 500

The two sides never mix. A `ClientError` that reaches the server through the application (it was
raised by a read of `wsgi.input`) is still the client's fault and never becomes a 500, and an
`OSError` of the application's own database never looks like a client that hung up.
"""

from __future__ import annotations

REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


class ClientError(Exception):
    """The client sent something that HTTP forbids or that is beyond a limit of this server.

    :param status: the status code to answer with, a key of `REASONS`.
    :param explanation: one line for the client, in words that do not repeat its own bytes.
    """

    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status = status
        self.explanation = explanation


class ClientDisconnected(ClientError):
    """The connection broke, or the client stopped reading, so no answer can reach it.

    :param explanation: what was going on, for the log.
    """

    def __init__(self, explanation: str) -> None:
        super().__init__(400, explanation)


class ApplicationError(AssertionError):
    """The application broke PEP 3333; an `AssertionError`, as in the specification's example."""
