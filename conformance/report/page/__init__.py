"""The page: a results document to look at in a browser, in one file that needs no network.

Its parts are files of their own next to this one: a template, a style sheet, and scripts that are
put one after the other into one. They go into the page as they are. What comes from the document
goes in as data only, and the scripts put it into the page as text, so that nothing that a server
sent can be markup; a Content-Security-Policy, which allows the page's own script and style by their
hashes and nothing else, holds even if they did not.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from conformance.report import exchanges
from conformance.report.page import data
from conformance.results import Document

#: In this order: each uses what those before it have.
_SCRIPTS = (
    "data.js",
    "matrix.js",
    "panel.js",
    "servers.js",
    "support.js",
    "compare.js",
    "page.js",
)


def write(
    document: Document,
    path: Path,
    *,
    base: Document | None = None,
    support: Sequence[Mapping[str, Any]] = (),
    again: exchanges.Again | None = None,
) -> None:
    """Write the page of a results document.

    It replaces an earlier one at once, when it is whole.

    :param base: an earlier run, of which the page says what changed since.
    :param support: what people ask of servers, answered: as `conformance.report.support.answers`.
    :param again: how what was recorded is sent once more.
    :raises ResultsError: the document cannot be read any more.
    :raises OSError: the page cannot be written.
    """
    collected = data.collect(document, again or exchanges.Again())
    overview = {
        **collected.overview,
        "support": data.support(support, collected.overview),
        "base": data.base(base),
    }
    style = _resource("style.css")
    script = '(() => {\n"use strict";\n' + "".join(map(_resource, _SCRIPTS)) + "})();\n"
    # The details come after the script, so that the page is there before they are.
    before, after = _resource("template.html").split("{details}")
    parts = {
        "{policy}": _policy(style, script),
        "{style}": style,
        "{script}": script,
        "{overview}": data.as_json(overview),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(_filled(before, parts))
            out.write(_data_element("notes", collected.notes))
            for number, detail in enumerate(collected.details):
                out.write(_data_element(f"detail-{number}", detail))
            out.write(after)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _resource(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """A template with its parts; what looks like the name of one in a part stays as it is."""
    for name, text in parts.items():
        before, found, after = template.partition(name)
        if found:
            return _filled(before, parts) + text + _filled(after, parts)
    return template


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: what the page brings itself, and no network."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _data_element(identity: str, text: str) -> str:
    return f'<script type="text/plain" id="{identity}">{text}</script>\n'
