"""A run that waits for people who are away: it is saved, and goes on with their answers."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    SAVE_AND_EXIT,
    Agent,
    ConfigurationError,
    Hooks,
    Journal,
    Message,
    ModelUse,
    Peer,
    Provider,
    Team,
    Tool,
    Waiting,
    async_run,
    here,
    run,
)
from agentouto.testing import Request, Script, call, say, tool
from children import PIPE, child

PROGRAM = """
import sys
from agentouto import SAVE_AND_EXIT, Agent, Provider, Tool, Waiting, run
from agentouto.testing import Script, call, say, tool

@Tool(needs_approval=True)
def publish(text: str) -> str:
    print("published", text)
    return "published"

asked = []

def line(request):
    asked.append((request.agent_name, request.turn))
    if request.agent_name == "writer":
        return call("user", "Which title?") if request.turn == 0 else say(request.answers("user")[0])
    if request.turn == 0:
        return [call("writer", "Write."), tool("publish", text="all")]
    return say(f"{request.answers('writer')[0]} {request.results('publish')[0]}")

provider = Provider("p", kind="script", script=Script(line))
lead, writer = Agent("lead", "", "m", provider), Agent("writer", "", "m", provider)
try:
    result = run("Go.", [lead], [publish], run_agents=[lead, writer], ask_user=SAVE_AND_EXIT, journal=sys.argv[1], run_id="order")
    print(result.output, asked)
except Waiting as error:
    print([one.content for one in error.questions], [one.tool for one in error.approvals], error.partial.messages[0].content, asked)
"""


def played(*arguments: object) -> str:
    command = [sys.executable, "-c", *map(str, arguments)]
    with child(command, stdout=PIPE) as process:
        output, _ = process.communicate(timeout=50)
        assert process.returncode == 0
        return output.strip()


ANSWERER = """
import sys
from agentouto import Journal
saved = Journal(sys.argv[1])["order"]
for question in saved.questions():
    saved.answer(question.call_id, "Tides")
for approval in saved.approvals():
    saved.approve(approval.id, True)
