"""The package index, in a server of the test's own."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from conformance import index
from conformance.backends import BackendError
from conformance.backends.environments import PYTHON

COMPILED = f"cp{PYTHON.replace('.', '')}"


def _file(name: str, day: str, **more: Any) -> dict[str, Any]:
    return {
        "filename": name,
        "url": name,
        "hashes": {},
        "upload-time": f"{day}T10:00:00Z",
        **more,
    }


FILES = [
    _file("thing-2.0.tar.gz", "2024-02-01"),
    _file("thing-2.0-py3-none-any.whl", "2024-02-03", **{"requires-python": ">=3.8"}),
    _file("thing-1.9.tar.gz", "2023-01-01", yanked="broken"),
    _file("thing-1.10.tar.gz", "2023-06-01"),
    _file(f"thing-1.10-{COMPILED}-{COMPILED}-win32.whl", "2023-06-01"),
    _file("thing-2.1rc1.tar.gz", "2024-03-01"),
    _file("thing-2.1.tar.gz", "2024-04-01"),
    _file("thing-what-is-this.tar.gz", "2020-01-01"),
    _file("thing-1.0.tar.gz", "2020-01-01"),
]


class _Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/simple/thing/"
        document = {"meta": {"api-version": "1.1"}, "name": "thing", "files": FILES, "versions": []}
        body = json.dumps(document).encode()
        self.send_response(200 if known else 500 if "broken" in self.path else 404)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the test's output."""


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    index.releases.cache_clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/simple/"
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        yield
        server.shutdown()
    index.releases.cache_clear()


def versions(found: list[index.Release]) -> list[str]:
    return [str(release.version) for release in found]


def test_releases_are_in_the_order_of_versions_with_their_dates() -> None:
    found = list(index.releases("thing"))
    assert versions(found) == ["1.0", "1.9", "1.10", "2.0", "2.1rc1", "2.1"]
    newest = index.find("thing", "2.0.0")
    assert newest is not None
    assert newest.uploaded is not None
    assert newest.uploaded.date().isoformat() == "2024-02-01"
    assert str(newest.requires_python) == ">=3.8"
    assert [release.yanked for release in found[:3]] == [False, True, False]
    assert index.find("thing", "3") is None


def test_pre_releases_and_withdrawn_ones_are_left_out_unless_asked_for() -> None:
    assert versions(index.between("thing", "1.0", "2.1")) == ["1.0", "1.10", "2.0", "2.1"]
    assert versions(index.between("thing", "2.1", "1.9")) == ["1.9", "1.10", "2.0", "2.1"]
    every = index.between("thing", "1.0", "2.1", pre_releases=True, yanked=True)
    assert versions(every) == ["1.0", "1.9", "1.10", "2.0", "2.1rc1", "2.1"]


def test_what_installs_without_a_compiler() -> None:
    by_version = {str(release.version): release for release in index.releases("thing")}
    since = by_version["2.0"].wheel_since(PYTHON)
    assert since is not None
    assert since.date().isoformat() == "2024-02-03"
    # For another system, and none at all.
    assert by_version["1.10"].wheel_since(PYTHON) is None
    assert by_version["1.0"].wheel_since(PYTHON) is None


def test_a_distribution_that_is_not_there() -> None:
    with pytest.raises(BackendError, match="the package index has no distribution 'nothing'"):
        index.releases("nothing")


def test_an_index_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple/")
    with pytest.raises(BackendError, match="the package index cannot be read for 'thing'"):
        index.releases("thing")


def test_credentials_of_an_index_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"{os.environ['UV_DEFAULT_INDEX']}/broken".replace("://", "://me:secret@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", where)
    with pytest.raises(BackendError, match=r"500 .*http://\*\*\*\*@127\.0\.0\.1") as caught:
        index.releases("thing")
    assert "secret" not in str(caught.value)
