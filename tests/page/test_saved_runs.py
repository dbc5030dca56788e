"""Runs in the journal of the page: of another process, of one that was killed, and of its own."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from playwright.sync_api import Route

from agentouto import Agent, Journal, Provider, Team
from agentouto.testing import Script, finish
from agentouto.ui import PageSetup
from agentouto.ui._saved_runs import SavedRuns
from children import PIPE, child
from page.browsing import Visitor
from page.served import Site, served
from page.teams import Gate, another_run, words

PROGRAM = """
import sys
from pathlib import Path
from agentouto import Agent, Provider, Team, Tool
from agentouto.testing import Script, finish, tool

@Tool(on_restart="run")
def measure() -> str:
    mark = Path(__file__).with_name("mark")
    if not mark.exists():
        mark.touch()
        print("at work", flush=True)
        sys.stdin.read()
    return "20 degrees"

script = Script({"lead": [tool("measure"), finish("It is warm.")]})
lead = Agent("lead", "", "m", Provider("scripted", kind="script", script=script))
team = Team([lead], [measure])
if __name__ == "__main__":
    team.run("How warm is it?", journal=sys.argv[1], run_id="order-4711")
"""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "runs.db")


def quick_team() -> Team:
    script = Script({"one": finish("1")})
    return Team([Agent("one", "", "m", Provider("s", kind="script", script=script))])


def wait_until_listed(site: Site, run_id: str) -> dict[str, object]:
    for _ in range(200):
        found = [each for each in site.get("/api/runs").json() if each["id"] == run_id]
        if found:
            return dict(found[0])
        time.sleep(0.05)
    raise AssertionError("the run is not in the list")


def test_a_run_of_another_process_appears_and_moves(journal: Journal) -> None:
    gate = Gate()
    with (
        served(PageSetup(quick_team(), journal=journal)) as site,
        another_run(journal, gate, "a-1"),
    ):
        listed = wait_until_listed(site, "a-1")
        assert (listed["status"], listed["own"], listed["text"]) == ("running", False, "Speak.")
        stream = site.stream("a-1")
        seen = [next(stream)]
        while seen[-1]["type"] != "tool.start":
            seen.append(next(stream))
        lead = next(line["call"] for line in seen if line["type"] == "forward")
        unknown = site.post("/api/runs/a-1/stop", call="nobody")
        assert (unknown.status, "no call 'nobody'" in unknown.text) == (409, True)
        accepted = site.post("/api/runs/a-1/send", call=lead, text="a letter")
        assert (accepted.status, accepted.json()["status"]) == (202, "accepted")
        gate.open()
        seen += stream
        assert (seen[0]["type"], seen[-1]["type"]) == ("run.start", "run.end")
        addresses = [(line["seq"], line.get("part", 0)) for line in seen]
        assert addresses == sorted(set(addresses))
        assert seen == site.lines("a-1")
        assert "a letter" in [line.get("text") for line in seen]
        assert site.post("/api/runs/a-1/send", call=lead, text="too late").status == 409
        assert site.post("/api/runs/none/send", call=lead, text="to nobody").status == 404


ASKING = """
import sys
from agentouto import Agent, Provider, Tool, run
from agentouto.testing import Script, call, finish, tool

@Tool(needs_approval=True)
def publish(title: str) -> str:
    return f"published {title}"

def wait(_):
    print("asked", flush=True)
    sys.stdin.read()

def line(request):
    if request.turn == 0:
        return call("user", "Which title?")
    if request.turn == 1:
        return tool("publish", title=request.answers("user")[0])
    return finish(request.results("publish")[0])

lead = Agent("lead", "", "m", Provider("scripted", kind="script", script=Script({"lead": line})))
run("Go.", [lead], [publish], ask_user=wait, approve=lambda approval: wait(approval), journal=sys.argv[1], run_id="a-1")
"""


def test_questions_of_another_process_are_answered_in_the_page(
    journal: Journal, visitor: Visitor
) -> None:
    command = [sys.executable, "-c", ASKING, str(journal.path)]
    with child(command, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        with served(PageSetup(quick_team(), journal=journal)) as site:
            wait_until_listed(site, "a-1")
            visitor.open(site)
            visitor.page.click("nav li button")
            visitor.answer("Tides")
            visitor.page.get_by_role("button", name="Allow").click()
            visitor.sees_status("returned")
            visitor.see("published Tides")


TWO_AT_WORK = """
import sys, time
from agentouto import Agent, Provider, Tool, run
from agentouto.testing import Script, call, finish, tool

