"""The pytest plugin: one deployment, every check, a verdict each.

    pytest -p conformance.plugin --pyargs conformance.checks --wsgi-server waitress

One pytest process judges one deployment: it starts it, runs the checks, restarts it when a check
has killed it, and stops it. `wsgi-conform run` has such processes forked from one that has
collected the checks (`--wsgi-forks`), and reads what each says on a pipe, one JSON object a line
(`--wsgi-events`). The plugin changes pytest's own outcome in the way of xfail: a listed deviation
is expected to fail, a stale one fails by passing.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from conformance import (
    backends,
    dependencies,
    expectations,
    readiness,
    registry,
    releases,
    usage,
    workers,
)
from conformance.acts import ACTS, ActFailed, Performances, Stage
from conformance.backends import (
    BackendError,
    Deployment,
    EngineHung,
    EngineUnavailable,
    StartError,
)
from conformance.backends.remote import RemoteBackend
from conformance.capabilities import REQUIRABLE, Capabilities
from conformance.clauses import Clause, clause_of
from conformance.client import Recorder, Wire
from conformance.client.http import Client
from conformance.client.wire import TIME_LIMIT_S
from conformance.expectations import Expectation
from conformance.queue import Taker, module_of
from conformance.registry import Server
from conformance.verdicts import EXIT_ERROR, Outcome, Verdict, judge

#: Where the acts are, which are fixtures.
pytest_plugins = (
    "conformance.acts.starting",
    "conformance.acts.stopping",
    "conformance.acts.replacing",
    "conformance.acts.transferring",
    "conformance.acts.variables",
)

#: The longest message that is kept of a failure, in characters.
MESSAGE_KEPT = 4000

#: The share of the time limit that a listed check gets. A hang that is expected is believed sooner,
#: which costs nothing but the chance that a check which passes again is noticed on a slow machine.
LISTED_SHARE = 0.1

_INTERNAL = "used by `wsgi-conform run`"

_clause = pytest.StashKey[Clause]()
_result = pytest.StashKey[dict[str, Any]]()
_recorder = pytest.StashKey[Recorder]()
_run = pytest.StashKey["Run"]()
_known = pytest.StashKey[dict[str, pytest.Item]]()
_printed = pytest.StashKey[float]()

#: What a peer does wrong: our own PeerError and a check's assert are both AssertionErrors.
_BLAMES_THE_PEER = (AssertionError, requests.RequestException, pytest.fail.Exception)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("wsgi-conform", "conformance of a WSGI server")
    group.addoption("--wsgi-server", metavar="NAME", help="the deployment to judge")
    group.addoption("--wsgi-backend", choices=("process", "docker"), default="process")
    group.addoption("--wsgi-engine", metavar="URL", help="the container engine, if not the usual")
    group.addoption("--wsgi-url", metavar="URL", help="judge what already runs there")
    group.addoption("--wsgi-compose", metavar="FILE", type=Path, help="the registry of servers")
    group.addoption("--wsgi-expectations", metavar="DIR", type=Path, default=expectations.DIRECTORY)
    group.addoption("--wsgi-framework", choices=("reference", "flask"), default="reference")
    group.addoption("--wsgi-time-limit", metavar="SECONDS", type=float, default=TIME_LIMIT_S)
    group.addoption("--wsgi-check", metavar="ID", action="append", help="only the check of this id")
    group.addoption("--wsgi-prepared", action="store_true", help=_INTERNAL)
    group.addoption("--wsgi-owner", metavar="OWNER", help=_INTERNAL)
    group.addoption("--wsgi-events", metavar="FD", type=int, help=_INTERNAL)
    group.addoption("--wsgi-queue", metavar="FD", type=int, help=_INTERNAL)
    group.addoption("--wsgi-forks", metavar="FD", type=int, help=_INTERNAL)


class Run:
    """One deployment under the suite."""

    def __init__(self, option: argparse.Namespace, servers: Sequence[Server]) -> None:
        self.server = releases.select(servers, [option.wsgi_server])[0]
        self.time_limit_s: float = option.wsgi_time_limit
        self._prepared: bool = option.wsgi_prepared
        self._is_all = option.wsgi_owner is None
        self._directory: Path = option.wsgi_expectations
        self._backend = make_backend(
            option.wsgi_backend,
            option.wsgi_url,
            option.wsgi_framework,
            option.wsgi_owner,
            option.wsgi_engine,
        )
        self._deployment: Deployment | None = None
        self._performances: dict[str, Performances] = {}
        self.expectations: dict[str, Expectation] = {}
        #: Why no further check can be made.
        self.broken: str | None = None
        # Read before anything is started, so that a mistake in a file is told at once.
        expectations.load(self.server.deployment, self.server.expectations, None, self._directory)
        self._events = os.fdopen(option.wsgi_events, "w") if option.wsgi_events else None
        #: Where the modules come from that are run, if others run the rest.
        self.taker = Taker(option.wsgi_queue) if option.wsgi_queue else None

    @property
    def deployment(self) -> Deployment:
        """The deployment; there is one from the first check to the last."""
        assert self._deployment is not None
        return self._deployment

    @property
    def capabilities(self) -> Capabilities:
        """What the deployment declares, and whether this harness controls it."""
        declared = self.server.capabilities
        if self._deployment is None or self._deployment.controllable:
            return declared
        return Capabilities(**{**vars(declared), "control": False})

    def start(self) -> None:
        """Start the deployment and learn which versions it runs.

        :raises BackendError: it does not start; carries its last output.
        """
        if not self._prepared:
            failed = self._backend.prepare([self.server]).get(self.server.name)
            if failed is not None:
                raise BackendError(failed)
        self._deployment = self._backend.start(self.server, uuid4().hex)
        identity = readiness.wait_until_ready(
            self._deployment,
            # What somebody else started is said to run already.
            readiness.start_limit_s(self.time_limit_s)
            if self._deployment.controllable
            else self.time_limit_s,
        )
        version = identity.version_of(self.server.project) or self.server.version
        self.expectations = expectations.load(
            self.server.deployment,
            self.server.expectations,
            version,
            self._directory,
            identity.python,
        )
        self.emit(
            "started",
            version=version,
            python=identity.python,
            framework=identity.framework,
            address=str(self._deployment.address),
        )

    def emit_failed(self, error: Exception) -> None:
        """Tell why the server cannot be judged, and whether its engine has not answered."""
        silent = isinstance(error, EngineHung | EngineUnavailable)
        self.emit("failed", message=str(error), silent_engine=silent)

    def performances(self, asking: pytest.Item) -> Performances:
        """The acts that the checks of a module need, each on a deployment of its own.

        They are begun when the first of these checks asks.
        """
        module = module_of(asking)
        if module not in self._performances:
            needed = {
                name
                for item in asking.session.items
                if module_of(item) == module
                and self.capabilities.missing(item.stash[_clause].requires) is None
                for name in _acts_of(item)
            }
            self._performances[module] = Performances(self._stage, sorted(needed))
        return self._performances[module]

    def _stage(self) -> Stage:
        return Stage(
            lambda variables: self._backend.start(self.server, uuid4().hex, variables),
            self.capabilities,
            self.time_limit_s,
            lambda check: LISTED_SHARE if check in self.expectations else 1.0,
        )

    def stop(self) -> None:
        """Stop the deployment, if one was started, and those of acts."""
        try:
            for performances in self._performances.values():
                performances.close()
        finally:
            if self._deployment is not None:
                self._deployment.stop()
            # What several processes share is removed by whoever started them. And what cannot be
            # removed now, because the engine is gone, the next run removes.
            if self._is_all:
                with contextlib.suppress(BackendError):
                    self._backend.sweep()

    def close(self) -> None:
        """Close what `wsgi-conform run` listens to."""
        if self._events is not None:
            self._events.close()

    def emit(self, event: str, **details: Any) -> None:
        """Tell `wsgi-conform run`, if that is who started this."""
        if self._events is not None:
            self._events.write(json.dumps({"event": event, **details}) + "\n")
            self._events.flush()

    def emit_phase(self, name: str, began: float) -> float:
        """Tell how long a phase of the run took, in seconds; the time at which the next begins."""
        now = time.monotonic()
        self.emit("phase", name=name, seconds=round(now - began, 3))
        return now

    def emit_used(self) -> None:
        """Tell what this process and its server used, and what took it longest."""
        longest_s = 0.0 if self.taker is None else self.taker.longest_s
        self.emit(
            "used",
            cpu_s=round(usage.cpu_s(), 3),
            memory_mb=usage.memory_mb(),
            longest_s=round(longest_s, 3),
        )

    def outcome_after(
        self, outcome: Outcome, expectation: Expectation | None, mark: float
    ) -> tuple[Outcome, str, str]:
        """The outcome of a check, seen what state it left the deployment in, which is put right.

        A deployment that died is started again for the next check, one that failed a check and does
        not answer afterwards, and one that is known not to be sound after it (`damages`) as well,
        so that no check is blamed for an earlier one. Nor is it where there is no engine any more.

        :param mark: where the server's log was when the check began.
        :returns: the outcome, what is to be said of it, and what the server printed where the check
            did not pass or the server ended.
        """
        deployment, note, log = self.deployment, "", ""
        try:
            failed = outcome in (Outcome.FAILED, Outcome.ERROR)
            silence = None
            if failed and deployment.alive:
                silence = readiness.silence(deployment, self.time_limit_s)
            status = readiness.ending(deployment, silence, self.time_limit_s)
            if failed or status is not None:
                # Before it is started again, and after it has said what it died of.
                log = deployment.printed_since(mark)
            if status is not None:
                outcome = Outcome.CRASHED
                note = f"the deployment ended during the check: {status}\n{deployment.logs(10)}\n"
                self._restart()
            elif silence is not None:
                note = "the deployment did not answer any more afterwards and was restarted\n"
                self._restart()
                if self.broken is None and not deployment.controllable:
                    outcome = Outcome.CRASHED
                    note = "the deployment went away during the check and came back\n"
            elif expectation is not None and expectation.damages:
                # Also where it passes: what is broken inside shows where chance has it.
                self._restart()
        except BackendError as error:
            self.broken = str(error)
            return Outcome.ERROR, f"{error}\n", log
        return outcome, note, log

    def _restart(self) -> None:
        try:
            self.deployment.restart()
            readiness.wait_until_ready(self.deployment, readiness.start_limit_s(self.time_limit_s))
        except StartError as error:
            self.broken = f"it could not be started again: {error}"


def make_backend(
    name: str, url: str | None, framework: str, owned_by: str | None, engine: str | None = None
) -> backends.Backend:
    """The backend of that name; a URL means that nothing is started."""
    if url is not None:
        return RemoteBackend(url)
    if name == "docker":
        # Imported here, because the Docker SDK takes longer to import than all the rest.
        from conformance.backends.docker import DockerBackend

        return DockerBackend(framework, owned_by, engine)
    from conformance.backends.process import ProcessBackend

    return ProcessBackend(framework, owned_by)


def pytest_configure(config: pytest.Config) -> None:
    """Read the registry and the expectations; a mistake in them is wrong usage, told at once."""
    option = config.option
    if option.wsgi_forks is None and option.wsgi_server is None:
        if not option.collectonly:
            raise pytest.UsageError("expected --wsgi-server NAME, the deployment to judge")
        return
    try:
        servers = registry.load(option.wsgi_compose)
    except registry.RegistryError as error:
        raise pytest.UsageError(str(error)) from error
    if option.wsgi_forks is None:
        _judge(config, servers)
    else:
        # So that it is imported once: the Docker SDK takes longer than all the rest.
        importlib.import_module(f"conformance.backends.{option.wsgi_backend}")
        config.pluginmanager.register(_Forking(servers))


def _judge(config: pytest.Config, servers: Sequence[Server]) -> None:
    """What the options name is judged by this process."""
    try:
        run = config.stash[_run] = Run(config.option, servers)
    except (registry.UnknownServer, expectations.ExpectationError) as error:
        raise pytest.UsageError(str(error)) from error
    if run.taker is not None:
        config.pluginmanager.register(run.taker)


class _Forking:
    """A plugin for the process that collects the checks, and forks those that judge."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """In each process that is forked the loop runs as if the options had been its own."""
        config = session.config
        if session.testsfailed:
            # To collect the checks, that is; pytest's own loop says so.
            return None
        options = workers.serve(config.option.wsgi_forks)
        if options is None:
            return True
        config.pluginmanager.unregister(self)
        vars(config.option).update(options)
        _judge(config, self._servers)
        _choose(config, session.items)
        return config.hook.pytest_runtestloop(session=session)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say that nothing more will come."""
    run = config.stash.get(_run, None)
    if run is not None:
        run.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every check its clause; ids are unique."""
    known = config.stash[_known] = {}
    for item in items:
        check = getattr(item, "obj", None)
        clause = clause_of(check)
        if clause is None:
            raise pytest.UsageError(f"{item.nodeid} has no @clause, so it is no check")
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            # A row of a table is a check of its own, named by the row.
            identity = f"{clause.id}/{item.callspec.id}"
            clause = replace(clause, id=identity)
        if clause.id in known:
            raise pytest.UsageError(
                f"{clause.id} is the id of both {known[clause.id].nodeid} and {item.nodeid}"
            )
        known[clause.id] = item
        item.stash[_clause] = replace(
            clause, rests_on=dependencies.of(clause.id), module=check.__module__
        )
        # `-k` finds checks by their ids as well as by the names of their functions.
        item.extra_keyword_matches.add(clause.id)
    _choose(config, items)


def _choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the checks that are chosen; expectations are about checks that exist."""
    chosen = config.option.wsgi_check
    if chosen:
        kept = [item for item in items if item.stash[_clause].id in chosen]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    run = config.stash.get(_run, None)
    # Who chooses single checks may have had only their modules collected.
    if run is not None and not chosen:
        try:
            loaded = expectations.load(
                run.server.deployment, run.server.expectations, None, run._directory
            )
            expectations.check_ids(loaded.values(), config.stash[_known].keys())
        except expectations.ExpectationError as error:
            raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Have the deployment running while the checks run."""
    run = session.config.stash.get(_run, None)
    if run is None or session.config.option.collectonly or session.testsfailed:
        return (yield)
    clock = time.monotonic()
    try:
        try:
            run.start()
            clock = run.emit_phase("start_s", clock)
        except (BackendError, expectations.ExpectationError) as error:
            run.emit_failed(error)
            pytest.exit(str(error), returncode=EXIT_ERROR)
        result = yield
        clock = run.emit_phase("checks_s", clock)
        run.emit("finished")
        return result
    except session.Interrupted:
        if run.broken is None:
            raise
        run.emit("failed", message=run.broken)
        pytest.exit(run.broken, returncode=EXIT_ERROR)
    finally:
        try:
            run.stop()
        except BackendError as error:
            # What was found stands. An engine that is gone is swept when it is back.
            run.emit_failed(error)
        run.emit_phase("stop_s", clock)
        run.emit_used()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Remember where the server's log is when a check begins."""
    run = item.config.stash.get(_run, None)
    if run is not None:
        item.stash[_printed] = run.deployment.printed_by_now()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge the check and make pytest's report agree with the verdict."""
    report = yield
    run = item.config.stash.get(_run, None)
    if run is None:
        return report
    clause = item.stash[_clause]
    expectation = run.expectations.get(clause.id)
    message, log = _message(call), ""
    if call.when == "call":
        outcome, note, log = run.outcome_after(_outcome(call), expectation, item.stash[_printed])
        message = note + message
    elif call.when == "teardown" and call.excinfo is None:
        run.emit("check", check=item.stash[_result])
        if run.broken is not None:
            item.session.shouldstop = run.broken
        return report
    elif call.excinfo is None:
        return report
    elif call.when == "setup" and call.excinfo.errisinstance(pytest.skip.Exception):
        outcome = Outcome.NOT_APPLICABLE
    elif call.excinfo.errisinstance(ActFailed):
        outcome = Outcome.FAILED
    else:
        outcome = Outcome.ERROR
    verdict = judge(outcome, expectation)
    _agree(report, verdict, message, expectation)
    recorder = item.stash.get(_recorder, None)
    item.stash[_result] = {
        **clause.as_json(),
        "verdict": verdict,
        "duration_s": round(call.duration, 6),
        "message": message[:MESSAGE_KEPT],
        "expectation": None if expectation is None else expectation.as_json(),
        "exchanges": Recorder().as_json() if recorder is None else recorder.as_json(),
        "parity": None,
        **({"log": log} if log else {}),
    }
    if call.when == "teardown":
        # A fault in taking the fixtures down: the check's one verdict is that, whatever it found.
        run.emit("check", check=item.stash[_result])
    return report


