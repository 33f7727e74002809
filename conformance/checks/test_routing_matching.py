"""Routing: which of several rules matches, for which methods, and where redirects lead."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from conformance.checks.probes import HOST, read_json
from conformance.checks.test_routing_converters import statuses, view
from conformance.clauses import Source, clause, flask, werkzeug
from conformance.client import Response, Wire

PRIORITY = werkzeug("routing", "Rule Priority")
RULE = werkzeug("routing", "werkzeug.routing.Rule")
MAP = werkzeug("routing", "werkzeug.routing.Map")
METHODS = flask("quickstart", "HTTP Methods")
SLASHES = flask("quickstart", "Unique URLs / Redirection Behavior")
NESTING = flask("blueprints", "Nesting Blueprints")
ADD_URL_RULE: Source = flask("api", "flask.Flask.add_url_rule")


def allowed(response: Response) -> set[str]:
    """The methods in Allow; a gateway may have sent the field in several lines."""
    return {name.strip() for name in ",".join(response.all("Allow")).split(",")}


def location(response: Response) -> str:
    """Where a response redirects to by 308: path and query, of this host or of none."""
    assert response.status == 308, response.describe()
    url = urlsplit(response.header("Location"))
    assert (url.scheme, url.netloc) in (("", ""), ("http", HOST)), response.describe()
    return f"{url.path}?{url.query}" if url.query else url.path


@clause("routing/priority/converters", "contract", PRIORITY)
def test_weights(wire: Wire) -> None:
    """Fixed text wins over a number, a number over text, and text over a path.

    They are registered in the opposite order.
    """
    found = [view(wire, f"/rules/weights/{text}")[0] for text in ("fixed", "7", "x", "x/y")]
    assert found == [
        "matching.by_word",
        "matching.by_number",
        "matching.by_text",
        "matching.by_path",
    ]


@clause("routing/priority/longer-text", "contract", PRIORITY)
def test_longer_text(wire: Wire) -> None:
    """Of two parts with a variable the one with fixed text as well wins."""
    assert view(wire, "/rules/prefixes/v-1") == ("matching.with_longer_prefix", {"value": "1"})
    assert view(wire, "/rules/prefixes/x-1") == ("matching.with_prefix", {"value": "x-1"})


@clause("routing/priority/other-branch", "contract", PRIORITY)
def test_other_branch(wire: Wire) -> None:
    """A rule that only begins better does not win: the one that matches to its end does."""
    assert view(wire, "/rules/branches/fixed/right")[0] == "matching.this_branch"
    found = view(wire, "/rules/branches/fixed/left")
    assert found == ("matching.other_branch", {"value": "fixed"})


@clause("routing/methods/other-rule", "agreement", PRIORITY)
def test_other_rule(wire: Wire) -> None:
    """A fixed rule for another method does not hide a variable one for this; 405 knows of both."""
    assert view(wire, "/rules/by-methods/fixed") == ("matching.variable_get", {"value": "fixed"})
    posted = read_json(wire.ask("POST", "/rules/by-methods/fixed", body=b""))
    assert posted["endpoint"] == "matching.fixed_post"
    refused = wire.ask("DELETE", "/rules/by-methods/fixed")
    assert (refused.status, allowed(refused)) == (405, {"GET", "HEAD", "POST", "OPTIONS"})


@clause("routing/methods/method-view", "contract", flask("views", "Method Dispatching and APIs"))
def test_method_view(wire: Wire) -> None:
    """A view of methods is called by the one that was sent, and 405 lists those that it has."""
    found = [read_json(wire.ask(name, "/rules/resource/4")) for name in ("GET", "DELETE")]
    assert [each["method"] for each in found] == ["get", "delete"]
    refused = wire.ask("PUT", "/rules/resource/4", body=b"")
    assert (refused.status, allowed(refused)) == (405, {"GET", "HEAD", "DELETE", "OPTIONS"})


@clause("routing/options/all-rules", "contract", METHODS)
def test_options_all(wire: Wire) -> None:
    """OPTIONS lists the methods of every rule that the path has."""
    response = wire.ask("OPTIONS", "/rules/by-methods/fixed")
    assert response.status == 200, response.describe()
    assert allowed(response) == {"GET", "HEAD", "POST", "OPTIONS"}


@clause("routing/options/own", "contract", ADD_URL_RULE)
def test_options_own(wire: Wire) -> None:
    """A view that takes OPTIONS itself is called for it, instead of the automatic answer."""
    response = wire.ask("OPTIONS", "/rules/own-options")
    assert read_json(response)["endpoint"] == "matching.own_options"
    assert response.header("X-Method") == "OPTIONS"


@clause("routing/options/switched-off", "contract", ADD_URL_RULE)
def test_options_off(wire: Wire) -> None:
    """With `provide_automatic_options=False` OPTIONS is a method that is not allowed."""
    response = wire.ask("OPTIONS", "/rules/no-options")
    assert (response.status, allowed(response)) == (405, {"GET", "HEAD"})


@clause("routing/head/view-is-called", "contract", METHODS)
def test_head_view(wire: Wire) -> None:
    """HEAD reaches the view of GET as HEAD, and has the fields that GET has."""
    head, get = (wire.ask(name, "/rules/seen-method") for name in ("HEAD", "GET"))
    assert (head.status, head.body) == (200, b"")
    assert [head.header("X-Method"), get.header("X-Method")] == ["HEAD", "GET"]
    assert head.header("Content-Type") == get.header("Content-Type")


@clause("routing/trailing-slash/method-kept", "contract", SLASHES)
def test_method_kept(wire: Wire) -> None:
    """A POST without the slash is redirected by 308: the same request finds the view there."""
    path = location(wire.ask("POST", "/rules/folders/x", body=b"sent"))
    assert path == "/rules/folders/x/"
    found = read_json(wire.ask("POST", path, body=b"sent"))
    assert (found["method"], found["body"]) == ("POST", "sent")


@clause("routing/trailing-slash/encoded", "contract", SLASHES)
def test_redirect_encoded(wire: Wire) -> None:
    """What was encoded in the path is encoded in Location: it leads to the view with that value."""
    path = location(wire.ask("GET", "/rules/folders/%C3%BC%20a%3Fb%25?c=%C3%BC&d=%2520"))
    assert path.endswith("/?c=%C3%BC&d=%2520"), path
    assert path.isascii(), path
    found = read_json(wire.ask("GET", path))
    assert (found["endpoint"], found["value"]) == ("matching.folder", "ü a?b%")


@clause("routing/trailing-slash/own-host", "agreement", SLASHES)
def test_own_host(wire: Wire) -> None:
    """A path with two slashes in front is not made into a redirect to another host.

    `//name/` in Location would be the root of a host of that name (RFC 3986 section 4.2).
    """
    location(wire.ask("GET", "/routing/folder"))
    response = wire.ask("GET", "//routing/folder")
    if response.status in (301, 302, 303, 307, 308):
        url = urlsplit(response.header("Location"))
        assert url.netloc in ("", HOST), response.describe()
        assert url.path == "/routing/folder/", response.describe()
    else:
        assert response.status in (200, 400, 404), response.describe()


@clause("routing/trailing-slash/not-strict", "contract", RULE)
def test_not_strict(wire: Wire) -> None:
    """With `strict_slashes=False` a path is answered with and without the slash, and not moved."""
    for path, endpoint in (("/rules/lax", "lax_folder"), ("/rules/lax-leaf", "lax_leaf")):
        for target in (path, f"{path}/"):
            assert view(wire, target)[0] == f"matching.{endpoint}"


@clause("routing/merge-slashes/redirect", "contract", MAP)
@pytest.mark.parametrize(
    ("sent", "merged"),
    [
        pytest.param("/rules//lax-leaf?a=1", "/rules/lax-leaf?a=1", id="inside"),
        pytest.param("/rules///text/////x", "/rules/text/x", id="several"),
    ],
)
def test_merge(wire: Wire, sent: str, merged: str) -> None:
    """Several slashes in a row are redirected to one, by 308, and the query is kept."""
    assert location(wire.ask("GET", sent)) == merged


@clause("routing/merge-slashes/variable", "contract", MAP)
def test_merge_variable(wire: Wire) -> None:
    """Slashes in a variable part are part of the value and are not merged."""
    found = view(wire, "/rules/weights/a//b")
    assert found == ("matching.by_path", {"value": "a//b"})


@clause("routing/encoding/slash", "agreement", werkzeug("routing", "Built-in Converters"))
def test_encoded_slash(wire: Wire) -> None:
    """An encoded slash is a slash by the time that rules see it: PATH_INFO is decoded.

    A gateway may refuse the path instead.
    """
    assert view(wire, "/rules/weights/c")[0] == "matching.by_text"
    response = wire.ask("GET", "/rules/weights/a%2Fb")
    if response.status not in (400, 404):
        found = read_json(response)
        assert (found["endpoint"], found["arguments"]) == ("matching.by_path", {"value": "a/b"})


@clause("routing/defaults/query-kept", "contract", MAP)
def test_defaults_query(wire: Wire) -> None:
    """The redirect from a URL that spells a default out keeps the query."""
    assert location(wire.ask("GET", "/rules/pages/1?x=%201&y")) == "/rules/pages/?x=%201&y"
    assert view(wire, "/rules/pages/") == ("matching.pages", {"page": 1})


@clause("routing/redirect-to", "contract", RULE)
def test_redirect_to(wire: Wire) -> None:
    """A rule with `redirect_to` sends the client there, with the value in its place."""
    assert location(wire.ask("GET", "/rules/moved/7")) == "/rules/integer/7"


@clause("routing/alias", "contract", RULE)
def test_alias(wire: Wire) -> None:
    """An alias is redirected to the rule that it is an alias of, query kept."""
    assert location(wire.ask("GET", "/rules/alias/x?a=1")) == "/rules/canonical/x?a=1"
    assert view(wire, "/rules/canonical/x") == ("matching.canonical", {"value": "x"})


@clause("routing/build-only", "contract", RULE)
def test_build_only(wire: Wire) -> None:
    """A rule with `build_only` builds a URL, and matches none."""
    assert read_json(wire.ask("GET", "/rules/build-only")) == {"url": "/rules/elsewhere/x"}
    assert statuses(wire, "/rules/elsewhere/x") == [404]


@clause("routing/blueprint/nested", "contract", NESTING)
def test_nested(wire: Wire) -> None:
    """A blueprint in a blueprint has the prefixes and the names of both, `url_for` included."""
    assert read_json(wire.ask("GET", "/rules/outer/inner/view")) == {
        "endpoint": "outer.inner.view",
        "blueprints": ["outer.inner", "outer"],
        "same": "/rules/outer/inner/view",
        "of_outer": "/rules/outer/view",
    }
    assert view(wire, "/rules/outer/view")[0] == "outer.view"
    assert statuses(wire, "/inner/view", "/rules/inner/view") == [404, 404]


@clause("routing/blueprint/variable-prefix", "contract", flask("api", "flask.Blueprint"))
def test_variable_prefix(wire: Wire) -> None:
    """A variable in the prefix of a blueprint is an argument of its views."""
    assert read_json(wire.ask("GET", "/rules/tenants/them/desk/3")) == {
        "endpoint": "tenant.desk",
        "tenant": "them",
        "number": 3,
        "next": "/rules/tenants/them/desk/4",
    }


@clause("routing/blueprint/twice", "contract", flask("api", "flask.Flask.register_blueprint"))
def test_twice(wire: Wire) -> None:
    """A blueprint that is registered again under another name builds URLs of that name."""
    assert read_json(wire.ask("GET", "/rules/home/desk/3")) == {
        "endpoint": "home.desk",
        "tenant": "us",
        "number": 3,
        "next": "/rules/home/desk/4",
    }
