"""Providers: how an application reads and writes JSON. Replace `app.json` to do it otherwise."""

from __future__ import annotations

import dataclasses
import decimal
import json
import uuid
import weakref
from collections.abc import Callable
from datetime import date
from typing import IO, TYPE_CHECKING, Any, cast

from ..http import http_date

if TYPE_CHECKING:
    from ..app import Flask
    from ..response import Response


class JSONProvider:
    """What an application needs of a JSON library; subclasses have `dumps` and `loads`.

    :param app: that it belongs to.
    """

    def __init__(self, app: Flask) -> None:
        self._app = cast("Flask", weakref.proxy(app))

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """JSON text of an object."""
        raise NotImplementedError

    def dump(self, obj: Any, fp: IO[str], **kwargs: Any) -> None:
        """As `dumps`, to a file."""
        fp.write(self.dumps(obj, **kwargs))

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The object that JSON text stands for."""
        raise NotImplementedError

    def load(self, fp: IO[Any], **kwargs: Any) -> Any:
        """As `loads`, from a file."""
        return self.loads(fp.read(), **kwargs)

    def _prepare_response_obj(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args and kwargs:
            raise TypeError(
                "app.json.response() takes either args or kwargs, not both: it would have to be a"
                " list and an object at once."
            )
        if not args and not kwargs:
            return None
        return args[0] if len(args) == 1 else args or kwargs

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """A response with JSON; see `jsonify`."""
        obj = self._prepare_response_obj(args, kwargs)
        return self._app.response_class(self.dumps(obj), mimetype="application/json")


def _default(value: Any) -> Any:
    """What JSON has instead of some of Python's types."""
    if isinstance(value, date):
        return http_date(value)
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "__html__"):
        return str(value.__html__())
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class DefaultJSONProvider(JSONProvider):
    """The standard library's JSON, with dates, decimals, UUIDs, dataclasses and markup."""

    default: Callable[[Any], Any] = staticmethod(_default)
    ensure_ascii = True
    sort_keys = True
    # Without spaces and newlines; None means unless the application is in debug mode.
    compact: bool | None = None
    mimetype = "application/json"

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        kwargs.setdefault("default", self.default)
        kwargs.setdefault("ensure_ascii", self.ensure_ascii)
        kwargs.setdefault("sort_keys", self.sort_keys)
        return json.dumps(obj, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        obj = self._prepare_response_obj(args, kwargs)
        compact = not self._app.debug if self.compact is None else self.compact
        layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
        return self._app.response_class(f"{self.dumps(obj, **layout)}\n", mimetype=self.mimetype)
