"""Replay: what is sent once more, how, and what is told of it."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from conformance import catalogue, cli, replay
from conformance.backends import Address
from conformance.client import Wire
from conformance.client.exchanges import BYTES_KEPT
from tests.conformance.deployments import compose
from tests.conformance.documents import check, document, server
from tests.conformance.peer import Peer, Script, peer, read_head, says
from tests.conformance.test_cli import SCHEMA, command, left_by, owned

CHECK = "routing/static-rule"
REQUEST = b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#: The same, to an application.
ALIKE = b"HTTP/1.1 200 Fine\r\nDate: today\r\ncontent-length: 2\r\n\r\nok"


def exchange(
    request: bytes = REQUEST, response: bytes = ANSWER, *, at: float = 0.0, **keys: Any
) -> dict[str, Any]:
    """An exchange as in results.json; each takes half a second, from `at` on."""
    return {
        "connection": 1,
        "started": at,
        "duration_s": 0.5,
        "ended": "answered",
        "answers": 1,
        "request": {"text": request[:BYTES_KEPT].decode("latin-1"), "bytes": len(request)},
        "response": {"text": response[:BYTES_KEPT].decode("latin-1"), "bytes": len(response)},
        **keys,
    }


def source(*kept: dict[str, Any]) -> replay.Source:
    """A check's exchanges."""
    numbers = list(range(1, len(kept) + 1))
    return replay.Source(
        CHECK, dict(zip(numbers, kept, strict=True)), numbers, len(kept), server("one"), "fail"
    )


def sent(to: Peer, *kept: dict[str, Any], time_limit_s: float = 5.0) -> list[replay.Replayed]:
    """What became of these exchanges."""
    target = replay.Target("http://peer", Address(*to.address))
    with replay.Replay(target, time_limit_s) as sender:
        return list(sender.send(source(*kept)))


def lines(replayed: replay.Replayed, *kept: dict[str, Any]) -> list[str]:
    """What is printed of it."""
    return list(replay.told(replayed, source(*(kept or (exchange(),)))))


# --- Sending ---


