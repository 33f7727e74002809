"""Templates, through Jinja.

Jinja is a black box here: this module gives it an environment that knows the application, finds
templates in the folders of the application and its blueprints, and adds what context processors
return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, Template, TemplateNotFound
from jinja2 import Environment as BaseEnvironment

from .globals import _app_stack, _request_stack, current_app
from .helpers import stream_with_context
from .signals import before_render_template, template_rendered

if TYPE_CHECKING:
    from .app import Flask
    from .scaffold import Scaffold

TemplateSource = tuple[str, str | None, Callable[[], bool] | None]


def _default_template_ctx_processor() -> dict[str, Any]:
    """`request`, `session` and `g`, as far as there are any."""
    context: dict[str, Any] = {}
    app_ctx, request_ctx = _app_stack.top, _request_stack.top
    if app_ctx is not None:
        context["g"] = app_ctx.g
    if request_ctx is not None:
        # `session` stays the global proxy: only a template that uses it marks it as accessed.
        context["request"] = request_ctx.request
    return context


class Environment(BaseEnvironment):
    """A Jinja environment that belongs to an application."""

    def __init__(self, app: Flask, **options: Any) -> None:
        if "loader" not in options:
            options["loader"] = app.create_global_jinja_loader()
        super().__init__(**options)
        self.app = app


class DispatchingJinjaLoader(BaseLoader):
    """Looks for templates in the application first, then in its blueprints."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def get_source(self, environment: BaseEnvironment, template: str) -> TemplateSource:
        explain = self.app.config["EXPLAIN_TEMPLATE_LOADING"]
        attempts: list[tuple[BaseLoader, Scaffold, TemplateSource | None]] = []
        first: TemplateSource | None = None
        for owner, loader in self._iter_loaders():
            try:
                source = loader.get_source(environment, template)
            except TemplateNotFound:
                source = None
            attempts.append((loader, owner, source))
            first = first or source
            if first is not None and not explain:
                break
        if explain:
            from .debughelpers import explain_template_loading_attempts

            explain_template_loading_attempts(self.app, template, attempts)
        if first is None:
            raise TemplateNotFound(template)
        return first

    def _iter_loaders(self) -> Iterator[tuple[Scaffold, BaseLoader]]:
        for owner in (self.app, *self.app.iter_blueprints()):
            loader = owner.jinja_loader
            if loader is not None:
                yield owner, loader

    def list_templates(self) -> list[str]:
        return sorted(
            {name for _, loader in self._iter_loaders() for name in loader.list_templates()}
        )


def _find(name: str | Template | list[str | Template]) -> tuple[Flask, Template]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app, app.jinja_env.get_or_select_template(name)


def _from_string(source: str) -> tuple[Flask, Template]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app, app.jinja_env.from_string(source)


def _render(app: Flask, template: Template, context: dict[str, Any]) -> str:
    app.update_template_context(context)
    before_render_template.send(app, template=template, context=context)
    result = template.render(context)
    template_rendered.send(app, template=template, context=context)
    return result


def _stream(app: Flask, template: Template, context: dict[str, Any]) -> Iterator[str]:
    app.update_template_context(context)
    before_render_template.send(app, template=template, context=context)

    def generate() -> Iterator[str]:
        yield from template.generate(context)
        template_rendered.send(app, template=template, context=context)

    return stream_with_context(generate()) if _request_stack.top is not None else generate()


def render_template(
    template_name_or_list: str | Template | list[str | Template], **context: Any
) -> str:
    """Render a template.

    :param template_name_or_list: a name, or several of which the first that exists is taken.
    :param context: its variables.
    """
    return _render(*_find(template_name_or_list), context)


def render_template_string(source: str, **context: Any) -> str:
    """As `render_template`, with the text of the template."""
    return _render(*_from_string(source), context)


def stream_template(
    template_name_or_list: str | Template | list[str | Template], **context: Any
) -> Iterator[str]:
    """As `render_template`, piece by piece; the request stays active for it."""
    return _stream(*_find(template_name_or_list), context)


def stream_template_string(source: str, **context: Any) -> Iterator[str]:
    """As `stream_template`, with the text of the template."""
    return _stream(*_from_string(source), context)
