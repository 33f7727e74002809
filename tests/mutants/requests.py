"""Mutants of requests, their forms: queries, URL-encoded forms, and uploads."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, unquote_plus

from reference_app.framework import Flask, Request
from reference_app.framework.datastructures import (
    CombinedMultiDict,
    FileStorage,
    Headers,
    ImmutableMultiDict,
)
from reference_app.framework.exceptions import BadRequest
from reference_app.framework.forms import FormDataParser, parse_query
from tests.mutants import application_mutant
from tests.mutants.building import with_request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FORM = "application/x-www-form-urlencoded"
Pairs = list[tuple[str, str]]


def rows(check: str, *names: str) -> list[str]:
    """The ids of rows of a check."""
    return [f"{check}/{name}" for name in names]


def with_parser(**members: Any) -> Flask:
    """The application whose requests parse forms with a subclass that has these members."""
    parser = type("MutantParser", (FormDataParser,), members)
    return with_request(form_data_parser_class=parser)


def with_pairs(pairs: Callable[[bytes], Pairs]) -> Flask:
    """The application that finds these pairs in forms and queries."""

    def parse(self: FormDataParser, stream: IO[bytes], mimetype: str, *others: Any) -> Any:
        if mimetype != FORM:
            return FormDataParser.parse(self, stream, mimetype, *others)
        return self.cls(pairs(stream.read())), self.cls()

    def args(self: Request) -> Any:
        return self.parameter_storage_class(pairs(self.query_string))

    return with_request(
        form_data_parser_class=type("MutantParser", (FormDataParser,), {"parse": parse}),
        args=property(args),
    )


# Forms and queries


@application_mutant(
    "last-value-only",
    breaks=[
        *rows("request/form/urlencoded", "repeated", "blank"),
        "request/form/by-a-client",
        "request/args/typed",
        "request/upload/several-of-one-name",
        "request/upload/fields",
    ],
)
def last_value_only() -> WSGIApplication:
    class Last(ImmutableMultiDict[str, Any]):
        def __init__(self, mapping: Any = None) -> None:
            super().__init__(dict(mapping) if isinstance(mapping, list) else mapping)

    return with_request(parameter_storage_class=Last)


@application_mutant(
    "blank-values-dropped",
    breaks=[
        *rows("request/form/urlencoded", "blank", "no-equals-sign"),
        "request/args/no-equals-sign",
    ],
)
def blank_values_dropped() -> WSGIApplication:
    return with_pairs(lambda data: parse_qsl(data.decode()))


@application_mutant(
    "strict-about-pairs",
    breaks=[
        *rows("request/form/urlencoded", "no-equals-sign", "empty-pairs"),
        *rows("request/args", "no-equals-sign", "empty-pairs"),
        "request/form/empty",
    ],
)
def strict_about_pairs() -> WSGIApplication:
    def pairs(data: bytes) -> Pairs:
        for pair in data.split(b"&"):
            if b"=" not in pair:
                raise RuntimeError("this is no pair")
        return parse_query(data.decode())

    return with_pairs(pairs)


@application_mutant(
    "split-at-every-equals-sign",
    breaks=["request/form/urlencoded/equals-in-value", "request/args/equals-in-value"],
)
def split_at_every_equals_sign() -> WSGIApplication:
    return with_pairs(lambda data: parse_query(re.sub("(=[^=&]*)=[^&]*", r"\1", data.decode())))


@application_mutant(
    "plus-is-plus", breaks=["request/form/urlencoded/plus-and-percent", "request/form/by-a-client"]
)
def plus_is_plus() -> WSGIApplication:
    return with_pairs(lambda data: parse_query(data.decode().replace("+", "%2B")))


@application_mutant(
    "decoded-twice",
    breaks=["request/form/urlencoded/decoded-once", "request/args/decoded-once"],
)
def decoded_twice() -> WSGIApplication:
    return with_pairs(
        lambda data: [(name, unquote(value)) for name, value in parse_query(data.decode())]
    )


@application_mutant(
    "decoded-before-it-is-split",
    breaks=rows("request/form/urlencoded", "delimiters-in-name", "plus-and-percent"),
)
def decoded_before_it_is_split() -> WSGIApplication:
    return with_pairs(lambda data: parse_query(unquote_plus(data.decode())))


@application_mutant("broken-escapes-refused", breaks=["request/form/urlencoded/not-an-escape"])
def broken_escapes_refused() -> WSGIApplication:
    def pairs(data: bytes) -> Pairs:
        if re.search(rb"%(?![0-9A-Fa-f]{2})", data):
            raise BadRequest
        return parse_query(data.decode())

    return with_pairs(pairs)


@application_mutant(
    "semicolon-separates",
    breaks=["request/form/urlencoded/semicolon", "request/args/semicolon"],
)
def semicolon_separates() -> WSGIApplication:
    return with_pairs(lambda data: parse_query(data.decode().replace(";", "&")))


@application_mutant("control-characters-dropped", breaks=["request/form/urlencoded/line-ends"])
def control_characters_dropped() -> WSGIApplication:
    return with_pairs(
        lambda data: [
            (name, re.sub("[\0-\x1f]", "", value)) for name, value in parse_query(data.decode())
        ]
    )


@application_mutant(
    "forms-are-latin-1",
    breaks=[
        "request/form/urlencoded/utf-8",
        "request/form/utf-8-not-escaped",
        "request/form/not-utf-8",
        *rows("request/form/content-type", "without-case", "parameter", "quoted-parameter"),
        "request/args/utf-8",
        "request/args/not-utf-8",
        "request/big/form",
    ],
)
def forms_are_latin_1() -> WSGIApplication:
    return with_pairs(
        lambda data: parse_qsl(data.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    )


@application_mutant("forms-of-a-thousand-fields", breaks=["request/form/many-fields"])
def forms_of_a_thousand_fields() -> WSGIApplication:
    return with_pairs(lambda data: parse_query(data.decode())[:1000])


@application_mutant(
    "media-type-with-its-parameters",
    breaks=[
        *rows("request/form/content-type", "without-case", "parameter", "quoted-parameter"),
        "request/json/media-type/parameter",
        "request/json/media-type/without-case",
        "request/json/media-type/suffix-and-parameter",
        "request/content-fields",
        "request/upload/fields",
    ],
)
def media_type_with_its_parameters() -> WSGIApplication:
    return with_request(mimetype=property(lambda self: self.content_type or ""))


@application_mutant(
    "everything-is-a-form", breaks=rows("request/form/other-content-type", "text", "json", "none")
)
def everything_is_a_form() -> WSGIApplication:
    def parse(self: FormDataParser, stream: IO[bytes], *others: Any) -> Any:
        return FormDataParser.parse(self, stream, FORM, *others[1:])

    return with_request(
        want_form_data_parsed=True,
        form_data_parser_class=type("MutantParser", (FormDataParser,), {"parse": parse}),
    )


@application_mutant(
    "forms-of-post-only", breaks=rows("request/form/method", "put", "patch", "delete")
)
def forms_of_post_only() -> WSGIApplication:
    return with_request(want_form_data_parsed=property(lambda self: self.method == "POST"))


@application_mutant("type-ignored", breaks=["request/args/typed", "request/args/typed-default"])
def type_ignored() -> WSGIApplication:
    class Untyped(ImmutableMultiDict[str, Any]):
        def get(self, key: str, default: Any = None, type: Any = None) -> Any:
            return super().get(key, default)

    return with_request(parameter_storage_class=Untyped)


@application_mutant("default-forgotten", breaks=["request/args/typed-default"])
def default_forgotten() -> WSGIApplication:
    class Forgetful(ImmutableMultiDict[str, Any]):
        def get(self, key: str, default: Any = None, type: Any = None) -> Any:
            return super().get(key, None, type)

    return with_request(parameter_storage_class=Forgetful)


@application_mutant("values-form-first", breaks=["request/values/post"])
def values_form_first() -> WSGIApplication:
    return with_request(values=property(lambda self: CombinedMultiDict([self.form, self.args])))


@application_mutant("values-of-get-with-form", breaks=["request/values/get"])
def values_of_get_with_form() -> WSGIApplication:
    return with_request(values=property(lambda self: CombinedMultiDict([self.args, self.form])))


# Uploads


def with_files(change: Callable[[FileStorage], FileStorage | None]) -> Flask:
    """The application whose files went through this; what becomes None is not there."""

    def _parse_multipart(self: FormDataParser, *arguments: Any) -> Any:
        fields, files = FormDataParser._parse_multipart(self, *arguments)
        changed = [(name, change(file)) for name, file in files.items(multi=True)]
        return fields, self.cls([pair for pair in changed if pair[1] is not None])

    return with_parser(_parse_multipart=_parse_multipart)


def with_contents(change: Callable[[bytes], bytes]) -> Flask:
    """The application whose files have other contents."""

    def changed(file: FileStorage) -> FileStorage:
        file.stream = BytesIO(change(file.stream.read()))
        return file

    return with_files(changed)


def with_filenames(change: Callable[[str], str]) -> Flask:
    """The application whose files have other names."""

    def changed(file: FileStorage) -> FileStorage:
        file.filename = change(file.filename or "")
        return file

    return with_files(changed)


def with_multipart(
    change: Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]],
) -> Flask:
    """The application that parses another body than came, and another boundary."""

    def _parse_multipart(
        self: FormDataParser, stream: IO[bytes], length: int | None, options: dict[str, str]
    ) -> Any:
        body, options = change(stream.read(), options)
        return FormDataParser._parse_multipart(self, BytesIO(body), length, options)

    return with_parser(_parse_multipart=_parse_multipart)


CONTENT = "request/upload/content"


@application_mutant(
    "files-are-stripped",
    breaks=rows(
        CONTENT, "line-end", "line-ends-around", "cr-at-end", "lf-at-end", "boundary-in-a-line"
    ),
)
def files_are_stripped() -> WSGIApplication:
    return with_contents(bytes.strip)


@application_mutant(
    "files-are-text",
    breaks=[
        *rows(CONTENT, "every-byte"),
        "request/upload/saved",
        "request/upload/big",
        "request/upload/chunked-big",
        *rows("request/upload/chunked", "small-chunks", "whole-in-one"),
    ],
)
def files_are_text() -> WSGIApplication:
    return with_contents(lambda content: content.decode(errors="replace").encode())


@application_mutant(
    "empty-files-dropped",
    breaks=[*rows(CONTENT, "empty"), "request/upload/not-selected", "request/upload/saved"],
)
def empty_files_dropped() -> WSGIApplication:
    def changed(file: FileStorage) -> FileStorage | None:
        empty = not file.stream.read(1)
        file.stream.seek(0)
        return None if empty else file

    return with_files(changed)


@application_mutant("files-without-a-name-dropped", breaks=["request/upload/not-selected"])
def files_without_a_name_dropped() -> WSGIApplication:
    return with_files(lambda file: file if file.filename else None)


@application_mutant(
    "line-ends-normalised",
    breaks=rows(
        CONTENT,
        "line-end",
        "line-ends-around",
        "cr-at-end",
        "bare-line-ends",
        "boundary-in-a-line",
        "boundary-cut",
        "boundary-one-hyphen",
        "like-a-part",
    ),
)
def line_ends_normalised() -> WSGIApplication:
    return with_contents(lambda content: content.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


@application_mutant("hyphens-dropped", breaks=rows(CONTENT, "hyphens", "boundary-in-a-line"))
def hyphens_dropped() -> WSGIApplication:
    return with_contents(lambda content: content.replace(b"--", b""))


@application_mutant("lines-end-in-lf-before-a-boundary", breaks=rows(CONTENT, "boundary-after-lf"))
def lines_end_in_lf_before_a_boundary() -> WSGIApplication:
    return with_contents(lambda content: content.partition(b"\n-")[0])


@application_mutant(
    "fields-are-ascii",
    breaks=[
        "request/upload/fields",
        *rows("request/upload/field-charset", "latin-1", "utf-8"),
        "request/upload/field-not-utf-8",
    ],
)
def fields_are_ascii() -> WSGIApplication:
    def _parse_multipart(self: FormDataParser, *arguments: Any) -> Any:
        fields, files = FormDataParser._parse_multipart(self, *arguments)
        changed = [
            (name, value.encode("ascii", "ignore").decode())
            for name, value in fields.items(multi=True)
        ]
        return self.cls(changed), files

    return with_parser(_parse_multipart=_parse_multipart)


@application_mutant(
    "filenames-made-safe",
    breaks=rows(
        "request/upload/filename",
        "spaces",
        "utf-8",
        "semicolon",
        "quote-as-percent",
        "quote-escaped",
        "apostrophe",
        "path",
        "dot",
    ),
)
def filenames_made_safe() -> WSGIApplication:
    return with_filenames(
        lambda name: re.sub(r"[^A-Za-z0-9_.]", "", name.rpartition("/")[2]).lstrip(".")
    )


@application_mutant(
    "filenames-without-extension",
    breaks=[*rows("request/upload/filename", "plain", "token"), "request/upload/filename-first"],
)
def filenames_without_extension() -> WSGIApplication:
    return with_filenames(lambda name: name.rpartition(".")[0])


@application_mutant(
    "parts-without-header",
    breaks=["request/upload/part-header", "request/upload/filename-first"],
)
def parts_without_header() -> WSGIApplication:
    def changed(file: FileStorage) -> FileStorage:
        return FileStorage(file.stream, file.filename, file.name, None, None, Headers())

    return with_files(changed)


@application_mutant(
    "boundary-of-common-characters",
    breaks=rows("request/upload/boundary", "one-character", "longest", "quoted", "punctuation"),
)
def boundary_of_common_characters() -> WSGIApplication:
    def change(body: bytes, options: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        usual = re.fullmatch("[A-Za-z0-9-]{2,60}", options.get("boundary", ""))
        return body, options if usual else {}

    return with_multipart(change)


@application_mutant(
    "boundary-stripped-of-hyphens", breaks=rows("request/upload/boundary", "hyphens")
)
def boundary_stripped_of_hyphens() -> WSGIApplication:
    return with_multipart(
        lambda body, options: (body, {"boundary": options.get("boundary", "").strip("-")})
    )


@application_mutant("boundary-without-case", breaks=["request/upload/boundary-parameter-name"])
def boundary_without_case() -> WSGIApplication:
    return with_multipart(
        lambda body, options: (body, {"boundary": options.get("boundary", "").lower()})
    )


@application_mutant(
    "multipart-ends-in-a-line-end",
    breaks=["request/upload/around/epilogue", "request/upload/no-line-end-at-end"],
)
def multipart_ends_in_a_line_end() -> WSGIApplication:
    return with_multipart(
        lambda body, options: (body if body.endswith(b"--\r\n") else b"", options)
    )


@application_mutant(
    "multipart-begins-with-a-boundary", breaks=["request/upload/around/line-end-before"]
)
def multipart_begins_with_a_boundary() -> WSGIApplication:
    return with_multipart(lambda body, options: (body if body[:2] == b"--" else b"", options))


@application_mutant(
    "malformed-forms-are-errors-of-the-server",
    breaks=rows(
        "request/upload/malformed",
        "no-boundary",
        "boundary-empty",
        "another-boundary",
        "cut-in-content",
        "cut-in-header",
        "no-body",
        "no-multipart",
    ),
)
def malformed_forms_are_errors_of_the_server() -> WSGIApplication:
    def parse(self: FormDataParser, stream: IO[bytes], mimetype: str, *others: Any) -> Any:
        if mimetype == "multipart/form-data":
            return self._parse_multipart(stream, *others)
        return FormDataParser.parse(self, stream, mimetype, *others)

    return with_parser(parse=parse)


@application_mutant("cut-uploads-taken", breaks=rows("request/upload/malformed", "cut-in-content"))
def cut_uploads_taken() -> WSGIApplication:
    def change(body: bytes, options: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        end = f"--{options.get('boundary', '')}--".encode()
        return body if end in body else body + b"\r\n" + end, options

    return with_multipart(change)
