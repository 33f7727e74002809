"""Clauses: what a check is called, how binding it is, and which text it rests on.

    @clause("routing/not-found", "contract", flask("errorhandling"), requires=("keep-alive",))
    def test_not_found(client: Client) -> None:
        \"\"\"An unmatched path is answered with 404: ...\"\"\"

The first line of the docstring is the check's title.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from conformance.capabilities import REQUIRABLE

#: How binding a check is. `must`, `should` and `may` follow the keyword of the cited text,
#: `contract` is Flask's documented behaviour, `agreement` is where no text decides.
LEVELS = ("must", "should", "may", "contract", "agreement")

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z0-9]+(?:[-.][a-z0-9]+)*)+")
_Check = TypeVar("_Check", bound=Callable[..., Any])


@dataclass(frozen=True)
class Source:
    """Where a clause stands, so that it can be looked up."""

    document: str
    section: str
    url: str

    def as_json(self) -> dict[str, str]:
        """As in checks.json and results.json."""
        return {"document": self.document, "section": self.section, "url": self.url}

    def __str__(self) -> str:
        return f"{self.document}, {self.section}"


@dataclass(frozen=True)
class Clause:
    """What the decorator `clause` attaches to a check."""

    id: str
    level: str
    title: str
    source: Source
    requires: tuple[str, ...]
    #: The checks that it rests on (`conformance.dependencies`): where one fails, so does this.
    rests_on: tuple[str, ...] = ()
    #: The module that it stands in.
    module: str = ""

    @property
    def area(self) -> str:
        """The first part of the id."""
        return self.id.partition("/")[0]

    def as_json(self) -> dict[str, Any]:
        """As in `wsgi-conform checks --format json`."""
        return {
            "id": self.id,
            "area": self.area,
            "level": self.level,
            "title": self.title,
            "clause": self.source.as_json(),
            "requires": list(self.requires),
            "rests_on": list(self.rests_on),
        }


def clause(
    id: str, level: str, source: Source, *, requires: tuple[str, ...] = ()
) -> Callable[[_Check], _Check]:
    """Mark a function as a check.

    :param id: stable and path-like, its area first: ``wsgi/start-response/called-twice``.
    :param level: one of `LEVELS`.
    :param source: the text that decides.
    :param requires: capabilities without which it does not apply (`capabilities.REQUIRABLE`).
    :raises ValueError: one of them is not what it has to be, or the function has no docstring.
    """
    if not _ID.fullmatch(id):
        raise ValueError(f"expected a check id like 'routing/not-found', found {id!r}")
    if level not in LEVELS:
        raise ValueError(f"{id}: expected a level of {', '.join(LEVELS)}, found {level!r}")
    for name in requires:
        if name not in REQUIRABLE:
            raise ValueError(
                f"{id}: unknown capability {name!r}; there are {', '.join(REQUIRABLE)}"
            )

    def mark(check: _Check) -> _Check:
        text = inspect.getdoc(check)
        if not text:
            raise ValueError(
                f"{id}: a check needs a docstring that says what is sent and what comes"
            )
        title = text.partition("\n\n")[0].replace("\n", " ")
        check.__clause__ = Clause(id, level, title, source, requires)  # type: ignore[attr-defined]
        return check

    return mark


def clause_of(check: Any) -> Clause | None:
    """The clause of a test function, or None for a function without one."""
    found = getattr(check, "__clause__", None)
    return found if isinstance(found, Clause) else None


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def pep3333(section: str) -> Source:
    """A section of PEP 3333 by its heading."""
    return Source("PEP 3333", section, f"https://peps.python.org/pep-3333/#{_anchor(section)}")


def rfc9110(section: str) -> Source:
    """A section of RFC 9110, HTTP Semantics, by its number."""
    url = f"https://www.rfc-editor.org/rfc/rfc9110.html#section-{section}"
    return Source("RFC 9110", f"section {section}", url)


def rfc9112(section: str) -> Source:
    """A section of RFC 9112, HTTP/1.1, by its number."""
    url = f"https://www.rfc-editor.org/rfc/rfc9112.html#section-{section}"
    return Source("RFC 9112", f"section {section}", url)


def rfc3986(section: str) -> Source:
    """A section of RFC 3986, URI syntax, by its number."""
    url = f"https://www.rfc-editor.org/rfc/rfc3986.html#section-{section}"
    return Source("RFC 3986", f"section {section}", url)


def rfc6265(section: str) -> Source:
    """A section of RFC 6265, cookies, by its number."""
    url = f"https://www.rfc-editor.org/rfc/rfc6265.html#section-{section}"
    return Source("RFC 6265", f"section {section}", url)


def flask(page: str, section: str | None = None) -> Source:
    """A page of Flask's documentation, and a heading or a documented name on it.

    :param page: the page's path, e.g. ``quickstart``.
    :param section: a heading, or a name of the API such as ``flask.Flask.before_request``, or of
        the configuration such as ``SECRET_KEY``.
    """
    url = f"https://flask.palletsprojects.com/en/stable/{page}/"
    if section is None:
        return Source("Flask documentation", page, url)
    # Names keep their case as anchors: those of the API, and those of the configuration.
    named = section.startswith("flask.") or section.isupper()
    anchor = section if named else _anchor(section)
    return Source("Flask documentation", section, f"{url}#{anchor}")


def werkzeug(page: str, section: str) -> Source:
    """A page of Werkzeug's documentation, and a heading or a documented name on it."""
    anchor = section if section.startswith("werkzeug.") else _anchor(section)
    url = f"https://werkzeug.palletsprojects.com/en/stable/{page}/#{anchor}"
    return Source("Werkzeug documentation", section, url)
