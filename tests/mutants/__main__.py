"""Serves one mutant: `python -m tests.mutants NAME --host HOST --port PORT`."""

from __future__ import annotations

import argparse

from reference_app.serving import run_simple
from tests.mutants import UNBROKEN, load

parser = argparse.ArgumentParser(prog="python -m tests.mutants")
parser.add_argument("name")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8000)

if __name__ == "__main__":
    arguments = parser.parse_args()
    mutant = {**load(), "none": UNBROKEN}[arguments.name]
    if mutant.application is None:
        from reference_app.wsgi import application
    else:
        application = mutant.application()  # type: ignore[assignment]
    run_simple(
        arguments.host,
        arguments.port,
        application,
        threads=8,
        threaded=True,
        request_handler=mutant.handler() if mutant.handler else None,
    )
