"""A verdict that needs explaining, as lines of text: the clause, what was found, the bytes, how to
have it once more."""

from __future__ import annotations

from typing import Any

from conformance.report import curl, exchanges
from conformance.verdicts import Verdict

#: How much of an exchange is shown, in bytes a direction.
BYTES_SHOWN = 600
#: How much of what the server printed is shown, in lines: the last ones.
_LOG = 20


def lines(
    check: dict[str, Any],
    server: str,
    again: exchanges.Again,
    *,
    bytes_shown: int = BYTES_SHOWN,
) -> list[str]:
    """What there is to say of a check on a server; messages may have control characters in them.

    :param again: how what was recorded is sent once more.
    """
    clause, expectation = check["clause"], check["expectation"]
    found = [
        check["title"],
        f"{check['level']}: {clause['document']}, {clause['section']}, {clause['url']}",
    ]
    if check["verdict"] == Verdict.FIXED:
        found.append(stale(expectation))
    if check["verdict"] == Verdict.DEVIATION:
        found += [
            f"listed at {expectation['file']}: {expectation['instead']}",
            *expectation["reason"].strip().split("\n"),
            f"see {expectation['reference']}",
        ]
    if check["message"]:
        found += check["message"].rstrip("\n").split("\n")
    if check["verdict"] == Verdict.DEVIATION:
        # The entry explains it, there are thousands of them, and the results have the bytes.
        return found
    kept = check["exchanges"]["kept"]
    for exchange in kept[-1:]:
        found.append(f"last exchange (connection {exchange['connection']}):")
        found += [f"  {line}" for line in exchanges.both_sides(exchange, bytes_shown)]
    if check.get("log"):
        found.append("the server printed:")
        found += [f"  {line}" for line in check["log"].strip().split("\n")[-_LOG:]]
    if kept and check["verdict"] == Verdict.FAIL:
        found.append(f"replay: {again.command(check['id'], server)}")
        # What a check does to the server besides is not in its exchanges.
        alike = None if "control" in check["requires"] else curl.command(kept, again.root(server))
        if alike is not None:
            found.append(f"curl: {alike}")
            if again.url is None:
                found.append(f"  (wsgi-conform serve {server} --port 8000 starts it there)")
    return found


def stale(expectation: dict[str, Any]) -> str:
    """What to do about an entry whose check passes."""
    return f"listed at {expectation['file']}, and passes: remove the entry, or narrow its versions"
