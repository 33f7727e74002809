"""Replay: the bytes of a recorded exchange, sent once more.

They go out as they were recorded, byte by byte: cut where the client looked for an answer before it
sent on, with the half-close if there was one, on one connection what was on one connection, and at
the same time what went on at the same time. What comes back is told next to what came back then. It
is no verdict: a check knows what it asks for, and often does more than its exchanges show (it looks
at the journal, or stops the server).
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from conformance import catalogue, parity, readiness, results, threads
from conformance.backends import Address, Backend, BackendError, Deployment
from conformance.client import Connection, ConnectionClosed, Wire
from conformance.client.again import send_again
from conformance.registry import Server
from conformance.report import exchanges
from conformance.runner import Interrupts

#: Standard input as a source.
STANDARD_INPUT = "-"


class SourceError(Exception):
    """There is no such thing to replay: says what there is."""


@dataclass(frozen=True)
class Source:
    """What is to be sent.

    :param name: the check's id, or the file's name.
    :param kept: its exchanges as in results.json, by their numbers, from 1; what a file has instead
        is in `whole`.
    :param chosen: the numbers of those that are sent, in order.
    :param total: how many there were.
    :param server: the object of results.json of the server on which they were recorded, without its
        checks.
    :param verdict: the check's, on that server.
    """

    name: str
    kept: dict[int, dict[str, Any]]
    chosen: list[int]
    total: int
    server: dict[str, Any] | None = None
    verdict: str | None = None
    whole: bytes = b""


@dataclass(frozen=True)
class Target:
    """Where it goes.

    :param name: as it was asked for: a server's, or a URL.
    :param deployment: what was started for it, if anything was.
    """

    name: str
    address: Address
    version: str | None = None
    deployment: Deployment | None = None

    def __str__(self) -> str:
        if self.deployment is None:
            return self.name
        return f"{self.name} ({self.version or 'version unknown'}) at {self.address}"


@dataclass(frozen=True)
class Replayed:
    """What became of one exchange.

    :param recorded: as in results.json; None where nothing was.
    :param found: likewise, of the replay; None where it was not sent.
    :param refused: why it was not sent.
    :param notes: what is different from how it was recorded.
    :param same: whether both answers have the same normal form; None where that cannot be said.
    :param differences: the lines of the normal forms that only one of them has.
    """

    number: int
    recorded: dict[str, Any] | None
    found: dict[str, Any] | None = None
    refused: str | None = None
    notes: list[str] = field(default_factory=list)
    same: bool | None = None
    differences: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What `--format json` says of it."""
        return {
            "exchange": self.number,
            "recorded": self.recorded,
            "replayed": self.found,
            "not_sent": self.refused,
            "notes": self.notes,
            "same": self.same,
            "differences": self.differences,
        }


# What to send


def find(
    name: str, path: Path, target: str, recorded_on: str | None = None, exchange: int | None = None
) -> Source:
    """What a name stands for: a file where there is one, else a check.

    :param name: a check's id, or a file with the bytes of a request; `-` for standard input.
    :param path: the results document that has the check.
    :param target: where it goes: what was recorded there is what is meant, if there is something.
    :param recorded_on: the server in the results that is meant instead.
    :param exchange: the number of the only exchange that is meant.
    :raises SourceError: it is not there; says what is.
    :raises ResultsError: the document cannot be read.
    """
    if name != STANDARD_INPUT and not Path(name).is_file():
        return _recorded(name, path, target, recorded_on, exchange)
    if recorded_on is not None or exchange is not None:
        raise SourceError(f"{name} is a file: --recorded-on and --exchange are about a check")
    try:
        data = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from error
    if not data:
        raise SourceError(f"{name} is empty: there is nothing to send")
    return Source(name, {}, [1], 1, whole=data)


def _recorded(
    check: str, path: Path, target: str, recorded_on: str | None, exchange: int | None
) -> Source:
    if not path.is_file():
        raise SourceError(
            f"{check!r} is no file, and there is no {path} that it could be a check in: "
            f"`wsgi-conform run` writes one, and --results says where it is"
        )
    servers = {server["name"]: server for server in results.load(path)["servers"]}
    with_it = {
        name: found
        for name, server in servers.items()
        for found in server["checks"]
        if found["id"] == check
    }
    if not with_it:
        raise SourceError(_unknown(check, path, servers.values()))
    name = _which(list(with_it), target, recorded_on, path)
    found = with_it[name]
    total, kept = found["exchanges"]["total"], found["exchanges"]["kept"]
    first = total - len(kept) + 1
    if not kept:
        why = f"{found['verdict']} {found['message'].partition(chr(10))[0]}".strip()
        raise SourceError(f"nothing was sent to {name} for {check}: {why}")
    if exchange is not None and not first <= exchange <= total:
        raise SourceError(f"{check} has no exchange {exchange} on {name}: {first} to {total}")
    return Source(
        check,
        dict(enumerate(kept, first)),
        list(range(first, total + 1)) if exchange is None else [exchange],
        total,
        {key: value for key, value in servers[name].items() if key != "checks"},
        found["verdict"],
    )


