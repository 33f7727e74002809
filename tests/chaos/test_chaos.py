"""No verdict changes when client and servers are late at random."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from conformance import catalogue, registry
from conformance.backends import owner
from conformance.backends.process import ProcessBackend
from conformance.clauses import clause_of
from tests.chaos import __main__ as command
from tests.chaos import delays, hasty, plugin
from tests.chaos.application import late
from tests.chaos.choice import LEFT_OUT, choose, has_time
from tests.chaos.pauses import Pauses
from tests.chaos.runs import differences, judge

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

#: Different in what is delayed: threads that the client waits for, one thread for all connections,
#: and two processes of which one can stand while the other goes on.
SERVERS = ("reference-threaded", "waitress", "gunicorn-gthread")


def test_no_verdict_changes(tmp_path: Path) -> None:
    servers = registry.select(registry.load(), SERVERS)
    assert ProcessBackend().prepare(servers) == {}
    checks = choose(catalogue.collect())
    seed = random.randrange(10**6)
    # Each check on one of them, another time on another: all on all would take minutes.
    chosen = [
        (server, checks[(seed + place) % len(servers) :: len(servers)])
        for place, server in enumerate(servers)
    ]
    calm = judge(chosen, tmp_path / "calm")
    shaken = judge(chosen, tmp_path / "shaken", seed)
    found = list(differences(calm, shaken, seed))
    assert found == [], "\n".join(map(str, found))


def test_the_choice_has_every_area_and_whatever_waits_for_a_time() -> None:
    checks = catalogue.collect()
    chosen = {check.id for check in choose(checks)}
    assert {identity.partition("/")[0] for identity in chosen} == {check.area for check in checks}
    timed = {check.id for check in checks if has_time(check)}
    # By a constant of its own, by that of a helper, and by that of a helper's helper.
    assert {"http/response/date-moves", "wsgi/input/in-pieces/read"} <= timed <= chosen
    assert LEFT_OUT in {check.id for check in checks} - chosen - timed
    assert len(chosen) < len(checks) / 5


def test_a_check_that_waits_for_a_time_fails(tmp_path: Path) -> None:
    [server] = registry.select(registry.load(), SERVERS[:1])
    clause = clause_of(hasty.test_hasty)
    assert clause is not None
    check = replace(clause, module=hasty.__name__)
    assert has_time(check)
    [judged] = judge([(server, [check])], tmp_path, seed=1).values()
    assert judged[check.id]["message"].startswith("no answer came soon")


def test_processes_are_stopped_and_go_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={owner.VARIABLE: owner.me()},
        start_new_session=True,
    ) as process:
        try:
            with Pauses(1, lambda: []):
                _wait_until(lambda: _state(process.pid) == "T")
            assert _state(process.pid) != "T"
        finally:
            process.kill()


def _state(process: int) -> str:
    """The state of a process, a letter (proc(5), "stat")."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def _wait_until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_the_application_is_late_at_each_step_and_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(delays.Delays, "perhaps", lambda self: steps.append("late"))

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        steps.append("called")
        steps.append(environ["wsgi.input"].read(3).decode())
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        steps.append("started")
        write(b"written")

        def blocks() -> Iterable[bytes]:
            try:
                yield b"one"
                yield b"two"
            finally:
                steps.append("closed")

        return blocks()

    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": "POST", "QUERY_STRING": "", "wsgi.input": io.BytesIO(b"abc")}
    served = validator(late(application, "a seed"))
    answer = served(environ, lambda *_: lambda data: steps.append(data.decode()))
    for block in answer:
        steps.append(block.decode())
    answer.close()  # type: ignore[attr-defined]
    told = " ".join(steps)
    assert told == ("late called late abc late started late written late one late two closed late")


