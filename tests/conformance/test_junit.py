"""JUnit XML: what every reader of it can rely on, and what it says of each verdict."""

from __future__ import annotations

import copy
import io
import re
from typing import Any
from xml.etree import ElementTree

import junitparser
import pytest

from conformance import results
from conformance.report import junit
from conformance.report.exchanges import Again
from tests.conformance.documents import (
    EXPECTATION,
    check,
    document,
    exchange,
    server,
    whole,
)

#: Attributes that an element has, all of them and no other, and the children it may have.
SHAPE: dict[str, tuple[set[str], str]] = {
    "testsuites": (set(), "(testsuite )*"),
    "testsuite": (
        {
            *("name", "package", "id", "hostname", "timestamp"),
            *("tests", "failures", "errors", "skipped", "time"),
        },
        "properties (testcase )*system-out system-err ",
    ),
    "properties": (set(), "(property )*"),
    "property": ({"name", "value"}, ""),
    "testcase": ({"classname", "name", "time"}, "(skipped |failure |error )?"),
    "skipped": ({"message"}, ""),
    "failure": ({"type", "message"}, ""),
    "error": ({"type", "message"}, ""),
    "system-out": (set(), ""),
    "system-err": (set(), ""),
}
#: What the schemas of Ant and of Jenkins say of attributes.
FORMS = {
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    "time": r"\d+\.\d{3}",
    **dict.fromkeys(("tests", "failures", "errors", "skipped", "id"), r"\d+"),
    **dict.fromkeys(("name", "classname", "package", "hostname"), r"\S+( \S+)*"),
}


def written(found: dict[str, Any], **keys: Any) -> str:
    out = io.StringIO()
    before = copy.deepcopy(found)
    junit.write(results.document(found), out, **keys)
    assert found == before
    return out.getvalue()


def parsed(found: dict[str, Any], **keys: Any) -> ElementTree.Element:
    """The root of what is written, after a look at all of it."""
    text = written(found, **keys)
    root = ElementTree.fromstring(text.encode("utf-8"))
    for element in root.iter():
        attributes, children = SHAPE[element.tag]
        assert set(element.attrib) == attributes
        assert re.fullmatch(children, "".join(f"{child.tag} " for child in element))
        for name, form in FORMS.items():
            if name in element.attrib:
                assert re.fullmatch(form, element.attrib[name])
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.attrib["tests"] == str(len(cases))
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert suite.attrib[attribute] == str(sum(case.find(tag) is not None for case in cases))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")]
    # Of two of one name GitLab shows the first.
    assert len(set(names)) == len(names)
    read = junitparser.JUnitXml.fromstring(text.encode("utf-8"))
    assert [suite.tests for suite in read] == [len(suite.findall("testcase")) for suite in root]
    return root


def test_a_suite_for_each_server_with_its_versions() -> None:
    found = whole()
    found["servers"][0]["capabilities"] = {"threads": 8, "keep-alive": True}
    one, two = parsed(found)
    assert one.attrib == {
        "name": "one",
        "package": "wsgi-conform",
        "id": "0",
        "hostname": "localhost",
        "timestamp": "2024-01-01T00:00:00",
        "tests": "5",
        "failures": "0",
        "errors": "0",
        "skipped": "1",
        "time": "0.005",
    }
    assert {each.attrib["name"]: each.attrib["value"] for each in one.iter("property")} == {
        "project": "project",
        "version": "1.0",
        "python": "3.13.0",
        "command": "serve",
        "framework": "reference",
        "backend": "process",
        "capabilities": "threads: 8, keep-alive: True",
        "host": "Linux",
        "harness-python": "3.13.0",
    }
    counts = [two.attrib[key] for key in ("name", "tests", "failures", "errors", "skipped")]
    assert counts == ["two", "5", "2", "1", "2"]


