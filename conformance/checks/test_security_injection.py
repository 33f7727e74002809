"""What a client puts into a response by what the application hands on: fields, markup, files."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from conformance.checks.probes import (
    CLOSE,
    NEXT,
    alive,
    exchange,
    first,
    mark_of,
    read_json,
    request,
    says_close,
)
from conformance.clauses import Source, clause, flask, pep3333, rfc9110, werkzeug
from conformance.client import ConnectionClosed, Response, Wire
from conformance.client.http import Client

MARKUP = "<script>alert(1)</script>"
INJECTED = "a\r\nX-Injected: 1\r\nSet-Cookie: injected=1"

HEADERS = werkzeug("datastructures", "werkzeug.datastructures.Headers")
SCRIPTING = flask("web-security", "Cross-Site Scripting (XSS)")
SET_COOKIE = flask("api", "flask.Response.set_cookie")
FILES = flask("api", "flask.send_from_directory")
PATH_INFO = Source(
    "RFC 3875", "section 4.1.5", "https://www.rfc-editor.org/rfc/rfc3875.html#section-4.1.5"
)


def nothing_injected(responses: list[Response]) -> None:
    """There is one response, and behind it that to the next request or nothing; none is injected.

    The client reads by the letter: a CR, LF or NUL that got through has failed the check already.
    A page that says what was wrong, and quotes it, is no injection.
    """
    for response in responses:
        names = [name.lower() for name, _ in response.fields]
        assert "x-injected" not in names, response.describe()
        # Text that was kept inside a value, its line ends replaced by spaces, sets nothing.
        assert not any(value.startswith("injected") for value in response.all("Set-Cookie"))
        assert not response.body.startswith(b"injected")
    assert [mark_of(response) for response in responses[1:]] in ([], ["next"])


@clause("security/splitting", "must", rfc9110("2.2"))
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.replace("/", "."))
        for path in (
            "head/value",
            "head/value-lf",
            "head/value-cr",
            "head/value-nul",
            "head/value-wide",
            "head/name",
            "head/reason",
            "head/location",
            "head/cookie",
            "head/content-type",
            "replaced/value",
            "first-step/value",
        )
    ],
)
def test_splitting(wire: Wire, path: str) -> None:
    """A line end in what the application gives for the head puts no field and no response there.

    The next request on the connection gets its own answer or none. How the server deals with such
    an application is open; a sender must not send what is no head of one response.
    """
    found: list[Response] = []
    with wire.connect() as connection:
        connection.send(request(f"GET /security/wsgi/{path} HTTP/1.1") + NEXT)
        try:
            while connection.more():
                found.append(connection.receive())
                if says_close(found[-1]):
                    connection.shutdown_write()
        except ConnectionClosed:
            # A server may close when the application has failed, be it that the next answer has
            # begun by then.
            if not found:
                raise
    nothing_injected(found)
    alive(wire)


@clause("security/injection/refused", "agreement", HEADERS)
@pytest.mark.parametrize(
    ("route", "line_end"),
    [
        pytest.param("header", "\r\n", id="set"),
        pytest.param("header", "\n", id="lf"),
        pytest.param("header", "\r", id="cr"),
        pytest.param("header-added", "\r\n", id="added"),
        pytest.param("header-in-tuple", "\r\n", id="in-tuple"),
        pytest.param("location", "\r\n", id="location"),
    ],
)
def test_refused(client: Client, route: str, line_end: str) -> None:
    """A header value with a line end is a mistake that the framework refuses, which makes a 500.

    That it is refused, and not encoded, is written down for neither Flask nor Werkzeug.
    """
    text = INJECTED.replace("\r\n", line_end)
    answer = client.get(f"/security/inject/{route}?text={quote(text)}")
    assert answer.status_code == 500
    nothing_injected([answer.wire])


@clause("security/injection/harmless", "must", rfc9110("2.2"))
@pytest.mark.parametrize("route", ["content-type", "cookie-value", "download-name", "status"])
def test_harmless(wire: Wire, route: str) -> None:
    """Text of a client's with a line end, wherever a view puts it in a response, adds no field.

    Refused or escaped: both are safe.
    """
    text = quote(INJECTED if route != "status" else f"200 {INJECTED}")
    found = exchange(wire, request(f"GET /security/inject/{route}?text={text} HTTP/1.1"), NEXT)
    response = first(found)
    assert response.status in (200, 500), response.describe()
    for value in response.all("Set-Cookie"):
        assert value.startswith("value="), value
    names = [name.lower() for name, _ in response.fields]
    assert "x-injected" not in names
    alive(wire)
    assert [mark_of(answer) for answer in found[1:]] in ([], ["next"])


#: Seconds that an answer has before the client ends its side.
PATIENCE_S = 2.0


def everything(wire: Wire, data: bytes) -> bytes:
    """All that comes on a connection: the answer may be cut off, or for a client of HTTP/0.9."""
    with wire.connect() as connection:
        connection.send(data)
        # The end of this side makes some drop what they had to answer; others wait for it.
        connection.reacted(PATIENCE_S)
        connection.shutdown_write()
        received = connection.receive_end()
    alive(wire)
    return received


# Markup


@clause("security/markup/escaped", "contract", SCRIPTING)
@pytest.mark.parametrize(
    ("route", "statuses", "expected"),
    [
        pytest.param("description", (400,), "&lt;script&gt;", id="description"),
        pytest.param("template", (200,), "&lt;script&gt;", id="template"),
        pytest.param("script", (200,), "\\u003cscript\\u003e", id="in-a-script"),
    ],
)
def test_escaped(client: Client, route: str, statuses: tuple[int, ...], expected: str) -> None:
    """What a client sent is text in a page and no markup: in an error's, and in a template's."""
    answer = client.get(f"/security/markup/{route}?text={quote(MARKUP)}")
    assert answer.status_code in statuses
    assert MARKUP not in answer.text
    assert expected in answer.text


@clause("security/markup/redirect", "agreement", SCRIPTING)
def test_escaped_redirect(client: Client) -> None:
    """The page of a redirect, which few ever see, has its target as text as well.

    That templates escape is documented; what `redirect` does is not.
    """
    answer = client.get(f"/security/markup/redirect?text={quote('/?' + MARKUP)}")
    assert answer.status_code == 302
    assert answer.header("Location").startswith("/?")
    assert MARKUP not in answer.text


@clause("security/markup/not-reflected", "agreement", rfc9110("17"))
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request(f"GET /no/{MARKUP} HTTP/1.1", CLOSE), id="target"),
        pytest.param(request(f"GET /no/{quote(MARKUP)} HTTP/1.1", CLOSE), id="path"),
        pytest.param(request(f"{MARKUP} / HTTP/1.1", CLOSE), id="method"),
        pytest.param(request(f"GET / {MARKUP}", CLOSE), id="version"),
        pytest.param(request("GET /no HTTP/1.1", CLOSE, host=MARKUP), id="host"),
        pytest.param(request("GET /no HTTP/1.1", CLOSE, MARKUP), id="field"),
    ],
)
def test_not_reflected(wire: Wire, data: bytes) -> None:
    """Markup in a request that is refused does not come back as markup in the page that says so."""
    received = everything(wire, data)
    if MARKUP.encode() in received:
        head = received.partition(b"\r\n\r\n")[0].lower()
        kind = re.search(rb"\ncontent-type:[ \t]*([^\r\n;]*)", head)
        assert kind is not None
        assert kind[1] in (b"text/plain", b"application/json"), received[:500]


# What is not for everybody


@clause("security/refusal/no-leak", "agreement", pep3333("Error Handling"))
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request("GET /wsgi/raise/in-call HTTP/1.1", CLOSE), id="in-call"),
        pytest.param(request("GET /wsgi/raise/first-block HTTP/1.1", CLOSE), id="first-block"),
        pytest.param(request("GET /a b HTTP/1.1", CLOSE), id="malformed"),
    ],
)
def test_no_leak(wire: Wire, data: bytes) -> None:
    """The server's own page for an error shows no traceback, no path and no line of the program."""
    text = everything(wire, data).decode("latin-1")
    leaks = ("Traceback", 'File "', "site-packages", "reference_app", ".py", "Failure")
    assert [leak for leak in leaks if leak in text] == []


