"""Routing: matched and built as Werkzeug does, on sets of rules and made-up paths."""

from __future__ import annotations

from typing import Any

import pytest
import werkzeug.exceptions
import werkzeug.routing
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_app.framework import exceptions, routing

LIBRARIES = {
    "reference": (routing, exceptions),
    "werkzeug": (werkzeug.routing, werkzeug.exceptions),
}

# rule, endpoint, methods, more
RULES: list[tuple[str, str, list[str] | None, dict[str, Any]]] = [
    ("/", "root", None, {}),
    ("/a", "a", ["GET"], {}),
    ("/a", "a_post", ["POST"], {}),
    ("/a/", "a_slash", ["PUT"], {}),
    ("/a/b/", "ab", None, {}),
    ("/a/<x>", "ax", ["GET"], {}),
    ("/a/<int:x>", "ai", None, {}),
    ("/a/<x>/b", "axb", None, {}),
    ("/a/<x>-<y>", "axy", None, {}),
    ("/a/<path:p>", "ap", ["GET", "POST"], {}),
    ("/a/<path:p>/b", "apb", None, {}),
    ("/<path:p>/b/", "pb", None, {}),
    ("/b/<any(a, b):x>/", "bany", None, {}),
    ("/b/<float:x>", "bf", None, {}),
    ("/b/<x>.b", "bxb", None, {}),
    ("/lax/", "lax", None, {"strict_slashes": False}),
    ("/lax2", "lax2", None, {"strict_slashes": False}),
    ("/d/", "d", None, {"defaults": {"x": 1}}),
    ("/d/<int:x>", "d", None, {}),
    ("/m//n", "mn", None, {"merge_slashes": False}),
    ("/build", "built", None, {"build_only": True}),
    ("/alias", "a", ["GET"], {"alias": True}),
]


def adapter(library: str, rules: Any = RULES, **options: Any) -> Any:
    """The rules on one of the libraries, bound to a server."""
    module, _ = LIBRARIES[library]
    bind = options.pop("bind", {})
    rule_map = module.Map(
        [
            module.Rule(rule, endpoint=endpoint, methods=methods, **more)
            for rule, endpoint, methods, more in rules
        ],
        **options,
    )
    return rule_map.bind("example.org", **{"script_name": "/root", "query_args": "q=1", **bind})


def outcome(library: str, bound: Any, path: str, method: str) -> Any:
    """What comes of a path: endpoint and values, a redirect, or an error."""
    module, errors = LIBRARIES[library]
    try:
        return bound.match(path, method)
    except module.RequestRedirect as error:
        return error.code, error.new_url
    except errors.MethodNotAllowed as error:
        return 405, sorted(error.valid_methods)
    except errors.NotFound:
        return 404


ADAPTERS = {library: adapter(library) for library in LIBRARIES}
paths = st.lists(
    st.sampled_from(
        ["", "a", "b", "1", "1.5", "x-y", "b.b", "d", "m", "n", "lax", "lax2", "ü", "%2F"]
    ),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(path=paths, method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "BREW"]))
def test_matching_agrees(path: str, method: str) -> None:
    ours, theirs = (outcome(each, ADAPTERS[each], path, method) for each in LIBRARIES)
    assert ours == theirs


BUILDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("root", {}, {}),
    ("a", {}, {}),
    ("a", {"q": [1, 2], "r": "ü &"}, {}),
    ("ax", {"x": "a/b ü"}, {"force_external": True}),
    ("ap", {"p": "a/b ü"}, {"method": "POST"}),
    ("ap", {"p": "a"}, {"method": "PUT"}),
    ("axy", {"x": 1}, {}),
    ("d", {"x": 1}, {}),
    ("d", {"x": 2}, {}),
    ("d", {}, {}),
    ("d", {"x": None, "y": None}, {}),
    ("built", {}, {"url_scheme": "https", "force_external": True}),
    ("built", {}, {"url_scheme": "", "force_external": True}),
    ("built", {"z": 1}, {"append_unknown": False}),
    ("bf", {"x": 1}, {}),
    ("missing", {}, {}),
]


@pytest.mark.parametrize(("endpoint", "values", "options"), BUILDS)
def test_building_agrees(endpoint: str, values: dict[str, Any], options: dict[str, Any]) -> None:
    results = []
    for library, (module, _) in LIBRARIES.items():
        try:
            results.append(ADAPTERS[library].build(endpoint, values, **options))
        except module.BuildError:
            results.append("BuildError")
    assert results[0] == results[1]


HOSTS = [
    ("/", "www", None, {"host": "www.example.org"}),
    ("/", "name", None, {"host": "<name>.example.org"}),
    ("/<x>", "deep", None, {"host": "<path:rest>.example.com"}),
]


