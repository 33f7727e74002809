"""A peer whose answers are well-formed and wrong is blamed for it, and never the harness."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import cli, results
from reference_app.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: What JSON can be, in turn: each check sees several of them in places of what it asked for.
SHAPES: list[object] = [
    "x",
    [],
    {},
    [[]],
    None,
    1,
    [1],
    {"event": 1},
    {"values": {}},
    [{"value": 1}],
]


@pytest.fixture
def address() -> Iterator[str]:
    """A server that knows who it is, and else answers with anything."""
    shapes = itertools.cycle(SHAPES)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer: object = next(shapes)
        if environ["PATH_INFO"] == "/-/identity":
            answer = {"framework": "reference", "python": "3.11"}
        elif environ["PATH_INFO"] == "/-/versions":
            answer = {}
        body = json.dumps(answer).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", fields)
        return [body]

    with make_server("127.0.0.1", 0, application, threaded=True) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.port}"
        server.shutdown()
        thread.join()


def test_json_of_any_shape_is_no_fault_of_the_harness(address: str, tmp_path: Path) -> None:
    (tmp_path / "expectations").mkdir()
    status = cli.main(
        [
            *("run", "--url", address, "--capability", "threads=8"),
            *("--capability", "keep-alive=true", "--time-limit", "0.3"),
            *("--expectations", str(tmp_path / "expectations")),
            *("--results", str(tmp_path / "results")),
        ]
    )
    [server] = results.load(tmp_path / "results" / "results.json")["servers"]
    assert Counter(check["verdict"] for check in server["checks"])["fail"] > 400
    assert [check["message"] for check in server["checks"] if check["verdict"] == "error"] == []
    assert status == 1
