"""What the checks of a request's head share: how it is answered, and what the application saw."""

from __future__ import annotations

from typing import Any

from conformance.checks.probes import exchange, first, read_json
from conformance.client import Response, Wire
from conformance.client.http import Found

LINE = "GET /wsgi/environ HTTP/1.1"


def answer(wire: Wire, data: bytes) -> Response:
    """The first answer to bytes on a connection of their own."""
    return first(exchange(wire, data))


def answered(wire: Wire, data: bytes, *statuses: int) -> Response:
    """The first answer, which has to have one of these statuses."""
    response = answer(wire, data)
    assert response.status in statuses, f"expected {statuses}, found {response.describe()}"
    return response


def environ_of(response: Response) -> dict[str, Any]:
    """The environ as the application saw it."""
    values = read_json(response)["values"]
    return Found({key: entry["value"] for key, entry in values.items()})
