"""Serves one mutant: `python -m tests.mutants NAME --host HOST --port PORT`."""

from __future__ import annotations

import argparse
import os

from tests.chaos.handlers import make_late
from tests.mutants import UNBROKEN, load
from tests.mutants.programs import FORKING, SUPERVISED, serve

parser = argparse.ArgumentParser(prog="python -m tests.mutants")
parser.add_argument("name")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8000)

if __name__ == "__main__":
    arguments = parser.parse_args()
    if "WSGI_CONFORM_CHAOS" in os.environ:
        make_late(os.environ["WSGI_CONFORM_CHAOS"])
    unbroken = {mutant.name: mutant for mutant in (UNBROKEN, SUPERVISED, FORKING)}
    mutant = {**load(), **unbroken}[arguments.name]
    if mutant.program is not None:
        mutant.program(arguments.host, arguments.port)
        raise SystemExit
    if mutant.application is None:
        from reference_app.wsgi import application
    else:
        application = mutant.application()
    handler = mutant.handler() if mutant.handler else None
    serve(arguments.host, arguments.port, application, request_handler=handler)
