"""The command: its exit statuses and words on wrong usage, on broken servers, on interrupts."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

import conformance
from conformance import catalogue, cli, expectations, registry, results, runner
from conformance.backends import environments
from conformance.backends.leftovers import start_time
from reference_app.application import create_app
from reference_app.serving import make_server
from tests.conformance.deployments import compose

SCHEMA = json.loads(
    (Path(conformance.__file__).parent / "results.schema.json").read_text(encoding="utf-8")
)

#: One check that the tiny server fails, and quickly.
CHECK = "routing/static-rule"
ENTRY = f"""\
[[deviation]]
check = "{CHECK}"
instead = "Answers ok."
reason = "It is not the application."
reference = "unreported"
"""


class Done(NamedTuple):
    """How a run of the command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process, which starts faster than another one."""

    def call(*arguments: object, **variables: str) -> Done:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        status = cli.main(list(map(str, arguments)))
        output = capsys.readouterr()
        return Done(status, output.out, output.err)

    return call


def command(*arguments: object) -> list[str]:
    """The command line of the command."""
    # As the installed command does: nothing is imported from the working directory.
    code = "import sys; from conformance.cli import main; sys.exit(main())"
    return [sys.executable, "-P", "-c", code, *map(str, arguments)]


def document(directory: Path) -> dict[str, Any]:
    """The results in a directory, which are what the schema says; there is the page besides."""
    found = results.load(directory / "results.json")
    jsonschema.validate(found, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert sorted(os.listdir(directory)) == ["index.html", "results.json"]
    return found


def verdicts(found: dict[str, Any]) -> dict[str, list[str]]:
    """The verdicts of each server."""
    return {
        server["name"]: [check["verdict"] for check in server["checks"]]
        for server in found["servers"]
    }


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A directory without expectations."""
    directory = tmp_path / "expectations"
    directory.mkdir()
    return directory


def tiny_run(
    tmp_path: Path, directory: Path, *arguments: object, check: str = CHECK, **services: Any
) -> list[object]:
    """Arguments of a run of one check on tiny servers."""
    return [
        *("run", "--backend", "process", "--compose", compose(tmp_path, **services)),
        *("--expectations", directory, "--results", tmp_path / "results"),
        *("-k", check, "--time-limit", "5", *arguments),
    ]


# --- Wrong usage ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "waitres"], "no server is called 'waitres'; did you mean 'waitress'?"),
        (
            ["run", "waitress", "-k", "no-such-check"],
            "no check matches 'no-such-check'; `wsgi-conform checks` lists the ids, and the "
            "expression is pytest's: 'routing or hooks', 'session and not flash'",
        ),
        (
            ["run", "waitress", "--parity"],
            "--parity compares with reference-threaded, which is not in this run: name it as well",
        ),
        (
            ["run", "waitress", "-k", "and and"],
            "Wrong expression passed to '-k': and and: at column 1: expected not OR left "
            "parenthesis OR identifier; got and",
        ),
        (
            ["checks", "-k", "("],
            "Wrong expression passed to '-k': (: at column 2: expected not OR left parenthesis "
            "OR identifier; got end of input",
        ),
        (
            ["run", "--compose", "{tmp}/none.yaml"],
            "{tmp}/none.yaml: cannot be read: No such file or directory",
        ),
        (
            ["servers", "--compose", "{tmp}/broken.yaml"],
            "{tmp}/broken.yaml:2: is not YAML: expected the node content, but found '<stream end>'",
        ),
        (
            ["run", "waitress", "--expectations", "{tmp}"],
            "{tmp}/waitress.toml:3: expected text for `instead`, found None",
        ),
        (
            ["run", "gunicorn-sync", "--expectations", "{tmp}"],
            "{tmp}/gunicorn.toml:1: no check is called 'routing/static-rul'; did you mean "
            "'routing/static-rule'?",
        ),
        (
            ["run", "waitress", "--expectations", "{tmp}/none"],
            "{tmp}/none: is no directory, so it has no expectations",
        ),
        (
            ["run", "waitress", "--url", "https://127.0.0.1:1"],
            "expected a URL like http://127.0.0.1:8000 (http, a host, no user, no path), "
            "found 'https://127.0.0.1:1'",
        ),
        (
            ["run", "waitress", "gunicorn-sync", "--url", "http://127.0.0.1:1"],
            "--url for 2 servers needs {{name}} in it, for each one's name",
        ),
        (
            ["run", "waitress", "--capability", "threads=8"],
            "--capability goes with --url and no server's name",
        ),
        (
            ["run", "--url", "http://127.0.0.1:1", "--capability", "thread=8"],
            "--capability: unknown capability `thread`; did you mean `threads`?",
        ),
    ],
)
def test_wrong_usage(
    arguments: Sequence[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.yaml").write_text("services: [\n")
    (tmp_path / "waitress.toml").write_text('\n\n[[deviation]]\ncheck = "a/b"\n')
    (tmp_path / "gunicorn.toml").write_text(ENTRY.replace("static-rule", "static-rul"))
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    if arguments[0] == "run":
        filled += ["--results", str(tmp_path / "results")]
    assert cli.main(filled) == 2
    output = capsys.readouterr()
    assert output.err == f"wsgi-conform: {message.format(tmp=tmp_path)}\n"
    assert output.out == ""
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["rum"], "invalid choice: 'rum'"),
        (["run", "--jobs", "0"], "argument --jobs: expected a number from 1, found '0'"),
        (["run", "--jobs", "x"], "argument --jobs: expected a number from 1, found 'x'"),
        (["run", "--time-limit", "0"], "expected seconds above 0, found '0'"),
        (["run", "--time-limit", "nan"], "expected seconds above 0, found 'nan'"),
        (["run", "--backend", "podman"], "invalid choice: 'podman'"),
    ],
)
def test_arguments_that_are_none(
    arguments: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_fault_of_the_harness_is_3_and_never_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "load", lambda path: 1 / 0)
    assert cli.main(["servers"]) == 3
    output = capsys.readouterr().err
    assert "ZeroDivisionError" in output
    assert output.endswith("wsgi-conform: this is a fault of the harness\n")


