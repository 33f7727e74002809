"""Requests, their bodies: JSON, the ways to read a body and what they leave, and its limits."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from conformance.checks.probes import read_json, request
from conformance.checks.sending import FORM, MULTIPART, chunked, multipart, part, send, sha256, show
from conformance.clauses import clause, flask, werkzeug
from conformance.client import Response, Wire
from conformance.client.http import Client

JSON = flask("api", "flask.Request.get_json")
IS_JSON = flask("api", "flask.Request.is_json")
GET_DATA = flask("api", "flask.Request.get_data")
STREAM = flask("api", "flask.Request.stream")
CONTENT_LENGTH = flask("api", "flask.Request.content_length")
INPUT_STREAM = werkzeug("wsgi", "werkzeug.wsgi.get_input_stream")
MAX_CONTENT_LENGTH = flask("config", "MAX_CONTENT_LENGTH")
MAX_FORM_MEMORY_SIZE = flask("config", "MAX_FORM_MEMORY_SIZE")
MAX_FORM_PARTS = flask("config", "MAX_FORM_PARTS")

#: The limits of the application below /request-limited/, in bytes; and its parts.
LENGTH, MEMORY, PARTS = 2000, 100_000, 4


def steps(wire: Wire, body: bytes, content_type: str | None, *names: str) -> Any:
    """What a view finds that reads the body in these ways, one after the other."""
    query = "&".join(f"do={name}" for name in names)
    return send(wire, f"/request/steps?{query}", body, content_type, shape=list)


DOCUMENTS: dict[str, tuple[bytes, object]] = {
    "nested": (
        b'{"a": [1, {"b": [[], {}]}, null, true, false], "": ""}',
        {"a": [1, {"b": [[], {}]}, None, True, False], "": ""},
    ),
    "big-integer": (
        b"[9007199254740993, -123456789012345678901234567890]",
        [9007199254740993, -123456789012345678901234567890],
    ),
    "float": (b"[0.1, -1.5e300, 1E2]", [0.1, -1.5e300, 100.0]),
    "utf-8": ('"ä€\N{SNAKE}"'.encode(), "ä€\N{SNAKE}"),
    "escapes": (rb'"\u00e4\ud83d\udc0d\n\/\u0000"', "ä\N{SNAKE}\n/\x00"),
    "whitespace": (b" \r\n\t[ 1 , 2 ]\r\n", [1, 2]),
    "text-alone": (b'"text"', "text"),
    "null": (b"null", None),
}


@clause("request/json/value", "contract", JSON)
@pytest.mark.parametrize("row", DOCUMENTS)
def test_json_value(wire: Wire, row: str) -> None:
    """JSON of every kind is the value that it stands for, without a loss."""
    document, value = DOCUMENTS[row]
    assert steps(wire, document, "application/json", "json") == [value]


@clause("request/json/media-type", "contract", IS_JSON)
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json; charset=utf-8", id="parameter"),
        pytest.param("Application/JSON", id="without-case"),
        pytest.param("application/vnd.api+json", id="suffix"),
        pytest.param('application/ld+json;profile="a;b"', id="suffix-and-parameter"),
    ],
)
def test_json_media_type(wire: Wire, content_type: str) -> None:
    """`application/json` and `application/*+json` are JSON, parameters or not."""
    found = show(wire, "is_json/json", b'{"a": 1}', content_type)
    assert found == {"is_json": True, "json": {"a": 1}}


@clause("request/json/other-media-type", "contract", IS_JSON)
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/json", id="text"),
        pytest.param("application/json-seq", id="longer"),
        pytest.param("text/plain+json", id="suffix-of-text"),
        pytest.param('text/plain; type="application/json"', id="in-a-parameter"),
        pytest.param(None, id="none"),
    ],
)
def test_other_media_type(wire: Wire, content_type: str | None) -> None:
    """Any other content type is not JSON: `silent` gives None, and the body is still there.

    `force` reads it as JSON all the same.
    """
    body = b'{"a": 1}'
    assert show(wire, "is_json", body, content_type) == {"is_json": False}
    found = steps(wire, body, content_type, "get_json:silent", "get_data:text", "get_json:force")
    assert found == [None, '{"a": 1}', {"a": 1}]


@clause("request/json/silent", "contract", JSON)
@pytest.mark.parametrize("body", [b"{", b"", b"\xff"], ids=["unfinished", "empty", "not-utf-8"])
def test_json_silent(wire: Wire, body: bytes) -> None:
    """With `silent`, what cannot be parsed is None and no error."""
    assert steps(wire, body, "application/json", "get_json:silent") == [None]


@clause("request/json/cached", "contract", JSON)
def test_json_cached(wire: Wire) -> None:
    """JSON can be had again, and the body that it was parsed from as well."""
    body = b'{"a": 1}'
    found = steps(wire, body, "application/json", "json", "json", "get_data", "get_json:force")
    assert found == [{"a": 1}, {"a": 1}, '{"a": 1}', {"a": 1}]


@clause("request/json/by-a-client", "contract", JSON)
def test_json_by_client(client: Client) -> None:
    """JSON as an HTTP client sends it, of a hundred kilobytes, comes back as it was."""
    value = {"text": "ä€" * 5000, "numbers": list(range(15_000))}
    answer = client.post("/request/show/json", json=value)
    assert (answer.status_code, answer.json()) == (200, {"json": value})


#: Content type, how the view reads, and what it finds each time. The body is `a=1&b=2`.
READS: dict[str, tuple[str, list[str], list[object]]] = {
    "data-is-kept": ("text/plain", ["get_data", "data", "get_data"], ["a=1&b=2"] * 3),
    "not-kept": ("text/plain", ["get_data:uncached", "get_data"], ["a=1&b=2", ""]),
    "form-from-data": (FORM, ["get_data", "form"], ["a=1&b=2", [["a", ["1"]], ["b", ["2"]]]]),
    "data-after-form": (
        FORM,
        ["form", "get_data", "form"],
        [[["a", ["1"]], ["b", ["2"]]], "", [["a", ["1"]], ["b", ["2"]]]],
    ),
    "data-of-form": (FORM, ["data", "form"], ["", [["a", ["1"]], ["b", ["2"]]]]),
    "parsed-data-of-form": (
        FORM,
        ["get_data:parsed", "form"],
        ["", [["a", ["1"]], ["b", ["2"]]]],
    ),
    "form-not-kept": (FORM, ["get_data:uncached", "form"], ["a=1&b=2", []]),
    "stream": ("text/plain", ["stream:all", "stream:all", "data"], ["a=1&b=2", "", ""]),
    "stream-in-pieces": (
        "text/plain",
        ["stream:5", "stream:5", "stream:5", "stream:line"],
        ["a=1&b", "=2", "", ""],
    ),
    "form-after-stream": (FORM, ["stream:all", "form"], ["a=1&b=2", []]),
    "stream-after-data": ("text/plain", ["data", "stream:all", "data"], ["a=1&b=2", "", "a=1&b=2"]),
}


@clause("request/read", "contract", GET_DATA)
@pytest.mark.parametrize("row", READS)
def test_read(wire: Wire, row: str) -> None:
    """The body is there once, unless it was kept: a second read ends at once and never waits.

    `get_data` keeps it by default, for itself and for the form; the form and the stream do not.
    """
    content_type, names, values = READS[row]
    assert steps(wire, b"a=1&b=2", content_type, *names) == values


@clause("request/read-chunked", "contract", INPUT_STREAM, requires=("chunked-input",))
@pytest.mark.parametrize("row", ["data-is-kept", "form-from-data", "stream", "stream-in-pieces"])
def test_read_chunked(wire: Wire, row: str) -> None:
    """A body in chunks is read in the same ways, and a read past its end ends at once as well."""
    content_type, names, values = READS[row]
    query = "&".join(f"do={name}" for name in names)
    found = send_chunked(wire, f"/request/steps?{query}", b"a=1&b=2", content_type)
    assert read_json(found, list) == values


def send_chunked(wire: Wire, target: str, body: bytes, content_type: str) -> Response:
    """The response to a POST with that body in chunks of three bytes."""
    data = request(
        f"POST {target} HTTP/1.1",
        "Transfer-Encoding: chunked",
        f"Content-Type: {content_type}",
        "Connection: close",
        body=chunked(body, 3 if len(body) < 100 else 997),
    )
    return wire.exchange(data, "POST")


@clause("request/read-lines", "contract", STREAM)
def test_read_lines(wire: Wire) -> None:
    """The stream is a file: it gives lines, with their ends, and goes on where it was."""
    body = b"first\r\nsecond\n\nlast"
    assert steps(wire, body, "text/plain", "stream:line", "stream:lines", "stream:lines") == [
        "first\r\n",
        ["second\n", "\n", "last"],
        [],
    ]


@clause("request/read-as-text", "contract", GET_DATA)
def test_read_as_text(wire: Wire) -> None:
    """`get_data(as_text=True)` is the body decoded as UTF-8, and never an error."""
    found = steps(wire, "ä€".encode() + b"\xff", "text/plain", "get_data:text")
    assert found == ["ä€�"]


@clause("request/no-body", "contract", GET_DATA)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"], ids=str.lower)
def test_no_body(wire: Wire, method: str) -> None:
    """A request without a body has an empty one, however it is read, and no read waits for it."""
    ways = ["get_data", "form", "files", "get_json:silent", "stream:all", "stream:5"]
    query = "&".join(f"do={way}" for way in ways)
    fields = ["Connection: close", f"Content-Type: {FORM}"]
    response = wire.exchange(request(f"{method} /request/steps?{query} HTTP/1.1", *fields), method)
    assert read_json(response, list) == ["", [], [], None, "", ""]


@clause("request/content-fields", "contract", CONTENT_LENGTH)
def test_content_fields(wire: Wire) -> None:
    """Length and type of the body are known without reading it: length, type and parameters."""
    names = "content_length/content_type/mimetype/mimetype_params/content_encoding/content_md5"
    assert show(wire, names, b"12345", 'Text/Plain; Charset="ISO-8859-15"; a=b') == {
        "content_length": 5,
        "content_type": 'Text/Plain; Charset="ISO-8859-15"; a=b',
        "mimetype": "text/plain",
        "mimetype_params": {"charset": "ISO-8859-15", "a": "b"},
        "content_encoding": None,
        "content_md5": None,
    }


@clause("request/content-fields-absent", "contract", CONTENT_LENGTH)
def test_content_fields_absent(wire: Wire) -> None:
    """Without a body there is no content type, and no length or one of 0."""
    names = "content_length/content_type/mimetype/mimetype_params"
    found = read_json(wire.ask("GET", f"/request/show/{names}"))
    assert found["content_length"] in (None, 0)
    # A CGI variable that is always there is empty for a field that is not.
    assert not found["content_type"]
    assert (found["mimetype"], found["mimetype_params"]) == ("", {})


@clause("request/content-encoding", "contract", flask("api", "flask.Request.content_encoding"))
def test_content_encoding(wire: Wire) -> None:
    """A body that says it is encoded comes as it was sent: nobody but the view decodes it."""
    body = b"\x1f\x8b\x08 this is not gzip"
    data = request(
        "POST /request/show/content_encoding/data HTTP/1.1",
        f"Content-Length: {len(body)}",
        "Content-Encoding: gzip",
        "Connection: close",
        body=body,
    )
    assert read_json(wire.exchange(data, "POST")) == {
        "content_encoding": "gzip",
        "data": body.decode("latin-1"),
    }


@clause("request/big/stream", "contract", STREAM)
def test_big_stream(wire: Wire) -> None:
    """Two MiB that the view reads block by block arrive whole."""
    body = random.Random(4).randbytes(2 * 1024 * 1024)
    assert send(wire, "/request/digest", body, "application/octet-stream") == {
        "size": len(body),
        "sha256": sha256(body),
    }


@clause("request/big/stream-chunked", "contract", INPUT_STREAM, requires=("chunked-input",))
def test_big_stream_chunked(wire: Wire) -> None:
    """Two MiB in chunks that the view reads block by block arrive whole."""
    body = random.Random(5).randbytes(2 * 1024 * 1024)
    data = request(
        "POST /request/digest HTTP/1.1",
        "Transfer-Encoding: chunked",
        "Connection: close",
        body=chunked(body, 10_007),
    )
    assert read_json(wire.exchange(data, "POST")) == {"size": len(body), "sha256": sha256(body)}


@clause("request/big/form", "contract", flask("api", "flask.Request.form"))
def test_big_form(wire: Wire) -> None:
    """A form with a value of more than a MiB, escaped all over, arrives whole."""
    value = "ä &" * 100_000
    body = b"a=" + b"%C3%A4+%26" * 100_000 + b"&b=2"
    whole = [["a", [value]], ["b", ["2"]]]
    # Not compared in the assert itself: nobody reads a difference of that size.
    same = show(wire, "form", body, FORM)["form"] == whole
    assert same, "the form is not what was sent"


@clause("request/big/json", "contract", JSON)
def test_big_json(wire: Wire) -> None:
    """JSON of a MiB arrives whole."""
    value = ["ä" * 100] * 1800
    found = show(wire, "json", json.dumps(value).encode(), "application/json")
    same = found["json"] == value
    assert same, "the value is not what was sent"


def of_length(length: int) -> dict[str, tuple[str, str, bytes]]:
    """Bodies of exactly that many bytes: the way they are read, and their content type."""
    around = len(multipart(part('name="file"; filename="f"')))
    whole = multipart(part('name="file"; filename="f"', b"x" * (length - around)))
    return {
        "data": ("data", "text/plain", b"x" * length),
        "form": ("form", FORM, b"a=" + b"x" * (length - 2)),
        "json": ("json", "application/json", b'"' + b"x" * (length - 2) + b'"'),
        "stream": ("stream:all", "text/plain", b"x" * length),
        "multipart": ("files", MULTIPART, whole),
    }


def limited(wire: Wire, body: bytes, content_type: str, way: str, **limits: int) -> Response:
    """The response of the application that limits what it reads."""
    query = "&".join([f"do={way}", *(f"{name}={value}" for name, value in limits.items())])
    data = request(
        f"POST /request-limited/steps?{query} HTTP/1.1",
        f"Content-Length: {len(body)}",
        f"Content-Type: {content_type}",
        "Connection: close",
        body=body,
    )
    return wire.exchange(data, "POST")


@clause("request/limit/length", "contract", MAX_CONTENT_LENGTH)
@pytest.mark.parametrize("row", ["data", "form", "json", "stream", "multipart"])
def test_limit_length(wire: Wire, row: str) -> None:
    """A body of exactly the limit is read, and one with a byte more is answered with 413."""
    # Werkzeug counts the look for the end of a form, where the server tells of an end, as a byte.
    way, content_type, body = of_length(LENGTH - (row == "multipart"))[row]
    found = read_json(limited(wire, body, content_type, way), list)
    # The body has hundreds of them, in whatever shape it is found.
    assert "x" * 100 in json.dumps(found)
    way, content_type, body = of_length(LENGTH + 1)[row]
    assert limited(wire, body, content_type, way).status == 413


@clause("request/limit/length-chunked", "contract", INPUT_STREAM, requires=("chunked-input",))
def test_limit_length_chunked(wire: Wire) -> None:
    """The limit holds for a body in chunks as well, which does not say its length beforehand.

    Werkzeug counts the look for the end as a byte, so that the limit itself is either side of it.
    """
    target, body = "/request-limited/digest", b"x" * (LENGTH - 1)
    below = read_json(send_chunked(wire, target, body, "text/plain"))
    assert below == {"size": LENGTH - 1, "sha256": sha256(body)}
    assert send_chunked(wire, target, b"x" * (LENGTH + 1), "text/plain").status == 413


@clause("request/limit/read-chunked", "contract", MAX_CONTENT_LENGTH, requires=("chunked-input",))
def test_limit_read_chunked(wire: Wire) -> None:
    """Of a body in chunks that is read at once, no more than the limit is read, or 413 comes."""
    target = "/request-limited/steps?do=get_data"
    assert read_json(send_chunked(wire, target, b"y" * 100, "text/plain"), list) == ["y" * 100]
    response = send_chunked(wire, target, b"x" * 3 * LENGTH, "text/plain")
    if response.status != 413:
        assert read_json(response, list) == ["x" * LENGTH]


@clause("request/limit/length-unread", "contract", MAX_CONTENT_LENGTH)
def test_limit_unread(wire: Wire) -> None:
    """The limit is one for reading: a view that does not look at the body answers."""
    body = b"x" * (LENGTH + 1)
    data = request(
        "POST /request-limited/unread HTTP/1.1",
        f"Content-Length: {len(body)}",
        "Connection: close",
        body=body,
    )
    response = wire.exchange(data, "POST")
    assert (response.status, response.body) == (200, b"the body was not looked at")


@clause(
    "request/limit/of-one-request", "contract", flask("api", "flask.Request.max_content_length")
)
def test_limit_of_request(wire: Wire) -> None:
    """A view can raise or lower the limit for its own request, and no other is affected."""
    body = b"x" * (LENGTH + 1)
    raised = limited(wire, body, "text/plain", "data", max_content_length=LENGTH + 1)
    assert read_json(raised, list) == [body.decode()]
    assert limited(wire, b"12345", "text/plain", "data", max_content_length=4).status == 413
    assert limited(wire, body, "text/plain", "data").status == 413
    assert read_json(limited(wire, b"12345", "text/plain", "data"), list) == ["12345"]


@clause("request/limit/form-memory", "contract", MAX_FORM_MEMORY_SIZE)
def test_limit_memory(wire: Wire) -> None:
    """A field of exactly the limit is read, one with a byte more is 413; a file is not limited."""

    def form(size: int) -> bytes:
        return multipart(
            part('name="a"', b"x" * size), part('name="file"; filename="f"', b"y" * 2 * MEMORY)
        )

    def answered(size: int, **limits: int) -> Response:
        return limited(wire, form(size), MULTIPART, "form", max_content_length=10**6, **limits)

    assert read_json(answered(MEMORY), list) == [[["a", ["x" * MEMORY]]]]
    assert answered(MEMORY + 1).status == 413
    raised = answered(MEMORY + 1, max_form_memory_size=MEMORY + 1)
    assert read_json(raised, list) == [[["a", ["x" * (MEMORY + 1)]]]]


@clause("request/limit/form-parts", "contract", MAX_FORM_PARTS)
def test_limit_parts(wire: Wire) -> None:
    """A form of as many parts as are allowed is read, fields and files; one more is 413."""

    def form(number: int) -> bytes:
        fields = [part(f'name="{index}"', b"1") for index in range(number - 1)]
        return multipart(*fields, part('name="file"; filename="f"', b"2"))

    found = read_json(limited(wire, form(PARTS), MULTIPART, "form"), list)
    assert found == [[[str(index), ["1"]] for index in range(PARTS - 1)]]
    assert limited(wire, form(PARTS + 1), MULTIPART, "form").status == 413
    raised = limited(wire, form(PARTS + 1), MULTIPART, "form", max_form_parts=PARTS + 1)
    assert read_json(raised, list) == [[[str(index), ["1"]] for index in range(PARTS)]]


@clause("request/limit/default-form-parts", "contract", MAX_FORM_PARTS)
def test_default_parts(wire: Wire) -> None:
    """Unless configured, a form may have a thousand parts, and not one more."""
    for number, status in ((1000, 200), (1001, 413)):
        body = multipart(*([part("name=a", b"1")] * number))
        data = request(
            "POST /request/show/form HTTP/1.1",
            f"Content-Length: {len(body)}",
            f"Content-Type: {MULTIPART}",
            "Connection: close",
            body=body,
        )
        response = wire.exchange(data, "POST")
        assert response.status == status
        if status == 200:
            assert read_json(response) == {"form": [["a", ["1"] * number]]}


@clause("request/limit/default-form-memory", "contract", MAX_FORM_MEMORY_SIZE)
def test_default_memory(wire: Wire) -> None:
    """Unless configured, a field may have half a million bytes, and not one more."""
    for size, status in ((500_000, 200), (500_001, 413)):
        body = multipart(part("name=a", b"x" * size))
        data = request(
            "POST /request/show/form HTTP/1.1",
            f"Content-Length: {len(body)}",
            f"Content-Type: {MULTIPART}",
            "Connection: close",
            body=body,
        )
        response = wire.exchange(data, "POST")
        assert response.status == status
        if status == 200:
            assert read_json(response)["form"] == [["a", ["x" * size]]]
