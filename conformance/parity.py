"""Parity: is what a deployment answered the same as what the reference deployment answered?

A check says whether an answer is right; many different answers are. So the exchanges of each check
are also brought into a normal form, in which differences that mean nothing to an application are
gone, and compared with those of the reference deployment in the same run. Each rule of the normal
form has a name and is listed in docs/results.md. Not a verdict: nothing fails for being different.

An exchange is compared by what was asked and what came back. The same request may be sent several
times, and by several connections at once, so a check's exchanges are a set of such pairs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

#: The deployment that the others are compared with.
REFERENCE = "reference-threaded"
#: How much of a body is compared, in bytes. Of a long one no more is kept, and framing takes room.
BODY_COMPARED = 1024
#: How many lines of differences are kept of a check, and how long a line may be, in characters.
LINES_KEPT = 12
LINE_LENGTH = 200


@dataclass
class Message:
    """A response on its way into the normal form."""

    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: str


Rule = Callable[[Message], None]
#: The rules by name, in the order in which they are applied to a response.
RULES: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a rule of the normal form; its docstring says what is alike under it, and why."""

    def register(apply: Rule) -> Rule:
        RULES[name] = apply
        return apply

    return register


@rule("version")
def _version(message: Message) -> None:
    """The HTTP version of a response: it says what the server can do, not what it answers."""
    message.version = ""


@rule("reason-phrase")
def _reason_phrase(message: Message) -> None:
    """The reason phrase, which a client should ignore (RFC 9112 section 4)."""
    message.reason = ""


@rule("field-case")
def _field_case(message: Message) -> None:
    """The case of field names (RFC 9110 section 5.1)."""
    message.fields = [(name.lower(), value) for name, value in message.fields]


@rule("framing")
def _framing(message: Message) -> None:
    """How a body's end is told, and what becomes of the connection (RFC 9112 sections 6 and 9)."""
    told = ("content-length", "transfer-encoding", "connection", "keep-alive", "trailer")
    message.fields = [field for field in message.fields if field[0] not in told]


@rule("server")
def _server(message: Message) -> None:
    """The fields Server and Via, in which a server names itself."""
    message.fields = [field for field in message.fields if field[0] not in ("server", "via")]


@rule("date")
def _date(message: Message) -> None:
    """The field Date, and whether there is one: a proxy adds what is missing."""
    message.fields = [field for field in message.fields if field[0] != "date"]


@rule("field-order")
def _field_order(message: Message) -> None:
    """The order of fields of different names (RFC 9110 section 5.3)."""
    message.fields.sort(key=lambda field: field[0])


@rule("parameter-space")
def _parameter_space(message: Message) -> None:
    """White space around the semicolons of Content-Type (RFC 9110 section 5.6.6)."""
    message.fields = [
        (name, re.sub(r"\s*;\s*", "; ", value) if name == "content-type" else value)
        for name, value in message.fields
    ]


@rule("own-error-page")
def _own_error_page(message: Message) -> None:
    """The text of an error page, its type and language: each server has pages of its own."""
    about_it = ("content-type", "content-language", "cache-control", "x-content-type-options")
    if message.status >= 400 and not message.body.lstrip().startswith(("{", "[")):
        message.body = ""
        message.fields = [field for field in message.fields if field[0] not in about_it]


@rule("entity-tag")
def _entity_tag(message: Message) -> None:
    """What an entity tag is made of, and when a file was changed: they hang on where it lies."""
    values = {"etag": _TAG, "last-modified": _TIME}
    message.fields = [
        (name, values[name].sub("<tag>", value) if name in values else value)
        for name, value in message.fields
    ]


@rule("timestamp")
def _timestamp(message: Message) -> None:
    """The time and the signature in the session cookie, and the time at which a cookie expires."""
    message.fields = [
        (name, _EXPIRES.sub("expires=<time>", without_signature(value)))
        if name == "set-cookie"
        else (name, value)
        for name, value in message.fields
    ]


@rule("identity")
def _identity(message: Message) -> None:
    """Random names that the suite makes up, and the numbers of processes, threads and ports."""
    message.fields = [(name, anonymous(value)) for name, value in message.fields]
    message.body = _NUMBERS.sub(r'\1"<number>"', anonymous(without_signature(message.body)))


@rule("object-address")
def _object_address(message: Message) -> None:
    """The class and the address of an object in an environ, such as wsgi.input."""
    message.body = _OBJECT.sub("<object>", message.body)


@rule("json-order")
def _json_order(message: Message) -> None:
    """The order of the members of a JSON object, such as the variables of an environ."""
    if message.body.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            message.body = "\n".join(sorted(_members(json.loads(message.body))))


