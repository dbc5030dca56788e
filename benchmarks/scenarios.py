"""The scenarios, written once for all contenders. Each returns figures by name.

CPU time is that of this process with all its threads; memory is the resident memory of the process.
The tools record the CPU time of each use, so that the cost of a turn can be measured without hooks.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from contenders import Contender

Figures = dict[str, float]
MARKS: list[int] = []


async def work(i: int) -> str:  # noqa: ARG001
    """Do one unit of work."""
    MARKS.append(time.process_time_ns())
    return "ok"


async def write(i: int) -> str:  # noqa: ARG001
    """Write a page."""
    MARKS.append(time.process_time_ns())
    return "many words " * 91


def nap(i: int) -> str:  # noqa: ARG001
    """Sleep for a while."""
    time.sleep(0.2)
    return "ok"


def memory(which: str) -> int:
    """Return ``VmRSS`` or ``VmHWM`` of this process in KB."""
    with Path("/proc/self/status").open() as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith(which)), 0)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def stats(url: str, *, reset: bool = False) -> dict[str, int]:
    with urlopen(f"{url}/_stats{'?reset' if reset else ''}") as answer:  # noqa: S310
        return json.load(answer)


class Meter:
    """Measures what happens inside, and sees to it that so many requests were made."""

    def __init__(self, who: Contender, requests: int) -> None:
        self._who = who
        self._expected = requests
        self.figures: Figures = {}

    def __enter__(self) -> Self:
        gc.collect()
        MARKS.clear()
        stats(self._who.stats_url, reset=True)
        self._resting = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # begin anew with the peak
        self._began, self._used = time.perf_counter(), cpu()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        used, took = cpu() - self._used, time.perf_counter() - self._began
        peak = memory("VmHWM")
        if kind is not None:
            return
        seen = stats(self._who.stats_url)
        assert seen["requests"] == self._expected, f"{seen['requests']} requests were made"
        self.figures |= {"cpu_s": used, "wall_s": took, "grown_kb": peak - self._resting}
        self.figures |= {"inflight": seen["most_inflight"], "bytes": seen["bytes_in"]}
        self.figures |= {"handshakes": seen["handshakes"], "resumed": seen["resumed"]}

    def per(self, number: int, name: str) -> Figures:
        """Return the figures, with the CPU time for each of ``number`` in microseconds."""
        return {**self.figures, name: self.figures["cpu_s"] / number * 1e6}


def check(answer: str) -> None:
    assert "all done" in answer, f"unexpected answer: {answer:.200}"


def turns(first: int, last: int) -> float:
    """Return the median CPU time of the turns from ``first`` to ``last`` in microseconds."""
    marks = MARKS[first : last + 1]
    return statistics.median(b - a for a, b in pairwise(marks)) / 1000


async def long_loop(who: Contender, number: int) -> Meter:
    agent = who.agent("solo", [work])
    check(await who.run(agent, who.directive("loop", turns=3)))
    with Meter(who, number + 1) as meter:
        check(await who.run(agent, who.directive("loop", turns=number)))
    assert len(MARKS) == number
    return meter


async def s2(who: Contender) -> Figures:
    """A conversation of 200 turns with one tool call each."""
    return (await long_loop(who, 200)).per(201, "us")


async def s3(who: Contender) -> Figures:
    """A reply with 32 tool calls, 20 times."""
    agent = who.agent("solo", [work])
    prompt = who.directive("loop", turns=1, par=32)
    check(await who.run(agent, prompt))
    with Meter(who, 40) as meter:
        for _ in range(20):
            check(await who.run(agent, prompt))
    return meter.per(20 * 32, "us")


async def fan(who: Contender, number: int) -> Figures:
    """One agent calls another so many times at once; every answer takes 100 ms."""
    boss = who.agent("boss", [], [who.agent("w")])
    check(await who.run(boss, who.directive("fan", k=2, a="w")))
    with Meter(who, number + 2) as meter:
        check(await who.run(boss, who.directive("fan", k=number, a="w", lat=100, sublat=100)))
    figures = meter.per(number, "us")
    return {**figures, "kb": figures["grown_kb"] / number}


async def s4_100(who: Contender) -> Figures:
    return await fan(who, 100)


async def s4_1000(who: Contender) -> Figures:
    return await fan(who, 1000)


async def s5(who: Contender) -> Figures:
    """A chain of 50 agents that call each other, five times."""
    top = None
    for place in range(51):
        top = who.agent(f"c{place}", [], [top] if top is not None else [])
    prompt = who.directive("chain", d=50, a="c#")
    check(await who.run(top, prompt))
    with Meter(who, 5 * 101) as meter:
        for _ in range(5):
            check(await who.run(top, prompt))
    return meter.per(5 * 50, "us")


async def s6(who: Contender) -> Figures:
    """A reply of 2,000 tokens all at once, three times."""
    agent = who.agent("solo")
    heard: list[str] = []
    await who.stream(agent, who.directive("stream", n=50), heard.append)
    heard.clear()
    with Meter(who, 3) as meter:
        for _ in range(3):
            await who.stream(agent, who.directive("stream", n=2000), heard.append)
    words = re.findall(r"\d+", "".join(heard))  # a run of ours also tells the words of its return
    assert len(words) == 3 * 2000
    return meter.per(3 * 2000, "us")


async def s6_paced(who: Contender) -> Figures:
    """A reply of 2,000 tokens, one every millisecond: how much later they are heard."""
    agent = who.agent("solo")
    late: list[float] = []

    def hear(text: str) -> None:
        now = time.monotonic_ns()
        late.extend((now - int(word)) / 1000 for word in re.findall(r"\d+", text))

    await who.stream(agent, who.directive("stream", n=50, gap=1), hear)
    late.clear()
    with Meter(who, 1) as meter:
        await who.stream(agent, who.directive("stream", n=2000, gap=1), hear)
    assert len(late) == 2000
    late.sort()
    return {**meter.per(2000, "us"), "p50_us": late[1000], "p99_us": late[1980]}


async def s6_finish(who: Contender) -> Figures:
    """A return of 500 words, one every millisecond: how much later a reader has them."""
    agent = who.agent("solo")
    late: list[float] = []

    def hear(text: str) -> None:
        now = time.monotonic_ns()
        late.extend((now - int(word)) / 1e6 for word in re.findall(r"\d+", text))

    await who.drafts(agent, who.directive("write", n=50, gap=1), hear)
    late.clear()
    with Meter(who, 1) as meter:
        await who.drafts(agent, who.directive("write", n=500, gap=1), hear)
    assert len(late) == 500
    if who.kind == "google":  # its calls come whole: the last word is written when it is sent
        late = late[-1:]
    return {**meter.figures, "most_late_ms": max(late)}


async def s7(who: Contender) -> Figures:
    """A thousand runs of two requests at once; every answer takes 50 ms."""
    agent = who.agent("solo", [work])
    await who.run(agent, who.directive("loop", turns=1))
    prompt = who.directive("loop", turns=1, lat=50)
    with Meter(who, 2000) as meter:
        answers = await asyncio.gather(*[who.run(agent, prompt) for _ in range(1000)])
    for answer in answers:
        check(answer)
    figures = meter.per(1000, "us")
    return {**figures, "kb": figures["grown_kb"] / 1000}


async def s8(who: Contender) -> Figures:
    """A conversation of 1,000 turns: turn 1,000 beside turn 100."""
    meter = await long_loop(who, 1000)
    early, late = turns(75, 125), turns(950, 999)
    return {**meter.figures, "early_us": early, "late_us": late, "growth": late / early}


async def s9(who: Contender) -> Figures:
    """Eight plain tools at once that sleep for 200 ms, beside a heart that should go on beating."""
    agent = who.agent("solo", [nap])
    check(await who.run(agent, who.directive("text")))
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    with Meter(who, 2) as meter:
        heart = asyncio.create_task(beat())
        await asyncio.sleep(0)
        check(await who.run(agent, who.directive("loop", turns=1, par=8, tool="nap")))
        heart.cancel()
    return {**meter.figures, "gap_ms": longest * 1000}


async def s10_first(who: Contender) -> Figures:
    """A thousand first requests at once; they are answered when all are there."""
    agent = who.agent("solo")
    check(await who.run(agent, who.directive("text")))
    prompt = who.directive("text", crowd=1000)
    with Meter(who, 1000) as meter:
        answers = await asyncio.gather(*[who.run(agent, prompt) for _ in range(1000)])
    for answer in answers:
        check(answer)
    figures = meter.per(1000, "us")
    return {**figures, "kb": figures["grown_kb"] / 1000}


async def s10_waves(who: Contender) -> Figures:
    """A thousand requests in ten waves; each begins when the one before it has ended."""
    agent = who.agent("solo")
    check(await who.run(agent, who.directive("text")))
    prompt = who.directive("text", crowd=100)
    with Meter(who, 1000) as meter:
        for _ in range(10):
            for answer in await asyncio.gather(*[who.run(agent, prompt) for _ in range(100)]):
                check(answer)
    return meter.per(1000, "us")


async def s11_serve(who: Contender) -> Figures:
    """A hundred requests at once to a team that is served as a model; every answer takes 50 ms."""

    async def asked(number: int) -> None:
        command = [sys.executable, Path(__file__).with_name("asking.py"), url, str(number)]
        client = await asyncio.create_subprocess_exec(*command, who.directive("text", lat=50))
        assert await client.wait() == 0

    async with who.served(who.agent("solo")) as url:
        await asked(10)
        with Meter(who, 100) as meter:
            await asked(100)
    return {**meter.figures, "ms": meter.figures["cpu_s"] / 100 * 1e3}


async def growth(who: Contender, how: str, number: int) -> Figures:
    """An odd reply, and one that is four times as long: linear work takes four times as long."""
    agent = who.agent("solo", [work])

    async def cost(number: int) -> float:
        taken: list[float] = []
        for _ in range(3):
            gc.collect()
            used = cpu()
            check(await who.run(agent, who.directive("odd", how=how, n=number)))
            taken.append(cpu() - used)
        return min(taken)

    await cost(10)
    small, large = await cost(number), await cost(4 * number)
    return {"growth": large / small, "ms": large * 1000}


async def s13_unnumbered(who: Contender) -> Figures:
    """Two and eight thousand tool calls without an index."""
    return await growth(who, "unnumbered", 2000)


async def s13_pieces(who: Contender) -> Figures:
    """A tool call in 5,000 and 20,000 pieces."""
    return await growth(who, "pieces", 5000)


async def s13_comments(who: Contender) -> Figures:
    """Fifty and two hundred thousand comments before an answer."""
    return await growth(who, "comments", 50_000)


async def s13_open(who: Contender) -> Figures:
    """A reply without ``[DONE]`` whose connection stays open: when the run returns."""
    agent = who.agent("solo")
    prompt = who.directive("odd", how="open")
    check(await who.run(agent, prompt))
    took: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        check(await who.run(agent, prompt))
        took.append(time.perf_counter() - began)
    return {"ms": statistics.median(took) * 1000}


SCENARIOS: dict[str, Callable[[Contender], Awaitable[Figures]]] = {
    "S2": s2,
    "S3": s3,
    "S4_100": s4_100,
    "S4_1000": s4_1000,
    "S5": s5,
    "S6": s6,
    "S6_paced": s6_paced,
    "S6_finish": s6_finish,
    "S7": s7,
    "S8": s8,
    "S9": s9,
    "S10_first": s10_first,
    "S10_first_uvloop": s10_first,
    "S10_waves": s10_waves,
    "S10_turn": s2,
    "S11_serve": s11_serve,
    "S13_unnumbered": s13_unnumbered,
    "S13_pieces": s13_pieces,
    "S13_comments": s13_comments,
    "S13_open": s13_open,
}


async def measured(who: Contender, name: str) -> dict[str, Any]:
    await who.setup()
    try:
        return await SCENARIOS[name](who)
    finally:
        await who.close()