def test_what_each_verdict_is() -> None:
    """Red is what the exit status is for; what is listed is there to be seen and is not red."""
    listed = {**EXPECTATION, "instead": "Answers 200.", "reason": "So it is.", "reference": "a#1"}
    found = document(
        server(
            "one",
            check("area/pass", "pass"),
            check(
                "area/deviation",
                "deviation",
                expectation=listed,
                message="found 200",
                exchanges=exchange(b"GET / HTTP/1.1\r\n\r\n", b""),
            ),
            check("area/fail", "fail", message="expected 200,\nfound 500"),
            check("area/fixed", "fixed", expectation=EXPECTATION),
            check("area/not", "not-applicable", message="one does not declare tls"),
            check("area/error", "error", message="KeyError: 'x'"),
        )
    )
    [suite] = parsed(found)
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert {case.attrib["classname"] for case in cases.values()} == {"one.area"}
    told = {
        name.removeprefix("area/"): [(child.tag, child.attrib) for child in case]
        for name, case in cases.items()
    }
    stale = "listed at two.toml:7, and passes: remove the entry, or narrow its versions"
    assert told == {
        "pass": [],
        "deviation": [("skipped", {"message": "deviation: Answers 200."})],
        "fail": [("failure", {"type": "fail", "message": "expected 200, found 500"})],
        "fixed": [("failure", {"type": "fixed", "message": stale})],
        "not": [("skipped", {"message": "not applicable: one does not declare tls"})],
        "error": [("error", {"type": "error", "message": "KeyError: 'x'"})],
    }
    assert cases["area/deviation"][0].text == (
        "deviation\n"
        "The title of area/deviation.\n"
        "must: PEP 3333, A section, https://example.org/#a\n"
        "listed at two.toml:7: Answers 200.\n"
        "So it is.\n"
        "see a#1\n"
        "found 200"
    )
    # GitLab shows the text of what is skipped, and no attribute.
    assert cases["area/not"][0].text == "not applicable: one does not declare tls"


def test_a_failure_has_clause_bytes_log_and_how_to_have_it_once_more() -> None:
    sent = exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n\xff")
    failing = check("area/a", "fail", message="found 500", exchanges=sent, log="a line\n")
    again = Again(options=("--results", "there"))
    [suite] = parsed(document(server("one", failing)), again=again)
    [failure] = suite.iter("failure")
    assert (
        failure.text
        == r"""The title of area/a.
must: PEP 3333, A section, https://example.org/#a
found 500
last exchange (connection 2):
  > GET / HTTP/1.1\r\n
  > Host: a\r\n
  > \r\n
  < HTTP/1.1 500 No\r\n
  < \r\n
  < \xff
  answered after 0.013 s
the server printed:
  a line
replay: wsgi-conform replay area/a one --results there
curl: curl -i --http1.1 -H User-Agent: -H Accept: -H 'Host: a' http://127.0.0.1:8000/
  (wsgi-conform serve one --port 8000 starts it there)"""
    )


def test_a_server_that_did_not_start_is_one_error() -> None:
    found = document(
        server(
            "one",
            check("area/a", "error", message="not run: one ended before it was ready"),
            check("area/b", "error", message="not run: one ended before it was ready"),
            check("area/c", "error", message="KeyError: 'x'"),
            error="one ended before it was ready: exit status 1\nNo module named 'x'",
            version=None,
            python=None,
        ),
        server("two", error="it was not asked anything"),
    )
    one, two = parsed(found)
    assert (one.attrib["errors"], one.attrib["skipped"]) == ("2", "2")
    error = one.find("testcase/error")
    assert error is not None
    assert error.attrib["message"] == "one ended before it was ready: exit status 1"
    assert error.text == "one ended before it was ready: exit status 1\nNo module named 'x'"
    skipped = one.find("testcase/skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "not run: one ended before it was ready"
    assert two.attrib["errors"] == "1"


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("]]><a b='\"'>&amp;&#1;", "]]><a b='\"'>&amp;&#1;"),
        ("\x00\x01\x08\x0b\x1b[2J\x7f", r"\x00\x01\x08\x0b\x1b[2J\x7f"),
        ("\ufffe\uffff\ud800\U0001fffe", r"\ufffe\uffff\ud800\U0001fffe"),
        ("\x85\u2028\u202e", r"\x85\u2028\u202e"),
        ("ä 漢 \U0001f600", "ä 漢 \U0001f600"),
        ("a\r\nb\tc", "a\\r\nb\tc"),
    ],
)
def test_what_xml_does_not_allow_is_shown(hostile: str, shown: str) -> None:
    """And whatever else there is stays text."""
    found = document(
        server(
            f"one{hostile}",
            check("area/a", "fail", message=f"found {hostile}.", title=f"title {hostile}."),
            version=hostile,
            command=hostile,
            error=f"said {hostile}.",
        )
    )
    [suite] = parsed(found)
    line = " ".join(shown.split())
    assert suite.attrib["name"] == f"one{line}"
    values = {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")}
    assert (values["version"], values["command"]) == (line, line)
    [error], [failure] = suite.iter("error"), suite.iter("failure")
    assert error.text == f"said {shown}."
    assert (failure.text or "").startswith(f"title {shown}.\n")
    assert failure.attrib["message"] == f"found {line}."
