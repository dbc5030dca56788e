"""What is spared where nobody needs it, and what holds all the same."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from agentouto import Tool, async_run, run, run_background
from agentouto._core.schema_cache import SchemaCache
from agentouto._core.signature import read_signature
from agentouto._domain.ports import ToolSpec
from agentouto.testing import finish, tool
from teams import peers


async def test_a_tool_alone_in_its_reply_that_swallows_a_cancellation_holds_nobody_up() -> None:
    begun = asyncio.Event()

    @Tool
    async def stubborn() -> str:
        """Go on whatever happens."""
        begun.set()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "still here"
        return "slept"

    asked: list[object] = []

    def then(request: object) -> object:
        asked.append(request)
        return finish("never")

    team = peers({"a": [tool("stubborn"), then]}, "a")
    task = asyncio.create_task(async_run("Go.", team, [stubborn]))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not asked


async def test_a_tool_alone_in_its_reply_that_cancels_itself_costs_itself_only() -> None:
    @Tool
    async def gives_up() -> str:
        """Cancel the task it runs in."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return "never"

    lines = [tool("gives_up"), lambda request: finish(request.results("gives_up")[0])]
    result = await async_run("Go.", peers({"a": lines}, "a"), [gives_up])
    assert result.output == "Error: the tool was cancelled from within"


async def test_a_finished_background_run_lets_go_of_its_tools() -> None:
    async def look() -> str:
        """Look."""
        return "seen"

    gone = weakref.ref(look)
    handle = run_background("Go.", peers({"a": [tool("look"), finish("x")]}, "a"), [look])
    assert (await handle.wait()).output == "x"
    del look
    gc.collect()
    assert gone() is None
    assert "Result: x" in handle.report()
    assert handle.status() == "completed"
    assert [event.type async for event in handle.events()][-1] == "finish"


async def test_a_finished_run_goes_at_once_and_waits_for_no_collection() -> None:
    class Nobody:
        def __call__(self, message: object) -> str:
            return ""

    async def look() -> str:
        """Look."""
        return "seen"

    nobody = Nobody()
    gone = weakref.ref(nobody)
    team = peers({"a": [tool("look"), finish("x")]}, "a")
    gc.disable()
    try:
        result = await async_run("Go.", team, [look], ask_user=nobody)
        del nobody
        assert gone() is None
    finally:
        gc.enable()
    assert result.output == "x"


def test_what_models_are_told_of_a_function_is_drawn_once() -> None:
    def add(one: int, two: int) -> int:
        """Add."""
        return one + two

    schemas = SchemaCache()

    def spec(**settings: str) -> ToolSpec:
        tool = Tool(add, **settings)
        tool.use_cached_schema(schemas)
        return tool.spec

    assert spec() is spec()
    assert spec(name="plus").name == "plus"
    assert spec(description="Other words.").description == "Other words."
    add.__doc__ = "Add two numbers."
    known = spec()
    assert known.description == "Add two numbers."
    schemas.forget()
    assert spec() is not known
    assert spec() == known


def test_a_function_that_was_drawn_can_go() -> None:
    schemas = SchemaCache()

    def drawn() -> weakref.ref[object]:
        def passing(one: int, two: str = "two") -> int:
            """Pass."""
            return one + len(two)

        assert schemas.of(read_signature(passing, None, {})).spec.name == "passing"
        return weakref.ref(passing)

    gone = drawn()
    gc.collect()
    assert gone() is None


def test_runs_with_the_same_tools_hand_backends_the_same_list() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    lists: list[object] = []

    def note(request: object) -> object:
        lists.append(getattr(request, "specs", None))
        return finish("x")

    for _ in range(2):
        run("Go.", peers({"a": [note]}, "a"), [look])
    run("Go.", peers({"a": [note]}, "a"))
    assert lists[0] is lists[1]
    assert lists[2] is not lists[0]
