"""The interface of contenders, and the prompts that tell the fake server what to answer.

A contender is the shortest usual way to do the work with its library. ``floors.py`` has the two
that are written by hand, ``ours.py`` has ours, and ``peers/`` those of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any

SYSTEM = "You are a helpful assistant. Use the tools you are given."
MODEL = "bench-model"
KEY = "sk-bench"
PATIENCE = 600.0
"""Seconds that frameworks of others may take for a request. The ``openai`` package, which they use,
gives up after 5 if it cannot connect, and of a thousand runs at once some connect later."""

FLOORS = {"f1": "FloorOpenAI", "f2": "FloorAiohttp"}
PEERS = {
    "pydantic-ai": "pydantic_ai_",
    "agent-framework": "agent_framework_",
    "openai-agents": "openai_agents_",
    "agno": "agno_",
}
"""Frameworks of others, and their modules in ``peers/``."""
KINDS = ("openai", "openai_responses", "anthropic", "google")

Hear = Callable[[str], None]


class Contender:
    """Does the work of the scenarios."""

    CALL: str | None = None
    """How an agent is called: the tool, with "*" for the name, and the arguments that are given the
    message and, if there is a third part, the name. ``None`` is ``call_agent``, as with us."""
    FINISH: str | None = None
    """How a run ends: ``None`` is with text, ``tool.argument`` with a call of that tool."""

    def __init__(self, url: str, kind: str = "openai") -> None:
        self.url = url
        self.stats_url = url
        self.kind = kind

    async def setup(self) -> None:
        """Prepare, in the running loop."""

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
        """Run ``agent`` from the start and return its answer."""
        raise NotImplementedError

    async def stream(self, agent: Any, prompt: str, hear: Hear) -> None:
        """Run ``agent`` and hand each piece of text to ``hear`` as it arrives."""
        raise NotImplementedError

    async def drafts(self, agent: Any, prompt: str, hear: Hear) -> None:
        """Run ``agent`` and hand each piece of a tool call to ``hear`` while it is written."""
        raise NotImplementedError

    def served(self, agent: Any) -> AbstractAsyncContextManager[str]:
        """Serve ``agent`` to other programs, at the address that is yielded."""
        raise NotImplementedError

    def directive(self, op: str, **words: object) -> str:
        """Return the text that tells the fake server what to answer."""
        words = {"op": op, **words}
        if self.FINISH:
            words["fin"] = self.FINISH
        if self.CALL:
            words["via"] = self.CALL
        return "@@" + ";".join(f"{key}={value}" for key, value in words.items()) + "@@"


def opened(name: str, url: str) -> Contender:
    """Return the contender ``name``, with a format behind a colon if it is not the usual one.

    ``ours`` and ``then`` differ in the environment they run in.
    """
    name, _, kind = name.partition(":")
    if name in FLOORS:
        return getattr(import_module("floors"), FLOORS[name])(url, kind or "openai")
    if name in PEERS:
        return import_module(f"peers.{PEERS[name]}").CONTENDER(url)
    return import_module("ours").Ours(url, kind or "openai")
