"""Event loops that are closed in the middle of a run, in a program that goes on.

The tasks of such a run never end, and nothing is raised in them. What was done is kept, and the run
can be gone on with in the same process.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentouto import Journal, Tool, async_run, async_run_stream, run, run_background
from agentouto._engine.host import DEFAULT_HOST
from agentouto.testing import finish, tool
from durable.scenes import LEAD, provider

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine"),
]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Have what a test leaves collected in this test, in which warnings of it are ignored."""
    yield
    gc.collect()


class Line:
    """The same line, again and again: its tool waits for ever the first time."""

    def __init__(self, journal: Any) -> None:
        self.journal = journal
        self.tries = 0
        self.done = 0
        self.begun = asyncio.Event()

    async def step(self) -> str:
        self.done += 1
        return "ok"

    async def work(self) -> str:
        self.tries += 1
        if self.tries == 1:
            self.begun.set()
            await asyncio.Event().wait()
        return "ok"

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        lines = {"lead": [tool("step"), tool("work"), finish("done")]}
        from_here = {"step": self.step, "work": self.work}
        tools = [_tool(name, function) for name, function in from_here.items()]
        options = {"journal": self.journal, "run_id": "x"}
        return ("Go.", [LEAD], tools, [provider(lines)]), options

    def close_loop_over(self, begin: Callable[[Line], Awaitable[object]]) -> object:
        """Close a loop in the middle of the tool; return what was begun, which may be held."""
        loop = asyncio.new_event_loop()

        async def main() -> object:
            begun = await begin(self)
            await asyncio.wait_for(self.begun.wait(), 20)
            return begun

        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()


def _tool(name: str, function: Callable[..., Any]) -> Any:

    return Tool(function, name=name, on_restart="run")


async def plain(line: Line) -> object:
    given, options = line.arguments()
    return asyncio.create_task(async_run(*given, **options))


async def cancelled(line: Line) -> object:
    """Cancel the task, and do not wait until it has ended."""
    given, options = line.arguments()
    task = asyncio.create_task(async_run(*given, **options))
    await line.begun.wait()
    task.cancel()
    return task


async def streamed(line: Line) -> object:
    given, options = line.arguments()
    stream = async_run_stream(*given, **options)
    events = aiter(stream)
    await anext(events)
    return stream, events


async def in_background(line: Line) -> object:
    given, options = line.arguments()
    return await run_background(*given, **options)


BEGINNINGS = [plain, cancelled, streamed, in_background]


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_the_same_line_goes_on_in_the_same_process(
    begin: Callable[[Line], Awaitable[object]], place: str
) -> None:
    line = Line(place)
    held = line.close_loop_over(begin)
    given, options = line.arguments()
    assert asyncio.run(async_run(*given, **options)).output == "done"
    assert (line.done, line.tries) == (1, 2)  # what was done is not done again
    assert Journal(place)["x"].status == "returned"
    assert not len(DEFAULT_HOST.live)
    del held


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_it_goes_on_where_the_disk_is_waited_for(
    begin: Callable[[Line], Awaitable[object]], tmp_path: Path
) -> None:
    line = Line(Journal(tmp_path / "runs.db", power_loss=True))
    held = line.close_loop_over(begin)
    given, options = line.arguments()
    assert run(*given, **options).output == "done"
    assert (line.done, line.tries) == (1, 2)
    del held


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_it_is_seen_as_interrupted_also_once_it_was_collected(
    begin: Callable[[Line], Awaitable[object]], tmp_path: Path
) -> None:
    line = Line(tmp_path / "runs.db")
    line.close_loop_over(begin)
    gc.collect()
    assert Journal(line.journal)["x"].status == "interrupted"
    gc.collect()  # now nothing holds its tasks
    saved = Journal(line.journal)["x"]
    assert saved.status == "interrupted"
    assert not [one for one in saved.lines() if one["type"] in ("error", "run.end")]
    given, options = line.arguments()
    assert run(*given, **options).output == "done"


def test_a_background_run_that_was_left_has_a_result(tmp_path: Path) -> None:
    line = Line(tmp_path / "runs.db")
    handle: Any = line.close_loop_over(in_background)
    Journal(line.journal).runs()
    with pytest.raises(Exception, match="its event loop was closed"):
        handle.result(timeout=20)


def test_a_run_in_a_loop_that_is_open_goes_on(tmp_path: Path) -> None:
    line = Line(tmp_path / "runs.db")
    loop = asyncio.new_event_loop()

    async def left() -> object:
        begun = await plain(line)
        await asyncio.wait_for(line.begun.wait(), 20)
        return begun

    async def ended(task: Any) -> None:
        task.cancel()
        await asyncio.wait([task])

    task = loop.run_until_complete(left())
    try:
        assert Journal(line.journal)["x"].status == "running"
        given, options = line.arguments()
        with pytest.raises(Exception, match="is at work in process"):
            run(*given, **options)
    finally:
        loop.run_until_complete(ended(task))
        loop.close()
    assert Journal(line.journal)["x"].status == "interrupted"
