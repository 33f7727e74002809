"""The report on the terminal: the matrix, then every cell that is not as expected, then the totals.

What servers sent is shown with every control character escaped, because it may be hostile.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from conformance.report import exchanges, explanation
from conformance.results import Document
from conformance.verdicts import Verdict

#: An error that says nothing of the check: its server did not start, or broke off before it.
_NOT_RUN = "not run"

SIGNS: dict[str, str] = {
    Verdict.PASS: "+",
    Verdict.DEVIATION: "d",
    Verdict.FAIL: "F",
    Verdict.FIXED: "X",
    Verdict.NOT_APPLICABLE: ".",
    Verdict.ERROR: "E",
    _NOT_RUN: "E",
}
STYLES: dict[str, str] = {
    Verdict.PASS: "green",
    Verdict.DEVIATION: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.FIXED: "bold cyan",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.ERROR: "bold magenta",
    _NOT_RUN: "bold magenta",
}
_MEANING = {
    Verdict.PASS: "pass",
    Verdict.DEVIATION: "deviation: fails as listed",
    Verdict.FAIL: "fail: not listed",
    Verdict.FIXED: "fixed: listed, but passes",
    Verdict.NOT_APPLICABLE: "not applicable",
    Verdict.ERROR: "error of the harness",
}
#: Columns of text for a server; an area has less than a thousand checks.
_CELL = 4
_UNEXPECTED = (Verdict.ERROR, Verdict.FAIL, Verdict.FIXED)
#: What decides the colour of an area's count.
_WORST_FIRST = (
    *_UNEXPECTED,
    _NOT_RUN,
    Verdict.DEVIATION,
    Verdict.PASS,
    "differs",
    "conforms",
    "same",
)
#: Unicode categories that are not shown as they are: control and format characters (bidirectional
#: ones among them), separators of lines, surrogates, what is not assigned.
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def counted(number: int, noun: str) -> str:
    """A number and what it counts: `1 check`, `2 checks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Text with what would not show, or do something, as escapes; line ends and tabs are kept."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in "\n\t" and unicodedata.category(character) in _HIDDEN
        else character
        for character in text
    )


def write(
    document: Document,
    console: Console,
    *,
    details: bool = True,
    parity: bool = False,
    again: exchanges.Again | None = None,
) -> None:
    """Print a results document.

    :param details: whether each unexpected cell is explained below the matrix.
    :param parity: whether a second matrix shows what is the same as the reference deployment's.
    :param again: how what was recorded is sent once more.
    """
    again = again or exchanges.Again()
    servers = [
        {**server, "checks": list(map(_shown, document.checks(server["name"])))}
        for server in document.servers
    ]
    _matrix(servers, console)
    if parity:
        _parity(servers, console)
    if details:
        for server in servers:
            _unexpected(server, console, again)
    _totals(document.run, servers, console)


def _shown(check: dict[str, Any]) -> dict[str, Any]:
    """As much of a check as is shown: of most no more than a sign, and there are very many."""
    if Verdict(check["verdict"]) in _UNEXPECTED:
        return check
    shown = {key: check[key] for key in ("id", "area", "level", "verdict", "message", "rests_on")}
    parity = check["parity"]
    return {**shown, "parity": parity and {**parity, "differences": []}}


@dataclass(frozen=True)
class _Kind:
    """One kind of matrix: what a cell is, and which rows and counts it shows.

    :param cell: what stands in the cell of a check.
    :param counted: what an area counts.
    :param unremarkable: the cells of which a row has to have others to be shown.
    """

    cell: Callable[[dict[str, Any]], str]
    signs: Mapping[str, str]
    styles: Mapping[str, str]
    counted: str
    unremarkable: tuple[str, ...]


def _cell(check: dict[str, Any]) -> str:
    """The verdict; one that was written for want of a server is told apart."""
    not_run = check["verdict"] == Verdict.ERROR and check["message"].startswith(_NOT_RUN)
    return _NOT_RUN if not_run else str(check["verdict"])


_VERDICTS = _Kind(
    cell=_cell,
    signs=SIGNS,
    styles=STYLES,
    counted=Verdict.PASS,
    unremarkable=("", Verdict.PASS, Verdict.NOT_APPLICABLE, _NOT_RUN),
)


def _sameness(check: dict[str, Any]) -> str:
    if check["parity"] is None:
        return ""
    if check["parity"]["same"]:
        return "same"
    return "conforms" if check["verdict"] == Verdict.PASS else "differs"


_PARITY = _Kind(
    cell=_sameness,
    signs={"same": "=", "conforms": "~", "differs": "!"},
    styles={"same": "green", "conforms": "yellow", "differs": "red"},
    counted="same",
    unremarkable=("", "same"),
)


def _matrix(servers: list[dict[str, Any]], console: Console) -> None:
    """The servers by number, and the matrix of verdicts."""
    checks = [check for server in servers for check in server["checks"]]
    if not checks:
        return
    for number, server in enumerate(servers, 1):
        version = server["version"] or "version unknown"
        python = f", Python {server['python']}" if server["python"] else ""
        _print(console, f"{number:>3}  {server['name']} ({server['project']} {version}{python})")
    _blocks(servers, _VERDICTS, console)
    used = {check["verdict"] for check in checks}
    legend = [f"{SIGNS[verdict]} {_MEANING[verdict]}" for verdict in Verdict if verdict in used]
    _print(console, f"\nareas count what passes; {', '.join(legend)}\n", "dim")
    if len(servers) == 1:
        _not_applicable(servers[0], console)


def _not_applicable(server: dict[str, Any], console: Console) -> None:
    """Why checks do not apply, and how many; of one server, since each has reasons of its own."""
    reasons = Counter(
        check["message"] for check in server["checks"] if check["verdict"] == Verdict.NOT_APPLICABLE
    )
    for reason, number in reasons.most_common():
        _print(console, f"{number} not applicable: {reason}")
    if reasons:
        _print(console, "")


def _parity(servers: list[dict[str, Any]], console: Console) -> None:
    """The matrix of what is the same as the reference deployment's, and who agrees with whom."""
    checks = [check for server in servers for check in server["checks"]]
    found = [check["parity"] for check in checks if check["parity"] is not None]
    if not found:
        _print(console, "nothing could be compared with the reference deployment\n", "dim")
        return
    _print(console, f"the same as {found[0]['reference']}", "bold")
    _blocks(servers, _PARITY, console)
    _print(
        console,
        "\nareas count what is the same; = the same, ~ passes and is not the same, "
        "! does not pass and is not the same\n",
        "dim",
    )
    groups: dict[str, dict[str, list[str]]] = {}
    for server in servers:
        for check in server["checks"]:
            if check["level"] == "agreement" and check["parity"] is not None:
                answers = groups.setdefault(check["id"], {})
                answers.setdefault(check["parity"]["answer"], []).append(server["name"])
    for identity, answers in groups.items():
        if len(answers) > 1:
            _print(console, f"{identity}: no text decides, and there are {len(answers)} answers")
            for names in sorted(answers.values(), key=len, reverse=True):
                _indented(console, f"{len(names)}: {', '.join(names)}")
    _print(console, "")


def _blocks(servers: list[dict[str, Any]], kind: _Kind, console: Console) -> None:
    """A matrix, in blocks of as many columns as a terminal is wide."""
    width = max(len(check["id"]) for server in servers for check in server["checks"]) + 4
    columns = len(servers)
    if console.is_terminal:
        columns = max(1, (console.width - width) // _CELL)
    for first in range(0, len(servers), columns):
        _block(servers[first : first + columns], kind, first + 1, width, console)


def _block(
    servers: list[dict[str, Any]], kind: _Kind, first: int, width: int, console: Console
) -> None:
    """Areas with their counts, and below each the checks that are not alike everywhere."""
    rows: dict[str, dict[str, list[str]]] = {}
    for column, server in enumerate(servers):
        for check in server["checks"]:
            row = rows.setdefault(check["area"], {}).setdefault(check["id"], [""] * len(servers))
            row[column] = kind.cell(check)
    heading = "".join(f"{first + column:>{_CELL}}" for column in range(len(servers)))
    _print(console, f"\n{'':<{width}}{heading}", "bold")
    for area, checks in rows.items():
        line = Text(f"{printable(f'{area} ({len(checks)})'):<{width}}", "bold")
        for column in range(len(servers)):
            found = Counter(row[column] for row in checks.values())
            style = next((kind.styles[cell] for cell in _WORST_FIRST if found[cell]), "")
            line.append(f"{found[kind.counted]:>{_CELL}}", style)
        console.print(line, soft_wrap=True)
        for identity, row in checks.items():
            if all(cell in kind.unremarkable for cell in row):
                continue
            line = Text(f"  {printable(identity):<{width - 2}}")
            for cell in row:
                line.append(f"{kind.signs.get(cell, ''):>{_CELL}}", kind.styles.get(cell, ""))
            console.print(line, soft_wrap=True)


def root_of(identity: str, failed: Mapping[str, Sequence[str]]) -> str:
    """The check that a failure follows from, or its own id where it follows from none.

    :param failed: the ids of the checks that fail on the same deployment, each with those that it
        rests on.
    """
    for root in failed[identity]:
        if root in failed:
            return root_of(root, failed)
    return identity


def _unexpected(server: dict[str, Any], console: Console, again: exchanges.Again) -> None:
    if server["error"]:
        _print(console, f"ERROR {server['name']}", STYLES[Verdict.ERROR])
        _indented(console, server["error"])
        _print(console, "")
    failed = {
        check["id"]: check["rests_on"]
        for check in server["checks"]
        if check["verdict"] in (Verdict.FAIL, Verdict.DEVIATION)
    }
    follow: dict[str, list[str]] = {}
    for check in server["checks"]:
        verdict = Verdict(check["verdict"])
        if verdict not in _UNEXPECTED or (server["error"] and _cell(check) == _NOT_RUN):
            continue
        if verdict is Verdict.FAIL and (root := root_of(check["id"], failed)) != check["id"]:
            follow.setdefault(root, []).append(check["id"])
            continue
        _print(console, f"{verdict.upper()} {server['name']} {check['id']}", STYLES[verdict])
        _indented(console, "\n".join(explanation.lines(check, server["name"], again)))
        _print(console, "")
    for root, identities in follow.items():
        _print(
            console,
            f"FAIL {server['name']}: {len(identities)} more, which rest on {root}, and that fails",
            STYLES[Verdict.FAIL],
        )
        _indented(console, "\n".join(identities))
        _print(console, "")


def _totals(run: dict[str, Any], servers: list[dict[str, Any]], console: Console) -> None:
    found = Counter(check["verdict"] for server in servers for check in server["checks"])
    kinds = ", ".join(f"{found[verdict]} {verdict}" for verdict in Verdict if found[verdict])
    line = (
        f"{counted(len(servers), 'server')}, {counted(found.total(), 'verdict')} "
        f"({kinds or 'none'}) in {run['duration_s']:.1f} s, backend {run['backend']}"
    )
    _print(console, line, "bold")
    if run["incomplete"]:
        _print(console, "interrupted: these are the results so far", STYLES[Verdict.ERROR])


def _indented(console: Console, text: str) -> None:
    for line in text.rstrip("\n").split("\n"):
        _print(console, f"    {line}")


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(printable(text), style), soft_wrap=True)
