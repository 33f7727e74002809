"""Mutants of what responses carry: cookies, conditions, ranges, files and streams."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from reference_app.framework import files, response_fields
from reference_app.framework.cookies import dump_cookie
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_names
from tests.mutants.responses import Answer, around, ids

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


# Cookies


@application_mutant(
    "cookies-without-attributes",
    breaks=[
        *ids("cookie", "path", "no-path", "domain", "secure", "same-site"),
        *ids("cookie", "max-age", "expires", "partitioned", "deleted"),
    ],
)
def cookies_without_attributes() -> WSGIApplication:
    def dump(key: str, value: str = "", **attributes: Any) -> str:
        return dump_cookie(key, value)

    return with_names(response_fields, dump_cookie=dump)


@application_mutant("cookies-always-secure", breaks=["response/cookie/plain"])
def cookies_always_secure() -> WSGIApplication:
    def dump(key: str, value: str = "", **attributes: Any) -> str:
        return dump_cookie(key, value, **{**attributes, "secure": True})

    return with_names(response_fields, dump_cookie=dump)


@application_mutant(
    "cookie-values-raw",
    breaks=[
        *ids("cookie/value", "delimiters", "unicode", "control-characters", "beside"),
    ],
)
def cookie_values_raw() -> WSGIApplication:
    return with_names(
        response_fields, dump_cookie=lambda key, value="", **attributes: f"{key}={value}; Path=/"
    )


@application_mutant("cookies-percent-decoded", breaks=["response/cookie/value/percent-signs"])
def cookies_percent_decoded() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_COOKIE" in environ:
            environ["HTTP_COOKIE"] = unquote(environ["HTTP_COOKIE"])

    return behind(change)


# Conditions


@application_mutant(
    "conditions-ignored",
    breaks=[
        *ids("conditional/etag", "strong", "weak", "list", "any", "weak-of-its-own"),
        *ids("conditional/date", "same", "later", "obsolete-format"),
        *ids("conditional", "etag-before-date", "if-match", "head", "not-modified-fields"),
        *ids("range/if-range", "etag", "date"),
        "response/conditional/static",
    ],
)
def conditions_ignored() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        for name in [name for name in environ if name.startswith("HTTP_IF_")]:
            del environ[name]

    return behind(change)


@application_mutant(
    "any-date-will-do",
    breaks=[*ids("conditional/date", "earlier", "invalid"), "response/conditional/static"],
)
def any_date_will_do() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if "HTTP_IF_MODIFIED_SINCE" in environ:
            environ["HTTP_IF_MODIFIED_SINCE"] = "Fri, 01 Jan 2100 00:00:00 GMT"

    return behind(change)


@application_mutant("conditions-for-every-method", breaks=["response/conditional/date/post"])
def conditions_for_every_method() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"] == "/response/conditional":
            environ["REQUEST_METHOD"] = "GET"

    return behind(change)


@application_mutant(
    "not-modified-without-fields", breaks=["response/conditional/not-modified-fields"]
)
def not_modified_without_fields() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if answer.code == 304:
            answer.drop("vary", "cache-control", "expires")

    return around(change)


# Files


@application_mutant(
    "long-bodies-cut",
    breaks=[*ids("stream/big", "open", "with-length"), "response/file/big", "response/range/big"],
)
def long_bodies_cut() -> WSGIApplication:
    def change(answer: Answer) -> None:
        answer.fill(lambda body: body[:1_000_000])

    return around(change)


@application_mutant(
    "bodies-not-closed",
    breaks=[
        *ids("file/closed", "get", "head", "range", "not-modified"),
        *ids("stream", "closed", "head"),
    ],
)
def bodies_not_closed() -> WSGIApplication:
    kept = []

    def change(answer: Answer) -> None:
        kept.append(answer.body)
        answer.body = map(bytes, answer.body)

    return around(change)


@application_mutant("names-in-ascii", breaks=["response/file/attached/unicode"])
def names_in_ascii() -> WSGIApplication:
    def disposition(name: str, as_attachment: bool) -> tuple[str, dict[str, str]]:
        return "attachment", {"filename": name.encode("ascii", "ignore").decode()}

    return with_names(files, _disposition=disposition)


@application_mutant(
    "ranges-ignored",
    breaks=[
        *ids("range", "first", "middle", "one-byte", "suffix", "open", "beyond-the-end", "big"),
        *ids("range/if-range", "etag", "date"),
        "response/range/unsatisfiable",
    ],
)
def ranges_ignored() -> WSGIApplication:
    return behind(lambda environ: environ.pop("HTTP_RANGE", None))


@application_mutant("ranges-made-up", breaks=["response/range/malformed"])
def ranges_made_up() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        wanted = environ.get("HTTP_RANGE", "bytes=0-")
        if not re.fullmatch("bytes=([0-9]+-[0-9]*|-[0-9]+)", wanted) or wanted == "bytes=5-2":
            environ["HTTP_RANGE"] = "bytes=0-9"

    return behind(change)


@application_mutant("ranges-of-everything", breaks=["response/range/not-offered"])
def ranges_of_everything() -> WSGIApplication:
    def change(answer: Answer) -> None:
        if "HTTP_RANGE" in answer.environ and answer.code == 200:
            answer.status = "206 PARTIAL CONTENT"
            answer.fill(lambda body: body[:4])

    return around(change)


@application_mutant(
    "static-files-lost",
    breaks=["response/static", *ids("static", "content-type", "missing")],
)
def static_files_lost() -> WSGIApplication:
    def change(environ: WSGIEnvironment) -> None:
        if environ["PATH_INFO"].startswith("/static/"):
            environ["PATH_INFO"] = "/response/no-such-view"

    return behind(change)


TRAVERSALS = [
    *ids("traversal/path", "dots", "encoded-slash", "encoded-dots", "all-encoded"),
    *ids("traversal/path", "from-below", "beside"),
    *ids("traversal/static", "dots", "encoded"),
    "response/traversal/view",
]


def _open_folders(change: Any) -> WSGIApplication:
    """The application that joins paths as they come, behind a change of the path."""
    application = with_names(
        files, safe_join=lambda directory, *names: os.path.join(directory, *names)
    )

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = change(environ["PATH_INFO"])
        return application(environ, start_response)

    return middleware


@application_mutant("paths-joined-as-they-come", breaks=TRAVERSALS)
def paths_joined_as_they_come() -> WSGIApplication:
    # normpath: a folder that is not there can be left only in the path, and not in the file system.
    def join(directory: str, *names: str) -> str:
        return os.path.normpath(os.path.join(directory, *names))

    return with_names(files, safe_join=join)


@application_mutant(
    "paths-decoded-twice",
    breaks=["response/traversal/path/encoded-twice", "response/traversal/static/encoded-twice"],
)
def paths_decoded_twice() -> WSGIApplication:
    return _open_folders(unquote)


@application_mutant("paths-of-another-system", breaks=ids("traversal/path", "backslash"))
def paths_of_another_system() -> WSGIApplication:
    return _open_folders(lambda path: path.replace("\\", "/"))


@application_mutant("paths-end-at-nul", breaks=ids("traversal/path", "nul"))
def paths_end_at_nul() -> WSGIApplication:
    return _open_folders(lambda path: path.partition("\0")[0])


@application_mutant("paths-without-parameters", breaks=ids("traversal/path", "parameter"))
def paths_without_parameters() -> WSGIApplication:
    return _open_folders(lambda path: re.sub(";[^/]*", "", path))


@application_mutant("overlong-utf-8", breaks=ids("traversal/path", "overlong"))
def overlong_utf_8() -> WSGIApplication:
    return _open_folders(lambda path: path.replace("\xc0\xae", "."))


@application_mutant("absolute-paths", breaks=ids("traversal/path", "absolute"))
def absolute_paths() -> WSGIApplication:
    above = "../" * 20
    return _open_folders(lambda path: path.replace("by-path//", f"by-path/{above}"))


# Streams


@application_mutant("streams-gathered", breaks=ids("stream/held", "open", "with-length"))
def streams_gathered() -> WSGIApplication:
    return around(lambda answer: answer.fill(bytes))
