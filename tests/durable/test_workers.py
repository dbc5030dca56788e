"""Workers: runs that are submitted, calls for other kinds of workers, and the death of each."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from agentouto import (
    SAVE_AND_EXIT,
    Agent,
    AgentoutoError,
    Cancelled,
    ConfigurationError,
    Journal,
    JournalError,
    LimitReached,
    Limits,
    Provider,
    RoutingError,
    Team,
    Tool,
    Waiting,
)
from agentouto._journal.run_watch import RUNS_NOT_ENDED
from agentouto._workers.run_ends import RunEnds
from agentouto.testing import Script, call, fail, say, tool
from agentouto.workers import SubmittedRun, Worker
from children import PIPE, child


def team_of(lead: Any, far: Any = None, tools: Any = (), **options: Any) -> Team:
    script = Script({"lead": lead, "far": far or say("x")})
    provider = Provider("p", kind="script", script=script)
    agents = [
        Agent("lead", "You lead.", "m", provider),
        Agent("far", "You are far.", "m", provider, worker="gpu"),
    ]
    return Team(agents, list(tools), starting_agents=agents[:1], **options)


@asynccontextmanager
async def workers(team: Team, journal: Path, *kinds: str, **options: Any) -> AsyncGenerator[None]:
    """Have one worker of each kind in this loop."""
    options = {"grace": 0, **options}
    every = [Worker(team, journal=str(journal), kinds=[kind], **options) for kind in kinds]
    tasks = [asyncio.create_task(one.work()) for one in every]
    try:
        yield
    finally:
        for one in every:
            one.stop()
        for task in tasks:
            await task


# ── runs ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_that_was_submitted_is_carried_out_by_a_worker(tmp_path: Path) -> None:
    team = team_of(say("done"))
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    assert run.status() == "queued"
    async with workers(team, tmp_path / "runs.db", "default"):
        result = await run.wait(30)
    assert (result.output, run.status(), repr(run)) == ("done", "returned", "SubmittedRun('r')")
    again = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    assert (await again.wait(0)).output == "done"
    types = [each.type for each in await asyncio.to_thread(list, run.events())]
    assert types[-1] == "finish"
    lines = await asyncio.to_thread(list, run.lines())
    assert [line["type"] for line in lines][:2] == ["run.start", "run.resumed"]
    assert lines[-1]["type"] == "run.end"


async def test_history_limits_and_starting_agents_go_with_a_run(tmp_path: Path) -> None:
    seen: list[Any] = []

    def far(request: Any) -> Any:
        seen.append(request)
        return tool("nothing") if request.turn < 5 else say("x")

    team = team_of(say("x"), far, limits=Limits(turns=9))
    run = team.submit(
        "Go.",
        [team.agents[1]],
        journal=tmp_path / "runs.db",
        history=[{"type": "forward", "sender": "user", "receiver": "far", "content": "before"}],
        limits=Limits(turns=2),
    )
    async with workers(team, tmp_path / "runs.db", "default", "gpu"):
        with pytest.raises(LimitReached, match="turns") as caught:
            await run.wait(30)
    assert seen[0].heard == ["before", "Go."]
    assert caught.value.partial.usage is not None


async def test_a_call_for_another_kind_of_worker_is_answered_there(tmp_path: Path) -> None:
    @Tool(worker="cpu")
    def render(what: str) -> str:
        """Render."""
        return f"rendered {what}"

    lead = [call("far", "Look."), lambda seen: say(seen.answers("far")[0])]
    far = [tool("render", what="sea"), lambda seen: say(seen.results("render")[-1])]
    team = team_of(lead, far, [render])
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default", "gpu", "cpu"):
        assert (await run.wait(30)).output == "rendered sea"
    runs = {saved.message: saved.status for saved in Journal(tmp_path / "runs.db").runs()}
    assert runs == {"Go.": "returned", "Look.": "returned", '{"what": "sea"}': "returned"}


async def test_a_kind_that_nobody_serves_is_a_named_error_after_a_bound(tmp_path: Path) -> None:
    lead = [call("far", "Look."), lambda seen: say(seen.results("call_agent")[0])]
    team = team_of(lead)
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default", unserved=0.3):
        result = await run.wait(30)
    assert "no worker of kind 'gpu' has taken the run" in result.output
    states = {saved.message: saved.status for saved in Journal(tmp_path / "runs.db").runs()}
    assert states == {"Go.": "returned", "Look.": "cancelled"}
    other = team.submit("Go.", journal=tmp_path / "runs.db", worker="nobody")
    with pytest.raises(AgentoutoError, match="no worker of kind 'nobody'") as caught:
        await other.wait(unserved=0)
    assert caught.value.code == "worker-missing"
    with pytest.raises(TimeoutError):
        await other.wait(0)


async def test_a_run_that_fails_raises_what_it_raised(tmp_path: Path) -> None:
    team = team_of(fail(401))
    run = team.submit("Go.", journal=tmp_path / "runs.db")
    async with workers(team, tmp_path / "runs.db", "default"):
        with pytest.raises(AgentoutoError) as caught:
            await run.wait(30)
    assert caught.value.code == "login"


async def test_a_run_can_be_cancelled_from_anywhere(tmp_path: Path) -> None:
    at_work = asyncio.Event()

    @Tool
    async def work() -> str:
        """Work."""
        at_work.set()
        await asyncio.Event().wait()
        return ""

    lead = [call("far", "Look.")]
    team = team_of(lead, [tool("work")], [work])
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default", "gpu"):
        await at_work.wait()
        assert await asyncio.to_thread(run.cancel, "enough")
        with pytest.raises(Cancelled):
            await run.wait(30)
        (child_id,) = (one.id for one in Journal(tmp_path / "runs.db").runs() if one.id != "r")
        with pytest.raises(Cancelled):
            await SubmittedRun(Journal(tmp_path / "runs.db"), child_id).wait(30)


async def test_questions_at_any_depth_are_answered_from_anywhere(tmp_path: Path) -> None:
    lead = [call("far", "Look."), lambda seen: say(seen.answers("far")[0])]
    far = [call("user", "Which one?"), lambda seen: say(f"took {seen.answers('user')[0]}")]
    team = team_of(lead, far, ask_user=SAVE_AND_EXIT)
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default", "gpu"):
        while not (questions := await asyncio.to_thread(run.questions)):
            await asyncio.sleep(0.02)
        assert [one.content for one in questions] == ["Which one?"]
        await asyncio.to_thread(run.answer, questions[0].call_id, "the red one")
        assert (await run.wait(30)).output == "took the red one"
    with pytest.raises(RoutingError):
        run.answer("nothing", "x")


async def test_a_run_that_waits_for_people_says_so_and_goes_on(tmp_path: Path) -> None:
    lead = [call("user", "Which one?"), lambda seen: say(f"took {seen.answers('user')[0]}")]
    team = team_of(lead, ask_user=SAVE_AND_EXIT)
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default"):
        with pytest.raises(Waiting, match="waits for people") as caught:
            await run.wait(30)
        assert run.status() == "waiting"
        assert run.approvals() == []
        await asyncio.to_thread(run.answer, caught.value.questions[0].call_id, "the red one")
        while run.status() == "waiting":
            await asyncio.sleep(0.02)
        assert (await run.wait(30)).output == "took the red one"


async def test_approvals_are_decided_from_anywhere(tmp_path: Path) -> None:
    @Tool(needs_approval=True)
    def book(seat: str) -> str:
        """Book."""
        return f"booked {seat}"

    lead = [tool("book", seat="4A"), lambda seen: say(seen.results("book")[-1])]
    team = team_of(lead, None, [book], ask_user=SAVE_AND_EXIT)
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default"):
        while not (approvals := await asyncio.to_thread(run.approvals)):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(run.approve, approvals[0].id, True)
        while run.status() == "waiting":
            await asyncio.sleep(0.02)
        assert (await run.wait(30)).output == "booked 4A"


async def test_letters_go_between_a_call_elsewhere_its_caller_and_the_user(tmp_path: Path) -> None:
    def far(request: Any) -> Any:
        if request.turn == 0:
            return tool("send_message", task_id="r", message="from far")
        if not any("from lead" in text for text in request.heard):
            return tool("wait_for_messages", timeout=30)
        return say("read it")

    def lead(request: Any) -> Any:
        heard = " ".join(request.heard)
        if request.turn == 0:
            return tool("spawn_background_agent", agent_name="far", message="Look.")
        if request.turn == 1:
            started = request.results("spawn_background_agent")[0]
            id_ = next(word.strip(".,)") for word in started.split() if word.startswith("bg_"))
            return tool("send_message", task_id=id_, message="from lead")
        if "from far" not in heard or "from user" not in heard:
            return tool("wait_for_messages", timeout=30)
        return say("all read")

    team = team_of(lead, far, enabled_tools=["wait_for_messages"])
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    async with workers(team, tmp_path / "runs.db", "default", "gpu"):
        await asyncio.to_thread(run.send, "from user", id="once")
        result = await run.wait(55)
    assert result.output == "all read"
    assert {"lead", "far", "user"} <= {one.sender for one in result.messages}


async def test_a_worker_takes_only_so_many_runs_at_a_time(tmp_path: Path) -> None:
    at_work, most = [0], [0]
    gate = asyncio.Event()

    @Tool
    async def work() -> str:
        """Work."""
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        await gate.wait()
        at_work[0] -= 1
        return "worked"

    team = team_of(lambda seen: say("done") if seen.turn else tool("work"), None, [work])
    runs = [team.submit("Go.", journal=tmp_path / "runs.db") for _ in range(4)]
    async with workers(team, tmp_path / "runs.db", "default", runs=2):
        while most[0] < 2:
            await asyncio.sleep(0.01)
        gate.set()
        for run in runs:
            assert (await run.wait(30)).output == "done"
    assert most[0] == 2


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────


async def test_a_worker_without_the_agent_leaves_the_run_to_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    team = team_of(say("done"))
    run = team.submit("Go.", journal=tmp_path / "runs.db", run_id="r")
    other = Team([team.agents[1]], [])
    async with workers(other, tmp_path / "runs.db", "default"):
        while "cannot be carried out" not in caplog.text:
            await asyncio.sleep(0.01)
        assert "it needs lead" in caplog.text
        async with workers(team, tmp_path / "runs.db", "default"):
            assert (await run.wait(30)).output == "done"


def test_what_cannot_work_is_said_at_once(tmp_path: Path) -> None:
    team = team_of(say("x"))
    with pytest.raises(ConfigurationError, match="give journal="):
        team.submit("Go.")
    with pytest.raises(ConfigurationError, match="no kind of worker"):
        team.submit("Go.", journal=tmp_path / "runs.db", worker="g p u")
    with pytest.raises(ConfigurationError, match="keeps the run"):
        team.submit("Go.", journal=Journal(tmp_path, on_lost=print))
    with pytest.raises(ConfigurationError, match="give journal="):
        Worker(team)
    with pytest.raises(ConfigurationError, match="list of kinds"):
        Worker(team, journal=str(tmp_path / "runs.db"), kinds="gpu")
    with pytest.raises(ConfigurationError, match="runs=0"):
        Worker(team, journal=str(tmp_path / "runs.db"), runs=0)


async def test_a_journal_that_cannot_be_used_ends_a_worker_at_once(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is a folder"):
        await Worker(team_of(say("x")), journal=str(tmp_path)).work()


async def test_a_result_is_not_waited_for_in_an_event_loop(tmp_path: Path) -> None:
    run = team_of(say("x")).submit("Go.", journal=tmp_path / "runs.db")
    with pytest.raises(RuntimeError, match=r"await run\.wait"):
        run.result()


class SlowWatch:
    """A journal in which a look takes until the test lets it end."""

    def __init__(self) -> None:
        self.looking = threading.Event()
        self.go_on = threading.Event()
        self.ended: dict[str, str] = {}

    def statuses(self, ids: Collection[str]) -> dict[str, str]:
        found = {id_: self.ended.get(id_, "running") for id_ in ids}
        self.looking.set()
        assert self.go_on.wait(50)
        return found

    def is_at_work(self, run_id: str) -> bool:
        return True


def test_a_worker_does_not_look_through_runs_that_have_ended(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    team_of([say("Done.")]).submit("Write.", journal=journal)
    with closing(sqlite3.connect(journal)) as file:
        (plan,) = file.execute(f"explain query plan {RUNS_NOT_ENDED}").fetchall()
    assert "runs_not_ended" in plan[-1]


async def test_a_run_that_is_waited_for_during_a_look_has_not_ended_by_that() -> None:
    watch = SlowWatch()
    ends = RunEnds(cast("Any", watch), 60)
    first = asyncio.create_task(ends.wait_for("first", "gpu"))
    await asyncio.to_thread(watch.looking.wait, 50)
    second = asyncio.create_task(ends.wait_for("second", "gpu"))
    await asyncio.sleep(0)
    watch.ended = {"first": "returned"}
    watch.go_on.set()
    assert await first == "returned"
    assert not second.done()
    watch.ended = {"second": "failed"}
    assert await second == "failed"
    ends.close()


async def test_a_journal_that_is_away_for_long_is_told_to_those_who_wait() -> None:
    class Away(SlowWatch):
        def statuses(self, ids: Collection[str]) -> dict[str, str]:
            raise JournalError("away")

    ends = RunEnds(cast("Any", Away()), 60, away=0)
    with pytest.raises(JournalError, match="away"):
        await ends.wait_for("first", "gpu")
    ends.close()


# ── processes ─────────────────────────────────────────────────────────────────────────────────

PROGRAM = """
import os, time
from pathlib import Path
from agentouto import Agent, Provider, Team, Tool
from agentouto._workers.run_ends import RunEnds
from agentouto.testing import Script, call, say, tool