def test_servers_load_it_so(tmp_path: Path) -> None:
    program = "from reference_app.wsgi import application; print(application.wsgi_app.__module__)"
    root = Path(__file__).parents[2]
    variables = {"PYTHONPATH": f"{plugin.INSIDE}:{root}", "WSGI_CONFORM_CHAOS": "1"}
    command = [sys.executable, "-c", program]
    printed = subprocess.check_output(command, cwd=tmp_path, env=variables, text=True)
    assert printed == "tests.chaos.application\n"


@pytest.mark.parametrize("blocks", [[b"one"], (b"one", b"two"), b""])
def test_what_a_server_may_know_more_of_is_left_as_it_is(blocks: Any) -> None:
    environ: WSGIEnvironment = {"wsgi.input": io.BytesIO()}
    application = late(lambda environ, start_response: blocks, "a seed")
    assert application(environ, lambda *_: lambda data: None) is blocks


def test_delays_are_those_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)

    def delay(seed: str) -> list[float]:
        slept.clear()
        one = delays.Delays(seed, share=0.5, longest_s=0.2, most=3)
        for _ in range(100):
            one.perhaps()
        return list(slept)

    assert len(delay("a")) == 3
    assert all(0 <= seconds <= 0.2 for seconds in delay("a"))
    assert delay("a") == delay("a") != delay("b")


def _check(verdict: str, varies: str | None = None) -> dict[str, Any]:
    expectation = None if varies is None else {"varies": varies}
    return {"verdict": verdict, "message": f"it is {verdict}", "expectation": expectation}


@pytest.mark.parametrize(
    ("calm", "shaken", "differs"),
    [
        (_check("pass"), _check("pass"), False),
        (_check("pass"), _check("fail"), True),
        (_check("pass"), _check("error"), True),
        (_check("deviation", varies=""), _check("fixed", varies=""), True),
        (_check("deviation", varies="By chance."), _check("pass", varies="By chance."), False),
    ],
)
def test_what_differs_is_told_and_the_exit_status(
    calm: dict[str, Any],
    shaken: dict[str, Any],
    differs: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def judged(chosen: Any, directory: Path, seed: int | None = None) -> Any:
        return {"waitress": {"area/check": calm if seed is None else shaken}}

    monkeypatch.setattr(command, "judge", judged)
    monkeypatch.setattr(ProcessBackend, "prepare", lambda self, servers: {})
    monkeypatch.setattr(catalogue, "collect", lambda expression: [None])
    assert command.main(["waitress", "--seed", "7"]) == (1 if differs else 0)
    printed = capsys.readouterr().out
    assert printed.startswith(f"waitress, seed 7: {int(differs)} of 1 verdicts")
    if differs:
        assert f"calm: {calm['verdict']}: it is {calm['verdict']}" in printed
        assert f"chaos: {shaken['verdict']}: it is {shaken['verdict']}" in printed
        assert "python -m tests.chaos waitress --seed 7 -k area/check" in printed


def test_what_a_server_and_an_application_do_wrong_stays_wrong() -> None:
    class Failing:
        def __iter__(self) -> Iterator[bytes]:
            raise LookupError

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert start_response("200 OK", []) is None
        assert not hasattr(environ["wsgi.input"], "__iter__")
        return Failing()

    Failing.__module__ = "reference_app.areas.of_a_test"
    environ: WSGIEnvironment = {"wsgi.input": object()}
    blocks = late(application, "a seed")(environ, lambda *_: None)  # type: ignore[arg-type]
    assert not isinstance(blocks, Failing)
    assert not hasattr(blocks, "close")
    with pytest.raises(LookupError):
        iter(blocks)


def test_what_a_server_closes_is_closed() -> None:
    closed = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            closed.append(True)

    environ: WSGIEnvironment = {"wsgi.input": io.BytesIO()}
    blocks: Any = late(application, "a seed")(environ, lambda *_: lambda data: None)
    # One that closes the iterator and not the iterable: they are the same in a generator.
    iterator = iter(blocks)
    assert next(iterator) == b"one"
    iterator.close()
    assert closed == [True]
    assert list(blocks) == []
