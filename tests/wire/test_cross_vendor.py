"""Agents of four vendors work together, and no vendor is ever sent what it could not have made."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentouto import (
    Agent,
    Attachment,
    Message,
    Provider,
    ProviderError,
    RunResult,
    Tool,
    ToolResult,
    async_run,
)
from wire.conversations import PNG, came, own, told
from wire.dialects import DIALECTS, Call, Dialect, Thought, Words, seal
from wire.vendors import NAMES, Vendors, blind, shown, trading

KINDS = {
    "claude": ("anthropic", "claude-opus-5-5", "claude-sonnet-5-5"),
    "chat": ("openai", "m", "m2"),
    "gpt": ("openai_responses", "gpt-6-sol", "gpt-6-luna"),
    "gemini": ("google", "gemini-3.8-flash", "gemini-3.7-flash"),
}
CHAINS, LENGTH = 20, 10


@Tool
async def look(what: str) -> str:
    """Look at a thing."""
    return f"{what} is green"


@Tool
async def photo() -> ToolResult:
    """Take a photo."""
    return ToolResult("Here.", [Attachment("image/png", data=PNG.data)])


@Tool
async def fail() -> str:
    """Fail."""
    raise RuntimeError("boom")


def team(url: str, run: str) -> list[Agent]:
    """One agent of each vendor; each falls back on its vendor's other model, then on others."""
    address = f"{url}/{run}"
    inc = {name: Provider(f"{name} inc", KINDS[name][0], "k", address) for name in NAMES}
    first = [(inc[name], KINDS[name][1]) for name in NAMES]
    other = [(inc[name], KINDS[name][2]) for name in NAMES]
    return [
        Agent(
            name,
            "Work with the others.",
            first[place][1],
            inc[name],
            reasoning=True,
            fallback=[other[place], *first[place + 1 :], *first, *other],
        )
        for place, name in enumerate(NAMES)
    ]


async def one_after_the_other(vendors: Vendors, chain: int) -> list[RunResult]:
    """Make runs of which each goes on from the one before; one that fails ends the chain."""
    results: list[RunResult] = []
    history: list[Message] = []
    for number in range(LENGTH):
        agents = team(vendors.url, f"{chain}.{number}")
        starting = [agents[(chain + number) % 4], agents[(chain + 2 * number + 1) % 4]]
        try:
            result = await async_run(
                f"Go {number}.",
                starting[: 1 + number % 2],
                [look, photo, fail],
                run_agents=agents,
                history=history[-8:],
            )
        except ProviderError:
            break
        results.append(result)
        history += result.messages
    return results


async def test_no_request_is_invalid_whoever_works_with_whom() -> None:
    async with trading() as vendors, asyncio.TaskGroup() as group:
        chains = [group.create_task(one_after_the_other(vendors, n)) for n in range(CHAINS)]
    assert vendors.invalid == []
    results = [result for chain in chains for result in chain.result()]
    assert len(results) == CHAINS * LENGTH
    assert sum("News" in message.content for each in results for message in each.messages) > 30
    seen = vendors.happened
    for what in ("own", "foreign", "broke", "call_agent", "spawn_background_agent", "send_message"):
        assert seen[what] > 50, seen


# The vendors are strict ---------------------------------------------------------------------------

STEPS = [
    "Hi",
    own(Thought("hm", seal("SEAL 1")), Words("Wait."), Call("call_A"), Call("call_B")),
    came("one", "two"),
]


def spoiled(body: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    text = json.dumps(body)
    assert old in text
    return json.loads(text.replace(old, new))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_the_vendors_see_every_change(dialect: Dialect) -> None:
    vendors = Vendors()
    said = STEPS[1].said  # type: ignore[union-attr]
    asked = dialect.body(told(STEPS[:1], dialect))
    _, point = vendors._broken_seals(dialect, dialect.model, asked)
    vendors.said[point] = [shown(blind(dialect.kept(said)))]
    body = dialect.body(told(STEPS, dialect))
    assert vendors.objections(dialect, dialect.model, body) == []
    for old, new in (
        (seal("SEAL 1"), seal("SEAL 2")),
        (seal("SEAL 1"), ""),
        ('"hm"', '"hmm"'),
        ("Wait.", "Wait!"),
        ('"Hi"', '"Ho"'),
    ):
        assert vendors.objections(dialect, dialect.model, spoiled(body, old, new)), (old, new)
    assert vendors.objections(dialect, "another model", body)
    assert Vendors().objections(dialect, dialect.model, body)
    for other in DIALECTS.values():
        if other is not dialect:
            foreign = other.body(told(STEPS, other))
            assert vendors.objections(other, other.model, foreign)
