"""What other processes send to a run in a journal: it is taken, or refused with a reason."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentouto import (
    SAVE_AND_EXIT,
    Agent,
    Approval,
    Cancelled,
    ConfigurationError,
    Journal,
    Message,
    Provider,
    RoutingError,
    Team,
    Tool,
    Waiting,
    async_run,
    async_run_stream,
    run,
    run_background,
)
from agentouto._domain.memory import Memory
from agentouto._engine.durable_run import Keeper
from agentouto._options import make_plan
from agentouto.testing import Request, Script, call, say, tool
from children import PIPE, child
from postgres import executed

OTHER_PROCESS = """
import sys
from agentouto import Journal, RoutingError
path, run_id, method, *arguments = sys.argv[1:]
words = {"True": True, "False": False, "None": None}
given = [words.get(argument, argument) for argument in arguments]
named = {"id": given.pop()} if method == "send" and len(given) > 2 else {}
try:
    print(getattr(Journal(path)[run_id], method)(*given, **named))
except RoutingError as error:
    print("refused:", error.message)
"""


def sent(journal: object, *arguments: str) -> str:
    """Call a method of a saved run in another process, and return what it prints."""
    command = [sys.executable, "-c", OTHER_PROCESS, str(journal), *arguments]
    with child(command, stdout=PIPE) as process:
        return process.communicate(timeout=50)[0].strip()


def agent(line: Any, name: str = "lead") -> Agent:
    provider = Provider("p", kind="script", script=Script({name: line}))
    return Agent(name, f"You are {name}.", "m", provider)


class Hold:
    """A tool that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.end = asyncio.Event()
        self.tool = Tool(self.wait, on_restart="run")

    async def wait(self) -> str:
        """Wait."""
        self.begun.set()
        await self.end.wait()
        return "waited"


def waits_and_repeats(request: Request) -> Any:
    """Use the tool, then say all letters that were read."""
    letters = [text for text in request.heard if "letter" in text]
    return tool("wait") if request.turn == 0 else say(" ".join(letters) or "none")


async def interrupted(journal: Any, line: Any, **options: Any) -> None:
    """Begin a run and leave it in its first tool call or question."""
    options = {"tools": [Hold().tool], "starting_agents": [agent(line)], **options}
    async with async_run_stream("Go.", journal=journal, run_id="order", **options) as stream:
        async for each in stream:
            if each.type == "tool_call" or each.agent_name == "user":
                break


# ── letters ───────────────────────────────────────────────────────────────────────────────────


async def test_a_letter_of_another_process_is_read_by_an_agent_at_work(place: str) -> None:
    hold, journal = Hold(), place
    lead = agent(waits_and_repeats)
    handle = run_background("Go.", [lead], [hold.tool], journal=journal, run_id="order")
    await hold.begun.wait()
    first = await asyncio.to_thread(Journal(journal)["order"].send, "a letter")
    for _ in range(2):
        again = await asyncio.to_thread(sent, journal, "order", "send", "one letter", "order", "x")
        assert again == "x"
    hold.end.set()
    result = await handle.wait()
    assert result.output.count("a letter") == 1
    assert result.output.count("one letter") == 1
    assert {first, "x"} <= {message.call_id for message in result.messages}


