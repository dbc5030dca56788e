"""A function becomes a tool, stays a function, and fails without harm."""

# What users do wrong is done here on purpose.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIncompatibleMethodOverride=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnnecessaryComparison=false

from __future__ import annotations

import asyncio
import contextvars
import copy
import dataclasses
import enum
import functools
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

import pytest

from agentouto import Agent, Team
from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.errors import ToolError
from agentouto._domain.message import Attachment
from agentouto._engine.threads import Threads
from agentouto.tool import Tool, ToolResult

caller = contextvars.ContextVar("caller", default="nobody")


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads()
    yield threads
    threads.close()


def plain(n: int, word: str = "x") -> str:
    """Repeat a word."""
    return word * n


async def patient(n: int, word: str = "x") -> str:
    """Repeat a word."""
    await asyncio.sleep(0)
    return word * n


class Repeater:
    """Repeats."""

    def __init__(self, word: str) -> None:
        self.name = word

    def __call__(self, n: int) -> str:
        """Repeat a word."""
        return self.name * n

    async def later(self, n: int) -> str:
        """Repeat a word."""
        return self(n)


class PatientRepeater(Repeater):
    async def __call__(self, n: int) -> str:
        """Repeat a word."""
        return self.name * n


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return call


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "plain"),
        (patient, "patient"),
        (Repeater("x"), "Repeater"),
        (PatientRepeater("x"), "PatientRepeater"),
        (Repeater("x").later, "later"),
        (functools.partial(plain, word="x"), "plain"),
        (functools.partial(patient, word="x"), "patient"),
        (staticmethod(plain), "plain"),
        (staticmethod(patient), "patient"),
        (wrapping(plain), "plain"),
        (wrapping(patient), "patient"),
        (Tool(plain), "plain"),
        (Tool(patient), "patient"),
    ],
)
async def test_anything_that_can_be_called_can_be_a_tool(
    threads: Threads, function: Callable[..., Any], name: str
) -> None:
    tool = Tool(function)
    assert (tool.name, tool.description) == (name, "Repeat a word.")
    assert await tool.invoke({"n": "3"}, threads) == ToolResult("xxx")


async def test_a_decorated_function_is_called_as_before() -> None:
    tool, slow = Tool(plain), Tool(patient)
    assert tool(2, word="ab") == "abab"
    assert await slow(2) == "xx"
    assert tool.function is plain
    assert inspect.signature(tool) == inspect.signature(plain)
    assert (tool.__doc__, tool.__wrapped__) == ("Repeat a word.", plain)
    assert repr(tool) == "Tool('plain')"


def test_settings_can_be_given() -> None:
    @Tool(name="again", description="Says it again.", timeout=2, in_loop=True)
    def repeat(n: int) -> str:
        """Repeat."""
        return "x" * n

    assert (repeat.name, repeat.description) == ("again", "Says it again.")
    assert (repeat.spec.name, repeat.spec.description) == ("again", "Says it again.")
    assert (repeat.timeout, repeat.in_loop, repeat(2)) == (2, True, "xx")
    assert repeat.parameters == repeat.spec.parameters
    renamed = Tool(repeat, name="other")
    assert (renamed.name, renamed.description, renamed.function) == (
        "other",
        "Repeat.",
        repeat.function,
    )


def test_a_tool_does_not_change_and_copies_are_the_tool_itself() -> None:
    tool = Tool(plain)
    with pytest.raises(AttributeError):
        tool.name = "other"
    assert copy.deepcopy([tool])[0] is tool
    assert copy.copy(tool) is tool
    assert tool.spec is tool.spec


def test_types_that_are_local_where_a_tool_is_defined_are_found() -> None:
    class Colour(enum.Enum):
        RED = "red"

    @Tool
    def paint(colour: Colour) -> str:
        return colour.value

    @Tool(name="paint_more")
    def more(colours: list[Colour]) -> str:
        return str(colours)

    assert paint.parameters["properties"] == {"colour": {"type": "string", "enum": ["red"]}}
    assert more.name == "paint_more"
    assert "red" in str(more.parameters)


