"""How mutants are built: the application under test, made of broken parts of the framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from reference_app.application import create_app
from reference_app.framework import Flask, Request
from reference_app.framework.routing import Map, Rule
from reference_app.framework.sessions import SecureCookieSessionInterface

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def with_flask(**members: Any) -> Flask:
    """The application made from a subclass of `Flask` with these members."""
    return create_app(type("MutantFlask", (Flask,), members))


def with_request(**members: Any) -> Flask:
    """The application whose requests are of a subclass with these members."""
    return with_flask(request_class=type("Request", (Request,), members))


def with_session(**members: Any) -> Flask:
    """The application whose session interface is of a subclass with these members."""
    interface = type("MutantInterface", (SecureCookieSessionInterface,), members)
    return with_flask(session_interface=interface())


def with_converters(**converters: type) -> Flask:
    """The application with these converters in place of those of the same names."""
    known = {**Map.default_converters, **converters}
    return with_flask(url_map_class=type("MutantMap", (Map,), {"default_converters": known}))


def with_rule(**options: Any) -> Flask:
    """The application whose rules have these attributes, whatever they were made with."""

    class MutantRule(Rule):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for name, value in options.items():
                setattr(self, name, value(getattr(self, name)) if callable(value) else value)

    return with_flask(url_rule_class=MutantRule)


def with_names(area: ModuleType, **names: Any) -> Flask:
    """The application with other things under these names in the module of an area."""
    for name, value in names.items():
        assert hasattr(area, name), f"{area.__name__} has no name {name!r}"
        setattr(area, name, value)
    return create_app()


def behind(change: Callable[[WSGIEnvironment], object]) -> WSGIApplication:
    """The application behind a middleware that changes each environ."""
    application = create_app()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        change(environ)
        return application(environ, start_response)

    return middleware
