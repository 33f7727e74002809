"""Merging results: which servers are one, whose verdict counts, what the run as a whole says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance import merge, results
from conformance.parity import REFERENCE
from conformance.results import Document, ResultsError
from tests.conformance.documents import check, document, exchange, server


def merged(*documents: dict[str, Any]) -> Document:
    return merge.merged(list(map(results.document, documents)))


def verdicts(found: Document) -> dict[str, dict[str, str]]:
    """The verdicts of a document: id by id, server by server."""
    return {
        server["name"]: {check["id"]: check["verdict"] for check in found.checks(server["name"])}
        for server in found.servers
    }


EARLY = "2026-01-01T00:00:00.000+00:00"
LATE = "2026-01-01T00:01:00.000+00:00"


def test_jobs_of_a_matrix_become_one_run() -> None:
    found = merged(
        document(server("one", check("a/b", "pass")), started=LATE, duration_s=5.0, exit_status=0),
        document(
            server("two", check("a/b", "fail")), started=EARLY, duration_s=70.0, exit_status=1
        ),
    )
    assert verdicts(found) == {"one": {"a/b": "pass"}, "two": {"a/b": "fail"}}
    assert found.run["started"] == EARLY
    assert found.run["duration_s"] == 70.0
    assert found.run["exit_status"] == 1
    assert not found.run["incomplete"]


def test_the_verdict_of_the_run_that_began_last_counts() -> None:
    first = server("one", check("a/b", "fail"), check("a/c", "pass"))
    again = server("one", check("a/b", "pass"))
    runs = [document(again, started=LATE), document(first, started=EARLY, exit_status=1)]
    for order in (runs, runs[::-1]):
        found = merged(*order)
        assert verdicts(found) == {"one": {"a/b": "pass", "a/c": "pass"}}
        assert found.run["exit_status"] == 0


def test_a_server_that_did_not_start_at_first_is_the_same_server() -> None:
    failed = server(
        "one",
        check("a/b", "error", message="not run: x"),
        version=None,
        python=None,
        error="no start",
    )
    found = merged(
        document(failed, started=EARLY, exit_status=3),
        document(server("one", check("a/b", "pass")), started=LATE),
    )
    assert verdicts(found) == {"one": {"a/b": "pass"}}
    assert (found.servers[0]["error"], found.run["exit_status"]) == (None, 0)


@pytest.mark.parametrize(
    ("differs", "run", "names"),
    [
        ({"version": "2.0"}, {}, ["one@1.0", "one@2.0"]),
        ({"python": "3.11.7"}, {}, ["one+python3.13", "one+python3.11"]),
        ({"framework": "flask"}, {}, ["one (reference)", "one (flask)"]),
        ({}, {"backend": "docker"}, ["one (process)", "one (docker)"]),
        ({"python": "3.13.1"}, {}, ["one"]),
    ],
)
def test_what_is_not_the_same_is_kept_apart(
    differs: dict[str, str], run: dict[str, str], names: list[str]
) -> None:
    found = merged(
        document(server("one", check("a/b", "pass")), backend="process"),
        document(
            server("one", check("a/b", "deviation"), **differs), **{"backend": "process", **run}
        ),
    )
    assert [server["name"] for server in found.servers] == names
    assert [list(checks) for checks in verdicts(found).values()] == [["a/b"]] * len(names)
    assert found.run["backend"] == ("several" if run else "process")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (document(server("one", check("a/b", "fixed"))), 1),
        (document(server("one", check("a/b", "pass"), error="broke off")), 3),
        (document(server("one", check("a/b", "pass")), incomplete=True), 130),
        (document(server("one")), 2),
    ],
)
def test_the_exit_status_is_that_of_one_run(found: dict[str, Any], status: int) -> None:
    assert merged(found).run["exit_status"] == status


def test_parity_is_told_across_jobs(tmp_path: Path) -> None:
    def answered(name: str, body: bytes) -> dict[str, Any]:
        response = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + body
        sent = exchange(b"GET / HTTP/1.1\r\n\r\n", response)
        return server(name, check("a/b", "pass", exchanges=sent))

    found = merged(
        *(
            document(answered(name, body))
            for name, body in [("same", b"1"), (REFERENCE, b"1"), ("other", b"2")]
        )
    )
    path = tmp_path / "results.json"
    results.write(path, found.run, found.servers, found.checks)
    whole = results.open_document(path)
    assert {
        server["name"]: whole.check(server["name"], "a/b")["parity"]["same"]
        for server in whole.servers
    } == {"same": True, REFERENCE: True, "other": False}
    assert list(tmp_path.iterdir()) == [path]


def test_parity_is_kept_where_there_are_several_references(tmp_path: Path) -> None:
    same = {"reference": REFERENCE, "same": True, "answer": "0", "differences": []}
    runs = [
        document(
            server(REFERENCE, check("a/b", "pass", parity=same)),
            server("one", check("a/b", "pass", parity=same)),
            backend=backend,
        )
        for backend in ("process", "docker")
    ]
    found = merged(*runs)
    results.write(tmp_path / "results.json", found.run, found.servers, found.checks)
    whole = results.open_document(tmp_path)
    assert len(whole.servers) == 4
    for kept in whole.servers:
        assert whole.check(kept["name"], "a/b")["parity"] == same


def test_results_are_found_in_directories(tmp_path: Path) -> None:
    paths = [tmp_path / name / "results.json" for name in ("artifact-a", "artifact-b/results")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document()), encoding="utf-8")
    assert merge.find([tmp_path]) == paths
    assert merge.find([paths[1].parent, paths[0], paths[0]]) == [paths[1], paths[0]]
    (tmp_path / "none").mkdir()
    with pytest.raises(ResultsError, match=r"none: expected a results\.json in it, found none"):
        merge.find([tmp_path / "none"])