def _acts_of(item: pytest.Item) -> set[str]:
    """The acts that a check asks for, as fixtures or by a row of its table."""
    rows = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return ACTS.keys() & {*getattr(item, "fixturenames", ()), *filter(_is_name, rows)}


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def clause_of_item(item: pytest.Item) -> Clause:
    """The clause of a collected check; a row of a table has one of its own."""
    return item.stash[_clause]


def _outcome(call: pytest.CallInfo[None]) -> Outcome:
    if call.excinfo is None:
        return Outcome.PASSED
    if call.excinfo.errisinstance(pytest.skip.Exception):
        return Outcome.NOT_APPLICABLE
    return Outcome.FAILED if call.excinfo.errisinstance(_BLAMES_THE_PEER) else Outcome.ERROR


def _message(call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return ""
    error = call.excinfo.value
    if call.excinfo.errisinstance(_BLAMES_THE_PEER) or isinstance(error, pytest.skip.Exception):
        return str(error)
    # A fault of the harness needs its place and not only its text.
    return f"{type(error).__name__}: {error}\n{call.excinfo.getrepr(style='short')}"


def _agree(
    report: pytest.TestReport, verdict: Verdict, message: str, expectation: Expectation | None
) -> None:
    match verdict:
        case Verdict.DEVIATION:
            assert expectation is not None
            report.outcome = "skipped"
            report.wasxfail = expectation.reason
        case Verdict.FIXED:
            assert expectation is not None
            report.outcome = "failed"
            report.longrepr = (
                f"[fixed] {expectation.path}:{expectation.line} lists this check, and it passes: "
                f"remove the entry, or narrow its `versions`"
            )
        case Verdict.FAIL if report.outcome == "passed":
            report.outcome = "failed"
            report.longrepr = message


@pytest.fixture(autouse=True)
def _applies(request: pytest.FixtureRequest) -> None:
    """A check that asks for what the deployment does not declare is not applicable to it."""
    run: Run = request.config.stash[_run]
    missing = run.capabilities.missing(request.node.stash[_clause].requires)
    if missing == "control":
        pytest.skip(f"{run.server.name} was not started by this run, which has no control of it")
    if missing is not None:
        pytest.skip(f"{run.server.name} does not declare {missing!r}: {REQUIRABLE[missing]}")


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """The deployment itself; for checks that require `control`."""
    return request.config.stash[_run].deployment


@pytest.fixture
def capabilities(request: pytest.FixtureRequest) -> Capabilities:
    """What the deployment declares."""
    return request.config.stash[_run].capabilities


@pytest.fixture
def facts_of(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """The facts of an act; its exchanges are those of the check."""
    run = request.config.stash[_run]

    def facts(name: str) -> Any:
        performances = run.performances(request.node)
        request.node.stash[_recorder] = performances.recorder(name)
        return performances.facts(name)

    return facts


@pytest.fixture
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Connections to the deployment; what is left open is closed after the check."""
    run = request.config.stash[_run]
    recorder = request.node.stash.setdefault(_recorder, Recorder())
    address = run.deployment.address
    listed = request.node.stash[_clause].id in run.expectations
    limit = run.time_limit_s * (LISTED_SHARE if listed else 1.0)
    wire = Wire((address.host, address.port), recorder, limit)
    yield wire
    wire.close()


@pytest.fixture
def new_client(wire: Wire) -> Callable[[], Client]:
    """Makes a new user: a client with a cookie jar of its own."""
    return lambda: Client(wire)


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    """A user of the application."""
    return new_client()


@pytest.fixture
def key() -> str:
    """A key of the journal, or a rendezvous, that no other check uses."""
    return uuid4().hex
