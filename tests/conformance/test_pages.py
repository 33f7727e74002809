"""The generated pages are what the code says, and say what there is to say."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue, registry
from conformance.clauses import Clause, flask, pep3333
from conformance.cli import main, make_parser
from conformance.report import command, schema
from conformance.report import pep3333 as pep3333_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def assert_fresh(name: str, printed: str) -> None:
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert printed == page, f"docs/{name}.md is not fresh: run `make catalogue`"


@pytest.mark.parametrize("name", ["checks", "servers"])
def test_the_listed_page_is_fresh(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--format", "markdown"]) == 0
    assert_fresh(name, capsys.readouterr().out)


@pytest.mark.parametrize("name", ["capabilities", "command", "pep3333", "schema"])
def test_the_generated_page_is_fresh(name: str) -> None:
    module = [sys.executable, "-m", f"conformance.report.{name}"]
    done = subprocess.run(module, cwd=DOCS.parent, capture_output=True, text=True, check=True)
    assert_fresh(name, done.stdout)


# The command.


def test_a_command_is_told_with_its_arguments_options_and_choices() -> None:
    parser = argparse.ArgumentParser(prog="tool")
    parser.add_argument("--version", action="version", version="1")
    commands = parser.add_subparsers(metavar="COMMAND")
    make = commands.add_parser("make", help="make things", description="makes them here")
    make.add_argument("what", metavar="WHAT", nargs="+", help="the things")
    make.add_argument("--how", choices=("well", "fast"), default="well", help="in which way")
    make.add_argument("--seconds", type=int, default=3, help="how long (default %(default)s)")
    make.add_argument("--by", metavar="NAME", required=True, action="append", help="somebody")
    make.add_argument("-q", "--quiet", action="store_true", help="without a word")
    commands.add_parser("stop", help="do no more")
    page = command.page(parser)
    assert "| [`make`](#make) | make things |\n| [`stop`](#stop) | do no more |\n" in page
    assert page.endswith("""
## make

```text
tool make WHAT [WHAT]... --by NAME [OPTION]...
```

Makes them here.

| | |
|---|---|
| `WHAT` | The things. |
| `--how HOW` | In which way. One of `well`, `fast`; `well` without it. |
| `--seconds SECONDS` | How long (default 3). |
| `--by NAME` | Somebody. May be given several times. |
| `-q, --quiet` | Without a word. |

## stop

```text
tool stop
```
""")


def test_every_option_is_explained() -> None:
    rows = [line for line in command.page(make_parser()).splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("` |  |") or "` |  One of" in row] == []


def test_every_exit_status_is_told() -> None:
    page = command.page(make_parser())
    for status in schema.load()["properties"]["run"]["properties"]["exit_status"]["enum"]:
        assert f"\n| {status} | " in page


# The results document.


def test_fields_are_told_with_their_types() -> None:
    text = {"type": "string", "description": "Words."}
    form: dict[str, Any] = {
        "description": "A document.",
        "required": ["one", "two"],
        "properties": {
            "one": text,
            "two": {
                "description": "Two.",
                "required": ["deep"],
                "properties": {"deep": {"enum": ["a", 1], "description": "Deep."}},
                "type": "object",
            },
            "three": {"type": "array", "items": {"$ref": "#/$defs/part"}, "description": "Parts."},
            "four": {"type": ["integer", "null"], "description": "A number."},
            "five": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/part"}], "description": "One."},
        },
        "$defs": {"part": {"description": "A part.", "required": ["x"], "properties": {"x": text}}},
    }
    assert schema.page(form).endswith("""
| `one` | string | Words. |
| `two` | object | Two. |
| `two.deep` | `a`, `1` | Deep. |
| `three` | array of [part](#part); may be left out | Parts. |
| `four` | integer or null; may be left out | A number. |
| `five` | null or [part](#part); may be left out | One. |

## part

A part.

| field | type | what it is |
|---|---|---|
| `x` | string | Words. |
""")


# PEP 3333.


def test_every_section_that_a_check_cites_is_explained() -> None:
    cited = {
        check.source.section for check in catalogue.collect() if check.source.document == "PEP 3333"
    }
    titles = [section["title"] for section in pep3333_page.load()]
    assert sorted(titles) == sorted(cited), "each has an entry in conformance/pep3333.toml"


def test_checks_of_one_title_are_a_row_and_deployments_are_counted_once() -> None:
    def check(id: str, title: str, level: str = "must") -> Clause:
        return Clause(id, level, title, pep3333("Thread Support"), ())

    checks = [
        check("wsgi/a/one", "It holds."),
        check("wsgi/a/two", "It holds."),
        check("wsgi/b", "So does this.", "should"),
        check("wsgi/c", "All do this."),
        Clause("routing/a", "contract", "It is Flask's.", flask("api"), ()),
    ]
    servers = [
        server
        for server in registry.load()
        if server.name in ("waitress", "gunicorn-sync", "gunicorn-gthread")
    ]
    sync, gthread, _ = servers
    page = pep3333_page.page(
        [{"title": "Thread Support", "asks": "Something.\n", "wrong": "Something else.\n"}],
        checks,
        servers,
        {"wsgi/a/one": [sync], "wsgi/a/two": [sync, gthread], "wsgi/b": servers},
    )
    assert "\n4 checks cite the PEP: 3 `must`, 1 `should`. " in page
    assert "\n3 deployments of 2 projects, " in page
    assert page.endswith("""
## Thread Support

[In the PEP](https://peps.python.org/pep-3333/#thread-support); 4 checks: 3 `must`, 1 `should`.

Something.

**What goes wrong.** Something else.

| what is asked | level | checks | deployments | of |
|---|---|---|---|---|
| So does this. | should | `wsgi/b` | 3 | gunicorn, waitress |
| It holds. | must | `wsgi/a/two` and 1 more | 2 | gunicorn |

Not in the table: 1 rule that no deployment breaks.
""")
