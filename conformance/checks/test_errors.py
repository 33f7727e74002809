"""Errors: what the client is told when something fails, what it must not be told, and what is left.

Every exception that nothing handles carries a text that no other check uses. That text, a traceback
or a path of the machine in an answer means that the inside of the application leaks out.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance.clauses import Source, clause, flask, pep3333, rfc9110, rfc9112, werkzeug
from conformance.client import Connection, ConnectionClosed, PeerError, Response, Wire
from conformance.client.http import Client

DEFAULT = flask("errorhandling", "Handling")
REGISTERING = flask("errorhandling", "Registering")
GENERIC = flask("errorhandling", "Generic Exception Handlers")
UNHANDLED = flask("errorhandling", "Unhandled Exceptions")
BLUEPRINT = flask("errorhandling", "Blueprint Error Handlers")
ABORT = flask("api", "flask.abort")
RETURN_VALUE = flask("api", "flask.Flask.make_response")

#: What shows that the inside of the application leaks out.
LEAKS = ("Traceback", 'File "', "site-packages", "reference_app", "RuntimeError", ".py")


def leaked(body: str, text: str) -> list[str]:
    """What a body has of the inside of the application.

    :param text: what the exception carried.
    """
    return [leak for leak in (*LEAKS, text) if leak in body]


def receive_rest(connection: Connection, response: Response) -> None:
    """Read the body of a response to its end.

    :raises PeerError: the body does not end as its framing says.
    """
    while connection.receive_body_part(response):
        pass


def in_step_or_closed(connection: Connection) -> None:
    """After a response the connection answers the next request as that one, or it is closed.

    :raises PeerError: the connection is out of step.
    """
    connection.request("GET", "/routing/plain")
    try:
        response = connection.receive()
    except ConnectionClosed as error:
        if "so far it sent" in str(error):
            raise
        return
    if response.status != 200 or b"routing.plain" not in response.body:
        raise PeerError(f"the connection is out of step: {response.describe()}")


@clause("errors/default/not-found", "contract", DEFAULT)
def test_default_not_found(client: Client) -> None:
    """A path that no rule matches is answered with a page for 404, in HTML."""
    answer = client.get("/errors/no-such-view")
    assert answer.status_code == 404
    assert answer.header("Content-Type").startswith("text/html")
    assert "Not Found" in answer.text


@clause("errors/default/method-not-allowed", "contract", DEFAULT)
def test_default_method_not_allowed(client: Client) -> None:
    """A method that no rule of the path takes is answered with a page for 405, and Allow."""
    answer = client.post("/errors/landed")
    assert (answer.status_code, "Method Not Allowed" in answer.text) == (405, True)
    assert {name.strip() for name in answer.header("Allow").split(",")} == {
        "GET",
        "HEAD",
        "OPTIONS",
    }


@clause("errors/default/server-error", "contract", UNHANDLED)
def test_default_server_error(client: Client, key: str) -> None:
    """An exception that nothing handles is answered with a page for 500, in HTML."""
    answer = client.get(f"/errors/fail?text={key}")
    assert answer.status_code == 500
    assert answer.header("Content-Type").startswith("text/html")
    assert "Internal Server Error" in answer.text


@clause("errors/no-leak", "contract", UNHANDLED)
def test_no_leak(client: Client, key: str) -> None:
    """The page for an unhandled exception has nothing of it: no text, no traceback and no path."""
    answer = client.get(f"/errors/fail?text={key}")
    assert (answer.status_code, leaked(answer.text, key)) == (500, [])
    fields = " ".join(value for _, value in answer.wire.fields)
    assert leaked(fields, key) == []


@clause("errors/abort", "contract", ABORT)
@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 413, 415, 418, 422, 429])
def test_abort(client: Client, code: int) -> None:
    """`abort(code)` in a view ends it and answers with a page for that status, in HTML."""
    answer = client.get(f"/errors/abort/{code}")
    if code == 410:  # the application has a handler for this one, which keeps the status
        assert answer.json() == {"handler": "app: Gone", "error": "Gone"}
    else:
        assert answer.header("Content-Type").startswith("text/html")
        assert f"<title>{code} " in answer.text
    assert answer.status_code == code


@clause("errors/abort/server-errors", "contract", ABORT)
@pytest.mark.parametrize("code", [500, 501, 502, 503, 504])
def test_abort_server_error(client: Client, code: int) -> None:
    """`abort` makes the statuses of server errors as well, and they are no unhandled exceptions."""
    answer = client.get(f"/errors/abort/{code}")
    assert (answer.status_code, f"<title>{code} " in answer.text) == (code, True)


@clause("errors/abort/unknown-code", "contract", ABORT)
def test_abort_unknown(client: Client) -> None:
    """`abort` with a status that is no error is a mistake of the view, and so a 500."""
    assert client.get("/errors/abort/299").status_code == 500


@clause("errors/abort/description", "contract", werkzeug("exceptions", "Custom Errors"))
def test_abort_description(client: Client, key: str) -> None:
    """A description that `abort` is given stands in the page."""
    answer = client.get(f"/errors/abort-described?text={key}")
    assert (answer.status_code, key in answer.text) == (403, True)


@clause("errors/abort/response", "contract", werkzeug("exceptions", "Simple Aborting"))
def test_abort_response(client: Client) -> None:
    """`abort` with a response answers with that response as it is."""
    answer = client.get("/errors/abort-response")
    assert (answer.status_code, answer.text) == (409, "a response of its own")
    assert answer.header("X-Own") == "yes"


@clause("errors/handler/by-code", "contract", REGISTERING)
def test_handler_by_code(client: Client) -> None:
    """A handler that is registered for a status gets the exception that `abort` raised."""
    answer = client.get("/errors/abort/428")
    assert answer.status_code == 428
    assert answer.json() == {"handler": "app: 428", "error": "PreconditionRequired"}


@clause("errors/handler/by-class", "contract", REGISTERING)
def test_handler_by_class(client: Client) -> None:
    """A handler that is registered for the class of a status is used for the status."""
    answer = client.get("/errors/abort/410")
    assert (answer.status_code, answer.json()) == (410, {"handler": "app: Gone", "error": "Gone"})


@clause("errors/handler/unusual-status", "contract", REGISTERING)
def test_handler_unusual(client: Client) -> None:
    """An HTTP exception of the application's own, of a status without a class, has a handler."""
    answer = client.get("/errors/raise/InsufficientStorage")
    assert answer.status_code == 507
    assert answer.json() == {
        "handler": "app: InsufficientStorage",
        "error": "InsufficientStorage",
    }


