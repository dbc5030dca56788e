"""What each layer costs that a run can do without: more than the same run costs without it.

Models are scripts in this process, so that what is measured is the layer. The ways to do the work
take turns in one process, many times, because a load that changes then changes all of them, and
medians repeat. CPU time is that of this process with all its threads; a remote call is counted at
the workers. The first round is left out: it fills what is kept from run to run.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contenders import MODEL, SYSTEM
from remote_team import CALLS, FAR, NEAR
from scenarios import MARKS, Figures, cpu, work, write

from agentouto import Agent, Journal, Peer, Provider, Team, Tool, async_run
from agentouto.testing import Request, Script, Turn, call, say, tool

HERE = Path(__file__).resolve().parent
TURNS = 100
ROUNDS = 25
WARM = 10
"""Turns of a journal that are left out: the file is opened in them."""
FAN = 100
WORDS = 5_000
ROUNDS_OVER_PIPES = 7
"""Fewer, where each waits for another process."""
REMOTE_ROUNDS = 2

Way = Callable[[], Awaitable[float]]


async def in_turns(ways: Mapping[str, Way], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return a figure of each way for each round; every second round goes backwards."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in list(ways.items())[:: 1 if number % 2 else -1]:
            gc.collect()
            figure = await way()
            if number:
                took[name].append(figure)
    return took


def beyond(took: Mapping[str, list[float]]) -> Figures:
    """Return the median of the first way, and by how much each other way is beyond it.

    That is the median of the differences within a round.
    """
    first, *others = took
    more = {
        name: statistics.median(b - a for a, b in zip(took[first], took[name], strict=True))
        for name in others
    }
    return {first: statistics.median(took[first]), **more}


def scripted(lines: Any) -> Provider:
    """Return a new provider: a script keeps every request."""
    return Provider("scripted", kind="script", script=Script(lines))


def using(name: str) -> Agent:
    """Return an agent that uses a tool in each of its turns, and then ends."""

    def line(request: Request) -> Any:
        return tool(name, i=request.turn) if request.turn < TURNS else say("all done")

    return Agent("solo", SYSTEM, MODEL, scripted(line))


async def turn(tools: list[Any], name: str = "work", **options: Any) -> float:
    """Return the microseconds of a turn with one use of a tool."""
    agent, used = using(name), cpu()
    result = await async_run("Go.", [agent], tools, **options)
    took = cpu() - used
    assert result.output == "all done"
    return took / TURNS * 1e6


async def s12() -> Figures:
    """A turn whose tool returns 1,000 characters, in memory and with a journal.

    It is counted from one use of the tool to the next, so opening the journal and closing it are
    left out; the commits and all else are in it.
    """

    async def marked(on_restart: Any, place: str | None) -> float:
        MARKS.clear()
        await turn([Tool(write, on_restart=on_restart)], "write", journal=place)
        assert len(MARKS) == TURNS
        return (MARKS[-1] - MARKS[WARM]) / (TURNS - WARM - 1) / 1000

    with TemporaryDirectory() as folder:
        took = await in_turns(
            {
                "plain_us": lambda: marked("run", None),
                "run_us": lambda: marked("run", str(Path(folder, "run.db"))),
                "report_us": lambda: marked("report", str(Path(folder, "report.db"))),
            }
        )
    return beyond(took)


async def s14() -> Figures:
    """A run of 5,000 words, alone and as a run of the page that one client follows.

    The page reads every line as it comes, sends it to the client in batches, and reads the lines
    again at the end, when each reply is one line.
    """
    from agentouto.ui import page_app  # noqa: PLC0415 - needs starlette

    lines = 0

    def team() -> Team:
        reply = Turn(say("word " * WORDS), stream=True)
        return Team([Agent("solo", SYSTEM, MODEL, scripted({"solo": [reply]}))])

    async def alone() -> float:
        used = cpu()
        await team().async_run("Go.")
        return (cpu() - used) / WORDS * 1e6

    async def watched() -> float:
        nonlocal lines
        async with serving(page_app(team())) as url:
            used = cpu()
            command = [sys.executable, str(HERE / "watching.py"), url]
            client = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            told, _ = await client.communicate()
            took = cpu() - used
        assert not client.returncode
        lines = int(told)
        assert lines > WORDS
        return took / WORDS * 1e6

    took = await in_turns({"alone_us": alone, "page_us": watched}, ROUNDS_OVER_PIPES)
    return {**beyond(took), "lines": lines}


@asynccontextmanager
async def serving(app: Any) -> AsyncGenerator[str]:
    """Serve ``app``, and yield its address."""
    import uvicorn  # noqa: PLC0415 - only a sample that serves needs it

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([bound]))
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
            server.should_exit = True


async def s15() -> Figures:
    """A turn, and the same with OpenTelemetry: without an SDK, and with one that keeps all."""
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )

    from agentouto.otel import traced  # noqa: PLC0415 - needs OpenTelemetry's API

    spans, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([InMemoryMetricReader()])

    async def with_sdk() -> float:
        spans.clear()
        hooks = traced(tracer_provider=tracers, meter_provider=meters)
        took = await turn([Tool(work)], hooks=hooks)
        assert len(spans.get_finished_spans()) > 2 * TURNS
        return took

    took = await in_turns(
        {
            "plain_us": lambda: turn([Tool(work)]),
            "api_us": lambda: turn([Tool(work)], hooks=traced()),
            "sdk_us": with_sdk,
        }
    )
    return beyond(took)


async def s16() -> Figures:
    """A turn with a tool of this process, and with one of an MCP server over stdio.

    And what the SDK of MCP takes for a call by hand, in one loop, which is a part of it.
    """
    from mcp import ClientSession, StdioServerParameters  # noqa: PLC0415
    from mcp.client.stdio import stdio_client  # noqa: PLC0415

    from agentouto.mcp import MCPServer  # noqa: PLC0415

    program = str(HERE / "mcp_server.py")

    async def by_hand() -> float:
        used = cpu()
        for number in range(TURNS):
            result = await session.call_tool("work", {"i": number})
            assert not result.is_error
        return (cpu() - used) / TURNS * 1e6

    stdio = stdio_client(StdioServerParameters(command=sys.executable, args=[program]))
    with MCPServer("bench", command=[sys.executable, program]) as server:
        async with stdio as streams, ClientSession(*streams) as session:
            await session.initialize()
            took = await in_turns(
                {
                    "own": lambda: turn([Tool(work)]),
                    "mcp": lambda: turn([server], "bench_work"),
                },
                ROUNDS_OVER_PIPES,
            )
            hand = await in_turns({"hand": by_hand}, ROUNDS_OVER_PIPES)
    return {"ms": beyond(took)["mcp"] / 1000, "hand_ms": beyond(hand)["hand"] / 1000}


async def s17() -> Figures:
    """A hundred calls at once of an agent, which replies once, and of a peer that is a function."""

    async def answer(message: object) -> str:  # noqa: ARG001
        return "all done"

    async def fan(other: Callable[[Provider], Agent | Peer]) -> float:
        line = [[call("other", f"Part {number}.") for number in range(FAN)], say("all done")]
        provider = scripted({"lead": line, "other": [say("all done")]})
        lead, other_one = Agent("lead", SYSTEM, MODEL, provider), other(provider)
        used = cpu()
        result = await async_run("Go.", [lead], run_agents=[lead, other_one])
        took = cpu() - used
        assert result.output == "all done"
        return took / FAN * 1e6

    took = await in_turns(
        {
            "agent_us": lambda: fan(lambda provider: Agent("other", SYSTEM, MODEL, provider)),
            "peer_us": lambda: fan(lambda _: Peer("other", "Answers.", answer)),
        }
    )
    return {name: statistics.median(figures) for name, figures in took.items()}


async def s18() -> Figures:
    """Calls of an agent, and uses of a tool, in the worker of the run and in another worker.

    The journal is a file of SQLite. What is counted is the CPU time of both workers, from the
    moment that the run is handed to them until it has ended; both wait for most of that time.
    """
    from remote_team import team  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder, "runs.db"))
        workers = [start_worker(journal, kind) for kind in ("default", FAR)]
        number = 0

        async def carried_out(what: str) -> float:
            nonlocal number
            number += 1
            before = sum(map(spent, workers))
            run = team.submit(what, journal=journal, run_id=f"run-{number}")
            result = await run.wait()
            assert result.output == f"{CALLS} answers", result.output
            return (sum(map(spent, workers)) - before) / CALLS * 1e3

        try:
            took = {
                what: await in_turns(
                    {where: partial(carried_out, f"{what} {where}") for where in (NEAR, FAR)},
                    REMOTE_ROUNDS,
                )
                for what in ("agent", "tool")
            }
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
    return {f"{what}_ms": beyond(figures)[FAR] for what, figures in took.items()}


def start_worker(journal: Journal, kind: str) -> subprocess.Popen[bytes]:
    """Start a worker of ``kind`` for the team in ``remote_team.py``."""
    command = [sys.executable, "-m", "agentouto", "worker", str(HERE / "remote_team.py")]
    more = ["--worker", kind, "--grace", "0", "--journal", str(journal.path)]
    return subprocess.Popen([*command, *more], stderr=subprocess.DEVNULL)


def spent(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU seconds of a process that goes on."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


LAYERS: dict[str, Callable[[], Awaitable[Figures]]] = {
    "S12": s12,
    "S14_page": s14,
    "S15_otel": s15,
    "S16_mcp": s16,
    "S17_peer": s17,
    "S18_remote": s18,
}
"""By scenario: what measures it."""
