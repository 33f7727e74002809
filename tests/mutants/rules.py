"""Mutants of routing: the edges of converters, the choice of rules, and where applications are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from reference_app.application import create_app
from reference_app.framework import Flask, Response, request
from reference_app.framework.blueprints import Blueprint, BlueprintSetupState
from reference_app.framework.exceptions import HTTPException
from reference_app.framework.http import URL_PATH_SAFE
from reference_app.framework.routing import Map, RequestRedirect, ValidationError
from reference_app.framework.routing.adapter import MapAdapter
from reference_app.framework.routing.converters import (
    AnyConverter,
    FloatConverter,
    IntegerConverter,
    UnicodeConverter,
    UUIDConverter,
)
from reference_app.framework.routing.matcher import Matcher, NoMatch
from reference_app.framework.routing.rule import Rule
from reference_app.framework.views import MethodView
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_converters, with_flask, with_request, with_rule
from tests.mutants.messages import rows
from tests.mutants.routes import _with_matcher

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

CONVERTER = "routing/converter"


# Converters


def _without(converter: type, name: str) -> type:
    """A converter that does not know one of its arguments."""

    class Ignoring(converter):  # type: ignore[misc]
        def __init__(self, map: Map, *args: Any, **options: Any) -> None:
            options.pop(name, None)
            super().__init__(map, *args, **options)

    return Ignoring


def _ignoring(argument: str, check: str, **converters: type) -> None:
    """Register a mutant whose converters do not know an argument."""

    def build() -> WSGIApplication:
        return with_converters(**{name: _without(each, argument) for name, each in known})

    known = list(converters.items())
    build.__module__ = __name__
    application_mutant(f"{known[0][0]}-ignores-{argument}", breaks=[f"{CONVERTER}/{check}"])(build)


_ignoring("minlength", "string-minlength", string=UnicodeConverter)
_ignoring("maxlength", "string-maxlength", string=UnicodeConverter)
_ignoring("signed", "int-signed", int=IntegerConverter)
_ignoring("fixed_digits", "int-fixed-digits", int=IntegerConverter)
_ignoring("signed", "float-signed", float=FloatConverter)
_ignoring("max", "float-range", float=FloatConverter)


@application_mutant("int-of-64-bits", breaks=[f"{CONVERTER}/int-big"])
def int_of_64_bits() -> WSGIApplication:
    class Narrow(IntegerConverter):
        def to_python(self, value: str) -> int:
            return min(int(super().to_python(value)), 2**63 - 1)

    return with_converters(int=Narrow)


@application_mutant("int-with-a-line-end", breaks=[f"{CONVERTER}/line-end"])
def int_with_a_line_end() -> WSGIApplication:
    return with_converters(int=type("Lenient", (IntegerConverter,), {"regex": r"\d+\n?"}))


@application_mutant("path-is-one-part", breaks=[f"{CONVERTER}/path-inside"])
def path_is_one_part() -> WSGIApplication:
    return with_converters(path=UnicodeConverter)


@application_mutant("uuid-in-small-letters", breaks=[f"{CONVERTER}/uuid-case"])
def uuid_in_small_letters() -> WSGIApplication:
    regex = UUIDConverter.regex.replace("A-F", "")
    return with_converters(uuid=type("Small", (UUIDConverter,), {"regex": regex}))


@application_mutant("any-is-a-pattern", breaks=[f"{CONVERTER}/any-literal"])
def any_is_a_pattern() -> WSGIApplication:
    class Pattern(AnyConverter):
        def __init__(self, map: Map, *items: str) -> None:
            super().__init__(map, *items)
            self.regex = f"(?:{'|'.join(items)})"

    return with_converters(any=Pattern)


@application_mutant("invalid-values-pass", breaks=[f"{CONVERTER}/custom-rejects"])
def invalid_values_pass() -> WSGIApplication:
    def lenient(to_python: Callable[[str], Any]) -> Callable[[str], Any]:
        def convert(value: str) -> Any:
            try:
                return to_python(value)
            except ValidationError:
                return value

        return convert

    class LenientRule(Rule):
        def bind(self, map: Map) -> None:
            super().bind(map)
            self.variables = [(name, lenient(each)) for name, each in self.variables]

    return with_flask(url_rule_class=LenientRule)


@application_mutant("own-expressions-ignored", breaks=[f"{CONVERTER}/custom-regex"])
def own_expressions_ignored() -> WSGIApplication:
    class LooseRule(Rule):
        def _get_converter(self, name: str, arguments: str) -> Any:
            converter = super()._get_converter(name, arguments)
            if name == "plate":
                converter.regex = "[^/]+"
            return converter

    return with_flask(url_rule_class=LooseRule)


@application_mutant("one-variable-in-a-segment", breaks=["routing/several-variables/in-a-segment"])
def one_variable_in_a_segment() -> WSGIApplication:
    class Single(Matcher):
        def match(self, host: str, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
            rule, values = super().match(host, path, method)
            if any(part.count("<") > 1 for part in rule.rule.split("/")):
                raise NoMatch(set())
            return rule, values

    return _with_matcher(Single)


# Encoding


def _path(change: Callable[[str], str]) -> WSGIApplication:
    """The application with another PATH_INFO, made of the target as it was sent."""

    def replace(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = change(environ["REQUEST_URI"].partition("?")[0])

    return behind(replace)


@application_mutant(
    "letters-not-decoded",
    breaks=["routing/encoding/static", "routing/url-for/round-trip/plus-and-space"],
)
def letters_not_decoded() -> WSGIApplication:
    return _path(lambda path: re.sub("%[8-F].", lambda found: unquote(found[0], "latin-1"), path))


@application_mutant("only-capital-digits", breaks=["routing/encoding/static-utf-8"])
def only_capital_digits() -> WSGIApplication:
    return _path(
        lambda path: re.sub("%[0-9A-F]{2}", lambda found: unquote(found[0], "latin-1"), path)
    )


@application_mutant(
    "dots-removed-before-decoding", breaks=rows("routing/encoding/dot-segments", "one two")
)
def dots_removed_before_decoding() -> WSGIApplication:
    def change(path: str) -> str:
        return unquote(re.sub(r"/\.(?=/)|/[^/.]+/\.\.(?=/)", "", path), "latin-1")

    return _path(change)


@application_mutant("encoded-slash-kept", breaks=["routing/encoding/slash"])
def encoded_slash_kept() -> WSGIApplication:
    def change(path: str) -> str:
        return unquote(path.replace("%2F", "%252F"), "latin-1")

    return _path(change)


@application_mutant("long-paths-cut", breaks=["routing/long-path"])
def long_paths_cut() -> WSGIApplication:
    return _path(lambda path: unquote(path, "latin-1")[:2048])


#: How a query string is misread, and the rows that notice.
_QUERIES: dict[str, tuple[str, Callable[[str], str]]] = {
    "needs-values": (
        "without-value",
        lambda query: "&".join(pair for pair in query.split("&") if re.search("=.", pair)),
    ),
    "splits-at-the-last-equals-sign": (
        "equals-sign",
        lambda query: re.sub("=(?=[^&]*=)", "%3D", query),
    ),
    "splits-at-semicolons": ("semicolon", lambda query: query.replace(";", "&")),
    "has-empty-pairs": ("empty-pairs", lambda query: re.sub("&(?=&|$)", "&=", query)),
    "needs-names": ("empty-name", lambda query: re.sub("(?:^|&)=[^&]*", "", query)),
    "leaves-names-encoded": (
        "encoded-name",
        lambda query: re.sub("%(?=[^&=]*=)", "%25", query),
    ),
    "begins-at-the-last-question-mark": (
        "question-mark",
        lambda query: query.rpartition("?")[2],
    ),
    "has-no-case": ("case", str.lower),
    "is-decoded-twice": ("decoded-once", unquote_plus),
    "is-cut": ("long", lambda query: query[:2048]),
}


def _misread(name: str, row: str, change: Callable[[str], str]) -> None:
    def build() -> WSGIApplication:
        def replace(environ: WSGIEnvironment) -> None:
            environ["QUERY_STRING"] = change(environ["QUERY_STRING"])

        return behind(replace)

    build.__module__ = __name__
    application_mutant(f"query-{name}", breaks=[f"routing/query/form/{row}"])(build)


for _name, (_row, _change) in _QUERIES.items():
    _misread(_name, _row, _change)


# Building


def _with_url_for(change: Callable[[dict[str, Any]], object]) -> Flask:
    """The application whose `url_for` is given other options than it was called with."""

    def url_for(self: Flask, endpoint: str, **options: Any) -> str:
        change(options)
        return Flask.url_for(self, endpoint, **options)

    return with_flask(url_for=url_for)


_ROUND_TRIP = "routing/url-for/round-trip"
_MORE = "routing/url-for/more"


@application_mutant(
    "built-urls-quoted-twice",
    breaks=[
        *rows(
            _ROUND_TRIP,
            "percent percent-encoded delimiters plus-and-space not-in-urls beyond-ascii",
        ),
        f"{_MORE}/beyond-ascii",
    ],
)
def built_urls_quoted_twice() -> WSGIApplication:
    return with_flask(
        url_for=lambda self, *args, **values: Flask.url_for(self, *args, **values).replace(
            "%", "%25"
        )
    )


@application_mutant("path-parameters-dropped", breaks=[f"{_ROUND_TRIP}/sub-delimiters"])
def path_parameters_dropped() -> WSGIApplication:
    return _path(lambda path: unquote(re.sub(";[^/]*", "", path), "latin-1"))


@application_mutant("tilde-is-lost", breaks=[f"{_ROUND_TRIP}/unreserved"])
def tilde_is_lost() -> WSGIApplication:
    return _path(lambda path: unquote(path, "latin-1").replace("~", ""))


@application_mutant("lists-are-one-value", breaks=[f"{_MORE}/list"])
def lists_are_one_value() -> WSGIApplication:
    return _with_url_for(
        lambda options: (
            options.update(
                {name: str(value) for name, value in options.items() if isinstance(value, list)}
            )
            if "tag" in options
            else None
        )
    )


@application_mutant("scheme-ignored", breaks=[f"{_MORE}/scheme"])
def scheme_ignored() -> WSGIApplication:
    return _with_url_for(lambda options: options.pop("_scheme", None))


@application_mutant("anchor-ignored", breaks=[f"{_MORE}/anchor", "routing/url-for"])
def anchor_ignored() -> WSGIApplication:
    return _with_url_for(lambda options: options.pop("_anchor", None))


@application_mutant("built-for-get-only", breaks=[f"{_MORE}/method-post"])
def built_for_get_only() -> WSGIApplication:
    return _with_url_for(lambda options: options.update(_method=options.get("_method") and None))


@application_mutant("built-for-post-first", breaks=[f"{_MORE}/method-get"])
def built_for_post_first() -> WSGIApplication:
    return _with_url_for(
        lambda options: options.update(_method="POST") if options.get("_method") == "GET" else None
    )


@application_mutant("built-without-zeros", breaks=[f"{_MORE}/fixed-digits"])
def built_without_zeros() -> WSGIApplication:
    return with_converters(
        int=type("Short", (IntegerConverter,), {"to_url": lambda self, value: str(value)})
    )


@application_mutant("built-uuid-without-hyphens", breaks=[f"{_MORE}/uuid"])
def built_uuid_without_hyphens() -> WSGIApplication:
    return with_converters(
        uuid=type("Hex", (UUIDConverter,), {"to_url": lambda self, value: value.hex})
    )


@application_mutant(
    "endpoints-always-absolute",
    breaks=[f"{_MORE}/relative", f"{_MORE}/other-blueprint", "routing/url-for"],
)
def endpoints_always_absolute() -> WSGIApplication:
    return with_flask(
        url_for=lambda self, endpoint, **values: Flask.url_for(
            self, endpoint.removeprefix("."), **values
        )
    )


# Matching


@application_mutant(
    "registered-first-wins", breaks=["routing/priority/converters", "routing/priority/longer-text"]
)
def registered_first_wins() -> WSGIApplication:
    class LightRule(Rule):
        def bind(self, map: Map) -> None:
            super().bind(map)
            self.parts = [type(part)(**{**vars(part), "weight": ()}) for part in self.parts]

    return with_flask(url_rule_class=LightRule)


class _Knowing(Matcher):
    """A matcher that remembers its rules."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        super().add(rule)
        self.rules.append(rule)


