"""Finds the calls that act now, and the calls that they hold up.

A call acts if it waits for no peer: its model or a tool works, or it asks the user. Every other
open call waits for one of these, directly or through others. A call in the background holds up no
call above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentouto.cli._run_state import CallState, RunState, State


@dataclass(frozen=True, slots=True)
class Acting:
    """A call that acts.

    Attributes:
        call: The call.
        holds_up: The calls that wait for it, from its caller upwards.
    """

    call: CallState
    holds_up: Sequence[CallState]


def acting_calls(state: RunState, now: float) -> list[Acting]:
    """Return the calls that act at second ``now``.

    Those that ask the user come first, then those that hold up most calls.
    """
    acting = [
        Acting(call, tuple(call.callers()))
        for call in state.calls
        if call.outcome is None and call.state(now) is not State.PEERS
    ]
    acting.sort(key=lambda each: (not each.call.question, -len(each.holds_up)))
    return acting


def by_state(acting: Sequence[Acting], now: float) -> dict[State, list[Acting]]:
    """Return ``acting`` by state, in its order."""
    groups: dict[State, list[Acting]] = {}
    for each in acting:
        groups.setdefault(each.call.state(now), []).append(each)
    return groups