def test_the_bytes_go_out_as_they_were_and_the_answers_are_compared() -> None:
    got: list[bytes] = []
    request = b"GET /\xff\x00 HTTP/1.1\r\nHost: a\r\n\r\n"

    def script(connection: socket.socket) -> None:
        got.append(read_head(connection))
        connection.sendall(ALIKE)

    with peer(script, says(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as to:
        [alike] = sent(to, exchange(request))
        [different] = sent(to, exchange())
    assert got == [request]
    assert (alike.same, alike.differences) == (True, [])
    assert alike.notes == ["the peer closed the connection after that"]
    assert different.same is False
    assert different.differences == ["- status 200", "+ status 404", "- ok"]
    assert lines(alike)[-1] == "  the same after normalisation"
    assert lines(different)[-4:] == [
        "  not the same after normalisation (- recorded, + now):",
        "  - status 200",
        "  + status 404",
        "  - ok",
    ]


def test_what_was_on_one_connection_goes_on_one() -> None:
    def script(connection: socket.socket) -> None:
        for _ in range(2):
            read_head(connection)
            connection.sendall(ANSWER)

    with peer(script) as to:
        both = sent(to, exchange(), exchange(at=1.0))
    assert [replayed.same for replayed in both] == [True, True]
    assert [replayed.notes for replayed in both] == [
        [],
        ["the peer closed the connection after that"],
    ]


def test_what_the_peer_does_not_keep_is_met_closed() -> None:
    """That is what a check of kept connections is about: a new one would hide it."""
    nothing = exchange(response=b"", at=1.0, ended="closed", answers=0)
    with peer(says(ANSWER)) as to:
        first, second = sent(to, exchange(), nothing)
    assert first.notes == ["the peer closed the connection after that"]
    assert second.found is not None
    assert second.found["ended"] in ("closed", "reset")
    assert second.same


def test_what_cannot_be_on_the_same_connection_says_so() -> None:
    with peer(says(b"no response"), says(ANSWER)) as to:
        _, second = sent(to, exchange(), exchange(at=1.0))
    assert second.notes[0] == "it was not the first on its connection, and went on a new one now"


def test_what_went_on_at_the_same_time_does_so_again() -> None:
    """Each of them is held until the other is there."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connections = [listener.accept()[0] for _ in range(2)]
        for connection in connections:
            with connection:
                read_head(connection)
                connection.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    target = replay.Target("http://peer", Address(*listener.getsockname()))
    with listener, replay.Replay(target, 5.0) as sender:
        kept = [exchange(connection=1), exchange(at=0.25, connection=2)]
        found = list(sender.send(source(*kept)))
        thread.join(10)
    assert [replayed.same for replayed in found] == [True, True]
    assert [replayed.notes[0] for replayed in found] == [
        "sent together with 2",
        "sent together with 1",
    ]


def test_it_waits_where_the_client_waited_and_half_closes_where_it_did() -> None:
    """As it was recorded of the one peer, and sent again to another."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    got: list[tuple[bytes, bytes]] = []

    def script(connection: socket.socket) -> None:
        first = read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        rest = b""
        while data := connection.recv(100):
            rest += data
        got.append((first, rest))
        connection.sendall(ANSWER)

    with peer(script, script) as to:
        wire = Wire(to.address)
        connection = wire.connect()
        connection.send(head)
        assert connection.receive_head().status == 100
        connection.send(b"body")
        connection.shutdown_write()
        assert connection.receive().status == 200
        wire.close()
        [recorded] = wire.recorder.as_json()["kept"]
        [found] = sent(to, recorded)
    assert recorded["pauses"] == [{"sent": len(head), "received": 25}]
    assert recorded["half_closed"] is True
    jsonschema.validate(recorded, {"$ref": "#/$defs/exchange", "$defs": SCHEMA["$defs"]})
    assert got == [(head, b"body")] * 2
    assert found.same
    assert found.found is not None
    assert found.found["pauses"] == recorded["pauses"]
    shown = lines(found, recorded)
    assert f"  (after {len(head)} bytes it looked for an answer)" in shown
    assert "  (then it closed its side)" in shown


def test_a_pause_in_which_nothing_comes_does_not_keep_the_rest() -> None:
    with peer(says(ANSWER)) as to:
        pauses = [{"sent": 5, "received": 0}, {"sent": 9, "received": 25}]
        [found] = sent(to, exchange(pauses=pauses), time_limit_s=1.0)
    assert found.same


def hang(connection: socket.socket) -> None:
    """Reads and says nothing until the client goes away."""
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        pytest.param(hang, "timed out", id="silence"),
        pytest.param(says(), "closed", id="closed"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\n"), "closed", id="closed-in-the-head"),
        pytest.param(says(b"HTT", reset=True), "reset", id="reset"),
    ],
)
def test_how_the_connection_ends_is_told(script: Script, ended: str) -> None:
    with peer(script) as to:
        [found] = sent(to, exchange(), time_limit_s=1.0)
    assert found.found is not None
    assert found.found["ended"] == ended
    assert found.same is False
    assert any(line.startswith(f"  {ended} after") for line in lines(found))


def test_an_answer_that_is_none_is_shown_as_a_whole_and_does_nothing_to_a_terminal() -> None:
    hostile = b"\x1b]0;title\x07\x1b[2J\x9b31m\r\n\\n\x00\xe2\x80\xae and more\n"
    with peer(says(hostile)) as to:
        [found] = sent(to, exchange())
    shown = lines(found)
    assert "\n".join(shown).isascii()
    assert all(line.isprintable() for line in shown)
    assert r"  < \x1b]0;title\x07\x1b[2J\x9b31m\r\n" in shown
    assert r"  < \\n\x00\xe2\x80\xae and more\n" in shown


def test_a_client_that_went_away_does_so_again() -> None:
    """It had read some of an answer that has no end."""

    def endless(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"more" * 1000)

    recorded = exchange(response=b"x" * 6000, ended="open", answers=0)
    with peer(endless, hang) as to:
        [found] = sent(to, recorded)
        [nothing] = sent(to, exchange(response=b"", ended="open", answers=0))
    assert found.found is not None
    assert found.found["ended"] == "open"
    assert found.found["response"]["bytes"] >= 6000
    assert nothing.found is not None
    assert nothing.found["ended"] == "open"


def test_answers_to_pipelined_requests_are_read_by_their_methods() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
    with peer(says(ANSWER + head)) as to:
        [found] = sent(to, exchange(data, ANSWER + head, answers=2))
    assert found.found is not None
    assert found.found["ended"] == "answered"
    assert found.found["answers"] == 2


def test_bytes_that_are_left_over_are_those_of_their_exchange() -> None:
    """An answer to HEAD that has a body is in the way of the next one, as it was."""

    def script(connection: socket.socket) -> None:
        for _ in range(2):
            read_head(connection)
            connection.sendall(ANSWER)

    head = exchange(REQUEST.replace(b"GET", b"HEAD"))
    with peer(script) as to:
        first, second = sent(to, head, exchange(at=1.0, ended="open", answers=0))
    assert first.found is not None
    assert (first.found["ended"], first.found["response"]["bytes"]) == ("answered", len(ANSWER))
    assert second.notes == []
    assert second.same


def test_what_is_not_recorded_whole_is_not_sent() -> None:
    with peer(says(ANSWER)) as to:
        cut, whole = sent(to, exchange(b"x" * 9000, connection=2), exchange(at=1.0, connection=1))
    assert cut.found is None
    assert cut.refused == (
        "the first 8192 of its 9000 bytes are recorded, so it cannot be sent as it was"
    )
    assert lines(cut)[1].startswith("  not sent: the first 8192 of")
    assert whole.same


# --- The command ---

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `wsgi-conform replay` where results/ has what two servers did."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    several = {"total": 30, "kept": [exchange(at=float(number)) for number in range(24)]}
    found = document(
        server(
            "one",
            check(CHECK, "fail", exchanges={"total": 1, "kept": [exchange()]}),
            check("area/several", "pass", exchanges=several),
            check("area/nothing", "not-applicable", message="one does not declare it"),
        ),
        server("tiny", check(CHECK, "pass", exchanges={"total": 1, "kept": [exchange()]})),
        server("three", check("area/several", "pass", exchanges=several)),
    )
    (tmp_path / "results" / "results.json").write_text(json.dumps(found))

    def call(*arguments: object) -> tuple[int, str, str]:
        status = cli.main(["replay", *map(str, arguments)])
        output = capsys.readouterr()
        return status, output.out, output.err

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["routing/static-rul"],
            "'routing/static-rul' is neither a file nor a check in results/results.json; did you "
            "mean routing/static-rule?",
        ),
        (
            ["zzz"],
            "'zzz' is neither a file nor a check in results/results.json; "
            "`wsgi-conform checks` lists them",
        ),
        (
            ["routing/converter/int"],
            "results/results.json has no routing/converter/int; "
            "`wsgi-conform run NAME -k routing/converter/int` records it",
        ),
        (
            [CHECK, "--recorded-on", "nobody"],
            "results/results.json has nothing of it that was recorded on 'nobody'; there are: one, "
            "tiny",
        ),
        ([CHECK], "--recorded-on NAME says whose of these: one, tiny"),
        (
            ["area/several", "--recorded-on", "one", "--exchange", "6"],
            "area/several has no exchange 6 on one: 7 to 30",
        ),
        (
            ["area/nothing"],
            "nothing was sent to one for area/nothing: not-applicable one does not declare it",
        ),
        (
            [CHECK, "--results", "elsewhere"],
            f"{CHECK!r} is no file, and there is no elsewhere/results.json that it could be a "
            "check in: `wsgi-conform run` writes one, and --results says where it is",
        ),
        (["empty"], "empty is empty: there is nothing to send"),
        (
            ["file", "--exchange", "1"],
            "file is a file: --recorded-on and --exchange are about a check",
        ),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("empty").touch()
    Path("file").write_bytes(REQUEST)
    # To collect them takes seconds.
    known = SimpleNamespace(id="routing/converter/int")
    monkeypatch.setattr(catalogue, "collect", lambda: [known])
    name, *options = arguments
    assert run(name, "http://127.0.0.1:1", *options) == (2, "", f"wsgi-conform: {message}\n")


