"""An application of somebody's own: how it is named, found, and passed through unchanged."""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest

from conformance.backends.application import (
    Application,
    ApplicationError,
    project_directories,
    variables,
)
from reference_app import own

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop:app", own.Name("shop", "app", None)),
        ("shop.web:site.wsgi", own.Name("shop.web", "site.wsgi", None)),
        ("shop:create_app()", own.Name("shop", "create_app", ([], {}))),
        ("shop:make.app('x', debug=True)", own.Name("shop", "make.app", (["x"], {"debug": True}))),
    ],
)
def test_names_of_applications(text: str, expected: own.Name) -> None:
    assert own.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "shop", "shop:", ":app", "shop:app[0]", "shop:f(x)", "shop:f(**{})", "shop:f()()",
     "shop:f(", "../shop:app", "a shop:app", "shop:1"],
)  # fmt: skip
def test_what_names_no_application(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected an application like package\.module:callable"):
        own.parse(text)
    with pytest.raises(ApplicationError, match="expected an application like"):
        Application(text, ())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of modules, and the search path as it was, afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_factory_is_called_with_what_stands_there(project: Path) -> None:
    (project / "own_shop.py").write_text(
        "class Site:\n    @staticmethod\n    def make(*args, **kwargs):\n"
        "        return lambda environ, start_response: [args, kwargs]\n"
    )
    own.add_directories([str(project)])
    found: Any = own.load("own_shop:Site.make(1, [2], three='3')")
    assert found({}, None) == [(1, [2]), {"three": "3"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("own_missing:app", "No module named 'own_missing'"),
        ("own_shop:app", "module 'own_shop' has no attribute 'app'"),
        ("own_shop:number", "own_shop:number is of type int, which is no WSGI application"),
        ("own_shop:fail()", "ZeroDivisionError"),
        ("own_shop:leave()", "SystemExit"),
        ("own_shop:fail(1)", "takes 0 positional arguments"),
    ],
)
def test_what_cannot_be_served(project: Path, text: str, message: str) -> None:
    (project / "own_shop.py").write_text(
        "import sys\nnumber = 1\ndef fail(): 1 / 0\ndef leave(): sys.exit('no')\n"
    )
    own.add_directories([str(project)])
    with pytest.raises(own.Unusable) as caught:
        own.load(text)
    assert message in str(caught.value)
    assert text in str(caught.value)
    # What is in the way there, and not how it came to be imported.
    assert "importlib" not in str(caught.value)


def test_the_projects_directories_come_last(project: Path) -> None:
    packages = project / "site-packages"
    linked = project / "elsewhere" / "src"
    linked.mkdir(parents=True)
    packages.mkdir()
    (packages / "editable.pth").write_text(f"{linked}\n")
    before = list(sys.path)
    own.add_directories([str(project), str(packages), str(project)])
    assert sys.path == [*before, str(project), str(packages), str(linked)]
    assert Path.cwd() == project


def test_the_same_environ_goes_in_and_the_same_iterable_comes_out() -> None:
    result = [b"own"]
    calls: list[tuple[object, object]] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        calls.append((environ, start_response))
        return result

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)

    def start_response(*arguments: Any) -> Any:
        raise AssertionError("it is the application's to call")

    served = own.identified(application)
    for method, path in (("GET", "/"), ("GET", "/-/identity/x"), ("POST", "/-/identity")):
        environ |= {"REQUEST_METHOD": method, "PATH_INFO": path}
        given = dict(environ)
        assert served(environ, start_response) is result
        assert environ == given
        assert calls.pop() == (environ, start_response)


def test_the_harness_learns_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSGI_CONFORM_DEPLOYMENT", "the token")
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    started: list[Any] = []

    def ask(path: str) -> Any:
        environ["PATH_INFO"] = path
        body = own.identified(lambda *_: [])(environ, lambda *head: started.append(head))  # type: ignore[arg-type]
        return json.loads(b"".join(body))

    identity = ask("/-/identity")
    assert (identity["deployment"], identity["framework"]) == ("the token", "own")
    assert ask("/-/versions")["pytest"] == pytest.__version__
    assert [status for status, _ in started] == ["200 OK"] * 2


def test_where_a_project_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = tmp_path / "src"
    extra.mkdir()
    monkeypatch.setattr(sys, "path", [sysconfig.get_path("scripts"), str(extra), *sys.path])
    found = project_directories(tmp_path)
    assert found[:2] == (tmp_path, extra)
    assert Path(sysconfig.get_path("purelib")) in found
    assert Path(sysconfig.get_path("stdlib")) not in found
    assert Path(sysconfig.get_path("scripts")) not in found


def test_environment_variables_are_given_or_passed_on() -> None:
    outside = {"HERE": "there", "OTHER": "not asked for"}
    assert variables(["ONE=1=2", "HERE", "EMPTY="], outside) == {
        "ONE": "1=2", "HERE": "there", "EMPTY": "",
    }  # fmt: skip
    for text in ("MISSING", "=value", ""):
        with pytest.raises(ApplicationError, match="expected an environment variable"):
            variables([text], outside)


def test_a_directory_that_cannot_stand_in_a_search_path(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError, match="which separates the directories"):
        Application("shop:app", (tmp_path / "a:b",))
