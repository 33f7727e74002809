"""Requests that nobody thought of. The long form of this is `python -m tests.serving.fuzz`."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fuzz import PIECES, SEEDS, check, mutate
from .live import Live, read_responses

BOUNDED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

pieces = st.one_of(st.sampled_from(PIECES), st.sampled_from(SEEDS), st.binary(max_size=20))
messages = st.lists(pieces, min_size=1, max_size=12).map(b"".join)
broken = st.integers(0, 2**32).map(lambda seed: mutate(random.Random(seed)))


def answer(live: Live, data: bytes, cuts: list[int]) -> bytes:
    with live.connect() as client:
        start = 0
        try:
            for cut in [*sorted(cuts), len(data)]:
                client.send(data[start:cut])
                start = max(cut, start)
        except ConnectionError:
            pass
        client.end()
        return client.read_all()


@BOUNDED
@given(data=st.one_of(messages, broken))
def test_answers_are_http_and_no_failure_of_the_server(echo_server: Live, data: bytes) -> None:
    check(data, answer(echo_server, data, []))


@BOUNDED
@given(data=broken, cuts=st.lists(st.integers(0, 300), max_size=6))
def test_how_bytes_are_cut_makes_no_difference(
    echo_server: Live, data: bytes, cuts: list[int]
) -> None:
    if b"HEAD" in data:
        return
    whole = read_responses(answer(echo_server, data, []))
    pieces = read_responses(answer(echo_server, data, [cut for cut in cuts if cut < len(data)]))
    # Whether 100 (Continue) is sent does depend on it: RFC 9110 section 10.1.1.
    assert [r.status for r in whole if r.status != 100] == [
        r.status for r in pieces if r.status != 100
    ]
