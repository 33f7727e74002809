"""eventlet's server, by `eventlet.wsgi.server` (eventlet documentation, "wsgi")."""

# ruff: noqa: E402
from __future__ import annotations

import eventlet

# Before anything imports what it replaces.
eventlet.monkey_patch()

from eventlet import wsgi

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    arguments = parser("eventlet").parse_args()
    listener = eventlet.listen((arguments.host, arguments.port))
    wsgi.server(listener, application, log_output=False)
