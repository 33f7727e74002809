"""Responses: what a view may return, what it says in fields, and what of that a client gets."""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import quote

import pytest

from conformance.checks.probes import bodiless
from conformance.clauses import clause, flask, pep3333, rfc9110, werkzeug
from conformance.client import Wire
from conformance.client.http import Client

ABOUT = flask("quickstart", "About Responses")
MAKE_RESPONSE = flask("api", "flask.Flask.make_response")
HTML = "text/html; charset=utf-8"
JSON = "application/json"
#: More bytes than characters, of two, three and four bytes each.
TEXT = "Gr\xfc\xdfe, \u65e5\u672c, \U0001f600"


def media_type(value: str) -> str:
    """A Content-Type in one spelling: case and the space before a parameter say nothing."""
    return value.replace("; ", ";").lower()


# What a view returns


@clause("response/body", "contract", ABOUT)
@pytest.mark.parametrize(
    ("kind", "content_type", "body"),
    [
        pytest.param("str", HTML, TEXT.encode(), id="str"),
        pytest.param("bytes", HTML, b"\x00\xff\r\n\r\nbytes", id="bytes"),
        pytest.param("empty", HTML, b"", id="empty"),
        pytest.param("generator-of-text", HTML, "Gr\xfc\xdfe, \u65e5\u672c".encode(), id="text"),
        pytest.param("generator-of-bytes", HTML, b"one;two;\xff", id="generator"),
        pytest.param("iterator", HTML, b"one;two;", id="iterator"),
    ],
)
def test_body(client: Client, kind: str, content_type: str, body: bytes) -> None:
    """A view's text, bytes, or pieces of either are the body: text in UTF-8, by default HTML."""
    answer = client.get(f"/response/body/{kind}")
    assert (answer.status_code, answer.content) == (200, body)
    assert media_type(answer.header("Content-Type")) == media_type(content_type)
    # Told or not, it is in bytes: a length in characters would cut the text short.
    assert answer.wire.all("Content-Length") in ([], [str(len(body))])


@clause("response/json", "contract", flask("quickstart", "APIs with JSON"))
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(
            "dict",
            {"text": TEXT, "none": None, "nested": {"list": [1, 2.5, True]}},
            id="dict",
        ),
        pytest.param("list", [1, "two", {"three": 3}], id="list"),
    ],
)
def test_json(client: Client, kind: str, value: Any) -> None:
    """A dict or a list that a view returns is sent as JSON."""
    answer = client.get(f"/response/body/{kind}")
    assert (answer.status_code, answer.header("Content-Type")) == (200, JSON)
    assert answer.json(shape=type(value)) == value


@clause("response/json/types", "contract", flask("api", "flask.json.provider.DefaultJSONProvider"))
def test_json_types(client: Client) -> None:
    """Dates are sent as HTTP dates, decimals and UUIDs as strings: what JSON has no types for."""
    assert client.get("/response/json-types").json() == {
        "datetime": "Thu, 29 Feb 2024 12:30:15 GMT",
        "date": "Thu, 29 Feb 2024 00:00:00 GMT",
        "decimal": "1.10",
        "uuid": "12345678-1234-5678-1234-567812345678",
        "text": "<&>'\u2028",
    }


@clause("response/object", "contract", ABOUT)
def test_object(client: Client) -> None:
    """A response object is sent as it is."""
    answer = client.get("/response/body/response")
    assert (answer.status_code, answer.content) == (207, b"as it is")
    assert answer.header("Content-Type").startswith("text/x-own")


@clause("response/object/made", "contract", flask("api", "flask.make_response"))
def test_object_made(client: Client) -> None:
    """`make_response` gives a view what it would have returned, to be changed before it is sent."""
    answer = client.get("/response/body/make-response")
    assert (answer.status_code, answer.content) == (202, TEXT.encode())
    assert answer.header("X-Made") == "yes"
    assert answer.header("Content-Type").startswith("text/plain")


@clause("response/object/body-replaced", "contract", flask("api", "flask.Response.set_data"))
def test_object_replaced(client: Client) -> None:
    """A body that is replaced by a longer one is sent whole: the length goes with it."""
    answer = client.get("/response/replaced")
    assert (answer.status_code, answer.content) == (200, (TEXT * 10).encode())


@clause("response/callable", "contract", MAKE_RESPONSE)
def test_callable(client: Client) -> None:
    """A view may return a WSGI callable: its status, fields and body are the response."""
    answer = client.get("/response/body/callable")
    assert (answer.status_code, answer.content) == (203, b"from a callable")
    assert answer.header("X-From") == "callable"
    assert answer.header("Content-Type") == "text/x-callable"


