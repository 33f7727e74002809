"""Mutants of requests, their bodies: JSON, the ways to read a body, and its limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from reference_app.framework import Flask, Request, request
from reference_app.framework.exceptions import RequestEntityTooLarge
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_flask, with_request
from tests.mutants.requests import rows

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# JSON


def with_json(loads: Callable[[bytes], Any]) -> Flask:
    """The application that parses JSON otherwise."""
    return with_request(json_module=type("MutantJson", (), {"loads": staticmethod(loads)}))


VALUE = "request/json/value"


@application_mutant("numbers-are-floats", breaks=rows(VALUE, "big-integer"))
def numbers_are_floats() -> WSGIApplication:
    return with_json(lambda data: json.loads(data, parse_int=float))


@application_mutant("numbers-are-integers", breaks=rows(VALUE, "float"))
def numbers_are_integers() -> WSGIApplication:
    return with_json(lambda data: json.loads(data, parse_float=lambda text: int(float(text))))


@application_mutant(
    "json-is-latin-1",
    breaks=rows(VALUE, "utf-8"),
)
def json_is_latin_1() -> WSGIApplication:
    return with_json(lambda data: json.loads(data.decode("latin-1")))


@application_mutant("json-without-escapes", breaks=rows(VALUE, "escapes"))
def json_without_escapes() -> WSGIApplication:
    return with_json(lambda data: json.loads(data.replace(b"\\u", b"\\\\u")))


@application_mutant("json-without-whitespace", breaks=rows(VALUE, "whitespace"))
def json_without_whitespace() -> WSGIApplication:
    def loads(data: bytes) -> Any:
        if data.strip() != data:
            raise ValueError("whitespace around")
        return json.loads(data)

    return with_json(loads)


@application_mutant("json-of-objects-only", breaks=rows(VALUE, "text-alone", "null"))
def json_of_objects_only() -> WSGIApplication:
    def loads(data: bytes) -> Any:
        value = json.loads(data)
        if not isinstance(value, dict | list):
            raise ValueError("neither an object nor a list")
        return value

    return with_json(loads)


@application_mutant("json-without-null", breaks=rows(VALUE, "nested"))
def json_without_null() -> WSGIApplication:
    return with_json(lambda data: json.loads(data.replace(b"null", b"0")))


@application_mutant("json-cut-short", breaks=["request/big/json", "request/json/by-a-client"])
def json_cut_short() -> WSGIApplication:
    return with_json(lambda data: json.loads(data[: 64 * 1024]))


@application_mutant(
    "json-of-one-media-type",
    breaks=rows(
        "request/json/media-type", "parameter", "without-case", "suffix", "suffix-and-parameter"
    ),
)
def json_of_one_media_type() -> WSGIApplication:
    return with_request(is_json=property(lambda self: self.content_type == "application/json"))


@application_mutant(
    "json-of-every-media-type",
    breaks=rows(
        "request/json/other-media-type",
        "text",
        "longer",
        "suffix-of-text",
        "in-a-parameter",
        "none",
    ),
)
def json_of_every_media_type() -> WSGIApplication:
    return with_request(is_json=True)


@application_mutant(
    "json-never-silent",
    breaks=[
        *rows("request/json/silent", "unfinished", "empty", "not-utf-8"),
        *rows("request/json/other-media-type", "text", "none"),
    ],
)
def json_never_silent() -> WSGIApplication:
    def get_json(self: Request, force: bool = False, silent: bool = False) -> Any:
        return Request.get_json(self, force)

    return with_request(get_json=get_json)


@application_mutant("json-not-kept", breaks=["request/json/cached"])
def json_not_kept() -> WSGIApplication:
    def get_json(self: Request, force: bool = False, silent: bool = False) -> Any:
        return Request.get_json(self, force, silent, cache=False)

    return with_request(get_json=get_json)


# The ways to read a body


def with_get_data(**always: Any) -> Flask:
    """The application whose `get_data` is called with these arguments, whatever the view says."""

    def get_data(self: Request, **arguments: Any) -> Any:
        return Request.get_data(self, **{**arguments, **always})

    return with_request(get_data=get_data)


@application_mutant(
    "data-not-kept",
    breaks=[
        *rows("request/read", "data-is-kept", "form-from-data"),
        *rows("request/read-chunked", "data-is-kept", "form-from-data"),
        "request/json/cached",
    ],
)
def data_not_kept() -> WSGIApplication:
    return with_get_data(cache=False)


@application_mutant("data-always-kept", breaks=rows("request/read", "not-kept", "form-not-kept"))
def data_always_kept() -> WSGIApplication:
    return with_get_data(cache=True)


@application_mutant(
    "data-of-forms", breaks=rows("request/read", "data-of-form", "parsed-data-of-form")
)
def data_of_forms() -> WSGIApplication:
    return with_get_data(parse_form_data=False)


@application_mutant("forms-keep-the-body", breaks=rows("request/read", "data-after-form"))
def forms_keep_the_body() -> WSGIApplication:
    def _load_form_data(self: Request) -> None:
        Request.get_data(self)
        Request._load_form_data(self)

    return with_request(_load_form_data=_load_form_data)


@application_mutant(
    "stream-from-the-beginning",
    breaks=[
        *rows("request/read", "stream", "stream-in-pieces", "form-after-stream"),
        *rows("request/read", "stream-after-data"),
        *rows("request/read-chunked", "stream", "stream-in-pieces"),
        "request/read-lines",
    ],
)
def stream_from_the_beginning() -> WSGIApplication:
    original = Request.__dict__["stream"].__get__

    def stream(self: Request) -> IO[bytes]:
        if self._cached_data is None:
            self._cached_data = original(self, Request).read()
        return BytesIO(self._cached_data)

    return with_request(stream=property(stream))


@application_mutant("text-is-latin-1", breaks=["request/read-as-text"])
def text_is_latin_1() -> WSGIApplication:
    def get_data(self: Request, as_text: bool = False, **arguments: Any) -> Any:
        data = Request.get_data(self, **arguments)
        return data.decode("latin-1") if as_text else data

    return with_request(get_data=get_data)


@application_mutant("no-body-is-a-mistake", breaks=rows("request/no-body", "get", "post", "delete"))
def no_body_is_a_mistake() -> WSGIApplication:
    def get_data(self: Request, **arguments: Any) -> Any:
        return Request.get_data(self, **arguments) or self.on_json_loading_failed(ValueError("?"))

    return with_request(get_data=get_data)


@application_mutant("content-fields-have-defaults", breaks=["request/content-fields-absent"])
def content_fields_have_defaults() -> WSGIApplication:
    return behind(lambda environ: environ.setdefault("CONTENT_TYPE", "text/plain"))


@application_mutant("content-encoding-hidden", breaks=["request/content-encoding"])
def content_encoding_hidden() -> WSGIApplication:
    return behind(lambda environ: environ.pop("HTTP_CONTENT_ENCODING", None))


@application_mutant(
    "chunked-bodies-without-an-end",
    breaks=[
        *rows("request/upload/chunked", "small-chunks", "whole-in-one"),
        "request/upload/chunked-big",
        *rows("request/read-chunked", "data-is-kept", "form-from-data"),
        *rows("request/read-chunked", "stream", "stream-in-pieces"),
        "request/big/stream-chunked",
        "request/limit/length-chunked",
        "request/limit/read-chunked",
    ],
)
def chunked_bodies_without_an_end() -> WSGIApplication:
    return behind(lambda environ: environ.pop("wsgi.input_terminated", None))


@application_mutant(
    "bodies-cut-at-half-a-mib",
    breaks=[
        "request/big/stream",
        "request/big/stream-chunked",
        "request/big/form",
        "request/big/json",
        "request/upload/big",
        "request/upload/chunked-big",
    ],
)
def bodies_cut_at_half_a_mib() -> WSGIApplication:
    def cut(environ: WSGIEnvironment) -> None:
        body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
        environ["wsgi.input"] = BytesIO(body[: 512 * 1024])

    return behind(cut)


# Limits

LENGTH = rows("request/limit/length", "data", "form", "json", "stream", "multipart")


@application_mutant(
    "length-not-limited",
    breaks=[
        *LENGTH,
        "request/limit/length-chunked",
        "request/limit/read-chunked",
        "request/limit/of-one-request",
    ],
)
def length_not_limited() -> WSGIApplication:
    return with_request(max_content_length=None)


@application_mutant("length-limited-one-byte-early", breaks=LENGTH[:4])
def length_limited_one_byte_early() -> WSGIApplication:
    def max_content_length(self: Request) -> int | None:
        limit = self._limit(self._max_content_length, "MAX_CONTENT_LENGTH")
        return None if limit is None else limit - 1

    def set_limit(self: Request, value: int | None) -> None:
        self._max_content_length = value

    return with_request(max_content_length=property(max_content_length, set_limit))


@application_mutant("length-limited-before-reading", breaks=["request/limit/length-unread"])
def length_limited_before_reading() -> WSGIApplication:
    def preprocess_request(self: Flask) -> Any:
        limit = self.config["MAX_CONTENT_LENGTH"]
        if limit is not None and (request.content_length or 0) > limit:
            raise RequestEntityTooLarge
        return Flask.preprocess_request(self)

    return with_flask(preprocess_request=preprocess_request)


@application_mutant(
    "limits-of-the-application-only",
    breaks=[
        "request/limit/of-one-request",
        "request/limit/form-memory",
        "request/limit/form-parts",
    ],
)
def limits_of_the_application_only() -> WSGIApplication:
    def _limit(self: Request, own: int | None, key: str) -> int | None:
        return Request._limit(self, None, key)

    return with_request(_limit=_limit)


@application_mutant(
    "fields-not-limited",
    breaks=["request/limit/form-memory", "request/limit/default-form-memory"],
)
def fields_not_limited() -> WSGIApplication:
    return with_request(max_form_memory_size=None)


@application_mutant(
    "parts-not-limited",
    breaks=["request/limit/form-parts", "request/limit/default-form-parts"],
)
def parts_not_limited() -> WSGIApplication:
    return with_request(max_form_parts=None)
