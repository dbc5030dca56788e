"""Ways through the page: each brings it into one state after another, and yields the name of each."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from agentouto import Agent, Journal, Team
from agentouto.ui import PageSetup
from page.browsing import HIDE_AND_SHOW, Visitor
from page.served import Site, served
from page.teams import (
    Gate,
    another_run,
    broken,
    crowd,
    limited,
    report_team,
    troubled,
    two_questions,
    words,
)

Walk = Callable[[Visitor, Site, Gate], Iterator[str]]


def whole_run(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
    page = visitor.page
    visitor.see("No run yet")
    yield "no run"
    visitor.start("Report.")
    yield "running"
    visitor.see("Who is the reader?")
    yield "a question"
    visitor.answer("An investor.")
    gate.open()
    visitor.see("May lead use the tool")
    yield "an approval"
    page.get_by_role("button", name="Allow").click()
    visitor.sees_status("returned")
    yield "returned"
    page.get_by_label("show the path").check()
    yield "time"
    visitor.tab("sequence")
    page.wait_for_selector(".sequence, .plain")
    yield "sequence"
    visitor.tab("events")
    page.click(".events button >> nth=3")
    page.wait_for_selector(".line-json")
    yield "events"
    visitor.tab("map")
    page.get_by_label("Moment of the run").fill("12")
    visitor.see("To the end")
    yield "the past"


def many_agents(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
    visitor.start("Survey.")
    visitor.see("Matrix")
    visitor.page.wait_for_selector(".cell .now")
    assert visitor.lines_of_chips() <= 2
    yield "30 agents at work"
    gate.open()
    visitor.sees_status("returned")
    yield "30 agents: matrix"
    visitor.page.get_by_label("show the path").check()
    yield "30 agents: time"
    visitor.tab("sequence")
    visitor.page.wait_for_selector(".sequence, .plain")
    yield "30 agents: sequence"


def stopping(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
    visitor.start("Report.")
    visitor.see("Who is the reader?")
    visitor.page.get_by_role("button", name="Stop", exact=True).click()
    visitor.sees_status("stopped")
    yield "stopped"


def ending(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
    visitor.start("Report.")
    visitor.see("Who is the reader?")
    site.server.stop()
    visitor.see("agentouto ui has ended")
    yield "the server is gone"


def losing(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
    visitor.start("Report.")
    visitor.see("Who is the reader?")
    visitor.page.context.set_offline(True)
    visitor.page.evaluate(HIDE_AND_SHOW)
    visitor.see("connection lost, trying again")
    yield "the connection is lost"
    visitor.page.context.set_offline(False)
    visitor.page.get_by_text("connection lost").wait_for(state="detached")
    yield "the connection is back"


def saved(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
    assert gate.journal is not None
    assert gate.journal.path is not None
    leaving = threading.Thread(target=lambda: asyncio.run(leave_a_run(gate.journal)))
    leaving.start()
    leaving.join(20)
    with another_run(gate.journal, gate, "b-2"):
        visitor.page.get_by_role("button", name="another process").click()
        visitor.see("uses hold")
        yield "a run of another process"
        visitor.page.get_by_role("button", name="ended without an end").click()
        visitor.sees_status("ended without an end")
        yield "a run that ended without an end"
    shutil.rmtree(gate.journal.path.parent)


async def leave_a_run(journal: Journal | None) -> None:
    """Begin a run, and leave it in its first tool."""
    async with words(Gate()).start("Speak.", journal=journal, run_id="a-1") as live:
        async for event in live:
            if event.type == "tool_call":
                return


def with_journal(gate: Gate) -> PageSetup:
    gate.journal = Journal(Path(tempfile.mkdtemp(prefix="page-")) / "runs.db")
    return PageSetup(two_questions(), journal=gate.journal)


def seeing(text: str) -> Walk:
    def walk(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
        visitor.see(text)
        yield text

    return walk


def starting(text: str) -> Walk:
    def walk(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
        visitor.start("Go.")
        visitor.see(text)
        yield text

    return walk


WALKS: dict[str, tuple[Callable[[Gate], Team | PageSetup], Walk]] = {
    "a whole run": (report_team, whole_run),
    "30 agents": (lambda gate: crowd(pause=0, delay=0.02, gate=gate), many_agents),
    "no team": (lambda gate: PageSetup(), seeing("No team")),
    "a team that cannot be loaded": (
        lambda gate: PageSetup(problem="team.py, line 3: NameError: name 'x' is not defined"),
        seeing("NameError"),
    ),
    "a key is missing": (
        lambda gate: Team([Agent(name, "", "gpt", "openai") for name in ("a", "b")]),
        seeing("no key. Set OPENAI_API_KEY"),
    ),
    "two questions": (lambda gate: two_questions(), starting("2 questions for you")),
    "a rate limit": (lambda gate: limited(), starting("next in")),
    "calls that failed": (lambda gate: troubled(), starting("breaks could not return")),
    "a run that failed": (lambda gate: broken(), starting("The run has failed")),
    "stopped": (report_team, stopping),
    "the server is gone": (report_team, ending),
    "the connection is lost": (report_team, losing),
    "saved runs": (with_journal, saved),
}


@contextmanager
def walking(name: str, visitor: Visitor) -> Generator[Iterator[str]]:
    """Open the page, and give the states on the way."""
    gate = Gate()
    make, walk = WALKS[name]
    with served(make(gate)) as site:
        visitor.open(site)
        yield walk(visitor, site, gate)
        gate.open()
