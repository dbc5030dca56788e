"""A reply is on record at its last piece, whatever the connection does after that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from agentouto import Agent, Provider, async_run
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Stop, Usage
from agentouto._domain.delta import Delta, StopDelta, TextDelta, UsageDelta
from agentouto._domain.errors import ProviderUnavailable
from agentouto._domain.event import Broken, Event, Replied
from agentouto._domain.ports import ModelRequest
from agentouto._engine.plan import Plan
from agentouto._engine.run import Run
from wire.server import hangs, serving
from wire.words import chunk, event

ANSWER: tuple[Delta, ...] = (TextDelta("Hi"), UsageDelta(Usage(1, 1)), StopDelta(Stop.COMPLETE))


class Lingering:
    """A backend that goes on after its reply is complete."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.goes_on = asyncio.Event()
        self.may_end = asyncio.Event()
        self._failure = failure

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta], None]:
        assert request.admit is not None
        async with request.admit():
            yield ANSWER
            self.goes_on.set()
            await self.may_end.wait()
        if self._failure is not None:
            raise self._failure

    def window(self, agent: Agent) -> int | None:
        return None

    async def find_window(self, agent: Agent) -> None: ...


def run_with(backend: Lingering) -> Run:
    agent = Agent("writer", "You write.", "m", "p")
    plan = Plan(
        message="Go.",
        starting=(agent,),
        participants={"writer": agent},
        backends={"p": backend},
        tools={},
    )
    return Run(plan, "r", SYSTEM_CLOCK)


def kinds(run: Run, *wanted: type[Event]) -> list[type[Event]]:
    return [type(event) for event in run.log.events if isinstance(event, wanted)]


async def test_a_reply_is_on_record_before_its_connection_has_ended() -> None:
    backend = Lingering()
    run = run_with(backend)
    task = asyncio.create_task(run.execute())
    await backend.goes_on.wait()
    assert kinds(run, Replied, Broken) == [Replied]
    backend.may_end.set()
    assert (await task).output == "Hi"
    assert kinds(run, Replied, Broken) == [Replied]


async def test_a_connection_that_fails_after_the_reply_is_no_failure() -> None:
    backend = Lingering(ProviderUnavailable("p", "the connection broke"))
    backend.may_end.set()
    run = run_with(backend)
    assert (await run.execute()).output == "Hi"
    assert kinds(run, Replied, Broken) == [Replied]


async def test_a_call_that_is_cancelled_after_the_reply_has_its_reply() -> None:
    backend = Lingering()
    run = run_with(backend)
    task = asyncio.create_task(run.execute())
    await backend.goes_on.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kinds(run, Replied, Broken) == [Replied]


async def test_a_chat_answer_with_finish_reason_and_usage_is_over_without_done() -> None:
    used: dict[str, object] = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    blocks = (event(chunk({"content": "Hi"})), event(chunk({}, "stop")), event(used))
    async with serving(hangs(*blocks)) as server:
        provider = Provider("local", kind="openai", base_url=server.url)
        result = await async_run("Go.", [Agent("writer", "You write.", "m", provider)])
    last = next(fact for fact in result.facts if isinstance(fact, Replied))
    assert result.output == "Hi"
    assert last.reply.usage == Usage(1, 1)
