"""Calls that are answered elsewhere: each is a run of its own, and a participant like any other."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentouto import (
    Agent,
    Attachment,
    Cancelled,
    ConfigurationError,
    LimitReached,
    Limits,
    Tool,
    here,
)
from agentouto._domain.event import MessagePosted, RunEnded, RunStarted
from agentouto._engine.delivery import Letter
from agentouto.testing import Turn, call, fail, finish, say, tool
from durable.in_one_process import InOneProcess, Worker, agents, carried_out, far_run, plan_of


async def test_a_call_elsewhere_is_a_run_whose_id_is_that_of_the_call() -> None:
    seen: list[Any] = []

    def far(request: Any) -> Any:
        seen.append(request)
        return say("found")

    lead = [call("far", "Look."), lambda seen: say(seen.answers("far")[0])]
    result, all_ = await carried_out(plan_of(agents(lead, far)))
    assert result.output == "found"
    started = far_run(all_)[0]
    assert isinstance(started, RunStarted)
    assert (started.message, started.starting, started.worker) == ("Look.", ("far",), "gpu")
    assert (started.caller_run, started.caller) == ("r", "r")
    assert far_run(all_)[0].stamp.call_id in all_.runs["r"].calls.by_id
    assert "lead" in seen[0].system  # it is asked by its caller, not by the user


async def test_history_and_files_go_with_the_call() -> None:
    heard: list[list[str]] = []

    def far(request: Any) -> Any:
        heard.append(request.heard)
        return finish("seen")

    @Tool
    async def ask() -> str:
        """Ask."""
        file = Attachment("text/plain", data="QQ==", name="a.txt")
        return str(await here().call("far", "Look.", attachments=[file]))

    result, all_ = await carried_out(plan_of(agents([tool("ask"), say("done")], far), [ask]))
    assert result.output == "done"
    started = far_run(all_)[0]
    assert isinstance(started, RunStarted)
    assert started.attachments[0].name == "a.txt"


async def test_what_it_has_used_counts_for_its_caller() -> None:
    lead = [call("far", "Look."), say("done")]
    result, _ = await carried_out(plan_of(agents(lead, Turn(say("found"), usage=(100, 10)))))
    assert (result.usage.input_tokens, result.usage.output_tokens) == (100, 10)


async def test_it_gets_what_is_left_of_each_limit() -> None:
    limits = Limits(calls=5, requests=7, tokens=1_000, depth=3, turns=4)
    lead = [Turn(call("far", "Look."), usage=(100, 10)), say("done")]
    _, all_ = await carried_out(plan_of(agents(lead, say("found")), limits=limits))
    started = far_run(all_)[0]
    assert isinstance(started, RunStarted)
    left = started.limits
    assert (left.calls, left.requests, left.tokens, left.depth, left.turns) == (4, 6, 890, 2, 4)


async def test_a_limit_that_is_used_up_ends_the_run_before_the_call() -> None:
    lead = [Turn(call("far", "Look."), usage=(1, 0)), say("done")]
    all_ = InOneProcess()
    with pytest.raises(LimitReached, match="tokens"):
        await all_.begin(
            "r", plan_of(agents(lead, say("found")), limits=Limits(requests=9, tokens=1))
        )
    assert all_.kept.keys() == {"r"}


async def test_a_limit_that_is_reached_elsewhere_fails_the_call() -> None:
    def far(request: Any) -> Any:
        return tool("nothing")

    lead = [call("far", "Look."), lambda seen: say(str(seen.answers("far")[0]))]
    all_ = InOneProcess()
    with pytest.raises(LimitReached, match="requests"):
        await all_.begin("r", plan_of(agents(lead, far), limits=Limits(requests=3)))


async def test_what_fails_elsewhere_is_told_to_the_caller() -> None:
    lead = [call("far", "Look."), lambda seen: say(seen.results("call_agent")[-1])]
    result, _ = await carried_out(plan_of(agents(lead, fail(401))))
    assert "its model failed" in result.output


async def test_letters_go_both_ways_and_have_their_senders() -> None:
    heard: dict[str, list[str]] = {}
    told = asyncio.Event()

    @Tool
    async def wait_for_letter() -> str:
        """Wait."""
        await told.wait()
        return "waited"

    def far(request: Any) -> Any:
        if request.turn == 0:
            return tool("send_message", task_id="r", message="from far")
        if not any("from lead" in text for text in request.heard):
            return tool("wait_for_messages", timeout=30)
        heard["far"] = request.heard
        return say("read it")

    def lead(request: Any) -> Any:
        if request.turn == 0:
            return tool("spawn_background_agent", agent_name="far", message="Look.")
        if request.turn == 1:
            (id_,) = (one for one in all_.runs["r"].calls.by_id if one != "r")
            return tool("send_message", task_id=id_, message="from lead")
        if not any("from far" in text for text in request.heard):
            return tool("wait_for_messages", timeout=30)
        heard["lead"] = request.heard
        return say("done")

    all_ = InOneProcess()
    plan = plan_of(agents(lead, far), [wait_for_letter], enabled_tools=["wait_for_messages"])
    result = await all_.begin("r", plan)
    assert result.output == "done"
    assert any("from far" in text and "far" in text for text in heard["lead"])
    assert any("from lead" in text for text in heard["far"])
    posted = [one for one in all_.kept["r"] if isinstance(one, MessagePosted)]
    assert {one.message.sender for one in posted} == {"lead", "far"}


async def test_a_letter_arrives_once() -> None:
    all_ = InOneProcess()
    release = asyncio.Event()

    @Tool
    async def hold() -> str:
        """Hold."""
        all_.begun.clear()
        for _ in range(2):
            await Worker(all_, "gpu").post("r", Letter("x", "far", "elsewhere", "twice?"))
        release.set()
        return "held"

    lead = [tool("hold"), lambda seen: say(" ".join(seen.heard))]
    result = await all_.begin("r", plan_of(agents(lead, say("x")), [hold]))
    assert release.is_set()
    assert result.output.count("twice?") == 1


async def test_a_letter_to_a_call_that_is_nowhere_is_refused() -> None:
    def lead(request: Any) -> Any:
        if request.turn == 0:
            return tool("send_message", task_id="nowhere", message="hello")
        return say(" ".join(request.heard))

    result, _ = await carried_out(plan_of(agents(lead, say("x"))))
    assert "there is no call nowhere" in str(result.events)


async def test_a_call_that_is_cancelled_is_ended_elsewhere() -> None:
    all_ = InOneProcess()
    at_work = asyncio.Event()

    @Tool
    async def work() -> str:
        """Work."""
        at_work.set()
        await asyncio.Event().wait()
        return ""

    task = all_.begin("r", plan_of(agents([call("far", "Look.")], [tool("work")]), [work]))
    await at_work.wait()
    all_.runs["r"].stop(for_good=True)
    task.cancel()
    with pytest.raises((asyncio.CancelledError, Cancelled)):
        await task
    (id_,) = all_.kept.keys() - {"r"}
    await asyncio.wait([all_.tasks[id_]])
    ended = all_.kept[id_][-1]
    assert isinstance(ended, RunEnded)
    assert ended.status == "cancelled"


async def test_a_call_goes_on_elsewhere_when_the_process_of_its_caller_ends() -> None:
    all_ = InOneProcess()
    at_work, release = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    @Tool
    async def work() -> str:
        """Work."""
        at_work.set()
        await release.wait()
        done.append("x")
        return "worked"

    lead = [call("far", "Look."), lambda seen: say(seen.answers("far")[0])]
    plan = plan_of(agents(lead, [tool("work"), say("found")]), [work])
    task = all_.begin("r", plan)
    await at_work.wait()
    task.cancel()  # as when the process ends
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    result = await all_.begin("r", plan)
    assert result.output == "found"
    assert done == ["x"]
    assert len(all_.kept) == 2


async def test_a_tool_elsewhere_is_a_run_of_one_call() -> None:
    used: list[tuple[str, str]] = []

    @Tool(worker="gpu")
    def render(what: str, times: int = 1) -> dict[str, object]:
        """Render."""
        used.append((here().run_id, here().name))
        return {"what": what, "times": times}

    lead = [tool("render", what="sea", times=2), lambda seen: say(seen.results("render")[-1])]
    result, all_ = await carried_out(plan_of(agents(lead, say("x")), [render]))
    assert result.output == '{"what":"sea","times":2}'
    (id_,) = all_.kept.keys() - {"r"}
    assert used == [(id_, "render")]


async def test_a_tool_that_fails_elsewhere_is_told_to_its_agent() -> None:
    @Tool(worker="gpu")
    async def render(what: str) -> str:
        """Render."""
        raise ValueError(f"no {what}")

    lead = [tool("render", what="sea"), lambda seen: say(seen.results("render")[-1])]
    result, _ = await carried_out(plan_of(agents(lead, say("x")), [render]))
    assert "no sea" in result.output


async def test_a_tool_elsewhere_is_used_once_though_its_agent_is_interrupted() -> None:
    all_ = InOneProcess()
    at_work, release = asyncio.Event(), asyncio.Event()
    used: list[str] = []

    @Tool(worker="gpu")
    async def render(what: str) -> str:
        """Render."""
        used.append(what)
        at_work.set()
        await release.wait()
        return f"rendered {what}"

    lead = [tool("render", what="sea"), lambda seen: say(seen.results("render")[-1])]
    plan = plan_of(agents(lead, say("x")), [render])
    task = all_.begin("r", plan)
    await at_work.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    result = await all_.begin("r", plan)
    assert (result.output, used) == ("rendered sea", ["sea"])


def test_a_kind_of_worker_is_a_word() -> None:
    with pytest.raises(ConfigurationError, match="no kind of worker"):
        Agent("a", "x", "m", "openai", worker="g p u")
    with pytest.raises(ConfigurationError, match="no kind of worker"):
        Tool(lambda: "x", name="x", worker="")
