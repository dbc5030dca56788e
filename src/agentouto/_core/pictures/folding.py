"""Chooses the messages that a sequence shows of a run with very many."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush

import msgspec

from agentouto._core.recorded_run import RecordedRun, RunMessage
from agentouto._core.run_history import CallHistory

MOST_MESSAGES = 80
"""A sequence of more messages is too long to be read: at 30 pixels each, 2,400 pixels."""


class SequenceRow(msgspec.Struct, frozen=True):
    """A message in a sequence.

    Attributes:
        message: The message.
        folded: How many messages of other calls are left out in its call; said where that ends.
    """

    message: RunMessage
    folded: int = 0


def fold(run: RecordedRun, most: int = MOST_MESSAGES) -> list[SequenceRow]:
    """Return the messages of ``run``, at most about ``most``: those of the longest calls.

    A call that is left out counts in the nearest call above it that is shown. Starting agents and
    the user's own messages are always shown.
    """
    if len(run.messages) <= most:
        return [SequenceRow(message) for message in run.messages]
    by_call: dict[str, list[RunMessage]] = defaultdict(list)
    for message in run.messages:
        by_call[message.call].append(message)
    shown = _longest_calls(run, {call: len(each) for call, each in by_call.items()}, most)
    folded: dict[str, int] = defaultdict(int)
    for call_id, each in by_call.items():
        if call_id in shown or call_id not in run.history.calls:
            continue
        call: CallHistory | None = run.history.calls[call_id]
        while call is not None and call.id not in shown:
            call = call.parent
        if call is not None:
            folded[call.id] += len(each)
    last = {one.call: one.seq for one in run.messages if one.kind != "message"}
    return [
        SequenceRow(one, folded[one.call] if last.get(one.call) == one.seq else 0)
        for one in run.messages
        if one.call in shown or one.call not in run.history.calls
    ]


def _longest_calls(run: RecordedRun, counts: dict[str, int], most: int) -> set[str]:
    """Return the ids of calls whose messages fit: the longest first, each below its caller."""
    left = most - counts.get("", 0)
    order = {id_: place for place, id_ in enumerate(run.history.calls)}
    waiting: list[tuple[bool, float, int, CallHistory]] = []

    def offer(call: CallHistory) -> None:
        end = run.history.now if call.end is None else call.end
        heappush(waiting, (call.parent is not None, call.start - end, order[call.id], call))

    shown: set[str] = set()
    for root in run.history.roots:
        offer(root)
    while waiting:
        call = heappop(waiting)[3]
        if call.parent is not None and counts.get(call.id, 0) > left:
            continue
        left -= counts.get(call.id, 0)
        shown.add(call.id)
        for child in call.children:
            offer(child)
    return shown
