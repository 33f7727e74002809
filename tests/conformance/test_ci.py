"""What CI runs: the scripts of the action, the workflows and the example for GitLab, executed.

GitHub is stood in for by the variables and files that it gives to a step, `gh` by a few canned
answers. That the files have the form that they have to have, `make lint` says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import cli
from conformance.backends import environments

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text())
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
PAGE = (ROOT / "docs" / "ci.md").read_text()

#: Writes what it was called with, and of the files that it was to write one with a line in it.
COMMAND = """\
#!{python}
import json, os, sys
with open("called.json", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "--markdown" in sys.argv and "STAND_IN_WRITES" in os.environ:
    with open(sys.argv[sys.argv.index("--markdown") + 1], "w") as summary:
        summary.write(os.environ["STAND_IN_WRITES"])
sys.exit(int(os.environ.get("STAND_IN_STATUS", "0")))
"""

#: Answers by what the words of a call begin with, and applies what `--jq` asks for.
GH = """\
#!{python}
import json, os, subprocess, sys
words = sys.argv[1:]
with open("called.json", "a") as log:
    log.write(json.dumps(words) + "\\n")
for beginning, answer in json.loads(os.environ["GH_ANSWERS"]):
    if " ".join(words).startswith(beginning):
        break
else:
    sys.exit("gh: nothing is known of " + " ".join(words))
if answer is None:
    sys.exit(1)
if words[:2] == ["run", "download"]:
    directory = words[words.index("--dir") + 1]
    os.makedirs(directory)
    for name, text in answer.items():
        open(os.path.join(directory, name), "w").write(text)
elif "--jq" in words:
    command = ["jq", "--raw-output", words[words.index("--jq") + 1]]
    sys.exit(subprocess.run(command, input=json.dumps(answer), text=True).returncode)
"""


@dataclass
class Job:
    """A directory to run scripts in, as a runner does."""

    directory: Path
    variables: dict[str, str] = field(default_factory=dict)

    def program(self, name: str, source: str) -> Path:
        """Put a program on the PATH."""
        path = self.directory / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source.replace("{python}", sys.executable))
        path.chmod(0o755)
        return path

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script with the shell and the options that GitHub runs it with."""
        environment = {
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "GITHUB_OUTPUT": str(self.directory / "output"),
            "GITHUB_STEP_SUMMARY": str(self.directory / "step-summary"),
            **self.variables,
            **variables,
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
        )

    def output(self) -> str:
        """What the steps said to later ones."""
        return (self.directory / "output").read_text()

    def called(self) -> list[list[str]]:
        """What the programs were called with."""
        path = self.directory / "called.json"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def step(steps: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """A step by its id or name."""
    [found] = [step for step in steps if name in (step.get("id"), step.get("name"))]
    return found


def script(steps: list[dict[str, Any]], name: str) -> str:
    """The script of a step."""
    return str(step(steps, name)["run"])


def merge_step(name: str) -> str:
    """A script of the job that merges what the servers' jobs found."""
    return script(WORKFLOWS["ci.yml"]["jobs"]["report"]["steps"], name)


def every_script() -> list[str]:
    """All scripts of the action and the workflows."""
    steps = list(ACTION["runs"]["steps"])
    for workflow in WORKFLOWS.values():
        for one in workflow["jobs"].values():
            steps += one["steps"]
    return [one["run"] for one in steps if "run" in one]


def test_nothing_that_is_given_becomes_part_of_a_script() -> None:
    scripts = every_script()
    assert len(scripts) > 10
    assert [text for text in scripts if "${{" in text] == []


@pytest.mark.parametrize("text", every_script())
def test_scripts_can_be_read(text: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- The action ---


#: Makes an environment with itself in it, and knows where that has its packages.
PYTHON = """\
#!{python}
import json, os, pathlib, shutil, sys
here = pathlib.Path(sys.argv[0])
with open("called.json", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["-m", "venv"]:
    environment = pathlib.Path(sys.argv[3])
    (environment / "bin").mkdir(parents=True)
    shutil.copy(here, environment / "bin" / "python")
elif sys.argv[1] == "-c":
    print(here.parent)
else:
    print("Python 3.13.9")
"""


def test_the_action_installs_what_is_pinned_and_finds_itself_by_its_place(job: Job) -> None:
    job.variables = {"GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(job.directory)}
    install = script(ACTION["runs"]["steps"], "install")
    python = str(job.program("python", PYTHON))
    done = job.run(install, PYTHON=python, SERVERS="waitress", XDG_CACHE_HOME="/cache")
    assert done.returncode == 0, done.stderr
    [pip] = [words for words in job.called() if words[:2] == ["-m", "pip"]]
    assert "--require-hashes" in pip
    assert Path(pip[-1]) == ROOT / "docker" / "requirements" / "conformance.txt"
    binary = job.directory / "wsgi-conform" / "bin"
    assert (binary / "wsgi-conform.pth").read_text() == f"{ROOT}\n"
    outputs = dict(line.split("=", 1) for line in job.output().splitlines())
    key = outputs.pop("key")
    assert outputs == {"python": str(binary / "python"), "cache": "/cache/wsgi-conform"}
    assert re.fullmatch("[0-9a-f]{16}", key)
    shutil.rmtree(binary.parent)
    job.run(install, PYTHON=python, SERVERS="granian", XDG_CACHE_HOME="/cache")
    assert f"key={key}" not in job.output().splitlines()[-1]


@pytest.fixture
def action(job: Job) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the action's main step with these inputs, and the defaults of the others."""
    names = {
        name: str(re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value)[1])  # type: ignore[index]
        for name, value in step(ACTION["runs"]["steps"], "run")["env"].items()
        if "inputs." in value
    }

    def run(**inputs: str) -> subprocess.CompletedProcess[str]:
        known = {name: description["default"] for name, description in ACTION["inputs"].items()}
        assert set(inputs) <= set(known)
        variables = {name: {**known, **inputs}[given] for name, given in names.items()}
        return job.run(script(ACTION["runs"]["steps"], "run"), **variables)

    job.variables["PYTHON"] = str(job.program("python", COMMAND))
    return run


RUN = ["-P", "-m", "conformance", "run"]
RESULTS = "wsgi-conform-results"
WRITTEN = ["--junit", f"{RESULTS}/junit.xml", "--markdown", f"{RESULTS}/summary.md"]


@pytest.mark.parametrize(
    ("inputs", "options", "names"),
    [
        ({"servers": "waitress"}, [], ["waitress"]),
        ({"servers": "waitress\n  granian  gevent\n"}, [], ["waitress", "granian", "gevent"]),
        ({"servers": "a", "checks": "http or wsgi"}, ["-k", "http or wsgi"], ["a"]),
        ({"servers": "a", "base": "old"}, ["--base", "old"], ["a"]),
        ({"servers": "a", "expectations": "my own"}, ["--expectations", "my own"], ["a"]),
        (
            {"url": "http://127.0.0.1:1", "capabilities": "threads=8 keep-alive=true"},
            [
                *("--url", "http://127.0.0.1:1"),
                *("--capability", "threads=8", "--capability", "keep-alive=true"),
            ],
            [],
        ),
        # Whatever stands in it is a value.
        (
            {"servers": "$(touch a) `touch b` * ;", "checks": "'; touch c; \"$(touch d)"},
            ["-k", "'; touch c; \"$(touch d)"],
            ["$(touch", "a)", "`touch", "b`", "*", ";"],
        ),
        ({"servers": "--help"}, [], ["--help"]),
    ],
)
def test_the_action_s_inputs_are_the_command_s_arguments(
    job: Job,
    action: Callable[..., subprocess.CompletedProcess[str]],
    inputs: dict[str, str],
    options: list[str],
    names: list[str],
) -> None:
    done = action(**inputs)
    assert done.returncode == 0, done.stderr
    # What a server says is between the two: there GitHub takes nothing for a command.
    first, *_, last = done.stdout.splitlines()
    assert re.fullmatch(r"::stop-commands::[0-9a-f]{32}", first)
    assert last == f"::{first.rpartition(':')[2]}::"
    expected = [*RUN, "--backend", "process", "--results", RESULTS, *WRITTEN, *options, "--"]
    assert job.called() == [[*expected, *names]]
    assert sorted(path.name for path in job.directory.iterdir()) == [
        *("bin", "called.json", "output", RESULTS)
    ]


def test_the_action_s_further_options(
    job: Job, action: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    action(servers="a", options="--framework flask", backend="docker")
    assert job.called()[0][:8] == [*RUN, "--framework", "flask", "--backend", "docker"]


def test_the_action_wants_something_to_check(
    job: Job, action: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = action(servers=" \n")
    assert (done.returncode, job.called()) == (2, [])
    assert "expected `servers` or `url`, found neither" in done.stdout


@pytest.mark.parametrize("status", ["0", "1", "3", "130"])
def test_the_action_fails_when_all_is_written_and_not_before(
    job: Job, action: Callable[..., subprocess.CompletedProcess[str]], status: str
) -> None:
    job.variables |= {"STAND_IN_STATUS": status, "STAND_IN_WRITES": "what was found\n"}
    assert action(servers="waitress").returncode == 0
    assert job.output() == f"exit-status={status}\n"
    assert (job.directory / "step-summary").read_text() == "what was found\n"
    last = ACTION["runs"]["steps"][-1]
    assert "if" not in last
    assert str(job.run(last["run"], STATUS=status).returncode) == status


def test_the_action_shows_no_summary_of_another_run(
    job: Job, action: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    job.variables["STAND_IN_WRITES"] = "before"
    action(servers="waitress")
    (job.directory / "step-summary").unlink()
    del job.variables["STAND_IN_WRITES"]
    action(servers="waitress")
    assert not (job.directory / "step-summary").exists()


# --- The job that merges, and the comment ---


def test_results_of_the_base_branch_are_those_of_its_last_good_push(job: Job) -> None:
    job.program("gh", GH)
    answers = [["run list", [{"databaseId": 17}]], ["run download 17", {"results.json": "{}"}]]
    fetch = merge_step("the last results of the base branch")
    done = job.run(fetch, BRANCH="main", GH_ANSWERS=json.dumps(answers))
    assert done.returncode == 0, done.stderr
    assert (job.directory / "base" / "results.json").read_text() == "{}"
    listing = job.called()[0]
    assert [listing[listing.index(name) + 1] for name in ("--branch", "--event", "--status")] == [
        *("main", "push", "success")
    ]


@pytest.mark.parametrize(
    "answers", [[["run list", []]], [["run list", [{"databaseId": 17}]], ["run download", None]]]
)
def test_without_results_of_the_base_branch_there_is_no_comparison(
    job: Job, answers: list[Any]
) -> None:
    job.program("gh", GH)
    fetch = merge_step("the last results of the base branch")
    done = job.run(fetch, BRANCH="main", GH_ANSWERS=json.dumps(answers))
    assert done.returncode == 0, done.stderr
    assert "no earlier results of main" in done.stdout
    assert not (job.directory / "base").exists()


@pytest.mark.parametrize("base", [[], ["--base", "base"]])
@pytest.mark.parametrize("status", ["0", "1"])
def test_the_merge_fails_when_a_server_did(job: Job, base: list[str], status: str) -> None:
    job.program("wsgi-conform", COMMAND)
    (job.directory / "results").mkdir()
    if base:
        (job.directory / "base").mkdir()
    merge = merge_step("merge the results")
    done = job.run(merge, STAND_IN_STATUS=status, STAND_IN_WRITES="what changed\n")
    assert str(done.returncode) == status
    assert (job.directory / "step-summary").read_text() == "what changed\n"
    written = ["--markdown", "results/summary.md", "--junit", "results/junit.xml"]
    assert job.called() == [["report", "artifacts", "--results", "results", *written, *base]]


def comment(job: Job, pulls: list[Any], comments: list[Any]) -> subprocess.CompletedProcess[str]:
    """Run the comment's step on a run of commit `abc` of `someone:patch`."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not here, which stands in for gh's own")
    job.program("gh", GH)
    answers = [
        ["api --method GET repos/own/er/pulls --raw-field state=open", pulls],
        ["api --paginate repos/own/er/issues/7/comments", comments],
        ["api --method", {}],
    ]
    (job.directory / "found").mkdir()
    (job.directory / "found" / "summary.md").write_text("é" * 40_000)
    return job.run(
        script(WORKFLOWS["comment.yml"]["jobs"]["comment"]["steps"], "the comment"),
        GH_ANSWERS=json.dumps(answers),
        GH_REPO="own/er",
        HEAD="someone:patch",
        SHA="abc",
        PAGE="https://example.org/run",
    )


PULL = {"number": 7, "head": {"sha": "abc"}}
MARKER = "<!-- wsgi-conform -->"


def test_a_pull_request_gets_a_comment(job: Job) -> None:
    others = [
        {"id": 1, "user": {"login": "somebody"}, "body": f"{MARKER} quoted"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "something else"},
    ]
    done = comment(job, [PULL], others)
    assert done.returncode == 0, done.stderr
    assert "head=someone:patch" in job.called()[0]
    assert job.called()[-1][:4] == ["api", "--method", "POST", "repos/own/er/issues/7/comments"]
    body = (job.directory / "comment.md").read_bytes()
    assert body.decode().startswith(f"{MARKER}\n[The run, ")
    assert len(body) <= 65_536


def test_the_comment_is_written_anew_each_time(job: Job) -> None:
    own = {"id": 3, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\nbefore"}
    assert comment(job, [PULL], [own]).returncode == 0
    assert job.called()[-1][:4] == ["api", "--method", "PATCH", "repos/own/er/issues/comments/3"]


@pytest.mark.parametrize("pulls", [[], [{"number": 8, "head": {"sha": "newer"}}]])
def test_a_pull_request_that_has_gone_on_gets_none(job: Job, pulls: list[Any]) -> None:
    done = comment(job, pulls, [])
    assert done.returncode == 0, done.stderr
    assert len(job.called()) == 1
    assert "no open pull request is at abc" in done.stdout


def test_what_may_write_runs_nothing_of_a_pull_request() -> None:
    workflow = WORKFLOWS["comment.yml"]
    assert workflow["permissions"] == {}
    for one in workflow["jobs"].values():
        assert [step for step in one["steps"] if "uses" in step] == []
    for name, other in WORKFLOWS.items():
        granted = [
            other["permissions"],
            *(one.get("permissions", {}) for one in other["jobs"].values()),
        ]
        writes = any("write" in scopes.values() for scopes in granted)
        assert writes == (name == "comment.yml"), name


# --- GitLab, and what the documentation shows ---


def test_the_example_for_gitlab(job: Job) -> None:
    document = yaml.safe_load((ROOT / "examples" / "gitlab-ci.yml").read_text())
    job.program("wsgi-conform", COMMAND)
    for name in ("conformance", "report"):
        done = job.run("\n".join(document[name]["script"]), SERVER="waitress@.", CI_NODE_INDEX="2")
        assert done.returncode == 0, done.stderr
    run, report = job.called()
    assert run[:2] == ["run", "waitress@."]
    junit = run[run.index("--junit") + 1]
    reports = document["conformance"]["artifacts"]["reports"]["junit"]
    assert Path(junit).match(reports)
    assert junit.startswith(run[run.index("--results") + 1])
    assert report == ["report", "results", "--results", "conformance-page"]


def test_what_is_called_is_what_the_command_takes(
    job: Job, action: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    action(
        **{name: "1" for name in ACTION["inputs"] if name not in ("options", "backend")},
        backend="process",
    )
    job.program("wsgi-conform", COMMAND)
    job.run(merge_step("merge the results"))
    run, merge = job.called()
    cli.make_parser().parse_args(run[run.index("run") :])
    cli.make_parser().parse_args(merge)


def test_a_real_run_and_its_merge(
    job: Job, action: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The scripts with the command itself: two jobs, of which one finds an entry that is stale."""
    job.variables["PYTHON"] = sys.executable
    job.variables["PYTHONPATH"] = str(ROOT)
    job.program("wsgi-conform", f'#!/bin/sh\nexec {sys.executable} -P -m conformance "$@"\n')
    # Environments that are there already are used.
    job.variables["XDG_CACHE_HOME"] = str(environments.cache_directory().parents[1])
    stale = job.directory / "stale"
    stale.mkdir()
    (stale / "waitress.toml").write_text(STALE)
    for name, expectations in (("good", ""), ("stale", str(stale))):
        done = action(
            servers="waitress" if expectations else "reference-threaded",
            checks="routing/static",
            expectations=expectations,
            results=f"artifacts/{name}",
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert job.output() == "exit-status=0\nexit-status=1\n"
    done = job.run(merge_step("merge the results"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 verdicts (1 pass, 1 fixed)" in done.stdout
    merged = job.directory / "results"
    names = ("results.json", "summary.md", "junit.xml", "index.html")
    assert [name for name in names if not (merged / name).stat().st_size] == []
    summary = (job.directory / "step-summary").read_text()
    assert summary.endswith((merged / "summary.md").read_text())
    assert MARKER in summary


STALE = """
[[deviation]]
check = "routing/static-rule"
instead = "It is not found."
reason = "It was not, once."
reference = "unreported"
"""


def documented() -> list[dict[str, Any]]:
    """The workflows that docs/ci.md shows; of one that is shown in part, what is left out added."""
    found = []
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        shown = yaml.safe_load(text)
        if isinstance(shown, list):
            shown = {"jobs": {"shown": {"runs-on": "ubuntu-latest", "steps": shown}}}
        # YAML 1.1 takes `on` for a truth value.
        found.append({"on": shown.pop(True, ["push"]), **shown})
    return found


def test_documented_workflows_are_workflows(tmp_path: Path) -> None:
    for number, workflow in enumerate(documented()):
        for one in workflow["jobs"].values():
            one.pop("needs", None)
        (tmp_path / f"{number}.yml").write_text(yaml.safe_dump(workflow))
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    done = subprocess.run([*check, *map(str, tmp_path.iterdir())], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_documented_workflows_give_the_action_what_it_takes() -> None:
    uses = [
        step
        for workflow in documented()
        for one in workflow["jobs"].values()
        for step in one["steps"]
        if step.get("uses", "").startswith("wsgi-conform/")
    ]
    assert len(uses) == 3
    for step in uses:
        assert set(step["with"]) <= set(ACTION["inputs"])


@pytest.mark.parametrize("name", list(ACTION["inputs"]))
def test_inputs_of_the_action_are_documented(name: str) -> None:
    assert f"`{name}`" in PAGE
