"""Whether an application keeps to the document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema

from tests.contract.document import kept, rule_of
from tests.contract.surface import Route


def differences(
    document: Mapping[str, Any], routes: Iterable[Route], answers: Mapping[str, dict[str, Any]]
) -> list[str]:
    """What an application does otherwise than the document says, a line each.

    :param answers: by `key` of the request that the document shows.
    """
    expected = [json.dumps(rule) for item in document["paths"].values() for rule in item["x-rules"]]
    found = [json.dumps(rule_of(route)) for route in routes]
    told = [f"{rule} is not served" for rule in expected if rule not in found]
    told += [f"{rule} is served and not in the document" for rule in found if rule not in expected]
    for operation in operations_of(document):
        for exchange in operation.get("x-exchanges", []):
            answer = answers[key(exchange["request"])]
            told += [
                f"{exchange['request']['method']} {exchange['request']['target']}: {line}"
                for line in _unlike(operation, exchange["response"], answer)
            ]
    return told


def operations_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The operations of a document, those included that OpenAPI has no place for."""
    for item in document["paths"].values():
        yield from (value for name, value in item.items() if name != "x-rules")


def key(request: Mapping[str, Any]) -> str:
    """What tells a request from others."""
    return json.dumps(request, sort_keys=True)


def _unlike(
    operation: Mapping[str, Any], expected: Mapping[str, Any], answer: dict[str, Any]
) -> Iterator[str]:
    told = kept(answer, operation)
    for part in dict.fromkeys([*expected, *told]):
        if expected.get(part) != told.get(part):
            yield f"{part} is {told.get(part)!r}, where the document says {expected.get(part)!r}"
    response = operation["responses"].get(str(answer.get("status", "default")), {})
    body, kind = answer["body"], answer["headers"].get("Content-Type")
    if isinstance(body, dict) and "json" in body:
        schema = response.get("content", {}).get(kind, {}).get("schema", False)
        for error in jsonschema.Draft202012Validator(schema).iter_errors(body["json"]):
            yield f"body at {error.json_path}: {error.message}"