@clause("response/tuple", "contract", ABOUT)
@pytest.mark.parametrize(
    ("kind", "status", "fields"),
    [
        pytest.param("status", 202, {}, id="status"),
        pytest.param("status-line", 299, {}, id="status-line"),
        pytest.param("headers", 200, {"X-One": ["1"]}, id="headers"),
        pytest.param("header-pairs", 200, {"X-Several": ["1", "2"]}, id="pairs-of-one-name"),
        pytest.param("header-lists", 200, {"X-Several": ["1", "2"]}, id="lists-of-values"),
        pytest.param(
            "status-and-headers",
            201,
            {"X-One": ["1"], "Content-Type": ["text/x-both"]},
            id="status-and-headers",
        ),
        pytest.param(
            "response-and-more", 203, {"X-One": ["1"], "X-Kept": ["kept"]}, id="over-a-response"
        ),
        pytest.param("json-and-status", 201, {"Content-Type": [JSON]}, id="json"),
    ],
)
def test_tuple(client: Client, kind: str, status: int, fields: dict[str, list[str]]) -> None:
    """A tuple adds a status, fields, or both; they replace what the response had of its own."""
    answer = client.get(f"/response/body/{kind}")
    assert answer.status_code == status
    found = {
        name: [
            value.strip()
            for line in answer.wire.all(name)
            # A gateway may join the fields of one name, but none of their values is lost.
            for value in line.split(",")
        ]
        for name in fields
    }
    assert found == fields


@clause("response/status", "should", pep3333("Other HTTP Features"))
@pytest.mark.parametrize("code", [202, 299, 300, 402, 451, 499, 507])
def test_status(client: Client, code: int) -> None:
    """Any status code from 200 to 599 is one that an application may send, with a body."""
    answer = client.get(f"/response/status/{code}")
    assert (answer.status_code, answer.content) == (code, b"body")


# Content types and codings


@clause("response/content-type", "contract", werkzeug("wrappers", "werkzeug.wrappers.Response"))
@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        pytest.param("text", "text/csv; charset=utf-8", id="text"),
        pytest.param("binary", "image/png", id="binary"),
        pytest.param("own", "text/plain; charset=iso-8859-1", id="own-charset"),
    ],
)
def test_content_type(client: Client, name: str, content_type: str) -> None:
    """Text types get the charset, others get none, and a whole Content-Type stays what it is."""
    answer = client.get(f"/response/type/{name}")
    assert answer.status_code == 200
    assert media_type(answer.header("Content-Type")) == media_type(content_type)


@clause("response/encoded", "agreement", rfc9110("8.4"))
def test_encoded(client: Client) -> None:
    """A body that the application has compressed arrives as it is: neither opened nor done again.

    Even to a client that does not accept it: the application has decided.
    """
    for accepted in ("gzip", "identity"):
        answer = client.get("/response/encoded", headers={"Accept-Encoding": accepted})
        assert (answer.status_code, answer.header("Content-Encoding")) == (200, "gzip")
        assert answer.wire.body.startswith(b"\x1f\x8b"), "this is not compressed any more"
        try:
            opened = gzip.decompress(answer.wire.body)
        except (OSError, EOFError) as error:
            raise AssertionError(f"the compressed body arrived damaged: {error}") from error
        assert opened == b"".join(b"%07d\n" % number for number in range(512))


@clause("response/not-encoded", "agreement", rfc9110("8.4"))
def test_not_encoded(client: Client) -> None:
    """A body that the application did not compress is not compressed behind its back."""
    answer = client.get("/response/compressible", headers={"Accept-Encoding": "gzip, br, zstd"})
    assert (answer.status_code, answer.wire.all("Content-Encoding")) == (200, [])
    assert answer.wire.body == b"again and again, " * 2000


# Responses without a body


@clause("response/no-content", "must", rfc9110("8.6"))
def test_no_content(wire: Wire) -> None:
    """204 is sent without a body and without Content-Length, whatever the view returned."""
    for method in ("GET", "DELETE"):
        response = bodiless(wire, method, "/response/without-body/204")
        assert (response.status, response.all("Content-Length")) == (204, [])


@clause("response/not-modified", "must", rfc9110("15.4.5"))
def test_not_modified(wire: Wire) -> None:
    """304 is sent without a body, whatever the view returned."""
    assert bodiless(wire, "GET", "/response/without-body/304").status == 304


