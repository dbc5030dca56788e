"""What a person does in the page, in a real browser."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import pytest

from agentouto import Agent, Team, Tool
from agentouto.testing import Script, call, finish, tool
from golden import collect, whole_run
from page.big_run import big_run
from page.browsing import HIDE, Visitor
from page.served import keep_ended_run, served
from page.teams import Gate, mailed, provider, report_team, two_questions


def test_a_run_is_started_answered_approved_and_talked_to_in_the_page(visitor: Visitor) -> None:
    gate, page = Gate(), visitor.page
    with served(report_team(gate)) as site:
        visitor.open(site)
        visitor.see("No run yet")
        visitor.start("Report.")
        visitor.see("Who is the reader?")
        visitor.sees_status("waits for you")
        assert page.title().startswith("(1) Report.")
        page.select_option(".talk select", label="critic #3")
        page.fill("#talk", "Be short.")
        page.click(".talk button")
        page.locator(".entry.message", has_text="Be short.").wait_for()
        visitor.answer("An investor.")
        gate.open()
        visitor.see("read in turn 2, after")
        visitor.see("May lead use the tool")
        assert "Solar\\u{202e} 2026" in page.inner_text(".card")
        page.get_by_role("button", name="Allow").click()
        visitor.sees_status("returned")
        visitor.see("Where the time went")
        assert not page.title().startswith("(")
        page.click(".crumbs button:has-text('lead')")
        page.locator(".entry.return", has_text="<script>").wait_for()


def test_what_reorders_a_line_is_shown_and_joined_characters_stay(visitor: Visitor) -> None:
    woman = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}"

    @Tool
    def look_up() -> str:
        """Look up."""
        return f"safe\u202egnp.exe\x1b[2J\u2066 {woman}\tend\r\nnext"

    script = Script(
        {"one": [tool("look_up"), call("user", "Which\u202e?"), finish("all\u2067 done\x07")]}
    )
    team = Team([Agent("one", "", "m", provider(script))], [look_up])
    page = visitor.page
    with served(team) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.see("Which\\u{202e}?")
        visitor.answer("It\u200f.")
        visitor.sees_status("returned")
        visitor.see("It\\u{200f}.")
        told = page.text_content(".entry.tool") or ""
        assert f"safe\\u{{202e}}gnp.exe\\u{{1b}}[2J\\u{{2066}} {woman}\tend" in told
        assert "all\\u{2067} done\\u{7}" in (page.text_content(".entry.return") or "")
        assert not set(page.text_content("#log") or "") & set("\x07\x1b\u200f\u202e\u2066\u2067")


def test_everything_works_with_the_keyboard_alone(visitor: Visitor) -> None:
    page = visitor.page
    with served(report_team(gate := Gate())) as site:
        visitor.open(site)
        visitor.tab_to("#message")
        page.keyboard.type("First.")
        page.keyboard.press("Control+Enter")
        visitor.see("Who is the reader?")
        visitor.tab_to("#talk")
        page.keyboard.type("Be short.")
        page.keyboard.press("Enter")
        page.locator(".entry.message", has_text="Be short.").wait_for()
        visitor.tab_to(".card input", backwards=True)
        page.keyboard.type("An investor.")
        page.keyboard.press("Enter")
        page.locator(".card").wait_for(state="detached")
        visitor.tab_to("header .stop", backwards=True)
        page.keyboard.press("Enter")
        visitor.sees_status("stopped")
        visitor.tab_to("[role=tab][aria-selected=true]")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#tab-sequence[aria-selected=true]:focus")
        page.reload()
        visitor.see("No run yet")
        visitor.tab_to("nav li button")
        page.keyboard.press("Enter")
        visitor.sees_status("stopped")
        gate.open()


def test_a_question_that_is_answered_in_another_tab_goes(visitor: Visitor) -> None:
    with served(two_questions()) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.see("2 questions for you")
        other = Visitor(visitor.page.context.new_page())
        other.open(site)
        other.see("2 questions for you")
        assert other.page.title().startswith("(2) ")
        other.answer("two's", nth=1)
        for each in (visitor, other):
            each.page.locator(".card").nth(1).wait_for(state="detached")
            assert "one" in each.page.inner_text(".card")
        visitor.answer("one's")
        other.sees_status("returned")
        assert other.complaints == []


def test_seven_tabs_all_show_the_question(visitor: Visitor) -> None:
    with served(report_team(gate := Gate())) as site:
        visitor.open(site)
        visitor.start("Go.")
        page = visitor.page
        for _ in range(6):
            page.evaluate(HIDE)  # as a browser does when another tab comes to the front
            page = visitor.page.context.new_page()
            page.goto(site.address)
            page.get_by_text("Who is the reader?").first.wait_for()
        gate.open()


def test_after_a_reload_every_line_is_there_once(visitor: Visitor) -> None:
    with served(report_team(gate := Gate())) as site:
        visitor.open(site)
        visitor.start("Report.")
        for _ in range(3):
            visitor.see("Who is the reader?")
            visitor.page.reload()
        visitor.see("Who is the reader?")
        gate.open()
        visitor.answer("An investor.")
        visitor.see("May lead use the tool")
        visitor.page.get_by_role("button", name="Allow").click()
        visitor.sees_status("returned")
        visitor.tab("events")
        run = site.get("/api/runs").json()[0]["id"]
        shown = int(visitor.page.get_attribute("[aria-label='Moment of the run']", "max") or 0)
        facts = [line for line in site.lines(run) if not line.get("part")]
        assert shown >= len(facts)
        visitor.page.reload()
        visitor.page.click("nav li button")
        visitor.sees_status("returned")
        again = int(visitor.page.get_attribute("[aria-label='Moment of the run']", "max") or 0)
        assert again == len(site.lines(run))


def test_the_three_fates_of_a_message_are_shown(visitor: Visitor) -> None:
    with served(mailed(gate := Gate())) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.see("uses hold")
        for text in ("Refuse me.", "Read me."):
            visitor.page.fill("#talk", text)
            visitor.page.keyboard.press("Enter")
            visitor.page.locator(".entry.message", has_text=text).wait_for()
        gate.open()
        visitor.sees_status("returned")
        entries = visitor.page.locator(".entry.message")
        assert "read in turn 2, after" in entries.filter(has_text="Read me.").inner_text()
        assert "came back: " in entries.filter(has_text="Refuse me.").inner_text()
    with served(mailed(gate := Gate())) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.see("uses hold")
        visitor.page.fill("#talk", "Too late.")
        visitor.page.keyboard.press("Enter")
        visitor.see("delivered, not read yet")
        visitor.page.get_by_role("button", name="Stop this call").click()
        visitor.see("came back: ")
        gate.open()


def test_any_moment_is_shown_and_the_run_is_replayed(visitor: Visitor) -> None:
    page = visitor.page
    with served(report_team(gate := Gate())) as site:
        gate.open()
        visitor.open(site)
        visitor.start("Report.")
        visitor.answer("An investor.")
        visitor.page.get_by_role("button", name="Allow").click()
        visitor.sees_status("returned")
        slider = page.get_by_label("Moment of the run")
        slider.fill("4")
        visitor.sees_status("running")
        page.wait_for_selector("#talk:disabled")
        assert page.locator(".card").count() == 0
        slider.press("Home")  # before its first line there is no run, and nothing to slide
        page.get_by_role("button", name="To the end").click()
        visitor.sees_status("returned")
        # In the first frame after the click: the run that is replayed may take a moment only.
        assert page.get_by_role("button", name="Replay").evaluate(CLICK) == "Pause"
        visitor.sees_status("returned")
        page.get_by_role("button", name="Replay").wait_for()


CLICK = """async button => {
    button.click();
    await new Promise(requestAnimationFrame);
    return button.textContent;
}"""
"""Clicks, and returns what the button says then."""
PLAIN = {
    "type", "run", "call", "parent", "id", "tool_call", "kind", "why", "status", "stop", "code", "policy"
}  # fmt: skip
"""Fields whose words are ours."""
REORDERS = "\u2067\u202e"
"""Shown as escapes: the words after them would be shown from right to left."""
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'


def hostile(value: Any, field: str = "") -> Any:
    """Return what a line has, with markup in every text and name, and what reorders them."""
    if isinstance(value, dict):
        return {name: hostile(each, name) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [hostile(each, field) for each in cast("list[Any]", value)]
    return REORDERS + value + HOSTILE if isinstance(value, str) and field not in PLAIN else value


@pytest.fixture
def hostile_lines() -> list[dict[str, Any]]:
    return [hostile(line) for line in asyncio.run(collect(whole_run()))]


SEEN = """[...document.querySelectorAll('body, #app [aria-label], #app [title]')].map(
    one => one.textContent + (one.ariaLabel ?? '') + (one.title ?? '')).join()"""


def test_markup_in_any_text_or_name_stays_text_and_what_reorders_a_line_is_shown(
    visitor: Visitor, hostile_lines: list[dict[str, Any]]
) -> None:
    page = visitor.page
    with served(two_questions()) as site:
        keep_ended_run(site, hostile_lines)
        visitor.open(site)
        page.click("nav li button")
        page.locator("header .pill", has_text="failed").or_(
            page.locator("header .pill", has_text="returned")
        ).first.wait_for()
        for moment in [*range(1, len(hostile_lines), 3), len(hostile_lines)]:
            page.get_by_label("Moment of the run").fill(str(moment))
            page.wait_for_function("() => new Promise(requestAnimationFrame)")
        for name in ("map", "sequence", "time", "events"):
            visitor.tab(name)
            page.wait_for_selector(f"#stage.{name}")
            made = "document.querySelectorAll('#app img, #app script, #app iframe').length"
            assert page.evaluate(made) == 0
            assert "\\u{2067}\\u{202e}" in page.inner_text("#stage")
            assert not re.findall(f".{{20}}[{REORDERS}]", page.evaluate(SEEN))
        page.click(".events button")
        assert not set(page.inner_text(".line-json")) & set(REORDERS)
        page.locator(".entry .link", has_text="show call").first.click()
        assert HOSTILE in page.inner_text(".log")
        assert page.title().endswith("agentouto")


def test_a_run_of_20000_lines_is_quick_and_draws_only_what_is_seen(visitor: Visitor) -> None:
    """The limits are ten times what is measured on a quiet machine."""
    page, lines = visitor.page, big_run()
    assert len(lines) > 19_000
    with served(two_questions()) as site:
        keep_ended_run(site, lines)
        visitor.open(site)
        page.click("nav li button")
        visitor.sees_status("returned")
        for name in ("map", "sequence", "time", "events"):
            took: Any = page.evaluate(
                """async name => {
                    const began = performance.now();
                    document.getElementById(`tab-${name}`).click();
                    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                    return [performance.now() - began, document.querySelectorAll('*').length];
                }""",
                name,
            )
            milliseconds, nodes = took
            assert nodes <= 3_000, name
            assert milliseconds <= 1_000, name
        folded: Any = page.evaluate(
            """async () => {
                const {Run} = await import(document.querySelector('link[href*=fold]').href);
                const options = {headers: {accept: 'application/x-ndjson'}};
                const text = await (await fetch('api/runs/big/events', options)).text();
                const lines = text.trim().split('\\n').map(line => JSON.parse(line));
                const began = performance.now();
                new Run().feedAll(lines);
                return performance.now() - began;
            }"""
        )
        assert folded <= 1_000
