"""Many plain tools at once: their threads are bounded, and none of them waits for ever."""

from __future__ import annotations

import threading

from agentouto import Agent, Provider, Tool, async_run, run
from agentouto._engine.threads import MAX_TOOLS_AT_ONCE
from agentouto.testing import Script, finish, tool


async def test_a_reply_with_a_thousand_calls_does_not_start_a_thousand_threads() -> None:
    most = 0

    @Tool
    def work() -> str:
        nonlocal most
        most = max(most, threading.active_count())
        return "ok"

    before = threading.active_count()
    script = Script({"a": [[tool("work")] * 1_000, finish("done")]})
    agent = Agent("a", "", "m", Provider("s", "script", script=script))
    assert (await async_run("Go.", [agent], [work])).output == "done"
    assert most - before <= MAX_TOOLS_AT_ONCE


def test_plain_tools_that_run_agents_with_plain_tools_end() -> None:
    @Tool
    def inner() -> str:
        return "ok"

    @Tool
    def outer() -> str:
        script = Script({"b": [tool("inner"), finish("inner done")]})
        helper = Agent("b", "", "m", Provider("t", "script", script=script))
        return run("Go.", [helper], [inner]).output

    script = Script({"a": [[tool("outer")] * (MAX_TOOLS_AT_ONCE + 44), finish("done")]})
    agent = Agent("a", "", "m", Provider("s", "script", script=script))
    result = run("Go.", [agent], [outer])
    assert result.output == "done"
