"""Requests, their header: fields as a view finds them, parsed by their kind."""

from __future__ import annotations

from base64 import b64encode

import pytest

from conformance.checks.probes import read_json, request
from conformance.checks.test_request import get
from conformance.clauses import clause, flask, rfc9110, werkzeug
from conformance.client import Wire

HEADERS = flask("api", "flask.Request.headers")
ACCEPT = werkzeug("datastructures", "werkzeug.datastructures.Accept.best_match")
AUTHORIZATION = flask("api", "flask.Request.authorization")
ETAGS = werkzeug("datastructures", "werkzeug.datastructures.ETags.contains")


@clause("request/header/case", "contract", HEADERS)
def test_header_case(wire: Wire) -> None:
    """A field is found by its name, whatever the case in which it was sent and is asked for."""
    names = ["X-Own-Field", "x-own-field", "X-OWN-field"]
    for asked, sent in zip(names, [*names[1:], names[0]], strict=True):
        found = get(wire, f"/request/field/{asked}", f"{sent}: 42")
        assert found == {"found": "42", "contained": True, "number": 42}


@clause("request/header/missing", "contract", HEADERS)
def test_header_missing(wire: Wire) -> None:
    """A field that was not sent is not there, and its default is given."""
    found = get(wire, "/request/field/X-Own-Field", "X-Own: 1", "X-Own-Fields: 2")
    assert found == {"found": None, "contained": False, "number": -1}


@clause("request/header/latin-1", "contract", HEADERS)
def test_header_latin_1(wire: Wire) -> None:
    """A value with bytes beyond ASCII is text of one character for each of them."""
    data = request(
        "GET /request/field/X-Own HTTP/1.1", b"X-Own: \xe4\xc3\xa4\xff", "Connection: close"
    )
    assert read_json(wire.exchange(data))["found"] == "\xe4\xc3\xa4\xff"


@clause("request/header/content", "contract", HEADERS)
def test_header_content(wire: Wire) -> None:
    """Content-Type and Content-Length are fields like others, though CGI has them apart."""
    data = request(
        "POST /request/show/headers HTTP/1.1",
        "X-Own: 1",
        "Content-Type: text/x-own; a=b",
        "Content-Length: 5",
        "Connection: close",
        body=b"12345",
    )
    found = read_json(wire.exchange(data, "POST"))["headers"]
    assert isinstance(found, list)
    lines = sorted(str(field).lower() for field in found)
    expected = (["content-length", "5"], ["content-type", "text/x-own; a=b"], ["x-own", "1"])
    assert [lines.count(str(field)) for field in expected] == [1, 1, 1]


FIELDS: dict[str, tuple[str, str, object]] = {
    "user-agent": ("User-Agent: suite/1.0 (a; b)", "user_agent", "suite/1.0 (a; b)"),
    "referrer": ("Referer: http://a.example/b?c=d", "referrer", "http://a.example/b?c=d"),
    "origin": ("Origin: https://a.example", "origin", "https://a.example"),
    "date": (
        "Date: Thu, 29 Feb 2024 23:59:58 GMT",
        "date",
        "2024-02-29T23:59:58+00:00",
    ),
    "max-forwards": ("Max-Forwards: 10", "max_forwards", 10),
    "max-forwards-invalid": ("Max-Forwards: ten", "max_forwards", None),
    "access-control-method": (
        "Access-Control-Request-Method: PUT",
        "access_control_request_method",
        "PUT",
    ),
}


@clause("request/field", "contract", flask("api", "flask.Request"))
@pytest.mark.parametrize("row", FIELDS)
def test_field(wire: Wire, row: str) -> None:
    """Fields that have a meaning are attributes: text, numbers and dates."""
    sent, name, value = FIELDS[row]
    assert get(wire, f"/request/show/{name}", sent) == {name: value}


@clause("request/field/cache-control", "contract", flask("api", "flask.Request.cache_control"))
def test_cache_control(wire: Wire) -> None:
    """Cache-Control is found by its directives."""
    found = get(wire, "/request/cache-control", "Cache-Control: no-cache, max-age=60")
    assert (found["no_cache"], found["max_age"]) in ((True, 60), ("*", 60))
    found = get(wire, "/request/cache-control", "Cache-Control: max-age=0")
    assert (bool(found["no_cache"]), found["max_age"]) == (False, 0)


