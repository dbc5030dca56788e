"""What is written into the cells of a notebook, one function a cell."""

from __future__ import annotations

from agentouto import (
    Agent,
    Handle,
    Provider,
    RunResult,
    async_run,
    get_agent_status,
    run,
    run_background,
)
from agentouto.testing import Script, finish

script = Script({"writer": lambda request: finish(f"Written: {request.heard[-1]}")})
writer = Agent("writer", "Write.", "some-model", Provider("own", kind="script", script=script))


async def first_cell() -> RunResult:
    return await async_run("Write about tides.", [writer])


def second_cell(before: RunResult) -> str:
    again = run("Shorter.", [writer], history=before.messages)
    return f"{again.output} {again.format_trace()} {len(again.event_log.events)}"


def third_cell() -> Handle:
    task = run_background("Write about the moon.", [writer])
    print(get_agent_status(task), task.status())
    return task


async def fourth_cell(task: Handle) -> str:
    result = await task.wait()
    return result.outputs[0].text


async def main() -> str:
    first = await first_cell()
    return second_cell(first) + await fourth_cell(third_cell())
