"""Contexts: what exists while a request is handled, or while an application is at work.

A `RequestContext` holds the request and its session, an `AppContext` the application and `g`. They
are pushed in pairs when a request begins and popped when it ends, so `g` is born and gone with the
request. It is no session (that travels in a cookie) and no module global (that lives as long as the
process, and is everybody's).

Contexts nest: pushing the same one again only counts up, and functions that tear down run when it
is popped for the last time. The stacks that they are pushed to, and the proxies, are in
`globals.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from wsgiref.types import WSGIEnvironment

from .exceptions import HTTPException
from .globals import _app_stack, _request_stack
from .local import LocalStack
from .signals import appcontext_popped, appcontext_pushed

if TYPE_CHECKING:
    from .app import Flask
    from .request import Request
    from .response import Response
    from .routing import MapAdapter
    from .sessions import SessionMixin

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")
_unset: Any = object()


class _AppCtxGlobals:
    """The object behind `g`: attributes of your own for the time of one application context."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or `default`."""
        return self.__dict__.get(name, default)

    def pop(self, name: str, default: Any = _unset) -> Any:
        """Remove an attribute and return it.

        :raises KeyError: if it is not there and no default is given.
        """
        return self.__dict__.pop(name, *(() if default is _unset else (default,)))

    def setdefault(self, name: str, default: Any = None) -> Any:
        """An attribute, which is set to `default` first if it is missing."""
        return self.__dict__.setdefault(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __repr__(self) -> str:
        ctx = _app_stack.top
        return object.__repr__(self) if ctx is None else f"<flask.g of '{ctx.app.name}'>"


def _explain_wrong_pop(stack: LocalStack[C], ctx: C, popped: C | None) -> NoReturn:
    """Clean up after popping something else than `ctx`, and say what went wrong.

    Contexts above `ctx` are popped too, so that none of them stays behind for the next request of
    this thread.
    """
    if ctx not in stack:
        if popped is not None:
            stack.push(popped)
        raise AssertionError(
            f"Popped wrong context: {ctx!r} is not pushed here, {popped!r} is on top. Pop a context"
            " in the thread or task that pushed it, as often as it was pushed."
        )
    while stack.pop() is not ctx:
        pass
    raise AssertionError(
        f"Popped wrong context: you popped {ctx!r}, but {popped!r} was pushed after it and is still"
        " there. Pop contexts in the reverse order of pushing them; a with block does."
    )


class AppContext:
    """The application that is at work, and its `g`; `Flask.app_context()` makes one."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.g: _AppCtxGlobals = app.app_ctx_globals_class()
        self._pushes = 0

    @property
    def url_adapter(self) -> MapAdapter | None:
        """Builds URLs outside of requests, if the application knows its SERVER_NAME."""
        return self.app.create_url_adapter(None)

    def push(self) -> None:
        """Make `current_app` and `g` mean this."""
        self._pushes += 1
        _app_stack.push(self)
        if appcontext_pushed.receivers:
            appcontext_pushed.send(self.app)

    def pop(self, exc: BaseException | None = _unset) -> None:
        """Undo one push; the last one calls the `teardown_appcontext` functions.

        :param exc: what they get; by default the exception that is being handled.
        :raises AssertionError: if another context is on top.
        """
        try:
            if self._pushes == 1:
                self.app.do_teardown_appcontext(sys.exc_info()[1] if exc is _unset else exc)
        finally:
            self._pushes -= 1
            popped = _app_stack.pop()
            if popped is not self:
                _explain_wrong_pop(_app_stack, self, popped)
        if appcontext_popped.receivers:
            appcontext_popped.send(self.app)

    def __enter__(self) -> AppContext:
        self.push()
        return self

    def __exit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.pop(exc_value)


class RequestContext:
    """A request and its session; `Flask.request_context()` makes one.

    :param environ: of the request (PEP 3333).
    :param request: made from `environ` if not given.
    :param session: opened on the first push if not given.
    """

    def __init__(
        self,
        app: Flask,
        environ: WSGIEnvironment,
        request: Request | None = None,
        session: SessionMixin | None = None,
    ) -> None:
        self.app = app
        self.request: Request = app.request_class(environ) if request is None else request
        self.url_adapter: MapAdapter | None = None
        try:
            self.url_adapter = app.create_url_adapter(self.request)
        except HTTPException as error:
            # Raised again by dispatch_request, where error handlers can see it.
            self.request.routing_exception = error
        self.flashes: list[tuple[str, str]] | None = None
        self._session = session
        self._after_request_functions: list[Callable[[Any], Response]] = []
        # For each push, the application context that had to be pushed with it, if one had to.
        self._app_contexts: list[AppContext | None] = []

    @property
    def session(self) -> SessionMixin:
        """The session. Reading this attribute marks it as accessed (see `Vary` in sessions.py)."""
        if self._session is None:
            raise AssertionError(
                "You used the session of a request context that was not pushed yet. The session is"
                " opened by push(): use the context as a with block."
            )
        self._session.accessed = True
        return self._session

    def copy(self) -> RequestContext:
        """A context for the same request and session, for use by another thread or greenlet."""
        return type(self)(self.app, self.request.environ, self.request, self._session)

    def match_request(self) -> None:
        """Find the URL rule of the request, or note why there is none."""
        assert self.url_adapter is not None
        try:
            result = self.url_adapter.match(return_rule=True)
        except HTTPException as error:
            self.request.routing_exception = error
        else:
            self.request.url_rule, self.request.view_args = result

    def push(self) -> None:
        """Make `request` and `session` mean this; open the session and match the URL."""
        app = self.app
        app_ctx = _app_stack.top
        if app_ctx is None or app_ctx.app is not app:
            app_ctx = app.app_context()
            app_ctx.push()
        else:
            app_ctx = None
        self._app_contexts.append(app_ctx)
        _request_stack.push(self)
        # The session comes before the URL, so that converters can use it.
        if self._session is None:
            interface = app.session_interface
            self._session = interface.open_session(app, self.request)
            if self._session is None:
                self._session = interface.make_null_session(app)
        if self.url_adapter is not None:
            self.match_request()

    def pop(self, exc: BaseException | None = _unset) -> None:
        """Undo one push; the last one calls the `teardown_request` functions.

        :param exc: what they get; by default the exception that is being handled.
        :raises AssertionError: if another context is on top.
        """
        if exc is _unset:
            exc = sys.exc_info()[1]
        try:
            if len(self._app_contexts) == 1:
                self.app.do_teardown_request(exc)
                self.request.close()
        finally:
            app_ctx = self._app_contexts.pop() if self._app_contexts else None
            popped = _request_stack.pop()
            try:
                if popped is not self:
                    _explain_wrong_pop(_request_stack, self, popped)
            finally:
                if app_ctx is not None:
                    app_ctx.pop(exc)

    def __enter__(self) -> RequestContext:
        self.push()
        return self

    def __exit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.pop(exc_value)

    def __repr__(self) -> str:
        request = self.request
        return f"<{type(self).__name__} {request.url!r} [{request.method}] of {self.app.name}>"


def has_request_context() -> bool:
    """Whether a request is being handled here."""
    return _request_stack.top is not None


def has_app_context() -> bool:
    """Whether an application is at work here."""
    return _app_stack.top is not None


def _current_request_context(function: str) -> RequestContext:
    ctx = _request_stack.top
    if ctx is None:
        raise RuntimeError(
            f"You called '{function}' where no request context is active. It concerns the request"
            " that is being handled: call it in a view function or in what a view calls."
        )
    return ctx


def after_this_request(f: F) -> F:
    """Have a function called with the response to this request; it returns that or another one.

    :raises RuntimeError: outside of a request.
    """
    _current_request_context("after_this_request")._after_request_functions.append(f)
    return f


def copy_current_request_context(f: F) -> F:
    """Wrap a function so that it has this request, session and a fresh `g` wherever it runs.

    For greenlets and threads that work for a request. The request is the same object, so do not
    read its body in two of them.

    :raises RuntimeError: outside of a request.
    """
    ctx = _current_request_context("copy_current_request_context").copy()

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with ctx:
            return f(*args, **kwargs)

    return update_wrapper(wrapper, f)  # type: ignore[return-value]
