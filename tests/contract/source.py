"""What is written by hand, `requests.yaml`, put together with what the application serves."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.contract.surface import Route

SOURCE = Path(__file__).with_name("requests.yaml")
#: Methods that frameworks add to a rule by themselves.
_ADDED = {"HEAD", "OPTIONS"}


class SourceError(Exception):
    """`requests.yaml` does not fit the application; says where and how."""


@dataclass(frozen=True)
class Operation:
    """A method of a path, with the requests that are sent to it."""

    method: str
    path: str
    routes: tuple[Route, ...]
    details: Mapping[str, Any]
    requests: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def texts(self) -> list[str]:
        """What it does, as each of its views says it."""
        return [self.details.get("text", route.text) for route in self.routes]


@cache
def source() -> Any:
    """What is written by hand."""
    return yaml.safe_load(SOURCE.read_text("utf-8"))


def operations(routes: Iterable[Route]) -> list[Operation]:
    """What the application serves, put together with what is written by hand.

    :raises SourceError: they do not fit.
    """
    given = {
        (name if " " in name else f"GET {name}"): details
        if isinstance(details, dict)
        else {"requests": details}
        for name, details in source()["operations"].items()
    }
    paths: dict[str, list[Route]] = {}
    for route in routes:
        paths.setdefault(route.path, []).append(route)
    found = []
    for path, group in paths.items():
        allowed = {method for route in group for method in route.methods}
        named = {name.partition(" ")[0] for name in given if name.partition(" ")[2] == path}
        if allowed and not named <= allowed:
            raise SourceError(f"{path} has {named - allowed} in {SOURCE.name}, and no such method")
        methods = (allowed - _ADDED) | named or {"GET"}
        for method in sorted(methods, key=lambda method: (method != "GET", method)):
            serving = tuple(route for route in group if not allowed or method in route.methods)
            details = given.pop(f"{method} {path}", None) or _beside(method, path) or {}
            requests = () if "ends" in details else tuple(_requests(method, path, details))
            operation = Operation(method, path, serving, details, requests)
            if "" in operation.texts:
                raise SourceError(
                    f"{operation.name} is served by what has no docstring: say there what it does"
                )
            found.append(operation)
    if given:
        raise SourceError(
            f"{SOURCE.name} has {', '.join(given)}, which the application does not serve"
        )
    return found


def _beside(method: str, path: str) -> dict[str, Any] | None:
    """The details of the same view below the prefix that another application has it at."""
    for prefix, first in source()["beside"].items():
        if path.startswith(f"{prefix}/"):
            name = path.replace(prefix, first, 1)
            details = source()["operations"].get(name if method == "GET" else f"{method} {name}")
            details = details if isinstance(details, dict) else {"requests": details or [name]}
            # One shows that it is there; the rest is as it is without the prefix.
            text = json.dumps(details["requests"][:1]).replace(f'"{first}/', f'"{prefix}/')
            return {**details, "requests": json.loads(text)}
    return None


def _requests(method: str, path: str, details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for given in details.get("requests", [path]):
        request = {"to": given} if isinstance(given, str) else dict(given)
        yield from _each(_request(method, path, request), details.get("values", {}))


def _request(method: str, path: str, given: dict[str, Any]) -> dict[str, Any]:
    target = given.pop("to")
    if not target.startswith("/"):
        # What stands behind the path, or in the place of the variable at its end.
        target = path.partition("{")[0] + target
    headers = dict(given.pop("headers", {}))
    if "type" in given:
        headers["Content-Type"] = given.pop("type")
    request = {"method": given.pop("method", method), "target": target, **given}
    if headers:
        request["headers"] = headers
    if "after" in given:
        request["after"] = [_request("GET", path, dict(earlier)) for earlier in given["after"]]
    return request


def _each(request: dict[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The request for each value of the variable in its target, if there is one."""
    for name, listed in values.items():
        if f"{{{name}}}" in request["target"]:
            for value in values_of(listed):
                yield {**request, "target": request["target"].replace(f"{{{name}}}", value)}
            return
    yield request


def values_of(listed: Any) -> list[str]:
    """Values as they are listed, or the keys of the tables in the code that are named."""
    found: list[str] = []
    for item in [listed] if isinstance(listed, str) else listed:
        module, colon, name = item.partition(":")
        found += getattr(importlib.import_module(module), name) if colon else [item]
    return found
