"""The reference WSGI server: PEP 3333 over HTTP/1.1, from the socket up.

It serves any WSGI application and knows no framework. `run_simple` and `make_server` are where to
begin; `server` tells how a connection gets from there to the application.
"""

from .handler import WSGIRequestHandler
from .run import run_simple
from .server import BaseWSGIServer, ForkingWSGIServer, ThreadedWSGIServer, make_server
from .settings import Limits, Settings, Timeouts

__all__ = [
    "BaseWSGIServer",
    "ForkingWSGIServer",
    "Limits",
    "Settings",
    "ThreadedWSGIServer",
    "Timeouts",
    "WSGIRequestHandler",
    "make_server",
    "run_simple",
]
