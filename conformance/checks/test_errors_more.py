"""Errors: exceptions that no handler sees, what is logged, and what is malformed in a request."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from conformance.capabilities import Capabilities
from conformance.checks.probes import RESTART, read_json, request
from conformance.checks.test_errors import GENERIC, UNHANDLED, leaked, receive_rest
from conformance.clauses import clause, flask, pep3333, rfc9110, rfc9112, werkzeug
from conformance.client import (
    Connection,
    ConnectionClosed,
    PeerError,
    Response,
    TimedOut,
    Wire,
)
from conformance.client.http import Client

#: Seconds between two looks at whether a server is back that ended a worker.
POLL_S = 0.02
#: The first block of a stream as a chunk.
CHUNK = r"0*10(?:;[^\r]*)?\r\nthe first block;(?:\r\n)?"


def received(connection: Connection) -> str:
    """All that comes until the end of the connection."""
    return connection.receive_end().decode("latin-1")


def answered_again(wire: Wire, target: str = "/context/remember?payload=x") -> Response:
    """The answer to an ordinary request, by a server that may have to start a worker first.

    :raises PeerError: it does not answer in time.
    """
    patience = time.monotonic() + RESTART * wire.time_limit_s
    while True:
        try:
            return wire.ask("GET", target)
        except (ConnectionClosed, TimedOut):
            if time.monotonic() > patience:
                raise
        time.sleep(POLL_S)


def process_of(wire: Wire) -> object:
    """The process that answers, once one does."""
    return read_json(answered_again(wire, "/-/identity"))["pid"]


@clause("errors/no-exception", "agreement", pep3333("Error Handling"), requires=("control",))
@pytest.mark.parametrize("kind", ["SystemExit", "GeneratorExit", "Unusual"])
def test_no_exception(wire: Wire, key: str, capabilities: Capabilities, kind: str) -> None:
    """A view that raises what is no `Exception` costs its own request at the most.

    There is one such request more than threads, so that a pool which loses one for each has none
    left. A worker may end, if another one follows, with a pool of its own. The client gets an error
    or a closed connection, nothing of the exception, and those that follow find an empty `g`.
    """
    worker = process_of(wire)
    for _ in range(min(capabilities.threads or 1, 8) + 1):
        try:
            with wire.connect() as connection:
                # A proxy, or the system, keeps it for the worker that is to come.
                connection.time_limit_s *= RESTART
                target = f"/failures/raise/{kind}?text=secret-of-{key}"
                connection.request("GET", target, [("Connection", "close")])
                text = received(connection)
        except ConnectionClosed:
            text = ""
        assert leaked(text, f"secret-of-{key}") == []
        assert text == "" or text.startswith(("HTTP/1.1 5", "HTTP/1.0 5")), text[:200]
        if capabilities.processes == 1 and process_of(wire) != worker:
            break
    assert read_json(answered_again(wire)) == {"found": None, "g": "x"}


@clause("errors/kind", "contract", UNHANDLED)
@pytest.mark.parametrize(
    "kind", ["StopIteration", "RecursionError", "BrokenPipeError", "TimeoutError", "MemoryError"]
)
def test_kind(client: Client, key: str, kind: str) -> None:
    """An exception that a server might take for its own is a failure of the view like any other."""
    answer = client.get(f"/failures/raise/{kind}?text={key}")
    assert (answer.status_code, leaked(answer.text, key)) == (500, [])
    assert "Internal Server Error" in answer.text
    assert kind not in answer.text


@clause("errors/stream/kind", "agreement", rfc9112("6.3"))
@pytest.mark.parametrize("kind", ["BrokenPipeError", "TimeoutError", "StopIteration"])
def test_stream_kind(wire: Wire, key: str, kind: str) -> None:
    """A stream that ends in an error which a server might take for its client's is not complete.

    As for any other error the end of the framing is missing, unless it is that of HTTP/1.0; no text
    asks for it.
    """
    connection = wire.connect()
    connection.request("GET", f"/failures/stream/{kind}?text={key}")
    response = connection.receive_head()
    if response.status != 500 and response.version != "1.0":
        assert response.status == 200, response.describe()
        try:
            receive_rest(connection, response)
        except ConnectionClosed:
            pass
        else:
            raise PeerError(f"a stream that failed looks complete: {response.describe()}")
    assert read_json(answered_again(wire)) == {"found": None, "g": "x"}


@clause("errors/stream/exit", "agreement", rfc9112("6.3"), requires=("control",))
@pytest.mark.parametrize(
    "query",
    [pytest.param("", id="without-length"), pytest.param("&length=1000", id="with-length")],
)
def test_stream_exit(wire: Wire, key: str, query: str) -> None:
    """A stream that ends in `SystemExit` is broken off: nothing is sent behind its first block.

    Workers are told to stop by it that have taken too long, in the middle of what they do. An error
    page there would be a part of the body. A worker may end, if another one follows.
    """
    with wire.connect() as connection:
        target = f"/failures/stream/SystemExit?text={key}{query}"
        connection.request("GET", target, [("Connection", "close")])
        text = received(connection)
    assert leaked(text, key) == []
    head, _, rest = text.partition("\r\n\r\n")
    if head.partition("\r\n")[0].split(" ")[1:2] == ["200"]:
        # What was not sent yet when it failed may be dropped.
        assert rest in ("", "the first block;") or re.fullmatch(CHUNK, rest), rest[:200]
    else:
        assert text == "" or text.startswith(("HTTP/1.1 5", "HTTP/1.0 5")), text[:200]
    assert read_json(answered_again(wire)) == {"found": None, "g": "x"}


@clause("errors/stream/at-once", "should", pep3333("Error Handling"))
def test_stream_at_once(wire: Wire, key: str) -> None:
    """A stream that fails before its first block is an error for the client: 500, or no response.

    Nothing was sent before, so nothing forces the server to an answer that looks good. A gateway
    in front makes 502 of no response.
    """
    with wire.connect() as connection:
        connection.request("GET", f"/failures/stream-at-once?text={key}", [("Connection", "close")])
        text = received(connection)
    assert leaked(text, key) == []
    status = text.partition("\r\n")[0].split(" ")[1:2]
    assert status in ([], ["500"], ["502"]), text[:200]
    assert read_json(answered_again(wire)) == {"found": None, "g": "x"}


@clause("errors/logged", "contract", flask("api", "flask.Flask.log_exception"))
def test_logged(client: Client, key: str) -> None:
    """An exception that nothing handles is logged as an error, once; what was aborted is not."""

    def logged(how: str) -> list[dict[str, Any]]:
        own = f"{key}-{how}"
        client.get(f"/failures/logged/{how}?key={own}&text={key}")

        def over(events: list[dict[str, Any]]) -> bool:
            return any(event.get("event") == "over" for event in events)

        events = client.journal(own, until=over)
        assert over(events), f"the request {how} was not torn down"
        return [event for event in events if event.get("event") == "logged"]

    assert logged("unhandled") == [{"event": "logged", "level": "ERROR", "error": key}]
    assert logged("aborted") == []
    assert logged("nothing") == []


@clause("errors/abort/retry-after", "contract", werkzeug("exceptions", "Error Classes"))
def test_retry_after(client: Client) -> None:
    """`abort(503, retry_after=120)` says so in Retry-After, which a handler's page keeps."""
    answer = client.get("/failures/abort/retry")
    assert (answer.status_code, answer.header("Retry-After")) == (503, "120")


