"""Explanations that are given in debug mode only, since they say much about the application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader

from .globals import _request_stack
from .routing import RequestRedirect

if TYPE_CHECKING:
    from .app import Flask
    from .request import Request
    from .scaffold import Scaffold

TemplateSource = tuple[str, str | None, Callable[[], bool] | None]


class DebugFilesKeyError(KeyError, AssertionError):
    """A file is missing because the form does not send files."""

    def __init__(self, request: Request, key: str) -> None:
        super().__init__(key)
        self.message = (
            f"You tried to access the file {key!r} in request.files, but no file contents were"
            f" transmitted: the mimetype of the request is {request.mimetype!r} instead of"
            " 'multipart/form-data'. Put enctype=\"multipart/form-data\" into the form."
        )
        names = ", ".join(repr(value) for value in request.form.getlist(key))
        if names:
            self.message += f" The browser sent file names instead. This was submitted: {names}"

    def __str__(self) -> str:
        return self.message


def explain_missing_files(request: Request) -> None:
    """Have `request.files` raise `DebugFilesKeyError` for files that were sent as names."""
    original = type(request.files)

    class ExplainingFiles(original):  # type: ignore[misc, valid-type]
        def __getitem__(self, key: str) -> Any:
            try:
                return super().__getitem__(key)
            except KeyError:
                if key not in request.form:
                    raise
                raise DebugFilesKeyError(request, key) from None

    request.files.__class__ = ExplainingFiles


class FormDataRoutingRedirect(AssertionError):
    """A routing redirect would make the browser forget what it sends."""

    def __init__(self, request: Request) -> None:
        redirect = request.routing_exception
        assert isinstance(redirect, RequestRedirect)
        message = (
            f"A {request.method} request was sent to '{request.url}', but routing issued a redirect"
            f" to the canonical URL '{redirect.new_url}'."
        )
        if f"{request.base_url}/" == redirect.new_url.partition("?")[0]:
            message += " The rule has a slash at the end, the URL of the request has none."
        message += (
            f" Browsers drop the form data on a {redirect.code}. Send requests to the canonical"
            " URL, or let routing redirect with 307 or 308. (You see this in debug mode only.)"
        )
        super().__init__(message)


def _describe_loader(loader: BaseLoader) -> Iterable[str]:
    yield f"class: {type(loader).__module__}.{type(loader).__name__}"
    for key, value in sorted(vars(loader).items()):
        if key.startswith("_"):
            continue
        if isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value):
            yield f"{key}:"
            yield from (f"  - {item}" for item in value)
        elif isinstance(value, (str, int, float, bool)):
            yield f"{key}: {value!r}"


def explain_template_loading_attempts(
    app: Flask,
    template: str,
    attempts: Iterable[tuple[BaseLoader, Scaffold, TemplateSource | None]],
) -> None:
    """Log where a template was looked for (EXPLAIN_TEMPLATE_LOADING)."""
    lines = [f"Locating template {template!r}:"]
    found = 0
    for number, (loader, owner, source) in enumerate(attempts, 1):
        kind = "application" if owner is app else "blueprint"
        lines.append(f"{number:5}: trying loader of {kind} {owner.name!r} ({owner.import_name})")
        lines.extend(f"       {line}" for line in _describe_loader(loader))
        if source is None:
            lines.append("       -> no match")
        else:
            found += 1
            lines.append(f"       -> found ({source[1] or '<string>'!r})")
    if found == 0:
        lines.append("Error: the template could not be found.")
    elif found > 1:
        lines.append("Warning: several loaders found the template; the first one wins.")
    ctx = _request_stack.top
    blueprint = None if ctx is None else ctx.request.blueprint
    if blueprint is not None and found != 1:
        lines.append(
            "  The template was looked up from an endpoint that belongs to the blueprint"
            f" {blueprint!r}. Did you put it into the template folder of another one?"
            " See https://flask.palletsprojects.com/blueprints/#templates"
        )
    app.logger.info("\n".join(lines))