def _which(names: Sequence[str], target: str, recorded_on: str | None, path: Path) -> str:
    if recorded_on is not None:
        if recorded_on not in names:
            raise SourceError(
                f"{path} has nothing of it that was recorded on {recorded_on!r}; "
                f"there are: {', '.join(names)}"
            )
        return recorded_on
    for name in (target, target.partition("@")[0], parity.REFERENCE):
        if name in names:
            return name
    if len(names) > 1:
        raise SourceError(f"--recorded-on NAME says whose of these: {', '.join(names)}")
    return names[0]


def _unknown(check: str, path: Path, servers: Iterable[dict[str, Any]]) -> str:
    ids = list(dict.fromkeys(found["id"] for server in servers for found in server["checks"]))
    if check in {clause.id for clause in catalogue.collect()}:
        return f"{path} has no {check}; `wsgi-conform run NAME -k {check}` records it"
    close = difflib.get_close_matches(check, ids, n=3, cutoff=0.5)
    close += [name for name in ids if check in name and name not in close][:3]
    hint = (
        f"did you mean {' or '.join(close[:3])}?" if close else "`wsgi-conform checks` lists them"
    )
    return f"{check!r} is neither a file nor a check in {path}; {hint}"


# Where to send it


@contextmanager
def started(backend: Backend, server: Server, time_limit_s: float) -> Iterator[Target]:
    """A deployment that is ready, for as long as the block runs.

    :param time_limit_s: seconds for which it may be silent; its start's limit grows with it.
    :raises BackendError: it does not start; carries its last output.
    """
    backend.sweep()
    failed = backend.prepare([server]).get(server.name)
    if failed is not None:
        raise BackendError(failed)
    deployment: Deployment | None = None

    def stop(grace_s: float | None = None) -> None:
        if deployment is not None:
            deployment.stop(grace_s)

    with Interrupts(lambda: stop(grace_s=0)) as interrupts:
        try:
            deployment = backend.start(server, uuid4().hex)
            identity = readiness.wait_until_ready(deployment, readiness.start_limit_s(time_limit_s))
            version = identity.version_of(server.project) or server.version
            yield Target(server.name, deployment.address, version, deployment)
        finally:
            interrupts.hold()
            stop()
            backend.sweep()


# Sending


class Replay:
    """Sends exchanges to one address, as they went out then.

    What was on one connection goes on one connection, and what went on at the same time goes out at
    the same time: a check of concurrency holds requests until others have come. A context manager.

    :param time_limit_s: seconds of silence after which no answer is waited for any more.
    """

    def __init__(self, target: Target, time_limit_s: float) -> None:
        self._target = target
        self._time_limit_s = time_limit_s
        self._connections: list[Connection] = []
        #: By their number in the recording, those that are good for another exchange.
        self._kept: dict[int, Connection] = {}

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()

    def send(self, source: Source) -> Iterator[Replayed]:
        """Send the exchanges of a source.

        :raises BackendError: no connection is to be had.
        """
        if source.whole:
            exchange = send_again(self._connect(), source.whole, {})
            yield Replayed(1, None, exchange.as_json())
            return
        for together in _together(source):
            found: dict[int, Replayed] = {}

            def send_on(numbers: list[int], found: dict[int, Replayed] = found) -> None:
                for number in numbers:
                    found[number] = self._one(source, number)

            by_connection: dict[int, list[int]] = {}
            for number in together:
                by_connection.setdefault(source.kept[number]["connection"], []).append(number)
            lost: BackendError | None = None
            try:
                threads.each(send_on, by_connection.values(), len(by_connection), stop=self._stop)
            except BackendError as error:
                lost = error
            for number, replayed in sorted(found.items()):
                others = [str(other) for other in together if other != number]
                if others:
                    replayed.notes.insert(0, f"sent together with {', '.join(others)}")
                yield replayed
            if lost is not None:
                raise lost

    def _one(self, source: Source, number: int) -> Replayed:
        recorded = source.kept[number]
        name = recorded["connection"]
        same = [other for other, found in source.kept.items() if found["connection"] == name]
        connection = self._kept.pop(name, None)
        notes = []
        if connection is None and number != same[0]:
            notes.append("it was not the first on its connection, and went on a new one now")
        request = recorded["request"]
        kept = len(request["text"])
        if kept < request["bytes"]:
            reason = (
                f"the first {kept} of its {request['bytes']} bytes are recorded, so it cannot be "
                f"sent as it was"
            )
            return Replayed(number, recorded, refused=reason)
        connection = connection or self._connect()
        exchange = send_again(connection, request["text"].encode("latin-1"), recorded)
        answered = exchange.ended == "answered"
        if answered and connection.ended:
            notes.append("the peer closed the connection after that")
        if answered and number != same[-1]:
            # Also where it is closed: what the next one meets there is what this is about.
            self._kept[name] = connection
        else:
            connection.close()
        found = exchange.as_json()
        return Replayed(number, recorded, found, None, notes, *_compared(recorded, found))

    def _connect(self) -> Connection:
        address = self._target.address
        try:
            wire = Wire((address.host, address.port), time_limit_s=self._time_limit_s)
            connection = wire.connect()
        except ConnectionClosed as error:
            deployment = self._target.deployment
            status = None
            if deployment is not None:
                status = readiness.ending(deployment, error, self._time_limit_s)
            if deployment is None or status is None:
                raise BackendError(str(error)) from error
            raise BackendError(
                f"{self._target.name} ended: {status}\n{deployment.logs()}"
            ) from error
        self._connections.append(connection)
        return connection

    def _stop(self) -> None:
        """Have the peer end the connections, which ends the waiting for it."""
        for connection in self._connections:
            connection.shutdown_write()


