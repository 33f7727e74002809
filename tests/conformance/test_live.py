"""The plugin for other people's tests: `live_server`, which servers it is on, what it survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue, registry
from conformance.backends import environments, owner

pytest_plugins = ["pytester"]

CACHE = environments.cache_directory().parents[1]

#: Two servers that are quick to start and want nothing but what is there.
WSGIREF = (
    "python3 -m reference_app.launch.wsgiref --host ${WSGI_HOST:-0.0.0.0} --port ${WSGI_PORT:-8000}"
)
SERVICE = {
    "command": WSGIREF,
    "stop_grace_period": "5s",
    registry.EXTENSION: {"project": "wsgiref", "documentation": "https://example.org"},
}
NOT_HERE = {
    **SERVICE,
    registry.EXTENSION: {
        "project": "wsgiref",
        "documentation": "https://example.org",
        "backends": ["docker"],
    },
}

SHOP = """
import json, os, signal
from pathlib import Path

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/die":
        print("dying of a request", flush=True)
        os._exit(7)
    if path == "/hang":
        signal.pause()
    if path == "/packages":
        import httptools, only_here
        found = {"httptools": httptools.__file__, "only_here": only_here.__file__}
    else:
        found = {"pid": os.getpid(), "cwd": os.getcwd(), "variables": dict(os.environ)}
    print("asked for", path, flush=True)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""

#: What the tests of a project begin with.
HEADER = """
import json, os, signal, time, urllib.request
import pytest

def get(server, path="/", timeout=20):
    with urllib.request.urlopen(server.url + path, timeout=timeout) as answer:
        return json.loads(answer.read())

def note(**facts):
    with open("facts", "a") as file:
        file.write(json.dumps(facts) + "\\n")
"""

Project = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Runs the tests of a project with an application, two servers, and this plugin."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    # Where environments are made once, and not in the home of this one test.
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    # JSON is YAML.
    services = {"one": SERVICE, "two": SERVICE, "elsewhere": NOT_HERE}
    pytester.path.joinpath("servers.yaml").write_text(json.dumps({"services": services}))
    pytester.makepyfile(shop=SHOP)

    def run(tests: str, *arguments: str, app: str = "shop:app") -> pytest.RunResult:
        pytester.makeini(
            f"[pytest]\nwsgi_app = {app}\nwsgi_servers = one two\nwsgi_compose = servers.yaml\n"
            f"wsgi_env =\n    GREETING=Hello, world\n"
        )
        pytester.makepyfile(test_shop=HEADER + tests)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def facts(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    """What the tests have noted."""
    text = (pytester.path / "facts").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def left(directory: Path) -> list[int]:
    """The servers of a project that still run."""
    return [
        pid
        for pid, variables in owner._environments()
        if variables.get("WSGI_CONFORM_APP_PATH", "").startswith(str(directory))
    ]


def test_each_test_runs_on_each_server_and_each_server_starts_once(
    project: Project, pytester: pytest.Pytester
) -> None:
    # As a plugin for random order would have it: pytest sets the fixture up again each time.
    pytester.makeconftest(
        "import pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items.sort(key=lambda item: item.name.partition('[')[0])\n"
    )
    result = project(
        """
def test_one(live_server):
    note(name=live_server.name, **get(live_server))

@pytest.mark.usefixtures("live_server")
def test_two(request):
    note(name=request.getfixturevalue("live_server").name, **get(request.getfixturevalue(
        "live_server")))

def test_three(live_server):
    assert live_server.alive and live_server.exit_status() is None
    assert live_server.version.startswith("3.")
    assert live_server.url == f"http://{live_server.address.host}:{live_server.address.port}"
    assert "asked for /" in live_server.logs()

def test_without_a_server():
    pass
""",
        "-v",
    )
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["live_server: shop:app on one (wsgiref), two (wsgiref)"])
    result.stdout.fnmatch_lines(["*::test_one[[]one]*", "*::test_one[[]two]*"])
    found = facts(pytester)
    assert Counter(fact["name"] for fact in found) == {"one": 2, "two": 2}
    assert len({fact["pid"] for fact in found}) == 2
    assert {fact["cwd"] for fact in found} == {str(pytester.path)}
    assert {fact["variables"]["GREETING"] for fact in found} == {"Hello, world"}
    assert "PYTEST_CURRENT_TEST" not in found[0]["variables"]
    assert left(pytester.path) == []


