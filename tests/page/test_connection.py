"""Many tabs at once, and a connection that is lost: every tab has every line once."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Request

from agentouto import Agent, Journal, Provider, Team
from agentouto.testing import Script, Turn, finish
from children import PIPE, child
from page.browsing import HIDE, Visitor
from page.served import served
from page.teams import Gate, another_run, two_questions

TEN = 10


def test_ten_tabs_at_once_show_the_same_and_none_holds_up_another(visitor: Visitor) -> None:
    """A browser opens six connections to one host, and would let the seventh tab wait for ever."""
    with served(two_questions()) as site:
        visitor.open(site)
        visitor.start("Go.")
        tabs = [visitor, *(Visitor(visitor.page.context.new_page()) for _ in range(TEN - 1))]
        for tab in tabs[1:]:
            tab.open(site)
        for tab in tabs:
            tab.see("2 questions for you")
            assert not tab.page.evaluate("document.hidden")
        tabs[-1].answer("two's", nth=1)
        for tab in tabs:
            tab.page.locator(".card").nth(1).wait_for(state="detached")
        tabs[4].answer("one's")
        for tab in tabs:
            tab.sees_status("returned")
            assert tab.complaints == []
        assert len({tab.page.inner_text(".log") for tab in tabs}) == 1


def is_stream(request: Request) -> bool:
    return request.headers.get("accept") == "text/event-stream"


def test_a_tab_that_asks_now_and_then_takes_the_place_of_one_that_is_closed(
    visitor: Visitor,
) -> None:
    with served(two_questions()) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.see("2 questions for you")
        tabs = [Visitor(visitor.page.context.new_page()) for _ in range(4)]
        for tab in tabs:
            tab.open(site)
            tab.see("2 questions for you")
        with tabs[-1].page.expect_request(is_stream):
            tabs[0].page.close()
        visitor.answer("one's")
        tabs[-1].page.locator(".card").nth(1).wait_for(state="detached")


def slow_words(count: int) -> Team:
    """An agent that returns many words, a few of them a second."""
    text = " ".join(f"word{n}" for n in range(count))
    script = Script({"one": Turn(finish(text), stream=True)}, pause=0.05)
    return Team([Agent("one", "", "m", Provider("s", kind="script", script=script))])


def test_who_looks_away_gets_the_rest_of_a_reply_that_ends_meanwhile(visitor: Visitor) -> None:
    """Pieces are joined at the end of a run: what came after a piece is no line any more."""
    with served(slow_words(60)) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.page.locator(".entry.draft", has_text="word3").wait_for()
        visitor.page.evaluate(HIDE)
        visitor.sees_status("returned")
        visitor.page.locator(".entry.return", has_text="word59").wait_for()
        run = site.get("/api/runs").json()[0]["id"]
        assert visitor.lines() == len(site.lines(run))


def test_who_asks_for_what_came_after_a_piece_is_told_that_it_is_no_line_any_more() -> None:
    with served(slow_words(5)) as site:
        run = site.start("Go.")
        seen = list(site.stream(run))
        piece = next(line for line in seen if line.get("part"))
        asked = site.get(
            f"/api/runs/{run}/events?after={piece['seq']}.{piece['part']}",
            Accept="application/x-ndjson",
        )
        assert (asked.status, "read from the start" in asked.text) == (409, True)


SERVER = """
import asyncio, sys
from agentouto import Journal
from agentouto.ui import PageServer, PageSetup
path, port, token = sys.argv[1:]
server = PageServer(PageSetup(journal=Journal(path)), port=int(port), token=token)
print(server.address, flush=True)
asyncio.run(server.serve())
"""
TOKEN = "a-token-of-twenty-six-chars"


@contextmanager
def page_process(journal: Journal, port: int = 0, token: str = TOKEN) -> Generator[str]:
    """Serve a page in another process, which is killed at the end of the block; yield its address."""
    command = [sys.executable, "-c", SERVER, str(journal.path), str(port), token]
    with child(command, stdout=PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def port_of(address: str) -> int:
    return int(address.partition("/?")[0].rpartition(":")[2])


@pytest.fixture
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return Journal(tmp_path_factory.mktemp("journal") / "runs.db")


def test_a_server_that_was_killed_and_comes_back_is_found_again(
    journal: Journal, visitor: Visitor
) -> None:
    page, gate = visitor.page, Gate()
    with another_run(journal, gate, "a-1"):
        with page_process(journal) as address:
            page.goto(address)
            page.click("nav li button")
            visitor.see("uses hold")
        visitor.see("connection lost, trying again")
        with page_process(journal, port_of(address)):
            page.get_by_text("connection lost").wait_for(state="detached")
            gate.open()
            visitor.sees_status("returned")
            # The first address of the stream had no line: only Last-Event-ID says what is there.
            assert visitor.lines() == len(journal["a-1"].lines())


def test_a_server_that_comes_back_with_another_token_says_what_to_open(
    journal: Journal, visitor: Visitor
) -> None:
    page, gate = visitor.page, Gate()
    with another_run(journal, gate, "a-1"):
        with page_process(journal) as address:
            page.goto(address)
            page.click("nav li button")
            visitor.see("uses hold")
        visitor.see("connection lost, trying again")
        with page_process(journal, port_of(address), "another" + TOKEN):
            visitor.see("Open the address that `agentouto ui` has printed")
            page.get_by_text("connection lost").wait_for(state="detached")
            assert page.locator("#talk:disabled").count() == 1