@pytest.mark.parametrize("host", ["www.example.org", "other.example.org", "a.b.example.com", "x"])
def test_hosts_agree(host: str) -> None:
    results = []
    for library, (module, _) in LIBRARIES.items():
        rule_map = module.Map(
            [module.Rule(rule, endpoint=end, **more) for rule, end, _, more in HOSTS],
            host_matching=True,
        )
        bound = rule_map.bind(host)
        results.append([outcome(library, bound, path, "GET") for path in ("/", "/x", "/x/y")])
    assert results[0] == results[1]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_converter_of_ones_own(library: str) -> None:
    module, errors = LIBRARIES[library]

    class Pair(module.BaseConverter):  # type: ignore[misc, name-defined]
        regex = "([a-z])-([a-z])"

        def __init__(self, map: Any, sep: str = "-") -> None:
            super().__init__(map)
            self.sep = sep

        def to_python(self, value: str) -> Any:
            if value[0] == value[2]:
                raise module.ValidationError
            return value.split("-")

        def to_url(self, value: Any) -> str:
            return self.sep.join(value)

    rules = [module.Rule("/<pair(sep='-'):x>", endpoint="pair")]
    bound = module.Map(rules, converters={"pair": Pair}).bind("localhost")
    assert bound.match("/a-b") == ("pair", {"x": ["a", "b"]})
    assert bound.build("pair", {"x": "xy"}) == "/x-y"
    with pytest.raises(errors.NotFound):
        bound.match("/a-a")


@pytest.mark.parametrize("library", LIBRARIES)
def test_factories_make_rules(library: str) -> None:
    module, _ = LIBRARIES[library]
    rules = [
        module.Submount("/sub/", [module.Rule("/", endpoint="s"), module.Rule("/x", endpoint="x")]),
        module.EndpointPrefix("pre:", [module.Rule("/p", endpoint="p")]),
        module.Subdomain("api", [module.Rule("/", endpoint="api")]),
    ]
    rule_map = module.Map(rules)
    bound = rule_map.bind("localhost")
    assert [bound.match(path)[0] for path in ("/sub/", "/sub/x", "/p")] == ["s", "x", "pre:p"]
    assert rule_map.bind("localhost", subdomain="api").match("/") == ("api", {})


@pytest.mark.parametrize("library", LIBRARIES)
def test_redirect_to(library: str) -> None:
    module, _ = LIBRARIES[library]
    bound = module.Map(
        [
            module.Rule("/old/<int:x>", endpoint="old", redirect_to="new/<x>"),
            module.Rule("/f/<x>", endpoint="f", redirect_to=lambda adapter, x: f"/{x}"),
        ]
    ).bind("localhost", script_name="/root")
    assert outcome(library, bound, "/old/5", "GET") == (308, "http://localhost/root/new/5")
    assert outcome(library, bound, "/f/y", "GET") == (308, "http://localhost/y")


RULE = routing.Rule("/")
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: routing.Rule("x"), ValueError, "start with a slash"),
    (lambda: routing.Rule("/", methods="GET"), TypeError, "list of strings"),
    (lambda: routing.Map([routing.Rule("/<x")]), ValueError, "malformed"),
    (lambda: routing.Map([routing.Rule("/<nope:x>")]), LookupError, "does not exist"),
    (lambda: routing.Map([routing.Rule("/<int(=):x>")]), ValueError, "converter argument"),
    (lambda: routing.Map([RULE]) and routing.Map([RULE]), RuntimeError, "bound to a map"),
    (
        lambda: routing.Map(host_matching=True).bind("x", subdomain="y"),
        RuntimeError,
        "host matching",
    ),
    (lambda: routing.Map().bind("a..b"), exceptions.BadHost, "400"),
]


@pytest.mark.parametrize(("function", "error", "message"), REFUSED)
def test_nonsense_is_explained(function: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        function()


def test_a_host_outside_of_the_server_name_is_warned_of() -> None:
    environ = {
        "HTTP_HOST": "elsewhere.com",
        "wsgi.url_scheme": "http",
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
    }
    rule_map = routing.Map([routing.Rule("/", endpoint="x")])
    with pytest.warns(UserWarning, match="elsewhere.com"):
        bound = rule_map.bind_to_environ(environ, "example.org")
    assert not bound.test()


def test_adapters_tell_what_is_allowed() -> None:
    bound = adapter("reference")
    assert bound.test("/a")
    assert bound.test("/a/b")
    assert not bound.test("/nowhere")
    assert bound.allowed_methods("/a") == ["GET", "HEAD", "POST"]
    assert bound.allowed_methods("/nowhere") == []


def test_maps_list_their_rules() -> None:
    rule_map = adapter("reference").map
    assert {rule.endpoint for rule in rule_map.iter_rules()} == {rule[1] for rule in RULES}
    assert [rule.rule for rule in rule_map.iter_rules("d")] == ["/d/", "/d/<int:x>"]
    assert rule_map.is_endpoint_expecting("ax", "x")
    assert not rule_map.is_endpoint_expecting("ax", "y")
    assert "<Rule '/a' (GET, HEAD) -> a>" in repr(rule_map)


def test_empty_path_redirects_to_the_root_of_the_mount_point() -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/mounted",
        "PATH_INFO": "",
        "QUERY_STRING": "a=1",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    adapter = routing.Map([routing.Rule("/", endpoint="index")]).bind_to_environ(environ)
    with pytest.raises(routing.RequestRedirect) as raised:
        adapter.match()
    assert raised.value.new_url == "http://example.com/mounted/?a=1"