def _together(source: Source) -> Iterator[list[int]]:
    """The numbers of the exchanges, those that went on at the same time together."""
    group: list[int] = []
    end = 0.0
    for number in source.chosen:
        recorded = source.kept[number]
        if group and recorded["started"] >= end:
            yield group
            group = []
        group.append(number)
        end = max(end, recorded["started"] + recorded["duration_s"])
    yield group


def _compared(recorded: dict[str, Any], found: dict[str, Any]) -> tuple[bool | None, list[str]]:
    """Whether both answers have the same normal form, and the lines that only one of them has."""
    before = parity.normal_form(recorded)
    # As many answers as the check read then.
    after = parity.normal_form({**found, "answers": recorded["answers"]})
    if before is None or after is None:
        return None, []
    ours, theirs = after[1].split("\n"), before[1].split("\n")
    lines = [line for line in difflib.ndiff(theirs, ours) if line.startswith(("- ", "+ "))]
    return not lines, lines


# Telling


def as_json(source: Source, target: Target, replayed: Sequence[Replayed]) -> dict[str, Any]:
    """What `wsgi-conform replay --format json` prints."""
    return {
        "source": source.name,
        "recorded_on": source.server,
        "verdict": source.verdict,
        "target": {
            "name": target.name,
            "version": target.version,
            "address": str(target.address),
        },
        "exchanges": [one.as_json() for one in replayed],
    }


def heading(source: Source, target: Target) -> str:
    """What is sent where."""
    if source.server is None:
        return f"{source.name}, to {target}"
    missing = min(source.kept) - 1
    return (
        f"{source.name}, recorded on {source.server['name']} "
        f"({source.server['version'] or 'version unknown'}) with the verdict {source.verdict}, "
        f"to {target}" + (f"\nits first {missing} exchanges are not kept" if missing else "")
    )


def told(replayed: Replayed, source: Source) -> Iterator[str]:
    """The lines that tell what became of an exchange, printable ASCII but for the indentation."""
    recorded, found = replayed.recorded, replayed.found
    where = f", connection {recorded['connection']}" if recorded is not None else ""
    yield f"exchange {replayed.number} of {source.total}{where}"
    if replayed.refused is not None:
        yield f"  not sent: {replayed.refused}"
        return
    assert found is not None
    yield from _indented(exchanges.one_direction(found["request"], ">"))
    for pause in found.get("pauses", []):
        yield f"  (after {pause['sent']} bytes it looked for an answer)"
    if found.get("half_closed"):
        yield "  (then it closed its side)"
    yield "  now:"
    yield from _indented(exchanges.one_direction(found["response"], "<"))
    yield f"  {exchanges.end_of(found)}"
    for note in replayed.notes:
        yield f"  ({note})"
    if recorded is None or source.server is None:
        return
    same_bytes = recorded["response"] == found["response"]
    yield f"  recorded:{' the same bytes' if same_bytes else ''}"
    if not same_bytes:
        yield from _indented(exchanges.one_direction(recorded["response"], "<"))
    yield f"  {exchanges.end_of(recorded)}"
    if replayed.same is None:
        yield "  one of the suite's own requests: the answers are not compared"
    else:
        yield f"  {'' if replayed.same else 'not '}the same after normalisation" + (
            "" if replayed.same else " (- recorded, + now):"
        )
        yield from _indented([exchanges.visible(line) for line in replayed.differences])


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
