"""What is installed from a wheel does everything: it has all that it needs, and no checkout."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from conformance import registry
from conformance.backends import EngineUnavailable, build_context
from conformance.backends.engine import probe

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, which finds here what the wheel depends on."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(directory)], cwd=ROOT, check=True)
    [wheel] = directory.glob("*.whl")
    environment = directory / "environment"
    venv.create(environment)
    python = str(environment / "bin" / "python")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--python", python, str(wheel)], check=True)
    # The files in there that name the checkout are not looked at: only directories of Python's own
    # are searched for such files.
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return environment


def wsgi_conform(installed: Path, directory: Path, *arguments: str) -> str:
    """What the command of an environment prints, run in a directory."""
    done = subprocess.run(
        [str(installed / "bin" / "wsgi-conform"), *arguments],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_has_the_registry_and_its_requirements(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json\n"
        "from conformance import registry\n"
        "from conformance.backends.environments import pinned\n"
        "paths = [server.requirements for server in registry.load()] + [pinned('serving')]\n"
        "print(json.dumps([str(path) for path in paths]))\n"
    )
    python = [str(installed / "bin" / "python"), "-P", "-c", code]
    done = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = [Path(text) for text in json.loads(done.stdout)]
    assert len(found) == len(registry.load()) + 1
    assert all(path.is_file() and path.is_relative_to(installed) for path in found)
    [entry_points] = installed.glob("lib/python*/site-packages/wsgi_conform-*/entry_points.txt")
    assert "conformance.live" in entry_points.read_text()


def test_it_runs_local_processes(installed: Path, tmp_path: Path) -> None:
    assert "reference-threaded" in wsgi_conform(installed, tmp_path, "servers")
    run = ["run", "reference-threaded", "-k", "routing/static", "--backend", "process"]
    assert "1 server, 1 verdict (1 pass)" in wsgi_conform(installed, tmp_path, *run)
    assert (tmp_path / "results" / "results.json").is_file()


def test_it_runs_containers(installed: Path, tmp_path: Path) -> None:
    try:
        probe()
    except EngineUnavailable as error:
        pytest.skip(f"no container engine answers here: {error}")
    run = ["run", "reference-threaded", "-k", "routing/static", "--backend", "docker"]
    assert "1 server, 1 verdict (1 pass)" in wsgi_conform(installed, tmp_path, *run)


def test_what_its_images_are_built_from_is_a_checkout_s(installed: Path, tmp_path: Path) -> None:
    """The same files in the same places, so that the same images come of it."""
    code = (
        "import shutil, sys\n"
        "from conformance import registry\n"
        "from conformance.backends import build_context\n"
        "with build_context.beside(registry.default_path()) as file:\n"
        "    shutil.copytree(file.parent, sys.argv[1])\n"
    )
    copy = tmp_path / "context"
    python = [str(installed / "bin" / "python"), "-P", "-c", code, str(copy)]
    subprocess.run(python, cwd=tmp_path, check=True)
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing += ["compose.yaml", ".dockerignore", "docker", "conformance", "reference_app"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    expected = set(done.stdout.splitlines())
    found = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert found == expected
    assert all((copy / path).read_bytes() == (ROOT / path).read_bytes() for path in found)


def test_a_checkout_is_built_from_as_it_is() -> None:
    with build_context.beside(registry.default_path()) as file:
        assert file == registry.default_path()
