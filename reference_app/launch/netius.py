"""netius, by `netius.servers.WSGIServer` (its README)."""

from __future__ import annotations

from netius.servers import WSGIServer

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    arguments = parser("netius").parse_args()
    WSGIServer(app=application).serve(host=arguments.host, port=arguments.port)
