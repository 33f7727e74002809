"""The guestbook on real servers. Flask's test client calls the application; this is what it skips.

Each test runs once for each server, which is started once and serves all of them.
"""

from __future__ import annotations

import hashlib
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from conformance.live import LiveServer

#: Far more than the buffers between a server and a client hold.
MANY_ROWS = 1_000_000

#: What is known of servers is written down like any other failure. `wsgi-conform run` finds it.
STOPS_OTHERWISE = {
    "waitress": "SIGTERM ends it at once, requests in flight or not",
    "granian": "whether its worker sees the signal is a race; without it, it does not stop",
}


def write(server: LiveServer, text: str) -> int:
    """Write an entry as a visitor of one's own, and return its number."""
    answer = requests.post(f"{server.url}/entries", data={"text": text}, timeout=30)
    assert answer.status_code == 201
    number: int = answer.json()["id"]
    return number


def test_the_session_is_a_visitors_own(live_server: LiveServer) -> None:
    with requests.Session() as visitor:
        for _ in range(2):
            visitor.post(f"{live_server.url}/entries", data={"text": "hello"}, timeout=30)
        assert visitor.get(f"{live_server.url}/me", timeout=30).json()["written"] == 2
    assert requests.get(f"{live_server.url}/me", timeout=30).json()["written"] == 0


def test_visitors_at_the_same_time_do_not_meet(live_server: LiveServer) -> None:
    texts = [f"entry {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as visitors:
        numbers = list(visitors.map(lambda text: write(live_server, text), texts))
    assert len(set(numbers)) == len(texts)
    for number, text in zip(numbers, texts, strict=True):
        answer = requests.get(f"{live_server.url}/entries/{number}", timeout=30)
        assert answer.json() == {"text": text}


def test_text_of_any_language_arrives(live_server: LiveServer) -> None:
    number = write(live_server, "Grüße, 日本語, \U0001f600")
    answer = requests.get(f"{live_server.url}/entries/{number}", timeout=30)
    assert answer.json() == {"text": "Grüße, 日本語, \U0001f600"}


def test_an_export_comes_as_it_is_made(live_server: LiveServer) -> None:
    # Held back to its end it would not begin within the time limit, nor fit into the memory.
    rows = 10**12
    with requests.get(f"{live_server.url}/export?rows={rows}", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == [
            b"%d,an entry of the guestbook" % row for row in range(3)
        ]
    # Whoever went away does not keep the server from others.
    assert requests.get(f"{live_server.url}/me", timeout=30).status_code == 200


def test_a_large_picture_arrives_whole(live_server: LiveServer) -> None:
    content = bytes(range(256)) * 4 * 1024 * 8
    files = {"picture": ("large.png", content, "image/png")}
    answer = requests.post(f"{live_server.url}/pictures", files=files, timeout=60)
    digest = hashlib.sha256(content).hexdigest()
    assert answer.json() == {"name": "large.png", "size": len(content), "sha256": digest}


def test_a_visitors_address_is_not_what_the_visitor_says(live_server: LiveServer) -> None:
    claimed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    answer = requests.get(f"{live_server.url}/me", headers=claimed, timeout=30)
    assert answer.json()["address"] == "127.0.0.1"


def test_a_stop_lets_an_export_end(live_server: LiveServer, request: pytest.FixtureRequest) -> None:
    if reason := STOPS_OTHERWISE.get(live_server.name):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=False))
    with requests.get(
        f"{live_server.url}/export?rows={MANY_ROWS}", stream=True, timeout=60
    ) as answer:
        lines = answer.iter_lines(chunk_size=64 * 1024)
        next(lines)
        live_server.signal(signal.SIGTERM)
        assert sum(1 for _ in lines) == MANY_ROWS - 1
    assert live_server.exit_status(limit_s=10) == "exit status 0"


def test_entries_outlive_a_restart(live_server: LiveServer) -> None:
    number = write(live_server, "kept")
    live_server.restart()
    answer = requests.get(f"{live_server.url}/entries/{number}", timeout=30)
    assert answer.json() == {"text": "kept"}


def test_a_failure_is_logged_and_told_to_nobody(live_server: LiveServer) -> None:
    answer = requests.get(f"{live_server.url}/entries/99999999999999999999999", timeout=30)
    assert answer.status_code == 500
    assert "OverflowError" not in answer.text
    assert "OverflowError" in live_server.logs()
