"""Where the time of a run went, and how short it could have been."""

from __future__ import annotations

import heapq
from typing import Any

from rich.console import Console
from rich.text import Text

from conformance.report.terminal import counted, printable
from conformance.results import Document

#: The phases of a server's run, in their order.
PHASES = ("collect_s", "start_s", "checks_s", "stop_s")
#: How many of the longest checks are listed.
LONGEST = 15


def total_s(server: dict[str, Any]) -> float:
    """Seconds that a server's run took, of all processes for it together."""
    return float(sum(server.get("phases", {}).values()))


def lower_bound_s(document: Document) -> float | None:
    """Seconds below which this machine cannot run the same, or None where that is not known.

    No run is shorter than its processor time spread over all processors, and none than the module
    of checks that takes longest, which come one after the other.
    """
    run = document.run
    if "cpu_s" not in run or not document.servers:
        return None
    longest = max(float(server.get("longest_s", 0.0)) for server in document.servers)
    return max(float(run["cpu_s"]) / int(run["cores"]), float(run["prepare_s"]) + longest)


def write(document: Document, console: Console) -> None:
    """Print the phases of each server's run, the longest checks, and the run as a whole.

    CPU is the processor time for a server's checks and, if it is a local process, of the server
    itself; MB is the memory of the process that makes the checks.
    """
    width = max([len(server["name"]) for server in document.servers] or [0]) + 2
    heading = "".join(f"{phase.removesuffix('_s'):>9}" for phase in PHASES)
    heading += f"{'total':>9}{'CPU':>9}{'MB':>6}"
    _print(console, f"\n{'seconds':<{width}}{heading}", "bold")
    for server in sorted(document.servers, key=total_s, reverse=True):
        phases = server.get("phases", {})
        cells = "".join(f"{phases.get(phase, 0.0):9.1f}" for phase in PHASES)
        cells += f"{total_s(server):9.1f}"
        if "cpu_s" in server:
            cells += f"{server['cpu_s']:9.1f}{server['memory_mb']:6}"
        _print(console, f"{server['name']:<{width}}{cells}")
    checks = (
        (check["duration_s"], server["name"], check["id"])
        for server in document.servers
        for check in document.checks(server["name"])
    )
    longest = heapq.nlargest(LONGEST, checks)
    _print(console, f"\nthe {len(longest)} longest checks", "bold")
    for seconds, name, identity in longest:
        _print(console, f"{seconds:9.2f}  {name} {identity}")
    _print(console, "")
    _print(console, _as_a_whole(document), "bold")


def _as_a_whole(document: Document) -> str:
    run = document.run
    bound = lower_bound_s(document)
    text = f"{run['duration_s']:.1f} s"
    if bound is None:
        return f"{text}, of several runs"
    verdicts = sum(len(document.ids(server["name"])) for server in document.servers)
    rate = verdicts / max(run["duration_s"], 0.001)
    text += f" for {counted(verdicts, 'verdict')} ({rate:.0f} a second)"
    text += f", {run['prepare_s']:.1f} s of it for images or environments; "
    text += f"{run['cpu_s']:.1f} s of processor time on {run['cores']} cores"
    if run["backend"] != "process":
        text += " without that of the servers"
    ratio = run["duration_s"] / max(bound, 0.001)
    text += f"; at the least {bound:.1f} s, of which this is {ratio:.2f} times"
    if "memory_mb" in run:
        text += f"; {run['memory_mb']} MB of memory beside those"
    return text


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(printable(text), style), soft_wrap=True)
