"""PEP 3333, the environ: where its values come from, and what becomes of what fits in badly."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.acts.variables import VARIABLES, Variables
from conformance.checks.bodies import refused
from conformance.checks.probes import CLOSE, read_json, request
from conformance.clauses import Source, clause, pep3333
from conformance.client import Response, Wire

ENVIRON = pep3333("environ Variables")
UNICODE = pep3333("Unicode Issues")
COOKIES = Source(
    "RFC 6265", "section 5.4", "https://www.rfc-editor.org/rfc/rfc6265.html#section-5.4"
)


def value(response: Response, key: str) -> Any:
    """The value that the environ had for a key, None if it had none."""
    entry = read_json(response)["values"].get(key)
    return None if entry is None else entry["value"]


@clause("wsgi/environ/of-the-request", "must", ENVIRON, requires=("control",))
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param("QUERY_STRING", "of=the-request", id="query"),
        pytest.param("CONTENT_TYPE", "of/the-request", id="content-type"),
        pytest.param("HTTP_X_VALUE", "of-the-request", id="field"),
    ],
)
def test_of_the_request(variables: Variables, key: str, expected: str) -> None:
    """What a request says is in its environ, also where the process has a variable of that name.

    The environ may hold the variables of the process as well, but not in place of the request's.
    """
    assert value(variables.full, key) == expected


@clause("wsgi/environ/of-the-connection", "must", ENVIRON, requires=("control",))
def test_of_the_connection(variables: Variables) -> None:
    """SERVER_PORT and REMOTE_ADDR are the connection's, also where the process has such variables.

    Containers have them where a service of their cluster is called `server`.
    """
    assert str(value(variables.bare, "SERVER_PORT")).isdecimal()
    assert value(variables.bare, "REMOTE_ADDR") != VARIABLES["REMOTE_ADDR"]


@clause("wsgi/environ/not-of-the-process", "should", ENVIRON, requires=("control",))
@pytest.mark.parametrize(
    "key",
    [
        pytest.param("QUERY_STRING", id="query"),
        pytest.param("CONTENT_TYPE", id="content-type"),
        pytest.param("HTTP_X_VALUE", id="field"),
    ],
)
def test_not_of_the_process(variables: Variables, key: str) -> None:
    """What a request does not say is not said for it where the process has a variable of that name.

    Presence or absence of an HTTP_ variable corresponds with that of the field in the request.
    """
    assert value(variables.bare, key) != VARIABLES[key]


@clause("wsgi/environ/query-not-ascii", "must", UNICODE)
def test_query_not_ascii(wire: Wire) -> None:
    """Bytes beyond ASCII in a query, which some clients do not escape, are decoded as latin-1.

    They are no part of a query by its grammar, so that the request may also be refused, or the
    escapes be made up for.
    """
    data = request("GET /wsgi/environ?\xe2\x82\xac HTTP/1.1", CLOSE)
    response = wire.exchange(data)
    if response.status != 200:
        refused(response, 400)
    else:
        found = value(response, "QUERY_STRING")
        assert found in ("\xe2\x82\xac", "%E2%82%AC", "%e2%82%ac"), ascii(found)


@clause("wsgi/environ/cookie-repeated", "agreement", COOKIES)
def test_cookie_repeated(wire: Wire) -> None:
    """Two Cookie fields are joined by a semicolon, as the cookies in one are, or refused.

    User agents must not send two, but proxies that come from HTTP/2 do. Joined by a comma, as other
    fields are, the second cookie becomes a part of the value of the first.
    """
    response = wire.exchange(
        request("GET /wsgi/environ HTTP/1.1", "Cookie: a=1", "Cookie: b=2", CLOSE)
    )
    if response.status != 200:
        refused(response, 400)
    else:
        found = str(value(response, "HTTP_COOKIE"))
        assert [pair.strip() for pair in found.split(";")] == ["a=1", "b=2"], found
