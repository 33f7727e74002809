"""How fast the reference server is: side by side with others, in one run, on one machine.

    python benchmarks/server.py [--python VENV/bin/python] [--check]

Starts each server with the same small application and lets `wrk` talk to it over keep-alive
connections. The servers take turns, round after round, so that whatever else the machine does
falls on all of them. The table shows the median of the rounds, and ratios next to numbers of
requests, because only ratios carry over to another machine.

`wrk` is in Debian's packages. The other servers (gunicorn, waitress, werkzeug, granian) are looked
for in the environment of `--python`; one that is missing is said to be. Each has eight threads, if
it can be told so, in one process, and no access log.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
THREADS = 8


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """What all servers serve."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "14")])
    return [b"Hello, world!\n"]


@dataclass
class Contender:
    """A server in the comparison.

    :ivar target: the least ratio of requests per second, reference to this one, that is asked for.
    """

    name: str
    arguments: list[str]
    target: float
    module: str
    results: list[Result] = field(default_factory=list)


@dataclass
class Result:
    """What wrk measured in one round."""

    requests_per_second: float
    p99_ms: float
    errors: int


_WERKZEUG = """
from werkzeug.serving import run_simple
from server import application
run_simple("127.0.0.1", {port}, application, threaded=True)
"""

CONTENDERS = [
    Contender(
        "reference",
        [
            "-m",
            "reference_app",
            "--app",
            "server:application",
            "--port",
            "{port}",
            "--threads",
            str(THREADS),
            "--no-access-log",
        ],
        1.0,
        "reference_app",
    ),
    Contender(
        "gunicorn gthread",
        [
            "-m",
            "gunicorn",
            "-k",
            "gthread",
            "-w",
            "1",
            "--threads",
            str(THREADS),
            "-b",
            "127.0.0.1:{port}",
            "server:application",
        ],
        3.0,
        "gunicorn",
    ),
    Contender(
        "waitress",
        [
            "-m",
            "waitress",
            "--threads",
            str(THREADS),
            "--listen",
            "127.0.0.1:{port}",
            "server:application",
        ],
        3.0,
        "waitress",
    ),
    Contender("werkzeug", ["-c", _WERKZEUG], 15.0, "werkzeug"),
    Contender(
        "granian",
        [
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--workers",
            "1",
            "--blocking-threads",
            str(THREADS),
            "--no-access-log",
            "--log-level",
            "error",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "server:application",
        ],
        0.3,
        "granian",
    ),
]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def running(contender: Contender, python: str) -> Iterator[tuple[int, int]]:
    """Run a server while the block runs, and give its port and process id.

    :raises RuntimeError: it ended, or did not answer in time.
    """
    port = free_port()
    own = contender.name == "reference"
    process = subprocess.Popen(
        [
            sys.executable if own else python,
            *(argument.replace("{port}", str(port)) for argument in contender.arguments),
        ],
        cwd=HERE,
        env={"PYTHONPATH": f"{HERE}:{ROOT}", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{contender.name} did not start") from None
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wrk(port: int, connections: int, seconds: int) -> Result:
    """Run wrk against a port of this machine."""
    output = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--latency",
            f"http://127.0.0.1:{port}/",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if rate is None or p99 is None:
        raise RuntimeError(f"wrk said something else: {output}")
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", output)))
    errors += sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", output)))
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return Result(float(rate[1]), float(p99[1]) * scale, errors)


def compare(arguments: argparse.Namespace, connections: int) -> bool:
    """Measure all servers in turns and print the table; return whether the targets are met."""
    present = [c for c in CONTENDERS if installed(c, arguments.python)]
    for contender in present:
        contender.results = []
    for _ in range(arguments.rounds):
        for contender in present:
            with running(contender, arguments.python) as (port, _pid):
                wrk(port, connections, 1)
                contender.results.append(wrk(port, connections, arguments.seconds))
    reference = present[0]
    base = statistics.median(result.requests_per_second for result in reference.results)
    base_p99 = statistics.median(result.p99_ms for result in reference.results)
    rounds = f"{arguments.rounds} rounds of {arguments.seconds} s"
    print(f"\n{connections} keep-alive connections, {rounds}")
    print(f"{'server':<18} {'requests/s':>10} {'reference is':>13} {'target':>7} {'p99 ms':>8}")
    met = True
    for contender in CONTENDERS:
        if contender not in present:
            print(f"{contender.name:<18} not installed")
            continue
        rate = statistics.median(result.requests_per_second for result in contender.results)
        p99 = statistics.median(result.p99_ms for result in contender.results)
        errors = sum(result.errors for result in contender.results)
        ratio = base / rate
        note = f"  {errors} errors" if errors else ""
        if ratio < contender.target:
            note, met = f"{note}  missed", False
        if contender.name in ("gunicorn gthread", "waitress") and base_p99 > p99:
            note, met = f"{note}  p99 is worse", False
        print(
            f"{contender.name:<18} {rate:>10,.0f} {ratio:>12.2f}x {contender.target:>6g}x"
            f" {p99:>8.2f}{note}"
        )
    return met


def installed(contender: Contender, python: str) -> bool:
    """Return whether a server can be imported where it would run."""
    if contender.name == "reference":
        return True
    command = [python, "-c", f"import {contender.module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def idle_connections(arguments: argparse.Namespace) -> bool:
    """Measure the reference server with many idle connections open, and without."""
    with running(CONTENDERS[0], arguments.python) as (port, pid):
        wrk(port, 8, 1)
        before = wrk(port, 8, arguments.seconds)
        idle = []
        for _ in range(arguments.idle):
            sock = socket.create_connection(("127.0.0.1", port), 10)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            idle.append(sock)
        for sock in idle:
            sock.recv(1000)
        after = wrk(port, 8, arguments.seconds)
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        for sock in idle:
            sock.close()
    print(
        f"\n{arguments.idle} idle connections, {threads} threads:"
        f" {after.requests_per_second:,.0f} requests/s and p99 {after.p99_ms:.2f} ms, against"
        f" {before.requests_per_second:,.0f} and {before.p99_ms:.2f} ms without them"
    )
    return after.requests_per_second > before.requests_per_second / 2 and after.errors == 0


def resident(pid: int) -> int:
    """Return the resident memory of a process, in kB."""
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) if match else 0


def memory(arguments: argparse.Namespace) -> bool:
    """Measure the reference server's memory after few and after many requests."""
    with running(CONTENDERS[0], arguments.python) as (port, pid):
        done = 0.0
        rate = 10_000.0
        first = 0
        while done < arguments.requests:
            goal = 10_000 if done < 10_000 else arguments.requests
            seconds = min(max(round((goal - done) / rate), 1), 60)
            result = wrk(port, 32, seconds)
            rate = result.requests_per_second
            done += rate * seconds
            if not first and done >= 10_000:
                first = resident(pid)
        last = resident(pid)
    growth = last / first - 1
    after = f"{last:,} kB after {done:,.0f}"
    print(f"\nmemory: {first:,} kB after 10,000 requests, {after}: {growth:+.1%}")
    return growth <= 0.05


def main() -> int:
    """Run the benchmarks; return the exit status."""
    parser = argparse.ArgumentParser(description="Compare the reference server with others.")
    add = parser.add_argument
    add(
        "--python",
        default=sys.executable,
        metavar="FILE",
        help="interpreter of the environment with the other servers (default: this one)",
    )
    add("--rounds", type=int, default=5, help="(default: %(default)s)")
    add("--seconds", type=int, default=3, help="of each round (default: %(default)s)")
    add("--connections", type=int, nargs="+", default=[8, 64], help="(default: 8 and 64)")
    add("--idle", type=int, default=1000, help="idle connections; 0 to leave that out")
    add("--requests", type=int, default=1_000_000, help="for the memory; 0 to leave that out")
    add("--check", action="store_true", help="exit with status 1 if a target is missed")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is needed: apt-get install wrk", file=sys.stderr)
        return 2
    met = [compare(arguments, connections) for connections in arguments.connections]
    if arguments.idle:
        met.append(idle_connections(arguments))
    if arguments.requests:
        met.append(memory(arguments))
    return 0 if all(met) or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())
