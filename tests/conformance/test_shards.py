"""Shards: every server is in one, they are of like length, and a plan is always the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance import results, shards
from conformance.registry import Server
from conformance.shards import Shard
from tests.conformance.deployments import tiny
from tests.conformance.documents import document, server


@pytest.fixture
def servers(tmp_path: Path) -> list[Server]:
    one = tiny(tmp_path)
    return [replace(one, name=name) for name in "abcdef"]


def names(found: list[list[Server]]) -> list[str]:
    return ["".join(server.name for server in shard) for shard in found]


@pytest.mark.parametrize(
    ("weights", "count", "expected"),
    [
        ([1, 1, 1, 1, 1, 1], 2, ["ace", "bdf"]),
        ([9, 1, 2, 3, 1, 2], 2, ["a", "bcdef"]),
        ([1, 2, 3, 4, 5, 6], 3, ["af", "be", "cd"]),
        ([1, 1, 1, 1, 1, 1], 1, ["abcdef"]),
        ([1, 1, 1, 1, 1, 1], 8, ["a", "b", "c", "d", "e", "f", "", ""]),
    ],
)
def test_shards_are_of_like_length(
    servers: list[Server], weights: list[float], count: int, expected: list[str]
) -> None:
    assert names(shards.split(servers, weights, count)) == expected


@pytest.mark.parametrize("text", ["", "1", "1/", "/2", "a/2", "1/2/3", "-1/2"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="expected K/N, the shard and how many there are, found"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0"])
def test_a_shard_that_there_is_not(text: str) -> None:
    with pytest.raises(ValueError, match=f"expected a shard from 1 to {text[-1]}, found {text[0]}"):
        Shard.parse(text)


def test_what_was_recorded_counts(servers: list[Server], tmp_path: Path) -> None:
    recorded = results.document(
        document(server("a", phases={"checks_s": 70.0, "start_s": 1.5}), server("b"))
    )
    entries = tmp_path / "tiny.toml"
    entries.write_text("", encoding="utf-8")
    assert shards.expected_s(servers[0], recorded, tmp_path) == 71.5
    assert shards.expected_s(servers[1], recorded, tmp_path) == shards.BASE_S
    assert shards.expected_s(servers[0], None, tmp_path) == shards.BASE_S