"""


def test_a_run_is_saved_and_goes_on_in_other_processes(place: str) -> None:
    journal = place
    asked = [("lead", 0), ("writer", 0)]
    assert played(PROGRAM, journal) == f"['Which title?'] ['publish'] Go. {asked}"
    saved = Journal(journal)["order"]
    assert (saved.status, saved.ended) == ("waiting", None)
    assert played(ANSWERER, journal) == ""
    assert Journal(journal)["order"].questions() == Journal(journal)["order"].approvals() == []
    asked = [("writer", 1), ("lead", 1)]
    assert played(PROGRAM, journal) == f"published all\nTides published {asked}"
    answers = [one for one in saved.result().messages if one.content == "Tides"]
    assert [one.type for one in answers if one.sender == "user"] == ["return"]


def agents(line: Any, *names: str) -> list[Agent]:
    provider = Provider("p", kind="script", script=Script(line))
    return [Agent(name, "", "m", provider) for name in names]


def lines(words: dict[str, list[Any]]) -> Any:
    def line(request: Request) -> Any:
        said = words[request.agent_name][request.turn]
        return said(request) if callable(said) else said

    return line


def answered(name: str) -> Any:
    return lambda request: say(", ".join(request.answers(name)))


def team(journal: str, words: dict[str, list[Any]], *others: Any, **options: Any) -> Team:
    everyone = agents(lines(words), *words)
    options = {"ask_user": SAVE_AND_EXIT, "journal": journal, "run_id": "order", **options}
    return Team([*everyone, *others], starting_agents=everyone[:1], **options)


def test_the_run_ends_only_when_all_wait(place: str) -> None:
    """While one agent is at work, the question of another keeps."""
    done: list[str] = []

    @Tool
    async def work() -> str:
        for _ in range(50):
            await asyncio.sleep(0)
        done.append("work")
        return "worked"

    words = {
        "lead": [[call("asker", "Ask."), call("worker", "Work.")], answered("asker")],
        "asker": [call("user", "Which?"), answered("user")],
        "worker": [tool("work"), tool("work"), say("done")],
    }
    one = team(place, words)
    one.tools = [work]
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    assert done == ["work", "work"]
    (question,) = raised.value.questions
    assert (question.sender, question.content) == ("asker", "Which?")
    Journal(place)["order"].answer(question.call_id, "A")
    assert Journal(place)["order"].status == "interrupted"
    assert one.run("Go.").output == "A"
    assert done == ["work", "work"]


def test_two_questions_are_answered_one_after_the_other(place: str) -> None:
    words = {
        "lead": [[call("a", "A."), call("b", "B.")], lambda seen: say(f"{seen.answers('a')} {seen.answers('b')}")],
        "a": [call("user", "A?"), answered("user")],
        "b": [call("user", "B?"), answered("user")],
    }  # fmt: skip
    one, journal = team(place, words), Journal(place)
    with pytest.raises(Waiting, match=r"2 to be answered and 0 to be approved, asked by a, b"):
        one.run("Go.")
    first, second = journal["order"].questions()
    journal["order"].answer(second.call_id, "2")
    for _ in range(2):
        with pytest.raises(Waiting) as raised:
            one.run("Go.")
        assert [message.content for message in raised.value.questions] == [first.content]
    journal["order"].answer(first.call_id, "1")
    assert one.run("Go.").output == "['1'] ['2']"


async def test_an_answer_reaches_a_run_that_has_not_ended_yet(place: str) -> None:
    """While another agent keeps the run at work, its process takes the answer."""
    hold = asyncio.Event()

    @Tool
    async def work() -> str:
        await hold.wait()
        return "worked"

    def noted(request: Request) -> Any:
        hold.set()
        return answered("user")(request)

    words = {
        "lead": [[call("asker", "Ask."), call("worker", "Work.")], answered("asker")],
        "asker": [call("user", "Which?"), noted],
        "worker": [tool("work"), say("done")],
    }
    one = team(place, words)
    one.tools = [work]
    task = asyncio.create_task(one.async_run("Go."))
    while not Journal(place).exists() or not (asked := await asyncio.to_thread(questions, place)):
        await asyncio.sleep(0)
    await asyncio.to_thread(Journal(place)["order"].answer, asked[0].call_id, "A")
    assert (await task).output == "A"


def questions(journal: str) -> list[Message]:
    return Journal(journal)["order"].questions() if "order" in Journal(journal) else []


def test_persons_with_names_may_be_away_too(place: str) -> None:
    ann = Peer("ann", "Reviews.", SAVE_AND_EXIT, person=True)
    words = {"lead": [call("ann", "Good?"), answered("ann")]}
    one = team(place, words, ann, ask_user=None)
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    (question,) = raised.value.questions
    assert question.receiver == "ann"
    Journal(place)["order"].answer(question.call_id, "Yes")
    assert one.run("Go.").output == "Yes"


@pytest.mark.parametrize(("on_restart", "waits"), [("run", True), ("report", False)])
async def test_a_tool_that_asks_may_wait_if_it_is_used_again(
    place: str, on_restart: Any, waits: bool
) -> None:
    asked = asyncio.Event()

    async def ask() -> str:
        """Ask."""
        asked.set()
        return (await here().call("user", "Which?")).content

    words = {"lead": [tool("ask"), lambda seen: say(seen.results("ask")[0])]}
    one = team(place, words)
    one.tools = [Tool(ask, on_restart=on_restart)]
    task = asyncio.create_task(one.async_run("Go."))
    await asked.wait()
    while not (found := await asyncio.to_thread(questions, place)):
        await asyncio.sleep(0)
    if waits:
        with pytest.raises(Waiting):
            await task
    await asyncio.to_thread(Journal(place)["order"].answer, found[0].call_id, "A")
    if waits:
        task = asyncio.create_task(one.async_run("Go."))
    assert (await task).output == "A"


def test_a_server_goes_on_with_runs_that_were_answered(place: str) -> None:
    words = {"lead": [call("user", "Which?"), answered("user")]}
    one = team(place, words, run_id=None)
    for run_id in ("a", "b"):
        with pytest.raises(Waiting):
            one.run("Go.", run_id=run_id)
    assert one.resume_all() == []
    journal = Journal(place)
    assert [saved.id for saved in journal.runs("waiting")] == ["b", "a"]
    journal["a"].answer(journal["a"].questions()[0].call_id, "A")
    (handle,) = one.resume_all()
    assert (str(handle), handle.result(30).output) == ("a", "A")


def test_a_letter_to_a_run_that_waits_is_read_when_it_goes_on(place: str) -> None:
    words = {"lead": [call("user", "Which?"), lambda seen: say(" ".join(seen.heard[1:]))]}
    one, journal = team(place, words), Journal(place)
    with pytest.raises(Waiting):
        one.run("Go.")
    journal["order"].send("a letter", id="x")
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    journal["order"].answer(raised.value.questions[0].call_id, "A")
    assert one.run("Go.").output == "a letter"


async def test_a_person_who_is_there_now_is_asked_when_the_run_goes_on(place: str) -> None:
    words = {"lead": [call("user", "Which?"), answered("user")]}
    with pytest.raises(Waiting):
        await team(place, words).async_run("Go.")
    there = team(place, words, ask_user=lambda message: f"to {message.content}")
    assert (await there.async_run("Go.")).output == "to Which?"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ask_user": SAVE_AND_EXIT}, "SAVE_AND_EXIT keeps questions to people in a journal: give journal="),
        ({"approve": SAVE_AND_EXIT}, "give journal="),
        ({"journal": "r", "away": Peer("ann", "", SAVE_AND_EXIT)}, "Peer 'ann': .* give person=True"),
    ],
)  # fmt: skip
def test_what_cannot_wait_is_refused(
    tmp_path: Path, options: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (lead,) = agents(lines({}), "lead")
    away = options.pop("away", None)
    everyone = [lead] if away is None else [lead, away]
    with pytest.raises(ConfigurationError, match=text):
        run("Go.", [lead], run_agents=everyone, **options)


async def test_a_cancelled_wait_stays_cancelled(place: str) -> None:
    words = {"lead": [call("user", "Which?"), answered("user")]}
    one = team(place, words)
    with pytest.raises(Waiting):
        await one.async_run("Go.")
    saved = Journal(place)["order"]
    assert saved.cancel("not needed")
    with pytest.raises(Exception, match="cancelled"):
        await async_run("Go.", one.starting_agents, **one.options)
    assert saved.questions() == []


# ── what may wait ─────────────────────────────────────────────────────────────────────────────


async def ask_here(_: Message) -> str:
    """Ask the user, and return the answer."""
    return (await here().call("user", "Which?")).content


def test_a_peer_that_asks_may_wait_if_it_is_asked_again(place: str) -> None:
    words = {"lead": [call("asker", "Ask."), answered("asker")]}
    asker = Peer("asker", "Asks.", ask_here, on_restart="run")
    one = team(place, words, asker)
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    Journal(place)["order"].answer(raised.value.questions[0].call_id, "A")
    assert one.run("Go.").output == "A"


def test_a_background_call_that_asks_is_waited_for(place: str) -> None:
    words = {
        "lead": [call("asker", "Ask.", background=True), say("started")],
        "asker": [call("user", "Which?"), answered("user")],
    }
    one = team(place, words)
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    assert [output.text for output in raised.value.partial.outputs] == ["started"]
    Journal(place)["order"].answer(raised.value.questions[0].call_id, "A")
    result = one.run("Go.")
    assert result.output == "started"
    assert "A" in [message.content for message in result.messages]


def test_a_tool_that_asks_for_approval_itself_may_wait(place: str) -> None:
    async def spend() -> str:
        """Spend."""
        await here().ask_approval("pay", {"amount": 5})
        return "paid"

    words = {"lead": [tool("spend"), lambda seen: say(seen.results("spend")[0])]}
    one = team(place, words)
    one.tools = [Tool(spend, on_restart="run")]
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    (approval,) = raised.value.approvals
    assert (approval.tool, approval.arguments) == ("pay", {"amount": 5})
    Journal(place)["order"].approve(approval.id, True)
    assert one.run("Go.").output == "paid"


@pytest.mark.parametrize(("yes", "output"), [(True, "worked"), (False, "was not used again")])
def test_whether_an_interrupted_tool_is_used_again_may_be_decided_tomorrow(
    place: str, yes: bool, output: str
) -> None:
    begun: list[str] = []

    async def work() -> str:
        """Work."""
        begun.append("work")
        if len(begun) == 1:
            raise asyncio.CancelledError
        return "worked"

    async def leave() -> None:
        hold = asyncio.Event()

        async def stopped() -> str:
            begun.append("work")
            hold.set()
            return str(await asyncio.Event().wait())

        one.tools = [Tool(stopped, name="work", description="Work.", on_restart="ask")]
        task = asyncio.create_task(one.async_run("Go."))
        await hold.wait()
        task.cancel()
        await asyncio.wait([task])

    words = {"lead": [tool("work"), lambda seen: say(seen.results("work")[0])]}
    one = team(place, words)
    asyncio.run(leave())
    one.tools = [Tool(work, on_restart="ask")]
    with pytest.raises(Waiting) as first:
        one.run("Go.")
    with pytest.raises(Waiting) as second:
        one.run("Go.")
    (approval,) = second.value.approvals
    assert first.value.approvals == [approval]
    Journal(place)["order"].approve(approval.id, yes)
    assert output in one.run("Go.").output
    assert len(begun) == (2 if yes else 1)


def test_a_reply_that_a_hook_has_passed_waits_as_any_other(place: str) -> None:
    async def around_model(use: ModelUse, ask: Any) -> Any:
        first = await ask()
        return await ask() if use.turn == 0 else first

    asked: list[int] = []

    def line(request: Request) -> Any:
        asked.append(request.turn)
        return call("user", f"{len(asked)}?") if request.turn == 0 else answered("user")(request)

    provider = Provider("p", kind="script", script=Script(line))
    lead = Agent("lead", "", "m", provider)
    options: dict[str, Any] = {"journal": place, "run_id": "order"}
    one = Team([lead], ask_user=SAVE_AND_EXIT, hooks=Hooks(around_model=around_model), **options)
    with pytest.raises(Waiting) as raised:
        one.run("Go.")
    (question,) = raised.value.questions
    assert question.content == "2?"
    Journal(place)["order"].answer(question.call_id, "A")
    assert one.run("Go.").output == "A"
    assert asked == [0, 0, 1]


async def test_a_stream_of_a_run_that_waits_ends_with_the_questions(place: str) -> None:
    words = {"lead": [call("user", "Which?"), answered("user")]}
    stream = team(place, words).start("Go.")
    seen: list[str] = []

    async def read() -> None:
        async for event in stream:
            seen.append(event.type)  # noqa: PERF401 - the stream raises in the end

    with pytest.raises(Waiting):
        await read()
    assert "agent_call" in seen
    assert Journal(place)["order"].status == "waiting"
    assert Journal(place)["order"].lines()[-1]["type"] == "ask"
