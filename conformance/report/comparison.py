"""A comparison as text: for the terminal, and in Markdown for a pull request or an issue."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from conformance import bisect, compare, consequences
from conformance.compare import Change, Column, Difference, Pair, Row
from conformance.index import Release
from conformance.report import exchanges, markup
from conformance.report.terminal import printable

#: How many bytes of a request or a response are shown of each change.
BYTES_SHOWN = 600
_SIGN = {"pass": "+", "fail": "-", "not-applicable": "0", "error": "E", None: " "}
_STYLE = {"+": "green", "-": "red", "E": "magenta"}
#: Columns of a table side by side; a wider one is no help to anybody.
_WIDEST = 40


def terminal(found: Sequence[Column], pairs: Sequence[Pair], console: Console, brief: bool) -> None:
    """Print a comparison.

    :param brief: leave out the bytes.
    """
    for line, style in _lines(found, pairs, brief):
        console.print(Text(printable(line), style), soft_wrap=True)


def _lines(
    found: Sequence[Column], pairs: Sequence[Pair], brief: bool
) -> Iterator[tuple[str, str]]:
    for column in found:
        if column.error is not None:
            yield f"ERROR {column.name}", "magenta"
            for line in column.error.strip().split("\n"):
                yield f"    {line}", ""
            yield "", ""
    for compared in pairs:
        yield from _pair(compared, brief)
    if not pairs:
        yield from _table(found)


def _pair(compared: Pair, brief: bool) -> Iterator[tuple[str, str]]:
    for group, changes in groupby(
        compared.changes, lambda change: consequences.of(change.id).group
    ):
        yield group, "bold"
        for change in changes:
            yield from _change(change, brief)
    if compared.differences:
        yield "Answered differently, with the same outcome", "bold"
        for difference in compared.differences:
            yield f"  {difference.id} ({difference.check['level']})", ""
            if not brief:
                yield from (
                    (f"      {line}", _STYLE.get(line[:1], "")) for line in difference.lines
                )
    for reason, identities in _by_reason(compared.not_asked):
        yield f"Not asked of {reason}", "bold"
        yield f"  {', '.join(identities)}", ""
    yield from ((line, "bold") for line in summary(compared))


def _change(change: Change, brief: bool) -> Iterator[tuple[str, str]]:
    check = change.check
    sign, words = ("-", "passed, fails") if change.broken else ("+", "failed, passes")
    yield f"{sign} {change.id}  {check['level']}: {words}", _STYLE[sign]
    yield f"    {check['title']}", ""
    yield f"    {'now' if change.broken else 'before'}: {consequences.of(change.id).text}", ""
    clause = check["clause"]
    yield f"    {clause['document']}, {clause['section']}, {clause['url']}", ""
    if change.unsure:
        yield f"    unsure: {change.unsure}", "yellow"
    failing = change.after if change.broken else change.before
    for line in failing.checks[change.id]["message"].strip().split("\n")[:4]:
        yield f"    {line}", ""
    if not brief:
        yield from _both(change)
    yield "", ""


def _both(change: Change) -> Iterator[tuple[str, str]]:
    before, after = compare.telling(change)
    asked = [side["request"] for side in (before, after) if side is not None]
    if not asked:
        return
    alike = len(asked) == 2 and asked[0]["text"] == asked[1]["text"]
    if alike:
        yield from _direction("    >", asked[0])
    for column, side in ((change.before, before), (change.after, after)):
        if side is None:
            continue
        yield f"    {column.name}:", ""
        if not alike:
            yield from _direction("      >", side["request"])
        yield from _direction("      <", side["response"])
        yield f"      {exchanges.end_of(side)}", ""


def _direction(sign: str, direction: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for line in exchanges.one_direction(direction, sign, BYTES_SHOWN):
        yield line, ""


def summary(compared: Pair) -> list[str]:
    """What changed, in numbers."""
    before, after = compared.before, compared.after
    broken = Counter(change.check["level"] for change in compared.changes if change.broken)
    mended = Counter(change.check["level"] for change in compared.changes if not change.broken)
    lines = [
        f"{_title(before)} -> {_title(after)}",
        f"{mended.total()} checks that failed pass{by_level(mended)}, "
        f"{broken.total()} that passed fail{by_level(broken)}, "
        f"{len(compared.differences)} are answered differently with the same outcome",
    ]
    unsure = sum(change.unsure is not None for change in compared.changes)
    if unsure:
        lines.append(f"{unsure} of the changes are unsure")
    return lines


def _title(column: Column) -> str:
    known = [f"version {column.version}"] if column.version else []
    known += [f"Python {column.python}"] if column.python else []
    return f"{column.name} ({', '.join(known)})" if known else column.name


def by_level(found: Counter[str]) -> str:
    """How many of these there are of each level, in brackets."""
    counted = ", ".join(f"{found[level]} {level}" for level in compare.LEVELS if found[level])
    return f" ({counted})" if counted else ""


def _by_reason(not_asked: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    for reason in dict.fromkeys(not_asked.values()):
        yield reason, [identity for identity, why in not_asked.items() if why == reason]


def _table(found: Sequence[Column]) -> Iterator[tuple[str, str]]:
    changed = compare.rows(found)
    width = max([40, *(len(row.id) for row in changed)]) + 2
    for start in range(0, len(found), _WIDEST):
        shown = range(start, min(start + _WIDEST, len(found)))
        yield "", ""
        for number in shown:
            yield f"{number + 1:>4}  {_title(found[number])}", ""
        yield "", ""
        yield f"{'':<{width}}" + "".join(f"{number + 1:>4}" for number in shown), ""
        for group, rows in groupby(changed, lambda row: consequences.of(row.id).group):
            yield group, "bold"
            for row in rows:
                cells = "".join(f"{_SIGN[row.outcomes[number]]:>4}" for number in shown)
                yield f"  {row.id:<{width - 2}}{cells}", ""
    yield "", ""
    yield "+ pass, - fail, 0 not applicable, E not run for an error", ""
    yield "", ""
    for number, column in enumerate(found):
        came = [row for row in changed if number in row.changes_at]
        if came:
            yield f"{column.name}: {_counted(came, number)}", ""
    yield f"{len(found)} columns, {len(changed)} checks changed", "bold"


def _counted(came: Sequence[Row], number: int) -> str:
    mended = Counter(row.check["level"] for row in came if row.outcomes[number] == "pass")
    broken = Counter(row.check["level"] for row in came if row.outcomes[number] == "fail")
    return (
        f"{mended.total()} begin to pass{by_level(mended)}, "
        f"{broken.total()} begin to fail{by_level(broken)}"
    )


def markdown(found: Sequence[Column], pairs: Sequence[Pair]) -> str:
    """A comparison in Markdown."""
    lines: list[str] = []
    for column in found:
        if column.error is not None:
            lines += [
                f"**{markup.text(column.name)} was not run**",
                "",
                *markup.block([column.error]),
                "",
            ]
    for compared in pairs:
        lines += _pair_in_markdown(compared)
    if not pairs:
        lines += _table_in_markdown(found)
    return "\n".join(lines).rstrip() + "\n"


def _pair_in_markdown(compared: Pair) -> list[str]:
    head, *rest = summary(compared)
    lines = [f"## {markup.text(head)}", "", *(f"{markup.text(line)}." for line in rest), ""]
    for group, changes in groupby(
        compared.changes, lambda change: consequences.of(change.id).group
    ):
        told = list(changes)
        lines += [f"### {group}", "", *CHANGES_HEAD, *map(change_row, told), ""]
        for change in told:
            shown = [line for line, _ in _both(change)]
            lines += [
                f"<details><summary>{markup.html_code(change.id)}</summary>",
                "",
                *markup.block(shown),
                "</details>",
                "",
            ]
    if compared.differences:
        lines += ["### Answered differently, with the same outcome", ""]
        for difference in compared.differences:
            lines += _difference_in_markdown(difference)
    for reason, identities in _by_reason(compared.not_asked):
        names = ", ".join(map(markup.code, identities))
        lines += [f"Not asked of {markup.text(reason)}: {names}.", ""]
    return lines


#: The head of a table of `change_row`.
CHANGES_HEAD = ("| check | level | before | after | |", "|---|---|---|---|---|")


def change_row(change: Change) -> str:
    """A row of a table in Markdown: which check changed, and what that means."""
    clause = change.check["clause"]
    words = ("pass", "**fail**") if change.broken else ("fail", "pass")
    meaning = f"{'now' if change.broken else 'before'}: {consequences.of(change.id).text}"
    if change.unsure:
        meaning += f" (unsure: {change.unsure})"
    where = f"{clause['document']}, {clause['section']}"
    check = markup.link(markup.code(change.id), clause["url"], where)
    level = markup.text(change.check["level"])
    return f"| {check} | {level} | {' | '.join(words)} | {markup.text(meaning)} |"


def _difference_in_markdown(difference: Difference) -> list[str]:
    shown = f"{markup.html_code(difference.id)} ({html.escape(difference.check['level'])})"
    summary_line = f"<details><summary>{shown}</summary>"
    return [summary_line, "", *markup.block(difference.lines, "diff"), "</details>", ""]


def _table_in_markdown(found: Sequence[Column]) -> list[str]:
    names = " | ".join(markup.text(column.name) for column in found)
    lines = [f"| check | level | {names} |", "|---" * (len(found) + 2) + "|"]
    for row in compare.rows(found):
        cells = " | ".join(outcome or "" for outcome in row.outcomes)
        level = markup.text(row.check["level"])
        lines.append(f"| {markup.code(row.id)} | {level} | {cells} |")
    return [*lines, ""]


def step(judged: bisect.Step) -> Text:
    """What came of one release in a bisection."""
    release = judged.release
    sign = _SIGN[judged.outcome] if judged.outcome else "?"
    line = f"{sign} {release.version!s:<14} {_day(release)}"
    reason = judged.message.strip().partition("\n")[0]
    text = line if judged.outcome == "pass" or not reason else f"{line}  {reason}"
    return Text(printable(text), _STYLE.get(sign, ""))


def bisection(check: str, found: bisect.Found, console: Console) -> None:
    """Print what was found, with both answers."""
    after, before = found.after, found.before
    change = Change(check, before.column, after.column)
    for line, style in _change(change, brief=False):
        console.print(Text(printable(line), style), soft_wrap=True)
    if found.untold:
        console.print(
            f"between them could not be judged: "
            f"{', '.join(str(one.release.version) for one in found.untold)}",
            soft_wrap=True,
        )
    verb = "fails" if change.broken else "passes"
    console.print(
        f"{check} {verb} since {after.release.version} ({_day(after.release)}); "
        f"{before.release.version} ({_day(before.release)}) is the last "
        f"{'good' if change.broken else 'bad'} one",
        style="bold",
        soft_wrap=True,
    )


def _day(release: Release) -> str:
    return f"{release.uploaded:%Y-%m-%d}" if release.uploaded else "(no date)"
