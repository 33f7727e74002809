"""The map: all rules of an application, and binding them to a request or a server."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from wsgiref.types import WSGIEnvironment

from ..exceptions import BadHost
from ..wsgi import decode_text, get_host
from .adapter import MapAdapter
from .converters import DEFAULT_CONVERTERS, BaseConverter
from .matcher import Matcher
from .rule import Rule, RuleFactory


@lru_cache(maxsize=64)
def _ascii_host(host: str) -> str:
    """A host name in lower case and, if international, as IDNA (RFC 5890)."""
    name, colon, port = host.lower().partition(":")
    try:
        return f"{name.encode('idna').decode('ascii')}{colon}{port}"
    except UnicodeError:
        raise BadHost() from None


class Map:
    """The rules of an application.

    :param default_subdomain: of rules that do not say one.
    :param strict_slashes: a missing slash at the end is a redirect; else it does not matter.
    :param merge_slashes: several slashes are a redirect to one.
    :param redirect_defaults: a URL that says a default value redirects to the one that does not.
    :param converters: more of them, by name.
    :param host_matching: rules are for hosts, not for subdomains.
    """

    default_converters: Mapping[str, type[BaseConverter]] = DEFAULT_CONVERTERS

    def __init__(
        self,
        rules: Iterable[RuleFactory] = (),
        default_subdomain: str = "",
        strict_slashes: bool = True,
        merge_slashes: bool = True,
        redirect_defaults: bool = True,
        converters: Mapping[str, type[BaseConverter]] | None = None,
        host_matching: bool = False,
    ) -> None:
        self.default_subdomain = default_subdomain
        self.strict_slashes = strict_slashes
        self.merge_slashes = merge_slashes
        self.redirect_defaults = redirect_defaults
        self.host_matching = host_matching
        self.converters = {**self.default_converters, **(converters or {})}
        self.matcher = Matcher()
        self._rules_by_endpoint: dict[Any, list[Rule]] = {}
        # Endpoints with a rule that has defaults: only they can need a redirect to it.
        self.endpoints_with_defaults: set[Any] = set()
        for factory in rules:
            self.add(factory)

    def add(self, rulefactory: RuleFactory) -> None:
        """Add a rule, or those of a factory."""
        for rule in rulefactory.get_rules(self):
            rule.bind(self)
            if not rule.build_only:
                self.matcher.add(rule)
            rules = self._rules_by_endpoint.setdefault(rule.endpoint, [])
            rules.append(rule)
            rules.sort(key=Rule.build_order)
            if rule.defaults:
                self.endpoints_with_defaults.add(rule.endpoint)

    def rules_of(self, endpoint: Any) -> list[Rule]:
        """The rules of an endpoint, which may be none, in the order in which they are built."""
        return self._rules_by_endpoint.get(endpoint, [])

    def iter_rules(self, endpoint: Any = None) -> Iterator[Rule]:
        """All rules, or those of an endpoint.

        :raises KeyError: if there is no such endpoint.
        """
        if endpoint is not None:
            return iter(self._rules_by_endpoint[endpoint])
        return (rule for rules in self._rules_by_endpoint.values() for rule in rules)

    def is_endpoint_expecting(self, endpoint: Any, *arguments: str) -> bool:
        """Whether a rule of an endpoint has all these variables.

        :raises KeyError: if there is no such endpoint.
        """
        wanted = set(arguments)
        return any(wanted <= rule.arguments for rule in self._rules_by_endpoint[endpoint])

    def bind(
        self,
        server_name: str,
        script_name: str | None = None,
        subdomain: str | None = None,
        url_scheme: str = "http",
        default_method: str = "GET",
        path_info: str | None = None,
        query_args: Mapping[str, Any] | str | None = None,
    ) -> MapAdapter:
        """An adapter for a server.

        :param server_name: its host, with the port if that is not the usual one.
        :param script_name: the path under which the application is mounted.
        :raises BadHost: if `server_name` cannot be one.
        """
        if self.host_matching:
            if subdomain is not None:
                raise RuntimeError(
                    f"You bound a subdomain ({subdomain!r}) to a map that matches hosts. With host"
                    " matching, put the whole name into server_name."
                )
        elif subdomain is None:
            subdomain = self.default_subdomain
        return MapAdapter(
            self,
            _ascii_host(server_name),
            script_name or "/",
            subdomain,
            url_scheme,
            path_info or "/",
            default_method,
            query_args,
        )

    def bind_to_environ(
        self,
        environ: WSGIEnvironment,
        server_name: str | None = None,
        subdomain: str | None = None,
    ) -> MapAdapter:
        """An adapter for a request.

        :param server_name: of which the host of the request is a subdomain.
        :param subdomain: of the request, if known.
        :raises BadHost: if the host of the request is none.
        """
        host = get_host(environ)
        scheme = environ["wsgi.url_scheme"]
        if server_name is None:
            server_name = host
        else:
            host = host.lower()
            server_name = server_name.lower().removesuffix(
                ":443" if scheme in ("https", "wss") else ":80"
            )
        if subdomain is None and not self.host_matching:
            subdomain = self._subdomain_of(host, server_name)
        return MapAdapter(
            self,
            _ascii_host(server_name),
            decode_text(environ["SCRIPT_NAME"]) if environ.get("SCRIPT_NAME") else "/",
            subdomain,
            scheme,
            # Empty where the application is mounted: a request for its root without the slash.
            decode_text(environ.get("PATH_INFO") or ""),
            environ["REQUEST_METHOD"],
            decode_text(environ["QUERY_STRING"]) if environ.get("QUERY_STRING") else "",
        )

    @staticmethod
    def _subdomain_of(host: str, server_name: str) -> str:
        if host == server_name:
            return ""
        if host.endswith(f".{server_name}"):
            return host[: -len(server_name) - 1]
        warnings.warn(
            f"Current server name {host!r} doesn't match configured server name {server_name!r}:"
            " no rule will match. Set SERVER_NAME to the name that clients use.",
            stacklevel=3,
        )
        return "<invalid>"

    def __repr__(self) -> str:
        rules = ",\n ".join(repr(rule) for rule in self.iter_rules())
        return f"{type(self).__name__}([{rules}])"
