"""Calls elsewhere that are cut, cancelled, limited, or written to when it is too late."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentouto import LimitReached, Limits, Tool
from agentouto._domain.event import (
    Event,
    MessagePosted,
    MessageRead,
    MessageReturned,
    RunEnded,
    RunStarted,
)
from agentouto.testing import Turn, call, fail, say, tool
from durable.in_one_process import InOneProcess, agents, carried_out, far_run, plan_of


def spawn(name: str) -> Any:
    return tool("spawn_background_agent", agent_name=name, message="Look.")


def id_of(all_: InOneProcess, name: str) -> str:
    """Return the id of the one call of ``name`` in the run of the caller."""
    (id_,) = (id_ for id_, one in all_.runs["r"].calls.by_id.items() if one.name == name)
    return id_


def posted(events: list[Event], text: str) -> list[MessagePosted]:
    return [one for one in events if isinstance(one, MessagePosted) and one.message.content == text]


async def until_recorded(
    all_: InOneProcess, kind: type[MessagePosted | MessageRead], text: str
) -> None:
    """Wait until the run of the caller has an event of a message with this ``text``."""
    async with asyncio.timeout(20):
        while not any(
            isinstance(one, kind) and one.message.content == text for one in all_.kept["r"]
        ):
            await asyncio.sleep(0.001)


async def test_a_starting_agent_elsewhere_returns_a_value_of_the_type_asked_for() -> None:
    lead, far, _ = agents([], [tool("finish", result=[1, 2])])
    result, all_ = await carried_out(plan_of([far, lead], output_type=list[int]))
    assert result.data == [1, 2]
    started = far_run(all_)[0]
    assert isinstance(started, RunStarted)
    assert started.starting == ("far",)
    assert started.stamp.call_id != "r"  # the id of the first call of the run is taken


async def test_a_limit_that_is_used_up_ends_the_run_before_a_tool_elsewhere() -> None:
    used: list[str] = []

    @Tool(worker="gpu")
    def render(what: str) -> str:
        """Render."""
        used.append(what)
        return what

    lead = [Turn(tool("render", what="sea"), usage=(1, 0)), say("done")]
    all_ = InOneProcess()
    plan = plan_of(agents(lead, say("x")), [render], limits=Limits(requests=9, tokens=1))
    with pytest.raises(LimitReached, match="tokens"):
        await all_.begin("r", plan)
    assert (used, all_.kept.keys()) == ([], {"r"})


async def test_a_caller_is_told_that_its_call_was_cancelled_elsewhere() -> None:
    all_ = InOneProcess()
    at_work = asyncio.Event()

    @Tool
    async def work() -> str:
        """Work."""
        at_work.set()
        await asyncio.Event().wait()
        return ""

    lead = [call("far", "Look."), lambda seen: say(seen.results("call_agent")[-1])]
    task = all_.begin("r", plan_of(agents(lead, [tool("work")]), [work]))
    await at_work.wait()
    (id_,) = all_.kept.keys() - {"r"}
    all_.runs[id_].stop(for_good=True)
    all_.tasks[id_].cancel()
    assert "was cancelled" in (await task).output


async def test_a_letter_to_another_run_is_on_record_once_though_its_sender_was_cut() -> None:
    all_ = InOneProcess()
    released = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        await released.wait()
        return "held"

    holder = all_.begin(
        "r", plan_of(agents([tool("hold"), lambda s: say(" ".join(s.heard))], []), [hold])
    )
    writes = [tool("send_message", task_id="r", message="only once"), say("sent")]
    assert (await all_.begin("w", plan_of(agents(writes, [])))).output == "sent"
    first = next(n for n, one in enumerate(all_.kept["w"]) if isinstance(one, MessagePosted))
    del all_.kept["w"][first + 1 :]  # as when the process ends here
    assert (await all_.begin("w", plan_of(agents(writes, [])))).output == "sent"
    assert len(posted(all_.kept["w"], "only once")) == 1
    released.set()
    assert (await holder).output.count("only once") == 1


async def test_a_letter_to_a_call_that_has_just_ended_elsewhere_goes_back_to_its_sender() -> None:
    all_ = InOneProcess()
    all_.reports.clear()

    @Tool
    async def until_far_has_ended() -> str:
        """Wait."""
        await asyncio.wait([all_.tasks[id_of(all_, "far")]])
        return "ended"

    def lead(request: Any) -> Any:
        if request.turn == 0:
            return spawn("far")
        if request.turn == 1:
            return tool("until_far_has_ended")
        if request.turn == 2:
            return tool("send_message", task_id=id_of(all_, "far"), message="too late")
        if not any("too late" in text for text in request.heard):
            return tool("wait_for_messages", timeout=30)
        all_.reports.set()
        return say("it came back")

    plan = plan_of(
        agents(lead, say("x")), [until_far_has_ended], enabled_tools=["wait_for_messages"]
    )
    assert (await all_.begin("r", plan)).output == "it came back"
    (returned,) = (one for one in all_.kept["r"] if isinstance(one, MessageReturned))
    assert returned.message.content == "too late"


async def test_a_call_elsewhere_is_told_that_its_letter_was_not_read() -> None:
    all_ = InOneProcess()
    heard: list[str] = []

    def lead(request: Any) -> Any:
        if request.turn == 0:
            return spawn("far")
        if request.turn == 1:
            return call("helper", "Help.")
        return say("done")

    async def helper(request: Any) -> Any:
        await until_recorded(all_, MessagePosted, "are you there?")
        return fail(400)

    async def far(request: Any) -> Any:
        if request.turn == 0:
            async with asyncio.timeout(20):
                while not any(one.name == "helper" for one in all_.runs["r"].calls.by_id.values()):
                    await asyncio.sleep(0.001)
            id_ = id_of(all_, "helper")
            return tool("send_message", task_id=id_, message="are you there?")
        heard[:] = request.heard
        if not any("are you there?" in text for text in heard):
            return tool("wait_for_messages", timeout=30)
        return say("told")

    team = agents(lead, far, helper=helper)
    await all_.begin("r", plan_of(team, enabled_tools=["wait_for_messages"]))
    (note,) = (text for text in heard if "are you there?" in text)
    assert "its reader has failed" in note


async def test_a_letter_that_was_passed_on_is_read_once_though_its_caller_was_cut() -> None:
    all_ = InOneProcess()
    read, release = asyncio.Event(), asyncio.Event()
    heard: list[str] = []

    @Tool
    async def hold() -> str:
        """Hold."""
        read.set()
        await release.wait()
        return "held"

    def lead(request: Any) -> Any:
        if request.turn == 0:
            return spawn("far")
        if request.turn == 1:
            return tool("send_message", task_id=id_of(all_, "far"), message="take care")
        return tool("hold") if request.turn == 2 else say("done")

    def far(request: Any) -> Any:
        heard[:] = request.heard
        if request.turn == 0:
            return tool("wait_for_messages", timeout=30)
        return tool("hold") if request.turn == 1 else say("careful")

    plan = plan_of(agents(lead, far), [hold], enabled_tools=["wait_for_messages"])
    task = all_.begin("r", plan)
    await read.wait()
    await until_recorded(all_, MessageRead, "take care")
    task.cancel()  # as when the process ends
    with pytest.raises(asyncio.CancelledError):
        await task
    again = all_.begin("r", plan)
    release.set()
    assert (await again).output == "done"
    assert sum("take care" in text for text in heard) == 1


async def test_a_limit_that_is_reached_below_a_call_elsewhere_is_what_its_caller_raises() -> None:
    lead = [call("far", "Look."), say("done")]
    team = agents(lead, [call("helper", "Help."), say("x")], helper=lambda seen: tool("nothing"))
    all_ = InOneProcess()
    with pytest.raises(LimitReached, match=r"Limits\(requests=") as caught:
        await all_.begin("r", plan_of(team, limits=Limits(requests=4)))
    assert caught.value.limit == "requests"
    assert isinstance(far_run(all_)[-1], RunEnded)
