"""The standard library's server, by `make_server` (Python documentation, "wsgiref")."""

from __future__ import annotations

from wsgiref.simple_server import make_server

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    arguments = parser("wsgiref").parse_args()
    with make_server(arguments.host, arguments.port, application) as server:
        server.serve_forever()
