"""A real model on a real server: llama.cpp, with a model that is small enough for any machine.

It answers nonsense now and then, so these tests look at what the package does with its answers. It
has not learned to call tools, and its chat template leaves them out; ``tools.jinja`` has them.
``python3 dev.py real-model`` runs the tests and shows what was said.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from agentouto import (
    Agent,
    AgentError,
    LimitReached,
    Limits,
    Message,
    Provider,
    Retry,
    RunStream,
    Tool,
    async_run,
    async_run_stream,
)
from agentouto.exceptions import ProtocolViolation, ProviderUnavailable
from children import PIPE, child

pytest.importorskip("xllamacpp", reason="python3 dev.py real-model has a server and a model")

pytestmark = pytest.mark.timeout(900)

ROOMY = 4096
SMALL = 1536
"""Tokens that a server's window has: enough for all that is asked here; less than a history."""

PATIENCE = 600
"""Seconds for one run. On a busy machine the model writes a word a second."""


HERE = Path(__file__).parent

TOOL_CALL: Mapping[str, object] = {"tool_choice": "required", "logit_bias": [["<", 4]]}
"""Fields of a request that force a tool call. With ``tool_choice``, llama.cpp's server lets nothing
but a right call follow its first sign, which the template chooses; words may come before it. This
model would write words for ever, so that sign is made likelier."""


