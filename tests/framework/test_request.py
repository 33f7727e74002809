"""Request: limits, streams and lazy attributes; what it parses is in test_equal_behaviour.py."""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from reference_app.framework import Flask, Request, request
from reference_app.framework.exceptions import ClientDisconnected, RequestEntityTooLarge
from reference_app.framework.testing import EnvironBuilder

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any) -> Any:
    return framework.Flask("tests.framework", static_folder=None, root_path=".")


def test_making_a_request_reads_nothing() -> None:
    class Input:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    made = Request({"wsgi.input": Input(), "REQUEST_METHOD": "GET", "CONTENT_LENGTH": "5"})
    assert made.method == "GET"
    assert vars(made).keys() == {"environ", "method"}


LIMITS: list[tuple[dict[str, int], int]] = [
    ({}, 200),
    ({"max_content_length": 10}, 413),
    ({"max_form_memory_size": 10}, 413),
    ({"max_form_parts": 1}, 413),
]


@pytest.mark.parametrize(("limits", "code"), LIMITS)
@pytest.mark.parametrize("where", ["config", "request"])
def test_limits_of_forms(
    app: Any, framework: Any, call: Call, limits: dict[str, int], code: int, where: str
) -> None:
    @app.post("/")
    def view() -> Any:
        for name, value in limits.items():
            if where == "request":
                setattr(framework.request, name, value)
        return framework.request.form

    if where == "config":
        app.config.update({name.upper(): value for name, value in limits.items()})
    field = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = (field.format("a", "1" * 20) + field.format("b", "2") + "--b--\r\n").encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert call(app, "/", "POST", body, headers).code == code


def test_files_are_not_limited_as_fields_are(call: Call) -> None:
    """As documented. Werkzeug counts what it buffers, so that small limits stop files as well."""
    app = Flask("tests.framework", static_folder=None, root_path=".")
    app.config["MAX_FORM_MEMORY_SIZE"] = 10
    app.add_url_rule("/", "view", lambda: request.files["f"].read(), methods=["POST"])
    body = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
        + b"1" * 20
        + b"\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert call(app, "/", "POST", body, headers).body == b"1" * 20


CHUNKED: list[tuple[int | None, int, int]] = [(None, 100, 200), (100, 100, 200), (99, 100, 413)]


@pytest.mark.parametrize(("limit", "size", "code"), CHUNKED)
def test_a_chunked_body_is_read_to_its_end_and_no_further(
    call: Call, limit: int | None, size: int, code: int
) -> None:
    """On ours only: Flask cuts the body at the limit and says nothing."""
    app = Flask("tests.framework", static_folder=None, root_path=".")
    app.config["MAX_CONTENT_LENGTH"] = limit
    app.add_url_rule("/", "view", lambda: str(len(request.data)), methods=["POST"])
    answer = call(
        app,
        "/",
        "POST",
        wsgi__input=io.BytesIO(b"x" * size),
        wsgi__input_terminated=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert answer.code == code
    if code == 200:
        assert answer.text == str(size)


def test_the_stream_ends_with_the_body(app: Any, framework: Any, call: Call) -> None:
    app.add_url_rule("/", "view", lambda: framework.request.stream.read(), methods=["POST"])
    rest = io.BytesIO(b"bodynext request")
    answer = call(app, "/", "POST", wsgi__input=rest, CONTENT_LENGTH="4")
    assert answer.text == "body"
    assert rest.read() == b"next request"


def test_a_client_that_goes_away_is_a_bad_request(call: Call) -> None:
    class Broken(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            raise OSError("connection reset")

    app = Flask("tests.framework", static_folder=None, root_path=".")
    app.add_url_rule("/", "view", lambda: request.data, methods=["POST"])
    assert call(app, "/", "POST", wsgi__input=Broken(), CONTENT_LENGTH="4").code == 400


def test_data_and_form_share_the_body(app: Any, framework: Any, call: Call) -> None:
    @app.post("/<order>")
    def view(order: str) -> Any:
        req = framework.request
        read: dict[str, Any] = {
            "d": lambda: req.get_data().decode(),
            "f": lambda: dict(req.form),
            "p": lambda: req.data.decode(),
        }
        return [read[letter]() for letter in order]

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for order, expected in (
        ("df", '["a=1",{"a":"1"}]'),
        ("fd", '[{"a":"1"},""]'),
        ("pf", '["",{"a":"1"}]'),
        ("dd", '["a=1","a=1"]'),
    ):
        assert call(app, f"/{order}", "POST", b"a=1", form).text.strip() == expected


def test_a_shallow_request_keeps_its_hands_off_the_body() -> None:
    made = Request({"wsgi.input": io.BytesIO(b"x"), "CONTENT_LENGTH": "1"}, shallow=True)
    with pytest.raises(RuntimeError, match="shallow"):
        made.data  # noqa: B018


def test_uploaded_files_are_closed_with_the_request(call: Call) -> None:
    app = Flask("tests.framework", static_folder=None, root_path=".")
    kept: Any = []
    app.add_url_rule("/", "view", lambda: kept.append(request.files["f"]) or "x", methods=["POST"])
    builder = EnvironBuilder(app, "/", method="POST", data={"f": (io.BytesIO(b"1"), "x.txt")})
    app.test_client().open(builder)
    assert kept[0].closed


def test_debug_mode_explains_forms_that_send_no_files(app: Any, framework: Any, call: Call) -> None:
    app.debug = True
    app.add_url_rule("/", "view", lambda: framework.request.files["f"].filename, methods=["POST"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(KeyError, match="no file contents were transmitted"):
        call(app, "/", "POST", b"f=x.txt", form)


def test_what_a_request_says_of_itself() -> None:
    app = Flask("tests.framework", static_folder=None, root_path=".")
    with app.test_request_context("/x?y=1", method="POST"):
        assert repr(request) == "<Request 'http://localhost/x?y=1' [POST]>"


def test_streams_with_limits() -> None:
    from reference_app.framework.wsgi import LimitedStream

    assert LimitedStream(io.BytesIO(b"abcdef"), 3).read() == b"abc"
    assert LimitedStream(io.BytesIO(b"a\nb\nc"), 4).readlines() == [b"a\n", b"b\n"]
    short = LimitedStream(io.BytesIO(b"ab"), 3)
    with pytest.raises(ClientDisconnected):
        short.read()
    stream = LimitedStream(io.BytesIO(b"abc"), 2, is_max=True)
    with pytest.raises(RequestEntityTooLarge):
        stream.read()
    exhausted = LimitedStream(io.BytesIO(b"abc"), 3)
    exhausted.exhaust()
    assert (exhausted.is_exhausted, exhausted.tell()) == (True, 3)
