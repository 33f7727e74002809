"""The session: a cookie that the application signs, so that a user can read it and not change it.

The checks sign and open cookies themselves, with the key that the application is known to have, in
the format of Flask. A cookie of one deployment is so shown to be worth the same in every other.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from conformance import contract
from conformance.clauses import clause, flask, rfc6265, rfc9110
from conformance.client import PeerError, Wire
from conformance.client.http import Answer, Client

COOKIE = "session"
#: How long a cookie is accepted when nothing else is configured.
LIFETIME = timedelta(days=31)
#: The clocks of the harness and of a deployment may differ by so much.
CLOCKS = timedelta(minutes=5)

SESSIONS = flask("quickstart", "Sessions")
SIGNED = flask("api", "Sessions")
FORMAT = flask("api", "flask.sessions.SecureCookieSessionInterface")
COOKIE_OPTIONS = flask("config", "SESSION_COOKIE_HTTPONLY")
SAVED = flask("api", "flask.sessions.SecureCookieSession.modified")
FLASHING = flask("quickstart", "Message Flashing")
TAGGED = flask("api", "flask.json.tag.TaggedJSONSerializer")


def serializer(
    key: str = contract.SECRET_KEY, salt: str = "cookie-session", age: timedelta = timedelta()
) -> URLSafeTimedSerializer:
    """What signs and opens a session cookie as Flask does, so long ago as `age` says."""

    class Aged(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time() - age.total_seconds())

    return URLSafeTimedSerializer(
        key,
        salt=salt,
        signer=Aged,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1},
    )


def forge(values: dict[str, Any], **options: Any) -> str:
    """A cookie with these values; the options are those of `serializer`."""
    signed = serializer(**options).dumps(values)
    return signed.decode() if isinstance(signed, bytes) else signed


def opened(cookie: str) -> Any:
    """What is in a cookie that the deployment signed.

    :raises PeerError: it is not signed as documented.
    """
    try:
        return serializer().loads(cookie)
    except BadData as error:
        raise PeerError(f"cannot open the session cookie {cookie!r}: {error}") from error


def values_of(client: Client, cookie: str) -> Any:
    """The session that the application finds in a cookie; an error of the application is one."""
    answer = client.get("/session/values", headers={"Cookie": f"{COOKIE}={cookie}"})
    assert answer.status_code == 200, f"{cookie!r}: {answer.wire.describe()}"
    return answer.json()


def set_cookies(answer: Answer) -> dict[str, tuple[str, dict[str, str]]]:
    """The Set-Cookie fields of an answer: by name the value, and the attributes in lower case."""
    found = {}
    for field in answer.wire.all("Set-Cookie"):
        pair, *attributes = field.split(";")
        name, _, value = pair.partition("=")
        pairs = (attribute.strip().partition("=") for attribute in attributes)
        found[name] = (value, {key.lower(): text for key, _, text in pairs})
    return found


def session_cookie(answer: Answer, name: str = COOKIE) -> tuple[str, dict[str, str]]:
    """The value and the attributes of the session cookie that an answer sets.

    :raises PeerError: it sets none.
    """
    found = set_cookies(answer).get(name)
    if found is None:
        raise PeerError(f"expected a cookie {name!r} to be set: {answer.wire.describe()}")
    return found


def varies_by_cookie(answer: Answer) -> bool:
    """Whether the answer says that it depends on the request's cookies."""
    names = ",".join(answer.wire.all("Vary")).lower().split(",")
    return "cookie" in [name.strip() for name in names]


def write(client: Client, **values: Any) -> Answer:
    """Write values into the session of a client."""
    answer = client.post("/session/values", json=values)
    assert answer.status_code == 200, answer.wire.describe()
    return answer


def read(client: Client) -> Any:
    """The session of a client, as the application finds it."""
    return client.get("/session/values").json()


@clause("session/round-trip", "contract", SESSIONS)
def test_round_trip(client: Client) -> None:
    """What one request puts in the session is there for the next, of every type that JSON has."""
    values = {
        "text": 'Käse 🧀 "quoted"; a=b, c',
        "number": 42,
        "real": 1.5,
        "true": True,
        "null": None,
        "list": [1, ["two"], {}],
        "dictionary": {"a": {"b": []}},
        "": "a name without a character",
    }
    write(client, **values)
    assert read(client) == values


