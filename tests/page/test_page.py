"""The page, in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.page.conftest import Open
from tests.page.documents import (
    ALPHA,
    BETA,
    BROKEN,
    GAMMA,
    REFERENCE,
    check,
    document,
    exchange,
    large,
    server,
)
from tests.page.documents import (
    usual as usual_document,
)

DASH = "\N{EN DASH}"
CELL = "#cell/alpha/http/host/missing"
GAMMA_TOKEN = "gamma%20--threads%202%2Fx%3Fy%23z%25"


def ids(page: Page) -> Locator:
    """The checks that are shown, by the links of their rows."""
    return page.locator(".grid tbody th a")


def cell(page: Page, identity: str, name: str) -> Locator:
    """A cell of the matrix."""
    row = page.locator(".grid tbody tr", has=page.locator(f'th a[href^="#check/{identity}"]'))
    return row.locator(f'td a[aria-label^="{name}: "]')


def hash_of(page: Page) -> str:
    return str(page.evaluate("location.hash"))


def go(page: Page, fragment: str) -> None:
    """Follow a link from where the page is, to somewhere else."""
    page.evaluate(
        """fragment => new Promise(resolve => {
            addEventListener("hashchange", () => resolve(), {once: true});
            location.hash = fragment;
        })""",
        fragment,
    )


def active(page: Page) -> str:
    """What the focus is on, as a screen reader would say it."""
    return str(
        page.evaluate(
            "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
        )
    )


def choose(page: Page, name: str, value: str) -> None:
    """Tick a choice of a filter."""
    page.locator(f'details[data-filter="{name}"] summary').click()
    page.locator(f'input[name="{name}"][value="{value}"]').check()
    page.keyboard.press("Escape")


# ---- the matrix ----


def test_the_matrix_has_the_documents_verdicts(open_page: Open) -> None:
    page = open_page()
    expect(ids(page)).to_have_count(7)
    expect(cell(page, "http/host/missing", ALPHA)).to_have_text("d")
    expect(cell(page, "http/host/missing", BETA)).to_have_text("F")
    expect(cell(page, "http/response/date", GAMMA)).to_have_text("X")
    expect(cell(page, "http/keep-alive/many", GAMMA)).to_have_text(".")
    expect(cell(page, "wsgi/write/once", BROKEN)).to_have_text("E")
    expect(page.locator(".totals li")).to_have_text(
        ["21 pass", "2 deviation", "2 fail", "1 fixed", "1 not-applicable", "8 error"]
    )
    expect(page.locator("#shown")).to_have_text("7 checks on 5 servers")


def test_areas_count_and_are_closed_and_opened(open_page: Open) -> None:
    page = open_page()
    http = page.get_by_role("gridcell", name=f"{BETA}, http: ")
    expect(http).to_have_text("1")
    expect(http).to_have_attribute("aria-label", f"{BETA}, http: 1 pass, 1 deviation, 2 fail")
    page.get_by_role("button", name="http 4").click()
    expect(ids(page)).to_have_count(3)
    expect(page.get_by_role("button", name="http 4")).to_have_attribute("aria-expanded", "false")
    page.get_by_role("button", name="Open all areas").click()
    expect(ids(page)).to_have_count(7)
    page.get_by_role("button", name="Close all areas").click()
    expect(ids(page)).to_have_count(0)


def test_the_facts_of_the_run(open_page: Open) -> None:
    cut_short = usual_document()
    cut_short["run"]["incomplete"] = True
    page = open_page(found=cut_short)
    run = page.get_by_role("region", name="The run")
    for text in (
        "9 min 21 s",
        "process",
        "Python 3.13.0, Linux",
        "1: something is not as expected",
    ):
        expect(run).to_contain_text(text)
    expect(run.locator("time")).to_have_attribute("datetime", "2026-01-02T03:04:05.000+00:00")
    expect(run).to_contain_text("The run was cut short")
    expect(run.get_by_role("link", name=BROKEN)).to_be_visible()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("area", "wsgi", ["wsgi/write/once", "wsgi/input/end"]),
        ("level", "should", ["http/keep-alive/many", "http/response/date"]),
        ("verdict", "fail", ["http/host/missing", "http/host/empty"]),
        ("verdict", "fixed", ["http/response/date"]),
    ],
)
def test_filters(open_page: Open, name: str, value: str, shown: list[str]) -> None:
    page = open_page()
    choose(page, name, value)
    expect(ids(page)).to_have_count(len(shown))
    for identity in shown:
        expect(page.locator(f'.grid th a[href^="#check/{identity}"]')).to_be_visible()
    assert f"{name}={value}" in hash_of(page)
    page.go_back()
    expect(ids(page)).to_have_count(7)
    page.go_forward()
    expect(ids(page)).to_have_count(len(shown))
    page.get_by_role("button", name="Reset").click()
    expect(ids(page)).to_have_count(7)


def test_servers_are_chosen_by_any_name(open_page: Open) -> None:
    page = open_page()
    choose(page, "server", GAMMA)
    expect(page.locator(".grid thead th a")).to_have_text([GAMMA])
    page.reload()
    expect(page.locator(".grid thead th a")).to_have_text([GAMMA])
    expect(page.locator("#shown")).to_have_text("7 of 7 checks, 1 of 5 servers")


def test_a_total_shows_its_checks(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="2 fail").click()
    expect(ids(page)).to_have_count(2)
    expect(cell(page, "http/host/empty", ALPHA).locator("..")).to_have_class(re.compile("faded"))


def test_search_is_reached_by_slash_and_looks_at_titles_too(open_page: Open) -> None:
    page = open_page("#servers")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("asks write")
    expect(ids(page)).to_have_count(1)
    expect(ids(page)).to_contain_text("wsgi/write/once")
    assert hash_of(page) == "#?q=asks+write"
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="wsgi 1")).to_be_focused()
    page.locator("#search").fill("nothing that there is")
    expect(page.locator(".grid")).to_contain_text("No check is as the filters ask.")


def test_the_view_of_what_is_the_same(open_page: Open) -> None:
    page = open_page()
    page.get_by_text("Same as the reference").click()
    expect(cell(page, "http/host/missing", REFERENCE)).to_have_text("=")
    expect(cell(page, "http/host/missing", BETA)).to_have_text("!")
    expect(cell(page, "wsgi/write/once", ALPHA)).to_have_text("~")
    expect(cell(page, "wsgi/input/end", ALPHA)).to_have_text("")
    assert hash_of(page) == "#?view=parity"


def test_the_view_of_where_servers_disagree(open_page: Open) -> None:
    page = open_page()
    page.get_by_text("Servers disagree").click()
    # Of `wsgi/input/end` one has an error, and of `many` one says not applicable: no disagreement.
    expect(ids(page)).to_have_count(4)
    choose(page, "server", REFERENCE)
    expect(ids(page)).to_have_count(0)


def test_only_rows_in_sight_are_drawn(open_page: Open) -> None:
    page = open_page("#?open=", found=large())
    page.get_by_role("button", name="Open all areas").click()
    rows = page.locator(".grid tbody tr:not(.space)")
    expect(page.locator(".grid")).to_have_attribute("aria-rowcount", "607")
    assert rows.count() < 60
    page.keyboard.press("Control+End")
    last = cell(page, "area-5/check-599", "server-29")
    expect(last).to_be_focused()
    expect(last).to_be_in_viewport()
    assert rows.count() < 60
    # Scrolled out of sight, the focus waits where it was.
    page.locator("#scroller").evaluate("(scroller) => { scroller.scrollTop = 0; }")
    expect(last).to_have_count(0)
    page.keyboard.press("ArrowUp")
    expect(cell(page, "area-5/check-598", "server-29")).to_be_focused()
    assert rows.count() < 60


def test_the_rows_fill_their_place(open_page: Open) -> None:
    page = open_page("#?q=check-1", found=large())
    room = page.locator("#scroller").evaluate("(scroller) => scroller.clientHeight") / 26
    assert room > 15
    assert page.locator(".grid tbody tr:not(.space)").count() > room


def test_print_has_all_rows(open_page: Open) -> None:
    page = open_page("#?open=area-0+area-1", found=large(servers=2, checks=200))
    assert ids(page).count() < 60
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(ids(page)).to_have_count(200)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert ids(page).count() < 60


def test_a_cell_is_printed_in_full(open_page: Open) -> None:
    page = open_page(CELL)
    expect(page.locator("dialog:modal")).to_contain_text("Took")
    # What is modal is printed on one page and cut off there.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("dialog:modal")).to_have_count(0)
    expect(page.locator("dialog[open]")).to_contain_text("Took")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("dialog:modal")).to_contain_text("Took")


# ---- keys ----


def test_arrows_go_from_cell_to_cell(open_page: Open) -> None:
    page = open_page()
    # One stop for the tab key, whatever there is in the grid.
    expect(page.locator('.grid [tabindex="0"]')).to_have_count(1)
    page.locator('.grid [tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    assert active(page) == "http 4"
    page.keyboard.press("ArrowRight")
    assert active(page).startswith(f"{REFERENCE}, http: 4 pass")
    page.keyboard.press("ArrowDown")
    assert active(page) == f"{REFERENCE}: pass"
    page.keyboard.press("ArrowRight")
    assert active(page) == f"{ALPHA}: deviation"
    page.keyboard.press("End")
    assert active(page) == f"{BROKEN}: error"
    page.keyboard.press("Home")
    assert active(page).startswith("http/host/missing")
    expect(page.locator('.grid [tabindex="0"]')).to_have_count(1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(ids(page)).to_have_count(3)
    assert active(page) == "http 4"


def test_a_cell_is_opened_and_closed_by_keys(open_page: Open) -> None:
    page = open_page()
    cell(page, "http/host/missing", ALPHA).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="What http/host/missing asks for.")
    expect(dialog).to_be_visible()
    expect(page).to_have_title("http/host/missing on alpha · wsgi-conform")
    assert hash_of(page) == CELL
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_title("wsgi-conform")
    expect(cell(page, "http/host/missing", ALPHA)).to_be_focused()


# ---- the panel ----


def test_a_cell_says_all_that_is_known(open_page: Open) -> None:
    page = open_page()
    cell(page, "http/host/missing", ALPHA).click()
    panel = page.get_by_role("dialog")
    for text in (
        "What http/host/missing asks for.",
        "must: the cited text demands it",
        "caches and virtual hosts can be poisoned",
        "found 200, expected 400",
        "The application is called.",
        "It takes what comes. And says so.",
        "alpha.toml:7",
        "<2",
        "3 exchanges, of which the last 1 are kept",
        "wsgi-conform replay http/host/missing alpha",
        "curl -i",
        "- status 400",
        r"\x1b[31m/missing",
        "Took 0.250 s.",
    ):
        expect(panel).to_contain_text(text)
    for name, url in (
        ("RFC 9112, section 3.2", "https://example.org/rfc#3.2"),
        ("https://example.org/why", "https://example.org/why"),
    ):
        expect(panel.get_by_role("link", name=name)).to_have_attribute("href", url)


def test_bytes_are_next_to_the_references(open_page: Open) -> None:
    page = open_page(CELL)
    rows = page.locator(".bytes tr")
    expect(page.locator(".bytes thead th")).to_have_text([ALPHA, REFERENCE])
    marked = page.locator(".bytes .differs")
    # Another status, another Server and a body; two dates are no difference.
    expect(marked).to_have_count(3)
    expect(marked.first).to_contain_text("HTTP/1.1 200 OK\\r\\n")
    expect(marked.first).to_contain_text("HTTP/1.1 400 Bad Request\\r\\n")
    expect(rows.filter(has_text="Date: Mon")).not_to_have_class("differs")
    page.get_by_label("beside").select_option(BETA)
    expect(page.locator(".bytes thead th")).to_have_text([ALPHA, BETA])
    expect(marked).to_have_count(0)


def test_a_failure_is_told_with_its_root(open_page: Open) -> None:
    page = open_page("#cell/beta@1.0+python3.13/http/host/empty")
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("This failure follows from another: http/host/missing")
    expect(panel).to_contain_text("no/such-check (not part of the run)")
    panel.get_by_role("link", name="http/host/missing").first.click()
    expect(panel).to_contain_text("What http/host/missing asks for.")


def test_from_a_cell_to_the_next(open_page: Open) -> None:
    page = open_page(CELL)
    panel = page.get_by_role("dialog")
    panel.get_by_role("link", name="This check, on the next server").click()
    expect(panel).to_contain_text(f"on {BETA}")
    panel.get_by_role("link", name="The next check, on this server").click()
    expect(panel).to_contain_text("What http/host/empty asks for.")
    page.go_back()
    expect(panel).to_contain_text("What http/host/missing asks for.")
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()
    expect(cell(page, "http/host/missing", BETA)).to_be_focused()


def test_a_link_is_closed_to_its_place_in_the_matrix(open_page: Open) -> None:
    page = open_page("#cell/server-1/area-5/check-599", found=large(servers=2))
    page.keyboard.press("Escape")
    expect(cell(page, "area-5/check-599", "server-1")).to_be_focused()
    # The heading, six areas, and of these the one that was closed.
    expect(page.locator(".grid")).to_have_attribute("aria-rowcount", "107")


def test_a_check_on_all_servers(open_page: Open) -> None:
    page = open_page()
    page.locator('.grid a[href^="#check/http/host/missing"]').click()
    panel = page.get_by_role("dialog")
    expect(panel.locator("tbody tr td:nth-child(2)")).to_have_text(
        [f"{BROKEN} ", f"{BETA} 1.0", f"{ALPHA} 1.0", f"{REFERENCE} 1.0", f"{GAMMA} 1.0"]
    )
    expect(panel).to_contain_text("There are 2 answers")
    expect(panel.locator("ol li")).to_have_text([f"{REFERENCE}, {GAMMA}", f"{ALPHA}, {BETA}"])


def test_links_of_any_name_work_and_so_does_back(open_page: Open) -> None:
    page = open_page(f"#cell/{GAMMA_TOKEN}/http/response/date?level=should")
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text(f"on {GAMMA}")
    expect(panel).to_contain_text("Listed as a deviation, and passes")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(ids(page)).to_have_count(2)
    cell(page, "http/response/date", GAMMA).click()
    expect(panel).to_be_visible()
    assert hash_of(page) == f"#cell/{GAMMA_TOKEN}/http/response/date?level=should"
    panel.get_by_role("link", name=GAMMA).click()
    expect(page.locator("main h2")).to_contain_text(GAMMA)
    expect(panel).to_be_hidden()
    page.go_back()
    expect(panel).to_contain_text(f"on {GAMMA}")
    page.go_back()
    expect(panel).to_be_hidden()
    expect(ids(page)).to_have_count(2)


def test_links_of_what_there_is_not(open_page: Open) -> None:
    page = open_page("#cell/nobody/http/host/missing")
    for fragment in ("#cell/alpha/no/such", "#check/%", "#check/constructor", "#cell/"):
        expect(page.get_by_role("dialog")).to_contain_text("Not in this document")
        go(page, fragment)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for fragment, told in (
        ("#server/nobody", "These results have no server nobody."),
        ("#compare/nobody/%ff", "Moving from reference-threaded"),
        ("#support/nothing/nobody", "Is a missing Host refused?"),
        ("#constructor", "7 checks on 5 servers"),
        ("#?view=none&level=none", "No check is as the filters ask."),
    ):
        go(page, fragment)
        expect(page.locator("main")).to_contain_text(told)


# ---- the other views ----


def test_the_ranking_counts_honestly(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="Servers", exact=True).click()
    expect(page.locator("main")).to_be_focused()
    rows = page.locator(".ranking tbody tr")
    texts = [re.sub(r"\s+", " ", text).strip() for text in rows.all_inner_texts()]
    assert texts == [
        "1 reference-threaded 1.0 100.0 % 4/4 100.0 % 2/2 100.0 % 1/1 0 0 0 0 0",
        # Without the check that does not apply, and without the error: all that is left passes.
        f"1* {GAMMA} 1.0 100.0 % 3/3 100.0 % 1/1 100.0 % 1/1 0 0 1 1 1",
        "3 alpha 1.0 75.0 % 3/4 100.0 % 2/2 100.0 % 1/1 1 0 0 0 0",
        f"4 {BETA} 1.0 50.0 % 2/4 50.0 % 1/2 100.0 % 1/1 1 2 0 0 0",
        f"{DASH} broken did not start, or broke off unknown {DASH} {DASH} {DASH} 0 0 0 0 7",
    ]
    expect(page.locator("main")).to_contain_text("Equal shares have the same rank.")


def test_only_what_passes_everything_has_all(open_page: Open) -> None:
    checks = [check(f"a/check-{number}", "+" if number else "F") for number in range(2001)]
    page = open_page("#servers", found=document(server("one", *checks)))
    expect(page.locator(".ranking tbody")).to_contain_text("99.9 % 2000/2001")


def test_the_page_of_a_server(open_page: Open) -> None:
    page = open_page("#servers")
    page.get_by_role("link", name=BETA).click()
    expect(page.locator("main h2")).to_have_text(f"{BETA} project 1.0")
    main = page.locator("main")
    for text in ("3.13.0", f"serve {BETA}", "threads: 8", "keep-alive: true"):
        expect(main).to_contain_text(text)
    expect(main.get_by_role("row", name="must 4 2 0 2 0 0 0")).to_be_visible()
    expect(main).to_contain_text("Fails that are not listed (2)")
    # One root cause, and what follows from it.
    expect(main.locator(".entries").first.locator("> li")).to_have_count(1)
    expect(main).to_contain_text("From it follow http/host/empty")
    expect(main.get_by_role("heading", name="Deviations (1)")).to_be_visible()
    expect(main.locator("details.group summary")).to_have_text(["should (1)"])
    expect(main).to_contain_text("It takes what comes. And says so.")
    main.get_by_role("link", name="http/keep-alive/many").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"on {BETA}")
    page.keyboard.press("Escape")
    expect(page.locator("main h2")).to_have_text(f"{BETA} project 1.0")
    expect(main.get_by_role("link", name="http/keep-alive/many")).to_be_focused()


def test_the_page_of_a_server_that_did_not_start(open_page: Open) -> None:
    page = open_page(f"#server/{BROKEN}")
    expect(page.locator("main")).to_contain_text("no such module")
    expect(page.locator("main")).to_contain_text("version unknown")
    expect(page.locator("main")).to_contain_text("Errors (7)")


def test_why_checks_do_not_apply(open_page: Open) -> None:
    page = open_page(f"#server/{GAMMA_TOKEN}")
    expect(page.locator("main")).to_contain_text("Not applicable (1)")
    expect(page.locator("main")).to_contain_text("does not declare 'keep-alive'")
    expect(page.locator("main")).to_contain_text("Listed, but passes (1)")


def test_what_people_ask(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="Support").click()
    table = page.locator(".support")
    row = table.get_by_role("row", name="Is a missing Host refused?")
    expect(row.locator("td")).to_have_text(["✓", "~", "✗", DASH, "?"])
    row.get_by_role("link", name="alpha: partly, 1 of 2 checks failing").click()
    card = page.get_by_role("region", name="Is a missing `Host` refused?")
    expect(card).to_contain_text("Caches can be poisoned.")
    expect(card.get_by_role("link", name="Where it was asked.")).to_be_visible()
    expect(card.locator("li")).to_have_text(
        [
            "d deviation http/host/missing What http/host/missing asks for.",
            "+ pass http/host/empty What http/host/empty asks for.",
        ]
    )
    card.get_by_role("link", name="http/host/missing").click()
    expect(page.get_by_role("dialog")).to_contain_text("on alpha")


def test_two_columns_compared(open_page: Open) -> None:
    page = open_page("#compare")
    page.get_by_label("From").select_option(label=ALPHA)
    page.get_by_label("to", exact=True).select_option(label=BETA)
    main = page.locator("main")
    expect(main).to_contain_text(
        "Moving from alpha 1.0 to beta@1.0+python3.13 1.0: 2 checks that passed fail, "
        "0 that failed pass, 1 are answered differently"
    )
    broken = main.locator("details", has_text=f"Passes on {ALPHA}, fails on {BETA}")
    expect(broken.locator("li p:first-child a")).to_have_text(
        ["http/host/empty", "http/keep-alive/many"]
    )
    page.get_by_role("link", name="the other way round").click()
    expect(main).to_contain_text("0 checks that passed fail, 2 that failed pass")
    expect(page.get_by_label("From")).to_have_value("2")
    main.get_by_role("link", name="http/host/empty").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_what_changed_since_an_earlier_run(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="Changes").click()
    rows = page.locator(".by-server tbody tr")
    expect(rows).to_have_count(4)
    texts = [re.sub(r"\s+", " ", text).strip() for text in rows.all_inner_texts()]
    # Deviation or fail, it failed before as it does now: another verdict, and no new failure.
    assert texts == [
        "reference-threaded 1.0 on Python 3.13.0 1.0 on Python 3.13.0 0 0 0 0 0",
        "alpha 0.9 on Python 3.13.0 1.0 on Python 3.13.0 1 1 0 1 1",
        f"{BETA} 1.0 on Python 3.13.0 1.0 on Python 3.13.0 0 0 1 0 0",
        "broken unknown on Python 3.13.0 unknown on Python 3.13.0 0 0 0 0 0",
    ]
    main = page.locator("main")
    expect(main).to_contain_text(f"New in this run: {GAMMA}")
    expect(main).to_contain_text("No more in this run: gone")
    expect(main).to_contain_text("http/host/missing must: deviation → fail")
    expect(main).to_contain_text("http/retired")


def test_without_an_earlier_run_there_is_no_such_view(open_page: Open) -> None:
    page = open_page(found=usual_document())
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["Matrix", "Servers", "Compare"]
    )


# ---- documents of all kinds ----


def test_an_empty_document(open_page: Open) -> None:
    page = open_page(found=document())
    expect(page.locator("main")).to_contain_text("There is no server in this run.")
    for fragment, told in (
        ("#servers", "Servers"),
        ("#support", "Support"),
        ("#compare", "There are no two servers in these results."),
        ("#changes", "There is no earlier run in this page."),
        ("#", "0 checks on 0 servers"),
    ):
        go(page, fragment)
        expect(page.locator("main")).to_contain_text(told)


def test_a_server_without_checks(open_page: Open) -> None:
    page = open_page(found=document(server("one", error="it did not start")))
    expect(page.locator(".grid thead")).to_contain_text("one")
    page.get_by_role("link", name="one").first.click()
    expect(page.locator("main")).to_contain_text("it did not start")


def test_one_server_and_no_reference(open_page: Open) -> None:
    kept = {"total": 1, "kept": [exchange("GET / HTTP/1.1\r\n\r\n", "")]}
    page = open_page(found=document(server("one", check("a/b", "F", exchanges=kept))))
    expect(page.get_by_text("Same as the reference")).to_have_count(0)
    cell(page, "a/b", "one").click()
    expect(page.locator(".bytes")).to_contain_text("GET / HTTP/1.1")
    expect(page.locator(".bytes")).to_contain_text("nothing")


def test_a_comparison_with_a_reference_that_is_not_there(open_page: Open) -> None:
    found = usual_document()
    del found["servers"][0]
    page = open_page("#?view=parity", found=found)
    expect(cell(page, "http/host/missing", GAMMA)).to_have_text("=")
    cell(page, "http/host/missing", ALPHA).click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("Next to reference-threaded")
    expect(panel.get_by_label("beside")).to_have_value("")


def hostile() -> dict[str, Any]:
    """Everything that a server can say, trying to get out of its place."""
    markup = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    text = f"{markup}\u202e\u2028\x1b[2J\x00\ud800{{script}}{{details}}"
    kept = exchange(f"GET /{markup} HTTP/1.1\r\n\r\n", f"\x1b]0;owned\x07{markup}\xff\\r")
    kept["response"]["bytes"] = 10**9
    one = check("a/b", "d", exchanges={"total": 1, "kept": [kept]}, log=text, title=text)
    one["message"] = text + "A" * 300_000
    one["clause"] = {"document": text, "section": text, "url": "javascript:alert(1)"}
    one["expectation"] = {**one["expectation"], "reason": text, "reference": "javascript:alert(2)"}
    name = f"{markup}\u202e\ud800"
    return document(
        server(name, one, version=text, command=text, capabilities={text: text}, error=text),
        server("other", check("a/b", "+")),
        host=text,
    )


def test_hostile_bytes_are_text(open_page: Open) -> None:
    page = open_page(found=hostile())
    expect(page.locator(".grid thead")).to_contain_text("onerror=alert(1)>\\u202e")
    page.locator(".grid tbody td a").first.click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("onerror=alert(1)>\\u202e\\u2028\\x1b[2J\\x00\\ud800{script}")
    expect(panel).to_contain_text("\\x1b]0;owned\\x07</script>")
    expect(panel).to_contain_text("\\xff\\\\r")
    expect(panel).to_contain_text("… and 999,999,")
    expect(panel.locator("a[href^=javascript]")).to_have_count(0)
    message = panel.get_by_role("region", name="Message").first
    assert message.evaluate("(message) => message.clientHeight") < 600
    panel.locator(".eyebrow a").nth(1).click()
    expect(page.locator("main h2")).to_contain_text("onerror")
    expect(page.locator("main")).to_contain_text("\\x1b[2J")
    for fragment in ("#servers", "#compare", "#"):
        go(page, fragment)
    expect(page.locator(".grid")).to_be_visible()
    assert page.title() == "wsgi-conform"
    assert page.locator("img").count() == 0


def test_the_policy_holds(browser: Browser, usual: Path) -> None:
    page = browser.new_page()
    page.goto(usual.as_uri())
    found = page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener("securitypolicyviolation",
                event => resolve(event.violatedDirective));
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/";
            document.body.append(image);
        })"""
    )
    page.close()
    assert found == "img-src"


