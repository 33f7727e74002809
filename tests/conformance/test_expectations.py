"""Expectations files: what is read from them, and the exact words for every mistake in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import catalogue, expectations, registry
from conformance.expectations import ExpectationError

ENTRY = """\
[[deviation]]
check = "http/host/missing"
instead = "Answers 200."
reason = "Host is not looked at."
reference = "https://example.org/issue/1"
"""


def written(directory: Path, **texts: str) -> Path:
    """A directory with these files, a `_` in a name standing for a `-`."""
    for name, text in texts.items():
        (directory / f"{name.replace('_', '-')}.toml").write_text(text, encoding="utf-8")
    return directory


def test_an_entry_is_read_with_its_place(tmp_path: Path) -> None:
    written(tmp_path, server="# why\n\n" + ENTRY + 'versions = ">=3.0,<4"\ncrash = true\n')
    found = expectations.load("server", "project", None, tmp_path)
    assert list(found) == ["http/host/missing"]
    assert found["http/host/missing"].as_json() == {
        "instead": "Answers 200.",
        "reason": "Host is not looked at.",
        "reference": "https://example.org/issue/1",
        "versions": "<4,>=3.0",
        "python": "",
        "crash": True,
        "varies": "",
        "file": "server.toml:3",
    }


def test_what_is_left_out_is_all_versions_all_deployments_and_no_crash(tmp_path: Path) -> None:
    written(tmp_path, server=ENTRY)
    [entry] = expectations.read(tmp_path / "server.toml")
    assert (str(entry.versions), entry.deployments) == ("", ())
    assert (entry.crash, entry.damages) == (False, False)


def test_checks_that_fail_for_one_reason_share_an_entry(tmp_path: Path) -> None:
    shared = changed('check = "http/host/missing"', 'checks = ["http/host/missing", "http/b"]')
    written(tmp_path, server=shared)
    found = expectations.load("server", "project", "1.0", tmp_path)
    assert [(check, entry.check, entry.line) for check, entry in found.items()] == [
        ("http/host/missing", "http/host/missing", 2),
        ("http/b", "http/b", 2),
    ]


def test_unreported_is_a_reference(tmp_path: Path) -> None:
    text = ENTRY.replace("https://example.org/issue/1", "unreported")
    written(tmp_path, server=text)
    assert expectations.read(tmp_path / "server.toml")[0].reference == "unreported"


def test_a_server_without_a_file_deviates_nowhere(tmp_path: Path) -> None:
    assert expectations.load("server", "project", "1.0", tmp_path) == {}


def test_an_empty_file_is_no_deviation(tmp_path: Path) -> None:
    written(tmp_path, server="# The reference server has no known deviation.\n")
    assert expectations.load("server", "project", "1.0", tmp_path) == {}


def test_the_files_of_project_and_deployment_both_hold(tmp_path: Path) -> None:
    written(tmp_path, gunicorn=ENTRY, gunicorn_sync=ENTRY.replace("host/missing", "host/twice"))
    assert set(expectations.load("gunicorn-sync", "gunicorn", "1", tmp_path)) == {
        "http/host/missing",
        "http/host/twice",
    }
    assert set(expectations.load("gunicorn-gthread", "gunicorn", "1", tmp_path)) == {
        "http/host/missing"
    }


def test_a_file_is_found_by_the_project_in_lower_case(tmp_path: Path) -> None:
    written(tmp_path, werkzeug=ENTRY)
    assert len(expectations.load("werkzeug-threaded", "werkzeug", None, tmp_path)) == 1


def test_deployments_narrow_a_projects_entry(tmp_path: Path) -> None:
    written(tmp_path, gunicorn=ENTRY + 'deployments = ["gunicorn-sync"]\n')
    assert len(expectations.load("gunicorn-sync", "gunicorn", "1", tmp_path)) == 1
    assert len(expectations.load("gunicorn-gthread", "gunicorn", "1", tmp_path)) == 0


@pytest.mark.parametrize(
    ("versions", "version", "holds"),
    [
        ("", "1.0", True),
        (">=3.0", "3.0", True),
        (">=3.0", "2.9", False),
        (">=3.0,<4", "4.0", False),
        (">=3.0,<4", "3.99.1", True),
        ("==3.0.2", "3.0.2", True),
        ("==3.0.2", "3.0.3", False),
        (">=3.0", "3.1rc1", True),
        ("<3.0", "3.0.dev1", False),
        (">=3.0", None, True),
        (">=3.0", "not a version", True),
    ],
)
def test_versions(tmp_path: Path, versions: str, version: str | None, holds: bool) -> None:
    written(tmp_path, server=f'{ENTRY}versions = "{versions}"\n')
    found = expectations.load("server", "project", version, tmp_path)
    assert bool(found) is holds


def test_python(tmp_path: Path) -> None:
    old = ENTRY.replace("Host is", "Once, Host was") + 'python = "<3.13.5"\n'
    written(tmp_path, server=f'{old}\n{ENTRY}python = ">=3.13.5"\n')
    for python, reason in [("3.11.7", "Once, Host was not"), ("3.13.5", "Host is not")]:
        [entry] = expectations.load("server", "project", "1", tmp_path, python).values()
        assert entry.reason.startswith(reason)
    assert len(expectations.load("server", "project", "1", tmp_path)) == 1


def test_one_check_may_be_listed_once_for_each_range_of_versions(tmp_path: Path) -> None:
    old = ENTRY.replace("Host is", "Once, Host was") + 'versions = "<3"\n'
    written(tmp_path, server=f'{old}\n{ENTRY}versions = ">=3"\n')
    for version, reason in [("2.0", "Once, Host was not"), ("3.0", "Host is not")]:
        [entry] = expectations.load("server", "project", version, tmp_path).values()
        assert entry.reason.startswith(reason)
    assert len(expectations.load("server", "project", None, tmp_path)) == 1


DUPLICATES = [
    ("server", ENTRY + ENTRY, None, "server.toml:6"),
    ("server", ENTRY + 'versions = "<3"\n' + ENTRY + 'versions = "<4"\n', "2.0", "server.toml:7"),
]


@pytest.mark.parametrize(("name", "text", "version", "where"), DUPLICATES)
def test_a_check_listed_twice_in_one_file(
    tmp_path: Path, name: str, text: str, version: str | None, where: str
) -> None:
    written(tmp_path, **{name: text})
    with pytest.raises(ExpectationError) as caught:
        expectations.load("server", "project", version, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/{where}: http/host/missing is listed for server already, at server.toml:1; "
        f"keep one entry"
    )


def test_a_check_listed_for_the_project_and_for_the_deployment(tmp_path: Path) -> None:
    written(tmp_path, gunicorn="\n" + ENTRY, gunicorn_sync=ENTRY)
    with pytest.raises(ExpectationError) as caught:
        expectations.load("gunicorn-sync", "gunicorn", "27", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/gunicorn-sync.toml:1: http/host/missing is listed for gunicorn-sync already, "
        f"at gunicorn.toml:2; keep one entry"
    )


def changed(old: str, new: str) -> str:
    """The good entry with one thing changed, below a comment line."""
    assert old in ENTRY
    return "# a comment\n" + ENTRY.replace(old, new)


KEYS = (
    "check, checks, crash, damages, deployments, instead, python, reason, reference, varies, "
    "versions"
)

MALFORMED = {
    "not TOML": (
        'check = \n[[deviation]]\ncheck = "a/b"',
        ":1: is not TOML: Invalid value (at line 1, column 9)",
    ),
    "not TOML, at its end": (
        '[[deviation]]\ncheck = """abc',
        ":2: is not TOML: Unterminated string (at end of document)",
    ),
    "another table": (
        ENTRY + "[other]\nkey = 1\n",
        ":6: expected [[deviation]] only, found 'other'",
    ),
    "another key": ("\nversion = 1\n", ":2: expected [[deviation]] only, found 'version'"),
    "one table": (
        ENTRY.replace("[[", "[").replace("]]", "]"),
        ":1: expected [[deviation]], a list; found [deviation]",
    ),
    "no table": ("\ndeviation = 3\n", ":2: expected [[deviation]], a list; found [deviation]"),
    "an inline list": (
        '\ndeviation = [{check = "a/b"}]\n',
        ":2: expected each entry under a [[deviation]] of its own",
    ),
    "a header in a text": (
        ENTRY.replace('"Answers 200."', '"""\n[[deviation]]\n"""'),
        ":4: expected each entry under a [[deviation]] of its own",
    ),
    "unknown key, close": (
        changed("reason", "reasons"),
        ":2: unknown key `reasons`; did you mean `reason`?",
    ),
    "unknown key": (changed("reason", "xyz"), f":2: unknown key `xyz`; there are {KEYS}."),
    "an empty list of checks": (
        changed('check = "http/host/missing"', "checks = []"),
        ":2: expected `check`, an id, or `checks`, a list of ids; found []",
    ),
    "check and checks": (
        ENTRY + 'checks = ["http/host/missing"]\n',
        ":1: expected `check`, an id, or `checks`, a list of ids; found ['http/host/missing']",
    ),
    "no check": (
        changed('check = "http/host/missing"\n', ""),
        ":2: expected text for `check`, found None",
    ),
    "no reason": (
        changed('reason = "Host is not looked at."\n', ""),
        ":2: expected text for `reason`, found None",
    ),
    "blank reason": (
        changed("Host is not looked at.", "   "),
        ":2: expected text for `reason`, found '   '",
    ),
    "reason that is no text": (
        changed('"Host is not looked at."', "3"),
        ":2: expected text for `reason`, found 3",
    ),
    "no instead": (
        changed('instead = "Answers 200."\n', ""),
        ":2: expected text for `instead`, found None",
    ),
    "no reference": (
        changed('reference = "https://example.org/issue/1"\n', ""),
        ":2: expected text for `reference`, found None",
    ),
    "a reference that is no link": (
        changed("https://example.org/issue/1", "issue 1"),
        ":2: expected `reference` as an https link or 'unreported', found 'issue 1'",
    ),
    "versions that are none": (
        ENTRY + 'versions = "3 and up"\n',
        ":1: expected `versions` like '>=3.0,<4', found '3 and up'",
    ),
    "versions as a list": (
        ENTRY + 'versions = [">=3"]\n',
        ":1: expected `versions` like '>=3.0,<4', found ['>=3']",
    ),
    "versions as a number": (
        ENTRY + "versions = 3\n",
        ":1: expected `versions` like '>=3.0,<4', found 3",
    ),
    "deployments as text": (
        ENTRY + 'deployments = "gunicorn-sync"\n',
        ":1: expected `deployments` as a list of names, found 'gunicorn-sync'",
    ),
    "crash as text": (
        ENTRY + 'crash = "yes"\n',
        ":1: expected `crash` to be true or false, found 'yes'",
    ),
    "damages as a number": (
        ENTRY + "damages = 1\n",
        ":1: expected `damages` to be true or false, found 1",
    ),
    "varies as a truth": (ENTRY + "varies = true\n", ":1: expected text for `varies`, found True"),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    written(tmp_path, server=text)
    with pytest.raises(ExpectationError) as caught:
        expectations.load("server", "project", "1.0", tmp_path)
    assert str(caught.value) == f"{tmp_path}/server.toml{message}"