@clause("errors/abort/allow", "must", rfc9110("15.5.6"))
def test_abort_allow(client: Client) -> None:
    """`abort(405)` with the methods that are valid lists them in Allow."""
    answer = client.get("/failures/abort/allow")
    assert answer.status_code == 405
    assert {name.strip() for name in answer.header("Allow").split(",")} == {"PUT", "DELETE"}


@clause("errors/abort/description-escaped", "agreement", werkzeug("exceptions", "Custom Errors"))
def test_escaped(client: Client, key: str) -> None:
    """A description is text: markup in it is shown and not obeyed."""
    answer = client.get(f"/errors/abort-described?text=%3Cscript%3E{key}%3C/script%3E")
    assert (answer.status_code, key in answer.text) == (403, True)
    assert "<script>" not in answer.text


@clause("errors/default/not-reflected", "agreement", flask("errorhandling", "Handling"))
def test_not_reflected(client: Client) -> None:
    """A page for 404 has no markup in it that came with the path or the query."""
    answer = client.get("/errors/%3Cscript%3Ealert(1)%3C/script%3E?a=%3Cscript%3E")
    assert answer.status_code == 404
    assert "<title>404 Not Found</title>" in answer.text
    assert "<script>" not in answer.text


@clause("errors/no-debugger", "contract", flask("debugging", "In Production"))
def test_no_debugger(client: Client, key: str) -> None:
    """No debugger is reachable: neither its files nor a console, and no page of it on an error."""
    for target in ("/?__debugger__=yes&cmd=resource&f=style.css", "/console"):
        assert client.get(target).status_code == 404
    answer = client.get(f"/errors/fail?text={key}&__debugger__=yes")
    assert (answer.status_code, leaked(answer.text, key)) == (500, [])


@clause("errors/handler/nested-blueprint", "contract", flask("blueprints", "Nesting Blueprints"))
def test_nested(client: Client) -> None:
    """Of blueprints in each other the inner one's handler is called, or else the outer one's."""
    assert client.get("/failures/outer/inner/conflict").text == "inner"
    assert client.get("/failures/outer/inner/error").text == "outer"


