"""The table of checks by mutants, as `conformance/mutants.json` carries it into the package.

`python -m tests.mutants.table` writes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import conformance
from tests.mutants import load

PATH = Path(conformance.__file__).with_name("mutants.json")


def text() -> str:
    """The file's text: for each check the mutants that must fail it, both sorted."""
    table: dict[str, list[str]] = {}
    for mutant in load().values():
        for check in mutant.breaks:
            table.setdefault(check, []).append(mutant.name)
    return json.dumps({check: sorted(table[check]) for check in sorted(table)}, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
