"""Functions that views call. Most of them ask the application that is at work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, NoReturn

from .exceptions import abort as _abort
from .files import safe_join, send_file, send_from_directory
from .globals import _app_stack, _request_stack, current_app, request_ctx, session
from .response import redirect as _redirect
from .scaffold import get_root_path
from .signals import message_flashed

if TYPE_CHECKING:
    from .response import Response

__all__ = [
    "abort",
    "flash",
    "get_debug_flag",
    "get_flashed_messages",
    "get_root_path",
    "get_template_attribute",
    "make_response",
    "redirect",
    "safe_join",
    "send_file",
    "send_from_directory",
    "stream_with_context",
    "url_for",
]


def get_debug_flag() -> bool:
    """Whether the environment variable FLASK_DEBUG asks for debug mode."""
    return os.environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no")


def stream_with_context(
    generator_or_function: Iterator[Any] | Callable[..., Iterator[Any]],
) -> Any:
    """Keep the request active while a generator runs, which a server does after the view.

    :param generator_or_function: a generator, or a function that returns one and is decorated.
    :raises RuntimeError: outside of a request.
    """
    if callable(generator_or_function):
        function = generator_or_function

        def decorator(*args: Any, **kwargs: Any) -> Any:
            return stream_with_context(function(*args, **kwargs))

        return update_wrapper(decorator, function)

    iterator = iter(generator_or_function)

    def generate() -> Iterator[Any]:
        app_ctx, ctx = _app_stack.top, _request_stack.top
        if app_ctx is None or ctx is None:
            raise RuntimeError(
                "You called 'stream_with_context' where no request context is active. Call it in"
                " the view, not in the generator: that runs when the request is over."
            )
        yield None
        with app_ctx, ctx:
            try:
                yield from iterator
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()

    # It has to take the context now: run it to its first yield.
    wrapped = generate()
    next(wrapped)
    return wrapped


def make_response(*args: Any) -> Response:
    """What a view may return, as a response: several arguments count as a tuple."""
    if not args:
        return current_app.response_class()
    return current_app.make_response(args[0] if len(args) == 1 else args)


def url_for(
    endpoint: str,
    *,
    _anchor: str | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    _external: bool | None = None,
    **values: Any,
) -> str:
    """The URL for an endpoint; see `Flask.url_for`."""
    return current_app.url_for(
        endpoint,
        _anchor=_anchor,
        _method=_method,
        _scheme=_scheme,
        _external=_external,
        **values,
    )


def redirect(location: str, code: int = 302, Response: type[Response] | None = None) -> Response:
    """A response that sends the client to another URL.

    :param code: see `response.redirect`.
    :param Response: its class, outside of an application context.
    """
    ctx = _app_stack.top
    if ctx is not None:
        return ctx.app.redirect(location, code=code)
    return _redirect(location, code, Response)


def abort(code: int | Response, *args: Any, **kwargs: Any) -> NoReturn:
    """Answer with an error: raise the exception for a status code, or a response.

    :raises LookupError: if the application's `aborter` has no exception for the code.
    """
    ctx = _app_stack.top
    if ctx is not None:
        ctx.app.aborter(code, *args, **kwargs)
    _abort(code, *args, **kwargs)


def get_template_attribute(template_name: str, attribute: str) -> Any:
    """A macro or variable of a template, for use from Python."""
    return getattr(current_app.jinja_env.get_template(template_name).module, attribute)


def flash(message: str, category: str = "message") -> None:
    """Keep a message in the session for the next page.

    :param category: for the page to tell them apart.
    """
    # Assigned, not appended to: sessions notice changes of their own items only.
    session["_flashes"] = [*session.get("_flashes", []), (category, message)]
    if message_flashed.receivers:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        message_flashed.send(app, message=message, category=category)


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[Any]:
    """The messages that `flash` kept, which are then gone; the same again in the same request.

    :param with_categories: pairs of category and message instead of messages.
    :param category_filter: only of these categories.
    """
    flashes = request_ctx.flashes
    if flashes is None:
        flashes = session.pop("_flashes") if "_flashes" in session else []
        request_ctx.flashes = flashes
    if category_filter:
        flashes = [item for item in flashes if item[0] in category_filter]
    return list(flashes) if with_categories else [message for _, message in flashes]
