"""The doctor: what this machine can do for a run, each with what to do where it cannot."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uv

from conformance import registry
from conformance.backends import BackendError, environments, ports

#: What local processes need; without an engine these are enough for a run.
_NEEDED_FOR_PROCESSES = ("python", "registry", "uv", "environments", "ports")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    ok: bool
    text: str


def examine() -> list[Finding]:
    """Look at everything that a run may need."""
    return [
        _finding("python", _python),
        _finding("registry", _registry),
        _finding("uv", lambda: uv.find_uv_bin()),
        _finding("environments", _environments),
        _finding("ports", _ports),
        _finding("engine", _engine),
        *(_interpreter(f"3.{minor}") for minor in range(11, 15)),
    ]


def can_run(findings: Sequence[Finding]) -> bool:
    """Whether a run is possible at all, as local processes or in containers."""
    return all(finding.ok for finding in findings if finding.subject in _NEEDED_FOR_PROCESSES)


def _finding(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except (BackendError, registry.RegistryError, OSError, RuntimeError) as error:
        return Finding(subject, False, str(error).strip().replace("\n", "\n    "))


def _python() -> str:
    return f"{platform.python_version()}, {sys.executable}"


def _registry() -> str:
    return f"{len(registry.load())} servers in {registry.default_path()}"


def _environments() -> str:
    directory = environments.cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    made = sum(1 for _ in directory.glob("*/complete"))
    free = shutil.disk_usage(directory).free // 2**30
    return f"{made} made, in {directory}, {free} GiB free"


def _ports() -> str:
    port = ports.reserve()
    port.release()
    return f"free ones between {ports.RANGE.start} and {ports.RANGE.stop - 1} on 127.0.0.1"


def _engine() -> str:
    from conformance.backends.engine import probe

    return probe()


def _interpreter(version: str) -> Finding:
    # Asked and not only looked for: a version manager's shim is there without its interpreter.
    try:
        done = subprocess.run(
            [f"python{version}", "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return Finding(f"python{version}", False, "not found (it is not needed)")
    return Finding(f"python{version}", True, done.stdout.strip())
