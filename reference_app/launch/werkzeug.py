"""Werkzeug's development server, by `run_simple` (Werkzeug documentation, "Serving")."""

from __future__ import annotations

import argparse

from werkzeug.serving import run_simple

from reference_app.wsgi import application

parser = argparse.ArgumentParser(prog="python -m reference_app.launch.werkzeug")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8000)
parser.add_argument("--threaded", action="store_true", help="a thread per connection")
parser.add_argument("--processes", type=int, default=1, help="processes at the most")

if __name__ == "__main__":
    arguments = parser.parse_args()
    run_simple(
        arguments.host,
        arguments.port,
        application,
        threaded=arguments.threaded,
        processes=arguments.processes,
    )
