"""Capabilities: what a Compose file may declare, and what a check finds missing."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.capabilities import REQUIRABLE, Capabilities


@pytest.mark.parametrize(
    ("declared", "concurrency", "multithread"),
    [
        ({}, 1, False),
        ({"threads": 1}, 1, False),
        ({"threads": 8}, 8, True),
        ({"processes": 4}, 4, False),
        ({"threads": 2, "processes": 3}, 6, True),
        ({"threads": "unbounded"}, None, True),
        ({"greenlets": 100}, 100, True),
        ({"greenlets": "unbounded", "processes": 2}, None, True),
    ],
)
def test_concurrency(declared: dict[str, Any], concurrency: int | None, multithread: bool) -> None:
    capabilities = Capabilities.parse(declared)
    assert capabilities.concurrency == concurrency
    assert capabilities.multithread is multithread


@pytest.mark.parametrize(
    "declared",
    [
        {
            "threads": 8,
            "processes": 1,
            "keep-alive": True,
            "chunked-input": True,
            "supervised": False,
        },
        {
            "greenlets": "unbounded",
            "processes": 2,
            "keep-alive": False,
            "chunked-input": False,
            "supervised": True,
            "reload-signal": "SIGHUP",
        },
    ],
)
def test_the_json_form_is_what_is_parsed(declared: dict[str, Any]) -> None:
    assert Capabilities.parse(declared).as_json() == declared


THREADS = "requests handled at once in one process, by threads: number or `unbounded`"
GREENLETS = "requests handled at once in one process, by greenlets: number or `unbounded`"


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"thread": 8}, "unknown capability `thread`; did you mean `threads`?"),
        (
            {"zzz": 8},
            "unknown capability `zzz`; there are threads, greenlets, processes, keep-alive, "
            "chunked-input, supervised, reload-signal.",
        ),
        (
            {3: 8},
            "unknown capability `3`; there are threads, greenlets, processes, keep-alive, "
            "chunked-input, supervised, reload-signal.",
        ),
        ({"threads": 0}, f"expected `threads` as {THREADS}, found 0"),
        ({"threads": "8"}, f"expected `threads` as {THREADS}, found '8'"),
        ({"threads": True}, f"expected `threads` as {THREADS}, found True"),
        ({"greenlets": None}, f"expected `greenlets` as {GREENLETS}, found None"),
        (
            {"processes": "unbounded"},
            "expected `processes` as processes that handle requests: a number, found 'unbounded'",
        ),
        (
            {"threads": 1, "greenlets": 1},
            "expected either `threads` or `greenlets`, found both",
        ),
        (
            {"reload-signal": "HUP"},
            "expected `reload-signal` as a name such as SIGHUP, found 'HUP'",
        ),
        ({"keep-alive": "yes"}, "expected `keep-alive` to be true or false, found 'yes'"),
    ],
)
def test_what_cannot_be_declared(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as caught:
        Capabilities.parse(declared)
    assert str(caught.value) == message


#: What a deployment does not have that is one process.
NO_MASTER = {"processes", "supervised", "reload-signal"}


@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [
        (Capabilities(), {"concurrency", "keep-alive", *NO_MASTER}),
        (Capabilities(threads=2), {"keep-alive", *NO_MASTER}),
        (Capabilities(processes=2, keep_alive=True), {"supervised", "reload-signal"}),
        (Capabilities(threads=2, processes=2, keep_alive=True), NO_MASTER),
        (Capabilities(threads=None, keep_alive=True), {"bounded-concurrency", *NO_MASTER}),
        (Capabilities(threads=2, keep_alive=True, control=False), {"control", *NO_MASTER}),
        (Capabilities(processes=2, keep_alive=True, supervised=True), {"reload-signal"}),
    ],
)
def test_what_is_missing(capabilities: Capabilities, missing: set[str]) -> None:
    assert {name for name in REQUIRABLE if capabilities.missing((name,))} == missing


def test_the_first_that_is_missing_is_named() -> None:
    assert Capabilities().missing(("control", "keep-alive", "concurrency")) == "keep-alive"
    assert Capabilities().missing(()) is None
