"""From a `Request` to the environ of PEP 3333."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from .parser import Request

# The keys that `make_environ` sets for every request. They are in the base environ too, with
# nothing in them, so that a copy of it has room: a dict that grows under the hands of each request
# costs more than all the rest of this module.
PLACEHOLDERS = dict.fromkeys(
    (
        "REQUEST_METHOD",
        "PATH_INFO",
        "QUERY_STRING",
        "REQUEST_URI",
        "RAW_URI",
        "SERVER_PROTOCOL",
        "wsgi.input",
    )
)


def make_environ(base: dict[str, Any], request: Request, body: object) -> dict[str, Any]:
    """Return the environ of one request.

    PATH_INFO is percent-decoded, as CGI has it, so "%2F" and "/" become the same there; who must
    tell them apart finds the target as it was sent in `REQUEST_URI` and `RAW_URI`. The decoded
    bytes are passed as a string of code points below 256 (PEP 3333, "Unicode Issues"), so
    `environ["PATH_INFO"].encode("latin-1")` gives back the bytes that were sent.

    :param base: what is the same for all requests of the connection; copied.
    :param request: the head.
    :param body: the stream for `wsgi.input`.
    """
    environ = base.copy()  # roomy already, see `PLACEHOLDERS`
    environ.update(request.fields)
    path = request.path
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    environ["REQUEST_METHOD"] = request.method
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = request.query
    environ["REQUEST_URI"] = environ["RAW_URI"] = request.target
    environ["SERVER_PROTOCOL"] = request.protocol
    environ["wsgi.input"] = body
    return environ
