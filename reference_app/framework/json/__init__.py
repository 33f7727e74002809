"""JSON through the active application's provider (`app.json`), or through the standard library.

Providers are in `provider.py`, the tagged JSON of the session cookie in `tag.py`.
"""

from __future__ import annotations

import json as _json
from typing import IO, TYPE_CHECKING, Any

from ..globals import _app_stack, current_app
from .provider import _default

if TYPE_CHECKING:
    from ..response import Response


def dumps(obj: Any, **kwargs: Any) -> str:
    """JSON text of an object; keyword arguments as for `json.dumps`."""
    ctx = _app_stack.top
    if ctx is not None:
        return ctx.app.json.dumps(obj, **kwargs)
    kwargs.setdefault("default", _default)
    return _json.dumps(obj, **kwargs)


def dump(obj: Any, fp: IO[str], **kwargs: Any) -> None:
    """As `dumps`, to a file."""
    fp.write(dumps(obj, **kwargs))


def loads(s: str | bytes, **kwargs: Any) -> Any:
    """The object that JSON text stands for.

    :raises ValueError: if it is not JSON.
    """
    ctx = _app_stack.top
    return _json.loads(s, **kwargs) if ctx is None else ctx.app.json.loads(s, **kwargs)


def load(fp: IO[Any], **kwargs: Any) -> Any:
    """As `loads`, from a file."""
    return loads(fp.read(), **kwargs)


def jsonify(*args: Any, **kwargs: Any) -> Response:
    """A response with JSON: of the one argument, of a list of several, or of the keyword arguments.

    :raises TypeError: if there are both.
    :raises RuntimeError: outside of an application context.
    """
    return current_app.json.response(*args, **kwargs)
