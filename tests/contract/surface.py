"""What the reference application serves: its operations, read off the code.

Views are in the `url_map` of the first application or of one beside it; plain WSGI callables are in
the tables of the modules that serve them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reference_app.api import Flask
from reference_app.areas import load, mounts, security
from reference_app.areas.protocol import core


@dataclass(frozen=True)
class Route:
    """One rule of one application, or one plain WSGI callable.

    :param path: as OpenAPI has it: `/routing/int/{value}`.
    :param rule: as the framework has it: `/routing/int/<int:value>`; a callable has its path.
    :param host: where the host chooses it; else empty.
    :param methods: all of them, in order; none for a callable, which is called for any.
    :param text: what its docstring says.
    """

    path: str
    rule: str
    host: str
    methods: tuple[str, ...]
    text: str


def routes(application: Flask) -> list[Route]:
    """All of them, those of the applications beside the first one included."""
    found = [
        route
        for app in _applications(application)
        for route in _views(app)
        # Every application has a route for static files, and only that of the first is one.
        if app is application or not route.path.endswith("/static/{filename}")
    ]
    return found + list(_callables())


def _applications(value: Any, seen: set[int] | None = None) -> Iterator[Flask]:
    """The applications in a chain of middleware, which keeps what it wraps in its attributes."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Flask):
        yield value
        inner: Sequence[Any] = [value.wsgi_app]
    elif isinstance(value, dict):
        inner = list(value.values())
    elif inspect.ismethod(value):
        inner = [value.__self__]
    elif type(value).__module__.startswith("reference_app.areas."):
        inner = list(vars(value).values())
    else:
        return
    for item in inner:
        yield from _applications(item, seen)


def _views(app: Flask) -> Iterator[Route]:
    mount = mounts.MOUNT.encode("latin-1").decode() if app.name == "mounted" else ""
    for rule in app.url_map.iter_rules():
        if rule.build_only:
            continue
        host = rule.host or ""
        if app.name == "subdomains":
            host = f"{rule.subdomain}.{mounts.SUBDOMAINS}".lstrip(".")
        yield Route(
            mount + re.sub(r"<(?:[^<>:]*(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule),
            mount + rule.rule,
            host,
            tuple(sorted(rule.methods or ())),
            _text(app.view_functions.get(rule.endpoint)),
        )


def _callables() -> Iterator[Route]:
    for name, function in core._applications.items():
        yield Route(core.PREFIX + name, core.PREFIX + name, "", (), _text(function))
    for name, head in security._callables.items():
        path = security.PREFIX + name + "/"
        yield Route(
            f"{path}{{case}}", f"{path}<any({', '.join(security.HEADS)}):case>", "", (), _text(head)
        )
    for name, serve in {"download": load._download, "upload": load._upload}.items():
        yield Route(load.PREFIX + name, load.PREFIX + name, "", (), _text(serve))


def _text(function: Callable[..., Any] | None) -> str:
    # A view class has the docstring for all of its methods.
    function = getattr(function, "view_class", function)
    return inspect.getdoc(function) or ""
