"""What is installed from a wheel: it has the registry with it, and needs no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from conformance import registry

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_has_the_registry(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(tmp_path)], cwd=ROOT, check=True)
    [wheel] = tmp_path.glob("*.whl")
    # Unpacked where installers put it, which is what tells it from a checkout.
    installed = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from conformance import registry\n"
        "from conformance.backends.environments import pinned\n"
        "paths = [server.requirements for server in registry.load()] + [pinned('serving')]\n"
        "print(json.dumps([str(path) for path in paths]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(installed)],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [Path(text) for text in json.loads(done.stdout)]
    assert len(found) == len(registry.load()) + 1
    assert all(path.is_file() and path.is_relative_to(installed) for path in found)
    page = Path("conformance/report/page")
    assert {path.name for path in (ROOT / page).iterdir() if path.is_file()} == {
        path.name for path in (installed / page).iterdir()
    }
    assert "conformance.live" in next(installed.glob("*.dist-info/entry_points.txt")).read_text()