def test_an_interrupt_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalogue, "collect", interrupted)
    assert cli.main(["checks"]) == 130
    assert capsys.readouterr().err == "wsgi-conform: interrupted\n"


# --- Lists ---


def test_lists_are_json_with_the_names_that_others_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["servers", "--format", "json"]) == 0
    servers = json.loads(capsys.readouterr().out)
    assert {"name", "project", "version", "command", "capabilities", "backends"} <= set(servers[0])
    assert cli.main(["servers", "--format", "github-matrix"]) == 0
    matrix = json.loads(capsys.readouterr().out)
    assert matrix == {"server": [server["name"] for server in servers]}
    assert cli.main(["checks", "-k", CHECK, "--format", "json"]) == 0
    [check] = json.loads(capsys.readouterr().out)
    assert check["id"] == CHECK
    assert set(check) == {
        "id",
        "area",
        "level",
        "title",
        "clause",
        "requires",
        "rests_on",
        "mutants",
    }


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["servers"]) == 0
    assert re.search(r"^waitress +waitress \d", capsys.readouterr().out, re.MULTILINE)
    assert cli.main(["checks", "-k", CHECK]) == 0
    assert capsys.readouterr().out.endswith("\n\n1 checks\n")


def test_the_list_of_servers_shows_what_the_last_run_said(
    tmp_path: Path, empty: Path, run: Run
) -> None:
    (empty / "tiny.toml").write_text(ENTRY)
    run(*tiny_run(tmp_path, empty, "tiny", tiny={}, other={}))
    done = run(
        *("servers", "--compose", tmp_path / "compose.yaml", "--results", tmp_path / "results")
    )
    assert re.search(r"^tiny .* 7\.0 1 deviation$", done.stdout, re.MULTILINE)
    assert re.search(r"^other .* not run$", done.stdout, re.MULTILINE)
    assert f"last run: {tmp_path / 'results' / 'results.json'}, 20" in done.stdout


