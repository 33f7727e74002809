"""The tools that say whether verdicts are the same in every run, and why not."""

from __future__ import annotations

import threading
from unittest import mock
from unittest.mock import Mock

import pytest

from conformance import catalogue, commands, registry
from conformance.backends import Address
from conformance.backends.process import ProcessBackend
from conformance.capabilities import Capabilities
from conformance.runner import Plan, Runner
from reference_app.application import create_app
from reference_app.serving import make_server
from tests.disturbed import disturb, shuffled
from tests.listening import Quiet
from tests.soak import Counts, count, main
from tests.sound import CONCURRENT, FAILING, able


def test_modules_have_the_order_of_a_seed() -> None:
    servers = registry.select(registry.load(), ["waitress", "cheroot"])
    checks = catalogue.collect()
    runner = Runner(Plan(servers, checks, ProcessBackend()), Mock(), Quiet())
    plain = runner._modules(servers[0])
    assert plain[: len(catalogue.LONGEST)] == list(catalogue.LONGEST)
    orders = [shuffled(seed)(runner, server) for seed in ("1", "1", "2") for server in servers]
    assert orders[0:2] == orders[2:4]
    assert len({tuple(order) for order in orders} | {tuple(plain)}) == 5
    assert all(sorted(order) == sorted(plain) for order in orders)


@pytest.mark.parametrize(
    ("how", "shuffles", "shakes"),
    [("shuffle", True, False), ("chaos", False, True), ("shuffle,chaos", True, True)],
)
def test_runs_are_disturbed_as_asked_for(how: str, shuffles: bool, shakes: bool) -> None:
    [server] = registry.select(registry.load(), ["waitress"])
    plan = Plan([server], catalogue.collect(), ProcessBackend())
    plain = Runner(plan, Mock(), Quiet())._modules(server)
    disturb("7", how)
    try:
        runner = vars(commands)["Runner"](plan, Mock(), Quiet())
        assert (runner._modules(server) != plain) is shuffles
        assert ("--chaos-seed=7" in runner._command()) is shakes
    finally:
        mock.patch.stopall()
    assert vars(commands)["Runner"] is Runner
    assert runner._modules(server) == plain


def test_chaos_is_for_processes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--chaos", "--backend", "docker"])
    assert "local processes" in capsys.readouterr().err


def test_what_was_not_found_before_is_told() -> None:
    def document(verdict: str) -> Mock:
        check = {"id": "a/b", "verdict": verdict, "message": "why", "expectation": None}
        found = Mock(servers=[{"name": "one"}])
        found.checks.return_value = [check]
        return found

    counts: Counts = {}
    told = [count(document(verdict), counts) for verdict in ("pass", "pass", "fail", "fail")]
    assert told == [[], [], ['one a/b: fail, before that {"pass": 2}: why'], []]
    assert counts == {"one": {"a/b": {"pass": 2, "fail": 2}}}


@pytest.mark.parametrize(("declared", "can"), [(4, True), (5, False)], ids=["none", "one"])
def test_a_thread_that_is_lost_is_noticed(declared: int, can: bool) -> None:
    server = make_server("127.0.0.1", 0, create_app(), threaded=True, threads=4)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = Address("127.0.0.1", int(server.server_address[1]))
        capabilities = Capabilities(threads=declared)
        run = Mock(deployment=Mock(address=address), capabilities=capabilities)
        found = able(run, {CONCURRENT, FAILING})
        assert (CONCURRENT in found) is can
        assert FAILING in found
        assert able(run, {FAILING}) == {FAILING}
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
