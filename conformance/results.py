"""Results: the document that a run writes and that everything else reads.

While a run goes on, what each server's checks said is kept in a file per server, so that nothing is
lost when it is cut short and nothing but the totals has to stay in memory. At its end the parts
become one `results.json`, which replaces an earlier one at once. Its form is `results.schema.json`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from conformance.backends.leftovers import Owner
from conformance.parity import REFERENCE, Comparison

#: The version of the document's form; goes up when a reader would have to change.
SCHEMA = 1
FILE_NAME = "results.json"
_PARTS = "parts"


class ResultsError(Exception):
    """A results file that cannot be read or written; says which and why."""


class Writer:
    """Collects what the servers' checks say and writes the results document.

    :param directory: where `results.json` goes; made if it is not there.
    :raises ResultsError: it cannot be made or written to.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._files: dict[str, TextIO] = {}
        self.verdicts: dict[str, Counter[str]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise ResultsError(f"{self.path} is a directory, and the results go there")
            _sweep(directory)
            # One of its own, so that two runs do not mix when they share a results directory.
            self._parts = Path(tempfile.mkdtemp(prefix=_prefix(Owner.current()), dir=directory))
        except OSError as error:
            raise ResultsError(f"{directory} cannot be written to: {error.strerror}") from error

    def add(self, server: str, check: dict[str, Any]) -> None:
        """Keep the result of one check on one server."""
        file = self._files.get(server)
        if file is None:
            file = self._files[server] = self._part(server).open("w", encoding="utf-8")
        file.write(json.dumps(check, separators=(",", ":")) + "\n")
        file.flush()
        self.verdicts.setdefault(server, Counter())[check["verdict"]] += 1

    def checks(self, server: str) -> Iterator[dict[str, Any]]:
        """What is kept of a server so far."""
        part = self._part(server)
        if part.exists():
            with part.open(encoding="utf-8") as file:
                yield from map(json.loads, file)

    def finish(self, run: dict[str, Any], servers: list[dict[str, Any]]) -> None:
        """Write the document.

        :param run: its `run` object.
        :param servers: its server objects without their checks, in order.
        """
        self._close()
        comparison = Comparison(self.checks(REFERENCE))
        temporary = self._parts / FILE_NAME
        with temporary.open("w", encoding="utf-8") as out:
            out.write(f'{{"schema": {SCHEMA},\n"run": {json.dumps(run)},\n"servers": [')
            for number, server in enumerate(servers):
                head = json.dumps(server)[:-1]
                out.write(f'{"," if number else ""}\n{head}, "checks": [')
                for position, check in enumerate(self.checks(server["name"])):
                    check["parity"] = comparison.parity(check)
                    out.write(f"{',' if position else ''}\n{json.dumps(check)}")
                out.write("]}")
            out.write("\n]}\n")
        os.replace(temporary, self.path)
        shutil.rmtree(self._parts, ignore_errors=True)

    def discard(self) -> None:
        """Take down what `finish` was not called for."""
        self._close()
        shutil.rmtree(self._parts, ignore_errors=True)

    def _close(self) -> None:
        for file in self._files.values():
            file.close()

    def _part(self, server: str) -> Path:
        # A variant's name may have anything in it.
        return self._parts / f"{quote(server, safe='@+ ')}.jsonl"


def _prefix(owner: Owner) -> str:
    return f"{_PARTS}-{owner.hostname}-{owner.pid}-{owner.started}-"


def _sweep(directory: Path) -> None:
    """Remove the parts of runs that were killed before they could put them together."""
    for path in directory.glob(f"{_PARTS}-*"):
        match = re.fullmatch(rf"{_PARTS}-(.+)-(\d+)-(\d*)-[^-]+", path.name)
        if match and Owner(int(match[2]), match[3], match[1]).gone:
            shutil.rmtree(path, ignore_errors=True)


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