@rule("own-variables")
def _own_variables(message: Message) -> None:
    """Variables of an environ that neither PEP 3333 nor a request's fields define."""
    message.body = _OWN_VARIABLE.sub("", message.body).rstrip("\n")


@rule("declared")
def _declared(message: Message) -> None:
    """How many threads and processes there are: checks of their own hold that to be as declared."""
    if "parties=" in message.body:
        message.body = _PARTIES.sub("parties=N", message.body)
    message.body = _DECLARED.sub("", message.body)


@rule("length")
def _length(message: Message) -> None:
    """What comes after the first KiB of other bodies: of long exchanges no more is kept."""
    if not message.body.startswith("body."):
        message.body = message.body[:BODY_COMPARED]


_EXPIRES = re.compile(r"(?i)\bexpires=[A-Z][a-z]{2}, [0-9A-Za-z: -]+ GMT")
_SIGNED = re.compile(r"(?<![\w.-])(\.?[\w-]+)\.[\w-]{6}\.[\w-]{27}(?![\w.-])")
_SIGNATURE = re.compile(r"\.[\w-]{6}\.[\w-]{27}")
_RANDOM = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:[0-9a-f]{24}|(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ADDRESS = re.compile(r"\b(127\.0\.0\.1|localhost|\d+\.\d+\.\d+\.\d+):\d{2,5}\b")
_OBJECT = re.compile(r'<[^"]* at 0x[0-9a-f]+>')
_OWN_VARIABLE = re.compile(
    r"(?m)^body\.values\.(?!wsgi\.|HTTP_|CONTENT_|PATH_INFO|QUERY_STRING|REMOTE_ADDR|REQUEST_METHOD"
    r"|SCRIPT_NAME|SERVER_NAME|SERVER_PORT|SERVER_PROTOCOL).*\n?"
)
_DECLARED = re.compile(r"(?m)^body\.(?:(?:values\.wsgi\.)?multi(?:thread|process)|seen)\b.*\n?")
_TAG = re.compile(r'(?<=")[0-9a-f.]+-[0-9a-f-]+(?=")')
_TIME = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_GIVEN_BEFORE = re.compile(r"(?mi)^(cookie|if-[a-z-]+):.*$")
_PARTIES = re.compile(r"\bparties=\d+")
_NUMBERS = re.compile(
    r'("(?:pid|thread|application|port|REMOTE_PORT|SERVER_PORT)": *'
    r'(?:\{"type": *"\w+", *"value": *)?)"?\d+"?'
)


def _members(value: Any, name: str = "body") -> Iterator[str]:
    """A line for each member of a JSON value, however deep."""
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _members(member, f"{name}.{key}")
    else:
        yield f"{name} = {json.dumps(value)}"


def without_signature(text: str) -> str:
    """Text in which what itsdangerous signed is readable, and has no time and no signature."""

    def readable(match: re.Match[str]) -> str:
        try:
            return base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode("ascii")
        except ValueError:
            return "<compressed>"

    # Looked for first by what is rare: most texts have nothing that is signed.
    return _SIGNED.sub(readable, text) if _SIGNATURE.search(text) else text


def anonymous(text: str) -> str:
    """Text in which random names and the deployment's address stand for themselves."""
    text = _RANDOM.sub("<random>", text)
    return _ADDRESS.sub("<address>", text) if ":" in text else text


def messages(text: str, method: str) -> Iterator[Message | None]:
    """The responses in the bytes of one direction; None for whatever is none, and ends them.

    Interim (1xx) responses are left out: whether one comes hangs on when the body does.

    :param text: the bytes, as latin-1, or the first of them.
    :param method: of the request that the first one answers.
    """
    while text:
        head, found, rest = text.partition("\r\n\r\n")
        match = re.fullmatch(r"HTTP/(\d\.\d) (\d{3})(?: (.*))?", head.partition("\r\n")[0])
        if not found or match is None:
            yield None
            return
        fields = []
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields.append((name, value.strip()))
        message = Message(match[1], int(match[2]), match[3] or "", fields, "")
        known = {name.lower(): value for name, value in fields}
        if message.status < 200 and message.status != 101:
            text = rest
            continue
        if method == "HEAD" or message.status in (101, 204, 304):
            text = rest
        elif "chunked" in known.get("transfer-encoding", "").lower():
            message.body, text = _unchunked(rest)
        elif known.get("content-length", "").isdecimal():
            length = int(known["content-length"])
            message.body, text = rest[:length], rest[length:]
        else:
            message.body, text = rest, ""
        method = "GET"
        yield message


def _unchunked(text: str) -> tuple[str, str]:
    """The data of a chunked body, and what follows it; as far as it goes."""
    data: list[str] = []
    while True:
        line, found, rest = text.partition("\r\n")
        size = line.partition(";")[0].strip()
        if not found or not re.fullmatch("[0-9A-Fa-f]{1,8}", size):
            return "".join(data), ""
        if int(size, 16) == 0:
            while rest and not rest.startswith("\r\n"):
                rest = rest.partition("\r\n")[2]
            return "".join(data), rest[2:]
        data.append(rest[: int(size, 16)])
        text = rest[int(size, 16) + 2 :]


#: What was asked, and what came back, in their normal forms.
Pair = tuple[str, str]


def normal_form(exchange: dict[str, Any]) -> Pair | None:
    """An exchange in its normal form, or None for one of the suite's own, such as the journal."""
    request = exchange["request"]["text"]
    if re.match(r"\S+ /-/", request):
        return None
    response = exchange["response"]
    answers = []
    found = messages(response["text"], request.partition(" ")[0])
    # Whether a response that the check did not wait for is among the bytes hangs on when it came.
    for message in itertools.islice(found, max(1, exchange["answers"])):
        if message is None:
            answers.append("no response, but other bytes")
            continue
        for apply in RULES.values():
            apply(message)
        status = filter(None, (message.version, str(message.status), message.reason))
        lines = [f"status {' '.join(status)}"]
        lines += [f"{name}: {value}" for name, value in message.fields]
        if message.body:
            lines.append(message.body)
        answers.append("\n".join(lines))
    if not answers:
        answers.append("silence" if exchange["ended"] == "timed out" else "no answer")
    # The suite sends the same to all, but for random names and for what it was given before.
    asked = anonymous(request[:BODY_COMPARED])
    asked = _GIVEN_BEFORE.sub(r"\1", _PARTIES.sub("parties=N", asked))
    return asked, "\nthen ".join(answers)


def normal_forms(check: dict[str, Any]) -> frozenset[Pair] | None:
    """The set of a check's exchanges, or None where it cannot be compared.

    There is nothing to compare where nothing was sent, where more was sent than is kept, and where
    the check did not run to its end.
    """
    exchanges = check["exchanges"]
    if check["verdict"] in ("error", "not-applicable") or exchanges["total"] > len(
        exchanges["kept"]
    ):
        return None
    found = frozenset(filter(None, map(normal_form, exchanges["kept"])))
    return found or None


class Comparison:
    """What the reference deployment answered, and what is made of others' answers by it."""

    def __init__(self, reference: Iterable[dict[str, Any]]) -> None:
        self._reference = {check["id"]: normal_forms(check) for check in reference}

    @property
    def known(self) -> bool:
        """Whether there is anything to compare with."""
        return bool(self._reference)

    def parity(self, check: dict[str, Any], server: str) -> dict[str, Any] | None:
        """The object `parity` of a server's check in results.json; None where there is none."""
        expected = found = self._reference.get(check["id"])
        if expected is not None and server != REFERENCE:
            found = normal_forms(check)
        if expected is None or found is None:
            return None
        return {
            "reference": REFERENCE,
            # A failure is told by more than bytes, by a silence at a wrong moment for example.
            "same": found == expected and check["verdict"] in ("pass", "fixed"),
            "answer": hashlib.sha256(repr(sorted(found)).encode()).hexdigest()[:12],
            "differences": list(differences(expected, found)),
        }


def differences(expected: frozenset[Pair], found: frozenset[Pair]) -> Iterator[str]:
    """What one deployment answered and the other did not (`-`), and the reverse (`+`)."""
    lines: list[str] = []
    asked = sorted({request for request, _ in expected ^ found})
    for request in asked:
        theirs = {answer for question, answer in expected if question == request}
        ours = {answer for question, answer in found if question == request}
        lines.append(f"  {request.partition(chr(13))[0]}")
        if not theirs or not ours:
            lines.append("+ only asked here" if ours else "- only asked there")
            continue
        before = {line for answer in theirs for line in answer.split("\n")}
        after = {line for answer in ours for line in answer.split("\n")}
        lines += [f"- {line}" for line in sorted(before - after)]
        lines += [f"+ {line}" for line in sorted(after - before)]
    for line in lines[:LINES_KEPT]:
        yield line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]}..."
    if len(lines) > LINES_KEPT:
        yield f"  and {len(lines) - LINES_KEPT} lines more"