def test_a_second_entry_is_told_by_its_own_line(tmp_path: Path) -> None:
    written(tmp_path, server=f"{ENTRY}\n{changed('reason', 'reasons')}")
    with pytest.raises(ExpectationError, match=r"server\.toml:8: unknown key `reasons`"):
        expectations.load("server", "project", "1.0", tmp_path)


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_bytes(b"# \xff")
    with pytest.raises(ExpectationError) as caught:
        expectations.load("server", "project", "1.0", tmp_path)
    assert str(caught.value) == f"{tmp_path}/server.toml: is not TOML: not UTF-8 at byte 2"


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError) as caught:
        expectations.load("server", "project", "1.0", tmp_path / "none")
    assert str(caught.value) == f"{tmp_path}/none: is no directory, so it has no expectations"


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (["http/host/missin", "other/check"], "; did you mean 'http/host/missin'?"),
        (["zzz/zzz"], ""),
    ],
)
def test_an_entry_about_no_check(tmp_path: Path, known: list[str], hint: str) -> None:
    written(tmp_path, server="\n\n" + ENTRY)
    found = expectations.load("server", "project", None, tmp_path)
    with pytest.raises(ExpectationError) as caught:
        expectations.check_ids(found.values(), known)
    assert str(caught.value) == (
        f"{tmp_path}/server.toml:3: no check is called 'http/host/missing'{hint}"
    )


def test_what_is_shipped_is_well_formed_and_about_checks_and_servers_that_there_are() -> None:
    servers = registry.load()
    checks = {check.id for check in catalogue.collect()}
    names = {server.name for server in servers}
    about = names | {server.project.lower() for server in servers}
    files = sorted(expectations.DIRECTORY.glob("*.toml"))
    assert {path.stem for path in files} <= about
    for path in files:
        entries = expectations.read(path)
        expectations.check_ids(entries, checks)
        assert {name for entry in entries for name in entry.deployments} <= names, path
    for server in servers:
        expectations.load(server.name, server.expectations, server.version)


def test_nothing_is_known_to_deviate_in_the_reference_server() -> None:
    for server in registry.load():
        if server.project == registry.OWN_PROJECT:
            assert expectations.load(server.name, server.expectations, server.version) == {}
