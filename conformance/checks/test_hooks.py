"""Hooks: what runs before, after and at the end of a request, in which order and when.

The application writes the name of each hook in the journal when it runs, so a check sees all of
them, those that run after the response is on its way as well.
"""

from __future__ import annotations

from typing import Any

from conformance.clauses import clause, flask
from conformance.client import Wire
from conformance.client.http import Answer, Client

BEFORE = ["app-before-1", "app-before-2", "area-before-1", "area-before-2"]
AFTER = ["area-after-2", "area-after-1", "app-after-2", "app-after-1"]
TEARDOWN = ["area-teardown-2", "area-teardown-1", "app-teardown-2", "app-teardown-1"]
APPCONTEXT = ["appcontext-2", "appcontext-1"]
#: The last thing that a request does; when it is in the journal, all of it is.
LAST = "appcontext-1"

HANDLED = flask("lifecycle", "How a Request is Handled")
CALLBACKS = flask("reqcontext", "Callbacks and Errors")
TEARDOWN_CALLBACKS = flask("reqcontext", "Teardown Callbacks")
BEFORE_REQUEST = flask("api", "flask.Flask.before_request")
AFTER_REQUEST = flask("api", "flask.Flask.after_request")
TEARDOWN_REQUEST = flask("api", "flask.Flask.teardown_request")


def after(answer: Answer) -> list[str]:
    """The marks of the after-request hooks, in order.

    A gateway may send the lines of one name as one (RFC 9110 section 5.3).
    """
    return ", ".join(answer.wire.all("X-After")).split(", ")


def ended(events: list[dict[str, Any]]) -> bool:
    """Whether the last hook of a request has run."""
    return any(event.get("event") == LAST for event in events)


def hooks(client: Client, key: str, *kinds: str) -> list[str]:
    """The names in the journal of a request that has ended, in order.

    :param kinds: only names that have one of these in them; all names when there is none.
    """
    names = [str(event.get("event")) for event in client.journal(key, until=ended)]
    return [name for name in names if not kinds or any(kind in name for kind in kinds)]


def errors(client: Client, key: str) -> dict[str, str | None]:
    """What each teardown function of a request that has ended was given, by its name."""
    events = client.journal(key, until=ended)
    return {event["event"]: event["error"] for event in events if "error" in event}


def ended_after(client: Client, key: str, event: str) -> list[str]:
    """The names in the journal after an event that is there once, when the request has ended.

    Flask 3.1.2 and 3.1.3 tear down before a stream too (https://github.com/pallets/flask/issues/5804);
    the text does not forbid it, so what counts is what comes after the stream.
    """

    def after(events: list[dict[str, Any]]) -> list[str]:
        names = [str(found.get("event")) for found in events]
        return names[names.index(event) + 1 :] if event in names else []

    return after(client.journal(key, until=lambda events: LAST in after(events)))


def get(client: Client, path: str, key: str, **query: str) -> Answer:
    """GET a path of the area with a key of the journal."""
    return client.get(path, params={"key": key, **query})


@clause("hooks/before-request/order", "contract", flask("api", "flask.Flask.preprocess_request"))
def test_before_order(client: Client, key: str) -> None:
    """Functions run before the view: the application's first, then the blueprint's, as registered.

    The blueprint is registered before the application's own functions are, so that an
    implementation which only keeps the order of registration is noticed.
    """
    assert get(client, "/hooks/view", key).text == "view"
    assert hooks(client, key, "-before-", "view") == [*BEFORE, "view"]


@clause("hooks/after-request/order", "contract", flask("api", "flask.Flask.process_response"))
def test_after_order(client: Client, key: str) -> None:
    """Functions run after the view in reverse order of registration, the blueprint's first."""
    answer = get(client, "/hooks/view", key)
    assert hooks(client, key, "-after-", "view") == ["view", *AFTER]
    assert after(answer) == AFTER


