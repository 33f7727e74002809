"""Requests, their forms and queries: the names and values that a view finds in them."""

from __future__ import annotations

import pytest

from conformance.checks.sending import FORM, send, show
from conformance.clauses import clause, flask, werkzeug
from conformance.client import Wire
from conformance.client.http import Client

FORM_DATA = flask("api", "flask.Request.form")
ARGS = flask("api", "flask.Request.args")
VALUES = flask("api", "flask.Request.values")
TYPED = werkzeug("datastructures", "werkzeug.datastructures.MultiDict.get")

Pairs = list[list[object]]

#: What is sent, and the names with their values that it stands for.
ENCODED: dict[str, tuple[bytes, Pairs]] = {
    "repeated": (b"b=1&a=2&b=3&b=1", [["b", ["1", "3", "1"]], ["a", ["2"]]]),
    "blank": (b"a=&b=1&a=", [["a", ["", ""]], ["b", ["1"]]]),
    "no-equals-sign": (b"a&b=1&c", [["a", [""]], ["b", ["1"]], ["c", [""]]]),
    "empty-pairs": (b"&&a=1&&b=2&", [["a", ["1"]], ["b", ["2"]]]),
    "equals-in-value": (b"a=b=c==", [["a", ["b=c=="]]]),
    "plus-and-percent": (b"a+b=c+d%20%2B%26%3d%25", [["a b", ["c d +&=%"]]]),
    "delimiters-in-name": (b"%26%3D%2B=1", [["&=+", ["1"]]]),
    "decoded-once": (b"a=%252B%2525", [["a", ["%2B%25"]]]),
    "not-an-escape": (b"a=100%&b=%zz&c=%4", [["a", ["100%"]], ["b", ["%zz"]], ["c", ["%4"]]]),
    "semicolon": (b"a=1;b=2", [["a", ["1;b=2"]]]),
    "line-ends": (b"a=1%0D%0A2%00", [["a", ["1\r\n2\x00"]]]),
    "utf-8": (
        b"n%C3%A4me=%E2%82%AC%F0%9F%90%8D",
        [["näme", ["€\N{SNAKE}"]]],
    ),
}


@clause("request/form/urlencoded", "contract", FORM_DATA)
@pytest.mark.parametrize("row", ENCODED)
def test_urlencoded(wire: Wire, row: str) -> None:
    """A form is taken apart as the URL standard says: every name, every value, in order."""
    body, pairs = ENCODED[row]
    assert show(wire, "form", body, FORM) == {"form": pairs}


@clause("request/form/utf-8-not-escaped", "contract", FORM_DATA)
def test_unescaped_utf_8(wire: Wire) -> None:
    """UTF-8 in a form that was not percent-encoded is text as well."""
    assert show(wire, "form", "ä=€".encode(), FORM) == {"form": [["ä", ["€"]]]}


@clause("request/form/not-utf-8", "contract", FORM_DATA)
def test_not_utf_8(wire: Wire) -> None:
    """A value that is not UTF-8 is replaced or left escaped, and the others are what they are.

    The URL standard has U+FFFD in its place; Werkzeug keeps the escape.
    """
    found = show(wire, "form", b"a=%FFx&b=%C3%A4", FORM)
    assert found["form"] in ([["a", [value]], ["b", ["ä"]]] for value in ("�x", "%FFx"))


@clause("request/form/content-type", "contract", FORM_DATA)
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("Application/X-WWW-Form-URLEncoded", id="without-case"),
        pytest.param(f"{FORM}; charset=UTF-8", id="parameter"),
        pytest.param(f'{FORM};charset="utf-8"', id="quoted-parameter"),
    ],
)
def test_form_content_type(wire: Wire, content_type: str) -> None:
    """The media type of a form is one without regard to case and to its parameters."""
    assert show(wire, "form", b"a=%C3%A4", content_type)["form"] == [["a", ["ä"]]]


