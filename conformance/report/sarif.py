"""SARIF 2.1.0, for what shows findings beside code, such as GitHub's code scanning.

Rules are checks, results are what is not as expected: of a stale entry at that entry, of anything
else at the server's service in the Compose file. A server that did not start, or broke off, is one
result and one notification of the tool.

Listed deviations are suppressed results, written only where they are asked for: GitHub does not
look at suppressions and would open an alert for each.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

from conformance.report import digest, explanation
from conformance.report.exchanges import Again
from conformance.report.terminal import printable
from conformance.results import Document
from conformance.verdicts import Verdict

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
#: What GitHub takes in a run; it shows the 5,000 weightiest.
RESULTS = 25_000
#: How much of an exchange and of a whole message is shown: GitHub takes 10 MB, compressed.
_BYTES, _MESSAGE = 300, 3000
#: What the levels of checks are here; the others are notes.
_LEVELS = {"must": "error", "contract": "error", "should": "warning"}
_SEVERITIES = {"error": "error", "warning": "warning", "note": "recommendation"}
_HOME = "https://github.com/wsgi-conform/wsgi-conform"

#: The rule of a server that did not start, or broke off.
_DEPLOYMENT = "deployment"


@dataclass(frozen=True)
class Places:
    """Where results are shown, as paths from the root of the repository.

    :param compose: the Compose file with the servers.
    :param lines: on which line of it each service stands.
    :param expectations: the directory of the expectations.
    """

    compose: str = "compose.yaml"
    lines: Mapping[str, int] = field(default_factory=dict)
    expectations: str = "conformance/expectations"

    def of_server(self, name: str) -> tuple[str, int | None]:
        """File and line of a server's service; another release of it is no service of its own."""
        return self.compose, self.lines.get(name, self.lines.get(re.split(r"[@+\s]", name)[0]))

    def of_entry(self, file: str) -> tuple[str, int | None]:
        """File and line of an entry of the expectations."""
        name, _, line = file.rpartition(":")
        return f"{self.expectations}/{name}", int(line) if line.isdigit() else None


def write(
    document: Document,
    out: TextIO,
    *,
    places: Places | None = None,
    again: Again | None = None,
    deviations: bool = False,
) -> None:
    """Write a results document as SARIF.

    :param again: how what was recorded is sent once more.
    :param deviations: whether listed deviations are written as well, each suppressed.
    """
    rules: dict[str, dict[str, Any]] = {}
    results = _Results(document, places or Places(), again or Again(), rules)
    out.write(f'{{"$schema": "{SCHEMA}",\n"version": "2.1.0",\n"runs": [{{"results": [')
    written = left_out = 0
    for result in results.every(deviations):
        if written == RESULTS:
            left_out += 1
            continue
        out.write(f"{',' if written else ''}\n{json.dumps(result)}")
        written += 1
    # The weightiest came first, so no rule of those is missing.
    driver = {"name": "wsgi-conform", "informationUri": _HOME, "rules": list(rules.values())}
    out.write(f'\n],\n"tool": {{"driver": {json.dumps(driver)}}},\n')
    out.write(f'"invocations": [{json.dumps(_invocation(document, results, left_out))}],\n')
    out.write('"columnKind": "unicodeCodePoints"}]}\n')


