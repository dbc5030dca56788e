"""Agents of other frameworks as peers, each made with its real framework and a scripted model."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

import pytest

from agentouto import (
    Agent,
    Approval,
    Attachment,
    ConfigurationError,
    Message,
    Peer,
    RunResult,
    async_run,
    here,
)
from agentouto.peers import langgraph
from agentouto.testing import Script, call, finish
from edges.frameworks import FRAMEWORKS, Framework, LangGraph, PydanticAI, langchain_model
from edges.parties import python_module
from teams import peers

langchain_agents = python_module("langchain.agents")
middleware = python_module("langchain.agents.middleware")
checkpoints = python_module("langgraph.checkpoint.memory")
graphs = python_module("langgraph.graph")
langgraph_types = python_module("langgraph.types")
pydantic = python_module("pydantic_ai")

every_framework = pytest.mark.parametrize("made", FRAMEWORKS, ids=lambda made: made.name)


class Order(TypedDict, total=False):
    topic: str
    answer: str


class Answers(TypedDict, total=False):
    got: Annotated[list[str], operator.add]


PNG = Attachment("image/png", data="iVBORw0KGgo=", name="dot.png")


def caller(*asked: str) -> Agent:
    """Return an agent that asks the peer called guest, and returns what it got."""
    lines = [
        *(call("guest", text) for text in asked),
        lambda seen: finish(seen.outcomes[-1].content),
    ]
    return peers(Script({"lead": lines}), "lead")[0]


async def asked(
    guest: Peer, text: str = "Hi.", *, others: Sequence[Peer] = (), **options: Any
) -> RunResult:
    lead = caller(text)
    return await async_run("Go.", [lead], run_agents=[lead, guest, *others], **options)


@every_framework
async def test_it_answers_and_its_usage_is_counted(made: type[Framework]) -> None:
    guest = made.guest(made.says("Good day."))
    result = await asked(guest)
    assert result.output == "[guest]Good day.[/guest]"
    assert (result.usage.input_tokens or 0) >= 30
    assert (result.usage.output_tokens or 0) >= 7


@every_framework
async def test_it_is_a_starting_agent_too(made: type[Framework]) -> None:
    assert (await async_run("Hi.", [made.guest(made.says("Good day."))])).output == "Good day."


@every_framework
async def test_its_tool_calls_others_in_the_ring(made: type[Framework]) -> None:
    async def look_up(word: str) -> str:
        """Look a word up."""
        return (await here().call("library", word)).content

    library = Peer("library", "Knows words.", lambda message: f"{message.content} is a plant")
    guest = made.guest(made.uses("look_up", word="fern"), made.says_result(), tool=look_up)
    result = await asked(guest, others=[library])
    assert "fern is a plant" in result.output
    assert [m.sender for m in result.messages if m.receiver == "library"] == ["guest"]


@every_framework
@pytest.mark.parametrize("yes", [True, False])
async def test_its_permissions_are_approvals(made: type[Framework], yes: bool) -> None:
    done, shown = [], list[Approval]()

    async def remove(path: str) -> str:
        """Remove a file."""
        done.append(path)
        return f"removed {path}"

    def approve(approval: Approval) -> bool:
        shown.append(approval)
        return yes

    def ask_user(message: Message) -> str:
        pytest.fail(f"a permission was asked for as a question: {message.content}")

    guest = made.guest(
        made.uses("remove", path="notes.txt"), made.says_result(), tool=remove, needs_approval=True
    )
    result = await asked(guest, approve=approve, ask_user=ask_user)
    [approval] = shown
    assert (approval.agent, approval.tool) == ("guest", "guest.remove")
    assert approval.arguments == {"path": "notes.txt"}
    assert done == (["notes.txt"] if yes else [])
    assert ("removed notes.txt" in result.output) is yes
    if not yes and made.tells_reasons:
        assert "did not approve" in result.output


@every_framework
async def test_without_approve_nothing_is_permitted(made: type[Framework]) -> None:
    done: list[str] = []

    async def remove(path: str) -> str:
        """Remove a file."""
        done.append(path)
        return "removed"

    guest = made.guest(
        made.uses("remove", path="a"), made.says_result(), tool=remove, needs_approval=True
    )
    await asked(guest, ask_user=lambda message: "yes")
    assert done == []


@every_framework
async def test_cancelling_the_run_reaches_it(made: type[Framework]) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def wait(why: str) -> str:
        """Wait."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    guest = made.guest(made.uses("wait", why="x"), made.says("x"), tool=wait)
    run = asyncio.create_task(asked(guest))
    await began.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended.is_set()


@every_framework
async def test_its_failure_is_told_to_the_caller_and_the_run_goes_on(made: type[Framework]) -> None:
    result = await asked(made.guest(made.fails("the model is on fire")))
    assert "the model is on fire" in result.output
    assert result.output.startswith("Error")


