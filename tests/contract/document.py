"""The contract of the reference application, as an OpenAPI document.

Paths, methods, converters and what each view promises are read off the code; which requests show it
is in `requests.yaml`; the responses are those of the application on its own framework. So what the
document says of a response is not written by hand. `python -m tests.contract` writes it anew.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
import yaml

import conformance
import reference_app
from tests.contract import usage
from tests.contract.exchanges import phrase
from tests.contract.surface import Route

PATH = Path(reference_app.__file__).with_name("openapi.yaml")
SOURCE = Path(__file__).with_name("requests.yaml")
#: Methods that an OpenAPI path item has a place for.
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
#: Methods that frameworks add to a rule by themselves.
_ADDED = {"HEAD", "OPTIONS"}
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w-]+)*")
#: What each area is about, in the order of the document.
AREAS = {
    "suite": "What the suite itself asks: who answers, what is in its journal.",
    "routing": "Rules, converters, methods, redirects and the building of URLs.",
    "request": "What a view finds in a request: its body, its header, its URL.",
    "response": "What views return, fields and cookies, streams and files.",
    "hooks": "What runs before, after and at the end of a request.",
    "session": "The signed cookie, and messages that are flashed through it.",
    "context": "Contexts, while several requests are handled.",
    "errors": "What becomes of exceptions and of malformed requests.",
    "security": "What goes wrong where an application hands on what a client sent.",
    "load": "Bodies that are too large to be kept, and many requests.",
    "lifecycle": "Start and stop: requests that stay, streams that stay, an end.",
    "http": "HTTP/1.1 on the connection: syntax, framing, persistence.",
    "wsgi": "PEP 3333, by plain WSGI callables that no framework stands in front of.",
}


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


def observe(
    requests: Sequence[dict[str, Any]], framework: str = ""
) -> tuple[list[Route], list[dict[str, Any]]]:
    """The routes and the answers of the application on a framework, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.exchanges"],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "WSGI_CONFORM_FRAMEWORK": framework},
        cwd=Path(conformance.__file__).parents[1],
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    told = json.loads(done.stdout)
    found = [Route(**{**route, "methods": tuple(route["methods"])}) for route in told["routes"]]
    return found, told["answers"]


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
            for value in _values(listed):
                yield {**request, "target": request["target"].replace(f"{{{name}}}", value)}
            return
    yield request


def _values(listed: Any) -> list[str]:
    """Values as they are listed, or the keys of the tables in the code that are named."""
    found: list[str] = []
    for item in [listed] if isinstance(listed, str) else listed:
        module, colon, name = item.partition(":")
        found += getattr(importlib.import_module(module), name) if colon else [item]
    return found


# The document


def text() -> str:
    """The document's text, made anew."""
    found, _ = observe([])
    listed = operations(found)
    _, answers = observe([request for operation in listed for request in operation.requests])
    built = build(listed, iter(answers))
    head = "# Made by `python -m tests.contract` from the code and tests/contract/requests.yaml.\n"
    return head + yaml.dump(
        built,
        Dumper=_Dumper,
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


class _Dumper(yaml.CSafeDumper):
    """Says everything where it stands, and texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, data: dumper.represent_scalar(
        "tag:yaml.org,2002:str", data, style="|" if "\n" in data else None
    ),
)


def build(listed: Iterable[Operation], answers: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The document.

    :param answers: what the requests of the operations were answered with, in their order.
    """
    paths: dict[str, Any] = {}
    for operation in listed:
        item = paths.setdefault(operation.path, {"x-rules": []})
        for route in operation.routes:
            rule = _rule(route)
            if rule not in item["x-rules"]:
                item["x-rules"].append(rule)
        method = operation.method.lower()
        built = _operation(operation, [(request, next(answers)) for request in operation.requests])
        item[method if method in _METHODS else f"x-{method}"] = built
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The application under test",
            "version": conformance.__version__,
            "summary": "What a WSGI application has to answer for the checks to run.",
            "description": source()["description"],
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in AREAS.items()],
        "paths": paths,
    }


def _rule(route: Route) -> dict[str, Any]:
    rule: dict[str, Any] = {"rule": route.rule}
    if route.host:
        rule["host"] = route.host
    rule["methods"] = list(route.methods) or "any"
    return rule


def _operation(
    operation: Operation, exchanges: list[tuple[dict[str, Any], dict[str, Any]]]
) -> dict[str, Any]:
    summary, _, more = "\n\n".join(dict.fromkeys(operation.texts)).partition("\n\n")
    built: dict[str, Any] = {
        "tags": _tags(operation),
        "summary": " ".join(summary.split()),
        "operationId": re.sub(r"\W+", "-", f"{operation.method.lower()} {operation.path}").strip(
            "-"
        ),
    }
    if more:
        built["description"] = more
    for name in ("holds", "ends", "varies"):
        if name in operation.details:
            built[f"x-{name}"] = operation.details[name]
    if "parties" in _names(operation.requests):
        built["x-holds"] = "until `parties` requests with this key are in their handlers"
    built |= _asked(operation)
    schema = operation.details.get("schema")
    built["responses"] = _responses([answer for _, answer in exchanges], schema) or {
        "default": {"description": "The process ends."}
    }
    if exchanges:
        built["x-exchanges"] = [
            {"request": request, "response": _kept(answer, built)} for request, answer in exchanges
        ]
    return built


