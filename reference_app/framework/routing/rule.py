"""Rules: which URLs lead to an endpoint, and how its URLs are built.

A bound rule is taken apart twice from the same text: into `RulePart`s for the matcher, one for each
part of the path between slashes, and into pieces for building. Factories make several rules from
one definition.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..http import URL_PATH_SAFE, encode_query
from .converters import BaseConverter, ValidationError

if TYPE_CHECKING:
    from .map import Map

# `<converter(arguments):name>`, `<name>`, a slash, or text.
_token_re = re.compile(
    r"(?P<slash>/)"
    r"|<(?:(?P<converter>[a-zA-Z_]\w*)(?:\((?P<arguments>.*?)\))?:)?(?P<name>[a-zA-Z_]\w*)>"
    r"|(?P<text>[^</]+)"
)
_argument_re = re.compile(
    r"\s*(?:(?P<name>\w+)\s*=\s*)?"
    r"(?P<value>True|False|-?\d+\.\d+|-?\d+|[\w+.-]+|\"[^\"]*?\"|'[^']*')\s*,?"
)


def parse_converter_arguments(text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments in `<converter(arguments):name>`: literals, or words that count as text.

    :raises ValueError: if they are malformed.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    position = 0
    while position < len(text):
        match = _argument_re.match(text, position)
        if match is None:
            raise ValueError(f"Cannot parse the converter argument at {text[position:]!r}.")
        position = match.end()
        try:
            value = ast.literal_eval(match["value"])
        except (ValueError, SyntaxError):
            value = match["value"]
        if match["name"]:
            named[match["name"]] = value
        else:
            positional.append(value)
    return tuple(positional), named


@dataclass(frozen=True)
class RulePart:
    """What one part of a path has to be for a rule.

    :param content: the text itself if `static`, else the regular expression.
    :param static: compare instead of matching.
    :param final: matches the rest of the path, slashes included.
    :param optional_slash: a final part whose rule ends in a slash, which the path may lack.
    :param weight: parts of lesser weight are tried first.
    """

    content: str
    static: bool = True
    final: bool = False
    optional_slash: bool = False
    weight: tuple[Any, ...] = ()
    groups: tuple[str, ...] = field(default=(), compare=False)


class RuleFactory:
    """Something that makes rules; the base of `Rule` and of the ones below."""

    def get_rules(self, map: Map) -> Iterable[Rule]:
        """The rules, not yet bound to the map."""
        raise NotImplementedError


class Submount(RuleFactory):
    """Rules below a common path."""

    def __init__(self, path: str, rules: Iterable[RuleFactory]) -> None:
        self.path = path.rstrip("/")
        self.rules = rules

    def get_rules(self, map: Map) -> Iterator[Rule]:
        for factory in self.rules:
            for rule in factory.get_rules(map):
                yield rule.empty(self.path + rule.rule)


class Subdomain(RuleFactory):
    """Rules on a common subdomain."""

    def __init__(self, subdomain: str, rules: Iterable[RuleFactory]) -> None:
        self.subdomain = subdomain
        self.rules = rules

    def get_rules(self, map: Map) -> Iterator[Rule]:
        for factory in self.rules:
            for rule in factory.get_rules(map):
                rule = rule.empty()
                rule.subdomain = self.subdomain
                yield rule


class EndpointPrefix(RuleFactory):
    """Rules whose endpoints have a common prefix."""

    def __init__(self, prefix: str, rules: Iterable[RuleFactory]) -> None:
        self.prefix = prefix
        self.rules = rules

    def get_rules(self, map: Map) -> Iterator[Rule]:
        for factory in self.rules:
            for rule in factory.get_rules(map):
                rule = rule.empty()
                rule.endpoint = self.prefix + rule.endpoint
                yield rule


class Rule(RuleFactory):
    """One pattern of URLs and the endpoint that it leads to.

    :param string: the path, with variable parts as `<converter(arguments):name>`.
    :param defaults: values for the endpoint that are not in the path.
    :param subdomain: on which it holds, where subdomains count; may have variable parts.
    :param methods: allowed methods, GET brings HEAD; None allows all.
    :param build_only: never match.
    :param endpoint: what it leads to.
    :param strict_slashes: whether a missing slash at the end is a redirect; None as the map says.
    :param merge_slashes: whether several slashes count as one; None as the map says.
    :param redirect_to: a URL with variable parts, or a function of the adapter and the values.
    :param alias: another URL for the same: redirect to the one that is not.
    :param host: on which it holds, where hosts are matched; may have variable parts.
    :raises ValueError: if the path does not start with a slash, or is malformed when bound.
    """

    # Whether the application answers OPTIONS for this rule by itself.
    provide_automatic_options: bool = False

    def __init__(
        self,
        string: str,
        defaults: Mapping[str, Any] | None = None,
        subdomain: str | None = None,
        methods: Iterable[str] | None = None,
        build_only: bool = False,
        endpoint: Any = None,
        strict_slashes: bool | None = None,
        merge_slashes: bool | None = None,
        redirect_to: str | Callable[..., str] | None = None,
        alias: bool = False,
        host: str | None = None,
    ) -> None:
        if not string.startswith("/"):
            raise ValueError(f"URL rule '{string}' must start with a slash.")
        if isinstance(methods, str):
            raise TypeError(f"'methods' is a list of strings, got the string {methods!r}.")
        self.rule = string
        self.map: Map = None  # type: ignore[assignment]
        self.defaults = defaults
        self.subdomain = subdomain
        self.methods = None if methods is None else {method.upper() for method in methods}
        if self.methods is not None and "GET" in self.methods:
            self.methods.add("HEAD")
        self.build_only = build_only
        self.endpoint = endpoint
        self.strict_slashes = strict_slashes
        self.merge_slashes = merge_slashes
        self.redirect_to = redirect_to
        self.alias = alias
        self.host = host
        self.arguments: set[str] = set(defaults or ())
        self.parts: list[RulePart] = []
        self.converters: dict[str, BaseConverter] = {}
        self.variables: list[tuple[str, Callable[[str], Any]]] = []
        # Pieces of the URL, (is variable, text or name): of the host, and of the path.
        self._host_pieces: list[tuple[bool, str]] = []
        self._path_pieces: list[tuple[bool, str]] = []

    def empty(self, string: str | None = None) -> Rule:
        """An unbound copy, with another path if given."""
        return type(self)(
            self.rule if string is None else string,
            defaults=None if self.defaults is None else dict(self.defaults),
            subdomain=self.subdomain,
            methods=self.methods,
            build_only=self.build_only,
            endpoint=self.endpoint,
            strict_slashes=self.strict_slashes,
            merge_slashes=self.merge_slashes,
            redirect_to=self.redirect_to,
            alias=self.alias,
            host=self.host,
        )

    def get_rules(self, map: Map) -> Iterator[Rule]:
        yield self

    def bind(self, map: Map) -> None:
        """Take what is left open from `map`, and compile.

        :raises RuntimeError: if the rule is bound already.
        :raises LookupError: if it names a converter that `map` does not have.
        """
        if self.map is not None:
            raise RuntimeError(
                f"The rule {self!r} is bound to a map already. A rule belongs to one map; add"
                " rule.empty() to the other."
            )
        self.map = map
        if self.strict_slashes is None:
            self.strict_slashes = map.strict_slashes
        if self.merge_slashes is None:
            self.merge_slashes = map.merge_slashes
        if self.subdomain is None:
            self.subdomain = map.default_subdomain
        host = (self.host if map.host_matching else self.subdomain) or ""
        path = re.sub("/{2,}", "/", self.rule) if self.merge_slashes else self.rule
        # Nothing comes before the first slash of a path, so that part says nothing.
        _, *path_parts = self._compile(path, self._path_pieces)
        self.parts = [*self._compile(host, self._host_pieces), *path_parts]
        self.variables = [(name, each.to_python) for name, each in self.converters.items()]

    def _get_converter(self, name: str, arguments: str) -> BaseConverter:
        converter = self.map.converters.get(name)
        if converter is None:
            known = ", ".join(sorted(self.map.converters))
            raise LookupError(f"the converter {name!r} does not exist; there are {known}")
        args, kwargs = parse_converter_arguments(arguments)
        return converter(self.map, *args, **kwargs)

    def _compile(self, text: str, pieces: list[tuple[bool, str]]) -> Iterator[RulePart]:
        """Yield the parts of a host or path, and note its pieces for building."""
        plain = regex = ""
        groups: list[str] = []
        final = False
        texts: list[int] = []
        weights: list[int] = []

        def weight() -> tuple[Any, ...]:
            # More text before less, then longer text, then fewer variables, then lighter ones.
            return (-len(texts), [-length for length in texts], -len(weights), weights)

        position = 0
        while position < len(text):
            match = _token_re.match(text, position)
            if match is None:
                raise ValueError(
                    f"malformed url rule {self.rule!r}: cannot make sense of {text[position:]!r}."
                    " A variable is written <name> or <converter:name>."
                )
            position = match.end()
            if match["text"]:
                texts.append(len(match["text"]))
                plain += match["text"]
                regex += re.escape(match["text"])
                pieces.append((False, match["text"]))
            elif match["name"]:
                name = match["name"]
                converter = self._get_converter(
                    match["converter"] or "default", match["arguments"] or ""
                )
                final = final or not converter.part_isolating
                self.converters[name] = converter
                self.arguments.add(name)
                # Converters may have groups of their own, hence names.
                groups.append(f"_{len(groups)}")
                regex += f"(?P<{groups[-1]}>{converter.regex})"
                weights.append(converter.weight)
                pieces.append((True, name))
            else:
                pieces.append((False, "/"))
                if final:
                    regex += "/"
                else:
                    yield self._part(plain, regex, groups, weight())
                    plain = regex = ""
                    groups, texts, weights = [], [], []
        if final and regex.endswith("/"):
            # The slash at the end of "/<path:name>/" may be missing, which is then a redirect.
            regex = regex[:-1] + "(?<!/)(?P<_slash>/?)"
            part = self._part("", regex, groups, weight(), final=True, optional_slash=True)
            yield part
            yield RulePart("")
        else:
            yield self._part(plain, regex, groups, weight(), final=final)

    @staticmethod
    def _part(
        plain: str, regex: str, groups: list[str], weight: tuple[Any, ...], **flags: bool
    ) -> RulePart:
        if not groups:
            return RulePart(plain)
        return RulePart(regex, static=False, weight=weight, groups=tuple(groups), **flags)

    def build(
        self, values: Mapping[str, Any], append_unknown: bool = True
    ) -> tuple[str, str] | None:
        """The host (or subdomain) and the path for values, or None if one of them does not fit.

        :param append_unknown: put values that have no place in the path into the query string.
        """
        try:
            host = self._join(self._host_pieces, values)
            path = self._join(self._path_pieces, values)
        except ValidationError:
            return None
        if append_unknown:
            unknown = {key: values[key] for key in values if key not in self.arguments}
            query = encode_query(unknown)
            if query:
                path = f"{path}?{query}"
        return host, path

    def _join(self, pieces: list[tuple[bool, str]], values: Mapping[str, Any]) -> str:
        defaults = self.defaults or {}
        result = []
        for is_variable, text in pieces:
            if is_variable:
                value = defaults[text] if text in defaults else values[text]
                result.append(self.converters[text].to_url(value))
            else:
                result.append(quote(text, safe=URL_PATH_SAFE))
        return "".join(result)

    def suitable_for(self, values: Mapping[str, Any], method: str | None = None) -> bool:
        """Whether a URL can be built from values, for a method."""
        if method is not None and self.methods is not None and method not in self.methods:
            return False
        defaults = self.defaults or {}
        if any(name not in values and name not in defaults for name in self.arguments):
            return False
        return all(values[name] == value for name, value in defaults.items() if name in values)

    def provides_defaults_for(self, rule: Rule) -> bool:
        """Whether this is a shorter URL for some values of another rule."""
        return bool(
            not self.build_only
            and self.defaults
            and self._pieces() != rule._pieces()
            and self.endpoint == rule.endpoint
            and self.arguments == rule.arguments
        )

    def _pieces(self) -> tuple[list[tuple[bool, str]], list[tuple[bool, str]]]:
        return self._host_pieces, self._path_pieces

    def build_order(self) -> tuple[bool, int, int]:
        """Sorts the rules of an endpoint so that the most specific one is built first."""
        return self.alias, -len(self.arguments), -len(self.defaults or ())

    def __str__(self) -> str:
        return self.rule

    def __repr__(self) -> str:
        methods = "" if self.methods is None else f" ({', '.join(sorted(self.methods))})"
        return f"<{type(self).__name__} {self.rule!r}{methods} -> {self.endpoint}>"
