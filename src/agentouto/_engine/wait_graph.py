"""Finds the calls that can never proceed, because each waits for another one.

A call waits for the calls it has made, or for mail: from one other call, or from any. A call that
waits for nothing can proceed and write. A waiting call can proceed if a call that it waits for can.
What is left in the end is deadlocked: the calls wait for each other, or for a call that has ended.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Wait(msgspec.Struct, frozen=True):
    """What a running call waits for.

    Attributes:
        callees: The calls whose returns it waits for.
        mail: Whether it waits for mail.
        sender: The only call whose mail it waits for; empty if mail from any call will do.
    """

    callees: tuple[str, ...] = ()
    mail: bool = False
    sender: str = ""


def find_deadlocked(waits: Mapping[str, Wait], *, user_writes: bool) -> frozenset[str]:
    """Return the calls that can never proceed, unless something outside of ``waits`` frees them.

    Args:
        waits: What each running call waits for.
        user_writes: Whether the user can write to every call at any time.
    """
    blocked = {call for call, wait in waits.items() if wait.callees or wait.mail}

    def can_proceed(wait: Wait) -> bool:
        # All callees have to return; of possible senders, one is enough.
        if wait.callees:
            return blocked.isdisjoint(wait.callees)
        if wait.sender:
            return wait.sender in waits and wait.sender not in blocked
        return user_writes or len(blocked) < len(waits)

    # A call that is freed may free others, so this is repeated until nothing changes.
    while freed := {call for call in blocked if can_proceed(waits[call])}:
        blocked -= freed
    return frozenset(blocked)


def find_cycle(waits: Mapping[str, Wait], start: str, deadlocked: frozenset[str]) -> list[str]:
    """Return the cycle of waiting calls through ``start``, which is deadlocked: ``[a, b, a]``.

    Where ``start`` is on no cycle, return the path of waiting calls that begins with it: ``[a, b]``
    if it waits for a cycle of others, ``[a]`` if it waits for no call in ``deadlocked``.
    """
    path = [start]
    while True:
        wait = waits[path[-1]]
        # Mail from any call: each of the others would do. Sorted, so that the text is reproducible.
        targets = wait.callees or (
            (wait.sender,) if wait.sender else sorted(deadlocked - {path[-1]})
        )
        following = [call for call in targets if call in deadlocked]
        if start in following and len(path) > 1:
            return [*path, start]
        new = next((call for call in following if call not in path), None)
        if new is None:
            return path
        path.append(new)
