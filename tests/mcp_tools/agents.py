"""Agents whose models are scripts that use tools."""

from __future__ import annotations

from typing import Any

from agentouto import Agent, Provider
from agentouto.testing import Script, finish


def user_of(*uses: Any, name: str = "worker") -> Agent:
    """An agent that uses tools one after the other, and returns the last result."""
    lines = [*uses, lambda request: finish(request.outcomes[-1].content)]
    script = Script({name: lines})
    return Agent(
        name, "You work.", "any-model", Provider(f"p-{name}", kind="script", script=script)
    )
