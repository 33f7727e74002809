"""What requests cost a server beyond their answers: time, handlers, and lines in its log.

None of these is long or frequent. They are made for a weakness: a pattern that is tried in every
way, a connection that is gone before it is looked at, a handler that waits for a next request.
"""

from __future__ import annotations

import time
from typing import Protocol

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.bodies import CHUNKED, CHUNKED_INPUT
from conformance.checks.probes import (
    CLOSE,
    alive,
    exchange,
    mark_of,
    marked,
    read_json,
    request,
    served,
)
from conformance.checks.sending import FORM
from conformance.clauses import Source, clause, rfc9112
from conformance.client import PeerError, Wire

#: Clients that vanish, of each kind, and how many there are at most until the interpreter was held:
#: else it may be that each of them is accepted, step by step, before it is gone.
VANISHED = 20
MOST_VANISHED = 200
#: Seconds between those that come while it is held.
PACE_S = 0.025
#: How many looks there are at a process that should have nothing to do, and the share of the time
#: that it may use in the best of them. Servers that look around themselves use less than a
#: tenth of it; one that spins uses whatever the machine gives it.
LOOKS = 3
QUIET_SHARE = 0.03
#: The least of the time that counts as the process's own, however long it waited for a processor.
OWN_SHARE = 0.05
#: Answers that are broken off, and how large they are: too large for the buffers on the way.
BROKEN_OFF = 30
ANSWER = 4 * 1024 * 1024
#: Connections that are kept open for a next request, for each handler.
KEPT_FOR_EACH = 2
#: Seconds in which a server turns to another client that does not wait for the kept ones.
TURN_S = 5.0
#: Seconds between two looks at the log.
LOOK_S = 0.02

DENIAL = rfc9112("9.5")
LOGS = Source(
    "CWE", "117, Output Neutralization for Logs", "https://cwe.mitre.org/data/definitions/117.html"
)


def _get(field: str | bytes, target: str = "/wsgi/echo") -> bytes:
    return request(f"GET {target} HTTP/1.1", CLOSE, field)


@clause("security/effort/pattern", "agreement", DENIAL)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_get(b"X-Field: " + b"x" * 64 + b"\x10"), id="value"),
        pytest.param(_get(b"X-Field: " + b"x " * 1000 + b"\x10"), id="words"),
        pytest.param(_get(b"X-Field: x" + b" " * 3000 + b"\x10"), id="spaces"),
        pytest.param(_get(b"x" * 3000 + b" : x"), id="name"),
        pytest.param(_get("Accept: */*", "/" + "a/" * 1000 + "%zz\\"), id="target"),
        pytest.param(_get(b"Cookie: a=" + b'"\\"' * 1000, "/request/show/cookies"), id="cookie"),
        pytest.param(_get(b"Accept: " + b"a/*;q=" * 500, "/request/show/headers"), id="accept"),
        pytest.param(
            request(
                "POST /request/show/form HTTP/1.1",
                f'Content-Type: {FORM}; !="' + "\\" * 1000,
                "Content-Length: 3",
                CLOSE,
                body=b"a=b",
            ),
            id="parameter",
        ),
        pytest.param(request("GET /wsgi/echo HTTP/1.1", CLOSE, host="a." * 500 + "\\"), id="host"),
    ],
)
def test_pattern(wire: Wire, data: bytes) -> None:
    """A few thousand bytes that are nearly right are taken or refused, and not tried for ever.

    Patterns that can match one text in many ways try all of them before they give up, and double
    their time with each character.
    """
    exchange(wire, data)
    alive(wire)


@clause("security/effort/pattern-in-chunks", "agreement", DENIAL, requires=CHUNKED_INPUT)
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"5" + b";a=b" * 700 + b"\x10", id="extensions"),
        pytest.param(b'5;a="' + b"\\a" * 1000 + b"\x10", id="quoted"),
        pytest.param(b"5;" + b"a" * 64 + b"\x10", id="extension"),
        pytest.param(b"0" * 1000 + b"x", id="size"),
    ],
)
def test_pattern_in_chunks(wire: Wire, line: bytes) -> None:
    """The line of a chunk that is nearly right is read past or refused, and not tried for ever."""
    body = line + b"\r\nhello\r\n0\r\n\r\n"
    exchange(wire, request("POST /wsgi/echo HTTP/1.1", CHUNKED, CLOSE, body=body))
    alive(wire)


@clause("security/effort/vanished", "should", DENIAL, requires=("concurrency",))
def test_vanished(wire: Wire) -> None:
    """Clients that are gone before they are looked at leave nothing to do.

    Some reset their connections with a request on it, some with a part of one, some only leave. The
    process is asked how much it computes while nothing comes.
    """
    vanish(wire)
    served(wire, 3, behind=True)
    shares = idle_shares(wire)
    assert shares[-1] <= QUIET_SHARE, f"busy with nothing for these shares of time: {shares}"


