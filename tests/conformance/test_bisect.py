"""Bisection: the release in which a check changed, with few runs, past some that do not run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conformance import bisect
from conformance.bisect import NotFound, Step
from conformance.cli import main
from conformance.compare import Column
from conformance.index import Release

from .test_compare import check

RELEASES = [
    Release(Version(f"{number}.0"), None, False, SpecifierSet(), ()) for number in range(100)
]


class Judge:
    """Says of releases what was planned, and keeps which it was asked."""

    def __init__(self, outcomes: dict[int, str | None], default: tuple[str, int, str]) -> None:
        self._outcomes = outcomes
        self._default = default
        self.asked: list[int] = []

    def __call__(self, releases: Sequence[Release]) -> list[Step]:
        found = []
        for release in releases:
            number = release.version.major
            self.asked.append(number)
            older, since, newer = self._default
            outcome = self._outcomes.get(number, older if number < since else newer)
            column = Column(str(number), None, None, None, {})
            found.append(Step(release, outcome, "" if outcome else "does not install", column))
        return found


@pytest.mark.parametrize("since", [1, 2, 37, 50, 98, 99])
@pytest.mark.parametrize(("older", "newer"), [("pass", "fail"), ("fail", "pass")])
def test_the_release_is_found_in_few_runs(older: str, newer: str, since: int) -> None:
    judge = Judge({}, (older, since, newer))
    found = bisect.bisect(RELEASES, judge)
    assert found.before.release.version.major == since - 1
    assert found.after.release.version.major == since
    assert found.untold == []
    assert len(judge.asked) <= bisect.runs_needed(len(RELEASES)) == 9
    assert len(set(judge.asked)) == len(judge.asked)


def test_what_does_not_install_is_gone_around() -> None:
    judge = Judge(dict.fromkeys(range(45, 55)), ("fail", 37, "pass"))
    found = bisect.bisect(RELEASES, judge)
    assert (found.before.release.version.major, found.after.release.version.major) == (36, 37)


def test_what_cannot_be_told_is_said() -> None:
    judge = Judge({36: None, 37: None}, ("fail", 37, "pass"))
    found = bisect.bisect(RELEASES, judge)
    assert (found.before.release.version.major, found.after.release.version.major) == (35, 38)
    assert [step.release.version.major for step in found.untold] == [36, 37]


def test_ends_that_are_alike_or_do_not_run() -> None:
    with pytest.raises(NotFound, match=r"it is the same in 0\.0 and 99\.0: fail"):
        bisect.bisect(RELEASES, Judge({}, ("fail", 100, "pass")))
    with pytest.raises(NotFound, match=r"99\.0 cannot be judged: does not install"):
        bisect.bisect(RELEASES, Judge({99: None}, ("fail", 50, "pass")))


def test_what_a_run_says_of_a_release() -> None:
    column = Column("x", "1", "3.11", None, {"a/b": check("a/b", "deviation", message="found 400")})
    step = bisect.step(RELEASES[0], column, "a/b")
    assert (step.outcome, step.message) == ("fail", "found 400")
    assert bisect.step(RELEASES[0], column, "a/c").outcome is None
    broken = Column("x", "1", None, "does not install", {"a/b": check("a/b", "error")})
    assert bisect.step(RELEASES[0], broken, "a/b").outcome is None
    assert bisect.step(RELEASES[0], broken, "a/b").message == "does not install"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nginx-gunicorns"], "did you mean 'nginx-gunicorn'?"),
        (["waitress@3.0.0"], "expected a server whose releases are known, found 'waitress@3.0.0'"),
        (
            ["waitress", "--check", "routing/statics"],
            "no check is called 'routing/statics'; close:",
        ),
        (["waitress", "--bad", "what"], "expected a release like waitress@"),
        (["uvicorn-h11", "--bad", "h11==0.15.0"], "of one distribution, found uvicorn and h11"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ["--check", "routing/static-rule", "--good", "3.0.2", "--bad", "3.0.1"]
    assert main(["bisect", *usual, *arguments]) == 2
    assert message in capsys.readouterr().err
