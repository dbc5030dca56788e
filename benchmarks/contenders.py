"""What every contender can do, and the fake server's words for it.

A contender is the shortest usual way to do the job in its library. ``floors.py`` has the two that
are written by hand, ``ours.py`` has ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

SYSTEM = "You are a helpful assistant. Use the tools you are given."
MODEL = "bench-model"
KEY = "sk-bench"

FLOORS = {"f1": "FloorOpenAI", "f2": "FloorAiohttp"}
KINDS = ("openai", "openai_responses", "anthropic", "google")

Hear = Callable[[str], None]


class Contender:
    """Does the work of the scenarios."""

    FINISH: str | None = None
    """How a run ends: ``None`` is with text, ``tool.argument`` with a call of that tool."""

    def __init__(self, url: str, kind: str = "openai") -> None:
        self.url = url
        self.kind = kind

    async def setup(self) -> None:
        """Make ready, in the running loop."""

    async def close(self) -> None:
        """Close what was opened."""

    def agent(
        self,
        name: str,
        tools: Sequence[Callable[..., Any]] = (),
        agents: Sequence[Any] = (),
    ) -> Any:
        """Return an agent that may use ``tools`` and call ``agents``."""
        raise NotImplementedError

    async def run(self, agent: Any, prompt: str) -> str:
        """Run ``agent`` afresh and return its answer."""
        raise NotImplementedError

    async def stream(self, agent: Any, prompt: str, hear: Hear) -> None:
        """Run ``agent`` and hand each piece of text to ``hear`` as it arrives."""
        raise NotImplementedError

    def directive(self, op: str, **words: object) -> str:
        """Return what tells the fake server what to answer."""
        words = {"op": op, **words}
        if self.FINISH:
            words["fin"] = self.FINISH
        return "@@" + ";".join(f"{key}={value}" for key, value in words.items()) + "@@"


def opened(name: str, url: str) -> Contender:
    """Return the contender ``name``, with a format behind a colon if it is not the usual one."""
    name, _, kind = name.partition(":")
    if name in FLOORS:
        return getattr(import_module("floors"), FLOORS[name])(url, kind or "openai")
    return import_module("ours").Ours(url, kind or "openai")