@Tool
def measure() -> str:
    print("at work", flush=True)
    while True:
        time.sleep(1)

def lead(request):
    if request.turn == 0:
        return call("helper", "Measure.")
    return finish("Alone: " + request.results("call_agent")[0])

script = Script({"lead": lead, "helper": [tool("measure")]})
agents = [Agent(name, "", "m", Provider("scripted", kind="script", script=script)) for name in ("lead", "helper")]
print(run("Go.", agents[:1], [measure], run_agents=agents, journal=sys.argv[1], run_id="a-1").output)
"""


def test_one_call_of_another_process_is_stopped_in_the_page(
    journal: Journal, visitor: Visitor
) -> None:
    command = [sys.executable, "-c", TWO_AT_WORK, str(journal.path)]
    with child(command, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        with served(PageSetup(quick_team(), journal=journal)) as site:
            wait_until_listed(site, "a-1")
            visitor.open(site)
            visitor.page.click("nav li button")
            visitor.page.get_by_role("button", name="show call #2 of helper").click()
            visitor.page.get_by_role("button", name="Stop this call").click()
            visitor.sees_status("returned")
            visitor.page.locator(".conversation .pill", has_text="stopped").wait_for()
            output, _ = process.communicate(timeout=50)
            assert output == "Alone: Error: [helper] was cancelled: stopped in the page\n"


def test_a_run_of_another_process_is_stopped_in_the_page(journal: Journal) -> None:
    command = [sys.executable, "-c", ASKING, str(journal.path)]
    with child(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        with served(PageSetup(quick_team(), journal=journal)) as site:
            wait_until_listed(site, "a-1")
            assert site.post("/api/runs/a-1/stop").json() == {"stopped": True}
            _, errors = process.communicate(timeout=50)
            assert "stopped in the page" in errors
            assert journal["a-1"].status == "cancelled"


def test_runs_of_the_page_are_in_the_journal_and_come_back(journal: Journal) -> None:
    with served(PageSetup(quick_team(), journal=journal)) as site:
        run = site.start("Go.")
        lines = list(site.stream(run))
        assert [each["own"] for each in site.get("/api/runs").json()] == [True]
    with served(PageSetup(quick_team(), journal=journal)) as site:
        [listed] = site.get("/api/runs").json()
        assert (listed["id"], listed["status"], listed["own"]) == (run, "completed", False)
        assert site.lines(run)[-1]["output"] == lines[-1]["output"] == "1"
        continued = site.start("And?", history_of=run)
        assert next(site.stream(continued))["history"] == 2


def test_a_run_that_was_killed_ended_without_an_end_and_is_resumed(
    journal: Journal, tmp_path: Path, visitor: Visitor
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    with child(
        [sys.executable, str(program), str(journal.path)], stdin=PIPE, stdout=PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        with served(PageSetup(quick_team(), journal=journal)) as site:
            wait_until_listed(site, "order-4711")
            visitor.open(site)
            visitor.page.click("nav li button")
            visitor.see("uses measure")
            process.kill()
            visitor.sees_status("ended without an end")
    spec = spec_from_file_location("program", program)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    team = module.team
    with served(PageSetup(team, journal=journal)) as site:
        assert wait_until_listed(site, "order-4711")["status"] == "lost"
        visitor.open(site)
        visitor.page.click("nav li button")
        visitor.sees_status("ended without an end")
        visitor.page.get_by_role("button", name="Resume").click()
        visitor.sees_status("returned")
        visitor.see("It is warm.")
        assert site.post("/api/runs", text="x", resume="order-4711").status == 422
        assert site.post("/api/runs", text="x", resume="none").status == 422


def test_a_run_that_is_at_work_when_the_page_ends_can_be_resumed(journal: Journal) -> None:
    with served(PageSetup(words(Gate()), journal=journal)) as site:
        run = site.start("Speak.")
        site.wait_for(run, "tool.start")
    assert journal[run].status == "interrupted"


async def test_older_runs_are_listed_when_they_are_asked_for(journal: Journal) -> None:
    for n in range(5):
        await quick_team().async_run("Go.", journal=journal, run_id=f"run-{n}")
    runs = SavedRuns(journal, most=2)
    pages: list[list[object]] = []
    before = ""
    while listed := await runs.summaries(["run-3"], before):
        pages.append([each["id"] for each in listed])
        before = str(pages[-1][-1])
    assert pages == [["run-4", "run-2"], ["run-1", "run-0"]]


def test_the_page_shows_older_runs_until_there_are_no_more(
    journal: Journal, visitor: Visitor
) -> None:
    def runs_before(route: Route) -> None:
        last = int(route.request.url.partition("?before=")[2] or 450)
        ids = range(last - 1, max(last - 201, 0), -1)
        status = {"status": "completed", "at": 1.8e9, "seconds": 1.0, "own": False}
        route.fulfill(json=[{"id": str(n), "text": f"Run {n}.", **status} for n in ids])

    visitor.page.route("**/api/runs*", runs_before)
    with served(PageSetup(quick_team(), journal=journal)) as site:
        visitor.open(site)
        older, items = visitor.page.get_by_role("button", name="Older runs"), "nav li"
        for shown in (200, 400, 449):
            visitor.page.locator(items).nth(shown - 1).wait_for(state="attached")
            older.click()
        older.wait_for(state="detached")
        assert site.get("/api/runs?before=none").status == 404


def test_a_journal_that_is_not_there_yet_is_no_error(journal: Journal) -> None:
    with served(PageSetup(quick_team(), journal=journal)) as site:
        assert site.get("/api/runs").json() == []
        assert site.get("/api/runs/none/events").status == 404
        assert json.loads(site.get("/api/team").text)["start"] == ["one"]


WRITER = """
import sys
from agentouto import Agent, Provider, Tool, run
from agentouto.testing import Script, finish, tool

