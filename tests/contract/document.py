"""The contract of the reference application, as an OpenAPI document.

Paths, methods, converters and what each view promises are read off the code; which requests show it
is in `requests.yaml`; the responses are those of the application on its own framework. So what the
document says of a response is not written by hand. `python -m tests.contract` writes it anew.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import yaml

import conformance
import reference_app
from tests.contract import usage
from tests.contract.exchanges import observe, phrase
from tests.contract.source import SOURCE, Operation, SourceError, operations, source, values_of
from tests.contract.surface import Route

PATH = Path(reference_app.__file__).with_name("openapi.yaml")
#: Methods that an OpenAPI path item has a place for.
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
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
            rule = rule_of(route)
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


def rule_of(route: Route) -> dict[str, Any]:
    """A route as the document lists it."""
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
            {"request": request, "response": kept(answer, built)} for request, answer in exchanges
        ]
    return built


def _tags(operation: Operation) -> list[str]:
    if operation.path.startswith("/-/"):
        return ["suite"]
    found = usage.areas(operation.path).union(operation.details.get("tags", []))
    return [area for area in AREAS if area in found]


def kept(answer: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """What the document says of an answer."""
    if not operation.get("x-varies"):
        return answer
    headers = {name: value for name, value in answer["headers"].items() if name != "Content-Length"}
    return {key: answer[key] for key in answer if key != "body"} | {"headers": headers}


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
            schemas = [{"type": "string", "enum": values_of(operation.details["values"][name])}]
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
            schema["enum"] = values_of(operation.details["values"][name])
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
