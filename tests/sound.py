"""`python -m tests.sound cheroot daphne`: which checks leave a server that is not sound any more.

A server may pass a check, or fail it as listed, and have lost a thread, or whatever answers failing
applications. The check after it is blamed then, and which one that is hangs on the order. So after
each check the server is asked for what it can do: as many requests at a time as are declared, and
an answer for an application that fails. Where it cannot, the check is printed, and the server is
started again. An entry for it needs `damages = true`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import pytest

from conformance import catalogue, plugin, registry, results
from conformance.backends.process import ProcessBackend
from conformance.checks.rendezvous import at_once, meet
from conformance.client import PeerError, Recorder, Wire
from conformance.runner import Plan, Runner
from tests.listening import Quiet

#: Seconds that it has for each answer.
PATIENCE_S = 4.0

#: What it is asked for.
CONCURRENT, FAILING = "as many requests at a time", "500 for an application that fails"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where what is found is written."""
    parser.addoption("--sound-log", type=Path, required=True)


_able = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """After each check, ask for what it could do before the first."""
    run, stash = item.config.stash[plugin._run], item.config.stash
    if _able not in stash:
        stash[_able] = able(run, {CONCURRENT, FAILING})
    result = yield
    lost = stash[_able] - able(run, stash[_able])
    if lost and run.broken is None:
        with item.config.option.sound_log.open("a") as log:
            log.write(f"{run.server.name} {plugin.clause_of_item(item).id}: {', '.join(lost)}\n")
        run._restart()
    return result


def able(run: plugin.Run, asked: set[str]) -> set[str]:
    """What of that the deployment can do."""
    address = run.deployment.address
    wire = Wire((address.host, address.port), Recorder(), PATIENCE_S)
    number = at_once(run.capabilities)
    found = set()
    try:
        with contextlib.suppress(PeerError):
            if CONCURRENT in asked and all(
                answer["met"] for answer in meet(wire, uuid4().hex, number).values()
            ):
                found.add(CONCURRENT)
        with contextlib.suppress(PeerError):
            if FAILING in asked and wire.ask("GET", "/wsgi/raise/in-call").status == 500:
                found.add(FAILING)
    finally:
        wire.close()
    return found


class AskingRunner(Runner):
    """A runner whose processes ask after each check."""

    def __init__(self, plan: Plan, writer: results.Writer, log: Path) -> None:
        super().__init__(plan, writer, Quiet())
        self._log = log

    def _command(self) -> list[str]:
        return [*super()._command(), "-p", "tests.sound", f"--sound-log={self._log}"]


def main() -> int:
    """Run the suite on the servers that are named, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.sound")
    parser.add_argument("names", nargs="+", metavar="NAME", help="servers that run as processes")
    parser.add_argument("-k", metavar="EXPR", default="", help="which checks, as for run")
    arguments = parser.parse_args()
    servers = registry.select(registry.load(), arguments.names)
    checks = catalogue.collect(arguments.k)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        log.touch()
        plan = Plan(servers, checks, ProcessBackend(), expression=arguments.k, jobs=4)
        AskingRunner(plan, results.Writer(Path(scratch)), log).run()
        found = log.read_text()
    print(found, end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
