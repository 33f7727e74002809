"""PEP 3333, the environ: which keys there are, of which types, and what they hold of a request."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest

from conformance.checks.probes import (
    HOST,
    NEXT,
    answers,
    bodiless,
    mark_of,
    read_json,
    request,
    says_close,
)
from conformance.clauses import Source, clause, pep3333, rfc9110
from conformance.client import PeerError, Wire
from conformance.client.http import Found

VARIABLES = pep3333("environ Variables")
DETAILS = pep3333("Specification Details")
STREAMS = pep3333("Input and Error Streams")
UNICODE = pep3333("Unicode Issues")
RECONSTRUCTION = pep3333("URL Reconstruction")
CGI = Source("RFC 3875", "section 4.1", "https://www.rfc-editor.org/rfc/rfc3875.html#section-4.1")
CGI_FIELDS = Source(
    "RFC 3875", "section 4.1.18", "https://www.rfc-editor.org/rfc/rfc3875.html#section-4.1.18"
)

#: The variables that CGI or PEP 3333 define as text, where they are there.
TEXTS = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_USER",
    "AUTH_TYPE",
    "GATEWAY_INTERFACE",
    "SERVER_SOFTWARE",
    "wsgi.url_scheme",
)


#: The octets of a path but for control characters and the slash, and the characters they become.
EVERY_CHARACTER = "".join(
    chr(octet) for octet in (*range(0x20, 0x7F), *range(0x80, 0x100)) if chr(octet) != "/"
)
EVERY_OCTET = "".join(f"%{ord(character):02X}" for character in EVERY_CHARACTER)
#: Every character that the value of a field may have (RFC 9110 section 5.5).
EVERY_TEXT = "".join(chr(octet) for octet in (*range(0x21, 0x7F), *range(0x80, 0x100)))


def ask(wire: Wire, start: str, *fields: str | bytes, body: bytes = b"") -> dict[str, Any]:
    """What the application says of the environ that these bytes became."""
    data = request(start, *fields, "Connection: close", body=body)
    found: dict[str, Any] = read_json(wire.exchange(data))
    return found


def environ(wire: Wire, start: str, *fields: str | bytes, body: bytes = b"") -> dict[str, Any]:
    """The values of the environ that these bytes became, by their keys."""
    values = ask(wire, start, *fields, body=body)["values"]
    return Found({key: entry["value"] for key, entry in values.items()})


PLAIN = "GET /wsgi/environ HTTP/1.1"


@clause("wsgi/environ/dict", "must", DETAILS)
def test_dict(wire: Wire) -> None:
    """The environ is a builtin dict and no subclass, with keys of type str."""
    found = ask(wire, PLAIN)
    assert (found["type"], found["keys"]) == ("dict", ["str"])


@clause("wsgi/environ/own", "must", DETAILS)
def test_own(wire: Wire) -> None:
    """The application may change its environ in any way; the next request finds nothing of it."""
    for _ in range(5):
        assert read_json(wire.ask("GET", "/wsgi/environ-own")) == {
            "found": None,
            "path": "/changed",
        }


@clause("wsgi/environ/text-types", "must", VARIABLES)
def test_text_types(wire: Wire) -> None:
    """Every CGI variable and every HTTP_ variable is of type str, numbers included."""
    values = ask(
        wire,
        "POST /wsgi/environ?a=1 HTTP/1.1",
        "Content-Type: text/plain",
        "Content-Length: 2",
        body=b"ab",
    )["values"]
    texts = {key for key in values if key in TEXTS or key.startswith("HTTP_")}
    assert {key: values[key]["type"] for key in texts} == dict.fromkeys(texts, "str")


@clause("wsgi/environ/latin-1", "must", UNICODE)
def test_latin1_only(wire: Wire) -> None:
    """No string holds a character beyond U+00FF, whatever bytes the request is made of."""
    values = ask(wire, "GET /wsgi/environ/%E2%82%AC?%E2%82%AC HTTP/1.1", b"X-Euro: \xe2\x82\xac")[
        "values"
    ]
    beyond = {
        key: entry["value"]
        for key, entry in values.items()
        if entry["type"] == "str" and any(ord(character) > 255 for character in entry["value"])
    }
    assert beyond == {}


@clause("wsgi/environ/required", "must", VARIABLES)
@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param("REQUEST_METHOD", "str", "GET", id="request-method"),
        pytest.param("SERVER_PROTOCOL", "str", "HTTP/1.1", id="server-protocol"),
        pytest.param("wsgi.version", "tuple", [1, 0], id="wsgi-version"),
        pytest.param("wsgi.url_scheme", "str", "http", id="wsgi-url-scheme"),
        pytest.param("SERVER_NAME", "str", None, id="server-name"),
        pytest.param("SERVER_PORT", "str", None, id="server-port"),
    ],
)
def test_required(wire: Wire, name: str, kind: str, expected: object) -> None:
    """A variable that PEP 3333 requires is there, of its type, and not empty."""
    found = ask(wire, PLAIN)["values"].get(name)
    assert found is not None, f"{name} is missing"
    assert found["type"] == kind
    assert found["value"]
    if expected is not None:
        assert found["value"] == expected
    if name == "SERVER_PORT":
        assert found["value"].isdigit()
        assert int(found["value"]) < 65536


@clause("wsgi/environ/flags", "must", VARIABLES)
def test_flags(wire: Wire) -> None:
    """The three flags are there, and `wsgi.run_once` is false: this is no CGI process."""
    found = environ(wire, PLAIN)
    for name in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"):
        assert name in found, f"{name} is missing"
    assert not found["wsgi.run_once"]


@clause("wsgi/environ/input-methods", "must", STREAMS)
def test_input_methods(wire: Wire) -> None:
    """`wsgi.input` has every method that the table of PEP 3333 lists."""
    found = ask(wire, PLAIN)["streams"]["input"]
    assert found == ["read", "readline", "readlines", "__iter__"]


@clause("wsgi/environ/errors-methods", "must", STREAMS)
def test_errors_methods(wire: Wire) -> None:
    """`wsgi.errors` has every method that the table of PEP 3333 lists."""
    assert ask(wire, PLAIN)["streams"]["errors"] == ["flush", "write", "writelines"]


@clause("wsgi/environ/method", "must", VARIABLES)
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(method, id=method.lower())
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
    ],
)
def test_method(wire: Wire, method: str) -> None:
    """REQUEST_METHOD is the method as sent, for methods that HTML forms do not have as well."""
    found = environ(wire, f"{method} /wsgi/environ HTTP/1.1", "Content-Length: 0")
    assert found["REQUEST_METHOD"] == method


@clause("wsgi/environ/protocol-1.0", "must", VARIABLES)
def test_protocol(wire: Wire) -> None:
    """SERVER_PROTOCOL is the version of the request, although the server speaks a later one."""
    assert environ(wire, "GET /wsgi/environ HTTP/1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"


@clause("wsgi/environ/path", "must", VARIABLES)
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        pytest.param("/plain", "/plain", id="plain"),
        pytest.param("/a%20b", "/a b", id="decoded"),
        pytest.param("/%C3%BC", "/\xc3\xbc", id="utf-8-as-latin-1"),
        pytest.param("/%FF%80", "/\xff\x80", id="not-utf-8"),
        pytest.param("/a%3Fb%23", "/a?b#", id="delimiters"),
        pytest.param("/100%2525", "/100%25", id="decoded-once"),
        pytest.param("/a+b", "/a+b", id="plus"),
        pytest.param("/a;b=c,d", "/a;b=c,d", id="parameters"),
        pytest.param("/trailing/", "/trailing/", id="trailing-slash"),
        pytest.param(f"/{EVERY_OCTET}", f"/{EVERY_CHARACTER}", id="every-octet"),
    ],
)
def test_path(wire: Wire, sent: str, path: str) -> None:
    """SCRIPT_NAME and PATH_INFO make up the path, percent-decoded once, each byte one character."""
    found = environ(wire, f"GET /wsgi/environ{sent} HTTP/1.1")
    assert found.get("SCRIPT_NAME", "") + found["PATH_INFO"] == "/wsgi/environ" + path


@clause("wsgi/environ/path-slashes", "agreement", CGI)
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        pytest.param("/a//b", "/a//b", id="doubled"),
        pytest.param("/a%2Fb", "/a/b", id="encoded"),
        pytest.param("/a/./b", "/a/./b", id="dot"),
        pytest.param("/a/../b", "/a/../b", id="dot-dot"),
    ],
)
def test_path_slashes(wire: Wire, sent: str, path: str) -> None:
    """Segments reach the application as they were sent: nothing is resolved or merged on the way.

    Whether a server does decides whether a proxy in front and the application see the same path.
    """
    found = environ(wire, f"GET /wsgi/environ{sent} HTTP/1.1")
    assert found.get("SCRIPT_NAME", "") + found["PATH_INFO"] == "/wsgi/environ" + path


@clause("wsgi/environ/query", "must", VARIABLES)
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("a=1&b=2", id="plain"),
        pytest.param("a=%20%C3%BC+b", id="not-decoded"),
        pytest.param("a=1?b=2", id="question-mark"),
        pytest.param("a=/path/../x", id="slashes"),
        pytest.param("&&=;", id="no-pairs"),
        pytest.param("a=%ff%FF%2f%3D%26", id="case-of-escapes"),
    ],
)
def test_query(wire: Wire, query: str) -> None:
    """QUERY_STRING is what follows the first question mark, not decoded."""
    assert environ(wire, f"GET /wsgi/environ?{query} HTTP/1.1")["QUERY_STRING"] == query


@clause("wsgi/environ/query-absent", "must", VARIABLES)
@pytest.mark.parametrize("sent", [pytest.param("", id="none"), pytest.param("?", id="empty")])
def test_query_absent(wire: Wire, sent: str) -> None:
    """Without a query QUERY_STRING is empty or absent, and the path has no question mark."""
    found = environ(wire, f"GET /wsgi/environ{sent} HTTP/1.1")
    assert (found.get("QUERY_STRING", ""), found["PATH_INFO"]) == ("", "/wsgi/environ")


@clause("wsgi/environ/content-fields", "must", VARIABLES)
def test_content_fields(wire: Wire) -> None:
    """CONTENT_TYPE and CONTENT_LENGTH hold what the fields of the request said."""
    found = environ(
        wire,
        "POST /wsgi/environ HTTP/1.1",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Length: 3",
        body=b"abc",
    )
    assert found["CONTENT_TYPE"] == "text/plain; charset=utf-8"
    assert found["CONTENT_LENGTH"] == "3"


@clause("wsgi/environ/content-fields-absent", "must", VARIABLES)
def test_content_fields_absent(wire: Wire) -> None:
    """Without these fields the variables are absent or empty: no default is made up.

    Some servers say text/plain or 0 here, and an application cannot tell any more what it was sent.
    """
    found = environ(wire, PLAIN)
    assert (found.get("CONTENT_TYPE", ""), found.get("CONTENT_LENGTH", "")) == ("", "")


@clause("wsgi/environ/content-type-kept", "must", VARIABLES)
def test_content_type_kept(wire: Wire) -> None:
    """CONTENT_TYPE is the field as it was sent: the case and the quotes in it belong to it."""
    sent = 'Multipart/Form-Data; Boundary="a B;c=d"; x=Y'
    found = environ(
        wire,
        "POST /wsgi/environ HTTP/1.1",
        f"Content-Type: {sent}",
        "Content-Length: 2",
        body=b"ab",
    )
    assert found["CONTENT_TYPE"] == sent


@clause("wsgi/environ/content-length-zero", "must", VARIABLES)
def test_content_length_zero(wire: Wire) -> None:
    """A Content-Length of 0 is there as 0: it is not the same as none."""
    found = environ(wire, "POST /wsgi/environ HTTP/1.1", "Content-Length: 0")
    assert found.get("CONTENT_LENGTH") == "0"


@clause("wsgi/environ/content-fields-once", "should", CGI_FIELDS)
def test_content_fields_once(wire: Wire) -> None:
    """The two fields with variables of their own have no HTTP_ variables besides.

    Whoever changes a body on the way, middleware that unpacks it say, would change one and miss
    the other.
    """
    found = environ(
        wire,
        "POST /wsgi/environ HTTP/1.1",
        "Content-Type: text/plain",
        "Content-Length: 2",
        body=b"ab",
    )
    assert {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(found) == set()


@clause("wsgi/environ/missing-left-out", "should", VARIABLES)
def test_missing_left_out(wire: Wire) -> None:
    """Where nobody was authenticated, the variables that would name them are left out.

    An application that looks for REMOTE_USER would take what stands there for a user.
    """
    found = environ(wire, PLAIN)
    assert {"REMOTE_USER", "REMOTE_IDENT", "AUTH_TYPE"} & set(found) == set()


@clause("wsgi/environ/extension-names", "should", VARIABLES)
def test_extension_names(wire: Wire) -> None:
    """A server names variables of its own in lower case, with dots: they meet no CGI variable."""
    own = [name for name in environ(wire, PLAIN) if "." in name]
    assert "wsgi.version" in own
    assert [name for name in own if not re.fullmatch("[a-z0-9_]+([.][a-z0-9_]+)+", name)] == []


@clause("wsgi/environ/script-name", "must", VARIABLES)
def test_script_name(wire: Wire) -> None:
    """SCRIPT_NAME is empty or absent, or a path that begins with a slash and is more than that."""
    found = environ(wire, PLAIN)
    name = found.get("SCRIPT_NAME", "")
    assert isinstance(name, str)
    assert name == "" or (name.startswith("/") and name != "/"), name
    assert found["PATH_INFO"].startswith("/")


@clause("wsgi/environ/path-of-the-root", "must", VARIABLES)
def test_path_of_the_root(wire: Wire) -> None:
    """For `/` SCRIPT_NAME and PATH_INFO make up that slash, and no name of a file or an index."""
    found = environ(wire, "GET / HTTP/1.1", "X-Wsgi-Application: environ")
    assert found.get("SCRIPT_NAME", "") + found.get("PATH_INFO", "") == "/"


def url(wire: Wire, data: bytes) -> str:
    """The URL that the application has rebuilt of its environ."""
    response = wire.exchange(data)
    if response.status != 200:
        raise PeerError(f"expected 200, found {response.describe()}")
    return response.body.decode("latin-1")


@clause("wsgi/environ/url", "must", RECONSTRUCTION)
@pytest.mark.parametrize(
    ("target", "host"),
    [
        pytest.param("/wsgi/url", HOST, id="name"),
        pytest.param("/wsgi/url", f"{HOST}:8080", id="port"),
        pytest.param("/wsgi/url", "[2001:db8::1]:8080", id="ipv6"),
        pytest.param("/wsgi/url?a=%20b&c=d/e?f", HOST, id="query"),
        pytest.param("/wsgi/url/caf%C3%A9%20%25%3F", HOST, id="escapes"),
        pytest.param("/wsgi/url/", HOST, id="trailing-slash"),
    ],
)
def test_url(wire: Wire, target: str, host: str) -> None:
    """The algorithm of PEP 3333 gives the URL that was asked for: redirects are built by it."""
    data = request(f"GET {target} HTTP/1.1", "Connection: close", host=host)
    assert url(wire, data) == f"http://{host}{target}"


@clause("wsgi/environ/url-without-host", "must", RECONSTRUCTION)
def test_url_without_host(wire: Wire) -> None:
    """Without a Host, which HTTP/1.0 allows, SERVER_NAME and SERVER_PORT make up for it."""
    found = url(wire, request("GET /wsgi/url?a=b HTTP/1.0", host=None))
    try:
        parts = urlsplit(found)
        name, port = parts.hostname, parts.port
    except ValueError:
        raise PeerError(f"expected a URL, found {found!r}") from None
    assert (parts.scheme, parts.path, parts.query) == ("http", "/wsgi/url", "a=b"), found
    assert name, found
    assert port is None or port > 0, found


@clause("wsgi/environ/changed", "must", DETAILS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=change)
        for change in ("cleared", "method", "protocol", "content-length", "input", "connection")
    ],
)
def test_changed(wire: Wire, change: str) -> None:
    """Whatever the application does to its environ, the server answers the request that was sent.

    Middleware changes methods, paths and streams. A server that looks there for its own purposes
    answers another request than the client made; the next one on the connection shows it as well.
    """
    with wire.connect() as connection:
        connection.request("POST", f"/wsgi/environ-changed?change={change}", body=b"body")
        response = connection.receive("POST")
        connection.send(NEXT)
        if says_close(response):
            connection.shutdown_write()
        following = answers(connection)
    assert (response.status, response.body) == (200, b"one;two;")
    assert [mark_of(answer) for answer in following] in ([], ["next"])


@clause("wsgi/environ/changed-head", "must", DETAILS)
def test_changed_head(wire: Wire) -> None:
    """For HEAD no body is sent although the application has made GET of it, as frameworks do."""
    response = bodiless(wire, "HEAD", "/wsgi/environ-changed?change=method-of-head")
    assert response.status == 200


@clause("wsgi/environ/header", "must", VARIABLES)
@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        pytest.param("X-Custom: value", "HTTP_X_CUSTOM", "value", id="name"),
        pytest.param("x-CuStOm: value", "HTTP_X_CUSTOM", "value", id="name-without-case"),
        pytest.param("X-Space: \t a b \t", "HTTP_X_SPACE", "a b", id="whitespace-around"),
        pytest.param("X-Space:tight", "HTTP_X_SPACE", "tight", id="no-whitespace"),
        pytest.param("X-Colon: a:b: c", "HTTP_X_COLON", "a:b: c", id="colons"),
        pytest.param("X-Quote: \"a, b\"; q='1'", "HTTP_X_QUOTE", "\"a, b\"; q='1'", id="quotes"),
        pytest.param("X-Latin: caf\xe9\xff", "HTTP_X_LATIN", "caf\xe9\xff", id="latin-1"),
        pytest.param("X-Digits9: 1", "HTTP_X_DIGITS9", "1", id="digits-in-name"),
        pytest.param(f"X-Every: {EVERY_TEXT}", "HTTP_X_EVERY", EVERY_TEXT, id="every-character"),
    ],
)
def test_header(wire: Wire, field: str, name: str, value: str) -> None:
    """A field of the request is an HTTP_ variable: value trimmed, otherwise unchanged."""
    assert environ(wire, PLAIN, field).get(name) == value


@clause("wsgi/environ/header-absent", "should", VARIABLES)
def test_header_absent(wire: Wire) -> None:
    """A field that was not sent is not there: only Host and Connection were."""
    names = {key for key in environ(wire, PLAIN) if key.startswith("HTTP_")}
    assert names <= {"HTTP_HOST", "HTTP_CONNECTION"}


@clause("wsgi/environ/header-empty", "must", VARIABLES)
def test_header_empty(wire: Wire) -> None:
    """A field with an empty value is an empty string, or left out as PEP 3333 lets a server do."""
    assert environ(wire, PLAIN, "X-Empty:", "X-Next: 1").get("HTTP_X_EMPTY", "") == ""


@clause("wsgi/environ/header-repeated", "may", rfc9110("5.3"))
def test_header_repeated(wire: Wire) -> None:
    """Fields of one name become one value, in order, joined by commas: none of them is lost.

    The environ has one place for a name. That lines may be joined is what RFC 9110 allows; to drop
    all but one changes what the request says.
    """
    found = environ(wire, PLAIN, "X-List: a", "X-Other: x", "X-List: b, c")["HTTP_X_LIST"]
    assert [part.strip() for part in found.split(",")] == ["a", "b", "c"]


@clause("wsgi/environ/host", "must", RECONSTRUCTION)
def test_host(wire: Wire) -> None:
    """HTTP_HOST is the Host of the request, from which applications build their URLs."""
    assert environ(wire, PLAIN)["HTTP_HOST"] == HOST


@clause("wsgi/environ/remote-address", "should", VARIABLES)
def test_remote_address(wire: Wire) -> None:
    """REMOTE_ADDR is the client's address: an applicable CGI variable, which logs depend on."""
    address = environ(wire, PLAIN).get("REMOTE_ADDR", "")
    try:
        ip_address(address)
    except ValueError:
        raise PeerError(f"expected an IP address, found {address!r}") from None


@clause("wsgi/environ/head", "must", VARIABLES)
def test_head(wire: Wire) -> None:
    """HEAD reaches the application as HEAD, so that it can leave out the work for a body."""
    assert wire.ask("HEAD", "/wsgi/method").header("X-Method") == "HEAD"
