"""What a client can make the application believe by the names of the fields that it sends.

CGI has one spelling for many names: `X-User`, `x_user` and `X_USER` are all HTTP_X_USER. A proxy
removes or sets the one that it knows; whoever merges the others under it undoes that.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from conformance.checks.probes import (
    CLOSE,
    HOST,
    NEXT,
    SMUGGLED,
    alive,
    exchange,
    first,
    mark_of,
    read_json,
    request,
)
from conformance.clauses import Source, clause, flask, pep3333, rfc9112
from conformance.client import Wire
from conformance.client.http import Client, Found

META_VARIABLES = Source(
    "RFC 3875", "section 4.1.18", "https://www.rfc-editor.org/rfc/rfc3875.html#section-4.1.18"
)
REMOTE_ADDR = Source(
    "RFC 3875", "section 4.1.8", "https://www.rfc-editor.org/rfc/rfc3875.html#section-4.1.8"
)
VARIABLES = pep3333("environ Variables")
UNIQUE_URLS = flask("quickstart", "Unique URLs / Redirection Behavior")
PROXIES = flask("deploying/proxy_fix")

LINE = "GET /wsgi/environ HTTP/1.1"


def environ(wire: Wire, *fields: str, line: str = LINE, body: bytes = b"") -> dict[str, Any] | None:
    """The environ of a request with these fields; None where the server refuses it with a 4xx."""
    response = first(exchange(wire, request(line, *fields, CLOSE, body=body)))
    if 400 <= response.status < 500:
        alive(wire)
        return None
    values = read_json(response)["values"]
    assert isinstance(values, dict)
    assert all(isinstance(entry, dict) for entry in values.values())
    return Found({name: entry["value"] for name, entry in values.items()})


@clause("security/underscore/not-merged", "agreement", META_VARIABLES)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["X_Forwarded_For: spoofed", "X-Forwarded-For: 192.0.2.1"], id="before"),
        pytest.param(["X-Forwarded-For: 192.0.2.1", "X_Forwarded_For: spoofed"], id="behind"),
        pytest.param(["X-Forwarded-For: 192.0.2.1", "X-Forwarded_For: spoofed"], id="mixed"),
    ],
)
def test_not_merged(wire: Wire, fields: list[str]) -> None:
    """A name with underscores does not replace, or add to, the field with hyphens that is there.

    The proxy in front has set the one with hyphens. A server may drop the other or refuse it.
    """
    found = environ(wire, *fields)
    if found is not None:
        # nginx adds the client's address behind, as a proxy does.
        assert "spoofed" not in str(found.get("HTTP_X_FORWARDED_FOR", ""))


@clause("security/underscore/alone", "agreement", META_VARIABLES)
@pytest.mark.parametrize("name", ["X_Remote_User", "X-Remote_User"], ids=["all", "one"])
def test_underscore_alone(wire: Wire, name: str) -> None:
    """A name with underscores alone does not stand for the one with hyphens.

    A proxy that removes `X-Remote-User` from what clients send leaves it through.
    """
    found = environ(wire, f"{name}: spoofed", "X-Beside: 1")
    if found is not None:
        assert found["HTTP_X_BESIDE"] == "1"
        assert found.get("HTTP_X_REMOTE_USER") != "spoofed"


@clause("security/underscore/content", "must", VARIABLES)
@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        pytest.param("Content_Length: 3", "CONTENT_LENGTH", "5", id="length"),
        pytest.param("Content_Type: text/html", "CONTENT_TYPE", "text/plain", id="type"),
    ],
)
def test_underscore_content(wire: Wire, field: str, name: str, value: str) -> None:
    """`Content_Length` and `Content_Type` are other fields, and leave those of the body alone."""
    found = environ(
        wire,
        "Content-Type: text/plain",
        "Content-Length: 5",
        field,
        line="POST /wsgi/environ HTTP/1.1",
        body=b"hello",
    )
    if found is not None:
        assert found.get(name) == value


@clause("security/underscore/framing", "must", rfc9112("6.3"))
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("Transfer_Encoding: chunked", b"0\r\n\r\n" + SMUGGLED, id="coding"),
        pytest.param("Content_Length: 5", b"hello" + SMUGGLED, id="length"),
    ],
)
def test_underscore_framing(wire: Wire, field: str, body: bytes) -> None:
    """`Transfer_Encoding` and `Content_Length` do not say where a body ends."""
    head = f"POST /wsgi/input?do=read:{len(body)} HTTP/1.1"
    found = exchange(wire, request(head, f"Content-Length: {len(body)}", field, body=body), NEXT)
    response = first(found)
    if 400 <= response.status < 500:
        alive(wire)
    else:
        steps = read_json(response, list)
        assert steps == [{"types": ["bytes"], "value": body.decode()}]
    assert [mark_of(answer) for answer in found[1:]] in ([], ["next"])


@clause("security/fields/own-variables", "must", VARIABLES)
@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{}", id="as-is"),
        pytest.param("Http-{}", id="prefixed"),
    ],
)
@pytest.mark.parametrize("separator", ["-", "_"], ids=["hyphen", "underscore"])
def test_own_variables(wire: Wire, template: str, separator: str) -> None:
    """No field of a client's becomes one of the variables that are the server's to set.

    A field may only become a variable that begins with HTTP_. Without the prefix a client is
    whoever it says (REMOTE_USER), and where (SCRIPT_NAME).
    """
    names = [
        *("REMOTE_USER", "AUTH_TYPE", "REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT"),
        *("SERVER_PROTOCOL", "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTPS"),
    ]
    fields = [f"{template.format(name.replace('_', separator))}: spoofed" for name in names]
    found = environ(wire, *fields)
    if found is not None:
        assert [name for name in names if "spoofed" in str(found.get(name))] == []


@clause("security/fields/wsgi-variables", "must", VARIABLES)
def test_wsgi_variables(wire: Wire) -> None:
    """No field replaces a variable of WSGI: a point is allowed in the name of a field."""
    fields = ["wsgi.url_scheme: https", "wsgi.multithread: spoofed", "wsgi-url-scheme: https"]
    found = environ(wire, *fields)
    if found is not None:
        assert found["wsgi.url_scheme"] == "http"
        assert isinstance(found["wsgi.multithread"], bool | int)


@clause("security/fields/process-environment", "agreement", META_VARIABLES)
def test_process_environment(client: Client, key: str) -> None:
    """What a client sends does not become the environment of the process.

    As it does in CGI, where the field `Proxy` is HTTP_PROXY, which libraries take for the proxy to
    go through. WSGI has a dictionary instead.
    """
    answer = client.get(
        f"/security/process-environment?text={key}", headers={"Proxy": key, "X-Value": key}
    )
    assert answer.json(shape=list) == []


@clause("security/address", "must", REMOTE_ADDR)
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("Forwarded: for=203.0.113.9", id="forwarded"),
        pytest.param("X-Real-IP: 203.0.113.9", id="real-ip"),
    ],
)
def test_address(wire: Wire, field: str) -> None:
    """REMOTE_ADDR is the address of the peer, whatever a field says that nobody vouches for."""
    found = environ(wire, field)
    assert found is not None
    # None is what a server behind a gateway has whose socket is not of the network.
    assert found.get("REMOTE_ADDR") != "203.0.113.9"
    assert found["wsgi.url_scheme"] == "http"


@clause("security/address/forwarded-for", "must", REMOTE_ADDR)
def test_forwarded_for(wire: Wire) -> None:
    """`X-Forwarded-For` is believed from a proxy on the same machine at most, which some look for.

    What then becomes REMOTE_ADDR is an address. From anybody else it is what a stranger says.
    """
    plain = environ(wire)
    found = environ(wire, "X-Forwarded-For: 203.0.113.9")
    assert plain is not None
    assert found is not None
    address = plain.get("REMOTE_ADDR") or "127.0.0.1"
    try:
        trusted = ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise AssertionError(f"REMOTE_ADDR is no address: {address!r}") from None
    allowed = [plain.get("REMOTE_ADDR"), *(["203.0.113.9"] if trusted else [])]
    assert found.get("REMOTE_ADDR") in allowed


@clause("security/scheme", "must", VARIABLES)
@pytest.mark.parametrize(
    "field",
    [
        pytest.param("Forwarded: proto=https", id="forwarded"),
        pytest.param("Front-End-Https: on", id="front-end-https"),
        pytest.param("Https: on", id="https"),
    ],
)
def test_scheme(wire: Wire, field: str) -> None:
    """`wsgi.url_scheme` is that of the connection, whatever a field says that nobody vouches for.

    An application that believes to be behind TLS sends what it must not send otherwise.
    """
    found = environ(wire, field)
    assert found is not None
    assert found["wsgi.url_scheme"] == "http"


@clause("security/forwarded-host", "contract", PROXIES)
def test_forwarded_host(wire: Wire) -> None:
    """An external URL has the host of `Host`: an application has to be told that there is a proxy.

    Otherwise the link in the mail for a new password is to wherever the client says.
    """
    fields = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Port: 666",
        "X-Original-Host: evil.example",
        "Forwarded: host=evil.example",
    ]
    found = read_json(first(exchange(wire, request("GET /security/url HTTP/1.1", *fields, CLOSE))))
    assert urlsplit(str(found["url"])).path == "/security/branch/"
    assert urlsplit(str(found["url"])).netloc == urlsplit(str(found["root"])).netloc == HOST


@clause("security/redirect-elsewhere", "agreement", UNIQUE_URLS)
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("//security/branch", id="two-slashes"),
        pytest.param("///security/branch", id="three-slashes"),
        pytest.param("/security//branch", id="inside"),
    ],
)
def test_redirect_elsewhere(wire: Wire, target: str) -> None:
    """A redirect for a slash stays on the host, however the path begins.

    `Location: //name/` is a link to another host. No text says so of redirects.
    """
    response = first(exchange(wire, request(f"GET {target} HTTP/1.1", CLOSE)))
    assert response.status in (301, 302, 307, 308, 400, 404), response.describe()
    alive(wire)
    if response.status < 400:
        reached = urljoin(f"http://{HOST}/", response.header("Location"))
        assert urlsplit(reached).netloc == HOST