class _Results:
    """The results of a document, and the rules that they need."""

    def __init__(
        self,
        document: Document,
        places: Places,
        again: Again,
        rules: dict[str, dict[str, Any]],
    ) -> None:
        self._document = document
        self._places = places
        self._again = again
        self._rules = rules
        self.errors = 0

    def every(self, deviations: bool) -> Iterator[dict[str, Any]]:
        """The results, the unexpected ones first."""
        for server in self._document.servers:
            if server["error"]:
                self.errors += 1
                yield self._broken(server)
        yield from self._of(digest.UNEXPECTED)
        if deviations:
            yield from self._of((Verdict.DEVIATION,))

    def _of(self, verdicts: tuple[Verdict, ...]) -> Iterator[dict[str, Any]]:
        for server in self._document.servers:
            for check in self._document.checks(server["name"]):
                if check["verdict"] not in verdicts:
                    continue
                if check["verdict"] == Verdict.ERROR:
                    self.errors += 1
                if not (server["error"] and digest.not_run(check)):
                    yield self._result(check, server)

    def _broken(self, server: dict[str, Any]) -> dict[str, Any]:
        title = "A deployment starts, and runs until its last check."
        self._rules.setdefault(_DEPLOYMENT, _rule(_DEPLOYMENT, title, title, "error", []))
        text = f"{_named(server)} did not run to the end of its checks.\n{server['error']}"
        location = self._places.of_server(server["name"])
        return self._at(location, server["name"], _DEPLOYMENT, "error", text)

    def _result(self, check: dict[str, Any], server: dict[str, Any]) -> dict[str, Any]:
        verdict, expectation = check["verdict"], check["expectation"]
        identity, name = check["id"], server["name"]
        of_check = _LEVELS.get(check["level"], "note")
        clause = check["clause"]
        self._rules.setdefault(
            identity,
            _rule(
                identity,
                check["title"],
                f"{check['level']}: {clause['document']}, {clause['section']}",
                of_check,
                [check["area"], check["level"]],
                clause["url"],
            ),
        )
        if verdict in (Verdict.FIXED, Verdict.DEVIATION):
            location = self._places.of_entry(expectation["file"])
        else:
            location = self._places.of_server(name)
        level = {Verdict.FIXED: "warning", Verdict.ERROR: "error"}.get(verdict, of_check)
        said = explanation.lines(check, name, self._again, bytes_shown=_BYTES)
        text = "\n".join([f"{verdict} on {_named(server)}", *said])
        result = self._at(location, name, identity, level, text)
        if verdict == Verdict.DEVIATION:
            reason = f"{expectation['reason'].strip()}\n{expectation['reference']}"
            result["suppressions"] = [
                {"kind": "external", "status": "accepted", "justification": printable(reason)}
            ]
        return result

    def _at(
        self,
        location: tuple[str, int | None],
        server: str,
        rule: str,
        level: str,
        text: str,
    ) -> dict[str, Any]:
        path, line = location
        physical: dict[str, Any] = {"artifactLocation": {"uri": quote(path, errors="replace")}}
        if line:
            physical["region"] = {"startLine": line}
        result = {
            "ruleId": printable(rule),
            "level": level,
            "message": {"text": _plain(text)},
            "locations": [
                {
                    "physicalLocation": physical,
                    "logicalLocations": [{"name": printable(server), "kind": "deployment"}],
                }
            ],
        }
        if not line:
            # GitHub tells alerts of one rule apart by their lines, or else by this.
            found = hashlib.sha256(f"{server} {rule}".encode("utf-8", "replace")).hexdigest()
            result["partialFingerprints"] = {"primaryLocationLineHash": f"{found[:16]}:1"}
        return result


def _named(server: dict[str, Any]) -> str:
    return f"{server['name']} {server['version'] or ''}".strip()


def _plain(text: str) -> str:
    """Text in which nothing is a link, and nothing is hidden."""
    shown = printable(text)
    shown = shown if len(shown) <= _MESSAGE else f"{shown[:_MESSAGE]}\n..."
    # Brackets with a target behind them are a link in plain text as well (section 3.11.6).
    return shown.replace("[", "\\[") if "](" in shown else shown


def _rule(
    identity: str, title: str, full: str, level: str, tags: list[str], url: str | None = None
) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": printable(identity),
        "shortDescription": {"text": _plain(title)},
        "fullDescription": {"text": _plain(full)},
        "help": {"text": _plain(f"{title}\n{full}{f', {url}' if url else ''}")},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": tags, "problem.severity": _SEVERITIES[level]},
    }
    if url:
        rule["helpUri"] = printable(url)
    return rule


def _invocation(document: Document, results: _Results, left_out: int) -> dict[str, Any]:
    run = document.run
    started = datetime.fromisoformat(run["started"]).astimezone(UTC)
    texts = [
        ("error", f"{_named(server)}: {server['error']}")
        for server in document.servers
        if server["error"]
    ]
    if run["incomplete"]:
        texts.append(("error", "The run was interrupted; these are the results so far."))
    if left_out:
        texts.append(
            (
                "warning",
                f"{left_out} results are left out, because GitHub takes no more than {RESULTS}; "
                "results.json has them.",
            )
        )
    return {
        "executionSuccessful": not (results.errors or run["incomplete"]),
        "exitCode": run["exit_status"],
        "startTimeUtc": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": _plain(text)}} for level, text in texts
        ],
    }
