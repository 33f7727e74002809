"""Routing: where an application is, by the path that it is mounted at and by its host."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from conformance.checks.probes import HOST, read_json
from conformance.clauses import clause, flask, pep3333, rfc9110, werkzeug
from conformance.client import Response, Wire

MOUNT = "/mounted-%C3%BC"
DISPATCHING = flask("patterns/appdispatch", "Combining Applications")
SCRIPT_NAME = pep3333("environ Variables")
URL_FOR = flask("api", "flask.url_for")
SUBDOMAINS = flask("api", "flask.Flask")
HOSTS = werkzeug("routing", "Host Matching")


def built(url: Any) -> str:
    """A URL that the application built; encoded, whether its letters are or not."""
    assert isinstance(url, str), url
    return quote(unquote(url), safe="/:?=&#")


def at(wire: Wire, host: str, target: str = "/view") -> Response:
    """The answer for a target of a host."""
    with wire.connect() as connection:
        connection.request("GET", target, [("Connection", "close")], host=host)
        return connection.receive()


@clause("routing/mounted/script-name", "contract", DISPATCHING)
def test_script_name(wire: Wire) -> None:
    """A mounted application matches the path without its mount point, which is the script root."""
    found = read_json(wire.ask("GET", f"{MOUNT}/view/%C3%A9"))
    assert {name: found[name] for name in ("endpoint", "arguments", "path", "script_root")} == {
        "endpoint": "view",
        "arguments": {"value": "é"},
        "path": "/view/é",
        "script_root": "/mounted-ü",
    }


@clause("routing/mounted/url-for", "contract", DISPATCHING)
def test_mounted_url_for(wire: Wire) -> None:
    """URLs that a mounted application builds begin with its mount point."""
    found = read_json(wire.ask("GET", f"{MOUNT}/view/x"))
    assert built(found["here"]) == f"{MOUNT}/view/%C3%A9"
    assert built(found["external"]) == f"http://{HOST}{MOUNT}/view/x"


@clause("routing/mounted/redirect", "contract", DISPATCHING)
@pytest.mark.parametrize(
    ("sent", "target"),
    [
        pytest.param("/folder?a=1", "/folder/?a=1", id="trailing-slash"),
        pytest.param("", "/", id="root"),
    ],
)
def test_mounted_redirect(wire: Wire, sent: str, target: str) -> None:
    """A redirect of a mounted application does not leave its mount point, root included."""
    response = wire.ask("GET", f"{MOUNT}{sent}")
    assert response.status == 308, response.describe()
    url = urlsplit(response.header("Location"))
    assert url.netloc in ("", HOST)
    assert f"{url.path}?{url.query}".rstrip("?") == f"{MOUNT}{target}"


@clause("routing/mounted/not-found", "contract", DISPATCHING)
def test_mounted_not_found(wire: Wire) -> None:
    """What a mounted application has no rule for is 404, whatever the first application has."""
    assert read_json(wire.ask("GET", f"{MOUNT}/"))["endpoint"] == "index"
    assert wire.ask("GET", f"{MOUNT}/routing/plain").status == 404
    assert wire.ask("GET", f"{MOUNT}x/").status == 404


@clause("routing/subdomain/fixed", "contract", SUBDOMAINS)
def test_subdomain(wire: Wire) -> None:
    """A rule for a subdomain is for that host alone, and before one with a variable."""
    found = [
        read_json(at(wire, host))["endpoint"]
        for host in ("rooms.test", "fixed.rooms.test", "other.rooms.test")
    ]
    assert found == ["bare", "fixed", "variable"]
    assert at(wire, "rooms.test", "/folder/").status == 404


@clause("routing/subdomain/variable", "contract", SUBDOMAINS)
def test_subdomain_variable(wire: Wire) -> None:
    """A variable of a subdomain is an argument of the view."""
    assert read_json(at(wire, "red.rooms.test"))["arguments"] == {"room": "red"}


@clause("routing/subdomain/case", "should", rfc9110("4.2.3"))
def test_subdomain_case(wire: Wire) -> None:
    """The name of a host is the same in capital letters."""
    assert read_json(at(wire, "FIXED.Rooms.TEST"))["endpoint"] == "fixed"


@clause("routing/subdomain/url-for", "contract", URL_FOR)
def test_subdomain_url_for(wire: Wire) -> None:
    """A URL on another subdomain has the host in it, one on the same has not."""
    found = read_json(at(wire, "fixed.rooms.test"))
    assert {name: found[name] for name in ("here", "variable", "bare")} == {
        "here": "/view",
        "variable": "http://red.rooms.test/view",
        "bare": "http://rooms.test/view",
    }


@clause("routing/subdomain/redirect", "contract", SUBDOMAINS)
def test_subdomain_redirect(wire: Wire) -> None:
    """A redirect on a subdomain stays on it."""
    response = at(wire, "red.rooms.test", "/folder?a=1")
    assert response.status == 308, response.describe()
    location = response.header("Location")
    assert location.removeprefix("http://red.rooms.test") == "/folder/?a=1"


@clause("routing/host/fixed", "contract", HOSTS)
def test_host(wire: Wire) -> None:
    """With host matching a rule is for one host, which no other answers as."""
    assert read_json(at(wire, "one.hosts.test"))["endpoint"] == "one"
    found = read_json(at(wire, "two.hosts.test"))
    assert (found["endpoint"], found["arguments"]) == ("other", {"name": "two"})


@clause("routing/host/port", "contract", HOSTS)
def test_host_port(wire: Wire) -> None:
    """A port that is not the usual one is a part of the host that is matched."""
    assert read_json(at(wire, "one.hosts.test:8443"))["endpoint"] == "with_port"
    assert at(wire, "one.hosts.test:8444").status == 404


@clause("routing/host/url-for", "contract", HOSTS)
def test_host_url_for(wire: Wire) -> None:
    """A URL on another host has that host in it, one on the same has not."""
    found = read_json(at(wire, "one.hosts.test"))
    assert (found["here"], found["other"]) == ("/view", "http://two.hosts.test/view")


@clause("routing/url-for/more", "contract", URL_FOR)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("list", "/rules/query?tag=a&tag=b", id="list"),
        pytest.param("scheme", f"https://{HOST}/rules/query", id="scheme"),
        pytest.param("anchor", "/rules/query#a%20b/%C3%BC?", id="anchor"),
        pytest.param("by_get", "/rules/by-get", id="method-get"),
        pytest.param("by_post", "/rules/by-post", id="method-post"),
        pytest.param("four_digits", "/rules/four-digits/0042", id="fixed-digits"),
        pytest.param("umlaut", "/rules/stra%C3%9Fe/x", id="beyond-ascii"),
        pytest.param("uuid", "/rules/uuid/00000000-0000-0000-0000-0000000000ff", id="uuid"),
        pytest.param("relative", "/rules/text/x", id="relative"),
        pytest.param("absolute", "/routing/plain", id="other-blueprint"),
    ],
)
def test_url_for(wire: Wire, name: str, expected: str) -> None:
    """`url_for` builds lists, schemes, anchors, rules by method and values of converters."""
    assert read_json(wire.ask("GET", "/rules/built"))[name] == expected
