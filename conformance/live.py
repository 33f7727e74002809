"""The pytest plugin for projects of one's own: their application on real servers, in their tests.

    pytest --wsgi-app myproject:app --wsgi-servers gunicorn-gthread,waitress,granian

gives a fixture `live_server`, and each test that uses it runs once for each server. It is loaded
wherever the package is installed, so nothing is imported before it is needed, and without an
application there is no fixture. Nothing here judges a server: `conformance.plugin` does that.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from conformance.backends import Address
    from conformance.backends.process import ProcessBackend, ProcessDeployment
    from conformance.registry import Server

#: The fixture's name.
FIXTURE = "live_server"
#: Seconds that a server gets to answer after a test has failed, before it is started again.
_ANSWER_LIMIT_S = 5.0
#: How the controller of pytest-xdist tells its workers whose their servers are.
_OWNER = "wsgi_conform_owner"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin, and the same for a project's configuration."""
    group = parser.getgroup("wsgi-conform live", "one's own WSGI application on real servers")
    group.addoption(
        "--wsgi-app", metavar="MODULE:CALLABLE", help="the application that `live_server` serves"
    )
    group.addoption(
        "--wsgi-servers", metavar="NAME,...", help="with which, as `wsgi-conform servers` lists"
    )
    parser.addini("wsgi_app", "the default of --wsgi-app")
    parser.addini("wsgi_servers", "the default of --wsgi-servers", type="args", default=[])
    parser.addini(
        "wsgi_env",
        "environment variables for the application: NAME=VALUE, or NAME for one that is set",
        type="linelist",
        default=[],
    )
    parser.addini("wsgi_compose", "another registry of servers than the one that comes along")


def pytest_configure(config: pytest.Config) -> None:
    """Have the fixture, if there is an application."""
    name = config.getoption("wsgi_app") or config.getini("wsgi_app")
    if not name:
        if config.getoption("wsgi_servers"):
            raise pytest.UsageError("--wsgi-servers needs an application: --wsgi-app MODULE:NAME")
        return
    option = config.getoption("wsgi_servers")
    listed = [option] if option else config.getini("wsgi_servers")
    names = [name for text in listed for name in text.split(",") if name]
    if not names:
        raise pytest.UsageError(
            f"--wsgi-app {name} needs servers: --wsgi-servers NAME,... (`wsgi-conform servers` "
            f"lists them)"
        )
    live = Live(config, str(name), list(dict.fromkeys(names)))
    config.pluginmanager.register(live, "wsgi-conform-live")
    config.pluginmanager.register(_fixtures(live), "wsgi-conform-live-fixtures")


class LiveServerWarning(pytest.PytestWarning):
    """A server ended, and it is not certain which test did that."""


class LiveServer:
    """A server that serves the application; what the fixture gives.

    :param name: the server's name in the registry.
    """

    def __init__(self, server: Server, backend: ProcessBackend) -> None:
        self.name = server.name
        self._server = server
        self._deployment: ProcessDeployment = backend.start(server, uuid4().hex)
        #: Whether the test that runs sent it a signal; what that leads to is then meant.
        self._signalled = False
        #: Whether it has to be started again before the next test.
        self._unsound = False
        #: How much of what it printed came before the test that runs.
        self._printed_before = 0
        #: The server's version, once it runs.
        self.version = ""

    @property
    def address(self) -> Address:
        """Its host and port; the same ones for the whole session."""
        return self._deployment.address

    @property
    def url(self) -> str:
        """Its root URL, without a trailing slash."""
        return self.address.url

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._deployment.alive

    def exit_status(self, limit_s: float = 0.0) -> str | None:
        """How it ended ("exit status 0", "signal SIGKILL"), or None while it runs.

        :param limit_s: seconds to wait for that.
        """
        return self._deployment.wait(limit_s)

    def logs(self) -> str:
        """All that it has printed in this session."""
        return self._printed(0)

    def signal(self, number: signal.Signals) -> None:
        """Send its main process a signal; it is started again for the next test, whatever happens.

        :param number: for example `signal.SIGTERM`.
        """
        self._signalled = True
        self._deployment.signal(number)

    def restart(self) -> None:
        """Stop it if it runs, start it again at the same address, and wait until it answers.

        :raises StartError: it does not start; carries its last output.
        """
        # What it does between its end and its being ready again is meant, too.
        self._unsound = self._signalled = False
        self._deployment.restart()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        from conformance import readiness

        identity = readiness.wait_until_ready(self._deployment)
        self.version = identity.version_of(self._server.project) or self._server.version or ""

    def _printed(self, start: int) -> str:
        return self._deployment.log.since(start)

    def _test_begins(self) -> str | None:
        """Have it ready for a test: running, and not on its way to an end.

        :returns: how it ended since the last test, if that was not meant.
        :raises StartError: it does not start; carries its last output.
        """
        # A fixture may have signalled it after the test that used it.
        known = self._unsound or self._signalled
        status = None if known else self.exit_status()
        self._printed_before = self._deployment.log.mark()
        if known or status is not None:
            self.restart()
        return status

    def _test_ended(self, failed: bool) -> str | None:
        """See in what state a test left it; how it ended, if that was not meant."""
        from conformance import readiness

        silence = None
        if failed and not self._signalled:
            silence = readiness.silence(self._deployment, _ANSWER_LIMIT_S)
        status = readiness.ending(self._deployment, silence, _ANSWER_LIMIT_S)
        self._unsound = self._signalled or silence is not None or status is not None
        if self._signalled or not self._unsound:
            self._signalled = False
            return None
        if status is not None:
            return f"{self.name} ended during this test: {status}"
        return f"{self.name} did not answer any more after this test"

    def _stop(self) -> None:
        self._deployment.stop()


