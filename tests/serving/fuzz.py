"""A million malformed requests: `python -m tests.serving.fuzz [--requests N] [--seconds S]`.

Sends requests that are broken at random to a server in a process of its own, over a Unix socket,
and asks of it what must hold whatever a client sends:

* it stays alive, and answers a good request at the end as it did at the start;
* each connection comes to its end in time;
* what it sends is HTTP, and no status is a 500: the application, which reads the whole body, does
  not fail by itself, so a 500 would be the server's own;
* memory and descriptors at the end are what they were after the first half.

The requests follow from `--seed` and their number, so a case that fails can be had again.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.queues import Queue
from pathlib import Path

from .live import ROOT, read_responses

GOOD = b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
SEEDS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://example.org:80/a/b?c=d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    b"HEAD /%20%C3%A9 HTTP/1.1\r\nHost: a\r\nUser-Agent: x (y; z)\r\n\r\n",
    GOOD,
    b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'3\r\nabc\r\n4;x="y"\r\ndefg\r\n0\r\nX-Sum: 1\r\n\r\n',
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n",
]
# What parsers have been known to trip over.
PIECES = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\r\r\n", b" ", b"\t", b"\x00", b"\x0b", b"\x0c",
    b"\x7f", b"\x85", b"\xa0", b"\xff", b":", b",", b";", b"=", b'"', b"\\", b"%", b"%00",
    b"%0d%0a", b"..", b"*", b"0", b"-1", b"+5", b"0x10", b"99999999999999999999", b"1e9",
    b"HTTP/1.1", b"HTTP/2.0", b"CONNECT a:1", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Host: b\r\n",
    b" folded\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n", b"Expect: x\r\n", b"X" * 300, b"a: b\r\n" * 120, b"a" * 9000,
    b"0\r\n\r\n", b"5\r\nabcde\r\n", b"ffffffff\r\n", b"1;" + b"e" * 300 + b"\r\n",
]  # fmt: skip

ALLOWED = {100, 200, 400, 408, 413, 414, 417, 431, 501, 505}
# Only a server that hangs reaches this.
PATIENCE = 15.0


def mutate(source: random.Random) -> bytes:
    """Return a request with a few things wrong."""
    data = bytearray(source.choice(SEEDS))
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        start = source.randrange(len(data) + 1)
        end = min(start + source.choice((1, 1, 2, 4, 8, 30)), len(data))
        action = source.randrange(7)
        if action == 0:
            del data[start:end]
        elif action == 1:
            data[start:end] = source.randbytes(end - start)
        elif action == 2:
            data[start:start] = source.choice(PIECES)
        elif action == 3:
            data[start:end] = source.choice(PIECES)
        elif action == 4:
            data[start:start] = data[start:end] * source.choice((1, 1, 1, 50))
        elif action == 5 and start < len(data):
            data[start] ^= 1 << source.randrange(8)
        else:
            other = source.choice(SEEDS)
            data[start:] = other[source.randrange(len(other)) :]
        if not data:
            data = bytearray(b"\r\n")
    return bytes(data)


def exchange(path: str, data: bytes, cut: int) -> bytes:
    """Send `data`, in two pieces if `cut` falls inside, and return all that comes back."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(path)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if 0 < cut < len(data):
                sock.sendall(data[:cut])
            sock.sendall(data[max(cut, 0) if cut < len(data) else 0 :])
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while block := sock.recv(65536):
                answer += block
        return answer


def check(data: bytes, answer: bytes) -> Counter[int]:
    """Return the statuses in an answer.

    :raises AssertionError: the answer is not what a server may send.
    """
    # Which requests were HEAD is not known of broken ones, so bodies are not looked into.
    statuses: Counter[int] = Counter()
    if b"HEAD" in data:
        statuses[int(answer[9:12] or 0)] += 1
    else:
        for response in read_responses(answer):
            statuses[response.status] += 1
            assert response.complete, "a response breaks off"
    assert set(statuses) <= ALLOWED | {0}, f"status {set(statuses) - ALLOWED}"
    return statuses


