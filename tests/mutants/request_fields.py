"""Mutants of requests, their header and URL: cookies, fields, credentials, conditions, hosts."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import getattr_static
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from reference_app.framework import Flask, Request, Response
from reference_app.framework.cookies import parse_cookie
from reference_app.framework.datastructures import (
    Authorization,
    EnvironHeaders,
    ImmutableMultiDict,
    LanguageAccept,
    MIMEAccept,
)
from reference_app.framework.exceptions import BadRequest, SecurityError
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_flask, with_request
from tests.mutants.protocols import with_environ
from tests.mutants.requests import Pairs, rows

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# Cookies

FIELD = "request/cookie/field"
ROUND_TRIP = "request/cookie/round-trip"


def with_cookies(pairs: Callable[[str], Pairs]) -> Flask:
    """The application that finds these cookies in the Cookie field."""
    return with_request(
        cookies=property(
            lambda self: ImmutableMultiDict(pairs(self.environ.get("HTTP_COOKIE", "")))
        )
    )


def parsed(field: str) -> Pairs:
    """What the framework finds."""
    return list(parse_cookie(field).items(multi=True))


@application_mutant(
    "cookies-split-by-hand",
    breaks=[
        *rows(FIELD, "several", "no-space", "empty-value", "attribute-like", "equals-in-value"),
        *rows(FIELD, "not-decoded", "comma", "case-of-name"),
        *rows("request/cookie/none", "no-field", "empty-field"),
        "request/cookie/malformed-neighbour/whitespace",
        *rows(ROUND_TRIP, "spaces", "delimiters", "utf-8", "json"),
    ],
)
def cookies_split_by_hand() -> WSGIApplication:
    def pairs(field: str) -> Pairs:
        found = [pair.rsplit("=", 1) for pair in field.split(",")]
        return [(pair[0], unquote(pair[-1])) for pair in found]

    return with_cookies(pairs)


@application_mutant(
    "cookies-of-letters-and-digits",
    breaks=[*rows(FIELD, "punctuation", "not-decoded"), *rows(ROUND_TRIP, "delimiters", "quotes")],
)
def cookies_of_letters_and_digits() -> WSGIApplication:
    return with_cookies(
        lambda field: [(name, re.sub(r"\W", "", value)) for name, value in parsed(field)]
    )


@application_mutant("cookies-cut-short", breaks=rows(FIELD, "long"))
def cookies_cut_short() -> WSGIApplication:
    return with_cookies(lambda field: [(name, value[:1000]) for name, value in parsed(field)])


@application_mutant("cookies-of-one-name", breaks=["request/cookie/repeated"])
def cookies_of_one_name() -> WSGIApplication:
    return with_cookies(lambda field: list(dict(parsed(field)).items()))


@application_mutant("cookie-names-without-case", breaks=rows(FIELD, "case-of-name"))
def cookie_names_without_case() -> WSGIApplication:
    return with_cookies(lambda field: [(name.lower(), value) for name, value in parsed(field)])


@application_mutant(
    "cookies-all-or-none",
    breaks=[
        *rows(
            "request/cookie/malformed-neighbour",
            "no-name",
            "empty",
            "quote-not-ended",
            "quote-in-name",
            "no-value",
            "whitespace",
        ),
        "request/cookie/utf-8",
    ],
)
def cookies_all_or_none() -> WSGIApplication:
    def pairs(field: str) -> Pairs:
        if not re.fullmatch(r'(\w+=("[!-~ ]*"|[^ ;"\x80-\xff]*)(; |$))*', field):
            raise BadRequest
        return parsed(field)

    return with_cookies(pairs)


@application_mutant(
    "cookies-not-quoted",
    breaks=rows(ROUND_TRIP, "delimiters", "utf-8", "line-end", "json", "quoted"),
)
def cookies_not_quoted() -> WSGIApplication:
    def set_cookie(self: Response, key: str, value: str = "", *others: Any, **more: Any) -> None:
        self.headers.add("Set-Cookie", f"{key}={quote(value, safe=';,') if value else value}")

    return with_flask(response_class=type("Response", (Response,), {"set_cookie": set_cookie}))


@application_mutant(
    "cookies-in-brackets",
    breaks=rows(
        ROUND_TRIP,
        "plain",
        "empty",
        "spaces",
        "delimiters",
        "quotes",
        "quoted",
        "escape-like",
        "utf-8",
        "line-end",
        "json",
    ),
)
def cookies_in_brackets() -> WSGIApplication:
    def set_cookie(self: Response, key: str, value: str = "", *others: Any, **more: Any) -> None:
        Response.set_cookie(self, key, f"<{value}>", *others, **more)

    return with_flask(response_class=type("Response", (Response,), {"set_cookie": set_cookie}))


# URL and host

TARGET = "request/url/target"


@application_mutant(
    "host-without-port",
    breaks=[
        "request/url",
        *rows("request/host", "other-port", "ipv4", "ipv6"),
        *rows("request/trusted-host/accepted", "port", "deeper-subdomain"),
    ],
)
def host_without_port() -> WSGIApplication:
    return with_request(
        host=property(lambda self: self.environ.get("HTTP_HOST", "").rpartition(":")[0])
    )


@application_mutant(
    "host-of-the-server",
    breaks=[
        "request/url",
        *rows("request/host", "name", "usual-port", "other-port", "ipv4", "ipv6", "punycode"),
        *rows("request/trusted-host/accepted", "listed", "port", "dotted", "subdomain"),
    ],
)
def host_of_the_server() -> WSGIApplication:
    return behind(lambda environ: environ.pop("HTTP_HOST", None))


@application_mutant(
    "path-still-escaped", breaks=rows(TARGET, "utf-8", "space", "escaped-question-mark")
)
def path_still_escaped() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = quote(environ["PATH_INFO"], encoding="latin-1", safe="/:@;=,+-")

    return behind(change)


@application_mutant("url-without-escapes", breaks=rows(TARGET, "space", "escaped-question-mark"))
def url_without_escapes() -> WSGIApplication:
    url = getattr_static(Request, "url")
    return with_request(url=property(lambda self: unquote(url.__get__(self, Request))))


@application_mutant(
    "path-without-parameters",
    breaks=[
        *rows(TARGET, "plain", "delimiters", "query"),
        "request/matched",
        "request/remote-address",
    ],
)
def path_without_parameters() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["PATH_INFO"] = re.sub("[;:].*", "", environ["PATH_INFO"]) + "/x"
        environ.pop("REMOTE_ADDR", None)

    return with_environ(change)


@application_mutant(
    "query-split-at-the-last-question-mark", breaks=rows(TARGET, "question-mark-in-query")
)
def query_split_at_the_last_question_mark() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        environ["QUERY_STRING"] = environ.get("QUERY_STRING", "").rpartition("?")[2]

    return behind(change)


@application_mutant("client-unknown", breaks=["request/remote-address"])
def client_unknown() -> WSGIApplication:
    return behind(lambda environ: environ.pop("REMOTE_ADDR", None))


@application_mutant(
    "every-proxy-is-trusted",
    breaks=rows("request/forwarded-not-trusted", "host", "forwarded", "prefix", "target", "method"),
)
def every_proxy_is_trusted() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for field, key in (
            ("HTTP_X_FORWARDED_HOST", "HTTP_HOST"),
            ("HTTP_FORWARDED", "HTTP_HOST"),
            ("HTTP_X_FORWARDED_PREFIX", "SCRIPT_NAME"),
            ("HTTP_X_ORIGINAL_URL", "PATH_INFO"),
            ("HTTP_X_HTTP_METHOD_OVERRIDE", "REQUEST_METHOD"),
        ):
            if field in environ:
                environ[key] = environ[field].rpartition("=")[2]

    return behind(change)


@application_mutant("arguments-are-text", breaks=["request/matched"])
def arguments_are_text() -> WSGIApplication:
    def view_args(self: Any) -> Any:
        return {name: str(value) for name, value in self._view_args.items()}

    def set_view_args(self: Any, value: Any) -> None:
        self._view_args = value or {}

    return with_request(view_args=property(view_args, set_view_args), _view_args={})


@application_mutant("outermost-blueprint", breaks=["request/matched/nested-blueprint"])
def outermost_blueprint() -> WSGIApplication:
    return with_request(blueprint=property(lambda self: (self.endpoint or "").partition(".")[0]))


@application_mutant(
    "every-host-is-trusted",
    breaks=rows(
        "request/trusted-host/refused",
        "other",
        "subdomain-of-listed",
        "same-end",
        "same-beginning",
        "port",
    ),
)
def every_host_is_trusted() -> WSGIApplication:
    return with_request(trusted_hosts=property(lambda self: None, lambda self, value: None))


@application_mutant(
    "trusted-hosts-compared-as-text",
    breaks=rows("request/trusted-host/accepted", "port", "dotted", "subdomain", "deeper-subdomain"),
)
def trusted_hosts_compared_as_text() -> WSGIApplication:
    def set_trusted(self: Request, value: list[str]) -> None:
        if self.environ.get("HTTP_HOST") not in value:
            raise SecurityError

    return with_request(trusted_hosts=property(lambda self: None, set_trusted))


@application_mutant("fields-of-the-request-before", breaks=["request/isolated"])
def fields_of_the_request_before() -> WSGIApplication:
    before: dict[str, str] = {}

    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_COOKIE" in environ:
            before["HTTP_COOKIE"] = environ["HTTP_COOKIE"]
        environ.update(before)

    return behind(change)


# Fields


@application_mutant("fields-have-a-case", breaks=["request/header/case"])
def fields_have_a_case() -> WSGIApplication:
    class Cased(EnvironHeaders):
        def get(self, key: str, default: Any = None, type: Any = None) -> Any:
            found = super().get(key, default, type)
            return found if key == key.title() else default

    return with_request(headers=property(lambda self: Cased(self.environ)))


@application_mutant("every-field-is-there", breaks=["request/header/missing"])
def every_field_is_there() -> WSGIApplication:
    class Full(EnvironHeaders):
        def __contains__(self, key: object) -> bool:
            return True

    return with_request(headers=property(lambda self: Full(self.environ)))


@application_mutant("header-is-ascii", breaks=["request/header/latin-1"])
def header_is_ascii() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for key, value in list(environ.items()):
            if key.startswith("HTTP_"):
                environ[key] = value.encode("ascii", "ignore").decode()

    return behind(change)


@application_mutant("header-without-content-fields", breaks=["request/header/content"])
def header_without_content_fields() -> WSGIApplication:
    def headers(self: Request) -> EnvironHeaders:
        return EnvironHeaders({k: v for k, v in self.environ.items() if k[:4] == "HTTP"})

    return with_request(headers=property(headers))


@application_mutant(
    "fields-without-meaning",
    breaks=[
        *rows("request/field", "user-agent", "referrer", "origin", "date", "max-forwards"),
        *rows("request/field", "access-control-method", "max-forwards-invalid", "cache-control"),
    ],
)
def fields_without_meaning() -> WSGIApplication:
    names = ("user_agent", "referrer", "origin", "date", "access_control_request_method")
    return with_request(
        max_forwards=property(lambda self: self.headers.get("Max-Forwards")),
        cache_control=None,
        **dict.fromkeys(names),
    )


BEST = "request/accept/best"


@application_mutant(
    "first-offer",
    breaks=[
        *rows(BEST, "quality", "quality-of-three-digits", "specific-first", "wildcard", "none"),
        *rows(BEST, "excluded", "without-case", "browser", "language", "language-of-region"),
        *rows(BEST, "charset", "encoding", "encoding-excluded"),
        "request/accept/quality",
    ],
)
def first_offer() -> WSGIApplication:
    class First(MIMEAccept):
        def best_match(self, matches: Any, default: Any = None) -> Any:
            return next(iter(matches))

        def quality(self, key: str) -> float:
            return 1

    kinds = ("mimetypes", "languages", "charsets", "encodings")
    return with_request(**{f"accept_{kind}": First() for kind in kinds})


@application_mutant("languages-exactly", breaks=rows(BEST, "language-of-region"))
def languages_exactly() -> WSGIApplication:
    class Exact(LanguageAccept):
        def best_match(self, matches: Any, default: Any = None) -> Any:
            return super(LanguageAccept, self).best_match(matches, default)

    original = getattr_static(Request, "accept_languages")
    accept = property(lambda self: Exact(original.__get__(self, Request)))
    return with_request(accept_languages=accept)


@application_mutant("last-offer", breaks=rows(BEST, "wildcard-for-all"))
def last_offer() -> WSGIApplication:
    class Last(MIMEAccept):
        def best_match(self, matches: Any, default: Any = None) -> Any:
            return list(matches)[-1]

    return with_request(accept_mimetypes=Last())


CREDENTIALS = "request/authorization"


@application_mutant(
    "credentials-kept-by-the-server",
    breaks=[
        *rows(CREDENTIALS, "basic", "basic-colons", "basic-utf-8", "basic-empty-password"),
        *rows(CREDENTIALS, "basic-without-case", "bearer", "digest"),
    ],
)
def credentials_kept_by_the_server() -> WSGIApplication:
    return behind(lambda environ: environ.pop("HTTP_AUTHORIZATION", None))


@application_mutant("password-without-colons", breaks=rows(CREDENTIALS, "basic-colons"))
def password_without_colons() -> WSGIApplication:
    original = getattr_static(Request, "authorization")

    def authorization(self: Request) -> Any:
        found = original.__get__(self, Request)
        if found is not None and found.password:
            found.parameters["password"] = found.password.partition(":")[0]
        return found

    return with_request(authorization=property(authorization))


@application_mutant(
    "everybody-is-somebody",
    breaks=rows(f"{CREDENTIALS}/none", "no-field", "not-base64", "scheme-alone", "not-utf-8"),
)
def everybody_is_somebody() -> WSGIApplication:
    original = getattr_static(Request, "authorization")

    def authorization(self: Request) -> Any:
        found = original.__get__(self, Request)
        if found is None or not found.username:
            return Authorization("basic", {"username": "anonymous", "password": ""})
        return found

    return with_request(authorization=property(authorization))


CONDITION = "request/condition"
RANGE = f"{CONDITION}/range"


@application_mutant(
    "conditions-kept-by-the-server",
    breaks=[
        *rows(CONDITION, "entity-tags", "any-tag", "date/usual", "if-range"),
        *rows(RANGE, "first-bytes", "rest", "last-bytes", "beyond", "several"),
    ],
)
def conditions_kept_by_the_server() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for key in [key for key in environ if key.startswith(("HTTP_IF_", "HTTP_RANGE"))]:
            del environ[key]

    return behind(change)


@application_mutant(
    "broken-conditions-refused",
    breaks=[f"{CONDITION}/date/invalid", *rows(RANGE, "backwards", "no-numbers", "no-unit")],
)
def broken_conditions_refused() -> WSGIApplication:
    def checked(name: str, field: str) -> property:
        original = getattr_static(Request, name)

        def read(self: Request) -> Any:
            found = original.__get__(self, Request)
            if found is None and field in self.headers:
                raise BadRequest
            return found

        return property(read)

    return with_request(
        range=checked("range", "Range"),
        if_modified_since=checked("if_modified_since", "If-Modified-Since"),
    )
