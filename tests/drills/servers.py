"""A server that knows who it is, and otherwise does the harm that it is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from conformance import catalogue, readiness, registry
from conformance.backends import Deployment
from conformance.backends.docker import DockerBackend, DockerDeployment
from conformance.client import Wire
from conformance.registry import Server
from tests.conformance.deployments import compose
from tests.conformance.test_docker_backend import service

SCRIPT = """
import itertools, json, os, signal, socketserver, subprocess, sys, threading, time

CHUNKED = b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
ENDLESS = {
    "status-line": (b"HTTP/1.1 200 ", b"x" * 65536),
    "field": (b"HTTP/1.1 200 OK\\r\\nA: ", b"x" * 65536),
    "fields": (b"HTTP/1.1 200 OK\\r\\n", b"A: b\\r\\n" * 8192),
    "interim": (b"", b"HTTP/1.1 103 Early Hints\\r\\nLink: </a>\\r\\n\\r\\n" * 1024),
    "body": (b"HTTP/1.1 200 OK\\r\\n\\r\\n", b"x" * 65536),
    "chunks": (CHUNKED, b"1\\r\\nx\\r\\n" * 8192),
    "extension": (CHUNKED + b"1;", b"x" * 65536),
    "extensions": (CHUNKED, (b"1;" + b"x" * 65536 + b"\\r\\nx\\r\\n")),
    "trailers": (CHUNKED + b"0\\r\\n", b"A: b\\r\\n" * 8192),
}

def comet():
    # Forks its successor and ends, time and again, in a session of its own.
    while True:
        os.setsid() if os.getpid() != os.getsid(0) else None
        time.sleep(0.01)
        if os.fork():
            os._exit(0)

def bomb():
    # As many as there can be; what they get to see of an end is a full table.
    made = 0
    try:
        while True:
            if not os.fork():
                time.sleep(1000)
            made += 1
    except OSError as error:
        return f"{made} {error.strerror}"

def fill(path):
    try:
        with open(path, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 2**20)
    except OSError as error:
        os.unlink(path)
        return error.strerror

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().decode().split(" ")[1]
        while self.rfile.readline().strip():
            pass
        kind, _, what = path[1:].partition("/")
        body = ""
        if path == "/-/identity":
            body = json.dumps({
                "deployment": os.environ["WSGI_CONFORM_DEPLOYMENT"],
                "framework": "reference", "python": "3.99.0",
            })
        elif path == "/-/versions":
            body = "{}"
        elif kind == "endless":
            first, ever = ENDLESS[what]
            self.wfile.write(first)
            while True:
                self.wfile.write(ever)
        elif path == "/deep":
            body = "[" * 200_000
        elif path == "/hang":
            threading.Event().wait()
        elif path == "/crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif path == "/fill-memory":
            kept = [bytearray(2**20) for _ in itertools.count()]
        elif kind == "fill":
            body = fill("/" + what)
        elif path == "/bomb":
            body = bomb()
        elif path == "/comets":
            for _ in range(10):
                if not os.fork():
                    comet()
        elif kind == "print":
            # That many MiB, in lines of 64 KiB.
            line = b"x" * 65535 + b"\\n"
            for _ in range(int(what) * 16):
                os.write(1, line)
            print("the last line", flush=True)
        elif kind == "print-one-line":
            os.write(1, b"x" * (int(what) * 2**20))
        head = f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
        self.wfile.write((head + body).encode())

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("it starts", flush=True)
address = (os.environ.get("WSGI_HOST", "0.0.0.0"), int(os.environ.get("WSGI_PORT", "8000")))
Server(address, Handler).serve_forever()
"""


def local(directory: Path, **keys: Any) -> Server:
    """The server as a local process."""
    script = directory / "harm.py"
    script.write_text(SCRIPT, encoding="utf-8")
    path = compose(directory, harm={"command": ["python3", str(script)], **keys})
    return registry.load(path)[0]


def contained(
    backend: DockerBackend, directory: Path, image: str, **limits: Any
) -> DockerDeployment:
    """The server in a container, ready, with the limits of the project's own or others."""
    keys = json.loads(json.dumps(registry.load()[0].service))
    for key in ("build", "ports", registry.EXTENSION):
        keys.pop(key, None)
    keys |= {"image": image, "command": ["python3", "-c", SCRIPT], **limits}
    deployment = backend.start(service(directory, **keys), uuid.uuid4().hex)
    readiness.wait_until_ready(deployment)
    return deployment


def get(deployment: Deployment, path: str) -> str:
    """What it answers."""
    wire = Wire((deployment.address.host, deployment.address.port), time_limit_s=60)
    try:
        return wire.ask("GET", path).body.decode()
    finally:
        wire.close()


class Judged(NamedTuple):
    """What was told of the checks of a suite, and the most memory that judging took, in MB."""

    events: list[dict[str, Any]]
    memory_mb: float

    @property
    def checks(self) -> list[dict[str, Any]]:
        """The checks alone."""
        return [event["check"] for event in self.events if event["event"] == "check"]


def judge(directory: Path, suite: str, time_limit_s: float) -> Judged:
    """Judge the server by a suite of one's own, in a pytest process as in a run."""
    server = local(directory)
    path = directory / "test_suite.py"
    path.write_text(suite, encoding="utf-8")
    expectations = directory / "expectations"
    expectations.mkdir()
    told = directory / "events"
    with told.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "no:cacheprovider"),
                *("-p", "conformance.plugin", str(path), "--wsgi-server=harm"),
                *(f"--wsgi-compose={server.source}", f"--wsgi-expectations={expectations}"),
                *(f"--wsgi-time-limit={time_limit_s}", f"--wsgi-events={file.fileno()}"),
            ],
            env={**os.environ, **catalogue.PYTEST_ENVIRONMENT},
            stdout=subprocess.DEVNULL,
            pass_fds=[file.fileno()],
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    events = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    return Judged(events, used.ru_maxrss / 1024)
