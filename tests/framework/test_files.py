"""Sending files: types, names, caching, and no way out of a directory."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reference_app.framework.files import safe_join

Call = Callable[..., Any]


@pytest.fixture
def app(framework: Any, tmp_path: Path) -> Any:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.html").write_text("<p>0123456789")
    (tmp_path / "static" / "data.tar.gz").write_bytes(b"gz")
    (tmp_path / "secret.txt").write_text("secret")
    return framework.Flask("tests.framework", root_path=str(tmp_path))


def test_static_files(app: Any, framework: Any, call: Call) -> None:
    answer = call(app, "/static/page.html")
    assert answer.text == "<p>0123456789"
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["Content-Length"] == "13"
    assert answer["Cache-Control"] == "no-cache"
    assert answer["Content-Disposition"] == "inline; filename=page.html"
    again = {"If-None-Match": answer["ETag"]}
    assert call(app, "/static/page.html", headers=again).code == 304
    part = call(app, "/static/page.html", headers={"Range": "bytes=3-5"})
    assert (part.code, part.text, part["Content-Range"]) == (206, "012", "bytes 3-5/13")
    assert call(app, "/static/page.html", "HEAD").body == b""
    with app.test_request_context():
        assert framework.url_for("static", filename="page.html") == "/static/page.html"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "x/../../secret.txt",
        "/etc/passwd",
        "missing",
        ".",
        "",
        "\0",
    ],
)
def test_there_is_no_way_out_of_the_folder(app: Any, call: Call, path: str) -> None:
    assert call(app, f"/static/{path}").code in (404, 308)
    assert "secret" not in call(app, f"/static/{path}").text


PATHS: list[tuple[str, str | None]] = [
    ("a/b", "dir/a/b"),
    ("a/../b", "dir/b"),
    ("", "dir/"),
    ("..", None),
    ("../a", None),
    ("a/../../b", None),
    ("/a", None),
    ("a\0b", None),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_joined_paths(path: str, expected: str | None) -> None:
    assert safe_join("dir", path) == expected


AGES: list[tuple[Any, str, bool]] = [
    (None, "no-cache", False),
    (0, "no-cache, max-age=0", True),
    (60, "public, max-age=60", True),
    (lambda path: 5 if path.endswith("page.html") else 0, "public, max-age=5", True),
]


@pytest.mark.parametrize(("max_age", "control", "expires"), AGES)
def test_caching(
    app: Any, framework: Any, call: Call, max_age: Any, control: str, expires: bool
) -> None:
    app.add_url_rule("/", "view", lambda: framework.send_file("static/page.html", max_age=max_age))
    answer = call(app, "/")
    assert answer["Cache-Control"] == control
    assert (answer["Expires"] is not None) is expires


def test_the_age_is_configured(app: Any, call: Call) -> None:
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 7
    assert call(app, "/static/page.html")["Cache-Control"] == "public, max-age=7"


def test_the_server_may_send_the_file(app: Any, call: Call, tmp_path: Path) -> None:
    app.config["USE_X_SENDFILE"] = True
    answer = call(app, "/static/page.html")
    assert answer["X-Sendfile"] == str(tmp_path / "static" / "page.html")
    assert answer.body == b""


def test_the_servers_file_wrapper_is_used(app: Any, call: Call) -> None:
    used = []

    def wrapper(file: Any, size: int) -> Any:
        used.append(file.name)
        return _Wrapped(file)

    assert call(app, "/static/page.html", wsgi__file_wrapper=wrapper).text == "<p>0123456789"
    assert len(used) == 1


class _Wrapped:
    def __init__(self, file: Any) -> None:
        self.file = file
        self.close = file.close

    def __iter__(self) -> Any:
        return iter([self.file.read()])


@pytest.mark.parametrize(
    ("file", "arguments", "error", "message"),
    [
        (io.BytesIO(b"x"), {}, TypeError, "MIME"),
        (io.StringIO("x"), {"mimetype": "text/plain"}, ValueError, "binary mode"),
        (io.BytesIO(b"x"), {"mimetype": "a/b", "as_attachment": True}, TypeError, "attachment"),
    ],
)
def test_what_cannot_be_sent_is_explained(
    app: Any, framework: Any, file: Any, arguments: Any, error: type[Exception], message: str
) -> None:
    with app.test_request_context(), pytest.raises(error, match=message):
        framework.send_file(file, **arguments)


def test_an_application_without_static_files_has_no_rule_for_them(
    framework: Any, call: Call
) -> None:
    app = framework.Flask("tests.framework", static_folder=None, root_path=".")
    assert call(app, "/static/x").code == 404
    with app.test_request_context(), pytest.raises(RuntimeError, match="static_folder"):
        app.send_static_file("x")


def test_resources_are_for_reading(app: Any) -> None:
    with app.open_resource("secret.txt") as file:
        assert file.read() == b"secret"
    with app.open_resource("secret.txt", "r", encoding="utf-8") as file:
        assert file.read() == "secret"
    with pytest.raises(ValueError, match="reading"):
        app.open_resource("secret.txt", "w")
