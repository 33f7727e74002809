"""Merging: several results documents become one, as if one run had made them all.

The jobs of a CI matrix each run some servers, and a run may be repeated for some. A server that is
in several documents is one and the same if it is the same release on the same Python with the same
framework, started in the same way: its checks are united, and of a check that several have judged
the run that began last counts. Else each is kept, and told apart by what differs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from conformance import results, verdicts
from conformance.results import Document, ResultsError
from conformance.runner import EXIT_INTERRUPTED

#: What a property of a run is when those that were merged differ in it.
SEVERAL = "several"


def find(paths: Sequence[Path]) -> list[Path]:
    """The results files that paths mean: files, and all that lie in directories, however deep.

    :raises ResultsError: a path is not there, or no results are in it.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        own = path / results.FILE_NAME
        inside = [own] if own.is_file() else sorted(path.rglob(results.FILE_NAME))
        if not inside:
            raise ResultsError(f"{path}: expected a {results.FILE_NAME} in it, found none")
        found += inside
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class _Source:
    """A server in one of the documents."""

    document: Document
    server: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.server["name"])

    def differs_by(self) -> tuple[str, ...] | None:
        """What tells it from another of its name; None for one that never ran."""
        version, python = self.server["version"], self.server["python"]
        if python is None:
            return None
        minor = ".".join(python.split(".")[:2])
        about = (self.server["framework"], self.document.run["backend"])
        return (f"@{version}", f"+python{minor}", *(f" ({word})" for word in about))


def merged(documents: Sequence[Document]) -> Document:
    """One document of several, whose checks are read when they are asked for.

    :param documents: one at least.
    """
    by_start = sorted(documents, key=lambda document: str(document.run["started"]))
    by_name: dict[str, list[_Source]] = defaultdict(list)
    for document in documents:
        for server in document.servers:
            by_name[server["name"]].append(_Source(document, server))
    labelled: dict[str, list[_Source]] = defaultdict(list)
    for name, sources in by_name.items():
        kinds = {kind for source in sources if (kind := source.differs_by()) is not None}
        for source in sources:
            labelled[name + _what_differs(source.differs_by(), kinds)].append(source)
    servers: list[dict[str, Any]] = []
    places: dict[str, dict[str, _Source]] = {}
    for label, sources in labelled.items():
        sources.sort(key=lambda source: by_start.index(source.document))
        places[label] = {
            identity: source for source in sources for identity in source.document.ids(source.name)
        }
        servers.append({**sources[-1].server, "name": label})

    def read(server: str, identity: str) -> dict[str, Any]:
        source = places[server][identity]
        return source.document.check(source.name, identity)

    found = Document({}, servers, read, {name: list(ids) for name, ids in places.items()})
    found.run = _run([document.run for document in by_start], found)
    return found


def _what_differs(kind: tuple[str, ...] | None, kinds: set[tuple[str, ...]]) -> str:
    if kind is None or len(kinds) < 2:
        return ""
    columns = zip(*kinds, strict=True)
    return "".join(part for part, of_all in zip(kind, columns, strict=True) if len({*of_all}) > 1)


def _run(runs: Sequence[dict[str, Any]], document: Document) -> dict[str, Any]:
    """The object `run` of merged runs, which are given in the order in which they began."""
    started = [datetime.fromisoformat(run["started"]) for run in runs]
    ended = [
        begin + timedelta(seconds=run["duration_s"])
        for begin, run in zip(started, runs, strict=True)
    ]

    def one(key: str) -> str:
        values = list(dict.fromkeys(run[key] for run in runs))
        return str(values[0]) if len(values) == 1 else SEVERAL

    incomplete = any(run["incomplete"] for run in runs)
    if incomplete:
        status = EXIT_INTERRUPTED
    elif any(server["error"] for server in document.servers):
        status = verdicts.EXIT_ERROR
    else:
        names = [server["name"] for server in document.servers]
        status = verdicts.exit_status(
            check["verdict"] for name in names for check in document.checks(name)
        )
    return {
        "started": runs[0]["started"],
        "duration_s": round((max(ended) - started[0]).total_seconds(), 3),
        "backend": one("backend"),
        "framework": one("framework"),
        "python": one("python"),
        "host": one("host"),
        "exit_status": status,
        "incomplete": incomplete,
    }
