"""Expectations: the known deviations of servers, a TOML file per deployment or project.

    [[deviation]]
    check = "http/host/missing"                    # the check's whole id, never a pattern
    instead = "Answers 200."                       # what happens instead
    reason = "Host is not looked at."              # why it is as it is
    reference = "https://github.com/..."           # issue, documentation or source; or "unreported"
    versions = ">=3.0"                             # which releases (PEP 440); all if left out
    python = "<3.14"                               # on which releases of Python; all if left out
    deployments = ["gunicorn-sync"]                # in a project's file: only these deployments
    crash = true                                   # the deployment dies; covers nothing else,
                                                   # unless it varies as well
    damages = true                                 # what comes after it needs a fresh process
    varies = "Passes on the other weekdays."       # what outside of a run decides, if it does

Checks that fail alike and for one reason share an entry, each by its whole id: `checks = [...]`.
`waitress.toml` holds for the deployment of that name and for every deployment of that project; a
service may name another file to share (`expectations`), because what fails is another project's
code. An entry that does not hold any more is a stale one and makes the run fail.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

DIRECTORY = Path(__file__).parent

_TEXTS = ("instead", "reason", "reference")
_TRUTHS = ("crash", "damages")
_KEYS = {"check", "checks", *_TEXTS, *_TRUTHS, "versions", "python", "deployments", "varies"}


class ExpectationError(Exception):
    """An expectations file that cannot be used: says file, line, what was found and expected."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}")


@dataclass(frozen=True)
class Expectation:
    """One known deviation."""

    check: str
    instead: str
    reason: str
    reference: str
    versions: SpecifierSet
    python: SpecifierSet
    deployments: tuple[str, ...]
    crash: bool
    #: Whether the deployment is not sound after the check, so that it is started again.
    damages: bool
    varies: str
    path: Path
    line: int

    def holds_for(self, server: str, version: str | None, python: str | None) -> bool:
        """Whether it is about this deployment in these versions; an unknown version is covered."""
        return (
            (not self.deployments or server in self.deployments)
            and _covers(self.versions, version)
            and _covers(self.python, python)
        )

    def as_json(self) -> dict[str, Any]:
        """As in results.json."""
        return {
            "instead": self.instead,
            "reason": self.reason,
            "reference": self.reference,
            "versions": str(self.versions),
            "python": str(self.python),
            "crash": self.crash,
            "varies": self.varies,
            "file": f"{self.path.name}:{self.line}",
        }


def load(
    server: str,
    shared: str,
    version: str | None,
    directory: Path = DIRECTORY,
    python: str | None = None,
) -> dict[str, Expectation]:
    """The deviations that are known of a deployment, by check id.

    :param server: the deployment's name, and that of the file which is its own.
    :param shared: the name of the file that it shares with others, its project's mostly.
    :param version: the server's; None while it is not known, when an entry for any version is
        taken. Then one check may be listed several times, each for other versions.
    :param python: the version of Python that it runs on; None likewise.
    :raises ExpectationError: a file is not TOML, an entry is incomplete, a check is listed twice,
        or the directory is not there.
    """
    if not directory.is_dir():
        raise ExpectationError(directory, None, "is no directory, so it has no expectations")
    found: dict[str, Expectation] = {}
    for name in dict.fromkeys([shared, server]):
        path = directory / f"{name}.toml"
        if not path.is_file():
            continue
        for expectation in read(path):
            if not expectation.holds_for(server, version, python):
                continue
            earlier = found.setdefault(expectation.check, expectation)
            for_others = (version is None and earlier.versions != expectation.versions) or (
                python is None and earlier.python != expectation.python
            )
            if earlier is not expectation and not for_others:
                where = f"{earlier.path.name}:{earlier.line}"
                raise ExpectationError(
                    path,
                    expectation.line,
                    f"{expectation.check} is listed for {server} already, at {where}; "
                    f"keep one entry",
                )
    return found


