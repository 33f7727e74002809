"""Requests: their URL and where routing led, as a view finds them; and hosts that are trusted."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks.probes import HOST, read_json, request
from conformance.clauses import clause, flask
from conformance.client import Response, Wire
from conformance.client.http import Client

URL = flask("api", "flask.Request.url")
HOST_NAME = flask("api", "flask.Request.host")
TRUSTED_HOSTS = flask("config", "TRUSTED_HOSTS")
PROXY = flask("deploying/proxy_fix", "Tell Flask it is Behind a Proxy")


def get(wire: Wire, target: str, *fields: str, host: str | None = HOST) -> dict[str, Any]:
    """The JSON that answers a GET request."""
    data = request(f"GET {target} HTTP/1.1", *fields, "Connection: close", host=host)
    found: dict[str, Any] = read_json(wire.exchange(data))
    return found


@clause("request/url", "contract", URL)
def test_url(wire: Wire) -> None:
    """The URL of a request is put together of the host that the client named and its target."""
    names = "method/scheme/is_secure/host/host_url/root_url/url_root/script_root/root_path"
    assert get(wire, f"/request/show/{names}?a=1", host="shop.example:8443") == {
        "method": "GET",
        "scheme": "http",
        "is_secure": False,
        "host": "shop.example:8443",
        "host_url": "http://shop.example:8443/",
        "root_url": "http://shop.example:8443/",
        "url_root": "http://shop.example:8443/",
        "script_root": "",
        "root_path": "",
    }


UNDER = "http://shop.example/request/under"
TARGETS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": (
        "/a/b",
        {"path": "/a/b", "url": "/a/b", "base_url": "/a/b", "query_string": ""},
    ),
    "query": (
        "/a?b=1&c=%20+",
        {"path": "/a", "base_url": "/a", "full_path": "/a?b=1&c=%20+"},
    ),
    "question-mark-in-query": (
        "/a?b?c=/d",
        {"path": "/a", "url": "/a?b?c=/d", "base_url": "/a", "query_string": "b?c=/d"},
    ),
    "utf-8": (
        "/%C3%A4?b=%E2%82%AC",
        {
            "path": "/ä",
            "url": "/ä?b=€",
            "base_url": "/ä",
            "query_string": "b=%E2%82%AC",
        },
    ),
    "space": ("/a%20b", {"path": "/a b", "url": "/a%20b", "base_url": "/a%20b"}),
    "delimiters": (
        "/a:b@c;d=e,f+g",
        {"path": "/a:b@c;d=e,f+g", "url": "/a:b@c;d=e,f+g"},
    ),
    "escaped-question-mark": (
        "/a%3Fb?c",
        {"path": "/a?b", "url": "/a%3Fb?c", "base_url": "/a%3Fb", "query_string": "c"},
    ),
}


@clause("request/url/target", "contract", URL)
@pytest.mark.parametrize("row", TARGETS)
def test_url_target(wire: Wire, row: str) -> None:
    """Path and query are found apart and put together: the path decoded, the query as it came.

    The URL is one for people, in which UTF-8 is readable and what delimits stays escaped.
    """
    target, expected = TARGETS[row]
    found = get(wire, f"/request/under{target}", host="shop.example")
    prefixes = {"path": "/request/under", "full_path": "/request/under", "query_string": ""}
    assert {name: found[name] for name in expected} == {
        name: prefixes.get(name, UNDER) + value for name, value in expected.items()
    }


HOSTS = {
    "name": ("shop.example", "shop.example"),
    "usual-port": ("shop.example:80", "shop.example"),
    "other-port": ("shop.example:443", "shop.example:443"),
    "ipv4": ("192.0.2.1:8000", "192.0.2.1:8000"),
    "ipv6": ("[2001:db8::1]:8000", "[2001:db8::1]:8000"),
    "punycode": ("xn--bcher-kva.example", "xn--bcher-kva.example"),
}


@clause("request/host", "contract", HOST_NAME)
@pytest.mark.parametrize("row", HOSTS)
def test_host(wire: Wire, row: str) -> None:
    """The host is the one that the client named, with its port unless that is the usual one."""
    host, expected = HOSTS[row]
    assert get(wire, "/request/show/host", host=host) == {"host": expected}


@clause("request/forwarded-not-trusted", "contract", PROXY)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(("X-Forwarded-Host: evil.example", "X-Forwarded-Port: 8443"), id="host"),
        pytest.param(("Forwarded: host=evil.example",), id="forwarded"),
        pytest.param(("X-Forwarded-Prefix: /evil", "X-Script-Name: /evil"), id="prefix"),
        pytest.param(("X-Original-URL: /evil", "X-Rewrite-URL: /evil"), id="target"),
        pytest.param(("X-HTTP-Method-Override: DELETE",), id="method"),
    ],
)
def test_forwarded(wire: Wire, fields: tuple[str, ...]) -> None:
    """What a client says in the name of a proxy changes neither host, path nor method.

    An application trusts it where it is told so, and this one is not.
    """
    found = get(wire, "/request/show/url/script_root/path/method", *fields)
    path = "/request/show/url/script_root/path/method"
    assert found == {
        "url": f"http://{HOST}{path}",
        "script_root": "",
        "path": path,
        "method": "GET",
    }


@clause("request/remote-address", "contract", flask("api", "flask.Request.remote_addr"))
def test_remote_address(wire: Wire) -> None:
    """The address of the client is known, and the route to it is that address alone."""
    found = get(wire, "/request/show/remote_addr/access_route")
    assert isinstance(found["remote_addr"], str)
    assert found["remote_addr"]
    # Where a proxy stands before the server, the route is what the proxy says.
    assert isinstance(found["access_route"], list)
    assert found["access_route"]


@clause("request/matched", "contract", flask("api", "flask.Request.view_args"))
def test_matched(client: Client) -> None:
    """A view finds what matched: rule, endpoint, blueprint and arguments; hooks find it before."""
    arguments = {"number": 7, "word": "ä"}
    assert client.get("/request/matched/007/%C3%A4").json() == {
        "endpoint": "request.matched",
        "blueprint": "request",
        "blueprints": ["request"],
        "view_args": arguments,
        "arguments": arguments,
        "rule": "/request/matched/<int:number>/<word>",
        "before": ["request.matched", arguments],
    }


@clause("request/matched/nested-blueprint", "contract", flask("api", "flask.Request.blueprints"))
def test_matched_nested(client: Client) -> None:
    """In a blueprint within another, both are found, from the inside out."""
    found = client.get("/request/inner/matched").json()
    assert (found["endpoint"], found["blueprint"], found["blueprints"]) == (
        "request.inner.matched_within",
        "request.inner",
        ["request.inner", "request"],
    )
    assert (found["view_args"], found["rule"]) == ({}, "/request/inner/matched")


def from_trusted(wire: Wire, host: str) -> Response:
    """The response of the application that answers to some hosts only."""
    data = request("GET /request-trusted/show/host HTTP/1.1", "Connection: close", host=host)
    return wire.exchange(data)


@clause("request/trusted-host/accepted", "contract", TRUSTED_HOSTS)
@pytest.mark.parametrize(
    "host",
    [
        pytest.param("wsgi-conform.test", id="listed"),
        pytest.param("wsgi-conform.test:8000", id="port"),
        pytest.param("trusted.example", id="dotted"),
        pytest.param("a.trusted.example", id="subdomain"),
        pytest.param("b.a.trusted.example:8000", id="deeper-subdomain"),
    ],
)
def test_trusted(wire: Wire, host: str) -> None:
    """A host that is listed is answered, on any port; one with a dot has its subdomains with it."""
    assert read_json(from_trusted(wire, host)) == {"host": host}


@clause("request/trusted-host/refused", "contract", TRUSTED_HOSTS)
@pytest.mark.parametrize(
    "host",
    [
        pytest.param("evil.example", id="other"),
        pytest.param("a.wsgi-conform.test", id="subdomain-of-listed"),
        pytest.param("nottrusted.example", id="same-end"),
        pytest.param("trusted.example.evil.example", id="same-beginning"),
        pytest.param("evil.example:80", id="port"),
    ],
)
def test_not_trusted(wire: Wire, host: str) -> None:
    """A host that is not listed is answered with 400, before any view; the listed one still is."""
    assert from_trusted(wire, host).status == 400
    assert read_json(from_trusted(wire, HOST)) == {"host": HOST}


@clause("request/isolated", "contract", flask("api", "flask.Request"))
def test_isolated(wire: Wire) -> None:
    """A request has nothing of the one before: no query, cookie, field or type of its own."""
    names = "args/cookies/referrer/content_type"
    fields = ["Cookie: a=1", "Referer: http://shop.example/", "Content-Type: text/x-own"]
    assert get(wire, f"/request/show/{names}?a=1", *fields) == {
        "args": [["a", ["1"]]],
        "cookies": [["a", ["1"]]],
        "referrer": "http://shop.example/",
        "content_type": "text/x-own",
    }
    second = get(wire, f"/request/show/{names}")
    # Some servers have a type of their own where none was sent; that has a check of its own.
    assert second["content_type"] != "text/x-own"
    assert [second[name] for name in ("args", "cookies", "referrer")] == [[], [], None]
