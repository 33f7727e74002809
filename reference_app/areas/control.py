"""What the harness asks of a deployment: who it is, what its journal holds."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import distributions

from reference_app.api import FRAMEWORK, Flask, Response, jsonify
from reference_app.areas import journal


def register(app: Flask) -> None:
    """Add the routes of this area."""

    @app.get("/-/identity")
    def identity() -> Response:
        """Who this is: the readiness endpoint. `deployment` is the token in
        WSGI_CONFORM_DEPLOYMENT, or null."""
        # The readiness endpoint: the harness knows by the token that it talks to what it started.
        return jsonify(
            deployment=os.environ.get("WSGI_CONFORM_DEPLOYMENT"),
            framework=FRAMEWORK,
            python=platform.python_version(),
            pid=os.getpid(),
        )

    @app.get("/-/versions")
    def versions() -> Response:
        """The versions of the distributions that are installed, by their names."""
        # What is no distribution, nginx in front, is told by whoever started it.
        others = json.loads(os.environ.get("WSGI_CONFORM_VERSIONS", "{}"))
        return jsonify({found.name: found.version for found in distributions()} | others)

    @app.get("/-/resources")
    def resources() -> Response:
        """How many descriptors and threads this process has."""
        # What this process has open, and how many threads: by that it is seen what is never freed.
        return jsonify(
            pid=os.getpid(),
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=len(os.listdir("/proc/self/task")),
        )

    @app.get("/-/journal/<key>")
    def read_journal(key: str) -> Response:
        """The events that were recorded under a key, oldest first; none for a key that nothing was
        recorded under."""
        return jsonify(journal.read(key))
