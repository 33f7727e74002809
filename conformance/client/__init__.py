"""What talks to a deployment: `wire` (bytes on a socket) and `http` (requests on top of it).

Both record every exchange. What a peer does wrong is a `PeerError`, which is an AssertionError: it
fails the check. Anything else that a check raises is a fault of the harness.
"""

from conformance.client.wire import (
    Connection,
    ConnectionClosed,
    MalformedResponse,
    PeerError,
    Recorder,
    Response,
    TimedOut,
    Wire,
)

__all__ = [
    "Connection",
    "ConnectionClosed",
    "MalformedResponse",
    "PeerError",
    "Recorder",
    "Response",
    "TimedOut",
    "Wire",
]
