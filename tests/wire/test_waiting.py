"""What waits for a model is looked at by one timer, and leaves nothing behind when it has ended."""

from __future__ import annotations

import asyncio
import gc

from agentouto import Agent, Provider, async_run
from agentouto.providers._transport.ticker import Ticker
from wire.test_http import OwnLoop


class Waiting:
    """Notes that it is looked at, and says how often it wants to be."""

    def __init__(self, *pauses: float) -> None:
        self.pauses = list(pauses)
        self.over = asyncio.Event()

    def look(self) -> float | None:
        if self.pauses:
            return asyncio.get_running_loop().time() + self.pauses.pop(0)
        self.over.set()
        return None


async def test_all_that_waits_is_looked_at_and_each_as_often_as_it_says() -> None:
    ticker = Ticker()
    often, once = Waiting(0.001, 0.001, 0.001), Waiting()
    ticker.add(often, ticker.loop.time())
    ticker.add(once, ticker.loop.time())
    await once.over.wait()
    await often.over.wait()
    assert often.pauses == []


async def test_who_comes_later_and_waits_less_is_not_kept_waiting() -> None:
    ticker = Ticker()
    patient, hasty = Waiting(1_000), Waiting()
    ticker.add(patient, ticker.loop.time() + 1_000)
    ticker.add(hasty, ticker.loop.time() + 0.001)
    await hasty.over.wait()
    assert not patient.over.is_set()


async def test_what_waits_no_more_is_not_looked_at() -> None:
    ticker = Ticker()
    gone, there = Waiting(), Waiting()
    ticker.add(gone, ticker.loop.time())
    ticker.add(there, ticker.loop.time())
    ticker.remove(gone)
    await there.over.wait()
    assert not gone.over.is_set()


def test_a_run_over_http_leaves_no_work_to_the_garbage_collector() -> None:
    async def main(url: str) -> list[object]:
        agent = Agent("solo", "You help.", "m", Provider("p", kind="openai", base_url=url))
        await async_run("Hello.", [agent])  # opens the connection, which stays
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await async_run("Hello.", [agent])
            gc.collect()
            return [one for one in gc.garbage if type(one).__module__.startswith("agentouto")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    with OwnLoop() as server:
        assert asyncio.run(main(server.url)) == []
