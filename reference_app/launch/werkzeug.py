"""Werkzeug's development server, by `run_simple` (Werkzeug documentation, "Serving")."""

from __future__ import annotations

from werkzeug.serving import run_simple

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    options = parser("werkzeug")
    options.add_argument("--threaded", action="store_true", help="a thread per connection")
    options.add_argument("--processes", type=int, default=1, help="processes at the most")
    arguments = options.parse_args()
    run_simple(
        arguments.host,
        arguments.port,
        application,
        threaded=arguments.threaded,
        processes=arguments.processes,
    )
