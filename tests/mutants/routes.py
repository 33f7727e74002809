"""Mutants of routing: rules, converters, methods, redirects and the building of URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode

from reference_app.framework import Flask, Request, Response, redirect
from reference_app.framework.exceptions import HTTPException, MethodNotAllowed, NotFound
from reference_app.framework.routing import Map
from reference_app.framework.routing.converters import (
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    UnicodeConverter,
)
from reference_app.framework.routing.matcher import Matcher, NoMatch
from reference_app.framework.routing.rule import Rule
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_converters, with_flask, with_request, with_rule

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

PERCENT = "routing/encoding/percent"


@application_mutant(
    "endpoint-without-blueprint",
    breaks=["routing/static-rule", "routing/priority", "routing/methods"],
)
def endpoint_without_blueprint() -> WSGIApplication:
    def endpoint(self: Request) -> str | None:
        rule = self.url_rule
        return None if rule is None else str(rule.endpoint).rpartition(".")[2]

    return with_request(endpoint=property(endpoint))


# Converters


@application_mutant("string-takes-slashes", breaks=["routing/converter/string"])
def string_takes_slashes() -> WSGIApplication:
    class Greedy(UnicodeConverter):
        regex = ".*?"
        part_isolating = False

    return with_converters(default=Greedy, string=Greedy)


@application_mutant("string-of-any-length", breaks=["routing/converter/string-length"])
def string_of_any_length() -> WSGIApplication:
    class AnyLength(UnicodeConverter):
        def __init__(self, map: Map, **limits: Any) -> None:
            super().__init__(map)

    return with_converters(default=AnyLength, string=AnyLength)


@application_mutant("int-stays-text", breaks=["routing/converter/int", "routing/several-variables"])
def int_stays_text() -> WSGIApplication:
    return with_converters(
        int=type("Text", (IntegerConverter,), {"to_python": lambda self, value: value})
    )


@application_mutant("int-takes-a-sign", breaks=["routing/converter/int"])
def int_takes_a_sign() -> WSGIApplication:
    return with_converters(int=type("Signed", (IntegerConverter,), {"regex": r"-?\d+"}))


@application_mutant("int-without-range", breaks=["routing/converter/int-range"])
def int_without_range() -> WSGIApplication:
    class Unlimited(IntegerConverter):
        def __init__(self, map: Map, **limits: Any) -> None:
            super().__init__(map)

    return with_converters(int=Unlimited)


@application_mutant("float-takes-integers", breaks=["routing/converter/float"])
def float_takes_integers() -> WSGIApplication:
    return with_converters(float=type("Loose", (FloatConverter,), {"regex": r"\d+(?:\.\d+)?"}))


@application_mutant("path-ends-at-a-slash", breaks=["routing/converter/path"])
def path_ends_at_a_slash() -> WSGIApplication:
    return with_converters(path=UnicodeConverter)


@application_mutant("uuid-is-any-text", breaks=["routing/converter/uuid"])
def uuid_is_any_text() -> WSGIApplication:
    return with_converters(uuid=UnicodeConverter)


@application_mutant("any-is-a-prefix", breaks=["routing/converter/any"])
def any_is_a_prefix() -> WSGIApplication:
    class Prefix(BaseConverter):
        def __init__(self, map: Map, *items: str) -> None:
            super().__init__(map)
            self.regex = f"(?:{'|'.join(items)})[^/]*"

    return with_converters(any=Prefix)


@application_mutant("own-converters-ignored", breaks=["routing/converter/custom"])
def own_converters_ignored() -> WSGIApplication:
    class Unchanging(dict[str, Any]):
        def __setitem__(self, name: str, converter: Any) -> None:
            super().__setitem__(name, UnicodeConverter)

    class MutantMap(Map):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.converters = Unchanging(self.converters)

    return with_flask(url_map_class=MutantMap)


# Matching


class _MutantMap(Map):
    """A map with a matcher of another kind."""

    matcher_class = Matcher

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.matcher = self.matcher_class()


def _with_matcher(matcher: type[Matcher]) -> Flask:
    return with_flask(url_map_class=type("MutantMap", (_MutantMap,), {"matcher_class": matcher}))


@application_mutant("variables-in-reverse", breaks=["routing/several-variables"])
def variables_in_reverse() -> WSGIApplication:
    class Reverse(Matcher):
        def match(self, host: str, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
            rule, values = super().match(host, path, method)
            return rule, dict(zip(values, reversed(values.values()), strict=True))

    return _with_matcher(Reverse)


@application_mutant("first-registered-rule-wins", breaks=["routing/priority"])
def first_registered_rule_wins() -> WSGIApplication:
    class InOrder(Matcher):
        def __init__(self) -> None:
            self.single: list[Matcher] = []

        def add(self, rule: Rule) -> None:
            matcher = Matcher()
            matcher.add(rule)
            self.single.append(matcher)

        def match(self, host: str, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
            allowed: set[str] = set()
            for matcher in self.single:
                try:
                    return matcher.match(host, path, method)
                except NoMatch as error:
                    allowed |= error.allowed
            raise NoMatch(allowed)

    return _with_matcher(InOrder)


@application_mutant("no-redirect-to-defaults", breaks=["routing/defaults"])
def no_redirect_to_defaults() -> WSGIApplication:
    class NoRedirect(Map):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "redirect_defaults": False})

    return with_flask(url_map_class=NoRedirect)


@application_mutant(
    "index-page-for-every-path",
    breaks=[
        "routing/not-found",
        "routing/trailing-slash/not-added",
        "routing/converter/string",
        "errors/default/not-found",
        "errors/head/not-found",
    ],
)
def index_page_for_every_path() -> WSGIApplication:
    def handle(self: Flask, error: HTTPException) -> Any:
        if isinstance(error, NotFound):
            return Response("<title>Welcome</title>", mimetype="text/html")
        return Flask.handle_http_exception(self, error)

    return with_flask(handle_http_exception=handle)


@application_mutant(
    "allow-without-methods",
    breaks=[
        "routing/method-not-allowed",
        "errors/default/method-not-allowed",
    ],
)
def allow_without_methods() -> WSGIApplication:
    def handle(self: Flask, error: HTTPException) -> Any:
        if isinstance(error, MethodNotAllowed):
            error.valid_methods = ["GET"]
        return Flask.handle_http_exception(self, error)

    return with_flask(handle_http_exception=handle)


@application_mutant(
    "rules-take-every-method",
    breaks=[
        "routing/methods",
        "routing/method-not-allowed",
        "routing/options",
        "errors/default/method-not-allowed",
        "errors/head/method-not-allowed",
    ],
)
def rules_take_every_method() -> WSGIApplication:
    return with_rule(methods=None)


@application_mutant(
    "common-methods-only", breaks=["routing/custom-method", "routing/method-not-allowed"]
)
def common_methods_only() -> WSGIApplication:
    def forget(environ: WSGIEnvironment) -> None:
        common = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        if environ["REQUEST_METHOD"] not in common:
            environ["REQUEST_METHOD"] = "GET"

    return behind(forget)


@application_mutant("no-automatic-head", breaks=["routing/head"])
def no_automatic_head() -> WSGIApplication:
    return with_rule(methods=lambda methods: methods - {"HEAD"})


@application_mutant("no-automatic-options", breaks=["routing/options"])
def no_automatic_options() -> WSGIApplication:
    return with_flask(default_config={**Flask.default_config, "PROVIDE_AUTOMATIC_OPTIONS": False})


@application_mutant(
    "slashes-do-not-matter",
    breaks=["routing/trailing-slash/redirect", "routing/trailing-slash/not-added"],
)
def slashes_do_not_matter() -> WSGIApplication:
    class Lax(Map):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "strict_slashes": False})

    return with_flask(url_map_class=Lax)


@application_mutant("redirect-forgets-the-query", breaks=["routing/trailing-slash/redirect"])
def redirect_forgets_the_query() -> WSGIApplication:
    def raised(self: Flask, error: HTTPException) -> Any:
        answer = Flask.handle_http_exception(self, error)
        url = getattr(error, "new_url", None)
        return answer if url is None else redirect(url.partition("?")[0], 308)

    return with_flask(handle_http_exception=raised)


# Encoding

_OTHERS = ("space", "once", "question-mark", "lower-case-digits")


@application_mutant(
    "path-not-decoded",
    breaks=[
        *(f"{PERCENT}/{row}" for row in (*_OTHERS, "unreserved")),
        "routing/encoding/utf-8",
        "routing/converter/string-length",
    ],
)
def path_not_decoded() -> WSGIApplication:
    def undo(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = environ["REQUEST_URI"].partition("?")[0]

    return behind(undo)


@application_mutant("path-decoded-twice", breaks=[f"{PERCENT}/once"])
def path_decoded_twice() -> WSGIApplication:
    def decode(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = unquote(environ["PATH_INFO"], "latin-1")

    return behind(decode)


@application_mutant("plus-in-path-is-a-space", breaks=[f"{PERCENT}/plus"])
def plus_in_path_is_a_space() -> WSGIApplication:
    def decode(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = environ["PATH_INFO"].replace("+", " ")

    return behind(decode)


@application_mutant(
    "path-is-latin-1", breaks=["routing/encoding/utf-8", "routing/converter/string-length"]
)
def path_is_latin_1() -> WSGIApplication:
    def encode(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = environ["PATH_INFO"].encode("utf-8").decode("latin-1")

    return behind(encode)


@application_mutant("query-keeps-the-last", breaks=["routing/query/repeated-and-blank"])
def query_keeps_the_last() -> WSGIApplication:
    def drop(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/routing/query":
            values = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
            environ["QUERY_STRING"] = urlencode(values)

    return behind(drop)


@application_mutant("query-drops-blanks", breaks=["routing/query/repeated-and-blank"])
def query_drops_blanks() -> WSGIApplication:
    def drop(environ: WSGIEnvironment) -> None:
        environ["QUERY_STRING"] = re.sub(r"(?<![^&])[^&=]+=(?:&|$)", "", environ["QUERY_STRING"])

    return behind(drop)


# Building


@application_mutant("built-urls-not-quoted", breaks=["routing/url-for"])
def built_urls_not_quoted() -> WSGIApplication:
    return with_flask(
        url_for=lambda self, *args, **values: unquote(Flask.url_for(self, *args, **values))
    )


@application_mutant("host-from-the-socket", breaks=["routing/url-for/host"])
def host_from_the_socket() -> WSGIApplication:
    def forget(environ: WSGIEnvironment) -> None:
        environ["HTTP_HOST"] = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"

    return behind(forget)
