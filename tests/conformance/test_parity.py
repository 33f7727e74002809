"""Parity: what is alike under the rules, what is not, and that the documentation lists them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from conformance import parity
from conformance.parity import Comparison

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "results.md"
OK = "HTTP/1.1 200 OK\r\n"
COOKIE = "session=eyJhIjoxfQ.aSqZ{}.{}; Path=/"
FIRST = COOKIE.format("aa", "A" * 27)
SECOND = COOKIE.format("bb", "B" * 27)


def exchange(response: str, request: str = "GET /a HTTP/1.1\r\n\r\n", **keys: Any) -> Any:
    """An exchange as results.json has it."""
    return {
        "ended": "answered",
        "answers": 1,
        "request": {"text": request, "bytes": len(request)},
        "response": {"text": response, "bytes": len(response)},
        **keys,
    }


def check(*exchanges: Any, **keys: Any) -> Any:
    """A check of which these are the exchanges."""
    return {
        "id": "area/check",
        "verdict": "pass",
        "exchanges": {"total": len(exchanges), "kept": list(exchanges)},
        **keys,
    }


def compared(reference: Any, other: Any) -> Any:
    """The parity of one check with another."""
    return Comparison([reference]).parity(other, "waitress")


def body(text: str) -> str:
    """A response with this body."""
    return f"{OK}Content-Length: {len(text)}\r\n\r\n{text}"


#: For each rule two responses that are alike under it, and one that is not.
ROWS = {
    "version": (f"{OK}\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 201 OK\r\n\r\n"),
    "reason-phrase": (f"{OK}\r\n", "HTTP/1.1 200 Fine\r\n\r\n", "HTTP/1.1 202 OK\r\n\r\n"),
    "field-case": (f"{OK}X-A: b\r\n\r\n", f"{OK}x-a: b\r\n\r\n", f"{OK}x-a: B\r\n\r\n"),
    "framing": (
        body("hello"),
        f"{OK}Transfer-Encoding: chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n",
        f"{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n",
    ),
    "server": (f"{OK}\r\n", f"{OK}Server: a\r\nVia: b\r\n\r\n", f"{OK}Served: a\r\n\r\n"),
    "date": (f"{OK}\r\n", f"{OK}Date: today\r\n\r\n", f"{OK}Expires: today\r\n\r\n"),
    "field-order": (
        f"{OK}A: 1\r\nB: 2\r\n\r\n",
        f"{OK}B: 2\r\nA: 1\r\n\r\n",
        f"{OK}A: 2\r\nB: 1\r\n\r\n",
    ),
    "parameter-space": (
        f"{OK}Content-Type: a/b; c=d\r\n\r\n",
        f"{OK}Content-Type: a/b;c=d\r\n\r\n",
        f"{OK}Content-Type: a/b;c=e\r\n\r\n",
    ),
    "own-error-page": (
        "HTTP/1.1 400 No\r\nContent-Type: text/plain\r\n\r\nno",
        "HTTP/1.1 400 No\r\nContent-Type: text/html\r\n\r\n<p>No",
        'HTTP/1.1 400 No\r\nContent-Type: text/html\r\n\r\n{"error": 1}',
    ),
    "entity-tag": (
        f'{OK}ETag: "17.5-12-ab"\r\nLast-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n',
        f'{OK}ETag: "18.0-13-cd"\r\nLast-Modified: Wed, 21 Oct 2026 07:28:01 GMT\r\n\r\n',
        f'{OK}ETag: W/"18.0-13-cd"\r\nLast-Modified: Wed, 21 Oct 2026 07:28:01 GMT\r\n\r\n',
    ),
    "timestamp": (
        f"{OK}Set-Cookie: {FIRST}; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n",
        f"{OK}Set-Cookie: {SECOND}; Expires=Wed, 21 Oct 2026 07:28:01 GMT\r\n\r\n",
        f"{OK}Set-Cookie: {SECOND.replace('eyJhIjoxfQ', 'eyJhIjoyfQ')}; "
        "Expires=Wed, 21 Oct 2026 07:28:01 GMT\r\n\r\n",
    ),
    "identity": (
        body(f'{{"key": "{"0a" * 16}", "pid": 1234, "url": "http://127.0.0.1:8001/"}}'),
        body(f'{{"key": "{"1b" * 16}", "pid": 56, "url": "http://127.0.0.1:8002/"}}'),
        body(f'{{"key": "{"1b" * 16}", "pid": 56, "url": "https://127.0.0.1:8002/"}}'),
    ),
    "object-address": (
        body('{"input": "<reader.Input object at 0x7f3a>"}'),
        body('{"input": "<functools.partial(<f at 0x1>) at 0x7f3b>"}'),
        body('{"input": "none"}'),
    ),
    "json-order": (
        body('{"a": {"b": 1, "c": [2]}}'),
        body('{"a":{"c":[2],"b":1}}'),
        body('{"a": {"b": 1, "c": [3]}}'),
    ),
    "own-variables": (
        body('{"values": {"HTTP_A": "b"}}'),
        body('{"values": {"HTTP_A": "b", "server.socket": "c"}}'),
        body('{"values": {"HTTP_A": "b", "HTTP_SERVER": "c"}}'),
    ),
    "declared": (
        body('{"a": 1, "multithread": true, "path": "/?parties=9&x"}'),
        body('{"a": 1, "multithread": false, "path": "/?parties=2&x"}'),
        body('{"a": 1, "multithreading": false, "path": "/?parties=2&x"}'),
    ),
    "length": (body("x" * 1024 + "y"), body("x" * 1024 + "z"), body("x" * 1023 + "y")),
}


@pytest.mark.parametrize("rule", ROWS)
def test_a_rule_makes_alike_what_it_names_and_no_more(rule: str) -> None:
    first, alike, other = (check(exchange(text)) for text in ROWS[rule])
    found = compared(first, alike)
    assert found["same"], found["differences"]
    assert not compared(first, other)["same"]


@pytest.mark.parametrize("rule", ROWS)
def test_without_the_rule_they_are_not_alike(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not taken out of it and put back, which would be at its end.
    others = {name: normal for name, normal in parity.RULES.items() if name != rule}
    monkeypatch.setattr(parity, "RULES", others)
    first, alike, _ = (check(exchange(text)) for text in ROWS[rule])
    assert not compared(first, alike)["same"]


def test_every_rule_has_a_row_and_is_documented_in_order() -> None:
    documented = re.findall(r"(?m)^\| `([a-z-]+)` \| ", DOCUMENTATION.read_text("utf-8"))
    assert list(parity.RULES) == list(ROWS) == documented[-len(ROWS) :]


def test_the_order_and_the_number_of_requests_do_not_matter() -> None:
    one, two = exchange(body("1"), "GET /1"), exchange(body("2"), "GET /2")
    assert compared(check(one, two), check(two, one, two))["same"]
    assert not compared(check(one, two), check(one))["same"]


def test_interim_responses_and_those_that_nobody_read_do_not_count() -> None:
    interim = "HTTP/1.1 100 Continue\r\n\r\n"
    plain = check(exchange(body("1")))
    assert compared(plain, check(exchange(interim + body("1"))))["same"]
    assert compared(plain, check(exchange(body("1") + body("2"))))["same"]
    assert not compared(plain, check(exchange(body("1") + body("2"), answers=2)))["same"]


def test_the_suites_own_requests_do_not_count() -> None:
    own = exchange(body("anything"), "GET /-/journal/a HTTP/1.1\r\n\r\n")
    assert compared(check(exchange(body("1"))), check(own, exchange(body("1")), own))["same"]


@pytest.mark.parametrize(
    ("response", "ended", "shown"),
    [
        ("", "timed out", "silence"),
        ("", "closed", "no answer"),
        ("hello", "closed", "no response, but other bytes"),
    ],
)
def test_what_is_no_response_has_a_name(response: str, ended: str, shown: str) -> None:
    found = compared(check(exchange(f"{OK}\r\n")), check(exchange(response, ended=ended)))
    assert found["differences"] == ["  GET /a HTTP/1.1", "- status 200", f"+ {shown}"]


@pytest.mark.parametrize(
    "other",
    [
        check(exchange(f"{OK}\r\n"), verdict="error"),
        check(exchange(f"{OK}\r\n"), verdict="not-applicable"),
        check(exchange(f"{OK}\r\n"), exchanges={"total": 2, "kept": [exchange(f"{OK}\r\n")]}),
        check(),
        check(exchange(f"{OK}\r\n"), id="area/other"),
    ],
    ids=["error", "not-applicable", "not-kept", "nothing-sent", "not-in-the-reference"],
)
def test_what_cannot_be_compared_has_no_parity(other: Any) -> None:
    assert compared(check(exchange(f"{OK}\r\n")), other) is None


def test_a_failure_is_never_the_same() -> None:
    same = exchange(f"{OK}\r\n")
    assert not compared(check(same), check(same, verdict="deviation"))["same"]


def test_differences_are_cut_and_say_so() -> None:
    many = "".join(f"X-{number:02}: {'x' * 300}\r\n" for number in range(20))
    found = compared(check(exchange(f"{OK}\r\n")), check(exchange(f"{OK}{many}\r\n")))
    assert len(found["differences"]) == parity.LINES_KEPT + 1
    assert found["differences"][-1] == "  and 9 lines more"
    assert max(map(len, found["differences"])) == parity.LINE_LENGTH + 3