@clause("hooks/order", "contract", HANDLED)
def test_whole_order(client: Client, key: str) -> None:
    """A request passes through before, view, after, teardown of the request and of the application.

    Not the order among functions of one kind is judged here but that of the kinds.
    """
    get(client, "/hooks/view", key)
    names = hooks(client, key)
    stages = [
        next((stage for stage in ("before", "after", "teardown") if f"-{stage}-" in name), name)
        for name in names
        if name not in ("before-app", "after-app")
    ]
    expected = ["before"] * 4 + ["view"] + ["after"] * 4 + ["teardown"] * 4
    assert stages[: len(expected)] == expected
    assert sorted(stages[len(expected) :]) == sorted(APPCONTEXT)


@clause("hooks/before-request/answers", "contract", BEFORE_REQUEST)
def test_short_circuit(client: Client, key: str) -> None:
    """A function that returns a response is the last before the answer: the view is not called.

    The functions after a request run all the same, on the response that came instead.
    """
    answer = get(client, "/hooks/view", key, answer="app-before-2")
    assert (answer.status_code, answer.text) == (203, "answered by app-before-2")
    assert hooks(client, key, "-before-", "view") == ["app-before-1", "app-before-2"]
    assert after(answer) == AFTER


@clause("hooks/before-request/answers-unmatched", "contract", HANDLED)
def test_short_circuit_unmatched(client: Client, key: str) -> None:
    """An unmatched path is an error only once the functions before the request have run."""
    answer = get(client, "/hooks/no-such-view", key, answer="app-before-1")
    assert (answer.status_code, answer.text) == (203, "answered by app-before-1")


@clause("hooks/before-request/fails", "contract", CALLBACKS)
def test_before_fails(client: Client, key: str) -> None:
    """A function that fails before the view makes a 500: no view, but after and teardown."""
    answer = get(client, "/hooks/view", key, fail="area-before-1")
    assert answer.status_code == 500
    assert hooks(client, key, "-before-", "view") == BEFORE[:3]
    assert hooks(client, key, "-after-") == AFTER
    assert hooks(client, key, "-teardown-") == TEARDOWN


@clause("hooks/after-request/replaces", "contract", AFTER_REQUEST)
def test_after_replaces(client: Client, key: str) -> None:
    """A function may return another response, and those that follow get that one."""
    answer = get(client, "/hooks/view", key, answer="app-after-2")
    assert (answer.status_code, answer.text) == (203, "answered by app-after-2")
    assert hooks(client, key, "-after-") == AFTER
    assert after(answer) == ["app-after-1"]


@clause("hooks/after-request/not-found", "contract", HANDLED)
def test_after_not_found(client: Client, key: str) -> None:
    """The application's functions run on a 404 as well, and no blueprint's: none owns the path."""
    answer = get(client, "/hooks/no-such-view", key)
    assert answer.status_code == 404
    assert after(answer) == ["app-after-2", "app-after-1"]
    assert hooks(client, key, "-before-") == ["app-before-1", "app-before-2"]


@clause("hooks/after-request/handled-error", "contract", HANDLED)
def test_after_handled(client: Client, key: str) -> None:
    """The functions run on the response of an error handler, and find it as the handler made it."""
    answer = get(client, "/hooks/handled", key)
    assert (answer.status_code, answer.text) == (418, "handled")
    assert hooks(client, key, "view", "handler", "-after-") == ["view", "handler", *AFTER]
    assert after(answer) == AFTER


@clause(
    "hooks/after-request/unhandled-error",
    "contract",
    flask("api", "flask.Flask.handle_exception"),
)
def test_after_unhandled(client: Client, key: str) -> None:
    """The functions run even on the 500 that stands for an exception which nothing handles."""
    answer = get(client, "/hooks/fail", key)
    assert answer.status_code == 500
    assert after(answer) == AFTER


@clause("hooks/after-request/fails", "contract", AFTER_REQUEST)
def test_after_fails(client: Client, key: str) -> None:
    """A function that fails after the view makes a 500, and teardown functions still run."""
    answer = get(client, "/hooks/view", key, fail="area-after-1")
    assert answer.status_code == 500
    assert "view" not in answer.text
    assert hooks(client, key, "-teardown-") == TEARDOWN


