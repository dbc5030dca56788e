"""Decides how many background runs stay readable after their end: by number and by size."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import cast

import msgspec

from agentouto._domain.event import Event

MAX_KEPT_RUNS = 1000
"""How many background runs stay readable after their end. A server that starts one for each request
and never forgets any would otherwise grow without end."""

MAX_KEPT_BYTES = 64_000_000
"""How large they may be together, by the texts and files in their events. The last one stays,
however large it is."""

_PER_EVENT = 200
"""Bytes of an event without its texts: a few objects."""


class KeptRuns:
    """The background runs that have ended, oldest first. Any thread may use it, without a lock."""

    __slots__ = ("_ended", "_max_kept")

    def __init__(self, max_kept: int) -> None:
        self._max_kept = max_kept
        self._ended: deque[tuple[str, int]] = deque()  # the size of each beside its id

    def add(self, run_id: str, events: Iterable[Event]) -> None:
        """Add a run that has ended."""
        self._ended.append((run_id, events_size(events)))

    def take_surplus(self, kept: Container[str]) -> Iterator[str]:
        """Take away and yield the oldest runs that are too many, or too large with the others.

        Runs that are not ``kept`` any more have no size.
        """
        with suppress(IndexError):  # several threads may do this at once
            while len(self._ended) > self._max_kept or self._are_too_large(kept):
                yield self._ended.popleft()[0]

    def _are_too_large(self, kept: Container[str]) -> bool:
        ended = tuple(self._ended)
        size = sum(size for run_id, size in ended if run_id in kept)
        return len(ended) > 1 and size > MAX_KEPT_BYTES


def events_size(events: Iterable[Event]) -> int:
    """Return the number of characters and bytes in ``events``, each object counted once.

    Texts and files make up nearly all of a large run. Tool results, transcripts and messages share
    theirs with the events.
    """
    size = 0
    seen: set[int] = set()
    rest: list[object] = []
    for event in events:
        size += _PER_EVENT
        rest.append(event)
        while rest:
            value = rest.pop()
            if isinstance(value, str | bytes | bytearray):
                if id(value) not in seen:
                    seen.add(id(value))
                    size += len(value)
            elif isinstance(value, msgspec.Struct):
                rest += (getattr(value, name) for name in value.__struct_fields__)
            elif isinstance(value, Mapping):
                rest += cast("Mapping[object, object]", value).values()
            elif isinstance(value, tuple | list):
                rest += cast("Iterable[object]", value)
            elif id(value) not in seen and hasattr(value, "__dataclass_fields__"):
                seen.add(id(value))
                rest += (getattr(value, name) for name in _fields(value))
    return size


def _fields(value: object) -> Iterable[str]:
    return cast("Mapping[str, object]", getattr(value, "__dataclass_fields__", {}))
