"""Mutants of responses: what becomes of bodies, fields, cookies, conditions, files and streams."""

from __future__ import annotations

import gzip
import html
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

from reference_app.application import create_app
from reference_app.framework import Flask, Response
from reference_app.framework.json.provider import DefaultJSONProvider
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def ids(prefix: str, *names: str) -> list[str]:
    """The ids of checks that begin alike."""
    return [f"response/{prefix}/{name}" for name in names]


@dataclass
class Answer:
    """What the application answered, to be changed."""

    environ: WSGIEnvironment
    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Iterable[bytes] = ()

    @property
    def code(self) -> int:
        return int(self.status[:3])

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def drop(self, *names: str) -> None:
        self.headers = [item for item in self.headers if item[0].lower() not in names]

    def put(self, name: str, value: str) -> None:
        self.drop(name.lower())
        self.headers.append((name, value))

    def fill(self, change: Callable[[bytes], bytes]) -> None:
        """Change the whole body of an answer that has one."""
        body = b"".join(self.body)
        close = getattr(self.body, "close", None)
        if close is not None:
            close()
        self.body = [change(body)]
        if self.environ["REQUEST_METHOD"] != "HEAD" and self.get("Content-Length"):
            self.put("Content-Length", str(len(change(body))))


def around(change: Callable[[Answer], object]) -> WSGIApplication:
    """The application in a middleware that changes the answers of this area."""
    application = create_app()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(("/response/", "/static/")):
            return application(environ, start_response)
        answer = Answer(dict(environ))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer.status, answer.headers = status, list(headers)

        answer.body = application(environ, start)
        change(answer)
        start_response(answer.status, answer.headers)
        return answer.body

    return middleware


# What a view returns


@application_mutant(
    "text-in-another-charset",
    breaks=[
        *ids("body", "str", "text"),
        *ids("object", "made", "body-replaced"),
        "response/fields/representation",
    ],
)
def text_in_another_charset() -> WSGIApplication:
    def change(body: bytes) -> bytes:
        return body.decode("utf-8", "replace").encode("latin-1", "replace")

    return around(lambda answer: answer.fill(change))


@application_mutant("body-ends-at-an-empty-line", breaks=["response/body/bytes"])
def body_ends_at_an_empty_line() -> WSGIApplication:
    return around(lambda answer: answer.fill(lambda body: body.partition(b"\r\n\r\n")[0]))


@application_mutant("empty-bodies-filled", breaks=["response/body/empty"])
def empty_bodies_filled() -> WSGIApplication:
    return around(lambda answer: answer.fill(lambda body: body or answer.status.encode()))


def with_make_response(change: Callable[[Any], Any]) -> Flask:
    """The application in which what views return is changed before it becomes a response."""
    return with_flask(make_response=lambda self, rv: Flask.make_response(self, change(rv)))


@application_mutant("only-the-first-piece", breaks=ids("body", "text", "generator", "iterator"))
def only_the_first_piece() -> WSGIApplication:
    return with_make_response(lambda rv: next(rv) if isinstance(rv, Iterator) else rv)


@application_mutant("json-as-python", breaks=[*ids("json", "dict", "list"), "response/tuple/json"])
def json_as_python() -> WSGIApplication:
    def change(rv: Any) -> Any:
        if isinstance(rv, tuple):
            return (change(rv[0]), *rv[1:])
        return repr(rv) if isinstance(rv, (dict, list)) else rv

    return with_make_response(change)


@application_mutant("json-types-by-str", breaks=["response/json/types"])
def json_types_by_str() -> WSGIApplication:
    class Provider(DefaultJSONProvider):
        default = staticmethod(str)

    return with_flask(json_provider_class=Provider)


@application_mutant(
    "response-objects-made-anew", breaks=["response/object", "response/object/made"]
)
def response_objects_made_anew() -> WSGIApplication:
    def change(rv: Any) -> Any:
        return Response(rv.response) if isinstance(rv, Response) else rv

    return with_make_response(change)