def test_workers_of_xdist_have_servers_of_their_own(
    project: Project, pytester: pytest.Pytester
) -> None:
    result = project(
        """
@pytest.mark.parametrize("number", range(4))
def test_it(live_server, number, worker_id):
    note(name=live_server.name, worker=worker_id, **get(live_server))
""",
        *("-n", "2", "--dist", "each"),
    )
    result.assert_outcomes(passed=16)
    found = facts(pytester)
    servers = {(fact["worker"], fact["name"], fact["pid"]) for fact in found}
    assert len(servers) == 4
    assert left(pytester.path) == []


def test_what_ends_a_server_fails_and_costs_no_other_test(
    project: Project, pytester: pytest.Pytester
) -> None:
    result = project(
        """
def test_1_dies_and_fails(live_server):
    get(live_server, "/die")

def test_2_goes_on(live_server):
    assert get(live_server)

def test_3_dies_unseen(live_server):
    with pytest.raises(OSError):
        get(live_server, "/die")

def test_4_hangs(live_server):
    get(live_server, "/hang", timeout=0.2)

def test_5_goes_on(live_server):
    assert get(live_server)

def test_6_fails_by_itself(live_server):
    note(**get(live_server, "/failing"))
    assert False

def test_7_is_the_same_server(live_server):
    note(**get(live_server))
""",
        *("--wsgi-servers", "one", "--tb=short"),
    )
    result.assert_outcomes(passed=3, failed=4)
    text = result.stdout.str()
    _, dies, unseen, hangs, fails = text.split("\n____")
    assert "- one -" in dies
    assert "one ended during this test: exit status 7" in dies
    assert "- one printed -" in dies
    assert "dying of a request" in dies
    assert "one ended during this test: exit status 7" in unseen
    assert "one did not answer any more after this test" in hangs
    assert "asked for /failing" in fails
    assert "dying of a request" not in fails
    assert len({fact["pid"] for fact in facts(pytester)}) == 1


def test_a_server_is_signalled_and_started_again(
    project: Project, pytester: pytest.Pytester
) -> None:
    result = project(
        """
def test_1_signal(live_server):
    note(url=live_server.url, **get(live_server))
    live_server.signal(signal.SIGTERM)
    assert live_server.exit_status(limit_s=20) == "signal SIGTERM"
    assert not live_server.alive

def test_2_next(live_server):
    note(url=live_server.url, **get(live_server))

def test_3_restart(live_server):
    live_server.signal(signal.SIGKILL)
    live_server.restart()
    note(url=live_server.url, **get(live_server))

def test_4_restarted_once(live_server):
    note(url=live_server.url, **get(live_server))
    # What is meant is over with the restart.
    with pytest.raises(OSError):
        get(live_server, "/die")
""",
        *("--wsgi-servers", "two"),
    )
    result.assert_outcomes(passed=3, failed=1)
    first, second, third, fourth = facts(pytester)
    assert len({fact["url"] for fact in (first, second, third, fourth)}) == 1
    assert len({fact["pid"] for fact in (first, second, third)}) == 3
    assert third["pid"] == fourth["pid"]


def test_an_end_between_two_tests_is_told(project: Project) -> None:
    result = project(
        """
@pytest.fixture
def ends_it(live_server):
    yield
    os.kill(get(live_server)["pid"], signal.SIGKILL)
    assert live_server.exit_status(limit_s=20) == "signal SIGKILL"

def test_1(live_server, ends_it): pass
def test_2(live_server): assert get(live_server)
""",
        *("--wsgi-servers", "one"),
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        ["*LiveServerWarning: one has ended since the test before this one: signal SIGKILL*"]
    )


