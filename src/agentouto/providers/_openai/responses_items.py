"""The output items of one answer of the Responses API, while they are streamed.

Source: OpenAI's API reference, "Responses streaming events": ``response.output_item.added`` begins
an item, deltas with its ``item_id`` and ``output_index`` continue it, and
``response.output_item.done`` has it complete. Compatible servers leave out each of them. Here
stands what an item is so far, and whether two items are one call; ``responses_decoder.py`` applies
the events.
"""

from __future__ import annotations

from typing import cast

from agentouto.providers._format.call_pieces import CallPiece, PartialCall, most_complete
from agentouto.providers._format.json import Json, as_str, dump


class OutputItem:
    """One item of the output while it is streamed.

    Attributes:
        started: The item as it began.
        index: Its place in the output.
        whole: The finished item; empty until it is finished.
        closed: Whether it is finished.
        streamed: Whether some of its text has been delivered.
        reasoning_type: The type of event from which its reasoning is read.
        summary_index: The part of the summary that is streamed.
        pieces: Pieces of arguments.
        arguments: Arguments of the event after the pieces; ``None`` without one.
    """

    __slots__ = (
        "arguments",
        "closed",
        "index",
        "pieces",
        "reasoning_type",
        "started",
        "streamed",
        "summary_index",
        "whole",
    )

    def __init__(self, started: Json, index: int) -> None:
        self.started = started
        self.index = index
        self.whole: Json = {}
        self.closed = False
        self.streamed = False
        self.reasoning_type = ""
        self.summary_index = 0
        self.pieces: list[str] = []
        self.arguments: str | None = None


def call_id_of(item: OutputItem) -> str | None:
    """Return the id of a call; ``None`` for every other item."""
    return as_str((item.whole or item.started).get("call_id")) or None


def is_same_call(started: Json, again: Json) -> bool:
    """Return whether two beginnings with one index are of the same call."""
    if not started.get("type") == again.get("type") == "function_call":
        return False
    first, second = (
        CallPiece(as_str(each.get("call_id")), as_str(each.get("name")))
        for each in (started, again)
    )
    return PartialCall(first.id, first.name).may_continue(second)


def is_other_call(item: OutputItem, whole: Json) -> bool:
    """Return whether ``whole`` is a call other than the finished ``item``."""
    if whole.get("type") != "function_call" or not item.closed:
        return False
    finished = item.whole.get("name"), item.whole.get("arguments")
    return bool(item.whole) and finished != (
        whole.get("name"),
        most_complete((arguments_text_of(whole.get("arguments")) or "",)),
    )


def arguments_text_of(arguments: object) -> str | None:
    """Return arguments as text; ``None`` if they are neither text nor an object."""
    if isinstance(arguments, dict):
        return dump(cast("Json", arguments)).decode()
    return arguments if isinstance(arguments, str) else None


def arguments_of(whole: Json, item: OutputItem) -> str:
    """Return the most complete arguments of a call: of the item, its events or its beginning."""
    versions = (
        arguments_text_of(whole.get("arguments")),
        item.arguments,
        "".join(item.pieces),
        arguments_text_of(item.started.get("arguments")),
    )
    return most_complete(filter(None, versions))