@clause("security/trace", "should", rfc9110("9.3.8"))
def test_trace(wire: Wire, key: str) -> None:
    """TRACE, where it is answered, leaves out the fields that are secrets.

    A script may send TRACE and read the answer, which would have the cookie that is kept from it.
    """
    fields = [f"Cookie: session={key}", f"Authorization: Bearer {key}"]
    found = exchange(wire, request("TRACE /security/branch/ HTTP/1.1", *fields, CLOSE))
    alive(wire)
    for response in found:
        assert key.encode() not in response.body


@clause("security/server-field", "should", rfc9110("10.2.4"))
def test_server_field(wire: Wire) -> None:
    """`Server` does not tell the versions of what the server is made of, or where it runs."""
    response = first(exchange(wire, request("GET /security/branch/ HTTP/1.1", CLOSE)))
    assert (response.status, response.body) == (200, b"branch")
    text = " ".join(response.all("Server")).lower()
    words = ("python", "openssl", "linux", "debian", "ubuntu")
    assert [word for word in words if word in text] == []


@clause("security/cookie-prefixes", "contract", SET_COOKIE)
def test_cookie_prefixes(wire: Wire) -> None:
    """Cookies named `__Host-` and `__Secure-` come and go as they are, with their attributes.

    Browsers believe such a name only with the attributes that it stands for.
    """
    found = exchange(
        wire,
        request(
            "GET /security/cookies HTTP/1.1", "Cookie: __Host-id=sent; __Secure-id=as-well", CLOSE
        ),
    )
    response = first(found)
    assert response.status == 200
    assert read_json(response) == {"__Host-id": "sent", "__Secure-id": "as-well"}
    cookies = {}
    for line in response.all("Set-Cookie"):
        pair, *attributes = (part.strip() for part in line.split(";"))
        cookies[pair] = {attribute.lower() for attribute in attributes}
    assert cookies.get("__Host-id=1") == {"secure", "httponly", "path=/", "samesite=lax"}
    secure = cookies.get("__Secure-id=2", set())
    assert {"secure", "path=/security", "samesite=strict", "max-age=60"} <= secure