@clause("errors/handler/own-exception", "contract", REGISTERING)
def test_handler_own(client: Client) -> None:
    """An exception of the application's own reaches the handler that is registered for it."""
    answer = client.get("/errors/raise/GeneralError")
    assert answer.json() == {"handler": "app: GeneralError", "error": "GeneralError"}


@clause("errors/handler/most-specific", "contract", DEFAULT)
def test_handler_most_specific(client: Client) -> None:
    """Of the handlers for an exception's classes the nearest one is called."""
    answer = client.get("/errors/raise/SpecificError")
    assert answer.json() == {"handler": "app: SpecificError", "error": "SpecificError"}


@clause("errors/handler/inherited", "contract", DEFAULT)
def test_handler_inherited(client: Client) -> None:
    """An exception without a handler of its own goes to that of the nearest class above it."""
    answer = client.get("/errors/raise/NoHandlerOfItsOwn")
    assert answer.json() == {"handler": "app: SpecificError", "error": "NoHandlerOfItsOwn"}


@clause("errors/handler/status-from-handler", "contract", flask("errorhandling", "Error Handlers"))
def test_handler_status(client: Client) -> None:
    """The status of the answer is what the handler returns, and 200 if it returns none."""
    answer = client.get("/errors/generic/quiet")
    assert (answer.status_code, answer.text) == (200, "nothing happened")


