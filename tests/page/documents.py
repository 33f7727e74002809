"""Results documents to make pages of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.conformance import documents

REFERENCE = "reference-threaded"
ALPHA = "alpha"
BETA = "beta@1.0+python3.13"
GAMMA = "gamma --threads 2/x?y#z%"
BROKEN = "broken"

EXPECTATION = {
    "instead": "The application is called.",
    "reason": "It takes what comes.\nAnd says so.",
    "reference": "https://example.org/why",
    "versions": "<2",
    "python": "",
    "crash": False,
    "varies": "",
    "file": "alpha.toml:7",
}
_WORDS = {
    "+": "pass",
    "d": "deviation",
    "F": "fail",
    "X": "fixed",
    ".": "not-applicable",
    "E": "error",
}


def exchange(request: str, response: str, **keys: Any) -> dict[str, Any]:
    """One that was kept."""
    return {
        "connection": 1,
        "started": 1.0,
        "duration_s": 0.0125,
        "ended": "answered",
        "answers": 1,
        "request": {"text": request, "bytes": len(request)},
        "response": {"text": response, "bytes": len(response)},
        **keys,
    }


def check(identity: str, verdict: str, level: str = "must", **keys: Any) -> dict[str, Any]:
    """A check of a results document, its verdict by its sign."""
    word = _WORDS[verdict]
    messages = {"fail": "found 200, expected 400", "deviation": "found 200, expected 400"}
    messages |= {"error": "the harness broke", "not-applicable": "does not declare 'keep-alive'"}
    return {
        "id": identity,
        "area": identity.partition("/")[0],
        "level": level,
        "title": f"What `{identity}` asks for.",
        "clause": {
            "document": "RFC 9112",
            "section": "section 3.2",
            "url": "https://example.org/rfc#3.2",
        },
        "requires": [],
        "rests_on": [],
        "verdict": word,
        "duration_s": 0.25,
        "message": messages.get(word, ""),
        "expectation": EXPECTATION if word in ("deviation", "fixed") else None,
        "exchanges": {"total": 0, "kept": []},
        "parity": None,
        **keys,
    }


def server(name: str, *checks: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A server of a results document, which declares something."""
    declared = {"threads": 8, "keep-alive": True}
    return documents.server(
        name, *checks, **{"command": f"serve {name}", "capabilities": declared, **keys}
    )


def document(*servers: dict[str, Any], **run: Any) -> dict[str, Any]:
    """A results document."""
    about = {"started": "2026-01-02T03:04:05.000+00:00", "duration_s": 561.0, "host": "Linux"}
    return documents.document(*servers, **{**about, "exit_status": 1, **run})


def parity(answer: str, same: bool, *differences: str) -> dict[str, Any]:
    """What a check says of the reference's answer next to its own."""
    return {
        "reference": REFERENCE,
        "same": same,
        "answer": answer,
        "differences": list(differences),
    }


_REQUEST = "GET /missing HTTP/1.1\r\n\r\n"
_REFUSED = "HTTP/1.1 400 Bad Request\r\nDate: Sun\r\nServer: one\r\n\r\n"
_SERVED = "HTTP/1.1 200 OK\r\nDate: Mon\r\nServer: two\r\n\r\nhello"


def _missing(name: str, verdict: str) -> dict[str, Any]:
    refused = verdict == "+"
    told = exchange(_REQUEST, _REFUSED if refused else _SERVED)
    return check(
        "http/host/missing",
        verdict,
        exchanges={"total": 3, "kept": [told]},
        parity=parity("a", True)
        if refused
        else parity("b", False, "  GET /missing HTTP/1.1", "- status 400", "+ status 200"),
        **({"log": "served\n\x1b[31m/missing"} if name == ALPHA else {}),
    )


#: The checks by their signs on the servers in order, and what they are besides.
_ROWS: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("http/host/empty", "++F+", "must", {"rests_on": ["http/host/missing", "no/such-check"]}),
    ("http/keep-alive/many", "++d.", "should", {"requires": ["keep-alive"]}),
    ("http/response/date", "+++X", "should", {}),
    ("wsgi/write/once", "++++", "must", {"parity": parity("a", True)}),
    ("wsgi/input/end", "+++E", "must", {}),
    ("session/round-trip", "++++", "contract", {}),
)


def usual() -> dict[str, Any]:
    """Four servers with something of everything, and one that did not start."""
    names = (REFERENCE, ALPHA, BETA, GAMMA)
    servers = [
        server(
            name,
            _missing(name, "+dF+"[number]),
            *(
                check(identity, signs[number], level, **keys)
                for identity, signs, level, keys in _ROWS
            ),
        )
        for number, name in enumerate(names)
    ]
    not_run = [
        {**check(one["id"], "E", one["level"]), "message": "not run: it did not start"}
        for one in servers[0]["checks"]
    ]
    broken = server(BROKEN, *not_run, error="it did not start:\nno such module", version=None)
    # What differs in the answer alone.
    servers[1]["checks"][4]["parity"] = parity("c", False, "- status 200", "+ status 201")
    return document(*servers, broken)


def earlier() -> dict[str, Any]:
    """A run before the usual one: with another release, and other checks and servers."""
    found = usual()
    alpha, beta = found["servers"][1], found["servers"][2]
    alpha["version"] = "0.9"
    alpha["checks"][0]["verdict"] = "pass"
    alpha["checks"][1]["verdict"] = "fail"
    alpha["checks"][3] = check("http/retired", "+")
    beta["checks"][0]["verdict"] = "deviation"
    found["servers"][3]["name"] = "gone"
    found["run"]["started"] = "2025-01-02T03:04:05.000+00:00"
    return found


def large(servers: int = 30, checks: int = 600) -> dict[str, Any]:
    """Of a size at which what is drawn has to be chosen."""
    return document(
        *(
            server(
                f"server-{number}",
                *(
                    check(f"area-{index // 100}/check-{index}", "+d"[(index + number) % 7 == 0])
                    for index in range(checks)
                ),
            )
            for number in range(servers)
        )
    )


SUPPORT = [
    {
        "id": "hosts",
        "group": "Requests",
        "question": "Is a missing `Host` refused?",
        "why": "Caches can be poisoned.",
        "asked": "https://example.org/asked",
        "checks": ["http/host/missing", "http/host/empty", "no/such-check"],
        "servers": {
            REFERENCE: {"answer": "yes", "applicable": 2, "failing": []},
            ALPHA: {"answer": "partly", "applicable": 2, "failing": ["http/host/missing"]},
            BETA: {
                "answer": "no",
                "applicable": 2,
                "failing": ["http/host/missing", "http/host/empty"],
            },
            GAMMA: {"answer": "not-declared", "applicable": 0, "failing": []},
        },
    },
    {
        "id": "write",
        "group": "PEP 3333",
        "question": "Does it have write()?",
        "why": "Old applications use it.",
        "checks": ["wsgi/write/once"],
        "servers": {},
    },
]