JSON, HTML, TEXT = "application/json", "text/html", "text/plain"
#: The field, which one of the kind, the offers, and the best of them.
ACCEPTED: dict[str, tuple[str, str, list[str], str | None]] = {
    "quality": ("Accept: text/html;q=0.5, application/json", "mimetypes", [HTML, JSON], JSON),
    "quality-of-three-digits": (
        "Accept: text/html;q=0.123, application/json;q=0.124",
        "mimetypes",
        [HTML, JSON],
        JSON,
    ),
    "specific-first": (
        "Accept: text/*;q=0.9, text/html;q=0.1, */*;q=0.5",
        "mimetypes",
        [HTML, JSON],
        JSON,
    ),
    "wildcard": ("Accept: text/*", "mimetypes", [JSON, TEXT], TEXT),
    "wildcard-for-all": ("Accept: */*", "mimetypes", [JSON, HTML], JSON),
    "none": ("Accept: image/png", "mimetypes", [JSON, HTML], None),
    "excluded": ("Accept: text/html;q=0, text/plain;q=0.1", "mimetypes", [HTML, TEXT], TEXT),
    "without-case": ("Accept: Text/HTML", "mimetypes", [JSON, HTML], HTML),
    "browser": (
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "mimetypes",
        [JSON, HTML],
        HTML,
    ),
    "language": ("Accept-Language: de-AT, de;q=0.8, en;q=0.5", "languages", ["en", "de"], "de"),
    "language-of-region": ("Accept-Language: en-GB", "languages", ["fr", "en"], "en"),
    "charset": (
        "Accept-Charset: iso-8859-1;q=0.2, UTF-8",
        "charsets",
        ["iso-8859-1", "utf-8"],
        "utf-8",
    ),
    "encoding": ("Accept-Encoding: gzip;q=0.5, br", "encodings", ["gzip", "br"], "br"),
    "encoding-excluded": ("Accept-Encoding: gzip;q=0, *", "encodings", ["gzip", "br"], "br"),
}


@clause("request/accept/best", "contract", ACCEPT)
@pytest.mark.parametrize("row", ACCEPTED)
def test_accept(wire: Wire, row: str) -> None:
    """Of what a view offers, the best is what the client prefers, by quality and by how exact."""
    field, kind, offers, best = ACCEPTED[row]
    query = "&".join(f"offer={offer.replace('+', '%2B')}" for offer in offers)
    assert get(wire, f"/request/accept/{kind}?{query}", field)["best"] == best


@clause("request/accept/quality", "contract", ACCEPT)
def test_accept_quality(wire: Wire) -> None:
    """The quality of each offer is the one of the range that fits it; 0 is not accepted."""
    found = get(
        wire,
        "/request/accept/mimetypes?offer=text/html&offer=text/plain&offer=image/png",
        "Accept: text/html;q=0.5, text/*;q=0.25",
    )
    assert found["quality"] == [0.5, 0.25, 0]
    assert found["contained"] == [True, True, False]


def basic(text: bytes) -> str:
    """An Authorization field of the scheme Basic."""
    return f"Authorization: Basic {b64encode(text).decode()}"


CREDENTIALS: dict[str, tuple[str, dict[str, object]]] = {
    "basic": (basic(b"user:secret"), {"username": "user", "password": "secret"}),
    "basic-colons": (basic(b"user:a:b:"), {"username": "user", "password": "a:b:"}),
    "basic-utf-8": (
        basic("üser:gehäim€".encode()),
        {"username": "üser", "password": "gehäim€"},
    ),
    "basic-empty-password": (basic(b"user:"), {"username": "user", "password": ""}),
    "basic-without-case": (
        basic(b"user:secret").replace("Basic", "bASIC"),
        {"type": "basic", "username": "user"},
    ),
    "bearer": ("Authorization: Bearer abc.DEF-123_~+/==", {"token": "abc.DEF-123_~+/=="}),
    "digest": (
        'Authorization: Digest username="u, \\"v\\"", nc=00000001, uri="/a?b"',
        {
            "type": "digest",
            "username": 'u, "v"',
            "parameters": {"username": 'u, "v"', "nc": "00000001", "uri": "/a?b"},
        },
    ),
}


