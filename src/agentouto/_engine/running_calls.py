"""Says what the running calls of a run wait for, and lists them for an agent."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from agentouto._engine.call import Call
from agentouto._engine.wait_graph import Wait

MAX_LISTED = 200
"""How many running calls ``list_running`` shows: some 12,000 characters for an agent to read."""


def waits_of(running: Mapping[str, Call]) -> dict[str, Wait]:
    """Return what each of the ``running`` calls waits for."""
    callees: dict[str, list[str]] = {}
    for call in running.values():
        if call.parent is not None and not call.background:
            callees.setdefault(call.parent.id, []).append(call.id)
    return {id_: call.wait or Wait(tuple(callees.get(id_, ()))) for id_, call in running.items()}


def describe_running(running: Mapping[str, Call], reader: Call) -> str:
    """Return a line about each of the ``running`` calls, for the agent that runs ``reader``."""
    waits = waits_of(running)
    lines: list[str] = []
    for id_, call in itertools.islice(running.items(), MAX_LISTED):
        wait = waits[id_]
        callees = [running[callee].name for callee in wait.callees]
        state = f"waits for {', '.join(callees)}" if callees else "at work"
        state = "waits for messages" if wait.mail else state
        participant = f"{call.name} (task_id: {id_})"
        lines.append(f"{participant}: {'that is you' if call is reader else state}")
    if more := len(running) - len(lines):
        lines.append(f"(and {more} more)")
    return "\n".join(lines)


def describe_deadlock(path: Sequence[str], running: Mapping[str, Call]) -> str:
    """Return why a wait for mail would never end; ``path`` is a cycle of waits, if there is one."""
    if len(path) > 2 and path[0] == path[-1]:
        names = [running[id_].name for id_ in path]
        pairs = (f"{one} waits for {other}" for one, other in itertools.pairwise(names))
        return f"the wait would never end, since {', '.join(pairs)}"
    return "no participant that could write is left"