def vanish(wire: Wire) -> None:
    """Clients of every kind come and are gone, some while nothing of the interpreter runs."""
    with wire.connect() as held:
        held.send(request("GET /wsgi/hold HTTP/1.1", CLOSE))
        for number in range(MOST_VANISHED):
            for data in (marked("gone"), marked("gone")[:30], b"", b"G\r\n\r\n"):
                reset = wire.connect()
                reset.send(data)
                reset.reset()
            left = wire.connect()
            left.send(marked("gone"))
            left.close()
            # Not faster while it is held: they fill the queue of those that are not accepted.
            if held.reacted(PACE_S) and number >= VANISHED:
                break
        assert held.receive().status == 200


def idle_shares(wire: Wire) -> list[float]:
    """What share of the time the process computed in while nothing came, look by look.

    Time in which it wanted to and others had the processors is not counted: where many do, one that
    spins gets as little as one that is idle takes.
    """
    shares: list[float] = []
    while len(shares) < LOOKS and (not shares or shares[-1] > QUIET_SHARE):
        found = read_json(wire.ask("GET", "/wsgi/idle"))
        try:
            passed = float(found["passed_s"])
            own = max(passed - float(found["waited_s"]), passed * OWN_SHARE)
            shares.append(float(found["spent_s"]) / own)
        except (TypeError, ValueError, ZeroDivisionError):
            raise PeerError(f"expected three times, found {found!r}") from None
    return shares


@clause("security/effort/broken-off", "should", DENIAL)
def test_broken_off(wire: Wire) -> None:
    """Clients that reset their connections while they are answered cost nobody else anything.

    Each has seen the beginning of its answer: the application goes on with the rest of it, or the
    server with sending it.
    """
    for _ in range(BROKEN_OFF):
        connection = wire.connect()
        connection.send(request(f"GET /load/download?size={ANSWER}&length=1 HTTP/1.1"))
        assert connection.receive_head().status == 200
        connection.reset()
    served(wire, 3, behind=True)


@clause("security/effort/kept", "agreement", DENIAL, requires=("bounded-concurrency", "keep-alive"))
def test_kept(wire: Wire, capabilities: Capabilities) -> None:
    """Clients that keep their connections and ask nothing more keep nobody waiting.

    There are more of them than handlers; each had its answer. A server that closes some of them to
    make room is as good.
    """
    kept = wire.connect_many(KEPT_FOR_EACH * (capabilities.concurrency or 1))
    try:
        for index, connection in enumerate(kept):
            connection.send(marked(f"kept-{index}"))
            # Not waited for: where each has a handler of its own, the others get no answer.
        for index, connection in enumerate(kept[: capabilities.concurrency]):
            assert mark_of(connection.receive()) == f"kept-{index}"
        with wire.connect() as other:
            other.send(marked("other", CLOSE))
            patience = min(TURN_S, other.time_limit_s)
            assert other.reacted(patience), f"a client was not answered for {patience:g} s"
            assert mark_of(other.receive()) == "other"
    finally:
        # Before whoever asks whether the server lives: it does, once they are gone.
        for connection in kept:
            connection.close()


class Printing(Protocol):
    """What a deployment can be asked here."""

    def logs(self, last_lines: int) -> str:
        """The last lines that it printed."""


@clause("security/log-lines", "agreement", LOGS, requires=("control",))
@pytest.mark.parametrize(
    ("target", "forged"),
    [
        pytest.param("/{key}%0D%0A{key}-forged", "\n{key}-forged", id="line-end"),
        pytest.param("/{key}%0A{key}-forged", "\n{key}-forged", id="line-feed"),
        pytest.param("/{key}%1B%5B31mred", "{key}\x1b", id="escape"),
        pytest.param("/?{key}%0A{key}-forged", "\n{key}-forged", id="query"),
    ],
)
def test_log_lines(wire: Wire, deployment: Printing, key: str, target: str, forged: str) -> None:
    """What is escaped in a target stays so in the log: it makes no line of its own, and no colour.

    Whoever reads the log, or the terminal that shows it, would believe what a client wrote there.
    """
    exchange(wire, request(f"GET {target.format(key=key)} HTTP/1.1", CLOSE))
    # Few servers log requests unasked. By the time that the log shows what the application printed
    # for a later one, it has the line of this one, if there is any.
    assert wire.ask("GET", f"/lifecycle/say/{key}-later").status == 200
    printed = [f"stdout {key}-later", f"stderr {key}-later"]
    deadline = time.monotonic() + wire.time_limit_s
    while not all(line in (log := deployment.logs(200)) for line in printed):
        assert time.monotonic() < deadline, f"expected {printed} in the log, found {log[-500:]}"
        time.sleep(LOOK_S)
    assert forged.format(key=key) not in log.replace("\r\n", "\n"), log[-500:]