class Live:
    """The servers of a session: prepared together, started at their first use, stopped at its end.

    They are kept here and not by the fixture, which pytest may set up and tear down several times:
    tests in random order go back and forth between servers.
    """

    def __init__(self, config: pytest.Config, application: str, names: Sequence[str]) -> None:
        # Imported here, in sessions that use it.
        from conformance import registry, releases
        from conformance.backends import application as applications
        from conformance.backends import owner
        from conformance.backends.process import ProcessBackend

        compose = config.getini("wsgi_compose")
        try:
            servers = releases.select(
                registry.load(config.rootpath / compose if compose else None), names
            )
            self._application = applications.Application(
                application,
                applications.project_directories(config.rootpath),
                applications.variables(config.getini("wsgi_env"), os.environ),
            )
        except (
            registry.RegistryError,
            registry.UnknownServer,
            applications.ApplicationError,
        ) as error:
            raise pytest.UsageError(f"live_server: {error}") from error
        for server in servers:
            if reason := applications.obstacle(server):
                raise pytest.UsageError(f"live_server: {reason}")
        self.servers = {server.name: server for server in servers}
        # Under pytest-xdist the controller has the last word: a worker may be ended by force.
        worker = getattr(config, "workerinput", None)
        self.owned_by: str = owner.me() if worker is None else worker[_OWNER]
        self._backend = ProcessBackend(owned_by=self.owned_by, application=self._application)
        self._has_workers = False
        self._handles_sigterm = False
        self._needed: list[Server] = []
        self._running: dict[str, LiveServer] = {}
        #: Why a server cannot be had, by name.
        self._failed: dict[str, str] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist whose its servers are."""
        self._has_workers = True
        self._handle_sigterm()
        node.workerinput[_OWNER] = self.owned_by

    def pytest_report_header(self) -> str:
        """Say what is served, and with what."""
        servers = (f"{name} ({server.project})" for name, server in self.servers.items())
        return f"live_server: {self._application.name} on {', '.join(servers)}"

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """See which servers the chosen tests need."""
        needed = {_server_of(item) for item in session.items}
        self._needed = [server for name, server in self.servers.items() if name in needed]

    def get(self, name: str) -> LiveServer:
        """The server of that name, started if it is not.

        :raises pytest.fail.Exception: it cannot be; says why, with what it printed.
        """
        from conformance.backends import BackendError

        if name not in self._running:
            try:
                self._prepare()
                if name in self._failed:
                    raise BackendError(self._failed[name])
                self._running[name] = LiveServer(self.servers[name], self._backend)
                self._running[name]._wait_until_ready()
            except BackendError as error:
                self._give_up(name, error)
        return self._running[name]

    def _prepare(self) -> None:
        """Make the environments of all servers that are needed, side by side, once."""
        needed, self._needed = self._needed, []
        if needed:
            self._handle_sigterm()
            self._backend.sweep()
            self._failed.update(self._backend.prepare(needed))

    def _handle_sigterm(self) -> None:
        """Have SIGTERM end the session as Ctrl-C does: pytest would end and leave the servers."""
        if (
            not self._handles_sigterm
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            self._handles_sigterm = True

    def _give_up(self, name: str, error: Exception) -> NoReturn:
        self._failed[name] = str(error)
        if name in self._running:
            self._running.pop(name)._stop()
        # Without the error before it, which would be told as well.
        raise pytest.fail.Exception(f"live_server: {error}", pytrace=False) from None

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Have the server in order before a test, whatever an earlier one did to it."""
        from conformance.backends import BackendError

        name = _server_of(item)
        if name in self._failed and name not in self._running:
            reason = self._failed[name].partition("\n")[0]
            pytest.fail(f"live_server: {reason} (the first test of it says more)", pytrace=False)
        if name in self._running:
            try:
                status = self._running[name]._test_begins()
            except BackendError as error:
                self._give_up(name, error)
            if status is not None:
                item.warn(
                    LiveServerWarning(
                        f"{name} has ended since the test before this one: {status}; it was started"
                        f" again"
                    )
                )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add what the server printed to a failure, and make one of its end."""
        report = yield
        server = self._running.get(_server_of(item) or "")
        if server is None:
            return report
        told = server._test_ended(call.excinfo is not None) if call.when == "call" else None
        if told is not None:
            if report.passed:
                report.outcome, report.longrepr = "failed", told
            else:
                report.sections.append((server.name, told))
        if report.failed:
            printed = server._printed(server._printed_before)
            report.sections.append((f"{server.name} printed", printed or "(nothing)"))
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Stop all servers."""
        self._stop()

    def pytest_unconfigure(self) -> None:
        """Stop them where the session broke off; sweep after workers that were ended by force."""
        self._stop()
        if self._has_workers:
            self._backend.sweep()
        if self._handles_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _stop(self) -> None:
        from conformance import threads

        running, self._running = list(self._running.values()), {}
        if running:
            threads.each(LiveServer._stop, running, len(running), stop=lambda: None)


def _fixtures(live: Live) -> object:
    """The fixture, parametrised over the servers of this session."""

    @pytest.fixture(scope="session", params=list(live.servers))
    def live_server(request: pytest.FixtureRequest) -> LiveServer:
        """The application on a real server (wsgi-conform): `url`, `logs()`, `restart()`, ..."""
        return live.get(request.param)

    # A module, because pytest has session fixtures as functions.
    plugin = ModuleType(__name__)
    setattr(plugin, FIXTURE, live_server)
    return plugin


def _server_of(item: pytest.Item) -> str | None:
    """The name of the server that a test runs on; None for a test without one."""
    callspec = getattr(item, "callspec", None)
    name = callspec.params.get(FIXTURE) if callspec is not None else None
    return name if isinstance(name, str) else None
