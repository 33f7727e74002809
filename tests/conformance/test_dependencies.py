"""Dependencies between checks: they are about checks that exist, and mutants bear them out."""

from __future__ import annotations

import pytest

from conformance import catalogue, dependencies
from conformance.clauses import Clause
from conformance.dependencies import RESTS_ON


def test_a_star_in_the_root_stands_for_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (("a/b/*", "a/c/*"), ("a/*", "a/root"), ("a/root", "b/root"))
    monkeypatch.setattr(dependencies, "RESTS_ON", rows)
    assert dependencies.of.__wrapped__("a/b/row") == ("a/c/row", "a/root")
    assert dependencies.of.__wrapped__("a/root") == ("b/root",)
    assert dependencies.of.__wrapped__("b/root") == ()


@pytest.fixture(scope="module")
def checks() -> list[Clause]:
    """All checks."""
    return catalogue.collect()


def test_every_root_is_a_check_and_no_check_rests_on_itself(checks: list[Clause]) -> None:
    rests_on = {check.id: check.rests_on for check in checks}
    for identity, roots in rests_on.items():
        seen = [identity]
        for root in roots:
            assert root in rests_on, f"{identity} rests on {root}, which is no check"
        while roots:
            assert roots[0] not in seen, f"{identity} rests on itself by {roots[0]}"
            seen.append(roots[0])
            roots = rests_on[roots[0]]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in RESTS_ON])
def test_a_pattern_is_of_checks_that_fail_with_their_root_on_a_mutant(
    pattern: str, checks: list[Clause]
) -> None:
    mutants = {check.id: set(catalogue.as_json(check)["mutants"]) for check in checks}
    dependent = [
        (check.id, root)
        for check in checks
        for root in check.rests_on
        if dependencies.matches(pattern, check.id)
    ]
    assert dependent, f"no check is called {pattern}"
    assert [pair for pair in dependent if mutants[pair[0]] & mutants[pair[1]]]
