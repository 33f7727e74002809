"""Responses: conditional requests (RFC 9110 section 13), which a view answers by one call."""

from __future__ import annotations

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import bodiless
from conformance.clauses import clause, flask, rfc9110
from conformance.client import Wire
from conformance.client.http import Client

PATH = "/response/conditional"
BODY = b"the representation"
MODIFIED = "Thu, 29 Feb 2024 12:30:15 GMT"
BEFORE = "Thu, 29 Feb 2024 12:30:14 GMT"
AFTER = "Fri, 01 Mar 2024 00:00:00 GMT"
IF_NONE_MATCH = rfc9110("13.1.2")
IF_MODIFIED_SINCE = rfc9110("13.1.3")


def ask(client: Client, fields: dict[str, str], query: str = "", method: str = "GET") -> int:
    """The status for a conditional request, whose answer is the representation or has no body."""
    answer = client.request(method, PATH + query, headers=fields)
    assert answer.header("ETag") in ('"v1"', 'W/"v1"')
    assert answer.content == (BODY if answer.status_code == 200 else b"")
    return answer.status_code


@clause("response/conditional/etag", "must", IF_NONE_MATCH)
@pytest.mark.parametrize(
    "tags",
    [
        pytest.param('"v1"', id="strong"),
        pytest.param('W/"v1"', id="weak"),
        pytest.param('"v0", "a,b", W/"v1"', id="list"),
        pytest.param("*", id="any"),
    ],
)
def test_etag(client: Client, tags: str) -> None:
    """If-None-Match with the entity tag of the representation is answered with 304.

    The comparison is weak: a tag matches whether it is marked as weak or not.
    """
    assert ask(client, {"If-None-Match": tags}) == 304
    # The same request without the condition, and with one that does not match.
    assert ask(client, {}) == 200
    assert ask(client, {"If-None-Match": '"v2", "v"'}) == 200


@clause("response/conditional/etag/weak-of-its-own", "must", IF_NONE_MATCH)
def test_etag_weak(client: Client) -> None:
    """A weak entity tag of the representation matches as well."""
    assert ask(client, {"If-None-Match": 'W/"v1"'}, "?weak=yes") == 304
    assert ask(client, {"If-None-Match": '"v1"'}, "?weak=yes") == 304
    assert ask(client, {"If-None-Match": 'W/"v2"'}, "?weak=yes") == 200


@clause("response/conditional/etag-before-date", "must", IF_MODIFIED_SINCE)
def test_etag_before_date(client: Client) -> None:
    """With If-None-Match there, If-Modified-Since is not looked at: a tag is more exact."""
    assert ask(client, {"If-None-Match": '"v0"', "If-Modified-Since": MODIFIED}) == 200
    assert ask(client, {"If-None-Match": '"v1"', "If-Modified-Since": BEFORE}) == 304


@clause("response/conditional/date", "should", IF_MODIFIED_SINCE)
@pytest.mark.parametrize(
    ("date", "status"),
    [
        pytest.param(MODIFIED, 304, id="same"),
        pytest.param(AFTER, 304, id="later"),
        pytest.param(BEFORE, 200, id="earlier"),
        pytest.param("Thursday, 29-Feb-24 12:30:15 GMT", 304, id="obsolete-format"),
    ],
)
def test_date(client: Client, date: str, status: int) -> None:
    """If-Modified-Since is answered with 304 unless the representation is newer, to the second."""
    assert ask(client, {"If-Modified-Since": date}) == status


@clause("response/conditional/date/invalid", "must", IF_MODIFIED_SINCE)
def test_date_invalid(client: Client) -> None:
    """An If-Modified-Since that is no date is ignored."""
    for date in ("yesterday", "Thu, 99 Feb 2024 12:30:15 GMT", "1709209815"):
        assert ask(client, {"If-Modified-Since": date}) == 200


@clause("response/conditional/date/post", "must", IF_MODIFIED_SINCE)
def test_date_post(client: Client) -> None:
    """If-Modified-Since means nothing to a method other than GET and HEAD."""
    assert ask(client, {"If-Modified-Since": AFTER}, method="POST") == 200


@clause("response/conditional/if-match", "must", rfc9110("13.1.1"))
def test_if_match(client: Client) -> None:
    """If-Match with another entity tag is answered with 412, with that of the representation not.

    The comparison is strong, so a weak tag does not match.
    """
    assert client.get(PATH, headers={"If-Match": '"v0", "v2"'}).status_code == 412
    assert client.get(PATH, headers={"If-Match": 'W/"v1"'}).status_code == 412
    assert ask(client, {"If-Match": '"v0", "v1"'}) == 200


@clause("response/conditional/head", "must", IF_NONE_MATCH)
def test_head(client: Client) -> None:
    """HEAD is conditional like GET."""
    answer = client.head(PATH, headers={"If-None-Match": '"v1"'})
    assert (answer.status_code, answer.header("ETag")) == (304, '"v1"')
    assert client.head(PATH, headers={"If-None-Match": '"v2"'}).status_code == 200


@clause("response/conditional/not-modified-fields", "must", rfc9110("15.4.5"))
def test_fields(client: Client) -> None:
    """304 has those fields of the 200 that a cache updates what it stored by."""
    of_200 = client.get(PATH)
    of_304 = client.get(PATH, headers={"If-None-Match": '"v1"'})
    assert (of_200.status_code, of_304.status_code) == (200, 304)
    for name in ("Cache-Control", "Content-Location", "ETag", "Expires", "Vary"):
        assert of_304.header(name) == of_200.header(name)
    assert of_304.wire.all("Date")


@clause("response/conditional/not-modified-body", "must", rfc9110("15.4.5"))
def test_body(wire: Wire, capabilities: Capabilities) -> None:
    """304 ends with its header section: the next response on the connection is in step."""
    with wire.connect() as connection:
        connection.request("GET", PATH, [("If-None-Match", '"v1"')])
        response = connection.receive()
        assert response.status == 304, response.describe()
        # 304 may tell the length of the 200, and no other.
        assert response.all("Content-Length") in ([], [str(len(BODY))])
        closing = "close" in ",".join(response.all("Connection")).lower()
        if response.version == "1.0" or closing or not capabilities.keep_alive:
            connection.shutdown_write()
            connection.assert_closed()
        else:
            connection.assert_usable()
    assert bodiless(wire, "HEAD", PATH).status == 200


@clause("response/conditional/static", "contract", flask("api", "flask.send_from_directory"))
def test_static(client: Client) -> None:
    """A static file has an entity tag and a date, and each of them is a condition for a 304."""
    first = client.get("/static/style.css")
    assert first.status_code == 200
    tag, date = first.header("ETag"), first.header("Last-Modified")
    for fields in ({"If-None-Match": tag}, {"If-Modified-Since": date}):
        answer = client.get("/static/style.css", headers=fields)
        assert (answer.status_code, answer.content) == (304, b"")
    for fields in (
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Mon, 01 Jan 1990 00:00:00 GMT"},
    ):
        answer = client.get("/static/style.css", headers=fields)
        assert (answer.status_code, answer.content) == (200, first.content)
