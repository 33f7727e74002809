"""JUnit XML: a suite for each server, a case for each check.

There is no standard, so what is written is what both schemas in use allow, Ant's and that of
Jenkins; and what reporters show of it decides how a verdict is told:

- `fail` and `fixed` are failures, `error` is an error: they turn a pipeline red, as the exit status
  does.
- A `deviation` is skipped, as pytest tells an expected failure. As a failure it would turn red what
  is as expected; as a passed case nobody would ever see it, for what a passed case has to say is
  shown nowhere.
- `not-applicable` is skipped as well; the message begins with the one or the other.
- That a server did not start, or broke off, is one error. Its checks were not run: they are
  skipped, or one cause would be told two thousand times.

Reporters group by `classname`, the part before its last dot first: by server, then by area.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

from conformance.report import digest, explanation
from conformance.report.digest import Digest
from conformance.report.exchanges import Again
from conformance.report.terminal import printable
from conformance.results import Document
from conformance.verdicts import Verdict

_SKIPPED = (Verdict.DEVIATION, Verdict.NOT_APPLICABLE)
#: An attribute is one line of a list; the whole is in the element.
_ATTRIBUTE = 300


def write(document: Document, out: TextIO, *, again: Again | None = None) -> None:
    """Write a results document as JUnit XML.

    :param out: a text file that was opened with the encoding UTF-8.
    :param again: how what was recorded is sent once more.
    """
    xml = _Xml(out)
    with xml.element("testsuites", {}):
        for number, server in enumerate(document.servers):
            _suite(document, server, number, xml, again or Again())


class _Xml:
    """XML as it is written, an element on a line of its own, and nothing that XML 1.0 forbids."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        out.write('<?xml version="1.0" encoding="utf-8"?>\n')

    @contextmanager
    def element(self, name: str, attributes: dict[str, str]) -> Iterator[None]:
        """An element, with what is written inside the `with`."""
        self._out.write(f"<{name}{_attributes(attributes)}>\n")
        yield
        self._out.write(f"</{name}>\n")

    def leaf(self, name: str, attributes: dict[str, str], text: str = "") -> None:
        """An element with text in it, or nothing."""
        # Whatever is forbidden is among what would not show.
        end = f">{escape(printable(text))}</{name}>" if text else "/>"
        self._out.write(f"<{name}{_attributes(attributes)}{end}\n")


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_line(value))}" for name, value in attributes.items())


def _line(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= _ATTRIBUTE else f"{line[:_ATTRIBUTE]}..."


def _suite(
    document: Document, server: dict[str, Any], number: int, xml: _Xml, again: Again
) -> None:
    found = digest.of(document, server)
    error = server["error"]
    unrun = len(found.not_run) if error else 0
    attributes = {
        "name": found.name,
        "package": "wsgi-conform",
        "id": str(number),
        # The schemas want the name of a host, which the document does not have, and no time zone.
        "hostname": "localhost",
        "timestamp": _in_utc(document.run["started"]),
        "tests": str(len(found.verdicts) + (error is not None)),
        "failures": str(found.count(Verdict.FAIL) + found.count(Verdict.FIXED)),
        "errors": str(found.count(Verdict.ERROR) - unrun + (error is not None)),
        "skipped": str(sum(map(found.count, _SKIPPED)) + unrun),
        "time": f"{found.duration_s:.3f}",
    }
    with xml.element("testsuite", attributes):
        _properties(document.run, server, xml)
        if error is not None:
            _broken(found, xml)
        for check in document.checks(found.name):
            _case(check, server, xml, again)
        # Ant's schema wants them, be they empty.
        xml.leaf("system-out", {})
        xml.leaf("system-err", {})


def _in_utc(started: str) -> str:
    return f"{datetime.fromisoformat(started).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _properties(run: dict[str, Any], server: dict[str, Any], xml: _Xml) -> None:
    capabilities = ", ".join(f"{name}: {value}" for name, value in server["capabilities"].items())
    values = {
        "project": server["project"],
        "version": server["version"] or "unknown",
        "python": server["python"] or "unknown",
        "command": server["command"],
        "framework": server["framework"],
        "backend": run["backend"],
        "capabilities": capabilities,
        "host": run["host"],
        "harness-python": run["python"],
    }
    with xml.element("properties", {}):
        for name, value in values.items():
            xml.leaf("property", {"name": name, "value": value})


def _broken(found: Digest, xml: _Xml) -> None:
    error = found.server["error"]
    case = {"classname": f"{found.name}.deployment", "name": "runs to the end", "time": "0.000"}
    with xml.element("testcase", case):
        xml.leaf("error", {"type": "error", "message": error.strip().partition("\n")[0]}, error)


def _case(check: dict[str, Any], server: dict[str, Any], xml: _Xml, again: Again) -> None:
    verdict, message = check["verdict"], check["message"].strip()
    attributes = {
        "classname": f"{server['name']}.{check['area']}",
        "name": check["id"],
        "time": f"{check['duration_s']:.3f}",
    }
    if verdict == Verdict.PASS:
        xml.leaf("testcase", attributes)
        return
    with xml.element("testcase", attributes):
        if verdict == Verdict.NOT_APPLICABLE:
            _skipped(f"not applicable: {message}", None, xml)
        elif digest.not_run(check) and server["error"]:
            _skipped(message, None, xml)
        else:
            text = "\n".join(explanation.lines(check, server["name"], again))
            expectation = check["expectation"]
            if verdict == Verdict.DEVIATION:
                _skipped(f"deviation: {expectation['instead']}", f"deviation\n{text}", xml)
            elif verdict == Verdict.FIXED:
                said = {"type": verdict, "message": explanation.stale(expectation)}
                xml.leaf("failure", said, text)
            else:
                kind = "failure" if verdict == Verdict.FAIL else "error"
                xml.leaf(kind, {"type": verdict, "message": message}, text)


def _skipped(message: str, text: str | None, xml: _Xml) -> None:
    # GitLab shows the text and not the attribute, others the attribute and not the text.
    xml.leaf("skipped", {"message": message}, text or message)