@clause("errors/handler/changed-page", "contract", GENERIC)
def test_changed_page(client: Client) -> None:
    """A handler may put other data into the response that the exception has, as JSON."""
    answer = client.get("/failures/abort/retry")
    assert (answer.status_code, answer.json()) == (503, {"as": "json"})
    assert answer.header("Content-Type") == "application/json"


def survived(wire: Wire, response: Response, *allowed: int) -> Any:
    """What the view answered, or None for one of these errors.

    :raises PeerError: it is another one.
    """
    if response.status in allowed:
        return None
    return read_json(response)


@clause("errors/request/cookies", "agreement", flask("api", "flask.Request.cookies"))
@pytest.mark.parametrize(
    "cookies",
    [
        pytest.param(b"=; good=1", id="nothing"),
        pytest.param(b";;; good=1 ;;", id="empty"),
        pytest.param(b"bare; good=1", id="without-value"),
        pytest.param(b'bad="x; good=1', id="open-quote"),
        pytest.param(b"b\xc3\xa4d=\xff\xfe; good=1", id="not-ascii"),
        pytest.param(b"b@d[]{}=x y; good=1", id="not-a-token"),
        pytest.param(b"good=1; " + b"; ".join(b"c%d=x" % n for n in range(100)), id="many"),
    ],
)
def test_cookies(wire: Wire, cookies: bytes) -> None:
    """What is malformed in Cookie neither fails the request nor hides the cookie next to it.

    A server may refuse octets beyond ASCII in a field, with 400.
    """
    sent = request("GET /failures/cookies HTTP/1.1", b"Cookie: " + cookies, "Connection: close")
    refused = (400,) if not cookies.isascii() else ()
    found = survived(wire, wire.exchange(sent), *refused)
    assert found is None or found["good"] == "1"
    assert read_json(wire.ask("GET", "/failures/cookies", [("Cookie", "a=b")])) == {"a": "b"}


@clause("errors/request/path", "agreement", pep3333("Unicode Issues"))
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("%FF", id="not-utf-8"),
        pytest.param("%C3%28", id="broken-sequence"),
        pytest.param("%ED%A0%80", id="surrogate"),
        pytest.param("a%00b", id="nul"),
        pytest.param("%zz", id="not-hexadecimal"),
        pytest.param("a%", id="unfinished"),
    ],
)
def test_path(wire: Wire, text: str) -> None:
    """What is malformed in a path is refused, or reaches the view as some text: no 500."""
    response = wire.ask("GET", f"/failures/text/{text}")
    found = survived(wire, response, 400, 404)
    assert found is None or isinstance(found["value"], str)
    assert read_json(wire.ask("GET", "/failures/text/x"))["value"] == "x"


@clause("errors/request/query", "agreement", flask("api", "flask.Request.args"))
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("bad=%FF&good=1", id="not-utf-8"),
        pytest.param("bad=%C3%28&good=1", id="broken-sequence"),
        pytest.param("bad=%00&good=1", id="nul"),
        pytest.param("bad=%zz&good=1", id="not-hexadecimal"),
        pytest.param("good=1&bad=%", id="unfinished"),
    ],
)
def test_query(wire: Wire, query: str) -> None:
    """What is malformed in a query is refused, or is some text next to what is well-formed."""
    found = survived(wire, wire.ask("GET", f"/failures/text/x?{query}"), 400)
    assert found is None or found["query"]["good"] == "1"
    assert read_json(wire.ask("GET", "/failures/text/x?a=b"))["query"] == {"a": "b"}


FORM = "application/x-www-form-urlencoded"


@clause("errors/request/form", "agreement", flask("api", "flask.Request.form"))
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(FORM, b"bad=%FF&good=1", id="not-utf-8"),
        pytest.param(FORM, b"bad=\xff\xfe&good=1", id="raw-octets"),
        pytest.param(FORM, b"bad=%zz&good=1&%", id="not-hexadecimal"),
        pytest.param("multipart/form-data", b"--x\r\n", id="without-boundary"),
        pytest.param("multipart/form-data; boundary=x", b"--x\r\nA", id="unfinished"),
        pytest.param("multipart/form-data; boundary=x", b"nothing of it", id="no-part"),
    ],
)
def test_form(wire: Wire, content_type: str, body: bytes) -> None:
    """A malformed form is the client's mistake: 400, or what could be read, and no 500."""
    response = wire.ask("POST", "/failures/form", [("Content-Type", content_type)], body)
    found = survived(wire, response, 400)
    assert found is None or found.get("good") in ("1", None)
    good = wire.ask("POST", "/failures/form", [("Content-Type", FORM)], b"a=b")
    assert read_json(good) == {"a": "b"}
