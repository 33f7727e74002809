"""`python -m tests.soak --rounds 50`: the same run again and again while the machine is busy.

Each verdict has to be the same in every round, but for those of entries with `varies`, which say
that nothing here decides. What differs is printed as it is found, and the exit status says whether
anything did. What was counted is kept in a file, so that rounds of several days add up, and beside
it the results of each round in which something differed or was unexpected.

    python -m tests.soak --rounds 10 --busy 2 --record soak.json     all that run as processes
    python -m tests.soak --shuffle                                   with checks in another order
    python -m tests.soak --chaos --jobs 24                           client and servers are late
    python -m tests.soak waitress gunicorn-gthread --backend docker  two of them, in containers
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.results import FILE_NAME, Document, open_document
from conformance.verdicts import EXIT_USAGE
from tests.chaos.runs import verdict

#: How often each verdict was found, by server and check.
Counts = dict[str, dict[str, dict[str, int]]]

parser = argparse.ArgumentParser(prog="python -m tests.soak")
parser.add_argument("names", nargs="*", metavar="NAME", help="servers (default: all that run here)")
parser.add_argument("--rounds", type=int, default=50)
parser.add_argument("--busy", type=int, default=os.cpu_count(), help="loops that keep it busy")
parser.add_argument("--record", type=Path, help="where what was counted is kept and added to")
parser.add_argument("--backend", default="process")
parser.add_argument("--jobs", type=int, help="as for wsgi-conform run")
parser.add_argument("--shuffle", action="store_true", help="another order of checks each round")
parser.add_argument("--chaos", action="store_true", help="client and servers late, as tests.chaos")
parser.add_argument("-k", metavar="EXPR", default="", help="which checks, as for wsgi-conform run")


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Have so many processes do nothing at all, as fast as they can."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def count(document: Document, counts: Counts) -> list[str]:
    """Add a round to what was counted; what was not found before of a check is told."""
    found = []
    for server in document.servers:
        checks = counts.setdefault(server["name"], {})
        for check in document.checks(server["name"]):
            before = checks.setdefault(check["id"], {})
            now = verdict(check)
            if before and now not in before:
                message = check["message"].strip().partition("\n")[0]
                found.append(
                    f"{server['name']} {check['id']}: {now}, before that "
                    f"{json.dumps(before)}: {message}"
                )
            before[now] = before.get(now, 0) + 1
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds and return the exit status."""
    arguments = parser.parse_args(argv)
    if arguments.chaos and arguments.backend != "process":
        parser.error("--chaos makes local processes late, and no containers")
    how = ",".join(how for how in ("shuffle", "chaos") if getattr(arguments, how))
    counts: Counts = {}
    if arguments.record is not None and arguments.record.exists():
        counts = json.loads(arguments.record.read_text(encoding="utf-8"))
    command = ["run", *arguments.names, "--no-page"]
    command += ["--backend", arguments.backend, "-k", arguments.k]
    command += ["--jobs", str(arguments.jobs)] if arguments.jobs else []
    differ = 0
    with busy(arguments.busy), tempfile.TemporaryDirectory() as scratch:
        for number in range(1, arguments.rounds + 1):
            began = time.monotonic()
            seed = str(random.randrange(10**6)) if how else "none"
            module = ["tests.disturbed", seed, how] if how else ["conformance"]
            whole = [sys.executable, "-m", *module, *command, "--results", scratch]
            done = subprocess.run(whole, stdout=subprocess.DEVNULL)
            if done.returncode == EXIT_USAGE:
                # What is wrong has been said.
                return EXIT_USAGE
            document = open_document(Path(scratch))
            found = count(document, counts)
            differ += len(found)
            verdicts = sum(len(document.ids(server["name"])) for server in document.servers)
            seconds = time.monotonic() - began
            told = f"round {number}, seed {seed}: {verdicts} verdicts of {len(document.servers)}"
            told += (
                f" servers in {seconds:.0f} s, exit status {done.returncode}, {len(found)} differ"
            )
            print("\n".join([told, *(f"  {line}" for line in found)]), flush=True)
            if arguments.record is not None:
                arguments.record.write_text(json.dumps(counts), encoding="utf-8")
                if found or done.returncode:
                    # To be looked at: it may not come again for a long time.
                    kept = arguments.record.with_suffix(f".{number}.json")
                    shutil.copy(Path(scratch, FILE_NAME), kept)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