def read(path: Path) -> list[Expectation]:
    """The entries of one file.

    :raises ExpectationError: the file is not TOML or an entry is not what it has to be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ExpectationError(path, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ExpectationError(
            path, None, f"is not TOML: not UTF-8 at byte {error.start}"
        ) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"line (\d+)", str(error))
        line = int(match[1]) if match else text.count("\n") + 1
        raise ExpectationError(path, line, f"is not TOML: {error}") from error
    unknown = set(document) - {"deviation"}
    if unknown:
        line = _line_of(text, rf"^\s*\[?\[?\s*{re.escape(min(unknown))}\b")
        raise ExpectationError(path, line, f"expected [[deviation]] only, found {min(unknown)!r}")
    entries = document.get("deviation", [])
    if not isinstance(entries, list):
        line = _line_of(text, r"^\s*\[?\s*deviation\b")
        raise ExpectationError(path, line, "expected [[deviation]], a list; found [deviation]")
    headers = [
        number
        for number, line_text in enumerate(text.splitlines(), 1)
        if re.match(r"\s*\[\[\s*deviation\s*\]\]", line_text)
    ]
    if len(headers) != len(entries):
        # An inline list, or a header within a text: its entries have no lines to be told by.
        line = _line_of(text, r"^\s*deviation\b") if len(headers) < len(entries) else headers[-1]
        raise ExpectationError(path, line, "expected each entry under a [[deviation]] of its own")
    return [
        expectation
        for line, entry in zip(headers, entries, strict=True)
        for expectation in _entry(path, line, entry)
    ]


def check_ids(found: Collection[Expectation], known: Collection[str]) -> None:
    """Every entry is about a check that there is.

    :raises ExpectationError: one is not; says the closest id.
    """
    for expectation in found:
        if expectation.check not in known:
            close = difflib.get_close_matches(expectation.check, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ExpectationError(
                expectation.path,
                expectation.line,
                f"no check is called {expectation.check!r}{hint}",
            )


def _entry(path: Path, line: int, entry: dict[str, Any]) -> list[Expectation]:
    """The expectations of one entry: one for each of its checks."""
    for key in entry:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = (
                f"did you mean `{close[0]}`?" if close else f"there are {', '.join(sorted(_KEYS))}."
            )
            raise ExpectationError(path, line, f"unknown key `{key}`; {hint}")
    checks = entry.get("checks", [entry.get("check")])
    if not isinstance(checks, list) or not checks or ("check" in entry and "checks" in entry):
        raise ExpectationError(
            path, line, f"expected `check`, an id, or `checks`, a list of ids; found {checks!r}"
        )
    for check in checks:
        if not isinstance(check, str) or not check.strip():
            raise ExpectationError(path, line, f"expected text for `check`, found {check!r}")
    for key in _TEXTS:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ExpectationError(
                path, line, f"expected text for `{key}`, found {entry.get(key)!r}"
            )
    reference = entry["reference"]
    if not reference.startswith("https://") and reference != "unreported":
        raise ExpectationError(
            path,
            line,
            f"expected `reference` as an https link or 'unreported', found {reference!r}",
        )
    releases = []
    for key in ("versions", "python"):
        try:
            # Given another type than text it would make something of most of them.
            releases.append(SpecifierSet(str(entry.get(key, ""))))
        except InvalidSpecifier as error:
            raise ExpectationError(
                path, line, f"expected `{key}` like '>=3.0,<4', found {entry[key]!r}"
            ) from error
    deployments = entry.get("deployments", [])
    if not isinstance(deployments, list) or not all(isinstance(name, str) for name in deployments):
        raise ExpectationError(
            path, line, f"expected `deployments` as a list of names, found {deployments!r}"
        )
    for key in _TRUTHS:
        if not isinstance(entry.get(key, False), bool):
            raise ExpectationError(
                path, line, f"expected `{key}` to be true or false, found {entry[key]!r}"
            )
    varies = entry.get("varies", "")
    if not isinstance(varies, str):
        raise ExpectationError(path, line, f"expected text for `varies`, found {varies!r}")
    texts = {key: entry[key].strip() for key in _TEXTS}
    return [
        Expectation(
            check=check.strip(),
            **texts,
            versions=releases[0],
            python=releases[1],
            deployments=tuple(deployments),
            crash=entry.get("crash", False),
            damages=entry.get("damages", False),
            varies=varies.strip(),
            path=path,
            line=line,
        )
        for check in checks
    ]


def _covers(releases: SpecifierSet, version: str | None) -> bool:
    try:
        return version is None or releases.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def _line_of(text: str, pattern: str) -> int:
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.end()) + 1 if match else 1