def test_what_does_not_run_here_is_left_out_unless_it_is_named(
    tmp_path: Path, empty: Path, run: Run
) -> None:
    (empty / "tiny.toml").write_text(ENTRY)
    extension = {"project": "wsgi-conform", "documentation": "https://example.org"}
    services: dict[str, Any] = {
        "tiny": {},
        "boxed": {"x-wsgi-conform": {**extension, "backends": ["docker"]}},
        "compiled": {"x-wsgi-conform": {**extension, "programs": ["no-such-compiler"]}},
    }
    everything = run(*tiny_run(tmp_path, empty, **services))
    assert everything.returncode == 0
    assert "left out (it runs by docker alone): boxed\n" in everything.stdout
    assert (
        "left out (its installation needs no-such-compiler, which is not on the PATH): compiled\n"
        in everything.stdout
    )
    assert verdicts(document(tmp_path / "results")) == {"tiny": ["deviation"]}
    named = run(*tiny_run(tmp_path, empty, "boxed", **services))
    assert named.returncode == 3
    assert "boxed does not run as a local process here: it runs by docker alone" in named.stdout
    nothing = run(*tiny_run(tmp_path, empty, boxed=services["boxed"]))
    assert (nothing.returncode, nothing.stderr) == (2, "wsgi-conform: no server is left to run\n")


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    with subprocess.Popen(
        command("checks"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 3


# --- Runs ---


def test_a_failure_is_1_and_an_entry_for_it_makes_it_0(
    tmp_path: Path, empty: Path, run: Run
) -> None:
    """Progress and report, line by line; and turning the one expectation off turns a run red."""
    (empty / "tiny.toml").write_text(ENTRY)
    listed = run(*tiny_run(tmp_path, empty, tiny={}))
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.sub(r"\d+\.\d+ s", "N s", listed.stdout) == (
        f"""\
1 server, 1 check each, backend process
tiny: wsgi-conform 7.0 is ready
tiny: 1 deviation in N s
  1  tiny (wsgi-conform 7.0, Python 3.99.0)

                          1
routing (1)               0
  routing/static-rule     d

areas count what passes; d deviation: fails as listed

1 server, 1 verdict (1 deviation) in N s, backend process
results: {tmp_path}/results/results.json
page: {tmp_path}/results/index.html
"""
    )
    found = document(tmp_path / "results")
    assert verdicts(found) == {"tiny": ["deviation"]}
    assert (found["run"]["exit_status"], found["run"]["incomplete"]) == (0, False)

    (empty / "tiny.toml").write_text("")
    unlisted = run(*tiny_run(tmp_path, empty, tiny={}))
    assert unlisted.returncode == 1
    assert "tiny: fail: routing/static-rule\n" in unlisted.stdout
    assert "\nFAIL tiny routing/static-rule\n" in unlisted.stdout
    assert document(tmp_path / "results")["run"]["exit_status"] == 1


def test_a_stale_entry_is_1(tmp_path: Path, run: Run) -> None:
    (tmp_path / "reference-single.toml").write_text(ENTRY)
    done = run(
        *("run", "reference-single", "--backend", "process", "-k", CHECK),
        *("--expectations", tmp_path, "--results", tmp_path / "results"),
    )
    assert done.returncode == 1
    assert "reference-single: fixed: routing/static-rule\n" in done.stdout
    assert "listed at reference-single.toml:1, and passes: remove the entry" in done.stdout
    assert verdicts(document(tmp_path / "results")) == {"reference-single": ["fixed"]}


def test_servers_that_do_not_start_do_not_keep_others_from_being_checked(
    tmp_path: Path, empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And their checks stay in the count, as errors; run where no project of ours is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # What a user's own project may hold: none of it is ours to import.
    for name in ("conftest", "requests", "conformance", "yaml"):
        (elsewhere / f"{name}.py").write_text("raise SystemExit('imported')")
    (empty / "tiny.toml").write_text(ENTRY)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# not\nhashed and not there\n")
    done = run(
        *tiny_run(
            tmp_path,
            empty,
            tiny={},
            exits={"environment": {"EXIT": "no such module"}},
            missing={"command": "no-such-server"},
            uninstalled={
                "x-wsgi-conform": {
                    "project": "wsgi-conform",
                    "documentation": "https://example.org",
                    "requirements": str(requirements),
                }
            },
        ),
    )
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    at = lines.index("exits: error: exits ended before it was ready: exit status 1")
    assert lines[at + 1 : at + 3] == ["it starts", "no such module"]
    assert (
        "missing: error: missing: the command 'no-such-server' is not in its environment; do its "
        "requirements install it?" in lines
    )
    assert "uninstalled: error: uv pip install failed:" in lines
    found = document(tmp_path / "results")
    assert verdicts(found) == {
        "tiny": ["deviation"],
        "exits": ["error"],
        "missing": ["error"],
        "uninstalled": ["error"],
    }
    assert found["run"]["exit_status"] == 3
    assert found["servers"][1]["checks"][0]["message"] == (
        "not run: exits ended before it was ready: exit status 1"
    )


def test_a_results_directory_that_cannot_be_one(tmp_path: Path, empty: Path, run: Run) -> None:
    (tmp_path / "results").touch()
    done = run(*tiny_run(tmp_path, empty, tiny={}))
    assert done.returncode == 3
    assert done.stderr == (f"wsgi-conform: {tmp_path}/results cannot be written to: File exists\n")
    assert done.stdout == ""


def test_containers_without_an_engine(tmp_path: Path, run: Run) -> None:
    earlier = tmp_path / "results" / "results.json"
    earlier.parent.mkdir()
    earlier.write_text("of an earlier run")
    done = run(
        *("run", "waitress", "--backend", "docker", "--results", tmp_path / "results"),
        DOCKER_HOST="unix:///nowhere/docker.sock",
    )
    assert done.returncode == 3
    assert done.stderr.startswith("wsgi-conform: ")
    assert "--backend process" in done.stderr
    assert "Traceback" not in done.stderr
    assert earlier.read_text() == "of an earlier run"
    assert os.listdir(tmp_path / "results") == ["results.json"]


def test_either_without_an_engine_says_so_in_one_line(
    tmp_path: Path, empty: Path, run: Run
) -> None:
    (empty / "tiny.toml").write_text(ENTRY)
    arguments = tiny_run(tmp_path, empty, tiny={})
    arguments[arguments.index("process")] = "auto"
    done = run(*arguments, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 0
    first, second, *_ = done.stdout.splitlines()
    assert re.fullmatch(r"no container engine \(.+\): running local processes", first)
    assert second == "1 server, 1 check each, backend process"


def test_what_runs_already(tmp_path: Path, empty: Path, run: Run) -> None:
    """Nobody there, and somebody else there: both are errors, and are told apart."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1024)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        done = run(
            *("run", "--url", f"http://127.0.0.1:{port}", "-k", CHECK),
            *("--expectations", empty, "--results", tmp_path / "results", "--time-limit", "0.5"),
        )
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert done.returncode == 3
    assert (
        "remote: error: remote was not ready after 0.5 s: expected the reference application's "
        "/-/identity, found 404 Not Found" in done.stdout
    )


def test_what_runs_already_and_serves_the_application(
    tmp_path: Path, empty: Path, run: Run
) -> None:
    """What needs control of it, or what was not declared, does not apply, and why is told."""
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        arguments = [
            *("run", "--url", f"http://127.0.0.1:{server.server_address[1]}"),
            *("-k", f"{CHECK} or lifecycle/stop/second-signal or http/keep-alive/after/204"),
            *("--expectations", empty, "--results", tmp_path / "results"),
        ]
        bare = run(*arguments)
        declared = run(*arguments, "--capability", "keep-alive=true")
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
    control = "not applicable: remote was not started by this run, which has no control of it"
    assert (bare.returncode, declared.returncode) == (0, 0)
    assert control in bare.stdout
    assert "1 not applicable: remote does not declare 'keep-alive'" in bare.stdout
    assert bare.stdout.startswith("nothing is declared of it (--capability):")
    assert control in declared.stdout
    assert "keep-alive" not in declared.stdout


def test_two_runs_at_once_into_one_directory(tmp_path: Path, empty: Path) -> None:
    (empty / "tiny.toml").write_text(ENTRY)
    arguments = tiny_run(tmp_path, empty, tiny={}, other={"environment": {"EXIT": "1"}})
    both = [
        subprocess.Popen(command(*arguments, name), stdout=subprocess.PIPE, text=True)
        for name in ("tiny", "other")
    ]
    outputs = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 3]
    assert "1 server, 1 verdict (1 deviation)" in outputs[0]
    assert "1 server, 1 verdict (1 error)" in outputs[1]
    assert verdicts(document(tmp_path / "results")) in (
        {"tiny": ["deviation"]},
        {"other": ["error"]},
    )


# --- Interrupts ---


def owned(pid: int) -> Iterator[int]:
    """The processes that belong to a harness, by their environment."""
    wanted = f"WSGI_CONFORM_OWNER={pid}:".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(wanted) for variable in variables):
                yield int(entry.name)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    every = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in every for child in path.read_text().split()]


def forking(pid: int) -> int:
    """The process of a run that has collected the checks, and forks those that judge."""
    [found] = [child for child in children(pid) if start_time(child) is not None]
    return found


@contextlib.contextmanager
def running(tmp_path: Path, empty: Path, *others: str) -> Iterator[subprocess.Popen[str]]:
    """A run in the middle of things: the others are done, one server is not ready yet."""
    services: dict[str, Any] = {name: {} for name in others}
    services["silent"] = {"environment": {"SILENT": "1"}}
    arguments = tiny_run(tmp_path, empty, **services)
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            left = set(others)
            while left:
                line = process.stdout.readline()
                assert line, "it ended too early"
                left -= {name for name in others if re.match(rf"{name}: .* in .* s$", line)}
            while not list(owned(process.pid)):
                assert process.poll() is None
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def left_by(pid: int) -> list[object]:
    """Processes and directories of a run that is over."""
    temporary = Path(tempfile.gettempdir())
    return [*owned(pid), *temporary.glob(f"wsgi-conform-server-{pid}-*")]


@pytest.mark.parametrize(
    ("others", "signals"),
    [
        (["tiny"], [signal.SIGINT]),
        ([], [signal.SIGTERM]),
        ([], [signal.SIGHUP, signal.SIGINT]),
    ],
    ids=["SIGINT", "SIGTERM", "SIGHUP-SIGINT"],
)
def test_an_interrupt_leaves_the_results_so_far_and_nothing_else(
    tmp_path: Path, empty: Path, others: list[str], signals: list[signal.Signals]
) -> None:
    with running(tmp_path, empty, *others) as process:
        for number in signals:
            process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "\ninterrupted: these are the results so far\n" in output
    assert "Traceback" not in output
    found = document(tmp_path / "results")
    assert (found["run"]["exit_status"], found["run"]["incomplete"]) == (130, True)
    assert verdicts(found) == {**{name: ["fail"] for name in others}, "silent": []}
    assert left_by(process.pid) == []


def test_an_interrupt_while_another_run_installs_is_not_kept_waiting(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache" / "wsgi-conform" / "environments"
    cache.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digest = environments.digest([environments.pinned("reference")])
    with (cache / f"wsgi-conform-reference-{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            command(*tiny_run(tmp_path, empty, tiny={})), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "1 server, 1 check each, backend process\n"
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 130
    assert "interrupted: these are the results so far\n" in output
    assert verdicts(document(tmp_path / "results")) == {"tiny": []}
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


def test_a_pytest_process_that_is_killed_is_an_error(tmp_path: Path, empty: Path) -> None:
    with running(tmp_path, empty) as process:
        [worker] = children(forking(process.pid))
        os.kill(worker, signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 3
    assert "silent: error: the harness broke off: pytest ended with signal SIGKILL\n" in output
    found = document(tmp_path / "results")
    assert set(verdicts(found)["silent"]) == {"error"}
    assert left_by(process.pid) == []


def test_the_process_that_forks_is_killed(tmp_path: Path, empty: Path) -> None:
    """What it has forked goes on; what would have to be forked is an error."""
    servers: dict[str, Any] = {"silent": {"environment": {"SILENT": "1"}}, "tiny": {}}
    arguments = tiny_run(tmp_path, empty, "silent", "tiny", "--jobs", "1", **servers)
    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, text=True) as process:
        while not list(owned(process.pid)):
            time.sleep(0.01)
        forks = forking(process.pid)
        [worker] = children(forks)
        os.kill(forks, signal.SIGKILL)
        os.kill(worker, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 3
    for name in servers:
        assert (
            f"{name}: error: the harness broke off: pytest, which was to collect the checks, "
            "ended with signal SIGKILL\n" in output
        )
    assert verdicts(document(tmp_path / "results")) == {"silent": ["error"], "tiny": ["error"]}
    assert left_by(process.pid) == []


def test_a_killed_run_leaves_nothing_that_runs(tmp_path: Path, empty: Path) -> None:
    with running(tmp_path, empty) as process:
        process.kill()
        process.wait(10)
        deadline = time.monotonic() + 60
        while list(owned(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.usefixtures("own_temporary")
def test_what_a_killed_run_leaves_is_removed_by_the_next(
    tmp_path: Path, empty: Path, run: Run
) -> None:
    with running(tmp_path, empty) as process:
        forks = forking(process.pid)
        for pid in (forks, *children(forks), process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait(10)
    assert left_by(process.pid)
    run(*tiny_run(tmp_path, empty, "tiny", tiny={}))
    assert left_by(process.pid) == []
    assert verdicts(document(tmp_path / "results")) == {"tiny": ["fail"]}


def test_shipped_expectations_are_the_default() -> None:
    parsed = cli.make_parser().parse_args(["run"])
    assert parsed.expectations == expectations.DIRECTORY


def test_a_run_in_ci_compares_at_no_greater_length(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.setenv(name, "1")
    assert not {"CI", "BUILD_NUMBER"} & runner._environment().keys()
