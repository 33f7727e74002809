"""The session: the ways to change it, what is next to it, and cookies that real Flask wrote."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.checks.probes import read_json
from conformance.checks.test_session import (
    COOKIE,
    FORMAT,
    SAVED,
    SESSIONS,
    forge,
    opened,
    session_cookie,
    set_cookies,
    values_of,
    varies_by_cookie,
    write,
)
from conformance.clauses import clause, flask
from conformance.client import Response, Wire
from conformance.client.http import Client

#: Cookies that Flask 3.1.3 wrote on the first day of 2020 with the key of an application which
#: accepts them for ever: what the suite signs itself shows only that it agrees with itself.
WRITTEN_BY_FLASK: dict[str, tuple[str, dict[str, list[str]]]] = {
    "plain": (
        ("eyJ1c2VyIjoiYWRhIiwibiI6MX0.XgvhAA.H_yq4E9U50Bu8fJECOuY9vViir0"),
        {"user": ["str", "ada"], "n": ["int", "1"]},
    ),
    "types": (
        (
            ".eJwly7sKwjAUBuBXCWfOkJyc9BLUUXFwK4iIQ0MClhosmiBS-u6mcfwv3wwxTQ8PZgYWwVwlh_h5wm3"
            "hYL_Rv8tgwcDlfNxCbl0ffRzCX7g8dPfEGbZs7y1DgcRQGd0a3bDDqVtFSoMr75TfEpUnXdW-aS2hU30"
            "OhFUlSdYkhFhB6F9jmgoJmWzsDpblB9I9LiU.XgvhAA.EeXWqQfDushjYIdYv9xPTU6X9Pg"
        ),
        {
            "tuple": ["tuple", "(1, 'two')"],
            "bytes": ["bytes", "b'ab'"],
            "datetime": ["datetime", "2024-02-29 23:59:58+00:00"],
            "uuid": ["UUID", "123e4567-e89b-42d3-a456-426614174000"],
            "markup": ["Markup", "<b>"],
        },
    ),
    "compressed": (
        (".eJyrVipJrShRslJKTE_MzFNIzEtRGNospVoAECtIfA.XgvhAA.NtKRPb1RB-vw7H-LjGa5KUJSVbE"),
        {"text": ["str", "again and " * 20]},
    ),
}


@clause("session/portable/by-flask", "contract", FORMAT)
@pytest.mark.parametrize("kind", WRITTEN_BY_FLASK)
def test_by_flask(wire: Wire, kind: str) -> None:
    """A cookie that Flask itself wrote years ago, kept in the suite, is opened as it was meant."""
    cookie, values = WRITTEN_BY_FLASK[kind]
    response = wire.ask("GET", "/session-lasting/values", [("Cookie", f"{COOKIE}={cookie}")])
    assert read_json(response) == values


@clause("session/changed-by", "contract", SAVED)
@pytest.mark.parametrize(
    ("way", "left"),
    [
        pytest.param("setdefault", {"value": 1, "other": 2}, id="setdefault"),
        pytest.param("or", {"value": 1, "other": 2}, id="or"),
        pytest.param("popitem", {}, id="popitem"),
        pytest.param("del", {}, id="del"),
    ],
)
def test_changed_by(client: Client, way: str, left: dict[str, int]) -> None:
    """Every way to change a dictionary is noticed, and the cookie is written or deleted."""
    write(client, value=1)
    answer = client.post(f"/session/change/{way}")
    assert answer.json() == left
    value, _ = session_cookie(answer)
    assert (opened(value) if left else value.strip('"')) == (left or "")


@clause("session/vary/added", "contract", flask("api", "flask.sessions.SessionMixin.accessed"))
def test_vary_added(client: Client) -> None:
    """`Vary: Cookie` is added to what the view says there, and does not replace it."""
    answer = client.get("/session/varied")
    assert varies_by_cookie(answer)
    assert "accept-language" in ",".join(answer.wire.all("Vary")).lower()


@clause("session/among-other-cookies", "agreement", SESSIONS)
def test_among_others(client: Client) -> None:
    """The session is the cookie of its exact name, wherever it stands among others."""
    for before, behind in (
        ("a=1; Session=x; sessions=y; xsession=z; ", ""),
        ("", "; Session=x; a=b=c; sessions=y"),
    ):
        cookie = forge({"user": "ada"})
        answer = client.get(
            "/session/values", headers={"Cookie": f"{before}{COOKIE}={cookie}{behind}"}
        )
        assert answer.json() == {"user": "ada"}


@clause("session/quoted", "agreement", SESSIONS)
def test_quoted(client: Client) -> None:
    """A cookie value may be in quotes, which are no part of it."""
    assert values_of(client, f'"{forge({"user": "ada"})}"') == {"user": "ada"}


@clause("session/deleted/configured", "contract", flask("config", "SESSION_COOKIE_PATH"))
def test_deleted_configured(client: Client) -> None:
    """A cookie is deleted where it was set: with the Path and the Domain of the configuration."""
    answer = client.post("/session-configured/values", json={"value": 1})
    cookie, _ = session_cookie(answer, "configured")
    headers = {"Cookie": f"configured={cookie}"}
    _, attributes = session_cookie(
        client.post("/session-configured/clear", headers=headers), "configured"
    )
    assert (attributes.get("path"), attributes.get("domain")) == (
        "/session-configured",
        "shop.example",
    )


@clause("session/no-key", "contract", SESSIONS)
def test_no_key(client: Client) -> None:
    """Without a secret key a session is empty and cannot be written: 500, and no cookie."""
    headers = {"Cookie": f"{COOKIE}={forge({'user': 'ada'})}"}
    assert client.get("/session-keyless/values", headers=headers).json() == {}
    answer = client.post("/session-keyless/values", headers=headers)
    assert (answer.status_code, set_cookies(answer)) == (500, {})


@clause("session/flash/same-request", "contract", flask("api", "flask.get_flashed_messages"))
def test_flash_now(client: Client) -> None:
    """A message that is asked for in the request that flashed it is there, and not again later."""
    assert client.post("/session/flash-now").json(shape=list) == [["message", "now"]]
    assert client.get("/session/flashed").json() == {"first": [], "again": []}


@clause("session/users/one-connection/written", "contract", SESSIONS, requires=("keep-alive",))
def test_written(wire: Wire) -> None:
    """On one connection each of two users is given a cookie of what it wrote, a third none."""
    connection = wire.connect()
    cookies: dict[str, str] = {}
    for number in range(5):
        for user in ("ada", "bob"):
            fields = [("Content-Type", "application/json")]
            if user in cookies:
                fields.append(("Cookie", f"{COOKIE}={cookies[user]}"))
            body = f'{{"{user}": {number}}}'.encode()
            connection.request("POST", "/session/values", fields, body)
            response = connection.receive()
            assert read_json(response) == {user: number}
            cookies[user] = written(response)
            assert opened(cookies[user]) == {user: number}
        connection.request("GET", "/session/values")
        assert read_json(connection.receive()) == {}


def written(response: Response) -> Any:
    """The value of the session cookie that a response sets."""
    name, _, value = response.header("Set-Cookie").partition(";")[0].partition("=")
    assert name == COOKIE, response.describe()
    return value
