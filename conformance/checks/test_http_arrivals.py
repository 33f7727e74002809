"""HTTP/1.1 in time: heads that arrive in pieces, and the time that responses tell."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import CLOSE, in_pieces, read_json, request
from conformance.checks.test_http_connections import is_date
from conformance.clauses import clause, rfc9110, rfc9112
from conformance.client import Connection, PeerError, Response, Wire

#: A head with something of everything, and where the application finds that.
HEAD = request("DELETE /wsgi/environ/path%20of?query=text HTTP/1.1", "X-Value: some value", CLOSE)
KEYS = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL", "HTTP_X_VALUE")
#: Answers, and seconds between two, in which a clock that tells seconds has moved: three seconds.
_LOOKS = 30
_PAUSE_S = 0.1


def environ(response: Response) -> dict[str, str]:
    """What the application found of the head."""
    values = read_json(response)["values"]
    return {key: values[key]["value"] for key in KEYS}


@clause("http/arrival/cut", "must", rfc9112("2.2"))
@pytest.mark.parametrize(
    "before",
    [
        pytest.param(b"ELETE", id="method"),
        pytest.param(b"ath%20of", id="path"),
        pytest.param(b"0of", id="escape"),
        pytest.param(b"ery=text", id="query"),
        pytest.param(b"TP/1.1", id="protocol"),
        pytest.param(b"Value", id="field-name"),
        pytest.param(b"me value", id="field-value"),
    ],
)
def test_cut(wire: Wire, capabilities: Capabilities, before: bytes) -> None:
    """A head that arrives in two pieces is the same request, wherever it is cut.

    Parsers hand on what they have of a name or a value, and whoever calls them has to put it
    together. Long targets are cut like that by the size of packets.
    """
    cut = HEAD.index(before)
    found = in_pieces(wire, capabilities, HEAD[:cut], HEAD[cut:])
    assert len(found) == 1, found
    assert environ(found[0]) == environ(wire.exchange(HEAD))


def date_of(connection: Connection) -> str:
    """The Date of another response on this connection."""
    connection.request("GET", "/wsgi/status?line=200%20OK")
    date = connection.receive().header("Date")
    assert is_date(date), date
    return date


@clause("http/response/date-moves", "must", rfc9110("6.6.1"), requires=("keep-alive",))
def test_date_moves(wire: Wire) -> None:
    """Date is the time of each response, and not that of the first one on the connection.

    Caches reckon ages from it, and proxies keep their connections for hours.
    """
    with wire.connect() as connection:
        first = date_of(connection)
        for _ in range(_LOOKS):
            # A number of answers, and no time: one may be late on a busy machine.
            if (date := date_of(connection)) != first:
                break
            time.sleep(_PAUSE_S)
        else:
            raise PeerError(f"the Date is {first} in all of {_LOOKS} answers")
    assert parsedate_to_datetime(date) > parsedate_to_datetime(first)
