"""The example for Kubernetes: what a cluster would take, and what its containers run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "examples/kubernetes/job.yaml").read_text(encoding="utf-8"))
)
JOBS = [found for found in OBJECTS if found["kind"] == "Job"]


def pod(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


def container(job: dict[str, Any]) -> dict[str, Any]:
    [found] = pod(job)["containers"]
    assert isinstance(found, dict)
    return found


# A limit of retries for each index came with 1.28; the newest is what is there.
@pytest.mark.parametrize("version", ["1.28", kubernetes_validate.latest_version()])
def test_the_schemas_take_it(version: str) -> None:
    for found in OBJECTS:
        kubernetes_validate.validate(found, version, strict=True)


def test_all_shards_are_run() -> None:
    spec = JOBS[0]["spec"]
    variables = {one["name"]: one["value"] for one in container(JOBS[0])["env"]}
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(variables["SHARDS"])


@pytest.mark.parametrize("job", JOBS, ids=lambda job: str(job["metadata"]["name"]))
def test_a_pod_is_hardened_as_in_compose(job: dict[str, Any]) -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"][
        "conformance"
    ]
    of_pod, of_container = pod(job)["securityContext"], container(job)["securityContext"]
    assert f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}" == service["user"]
    assert of_pod["runAsNonRoot"] is True
    assert of_container["readOnlyRootFilesystem"] is service["read_only"]
    assert of_container["capabilities"]["drop"] == service["cap_drop"]
    assert of_container["allowPrivilegeEscalation"] is False
    assert pod(job)["automountServiceAccountToken"] is False
    assert container(job)["image"] == service["image"]
    mounted = {mount["name"] for mount in container(job)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod(job)["volumes"]}


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (1, 0), (2, 1), (3, 1), (137, 1)])
def test_a_pod_runs_its_shard_and_only_errors_fail_it(
    tmp_path: Path, status: int, ends: int
) -> None:
    program = tmp_path / "python3"
    program.write_text(f'#!/bin/sh\necho "$@"\nexit {status}\n')
    program.chmod(0o755)
    found = container(JOBS[0])
    done = subprocess.run(
        [*found["command"], *found["args"]],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "JOB_COMPLETION_INDEX": "2", "SHARDS": "4"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == ends
    assert done.stdout == (
        "-m conformance run --backend process --no-page --shard 3/4 --results /results/2\n"
    )


def test_the_report_is_of_what_the_shards_wrote() -> None:
    shards, report = map(container, JOBS)
    assert report["args"][:2] == ["report", "/results"]
    assert {"name": "results", "mountPath": "/results"} in shards["volumeMounts"]
    assert {"name": "results", "mountPath": "/results"} in report["volumeMounts"]
    # It would begin with the others, and merge nothing.
    assert JOBS[1]["spec"]["suspend"] is True
