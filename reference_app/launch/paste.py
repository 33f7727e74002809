"""Paste's server, by `paste.httpserver.serve` (Paste documentation, "paste.httpserver")."""

from __future__ import annotations

from paste import httpserver

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    options = parser("paste")
    options.add_argument("--threads", type=int, default=10, help="of its pool")
    arguments = options.parse_args()
    httpserver.serve(
        application, arguments.host, arguments.port, threadpool_workers=arguments.threads
    )
