"""How long the reference framework takes for a request, next to Flask and Bottle, and its memory.

Not a server benchmark: the applications are called in this process with a fixed environ, and their
responses consumed and closed. Everything is measured in interleaved rounds, so that other load on
the machine hits all alike, and reported as ratios of medians. Bottle is left out if it is not
installed.

    python benchmarks/framework.py [--rounds 15] [--requests 2000] [--memory 1000000]
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

# A script finds its own folder only; the packages are in the one above.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CASES = {
    "dynamic route": "/hello/world",
    "static route": "/",
    "int converter, JSON": "/number/42",
    "session read": "/session",
    "not found": "/nowhere/at/all",
}


def flask_like(module: str) -> WSGIApplication:
    """The application, on a framework with Flask's names."""
    framework: Any = importlib.import_module(module)
    app = framework.Flask("benchmark", static_folder=None)
    app.secret_key = "benchmark"

    @app.route("/")  # type: ignore[untyped-decorator]
    def index() -> str:
        return "Hello"

    @app.route("/hello/<name>")  # type: ignore[untyped-decorator]
    def hello(name: str) -> str:
        return f"Hello {name}"

    @app.route("/number/<int:number>")  # type: ignore[untyped-decorator]
    def number(number: int) -> dict[str, int]:
        return {"number": number}

    @app.route("/session")  # type: ignore[untyped-decorator]
    def session() -> str:
        return str(framework.session.get("user"))

    wsgi: WSGIApplication = app
    return wsgi


def bottle_app() -> WSGIApplication:
    """The same on Bottle, which has no session."""
    bottle: Any = importlib.import_module("bottle")
    app = bottle.Bottle()
    app.route("/", callback=lambda: "Hello")
    app.route("/hello/<name>", callback=lambda name: f"Hello {name}")
    app.route("/number/<number:int>", callback=lambda number: {"number": number})
    app.route("/session", callback=lambda: "None")
    wsgi: WSGIApplication = app
    return wsgi


def make_environ(path: str) -> WSGIEnvironment:
    """The environ of a GET request as a server makes it."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def start_response(
    status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
) -> Callable[[bytes], None]:
    """Takes the header and forgets it."""
    return lambda data: None


def call(app: WSGIApplication, environ: WSGIEnvironment, requests: int) -> float:
    """Make requests; the seconds that each took on average."""
    started = time.perf_counter()
    for _ in range(requests):
        # A server makes a new environ for each request, and frameworks write into it.
        body = app(environ.copy(), start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return (time.perf_counter() - started) / requests


def measure_times(apps: dict[str, WSGIApplication], rounds: int, requests: int) -> None:
    """Print the median time of a request in microseconds, and its ratio to Flask's."""
    print(f"{'':22}" + "".join(f"{name:>20}" for name in apps))
    for case, path in CASES.items():
        environ = make_environ(path)
        times: dict[str, list[float]] = {name: [] for name in apps}
        for app in apps.values():
            call(app, environ, requests // 4)
        for _ in range(rounds):
            for name, app in apps.items():
                times[name].append(call(app, environ, requests))
        medians = {name: statistics.median(each) * 1e6 for name, each in times.items()}
        cells = (f"{each:9.2f} us {each / medians['flask']:6.3f}" for each in medians.values())
        print(f"{case:22}" + "".join(f"{cell:>20}" for cell in cells))


def resident_bytes() -> int:
    """The resident memory of this process (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_memory(app: WSGIApplication, requests: int) -> None:
    """Print the memory after 10,000 and after all requests, to a new path each, and the ratio."""
    environ = make_environ("/")
    first = 0
    for number in range(1, requests + 1):
        environ["PATH_INFO"] = f"/hello/{number}"
        call(app, environ, 1)
        if number == 10_000:
            first = resident_bytes()
    last = resident_bytes()
    print(
        f"memory: {first / 2**20:.1f} MiB after 10,000 requests,"
        f" {last / 2**20:.1f} MiB after {requests:,}, ratio {last / first:.3f}"
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="interleaved measurements of each")
    parser.add_argument("--requests", type=int, default=2000, help="in a measurement")
    parser.add_argument("--memory", type=int, default=1_000_000, help="requests, 0 leaves it out")
    options = parser.parse_args()
    apps = {
        "reference": flask_like("reference_app.framework"),
        "flask": flask_like("flask"),
    }
    try:
        apps["bottle"] = bottle_app()
    except ModuleNotFoundError:
        print("bottle is not installed, and left out")
    measure_times(apps, options.rounds, options.requests)
    if options.memory >= 10_000:
        measure_memory(apps["reference"], options.memory)


if __name__ == "__main__":
    main()
