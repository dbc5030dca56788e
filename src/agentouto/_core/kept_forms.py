"""Renders the events that only a run with a journal has, for ``rendering.py``."""

from __future__ import annotations

from collections.abc import Iterator

from agentouto._core.event_fields import LineForm, LineState
from agentouto._domain.kept_event import HiddenEvent, RunResumed, ToolInterrupted, TurnRestarted


def hidden_line(_event: HiddenEvent, _state: LineState) -> Iterator[LineForm]:
    """Yield nothing: the event is for the journal."""
    return iter(())


def resumed_line(event: RunResumed, _state: LineState) -> Iterator[LineForm]:
    """Yield when the run went on."""
    yield "run.resumed", {"at": round(event.at, 3), "turns": event.turns}


def restarted_line(event: TurnRestarted, _state: LineState) -> Iterator[LineForm]:
    """Yield which turn begins again."""
    yield "turn.restarted", {"turn": event.turn}


def interrupted_fields(event: ToolInterrupted) -> dict[str, object]:
    """Return what was interrupted, and what becomes of it."""
    return {"tool_call": event.place, "tool": event.tool, "policy": event.policy}


def interrupted_line(event: ToolInterrupted, _state: LineState) -> Iterator[LineForm]:
    """Yield what was interrupted."""
    yield "tool.interrupted", interrupted_fields(event)
