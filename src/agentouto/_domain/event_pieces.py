"""The events that are passed to readers and not kept: pieces of replies, and reports of progress.

The facts, which are kept, are in ``event.py``.
"""

from __future__ import annotations

import msgspec


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """The call that an event belongs to. All events of a call share one object."""

    agent_name: str
    call_id: str
    parent_call_id: str | None


class Token(msgspec.Struct, frozen=True, gc=False):
    """A piece of text of a reply. It is passed to readers of the stream and not kept."""

    stamp: Stamp
    at: float
    text: str


class Thinking(msgspec.Struct, frozen=True, gc=False):
    """A piece of thinking of a reply. It is passed to readers of the stream and not kept."""

    stamp: Stamp
    at: float
    text: str


class Drafted(msgspec.Struct, frozen=True, gc=False):
    """A piece of the arguments of a tool call, as JSON text, while the model writes them.

    It is passed to readers of the stream and not kept. ``slot`` tells the tool calls of one reply
    apart. ``words`` is the piece of text in it, if it is of the ``finish`` that returns text.
    """

    stamp: Stamp
    at: float
    slot: int
    tool: str
    text: str
    words: str = ""


class ReplySoFar(msgspec.Struct, frozen=True, gc=False):
    """What has been written of a reply, for a reader that comes in its middle.

    It is passed to that reader and not kept; the further pieces follow. ``drafts`` are the slot,
    the tool and the arguments of each tool call, ``words`` the text in those of ``finish``.
    """

    stamp: Stamp
    at: float
    text: str
    thinking: str
    drafts: tuple[tuple[int, str, str], ...]
    words: str


class ToolProgress(msgspec.Struct, frozen=True, gc=False):
    """How far a tool or a peer is. It is passed to readers of the stream and not kept.

    ``place`` is the tool call in its agent's call; it is empty for a peer.
    """

    stamp: Stamp
    at: float
    place: str
    text: str
    done: float | None = None
    total: float | None = None