# ---- for everybody ----


@pytest.mark.parametrize(
    "fragment",
    [
        "#",
        "#?view=parity&verdict=fail&server=alpha&server=beta%401.0%2Bpython3.13",
        CELL,
        "#check/http/host/missing",
        "#servers",
        "#server/beta@1.0+python3.13",
        f"#server/{BROKEN}",
        "#support/hosts/alpha",
        "#compare/alpha/beta@1.0+python3.13",
        "#changes",
    ],
)
def test_axe_finds_nothing(open_page: Open, fragment: str) -> None:
    page = open_page(fragment)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    # In the dark only the colours are others.
    for scheme, only in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", scheme)
        found = Axe().run(page, options=only)
        assert found.violations_count == 0, found.generate_report()


def test_the_theme_is_chosen(open_page: Open) -> None:
    page = open_page(color_scheme="light")
    button = page.get_by_role("button", name="Theme: auto")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button.click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert page.evaluate("localStorage.getItem('wsgi-conform-theme')") == "dark"
    # What is kept is on a disk a moment later only, so the next page is told here.
    page.add_init_script("localStorage.setItem('wsgi-conform-theme', 'light')")
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()


def test_a_narrow_screen_has_no_sideways_scroll(open_page: Open) -> None:
    page = open_page(viewport={"width": 400, "height": 800})
    for fragment in ("#servers", "#server/alpha", "#compare", "#support", "#changes", "#", CELL):
        go(page, fragment)
        expect(page.locator("[aria-busy]")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, fragment
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("Took")
    assert panel.evaluate("(panel) => panel.scrollWidth - panel.clientWidth") <= 0