@clause("hooks/teardown-request/always", "contract", TEARDOWN_CALLBACKS)
def test_teardown_always(client: Client, key: str) -> None:
    """Teardown functions run once each, whether a view, a hook or an error ended the request."""
    paths = {
        "view": "/hooks/view",
        "handled": "/hooks/handled",
        "failed": "/hooks/fail",
        "answered": "/hooks/view?answer=app-before-1",
        "failed-before": "/hooks/view?fail=app-before-1",
        "failed-after": "/hooks/view?fail=app-after-1",
    }
    ran = {}
    for name, path in paths.items():
        get(client, path, f"{key}-{name}")
        ran[name] = sorted(hooks(client, f"{key}-{name}", "-teardown-"))
    assert ran == dict.fromkeys(paths, sorted(TEARDOWN))


@clause("hooks/teardown-request/order", "agreement", flask("api", "flask.Flask.teardown_request"))
def test_teardown_order(client: Client, key: str) -> None:
    """Teardown functions run in reverse order of registration, the blueprint's first.

    The text does not say so; it is what lets one function rely on what an earlier one set up.
    """
    get(client, "/hooks/view", key)
    assert hooks(client, key, "-teardown-", "appcontext") == [*TEARDOWN, *APPCONTEXT]


@clause("hooks/teardown-request/no-error", "contract", TEARDOWN_REQUEST)
def test_teardown_none(client: Client, key: str) -> None:
    """A teardown function is given None when nothing failed, or when a handler dealt with it."""
    get(client, "/hooks/view", f"{key}-view")
    get(client, "/hooks/handled", f"{key}-handled")
    expected = dict.fromkeys([*TEARDOWN, *APPCONTEXT])
    assert errors(client, f"{key}-view") == expected
    assert errors(client, f"{key}-handled") == expected


@clause("hooks/teardown-request/error", "contract", TEARDOWN_REQUEST)
def test_teardown_error(client: Client, key: str) -> None:
    """A teardown function is given the exception that nothing handled."""
    get(client, "/hooks/fail", key)
    assert errors(client, key) == dict.fromkeys([*TEARDOWN, *APPCONTEXT], "HookError")


@clause("hooks/teardown-appcontext", "contract", flask("api", "flask.Flask.teardown_appcontext"))
def test_teardown_appcontext(client: Client, key: str) -> None:
    """Functions for the end of the application context run last, and once each."""
    get(client, "/hooks/view", key)
    names = hooks(client, key, "teardown", "appcontext")
    assert sorted(names[-2:]) == sorted(APPCONTEXT)
    assert len(names) == len(TEARDOWN) + len(APPCONTEXT)


@clause("hooks/after-this-request", "contract", flask("api", "flask.after_this_request"))
def test_after_this_request(client: Client, key: str) -> None:
    """A function of `after_this_request` changes this response, and no later one."""
    answer = get(client, "/hooks/after-this", key, payload=key)
    assert answer.header("X-After-This") == key
    assert hooks(client, key, "after-this", "-after-") == ["after-this", *AFTER]
    later = get(client, "/hooks/view", f"{key}-later")
    assert later.wire.all("X-After-This") == []


@clause("hooks/context-processor", "contract", flask("templating", "Context Processors"))
def test_context_processor(client: Client, key: str) -> None:
    """What context processors return is there in a template, next to what the view gives it."""
    answer = get(client, "/hooks/template", key)
    assert answer.text == "from the application|from the blueprint|from the view"


@clause(
    "hooks/context-processor/blueprint",
    "contract",
    flask("api", "flask.Blueprint.context_processor"),
)
def test_context_processor_blueprint(client: Client, key: str) -> None:
    """A blueprint's context processor is called for templates of its own views and for no other."""
    answer = get(client, "/hooks-other/template", key)
    assert answer.text == "from the application||from the view"


