"""A saved run is what happened, and a fork of it does again only what comes after its cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agentouto import AgentoutoError, Journal
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.event import Replied
from agentouto._domain.memory import Memory
from agentouto._engine.run import Run
from agentouto._engine.run_lines import RunLines
from agentouto._options import make_plan
from durable.scenes import RUN, SCENES, Scene, World, deep

PIECES = {"token", "thinking", "draft", "text", "tool.progress"}
"""Types of lines that are no facts: a live reader gets more of them than one that comes later."""


async def kept(scene: Scene, place: str, run_id: str = RUN) -> tuple[World, list[dict[str, Any]]]:
    """Play a scene in a journal; return its effects, and its lines as a live reader gets them."""
    world = World()
    given, options = scene(world)
    every: Any = dict(options)
    plan = make_plan("run", ("Go.", *given), every, Memory())
    durable = Journal(place).open_run(run_id, plan, accept_changes=False)
    world.run = run = Run(plan, run_id, SYSTEM_CLOCK, reachable=True, durable=durable)

    async def read() -> list[dict[str, Any]]:
        return [line async for line in RunLines(run.log, 0)]

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)  # it waits for the first line
    try:
        await run.execute()
    except AgentoutoError:
        pass  # some scenes fail
    finally:
        run.log.close()
    return world, await reader


def facts(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of facts, without the numbers that pieces take part in."""
    return [
        {name: value for name, value in line.items() if name != "part"}
        for line in lines
        if line["type"] not in PIECES
    ]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_a_saved_run_has_the_lines_that_a_live_reader_got(scene: Scene, place: str) -> None:
    world, live = await kept(scene, place)
    effects = list(world.done)
    saved = Journal(place)[RUN].lines()
    assert facts(saved) == facts(live)
    assert len(facts(saved)) > 5
    assert {line["type"] for line in saved} - {line["type"] for line in live} <= {"token"}
    assert world.done == effects


async def test_a_fork_before_a_turn_of_a_peer_two_deep_does_nothing_that_was_before_it(
    place: str,
) -> None:
    world, _ = await kept(deep, place)
    assert world.done == ["one", "two", "lead"]
    journal = Journal(place)
    before = journal[RUN].lines()
    (helper,) = (call for call in journal[RUN].calls if call.name == "helper")
    assert helper.path.count("/") == 2
    assert helper.turns == 2

    fork = journal[RUN].fork(before=(helper.id, 1), run_id="again")
    assert fork.status == "interrupted"
    known = len(fork.lines())
    again, _ = await kept(deep, place, "again")
    assert again.done == ["lead"]
    assert again.run is not None
    replies = [
        (event.stamp.agent_name, event.turn)
        for event in again.run.log.events
        if isinstance(event, Replied)
    ]
    assert len(replies) == 8
    assert replies[-4:] == [("helper", 1), ("writer", 2), ("lead", 1), ("lead", 2)]
    resumed = next(line for line in journal["again"].lines() if line["type"] == "run.resumed")
    assert (resumed["turns"], known > 0) == (4, True)
    assert journal["again"].result().output == journal[RUN].result().output == "all done"
    assert journal[RUN].lines() == before
