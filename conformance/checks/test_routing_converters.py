"""Routing: the edges of converters, and rules of more than one variable."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from conformance.checks.probes import read_json
from conformance.clauses import clause, flask, rfc9110, werkzeug
from conformance.client import Wire

CONVERTERS = werkzeug("routing", "Built-in Converters")
CUSTOM = werkzeug("routing", "Custom Converters")
RULES = flask("quickstart", "Variable Rules")


def view(wire: Wire, target: str) -> tuple[str, dict[str, Any]]:
    """The endpoint and the arguments that a target, sent as it is, leads to."""
    found = read_json(wire.ask("GET", target))
    return found["endpoint"], found["arguments"]


def value(wire: Wire, target: str) -> Any:
    """The one argument of the view that a target leads to."""
    return view(wire, target)[1].get("value")


def statuses(wire: Wire, *targets: str) -> list[int]:
    """The status that each target is answered with."""
    return [wire.ask("GET", target).status for target in targets]


@clause("routing/converter/string-minlength", "contract", CONVERTERS)
def test_minlength(wire: Wire) -> None:
    """`string(minlength=3)` takes three characters or more."""
    assert value(wire, "/rules/at-least-three/abc") == "abc"
    assert value(wire, "/rules/at-least-three/" + "x" * 300) == "x" * 300
    assert statuses(wire, "/rules/at-least-three/ab") == [404]


@clause("routing/converter/string-maxlength", "contract", CONVERTERS)
def test_maxlength(wire: Wire) -> None:
    """`string(maxlength=3)` takes three characters at the most, counted as characters."""
    assert value(wire, "/rules/at-most-three/%C3%A9%C3%A9%C3%A9") == "ééé"
    assert value(wire, "/rules/at-most-three/a") == "a"
    assert statuses(wire, "/rules/at-most-three/abcd") == [404]


@clause("routing/converter/int-signed", "contract", CONVERTERS)
def test_signed(wire: Wire) -> None:
    """`int(signed=True)` takes a minus sign, once, and no plus sign."""
    assert [value(wire, f"/rules/signed/{text}") for text in ("-5", "5", "-0")] == [-5, 5, 0]
    assert statuses(wire, "/rules/signed/--5", "/rules/signed/+5", "/rules/signed/-") == [404] * 3


@clause("routing/converter/int-fixed-digits", "contract", CONVERTERS)
def test_fixed_digits(wire: Wire) -> None:
    """`int(fixed_digits=4)` takes four digits, leading zeros counted."""
    assert value(wire, "/rules/four-digits/0042") == 42
    assert statuses(wire, "/rules/four-digits/42", "/rules/four-digits/00042") == [404, 404]


@clause("routing/converter/int-big", "contract", RULES)
def test_big(wire: Wire) -> None:
    """`int` has no greatest value: a number beyond 64 bits arrives as it was sent."""
    assert value(wire, "/rules/integer/123456789012345678901234567890") == (
        123456789012345678901234567890
    )


@clause("routing/converter/line-end", "agreement", RULES)
def test_line_end(wire: Wire) -> None:
    """An encoded line feed after a number is not overlooked: that is no number, 404.

    A peer may refuse the octet before that, with 400.
    """
    assert value(wire, "/rules/integer/42") == 42
    assert statuses(wire, "/rules/integer/42%0A")[0] in (400, 404)


@clause("routing/converter/float-signed", "contract", CONVERTERS)
def test_float_signed(wire: Wire) -> None:
    """`float(signed=True)` takes a minus sign."""
    assert [value(wire, f"/rules/signed-float/{text}") for text in ("-1.5", "0.25")] == [-1.5, 0.25]
    assert statuses(wire, "/rules/signed-float/--1.5", "/rules/signed-float/-1") == [404, 404]


@clause("routing/converter/float-range", "contract", CONVERTERS)
def test_float_range(wire: Wire) -> None:
    """`float(min=0.5, max=1.5)` takes its limits and nothing outside of them."""
    assert [value(wire, f"/rules/share/{text}") for text in ("0.5", "1.5")] == [0.5, 1.5]
    assert statuses(wire, "/rules/share/0.49", "/rules/share/1.51") == [404, 404]


@clause("routing/converter/path-inside", "contract", CONVERTERS)
def test_path_inside(wire: Wire) -> None:
    """`path` may stand before the end of a rule, and takes as much as leaves the rest."""
    assert value(wire, "/rules/page-of/a/b/edit") == "a/b"
    assert value(wire, "/rules/page-of/a/edit/edit") == "a/edit"
    assert statuses(wire, "/rules/page-of/edit", "/rules/page-of/a/b") == [404, 404]


@clause("routing/converter/uuid-case", "contract", CONVERTERS)
def test_uuid_case(wire: Wire) -> None:
    """A UUID in capital letters is the same UUID."""
    text = "123e4567-e89b-42d3-a456-426614174000"
    assert value(wire, f"/rules/uuid/{text.upper()}") == text


@clause("routing/converter/any-literal", "contract", CONVERTERS)
def test_any_literal(wire: Wire) -> None:
    """The words of `any` are words: a point in one stands for a point, a plus for a plus."""
    assert [value(wire, f"/rules/any-of/{word}") for word in ("a.b", "c+d", "e")] == [
        "a.b",
        "c+d",
        "e",
    ]
    assert statuses(wire, "/rules/any-of/axb", "/rules/any-of/ccd", "/rules/any-of/E") == [404] * 3


@clause("routing/converter/custom-rejects", "contract", CUSTOM)
def test_custom_rejects(wire: Wire) -> None:
    """Text that a converter of the application's own calls invalid does not match: 404."""
    assert value(wire, "/rules/even/4") == 4
    assert statuses(wire, "/rules/even/5", "/rules/even/x") == [404, 404]


