"""PEP 3333, status and headers: they reach the client as the application gave them."""

from __future__ import annotations

import pytest

from conformance.checks.gateways import get
from conformance.clauses import clause, pep3333
from conformance.client import Wire

UNICODE = pep3333("Unicode Issues")
OTHER = pep3333("Other HTTP Features")


@clause("wsgi/status/kept", "should", OTHER)
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("201 Created", id="created"),
        pytest.param("299 Own Phrase, with: signs!", id="own-phrase"),
        pytest.param("404 Nothing Here", id="other-phrase"),
        pytest.param("418 I'm a teapot", id="teapot"),
        pytest.param("599 Beyond the List", id="unknown-code"),
        pytest.param("299 ", id="empty-phrase"),
        pytest.param("299 Caf\xe9 \xff", id="latin-1"),
        pytest.param("299 " + "A Long Phrase " * 20 + "Ends", id="long-phrase"),
    ],
)
def test_status(wire: Wire, line: str) -> None:
    """Code and reason phrase reach the client as the application gave them, known or not."""
    response = get(wire, "status", line=line)
    assert f"{response.status} {response.reason}" == line


@clause("wsgi/headers/repeated", "should", OTHER)
def test_headers_repeated(wire: Wire) -> None:
    """Fields of one name stay apart and in order: Set-Cookie cannot be joined by commas."""
    response = get(wire, "start-response/headers-kept")
    assert response.all("Set-Cookie") == [
        "a=1; Path=/",
        "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "c=3",
    ]
    assert [value.strip() for line in response.all("X-Order") for value in line.split(",")] == [
        "first",
        "second",
    ]


@clause("wsgi/headers/value", "should", OTHER)
def test_headers_value(wire: Wire) -> None:
    """A value reaches the client as it is: inner spaces and punctuation belong to it."""
    response = get(wire, "start-response/headers-kept")
    assert response.header("x-lower-case") == "Value With  two spaces, a comma; and more"


@clause("wsgi/headers/empty-value", "should", OTHER)
def test_headers_empty_value(wire: Wire) -> None:
    """A field with an empty value is sent: to some fields that means something."""
    assert get(wire, "start-response/headers-kept").header("X-Empty") == ""


@clause("wsgi/headers/latin-1", "must", UNICODE)
def test_headers_latin1(wire: Wire) -> None:
    """Characters up to U+00FF are sent as ISO-8859-1, one byte each, and not as UTF-8."""
    assert get(wire, "start-response/headers-kept").header("X-Latin") == "caf\xe9 \xff"


@clause("wsgi/headers/own-date", "should", OTHER)
def test_headers_own_date(wire: Wire) -> None:
    """A Date of the application's own, however it is spelt, is sent once: none is added."""
    assert get(wire, "start-response/own-date").all("Date") == ["Tue, 15 Nov 1994 08:12:31 GMT"]


@clause("wsgi/headers/own-server", "should", OTHER)
def test_headers_own_server(wire: Wire) -> None:
    """A Server field of the application's own is sent once: none is added."""
    assert get(wire, "start-response/own-date").all("Server") == ["the-application/1"]


@clause("wsgi/headers/many", "should", OTHER)
def test_headers_many(wire: Wire) -> None:
    """Fifty fields of different names arrive, each with its own value."""
    response = get(wire, "start-response/many-headers")
    assert {number: response.all(f"X-Number-{number}") for number in range(50)} == {
        number: [str(number)] for number in range(50)
    }


@clause("wsgi/headers/long-value", "should", OTHER)
def test_headers_long_value(wire: Wire) -> None:
    """A value of 1000 characters arrives whole: cookies and policies are as long as that."""
    assert get(wire, "start-response/many-headers").header("X-Long") == "0123456789" * 100


@clause("wsgi/headers/content-type-not-added", "should", OTHER)
def test_content_type_not_added(wire: Wire) -> None:
    """A response without Content-Type gets none: the server cannot know what the body is."""
    response = get(wire, "start-response/no-content-type")
    assert (response.status, response.body) == (200, b"bare")
    assert response.all("Content-Type") == []
