"""What the page shows, taken from a results document, small enough to be sent around.

There are three parts. The overview is what the matrix needs, read when the page is opened: what the
checks are, each once, and of every check a sign per server in one string. The details of a check
(messages, exchanges, logs) are compressed and read when somebody looks at them; those of all
servers are together, because servers answer alike, and what is alike takes no room. The notes are
what the pages of servers need of many checks at once.
"""

from __future__ import annotations

import base64
import gzip
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance import consequences
from conformance.parity import REFERENCE
from conformance.report import curl, exchanges
from conformance.report.terminal import SIGNS
from conformance.results import Document
from conformance.verdicts import Verdict

#: How much of a request or a response the page has, in bytes; `results.json` has more.
BYTES_SHOWN = 4096
#: The sign of an error that says nothing of the check, because its server was not there.
_NOT_RUN = "n"
_ABSENT = " "
#: Signs of answers, of which those of the same check with the same sign are alike.
_ANSWERS = string.digits + string.ascii_letters

#: What only some exchanges have.
_SELDOM = ("pauses", "half_closed")


@dataclass(frozen=True)
class Collected:
    """What the page is made of.

    :param notes: compressed, as text.
    :param details: likewise, one of each check, in the order of the overview's.
    """

    overview: dict[str, Any]
    notes: str
    details: Sequence[str]


class _Interned:
    """Values, each of which is there once, and known by its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        key = json.dumps(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def collect(document: Document, again: exchanges.Again) -> Collected:
    """Read a results document, a check at a time, for the page.

    :raises ResultsError: the document cannot be read any more.
    """
    clauses, whys, lists = _Interned(), _Interned(), _Interned()
    expectations, messages = _Interned(), _Interned()
    checks: list[dict[str, Any]] = []
    details: list[str] = []
    notes: list[dict[int, list[int | None]]] = [{} for _ in document.servers]
    for identity, found in _by_check(document):
        first = next(check for check in found if check is not None)
        checks.append(
            {
                "id": identity,
                "area": first["area"],
                "level": first["level"],
                "title": first["title"],
                "clause": clauses.number(first["clause"]),
                "why": whys.number(_why(identity)),
                "requires": lists.number(first["requires"]),
                "rests_on": lists.number(first["rests_on"]),
                "verdicts": "".join(map(_sign, found)),
                "parity": "".join(map(_sameness, found)),
                "answers": _answers(found),
            }
        )
        details.append(_compressed(_details(identity, found, document, again)))
        for server, check in enumerate(found):
            if check is not None and (note := _note(check, expectations, messages)):
                notes[server][len(checks) - 1] = note
    overview = {
        "run": document.run,
        "servers": document.servers,
        "reference": REFERENCE,
        "signs": {str(verdict): SIGNS[verdict] for verdict in Verdict},
        "checks": checks,
        "clauses": clauses.values,
        "whys": whys.values,
        "lists": lists.values,
    }
    return Collected(
        overview,
        _compressed(
            {"expectations": expectations.values, "messages": messages.values, "servers": notes}
        ),
        details,
    )


def support(
    answers: Sequence[Mapping[str, Any]], overview: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What people ask, with checks and servers by their numbers."""
    numbers = {check["id"]: number for number, check in enumerate(overview["checks"])}
    names = [server["name"] for server in overview["servers"]]

    def known(identities: Sequence[str]) -> list[int]:
        return [numbers[identity] for identity in identities if identity in numbers]

    return [
        {
            **{key: answer.get(key) for key in ("id", "group", "question", "why", "asked")},
            "checks": known(answer["checks"]),
            "servers": [
                {**found, "failing": known(found["failing"])}
                for found in (
                    answer["servers"].get(name, {"answer": "unknown", "failing": []})
                    for name in names
                )
            ],
        }
        for answer in answers
    ]


def base(document: Document | None) -> dict[str, Any] | None:
    """What is needed of an earlier run to say what changed since."""
    if document is None:
        return None
    checks = [
        {"id": identity, "verdicts": "".join(map(_sign, found))}
        for identity, found in _by_check(document)
    ]
    servers = [
        {key: server[key] for key in ("name", "version", "python")} for server in document.servers
    ]
    return {"run": document.run, "servers": servers, "checks": checks}


