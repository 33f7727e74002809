"""Releases that are in no index: files and directories in the place of a version."""

from __future__ import annotations

import argparse
import io
import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from conformance import registry, releases, unreleased
from conformance.backends import BackendError
from conformance.backends.docker import DockerBackend
from conformance.backends.process import ProcessBackend
from conformance.commands import backend_name
from conformance.registry import Server, UnknownServer

PROJECT = """\
[project]
name = "waitress"
version = "3.1.dev0+local.1"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
_VERSION = "from importlib.metadata import version; print(version('waitress'))"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of something that calls itself waitress, with the working directory beside it."""
    directory = tmp_path / "checkout"
    (directory / "waitress").mkdir(parents=True)
    (directory / "waitress" / "__init__.py").touch()
    (directory / "pyproject.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    unreleased.wheel.cache_clear()
    return directory


def selected(name: str) -> Server:
    return releases.select(registry.load(), [name])[0]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        *((text, True) for text in (".", "..", "./x", "/x", "x.whl", "x-1.0.tar.gz", "file:///x")),
        *((text, False) for text in ("1.0", "1.0.dev1", "h11==0.16", "", "dist")),
    ],
)
def test_what_is_a_path(text: str, path: bool) -> None:
    assert unreleased.is_path(text) is path


def test_a_checkout_is_built_and_installed_where_the_release_would_be(checkout: Path) -> None:
    server = selected("waitress@./checkout")
    assert (server.name, server.version) == ("waitress@./checkout", "3.1.dev0+local.1")
    assert (server.deployment, server.expectations) == ("waitress", "waitress")
    # Another process, which has no checkout any more, finds the same wheel.
    unreleased.wheel.cache_clear()
    (checkout / "pyproject.toml").unlink()
    again = selected(releases.spelled(server))
    assert again.wheel == server.wheel
    environments = {ProcessBackend().environment(one) for one in (server, again)}
    assert len(environments) == 1
    python = environments.pop() / "bin" / "python"
    done = subprocess.run([python, "-c", _VERSION], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == server.version


def test_a_wheel_that_is_made_anew_is_another_one(checkout: Path) -> None:
    built = unreleased.wheel(checkout, "3")
    wheel = Path(built.name)
    wheel.write_bytes(built.read_bytes())
    [server] = releases.select(registry.load(), ["waitress@./waitress-*.whl"])
    assert server.wheel == wheel.resolve()
    first = ProcessBackend().environment(server)
    (checkout / "waitress" / "__init__.py").write_text("new = True\n")
    unreleased.wheel.cache_clear()
    wheel.write_bytes(unreleased.wheel(checkout, "3").read_bytes())
    second = ProcessBackend().environment(server)
    [module] = second.glob("lib/python*/site-packages/waitress/__init__.py")
    assert (first != second, module.read_text()) == (True, "new = True\n")


def test_the_name_of_a_wheel_may_have_a_plus_sign(checkout: Path) -> None:
    wheel = Path("waitress-1.0+local-py3-none-any.whl")
    wheel.touch()
    server = selected(f"waitress@./{wheel}+python3.12 --ident=x")
    assert (server.wheel, server.python, server.version) == (wheel.resolve(), "3.12", "1.0+local")
    assert server.command()[-2] == "--ident=x"
    assert selected(releases.spelled(server)).wheel == wheel.resolve()


def test_of_a_file_one_gets_to_releases_again(checkout: Path) -> None:
    Path("waitress-1.0-py3-none-any.whl").touch()
    server = releases.at(selected("waitress@./waitress-1.0-py3-none-any.whl"), "3.0.1")
    assert (server.name, server.version, server.wheel) == ("waitress@3.0.1", "3.0.1", None)


def test_it_may_be_something_beside_the_server(checkout: Path) -> None:
    Path("h11-99.0-py3-none-any.whl").touch()
    server = selected("uvicorn-h11@./h11-99.0-py3-none-any.whl")
    assert server.base is not None
    assert (server.version, server.release) == (server.base.version, "h11==99.0")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("waitress@./no.whl", "waitress@./no.whl: expected one file or directory, found none"),
        (
            "waitress@./*.whl",
            "waitress@./*.whl: expected one file or directory, found ./a.whl, ./b.whl",
        ),
        (
            "waitress@./checkout/pyproject.toml",
            "expected a wheel, an sdist or a directory, found pyproject.toml",
        ),
        ("waitress@a.whl", "Invalid wheel filename"),
        ("waitress@checkout", "expected a release like .* (the path is written ./checkout)"),
        ("granian@./checkout", "nothing of waitress is in its environment"),
        ("reference-threaded@./checkout", "nothing of waitress is in its environment"),
        ("nginx-gunicorn@./checkout", "it runs by docker alone"),
    ],
)
def test_a_file_that_cannot_be_taken(checkout: Path, name: str, message: str) -> None:
    for wheel in ("a.whl", "b.whl"):
        (checkout.parent / wheel).touch()
    with pytest.raises(UnknownServer, match=re.escape(message).replace(r"\.\*", ".*")) as caught:
        selected(name)
    assert "\n" not in str(caught.value)


def test_what_does_not_build_is_told_with_the_installer_s_words(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text(PROJECT.replace("hatchling.build", "nothing.there"))
    with pytest.raises(
        BackendError, match=r"no wheel can be built of .*/checkout:\n(.|\n)*nothing"
    ):
        selected("waitress@./checkout")


def test_there_is_no_image_of_a_file(checkout: Path) -> None:
    Path("waitress-1.0-py3-none-any.whl").touch()
    server = selected("waitress@./waitress-1.0-py3-none-any.whl")
    assert server.missing("docker") == "it runs by process alone"
    asked = argparse.Namespace(backend="auto", url=None)
    said = Console(file=io.StringIO(), width=200)
    assert backend_name(asked, said, [server]) == "process"
    # It is said before an engine is asked for anything.
    refused = DockerBackend()._prepare_variant(None, server)  # type: ignore[arg-type]
    assert refused == "it runs by process alone"