folder = Path(os.environ["FOLDER"])

@Tool(on_restart="run")
def look() -> str:
    "Look."
    (folder / f"at_work_{os.getpid()}").touch()
    while not (folder / "go_on").exists():
        time.sleep(0.01)
    return "looked"

@Tool
def note(what: str) -> str:
    "Note."
    with (folder / "notes").open("a") as file:
        file.write(f"{what}\\n")
    return "noted"

def far(request):
    return [tool("note", what="once"), tool("look"), say("found")][request.turn]

lead = [call("far", "Look."), lambda request: say("lead: " + request.answers("far")[0])]
provider = Provider("p", kind="script", script=Script({"lead": lead, "far": far}))
agents = [
    Agent("lead", "You lead.", "m", provider),
    Agent("far", "You are far.", "m", provider, worker="gpu"),
]
team = Team(agents, [look, note], starting_agents=agents[:1])
"""


@contextmanager
def worker_process(folder: Path, place: str, *arguments: str) -> Generator[Any]:
    """Start a worker and wait until it takes runs."""
    command = [sys.executable, "-m", "agentouto", "worker", str(folder / "team.py")]
    environment = {**os.environ, "FOLDER": str(folder), "AGENTOUTO_JOURNAL": place}
    with child([*command, *arguments], stderr=PIPE, env=environment) as process:
        assert process.stderr is not None
        assert "takes runs" in process.stderr.readline()
        yield process


def wait_for_file(folder: Path, name: str) -> None:
    with child([sys.executable, "-c", WAITER, str(folder / name)]) as process:
        assert process.wait(50) == 0


WAITER = """
import sys, time
from pathlib import Path
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
"""


def submitted(folder: Path, place: str) -> SubmittedRun:
    (folder / "team.py").write_text(PROGRAM)
    script = Script({"lead": say("x"), "far": say("x")})
    provider = Provider("p", kind="script", script=script)
    agents = [
        Agent("lead", "You lead.", "m", provider),
        Agent("far", "You are far.", "m", provider, worker="gpu"),
    ]
    return Team(agents, starting_agents=agents[:1]).submit("Go.", journal=place, run_id="r")


@pytest.mark.parametrize("kind", ["default", "gpu"])
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, place: str, kind: str) -> None:
    run = submitted(tmp_path, place)
    other = {"default": "gpu", "gpu": "default"}[kind]
    with worker_process(tmp_path, place, "--worker", other) as second:
        with worker_process(tmp_path, place, "--worker", kind) as first:
            at_work = first if kind == "gpu" else second
            wait_for_file(tmp_path, f"at_work_{at_work.pid}")
            first.kill()
            first.wait(50)
        (tmp_path / "go_on").touch()
        with worker_process(tmp_path, place, "--worker", kind):
            assert run.result(50).output == "lead: found"
    assert (tmp_path / "notes").read_text() == "once\n"


def test_a_worker_that_was_held_cannot_write_to_runs_that_others_have_taken(
    tmp_path: Path, address: str
) -> None:
    run = submitted(tmp_path, address)
    both = "--worker", "default", "--worker", "gpu"
    with worker_process(tmp_path, address, *both) as first:
        wait_for_file(tmp_path, f"at_work_{first.pid}")
        first.send_signal(signal.SIGSTOP)
        with worker_process(tmp_path, address, *both):
            (tmp_path / "go_on").touch()  # the server ends the sessions of the first one
            assert run.result(50).output == "lead: found"
        events = len(run.saved.result().facts)
        first.send_signal(signal.SIGCONT)
        for line in first.stderr:
            if "was left to other workers" in line:
                break
        first.send_signal(signal.SIGTERM)
        assert first.wait(50) == 0
    assert len(run.saved.result().facts) == events
    assert (tmp_path / "notes").read_text() == "once\n"


def test_a_worker_that_is_stopped_hands_over_what_has_not_ended(tmp_path: Path, place: str) -> None:
    run = submitted(tmp_path, place)
    both = "--worker", "default", "--worker", "gpu"
    with worker_process(tmp_path, place, *both, "--grace", "0") as first:
        wait_for_file(tmp_path, f"at_work_{first.pid}")
        first.send_signal(signal.SIGTERM)
        assert first.wait(50) == 0
    assert run.status() == "interrupted"
    (tmp_path / "go_on").touch()
    with worker_process(tmp_path, place, *both):
        assert run.result(50).output == "lead: found"
    assert (tmp_path / "notes").read_text() == "once\n"


def test_a_worker_that_is_stopped_lets_runs_end_within_its_time(tmp_path: Path, place: str) -> None:
    run = submitted(tmp_path, place)
    both = "--worker", "default", "--worker", "gpu"
    with worker_process(tmp_path, place, *both, "--grace", "50") as first:
        wait_for_file(tmp_path, f"at_work_{first.pid}")
        first.send_signal(signal.SIGTERM)
        (tmp_path / "go_on").touch()
        assert first.wait(50) == 0
    assert run.result(0).output == "lead: found"


def test_the_command_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "team.py").write_text(PROGRAM)
    environment = {**os.environ, "FOLDER": str(tmp_path), "AGENTOUTO_JOURNAL": ""}
    command = [sys.executable, "-m", "agentouto", "worker", str(tmp_path / "team.py")]
    with child(command, stderr=PIPE, env=environment) as process:
        assert "Name it: --journal" in process.communicate(timeout=50)[1]
    with child([*command, "--journal", str(tmp_path)], stderr=PIPE, env=environment) as process:
        assert "is a folder" in process.communicate(timeout=50)[1]
