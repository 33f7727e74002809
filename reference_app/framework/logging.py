"""The application's logger: to the server's error log during a request, else to stderr."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from .globals import _request_stack
from .local import LocalProxy

if TYPE_CHECKING:
    from .app import Flask


def _errors_stream() -> Any:
    ctx = _request_stack.top
    return sys.stderr if ctx is None else ctx.request.environ["wsgi.errors"]


wsgi_errors_stream = cast(TextIO, LocalProxy(_errors_stream))

default_handler = logging.StreamHandler(wsgi_errors_stream)
default_handler.setFormatter(
    logging.Formatter("[%(asctime)s] %(levelname)s in %(module)s: %(message)s")
)


def has_level_handler(logger: logging.Logger) -> bool:
    """Whether a message of the logger's level gets to a handler."""
    level = logger.getEffectiveLevel()
    current: logging.Logger | None = logger
    while current is not None:
        if any(handler.level <= level for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False


def create_logger(app: Flask) -> logging.Logger:
    """The logger of an application, with a handler if the user has not set one up."""
    logger = logging.getLogger(app.name)
    if app.debug and not logger.level:
        logger.setLevel(logging.DEBUG)
    if not has_level_handler(logger):
        logger.addHandler(default_handler)
    return logger