#: What may differ between two answers to the same request, or may be left out for HEAD because it
#: is known only once the content is made (RFC 9110 section 9.3.2).
OF_THE_MESSAGE = {"date", "connection", "keep-alive", "transfer-encoding", "content-length"}


def compared(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of the representation, in an order of their own."""
    named = [(name.lower(), value) for name, value in found]
    return sorted(field for field in named if field[0] not in OF_THE_MESSAGE)


@clause("response/head", "should", rfc9110("9.3.2"))
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/response/body/str", id="text"),
        pytest.param("/response/body/dict", id="json"),
        pytest.param("/response/redirect?to=/elsewhere", id="redirect"),
        pytest.param("/response/fields/challenge", id="challenge"),
        pytest.param("/response/stream/big", id="stream"),
        pytest.param("/response/file/small", id="file"),
        pytest.param("/static/page.html", id="static-file"),
    ],
)
def test_head(client: Client, path: str) -> None:
    """HEAD is answered like GET, with the same status and fields, and no body."""
    of_get, of_head = client.get(path), client.head(path)
    assert of_get.status_code < 404, of_get.wire.describe()
    assert of_get.header("Content-Type")
    assert of_head.status_code == of_get.status_code
    assert compared(of_head.wire.fields) == compared(of_get.wire.fields)


@clause("response/head/length", "must", rfc9110("8.6"))
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/response/body/str", id="text"),
        pytest.param("/response/stream/big", id="stream"),
        pytest.param("/response/stream/big?length=yes", id="stream-with-length"),
        pytest.param("/response/file/small", id="file"),
    ],
)
def test_head_length(client: Client, path: str) -> None:
    """A Content-Length in the answer to HEAD is that of GET, or there is none.

    The framework yields no body for HEAD. A server that counts what it was given says 0 for a
    stream, and a download tool takes the file for empty.
    """
    of_get, of_head = client.get(path), client.head(path)
    assert (of_get.status_code, of_head.status_code) == (200, 200)
    assert of_head.wire.all("Content-Length") in ([], [str(len(of_get.wire.body))])


# Redirects


@clause("response/redirect", "contract", flask("api", "flask.redirect"))
@pytest.mark.parametrize("code", [301, 302, 303, 305, 307, 308])
def test_redirect(client: Client, code: int) -> None:
    """`redirect` answers with the status it is told; a relative Location stays relative.

    The rest of the URL, its query and its fragment, is not touched either.
    """
    to = "/response/landed?a=1&b=%2Fx%20y&c=/z;d#part"
    answer = client.get(f"/response/redirect?code={code}&to={quote(to)}")
    assert (answer.status_code, answer.header("Location")) == (code, to)


@clause("response/redirect/elsewhere", "contract", flask("api", "flask.redirect"))
@pytest.mark.parametrize(
    "to",
    [
        pytest.param("https://other.test:8443/path?q=1", id="absolute"),
        pytest.param("//other.test/path", id="network-path"),
        pytest.param("sibling/../page", id="relative-path"),
        pytest.param("?page=2", id="query-only"),
    ],
)
def test_redirect_elsewhere(client: Client, to: str) -> None:
    """Every form of a URL reference is sent as it is: a server has no business resolving it."""
    answer = client.get(f"/response/redirect?to={quote(to)}")
    assert (answer.status_code, answer.header("Location")) == (302, to)


@clause("response/redirect/unicode", "must", rfc9110("10.2.2"))
def test_redirect_unicode(client: Client) -> None:
    """A Location with other characters is sent as a URI: in UTF-8, percent-encoded."""
    to = quote("/caf\xe9/\u65e5?q=\xfc")
    answer = client.get(f"/response/redirect?to={to}")
    location = answer.header("Location")
    assert (answer.status_code, location.upper()) == (302, "/CAF%C3%A9/%E6%97%A5?Q=%C3%BC".upper())


@clause("response/redirect/page-escaped", "agreement", flask("quickstart", "HTML Escaping"))
def test_redirect_escaped(client: Client) -> None:
    """The page of a redirect has its target escaped: a URL from outside adds no markup to it.

    That a view has to escape is documented; what `redirect` does is not.
    """
    to = quote('/"><script>alert(1)</script>')
    answer = client.get(f"/response/redirect?to={to}")
    assert answer.status_code == 302
    assert "<a href=" in answer.text
    assert "<script" not in answer.text.lower()