@clause("request/form/other-content-type", "contract", flask("api", "flask.Request.data"))
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="text"),
        pytest.param("application/json", id="json"),
        pytest.param(None, id="none"),
    ],
)
def test_other_content_type(wire: Wire, content_type: str | None) -> None:
    """What looks like a form and is not declared as one is no form: `data` has all of it."""
    found = show(wire, "form/files/data", b"a=1&b=2", content_type)
    assert found == {"form": [], "files": [], "data": "a=1&b=2"}


@clause("request/form/method", "contract", FORM_DATA)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"], ids=str.lower)
def test_form_method(wire: Wire, method: str) -> None:
    """A form is one whatever the method: that it has a body is what counts."""
    assert show(wire, "method/form", b"a=1", FORM, method) == {
        "method": method,
        "form": [["a", ["1"]]],
    }


@clause("request/form/empty", "contract", FORM_DATA)
def test_empty_form(wire: Wire) -> None:
    """A form of no bytes has no fields."""
    assert show(wire, "form/files/data", b"", FORM) == {"form": [], "files": [], "data": ""}


@clause("request/form/many-fields", "contract", FORM_DATA)
def test_many_fields(wire: Wire) -> None:
    """A form of three thousand fields arrives with every one of them in its place."""
    body = "&".join(f"field-{number}={number}" for number in range(3000)).encode()
    pairs = [[f"field-{number}", [str(number)]] for number in range(3000)]
    assert show(wire, "form", body, FORM)["form"] == pairs


@clause("request/form/by-a-client", "contract", FORM_DATA)
def test_form_by_client(client: Client) -> None:
    """A form as an HTTP client sends it is read as it was filled in, together with the query."""
    answer = client.post(
        "/request/show/args/form/mimetype?a=q", data={"a": "ä & ö", "b": ["1", "2"]}
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "args": [["a", ["q"]]],
        "form": [["a", ["ä & ö"]], ["b", ["1", "2"]]],
        "mimetype": FORM,
    }


@clause("request/args", "contract", ARGS)
@pytest.mark.parametrize(
    "row",
    ["no-equals-sign", "empty-pairs", "equals-in-value", "decoded-once", "semicolon", "utf-8"],
)
def test_args(wire: Wire, row: str) -> None:
    """The query is taken apart like a form: what the server hands on has to be what was sent."""
    query, pairs = ENCODED[row]
    found = send(wire, f"/request/show/args/query_string?{query.decode()}", b"", None, "GET")
    assert found == {"args": pairs, "query_string": query.decode()}


@clause("request/args/not-utf-8", "contract", ARGS)
def test_args_not_utf_8(wire: Wire) -> None:
    """A query that is not UTF-8 is no error, and leaves the other values what they are."""
    found = send(wire, "/request/show/args?a=%FFx&b=%C3%A4", b"", None, "GET")
    assert found["args"] in ([["a", [value]], ["b", ["ä"]]] for value in ("�x", "%FFx"))


@clause("request/args/typed", "contract", TYPED)
def test_args_typed(client: Client) -> None:
    """`get` with a type converts the value; what does not convert is as if it were not there."""
    assert client.get("/request/typed?number=-12&number=x&number=5").json() == {
        "number": -12,
        "or_default": -12,
        "missing": None,
        "numbers": [-12, 5],
    }


@clause("request/args/typed-default", "contract", TYPED)
def test_args_typed_default(client: Client) -> None:
    """`get` with a type gives the default for a value that does not convert."""
    found = client.get("/request/typed?number=12x").json()
    assert (found["number"], found["or_default"], found["numbers"]) == (None, 7, [])


@clause("request/values/post", "contract", VALUES)
def test_values(wire: Wire) -> None:
    """`values` has the query and the form, the query first."""
    found = send(wire, "/request/show/values?a=query&b=query", b"a=form&c=form", FORM)
    assert found == {
        "values": [["a", ["query", "form"]], ["b", ["query"]], ["c", ["form"]]],
    }


@clause("request/values/get", "contract", VALUES)
def test_values_of_get(wire: Wire) -> None:
    """`values` of a GET request has the query and no form, even if there is one."""
    found = send(wire, "/request/show/values?a=query", b"a=form", FORM, "GET")
    assert found == {"values": [["a", ["query"]]]}
