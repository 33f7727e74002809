"""The verdict machine: every outcome under every kind of listing, and the status of a whole run."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from conformance.expectations import Expectation
from conformance.verdicts import Outcome, Verdict, exit_status, judge


def entry(*, crash: bool = False, varies: str = "") -> Expectation:
    """An expectation that does or does not speak of a crash, or of what it depends on."""
    return Expectation(
        check="area/check",
        instead="Something else.",
        reason="Because.",
        reference="unreported",
        versions=SpecifierSet(),
        python=SpecifierSet(),
        deployments=(),
        crash=crash,
        damages=False,
        varies=varies,
        path=Path("server.toml"),
        line=1,
    )


LISTINGS = {
    "no entry": None,
    "entry": entry(),
    "crash entry": entry(crash=True),
    "varying entry": entry(varies="Passes on Sundays."),
    "varying crash entry": entry(crash=True, varies="Lives on Sundays."),
}

JUDGED = [
    (Outcome.PASSED, "no entry", Verdict.PASS),
    (Outcome.PASSED, "entry", Verdict.FIXED),
    (Outcome.PASSED, "crash entry", Verdict.FIXED),
    (Outcome.PASSED, "varying entry", Verdict.PASS),
    (Outcome.PASSED, "varying crash entry", Verdict.PASS),
    (Outcome.FAILED, "no entry", Verdict.FAIL),
    (Outcome.FAILED, "entry", Verdict.DEVIATION),
    (Outcome.FAILED, "crash entry", Verdict.FAIL),
    (Outcome.FAILED, "varying entry", Verdict.DEVIATION),
    (Outcome.FAILED, "varying crash entry", Verdict.DEVIATION),
    (Outcome.CRASHED, "no entry", Verdict.FAIL),
    (Outcome.CRASHED, "entry", Verdict.FAIL),
    (Outcome.CRASHED, "crash entry", Verdict.DEVIATION),
    (Outcome.CRASHED, "varying entry", Verdict.FAIL),
    (Outcome.CRASHED, "varying crash entry", Verdict.DEVIATION),
    (Outcome.NOT_APPLICABLE, "no entry", Verdict.NOT_APPLICABLE),
    (Outcome.NOT_APPLICABLE, "entry", Verdict.NOT_APPLICABLE),
    (Outcome.NOT_APPLICABLE, "crash entry", Verdict.NOT_APPLICABLE),
    (Outcome.NOT_APPLICABLE, "varying entry", Verdict.NOT_APPLICABLE),
    (Outcome.NOT_APPLICABLE, "varying crash entry", Verdict.NOT_APPLICABLE),
    (Outcome.ERROR, "no entry", Verdict.ERROR),
    (Outcome.ERROR, "entry", Verdict.ERROR),
    (Outcome.ERROR, "crash entry", Verdict.ERROR),
    (Outcome.ERROR, "varying entry", Verdict.ERROR),
    (Outcome.ERROR, "varying crash entry", Verdict.ERROR),
]


@pytest.mark.parametrize(("outcome", "listing", "verdict"), JUDGED)
def test_judge(outcome: Outcome, listing: str, verdict: Verdict) -> None:
    assert judge(outcome, LISTINGS[listing]) is verdict


def test_the_table_of_verdicts_is_whole() -> None:
    rows = [(outcome, listing) for outcome, listing, _ in JUDGED]
    assert sorted(rows) == sorted((outcome, listing) for outcome in Outcome for listing in LISTINGS)


def test_an_expected_run_ends_with_0() -> None:
    fine = (Verdict.PASS, Verdict.DEVIATION, Verdict.NOT_APPLICABLE)
    for size in range(1, len(fine) + 1):
        assert {exit_status(chosen) for chosen in combinations(fine, size)} == {0}


@pytest.mark.parametrize("unexpected", [Verdict.FAIL, Verdict.FIXED])
def test_one_unexpected_verdict_is_enough_for_1(unexpected: Verdict) -> None:
    others = [Verdict.PASS, Verdict.DEVIATION, Verdict.NOT_APPLICABLE]
    assert exit_status([*others, unexpected]) == 1


def test_an_error_outweighs_everything() -> None:
    assert {exit_status([verdict, Verdict.ERROR]) for verdict in Verdict} == {3}


def test_no_verdict_is_never_success() -> None:
    assert exit_status([]) == 2


def test_verdicts_are_read_as_plain_words_too() -> None:
    assert [exit_status([word]) for word in ("pass", "fail", "fixed", "error")] == [0, 1, 1, 3]
