"""Verdicts: what a check's outcome means on a deployment, given what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from conformance.expectations import Expectation

EXIT_AS_EXPECTED = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_ERROR = 3


class Outcome(StrEnum):
    """What happened when the check ran."""

    PASSED = "passed"
    #: The peer did something that the check does not allow.
    FAILED = "failed"
    #: The deployment died while the check talked to it.
    CRASHED = "crashed"
    #: The check asks for a capability that the deployment does not declare.
    NOT_APPLICABLE = "not applicable"
    #: The harness broke, or the deployment could not be started.
    ERROR = "error"


class Verdict(StrEnum):
    """The outcome, judged; the six words of results.json."""

    PASS = "pass"
    #: Fails, and is listed with a reason.
    DEVIATION = "deviation"
    #: Fails, and is not listed.
    FAIL = "fail"
    #: Is listed, and passes: the entry is stale.
    FIXED = "fixed"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


def judge(outcome: Outcome, expectation: Expectation | None) -> Verdict:
    """The verdict of an outcome under the expectation that is listed for it, if one is.

    A listing covers exactly what it says: an entry that does not say `crash` covers no crash, one
    that does covers nothing else, and none covers an error of the harness. One that says why it
    `varies` is not stale when the check passes.
    """
    match outcome:
        case Outcome.PASSED:
            stale = expectation is not None and not expectation.varies
            return Verdict.FIXED if stale else Verdict.PASS
        case Outcome.FAILED | Outcome.CRASHED:
            crashed = outcome is Outcome.CRASHED
            listed = expectation is not None and (
                expectation.crash is crashed or (expectation.crash and bool(expectation.varies))
            )
            return Verdict.DEVIATION if listed else Verdict.FAIL
        case Outcome.NOT_APPLICABLE:
            return Verdict.NOT_APPLICABLE
        case Outcome.ERROR:
            return Verdict.ERROR


def exit_status(verdicts: Iterable[str]) -> int:
    """The exit status of a run with these verdicts.

    An error outweighs a failure, because it means that the result is not complete; no verdict at
    all is wrong usage, never success.
    """
    found = set(verdicts)
    if not found:
        return EXIT_USAGE
    if Verdict.ERROR in found:
        return EXIT_ERROR
    return EXIT_UNEXPECTED if found & {Verdict.FAIL, Verdict.FIXED} else EXIT_AS_EXPECTED
