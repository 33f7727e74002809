"""A checkout that cannot be written to, and a machine without a network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import conformance
from tests.conformance.test_cli import command, document, tiny_run, verdicts

ROOT = Path(conformance.__file__).parents[1]
READ_ONLY = f'mount --bind "{ROOT}" "{ROOT}" && mount -o remount,bind,ro "{ROOT}" && cd "{ROOT}"'
ALONE = "ip link set lo up"


def apart(kind: str, first: str, *arguments: object, **variables: str) -> tuple[int, str]:
    """The command in a namespace of its own; its exit status and output.

    :param kind: of the namespace, as unshare(1) has it.
    :param first: what is done in it before.
    """
    run = ["unshare", kind, "sh", "-c"]
    if os.geteuid() != 0 or subprocess.run([*run, first], capture_output=True).returncode:
        pytest.skip("to have namespaces needs root")
    done = subprocess.run(
        [*run, f'{first} && exec "$@"', "sh", *command(*arguments)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stdout


def test_a_read_only_checkout(tmp_path: Path, empty: Path) -> None:
    status, output = apart("--mount", READ_ONLY, *tiny_run(tmp_path, empty, tiny={}))
    assert (status, "rror" in output) == (1, False), output
    assert verdicts(document(tmp_path / "results")) == {"tiny": ["fail"]}


def test_without_a_network(tmp_path: Path, empty: Path) -> None:
    """What is installed already needs none, and what is not says what it needs."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"no-such-distribution==1 --hash=sha256:{'0' * 64}\n")
    extension = {
        "project": "wsgi-conform",
        "documentation": "https://example.org",
        "requirements": str(requirements),
    }
    status, output = apart(
        "--net",
        ALONE,
        *tiny_run(tmp_path, empty, tiny={}, absent={"x-wsgi-conform": extension}),
        UV_DEFAULT_INDEX="http://index.invalid/simple",
        UV_CACHE_DIR=str(tmp_path / "uv"),
        UV_HTTP_RETRIES="0",
    )
    assert status == 3, output
    assert verdicts(document(tmp_path / "results")) == {"tiny": ["fail"], "absent": ["error"]}
    assert "absent: error: uv pip install failed:" in output
    assert "What is installed once is kept in " in output
    assert "tiny: 1 fail" in output