def _tags(operation: Operation) -> list[str]:
    if operation.path.startswith("/-/"):
        return ["suite"]
    found = usage.areas(operation.path).union(operation.details.get("tags", []))
    return [area for area in AREAS if area in found]


def _kept(answer: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """What the document says of an answer."""
    if not operation.get("x-varies"):
        return answer
    return {key: value for key, value in answer.items() if key not in ("body", "headers")}


def _names(requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names in the queries of requests, in order of appearance."""
    return list(dict.fromkeys(name for request in requests for name, _ in _query(request)))


def _query(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    return parse_qsl(request["target"].partition("?")[2], keep_blank_values=True, errors="replace")


def _asked(operation: Operation) -> dict[str, Any]:
    """The parameters and the body of an operation's requests."""
    parameters = [*_in_path(operation), *_in_query(operation), *_in_head(operation)]
    asked: dict[str, Any] = {"parameters": parameters} if parameters else {}
    bodies: dict[str, list[str]] = {}
    for request in operation.requests:
        if "body" in request:
            bodies.setdefault(request["headers"]["Content-Type"], []).append(request["body"])
    if bodies:
        asked["requestBody"] = {
            "required": all("body" in request for request in operation.requests),
            "content": {
                kind: {"schema": {} if kind == "application/json" else {"type": "string"}}
                for kind in bodies
            },
        }
    return asked


def _in_path(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        schemas: list[dict[str, Any]] = []
        converters = []
        for route in operation.routes:
            [(converter, arguments)] = [
                (converter, arguments)
                for converter, arguments, found in re.findall(
                    r"<(?:(\w+)(?:\(([^)]*)\))?:)?(\w+)>", route.rule
                )
                if found == name
            ]
            converters.append(
                f"{converter or 'string'}({arguments})" if arguments else converter or "string"
            )
            if (schema := _converted(converter, arguments)) not in schemas:
                schemas.append(schema)
        if name in operation.details.get("values", {}):
            schemas = [{"type": "string", "enum": _values(operation.details["values"][name])}]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
            "x-converters": list(dict.fromkeys(converters)),
        }


def _converted(converter: str, arguments: str) -> dict[str, Any]:
    """The schema of what a converter takes."""
    call = ast.parse(f"f({arguments})", mode="eval").body
    assert isinstance(call, ast.Call)
    options: dict[str, Any] = {
        str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords
    }
    if converter == "any":
        values = [
            argument.id if isinstance(argument, ast.Name) else ast.unparse(argument).strip("'")
            for argument in call.args
        ]
        return {"type": "string", "enum": values}
    if "fixed_digits" in options:
        return {"type": "string", "pattern": f"^[0-9]{{{options['fixed_digits']}}}$"}
    if converter in ("int", "float"):
        limits = {} if options.get("signed") else {"minimum": 0}
        limits |= {f"{key}imum": options[key] for key in ("min", "max") if key in options}
        return {"type": "integer" if converter == "int" else "number", **limits}
    if converter == "uuid":
        return {"type": "string", "format": "uuid"}
    if converter in source()["converters"]:
        return dict(source()["converters"][converter])
    if "length" in options:
        options = {"minlength": options["length"], "maxlength": options["length"]}
    limits = {"minLength": options.get("minlength", 1)}
    if "maxlength" in options:
        limits["maxLength"] = options["maxlength"]
    return {"type": "string", **limits}


def _in_query(operation: Operation) -> Iterator[dict[str, Any]]:
    queries = [_query(request) for request in operation.requests]
    for name in _names(operation.requests):
        if name not in source()["parameters"]:
            raise SourceError(
                f"{operation.name}: what is the parameter {name}? {SOURCE.name} does not say"
            )
        schema: dict[str, Any] = {"type": source()["types"].get(name, "string")}
        if name in operation.details.get("values", {}):
            schema["enum"] = _values(operation.details["values"][name])
        if any([found for found, _ in query].count(name) > 1 for query in queries):
            schema = {"type": "array", "items": schema}
        yield {
            "name": name,
            "in": "query",
            "description": source()["parameters"][name],
            "required": all(name in dict(query) for query in queries),
            "schema": schema,
        }


def _in_head(operation: Operation) -> Iterator[dict[str, Any]]:
    fields = [request.get("headers", {}) for request in operation.requests]
    for name in dict.fromkeys(name for field in fields for name in field):
        if name in source()["headers"]:
            yield {
                "name": name,
                "in": "header",
                "description": source()["headers"][name],
                "schema": {"type": "string"},
            }
        elif name not in ("Content-Type", "Cookie", "Host"):
            raise SourceError(
                f"{operation.name}: what is the field {name}? {SOURCE.name} does not say"
            )
    if any("after" in request for request in operation.requests):
        name = "configured" if operation.path.startswith("/session-configured") else "session"
        yield {
            "name": name,
            "in": "cookie",
            "description": "the signed cookie that an earlier response has set",
            "schema": {"type": "string"},
        }


def _responses(answers: Iterable[dict[str, Any]], schema: Any) -> dict[str, Any]:
    """What the answers have in common, by their status."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        groups.setdefault(str(answer.get("status", "default")), []).append(answer)
    return {
        status: _response(status, group, schema if status.startswith("2") else None)
        for status, group in sorted(groups.items())
    }


def _response(status: str, group: list[dict[str, Any]], schema: Any) -> dict[str, Any]:
    if status == "default":
        description = "The application hands over no response that can be sent."
    else:
        description = phrase(int(status)) or group[0]["line"]
    response: dict[str, Any] = {"description": description}
    names = [
        name
        for name in dict.fromkeys(name for answer in group for name in answer["headers"])
        if _TOKEN.fullmatch(name) and name.lower() not in ("content-type", "content-length")
    ]
    if names:
        response["headers"] = {
            name: {
                "required": all(name in answer["headers"] for answer in group),
                "schema": {"type": "string"},
            }
            for name in names
        }
    content: dict[str, list[Any]] = {}
    for answer in group:
        kind = str(answer["headers"].get("Content-Type", ""))
        if _MEDIA_TYPE.fullmatch(kind) and answer["body"] != "":
            content.setdefault(kind, []).append(answer["body"])
    if content:
        response["content"] = {
            kind: {
                "schema": (schema or infer([body["json"] for body in bodies]))
                if kind == "application/json"
                else {"type": "string"}
            }
            for kind, bodies in content.items()
        }
    return response


def infer(values: Sequence[Any]) -> dict[str, Any]:
    """The schema that just these values have: every key that is in one of them, and no other."""
    by_type: dict[str, list[Any]] = {}
    for value in values:
        by_type.setdefault(_type(value), []).append(value)
    if "number" in by_type:
        by_type.pop("integer", None)
    simple = [name for name in by_type if name not in ("object", "array")]
    schemas: list[dict[str, Any]] = []
    if simple:
        schemas.append({"type": simple[0] if len(simple) == 1 else simple})
    if "array" in by_type:
        items = [item for value in by_type["array"] for item in value]
        schemas.append({"type": "array", **({"items": infer(items)} if items else {})})
    if "object" in by_type:
        objects = by_type["object"]
        names = list(dict.fromkeys(name for value in objects for name in value))
        schemas.append(
            {
                "type": "object",
                "required": [name for name in names if all(name in value for value in objects)],
                "properties": {
                    name: infer([value[name] for value in objects if name in value])
                    for name in names
                },
                "additionalProperties": False,
            }
        )
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _type(value: Any) -> str:
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(type(value)) or ("array" if isinstance(value, list) else "object")


# Whether an application keeps to the document


def differences(
    document: Mapping[str, Any], routes: Iterable[Route], answers: Mapping[str, dict[str, Any]]
) -> list[str]:
    """What an application does otherwise than the document says, a line each.

    :param answers: by `key` of the request that the document shows.
    """
    expected = [json.dumps(rule) for item in document["paths"].values() for rule in item["x-rules"]]
    found = [json.dumps(_rule(route)) for route in routes]
    told = [f"{rule} is not served" for rule in expected if rule not in found]
    told += [f"{rule} is served and not in the document" for rule in found if rule not in expected]
    for operation in document_operations(document):
        for exchange in operation.get("x-exchanges", []):
            answer = answers[key(exchange["request"])]
            told += [
                f"{exchange['request']['method']} {exchange['request']['target']}: {line}"
                for line in _unlike(operation, exchange["response"], answer)
            ]
    return told


def document_operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The operations of a document, those included that OpenAPI has no place for."""
    for item in document["paths"].values():
        yield from (value for name, value in item.items() if name != "x-rules")


def key(request: Mapping[str, Any]) -> str:
    """What tells a request from others."""
    return json.dumps(request, sort_keys=True)


def _unlike(
    operation: Mapping[str, Any], expected: Mapping[str, Any], answer: dict[str, Any]
) -> Iterator[str]:
    kept = _kept(answer, operation)
    for part in dict.fromkeys([*expected, *kept]):
        if expected.get(part) != kept.get(part):
            yield f"{part} is {kept.get(part)!r}, where the document says {expected.get(part)!r}"
    response = operation["responses"].get(str(answer.get("status", "default")), {})
    body, kind = answer["body"], answer["headers"].get("Content-Type")
    if isinstance(body, dict) and "json" in body:
        schema = response.get("content", {}).get(kind, {}).get("schema", False)
        for error in jsonschema.Draft202012Validator(schema).iter_errors(body["json"]):
            yield f"body at {error.json_path}: {error.message}"