@application_mutant("length-not-renewed", breaks=["response/object/body-replaced"])
def length_not_renewed() -> WSGIApplication:
    class Stale(Response):
        def set_data(self, value: bytes | str) -> None:
            length = self.headers.get("Content-Length")
            super().set_data(value)
            if length is not None:
                self.headers["Content-Length"] = length

    return with_flask(response_class=Stale)


@application_mutant("callables-not-called", breaks=["response/callable"])
def callables_not_called() -> WSGIApplication:
    def change(rv: Any) -> Any:
        return repr(rv) if callable(rv) and not isinstance(rv, Response) else rv

    return with_make_response(change)


@application_mutant(
    "status-of-tuples-ignored",
    breaks=ids("tuple", "status", "status-line", "status-and-headers", "over-a-response", "json"),
)
def status_of_tuples_ignored() -> WSGIApplication:
    def change(rv: Any) -> Any:
        if isinstance(rv, tuple):
            return (rv[0], *(more for more in rv[1:] if not isinstance(more, (int, str))))[:2] + (
                () if any(isinstance(more, (dict, list)) for more in rv[1:]) else ({},)
            )
        return rv

    return with_make_response(change)


@application_mutant(
    "headers-of-tuples-ignored",
    breaks=ids(
        "tuple",
        "headers",
        "pairs-of-one-name",
        "lists-of-values",
        "status-and-headers",
        "over-a-response",
    ),
)
def headers_of_tuples_ignored() -> WSGIApplication:
    def change(rv: Any) -> Any:
        if isinstance(rv, tuple):
            return (rv[0], next((more for more in rv[1:] if isinstance(more, (int, str))), 200))
        return rv

    return with_make_response(change)


@application_mutant(
    "one-field-of-each-name",
    breaks=[
        *ids("tuple", "pairs-of-one-name", "lists-of-values"),
        *ids("fields", "changed", "challenge"),
        "response/cookie/several",
    ],
)
def one_field_of_each_name() -> WSGIApplication:
    def change(answer: Answer) -> None:
        answer.headers = list(
            {name.lower(): (name, value) for name, value in answer.headers}.values()
        )

    return around(change)


@application_mutant(
    "only-the-common-statuses",
    breaks=ids("status", "202", "299", "300", "402", "451", "499", "507"),
)
def only_the_common_statuses() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.code not in (200, 201, 301, 302, 304, 400, 403, 404, 500):
            answer.status = f"{answer.status[0]}00 {answer.status[4:]}"
            if answer.code == 300:
                answer.status = "302 FOUND"

    return around(change)


@application_mutant("charset-for-every-type", breaks=ids("content-type", "binary", "own-charset"))
def charset_for_every_type() -> WSGIApplication:
    def change(answer: Answer) -> None:
        kind = answer.get("Content-Type").partition(";")[0]
        answer.put("Content-Type", f"{kind}; charset=utf-8")

    return around(change)


@application_mutant(
    "no-charset", breaks=["response/content-type/text", "response/static/content-type"]
)
def no_charset() -> WSGIApplication:
    return around(
        lambda answer: answer.put("Content-Type", answer.get("Content-Type").partition(";")[0])
    )


@application_mutant("compressed-bodies-opened", breaks=["response/encoded"])
def compressed_bodies_opened() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.get("Content-Encoding") == "gzip":
            answer.drop("content-encoding")
            answer.fill(gzip.decompress)

    return around(change)


@application_mutant("bodies-compressed", breaks=["response/not-encoded"])
def bodies_compressed() -> WSGIApplication:
    def change(answer: Answer) -> None:
        accepted = answer.environ.get("HTTP_ACCEPT_ENCODING", "")
        if "gzip" in accepted and not answer.get("Content-Encoding"):
            answer.put("Content-Encoding", "gzip")
            answer.fill(gzip.compress)

    return around(change)


# Responses without a body


@application_mutant(
    "success-is-always-200",
    breaks=[
        "response/no-content",
        "response/not-modified",
        "response/conditional/not-modified-body",
    ],
)
def success_is_always_200() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.code in (204, 304):
            answer.status = "200 OK"

    return around(change)


