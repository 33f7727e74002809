"""Some routes of the contract on Bottle, in the words of Bottle.

`docs/contract.md` says how to run checks against them. What is missing here answers 404, and what
Bottle does otherwise than Flask fails.
"""

from __future__ import annotations

import json
from typing import Any

from bottle import Bottle, request, response

from reference_app.areas import journal, load
from reference_app.areas.protocol import Middleware, Validation
from reference_app.own import identified

routes = Bottle()


def shown(view: str, **values: object) -> dict[str, Any]:
    """The view that was chosen and its arguments, with the type that each had there."""
    arguments = {
        name: {"type": type(value).__name__, "value": value} for name, value in values.items()
    }
    return {"endpoint": f"routing.{view}", "arguments": arguments}


@routes.get("/routing/plain")
def plain() -> dict[str, Any]:
    return shown("plain")


@routes.get("/routing/string/<value>")
def string(value: str) -> dict[str, Any]:
    return shown("string", value=value)


@routes.get("/routing/float/<value:float>")
def real(value: float) -> dict[str, Any]:
    return shown("real", value=value)


@routes.get("/routing/query")
@routes.get("/rules/query")
def query() -> dict[str, list[str]]:
    # Bottle leaves text in the latin-1 of WSGI until it is asked to decode it.
    found = request.query.decode()
    return {name: found.getall(name) for name in found}


@routes.get("/-/journal/<key>")
def read_journal(key: str) -> str:
    response.content_type = "application/json"
    return json.dumps(journal.read(key))


# What no framework lets a view do is served around it, as around the reference application: it is
# all that the checks of `http/` and `load/` ask for. `identified` says who this is.
application = identified(Validation(Middleware(load.Middleware(routes))))