# Paths


OUTSIDE = b"what is outside"


@clause("security/path/not-outside", "contract", FILES)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("%2e%2e/outside.txt", id="encoded"),
        pytest.param("%252e%252e%252foutside.txt", id="encoded-twice"),
        pytest.param("..%5coutside.txt", id="backslash"),
        pytest.param("%c0%ae%c0%ae/outside.txt", id="overlong"),
        pytest.param("file.txt%00/../../outside.txt", id="nul"),
    ],
)
def test_not_outside(wire: Wire, name: str) -> None:
    """No way of writing a path leads out of the directory, and none makes the application fail."""
    inside = first(exchange(wire, request("GET /security/files/file.txt HTTP/1.1", CLOSE)))
    assert (inside.status, inside.body) == (200, b"what is inside")
    found = exchange(wire, request(f"GET /security/files/{name} HTTP/1.1", CLOSE))
    if not found:
        alive(wire)
    for response in found:
        assert OUTSIDE not in response.body
        assert 300 <= response.status < 500, response.describe()


@clause("security/path/literal", "may", PATH_INFO)
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        pytest.param("/a/%2e%2e/b", "/a/../b", id="encoded-dots"),
        pytest.param("/a%5c..%5cb", "/a\\..\\b", id="backslash"),
        pytest.param("/a%00b", "/a\x00b", id="nul"),
        pytest.param("/a/%c0%ae%c0%ae/b", "/a/\xc0\xae\xc0\xae/b", id="overlong"),
        pytest.param("/a%0d%0ab", "/a\r\nb", id="line-end"),
    ],
)
def test_literal(wire: Wire, sent: str, path: str) -> None:
    """What a path is decoded to arrives as it is, or the request is refused: nothing is resolved.

    A server that resolves it makes another path out of it than the one that was allowed in front.
    """
    found = exchange(wire, request(f"GET /wsgi/echo{sent} HTTP/1.1", CLOSE))
    alive(wire)
    for response in found:
        if not 400 <= response.status < 500:
            assert response.status == 200, response.describe()
            assert read_json(response)["path"] == f"/wsgi/echo{path}"