@pytest.mark.parametrize("url", ["https://127.0.0.1", "http://127.0.0.1/path", "http://a:99999"])
def test_urls_that_are_none(url: str, run: Run) -> None:
    status, output, error = run(CHECK, url)
    assert (status, output) == (2, "")
    assert error.startswith("wsgi-conform: expected a URL like http://127.0.0.1:8000")


def test_a_server_that_there_is_not(run: Run) -> None:
    status, _, error = run(CHECK, "waitres")
    assert (status, error) == (
        2,
        "wsgi-conform: no server is called 'waitres'; did you mean 'waitress'?\n",
    )


def test_nobody_listens(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, _, error = run(CHECK, f"http://127.0.0.1:{port}", "--recorded-on", "one")
    assert status == 3
    assert error.startswith(f"wsgi-conform: no connection to 127.0.0.1:{port}: ")


def test_to_a_deployment_that_is_started_for_it(run: Run, tmp_path: Path) -> None:
    status, output, _ = run(
        CHECK, "tiny", "--compose", compose(tmp_path, tiny={}), "--backend", "process"
    )
    assert status == 0
    first, _, *rest = output.splitlines()
    assert first.startswith(
        f"{CHECK}, recorded on tiny (1.0) with the verdict pass, to tiny (7.0) at 127.0.0.1:"
    )
    assert rest[:6] == [
        "exchange 1 of 1, connection 1",
        r"  > GET /ok HTTP/1.1\r\n",
        r"  > Host: a\r\n",
        r"  > \r\n",
        "  now:",
        r"  < HTTP/1.1 200 OK\r\n",
    ]
    # What the server says of itself is left out.
    assert rest[-1] == "  the same after normalisation"


def test_a_deployment_that_does_not_start(run: Run, tmp_path: Path) -> None:
    path = compose(tmp_path, tiny={"environment": {"EXIT": "no luck"}})
    status, output, error = run(CHECK, "tiny", "--compose", path, "--backend", "process")
    assert (status, output) == (3, "")
    assert "tiny ended before it was ready: exit status 1" in error
    assert "no luck" in error


def test_a_deployment_that_ends_of_it(run: Run, tmp_path: Path) -> None:
    Path("die").write_bytes(b"GET /die HTTP/1.1\r\nHost: a\r\n\r\n")
    path = compose(tmp_path, tiny={})
    status, output, _ = run("die", "tiny", "--compose", path, "--backend", "process")
    assert status == 0
    assert "  < (nothing)\n  closed after" in output


def test_json(run: Run) -> None:
    with peer(says(ALIKE)) as to:
        url = f"http://127.0.0.1:{to.address[1]}"
        status, output, error = run(CHECK, url, "--recorded-on", "one", "--format", "json")
    assert (status, error) == (0, "")
    found = json.loads(output)
    [one] = found.pop("exchanges")
    assert found["recorded_on"]["name"] == "one"
    assert found["target"] == {"name": url, "version": None, "address": url[7:]}
    assert one["recorded"] == exchange()
    assert one["replayed"]["response"]["text"] == ALIKE.decode()
    assert (one["exchange"], one["not_sent"], one["same"]) == (1, None, True)


def test_one_exchange_of_many(run: Run) -> None:
    with peer(says(ANSWER)) as to:
        url = f"http://127.0.0.1:{to.address[1]}"
        status, output, _ = run("area/several", url, "--recorded-on", "one", "--exchange", "7")
    assert status == 0
    assert output.splitlines()[1:4] == [
        "its first 6 exchanges are not kept",
        "",
        "exchange 7 of 30, connection 1",
    ]
    assert "exchange 8" not in output


def test_what_cannot_be_sent_is_an_error(run: Run, tmp_path: Path) -> None:
    cut = exchange(b"x" * 9000)
    found = document(server("one", check(CHECK, "fail", exchanges={"total": 1, "kept": [cut]})))
    (tmp_path / "results" / "results.json").write_text(json.dumps(found))
    with peer() as to:
        status, output, _ = run(CHECK, f"http://127.0.0.1:{to.address[1]}")
    assert status == 3
    assert "not sent: the first 8192 of its 9000 bytes are recorded" in output


def test_a_file_and_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is sent, also where less is kept of an exchange."""
    data = b"\r\nGET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    got: list[bytes] = []

    def script(connection: socket.socket) -> None:
        got.append(read_head(connection))
        connection.sendall(ANSWER)

    Path("request").write_bytes(data)
    with peer(script, script) as to:
        url = f"http://127.0.0.1:{to.address[1]}"
        status, output, _ = run("request", url)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        from_input, _, _ = run("-", url)
    assert (status, from_input, got) == (0, 0, [data, data])
    assert output.splitlines()[:3] == [f"request, to {url}", "", "exchange 1 of 1"]
    assert "recorded" not in output


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    Path(tmp_path / "request").write_bytes(REQUEST)
    path = compose(tmp_path, tiny={"environment": {"SILENT": "1"}})
    arguments = ("replay", tmp_path / "request", "tiny", "--compose", path, "--backend", "process")
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True) as process:
        try:
            while not list(owned(process.pid)):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, error) == (130, "wsgi-conform: interrupted\n")
    assert left_by(process.pid) == []