@clause("request/authorization", "contract", AUTHORIZATION)
@pytest.mark.parametrize("row", CREDENTIALS)
def test_authorization(wire: Wire, row: str) -> None:
    """Credentials reach the view, taken apart by their scheme; the server does not keep them."""
    field, expected = CREDENTIALS[row]
    found = get(wire, "/request/authorization", field)["found"]
    assert isinstance(found, dict)
    assert {name: found.get(name) for name in expected} == expected


@clause("request/authorization/none", "contract", AUTHORIZATION)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((), id="no-field"),
        pytest.param(("Authorization: Basic !!!",), id="not-base64"),
        pytest.param(("Authorization: Basic",), id="scheme-alone"),
        pytest.param((basic(b"\xff:\xff"),), id="not-utf-8"),
    ],
)
def test_no_authorization(wire: Wire, fields: tuple[str, ...]) -> None:
    """Without credentials, or with ones that cannot be read, there are none, and no error."""
    found = get(wire, "/request/authorization", *fields)["found"]
    # Werkzeug has empty credentials where there is a scheme alone.
    if found is not None:
        assert isinstance(found, dict)
        assert not found["username"]
        assert not found["password"]


@clause("request/condition/entity-tags", "contract", flask("api", "flask.Request.if_none_match"))
def test_entity_tags(wire: Wire) -> None:
    """Entity tags are found in lists, strong ones and weak ones apart, commas within them kept."""
    found = get(
        wire,
        "/request/conditions?tag=a&tag=b,c&tag=d",
        'If-Match: "a", "b,c"',
        'If-None-Match: W/"a", "b,c"',
    )
    assert found["if_match"] == {"a": True, "b,c": True, "d": False}
    assert found["if_none_match"] == {"a": [False, True], "b,c": [True, True], "d": [False, False]}


@clause("request/condition/any-tag", "contract", ETAGS)
def test_any_tag(wire: Wire) -> None:
    """An asterisk stands for every entity tag."""
    found = get(wire, "/request/conditions?tag=a", "If-Match: *", "If-None-Match: *")
    assert (found["if_match"], found["if_none_match"]) == ({"a": True}, {"a": [True, True]})


DATE = "2024-02-29T23:59:58+00:00"
DATES = {
    "usual": ("Thu, 29 Feb 2024 23:59:58 GMT", DATE),
    "invalid": ("yesterday", None),
}


@clause("request/condition/date", "must", rfc9110("5.6.7"))
@pytest.mark.parametrize("row", DATES)
def test_dates(wire: Wire, row: str) -> None:
    """Dates of conditions are points in time; what is no date is as if it were not there."""
    sent, value = DATES[row]
    found = get(
        wire, "/request/conditions", f"If-Modified-Since: {sent}", f"If-Unmodified-Since: {sent}"
    )
    assert (found["if_modified_since"], found["if_unmodified_since"]) == (value, value)


RANGES: dict[str, tuple[str, list[object] | None, list[int] | None]] = {
    "first-bytes": ("bytes=0-9", ["bytes", [[0, 10]]], [0, 10]),
    "rest": ("bytes=90-", ["bytes", [[90, None]]], [90, 100]),
    "last-bytes": ("bytes=-10", ["bytes", [[-10, None]]], [90, 100]),
    "beyond": ("bytes=90-200", ["bytes", [[90, 201]]], [90, 100]),
    "several": ("bytes=0-0, 5-9", ["bytes", [[0, 1], [5, 10]]], None),
    "backwards": ("bytes=9-0", None, None),
    "no-numbers": ("bytes=a-b", None, None),
    "no-unit": ("0-9", None, None),
}


@clause("request/condition/range", "contract", flask("api", "flask.Request.range"))
@pytest.mark.parametrize("row", RANGES)
def test_range(wire: Wire, row: str) -> None:
    """A range is found by its unit, its first byte and the one after its last."""
    sent, found, of_100 = RANGES[row]
    answer = get(wire, "/request/conditions", f"Range: {sent}")
    assert (answer["range"], answer["range_of_100"]) == (found, of_100)


@clause("request/condition/if-range", "contract", flask("api", "flask.Request.if_range"))
def test_if_range(wire: Wire) -> None:
    """If-Range has an entity tag or a date."""
    by_tag = get(wire, "/request/conditions", 'If-Range: "a"')
    by_date = get(wire, "/request/conditions", "If-Range: Thu, 29 Feb 2024 23:59:58 GMT")
    assert (by_tag["if_range"], by_date["if_range"]) == (["a", None], [None, DATE])
