"""Results: the document that a run writes and that everything else reads.

While a run goes on, what each server's checks said is kept in a file per server, so that nothing is
lost when it is cut short and nothing but the totals has to stay in memory. At its end the parts
become one `results.json`, which replaces an earlier one at once. Its form is `results.schema.json`.
Of a run that is killed the parts stay, and whoever looks for results makes incomplete ones of them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from conformance.backends.leftovers import Owner
from conformance.parity import REFERENCE, Comparison

#: The version of the document's form; goes up when a reader would have to change.
SCHEMA = 1
FILE_NAME = "results.json"
_PARTS = "parts"
#: What is written around the checks if nobody is left to say it: `run` and `servers`.
_OUTLINE = "outline.json"


class ResultsError(Exception):
    """A results file that cannot be read or written; says which and why."""


class Writer:
    """Collects what the servers' checks say and writes the results document.

    :param directory: where `results.json` goes; made if it is not there.
    :ivar document: what was written in the end; another run may replace it at once.
    :raises ResultsError: it cannot be made or written to.
    """

    document: Document

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._files: dict[str, TextIO] = {}
        self.verdicts: dict[str, Counter[str]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise ResultsError(f"{self.path} is a directory, and the results go there")
            recover(directory)
            # One of its own, so that two runs do not mix when they share a results directory.
            self._parts = Path(tempfile.mkdtemp(prefix=_prefix(Owner.current()), dir=directory))
        except OSError as error:
            raise ResultsError(f"{directory} cannot be written to: {error.strerror}") from error

    def add(self, server: str, check: dict[str, Any]) -> None:
        """Keep the result of one check on one server.

        :raises ResultsError: it cannot be written.
        """
        with self._kept():
            file = self._files.get(server)
            if file is None:
                file = self._files[server] = _part(self._parts, server).open("w", encoding="utf-8")
            file.write(json.dumps(check, separators=(",", ":")) + "\n")
            file.flush()
        self.verdicts.setdefault(server, Counter())[check["verdict"]] += 1

    def checks(
        self, server: str, ranks: Mapping[str, int] | None = None
    ) -> Iterator[dict[str, Any]]:
        """What is kept of a server so far: in the order of these ranks, or else as it came."""
        return _kept_of(self._parts, server, ranks)

    def outline(self, run: dict[str, Any], servers: list[dict[str, Any]]) -> None:
        """Keep what the document is to say of the run if nothing is heard of it any more.

        :raises ResultsError: it cannot be written.
        """
        with self._kept():
            whole = self._parts / f"{_OUTLINE}.new"
            whole.write_text(json.dumps({"run": run, "servers": servers}), encoding="utf-8")
            whole.replace(self._parts / _OUTLINE)

    def finish(
        self, run: dict[str, Any], servers: list[dict[str, Any]], order: Sequence[str] = ()
    ) -> None:
        """Write the document.

        :param run: its `run` object.
        :param servers: its server objects without their checks, in order.
        :param order: the ids of checks in the order that they have in it; they come as they were
            made, by several processes.
        :raises ResultsError: it cannot be written.
        """
        self._close()
        with self._kept():
            ranks = {identity: rank for rank, identity in enumerate(order)}
            checks = functools.partial(self.checks, ranks=ranks)
            self.document = write(self.path, run, servers, checks, self._parts)
        shutil.rmtree(self._parts, ignore_errors=True)

    def discard(self) -> None:
        """Take down what `finish` was not called for."""
        self._close()
        shutil.rmtree(self._parts, ignore_errors=True)

    def _close(self) -> None:
        for file in self._files.values():
            # What could not be written has been told already.
            with contextlib.suppress(OSError):
                file.close()

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResultsError(
                f"{self.path} cannot be written: {error.strerror}. What the run found until then is"
                f" kept: when this is mended, `wsgi-conform report {self.path.parent} --results"
                f" {self.path.parent}` shows it"
            ) from error


def _part(parts: Path, server: str) -> Path:
    # A variant's name may have anything in it.
    return parts / f"{quote(server, safe='@+ ')}.jsonl"


def _kept_of(
    parts: Path, server: str, ranks: Mapping[str, int] | None = None
) -> Iterator[dict[str, Any]]:
    """What is kept of a server: in the order of these ranks, or else as it came."""
    part = _part(parts, server)
    if not part.exists():
        return
    with part.open("rb") as file:
        places = []
        position = 0
        for line in file:
            # The last line is half a line if this was cut short while it was written.
            if line.endswith(b"\n") and (match := _ID.match(line)) is not None:
                places.append(((ranks or {}).get(match[1].decode(), 0), position))
            position += len(line)
        for _, position in sorted(places):
            file.seek(position)
            yield json.loads(file.readline())


def write(
    path: Path,
    run: dict[str, Any],
    servers: Sequence[dict[str, Any]],
    checks: Callable[[str], Iterable[dict[str, Any]]],
    temporary: Path | None = None,
) -> Document:
    """Write a results document, in which each check has its parity, and replace an earlier one.

    Where the reference deployment is not among the servers, what the checks say of it is left.

    :param servers: the server objects without their checks, in order.
    :param checks: those of a server, by its name.
    :param temporary: a directory on the same file system for what is not whole yet; the
        document's own where none is given.
    :returns: what was written.
    """
    comparison = Comparison(checks(REFERENCE))
    unfinished = (temporary or path.parent) / f".{FILE_NAME}.{os.getpid()}"
    try:
        with unfinished.open("w", encoding="utf-8") as out:
            # A line for each check: `Document` reads one at a time.
            out.write(f'{{"schema": {SCHEMA},\n"run": {json.dumps(run)},\n"servers": [\n')
            for number, server in enumerate(servers, 1):
                out.write(f'{json.dumps(server)[:-1]}, "checks": [')
                for position, check in enumerate(checks(server["name"])):
                    if comparison.known:
                        check["parity"] = comparison.parity(check, server["name"])
                    out.write(f"{',' if position else ''}\n{json.dumps(check)}")
                out.write(f"\n]}}{',' if number < len(servers) else ''}\n")
            out.write("]}\n")
        written = open_document(unfinished)
        os.replace(unfinished, path)
        return written
    finally:
        unfinished.unlink(missing_ok=True)


def _prefix(owner: Owner) -> str:
    return f"{_PARTS}-{owner.hostname}-{owner.pid}-{owner.started}-"


def recover(directory: Path) -> None:
    """Make results of what runs left that were killed, or that found no room: incomplete ones.

    They replace those of earlier runs, as a run that is interrupted does. Of a run that had not
    begun nothing stays.

    :raises ResultsError: they cannot be written; what is left stays.
    """
    for parts in directory.glob(f"{_PARTS}-*"):
        match = re.fullmatch(rf"{_PARTS}-(.+)-(\d+)-(\d*)-[^-]+", parts.name)
        if match is None or not Owner(int(match[2]), match[3], match[1]).gone:
            continue
        outline = parts / _OUTLINE
        path = directory / FILE_NAME
        try:
            if outline.exists():
                found = json.loads(outline.read_text(encoding="utf-8"))
                checks = functools.partial(_kept_of, parts)
                write(path, {**found["run"], "incomplete": True}, found["servers"], checks, parts)
        except OSError as error:
            raise ResultsError(
                f"{path} cannot be written: {error.strerror}. {parts.name} beside it has what a run"
                " found that was cut short; remove it if nobody needs that"
            ) from error
        shutil.rmtree(parts, ignore_errors=True)


def load(path: Path) -> dict[str, Any]:
    """Read a results document.

    :raises ResultsError: it is missing, is not JSON, or is of another schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is not JSON: {error}") from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise ResultsError(
            f"{path}: expected a results document of schema {SCHEMA}, found {found!r}"
        )
    return dict(document)


