"""Requests, their cookies: what a view finds of the Cookie field, and of what it set itself."""

from __future__ import annotations

import pytest

from conformance.checks.probes import read_json, request
from conformance.clauses import clause, flask
from conformance.client import PeerError, Wire
from conformance.client.http import Client

COOKIES = flask("api", "flask.Request.cookies")
SET_COOKIE = flask("api", "flask.Response.set_cookie")


def cookies(wire: Wire, field: str | bytes | None) -> object:
    """The cookies that a view finds when that Cookie field is sent, names with their values."""
    name = b"Cookie: "
    value = field.encode("latin-1") if isinstance(field, str) else field
    fields = [] if value is None else [name + value]
    data = request("GET /request/show/cookies HTTP/1.1", *fields, "Connection: close")
    return read_json(wire.exchange(data))["cookies"]


Pairs = list[list[object]]

ONE_AND_TWO: Pairs = [["a", ["1"]], ["b", ["2"]]]
FIELDS: dict[str, tuple[str, Pairs]] = {
    "several": ("a=1; b=2", ONE_AND_TWO),
    "no-space": ("a=1;b=2", ONE_AND_TWO),
    "equals-in-value": ("a=b=c==; d=1", [["a", ["b=c=="]], ["d", ["1"]]]),
    "empty-value": ("a=; b=2", [["a", [""]], ["b", ["2"]]]),
    "not-decoded": ("a=%C3%A4+%26; b=2", [["a", ["%C3%A4+%26"]], ["b", ["2"]]]),
    "comma": ("a=1,c=3; b=2", [["a", ["1,c=3"]], ["b", ["2"]]]),
    "case-of-name": ("a=1; A=2", [["a", ["1"]], ["A", ["2"]]]),
    "attribute-like": (
        "a=1; Path=/x; $Version=1",
        [["a", ["1"]], ["Path", ["/x"]], ["$Version", ["1"]]],
    ),
    "punctuation": ("a=!#$&'()*+-./:<>?@[]^_`{|}~", [["a", ["!#$&'()*+-./:<>?@[]^_`{|}~"]]]),
    "long": ("a=" + "x" * 4000, [["a", ["x" * 4000]]]),
}


@clause("request/cookie/field", "contract", COOKIES)
@pytest.mark.parametrize("row", FIELDS)
def test_cookie_field(wire: Wire, row: str) -> None:
    """Cookies are names with values, split at the first equals sign and not decoded further."""
    field, found = FIELDS[row]
    assert cookies(wire, field) == found


@clause("request/cookie/none", "contract", COOKIES)
@pytest.mark.parametrize("field", [None, ""], ids=["no-field", "empty-field"])
def test_no_cookie(wire: Wire, field: str | None) -> None:
    """Without a Cookie field, or with an empty one, there are no cookies."""
    assert cookies(wire, field) == []


@clause("request/cookie/repeated", "contract", COOKIES)
def test_cookie_repeated(wire: Wire) -> None:
    """Two cookies of one name, as of two paths, are both there, in whichever order."""
    found = cookies(wire, "a=1; b=2; a=3")
    assert found in [[["a", values], ["b", ["2"]]] for values in (["1", "3"], ["3", "1"])]


@clause("request/cookie/utf-8", "contract", COOKIES)
def test_cookie_utf_8(wire: Wire) -> None:
    """UTF-8 in a cookie, as scripts set it, is no error and spoils no other one.

    No text says how it is decoded: it is the text itself, or its bytes as latin-1.
    """
    value = "ä€"
    found = cookies(wire, f"a=1; b={value}; c=3".encode())
    assert found in [
        [["a", ["1"]], ["b", [each]], ["c", ["3"]]]
        for each in (value, value.encode().decode("latin-1"))
    ]


@clause("request/cookie/malformed-neighbour", "contract", COOKIES)
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("a=1; =nameless; b=2", id="no-name"),
        pytest.param("a=1;; ; b=2", id="empty"),
        pytest.param('a=1; c="unfinished; b=2', id="quote-not-ended"),
        pytest.param('a=1; c"d=3; b=2', id="quote-in-name"),
        pytest.param("a=1; c d; b=2;", id="no-value"),
        pytest.param("  a=1 ;\tb=2 ; c={", id="whitespace"),
    ],
)
def test_malformed_neighbour(wire: Wire, field: str) -> None:
    """What is no cookie takes none with it: those before and behind it are found."""
    found = cookies(wire, field)
    assert isinstance(found, list)
    assert [pair for pair in found if pair in ONE_AND_TWO] == ONE_AND_TWO


VALUES = {
    "plain": "value",
    "empty": "",
    "spaces": " a value ",
    "delimiters": "a;b,c=d",
    "quotes": '"quoted" \\ and not',
    "quoted": '"quoted"',
    "escape-like": "\\073 %3B",
    "utf-8": "ä€\N{SNAKE}",
    "line-end": "a\r\nSet-Cookie: injected=1",
    "json": '{"a": [1, "b;c"]}',
}


@clause("request/cookie/round-trip", "contract", SET_COOKIE)
@pytest.mark.parametrize("row", VALUES)
def test_cookie_round_trip(client: Client, wire: Wire, row: str) -> None:
    """What a view sets as a cookie, any text, a view finds again when the client returns it.

    The client returns what stands before the first semicolon, byte for byte.
    """
    answer = client.post("/request/cookie", json=VALUES[row])
    if answer.status_code != 200:
        raise PeerError(f"expected 200, found {answer.wire.describe()}")
    pair = answer.header("Set-Cookie").partition(";")[0]
    assert cookies(wire, pair) == [["value", [VALUES[row]]]]