@clause("routing/converter/custom-regex", "contract", CUSTOM)
def test_custom_regex(wire: Wire) -> None:
    """The regular expression of a converter has to match the whole part."""
    assert value(wire, "/rules/plate/ab1") == "ab1"
    assert (
        statuses(wire, *(f"/rules/plate/{text}" for text in ("ab12", "xab1", "abc"))) == [404] * 3
    )


@clause("routing/several-variables/in-a-segment", "contract", RULES)
def test_in_a_segment(wire: Wire) -> None:
    """Two variables and fixed text may share one part of the path."""
    assert view(wire, "/rules/between/3-17") == ("rules.between", {"first": 3, "last": 17})
    assert view(wire, "/rules/document/a.b.txt") == ("rules.document", {"name": "a.b"})
    assert statuses(wire, "/rules/between/3-", "/rules/document/a.pdf") == [404, 404]


@clause("routing/encoding/static", "should", rfc9110("4.2.3"))
def test_static(wire: Wire) -> None:
    """A letter of a fixed rule is the same letter percent-encoded: the same view answers."""
    assert view(wire, "/rul%65s/%74ext/x") == ("rules.text", {"value": "x"})


@clause("routing/encoding/static-utf-8", "agreement", werkzeug("routing", "Rule Format"))
def test_static_utf8(wire: Wire) -> None:
    """A rule with a letter beyond ASCII is matched by its UTF-8, in either case of the digits.

    That rules are UTF-8 in a URL is not written down.
    """
    assert view(wire, "/rules/stra%C3%9Fe/x") == ("rules.umlaut", {"value": "x"})
    assert view(wire, "/rules/stra%c3%9fe/x") == ("rules.umlaut", {"value": "x"})


@clause("routing/encoding/dot-segments", "should", rfc9110("4.2.3"))
@pytest.mark.parametrize(
    ("plain", "encoded"),
    [
        pytest.param("/rules/x/../text/x", "/rules/x/%2E%2E/text/x", id="two"),
        pytest.param("/rules/./text/x", "/rules/%2e/text/x", id="one"),
    ],
)
def test_dot_segments(wire: Wire, plain: str, encoded: str) -> None:
    """A point is the same point percent-encoded: both ways to write a path have one answer.

    Whether dot segments are removed is not judged here, only that a path is not two.
    """
    assert view(wire, "/rules/text/x") == ("rules.text", {"value": "x"})
    answers = [wire.ask("GET", target) for target in (plain, encoded)]
    assert answers[0].status == answers[1].status
    assert all(answer.status < 500 for answer in answers)
    if answers[0].status == 200:
        assert answers[0].body == answers[1].body


@clause("routing/long-path", "agreement", RULES)
def test_long_path(wire: Wire) -> None:
    """A path of 3.5 KiB reaches the view whole, which is less than every server takes."""
    text = "".join(f"{number:04x}" for number in range(896))
    assert value(wire, f"/rules/text/{text}") == text


@clause("routing/query/form", "agreement", flask("api", "flask.Request.args"))
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("a&b=", {"a": [""], "b": [""]}, id="without-value"),
        pytest.param("a=b=c", {"a": ["b=c"]}, id="equals-sign"),
        pytest.param("a=1;b=2", {"a": ["1;b=2"]}, id="semicolon"),
        pytest.param("&&a=1&&b=2&", {"a": ["1"], "b": ["2"]}, id="empty-pairs"),
        pytest.param("=c", {"": ["c"]}, id="empty-name"),
        pytest.param("%C3%BC=1&a+b=2", {"ü": ["1"], "a b": ["2"]}, id="encoded-name"),
        pytest.param("?a=/?", {"?a": ["/?"]}, id="question-mark"),
        pytest.param("A=1&a=2", {"A": ["1"], "a": ["2"]}, id="case"),
        pytest.param("a=%2B%26%3D%2525", {"a": ["+&=%25"]}, id="decoded-once"),
        pytest.param("a=" + "x" * 3500, {"a": ["x" * 3500]}, id="long"),
    ],
)
def test_query_form(wire: Wire, query: str, found: dict[str, list[str]]) -> None:
    """A query string is taken apart at `&` and the first `=`, and decoded once, after that."""
    assert read_json(wire.ask("GET", f"/rules/query?{query}")) == found


@clause("routing/url-for/round-trip", "contract", flask("quickstart", "URL Building"))
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("100%", id="percent"),
        pytest.param("%41%2F", id="percent-encoded"),
        pytest.param("a?b#c&d=e", id="delimiters"),
        pytest.param("a+b c", id="plus-and-space"),
        pytest.param("a;b,c:d@e!f$g'(h)*", id="sub-delimiters"),
        pytest.param('<"\\^`{|}>', id="not-in-urls"),
        pytest.param("日本語🐍é", id="beyond-ascii"),
        pytest.param("~.-_", id="unreserved"),
    ],
)
def test_round_trip(wire: Wire, text: str) -> None:
    """What `url_for` builds of a text leads to a view that gets this text, in path and query."""
    built = read_json(wire.ask("GET", f"/rules/built/text?value={quote(text, safe='')}"))
    assert value(wire, target(built["in_path"])) == text
    assert read_json(wire.ask("GET", target(built["in_query"]))) == {"value": [text]}


def target(url: Any) -> str:
    """A URL that the peer built, if it can be the target of a request."""
    assert isinstance(url, str), url
    assert url.startswith("/"), url
    assert url.isascii(), url
    assert not set(url) & set(' "<>\\^`{|}#'), url
    return url
