"""What a run does not use costs it nothing: it is not loaded, and no function of it is called.

Some parts are also used once, to show that the list below would notice them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import agentouto
from children import unmeasured

SOURCES = Path(agentouto.__file__).parents[1]

LAYERS = {
    "journal": ("agentouto._journal", "agentouto._engine.durable", "agentouto._engine.restore"),
    "workers": ("agentouto._workers", "agentouto.workers", "agentouto._engine.elsewhere"),
    "Peer": ("agentouto.peers", "agentouto._engine.peer_runner"),
    "event lines": ("agentouto._core.event_lines", "agentouto._engine.run_lines"),
    "page": ("agentouto.ui",),
    "fronts": ("agentouto.serve", "agentouto.a2a", "agentouto.acp"),
    "OpenTelemetry": ("agentouto.otel",),
    "MCP": ("agentouto.mcp",),
}
"""The modules of each part of the package that a run can do without."""

OF_OTHERS = {
    "a2a",
    "acp",
    "mcp",
    "opentelemetry",
    "psycopg",
    "sqlite3",
    "starlette",
    "uvicorn",
}
"""What these parts need, and nothing else does."""

MOST = 2
"""Calls for a whole run: it is looked up once whether there is a journal to be kept in."""

TURNS = 10

PROGRAM = f"""
import asyncio, collections, json, sys, threading
from agentouto import Agent, Hooks, Peer, Provider, Tool, async_run, async_run_stream
from agentouto.testing import Script, call, finish, tool

used, place = sys.argv[1:]
called = collections.Counter()

def note(frame, event, argument):
    if event == "call":
        called[frame.f_globals.get("__name__", "")] += 1

@Tool
async def work(i: int) -> str:
    "Do one unit of work."
    return "ok"

async def answer(message):
    return "Here."

async def main():
    turns = [tool("work", i=number) for number in range({TURNS})]
    lines = {{"lead": [*turns, call("other", "Help me."), finish("Done.")], "other": [finish("Here.")]}}
    provider = Provider("p", kind="script", script=Script(lines))
    lead = Agent("lead", "You lead.", "m", provider)
    other = Agent("other", "You help.", "m", provider)
    options = {{}}
    if used == "Peer":
        other = Peer("other", "Helps.", answer)
    if used == "journal":
        options["journal"] = place
    if used == "OpenTelemetry":
        from agentouto.otel import traced
        options["hooks"] = traced()
    options["run_agents"] = [lead, other]
    if used == "event lines":
        async for line in async_run_stream("Go.", [lead], [work], **options).lines():
            pass
        return
    result = await async_run("Go.", [lead], [work], **options)
    assert result.output == "Done.", result.output

sys.setprofile(note)
threading.setprofile(note)
asyncio.run(main())
sys.setprofile(None)
print(json.dumps({{"called": called, "loaded": [*sys.modules]}}))
"""


def run_with(used: str, folder: Path) -> tuple[dict[str, int], set[str]]:
    """Return how often functions of each part were called, and the packages that were loaded."""
    done = unmeasured(PROGRAM, used, folder / "runs.db")
    assert not done.returncode, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    counts = {
        layer: sum(n for name, n in seen["called"].items() if name.startswith(modules))
        for layer, modules in LAYERS.items()
    }
    return counts, {name.partition(".")[0] for name in seen["loaded"]}


def test_a_run_calls_nothing_of_what_it_does_not_use(tmp_path: Path) -> None:
    counts, loaded = run_with("nothing", tmp_path)
    assert counts.pop("journal") <= MOST
    assert counts == dict.fromkeys(counts, 0)
    assert not loaded & OF_OTHERS


@pytest.mark.parametrize("used", ["Peer", "journal", "OpenTelemetry", "event lines"])
def test_what_a_run_does_use_is_called(tmp_path: Path, used: str) -> None:
    if used == "OpenTelemetry":
        pytest.importorskip("opentelemetry")
    counts, _ = run_with(used, tmp_path)
    assert counts[used] > MOST


@pytest.mark.parametrize("modules", LAYERS.values(), ids=LAYERS)
def test_the_modules_of_each_part_are_there(modules: tuple[str, ...]) -> None:
    for name in modules:
        place = SOURCES.joinpath(*name.split("."))
        assert list(place.parent.glob(f"{place.name}*")), name
