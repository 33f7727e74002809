"""A server that a test owns, and a client that speaks bytes.

Not a fixture module: `conftest` makes fixtures of these. Nothing here waits for a fixed time. Every
wait is for a fact, with a limit that only a broken server reaches.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reference_app.serving import BaseWSGIServer, Settings, Timeouts, make_server

T = TypeVar("T")

# Only a server that hangs reaches this.
PATIENCE = 20.0
ROOT = Path(__file__).resolve().parents[2]

# Short enough to be reached in a test, long enough for a busy machine not to reach them by itself.
QUICK = Settings(timeouts=Timeouts(linger=0.5, stop=10.0), access_log=False)


@dataclass
class Response:
    """One response, taken apart by the rules of RFC 9112 and nothing else."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    complete: bool = True

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ([^\r\n]*)\r\n((?:[^:\r\n]+:[^\r\n]*\r\n)*)\r\n")


def read_responses(data: bytes, methods: Sequence[str] = ()) -> list[Response]:
    """Take a stream apart that ended with the connection.

    :param methods: of the requests that were sent; GET for those beyond its end.
    """
    responses: list[Response] = []
    final = 0
    while data:
        match = _HEAD.match(data)
        assert match, f"this is no response: {data[:200]!r}"
        data = data[match.end() :]
        fields = []
        for line in match[3].decode("latin-1").split("\r\n")[:-1]:
            name, _, value = line.partition(":")
            fields.append((name, value.strip()))
        response = Response(int(match[1]), fields, b"")
        responses.append(response)
        if response.status < 200:
            continue
        method = methods[final] if final < len(methods) else "GET"
        final += 1
        if method == "HEAD" or response.status in (204, 304):
            continue
        length = response.get("Content-Length")
        if response.get("Transfer-Encoding") == "chunked":
            assert length is None
            response.complete = False
            while match := re.match(rb"([0-9a-f]+)\r\n", data):
                size = int(match[1], 16)
                chunk = data[match.end() : match.end() + size + 2]
                if len(chunk) < size + 2:
                    response.body += chunk
                    return responses
                assert chunk.endswith(b"\r\n")
                data = data[match.end() + size + 2 :]
                response.body += chunk[:-2]
                if size == 0:
                    response.complete = True
                    break
        elif length is not None:
            response.body, data = data[: int(length)], data[int(length) :]
            response.complete = len(response.body) == int(length)
        else:
            response.body, data = data, b""
    return responses


class Client:
    """A connection, in bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(PATIENCE)
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Send every byte in a packet of its own; stop if the server has heard enough."""
        with contextlib.suppress(ConnectionError):
            for position in range(len(data)):
                self.socket.send(data[position : position + 1])

    def end(self) -> None:
        """Say that nothing more will be sent."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def read_until(self, what: bytes) -> bytes:
        """Return what comes up to `what`, with it."""
        while what not in self.received:
            data = self.socket.recv(65536)
            assert data, f"the server hung up after {self.received!r}"
            self.received += data
        end = self.received.index(what) + len(what)
        result, self.received = self.received[:end], self.received[end:]
        return result

    def read_response(self) -> Response:
        """Return the next response, which has a Content-Length."""
        head = self.read_until(b"\r\n\r\n")
        response = read_responses(head, ["HEAD"])[0]
        size = int(response.get("Content-Length") or 0)
        while len(self.received) < size:
            data = self.socket.recv(65536)
            assert data, "the server hung up in a body"
            self.received += data
        response.body, self.received = self.received[:size], self.received[size:]
        return response

    def read_all(self) -> bytes:
        """Return everything up to the end of the connection."""
        data, self.received = self.received, b""
        with contextlib.suppress(ConnectionResetError):
            while block := self.socket.recv(65536):
                data += block
        return data

    def at_end(self) -> bool:
        """Return whether the server has closed the connection, having sent nothing more."""
        return self.read_all() == b""


class Live:
    """A server in a thread of this process."""

    def __init__(self, app: Any, **options: Any) -> None:
        options.setdefault("settings", QUICK)
        host = options.pop("host", "127.0.0.1")
        port = options.pop("port", 0)
        self.server: BaseWSGIServer = make_server(host, port, app, **options)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def connect(self) -> Client:
        sock = socket.socket(self.server.address_family)
        sock.settimeout(PATIENCE)
        try:
            sock.connect(self.server.server_address)
        except OSError:
            sock.close()
            raise
        if self.server.address_family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Client(sock)

    def talk(self, data: bytes, methods: Sequence[str] = ()) -> list[Response]:
        """Send `data` and nothing more; return all responses."""
        with self.connect() as client:
            with contextlib.suppress(ConnectionError):
                client.send(data)
            client.end()
            return read_responses(client.read_all(), methods)

    def get(self, path: str = "/") -> Response:
        """Return the answer to a GET."""
        [response] = self.talk(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return response

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


class Process:
    """The command, as a process of its own, with what it writes to standard error."""

    def __init__(self, arguments: Sequence[str], log: Path, cwd: Path = ROOT) -> None:
        self.log_path = log
        self._log = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reference_app", *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={"PYTHONPATH": f"{ROOT}:{cwd}", "PATH": "/usr/bin:/bin"},
        )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def wait_ready(self) -> int:
        """Return the port once the server says that it serves."""

        def port() -> int:
            match = re.search(r"Serving on \S+?:(\d+) ", self.log)
            assert match or self.process.poll() is None, f"the server ended: {self.log}"
            return int(match[1]) if match else 0

        return wait_for(port)

    def connect(self, port: int) -> Client:
        return Client(socket.create_connection(("127.0.0.1", port), PATIENCE))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._log.close()


def wait_for(condition: Callable[[], T]) -> T:
    """Return what `condition` returns, as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true"
        time.sleep(0.005)
    return result


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[Live]:
    """Serve `app` while the block runs."""
    live = Live(app, **options)
    try:
        yield live
    finally:
        live.close()