@clause("session/added-to", "contract", SESSIONS)
def test_added_to(client: Client) -> None:
    """A second request adds to the session, and what the first one put there stays."""
    write(client, first=1)
    write(client, second=2)
    assert read(client) == {"first": 1, "second": 2}


@clause("session/size", "contract", SESSIONS)
def test_size(client: Client) -> None:
    """A session near the size that browsers accept comes back whole."""
    # Not repetitive, so that this much is there after the compression as well.
    text = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(64))
    cookie, _ = session_cookie(write(client, text=text))
    assert 2500 < len(cookie) < 4093
    assert read(client) == {"text": text}


@clause("session/no-cookie-when-untouched", "contract", SAVED)
def test_untouched(client: Client) -> None:
    """A request that does not touch the session sets no cookie and depends on none, twice over.

    Neither a user without a session gets one, nor is one written again to a user who has it.
    """
    before = client.get("/session/untouched")
    write(client, value=1)
    after = client.get("/session/untouched")
    assert [set_cookies(before), set_cookies(after)] == [{}, {}]
    assert [varies_by_cookie(before), varies_by_cookie(after)] == [False, False]


@clause("session/no-cookie-when-only-read", "contract", SAVED)
def test_only_read(client: Client) -> None:
    """A request that reads the session and changes nothing does not set the cookie again."""
    write(client, value=1)
    answer = client.get("/session/values")
    assert (answer.json(), set_cookies(answer)) == ({"value": 1}, {})


@clause("session/vary", "contract", flask("api", "flask.sessions.SessionMixin.accessed"))
def test_vary(client: Client) -> None:
    """An answer made from the session says `Vary: Cookie`, so that no cache gives it to others."""
    assert varies_by_cookie(client.get("/session/values"))
    assert varies_by_cookie(write(client, value=1))


@clause("session/vary/is-correct", "should", rfc9110("12.5.5"))
def test_vary_deleted(client: Client) -> None:
    """An answer that deletes the session says `Vary: Cookie` too."""
    write(client, value=1)
    assert varies_by_cookie(client.post("/session/clear"))


@clause("session/attributes/default", "contract", COOKIE_OPTIONS)
def test_attributes_default(client: Client) -> None:
    """Unless configured, the cookie is HttpOnly, for the whole site, and ends with the browser."""
    _, attributes = session_cookie(write(client, value=1))
    assert attributes == {"httponly": "", "path": "/"}


@clause("session/attributes/configured", "contract", flask("config", "SESSION_COOKIE_SAMESITE"))
def test_attributes_configured(client: Client) -> None:
    """Name, Domain, Path, Secure, HttpOnly and SameSite are as the application configures them."""
    answer = client.post("/session-configured/values", json={"value": 1})
    _, attributes = session_cookie(answer, "configured")
    assert attributes == {
        "domain": "shop.example",
        "path": "/session-configured",
        "secure": "",
        "samesite": "Strict",
    }


@clause("session/permanent/expires", "contract", flask("api", "flask.session.permanent"))
def test_permanent(client: Client) -> None:
    """A permanent session has a cookie that expires after the lifetime, of 31 days by default."""
    _, attributes = session_cookie(client.post("/session/permanent/1"))
    expires = parsed(attributes.get("expires", ""))
    assert abs(expires - datetime.now(UTC) - LIFETIME) < CLOCKS


