"""gevent's server, by `WSGIServer` (gevent documentation, "gevent.pywsgi")."""

# ruff: noqa: E402
from __future__ import annotations

from gevent import monkey

# Before anything imports what it replaces.
monkey.patch_all()

from gevent.pywsgi import WSGIServer

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    arguments = parser("gevent").parse_args()
    WSGIServer((arguments.host, arguments.port), application, log=None).serve_forever()