def as_json(value: Any) -> str:
    """JSON that no HTML parser takes for anything else, in ASCII."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _by_check(document: Document) -> Iterator[tuple[str, list[dict[str, Any] | None]]]:
    """Each check with what came of it on each server, in order; None where it was not run."""
    names = [server["name"] for server in document.servers]
    has = {name: frozenset(document.ids(name)) for name in names}
    for identity in dict.fromkeys(identity for name in names for identity in document.ids(name)):
        yield (
            identity,
            [document.check(name, identity) if identity in has[name] else None for name in names],
        )


def _why(identity: str) -> dict[str, str]:
    """What a failure means."""
    consequence = consequences.of(identity)
    return {"group": consequence.group, "text": consequence.text}


def _sign(check: Mapping[str, Any] | None) -> str:
    if check is None:
        return _ABSENT
    if check["verdict"] == Verdict.ERROR and check["message"].startswith("not run"):
        return _NOT_RUN
    return SIGNS[check["verdict"]]


def _sameness(check: Mapping[str, Any] | None) -> str:
    """As the terminal's: the same as the reference's, conforms and is not the same, or neither."""
    if check is None or check["parity"] is None:
        return _ABSENT
    if check["parity"]["same"]:
        return "="
    return "~" if check["verdict"] == Verdict.PASS else "!"


def _answers(found: Sequence[Mapping[str, Any] | None]) -> str:
    seen: dict[str, str] = {}
    signs = []
    for check in found:
        if check is None or check["parity"] is None:
            signs.append(_ABSENT)
            continue
        number = len(seen)
        sign = _ANSWERS[number] if number < len(_ANSWERS) else chr(0x100 + number)
        signs.append(seen.setdefault(check["parity"]["answer"], sign))
    return "".join(signs)


def _note(
    check: Mapping[str, Any], expectations: _Interned, messages: _Interned
) -> list[int | None] | None:
    """The entry that lists a deviation, and the message where that is the only explanation."""
    expectation = check["expectation"]
    tells = check["message"] and check["verdict"] not in (Verdict.PASS, Verdict.DEVIATION)
    if expectation is None and not tells:
        return None
    return [
        None if expectation is None else expectations.number(expectation),
        messages.number(check["message"]) if tells else None,
    ]


def _details(
    identity: str,
    found: Sequence[Mapping[str, Any] | None],
    document: Document,
    again: exchanges.Again,
) -> dict[str, Any]:
    """What is known of a check on each server; `null` where it was not run."""
    texts = _Interned()

    def direction(value: Mapping[str, Any]) -> list[int]:
        return [texts.number(value["text"][:BYTES_SHOWN]), value["bytes"]]

    cells: list[dict[str, Any] | None] = []
    for server, check in zip(document.servers, found, strict=True):
        if check is None:
            cells.append(None)
            continue
        kept = check["exchanges"]["kept"]
        # What a check does to the server besides is not in its exchanges.
        alike = "control" not in check["requires"]
        parity = check["parity"]
        cells.append(
            {
                "duration": round(check["duration_s"], 4),
                "message": texts.number(check["message"]),
                "log": texts.number(check["log"]) if check.get("log") else None,
                "differences": parity["differences"] if parity else None,
                "replay": again.command(identity, server["name"]) if kept else None,
                "curl": curl.command(kept, again.root(server["name"])) if alike else None,
                "total": check["exchanges"]["total"],
                "exchanges": [
                    {
                        "connection": exchange["connection"],
                        "duration": round(exchange["duration_s"], 4),
                        "ended": exchange["ended"],
                        "request": direction(exchange["request"]),
                        "response": direction(exchange["response"]),
                        **{
                            key: exchange[key]
                            for key in ("pauses", "half_closed")
                            if key in exchange
                        },
                    }
                    for exchange in kept
                ],
            }
        )
    return {"texts": texts.values, "cells": cells}


def _compressed(value: Any) -> str:
    packed = gzip.compress(json.dumps(value, separators=(",", ":")).encode(), mtime=0)
    return base64.b64encode(packed).decode()
