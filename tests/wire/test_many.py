"""A thousand peers who write to each other and are cancelled at random: nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress
from random import Random

from agentouto import (
    Agent,
    Cancelled,
    Provider,
    Receipt,
    RoutingError,
    Tool,
    cancel,
    run,
    run_background,
    send_message,
)
from agentouto._domain.content import Entry
from agentouto._domain.event import MessagePosted, MessageRead, MessageReturned
from agentouto.testing import Request, Script, Turn, finish, say, tool
from wire.dialects import DIALECTS

PEERS = 1_000
MESSAGES = 20_000


def peers(script: Script, **settings: int) -> list[Agent]:
    provider = Provider("scripted", kind="script", script=script)
    return [Agent(name, f"You are {name}.", "m", provider, **settings) for name in ("a", "b")]


def complaints(entries: tuple[Entry, ...]) -> list[str]:
    """Return what any of the vendors would have against a transcript."""
    return [
        f"{dialect.name}: {complaint}"
        for dialect in DIALECTS.values()
        for complaint in dialect.complaints(dialect.body(entries))
    ]


async def test_every_message_among_a_thousand_peers_has_an_end() -> None:
    rng = Random(7)  # noqa: S311
    ready = asyncio.Event()
    addresses: list[str] = []
    faults: list[str] = []

    @Tool
    async def until_ready() -> str:
        """Wait for the others."""
        await ready.wait()
        return ""

    @Tool
    def plain() -> str:
        """Do something in a thread."""
        return "ok"

    def letters(request: Request) -> Turn:
        needed_downloads = [
            tool("send_message", task_id=rng.choice(addresses), message=f"{request.call_id} {n}")
            for n in range(10)
        ]
        return (
            Turn(*needed_downloads, tool("plain"))
            if rng.random() < 0.05
            else Turn(*needed_downloads)
        )

    def peer(request: Request) -> object:
        if request.turn and rng.random() < 0.03:
            faults.extend(complaints(request.entries))
        if request.turn == 0:
            addresses.append(request.call_id)
            if len(addresses) == PEERS:
                ready.set()
            return tool("until_ready")
        return letters(request) if request.turn < 3 else finish("done")

    starts = Turn(
        *(tool("spawn_background_agent", agent_name="b", message=str(n)) for n in range(PEERS))
    )
    script = Script({"a": [starts, finish("started")], "b": peer})
    agents = peers(script)
    before = asyncio.all_tasks()
    task = run_background("Go.", agents[:1], [until_ready, plain], run_agents=agents)
    await ready.wait()
    receipts: list[Receipt] = []
    refused = 0
    for number in range(MESSAGES // 20):
        await asyncio.sleep(0)
        try:
            receipts.append(send_message(rng.choice(addresses), f"user {number}"))
        except RoutingError:
            refused += 1
        if number % 4 == 0:
            cancel(rng.choice(addresses), "at random")
    result = await task.wait()
    assert result.output == "started"
    assert faults == []

    posted = {e.message.call_id for e in result.facts if isinstance(e, MessagePosted)}
    read = [e.message.call_id for e in result.facts if isinstance(e, MessageRead)]
    returned = [e.message.call_id for e in result.facts if isinstance(e, MessageReturned)]
    assert len(posted) > MESSAGES / 2  # to the others nobody read any more
    assert returned
    assert sorted([*read, *returned]) == sorted(posted)
    assert {receipt.status.value for receipt in receipts} <= {"read", "returned"}
    assert len(receipts) + refused == MESSAGES // 20
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name.startswith("agentouto-tool")]


async def test_cancelling_in_the_middle_of_all_that_leaves_nothing_behind() -> None:
    @Tool
    async def hold() -> str:
        """Hold."""
        await asyncio.sleep(60)
        return ""

    first = Turn(
        *(tool("spawn_background_agent", agent_name="b", message=str(n)) for n in range(PEERS))
    )
    script = Script({"a": [first, tool("hold")], "b": [tool("hold")]})
    agents = peers(script)
    before = asyncio.all_tasks()
    task = run_background("Go.", agents[:1], [hold], run_agents=agents)
    while len(script.requests) < PEERS + 2:
        await asyncio.sleep(0.005)
    receipts = [send_message(r.call_id, "hello") for r in script.requests[2:]]
    began = asyncio.get_running_loop().time()
    task.cancel("enough")
    with suppress(Cancelled):
        await task.wait()
    assert asyncio.get_running_loop().time() - began < 20
    assert {receipt.status.value for receipt in receipts} == {"returned"}
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


def test_what_is_left_of_a_long_transcript_is_valid_everywhere() -> None:
    @Tool
    def look(at: int) -> str:
        """Look at something."""
        return f"{at}: " + "x" * (30_000 if at % 7 == 0 else 300)

    seen: list[tuple[Entry, ...]] = []

    def working(request: Request) -> object:
        if request.turn % 3 == 0:
            seen.append(request.entries)
        return (
            finish("done")
            if request.turn == 90
            else (say("y" * 900), tool("look", at=request.turn))
        )

    result = run("Go.", peers(Script(working), context_window=8_000)[:1], [look])
    assert sum(event.type == "summarized" for event in result.events) > 2
    assert [complaint for entries in seen for complaint in complaints(entries)] == []