def test_a_local_type_that_comes_later_is_asked_for_later() -> None:
    @Tool
    def paint(colour: Colour, n: int) -> str: ...

    class Colour(enum.Enum):
        RED = "red"

    with pytest.raises(ConfigurationError, match="parameter `colour: Colour`: its type cannot"):
        assert paint.spec


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Tool(lambda: 1), "Tool `<lambda>`: models cannot use this name"),
        (lambda: Tool(plain, name="two words"), "Tool `two words`: models cannot use this name"),
        (lambda: Tool(plain, name="a" * 65), "models cannot use this name"),
        (lambda: Tool(plain, timeout=0), "Tool `plain`: timeout=0 must be more than 0 seconds"),
        (lambda: Tool(plain, timeout=float("nan")), "timeout=nan must be more than 0"),
        (lambda: Tool(3), "3 is not callable"),
        (lambda: Tool(Repeater), "is a class"),
        (lambda: Tool(Repeater.later), "parameter `self"),
    ],
)
def test_a_tool_that_could_not_work_is_refused_when_it_is_made(
    make: Callable[[], object], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert told in str(caught.value)


def test_a_lambda_with_a_name_is_a_tool() -> None:
    assert Tool(lambda: 1, name="one").spec.parameters == {"type": "object", "properties": {}}


async def test_plain_functions_leave_the_loop_and_async_ones_stay(threads: Threads) -> None:
    @Tool
    def away() -> str:
        return f"{threading.current_thread().name} {caller.get()}"

    @Tool
    async def here() -> str:
        return f"{threading.current_thread().name} {caller.get()}"

    @Tool(in_loop=True)
    def stays() -> str:
        return f"{asyncio.get_running_loop() is not None} {caller.get()}"

    caller.set("me")
    assert (await away.invoke({}, threads)).content == "agentouto-tool-1 me"
    assert (await here.invoke({}, threads)).content == "MainThread me"
    assert (await stays.invoke({}, threads)).content == "True me"


@pytest.mark.parametrize("in_loop", [True, False])
async def test_what_a_plain_function_hands_back_is_awaited(threads: Threads, in_loop: bool) -> None:
    def begin(n: int) -> Awaitable[str]:
        return patient(n)

    assert await Tool(begin, in_loop=in_loop).invoke({"n": 2}, threads) == ToolResult("xx")


@dataclasses.dataclass
class Page:
    title: str


class Word(str, enum.Enum):  # noqa: UP042 - what people write
    YES = "yes"


FILE = Attachment("image/png", data="aGk=")


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("text", ToolResult("text")),
        ("", ToolResult("")),
        (None, ToolResult("")),
        (3, ToolResult("3")),
        (Word.YES, ToolResult("yes")),
        ({"é": [None, Page("t")]}, ToolResult('{"é":[null,{"title":"t"}]}')),
        (b"caf\xc3\xa9", ToolResult("café")),
        (bytearray(b"x"), ToolResult("x")),
        ("a\udcffb", ToolResult("a\\udcffb")),
        (["a\udcffb"], ToolResult("['a\\udcffb']")),
        (ToolResult("see", [FILE]), ToolResult("see", [FILE])),
        (ToolResult({"n": 1}, [FILE]), ToolResult('{"n":1}', [FILE])),
    ],
)
async def test_a_result_is_told_as_text(
    threads: Threads, value: object, result: ToolResult, asynchronous: bool
) -> None:
    async def later() -> object:
        return value

    tool = Tool(later) if asynchronous else Tool(lambda: value, name="now")
    told = await tool.invoke({}, threads)
    assert told == result
    told.content.encode()
    if value == result:
        assert told is value


async def test_bytes_that_are_no_text_are_refused(threads: Threads) -> None:
    with pytest.raises(ToolError, match=r"returned 2 bytes that are no text.*Attachment"):
        await Tool(lambda: b"\xff\xfe", name="raw").invoke({}, threads)


async def test_wrong_arguments_do_not_reach_the_function(threads: Threads) -> None:
    @Tool
    def search(query: Annotated[str, "What"], most: int = 3, kind: Literal["a", "b"] = "a") -> None:
        pytest.fail("it was called")

    with pytest.raises(ToolError) as caught:
        await search.invoke({"quary": "x", "most": "many", "kind": "c"}, threads)
    assert caught.value.tool_name == "search"
    assert caught.value.message == (
        "The arguments are wrong; nothing was done. "
        "There is no parameter `quary`. Did you mean 'query'? "
        "`query` is missing. "
        '`most` is "many": should be a valid integer, unable to parse string as an integer. '
        "`kind` is \"c\": should be 'a' or 'b'."
    )


class Odd(BaseException):
    pass


def in_each_way(error: BaseException) -> list[Tool[[], Any]]:
    def fail() -> None:
        raise error

    async def fail_later() -> None:
        raise error

    return [Tool(fail), Tool(fail, in_loop=True), Tool(fail_later, name="fail")]


