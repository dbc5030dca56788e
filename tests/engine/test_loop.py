"""The agent loop, with effects that do nothing but record what they were asked for."""

from __future__ import annotations

import asyncio

import pytest

from agentouto._domain.content import Incoming, Outcome, Outcomes, Reply, Text, ToolCall, Transcript
from agentouto._domain.message import ToolResult
from agentouto._engine.loop import MAX_NUDGES, NoUsableReply, answer

DONE = Reply((Text("done"),))
ONE = Reply((ToolCall("1", "one", "{}"),))
TWO = Reply((ToolCall("1", "one", "{}"), ToolCall("2", "two", "{}")))


class Recorded:
    """Effects that follow a script.

    Args:
        replies: What the model replies, one after the other.
        mail: What has arrived before each turn, by its number.
        late: How many returns find that mail has just arrived.
    """

    def __init__(self, *replies: Reply, mail: dict[int, str] | None = None, late: int = 0) -> None:
        self.replies = list(replies)
        self.mail = mail or {}
        self.late = late
        self.turn = 0
        self.steps: list[str] = []
        self.asked: list[Transcript] = []

    def start(self) -> Transcript:
        self.steps.append("start")
        return Transcript("system", (Incoming("Go."),))

    async def read_mail(self) -> tuple[Incoming, ...]:
        self.steps.append("mail")
        text = self.mail.get(self.turn)
        return () if text is None else (Incoming(text),)

    async def compact(self, transcript: Transcript) -> Transcript:
        self.steps.append("compact")
        return transcript

    async def ask_model(self, transcript: Transcript) -> Reply | None:
        self.steps.append("ask")
        self.asked.append(transcript)
        self.turn += 1
        return self.replies.pop(0)

    async def call_tool(self, tool_call: ToolCall) -> Outcome:
        if tool_call.name == "one":
            await asyncio.sleep(0)  # the first one ends last
        self.steps.append(tool_call.name)
        return Outcome(tool_call, tool_call.name)

    def is_quick(self, tool_call: ToolCall) -> bool:
        del tool_call
        return False

    def interpret(self, reply: Reply) -> ToolResult | Incoming | None:
        return ToolResult(reply.text) if reply.text else Incoming("empty")

    async def close(self, result: ToolResult) -> ToolResult | Incoming | None:
        self.steps.append("close")
        self.late -= 1
        return None if self.late >= 0 else result


async def test_a_turn_reads_mail_then_compacts_then_asks() -> None:
    effects = Recorded(TWO, DONE, mail={1: "Hello."})
    assert (await answer(effects)).content == "done"
    turn = ["mail", "compact", "ask"]
    assert effects.steps == ["start", *turn, "two", "one", *turn, "close"]


async def test_outcomes_follow_their_reply_in_its_order_and_mail_comes_after_them() -> None:
    effects = Recorded(TWO, DONE, mail={1: "Hello."})
    await answer(effects)
    *_, reply, outcomes, mail = effects.asked[-1].entries
    assert reply is TWO
    assert isinstance(outcomes, Outcomes)
    assert [outcome.content for outcome in outcomes.items] == ["one", "two"]
    assert mail == Incoming("Hello.")


async def test_a_return_that_finds_mail_is_dropped_and_the_mail_is_read() -> None:
    effects = Recorded(Reply((Text("too early"),)), DONE, mail={1: "Wait."}, late=1)
    assert (await answer(effects)).content == "done"
    assert Incoming("Wait.") in effects.asked[-1].entries


async def test_useless_replies_are_counted_for_the_whole_call() -> None:
    useless = [ONE, Reply(())] * (MAX_NUDGES + 1)
    with pytest.raises(NoUsableReply):
        await answer(Recorded(*useless))


async def test_a_call_ends_although_its_tool_swallows_the_cancellation() -> None:
    working = asyncio.Event()

    class Stubborn(Recorded):
        async def call_tool(self, tool_call: ToolCall) -> Outcome:
            working.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return Outcome(tool_call, "I go on.")
            raise AssertionError

    effects = Stubborn(ONE, DONE)
    task = asyncio.create_task(answer(effects))
    await working.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert len(effects.asked) == 1