def test_environments_are_apart_and_the_projects_packages_are_seen(
    project: Project, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = pytester.path / "venv" / "site-packages"
    source = pytester.path / "source"
    for path, content in {
        packages / "httptools" / "__init__.py": "raise RuntimeError('the one of the project')",
        packages / "httptools-99.0.dist-info" / "METADATA": "Name: httptools\nVersion: 99.0\n",
        packages / "editable.pth": f"{source}\n",
        source / "only_here.py": "",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    result = project(
        """
def test_packages(live_server):
    note(**get(live_server, "/packages"), logs=live_server.logs())
""",
        *("--wsgi-servers", "one"),
    )
    result.assert_outcomes(passed=1)
    [found] = facts(pytester)
    assert found["only_here"] == str(source / "only_here.py")
    # What the server was installed with is what it runs with, and somebody is told so.
    assert "wsgi-conform/environments/" in found["httptools"]
    assert "the server's environment has httptools " in found["logs"]
    assert "(the project has 99.0)" in found["logs"]


def test_an_application_that_cannot_be_imported_is_told_once(project: Project) -> None:
    result = project(
        """
def test_1(live_server): pass
def test_2(live_server): pass
def test_without(): pass
""",
        *("--wsgi-servers", "one", "-rN"),
        app="shopp:app",
    )
    result.assert_outcomes(errors=2, passed=1)
    text = result.stdout.str()
    assert text.count("ModuleNotFoundError: No module named 'shopp'") == 1
    assert "one ended before it was ready: exit status 1 (the first test of it says more)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--wsgi-servers=thre"], "*no server is called 'thre'; did you mean *"),
        (["--wsgi-servers=one,elsewhere"], "*elsewhere does not run as a local process here: *"),
        (["--wsgi-servers=one@1"], "*one has no other release*"),
        (["--wsgi-app=shop"], "*expected an application like package.module:callable*"),
        (["-o", "wsgi_servers="], "*needs servers: --wsgi-servers NAME,...*"),
        (["-o", "wsgi_app="], "*needs an application: --wsgi-app*"),
        (["-o", "wsgi_env=NOT_SET"], "*expected an environment variable NAME=VALUE*"),
        (["-o", "wsgi_compose=missing.yaml"], "*missing.yaml: cannot be read*"),
    ],
)
def test_wrong_usage(project: Project, arguments: list[str], message: str) -> None:
    if "wsgi_app=" in arguments:
        arguments = [*arguments, "--wsgi-servers=one"]
    result = project("def test_it(live_server): pass\n", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_without_an_application_there_is_no_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(live_server): pass\ndef test_other(): pass\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*fixture 'live_server' not found"])


def test_it_is_light_where_it_is_not_used() -> None:
    code = (
        "import sys, conformance.live; "
        "print(*{name.partition('.')[0] for name in sys.modules} & "
        "{'docker', 'requests', 'rich', 'yaml', 'uv', 'reference_app'}, "
        "*[name for name in sys.modules if name.startswith('conformance.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["conformance.live"]


def test_the_suites_own_pytest_does_not_load_it() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *catalogue.PYTEST_ARGUMENTS,
            catalogue.PACKAGE,
            "--wsgi-server",
            "wsgiref",
            "--help",
        ],
        env={**os.environ, **catalogue.PYTEST_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--wsgi-server=NAME" in done.stdout
    assert "--wsgi-servers" not in done.stdout


@pytest.mark.parametrize("workers", [0, 1])
def test_an_interrupt_leaves_nothing(
    project: Project, pytester: pytest.Pytester, workers: int
) -> None:
    project("")
    pytester.makepyfile(
        test_shop=HEADER
        + "def test_it(live_server):\n    note(**get(live_server))\n    time.sleep(300)\n"
    )
    command = [sys.executable, "-m", "pytest", "--wsgi-servers=one", "-n", str(workers)]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 60
        while not (pytester.path / "facts").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left(pytester.path)
        run.send_signal(signal.SIGTERM)
        out = run.communicate(timeout=60)[0]
    assert run.returncode == pytest.ExitCode.INTERRUPTED, out
    assert left(pytester.path) == []
