"""Clauses: what `@clause` takes, and where its sources point."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance import clauses
from conformance.capabilities import REQUIRABLE
from conformance.clauses import Source, clause, clause_of

SOURCE = Source("A text", "A section", "https://example.org/#a-section")


def check() -> None:
    """What is sent,
    and what comes.

    More about it.
    """


def test_a_check_gets_a_clause_with_the_first_paragraph_as_its_title() -> None:
    marked = clause("area/some-thing/1.0", "must", SOURCE, requires=("control",))(check)
    found = clause_of(marked)
    assert found is not None
    assert found.as_json() == {
        "id": "area/some-thing/1.0",
        "area": "area",
        "level": "must",
        "title": "What is sent, and what comes.",
        "clause": {
            "document": "A text",
            "section": "A section",
            "url": "https://example.org/#a-section",
        },
        "requires": ["control"],
        "rests_on": [],
    }


def test_other_functions_have_none() -> None:
    assert clause_of(test_other_functions_have_none) is None
    assert clause_of(None) is None


@pytest.mark.parametrize(
    "identity", ["area", "Area/check", "area/", "/check", "area//check", "area/a_b", "area/-a", ""]
)
def test_ids_are_path_like(identity: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as caught:
        clause(identity, "must", SOURCE)
    assert str(caught.value) == f"expected a check id like 'routing/not-found', found {identity!r}"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: clause("a/b", "MUST", SOURCE),
            "a/b: expected a level of must, should, may, contract, agreement, found 'MUST'",
        ),
        (
            lambda: clause("a/b", "must", SOURCE, requires=("threads",)),
            f"a/b: unknown capability 'threads'; there are {', '.join(REQUIRABLE)}",
        ),
        (
            lambda: clause("a/b", "must", SOURCE)(lambda: None),
            "a/b: a check needs a docstring that says what is sent and what comes",
        ),
    ],
    ids=["level", "requires", "docstring"],
)
def test_what_is_no_clause(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "text", "url"),
    [
        (
            clauses.pep3333("The start_response() Callable"),
            "PEP 3333, The start_response() Callable",
            "https://peps.python.org/pep-3333/#the-start-response-callable",
        ),
        (
            clauses.rfc9110("15.5.6"),
            "RFC 9110, section 15.5.6",
            "https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.6",
        ),
        (
            clauses.rfc9112("6.3"),
            "RFC 9112, section 6.3",
            "https://www.rfc-editor.org/rfc/rfc9112.html#section-6.3",
        ),
        (
            clauses.rfc3986("2.1"),
            "RFC 3986, section 2.1",
            "https://www.rfc-editor.org/rfc/rfc3986.html#section-2.1",
        ),
        (
            clauses.flask("quickstart", "Variable Rules"),
            "Flask documentation, Variable Rules",
            "https://flask.palletsprojects.com/en/stable/quickstart/#variable-rules",
        ),
        (
            clauses.flask("api", "flask.Flask.before_request"),
            "Flask documentation, flask.Flask.before_request",
            "https://flask.palletsprojects.com/en/stable/api/#flask.Flask.before_request",
        ),
        (
            clauses.flask("config", "SECRET_KEY"),
            "Flask documentation, SECRET_KEY",
            "https://flask.palletsprojects.com/en/stable/config/#SECRET_KEY",
        ),
        (
            clauses.flask("errorhandling"),
            "Flask documentation, errorhandling",
            "https://flask.palletsprojects.com/en/stable/errorhandling/",
        ),
        (
            clauses.werkzeug("routing", "Built-in Converters"),
            "Werkzeug documentation, Built-in Converters",
            "https://werkzeug.palletsprojects.com/en/stable/routing/#built-in-converters",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, Source) else "",
)
def test_sources(source: Source, text: str, url: str) -> None:
    assert (str(source), source.url) == (text, url)
