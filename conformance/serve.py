"""`wsgi-conform serve`: one deployment in the foreground, until it is told to stop.

Nothing is checked. What the server prints goes to the terminal, and if it ends, so does this.
"""

from __future__ import annotations

import codecs
import sys
import threading
import time
from uuid import uuid4

from conformance import readiness
from conformance.backends import Backend, BackendError, Deployment
from conformance.registry import Server
from conformance.report.terminal import printable
from conformance.runner import EXIT_INTERRUPTED, Interrupts
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR

#: Seconds between two looks at whether the server still runs.
_POLL_S = 0.1
#: Seconds that the last words of a server may take to come, when it has ended.
_LAST_WORDS_S = 5.0


def serve(server: Server, backend: Backend, application: str, port: int | None) -> int:
    """Serve until Ctrl-C, SIGTERM or SIGHUP, and return the exit status.

    :param application: what is served, for people.
    :param port: of 127.0.0.1; None for any that is free.
    :raises BackendError: it cannot be started, or does not become ready; with its last output.
    """
    deployment: Deployment | None = None
    output: _Output | None = None

    def stop(grace_s: float | None = None) -> None:
        if deployment is not None:
            deployment.stop(grace_s)

    with Interrupts(lambda: stop(grace_s=0)) as interrupts:
        try:
            backend.sweep()
            failed = backend.prepare([server]).get(server.name)
            if failed is not None:
                raise BackendError(failed)
            deployment = backend.start(server, uuid4().hex, port=port)
            identity = readiness.wait_until_ready(deployment)
            version = identity.version_of(server.project) or server.version or ""
            # From here on it is ready, and to be stopped is what is expected.
            output = _Output(deployment)
            what = f"{f'{server.project} {version}'.strip()}, Python {identity.python}"
            print(
                f"{server.name} ({printable(what)}) serves {application} at"
                f" {deployment.address.url} (Ctrl-C stops it)",
                flush=True,
            )
            output.start()
            while (status := deployment.exit_status()) is None:
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED if output is None else EXIT_AS_EXPECTED
        finally:
            interrupts.hold()
            stop()
            backend.sweep()
            if output is not None:
                output.finish()
        print(f"wsgi-conform: {server.name} ended by itself: {status}", file=sys.stderr)
        return EXIT_ERROR


class _Output:
    """Copies what a server prints to the terminal, as it comes."""

    def __init__(self, deployment: Deployment) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._copy, args=[deployment], daemon=True)

    def start(self) -> None:
        """Begin, from the first line on."""
        if self._thread.ident is None:
            self._thread.start()

    def finish(self) -> None:
        """Copy what is left; nothing more will come."""
        self._ended.set()
        self.start()
        self._thread.join(_LAST_WORDS_S)

    def _copy(self, deployment: Deployment) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            for printed in deployment.follow(self._ended.is_set):
                # A client may have had it log what a terminal would obey.
                sys.stdout.write(printable(decoder.decode(printed)))
                sys.stdout.flush()
        except (OSError, BackendError):
            # Nobody reads any more, or the engine is gone: the server serves all the same.
            return
