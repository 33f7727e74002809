"""Answers without end, hangs and crashes: each fails its check, and the next one has a server."""

from __future__ import annotations

from pathlib import Path

from tests.drills.servers import judge

#: What it answers to a check, and a part of why the check fails. Each may also take too long.
ANSWERS = {
    "endless/status-line": "bytes came without a line end",
    "endless/field": "bytes came without a line end",
    "endless/fields": "expected a field line",
    "endless/interim": "more than 100 interim responses",
    "endless/body": "the body has more than",
    "endless/chunks": "the body has more than",
    "endless/extension": "bytes came without a line end",
    "endless/extensions": "the body has more than",
    "endless/trailers": "expected a field line",
    "deep": "expected JSON, dict",
    "hang": "no byte came and the connection stayed open",
    "crash": "the deployment ended during the check: signal SIGSEGV",
}
TOO_LONG = "the check as a whole took longer"
#: What the harness may take for all of it, in MB: a body that is read to its limit among it.
MEMORY_MB = 200

CHECKS = """
import pytest
from conformance.clauses import Source, clause

@clause("area/answers", "must", Source("A text", "A section", "https://example.org/#a"))
@pytest.mark.parametrize("path", {paths})
def test_answers(client, path):
    '''What is asked.'''
    client.get(path).json()
"""


def test_what_never_ends_fails_by_its_size_or_the_time(tmp_path: Path) -> None:
    paths = [*(f"/{answer}" for answer in ANSWERS), "/-/versions"]
    judged = judge(tmp_path, CHECKS.format(paths=paths), time_limit_s=2.0)
    verdicts = [check["verdict"] for check in judged.checks]
    assert verdicts == ["fail"] * len(ANSWERS) + ["pass"]
    for check, why in zip(judged.checks, ANSWERS.values(), strict=False):
        assert why in check["message"] or TOO_LONG in check["message"], check["message"]
    assert {"event": "finished"} in judged.events
    assert judged.memory_mb < MEMORY_MB
