"""A map bound to one request or server: matching its path, building its URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import quote, urljoin, urlunsplit

from ..datastructures import MultiDict
from ..exceptions import HTTPException, MethodNotAllowed, NotFound
from ..http import URL_PATH_SAFE, encode_query
from .exceptions import BuildError, RequestRedirect
from .matcher import NoMatch, SlashMissing
from .rule import Rule

if TYPE_CHECKING:
    from .map import Map


class MapAdapter:
    """Matches and builds for one request or server; `Map.bind...` makes one."""

    def __init__(
        self,
        map: Map,
        server_name: str,
        script_name: str,
        subdomain: str | None,
        url_scheme: str,
        path_info: str,
        default_method: str,
        query_args: Mapping[str, Any] | str | None = None,
    ) -> None:
        self.map = map
        self.server_name = server_name
        self.script_name = script_name if script_name.endswith("/") else f"{script_name}/"
        self.subdomain = subdomain
        self.url_scheme = url_scheme
        self.path_info = path_info
        self.default_method = default_method
        self.query_args = query_args

    @overload
    def match(
        self,
        path_info: str | None = None,
        method: str | None = None,
        *,
        return_rule: Literal[True],
        query_args: Mapping[str, Any] | str | None = None,
    ) -> tuple[Rule, dict[str, Any]]: ...
    @overload
    def match(
        self,
        path_info: str | None = None,
        method: str | None = None,
        return_rule: Literal[False] = False,
        query_args: Mapping[str, Any] | str | None = None,
    ) -> tuple[Any, dict[str, Any]]: ...
    def match(
        self,
        path_info: str | None = None,
        method: str | None = None,
        return_rule: bool = False,
        query_args: Mapping[str, Any] | str | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """The endpoint (or the rule) for a path, and the values of its variables.

        :param path_info: by default the path of the request; the same goes for the others.
        :raises RequestRedirect: if there is another URL for it.
        :raises MethodNotAllowed: if there is a rule, but not for this method.
        :raises NotFound: if there is no rule.
        """
        map = self.map
        path = self.path_info if path_info is None else path_info
        if path and (path[0] != "/" or path[:2] == "//"):
            path = f"/{path.lstrip('/')}"
        method = (method or self.default_method).upper()
        query = self.query_args if query_args is None else query_args
        host = self.server_name if map.host_matching else self.subdomain or ""
        try:
            try:
                rule, values = map.matcher.match(host, path, method)
            except NoMatch:
                if not map.merge_slashes or "//" not in path:
                    raise
                path = re.sub("/{2,}", "/", path)
                rule, values = map.matcher.match(host, path, method)
                if not rule.merge_slashes:
                    raise
                self._redirect(path, query)
        except SlashMissing:
            self._redirect(f"{path}/", query)
        except NoMatch as error:
            if error.allowed:
                raise MethodNotAllowed(valid_methods=sorted(error.allowed)) from None
            raise NotFound() from None
        if rule.alias and map.redirect_defaults:
            self._redirect_to_canonical(rule, values, method, query)
        if map.redirect_defaults and rule.endpoint in map.endpoints_with_defaults:
            self._redirect_to_default(rule, values, method, query)
        if rule.redirect_to is not None:
            self._redirect_to_target(rule, values)
        return (rule if return_rule else rule.endpoint), values

    def _redirect(self, path: str, query: Mapping[str, Any] | str | None) -> None:
        raise RequestRedirect(
            self.make_redirect_url(quote(path, safe=URL_PATH_SAFE), query)
        ) from None

    def _redirect_to_canonical(
        self,
        rule: Rule,
        values: dict[str, Any],
        method: str,
        query: Mapping[str, Any] | str | None,
    ) -> None:
        url = self.build(rule.endpoint, values, method, force_external=True, append_unknown=False)
        if query:
            url += f"?{query if isinstance(query, str) else encode_query(query)}"
        raise RequestRedirect(url)

    def _redirect_to_default(
        self,
        rule: Rule,
        values: dict[str, Any],
        method: str,
        query: Mapping[str, Any] | str | None,
    ) -> None:
        for other in self.map.rules_of(rule.endpoint):
            if other is rule:
                break
            if other.provides_defaults_for(rule) and other.suitable_for(values, method):
                built = other.build({**values, **(other.defaults or {})})
                if built is not None:
                    raise RequestRedirect(self.make_redirect_url(built[1], query, built[0]))

    def _redirect_to_target(self, rule: Rule, values: dict[str, Any]) -> None:
        target = rule.redirect_to
        assert target is not None
        if callable(target):
            url = target(self, **values)
        else:

            def fill(match: re.Match[str]) -> str:
                return rule.converters[match[1]].to_url(values[match[1]])

            url = re.sub(r"<(?:\w+(?:\(.*?\))?:)?(\w+)>", fill, target)
        root = f"{self.url_scheme or 'http'}://{self.get_host(None)}{self.script_name}"
        raise RequestRedirect(urljoin(root, url))

    def test(self, path_info: str | None = None, method: str | None = None) -> bool:
        """Whether there is a rule, or a redirect, for a path."""
        try:
            self.match(path_info, method)
        except RequestRedirect:
            return True
        except HTTPException:
            return False
        return True

    def allowed_methods(self, path_info: str | None = None) -> list[str]:
        """The methods that there are rules for, sorted."""
        try:
            # No method has this name, so no rule can take it and all are asked.
            self.match(path_info, method="--")
        except MethodNotAllowed as error:
            return list(error.valid_methods or ())
        except HTTPException:
            pass
        return []

    def get_host(self, domain_part: str | None) -> str:
        """The host for what a rule builds: a subdomain or, with host matching, a host."""
        if self.map.host_matching:
            return self.server_name if domain_part is None else domain_part
        subdomain = self.subdomain if domain_part is None else domain_part
        return f"{subdomain}.{self.server_name}" if subdomain else self.server_name

    def make_redirect_url(
        self,
        path_info: str,
        query_args: Mapping[str, Any] | str | None = None,
        domain_part: str | None = None,
    ) -> str:
        """The complete URL of a quoted path."""
        args = self.query_args if query_args is None else query_args
        query = args if isinstance(args, str) else encode_query(args or {})
        path = f"{self.script_name.strip('/')}/{path_info.lstrip('/')}"
        host = self.get_host(domain_part)
        return urlunsplit((self.url_scheme or "http", host, path, query, ""))

    def build(
        self,
        endpoint: Any,
        values: Mapping[str, Any] | None = None,
        method: str | None = None,
        force_external: bool = False,
        append_unknown: bool = True,
        url_scheme: str | None = None,
    ) -> str:
        """The URL for an endpoint.

        :param values: of the variables; None means not given.
        :param force_external: with scheme and host, even if they are those of the request.
        :param append_unknown: put values that are no variables into the query string.
        :param url_scheme: another than that of the request; "" leaves it out.
        :raises BuildError: if no rule of the endpoint fits.
        """
        if isinstance(values, MultiDict):
            given = {key: v[0] if len(v) == 1 else v for key, v in values.lists() if v}
        else:
            given = {key: v for key, v in (values or {}).items() if v is not None}
        built = None
        if method is None:
            # A rule for the method of the request is better than one for another.
            built = self._build(endpoint, given, self.default_method, append_unknown)
        if built is None:
            built = self._build(endpoint, given, method, append_unknown)
        if built is None:
            raise BuildError(endpoint, given, method, self)
        domain_part, path = built
        host = self.get_host(domain_part)
        path = f"{self.script_name.rstrip('/')}/{path.lstrip('/')}"
        here = self.server_name if self.map.host_matching else self.subdomain
        if not force_external and here == (host if self.map.host_matching else domain_part):
            return path
        scheme = self.url_scheme if url_scheme is None else url_scheme
        if scheme:
            scheme = "https:" if scheme in ("https", "wss") else "http:"
        return f"{scheme}//{host}{path}"

    def _build(
        self, endpoint: Any, values: Mapping[str, Any], method: str | None, append_unknown: bool
    ) -> tuple[str, str] | None:
        first = None
        for rule in self.map.rules_of(endpoint):
            if rule.suitable_for(values, method):
                built = rule.build(values, append_unknown)
                if built is not None:
                    # With host matching, a rule for this host is better than one for another.
                    if not self.map.host_matching or built[0] == self.server_name:
                        return built
                    first = first or built
        return first
