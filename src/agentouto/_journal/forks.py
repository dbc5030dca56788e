"""Cuts the events of a run for a fork: a shorter prefix is an earlier point of the run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentouto._domain.event import (
    Broken,
    CallCancelled,
    CallFailed,
    Event,
    LimitNeared,
    MessageRead,
    MessageReturned,
    ModelAsked,
    ModelWaited,
    Replied,
    RunEnded,
)
from agentouto._domain.kept_event import Compacted, InputRead, Overflowed

_OF_TURN = (InputRead, MessageRead, Compacted, Overflowed, ModelAsked, Replied)
_OF_FAILURE = (
    RunEnded,
    CallFailed,
    CallCancelled,
    MessageReturned,
    Broken,
    ModelAsked,
    ModelWaited,
)


def cut_before(events: Sequence[Event], call_id: str, turn: int) -> Sequence[Event] | None:
    """Return the events before ``turn`` of a call; ``None`` if there is no such turn."""
    for number, event in enumerate(events):
        if isinstance(event, _OF_TURN) and (event.stamp.call_id, event.turn) == (call_id, turn):
            return events[:number]
    return None


def cut_before_failure(events: Sequence[Event]) -> Sequence[Event] | None:
    """Return the events before a failed run began to end; ``None`` if it has not failed."""
    ended = events[-1] if events else None
    if not isinstance(ended, RunEnded) or ended.status == "completed":
        return None
    length = len(events)
    while length > 1 and _belongs_to_failure(events[length - 1]):
        length -= 1
    return events[:length]


def _belongs_to_failure(event: Event) -> bool:
    return isinstance(event, _OF_FAILURE) or (isinstance(event, LimitNeared) and event.reached)


def with_run_id(events: Sequence[Event], new: str) -> list[Event]:
    """Return ``events`` as those of a run with another id. The calls keep theirs."""
    run_stamp = events[0].stamp
    other = msgspec.structs.replace(run_stamp, call_id=new)
    return [
        msgspec.structs.replace(event, stamp=other) if event.stamp == run_stamp else event
        for event in events
    ]
