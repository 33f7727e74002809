"""Citations: the place that a check names is there, and its level is one that the text can give.

What can be known without a network: the headings of PEP 3333, how many sections the RFCs have, and
the names of the API and the configuration in the Flask and Werkzeug that are installed.
"""

from __future__ import annotations

import pkgutil

import pytest
from flask import Flask

from conformance import catalogue
from conformance.clauses import Clause

PEP_3333 = (
    "A Note On String Types",
    "The Application/Framework Side",
    "The Server/Gateway Side",
    "Middleware: Components that Play Both Sides",
    "Specification Details",
    "environ Variables",
    "Input and Error Streams",
    "The start_response() Callable",
    "Handling the Content-Length Header",
    "Buffering and Streaming",
    "Middleware Handling of Block Boundaries",
    "The write() Callable",
    "Unicode Issues",
    "Error Handling",
    "HTTP 1.1 Expect/Continue",
    "Other HTTP Features",
    "Thread Support",
    "Server Extension APIs",
    "Application Configuration",
    "URL Reconstruction",
    "Optional Platform-Specific File Handling",
)

#: By document: how many sections it has, and how many subsections a section has.
SECTIONS: dict[str, dict[str, int]] = {
    "RFC 9110": {
        **{"": 18, "1": 4, "2": 5, "3": 9, "4": 3, "4.2": 5, "4.3": 5, "5": 6, "5.6": 7},
        **{"5.6.1": 2, "6": 6, "6.4": 2, "6.5": 2, "6.6": 2, "7": 8, "7.3": 3, "7.6": 3, "8": 8},
        **{"8.3": 3, "8.4": 1, "8.4.1": 3, "8.5": 1, "8.8": 3, "8.8.2": 2, "8.8.3": 3, "9": 3},
        **{"9.2": 3, "9.3": 8, "10": 2, "10.1": 5, "10.2": 4, "11": 7, "11.6": 3, "11.7": 3},
        **{"12": 5, "12.4": 3, "12.5": 5, "13": 2, "13.1": 5, "13.2": 2, "14": 6, "14.1": 2},
        **{"15": 6, "15.2": 2, "15.3": 7, "15.3.7": 3, "15.4": 9, "15.5": 22, "15.6": 6},
        **{"16": 7, "17": 16, "17.16": 4, "18": 10},
    },
    "RFC 9112": {
        **{"": 12, "1": 2, "2": 3, "3": 3, "3.2": 4, "5": 2, "6": 3, "7": 4, "7.1": 3, "9": 8},
        **{"9.3": 2, "10": 2, "11": 4, "12": 4},
    },
}

#: What no class has, because it is set, and documented, where an object is made.
OF_OBJECTS = {"flask.Request.headers", "flask.Request.remote_addr"}


@pytest.fixture(scope="module")
def checks() -> list[Clause]:
    return catalogue.collect()


def section_exists(document: str, section: str) -> bool:
    """Whether this RFC has this section: every part of the number is one that there is."""
    above, _, last = section.removeprefix("section ").rpartition(".")
    below = SECTIONS[document].get(above, 0)
    return 1 <= int(last) <= below and (not above or section_exists(document, above))


def name_exists(name: str) -> bool:
    """Whether Flask or Werkzeug has this name, by which their documentation has an anchor."""
    try:
        # The proxy has no attributes outside of a request; those of every session are documented.
        pkgutil.resolve_name(name.replace("flask.session.", "flask.sessions.SessionMixin."))
    except (AttributeError, ImportError):
        return False
    return True


def cited(checks: list[Clause], document: str) -> set[str]:
    found = {check.source.section for check in checks if check.source.document == document}
    assert found, f"no check cites {document}"
    return found


def test_headings_of_pep_3333_exist(checks: list[Clause]) -> None:
    assert cited(checks, "PEP 3333") - set(PEP_3333) == set()


@pytest.mark.parametrize("document", SECTIONS)
def test_sections_of_rfcs_exist(checks: list[Clause], document: str) -> None:
    sections = cited(checks, document)
    assert [section for section in sections if not section_exists(document, section)] == []


def test_names_of_flask_and_werkzeug_exist(checks: list[Clause]) -> None:
    sections = cited(checks, "Flask documentation") | cited(checks, "Werkzeug documentation")
    names = [section for section in sections if section.startswith(("flask.", "werkzeug."))]
    assert {name for name in names if not name_exists(name)} <= OF_OBJECTS


def test_names_of_the_configuration_exist(checks: list[Clause]) -> None:
    names = {name for name in cited(checks, "Flask documentation") if name.isupper()}
    assert names - set(Flask.default_config) == set()


def test_contracts_are_those_of_flask_and_werkzeug(checks: list[Clause]) -> None:
    """A contract is what the two document; they have no keywords that would make it a must."""
    theirs = ("Flask documentation", "Werkzeug documentation")
    wrong = [
        check.id
        for check in checks
        if check.level != "agreement"
        and (check.level == "contract") != (check.source.document in theirs)
    ]
    assert wrong == []


@pytest.mark.parametrize("section", ["19", "9.3.9", "3.10", "0", "9.3.1.1", "15.7.1"])
def test_a_section_that_there_is_not_is_found_out(section: str) -> None:
    assert not section_exists("RFC 9110", f"section {section}")


@pytest.mark.parametrize("name", ["flask.Flask.subdomain_matching", "flask.Respons", "werkzeug.x"])
def test_a_name_that_there_is_not_is_found_out(name: str) -> None:
    assert not name_exists(name)
