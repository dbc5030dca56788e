"""Runs that wait for people without a process: answered in the page, they go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentouto import SAVE_AND_EXIT, Agent, Journal, Peer, Team, Tool, Waiting
from agentouto.testing import Request, Script, ScriptedReply, call, finish, tool
from agentouto.ui import PageSetup
from page.browsing import Visitor
from page.served import Site, served
from page.teams import provider


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "runs.db")


def away_team(*questions: str, asked: str = "user") -> Team:
    """A team whose user is away: its agent asks all questions at once, and then publishes."""

    @Tool(needs_approval=True)
    def publish(title: str) -> str:
        """Publish."""
        return f"published {title}"

    def lead(request: Request) -> ScriptedReply:
        if request.turn == 0:
            return [call(asked, question) for question in questions]
        if request.turn == 1:
            return tool("publish", title=" and ".join(request.answers(asked)))
        return finish(request.results("publish")[0])

    agent = Agent("lead", "", "m", provider(Script({"lead": lead})))
    ann = Peer("ann", "Reviews.", SAVE_AND_EXIT, person=True)
    return Team([agent, ann], [publish], starting_agents=[agent], ask_user=SAVE_AND_EXIT)


async def wait_in(journal: Journal, team: Team) -> None:
    """Let a run of the team wait in the journal, as another process has left it."""
    with pytest.raises(Waiting):
        await team.async_run("Go.", journal=journal, run_id="a-1")


def status_in_list(site: Site, run: str) -> str:
    return next(each["status"] for each in site.get("/api/runs").json() if each["id"] == run)


def idle_in(site: Site, run: str) -> dict[str, Any]:
    """Return what the stream of a run says first about its not being at work."""
    return next(json.loads(one["data"]) for one in site.events(run) if one["event"] == "idle")


def test_a_run_of_the_page_waits_without_a_process_and_goes_on_once_it_is_answered(
    journal: Journal, visitor: Visitor
) -> None:
    page = visitor.page
    with served(PageSetup(away_team("Which title?"), journal=journal)) as site:
        visitor.open(site)
        visitor.start("Go.")
        visitor.sees_status("waits for you")
        page.locator("nav li", has_text="waits for people").wait_for()
        [saved] = journal.runs()
        assert saved.status == "waiting"
        assert page.locator(".failure").count() == 0
        visitor.answer("Tides")
        page.get_by_role("button", name="Allow").click()
        visitor.sees_status("returned")
        visitor.see("published Tides")
        assert page.get_by_role("button", name="Resume").count() == 0


def test_a_run_goes_on_when_the_last_of_its_questions_is_answered(journal: Journal) -> None:
    with served(PageSetup(away_team("Which title?", "Which year?"), journal=journal)) as site:
        run = site.start("Go.")
        idle = idle_in(site, run)
        first, second = idle["asked"]
        assert idle["status"] == status_in_list(site, run) == "waiting"
        assert site.post(f"/api/runs/{run}/answer", call=first, text="Tides").status == 202
        assert idle_in(site, run) | {"command": ""} == {
            "status": "lost",
            "asked": [second],
            "command": "",
        }
        again = site.post(f"/api/runs/{run}/answer", call=first, text="Seas")
        assert (again.status, "answered" in again.text) == (409, True)
        events = site.events(run)
        assert next(one for one in events if one["event"] == "idle")
        assert site.post(f"/api/runs/{run}/answer", call=second, text="2026").status == 202
        # The stream that was open goes on, too: with the run, and up to what it waits for now.
        [approval] = next(
            json.loads(one["data"])["asked"]
            for one in events
            if one["event"] == "idle" and "ap_" in one["data"]
        )
        assert site.post(f"/api/runs/{run}/approve", call=approval, yes=True).status == 202
        assert [one["event"] for one in events][-1] == "end"
        assert site.lines(run)[-1]["output"] == "published Tides and 2026"
        assert status_in_list(site, run) == "completed"


async def test_a_run_of_another_process_is_answered_and_goes_on_with_resume(
    journal: Journal,
) -> None:
    await wait_in(journal, team := away_team("Which title?"))
    with served(PageSetup(team, journal=journal)) as site:
        assert site.post("/api/runs", text="x", resume="a-1").status == 422
        [question] = idle_in(site, "a-1")["asked"]
        assert site.post("/api/runs/a-1/answer", call=question, text="Tides").status == 202
        assert idle_in(site, "a-1")["status"] == "lost"
        assert site.post("/api/runs", text="x", resume="a-1").status == 201
        assert idle_in(site, "a-1")["status"] == "waiting"


@pytest.fixture
async def waits_for_ann(journal: Journal) -> Journal:
    await wait_in(journal, away_team("Is it right?", asked="ann"))
    return journal


def test_whom_else_a_run_waits_for_is_said_with_the_command_that_answers(
    waits_for_ann: Journal, visitor: Visitor
) -> None:
    page, journal = visitor.page, waits_for_ann
    with served(PageSetup(away_team("Is it right?", asked="ann"), journal=journal)) as site:
        visitor.open(site)
        visitor.sees_status("waits for people")
        visitor.see("lead asks ann")
        visitor.see("Is it right?")
        visitor.see(f"agentouto runs show a-1 --journal {journal.place}")
        [question] = journal["a-1"].questions()
        journal["a-1"].answer(question.call_id, "Yes")
        visitor.sees_status("answered")
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("button", name="Allow").click()
        visitor.sees_status("returned")
        visitor.see("published Yes")