@contextmanager
def serving(window: int, *template: str) -> Generator[tuple[str, Callable[[], None]], None, None]:
    """Start a server; yield its address, and what kills it."""
    command = [sys.executable, str(HERE / "llama_server.py"), str(window), *template]
    with child(command, stdout=PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.kill


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(ROOMY) as (address, _):
        yield address


def agent_at(url: str, name: str = "writer", tokens: int = 40, **more: Any) -> Agent:
    provider = Provider("llama", kind="openai", base_url=f"{url}/v1", api_key="none", **more)
    instructions = "You answer in one short sentence."
    return Agent(name, instructions, "smollm2", provider, max_output_tokens=tokens, temperature=0.0)


async def lines_of(stream: RunStream) -> list[dict[str, object]]:
    """Return the lines of a run. So small a model often writes on until it is cut off."""
    lines: list[dict[str, object]] = []
    with suppress(AgentError, LimitReached):
        async for line in stream.lines():
            lines.append(line)  # noqa: PERF401 - what came before the error
    end = lines[-1]
    assert end["status"] == "completed" or end["error"]["code"] in {"output-cut", "limit-reached"}  # type: ignore[index]
    return lines


def show(what: str, seen: object) -> None:
    """Print what was seen; ``pytest -s`` shows it."""
    print(f"\n{what}: {seen!r}")


async def test_a_plain_run_has_an_answer_and_its_tokens(url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        result = await async_run("What is the capital of France?", [agent_at(url)])
    show("plain", result.output)
    assert "Paris" in result.output
    assert result.usage.complete
    assert (result.usage.input_tokens or 0) > 100
    assert (result.usage.output_tokens or 0) > 2


async def test_a_stream_has_the_words_one_by_one(url: str) -> None:
    stream = async_run_stream("What is the capital of France?", [agent_at(url)])
    async with asyncio.timeout(PATIENCE):
        words = [event.data["text"] async for event in stream if event.type == "token"]
        result = await stream.result()
    show("streamed", words)
    assert len(words) > 3
    assert "".join(words).strip() == result.output.strip()


async def test_two_agents_answer_at_once(url: str) -> None:
    agents = [agent_at(url, "writer"), agent_at(url, "critic")]
    async with asyncio.timeout(PATIENCE):
        result = await async_run("What is the capital of France?", agents)
    show("team", result.output)
    assert [output.name for output in result.outputs] == ["writer", "critic"]
    assert all("Paris" in output.text for output in result.outputs)


@dataclass
class City:
    name: str
    country: str


async def test_an_output_type_is_enforced_by_the_server(url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        result = await async_run(
            "Name a city.",
            [agent_at(url, tokens=300)],
            output_type=City,
            limits=Limits(requests=6),
        )
    show("output_type", result.data)
    assert isinstance(result.data, City)
    assert result.data.name


async def test_a_forced_tool_call_is_one_that_the_tool_can_do() -> None:
    painted: list[str] = []

    @Tool
    def paint(colour: Literal["red", "blue"]) -> str:
        """Paint the wall in a colour."""
        painted.append(colour)
        return f"The wall is {colour} now."

    with serving(ROOMY, str(HERE / "tools.jinja")) as (address, _):
        provider = Provider("llama", kind="openai", base_url=f"{address}/v1", api_key="none")
        painter = Agent(
            "painter",
            "You paint walls.",
            "smollm2",
            provider,
            max_output_tokens=200,
            temperature=0.0,
            extra=TOOL_CALL,
        )
        stream = async_run_stream(
            "Paint the wall red.",
            [painter],
            [paint],
            disabled_tools=["call_agent", "spawn_background_agent", "send_message", "get_messages"],
            limits=Limits(requests=3),
        )
        async with asyncio.timeout(PATIENCE):
            lines = await lines_of(stream)
    used = [line for line in lines if line["type"] in {"tool.start", "tool.end"}]
    show("forced tool call", used)
    show("what it returned", lines[-1].get("output", lines[-1].get("error")))
    assert painted[0] in {"red", "blue"}
    first, after = used[0], next(line for line in used if line["type"] == "tool.end")
    assert (first["tool"], first["arguments"]) == ("paint", {"colour": painted[0]})
    assert (after["failed"], after["result"]) == (False, f"The wall is {painted[0]} now.")


async def test_a_history_that_is_too_long_is_summarized_as_the_server_says_its_window() -> None:
    sentence = "The river was wide, and the boat that crossed it in the morning was small. "
    history: list[Message] = []
    for number in range(10):
        text = f"Part {number}. {sentence * 12}"
        history.append(Message("forward", "user", "writer", text, f"c{number}"))
        history.append(Message("return", "writer", "user", "Noted.", f"c{number}"))
    with serving(SMALL) as (address, _):
        stream = async_run_stream("Say yes.", [agent_at(address, tokens=100)], history=history)
        async with asyncio.timeout(PATIENCE):
            lines = await lines_of(stream)
    seen = [line["type"] for line in lines]
    show("overflow", [line for line in lines if line["type"] in {"summarized", "model.end"}])
    assert "summarized" in seen
    assert seen.index("summarized") < len(seen) - 1 - seen[::-1].index("model.end")


async def test_a_cancelled_run_leaves_the_server_free_for_the_next(url: str) -> None:
    agent = agent_at(url, tokens=2_000)
    stream = async_run_stream("Count from one to one thousand, in words.", [agent])
    async with asyncio.timeout(PATIENCE):
        async for event in stream:
            if event.type == "token":
                break
        await stream.aclose()
        began = time.monotonic()
        result = await async_run("What is the capital of France?", [agent_at(url)])
    show("after a cancelled run", (result.output, f"{time.monotonic() - began:.1f} s"))
    assert result.output


async def test_a_server_that_is_killed_in_mid_answer_is_an_error_that_says_so() -> None:
    with serving(ROOMY) as (address, kill):
        agent = agent_at(address, tokens=2_000, retry=Retry(tries=2, seconds=10))
        stream = async_run_stream("Count from one to one thousand, in words.", [agent])

        async def read() -> None:
            async for event in stream:
                if event.type == "token":
                    kill()

        with pytest.raises((ProviderUnavailable, ProtocolViolation)) as caught:
            await asyncio.wait_for(read(), PATIENCE)
    show("killed", caught.value)
    assert caught.value.code in {"provider-unavailable", "protocol"}
    assert caught.value.partial.text
