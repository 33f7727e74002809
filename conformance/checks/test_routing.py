"""Routing: which view answers which path and method, and with which arguments."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import clause, flask, pep3333, rfc3986, rfc9110, werkzeug
from conformance.client import Wire
from conformance.client.http import Client

RULES = flask("quickstart", "Variable Rules")
CONVERTERS = werkzeug("routing", "Built-in Converters")


def arguments(client: Client, path: str) -> dict[str, Any]:
    """The arguments that the view of a path was called with, each with its type."""
    answer = client.get(path)
    assert answer.status_code == 200, f"GET {path}: {answer.wire.describe()}"
    found: dict[str, Any] = answer.json()["arguments"]
    return found


def rejected(client: Client, *paths: str) -> list[str]:
    """Those of the paths that are not answered with 404."""
    answers = {path: client.get(path).status_code for path in paths}
    return [f"{path}: {status}" for path, status in answers.items() if status != 404]


@clause("routing/static-rule", "contract", flask("quickstart", "Routing"))
def test_static_rule(client: Client) -> None:
    """A rule without variables is matched by its path alone."""
    assert client.get("/routing/plain").json() == {"endpoint": "routing.plain", "arguments": {}}


@clause("routing/converter/string", "contract", RULES)
def test_string(client: Client) -> None:
    """The default converter takes text without a slash, and not the empty text."""
    assert arguments(client, "/routing/string/hello") == {
        "value": {"type": "str", "value": "hello"}
    }
    assert rejected(client, "/routing/string/", "/routing/string/a/b") == []


@clause("routing/converter/string-length", "contract", CONVERTERS)
def test_string_length(client: Client) -> None:
    """`string(length=2)` takes two characters, counted after decoding."""
    assert arguments(client, "/routing/string-of-two/%C3%BC%C3%A9")["value"]["value"] == "üé"
    assert rejected(client, "/routing/string-of-two/a", "/routing/string-of-two/abc") == []


@clause("routing/converter/int", "contract", RULES)
def test_int(client: Client) -> None:
    """`int` gives the view an int, leading zeros or not, and takes digits only."""
    assert arguments(client, "/routing/int/42") == {"value": {"type": "int", "value": 42}}
    assert arguments(client, "/routing/int/007") == {"value": {"type": "int", "value": 7}}
    assert rejected(client, *(f"/routing/int/{text}" for text in ("-1", "1.5", "abc", "1a"))) == []


@clause("routing/converter/int-range", "contract", CONVERTERS)
def test_int_range(client: Client) -> None:
    """`int(min=1, max=9)` does not match a number outside of the range."""
    assert arguments(client, "/routing/small-int/9")["value"]["value"] == 9
    assert rejected(client, "/routing/small-int/0", "/routing/small-int/10") == []


@clause("routing/converter/float", "contract", RULES)
def test_float(client: Client) -> None:
    """`float` gives the view a float and does not match an integer."""
    assert arguments(client, "/routing/float/1.5") == {"value": {"type": "float", "value": 1.5}}
    assert rejected(client, "/routing/float/1", "/routing/float/-1.5", "/routing/float/1.") == []


@clause("routing/converter/path", "contract", RULES)
def test_path(client: Client) -> None:
    """`path` takes slashes as well."""
    assert arguments(client, "/routing/path/a/b/c.txt")["value"]["value"] == "a/b/c.txt"


@clause("routing/converter/uuid", "contract", RULES)
def test_uuid(client: Client) -> None:
    """`uuid` gives the view a UUID and takes no other text."""
    text = "123e4567-e89b-42d3-a456-426614174000"
    assert arguments(client, f"/routing/uuid/{text}") == {"value": {"type": "UUID", "value": text}}
    assert rejected(client, "/routing/uuid/123e4567", f"/routing/uuid/{text[:-1]}g") == []


@clause("routing/converter/any", "contract", CONVERTERS)
def test_any(client: Client) -> None:
    """`any(red, green)` takes the listed words only."""
    assert arguments(client, "/routing/any/green")["value"]["value"] == "green"
    assert rejected(client, "/routing/any/blue", "/routing/any/greenish") == []


@clause("routing/converter/custom", "contract", werkzeug("routing", "Custom Converters"))
def test_custom(client: Client) -> None:
    """A converter of the application's own turns the text into what its `to_python` returns."""
    value = arguments(client, "/routing/list/a+b+c")["value"]
    assert value == {"type": "list", "value": ["a", "b", "c"]}