@every_framework
async def test_a_forward_brings_its_files_and_its_history(made: type[Framework]) -> None:
    guest = made.guest(made.says("Seen."))
    earlier = Message("forward", "user", "guest", "My name is Ada.", "c1")
    await async_run("Look.", [guest], attachments=[PNG], history=[earlier])
    seen = made.seen()
    assert "My name is Ada." in seen
    assert "Look." in seen
    assert "iVBORw0KGgo" in seen


@every_framework
def test_what_is_no_agent_is_refused_at_once(made: type[Framework]) -> None:
    for wrong in (3, "agent", object(), made.wrong()):
        with pytest.raises(ConfigurationError, match=r"peers: .* is not "):
            made.adapter(wrong, "guest", "")


async def test_an_interrupt_of_langgraph_is_a_question() -> None:
    def ask(state: Order) -> Order:
        colour = langgraph_types.interrupt("Which colour?")
        number = langgraph_types.interrupt({"how": "many", "of": state["topic"]})
        return {"answer": f"{number} {colour} {state['topic']}"}

    graph = graphs.StateGraph(Order)
    graph.add_node("ask", ask)
    graph.add_edge(graphs.START, "ask")
    graph.add_edge("ask", graphs.END)
    guest = langgraph(
        graph.compile(checkpointer=checkpoints.InMemorySaver()),
        "guest",
        "Asks.",
        to_state=lambda message: {"topic": message.content},
        from_state=lambda state: state["answer"],
    )
    questions = list[Message]()

    def ask_user(message: Message) -> str:
        questions.append(message)
        return "red" if len(questions) == 1 else "7"

    result = await asked(guest, "balloons", ask_user=ask_user)
    assert result.output == "[guest]7 red balloons[/guest]"
    assert [message.sender for message in questions] == ["guest", "guest"]
    assert questions[0].content == "Which colour?"
    assert questions[1].content == '{"how": "many", "of": "balloons"}'
    without = await asked(guest, "balloons")
    assert "user" in without.output
    assert without.output.startswith("Error")


async def test_interrupts_of_langgraph_side_by_side_get_their_own_answers() -> None:
    def asks(word: str) -> Callable[[Answers], Answers]:
        return lambda state: {"got": [f"{word}={langgraph_types.interrupt(word)}"]}

    graph = graphs.StateGraph(Answers)
    for word in ("left", "right"):
        graph.add_node(word, asks(word))
        graph.add_edge(graphs.START, word)
    guest = langgraph(
        graph.compile(checkpointer=checkpoints.InMemorySaver()),
        "guest",
        "",
        to_state=lambda message: {"got": []},
        from_state=lambda state: " ".join(sorted(state["got"])),
    )
    result = await asked(guest, ask_user=lambda message: message.content.upper())
    assert result.output == "[guest]left=LEFT right=RIGHT[/guest]"


@pytest.mark.parametrize("mode", ["batched", "per_call"])
@pytest.mark.parametrize("yes", [True, False])
async def test_both_modes_of_langchains_middleware_are_approvals(mode: str, yes: bool) -> None:
    done: list[str] = []

    def send(to: str) -> str:
        """Send a letter."""
        done.append(to)
        return "sent"

    model = langchain_model([LangGraph.uses("send", to="Ada"), LangGraph.says("Done.")])
    agent = langchain_agents.create_agent(
        model,
        [send],
        middleware=[middleware.HumanInTheLoopMiddleware({"send": True}, interrupt_mode=mode)],
        checkpointer=checkpoints.InMemorySaver(),
    )
    shown = list[Approval]()
    result = await asked(
        langgraph(agent, "guest", ""), approve=lambda approval: shown.append(approval) or yes
    )
    assert result.output == "[guest]Done.[/guest]"
    assert [(one.tool, one.arguments) for one in shown] == [("guest.send", {"to": "Ada"})]
    assert done == (["Ada"] if yes else [])


async def test_a_deferred_tool_of_pydantic_ai_is_a_question() -> None:
    async def ask_person(question: str) -> str:
        """Ask the person."""
        raise pydantic.CallDeferred

    guest = PydanticAI.guest(
        PydanticAI.uses("ask_person", question="Which tea?"),
        PydanticAI.says_result(),
        tool=ask_person,
    )
    questions = list[Message]()
    result = await asked(guest, ask_user=lambda message: questions.append(message) or "Green.")
    assert [(one.sender, one.content) for one in questions] == [("guest", "ask_person: Which tea?")]
    assert result.output == "[guest]Green.[/guest]"


async def test_guests_of_all_frameworks_answer_in_one_reply() -> None:
    made = [each.guest(each.says(f"I am {each.name}."), name=each.name) for each in FRAMEWORKS]
    lines = [
        [call(guest.name, "Who are you?") for guest in made],
        lambda seen: finish(" ".join(one.content for one in seen.outcomes)),
    ]
    [lead] = peers(Script({"lead": lines}), "lead")
    result = await async_run("Go.", [lead], run_agents=[lead, *made])
    for each in FRAMEWORKS:
        assert f"[{each.name}]I am {each.name}.[/{each.name}]" in result.output
