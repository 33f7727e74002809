"""The badge: what it says, and that it says nothing better than it is."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from conformance import results
from conformance.registry import UnknownServer
from conformance.report import badge
from tests.conformance.documents import EXPECTATION, check, document, server, whole


def made(found: dict[str, Any], **keys: Any) -> dict[str, Any]:
    out = io.StringIO()
    badge.write(results.document(found), out, **keys)
    value = json.loads(out.getvalue())
    assert list(value) == ["schemaVersion", "label", "message", "color", "isError"]
    assert value["schemaVersion"] == 1
    # Shields.io refuses an empty one.
    assert value["message"]
    return dict(value)


def said(found: dict[str, Any], **keys: Any) -> tuple[str, str, str]:
    value = made(found, **keys)
    assert value["isError"] is (value["color"] == "lightgrey")
    return value["label"], value["message"], value["color"]


MUST = check("area/must", "pass")
SHOULD = check("area/should", "pass", level="should")
LISTED = {"expectation": EXPECTATION}


@pytest.mark.parametrize(
    ("checks", "message", "color"),
    [
        ([MUST, SHOULD], "must 1/1, should 1/1", "brightgreen"),
        (
            [MUST, check("area/a", "deviation", level="should", **LISTED)],
            "must 1/1, should 0/1",
            "green",
        ),
        ([SHOULD, check("area/a", "deviation", **LISTED)], "must 0/1, should 1/1", "yellow"),
        ([MUST, check("area/a", "fail")], "must 1/2", "red"),
        ([MUST, check("area/a", "fixed", **LISTED)], "must 2/2", "red"),
        ([MUST, check("area/a", "not-applicable")], "must 1/1", "brightgreen"),
        ([check("area/a", "pass", level="may")], "1 checks pass", "brightgreen"),
        ([MUST, check("area/a", "error")], "1 server with errors", "lightgrey"),
        ([], "nothing was checked", "lightgrey"),
    ],
)
def test_one_server(checks: list[dict[str, Any]], message: str, color: str) -> None:
    assert said(document(server("one", *checks))) == ("one 1.0", message, color)


def test_all_servers_and_one_of_them() -> None:
    fine = server("fine", MUST)
    listed = server("listed", check("area/must", "deviation", **LISTED), version=None)
    assert said(document(fine, listed)) == ("wsgi-conform", "2 servers as expected", "brightgreen")
    assert said(document(fine, listed), server="listed") == ("listed", "must 0/1", "yellow")
    failing = server("failing", check("area/must", "fail"))
    assert said(document(fine, failing)) == (
        "wsgi-conform",
        "1 of 2 servers not as expected",
        "red",
    )
    assert said(whole()) == ("wsgi-conform", "1 of 2 servers with errors", "lightgrey")


def test_what_was_not_run_is_an_error() -> None:
    broken = server("broken", MUST, error="it ended")
    assert said(document(broken)) == ("broken 1.0", "1 server with errors", "lightgrey")
    cut = document(server("one", MUST), incomplete=True)
    assert said(cut) == ("one 1.0", "interrupted before its end", "lightgrey")
    assert said(document()) == ("wsgi-conform", "nothing was checked", "lightgrey")


def test_no_such_server() -> None:
    with pytest.raises(UnknownServer, match="did you mean 'one'"):
        made(whole(), server="ones")
