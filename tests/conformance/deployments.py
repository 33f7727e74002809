"""Tiny deployments for tests of the harness: a script of the standard library in place of a server.

It knows who it is, as the reference application does, and misbehaves on demand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance import registry
from conformance.backends import EngineUnavailable
from conformance.registry import Server

SCRIPT = """
import http.server, json, os, signal, socket, subprocess, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = 200, b"ok"
        if self.path == "/-/identity":
            body = json.dumps({
                "deployment": os.environ.get("CLAIMED") or os.environ["WSGI_CONFORM_DEPLOYMENT"],
                "framework": "reference", "python": "3.99.0", "pid": os.getpid(),
            }).encode()
        elif self.path == "/-/versions":
            body = json.dumps({"wsgi_conform": "7.0"}).encode()
        elif self.path == "/environ":
            body = json.dumps(dict(os.environ)).encode()
        elif self.path == "/child":
            # Out of the process group, as a server's worker may be.
            child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
            body = str(child.pid).encode()
        elif self.path == "/die":
            print("dying of a request", flush=True)
            os._exit(7)
        elif self.path == "/die-answered":
            self.send_response(200)
            self.end_headers()
            print("dying after an answer", flush=True)
            os._exit(8)
        elif self.path == "/kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.path == "/die-slowly":
            self.server.socket.close()
            self.connection.shutdown(socket.SHUT_RDWR)
            time.sleep(3)
            os._exit(9)
        elif self.path == "/die-for-good":
            open(os.environ["HOME"] + "/dead", "w").close()
            os._exit(7)
        elif self.path == "/hang":
            threading.Event().wait()
        elif self.path == "/fail":
            print("failing a request", flush=True)
            status = 500
        elif self.path == "/spoil":
            self.server.spoilt = True
        elif hasattr(self.server, "spoilt"):
            body = b"spoilt"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

if os.path.exists(os.environ["HOME"] + "/dead"):
    sys.exit("it does not start again")
print("it starts", flush=True)
if "SAY" in os.environ:
    print(os.environ["SAY"], flush=True)
if "EXIT" in os.environ:
    sys.exit(os.environ["EXIT"])
if "SILENT" in os.environ:
    threading.Event().wait()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if "STUBBORN" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
address = (os.environ["WSGI_HOST"], int(os.environ["WSGI_PORT"]))
server = http.server.HTTPServer(address, Handler)
server.serve_forever()
"""


def compose(directory: Path, **services: dict[str, Any]) -> Path:
    """A registry of tiny servers, a `_` in a name standing for a `-`.

    They are deployments of our own project, because its environment is there in every checkout in
    which a run was made.

    :param services: keys of each service that differ from the usual ones.
    """
    script = directory / "server.py"
    script.write_text(SCRIPT, encoding="utf-8")
    usual = {
        "command": ["python3", str(script)],
        "stop_grace_period": "2s",
        registry.EXTENSION: {
            "project": "wsgi-conform",
            "documentation": "https://example.org",
            "backends": ["process"],
        },
    }
    path = directory / "compose.yaml"
    document = {
        "services": {
            name.replace("_", "-"): {**usual, **different} for name, different in services.items()
        }
    }
    # JSON is YAML.
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path


def tiny(directory: Path, **keys: Any) -> Server:
    """One tiny server."""
    return registry.load(compose(directory, tiny=keys))[0]


def built_image() -> str:
    """An image of the project, the one that is built soonest; skips where there is no engine."""
    # Imported here, because the Docker SDK takes longer to import than all the rest.
    from conformance.backends.compose_service import container_settings
    from conformance.backends.docker import DockerBackend
    from conformance.backends.engine import probe

    try:
        probe()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    [waitress] = registry.select(registry.load(), ["waitress"])
    preparing = DockerBackend()
    try:
        assert preparing.prepare([waitress]) == {}
    finally:
        preparing.close()
    return str(container_settings(waitress, {})["image"])
