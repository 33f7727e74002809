"""The tools that say whether verdicts are the same in every run."""

from __future__ import annotations

from unittest.mock import Mock

from conformance import catalogue, registry
from conformance.backends.process import ProcessBackend
from conformance.runner import Plan, Runner
from tests.listening import Quiet
from tests.shuffled import shuffled
from tests.soak import Counts, count


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