@application_mutant("no-way-back", breaks=["routing/priority/other-branch"])
def no_way_back() -> WSGIApplication:
    class Forward(_Knowing):
        def match(self, host: str, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
            rule, values = super().match(host, path, method)
            own = rule.rule.split("/")
            sent = path.split("/")
            for other in self.rules:
                theirs = other.rule.split("/")
                for index, part in enumerate(own[: len(theirs)]):
                    if part != theirs[index]:
                        if "<" in part and theirs[index] == sent[index]:
                            raise NoMatch(set())
                        break
            return rule, values

    return _with_matcher(Forward)


@application_mutant("fixed-rule-hides-others", breaks=["routing/methods/other-rule"])
def fixed_rule_hides_others() -> WSGIApplication:
    class Hiding(_Knowing):
        def match(self, host: str, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
            rule, values = super().match(host, path, method)
            fixed = [other for other in self.rules if other.rule == path]
            if fixed and rule.variables:
                raise NoMatch(set().union(*(other.methods or () for other in fixed)))
            return rule, values

    return _with_matcher(Hiding)


@application_mutant("method-view-calls-get", breaks=["routing/methods/method-view"])
def method_view_calls_get() -> WSGIApplication:
    MethodView.dispatch_request = lambda self, **values: self.get(**values)  # type: ignore
    return create_app()


@application_mutant("options-of-one-rule", breaks=["routing/options/all-rules"])
def options_of_one_rule() -> WSGIApplication:
    def make_default_options_response(self: Flask) -> Response:
        assert request.url_rule is not None
        return Response(headers={"Allow": ", ".join(request.url_rule.methods or ())})

    return with_flask(make_default_options_response=make_default_options_response)


@application_mutant("options-never-reach-views", breaks=["routing/options/own"])
def options_never_reach_views() -> WSGIApplication:
    def dispatch_request(self: Flask) -> Any:
        if request.method == "OPTIONS" and request.url_rule is not None:
            return self.make_default_options_response()
        return Flask.dispatch_request(self)

    return with_flask(dispatch_request=dispatch_request)


@application_mutant("options-not-switched-off", breaks=["routing/options/switched-off"])
def options_not_switched_off() -> WSGIApplication:
    def add_url_rule(self: Flask, *args: Any, **options: Any) -> None:
        options.pop("provide_automatic_options", None)
        Flask.add_url_rule(self, *args, **options)

    return with_flask(add_url_rule=add_url_rule)


@application_mutant("views-see-get-for-head", breaks=["routing/head/view-is-called"])
def views_see_get_for_head() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["REQUEST_METHOD"] == "HEAD":
            environ["REQUEST_METHOD"] = "GET"

    return behind(change)


# Redirects


@application_mutant(
    "redirects-by-302",
    breaks=[
        "routing/trailing-slash/method-kept",
        "routing/trailing-slash/own-host",
        "routing/redirect-to",
        "routing/mounted/redirect/trailing-slash",
        "routing/mounted/redirect/root",
        "routing/subdomain/redirect",
    ],
)
def redirects_by_302() -> WSGIApplication:
    RequestRedirect.code = 302
    return create_app()


@application_mutant("redirects-half-quoted", breaks=["routing/trailing-slash/encoded"])
def redirects_half_quoted() -> WSGIApplication:
    def _redirect(self: MapAdapter, path: str, query: Any) -> None:
        raise RequestRedirect(self.make_redirect_url(quote(path, safe=f"{URL_PATH_SAFE}?%"), query))

    MapAdapter._redirect = _redirect  # type: ignore[method-assign]
    return create_app()


def _with_location(change: Callable[[str], str]) -> Flask:
    """The application whose redirects by routing lead elsewhere."""

    def handle(self: Flask, error: HTTPException) -> Any:
        answer = Flask.handle_http_exception(self, error)
        if not isinstance(error, RequestRedirect):
            return answer
        return Response(status=308, headers={"Location": change(error.new_url)})

    return with_flask(handle_http_exception=handle)


@application_mutant("redirects-as-they-came", breaks=["routing/trailing-slash/own-host"])
def redirects_as_they_came() -> WSGIApplication:
    return _with_location(
        lambda url: (
            f"{request.environ['REQUEST_URI'].partition('?')[0]}/"
            if request.environ["REQUEST_URI"].startswith("//")
            else url
        )
    )


@application_mutant(
    "redirects-without-query",
    breaks=[
        "routing/defaults/query-kept",
        "routing/trailing-slash/encoded",
        "routing/alias",
        "routing/merge-slashes/redirect/inside",
        "routing/mounted/redirect/trailing-slash",
        "routing/subdomain/redirect",
    ],
)
def redirects_without_query() -> WSGIApplication:
    return _with_location(lambda url: url.partition("?")[0])


@application_mutant("always-strict-slashes", breaks=["routing/trailing-slash/not-strict"])
def always_strict_slashes() -> WSGIApplication:
    return with_rule(strict_slashes=True)


@application_mutant(
    "slashes-not-merged", breaks=rows("routing/merge-slashes/redirect", "inside several")
)
def slashes_not_merged() -> WSGIApplication:
    return with_rule(merge_slashes=False)


@application_mutant(
    "slashes-merged-in-front",
    breaks=[
        "routing/merge-slashes/variable",
        *rows("routing/merge-slashes/redirect", "inside several"),
    ],
)
def slashes_merged_in_front() -> WSGIApplication:
    return _path(lambda path: re.sub("/+", "/", unquote(path, "latin-1")))


@application_mutant("redirect-to-ignored", breaks=["routing/redirect-to"])
def redirect_to_ignored() -> WSGIApplication:
    return with_rule(redirect_to=None)


@application_mutant("alias-is-a-rule", breaks=["routing/alias"])
def alias_is_a_rule() -> WSGIApplication:
    return with_rule(alias=False)


@application_mutant("build-only-matches", breaks=["routing/build-only"])
def build_only_matches() -> WSGIApplication:
    return with_rule(build_only=False)


# Blueprints


@application_mutant("outer-prefix-forgotten", breaks=["routing/blueprint/nested"])
def outer_prefix_forgotten() -> WSGIApplication:
    nested = Blueprint._nested_options

    def forget(state: Any, name: str, blueprint: Blueprint, options: Any) -> dict[str, Any]:
        return {**nested(state, name, blueprint, options), "url_prefix": blueprint.url_prefix}

    Blueprint._nested_options = staticmethod(forget)  # type: ignore[method-assign]
    return create_app()


@application_mutant("prefix-is-no-argument", breaks=["routing/blueprint/variable-prefix"])
def prefix_is_no_argument() -> WSGIApplication:
    def dispatch_request(self: Flask) -> Any:
        if request.view_args and "tenant" in request.view_args:
            request.view_args["tenant"] = "tenant"
        return Flask.dispatch_request(self)

    return with_flask(dispatch_request=dispatch_request)


@application_mutant("url-defaults-of-registration-ignored", breaks=["routing/blueprint/twice"])
def url_defaults_of_registration_ignored() -> WSGIApplication:
    class Forgetful(BlueprintSetupState):
        def __init__(self, blueprint: Any, app: Any, options: Any, first: bool) -> None:
            super().__init__(blueprint, app, {**options, "url_defaults": {}}, first)

    def make_setup_state(self: Blueprint, app: Any, options: Any, first: bool = False) -> Any:
        return Forgetful(self, app, options, first)

    Blueprint.make_setup_state = make_setup_state  # type: ignore[method-assign, assignment]
    return create_app()


# Places


def _with_binding(change: Callable[[WSGIEnvironment], object]) -> Flask:
    """The application whose map is bound to a changed environ; the request keeps its own."""

    class MutantMap(Map):
        def bind_to_environ(self, environ: Any, *args: Any, **options: Any) -> MapAdapter:
            changed = dict(environ)
            change(changed)
            return super().bind_to_environ(changed, *args, **options)

    return with_flask(url_map_class=MutantMap)


@application_mutant(
    "mount-point-forgotten",
    breaks=["routing/mounted/url-for", *rows("routing/mounted/redirect", "trailing-slash root")],
)
def mount_point_forgotten() -> WSGIApplication:
    return _with_binding(lambda environ: environ.update(SCRIPT_NAME=""))


@application_mutant("mounted-root-without-slash", breaks=["routing/mounted/redirect/root"])
def mounted_root_without_slash() -> WSGIApplication:
    return _with_binding(lambda environ: environ.update(PATH_INFO=environ["PATH_INFO"] or "/"))


@application_mutant("no-script-root", breaks=["routing/mounted/script-name"])
def no_script_root() -> WSGIApplication:
    return with_request(script_root=property(lambda self: ""))


@application_mutant("nothing-is-mounted", breaks=["routing/mounted/not-found"])
def nothing_is_mounted() -> WSGIApplication:
    return _path(lambda path: unquote(path.removeprefix("/mounted-%C3%BC"), "latin-1"))


@application_mutant(
    "subdomains-ignored",
    breaks=rows("routing/subdomain", "fixed variable case url-for redirect"),
)
def subdomains_ignored() -> WSGIApplication:
    def create_url_adapter(self: Flask, request: Any) -> Any:
        self.subdomain_matching = False
        return Flask.create_url_adapter(self, request)

    return with_flask(create_url_adapter=create_url_adapter)


@application_mutant("case-of-hosts-matters", breaks=["routing/subdomain/case"])
def case_of_hosts_matters() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["HTTP_HOST"] != environ["HTTP_HOST"].lower():
            environ["PATH_INFO"] = "/no-such-view"

    return _with_binding(change)


@application_mutant(
    "built-on-the-same-host", breaks=["routing/subdomain/url-for", "routing/host/url-for"]
)
def built_on_the_same_host() -> WSGIApplication:
    def build(self: MapAdapter, *args: Any, **options: Any) -> str:
        url = urlsplit(original(self, *args, **{**options, "force_external": True}))
        return url.path

    original = MapAdapter.build
    MapAdapter.build = build  # type: ignore[method-assign]
    return create_app()


@application_mutant("every-host-is-one", breaks=["routing/host/fixed"])
def every_host_is_one() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["HTTP_HOST"].endswith(".hosts.test"):
            environ["HTTP_HOST"] = "one.hosts.test"

    return _with_binding(change)


@application_mutant("port-of-host-ignored", breaks=["routing/host/port"])
def port_of_host_ignored() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["HTTP_HOST"] = environ["HTTP_HOST"].partition(":")[0]

    return _with_binding(change)
