"""What becomes of a tool or a peer that was at work when the process ended, before and after."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from agentouto import Message, Peer, Tool
from agentouto._domain.event import CallStarted, Event, ToolFinished
from agentouto._domain.kept_event import ToolBegun, ToolInterrupted
from agentouto.testing import call, finish, say, tool
from durable.scenes import LEAD, Scene, Shelf, World, play, provider

TOLD = "Whether it has done what it was asked is unknown"


def scene_of(on_restart: Any, *, yes: bool | None = True) -> Scene:
    def scene(world: World) -> tuple[Sequence[Any], Mapping[str, Any]]:
        async def book(what: str) -> str:
            return world.do(what)

        policy = world.look if on_restart == "look" else on_restart
        lines = {
            "lead": [tool("book", what="seat"), lambda request: say(request.outcomes[0].content)]
        }
        options = {} if yes is None else {"approve": lambda approval: yes}
        return ([LEAD], [Tool(book, on_restart=policy)], [provider(lines)]), options

    return scene


def up_to(events: Sequence[Event], kind: type[Event]) -> list[Event]:
    return list(events[: 1 + next(n for n, event in enumerate(events) if isinstance(event, kind))])


@pytest.mark.parametrize("happened", [False, True])
@pytest.mark.parametrize(
    ("on_restart", "yes", "effects", "told"),
    [
        ("report", None, (0, 1), True),
        ("run", None, (1, 2), False),
        ("ask", True, (1, 2), False),
        ("ask", False, (0, 1), True),
        ("ask", None, (0, 1), True),
        ("look", None, (1, 1), False),
    ],
)
async def test_a_tool_that_was_at_work_is_settled_as_it_says(
    on_restart: str,
    yes: bool | None,
    effects: tuple[int, int],
    told: bool,
    happened: bool,
    shelf: Shelf,
) -> None:
    scene = scene_of(on_restart, yes=yes)
    whole = await play(scene)
    begun = ToolBegun
    events = up_to(whole.events, begun) if on_restart != "run" else whole.events[:6]
    again = await play(scene, events, ["seat"] if happened else [], shelf)
    assert len(again.world.done) == effects[happened]
    assert (TOLD in str(again.outcome)) is told
    (settled,) = [event for event in again.events if isinstance(event, ToolInterrupted)]
    assert settled.policy == ("check" if on_restart == "look" else on_restart)


async def test_an_outcome_that_is_on_record_stands_and_asks_nothing() -> None:
    whole = await play(scene_of("report"))
    again = await play(scene_of("report"), up_to(whole.events, ToolFinished), ["seat"])
    assert again.outcome == whole.outcome
    assert again.world.done == ["seat"]


def peers(person: bool, on_restart: Any = None) -> Scene:
    def scene(world: World) -> tuple[Sequence[Any], Mapping[str, Any]]:
        def answer(message: Message) -> str:
            return world.do(message.call_id)

        clerk = Peer("clerk", "Answers.", answer, person=person, on_restart=on_restart)
        lines = {
            "lead": [call("clerk", "Well?"), lambda request: finish(request.outcomes[0].content)]
        }
        return ([LEAD], [], [provider(lines)]), {"run_agents": [LEAD, clerk]}

    return scene


async def test_a_person_is_asked_again_under_the_same_id_and_of_a_peer_the_caller_is_told() -> None:
    for person, count in ((True, 1), (False, 0)):
        whole = await play(peers(person))
        started = [n for n, event in enumerate(whole.events) if isinstance(event, CallStarted)][1]
        cut = started + (1 if person else 2)
        again = await play(peers(person), whole.events[:cut])
        assert again.world.done == whole.world.done * count
        assert (TOLD in str(again.outcome)) is not person
