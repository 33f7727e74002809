"""PEP 3333, `start_response`: when it may be called, what it raises, what it refuses."""

from __future__ import annotations

import contextlib

import pytest

from conformance.checks.gateways import failed, first_event, get
from conformance.checks.probes import alive
from conformance.clauses import clause, pep3333
from conformance.client import ConnectionClosed, Wire
from conformance.client.http import Client

DETAILS = pep3333("Specification Details")
START_RESPONSE = pep3333("The start_response() Callable")
ERRORS = pep3333("Error Handling")


@clause("wsgi/start-response/returns-write", "must", START_RESPONSE)
def test_returns_write(wire: Wire) -> None:
    """`start_response` returns a callable, `write`, which older frameworks depend on."""
    assert get(wire, "start-response/result").body == b"callable"


@clause("wsgi/start-response/twice", "must", START_RESPONSE)
def test_twice(wire: Wire) -> None:
    """A second `start_response` without exc_info is a fatal error: it raises, whoever catches it.

    A server that took the second call would let a middleware and an application overwrite each
    other's response unnoticed. The application catches the error and reports it as the body.
    """
    response = get(wire, "start-response/twice")
    assert response.status >= 500 or response.body.startswith(b"raised "), response.body


@clause("wsgi/start-response/twice-after-block", "must", START_RESPONSE)
def test_twice_after_block(wire: Wire) -> None:
    """A second `start_response` without exc_info raises as well once a block has been sent."""
    try:
        body = get(wire, "start-response/twice-lately").body
    except ConnectionClosed:
        alive(wire)  # The server broke the response off, which is as fatal.
        return
    assert body.startswith(b"first;raised "), body


@clause("wsgi/start-response/twice-with-none", "must", START_RESPONSE)
def test_twice_with_none(wire: Wire) -> None:
    """A second call that gives exc_info as None gives none, and is as fatal as one without it."""
    response = get(wire, "start-response/twice-with-none")
    assert response.status >= 500 or response.body.startswith(b"raised "), response.body


@clause("wsgi/start-response/twice-after-refusal", "must", START_RESPONSE)
def test_twice_after_refusal(wire: Wire) -> None:
    """A second call without exc_info raises as well when the first one was refused.

    The first call counts although it raised: what follows it is an error response, and says so by
    exc_info. The application catches the second error and reports it by a third call.
    """
    response = get(wire, "start-response/after-refused")
    assert response.status == 500, response.describe()


@clause("wsgi/start-response/exc-info-none", "must", START_RESPONSE)
def test_exc_info_none(wire: Wire) -> None:
    """exc_info may be given by position as None, which is its default: middleware passes it on."""
    response = get(wire, "start-response/three-arguments")
    assert (response.status, response.body) == (299, b"none")


@clause("wsgi/start-response/exc-info-first", "must", START_RESPONSE)
def test_exc_info_first(wire: Wire) -> None:
    """The first call may bring exc_info: the application failed before it had called at all."""
    response = get(wire, "start-response/exc-info-first")
    assert (response.status, response.body) == (503, b"failed")


@clause("wsgi/start-response/exc-info-again", "should", START_RESPONSE)
def test_exc_info_again(wire: Wire) -> None:
    """A response can be replaced more than once, and nothing of the earlier ones is left."""
    response = get(wire, "start-response/replaced-twice")
    assert (response.status, response.body) == (503, b"replaced")
    assert (response.all("X-First"), response.all("X-Second")) == ([], [])
    assert response.all("X-Third") == ["3"]


@clause("wsgi/start-response/exc-info-before-headers", "should", START_RESPONSE)
def test_exc_info_before_headers(wire: Wire) -> None:
    """With exc_info and nothing sent yet, the second response replaces the first and its fields."""
    response = get(wire, "start-response/replaced")
    assert response.status == 503
    assert (response.all("X-First"), response.all("X-Second")) == ([], ["2"])
    assert response.body == b"replaced"


@clause("wsgi/start-response/exc-info-after-empty-blocks", "must", START_RESPONSE)
def test_exc_info_after_empty_blocks(wire: Wire) -> None:
    """Empty blocks do not send the headers, so the response can still be replaced after them."""
    response = get(wire, "start-response/replaced-after-empty")
    assert (response.status, response.body) == (503, b"replaced")


@clause("wsgi/start-response/exc-info-at-end", "must", START_RESPONSE)
def test_exc_info_at_end(wire: Wire) -> None:
    """Without a byte of body the headers wait until the iterable is exhausted."""
    response = get(wire, "start-response/replaced-at-end")
    assert (response.status, response.body) == (503, b"")


def raised_late(wire: Wire, client: Client, path: str, key: str) -> dict[str, object]:
    """What the journal says of a start_response with exc_info after the headers were sent."""
    with contextlib.suppress(ConnectionClosed):  # the response is broken off, as it should be
        get(wire, path, key=key)
    return first_event(client, key)


