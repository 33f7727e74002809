"""A badge: the JSON of an endpoint badge (https://shields.io/badges/endpoint-badge).

What a badge says has to be true of the server, so a listed deviation counts as what it is, a
requirement that is not met; and what broke off is an error and not a number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

from conformance.registry import UnknownServer
from conformance.report import digest
from conformance.report.digest import Digest
from conformance.report.terminal import printable
from conformance.results import Document

_LEVELS = ("must", "should")


def write(document: Document, out: TextIO, *, server: str | None = None) -> None:
    """Write the badge of one server, or of the run as a whole.

    :param server: its name; None for all, or for the only one that there is.
    :raises UnknownServer: there is none of that name.
    """
    names = [found["name"] for found in document.servers]
    if server is not None and server not in names:
        raise UnknownServer(server, names)
    chosen = [one for one in document.servers if server in (None, one["name"])]
    digests = [digest.of(document, one) for one in chosen]
    json.dump(_badge(document, digests), out, indent=2)
    out.write("\n")


def _badge(document: Document, digests: Sequence[Digest]) -> dict[str, Any]:
    label, message = "wsgi-conform", digest.headline(document, digests)
    color = "brightgreen"
    if len(digests) == 1:
        [only] = digests
        label = " ".join([only.name, only.server["version"] or ""]).strip()
    whole = not document.run["incomplete"] and any(found.verdicts for found in digests)
    if not whole or any(found.broken for found in digests):
        # Not the red of a failure: what was not judged is neither good nor bad.
        return _json(label, message, "lightgrey", is_error=True)
    if len(digests) == 1:
        [only] = digests
        counts = {level: only.passed(level) for level in _LEVELS}
        message = ", ".join(
            f"{level} {passed}/{of_all}" for level, (passed, of_all) in counts.items() if of_all
        )
        message = message or f"{only.count('pass')} checks pass"
        passes = [passed == of_all for passed, of_all in counts.values()]
        color = "brightgreen" if all(passes) else "green" if passes[0] else "yellow"
    if not all(found.as_expected for found in digests):
        color = "red"
    return _json(label, message, color)


def _json(label: str, message: str, color: str, *, is_error: bool = False) -> dict[str, Any]:
    return {
        "schemaVersion": 1,
        "label": printable(label),
        "message": message,
        "color": color,
        "isError": is_error,
    }