class Document:
    """A results document, of which one check at a time is in memory.

    :ivar run: its `run` object.
    :ivar servers: its server objects without their checks, in order.
    """

    def __init__(
        self,
        run: dict[str, Any],
        servers: list[dict[str, Any]],
        read: Callable[[str, str], dict[str, Any]],
        ids: Mapping[str, Sequence[str]],
    ) -> None:
        self.run = run
        self.servers = servers
        self._read = read
        self._ids = ids

    def ids(self, server: str) -> Sequence[str]:
        """Which checks there are of a server, in order; none of one that is not in it."""
        return self._ids.get(server, ())

    def check(self, server: str, identity: str) -> dict[str, Any]:
        """One check of one server, read anew at each call.

        :raises ResultsError: the document cannot be read any more.
        """
        return self._read(server, identity)

    def checks(self, server: str) -> Iterator[dict[str, Any]]:
        """The checks of a server, in order."""
        for identity in self._ids.get(server, ()):
            yield self._read(server, identity)


def document(value: dict[str, Any]) -> Document:
    """A results document that is in memory already."""
    found = {
        server["name"]: {check["id"]: check for check in server["checks"]}
        for server in value["servers"]
    }
    return Document(
        value["run"],
        [{key: server[key] for key in server if key != "checks"} for server in value["servers"]],
        lambda server, identity: found[server][identity],
        {name: list(checks) for name, checks in found.items()},
    )


