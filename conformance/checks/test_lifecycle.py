"""Start, stop, reload and sudden death of the whole server.

Each check judges the facts of an act (`conformance.acts`), which is performed once, on a deployment
of its own. The signal that stops a server is the one that its service declares, SIGTERM where it
declares none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from conformance.acts.replacing import RELOADS, Death, Deaths, Reloaded, ReloadedOften
from conformance.acts.starting import FailedStart, PortTaken
from conformance.acts.stopping import AskedAgain, Drained, Ended, Idle, Kept
from conformance.checks.probes import says_close
from conformance.clauses import Source, clause, pep3333, rfc9112
from conformance.client import PeerError, Response

TWELVE_FACTOR = "The Twelve-Factor App"
DISPOSABILITY = Source(TWELVE_FACTOR, "IX. Disposability", "https://12factor.net/disposability")
LOGS = Source(TWELVE_FACTOR, "XI. Logs", "https://12factor.net/logs")
DOCKER_STOP = Source(
    "Docker documentation",
    "docker container stop",
    "https://docs.docker.com/reference/cli/docker/container/stop/",
)
TERMINATION = Source(
    "Kubernetes documentation",
    "Termination of Pods",
    "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
)
_SYSTEMD = "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html"
CLEAN_EXIT = Source("systemd.service(5)", "SuccessExitStatus=", f"{_SYSTEMD}#SuccessExitStatus=")
RELOAD = Source("systemd.service(5)", "ExecReload=", f"{_SYSTEMD}#ExecReload=")
RESTART = Source("systemd.service(5)", "Restart=", f"{_SYSTEMD}#Restart=")
_PYTHON = "https://docs.python.org/3/library"
EXIT = Source("Python documentation", "sys.exit", f"{_PYTHON}/sys.html#sys.exit")
REUSE = Source(
    "Python documentation",
    "socketserver.BaseServer.allow_reuse_address",
    f"{_PYTHON}/socketserver.html#socketserver.BaseServer.allow_reuse_address",
)
KEYBOARD = Source(
    "Python documentation",
    "KeyboardInterrupt",
    f"{_PYTHON}/exceptions.html#KeyboardInterrupt",
)

FAULTS = pytest.mark.parametrize(
    "act", ["import_failure", "no_callable"], ids=["import-failure", "no-callable"]
)
WAYS = pytest.mark.parametrize("way", ["killed", "exits", "faults"])
OUTPUTS = pytest.mark.parametrize(
    "output", ["stdout", "stderr", "wsgi.errors"], ids=["stdout", "stderr", "wsgi-errors"]
)
#: How programs say that an address has somebody: strerror(EADDRINUSE), or its name or number.
IN_USE = re.compile(r"in use|EADDRINUSE|Errno 98|os error 98", re.IGNORECASE)


def whole(answer: Response | PeerError, body: bytes) -> None:
    """The request was answered, with all of this body."""
    if isinstance(answer, PeerError):
        raise PeerError(f"the request was not answered: {answer}")
    assert (answer.status, answer.body) == (200, body), answer.describe()


def ended(end: Ended) -> None:
    """The server came to its end by itself, and nothing was left of it."""
    assert end.status is not None, "it did not end within its grace period"
    assert end.left == 0, f"{end.left} of its processes were left"


def clean(end: Ended) -> None:
    """It ended with status 0 or by the signal, also as a shell tells of one: 128 and its number."""
    name = end.signal.name
    expected = ("exit status 0", f"signal {name}", f"exit status {128 + end.signal}")
    assert end.status in expected, f"expected one of {expected}, found {end.status}"


def died(deaths: Deaths, way: str) -> Death:
    """The death of this kind."""
    assert way in deaths.ways, "no process was left to die: the one before was not replaced"
    return deaths.ways[way]


# Start


@FAULTS
@clause("lifecycle/start/not-served", "agreement", EXIT, requires=("control",))
def test_not_served(act: str, facts_of: Callable[[str], FailedStart]) -> None:
    """A server whose application cannot be loaded answers no request with success: whoever routes
    to it by its answers would send it everything."""
    answer = facts_of(act).answer
    assert answer is None or answer >= 400, f"a request was answered with {answer}"


@FAULTS
@clause("lifecycle/start/status", "agreement", EXIT, requires=("control",))
def test_failed_status(act: str, facts_of: Callable[[str], FailedStart]) -> None:
    """A server whose application cannot be loaded says so to whoever started it: it ends with
    another status than 0, or goes on and answers every request with a server error."""
    start = facts_of(act)
    if start.answer is not None:
        assert start.answer >= 500, f"a request was answered with {start.answer}"
    else:
        assert start.status is not None, "it neither ended nor answered"
        assert start.status != "exit status 0"


@FAULTS
@clause("lifecycle/start/logged", "agreement", LOGS, requires=("control",))
def test_failed_logged(act: str, facts_of: Callable[[str], FailedStart]) -> None:
    """Why the application cannot be loaded is in the server's output: the exception's own text, or
    the name that is missing."""
    start = facts_of(act)
    assert start.told, f"its output does not tell of it: {start.log[-1000:]!r}"


@clause("lifecycle/start/port-taken", "agreement", EXIT, requires=("control",))
def test_port_taken(port_taken: PortTaken) -> None:
    """A second server for the same address ends by itself with another status than 0: whoever
    started it must not take it for one that serves."""
    assert port_taken.status is not None, "it did not end"
    assert port_taken.status != "exit status 0"


@clause("lifecycle/start/port-taken-logged", "agreement", LOGS, requires=("control",))
def test_port_taken_logged(port_taken: PortTaken) -> None:
    """A second server for the same address says in its output that the address is in use."""
    assert IN_USE.search(port_taken.printed), port_taken.printed[-1000:]


@clause("lifecycle/start/port-taken-first", "agreement", EXIT, requires=("control",))
def test_port_taken_first(port_taken: PortTaken) -> None:
    """A server goes on to answer although a second one was started for its address: no request
    goes to the other, and none is lost."""
    assert port_taken.first == "answered"


# Stop, with nothing to do


@clause("lifecycle/stop/idle", "should", DISPOSABILITY, requires=("control",))
def test_stop_idle(idle: Idle) -> None:
    """The declared stop signal ends an idle server within its grace period; after that it would be
    killed, with whatever it still had to do."""
    assert idle.ended.status is not None, "it did not end within its grace period"


@clause("lifecycle/stop/status", "agreement", CLEAN_EXIT, requires=("control",))
def test_stop_status(idle: Idle) -> None:
    """A server that was told to stop ends with status 0 or by that very signal, which is what
    service managers take for a clean end; anything else looks like a crash."""
    clean(idle.ended)


@clause("lifecycle/stop/nothing-left", "agreement", TERMINATION, requires=("control",))
def test_stop_nothing_left(idle: Idle) -> None:
    """A stopped server leaves no process behind: its workers end with it."""
    ended(idle.ended)


@clause("lifecycle/stop/refuses", "should", DISPOSABILITY, requires=("control",))
def test_stop_refuses(idle: Idle) -> None:
    """A stopped server takes no more connections: one that is taken and never answered would keep
    its client waiting."""
    assert idle.ended.status is not None, "it did not end within its grace period"
    assert idle.ended.refuses, "a connection was still taken after its end"


@clause("lifecycle/stop/kept", "should", DISPOSABILITY, requires=("control", "keep-alive"))
def test_stop_kept(kept: Kept) -> None:
    """A connection that a client keeps open and idle does not keep the server from stopping within
    its grace period, and clients do keep them: no request is in flight."""
    ended(kept.ended)


@clause(
    "lifecycle/stop/kept-closed", "agreement", DISPOSABILITY, requires=("control", "keep-alive")
)
def test_stop_kept_closed(kept: Kept) -> None:
    """A connection that is open and idle is closed by the stop, and nothing is sent on it: a client
    would read that as the answer to its next request."""
    assert kept.rest is not None, "the connection was not closed"
    assert kept.rest == b""


@clause("lifecycle/stop/second-signal", "agreement", DOCKER_STOP, requires=("control",))
def test_stop_second_signal(stopped_twice: Drained) -> None:
    """A stop signal that comes while the server is stopping already, with a request in flight, does
    not keep it from ending within its grace period."""
    ended(stopped_twice.ended)


@clause("lifecycle/interrupt/ends", "agreement", KEYBOARD, requires=("control",))
def test_interrupt(interrupted: Ended) -> None:
    """SIGINT, which is Ctrl-C in a terminal, ends the server and all its processes within its grace
    period."""
    ended(interrupted)


@clause("lifecycle/interrupt/status", "agreement", CLEAN_EXIT, requires=("control",))
def test_interrupt_status(interrupted: Ended) -> None:
    """A server that is ended by SIGINT ends with status 0 or by that signal, and not as if it had
    crashed."""
    clean(interrupted)


@clause("lifecycle/restart/same-port", "agreement", REUSE, requires=("control",))
def test_restart(idle: Idle) -> None:
    """A server that was stopped starts again at the same address at once, although the kernel still
    remembers a connection that it closed (TIME-WAIT), and answers."""
    assert idle.restarted == "answered"


@OUTPUTS
@clause("lifecycle/log", "should", LOGS, requires=("control",))
def test_log(output: str, idle: Idle) -> None:
    """What the application writes to its outputs comes out at those of the server, where whoever
    runs it collects it."""
    assert f"{output} {idle.key}" in idle.ended.log, idle.ended.log[-1000:]


# Stop, with requests in flight


@clause("lifecycle/drain/request", "should", DISPOSABILITY, requires=("control",))
def test_drain_request(request_in_flight: Drained) -> None:
    """A request that is in the application when the stop signal comes is answered whole: it has
    been taken, and its client cannot know whether it may send it again."""
    whole(request_in_flight.answer, b"behind the gate")


@clause("lifecycle/drain/request-ends", "should", DISPOSABILITY, requires=("control",))
def test_drain_request_ends(request_in_flight: Drained) -> None:
    """Once the request in flight is done, the server ends within its grace period and leaves
    nothing behind."""
    ended(request_in_flight.ended)


@clause("lifecycle/drain/request-status", "agreement", CLEAN_EXIT, requires=("control",))
def test_drain_request_status(request_in_flight: Drained) -> None:
    """A stop that had a request in flight ends with status 0 or by the signal, as any stop does."""
    clean(request_in_flight.ended)


@clause("lifecycle/drain/refuses", "should", DISPOSABILITY, requires=("control", "concurrency"))
def test_drain_refuses(request_in_flight: Drained) -> None:
    """While a request in flight keeps the server from ending, no request that comes later is
    served: with them it might never end."""
    whole(request_in_flight.answer, b"behind the gate")
    assert request_in_flight.newcomers != "answered", "a new request was answered after the signal"


@clause("lifecycle/drain/stream", "should", DISPOSABILITY, requires=("control",))
def test_drain_stream(stream_in_flight: Drained) -> None:
    """A response that is half sent when the stop signal comes is sent to its end: half of it may
    look like all of it to its client."""
    whole(stream_in_flight.answer, b"before the gate\nbehind the gate\n")


@clause(
    "lifecycle/drain/stream-closed", "must", pep3333("Specification Details"), requires=("control",)
)
def test_drain_stream_closed(stream_in_flight: Drained) -> None:
    """`close()` is called on the iterable of a response that is half sent when the stop signal
    comes, whether it is sent to its end or broken off: what the application holds is freed there.
    """
    assert f"closed {stream_in_flight.key}" in stream_in_flight.ended.log


@clause("lifecycle/drain/stream-ends", "should", DISPOSABILITY, requires=("control",))
def test_drain_stream_ends(stream_in_flight: Drained) -> None:
    """Once the response in flight is sent, the server ends within its grace period and leaves
    nothing behind."""
    ended(stream_in_flight.ended)


@clause("lifecycle/drain/half-sent", "agreement", DISPOSABILITY, requires=("control",))
def test_drain_half_sent(half_sent: Drained) -> None:
    """A request that has come by half when the stop signal comes is answered whole once the rest is
    there, or not at all: never with a part of an answer, or another one than its own."""
    answer = half_sent.answer
    if isinstance(answer, Response):
        assert answer.status in (200, 503), answer.describe()
    else:
        assert half_sent.began is False, f"a part of an answer came: {answer}"


@clause("lifecycle/drain/half-sent-ends", "should", DISPOSABILITY, requires=("control",))
def test_drain_half_sent_ends(half_sent: Drained) -> None:
    """A request that was half sent at the stop signal, and wholly after it, does not keep the
    server from ending within its grace period."""
    ended(half_sent.ended)


@clause(
    "lifecycle/drain/next-on-connection",
    "agreement",
    rfc9112("9.6"),
    requires=("control", "keep-alive"),
)
def test_drain_next(asked_again: AskedAgain) -> None:
    """A response that comes after the stop signal says that it is the last of its connection, or
    the next request on it is answered: a client that was told nothing sends it."""
    answer = asked_again.answer
    whole(answer, b"behind the gate")
    assert isinstance(answer, Response)
    if not says_close(answer):
        following = asked_again.following
        if isinstance(following, PeerError):
            raise PeerError(f"the next request was not answered: {following}")
        assert following.status in (200, 503), following.describe()


# Reload


@clause("lifecycle/reload/new-workers", "agreement", RELOAD, requires=("control", "reload-signal"))
def test_reload_new_workers(reloaded: Reloaded) -> None:
    """After the declared reload signal other processes answer than before, which is how a new
    version of the application comes to work, and the server itself goes on."""
    assert reloaded.ended is None, f"the server ended: {reloaded.ended}"
    assert reloaded.after, "no other process answered"
    assert reloaded.before not in reloaded.after, "the process from before still answers"


@clause("lifecycle/reload/none-lost", "agreement", RELOAD, requires=("control", "reload-signal"))
def test_reload_none_lost(reloaded: Reloaded) -> None:
    """Requests that are sent one after the other during a reload are all answered: to reload
    instead of to restart is done for nothing else."""
    assert reloaded.after, "no other process answered"
    assert reloaded.lost == ()


@clause("lifecycle/reload/in-flight", "agreement", RELOAD, requires=("control", "reload-signal"))
def test_reload_in_flight(reloaded: Reloaded) -> None:
    """A request that is in the application when the reload signal comes is answered whole by the
    worker that has it."""
    whole(reloaded.held, b"behind the gate")


@clause("lifecycle/reload/nothing-left", "agreement", RELOAD, requires=("control", "reload-signal"))
def test_reload_nothing_left(reloaded_often: ReloadedOften) -> None:
    """Reloads leave nothing open behind them: after five of them a process has no more descriptors
    than in the beginning, or none more for each."""
    found = reloaded_often.descriptors
    assert reloaded_often.ended is None, f"the server ended: {reloaded_often.ended}"
    assert len(found) == RELOADS + 1, f"after {len(found) - 1} reloads no other process answered"
    # Some generations may have a few more than others, but not each more than the one before.
    assert found[-1] - max(found[:3]) < RELOADS - 2, f"descriptors by generation: {found}"


# Sudden death


@WAYS
@clause("lifecycle/death/replaced", "agreement", RESTART, requires=("control", "supervised"))
def test_death_replaced(way: str, killed: Deaths) -> None:
    """A process that dies while it serves a request is replaced, and requests are answered again,
    by another process."""
    death = died(killed, way)
    assert death.after is not None, f"no request was answered afterwards: {death.note}"
    # Of several processes the one that was asked before need not be the one that died.
    several = killed.sibling is not None
    assert death.after != death.before or several, "the process that was to die still answers"


@WAYS
@clause("lifecycle/death/seen", "agreement", RESTART, requires=("control", "supervised"))
def test_death_seen(way: str, killed: Deaths) -> None:
    """The client whose request a process dies of learns that: its connection is closed without an
    answer, or it is answered with a server error. It does not wait for ever."""
    seen = died(killed, way).seen
    assert seen == "closed" or seen in ("500", "502", "503", "504"), f"the client saw: {seen}"


@clause(
    "lifecycle/death/sibling", "agreement", RESTART, requires=("control", "supervised", "processes")
)
def test_death_sibling(killed: Deaths) -> None:
    """A request that is in another process is answered whole, although the processes of others
    died meanwhile."""
    assert killed.sibling is not None
    whole(killed.sibling, b"behind the gate")
