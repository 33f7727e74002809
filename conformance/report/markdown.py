"""A run in Markdown, for a step summary on GitHub and for a comment on a pull request.

What changed since an earlier run comes first, then what is not as expected, then the totals; what
is listed is folded up at the end. GitHub drops a summary or a comment that is too long as a whole,
so what does not fit is left out here, with a line that says so; the totals always stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TextIO

from conformance import compare
from conformance.report import comparison, digest, explanation, markup
from conformance.report.digest import Digest, Entry
from conformance.report.exchanges import Again
from conformance.results import Document
from conformance.verdicts import Verdict

#: The first line, by which a workflow finds the comment that it wrote before.
MARKER = "<!-- wsgi-conform -->"
#: What GitHub takes for a step summary, in bytes.
SUMMARY = 1024 * 1024
#: What GitHub takes for a comment, in characters.
COMMENT = 65_536

#: How much is shown of a message, in lines, and of a line and of a reason, in characters.
_LINES, _MESSAGE, _REASON = 2, 300, 600
#: How many lines are shown of what a server's run broke off for: the last ones.
_ERROR = 20
#: How many ids stand beside each other.
_IDS = 8
#: Room that is kept for the line which says what was left out.
_LEFT_OUT = 200


@dataclass(frozen=True)
class _Part:
    """Lines that stand together: what begins them, rows of which some may be left out, the end."""

    head: Sequence[str]
    rows: Sequence[str] = ()
    foot: Sequence[str] = ("",)


def write(
    document: Document,
    out: TextIO,
    *,
    base: Document | None = None,
    again: Again | None = None,
    limit: int = COMMENT,
) -> None:
    """Write a results document in Markdown.

    :param base: an earlier run, to say what changed since.
    :param again: how what was recorded is sent once more.
    :param limit: how long it may become, in bytes of UTF-8, of which there are never fewer than
        characters: `COMMENT`, which fits everywhere, or `SUMMARY`.
    """
    digests = digest.every(document)
    head, totals = _text(_head(document, digests)), _text(_totals(digests))
    room = limit - _size(head) - _size(totals)
    sections = (
        () if base is None else _changes(base, document, digests),
        _unexpected(document, digests, again or Again()),
        _listed(digests),
    )
    shown = []
    for number, parts in enumerate(sections, 1):
        later = _LEFT_OUT * (len(sections) - number)
        shown.append(_fitting(parts, room - later))
        room -= _size(shown[-1])
    changed, unexpected, listed = shown
    out.write("".join([head, changed, unexpected, totals, listed]))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _fitting(parts: Iterable[_Part], room: int) -> str:
    """The parts that there is room for; one that is too long is there without its last rows."""
    room -= _LEFT_OUT
    shown: list[str] = []
    left_out = 0
    for part in parts:
        around = _size(_text([*part.head, *part.foot]))
        rows: list[str] = []
        for row in part.rows:
            around += _size(_text([row]))
            if around > room:
                break
            rows.append(row)
        left_out += max(len(part.rows), 1) - len(rows)
        if rows or (not part.rows and around <= room):
            left_out -= not part.rows
            text = _text([*part.head, *rows, *part.foot])
            shown.append(text)
            room -= _size(text)
    if left_out:
        shown.append(
            f"*Left out, because this may not be longer: {left_out} rows. "
            "results.json has them.*\n\n"
        )
    return "".join(shown)


def _head(document: Document, digests: Sequence[Digest]) -> Iterator[str]:
    run = document.run
    yield MARKER
    yield f"## wsgi-conform: {digest.headline(document, digests)}"
    yield ""
    yield markup.text(f"{_of_run(document)}, {run['duration_s']:.0f} s, {run['host']}")
    yield ""


def _of_run(document: Document) -> str:
    run = document.run
    started = datetime.fromisoformat(run["started"]).astimezone(UTC)
    return f"{started:%Y-%m-%d %H:%M} UTC, backend {run['backend']}, framework {run['framework']}"


def _of_version(digest: Digest) -> str:
    version = digest.server["version"]
    return f"{markup.code(digest.name)} {markup.text(version) if version else ''}".rstrip()


def _ids(identities: Sequence[str]) -> str:
    shown = ", ".join(map(markup.code, identities[:_IDS]))
    more = len(identities) - _IDS
    return f"{shown} and {more} more" if more > 0 else shown


def _changes(base: Document, document: Document, digests: Sequence[Digest]) -> Iterator[_Part]:
    before = {found.name: found for found in digest.every(base)}
    parts = []
    for after in digests:
        if after.name not in before:
            parts.append(_Part([f"{_of_version(after)}: not in the earlier run."]))
        else:
            parts += _changed(base, document, before[after.name], after)
    gone = [name for name in before if name not in {after.name for after in digests}]
    if gone:
        parts.append(_Part([f"Not in this run: {_ids(gone)}."]))
    yield _Part(["### Changes", "", f"Since {markup.text(_of_run(base))}."])
    yield from parts or [_Part(["No check changed."])]


def _changed(base: Document, document: Document, old: Digest, new: Digest) -> Iterator[_Part]:
    """What changed on a server; of what did not, nothing is read but the verdict."""
    identities = list(compare.changed(old.column(), new.column()))
    before, after = (
        replace(
            found.column(),
            checks={identity: source.check(found.name, identity) for identity in identities},
        )
        for source, found in ((base, old), (document, new))
    )
    changes = sorted(compare.pair(before, after).changes, key=lambda change: not change.broken)
    others = list(_come_and_gone(old, new))
    versions = [
        f"{what}{markup.text(old.server[key] or 'unknown')} → {now}"
        for key, what in (("version", ""), ("python", "Python "))
        if (now := markup.text(new.server[key] or "unknown"))
        != markup.text(old.server[key] or "unknown")
    ]
    title = ", ".join([markup.code(new.name), *versions])
    if not changes and not others:
        if versions:
            yield _Part([f"{title}: no check changed."])
        return
    broken = Counter(change.check["level"] for change in changes if change.broken)
    mended = Counter(change.check["level"] for change in changes if not change.broken)
    counted = (
        f"{broken.total()} newly fail{comparison.by_level(broken)}, "
        f"{mended.total()} newly pass{comparison.by_level(mended)}."
    )
    head = [f"#### {title}", "", " ".join([counted, *others]), ""]
    rows = list(map(comparison.change_row, changes))
    yield _Part([*head, *comparison.CHANGES_HEAD] if rows else head, rows)


def _come_and_gone(old: Digest, new: Digest) -> Iterator[str]:
    """Which checks only one of two runs has, or was judged by."""
    for digests, text in (((new, old), "New"), ((old, new), "Gone")):
        found = [one for one in digests[0].verdicts if one not in digests[1].verdicts]
        if found:
            yield f"{text}: {_ids(found)}."
    if old.server["error"] or new.server["error"]:
        return
    before, after = (
        [one for one in found.verdicts if column.outcome(one) in compare.JUDGED]
        for found, column in ((old, old.column()), (new, new.column()))
    )
    for judged, others, earlier, text in (
        (after, {*before}, old, "Judged as well"),
        (before, {*after}, new, "Not judged any more"),
    ):
        found = [one for one in judged if one not in others and one in earlier.verdicts]
        if found:
            yield f"{text}: {_ids(found)}."


def _unexpected(document: Document, digests: Sequence[Digest], again: Again) -> Iterator[_Part]:
    if all(found.as_expected for found in digests):
        return
    yield _Part(["### Not as expected"])
    for found in digests:
        alone, follow = found.unexpected()
        head = [f"#### {_of_version(found)}", ""]
        if found.server["error"]:
            last = found.server["error"].strip().split("\n")[-_ERROR:]
            head += markup.block([line[:_MESSAGE] for line in last])
        elif not alone and not follow:
            continue
        rows = [_told(document.check(found.name, identity)) for identity in alone]
        rows += [
            f"| **fail** | {len(identities)} more | | rest on {markup.code(root)}, which fails: "
            f"{_ids(identities)} |"
            for root, identities in follow.items()
        ]
        if rows:
            head += ["| verdict | check | level | found |", "|---|---|---|---|"]
        yield _Part(head, rows)
    for found in digests:
        # Folded up, and behind all that is short, which is not to be left out for it.
        for identity in found.unexpected()[0]:
            if found.verdicts[identity] != Verdict.FIXED:
                yield _explained(document.check(found.name, identity), found.name, again)


def _told(check: dict[str, Any]) -> str:
    clause = check["clause"]
    where = f"{clause['document']}, {clause['section']}"
    said = check["message"]
    if check["verdict"] == Verdict.FIXED:
        said = explanation.stale(check["expectation"])
    name = markup.link(markup.code(check["id"]), clause["url"], where)
    lines = [markup.text(line, _MESSAGE) for line in said.split("\n") if line.strip()][:_LINES]
    return (
        f"| **{markup.text(check['verdict'])}** | {name} | {markup.text(check['level'])} | "
        f"{'<br>'.join(lines)} |"
    )


def _explained(check: dict[str, Any], server: str, again: Again) -> _Part:
    summary = f"{markup.html_code(check['id'])} on {markup.html_code(server)}"
    lines = explanation.lines(check, server, again)
    return _Part([f"<details><summary>{summary}</summary>", "", *markup.block(lines), "</details>"])


def _totals(digests: Sequence[Digest]) -> Iterator[str]:
    verdicts = list(Verdict)
    yield "### Totals"
    yield ""
    yield f"| server | version | Python | {' | '.join(verdicts)} | must | should |"
    yield "|---|---|---|" + "--:|" * (len(verdicts) + 2)
    for found in digests:
        cells = [markup.code(found.name)]
        cells += [markup.text(found.server[key] or "unknown") for key in ("version", "python")]
        counts = {verdict: found.count(verdict) for verdict in verdicts}
        cells += [
            f"**{number}**" if number and verdict in digest.UNEXPECTED else str(number)
            for verdict, number in counts.items()
        ]
        cells += ["{}/{}".format(*found.passed(level)) for level in ("must", "should")]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _listed(digests: Sequence[Digest]) -> Iterator[_Part]:
    if not any(found.entries for found in digests):
        return
    yield _Part(["### Deviations that are listed"])
    for found in digests:
        if not found.entries:
            continue
        levels = Counter(
            {level: found.levels[level, Verdict.DEVIATION] for level in compare.LEVELS}
        )
        name = markup.html_code(found.name)
        counted = f"{found.count(Verdict.DEVIATION)}{comparison.by_level(levels)}"
        entries = sorted(
            found.entries.values(), key=lambda entry: compare.LEVELS.index(entry.level)
        )
        yield _Part(
            [
                f"<details><summary>{name}: {counted}</summary>",
                "",
                "| checks | level | instead | why |",
                "|---|---|---|---|",
            ],
            [_row(entry) for entry in entries],
            ["", "</details>", ""],
        )


def _row(entry: Entry) -> str:
    said = entry.expectation
    why = markup.text(said["reason"], _REASON)
    reference = said["reference"]
    seen = markup.link("reference", reference)
    why += f" ({seen if seen != 'reference' else markup.text(reference)})"
    instead = markup.text(said["instead"], _REASON)
    return f"| {_ids(entry.checks)} | {markup.text(entry.level)} | {instead} | {why} |"
