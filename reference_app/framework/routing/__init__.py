"""URLs to endpoints and back.

A `Rule` says which URLs lead to an endpoint, a `Map` holds all rules of an application, and a
`MapAdapter` is a map bound to one request or server: it matches the path and builds URLs. A
converter says what a variable part of a rule may be. `matcher.py` is the machine that finds the
rule.

This package knows nothing of views: an endpoint is a name.
"""

from .adapter import MapAdapter
from .converters import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    PathConverter,
    UnicodeConverter,
    UUIDConverter,
    ValidationError,
)
from .exceptions import BuildError, RequestRedirect, RoutingException
from .map import Map
from .rule import EndpointPrefix, Rule, RuleFactory, Subdomain, Submount

__all__ = [
    "AnyConverter",
    "BaseConverter",
    "BuildError",
    "EndpointPrefix",
    "FloatConverter",
    "IntegerConverter",
    "Map",
    "MapAdapter",
    "PathConverter",
    "RequestRedirect",
    "RoutingException",
    "Rule",
    "RuleFactory",
    "Subdomain",
    "Submount",
    "UUIDConverter",
    "UnicodeConverter",
    "ValidationError",
]