def open_document(path: Path) -> Document:
    """Read a results document check by check, where its lines are as they were written.

    :param path: the file, or the directory that it is in.
    :raises ResultsError: as `load`.
    """
    if path.is_dir():
        path = path / FILE_NAME
    try:
        return _by_lines(path)
    except _OtherLinesError:
        # What went through another program is read at once.
        return document(load(path))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error


class _OtherLinesError(Exception):
    """The lines of a file are not those that `Writer` writes."""


#: The id in the line of a check, which is the first that is written of it.
_ID = re.compile(rb'\{"id": ?"([^"\\]+)"')


def _by_lines(path: Path) -> Document:
    """Find where each check's line is, without reading it.

    :raises _OtherLinesError: the lines are not those that `Writer` writes.
    """
    servers: list[dict[str, Any]] = []
    places: dict[str, dict[str, tuple[int, int]]] = {}
    with path.open("rb") as file:
        head = [file.readline() for _ in range(3)]
        if head[0] != b'{"schema": %d,\n' % SCHEMA or head[2] != b'"servers": [\n':
            raise _OtherLinesError
        run = _object(head[1].removeprefix(b'"run": ').removesuffix(b",\n"))
        inside = ended = False
        position = sum(map(len, head))
        for line in file:
            if ended:
                raise _OtherLinesError
            if not inside and line == b"]}\n":
                ended = True
            elif not inside:
                server = _object(line.removesuffix(b', "checks": [\n') + b"}")
                servers.append(server)
                found = places[server["name"]] = {}
                inside = True
            elif line in (b"]},\n", b"]}\n"):
                inside = False
            elif match := _ID.match(line):
                found[match[1].decode()] = (position, len(line.rstrip(b",\n")))
            elif line != b"\n":
                raise _OtherLinesError
            position += len(line)
        if not ended:
            raise _OtherLinesError
        # What it says later on is this file's, also where another run has replaced it by then.
        descriptor = os.dup(file.fileno())

    def read(server: str, identity: str) -> dict[str, Any]:
        start, length = places[server][identity]
        try:
            return dict(json.loads(os.pread(descriptor, length, start)))
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path} was changed while it was read: {error}") from error

    opened = Document(run, servers, read, {name: list(ids) for name, ids in places.items()})
    weakref.finalize(opened, os.close, descriptor)
    return opened


def _object(text: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise _OtherLinesError from error
