"""The names that mean something else in every request: `request`, `session`, `current_app`, `g`.

There are two stacks, one of request contexts and one of application contexts. They are pushed in
pairs for a request; outside of one (a script, a test) an application context may stand alone. The
names are proxies to what is on top:

    stack                 top                     name
    ------------------    --------------------    ----------------------
    _request_stack        RequestContext          request, session
    _app_stack            AppContext              current_app, g

What the contexts are is in `ctx.py`, how stacks and proxies work in `local.py`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from .local import LocalProxy, LocalStack

if TYPE_CHECKING:
    from .app import Flask
    from .ctx import AppContext, RequestContext, _AppCtxGlobals
    from .request import Request
    from .sessions import SessionMixin

_NO_APP = """\
Working outside of application context.

You used something that needs to know the application (current_app, g, url_for, ...), but none is
active here. During a request it always is. Elsewhere, say which one it is:

    with app.app_context():
        ...
"""
_NO_REQUEST = """\
Working outside of request context.

You used something that needs a request (request, session, ...), but this code does not run in one:
at import time, in a thread of its own, or after the response. Pass the values that you need, or
decorate the function with copy_current_request_context. In a test, make a request:

    with app.test_request_context("/path"):
        ...
"""

_app_stack: LocalStack[AppContext] = LocalStack(ContextVar("application contexts"))
_request_stack: LocalStack[RequestContext] = LocalStack(ContextVar("request contexts"))


def _app_proxy(name: str | None = None) -> Any:
    return LocalProxy(_app_stack, name, unbound_message=_NO_APP)


def _request_proxy(name: str | None = None) -> Any:
    return LocalProxy(_request_stack, name, unbound_message=_NO_REQUEST)


app_ctx = cast("AppContext", _app_proxy())
current_app = cast("Flask", _app_proxy("app"))
g = cast("_AppCtxGlobals", _app_proxy("g"))

request_ctx = cast("RequestContext", _request_proxy())
request = cast("Request", _request_proxy("request"))
session = cast("SessionMixin", _request_proxy("session"))
