"""Texts that nobody may read over a programmer's shoulder.

A value is shown in many places that nobody thinks of: a log line, a failed assertion, a traceback
with the locals of its frames. What a secret is good for is not known here.
"""

from __future__ import annotations


class Secret(str):
    """A text that does not show itself where values are shown for people to read.

    It is sent like any other text: only its ``repr`` is another.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
