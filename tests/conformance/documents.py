"""Small results documents, as a run would write them."""

from __future__ import annotations

from typing import Any

EXPECTATION = {
    "instead": "",
    "reason": "",
    "reference": "",
    "versions": "",
    "python": "",
    "crash": False,
    "varies": "",
    "file": "two.toml:7",
}

CLAUSE = {"document": "PEP 3333", "section": "A section", "url": "https://example.org/#a"}


def check(identity: str, verdict: str, **keys: Any) -> dict[str, Any]:
    """A check of a results document."""
    return {
        "id": identity,
        "area": identity.partition("/")[0],
        "level": "must",
        "title": f"The title of {identity}.",
        "clause": CLAUSE,
        "requires": [],
        "rests_on": [],
        "verdict": verdict,
        "duration_s": 0.001,
        "message": "",
        "expectation": None,
        "exchanges": {"total": 0, "kept": []},
        "parity": None,
        **keys,
    }


def server(name: str, *checks: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A server of a results document."""
    return {
        "name": name,
        "project": "project",
        "version": "1.0",
        "python": "3.13.0",
        "command": "serve",
        "framework": "reference",
        "capabilities": {},
        "error": None,
        "checks": list(checks),
        **keys,
    }


def document(*servers: dict[str, Any], **run: Any) -> dict[str, Any]:
    """A results document."""
    return {
        "schema": 1,
        "run": {
            "started": "2024-01-01T00:00:00.000+00:00",
            "duration_s": 1.25,
            "backend": "process",
            "framework": "reference",
            "python": "3.13.0",
            "host": "Linux",
            "exit_status": 0,
            "incomplete": False,
            **run,
        },
        "servers": list(servers),
    }


def exchange(request: bytes, response: bytes, **keys: Any) -> dict[str, Any]:
    """One exchange of a check."""
    return {
        "total": 1,
        "kept": [
            {
                "connection": 2,
                "started": 0.0,
                "duration_s": 0.0125,
                "ended": "answered",
                "answers": 1,
                "request": {"text": request.decode("latin-1"), "bytes": len(request)},
                "response": {"text": response.decode("latin-1"), "bytes": len(response)},
                **keys,
            }
        ],
    }


def whole() -> dict[str, Any]:
    """A document with every verdict in it."""
    return document(
        server(
            "one",
            check("area/listed", "pass"),
            check("area/stale", "pass"),
            check("area/unlisted", "pass"),
            check("other/broken", "pass"),
            check("other/fine", "not-applicable"),
        ),
        server(
            "two",
            check("area/listed", "deviation", expectation=EXPECTATION, message="expected"),
            check("area/stale", "fixed", expectation=EXPECTATION),
            check(
                "area/unlisted",
                "fail",
                message="expected 200,\nfound 500",
                exchanges=exchange(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n\xff"),
            ),
            check("other/broken", "error", message="KeyError: 'x'"),
            check("other/fine", "not-applicable"),
            version=None,
            python=None,
        ),
    )
