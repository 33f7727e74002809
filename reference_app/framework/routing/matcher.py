"""The machine that finds the rule for a path.

The rules form a tree. A path is taken apart at its slashes, and each part leads from a state to
another: by equal text, which is one look-up in a dict, or else by the regular expressions of the
variable parts in order of weight. A way that ends nowhere is left again for the next one. The host
(or subdomain) is the first part. Thus the time depends on the length of the path, not on the
number of rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .converters import ValidationError
from .rule import Rule, RulePart

_ANY_TEXT = "(?P<_0>[^/]+)"


class SlashMissing(Exception):
    """The path would match with a slash at the end."""


class NoMatch(Exception):
    """No rule matches.

    :param allowed: the methods for which one would.
    """

    def __init__(self, allowed: set[str]) -> None:
        super().__init__()
        self.allowed = allowed


class State:
    """A place in the tree: where its parts lead to, and the rules that end here."""

    __slots__ = ("dynamic", "rules", "static")

    def __init__(self) -> None:
        self.static: dict[str, State] = {}
        self.dynamic: list[Branch] = []
        self.rules: list[Rule] = []


class Branch:
    """A variable part and the state that it leads to."""

    __slots__ = ("final", "group", "groups", "match", "optional_slash", "part", "state")

    def __init__(self, part: RulePart) -> None:
        self.part = part
        self.final = part.final
        self.optional_slash = part.optional_slash
        self.groups = part.groups
        # Plain `<name>` matches any part that is not empty: no need for a regular expression.
        self.match: Callable[[str], re.Match[str] | None] | None = None
        if part.content != _ANY_TEXT or part.final:
            self.match = re.compile(part.content).fullmatch
        self.state = State()

    def follow(self, text: str, texts: list[str]) -> State | None:
        """Where a part leads to; the values in it are added to `texts`."""
        match = None if self.match is None else self.match(text)
        if match is None:
            return None
        texts.extend([match[group] for group in self.groups])
        if self.optional_slash and match["_slash"]:
            return self.state.static[""]
        return self.state


class Matcher:
    """Finds the rule for host, path and method."""

    def __init__(self) -> None:
        self._root = State()

    def add(self, rule: Rule) -> None:
        """Take a bound rule in."""
        state = self._root
        for part in rule.parts:
            if part.static:
                state = state.static.setdefault(part.content, State())
                continue
            for branch in state.dynamic:
                if branch.part == part:
                    break
            else:
                branch = Branch(part)
                state.dynamic.append(branch)
                state.dynamic.sort(key=lambda each: each.part.weight)
            state = branch.state
        state.rules.append(rule)

    def match(self, host: str, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
        """The rule and the values of its variables, for a path that starts with a slash.

        :raises SlashMissing: if only a slash at the end is missing.
        :raises NoMatch: if there is no rule, or a value is not valid.
        """
        texts: list[str] = []
        allowed: set[str] = set()
        found = self._walk(self._root, f"{host}{path}".split("/"), 0, method, texts, allowed)
        if found is None:
            raise NoMatch(allowed)
        values: dict[str, Any] = {}
        try:
            for index, (name, to_python) in enumerate(found.variables):
                values[name] = to_python(texts[index])
        except ValidationError:
            raise NoMatch(allowed) from None
        if found.defaults:
            values.update(found.defaults)
        return found, values

    def _walk(
        self,
        state: State,
        parts: list[str],
        index: int,
        method: str,
        texts: list[str],
        allowed: set[str],
    ) -> Rule | None:
        """Follow `parts` from `index` on; `texts` collects values, `allowed` methods on the way."""
        end = len(parts)
        while index < end:
            part = parts[index]
            child = state.static.get(part)
            branches = state.dynamic
            if child is not None:
                if not branches and (part or index + 1 < end):
                    # The only way, so there is nothing to come back for.
                    state = child
                    index += 1
                    continue
                found = self._walk(child, parts, index + 1, method, texts, allowed)
                if found is not None:
                    return found

            for branch in branches:
                mark = len(texts)
                if branch.match is None and part:
                    texts.append(part)
                    child = branch.state
                else:
                    child = branch.follow("/".join(parts[index:]) if branch.final else part, texts)
                    if child is None:
                        continue
                next_index = end if branch.final else index + 1
                if len(branches) == 1 and part:
                    break
                found = self._walk(child, parts, next_index, method, texts, allowed)
                if found is not None:
                    return found
                del texts[mark:]
            else:
                if not part and index == end - 1:
                    return self._ignoring_slash(state, method, allowed)
                return None
            # One variable was the only way.
            state, index = child, next_index

        for rule in state.rules:
            if rule.methods is None or method in rule.methods:
                return rule
            allowed |= rule.methods
        with_slash = state.static.get("")
        if with_slash is not None:
            for rule in with_slash.rules:
                if rule.methods is None or method in rule.methods:
                    if rule.strict_slashes:
                        raise SlashMissing
                    return rule
        return None

    @staticmethod
    def _ignoring_slash(state: State, method: str, allowed: set[str]) -> Rule | None:
        """The rule for a path with a slash at the end that the rule does not have."""
        for rule in state.rules:
            if not rule.strict_slashes:
                if rule.methods is None or method in rule.methods:
                    return rule
                allowed |= rule.methods
        return None