@pytest.mark.parametrize("way", [0, 1, 2], ids=["thread", "in_loop", "async"])
@pytest.mark.parametrize("seconds", [None, 5])
class TestWhatAFunctionRaises:
    @pytest.mark.parametrize("error", [ValueError("no"), TimeoutError("mine"), ToolError("t", "x")])
    async def test_an_exception_comes_as_it_is(
        self, threads: Threads, error: Exception, way: int, seconds: float | None
    ) -> None:
        tool = Tool(in_each_way(error)[way].function, in_loop=way == 1, timeout=seconds)
        with pytest.raises(type(error)) as caught:
            await tool.invoke({}, threads)
        assert caught.value is error

    @pytest.mark.parametrize(
        ("error", "told"),
        [(SystemExit(3), "fail raised SystemExit: 3"), (Odd(), "fail raised Odd")],
    )
    async def test_the_rest_comes_as_a_tool_error(
        self, threads: Threads, error: BaseException, told: str, way: int, seconds: float | None
    ) -> None:
        tool = Tool(
            in_each_way(error)[way].function, name="fail", in_loop=way == 1, timeout=seconds
        )
        with pytest.raises(ToolError) as caught:
            await tool.invoke({}, threads)
        assert caught.value.message == told
        assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [StopIteration(), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_in_a_thread_nothing_a_function_raises_can_touch_the_loop(
    threads: Threads, error: BaseException
) -> None:
    with pytest.raises(ToolError, match=f"raised {type(error).__name__}"):
        await in_each_way(error)[0].invoke({}, threads)


async def test_stop_iteration_is_told_in_the_loop_too(threads: Threads) -> None:
    with pytest.raises(ToolError, match="raised StopIteration"):
        await in_each_way(StopIteration())[1].invoke({}, threads)


async def test_a_tool_that_takes_too_long_is_given_up(threads: Threads) -> None:
    gate, cancelled = threading.Event(), asyncio.Event()

    @Tool(timeout=0.01)
    def stuck() -> None:
        gate.wait(5)

    @Tool(timeout=0.01)
    async def sleepy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    for tool in (stuck, sleepy):
        with pytest.raises(ToolError) as caught:
            await tool.invoke({}, threads)
        assert caught.value.message == f"{tool.name} did not finish within 0.01 s"
    assert cancelled.is_set()
    gate.set()


@pytest.mark.parametrize("tool", [Tool(patient, timeout=5), Tool(plain, timeout=5)])
async def test_a_tool_in_time_is_not_disturbed(threads: Threads, tool: Tool[..., Any]) -> None:
    assert await tool.invoke({"n": 1}, threads) == ToolResult("x")


@pytest.mark.parametrize("seconds", [None, 5])
async def test_cancelling_the_caller_is_no_error_of_the_tool(
    threads: Threads, seconds: float | None
) -> None:
    begun, gate = threading.Event(), threading.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    def stuck() -> None:
        begun.set()
        gate.wait(5)

    for function in (forever, stuck):
        begun.clear()
        task = asyncio.ensure_future(Tool(function, timeout=seconds).invoke({}, threads))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gate.set()


def test_importing_and_making_tools_does_not_load_pydantic() -> None:
    script = """
import sys
from agentouto.tool import Tool
@Tool
def look(where: str) -> str:
    "Look."
    return where
@Tool
def count(words: dict[str, int]) -> int:
    "Count."
    return len(words)
look.spec
heavy = {"pydantic", "pydantic_core", "docstring_parser"} & set(sys.modules)
count.spec
print(sorted(heavy), "pydantic" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == ("[] True\n", "")


@Tool(timeout=7)
def pickled(word: str) -> str:
    """Look up."""
    return word


def _undecorated(word: str) -> str:
    return word


renamed = Tool(_undecorated, name="other", description="Another.")
again = Tool(pickled, name="again")


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_tool_is_pickled_by_its_name_or_by_its_function(protocol: int) -> None:
    def trip(tool: Tool[..., object]) -> Tool[..., object]:
        return pickle.loads(pickle.dumps(tool, protocol))

    assert trip(pickled) is pickled
    for tool in (renamed, again):
        copy = trip(tool)
        assert (copy.name, copy.description, copy.timeout) == (
            tool.name,
            tool.description,
            tool.timeout,
        )
        assert copy("x") == "x"


def test_a_team_is_pickled_with_its_tools() -> None:
    team = Team([Agent("clerk", "You look up.", "any", "openai")], [pickled, renamed])
    copy = pickle.loads(pickle.dumps(team))
    assert [agent.name for agent in copy.agents] == ["clerk"]
    assert [tool.name for tool in copy.tools] == ["pickled", "other"]
