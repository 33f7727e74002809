"""What routing raises besides 404 and 405."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIEnvironment

from ..exceptions import HTTPException

if TYPE_CHECKING:
    from ..response import Response
    from .adapter import MapAdapter
    from .rule import Rule


class RoutingException(Exception):
    """Routing did not end in an endpoint; error handlers do not see it."""


class RequestRedirect(HTTPException, RoutingException):
    """The resource is at another URL, and the client is sent there.

    :param new_url: complete with scheme and host.
    """

    # Not 301: a client has to repeat the same method with the same body (RFC 9110 section 15.4.9).
    code = 308

    def __init__(self, new_url: str) -> None:
        super().__init__(new_url)
        self.new_url = new_url

    def get_response(self, environ: WSGIEnvironment | None = None) -> Response:
        from ..response import redirect

        return redirect(self.new_url, self.code)


class BuildError(RoutingException, LookupError):
    """No URL can be built from an endpoint and values.

    :param adapter: used to suggest what was meant.
    """

    def __init__(
        self,
        endpoint: str,
        values: Mapping[str, Any],
        method: str | None,
        adapter: MapAdapter | None = None,
    ) -> None:
        super().__init__(endpoint, values, method)
        self.endpoint = endpoint
        self.values = values
        self.method = method
        self.adapter = adapter

    @property
    def suggested(self) -> Rule | None:
        """The rule that looks most like what was asked for."""
        if self.adapter is None:
            return None

        def likeness(rule: Rule) -> tuple[float, bool]:
            matcher = difflib.SequenceMatcher(None, str(rule.endpoint), str(self.endpoint))
            return matcher.ratio(), set(self.values) <= rule.arguments

        return max(self.adapter.map.iter_rules(), key=likeness, default=None)

    def __str__(self) -> str:
        message = f"Could not build url for endpoint {self.endpoint!r}"
        if self.method:
            message += f" ({self.method!r})"
        if self.values:
            message += f" with values {sorted(self.values)!r}"
        message += "."
        rule = self.suggested
        if rule is None:
            return message
        if rule.endpoint != self.endpoint:
            return f"{message} Did you mean {rule.endpoint!r} instead?"
        if self.method and rule.methods is not None and self.method not in rule.methods:
            message += f" Did you mean to use methods {sorted(rule.methods)!r}?"
        missing = rule.arguments | set(rule.defaults or ())
        missing -= set(self.values)
        if missing:
            message += f" Did you forget to specify values {sorted(missing)!r}?"
        return message