@clause(
    "hooks/url-value-preprocessor",
    "contract",
    flask("patterns/urlprocessors", "Internationalized Blueprint URLs"),
)
def test_url_value_preprocessor(client: Client) -> None:
    """A preprocessor takes a value out of the URL before the functions before the request run."""
    found = client.get("/hooks-localised/gd/page/1").json()
    assert {name: found.get(name) for name in ("arguments", "language", "seen_before")} == {
        "arguments": {"number": 1},
        "language": "gd",
        "seen_before": "gd",
    }


@clause(
    "hooks/url-defaults",
    "contract",
    flask("patterns/urlprocessors", "Internationalized Blueprint URLs"),
)
def test_url_defaults(client: Client) -> None:
    """`url_defaults` supplies a value to `url_for`, and gives way to one that is passed."""
    found = client.get("/hooks-localised/gd/page/1").json()
    assert {name: found.get(name) for name in ("here", "elsewhere")} == {
        "here": "/hooks-localised/gd/page/2",
        "elsewhere": "/hooks-localised/cy/page/2",
    }


@clause("hooks/blueprint/own-routes-only", "contract", CALLBACKS)
def test_blueprint_only(client: Client, key: str) -> None:
    """Hooks of a blueprint do not run for the views of another one."""
    assert get(client, "/hooks-other/view", key).text == "view"
    assert [name for name in hooks(client, key) if name.startswith("area-")] == []
    assert "app-before-1" in hooks(client, key)


@clause(
    "hooks/blueprint/for-the-application",
    "contract",
    flask("api", "flask.Blueprint.before_app_request"),
)
def test_blueprint_for_all(client: Client, key: str) -> None:
    """A blueprint's `before_app_request` and `after_app_request` run for every view."""
    get(client, "/hooks/view", key)
    assert hooks(client, key, "before-app", "after-app") == ["before-app", "after-app"]


@clause(
    "hooks/teardown-request/after-stream",
    "contract",
    flask("patterns/streaming", "Streaming with Context"),
)
def test_teardown_after_stream(client: Client, key: str) -> None:
    """With `stream_with_context` the context is torn down once the stream has ended."""
    answer = get(client, "/hooks/stream", key, payload=key)
    assert answer.text == f"{key}-1;{key}-2;{key}-3;"
    assert ended_after(client, key, "block-3") == [*TEARDOWN, *APPCONTEXT]


@clause("hooks/teardown-request/client-left", "contract", TEARDOWN_CALLBACKS)
def test_teardown_client_left(wire: Wire, client: Client, key: str) -> None:
    """A client that leaves in the middle of a stream does not keep the teardown from running.

    The stream is longer than the buffers between the two, so the server has to notice and to call
    `close()`, which is how the framework learns of it (PEP 3333).
    """
    connection = wire.connect()
    connection.request("GET", f"/hooks/long-stream?key={key}")
    head = connection.receive_head()
    assert head.status == 200, head.describe()
    connection.receive_body_part(head)
    connection.reset()
    assert ended_after(client, key, "closed") == [*TEARDOWN, *APPCONTEXT]


@clause("hooks/after-failing", "contract", TEARDOWN_CALLBACKS)
def test_after_failing(client: Client, key: str) -> None:
    """After a request whose hooks failed, 50 others get all of theirs, in order."""
    for name in ("app-before-2", "area-after-2"):
        assert get(client, "/hooks/view", f"{key}-{name}", fail=name).status_code == 500
    answers = [get(client, "/hooks/view", f"{key}-{number}") for number in range(50)]
    assert [answer.text for answer in answers] == ["view"] * 50
    assert [after(answer) for answer in answers] == [AFTER] * 50
    # One of them in full: the journal of all fifty would cost more than it could show.
    assert hooks(client, f"{key}-49", "-before-", "view", "-after-", "-teardown-") == [
        *BEFORE,
        "view",
        *AFTER,
        *TEARDOWN,
    ]