@application_mutant(
    "head-without-content-type",
    breaks=ids("head", "text", "json", "redirect", "challenge", "stream", "file", "static-file"),
)
def head_without_content_type() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.environ["REQUEST_METHOD"] == "HEAD":
            answer.drop("content-type")

    return around(change)


@application_mutant(
    "head-counted", breaks=ids("head/length", "text", "stream", "stream-with-length", "file")
)
def head_counted() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.environ["REQUEST_METHOD"] == "HEAD":
            answer.put("Content-Length", "0")

    return around(change)


@application_mutant("head-made-as-get", breaks=["response/stream/head"])
def head_made_as_get() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["REQUEST_METHOD"] == "HEAD":
            environ["REQUEST_METHOD"] = "GET"

    return behind(change)


# Redirects


@application_mutant(
    "other-redirects", breaks=ids("redirect", "301", "302", "303", "305", "307", "308")
)
def other_redirects() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.get("Location"):
            answer.status = "301 MOVED" if answer.code == 302 else "302 FOUND"

    return around(change)


@application_mutant(
    "locations-resolved",
    breaks=[
        *ids("redirect", "301", "302", "303", "305", "307", "308"),
        *ids("redirect/elsewhere", "absolute", "network-path", "relative-path", "query-only"),
    ],
)
def locations_resolved() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if location := answer.get("Location"):
            base = f"http://{answer.environ['HTTP_HOST']}{answer.environ['PATH_INFO']}"
            answer.put("Location", urljoin(base, location).replace("https:", "http:"))

    return around(change)


@application_mutant(
    "locations-not-encoded",
    breaks=["response/redirect/unicode", "response/fields/content-location"],
)
def locations_not_encoded() -> WSGIApplication:
    def change(answer: Answer) -> None:
        for name in ("Location", "Content-Location"):
            if value := answer.get(name):
                answer.put(name, unquote(value).encode().decode("latin-1"))

    return around(change)


@application_mutant("redirect-page-not-escaped", breaks=["response/redirect/page-escaped"])
def redirect_page_not_escaped() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.get("Location"):
            target = unquote(answer.get("Location")).encode()
            answer.fill(lambda body: html.unescape(body.decode()).encode() + target)

    return around(change)


# Fields


@application_mutant(
    "unusual-fields-dropped",
    breaks=[
        *ids("fields", "caching", "challenge", "representation", "content-location"),
        *ids("fields", "retry-after", "allow", "changed", "long", "many"),
        *ids("file", "head", "max-age"),
        *ids("file/attached", "token", "quoted", "unicode"),
        *ids("range", "head", "unsatisfiable"),
        "response/file",
        "response/static/method",
    ],
)
def unusual_fields_dropped() -> WSGIApplication:
    usual = ("content-type", "content-length", "set-cookie", "location")

    def change(answer: Answer) -> None:
        answer.headers = [item for item in answer.headers if item[0].lower() in usual]

    return around(change)


@application_mutant("caching-added", breaks=["response/fields/caching"])
def caching_added() -> WSGIApplication:
    return around(lambda answer: answer.headers.append(("Cache-Control", "no-transform")))


@application_mutant(
    "error-pages-of-its-own", breaks=ids("fields", "challenge", "retry-after", "allow")
)
def error_pages_of_its_own() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.code >= 400:
            answer.fill(lambda body: b"<title>" + answer.status.encode() + b"</title>")

    return around(change)


@application_mutant("fields-cut", breaks=["response/fields/long"])
def fields_cut() -> WSGIApplication:
    def change(answer: Answer) -> None:
        answer.headers = [(name, value[:4096]) for name, value in answer.headers]

    return around(change)


@application_mutant("few-fields", breaks=["response/fields/many"])
def few_fields() -> WSGIApplication:
    def change(answer: Answer) -> None:
        del answer.headers[64:]

    return around(change)


@application_mutant("responses-split", breaks=ids("fields/injected", "value", "location", "cookie"))
def responses_split() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if "/injected/" in answer.environ["PATH_INFO"]:
            # What the client sees where the line ends went through.
            answer.put("X-Injected", "yes")

    return around(change)