@Tool
async def note(what: str) -> str:
    return f"noted {what}"

name, turns = sys.argv[2], 20
lines = [*(tool("note", what=f"{name}-{n}") for n in range(turns)), finish(f"done {name}")]
lead = Agent("lead", "", "m", Provider("s", kind="script", script=Script({"lead": lines})))
print("ready", flush=True)
sys.stdin.read()
print(run(f"Go {name}.", [lead], [note], journal=sys.argv[1], run_id=name).output)
"""


def test_ten_processes_write_at_once_while_the_page_reads(journal: Journal, tmp_path: Path) -> None:
    program = tmp_path / "writer.py"
    program.write_text(WRITER, encoding="utf-8")
    names = [f"order-{n}" for n in range(10)]
    with ExitStack() as stack, served(PageSetup(quick_team(), journal=journal)) as site:
        writers = [
            stack.enter_context(
                child(
                    [sys.executable, str(program), str(journal.path), name],
                    stdin=PIPE,
                    stdout=PIPE,
                )
            )
            for name in names
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:  # all are there: now they begin at once
            assert writer.stdin is not None
            writer.stdin.close()
        while any(writer.poll() is None for writer in writers):
            for each in site.get("/api/runs").json():
                written = site.lines(each["id"])  # none, if it is just being made
                assert [one["type"] for one in written[:1]] in ([], ["run.start"])
        for name, writer in zip(names, writers, strict=True):
            assert writer.stdout is not None
            assert (writer.stdout.read(), writer.wait()) == (f"done {name}\n", 0)
        listed = {each["id"]: each["status"] for each in site.get("/api/runs").json()}
        assert listed == dict.fromkeys(names, "completed")
        for name in names:
            lines = site.lines(name)
            results = [line["result"] for line in lines if line["type"] == "tool.end"]
            assert results == [f"noted {name}-{n}" for n in range(20)]
            assert lines[-1]["type"] == "run.end"
