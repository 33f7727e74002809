"""A request as a curl command, where curl sends the same: one request by the letter of HTTP/1.1.

What curl would put in by itself is taken out, so that request line, fields and body are those that
were recorded; only the order of the fields is curl's. Where that cannot be had there is no command:
`wsgi-conform replay` sends every byte as it was.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

#: Where a deployment is told to be started for the command, when nothing runs any more.
URL = "http://127.0.0.1:8000"
#: The longest body that a command line is still readable with, in bytes.
BODY_SHOWN = 500

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.([01])")
_FIELD_LINE = re.compile(rf"({_TOKEN}):[ \t]*((?:[!-~](?:[ -~]*[!-~])?)?)")
#: What curl takes in a URL as it is (RFC 3986 section 3.3 and 3.4).
_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;=:@/%"
_ORIGIN_FORM = re.compile(rf"/[{_PLAIN}]*(?:\?[{_PLAIN}?]+)?")
#: The deployment's own address, which is another one the next time.
_OWN_ADDRESS = re.compile(r"127\.0\.0\.1:\d{4,5}")
#: Fields by which curl does more than to send them.
_UNSAYABLE = {"transfer-encoding", "expect", "upgrade", "http2-settings"}


def telling(exchanges: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The last exchange that was not one of the suite's own, such as a look at the journal."""
    asked = [found for found in exchanges if not re.match(r"\S+ /-/", found["request"]["text"])]
    return next(iter([*asked[-1:], *exchanges[-1:]]), None)


def command(exchanges: Sequence[dict[str, Any]], url: str = URL) -> str | None:
    """The curl command of the last telling exchange of a check; None where it cannot be said so.

    :param exchanges: those that are kept of a check, as in results.json.
    :param url: where it goes, without a path.
    """
    exchange = telling(exchanges)
    if exchange is None:
        return None
    others = [found for found in exchanges if found is not exchange]
    if any(_together(found, exchange) for found in others):
        return None
    if exchange.get("pauses") or exchange.get("half_closed"):
        return None
    request = exchange["request"]
    return None if len(request["text"]) < request["bytes"] else of_request(request["text"], url)


def _together(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two exchanges were on one connection, or went on at the same time."""
    if one["connection"] == other["connection"]:
        return True
    first, second = sorted((one, other), key=lambda found: float(found["started"]))
    return bool(second["started"] < first["started"] + first["duration_s"])


def of_request(text: str, url: str = URL) -> str | None:
    """The curl command for the bytes of one request, as latin-1 text; None where there is none."""
    head, ended, body = text.partition("\r\n\r\n")
    first, *rest = head.split("\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    matches = [_FIELD_LINE.fullmatch(field) for field in rest]
    fields = [(match[1], match[2]) for match in matches if match]
    names = [name.lower() for name, _ in fields]
    if not ended or line is None or None in matches or _UNSAYABLE & set(names):
        return None
    # Of a field that is there twice curl may drop one, and merge what it knows itself.
    if len(set(names)) < len(names) or len(body) > BODY_SHOWN:
        return None
    method, target, minor = line.groups()
    length = dict(zip(names, (value for _, value in fields), strict=True)).get("content-length")
    if (length or "0") != str(len(body)) or (method == "HEAD" and length is not None):
        return None
    words = ["curl", "-i", f"--http1.{minor}", *_method(method, length is not None)]
    path = target
    if not _ORIGIN_FORM.fullmatch(target):
        words += ["--request-target", target]
        path = "/"
    elif re.search(r"/\.{1,2}(?:[/?]|$)|%2e", target, re.IGNORECASE):
        words.append("--path-as-is")
    words += _fields(fields, names, length is not None)
    if length is None:
        return shlex.join([*words, url + path])
    if re.fullmatch(r"[ -~]*", body):
        data = ["--data-raw" if body.startswith("@") else "--data-binary", body]
        return shlex.join([*words, *data, url + path])
    # What cannot be typed is written by printf, which knows the same escapes in every shell.
    octal = "".join(map(_octal, body))
    if octal.startswith("-"):
        octal = rf"\055{octal[1:]}"  # no option of printf's
    return f"printf {shlex.quote(octal)} | " + shlex.join(
        [*words, "--data-binary", "@-", url + path]
    )


def _method(method: str, has_body: bool) -> list[str]:
    if method == "HEAD":
        return ["--head"]
    return [] if method == ("POST" if has_body else "GET") else ["-X", method]


def _fields(fields: Sequence[tuple[str, str]], names: Sequence[str], has_body: bool) -> list[str]:
    words = []
    # What curl sends without being asked.
    own = ["Host", "User-Agent", "Accept", *(["Content-Type"] if has_body else [])]
    for name in own:
        if name.lower() not in names:
            words += ["-H", f"{name}:"]
    for name, value in fields:
        if name.lower() == "content-length" or (
            name.lower() == "host" and _OWN_ADDRESS.fullmatch(value)
        ):
            continue
        words += ["-H", f"{name}: {value}" if value else f"{name};"]
    return words


def _octal(character: str) -> str:
    if character in "\r\n\t":
        return {"\r": r"\r", "\n": r"\n", "\t": r"\t"}[character]
    if character in "\\%":
        return character * 2
    return character if " " <= character <= "~" else f"\\{ord(character):03o}"
