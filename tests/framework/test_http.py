"""Header fields: parsed and written as Werkzeug does, on examples and on text made up.

The functions are compared with Werkzeug's, which real requests to Flask go through.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import werkzeug.http
import werkzeug.sansio.http
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference_app.framework import cookies, http

# Characters that mean something in a field, and a few that do not.
field = st.text(alphabet="ab=\"\\;,*'/-01%:. \tqQWü", max_size=24)
# Werkzeug leaves the control characters from 0x1A to 0x1F as they are, which no cookie may have.
cookie_values = st.text(max_size=10).map(lambda text: "".join(c for c in text if c >= " "))
same_every_time = settings(max_examples=300, derandomize=True, deadline=None)


def comparable(value: Any) -> Any:
    """A value of either library in a form that can be compared."""
    if hasattr(value, "to_header"):
        return value.to_header()
    if hasattr(value, "lists"):
        return list(value.items(multi=True))
    return value


PARSERS = [
    "parse_options_header",
    "parse_list_header",
    "parse_dict_header",
    "parse_set_header",
    "parse_range_header",
    "parse_cookie",
    "parse_date",
    "parse_age",
    "unquote_etag",
    "unquote_header_value",
]


@pytest.mark.parametrize("name", PARSERS)
@same_every_time
@given(text=field)
def test_parsers_agree(name: str, text: str) -> None:
    ours = comparable(getattr(cookies if name == "parse_cookie" else http, name)(text))
    # Requests use this one of its two.
    module = werkzeug.sansio.http if name == "parse_cookie" else werkzeug.http
    assert ours == comparable(getattr(module, name)(text))


@same_every_time
@given(text=field)
@example('W/"a", "b", c')
def test_etags_agree(text: str) -> None:
    ours, theirs = http.parse_etags(text), werkzeug.http.parse_etags(text)
    assert (ours.star_tag, ours.as_set(True)) == (theirs.star_tag, theirs.as_set(True))


@same_every_time
@given(
    text=st.text(alphabet="ab*/;,=. q0159-", max_size=24), key=st.sampled_from(["a", "a/b", "*"])
)
def test_accept_agrees(text: str, key: str) -> None:
    from werkzeug.datastructures import MIMEAccept as Theirs

    from reference_app.framework.datastructures import MIMEAccept

    ours = http.parse_accept_header(text, MIMEAccept)
    theirs = werkzeug.http.parse_accept_header(text, Theirs)
    # An item without a value says nothing; Werkzeug keeps it.
    assert list(ours) == [(item, quality) for item, quality in theirs if item]


@same_every_time
@given(value=cookie_values, key=st.text(alphabet="abü-", min_size=1, max_size=5))
def test_cookies_come_back_and_agree(key: str, value: str) -> None:
    written = cookies.dump_cookie(key, value)
    assert written == werkzeug.http.dump_cookie(key, value)
    assert next(iter(cookies.parse_cookie(written).values())) == value


COOKIES: list[dict[str, Any]] = [
    {"max_age": 5, "sync_expires": False},
    {"max_age": timedelta(minutes=1), "sync_expires": False},
    {"expires": datetime(2020, 1, 1)},
    {"expires": 0},
    {"expires": "x"},
    {"path": None},
    {"path": "/a b;c"},
    {"domain": ".Exämple.org:80"},
    {"secure": True, "httponly": True, "samesite": "strict"},
    {"samesite": "none", "partitioned": True},
]


@pytest.mark.parametrize("arguments", COOKIES)
def test_cookie_attributes_agree(arguments: dict[str, Any]) -> None:
    assert cookies.dump_cookie("k", "v", **arguments) == werkzeug.http.dump_cookie(
        "k", "v", **arguments
    )


def test_cookies_that_browsers_drop_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="cookie is too large"):
        cookies.dump_cookie("k", "v" * 5000)
    assert len(cookies.dump_cookie("k", "v" * 5000, max_size=0)) > 5000


def test_samesite_is_checked() -> None:
    with pytest.raises(ValueError, match="SameSite"):
        cookies.dump_cookie("k", samesite="maybe")


DATES: list[Any] = [
    datetime(2020, 1, 2, 3, 4, 5),
    datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    date(2020, 1, 2),
    0,
    1_000_000_000.5,
    datetime(2020, 1, 2).timetuple(),
]


@pytest.mark.parametrize("moment", DATES)
def test_dates_agree(moment: Any) -> None:
    written = http.http_date(moment)
    assert written == werkzeug.http.http_date(moment)
    assert http.parse_date(written) is not None


WRITERS: list[tuple[str, tuple[Any, ...]]] = [
    ("quote_header_value", ("a",)),
    ("quote_header_value", ('a"\\ b',)),
    ("quote_header_value", ("",)),
    ("quote_header_value", ("a", False)),
    ("dump_options_header", ("a", {"b": 'x y"', "c": None, "d*": "UTF-8''x", "e": 1})),
    ("dump_header", (["a", "b c"],)),
    ("dump_header", ({"a": None, "b": "c d", "e*": "x"},)),
    ("quote_etag", ("a",)),
    ("quote_etag", ("a", True)),
    ("generate_etag", (b"data",)),
    ("dump_age", (timedelta(seconds=5),)),
    ("dump_age", (None,)),
]


@pytest.mark.parametrize(("name", "arguments"), WRITERS)
def test_writers_agree(name: str, arguments: tuple[Any, ...]) -> None:
    assert getattr(http, name)(*arguments) == getattr(werkzeug.http, name)(*arguments)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: http.quote_etag('"'), "double quote"),
    (lambda: http.dump_age(-1), "negative"),
    (lambda: http.plain_int("1_0"), "not an integer"),
    (lambda: http.plain_int("+1"), "not an integer"),
    (lambda: http.plain_int("\N{ARABIC-INDIC DIGIT ONE}"), "not an integer"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED)
def test_nonsense_is_refused(function: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function()


OPTIONS = [
    "text/html; charset=utf-8",
    'form-data; name="a"; filename="b;c\\".txt"',
    "attachment; filename*=UTF-8''%E2%82%AC.txt; filename=x",
    "a; b*0=c; b*1=d",
    "a; b*0*=UTF-8''%C3; b*1*=%BC",
    'a; b="c',
    "a;;b=c",
    "a; b = c; d=e",
    'x; a="%22"',
    "multipart/form-data; boundary=----x",
]


@pytest.mark.parametrize("text", OPTIONS)
def test_options_agree(text: str) -> None:
    assert http.parse_options_header(text) == werkzeug.http.parse_options_header(text)


def test_every_status_line_is_the_one_that_flask_sends() -> None:
    theirs = werkzeug.http.HTTP_STATUS_CODES
    assert {code: http.HTTP_STATUS_CODES.get(code) for code in theirs} == theirs


LENGTHS: list[tuple[str | None, str | None, int | None]] = [
    ("5", None, 5),
    (None, None, None),
    ("-5", None, 0),
    ("x", None, 0),
    ("5", "chunked", None),
    ("5", "gzip, Chunked", None),
]


@pytest.mark.parametrize(("length", "encoding", "expected"), LENGTHS)
def test_content_length(length: str | None, encoding: str | None, expected: int | None) -> None:
    assert http.parse_content_length(length, encoding) == expected