async def test_a_letter_to_a_run_that_is_not_at_work_is_read_when_it_goes_on(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "runs.db"
    await interrupted(journal, waits_and_repeats)
    saved = Journal(journal)["order"]
    for _ in range(2):
        await asyncio.to_thread(saved.send, "one letter", id="x")
    hold = Hold()
    hold.end.set()
    team = Team([agent(waits_and_repeats)], [hold.tool], journal=journal)
    result = await team.async_run("Go.", run_id="order")
    assert result.output.count("one letter") == 1
    assert len(inbox_of(journal)) == 0


def inbox_of(journal: object) -> list[tuple[Any, ...]]:
    """Return what is left in the inbox: kind, id and outcome."""
    if str(journal).startswith("postgresql:"):
        return executed(str(journal), "select kind, id, outcome from agentouto.inbox")
    connection = sqlite3.connect(str(journal))
    found = connection.execute("select kind, id, outcome from inbox").fetchall()
    connection.close()
    return found


SENDER = """
import sys
from agentouto import Journal, RoutingError
for line in sys.stdin:
    path, run_id, pause = line.split()
    for _ in range(int(pause)):
        pass
    try:
        Journal(path)[run_id].send("the letter", id="x")
    except RoutingError as error:
        print("refused", flush=True)
    else:
        print("accepted", flush=True)
"""

TRIES = 120


@pytest.mark.parametrize("step", [0, 1_000, 2_000, 4_000])
def test_a_letter_that_is_sent_while_its_run_ends_is_read_or_refused(
    tmp_path: Path, step: int
) -> None:
    """Send 480 letters in all, each a little later after its run has begun to end."""
    journal = Journal(tmp_path / "runs.db")
    run("Go.", [agent([say("x")])], journal=journal)
    kept_open = sqlite3.connect(journal.place)  # else each run would be the last to close the file
    kept_open.execute("select count(*) from runs").fetchall()
    with child([sys.executable, "-c", SENDER], stdin=PIPE, stdout=PIPE) as process:
        orders, answers = process.stdin, process.stdout
        assert orders is not None
        assert answers is not None
        for number in range(TRIES):
            run_id = f"run-{number}"
            order = f"{journal.path} {run_id} {number % 40 * step}\n"

            def line(request: Request, order: str = order) -> Any:
                if request.turn == 0:
                    orders.write(order)
                    orders.flush()
                return say(f"done {request.heard.count('the letter')}")

            result = run("Go.", [agent(line)], journal=journal, run_id=run_id)
            said = answers.readline().strip()
            assert said in {"accepted", "refused"}
            posted = [one for one in result.messages if one.call_id == "x"]
            assert (said, len(posted), result.output) in (
                ("accepted", 1, "done 1"),
                ("refused", 0, "done 0"),
            ), run_id
    kept_open.close()
    assert {outcome is None or outcome == "" for _, _, outcome in inbox_of(journal.path)} <= {False}


# ── answers and decisions ─────────────────────────────────────────────────────────────────────


def asks(request: Request) -> Any:
    answers = request.answers("user")
    return call("user", "Which?") if request.turn == 0 else say(f"they said {answers[0]}")


async def test_an_answer_of_another_process_comes_before_that_of_ask_user(tmp_path: Path) -> None:
    asked, journal = asyncio.Event(), tmp_path / "runs.db"
    ended: list[str] = []

    async def ask_user(message: Message) -> str:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(message.content)
        return "never"

    given: dict[str, Any] = {"journal": journal, "run_id": "order", "ask_user": ask_user}
    handle = run_background("Go.", [agent(asks)], **given)
    await asked.wait()
    saved = Journal(journal)["order"]
    (question,) = saved.questions()
    assert (question.sender, question.content) == ("lead", "Which?")
    assert (
        await asyncio.to_thread(sent, journal, "order", "answer", question.call_id, "A") == "None"
    )
    assert (await handle.wait()).output == "they said A"
    assert ended == ["Which?"]
    assert saved.questions() == []
    assert inbox_of(journal) == []


async def test_a_question_that_was_left_is_answered_once_and_not_asked_again(
    place: str,
) -> None:
    journal = place

    async def ask_user(message: Message) -> str:
        return (await asyncio.Event().wait() and message.content) or "never"

    await interrupted(journal, asks, ask_user=ask_user)
    (question,) = Journal(journal)["order"].questions()
    for said in ("None", f"refused: the question {question.call_id!r} was answered already"):
        answer = await asyncio.to_thread(sent, journal, "order", "answer", question.call_id, "A")
        assert answer == said
    assert Journal(journal)["order"].questions() == []
    result = await async_run(
        "Go.", [agent(asks)], [Hold().tool], journal=journal, run_id="order", ask_user=ask_user
    )
    assert result.output == "they said A"
    assert [one.content for one in result.messages if one.call_id == question.call_id] == [
        "Which?",
        "A",
    ]
    assert inbox_of(journal) == []


def deletes(request: Request) -> Any:
    results = request.results("delete")
    return tool("delete", name="all") if request.turn == 0 else say(results[0])


@Tool(needs_approval=True)
def delete(name: str) -> str:
    """Delete something."""
    return f"{name} is gone"


@pytest.mark.parametrize(
    ("decision", "output"),
    [
        (["True"], "all is gone"),
        (["False", "keep it"], "Error: refused: the user did not approve it: keep it"),
    ],
)
@pytest.mark.parametrize("at_work", [True, False])
async def test_a_decision_of_another_process_counts(
    tmp_path: Path, decision: list[str], output: str, at_work: bool
) -> None:
    asked, journal = asyncio.Event(), tmp_path / "runs.db"

    async def approve(approval: Approval) -> bool:
        asked.set()
        return bool(await asyncio.Event().wait() and approval)

    given: dict[str, Any] = {"journal": journal, "run_id": "order", "approve": approve}
    task = asyncio.create_task(async_run("Go.", [agent(deletes)], [delete], **given))
    await asked.wait()
    if not at_work:
        task.cancel()
        await asyncio.wait([task])
    saved = Journal(journal)["order"]
    (approval,) = saved.approvals()
    assert (approval.tool, approval.arguments, saved.questions()) == ("delete", {"name": "all"}, [])
    text = await asyncio.to_thread(sent, journal, "order", "approve", approval.id, *decision)
    assert text == "None"
    with pytest.raises(RoutingError, match=r"answered already|has ended"):
        saved.approve(approval.id, True)
    if not at_work:
        task = asyncio.create_task(async_run("Go.", [agent(deletes)], [delete], **given))
    assert (await task).output == output
    assert inbox_of(journal) == []


# ── the end of a run ──────────────────────────────────────────────────────────────────────────


async def test_another_process_ends_a_run_at_work_for_good(place: str) -> None:
    hold, journal = Hold(), place
    given: dict[str, Any] = {"tools": [hold.tool], "journal": journal, "run_id": "order"}
    handle = run_background("Go.", [agent(waits_and_repeats)], **given)
    await hold.begun.wait()
    assert await asyncio.to_thread(sent, journal, "order", "cancel", "not needed") == "True"
    with pytest.raises(Cancelled, match="the run was cancelled: not needed"):
        await handle.wait()
    saved = Journal(journal)["order"]
    assert (saved.status, saved.cancel()) == ("cancelled", False)
    with pytest.raises(Cancelled):
        await async_run("Go.", [agent(waits_and_repeats)], **given)


async def test_who_ends_a_run_at_work_is_not_told_that_it_had_ended(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    plan = make_plan("run", ("Go.", [agent(waits_and_repeats)], [], []), {}, Memory())
    durable: Any = Journal(journal).open_run("order", plan, accept_changes=False)
    keeper: Keeper = durable._keeper
    keeper.begin(lambda error: None)
    ending = asyncio.create_task(asyncio.to_thread(sent, journal, "order", "cancel", "enough"))
    while not (items := keeper.new_items()):
        await asyncio.sleep(0.01)
    keeper.settle_item(items[0])
    keeper.cancel()
    time.sleep(0.5)  # noqa: ASYNC251 - no later step of the loop comes meanwhile
    await keeper.end()
    assert await ending == "True"
    assert inbox_of(journal) == []


async def test_a_run_that_is_not_at_work_is_ended_for_good(place: str) -> None:
    journal = place
    await interrupted(journal, waits_and_repeats)
    saved = Journal(journal)["order"]
    await asyncio.to_thread(saved.send, "a letter")
    assert saved.cancel("not needed") is True
    assert Journal(journal)["order"].status == "cancelled"
    assert [outcome for _, _, outcome in inbox_of(journal)] == ["the run has ended"]
    assert Journal(journal).delete(older_than=0) == 1
    assert inbox_of(journal) == []


# ── what is refused ───────────────────────────────────────────────────────────────────────────


def ended_run(journal: Path) -> None:
    run("Go.", [agent(asks)], journal=journal, run_id="order", ask_user=lambda message: "B")


@pytest.mark.parametrize(
    "use",
    [
        lambda saved: saved.send("a letter"),
        lambda saved: saved.answer(saved.result().messages[1].call_id, "A"),
        lambda saved: saved.approve("ap_1", True),
    ],
)
def test_nothing_is_sent_to_a_run_that_has_ended(
    tmp_path: Path, use: Callable[[Any], object]
) -> None:
    ended_run(tmp_path / "r")
    with pytest.raises(RoutingError, match=r"the run has ended: it is returned|has no approval"):
        use(Journal(tmp_path / "r")["order"])
    assert inbox_of(tmp_path / "r") == []


@pytest.mark.parametrize(
    ("error", "text", "use"),
    [
        (RoutingError, "has no call 'nobody'; those that have not ended: ", lambda saved: saved.send("x", "nobody")),
        (RoutingError, "has no question 'other'", lambda saved: saved.answer("other", "A")),
        (RoutingError, "has no question 5", lambda saved: saved.answer(5, "A")),
        (RoutingError, "has no approval 'other'", lambda saved: saved.approve("other", True)),
        (RoutingError, "helper has already returned", lambda saved: saved.send("x", saved.calls[1].id)),
        (ConfigurationError, "takes True or False, not 'yes'", lambda saved: saved.approve("a", "yes")),
        (ConfigurationError, "a message is text, not 5", lambda saved: saved.send(5)),
        (ConfigurationError, "the id of a message is text, not 5", lambda saved: saved.send("x", id=5)),
        (ConfigurationError, "an answer is text, not None", lambda saved: saved.answer("x", None)),
        (ConfigurationError, "has half of a character at 1", lambda saved: saved.send("x\ud800")),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_refused_by_name(
    tmp_path: Path, error: type[Exception], text: str, use: Callable[[Any], object]
) -> None:
    words = {"lead": [call("helper", "Help."), tool("wait"), say("x")], "helper": [say("helped")]}
    provider = Provider("p", kind="script", script=Script(words))
    lead, helper = (Agent(name, "", "m", provider) for name in words)
    hold = Hold()
    given: dict[str, Any] = {"journal": tmp_path / "r", "run_id": "order"}
    handle = run_background("Go.", [lead], [hold.tool], run_agents=[lead, helper], **given)
    await hold.begun.wait()
    with pytest.raises(error, match=text):
        use(Journal(tmp_path / "r")["order"])
    hold.end.set()
    await handle.wait()
    assert inbox_of(tmp_path / "r") == []


async def test_a_letter_to_a_call_that_has_just_returned_is_refused(tmp_path: Path) -> None:
    """The row of the return is not written yet: the process at work knows better than the file."""
    journal, hold = tmp_path / "runs.db", Hold()
    lead = agent(waits_and_repeats)
    handle = run_background("Go.", [lead], [hold.tool], journal=journal, run_id="order")
    await hold.begun.wait()
    sending = threading.Thread(target=lambda: said.append(sent(journal, "order", "send", "letter")))
    said: list[str] = []
    hold.end.set()
    assert (await handle.wait()).output == "none"
    sending.start()
    await asyncio.to_thread(sending.join)
    assert said == ["refused: the run has ended: it is returned"]


def test_a_run_that_was_removed_is_named(tmp_path: Path) -> None:
    ended_run(tmp_path / "r")
    saved = Journal(tmp_path / "r")["order"]
    saved.delete()
    with pytest.raises(ConfigurationError, match="has no run 'order' any more"):
        saved.send("a letter")


READ_ONLY = """
import os, sys
from agentouto import Journal, JournalError
path = sys.argv[1]
saved = Journal(path)["order"]
saved.questions()
os.chmod(path, 0o444)
os.chmod(os.path.dirname(path), 0o755)
if os.getuid() == 0:
    os.setuid(65534)
try:
    saved.send("a letter")
except JournalError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no modes of files")
async def test_a_file_that_is_read_only_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "runs.db"
        await interrupted(journal, waits_and_repeats)
        with child([sys.executable, "-c", READ_ONLY, str(journal)], stdout=-1, stderr=-1) as one:
            output, errors = await asyncio.to_thread(one.communicate)
    assert output.startswith(f"the journal {journal} is read-only for this process"), errors


# ── the end of one call ───────────────────────────────────────────────────────────────────────


def goes_on_alone(request: Request) -> Any:
    """Call the helper; without it, say why."""
    if request.turn == 0:
        return call("helper", "Help.")
    return say("alone: " + request.results("call_agent")[0])


def lead_and_helper(helper: Any) -> list[Agent]:
    words = {"lead": goes_on_alone, "helper": helper}
    provider = Provider("p", kind="script", script=Script(words))
    return [Agent(name, "", "m", provider) for name in words]


def id_of(journal: Path, name: str) -> str:
    return next(one.id for one in Journal(journal)["order"].calls if one.name == name)


CANCELLED_ALONE = "alone: Error: [helper] was cancelled: too slow"


@pytest.mark.parametrize("at_work", [True, False])
async def test_another_process_ends_one_call_and_its_caller_goes_on(
    tmp_path: Path, at_work: bool
) -> None:
    hold, journal = Hold(), tmp_path / "runs.db"
    lead, helper = lead_and_helper(waits_and_repeats)
    given: dict[str, Any] = {"run_agents": [lead, helper], "journal": journal, "run_id": "order"}
    task = asyncio.create_task(async_run("Go.", [lead], [hold.tool], **given))
    await hold.begun.wait()
    if not at_work:
        task.cancel()
        await asyncio.wait([task])
    called = id_of(journal, "helper")
    said = await asyncio.to_thread(sent, journal, "order", "cancel", "too slow", called)
    assert said == "True"
    if not at_work:
        assert [kind for kind, _, _ in inbox_of(journal)] == ["cancel_call"]
        task = asyncio.create_task(async_run("Go.", [lead], [hold.tool], **given))
    result = await task
    assert result.output == CANCELLED_ALONE
    assert inbox_of(journal) == []
    assert Journal(journal)["order"].cancel("again", called) is False


async def test_a_call_that_is_cancelled_twice_ends_once(tmp_path: Path) -> None:
    hold, journal = Hold(), tmp_path / "runs.db"
    lead, helper = lead_and_helper(waits_and_repeats)
    given: dict[str, Any] = {"run_agents": [lead, helper], "journal": journal, "run_id": "order"}
    task = asyncio.create_task(async_run("Go.", [lead], [hold.tool], **given))
    await hold.begun.wait()
    called, saved = id_of(journal, "helper"), Journal(journal)["order"]
    # In this loop the method does not wait, so both are in the inbox before the run looks again.
    assert [saved.cancel("too slow", called), saved.cancel("again", called)] == [True, True]
    result = await task
    assert result.output == CANCELLED_ALONE
    errors = [(one["call"], one["kind"]) for one in saved.lines() if one["type"] == "error"]
    assert errors == [(called, "stopped")]
    assert inbox_of(journal) == []


async def test_a_call_is_cancelled_by_the_next_process_if_the_first_ends_before(
    tmp_path: Path,
) -> None:
    begun, ending, journal = asyncio.Event(), asyncio.Event(), tmp_path / "runs.db"

    async def wait() -> str:
        """Wait."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.Event().wait()
        return "never"

    lead, helper = lead_and_helper(waits_and_repeats)
    given: dict[str, Any] = {"run_agents": [lead, helper], "journal": journal, "run_id": "order"}
    slow = Tool(wait, on_restart="run")
    task = asyncio.create_task(async_run("Go.", [lead], [slow], **given))
    await begun.wait()
    called = id_of(journal, "helper")
    assert await asyncio.to_thread(sent, journal, "order", "cancel", "too slow", called) == "True"
    await ending.wait()
    task.cancel()
    await asyncio.wait([task])
    assert inbox_of(journal) == [("cancel_call", called, "")]
    result = await async_run("Go.", [lead], [Hold().tool], **given)
    assert result.output == CANCELLED_ALONE
    assert inbox_of(journal) == []


async def test_a_question_to_a_person_who_is_away_is_cancelled_alone(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"

    def line(request: Request) -> Any:
        return (
            call("user", "Which?") if request.turn == 0 else say(request.results("call_agent")[0])
        )

    given: dict[str, Any] = {"journal": journal, "run_id": "order", "ask_user": SAVE_AND_EXIT}
    with pytest.raises(Waiting) as waiting:
        await async_run("Go.", [agent(line)], **given)
    asked = waiting.value.questions[0].call_id
    saved = Journal(journal)["order"]
    assert await asyncio.to_thread(saved.cancel, "nobody is there", asked) is True
    assert Journal(journal)["order"].status == "interrupted"
    result = await async_run("Go.", [agent(line)], **given)
    assert "was cancelled: nobody is there" in result.output
    assert Journal(journal)["order"].questions() == []


async def test_the_call_of_the_only_starting_agent_ends_the_run(tmp_path: Path) -> None:
    hold, journal = Hold(), tmp_path / "runs.db"
    given: dict[str, Any] = {"tools": [hold.tool], "journal": journal, "run_id": "order"}
    handle = run_background("Go.", [agent(waits_and_repeats)], **given)
    await hold.begun.wait()
    called = id_of(journal, "lead")
    assert await asyncio.to_thread(sent, journal, "order", "cancel", "enough", called) == "True"
    with pytest.raises(Cancelled, match="the call of lead was cancelled: enough"):
        await handle.wait()
    saved = Journal(journal)["order"]
    assert saved.status in {"cancelled", "failed"}
    assert saved.cancel("again", called) is False
    assert inbox_of(journal) == []


async def test_a_call_that_the_run_does_not_have_is_named(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    await interrupted(journal, waits_and_repeats)
    saved = Journal(journal)["order"]
    with pytest.raises(
        RoutingError, match="has no call 'nobody'; those that have not ended: order"
    ):
        saved.cancel("x", "nobody")
    with pytest.raises(ConfigurationError, match="a reason is text, not 5"):
        saved.cancel(5, "order")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert inbox_of(journal) == []