def parsed(date: str) -> datetime:
    """An HTTP date.

    :raises PeerError: it is none.
    """
    try:
        found = parsedate_to_datetime(date)
    except ValueError as error:
        raise PeerError(f"expected an HTTP date, found {date!r}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@clause("session/permanent/configured", "contract", flask("config", "PERMANENT_SESSION_LIFETIME"))
def test_permanent_configured(client: Client) -> None:
    """The lifetime of a permanent session is what the application configures, in seconds."""
    answer = client.post("/session-configured/values?permanent=1", json={"value": 1})
    _, attributes = session_cookie(answer, "configured")
    expires = parsed(attributes.get("expires", ""))
    assert abs(expires - datetime.now(UTC) - timedelta(seconds=600)) < CLOCKS


@clause("session/permanent/refreshed", "contract", flask("config", "SESSION_REFRESH_EACH_REQUEST"))
def test_permanent_refreshed(client: Client) -> None:
    """A permanent session is written with every answer, so that it does not expire while in use."""
    client.post("/session/permanent/1")
    value, attributes = session_cookie(client.get("/session/untouched"))
    assert (opened(value), "expires" in attributes) == ({"_permanent": True}, True)


@clause(
    "session/permanent/not-refreshed",
    "contract",
    flask("config", "SESSION_REFRESH_EACH_REQUEST"),
)
def test_permanent_not_refreshed(client: Client) -> None:
    """Where the application configures that off, a permanent session is written when it changes."""
    answer = client.post("/session-configured/values?permanent=1", json={"value": 1})
    cookie, _ = session_cookie(answer, "configured")
    headers = {"Cookie": f"configured={cookie}"}
    answer = client.get("/session-configured/values", headers=headers)
    assert answer.json() == {"_permanent": True, "value": 1}
    assert set_cookies(answer) == {}


@clause("session/permanent/ended", "contract", flask("api", "flask.session.permanent"))
def test_permanent_ended(client: Client) -> None:
    """A session that is made not permanent again has a cookie without an expiry."""
    client.post("/session/permanent/1")
    _, attributes = session_cookie(client.post("/session/permanent/0"))
    assert "expires" not in attributes


@clause("session/expired", "contract", flask("config", "PERMANENT_SESSION_LIFETIME"))
def test_expired(client: Client) -> None:
    """A cookie that was signed longer ago than the lifetime is not accepted; a day less, it is."""
    values = {"value": 1}
    assert values_of(client, forge(values, age=LIFETIME - timedelta(days=1))) == values
    assert values_of(client, forge(values, age=LIFETIME + timedelta(days=1))) == {}


@clause("session/portable/accepted", "contract", FORMAT)
def test_portable_accepted(client: Client) -> None:
    """A cookie that something else signed with the key, in Flask's format, is accepted."""
    values = {"user": "ada", "roles": ["reader", "writer"]}
    assert values_of(client, forge(values)) == values


@clause("session/portable/compressed", "contract", FORMAT)
def test_portable_compressed(client: Client) -> None:
    """A long value is compressed in the cookie, and such a cookie is accepted."""
    values = {"text": "again and " * 100}
    forged = forge(values)
    assert forged.startswith("."), "itsdangerous marks a compressed payload with a dot"
    assert values_of(client, forged) == values


@clause("session/portable/written", "contract", FORMAT)
def test_portable_written(client: Client) -> None:
    """What the application signs can be opened by whoever has the key, in Flask's format."""
    values = {"user": "ada", "text": "again and " * 100}
    cookie, _ = session_cookie(write(client, **values))
    assert opened(cookie) == values


@clause("session/portable/types", "contract", TAGGED)
def test_portable_types(client: Client) -> None:
    """The marks of types that JSON does not have are those of Flask."""
    client.post("/session/types")
    cookie, _ = session_cookie(client.post("/session/types"))
    assert opened(cookie) == {
        "tuple": {" t": [1, {" t": ["two", [3]]}]},
        "bytes": {" b": "AP8="},
        "datetime": {" d": "Thu, 29 Feb 2024 23:59:58 GMT"},
        "uuid": {" u": "123e4567e89b42d3a456426614174000"},
        "markup": {" m": "<b>bold</b>"},
        "look-alike": {" di": {" t__": [1, 2]}},
    }


@clause("session/types", "contract", TAGGED)
def test_types(client: Client) -> None:
    """A tuple, bytes, a datetime, a UUID and Markup come back as what they were."""
    client.post("/session/types")
    assert client.get("/session/types").json() == {
        "tuple": {"same": True, "type": "tuple"},
        "bytes": {"same": True, "type": "bytes"},
        "datetime": {"same": True, "type": "datetime"},
        "uuid": {"same": True, "type": "UUID"},
        "markup": {"same": True, "type": "Markup"},
        "look-alike": {"same": True, "type": "dict"},
    }


def _changed(text: str, at: int) -> str:
    """The text with one character changed for another of the alphabet."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _other_payload(cookie: str) -> str:
    payload = forge({"user": "mallory"}).partition(".")[0]
    return ".".join([payload, *cookie.split(".")[1:]])


def _other_time(cookie: str) -> str:
    payload, _, signature = cookie.split(".")
    _, moment, _ = forge({}, age=timedelta(days=1)).split(".")
    return f"{payload}.{moment}.{signature}"


#: Ways to spoil a good cookie. The last character of a signature has bits that mean nothing, so it
#: is the first that is changed.
TAMPERED: dict[str, Callable[[str], str]] = {
    "payload": _other_payload,
    "payload-character": lambda cookie: _changed(cookie, 4),
    "timestamp": _other_time,
    "signature": lambda cookie: _changed(cookie, cookie.rindex(".") + 1),
    "signature-missing": lambda cookie: cookie[: cookie.rindex(".")],
    "signature-empty": lambda cookie: cookie[: cookie.rindex(".") + 1],
    "signature-doubled": lambda cookie: cookie + cookie[cookie.rindex(".") :],
    "truncated": lambda cookie: cookie[: len(cookie) // 2],
    "payload-alone": lambda cookie: cookie.partition(".")[0],
    "another-key": lambda cookie: forge(opened(cookie), key="a key of somebody else"),
    "another-salt": lambda cookie: forge(opened(cookie), salt="not the salt of the session"),
    "not-signed": lambda cookie: json.dumps(opened(cookie)).replace('"', "").replace(" ", ""),
    "not-base64": lambda cookie: "!" + cookie,
    "empty": lambda cookie: "",
    "dots": lambda cookie: "...",
}


@clause("session/tampered", "contract", SIGNED)
@pytest.mark.parametrize("way", TAMPERED)
def test_tampered(client: Client, way: str) -> None:
    """A cookie that is not signed as it stands gives an empty session, and no error."""
    good, _ = session_cookie(write(client, user="ada"))
    spoiled = TAMPERED[way](good)
    assert spoiled != good
    client.cookies.clear()
    assert values_of(client, good) == {"user": "ada"}
    assert values_of(client, spoiled) == {}


@clause("session/tampered/signed-anew", "contract", SIGNED)
def test_tampered_signed_anew(client: Client) -> None:
    """A user with a spoiled cookie starts over: what is written next has none of the old values."""
    headers = {"Cookie": f"{COOKIE}={forge({'user': 'mallory'}, key='a key of somebody else')}"}
    answer = client.post("/session/values", json={"value": 1}, headers=headers)
    cookie, _ = session_cookie(answer)
    assert opened(cookie) == {"value": 1}


@clause("session/key-rotation/accepted", "contract", flask("config", "SECRET_KEY_FALLBACKS"))
def test_retired_key(client: Client) -> None:
    """A cookie that was signed with a retired key is still accepted."""
    values = {"value": 1}
    assert values_of(client, forge(values, key=contract.RETIRED_SECRET_KEY)) == values


@clause("session/key-rotation/signed-anew", "contract", flask("config", "SECRET_KEY_FALLBACKS"))
def test_retired_key_not_signed_with(client: Client) -> None:
    """A retired key is for opening only: what is written is signed with the present one."""
    headers = {"Cookie": f"{COOKIE}={forge({'old': 1}, key=contract.RETIRED_SECRET_KEY)}"}
    answer = client.post("/session/values", json={"new": 2}, headers=headers)
    cookie, _ = session_cookie(answer)
    assert opened(cookie) == {"old": 1, "new": 2}


@clause("session/deleted", "contract", flask("api", "flask.sessions.SessionInterface.save_session"))
def test_deleted(client: Client) -> None:
    """A session that becomes empty has its cookie deleted: same name and path, long expired."""
    write(client, value=1)
    value, attributes = session_cookie(client.post("/session/clear"))
    assert (value.strip('"'), attributes.get("path")) == ("", "/")
    assert attributes.get("max-age") == "0" or parsed(attributes.get("expires", "")).year < 2000
    assert client.cookies.get(COOKIE) is None
    assert read(client) == {}


@clause("session/deleted/nothing-to-delete", "contract", SAVED)
def test_nothing_to_delete(client: Client) -> None:
    """Taking what is not there out of an empty session changes nothing, so no cookie is set."""
    answer = client.post("/session/pop/value")
    assert (answer.json(), set_cookies(answer)) == ({"found": None}, {})


@clause("session/pop", "contract", SESSIONS)
def test_pop(client: Client) -> None:
    """A value that is taken out is gone, and the others stay."""
    write(client, value=1, other=2)
    assert client.post("/session/pop/value").json() == {"found": 1}
    assert read(client) == {"other": 2}


@clause("session/nested/not-noticed", "contract", flask("api", "flask.session.modified"))
def test_nested_not_noticed(client: Client) -> None:
    """A change inside of a list in the session is not noticed, and the cookie stays as it was."""
    write(client, items=["first"])
    answer = client.post("/session/append")
    assert (answer.json(), set_cookies(answer)) == ({"items": ["first", "more"]}, {})
    assert read(client) == {"items": ["first"]}


@clause("session/nested/modified", "contract", flask("api", "flask.session.modified"))
def test_nested_modified(client: Client) -> None:
    """With `modified` set, a change inside of a list is kept."""
    write(client, items=["first"])
    client.post("/session/append?modified=1")
    assert read(client) == {"items": ["first", "more"]}


@clause("session/before-request", "contract", flask("lifecycle", "How a Request is Handled"))
def test_seen_before(client: Client) -> None:
    """The session is open before the functions before a request run."""
    write(client, value="seen")
    assert client.get("/session/seen-before").json() == {"seen": "seen"}


@clause("session/after-request", "contract", flask("lifecycle", "How a Request is Handled"))
def test_written_after(client: Client) -> None:
    """The session is saved after the functions after a request: what they put there is kept."""
    client.post("/session/written-after")
    assert read(client) == {"written": "after the view"}


@clause("session/saved-on-error", "contract", flask("api", "flask.Flask.handle_exception"))
def test_saved_on_error(client: Client) -> None:
    """The response of a failed view is finished like any other: the session is saved with it."""
    answer = client.post("/session/fail?value=kept")
    cookie, _ = session_cookie(answer)
    assert (answer.status_code, opened(cookie)) == (500, {"value": "kept"})


@clause("session/beside-another-cookie", "should", rfc6265("3"))
def test_beside(client: Client) -> None:
    """The session's Set-Cookie and another one are two field lines, and never joined by a comma."""
    answer = client.post("/session/beside?value=two")
    found = set_cookies(answer)
    assert len(answer.wire.all("Set-Cookie")) == 2, answer.wire.describe()
    assert sorted(found) == ["beside", COOKIE]
    assert client.cookies.get("beside") == "two"
    assert read(client) == {"value": "two"}


@clause("session/flash/once", "contract", FLASHING)
def test_flash_once(client: Client) -> None:
    """A flashed message is there for the next request that asks, with its category, and only once.

    Further calls in that same request give the same messages.
    """
    messages = [["saved", "message"], ["too short", "error"], ["saved", "message"]]
    client.post("/session/flash", json=messages)
    expected = [[category, message] for message, category in messages]
    assert client.get("/session/flashed").json() == {"first": expected, "again": expected}
    assert client.get("/session/flashed").json() == {"first": [], "again": []}


@clause("session/flash/kept-until-asked", "contract", flask("api", "flask.get_flashed_messages"))
def test_flash_kept(client: Client) -> None:
    """A message waits while no request asks, and those of several requests come in their order."""
    client.post("/session/flash", json=[["one", "message"]])
    client.get("/session/untouched")
    client.post("/session/flash", json=[["two", "error"]])
    expected = [["message", "one"], ["error", "two"]]
    assert client.get("/session/flashed").json()["first"] == expected


@clause(
    "session/flash/filtered", "contract", flask("patterns/flashing", "Filtering Flash Messages")
)
def test_flash_filtered(client: Client) -> None:
    """With a filter only messages of those categories are returned."""
    client.post("/session/flash", json=[["one", "message"], ["two", "error"]])
    assert client.get("/session/flashed-errors").json(shape=list) == ["two"]


@clause("session/users/interleaved", "contract", SESSIONS)
def test_users_interleaved(new_client: Callable[[], Client]) -> None:
    """Two users whose requests alternate find what each put there, and nothing of the other."""
    ada, bob = new_client(), new_client()
    write(ada, user="ada")
    write(bob, user="bob")
    for number in range(10):
        write(ada, number=number)
        assert read(bob) == {"user": "bob"}
        assert read(ada) == {"user": "ada", "number": number}


@clause("session/users/nobody", "contract", SESSIONS)
def test_users_nobody(client: Client, new_client: Callable[[], Client]) -> None:
    """A user without a cookie has an empty session, right after one who has a session."""
    for number in range(10):
        write(client, number=number)
        assert read(new_client()) == {}


@clause("session/users/one-connection", "contract", SESSIONS, requires=("keep-alive",))
def test_users_one_connection(wire: Wire) -> None:
    """Two users whose requests share a connection, as behind a proxy, are still told apart."""
    connection = wire.connect()
    for number in range(10):
        for user in ("ada", "bob"):
            values = {"user": user, "number": number}
            connection.request("GET", "/session/values", [("Cookie", f"{COOKIE}={forge(values)}")])
            response = connection.receive()
            assert response.status == 200, response.describe()
            assert json.loads(response.body or b"null") == values