@clause("errors/handler/blueprint-first", "contract", DEFAULT)
def test_handler_blueprint(client: Client) -> None:
    """A handler of the blueprint comes before one of the application, for its own views only."""
    own = client.get("/errors/own/raise/GeneralError").json()
    assert own == {"handler": "blueprint: GeneralError", "error": "GeneralError"}
    own = client.get("/errors/own/abort/428").json()
    assert own == {"handler": "blueprint: 428", "error": "PreconditionRequired"}
    other = client.get("/errors/abort/428").json()
    assert other == {"handler": "app: 428", "error": "PreconditionRequired"}


@clause("errors/handler/blueprint-abort", "contract", BLUEPRINT)
def test_handler_blueprint_abort(client: Client) -> None:
    """A blueprint's handler for 404 is called when one of its views aborts with that."""
    answer = client.get("/errors/own/abort/404")
    assert (answer.status_code, answer.json()["handler"]) == (404, "blueprint: 404")


@clause("errors/handler/blueprint-unmatched", "contract", BLUEPRINT)
def test_handler_blueprint_unmatched(client: Client) -> None:
    """A path that no rule matches belongs to no blueprint: the application's handler is called."""
    answer = client.get("/errors/own/no-such-view")
    assert answer.status_code == 404
    assert answer.json() == {"handler": "app: 404", "error": "NotFound"}


@clause("errors/handler/http-exception", "contract", GENERIC)
def test_handler_http_exception(client: Client) -> None:
    """A handler for HTTPException gets every status without a handler of its own."""
    answer = client.get("/errors/generic/abort/403")
    assert answer.json() == {"handler": "HTTPException", "error": "Forbidden"}
    assert answer.status_code == 403
    answer = client.get("/errors/generic/abort/409")
    assert answer.json() == {"handler": "409", "error": "Conflict"}


@clause("errors/handler/exception", "contract", GENERIC)
def test_handler_exception(client: Client, key: str) -> None:
    """A handler for Exception gets what nothing else handles, as it was raised."""
    answer = client.get(f"/errors/generic/fail?text={key}")
    assert answer.json() == {"handler": "Exception", "error": "RuntimeError"}


@clause("errors/handler/server-error", "contract", UNHANDLED)
def test_handler_server_error(client: Client, key: str) -> None:
    """A handler for 500 gets an InternalServerError that has the original exception with it."""
    answer = client.get(f"/errors/internal/fail?text={key}")
    assert answer.status_code == 500
    assert answer.json() == {"error": "InternalServerError", "original": ["ValueError", key]}


@clause("errors/handler/server-error-aborted", "contract", UNHANDLED)
def test_handler_server_error_aborted(client: Client) -> None:
    """For an explicit `abort(500)` there is no original exception."""
    answer = client.get("/errors/internal/abort")
    assert answer.json() == {"error": "InternalServerError", "original": None}


@clause("errors/handler/fails", "contract", flask("reqcontext", "Callbacks and Errors"))
def test_handler_fails(client: Client, key: str) -> None:
    """A handler that fails itself makes a 500, which shows nothing of either exception."""
    answer = client.get(f"/errors/raise/BrokenHandlerError?text={key}")
    assert (answer.status_code, leaked(answer.text, key)) == (500, [])
    assert "BrokenHandlerError" not in answer.text


@clause("errors/handler/redirects", "contract", REGISTERING)
def test_handler_redirects(client: Client) -> None:
    """A handler may answer with a redirect, which the client can follow."""
    answer = client.get("/errors/raise/RedirectedError")
    assert answer.status_code == 302
    assert answer.header("Location").removeprefix(client.base_url) == "/errors/landed"
    answer = client.get("/errors/raise/RedirectedError", allow_redirects=True)
    assert (answer.status_code, answer.text) == (200, "landed")


@clause("errors/handler/before-request", "contract", flask("lifecycle", "How a Request is Handled"))
def test_handler_before(client: Client) -> None:
    """An exception of a function before the request reaches the handler of the blueprint."""
    answer = client.get("/errors/own/raise/GeneralError?fail-before")
    assert answer.status_code == 503
    assert answer.json() == {"handler": "blueprint: BeforeError", "error": "BeforeError"}


