"""What of a head is misread, cut off or left out before the application sees it."""

from __future__ import annotations

import re

import pytest

from conformance.checks.heads import answer, environ_of
from conformance.checks.probes import CLOSE, HOST, request
from conformance.clauses import clause, pep3333, rfc9110
from conformance.client import Wire

VARIABLES = pep3333("environ Variables")
#: Names the application that answers, whatever the path is.
SHOW = "X-WSGI-Application: environ"


@clause("wsgi/environ/path-begins", "must", VARIABLES)
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("//name/b", id="two-slashes"),
        pytest.param("//name:80/b", id="two-slashes-port"),
        pytest.param("//name?a=1", id="two-slashes-query"),
        pytest.param("//user@name", id="two-slashes-user"),
        pytest.param("///name/b", id="three-slashes"),
        pytest.param("//", id="only-slashes"),
        pytest.param("/:80/b", id="colon"),
        pytest.param("/http://name/b", id="url"),
        pytest.param("/;a=1/b", id="parameter"),
    ],
)
def test_path_begins(wire: Wire, target: str) -> None:
    """No part of a path is taken for a host or a scheme, however the target begins: it all arrives.

    To a parser of references two slashes begin an authority; in the first line of a request they
    begin a path (RFC 9112 section 3.2.1). Whether slashes in a row are merged is for another check.
    """
    found = environ_of(answer(wire, request(f"GET {target} HTTP/1.1", SHOW, CLOSE)))
    path, _, query = target.partition("?")
    arrived = found.get("SCRIPT_NAME", "") + found["PATH_INFO"]
    assert re.sub("/+", "/", arrived) == re.sub("/+", "/", path), arrived
    assert (found.get("QUERY_STRING", ""), found.get("HTTP_HOST")) == (query, HOST)


@clause("wsgi/environ/header-ends", "should", rfc9110("5.5"))
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("\xa0value\xa0", id="no-break-space"),
        pytest.param("\x85value\x85", id="next-line"),
    ],
)
def test_header_ends(wire: Wire, value: str) -> None:
    """Only spaces and tabs are around a value; bytes beyond ASCII that begin or end it are its own.

    Functions for text know more white space than HTTP does. Whoever cuts it off lets a value pass
    for another one.
    """
    data = request("GET /wsgi/environ HTTP/1.1", b"X-Ends: " + value.encode("latin-1"), CLOSE)
    # Left out as a whole, as it may be, it passes for no other one.
    assert environ_of(answer(wire, data)).get("HTTP_X_ENDS") in (value, None)


@clause("wsgi/environ/forwarded", "agreement", VARIABLES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("X-Forwarded-For", "192.0.2.1", id="for"),
        pytest.param("X-Forwarded-Proto", "https", id="proto"),
        pytest.param("X-Forwarded-Host", "name.example", id="host"),
        pytest.param("Forwarded", "for=192.0.2.1", id="forwarded"),
    ],
)
def test_forwarded(wire: Wire, name: str, value: str) -> None:
    """What a proxy in front says of the client reaches the application, which may believe it.

    Middleware for that reads these fields. A server may leave a field out where it is a risk (RFC
    3875 section 4.1.18): then the middleware goes by the proxy's own address.
    """
    data = request("GET /wsgi/environ HTTP/1.1", f"{name}: {value}", CLOSE)
    found = environ_of(answer(wire, data)).get("HTTP_" + name.upper().replace("-", "_"))
    # A server in front may add what it knows itself.
    assert str(found).split(",")[0].strip() == value
