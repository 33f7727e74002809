"""Response: body, status, header attributes, and what it does as a WSGI application."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reference_app.framework import Response

Call = Callable[..., Any]


@pytest.fixture
def make(framework: Any) -> Any:
    return framework.Response


STATUSES: list[tuple[Any, str, int]] = [
    (None, "200 OK", 200),
    (404, "404 NOT FOUND", 404),
    ("404", "404 NOT FOUND", 404),
    ("404 Gone away", "404 Gone away", 404),
    ("wtf", "0 wtf", 0),
    (799, "799 UNKNOWN", 799),
]


@pytest.mark.parametrize(("status", "line", "code"), STATUSES)
def test_statuses(make: Any, status: Any, line: str, code: int) -> None:
    response = make("x", status)
    assert (response.status, response.status_code) == (line, code)


def test_an_empty_status_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="mpty status"):
        make("x", " ")


BODIES: list[tuple[Any, bytes, bool]] = [
    ("ü", "ü".encode(), True),
    (b"\xff", b"\xff", True),
    (bytearray(b"x"), b"x", True),
    (None, b"", True),
    (["a", b"b"], b"ab", True),
    (("a",), b"a", True),
    ({"a": 1, "ü": 2}.keys(), "aü".encode(), False),
]


@pytest.mark.parametrize(("body", "data", "sequence"), BODIES)
def test_bodies(make: Any, body: Any, data: bytes, sequence: bool) -> None:
    response = make(body)
    assert response.is_sequence is sequence
    assert response.get_data() == data
    assert response.calculate_content_length() == len(data)


TYPES: list[tuple[dict[str, Any], str | None]] = [
    ({}, "text/html; charset=utf-8"),
    ({"mimetype": "text/plain"}, "text/plain; charset=utf-8"),
    ({"mimetype": "image/png"}, "image/png"),
    ({"mimetype": "application/x+xml"}, "application/x+xml; charset=utf-8"),
    ({"content_type": "a/b; c=d"}, "a/b; c=d"),
    ({"headers": {"content-type": "e/f"}}, "e/f"),
    ({"headers": {"content-type": "e/f"}, "mimetype": "g/h"}, "g/h"),
]


@pytest.mark.parametrize(("arguments", "expected"), TYPES)
def test_content_types(make: Any, arguments: dict[str, Any], expected: str) -> None:
    response = make("x", **arguments)
    assert response.content_type == expected
    assert response.headers.getlist("Content-Type") == [expected]


ATTRIBUTES: list[tuple[str, Any, str, str | None]] = [
    # attribute, value, header, as written
    ("location", "/x", "Location", "/x"),
    ("content_length", 5, "Content-Length", "5"),
    ("content_language", ["de", "en"], "Content-Language", "de, en"),
    ("date", datetime(2020, 1, 1, tzinfo=UTC), "Date", "Wed, 01 Jan 2020 00:00:00 GMT"),
    ("expires", datetime(2020, 1, 1), "Expires", "Wed, 01 Jan 2020 00:00:00 GMT"),
    ("last_modified", 0, "Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("age", timedelta(seconds=5), "Age", "5"),
    ("retry_after", 5, "Retry-After", "5"),
    ("vary", "Cookie", "Vary", "Cookie"),
    ("allow", ["GET"], "Allow", "GET"),
    ("mimetype", "text/plain", "Content-Type", "text/plain; charset=utf-8"),
    ("access_control_allow_origin", "*", "Access-Control-Allow-Origin", "*"),
    ("access_control_allow_headers", ["a", "b"], "Access-Control-Allow-Headers", "a, b"),
    ("access_control_max_age", 5, "Access-Control-Max-Age", "5"),
    ("access_control_allow_credentials", True, "Access-Control-Allow-Credentials", "true"),
    ("content_range", "bytes 0-1/2", "Content-Range", "bytes 0-1/2"),
]


@pytest.mark.parametrize(("attribute", "value", "header", "written"), ATTRIBUTES)
def test_attributes_are_header_fields(
    make: Any, attribute: str, value: Any, header: str, written: str | None
) -> None:
    response = make("x")
    setattr(response, attribute, value)
    assert response.headers.get(header) == written


def test_attributes_write_back(make: Any) -> None:
    response = make("x")
    response.vary.add("Accept")
    response.vary.add("accept")
    response.cache_control.no_store = True
    response.mimetype_params["x"] = "y"
    response.content_range.set(0, 5, 10)
    assert response.headers["Vary"] == "Accept"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8; x=y"
    assert response.headers["Content-Range"] == "bytes 0-4/10"
    response.vary.clear()
    response.cache_control.no_store = None
    response.content_range.unset()
    assert {"Vary", "Cache-Control", "Content-Range"} & set(response.headers.keys()) == set()


def test_etags(make: Any) -> None:
    response = make("x")
    assert response.get_etag() == (None, None)
    response.add_etag()
    first = response.get_etag()
    response.set_data("y")
    response.add_etag()
    assert response.get_etag() == first
    response.add_etag(overwrite=True, weak=True)
    assert response.get_etag() != first
    assert response.get_etag()[1] is True


def test_json(make: Any) -> None:
    response = make('{"a": 1}', mimetype="application/json")
    assert (response.is_json, response.json, response.get_json()) == (True, {"a": 1}, {"a": 1})
    broken = make("{", mimetype="application/json")
    assert broken.get_json(silent=True) is None
    with pytest.raises(ValueError, match="Expecting"):
        broken.get_json()
    assert make("1").json is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("read", [True, False])
def test_a_streamed_body_is_closed(make: Any, call: Call, method: str, read: bool) -> None:
    closed = []

    class Body:
        def __iter__(self) -> Any:
            return iter([b"x"])

        def close(self) -> None:
            closed.append("body")

    response = make(Body())
    response.call_on_close(lambda: closed.append("callback"))
    if read:
        assert response.get_data() == b"x"
    answer = call(response, "/", method)
    assert answer.body == (b"x" if method == "GET" else b"")
    assert sorted(closed) == ["body", "callback"]


def test_a_close_of_ones_own_is_called(make: Any, call: Call) -> None:
    closed = []

    class Closing(make):  # type: ignore[misc]
        def close(self) -> None:
            closed.append(True)
            super().close()

    call(Closing("x"), "/")
    assert closed == [True]


def test_a_body_in_passthrough_is_handed_over_untouched(make: Any) -> None:
    body = iter([b"x"])
    response = make(body, direct_passthrough=True)
    assert response.get_app_iter({"REQUEST_METHOD": "GET"}) is body
    with pytest.raises(RuntimeError, match="passthrough"):
        response.get_data()


@pytest.mark.parametrize("status", [100, 204, 304])
def test_statuses_without_a_body_have_none(make: Any, call: Call, status: int) -> None:
    answer = call(make("x", status), "/")
    assert (answer.body, answer["Content-Length"]) == (b"", None)


def test_a_response_can_be_stored(make: Any) -> None:
    response = make(iter("ab"))
    response.freeze()
    assert (response.response, response.content_length) == ([b"a", b"b"], 2)
    assert response.get_etag()[0] is not None


def test_headers_cannot_be_injected(make: Any) -> None:
    response = make("x")
    with pytest.raises(ValueError, match="newline"):
        response.headers["X"] = "a\r\nSet-Cookie: x=y"
    with pytest.raises(ValueError, match="newline"):
        response.location = "/\nx"


def test_force_type_needs_an_environ_for_applications(framework: Any) -> None:
    with pytest.raises(TypeError, match="environ"):
        framework.Response.force_type(lambda environ, start_response: [])


def test_what_a_response_says_of_itself() -> None:
    flask = importlib.import_module("flask").Response
    cases: list[Any] = [("xyz",), (iter("a"), 404), ([],)]
    for arguments in cases:
        assert repr(Response(*arguments)) == repr(flask(*arguments))
