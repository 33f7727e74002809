"""Run a server and nginx in front of it as one: neither outlives the other.

    python3 behind_nginx.py proxy gunicorn --bind unix:/tmp/backend.sock ...

The first argument names the file of this directory that says how nginx passes requests on; what
follows is the server's command. On SIGTERM nginx finishes the requests that it has, then the server
is stopped. The status is that of the first that ended without being asked to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

CONFIGURATION = Path("/etc/wsgi-conform/nginx")
SCRATCH = Path("/tmp/nginx")
#: Where nginx listens, by its configuration.
PORT = 8000


def main(protocol: str, *command: str) -> int:
    """Run both until one ends or a signal comes, and return the exit status."""
    # Before the server takes the place of one that runs here already: its socket is a file.
    socket.create_server(("0.0.0.0", PORT)).close()

    SCRATCH.mkdir(exist_ok=True)
    backend_configuration = SCRATCH / "backend.conf"
    backend_configuration.unlink(missing_ok=True)
    backend_configuration.symlink_to(CONFIGURATION / f"{protocol}.conf")
    # What nginx is in the results: no distribution of Python's says it.
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    os.environ["WSGI_CONFORM_VERSIONS"] = json.dumps({"nginx": version.strip().rpartition("/")[2]})

    # Blocked before anything starts, so that no signal comes too early; then waited for.
    awaited = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited),
        )

    backend = start(*command)
    nginx = start("nginx", "-c", str(CONFIGURATION / "nginx.conf"))
    while True:
        number = signal.sigwait(awaited)
        ended = next((child for child in (backend, nginx) if child.poll() is not None), None)
        if number != signal.SIGCHLD or ended is not None:
            break
    nginx.send_signal(signal.SIGQUIT)
    nginx.wait()
    backend.terminate()
    backend.wait()
    if ended is None:
        return 0
    # As a shell has it: a signal is 128 and its number.
    return ended.returncode if ended.returncode >= 0 else 128 - ended.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
