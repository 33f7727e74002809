"""The results document: how it is put together from parts, and what is none."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance import results
from conformance.backends.leftovers import Owner
from conformance.parity import REFERENCE
from conformance.results import ResultsError, Writer


def check(identity: str, verdict: str = "pass") -> dict[str, Any]:
    """As much of a check as the writer looks at."""
    return {"id": identity, "verdict": verdict, "parity": None}


def test_parts_become_one_document_in_the_order_of_the_servers(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "deep" / "er")
    for server, found in [("two", check("a/b")), ("one", check("a/c")), ("two", check("a/d"))]:
        writer.add(server, found)
    assert [found["id"] for found in writer.checks("two")] == ["a/b", "a/d"]
    assert writer.verdicts == {"one": {"pass": 1}, "two": {"pass": 2}}
    writer.finish({"key": 1}, [{"name": name} for name in ("one", "two", "none")])
    assert results.load(writer.path) == {
        "schema": 1,
        "run": {"key": 1},
        "servers": [
            {"name": "one", "checks": [check("a/c")]},
            {"name": "two", "checks": [check("a/b"), check("a/d")]},
            {"name": "none", "checks": []},
        ],
    }
    assert os.listdir(writer.path.parent) == ["results.json"]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_is_read_check_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    writer = Writer(tmp_path)
    hostile = {**check("a/b"), "message": ']}\n]},\n{"id": "a/x"}\ud800\u2028'}
    for server, found in [("two", hostile), ("one", check("a/c")), ("two", check("a/D-2.e"))]:
        writer.add(server, found)
    writer.finish({"key": 1}, [{"name": name, "key": "]}"} for name in ("one", "none", "two")])
    path = tmp_path
    # Of a document as it was written, no more than that is in memory.
    load = results.load
    monkeypatch.delattr(results, "load")
    if indent is not None:
        # As another program may have written it.
        path = tmp_path / "other.json"
        path.write_text(json.dumps(load(writer.path), indent=indent), encoding="utf-8")
        monkeypatch.undo()
    document = results.open_document(path)
    assert document.run == {"key": 1}
    assert document.servers == [{"name": name, "key": "]}"} for name in ("one", "none", "two")]
    assert list(document.checks("two")) == [hostile, check("a/D-2.e")]
    assert document.check("two", "a/D-2.e") == check("a/D-2.e")
    assert [list(document.ids(name)) for name in ("one", "none")] == [["a/c"], []]


def test_what_a_run_writes_is_never_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the ids of the checks look like."""
    ids = list(json.loads(Path(results.__file__).with_name("mutants.json").read_text()))
    assert "errors/no-exception/SystemExit" in ids
    schema = json.loads(Path(results.__file__).with_name("results.schema.json").read_text())
    pattern = schema["$defs"]["check"]["properties"]["id"]["pattern"]
    assert [one for one in ids if not re.search(pattern, one)] == []
    writer = Writer(tmp_path)
    for identity in ids:
        writer.add("one", check(identity))
    writer.finish({}, [{"name": "one"}])
    monkeypatch.delattr(results, "load")
    assert results.open_document(tmp_path).ids("one") == ids


def test_a_document_stays_what_it_is_when_another_run_replaces_it(tmp_path: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    for message in ("the first", "another"):
        writer = Writer(tmp_path)
        writer.add("one", {**check("a/b"), "message": message})
        writer.finish({}, [{"name": "one"}])
        if message == "the first":
            documents = [writer.document, results.open_document(tmp_path)]
    assert [document.check("one", "a/b")["message"] for document in documents] == ["the first"] * 2
    documents.clear()
    del writer
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_half_a_document_is_none(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    for identity in ("a/b", "a/c"):
        writer.add("one", check(identity))
    writer.finish({}, [{"name": "one"}])
    lines = writer.path.read_text().splitlines(keepends=True)
    for length in range(len(lines)):
        writer.path.write_text("".join(lines[:length]))
        with pytest.raises(ResultsError, match="is not JSON"):
            results.open_document(writer.path)


def test_what_is_hostile_is_kept_as_it_is(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    text = 'a"]}\n\ud800\x00\u2028\u202e'
    writer.add("one", {**check("a/b"), "message": text})
    writer.finish({}, [{"name": "one"}])
    assert results.load(writer.path)["servers"][0]["checks"][0]["message"] == text


def test_two_writers_do_not_mix_and_the_last_one_is_kept(tmp_path: Path) -> None:
    first, second = Writer(tmp_path), Writer(tmp_path)
    first.add("one", check("a/first"))
    second.add("one", check("a/second"))
    for writer, identity in [(second, "a/second"), (first, "a/first")]:
        writer.finish({}, [{"name": "one"}])
        assert results.load(writer.path)["servers"][0]["checks"] == [check(identity)]
    assert os.listdir(tmp_path) == ["results.json"]


def test_what_is_discarded_leaves_an_earlier_document_alone(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("earlier")
    writer = Writer(tmp_path)
    writer.add("one", check("a/b"))
    writer.discard()
    assert os.listdir(tmp_path) == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "earlier"


def test_parts_of_a_run_that_was_killed_are_removed_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    dead = Owner(process.pid, "1", Owner.current().hostname)
    elsewhere = Owner(process.pid, "1", "another-host")
    for owner in (dead, elsewhere):
        (tmp_path / f"{results._prefix(owner)}x").mkdir()
    alive = Writer(tmp_path)
    Writer(tmp_path).discard()
    assert sorted(os.listdir(tmp_path)) == sorted(
        [f"{results._prefix(elsewhere)}x", alive._parts.name]
    )


def test_a_place_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError) as caught:
        Writer(tmp_path / "file")
    assert str(caught.value) == f"{tmp_path}/file cannot be written to: File exists"
    (tmp_path / "results.json").mkdir()
    with pytest.raises(ResultsError) as caught:
        Writer(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/results.json is a directory, and the results go there"
    )
    assert sorted(os.listdir(tmp_path)) == ["file", "results.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "{path} cannot be read: No such file or directory"),
        ("", "{path} is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "{path}: expected a results document of schema 1, found None"),
        ("{}", "{path}: expected a results document of schema 1, found None"),
        ('{"schema": 2}', "{path}: expected a results document of schema 1, found 2"),
    ],
)
def test_what_is_no_results_document(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "results.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ResultsError) as caught:
        results.load(path)
    assert str(caught.value) == message.format(path=path)


def test_the_document_is_plain_json(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.finish({"a": None}, [])
    assert json.loads(writer.path.read_text()) == {"schema": 1, "run": {"a": None}, "servers": []}


def test_each_check_is_compared_with_the_reference_deployments(tmp_path: Path) -> None:
    def answered(status: str) -> dict[str, Any]:
        exchange = {
            "ended": "answered",
            "answers": 1,
            "request": {"text": "GET / HTTP/1.1\r\n\r\n"},
            "response": {"text": f"HTTP/1.1 {status}\r\n\r\n"},
        }
        return {**check("a/b"), "exchanges": {"total": 1, "kept": [exchange]}}

    writer = Writer(tmp_path)
    for server, status in [("alike", "200 Fine"), (REFERENCE, "200 OK"), ("other", "201 OK")]:
        writer.add(server, answered(status))
    writer.finish({}, [{"name": name} for name in ("alike", REFERENCE, "other")])
    found = [server["checks"][0]["parity"] for server in results.load(writer.path)["servers"]]
    assert [parity["same"] for parity in found] == [True, True, False]
    assert found[0]["answer"] == found[1]["answer"] != found[2]["answer"]
    assert found[2]["differences"] == ["  GET / HTTP/1.1", "- status 200", "+ status 201"]
