"""The report on the terminal, by its exact printed lines."""

from __future__ import annotations

import copy
import io
import re
from typing import Any

import pytest
from rich.console import Console

from conformance import results
from conformance.report import terminal
from conformance.report.exchanges import Again
from conformance.report.terminal import printable
from tests.conformance.documents import (
    EXPECTATION,
    check,
    document,
    exchange,
    server,
    whole,
)


def printed(found: dict[str, Any], **keys: Any) -> str:
    """What is printed of a document on something that is no terminal."""
    output = io.StringIO()
    before = copy.deepcopy(found)
    terminal.write(results.document(found), Console(file=output, width=80, highlight=False), **keys)
    assert found == before
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


MATRIX = """\
  1  one (project 1.0, Python 3.13.0)
  2  two (project version unknown)

                    1   2
area (3)            3   0
  area/listed       +   d
  area/stale        +   X
  area/unlisted     +   F
other (2)           1   0
  other/broken      +   E

areas count what passes; + pass, d deviation: fails as listed, F fail: not listed, \
X fixed: listed, but passes, . not applicable, E error of the harness
"""


def test_the_matrix() -> None:
    assert printed(whole(), details=False) == (
        f"{MATRIX}\n2 servers, 10 verdicts (4 pass, 1 deviation, 1 fail, 1 fixed, "
        "2 not-applicable, 1 error) in 1.2 s, backend process"
    )


def test_what_is_not_as_expected_is_explained() -> None:
    assert printed(whole()).removeprefix(MATRIX) == (
        r"""
FIXED two area/stale
    The title of area/stale.
    must: PEP 3333, A section, https://example.org/#a
    listed at two.toml:7, and passes: remove the entry, or narrow its versions

FAIL two area/unlisted
    The title of area/unlisted.
    must: PEP 3333, A section, https://example.org/#a
    expected 200,
    found 500
    last exchange (connection 2):
      > GET / HTTP/1.1\r\n
      > \r\n
      < HTTP/1.1 500 No\r\n
      < \r\n
      < \xff
      answered after 0.013 s
    replay: wsgi-conform replay area/unlisted two
    curl: curl -i --http1.1 -H Host: -H User-Agent: -H Accept: http://127.0.0.1:8000/
      (wsgi-conform serve two --port 8000 starts it there)

ERROR two other/broken
    The title of other/broken.
    must: PEP 3333, A section, https://example.org/#a
    KeyError: 'x'

2 servers, 10 verdicts (4 pass, 1 deviation, 1 fail, 1 fixed, 2 not-applicable, 1 error) """
        "in 1.2 s, backend process"
    )


def test_a_server_that_did_not_start_is_one_error_and_not_one_for_each_check() -> None:
    found = document(
        server(
            "one",
            check("area/a", "error", message="not run: one ended before it was ready"),
            check("area/b", "error", message="not run: one ended before it was ready"),
            error="one ended before it was ready: exit status 1\nNo module named 'x'",
        )
    )
    assert printed(found) == (
        """\
  1  one (project 1.0, Python 3.13.0)

             1
area (2)     0

areas count what passes; E error of the harness

ERROR one
    one ended before it was ready: exit status 1
    No module named 'x'

1 server, 2 verdicts (2 error) in 1.2 s, backend process"""
    )


def test_why_checks_do_not_apply_is_told_of_one_server() -> None:
    """Of many it would be many lines, and each is in the results."""
    one = server(
        "one",
        check("area/a", "not-applicable", message="one was not started by this run"),
        check("area/b", "not-applicable", message="one does not declare \x1b"),
        check("area/c", "not-applicable", message="one was not started by this run"),
    )
    assert printed(document(one)).splitlines()[7:10] == [
        "2 not applicable: one was not started by this run",
        r"1 not applicable: one does not declare \x1b",
        "",
    ]
    assert "2 not applicable" not in printed(document(one, server("two")))


@pytest.mark.parametrize(
    ("again", "lines"),
    [
        (
            Again(options=("--results", "a b", "--compose", "mine.yaml")),
            [
                "replay: wsgi-conform replay area/a one --results 'a b' --compose mine.yaml",
                "curl: curl -i --http1.1 -H User-Agent: -H Accept: -H 'Host: a' "
                "http://127.0.0.1:8000/",
                "  (wsgi-conform serve one --port 8000 starts it there)",
            ],
        ),
        (
            Again("http://{name}:80/"),
            [
                "replay: wsgi-conform replay area/a http://one:80 --recorded-on one",
                "curl: curl -i --http1.1 -H User-Agent: -H Accept: -H 'Host: a' http://one:80/",
            ],
        ),
    ],
)
def test_a_failure_says_how_to_have_it_once_more(again: Again, lines: list[str]) -> None:
    sent = exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"")
    found = printed(document(server("one", check("area/a", "fail", exchanges=sent))), again=again)
    assert "".join(f"\n    {line}" for line in lines) + "\n\n" in found


