"""Mutants: deliberately broken applications and servers, each naming the checks it must fail.

A check proves something only if it fails where the thing is broken. Every check fails on one mutant
at least, and `tests/mutants/test_mutants.py` runs them and holds them to what they name. A mutant
breaks one thing and keeps the rest, so that it shows what its checks look at.

    @application_mutant("g-is-global", breaks=["context/g/empty-at-start"])
    def g_is_global() -> WSGIApplication: ...

    @server_mutant("no-host-check", breaks=["http/host/missing"])
    def no_host_check() -> type[WSGIRequestHandler]: ...

    @program_mutant("ignores-sigterm", breaks=["lifecycle/stop/idle"])
    def ignores_sigterm(host: str, port: int) -> None: ...

An application mutant builds the application under test on the reference framework, breaks it, and
is served by the reference server, threaded. A server mutant is a request handler for the reference
server, which serves the whole application. A program mutant is all of the program: it loads the
application, serves it, and ends.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from reference_app.serving import WSGIRequestHandler


@dataclass(frozen=True)
class Mutant:
    """One broken thing.

    :param breaks: the ids of the checks that must fail on it.
    :param module: the module of tests/mutants that it stands in.
    :param application: builds the application, or None for the ordinary one.
    :param handler: builds the request handler class, or None for the ordinary one.
    :param program: serves at a host and a port until it is stopped, or None for the ordinary one.
    :param capabilities: what is declared of it beyond, or instead of, the usual.
    """

    name: str
    breaks: tuple[str, ...]
    module: str = ""
    application: Callable[[], WSGIApplication] | None = None
    handler: Callable[[], type[WSGIRequestHandler]] | None = None
    program: Callable[[str, int], None] | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)


MUTANTS: dict[str, Mutant] = {}

#: What every mutant is a mutant of, served in the same way.
UNBROKEN = Mutant("none", ())


def _module(build: Callable[..., Any]) -> str:
    return build.__module__.rpartition(".")[2]


def _add(mutant: Mutant) -> None:
    assert mutant.name not in MUTANTS, f"two mutants are called {mutant.name}"
    assert mutant.breaks, f"{mutant.name} names no check"
    MUTANTS[mutant.name] = mutant


def application_mutant(name: str, *, breaks: Sequence[str]) -> Callable[[Any], Any]:
    """Register a function that builds a broken application."""

    def register(build: Callable[[], WSGIApplication]) -> Callable[[], WSGIApplication]:
        _add(Mutant(name, tuple(breaks), _module(build), application=build))
        return build

    return register


def server_mutant(name: str, *, breaks: Sequence[str]) -> Callable[[Any], Any]:
    """Register a function that builds a broken request handler."""

    def register(
        build: Callable[[], type[WSGIRequestHandler]],
    ) -> Callable[[], type[WSGIRequestHandler]]:
        _add(Mutant(name, tuple(breaks), _module(build), handler=build))
        return build

    return register


def program_mutant(
    name: str, *, breaks: Sequence[str], capabilities: Mapping[str, Any] | None = None
) -> Callable[[Any], Any]:
    """Register a function that is a broken program: it serves at a host and a port."""

    def register(run: Callable[[str, int], None]) -> Callable[[str, int], None]:
        module = _module(run)
        _add(Mutant(name, tuple(breaks), module, program=run, capabilities=capabilities or {}))
        return run

    return register


#: The modules of mutants; `pytest tests/mutants -k NAME` runs those of one.
MODULES = (
    "contexts",
    "cookies",
    "deliveries",
    "errors",
    "failures",
    "gateways",
    "heads",
    "hook_errors",
    "hooks",
    "known_eventlet",
    "known_gunicorn",
    "known_uvicorn",
    "known_waitress",
    "lifecycle",
    "loads",
    "messages",
    "narrow",
    "protocols",
    "request_bodies",
    "request_fields",
    "requests",
    "responses",
    "routes",
    "rules",
    "security",
    "sent",
    "sequences",
    "sessions",
    "workers",
)


def load() -> dict[str, Mutant]:
    """All mutants, by name."""
    for module in MODULES:
        importlib.import_module(f"tests.mutants.{module}")
    return MUTANTS
