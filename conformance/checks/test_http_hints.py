"""Interim responses: 100 (Continue), and the early hints that some servers send for an application.

No standard says how an application asks for them. Those who offer it put `wsgi.early_hints` into
the environ: a callable that takes a list of fields and sends it. Where it is missing the
application answers without, and the checks see that it is answered.
"""

from __future__ import annotations

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import (
    NEXT,
    answers,
    comes,
    mark_of,
    read_json,
    request,
    says_close,
)
from conformance.clauses import Source, clause, rfc9110, rfc9112
from conformance.client import Response, Wire

HINTS = Source("RFC 8297", "section 2", "https://www.rfc-editor.org/rfc/rfc8297.html#section-2")
#: Seconds that a client waits for an interim response before it sends the body all the same; less
#: than any server waits for a body.
INTERIM_S = 0.3
LINK = "</style.css>; rel=preload"


def hinted(wire: Wire, kind: str, *, version: str = "1.1") -> Response:
    """The answer of an application that gives such hints; the next request finds its own answer."""
    with wire.connect() as connection:
        connection.send(request(f"GET /wsgi/early-hints?kind={kind} HTTP/{version}"))
        response = connection.receive()
        if not says_close(response):
            connection.send(NEXT)
            found = answers(connection)
            assert [mark_of(following) for following in found] in ([], ["next"])
    if version == "1.0" and response.status >= 400:
        return response  # there are servers that do not speak it
    assert (response.status, response.body) == (200, b"final"), response.describe()
    return response


@clause("http/early-hints/sent", "must", HINTS)
def test_hints(wire: Wire) -> None:
    """Hints come in an interim response with these fields, and the final one as without them."""
    response = hinted(wire, "plain")
    offered = response.all("X-Offered") == ["yes"]
    for interim in response.interim:
        assert offered, f"{interim.status} came although no hints were given"
        assert (interim.status, interim.all("Link")) == (103, [LINK])
    assert response.all("Link") == []


def unframed(interim: Response) -> None:
    """The head of an interim response says nothing of a body."""
    names = {name.lower() for name, _ in interim.fields}
    assert not names & {"transfer-encoding", "content-length"}, interim.describe()


def continued(wire: Wire, capabilities: Capabilities, framing: str, body: bytes) -> None:
    """What is answered to a request that asks for 100 (Continue) says nothing of a body there."""
    with wire.connect() as connection:
        fields = (framing, "Expect: 100-continue", "Connection: close")
        connection.send(request("POST /wsgi/echo HTTP/1.1", *fields))
        # Whether one comes, and what becomes of the body, is asked elsewhere.
        comes(wire, capabilities, connection, INTERIM_S)
        connection.send(body)
        response = connection.receive("POST")
    for interim in response.interim:
        unframed(interim)
    assert response.status >= 400 or "body" in read_json(response)


@clause("http/expect/not-framed", "must", rfc9112("6.1"))
def test_continue_framing(wire: Wire, capabilities: Capabilities) -> None:
    """100 (Continue) has no body, and so neither Transfer-Encoding nor Content-Length."""
    continued(wire, capabilities, "Content-Length: 5", b"hello")


@clause("http/expect/not-framed-chunked", "must", rfc9112("6.1"), requires=("chunked-input",))
def test_continue_framing_chunked(wire: Wire, capabilities: Capabilities) -> None:
    """Neither has it where the body of the request is a chunked one: that is not for the answer."""
    continued(wire, capabilities, "Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")


@clause("http/early-hints/not-framed", "must", rfc9112("6.1"))
def test_hints_framing(wire: Wire) -> None:
    """Hints have no body, and so neither Transfer-Encoding nor Content-Length."""
    for interim in hinted(wire, "plain").interim:
        unframed(interim)


@clause("http/early-hints/in-1.0", "must", rfc9110("15.2"))
def test_hints_1_0(wire: Wire) -> None:
    """A client of HTTP/1.0 gets no interim response: it would take that for the final one."""
    assert hinted(wire, "plain", version="1.0").interim == []


@clause("http/early-hints/refused", "must", rfc9110("5.5"))
@pytest.mark.parametrize("kind", ["value", "value-lf", "name"])
def test_hints_refused(wire: Wire, kind: str) -> None:
    """A line end in a hint adds no field and no response, as in the head of the final response."""
    response = hinted(wire, kind)
    for head in (*response.interim, response):
        assert head.all("X-Injected") == [], head.describe()


@clause("http/early-hints/too-late", "must", rfc9112("6.3"))
def test_hints_late(wire: Wire) -> None:
    """Hints that are given in the middle of the final response do not get into its body."""
    assert hinted(wire, "late").interim == []
