"""Who waits for whom, so that nobody waits for a message that cannot come.

A call waits for the calls it has made, or for mail: from one other call, or from anybody. Whoever
waits for nothing can go on and write; from there it follows who else can. The others wait for each
other.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Wait(msgspec.Struct, frozen=True):
    """What a call at work waits for.

    Attributes:
        callees: The calls whose returns it waits for.
        mail: Whether it waits for mail.
        sender: The only one whose mail it waits for; empty is anybody.
    """

    callees: tuple[str, ...] = ()
    mail: bool = False
    sender: str = ""


def stuck(waits: Mapping[str, Wait], *, user_writes: bool) -> frozenset[str]:
    """Return the calls that can never go on, as far as it is up to the calls in ``waits``.

    Args:
        waits: What each call at work waits for.
        user_writes: Whether the user may write to anybody at any time.
    """
    held = {call for call, wait in waits.items() if wait.callees or wait.mail}

    def goes_on(wait: Wait) -> bool:
        if wait.callees:
            return held.isdisjoint(wait.callees)
        if wait.sender:
            return wait.sender in waits and wait.sender not in held
        return user_writes or len(held) < len(waits)

    while freed := {call for call in held if goes_on(waits[call])}:
        held -= freed
    return frozenset(held)


def circle(waits: Mapping[str, Wait], start: str, held: frozenset[str]) -> list[str]:
    """Return by way of whom ``start``, which is stuck, waits for itself: first and last are it.

    If it waits for nobody in particular, or for somebody who is gone, there is only itself.
    """
    path = [start]
    while True:
        wait = waits[path[-1]]
        others = wait.callees or ((wait.sender,) if wait.sender else sorted(held - {path[-1]}))
        following = [call for call in others if call in held]
        if start in following and len(path) > 1:
            return [*path, start]
        new = next((call for call in following if call not in path), None)
        if new is None:
            return path
        path.append(new)
