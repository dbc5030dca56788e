"""Ways through the page: each brings it into one state after another, and yields the name of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentouto import Agent, Team
from agentouto.ui import PageSetup
from page.browsing import Visitor
from page.served import Site, served
from page.teams import Gate, broken, crowd, limited, report_team, troubled, two_questions

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
    yield "30 agents at work"
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


def seeing(words: str) -> Walk:
    def walk(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
        visitor.see(words)
        yield words

    return walk


def starting(words: str) -> Walk:
    def walk(visitor: Visitor, site: Site, gate: Gate) -> Iterator[str]:
        visitor.start("Go.")
        visitor.see(words)
        yield words

    return walk


WALKS: dict[str, tuple[Callable[[Gate], Team | PageSetup], Walk]] = {
    "a whole run": (report_team, whole_run),
    "30 agents": (lambda gate: crowd(pause=0, delay=0.02), many_agents),
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
}


@contextmanager
def walking(name: str, visitor: Visitor) -> Iterator[Iterator[str]]:
    """Open the page, and give the states on the way."""
    gate = Gate()
    make, walk = WALKS[name]
    with served(make(gate)) as site:
        visitor.open(site)
        yield walk(visitor, site, gate)
        gate.open()
