"""The HTTP client of the checks: requests, with the wire client underneath.

requests gives what browsers and applications have: cookies, forms, redirects, encodings. The
adapter here replaces its transport, so that the bytes are recorded and the answer is read strictly.
Every request has a connection of its own and says `Connection: close`: what a check is about does
not depend on keep-alive, which has checks of its own.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from email.message import Message
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPHeaderDict, HTTPResponse

from conformance.client.wire import PeerError, Response, Wire

#: Seconds between two looks at the journal.
POLL_S = 0.005


class Found(dict[str, Any]):
    """A JSON object of the peer's: what is missing in it is the peer's fault and no KeyError."""

    def __missing__(self, key: str) -> Any:
        raise PeerError(f"expected {key!r} in {sorted(self)}")


def read_json(response: Response, shape: type = dict) -> Any:
    """The body of a response, read as JSON.

    :param shape: what it has to be: dict, or another of those that JSON gives.
    :raises PeerError: it is not JSON, or has another shape.
    """
    try:
        found = json.loads(response.body, object_hook=Found)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, shape):
        raise PeerError(
            f"expected JSON, {shape.__name__}, "
            f"found {response.describe()} with body {response.body[:200]!r}"
        )
    return found


class Answer(requests.Response):
    """A requests response that blames the peer for what is missing or cannot be read in it."""

    #: The response as it came over the wire.
    wire: Response

    def header(self, name: str) -> str:
        """The value of a field that has to be there exactly once.

        :raises PeerError: it is missing or is there more than once.
        """
        return self.wire.header(name)

    def json(self, *, shape: type = dict, **kwargs: Any) -> Any:
        """The body read as JSON.

        :param shape: what it has to be: dict, or another of those that JSON gives.
        :raises PeerError: it is not JSON, or has another shape.
        """
        return read_json(self.wire, shape)


class _Original:
    """The little that http.cookiejar asks of an http.client response."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.msg = Message()
        for name, value in fields:
            self.msg.add_header(name, value)

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """There is nothing to close: the wire client read the whole response."""


class WireAdapter(BaseAdapter):
    """The transport of requests, replaced by the wire client."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Answer:
        """Send one request and read its response."""
        method = request.method or "GET"
        body = request.body
        if isinstance(body, str):
            body = body.encode()
        if body is not None and not isinstance(body, bytes):
            raise TypeError(f"expected a body of bytes or text, found {type(body).__name__}")
        fields = [(name, _text(value)) for name, value in request.headers.items()]
        lines = [f"{method} {request.path_url} HTTP/1.1"]
        if "Host" not in request.headers:
            host, port = self._wire.address
            lines.append(f"Host: {host}:{port}")
        lines += [f"{name}: {value}" for name, value in fields]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        wire_response = self._wire.exchange(head + (body or b""), method)
        return self._answer(request, wire_response)

    def close(self) -> None:
        """Connections belong to the wire client."""

    def _answer(self, request: requests.PreparedRequest, response: Response) -> Answer:
        answer = Answer()
        answer.wire = response
        answer.status_code = response.status
        answer.reason = response.reason
        headers = HTTPHeaderDict()
        for name, value in response.fields:
            headers.add(name, value)
        answer.headers = CaseInsensitiveDict(headers)
        answer.encoding = get_encoding_from_headers(answer.headers)
        answer.url = request.url or ""
        answer.request = request
        answer.raw = HTTPResponse(
            body=io.BytesIO(response.body),
            headers=headers,
            status=response.status,
            reason=response.reason,
            preload_content=False,
            enforce_content_length=False,  # the wire client has judged the framing
            original_response=_Original(response.fields),  # type: ignore[arg-type]
        )
        extract_cookies_to_jar(answer.cookies, request, answer.raw)  # type: ignore[no-untyped-call]
        return answer


class Client(requests.Session):
    """One user of the application: a cookie jar, and paths instead of URLs; follows no redirect."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        host, port = wire.address
        self.base_url = f"http://{host}:{port}"
        self.trust_env = False
        self.headers = CaseInsensitiveDict({"Accept": "*/*", "Connection": "close"})
        self.mount("http://", WireAdapter(wire))

    def request(self, method: str, url: str, **kwargs: Any) -> Answer:  # type: ignore[override]
        """Send a request for a path of the application."""
        kwargs.setdefault("allow_redirects", False)
        answer = super().request(method, self.base_url + url, **kwargs)
        assert isinstance(answer, Answer)
        return answer

    def get(self, url: str, **kwargs: Any) -> Answer:  # type: ignore[override]
        """GET a path."""
        return self.request("GET", url, **kwargs)

    def head(self, url: str, **kwargs: Any) -> Answer:  # type: ignore[override]
        """HEAD of a path."""
        return self.request("HEAD", url, **kwargs)

    def options(self, url: str, **kwargs: Any) -> Answer:  # type: ignore[override]
        """OPTIONS of a path."""
        return self.request("OPTIONS", url, **kwargs)

    def post(self, url: str, **kwargs: Any) -> Answer:  # type: ignore[override]
        """POST to a path."""
        return self.request("POST", url, **kwargs)

    def journal(
        self, key: str, until: Callable[[list[dict[str, Any]]], bool] = bool
    ) -> list[dict[str, Any]]:
        """What the application wrote in the journal under a key, once `until` holds of it.

        What happens after a response (teardown, `close()`) cannot be seen in that response, so this
        looks again until the fact is there. When the time limit passes first, the entries so far
        come back and the check says what is missing.
        """
        deadline = time.monotonic() + self._wire.time_limit_s
        while True:
            events: list[dict[str, Any]] = self.get(f"/-/journal/{key}").json(shape=list)
            if not all(isinstance(event, dict) for event in events):
                raise PeerError(f"expected the journal as a list of objects, found {events!r}")
            if until(events) or time.monotonic() > deadline:
                return events
            time.sleep(POLL_S)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
