"""The contract of the reference application is what the application does, on both frameworks."""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from reference_app.api import Flask
from reference_app.application import create_app
from tests.contract import document
from tests.contract.differences import differences, key, operations_of
from tests.contract.exchanges import observe, send
from tests.contract.source import Operation, SourceError, operations, source
from tests.contract.surface import Route, routes

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "bottle_app" / "application.py"

Answers = dict[str, dict[str, Any]]


@cache
def contract() -> Any:
    """The document as it is in the repository."""
    return yaml.load(document.PATH.read_text("utf-8"), Loader=yaml.CSafeLoader)


def requests() -> list[dict[str, Any]]:
    """The requests of all exchanges that the document shows."""
    return [
        exchange["request"]
        for operation in operations_of(contract())
        for exchange in operation.get("x-exchanges", [])
    ]


def by_key(asked: Iterable[dict[str, Any]], answers: Iterable[dict[str, Any]]) -> Answers:
    return dict(zip(map(key, asked), answers, strict=True))


@cache
def observed(framework: str) -> tuple[list[Route], Answers]:
    """What the application is and does on a framework."""
    found, answers = observe(requests(), framework)
    return found, by_key(requests(), answers)


def test_it_is_valid_openapi() -> None:
    errors = OpenAPIV31SpecValidator(contract()).iter_errors()
    assert [(list(error.absolute_path), error.message) for error in errors] == []


def test_it_is_fresh() -> None:
    assert document.text() == document.PATH.read_text("utf-8"), "run make catalogue"


def test_every_operation_has_an_exchange_or_ends_the_process() -> None:
    silent = [
        operation["operationId"]
        for operation in operations_of(contract())
        if bool(operation.get("x-exchanges")) == ("x-ends" in operation)
    ]
    assert silent == []


@pytest.mark.parametrize("framework", ["reference", "flask"])
def test_the_application_keeps_to_it(framework: str) -> None:
    assert differences(contract(), *observed(framework)) == []


# What is broken is noticed


class WithoutARoute(Flask):
    """An application in which somebody has forgotten a view."""

    def add_url_rule(self, rule: str, *arguments: Any, **options: Any) -> None:
        if rule != "/session/untouched":
            super().add_url_rule(rule, *arguments, **options)


def changed(
    application: WSGIApplication, status: str | None = None, body: bytes | None = None
) -> WSGIApplication:
    """An application that answers with another status, or with another body."""

    def served(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status or line, headers, exc_info)

        found = application(environ, start)
        return found if body is None else [body]

    return served


def told(
    target: str, application: WSGIApplication | None = None, app: Flask | None = None
) -> list[str]:
    """What is said of an application of which one request is answered anew."""
    [asked] = [
        request
        for request in requests()
        if (request["method"], request["target"]) == ("GET", target)
    ]
    _, answers = observed("reference")
    app = app or create_app()
    answer = send(application or app, asked)
    return differences(contract(), routes(app), {**answers, key(asked): answer})


def test_a_missing_route_is_noticed() -> None:
    assert told("/session/untouched", app=create_app(WithoutARoute))[0] == (
        '{"rule": "/session/untouched", "methods": ["GET", "HEAD", "OPTIONS"]} is not served'
    )


def test_a_route_that_is_not_in_the_document_is_noticed() -> None:
    app = create_app()
    app.add_url_rule("/new", "new", lambda: "new")
    assert told("/session/untouched", app=app) == [
        '{"rule": "/new", "methods": ["GET", "HEAD", "OPTIONS"]} is served and not in the document'
    ]


def test_a_wrong_status_is_noticed() -> None:
    served = changed(create_app(), status="201 Created")
    assert told("/routing/plain", served) == [
        "GET /routing/plain: status is 201, where the document says 200",
        "GET /routing/plain: body at $: False schema does not allow "
        "{'arguments': {}, 'endpoint': 'routing.plain'}",
    ]


def test_a_wrong_form_of_the_body_is_noticed() -> None:
    lines = told("/-/resources", changed(create_app(), body=b'{"pid": "4711", "descriptors": 7}'))
    assert lines == [
        "GET /-/resources: body at $: 'threads' is a required property",
        "GET /-/resources: body at $.pid: '4711' is not of type 'integer'",
    ]


def test_a_wrong_value_in_the_body_is_noticed() -> None:
    [line] = told("/context/flags", changed(create_app(), body=b'{"run_once": true}'))[:1]
    assert line.startswith("GET /context/flags: body is {'json': {'run_once': True}}")


# What does not fit together is said


def test_a_view_without_a_docstring_is_an_error() -> None:
    found = [*routes(create_app()), Route("/new", "/new", "", ("GET", "HEAD"), "")]
    with pytest.raises(SourceError, match="GET /new is served by what has no docstring"):
        operations(found)


def test_what_the_source_names_and_the_application_does_not_serve_is_an_error() -> None:
    found = [route for route in routes(create_app()) if route.path != "/wsgi/url"]
    with pytest.raises(SourceError, match=r"has GET /wsgi/url, which .* does not serve"):
        operations(found)


def test_a_parameter_that_is_not_explained_is_an_error() -> None:
    route = Route("/new", "/new", "", ("GET",), "New.")
    asked = ({"method": "GET", "target": "/new?unheard-of=1"},)
    operation = Operation("GET", "/new", (route,), {}, asked)
    with pytest.raises(SourceError, match="what is the parameter unheard-of"):
        document.build([operation], iter([{"status": 200, "headers": {}, "body": ""}]))


def test_whatever_is_explained_is_there() -> None:
    found = {
        parameter["name"]
        for operation in operations_of(contract())
        for parameter in operation.get("parameters", [])
    }
    assert {*source()["parameters"], *source()["headers"]} - found == set()


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ([1, 2.5], {"type": "number"}),
        (["a", None], {"type": ["string", "null"]}),
        ([[], [1]], {"type": "array", "items": {"type": "integer"}}),
        (
            [{"a": 1, "b": True}, {"a": 2}],
            {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}},
                "additionalProperties": False,
            },
        ),
        (
            [None, [1]],
            {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "integer"}}]},
        ),
    ],
)
def test_a_schema_is_of_what_was_seen(values: list[Any], schema: dict[str, Any]) -> None:
    assert document.infer(values) == schema


# What docs/contract.md says


def test_which_areas_need_no_view_of_a_framework() -> None:
    needs_views = {
        area
        for item in contract()["paths"].values()
        for method, operation in item.items()
        if method != "x-rules" and item["x-rules"][0]["methods"] != "any"
        for area in operation["tags"]
    }
    assert set(document.AREAS) - needs_views == {"http", "load"}


@pytest.mark.parametrize(
    "target",
    [
        "/routing/plain",
        "/routing/string/%C3%A9",
        "/routing/float/1.5",
        "/routing/query?a=1&a=2&b=",
        "/load/download?size=100&block=64",
        "/wsgi/close/order?key=k",
        "/-/journal/k",
    ],
)
def test_the_example_on_another_framework_keeps_to_it(target: str) -> None:
    application = runpy.run_path(str(EXAMPLE))["application"]
    [exchange] = [
        exchange
        for operation in operations_of(contract())
        for exchange in operation.get("x-exchanges", [])
        if exchange["request"] == {"method": "GET", "target": target}
    ]
    answer = send(application, exchange["request"])
    assert {**answer, "headers": ...} == {**exchange["response"], "headers": ...}