@clause("routing/several-variables", "contract", RULES)
def test_two(client: Client) -> None:
    """A rule with two variables gives the view both."""
    assert arguments(client, "/routing/two/1/x") == {
        "first": {"type": "int", "value": 1},
        "second": {"type": "str", "value": "x"},
    }


@clause("routing/priority", "contract", werkzeug("routing", "Rule Priority"))
def test_priority(client: Client) -> None:
    """A fixed rule wins over a variable one, though it was registered later."""
    assert client.get("/routing/priority/fixed").json()["endpoint"] == "routing.priority_fixed"
    assert client.get("/routing/priority/other").json()["endpoint"] == "routing.priority_variable"


@clause("routing/defaults", "contract", werkzeug("routing", "werkzeug.routing.Rule"))
def test_defaults(client: Client) -> None:
    """A rule with `defaults` supplies the argument; the URL that spells it out redirects."""
    assert arguments(client, "/routing/default/")["page"]["value"] == 1
    assert arguments(client, "/routing/default/2")["page"]["value"] == 2
    answer = client.get("/routing/default/1")
    assert answer.status_code == 308
    assert answer.header("Location").removeprefix(client.base_url) == "/routing/default/"


@clause("routing/not-found", "contract", flask("quickstart", "Redirects and Errors"))
def test_not_found(client: Client) -> None:
    """A path without a rule is answered with 404, not by a server's own file or index page."""
    assert rejected(client, "/routing/nothing", "/routing", "/no-such-area/x") == []


@clause("routing/method-not-allowed", "must", rfc9110("15.5.6"))
def test_method_not_allowed(client: Client) -> None:
    """405 lists in Allow what the path does take, from all of its rules."""
    answer = client.request("PROPFIND", "/routing/methods")
    assert answer.status_code == 405
    allowed = {name.strip() for name in answer.header("Allow").split(",")}
    assert allowed == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@clause("routing/methods", "contract", flask("quickstart", "HTTP Methods"))
