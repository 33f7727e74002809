"""How fast the suite is: runs of the command as a user makes them, one after the other.

    python benchmarks/suite.py [--backend process|docker] [--jobs N] [-k EXPR] [NAME ...]

Without names one server is run, then two, four and eight: what a run costs has to grow with what it
does, and what it needs of memory must not. With names just these are. Each row is one run, made
after another that prepared its environments or images: verdicts, seconds, verdicts a second,
seconds of processor time (the servers' too, where they are local processes), how many times
the run took of what these processors need at the least, and in MB the memory of the process that
collects the results, of the largest that makes checks, the results document and the page.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance.report.durations import lower_bound_s
from conformance.results import FILE_NAME, open_document

SERVERS = (
    "gunicorn-gthread",
    "waitress",
    "uvicorn-h11",
    "granian",
    "reference-threaded",
    "gunicorn-gevent",
    "cheroot",
    "werkzeug-threaded",
)
HEADINGS = ("servers", "verdicts", "s", "/s", "CPU s", "ratio", "MB", "checks", "results", "page")

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("names", nargs="*", metavar="NAME")
parser.add_argument("--backend", default="process")
parser.add_argument("--jobs", help="as for wsgi-conform run")
parser.add_argument("-k", metavar="EXPR", default="", help="as for wsgi-conform run")


def run(names: Sequence[str], directory: Path, *options: str) -> None:
    """Run these servers; the results and the page are in the directory."""
    command = [sys.executable, "-m", "conformance", "run", *names, "--results", str(directory)]
    done = subprocess.run([*command, *options], stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 1):
        sys.exit(f"the run of {', '.join(names)} ended with status {done.returncode}")


def row(directory: Path) -> list[str]:
    """What a run cost."""
    document = open_document(directory)
    seconds = document.run["duration_s"] - document.run["prepare_s"]
    verdicts = sum(len(document.ids(server["name"])) for server in document.servers)
    bound = lower_bound_s(document)
    assert bound is not None
    sizes = [(directory / name).stat().st_size / 1e6 for name in (FILE_NAME, "index.html")]
    return [
        str(len(document.servers)),
        str(verdicts),
        f"{seconds:.1f}",
        f"{verdicts / seconds:.0f}",
        f"{document.run['cpu_s']:.1f}",
        f"{document.run['duration_s'] / bound:.2f}",
        str(document.run["memory_mb"]),
        str(max(server.get("memory_mb", 0) for server in document.servers)),
        *(f"{size:.1f}" for size in sizes),
    ]


def main() -> None:
    """Run and print the table."""
    arguments = parser.parse_args()
    options = ["--backend", arguments.backend, "-k", arguments.k]
    options += ["--jobs", arguments.jobs] if arguments.jobs else []
    rows = [arguments.names] if arguments.names else [SERVERS[:count] for count in (1, 2, 4, 8)]
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    with tempfile.TemporaryDirectory() as scratch:
        # Makes the environments or images, which is not what is measured here.
        run(max(rows, key=len), Path(scratch), *options[:2], "-k", "routing/static-rule")
        for names in rows:
            run(names, Path(scratch), *options)
            print("| " + " | ".join(row(Path(scratch))) + " |", flush=True)


if __name__ == "__main__":
    main()