def test_what_cannot_be_had_once_more_like_that_is_not_told_so() -> None:
    """Framing that curl cannot say, what a check does besides, and what sent nothing."""
    chunked = exchange(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"")
    plain = exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"")
    found = printed(
        document(
            server(
                "one",
                check("area/a", "fail", exchanges=chunked),
                check("area/b", "fail", exchanges=plain, requires=["control"]),
                check("area/c", "fail"),
                check("area/d", "error", exchanges=plain),
            )
        )
    )
    assert re.findall(r"replay: .*|curl: .*", found) == [
        "replay: wsgi-conform replay area/a one",
        "replay: wsgi-conform replay area/b one",
    ]


def test_a_run_that_was_cut_short_says_so() -> None:
    found = document(server("one"), incomplete=True)
    assert printed(found) == (
        "1 server, 0 verdicts (none) in 1.2 s, backend process\n"
        "interrupted: these are the results so far"
    )


def test_a_check_that_one_server_has_not_is_blank() -> None:
    found = document(server("one", check("area/a", "fail")), server("two"))
    assert "\n  area/a     F\n" in printed(found, details=False)


def test_long_exchanges_are_cut_and_the_cut_is_told() -> None:
    long = exchange(b"x" * 700, b"y" * 700)
    long["kept"][0]["response"]["bytes"] = 100000
    found = printed(document(server("one", check("area/a", "fail", exchanges=long))))
    assert f"      > {'x' * 600}\n      > ... and 100 bytes more\n" in found
    assert f"      < {'y' * 600}\n      < ... and 99400 bytes more\n" in found


def test_no_bytes_are_told() -> None:
    nothing = exchange(b"x", b"", ended="timed out")
    found = printed(document(server("one", check("area/a", "fail", exchanges=nothing))))
    assert "      > x\n      < (nothing)\n      timed out after 0.013 s\n" in found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢", "plain ä 漢"),
        ("line\nline\ttab", "line\nline\ttab"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\rb\x08c\x00d\x7f", r"a\rb\x08c\x00d\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\u202eabc\u2066\u200f\u061c", r"\u202eabc\u2066\u200f\u061c"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("[bold]markup[/bold] :smile:", "[bold]markup[/bold] :smile:"),
    ],
)
def test_what_a_server_says_does_nothing_to_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    hostile = document(
        server(
            "one",
            check("area/a", "fail", message=f"found {text}", title=f"title {text}"),
            version=f"1.0{text}",
            error=f"said {text}",
        )
    )
    found = printed(hostile)
    first, *rest = shown.replace("\t", "   ").split("\n")
    assert f"  1  one (project 1.0{first}" in found
    for words in ("found", "title", "said"):
        assert f"    {words} {first}" in found.replace("\t", "   ")
    assert all(line in found for line in rest if "\t" not in text)
    assert printable(found) == found


def parity(answer: str, *differences: str) -> dict[str, Any]:
    """What a check is next to the reference deployment's."""
    return {
        "reference": "reference-threaded",
        "same": not differences,
        "answer": answer,
        "differences": list(differences),
    }


def test_a_second_matrix_shows_what_is_the_same_as_the_reference() -> None:
    agreed = {"level": "agreement", "parity": parity("a")}
    found = document(
        server("reference-threaded", check("a/one", "pass", **agreed), check("a/two", "pass")),
        server(
            "alike",
            check("a/one", "pass", **agreed),
            check("a/two", "pass", parity=parity("a")),
        ),
        server(
            "other",
            check("a/one", "pass", level="agreement", parity=parity("b", "+ status 201")),
            check("a/two", "deviation", expectation=EXPECTATION, parity=parity("b", "- x")),
        ),
    )
    assert "the same as" not in printed(found)
    text = printed(found, parity=True)
    shown = text[text.index("the same as") : text.index("3 servers")]
    assert shown.splitlines() == [
        "the same as reference-threaded",
        "",
        "            1   2   3",
        "a (2)       1   2   0",
        "  a/one     =   =   ~",
        "  a/two         =   !",
        "",
        "areas count what is the same; = the same, ~ passes and is not the same, ! does not pass"
        " and is not the same",
        "",
        "a/one: no text decides, and there are 2 answers",
        "    2: reference-threaded, alike",
        "    1: other",
        "",
    ]


def test_a_matrix_of_what_cannot_be_compared_says_so() -> None:
    text = printed(document(server("one", check("a/b", "pass"))), parity=True)
    assert "nothing could be compared with the reference deployment" in text


def test_failures_that_follow_from_another_are_told_with_it() -> None:
    found = document(
        server(
            "one",
            check("a/root", "fail", message="the cause"),
            check("a/middle", "deviation", rests_on=["a/root"], expectation=EXPECTATION),
            check("a/leaf", "fail", rests_on=["a/middle"], message="what follows"),
            check("a/alone", "fail", rests_on=["a/passes"], message="another cause"),
            check("a/passes", "pass"),
        )
    )
    text = printed(found)
    assert "the cause" in text
    assert "another cause" in text
    assert "what follows" not in text
    expected = "FAIL one: 1 more, which rest on a/root, and that fails\n    a/leaf\n"
    assert expected in text
