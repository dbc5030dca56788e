"""What a process keeps from one run for the next: one object, which the host of the runs owns.

Each module that has something to keep has a class for it, a part: what a server has refused, which
connections are open, how a list of tools is written. A part is made when it is first asked for, so
that a program does not pay for what it never uses. This module knows none of them. There is no
other place for such state: what a run does depends on its arguments and on the memory of its host.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

K = TypeVar("K")
V = TypeVar("V")


class Part(Protocol):
    """What one module keeps. Its class can be called without arguments."""

    def forget(self) -> None:
        """Go back to knowing nothing. What is in use at this moment stays usable."""
        ...


@runtime_checkable
class ForkAware(Protocol):
    """A part that keeps what a process made by a fork must not use."""

    def after_fork(self) -> None:
        """Let go of it; called in the new process."""
        ...


P = TypeVar("P", bound=Part)


class Newest(Generic[K, V]):
    """A mapping that drops its oldest entries: what strangers name must not fill the memory."""

    __slots__ = ("_entries", "_most")

    def __init__(self, most: int) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._most = most

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what is kept under ``key``."""
        return self._entries.get(key)

    def setdefault(self, key: K, value: V) -> V:
        """Keep ``value``, unless there is one already; return what is kept."""
        kept = self._entries.setdefault(key, value)
        self._drop_oldest()
        return kept

    def put(self, key: K, value: V) -> None:
        """Keep ``value`` in place of what was there."""
        self._entries[key] = value
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        with suppress(KeyError):  # several threads may do this at once
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Drop every entry."""
        self._entries.clear()


class Memory:
    """The parts, each found by its class. Any thread may use it."""

    __slots__ = ("__weakref__", "_parts")

    def __init__(self) -> None:
        self._parts: dict[type[Part], Part] = {}

    def part(self, make: type[P]) -> P:
        """Return the one ``make`` of this memory."""
        part = self._parts.get(make)
        if part is None:
            part = self._parts.setdefault(make, make())  # one operation: the first of two stays
        return cast("P", part)

    def forget(self) -> None:
        """Let every part forget what it knows."""
        for part in tuple(self._parts.values()):
            part.forget()

    def after_fork(self) -> None:
        """Let every part let go of what belongs to the parent process."""
        for part in tuple(self._parts.values()):
            if isinstance(part, ForkAware):
                part.after_fork()