@clause("errors/return-value", "contract", RETURN_VALUE)
@pytest.mark.parametrize("value", ["none", "wrong-type", "wrong-tuple"])
def test_return_value(client: Client, value: str) -> None:
    """A view that returns what cannot become a response makes a 500, which tells nothing of it."""
    answer = client.get(f"/errors/{value}")
    assert (answer.status_code, leaked(answer.text, "view function")) == (500, [])


@clause("errors/request/form-key", "contract", werkzeug("exceptions", "Special HTTP Exceptions"))
def test_form_key(client: Client) -> None:
    """A form without the key that the view asks for is the client's mistake: 400, and not 500."""
    assert client.post("/errors/form-key", data={"wanted": "x"}).text == "x"
    assert client.post("/errors/form-key", data={"other": "x"}).status_code == 400


@clause("errors/request/query-key", "contract", flask("config", "TRAP_BAD_REQUEST_ERRORS"))
def test_query_key(client: Client) -> None:
    """A query without the key that the view asks for is the client's mistake: 400."""
    assert client.get("/errors/query-key?wanted=x").text == "x"
    answer = client.get("/errors/query-key?other=x")
    assert (answer.status_code, leaked(answer.text, "KeyError")) == (400, [])


@clause("errors/request/json", "contract", flask("api", "flask.Request.on_json_loading_failed"))
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="unfinished"),
        pytest.param(b"{'a': 1}", id="single-quotes"),
        pytest.param(b'{"a": 1} x', id="trailing"),
        pytest.param(b'"\xff"', id="not-utf-8"),
    ],
)
def test_json(client: Client, body: bytes) -> None:
    """A body that is not the JSON that it is said to be is the client's mistake: 400."""
    fields = {"Content-Type": "application/json"}
    assert client.post("/errors/json", data=body, headers=fields).status_code == 400


@clause("errors/request/json-type", "contract", flask("api", "flask.Request.get_json"))
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded", id="form"),
    ],
)
def test_json_type(client: Client, content_type: str) -> None:
    """JSON that is said to be something else is not read: 415."""
    fields = {"Content-Type": content_type}
    assert client.post("/errors/json", data=b'{"a": 1}', headers=fields).status_code == 415


@clause("errors/head", "must", rfc9110("9.3.2"))
@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/errors/no-such-view", 404, id="not-found"),
        pytest.param("/errors/json", 405, id="method-not-allowed"),
        pytest.param("/errors/abort/403", 403, id="aborted"),
        pytest.param("/errors/fail?text=x", 500, id="unhandled"),
    ],
)
def test_head(wire: Wire, path: str, status: int) -> None:
    """The answer to HEAD has no body when it is an error either."""
    connection = wire.connect()
    connection.request("HEAD", path, [("Connection", "close")])
    response = connection.receive("HEAD")
    assert response.status == status, response.describe()
    connection.assert_closed()


@clause("errors/next-request", "contract", UNHANDLED)
def test_next_request(client: Client, key: str) -> None:
    """After each kind of error the next request is answered as if nothing had been."""
    paths = ("fail", "none", "raise/BrokenHandlerError", "abort/400", "no-such-view")
    for path in paths * 4:
        assert client.get(f"/errors/{path}?text={key}").status_code in (400, 404, 500)
        answer = client.get("/errors/landed")
        assert (answer.status_code, answer.text) == (200, "landed")


def connection_after(wire: Wire, requests: Sequence[tuple[str, str, bytes | None]]) -> None:
    """Send requests that fail, each on a new connection, and another one after each of them."""
    for method, target, body in requests:
        with wire.connect() as connection:
            connection.request(method, target, body=body)
            response = connection.receive(method)
            assert response.status in (404, 405, 415, 500), response.describe()
            in_step_or_closed(connection)