@clause("wsgi/start-response/exc-info-after-headers", "must", START_RESPONSE)
def test_exc_info_after_headers(wire: Wire, client: Client, key: str) -> None:
    """With exc_info after the headers were sent `start_response` raises; it cannot replace them."""
    event = raised_late(wire, client, "start-response/too-late", key)
    assert event["event"] == "raised", event


@clause("wsgi/start-response/exc-info-reraised", "should", START_RESPONSE)
def test_exc_info_reraised(wire: Wire, client: Client, key: str) -> None:
    """What it raises then is the application's own error, so that the log says what went wrong."""
    assert raised_late(wire, client, "start-response/too-late", key).get("own") is True


@clause("wsgi/start-response/exc-info-after-write", "must", START_RESPONSE)
def test_exc_info_after_write(wire: Wire, client: Client, key: str) -> None:
    """The headers are sent by the first `write()` as well: exc_info raises after it."""
    event = raised_late(wire, client, "start-response/too-late-after-write", key)
    assert event["event"] == "raised", event


@clause("wsgi/start-response/in-first-step", "must", DETAILS)
@pytest.mark.parametrize("kind", ["generator", "next", "iter"])
def test_in_first_step(wire: Wire, kind: str) -> None:
    """`start_response` may be called by the first step of the iteration.

    A generator does that; an object of the application's own class in `__next__` or in `__iter__`.
    """
    response = get(wire, "start-response/in-first-step", kind=kind)
    assert (response.status, response.all("X-First")) == (299, ["1"])
    assert response.body == b"onetwo"


@clause("wsgi/start-response/never", "agreement", ERRORS)
def test_never(wire: Wire) -> None:
    """An application that never calls `start_response` gets no success: the answer is a 5xx."""
    assert get(wire, "start-response/never", kind="list").status >= 500


@clause("wsgi/start-response/too-late", "agreement", ERRORS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind)
        for kind in ("generator", "empty-list", "empty-generator", "after-block")
    ],
)
def test_too_late(wire: Wire, kind: str) -> None:
    """Without a call of `start_response` before the first block there is no success: 5xx, or none.

    Whether it is a list or a generator, and whether it has a block at all, decides where in a
    server this is found out.
    """
    assert failed(wire, "start-response/never", kind=kind)


@clause("wsgi/start-response/after-empty-block", "agreement", DETAILS)
def test_after_empty_block(wire: Wire) -> None:
    """`start_response` that comes behind an empty block is taken, or is an error: nothing between.

    Middleware that has nothing to pass on yet yields an empty block, and the text does not say
    whether it may do so before the response is started.
    """
    try:
        response = get(wire, "start-response/never", kind="after-empty-block")
    except ConnectionClosed:
        alive(wire)
        return
    if response.status < 500:
        assert (response.status, response.body) == (200, b"two")
        assert response.all("X-First") == ["1"]


@clause("wsgi/start-response/refuses", "should", START_RESPONSE)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case)
        for case in (
            "value-crlf",
            "value-lf",
            "value-cr",
            "value-nul",
            "value-trailing-crlf",
            "value-beyond-latin-1",
            "value-int",
            "value-bytes",
            "value-none",
            "value-delete",
            "value-bell",
            "name-colon",
            "name-space",
            "name-crlf",
            "name-empty",
            "name-bytes",
            "name-int",
            "name-nul",
            "name-beyond-ascii",
            "name-beyond-latin-1",
            "length-word",
            "length-negative",
            "length-empty",
            "headers-none",
            "headers-dict",
            "headers-str",
            "header-of-one",
            "header-of-three",
            "header-str",
            "header-none",
            "status-crlf",
            "status-without-code",
            "status-int",
            "status-bytes",
            "status-none",
            "status-empty",
            "status-nul",
            "status-lf",
            "status-trailing-crlf",
            "status-beyond-latin-1",
            "status-two-digits",
            "status-four-digits",
            "hop-by-hop-connection",
            "hop-by-hop-keep-alive",
            "hop-by-hop-transfer-encoding",
            "hop-by-hop-upgrade",
            "hop-by-hop-te",
            "hop-by-hop-trailers",
            "hop-by-hop-proxy-authenticate",
            "hop-by-hop-without-case",
        )
    ],
)
def test_refuses(wire: Wire, case: str) -> None:
    """A status or header that PEP 3333 forbids is refused when `start_response` is called.

    The application answers 500 with what was raised; a server that notices only later answers 500
    by itself. Control characters that get through split the response for the client: injection.
    """
    response = get(wire, "bad-head", case=case)
    assert response.status == 500, response.describe()
    assert response.all("X-Injected") == []