def test_methods(client: Client) -> None:
    """Two views share a path by their methods, and the view sees the method that was sent."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        endpoint = "get_or_post" if method in ("GET", "POST") else "other_methods"
        expected = {"endpoint": f"routing.{endpoint}", "method": method}
        assert client.request(method, "/routing/methods").json() == expected


@clause("routing/custom-method", "contract", flask("quickstart", "HTTP Methods"))
def test_custom_method(client: Client) -> None:
    """A method that is not one of the common ones reaches the view that takes it."""
    answer = client.request("PROPFIND", "/routing/custom-method")
    assert answer.json() == {"endpoint": "routing.propfind", "method": "PROPFIND"}


@clause("routing/head", "contract", flask("quickstart", "HTTP Methods"))
def test_head(client: Client) -> None:
    """A rule for GET answers HEAD by itself: the same header fields, and no body."""
    head, get = client.head("/routing/plain"), client.get("/routing/plain")
    assert (head.status_code, head.content) == (200, b"")
    assert head.header("Content-Type") == get.header("Content-Type")


@clause("routing/options", "contract", flask("quickstart", "HTTP Methods"))
def test_options(client: Client) -> None:
    """OPTIONS is answered by itself, with Allow and without a body."""
    answer = client.options("/routing/plain")
    assert (answer.status_code, answer.content) == (200, b"")
    assert {name.strip() for name in answer.header("Allow").split(",")} == {
        "GET",
        "HEAD",
        "OPTIONS",
    }


@clause(
    "routing/trailing-slash/redirect",
    "contract",
    flask("quickstart", "Unique URLs / Redirection Behavior"),
)
def test_trailing_slash_redirect(client: Client) -> None:
    """A rule that ends in a slash redirects the path without it, by 308, and keeps the query."""
    answer = client.get("/routing/folder?a=1&b=%20")
    assert answer.status_code == 308
    location = answer.header("Location")
    assert location.removeprefix(client.base_url) == "/routing/folder/?a=1&b=%20"
    assert client.get("/routing/folder?a=1", allow_redirects=True).json() == {
        "endpoint": "routing.folder",
        "query": "a=1",
    }


@clause(
    "routing/trailing-slash/not-added",
    "contract",
    flask("quickstart", "Unique URLs / Redirection Behavior"),
)
def test_trailing_slash_not_added(client: Client) -> None:
    """A rule without a slash at its end does not match the path with one."""
    assert rejected(client, "/routing/plain/", "/routing/int/1/") == []


@clause("routing/encoding/percent", "must", rfc3986("2.4"))
@pytest.mark.parametrize(
    ("sent", "value"),
    [
        pytest.param("a%20b", "a b", id="space"),
        pytest.param("%61", "a", id="unreserved"),
        pytest.param("%2525", "%25", id="once"),
        pytest.param("a+b", "a+b", id="plus"),
        pytest.param("a%3Fb", "a?b", id="question-mark"),
        pytest.param("a%3bb", "a;b", id="lower-case-digits"),
    ],
)
def test_percent(wire: Wire, sent: str, value: str) -> None:
    """Percent-encoded octets of a segment are decoded once, and a plus sign is left alone."""
    response = wire.ask("GET", f"/routing/string/{sent}")
    assert response.status == 200, response.describe()
    assert f'"value":"{value}"' in response.body.decode().replace(": ", ":")


@clause("routing/encoding/utf-8", "agreement", pep3333("Unicode Issues"))
def test_utf8(client: Client) -> None:
    """UTF-8 in the path reaches the view as text: the server tunnels the bytes as latin-1.

    That the framework decodes them as UTF-8 is not written down.
    """
    assert (
        arguments(client, "/routing/string/%C3%BC%E2%82%AC%F0%9F%90%8D")["value"]["value"] == "ü€🐍"
    )


@clause("routing/query/repeated-and-blank", "contract", flask("api", "flask.Request.args"))
def test_query(client: Client) -> None:
    """Repeated keys keep every value in order, a blank value is kept, a plus sign is a space."""
    answer = client.get("/routing/query?a=1&a=2&empty=&plus=x+y&encoded=%26%3D%C3%BC")
    assert answer.json() == {
        "a": ["1", "2"],
        "empty": [""],
        "plus": ["x y"],
        "encoded": ["&=ü"],
    }


@clause("routing/url-for", "contract", flask("quickstart", "URL Building"))
def test_url_for(client: Client) -> None:
    """`url_for` builds what the rules match, quoted, with unknown values in the query string."""
    built = client.get("/routing/url-for").json()
    assert built == {
        "plain": "/routing/plain",
        "integer": "/routing/int/42",
        "quoted": "/routing/string/a%20b%3F%C3%BC",
        "path": "/routing/path/a/b%20c",
        "custom": "/routing/list/x+y",
        "query": "/routing/plain?page=2&word=a%26b",
        "anchor": "/routing/plain#part",
        "external": f"{client.base_url}/routing/plain",
        "default": "/routing/default/",
        "method": "/routing/methods",
    }


@clause("routing/url-for/host", "contract", flask("api", "flask.url_for"))
def test_url_for_host(client: Client) -> None:
    """An external URL is made with the host and port that the client named."""
    answer = client.get("/routing/url-for", headers={"Host": "shop.example:8443"})
    assert answer.json()["external"] == "http://shop.example:8443/routing/plain"
