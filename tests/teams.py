"""Teams whose models are scripts."""

from __future__ import annotations

from agentouto import Agent, Provider


def peers(script: object, *names: str) -> list[Agent]:
    """Return one agent for each name, all played by ``script``."""
    provider = Provider("scripted", kind="script", script=script)
    return [Agent(name, f"You are {name}.", "m", provider) for name in names]
