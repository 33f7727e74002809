"""Responses: their fields, and the cookies among them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from conformance.clauses import clause, flask, rfc6265, rfc9110, werkzeug
from conformance.client.http import Answer, Client

HEADERS = werkzeug("datastructures", "werkzeug.datastructures.Headers")
RESPONSE = werkzeug("wrappers", "werkzeug.wrappers.Response")
SET_COOKIE = flask("api", "flask.Response.set_cookie")
DELETE_COOKIE = flask("api", "flask.Response.delete_cookie")
DATE = "Thu, 29 Feb 2024 12:30:15 GMT"


def members(answer: Answer, name: str) -> list[str]:
    """The members of a list-valued field, in order; it makes no difference how many lines it has.

    Only for values without commas of their own.
    """
    return [member.strip() for line in answer.wire.all(name) for member in line.split(",")]


@clause("response/fields/caching", "contract", RESPONSE)
def test_caching(client: Client) -> None:
    """What the attributes for caches are set to reaches the client, and nothing is added to it.

    A Cache-Control of the server's own beside it would have caches keep what they must not.
    """
    answer = client.get("/response/fields/caching")
    assert answer.status_code == 200
    directives = sorted(members(answer, "Cache-Control"))
    assert directives == ["max-age=3600", "must-revalidate", "public"]
    assert (answer.header("Expires"), answer.header("Last-Modified")) == (DATE, DATE)
    assert answer.header("Age") == "7"
    assert members(answer, "Vary") == ["Accept-Language", "Cookie"]


@clause("response/fields/challenge", "must", rfc9110("11.6.1"))
def test_challenge(client: Client) -> None:
    """401 arrives with its challenges: without WWW-Authenticate no client could answer it."""
    answer = client.get("/response/fields/challenge")
    assert (answer.status_code, answer.text) == (401, "who are you?")
    challenges = ", ".join(answer.wire.all("WWW-Authenticate"))
    assert challenges == 'Basic realm="a, b", charset="UTF-8", Bearer realm="wsgi-conform"'


@clause("response/fields/representation", "contract", RESPONSE)
def test_representation(client: Client) -> None:
    """Fields with quotes, commas and semicolons arrive as they were set."""
    answer = client.get("/response/fields/representation")
    assert (answer.status_code, answer.content) == (200, "repr\xe9sentation".encode())
    assert members(answer, "Content-Language") == ["cy", "en-GB"]
    assert answer.header("Content-Disposition") == 'attachment; filename="a \\"b\\".txt"'
    assert answer.header("Content-Security-Policy") == "default-src 'self'; img-src *"
    expected = '</style.css>; rel="preload"; as=style, </a,b>; rel=next'
    assert answer.header("Link") == expected


@clause("response/fields/content-location", "must", rfc9110("8.7"))
def test_content_location(client: Client) -> None:
    """A Content-Location with other characters is sent as a URI, like Location."""
    answer = client.get("/response/fields/representation")
    assert answer.header("Content-Location").upper() == "/RESPONSE/FIELDS/%C3%A9".upper()


@clause("response/fields/retry-after", "contract", RESPONSE)
def test_retry_after(client: Client) -> None:
    """503 arrives with its body and Retry-After: no server puts a page of its own in its place."""
    answer = client.get("/response/fields/unavailable")
    assert (answer.status_code, answer.text) == (503, "later")
    assert answer.header("Retry-After") == "120"


@clause("response/fields/allow", "contract", RESPONSE)
def test_allow(client: Client) -> None:
    """405 arrives with its body and Allow."""
    answer = client.get("/response/fields/not-allowed")
    assert (answer.status_code, answer.text) == (405, "not so")
    assert sorted(members(answer, "Allow")) == ["GET", "PATCH"]


@clause("response/fields/changed", "contract", HEADERS)
def test_changed(client: Client) -> None:
    """Fields are set, added to and removed by names whose case does not matter."""
    answer = client.get("/response/fields/changed")
    assert (answer.status_code, answer.text) == (200, "changed")
    assert answer.header("X-Set") == "second"
    assert members(answer, "X-Added") == ["1", "2"]
    assert answer.wire.all("X-Removed") == []
    assert answer.header("X-Default") == "default"


@clause("response/fields/long", "agreement", rfc9110("5.4"))
def test_long(client: Client) -> None:
    """A field of 8 KiB arrives whole: tokens and security policies get as long as that."""
    answer = client.get("/response/fields/long")
    assert (answer.status_code, answer.text) == (200, "long")
    assert answer.header("X-Long") == "0123456789abcdef" * 512


@clause("response/fields/many", "agreement", rfc9110("5.4"))
def test_many(client: Client) -> None:
    """80 fields arrive, each of them."""
    answer = client.get("/response/fields/many")
    assert (answer.status_code, answer.text) == (200, "many")
    assert [answer.wire.all(f"X-Number-{n}") for n in range(80)] == [[str(n)] for n in range(80)]


@clause("response/fields/injected", "must", rfc9110("5.5"))
@pytest.mark.parametrize("place", ["value", "location", "cookie"])
def test_injected(client: Client, place: str) -> None:
    """Line ends in a value from outside split no response: they are refused or encoded.

    CR and LF in a field would end it, and what follows them would be fields, or a body, of the
    attacker's making.
    """
    answer = client.get(f"/response/injected/{place}")
    assert answer.status_code in (200, 302, 500), answer.wire.describe()
    assert answer.wire.all("X-Injected") == []
    assert not answer.text.startswith("injected")
    # Somebody answered in an orderly way: with the value made harmless, or with an error.
    names = {"value": "X-Value", "location": "Location", "cookie": "Set-Cookie"}
    assert answer.status_code == 500 or answer.wire.all(names[place])


# Cookies


def cookie(line: str) -> tuple[str, dict[str, str]]:
    """A Set-Cookie field: the pair, and its attributes by name in lower case."""
    pair, *rest = [part.strip() for part in line.split(";")]
    attributes = {}
    for part in rest:
        name, _, value = part.partition("=")
        attributes[name.lower()] = value
    assert len(attributes) == len(rest), f"an attribute is there twice: {line!r}"
    return pair, attributes


@clause("response/cookie", "contract", SET_COOKIE)
@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        pytest.param("plain", {"path": "/"}, id="plain"),
        pytest.param("path", {"path": "/response"}, id="path"),
        pytest.param("no-path", {}, id="no-path"),
        pytest.param("domain", {"path": "/", "domain": "wsgi-conform.test"}, id="domain"),
        pytest.param("secure", {"path": "/", "secure": "", "httponly": ""}, id="secure"),
        pytest.param("same-site", {"path": "/", "samesite": "Strict"}, id="same-site"),
        pytest.param("max-age", {"path": "/", "max-age": "3600"}, id="max-age"),
        pytest.param("expires", {"path": "/", "expires": DATE}, id="expires"),
        pytest.param(
            "partitioned",
            {"path": "/", "secure": "", "samesite": "None", "partitioned": ""},
            id="partitioned",
        ),
    ],
)
def test_cookie(client: Client, name: str, attributes: dict[str, str]) -> None:
    """A cookie is sent with the attributes that it was set with, and with no others."""
    answer = client.get(f"/response/cookie/attributes/{name}")
    assert answer.status_code == 200
    pair, found = cookie(answer.header("Set-Cookie"))
    if name == "max-age":
        found.pop("expires", None)  # the same again, for clients that know only dates
    assert (pair, found) == ("name=value", attributes)


@clause("response/cookie/deleted", "contract", DELETE_COOKIE)
def test_cookie_deleted(client: Client) -> None:
    """A cookie is deleted by one of its name, path and domain that has expired already."""
    answer = client.get("/response/cookie/deleted")
    pair, attributes = cookie(answer.header("Set-Cookie"))
    assert (pair, attributes.get("max-age")) == ("name=", "0")
    assert attributes.get("expires") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (attributes.get("path"), attributes.get("domain")) == ("/response", "wsgi-conform.test")


@clause("response/cookie/several", "should", rfc6265("3"))
def test_cookie_several(client: Client) -> None:
    """Eleven cookies arrive as eleven fields, in order, two of them of one name.

    Set-Cookie cannot be joined: the dates in it have commas.
    """
    answer = client.get("/response/cookie/several")
    found = [cookie(line) for line in answer.wire.all("Set-Cookie")]
    expected = [(f"c{n}={n}", {"expires": DATE, "path": "/"}) for n in range(10)]
    assert found == [*expected, ("c0=again", {"path": "/response"})]


@clause("response/cookie/value", "contract", SET_COOKIE)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param('with space, comma; semicolon="quotes" \\ back', id="delimiters"),
        pytest.param("Gr\xfc\xdfe \u65e5\u672c \U0001f600", id="unicode"),
        pytest.param("%20+%7E=&a=b", id="percent-signs"),
        pytest.param("tab\tand\x7f\x01", id="control-characters"),
    ],
)
def test_cookie_value(client: Client, value: str) -> None:
    """Any text is the value of a cookie: the client sends back what it got, and the text is there.

    How it is encoded on the way is between the application and itself.
    """
    first = client.post("/response/cookie/value", data=value.encode())
    assert first.json() == {"found": None}
    pair = first.header("Set-Cookie").partition(";")[0]
    client.cookies.clear()
    second = client.post("/response/cookie/value", data=b"", headers={"Cookie": pair})
    assert second.json() == {"found": value}


@clause("response/cookie/value/beside", "contract", SET_COOKIE)
def test_cookie_beside(client: Client) -> None:
    """Delimiters in a value set no second cookie and no attribute of their own."""
    value = f"x; Domain=evil.test, other={quote('y')}"
    answer = client.post("/response/cookie/value", data=value.encode())
    assert answer.status_code == 200
    pair, attributes = cookie(answer.header("Set-Cookie"))
    assert (pair.startswith("name="), attributes) == (True, {"path": "/"})