def client(
    path: str,
    seed: int,
    first: int,
    step: int,
    deadline: float,
    results: Queue[tuple[int, Counter[int], str]],
    last: int,
) -> None:
    """Send every `step`-th request from `first` on, until `last` or `deadline`."""
    statuses: Counter[int] = Counter()
    done = 0
    for number in range(first, last, step):
        if time.monotonic() > deadline:
            break
        source = random.Random(f"{seed}:{number}")
        data = mutate(source)
        cut = source.randrange(len(data) * 3)
        try:
            statuses += check(data, exchange(path, data, cut))
        except (AssertionError, OSError) as error:
            results.put(
                (done, statuses, f"request {number}: {type(error).__name__} {error}: {data!r}")
            )
            return
        done += 1
    results.put((done, statuses, ""))


def run(
    path: str, options: argparse.Namespace, first: int, last: int, deadline: float
) -> tuple[int, Counter[int], list[str]]:
    """Run the clients over the requests from `first` to `last`."""
    results: Queue[tuple[int, Counter[int], str]] = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(
            target=client,
            args=(path, options.seed, first + n, options.clients, deadline, results, last),
        )
        for n in range(options.clients)
    ]
    for process in processes:
        process.start()
    outcomes = [results.get() for _ in processes]
    for process in processes:
        process.join()
    statuses: Counter[int] = Counter()
    for _, seen, _ in outcomes:
        statuses += seen
    return sum(o[0] for o in outcomes), statuses, [o[2] for o in outcomes if o[2]]


def resources(pid: int) -> tuple[int, int]:
    """Return resident memory in kB and the number of open descriptors of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory = int(status.split("VmRSS:")[1].split()[0])
    return memory, len(os.listdir(f"/proc/{pid}/fd"))


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.serving.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=1800.0, help="stop after this time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        log = Path(folder, "log")
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [sys.executable, "-m", "reference_app", "--app", "tests.serving.apps:echo",
                 "--host", f"unix://{path}", "--threads", "4", "--no-access-log"],
                cwd=ROOT, stderr=stream,
            )  # fmt: skip
        try:
            return fuzz(server, path, log, options)
        finally:
            server.kill()
            server.wait()


def fuzz(server: subprocess.Popen[bytes], path: str, log: Path, options: argparse.Namespace) -> int:
    """Do it, and report; return the exit status."""
    started = time.monotonic()
    deadline = started + options.seconds
    while not os.path.exists(path):
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    good = exchange(path, GOOD, 0)
    done = 0
    statuses: Counter[int] = Counter()
    failures: list[str] = []
    used: list[tuple[int, int]] = []
    for part in range(4):
        if failures:
            break
        first, last = options.requests * part // 4, options.requests * (part + 1) // 4
        more, seen, failures = run(path, options, first, last, deadline)
        done += more
        statuses += seen
        used.append(resources(server.pid))
    seconds = time.monotonic() - started
    print(f"{done:,} malformed requests in {seconds:.0f} s ({done / seconds:,.0f} a second)")
    print("responses by status: " + ", ".join(f"{k}: {v:,}" for k, v in sorted(statuses.items())))
    if server.poll() is not None:
        failures.append(f"the server ended with status {server.returncode}")
    else:
        after = exchange(path, GOOD, 0)
        if after[:15] != good[:15]:
            failures.append(f"a good request is now answered with {after[:200]!r}")
        print("kB of memory after each quarter: " + ", ".join(f"{m:,}" for m, _ in used))
        print("descriptors after each quarter: " + ", ".join(str(d) for _, d in used))
        # The heap of a process with threads takes its time to settle, so the halves are compared.
        if len(used) == 4 and used[3][0] > used[1][0] * 1.1:
            failures.append("memory has grown by more than a tenth in the second half")
        if used[-1][1] > used[0][1] + 8:
            failures.append("descriptors were not closed")
        server.send_signal(signal.SIGTERM)
        try:
            if server.wait(PATIENCE) != 0:
                failures.append(f"the stop ended with status {server.returncode}")
        except subprocess.TimeoutExpired:
            failures.append("the server did not stop")
    if "Traceback" in log.read_text():
        failures.append(f"the server logged an exception: {log.read_text()[-2000:]}")
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