@clause("errors/connection", "must", rfc9112("9.3"), requires=("keep-alive",))
def test_connection(wire: Wire, key: str) -> None:
    """After an error the connection is in step: the next request on it gets its own answer.

    A server may close the connection instead.
    """
    connection_after(
        wire,
        [
            ("GET", f"/errors/fail?text={key}", None),
            ("HEAD", f"/errors/fail?text={key}", None),
            ("GET", "/errors/none", None),
            ("GET", "/errors/no-such-view", None),
        ],
    )


@clause("errors/connection/unread-body", "must", rfc9112("9.3"), requires=("keep-alive",))
def test_connection_unread(wire: Wire, key: str) -> None:
    """The body of a request that failed before it was read is not taken for the next request.

    The body looks like a request, whose answer would be the wrong one.
    """
    body = b"GET /errors/landed HTTP/1.1\r\nHost: wsgi-conform.test\r\n\r\n"
    connection_after(
        wire,
        [
            ("POST", f"/errors/fail?text={key}", body),
            ("POST", "/errors/no-such-view", body),
            ("POST", "/errors/landed", body),
            ("POST", "/errors/json", body),
            ("POST", f"/errors/fail?text={key}", body * 1000),
        ],
    )


TRUNCATED: Source = rfc9112("6.3")


@clause("errors/stream/truncation-noticed", "agreement", TRUNCATED)
def test_stream(wire: Wire, key: str) -> None:
    """A stream that fails after its first block does not look complete to the client.

    No text asks for it, but nothing else tells a client: either the last chunk or some of the
    announced length is missing. An answer of HTTP/1.1 that is ended by the close alone cannot be
    told from a whole one, so a server should not use that form; HTTP/1.0 has no other. An error
    page is right as well, where nothing was sent before the failure.
    """
    connection = wire.connect()
    connection.request("GET", f"/errors/stream?text={key}")
    response = connection.receive_head()
    if response.status == 500 or response.version == "1.0":
        return
    assert response.status == 200, response.describe()
    try:
        receive_rest(connection, response)
    except ConnectionClosed:
        return
    raise PeerError(
        f"a stream that failed looks complete: {response.describe()}, ended by {response.framing}, "
        f"with the body {response.body!r}"
    )


@clause("errors/stream/no-leak", "agreement", pep3333("Error Handling"))
def test_stream_leak(wire: Wire, key: str) -> None:
    """What a client gets of a stream that fails has nothing of the exception in it.

    No text forbids it: a server may even add an error message to what it has sent.
    """
    connection = wire.connect()
    connection.request("GET", f"/errors/stream?text={key}", [("Connection", "close")])
    received = connection.receive_end().decode("latin-1")
    assert received.startswith("HTTP/1.")
    assert leaked(received, key) == []


@clause("errors/stream/next-request", "contract", UNHANDLED)
def test_stream_next(wire: Wire, client: Client, key: str) -> None:
    """After streams that failed the next requests are answered as if nothing had been."""
    for _ in range(10):
        with wire.connect() as connection:
            connection.request("GET", f"/errors/stream?text={key}", [("Connection", "close")])
            connection.receive_end()
        answer = client.get("/errors/landed")
        assert (answer.status_code, answer.text) == (200, "landed")


@clause("errors/teardown", "agreement", flask("api", "flask.Flask.teardown_request"))
def test_teardown(wire: Wire, client: Client, key: str) -> None:
    """A teardown function that raises, which none should, costs one answer at the most.

    The client gets the answer, an error that shows nothing of it, or a closed connection; the
    requests that follow are answered as ever, and find an empty `g`.
    """
    for number in range(5):
        try:
            response = wire.ask("GET", f"/errors/teardown?text={key}&key={key}-{number}")
        except ConnectionClosed:
            pass
        else:
            body = response.body.decode("latin-1")
            assert (response.status == 200) == (body == "answered"), response.describe()
            assert leaked(body, key) == []
        events = client.journal(f"{key}-{number}")
        assert [event.get("event") for event in events] == ["teardown"]
        assert client.get("/context/remember?payload=x").json() == {"found": None, "g": "x"}
