"""What other processes send at the moment at which a run does something of the kind itself."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agentouto import (
    SAVE_AND_EXIT,
    Cancelled,
    Hooks,
    Limits,
    Message,
    Refuse,
    RunResult,
    Tool,
    here,
)
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.event import CallReturned, CallStarted, Event, MessagePosted
from agentouto._domain.kept_event import CallOpened
from agentouto._domain.memory import Memory
from agentouto._engine.durable_run import DurableRun
from agentouto._engine.inbox import InboxItem, ItemKind
from agentouto._engine.plan import Plan
from agentouto._engine.run import Run
from agentouto._options import make_plan
from agentouto.testing import call, say, tool
from durable.in_one_process import agents, plan_of
from durable.scenes import MemoryKeeper


class Inbox(MemoryKeeper):
    """A keeper to which one item is sent in the moment that an event is kept.

    Args:
        kind: What is sent.
        moment: Returns whether it is sent with this event; it is about the call of the event.
        text: The text of the item.
        address: The receiver of a message.

    Attributes:
        refusals: Why items were refused; ``None`` for each that was taken.
        waits: How often the run has said that it waits for people.
    """

    def __init__(
        self,
        kind: ItemKind,
        moment: Callable[[Event], bool],
        text: str = "",
        address: str | None = None,
    ) -> None:
        super().__init__()
        self.refusals: list[str | None] = []
        self.waits = 0
        self._kind: ItemKind = kind
        self._moment = moment
        self._text = text
        self._address = address
        self._new: list[InboxItem] = []

    def take(self, event: Event) -> None:
        super().take(event)
        if self._moment(event):
            id_ = event.stamp.call_id
            self._new.append(InboxItem(1, self._kind, id_, self._address, self._text, yes=True))

    def new_items(self) -> Sequence[InboxItem]:
        items, self._new = self._new, []
        return items

    def settle_item(self, item: InboxItem, refusal: str | None = None) -> None:
        self.refusals.append(refusal)

    def wait_for_people(self) -> bool:
        self.waits += 1
        return True


def is_asked(event: Event) -> bool:
    return isinstance(event, CallStarted) and event.person


def has_returned(name: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, CallReturned) and event.stamp.agent_name == name


async def run_with(keeper: Inbox, lead: Any, tools: Sequence[Any] = (), **options: Any) -> str:
    return await run_plan(keeper, plan_of(agents(lead, say("found")), tools, **options))


async def run_plan(keeper: Inbox, plan: Plan) -> str:
    run = Run(plan, "r", SYSTEM_CLOCK, reachable=True, durable=DurableRun(keeper, "r"))
    async with asyncio.timeout(20):
        result: RunResult[Any] = await run.execute()
    return str(result.output)


ASKS_USER = [call("user", "Which?"), lambda seen: say(seen.answers("user")[0])]


async def blue(message: Message) -> str:
    return "blue"


async def test_an_answer_to_a_question_that_was_answered_here_is_refused() -> None:
    keeper = Inbox("answer", has_returned("user"), "red")
    assert await run_with(keeper, ASKS_USER, ask_user=blue) == "blue"
    (refusal,) = keeper.refusals
    assert refusal is not None
    assert "is not open any more" in refusal


async def test_a_decision_on_a_use_that_was_approved_here_is_refused() -> None:
    @Tool(needs_approval=True)
    def publish() -> str:
        """Publish."""
        return "published"

    def moment(event: Event) -> bool:
        return isinstance(event, CallReturned) and event.message.approval is not None

    async def approve(approval: Any) -> bool:
        return True

    keeper = Inbox("approval", moment)
    lead = [tool("publish"), lambda seen: say(seen.results("publish")[0])]
    assert await run_with(keeper, lead, [publish], approve=approve) == "published"
    (refusal,) = keeper.refusals
    assert refusal is not None
    assert "is not open any more" in refusal


async def test_a_call_that_has_returned_is_not_cancelled_any_more() -> None:
    keeper = Inbox("cancel_call", has_returned("far"))
    lead = [call("far", "Look."), lambda seen: say(seen.answers("far")[0])]
    assert await run_with(keeper, lead) == "found"
    (refusal,) = keeper.refusals
    assert refusal is not None
    assert "has already ended" in refusal


async def test_a_message_to_an_agent_that_is_not_there_is_refused_by_the_run() -> None:
    keeper = Inbox("message", has_returned("far"), "hello", "nowhere")
    lead = [call("far", "Look."), lambda seen: say(" ".join(seen.heard))]
    assert "hello" not in await run_with(keeper, lead)
    (refusal,) = keeper.refusals
    assert refusal is not None
    assert "nowhere" in refusal


async def test_an_answer_comes_in_time_when_the_run_is_about_to_wait_for_people() -> None:
    keeper = Inbox("answer", is_asked, "red")
    assert await run_with(keeper, ASKS_USER, ask_user=SAVE_AND_EXIT) == "red"
    assert (keeper.waits, keeper.refusals) == (0, [None])


async def test_a_run_that_is_ended_when_it_is_about_to_wait_for_people_is_cancelled() -> None:
    keeper = Inbox("cancel", is_asked, "too dear")
    with pytest.raises(Cancelled, match="too dear"):
        await run_with(keeper, ASKS_USER, ask_user=SAVE_AND_EXIT)
    assert (keeper.waits, keeper.refusals) == (0, [None])


async def test_an_answer_from_elsewhere_counts_though_the_person_here_answers_late() -> None:
    async def late(message: Message) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "blue"
        return ""

    keeper = Inbox("answer", is_asked, "red")
    assert await run_with(keeper, ASKS_USER, ask_user=late) == "red"
    assert keeper.refusals == [None]


async def test_a_person_whose_function_times_out_fails_the_call() -> None:
    async def hangs_up(message: Message) -> str:
        raise TimeoutError("no one is at the line")

    keeper = Inbox("answer", lambda event: False)
    lead = [call("user", "Which?"), lambda seen: say(seen.results("call_agent")[-1])]
    assert "no one is at the line" in await run_with(keeper, lead, ask_user=hangs_up)


async def test_an_answer_that_a_hook_refuses_is_refused_for_its_sender() -> None:
    def no_red(message: Message) -> Message:
        if message.sender == "user" and message.content == "red":
            raise Refuse("not red")
        return message

    keeper = Inbox("answer", is_asked, "red")
    lead = [call("user", "Which?"), lambda seen: say(seen.results("call_agent")[-1])]
    hooks = Hooks(on_return=no_red)
    assert "not red" in await run_with(keeper, lead, ask_user=SAVE_AND_EXIT, hooks=hooks)
    (refusal,) = keeper.refusals
    assert refusal is not None
    assert "was cancelled before it was answered" in refusal


def two_starters(**options: Any) -> Plan:
    """Return the plan of a run that begins with two agents, each of which says what it has read."""

    def line(request: Any) -> Any:
        return say(" ".join(request.heard))

    lead, _, helper = agents(line, (), helper=line)
    return make_plan("run", ("Go.", [lead, helper], [], None), options, Memory())


def sent_to_all(keeper: Inbox) -> list[MessagePosted]:
    return [one for one in keeper.events if isinstance(one, MessagePosted)]


async def test_a_message_to_all_starting_agents_that_comes_twice_is_sent_once_to_each() -> None:
    first: list[str] = []

    def twice(event: Event) -> bool:
        if isinstance(event, CallStarted | CallOpened):
            first.append(event.stamp.call_id)
        return isinstance(event, CallStarted | CallOpened) and event.stamp.call_id == first[0]

    keeper = Inbox("message", twice, "hello")
    assert "hello" in await run_plan(keeper, two_starters())
    assert len(sent_to_all(keeper)) == 2
    assert keeper.refusals == [None, None]


async def test_a_message_for_which_no_starting_agent_has_room_is_refused() -> None:
    keeper = Inbox("message", lambda event: isinstance(event, CallOpened), "hello")
    assert "hello" in await run_plan(keeper, two_starters(limits=Limits(mail=1)))
    assert len(sent_to_all(keeper)) == 2
    accepted, refused = keeper.refusals
    assert accepted is None
    assert refused is not None
    assert "has 1 unread messages" in refused


async def test_a_tool_that_is_used_again_and_asks_something_else_is_told_so() -> None:
    texts = ["first", "second"]

    @Tool(on_restart="run")
    async def ask() -> str:
        """Ask."""
        return (await here().call("far", texts.pop(0))).content

    def plan() -> Plan:
        lead = [tool("ask"), lambda seen: say(seen.results("ask")[-1])]
        return plan_of(agents(lead, say("found")), [ask])

    keeper = Inbox("cancel", lambda event: False)
    assert await run_plan(keeper, plan()) == "found"
    asked = next(
        n
        for n, one in enumerate(keeper.events)
        if isinstance(one, CallStarted) and one.stamp.agent_name == "far"
    )
    durable = DurableRun(MemoryKeeper(), "r", keeper.events[: asked + 1])  # it is killed here
    again = Run(plan(), "r", SYSTEM_CLOCK, reachable=True, durable=durable)
    async with asyncio.timeout(20):
        result = await again.execute()
    assert "asks far something else than it had asked before" in result.output
