"""Request bodies as the request checks send them, and what the application says it found."""

from __future__ import annotations

import hashlib
from typing import Any

from conformance.checks.probes import read_json, request
from conformance.client import PeerError, Wire
from conformance.client.http import Found

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "a-boundary-of-the-suite"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def part(disposition: str | bytes, content: bytes = b"", *fields: str) -> bytes:
    """A part of a multipart form: what follows `form-data; `, its content, and more fields."""
    if isinstance(disposition, str):
        disposition = disposition.encode()
    lines = [b"Content-Disposition: form-data; " + disposition]
    lines += [field.encode() for field in fields]
    return b"\r\n".join([*lines, b"", content])


def multipart(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """A multipart body of these parts (RFC 2046 section 5.1.1)."""
    delimiter = f"--{boundary}".encode()
    pieces = [delimiter + b"\r\n" + each + b"\r\n" for each in parts]
    return b"".join(pieces) + delimiter + b"--\r\n"


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of that many bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def send(
    wire: Wire,
    target: str,
    body: bytes,
    content_type: str | None,
    method: str = "POST",
    shape: type = dict,
) -> Any:
    """The JSON, of that shape, that answers a request with a body of that content type."""
    fields = [f"Content-Length: {len(body)}", "Connection: close"]
    if content_type is not None:
        fields.append(f"Content-Type: {content_type}")
    data = request(f"{method} {target} HTTP/1.1", *fields, body=body)
    return read_json(wire.exchange(data, method), shape)


def show(
    wire: Wire, names: str, body: bytes, content_type: str | None, method: str = "POST"
) -> Any:
    """What these attributes of a request with that body are, by their names."""
    return send(wire, f"/request/show/{names}", body, content_type, method)


def sha256(data: bytes) -> str:
    """The digest by which big content is compared."""
    return hashlib.sha256(data).hexdigest()


def uploaded(found: Any) -> dict[str, list[Any]]:
    """The files of a form by their names.

    :raises PeerError: it is not what the application answers.
    """
    try:
        files = {str(name): list(items) for name, items in found}
    except (TypeError, ValueError):
        raise PeerError(f"expected files by name, found {found!r}") from None
    if not all(isinstance(item, dict) for items in files.values() for item in items):
        raise PeerError(f"expected each file as an object, found {found!r}")
    return Found(files)


def file(found: Any, name: str = "file") -> Any:
    """The one file of that name.

    :raises PeerError: there is none, or more.
    """
    files = uploaded(found)[name]
    if len(files) != 1:
        raise PeerError(f"expected one file, found {files!r}")
    return files[0]
