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
