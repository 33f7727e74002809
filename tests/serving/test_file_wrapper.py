"""`wsgi.file_wrapper`: what is sent by the kernel, what by iterating, and that both agree."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .apps import Environ
from .live import Live

Serve = Callable[..., Live]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def sendfile_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    original = os.sendfile

    def spy(out: int, in_: int, offset: int, count: int) -> int:
        calls.append(count)
        return original(out, in_, offset, count)

    monkeypatch.setattr(os, "sendfile", spy)
    return calls


def wrapping(make: Callable[[], Any], *headers: tuple[str, str]) -> tuple[Any, list[Any]]:
    files: list[Any] = []

    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", list(headers))
        files.append(make())
        return environ["wsgi.file_wrapper"](files[-1], 1000)

    return app, files


def test_plain_file_is_sent_by_the_kernel(
    serve: Serve, tmp_path: Path, sendfile_calls: list[int]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)

    def at(offset: int) -> Callable[[], Any]:
        def make() -> Any:
            file = path.open("rb")
            file.read(offset)
            return file

        return make

    for offset, headers, expected in (
        (0, (), CONTENT),
        (10, (), CONTENT[10:]),
        (0, (("Content-Length", "7"),), CONTENT[:7]),
        (len(CONTENT), (), b""),
    ):
        sendfile_calls.clear()
        app, files = wrapping(at(offset), *headers)
        one, two = serve(app).talk(GET + GET)
        assert one.body == two.body == expected
        assert one.get("Content-Length") == str(len(expected))
        assert bool(sendfile_calls) == bool(expected)
        assert all(file.closed for file in files)
        [head] = serve(app).talk(GET.replace(b"GET", b"HEAD"), ["HEAD"])
        # Whether nothing was yielded because it is HEAD cannot be told.
        length = str(len(expected)) if expected else None
        assert (head.body, head.get("Content-Length")) == (b"", length)


@pytest.mark.parametrize("kind", ["bytesio", "gzip", "pipe", "spooled", "text-like"])
def test_other_files_are_iterated(
    serve: Serve, tmp_path: Path, kind: str, sendfile_calls: list[int]
) -> None:
    content = b"x" * 5000

    def make() -> Any:
        if kind == "bytesio":
            return io.BytesIO(content)
        if kind == "gzip":
            (tmp_path / "file.gz").write_bytes(gzip.compress(content))
            return gzip.open(tmp_path / "file.gz")
        if kind == "pipe":
            reader, writer = os.pipe()
            os.write(writer, content)
            os.close(writer)
            return open(reader, "rb")
        if kind == "spooled":
            file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - the server closes it
            file.write(content)
            file.seek(0)
            return file

        class Reader:
            def __init__(self) -> None:
                self.left = content

            def read(self, size: int) -> bytes:
                data, self.left = self.left[:size], self.left[size:]
                return data

        return Reader()

    app, _ = wrapping(make)
    response = serve(app).get()
    assert (response.body, response.complete) == (content, True)
    assert sendfile_calls == []


def test_file_shorter_than_its_content_length(
    serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    app, files = wrapping(lambda: path.open("rb"), ("Content-Length", "5"))
    [response] = serve(app).talk(GET + GET)
    assert (response.body, response.complete) == (b"abc", False)
    assert files[0].closed
    assert "shorter" in capfd.readouterr().err


def test_wrapper_after_write_and_in_middleware(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    def after_write(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])(b"first ")
        return environ["wsgi.file_wrapper"](path.open("rb"))

    assert serve(after_write).get().body == b"first abc"

    def upper(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        wrapper = environ["wsgi.file_wrapper"](path.open("rb"))
        try:
            for block in wrapper:
                yield block.upper()
        finally:
            wrapper.close()

    assert serve(upper).get().body == b"ABC"


def test_wrapper_without_start_response(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    def app(environ: Environ, start_response: Any) -> Any:
        return environ["wsgi.file_wrapper"](path.open("rb"))

    assert serve(app).get().status == 500


def test_old_client(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    app, _ = wrapping(lambda: path.open("rb"))
    [response] = serve(app).talk(b"GET / HTTP/1.0\r\n\r\n")
    assert response.body == CONTENT
