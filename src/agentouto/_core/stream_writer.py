"""Turns the events of one run into stream events.

The words of ``finish`` come twice: in pieces for readers who are there while they are written, and
in the whole reply. So each reader has a writer of its own, which passes them on once.
"""

from __future__ import annotations

from collections.abc import Iterable

from agentouto._core.rendering import finish_token, stream_events, with_reply_text
from agentouto._core.reply_progress import finish_text
from agentouto._domain.event import Event, ModelAsked, Replied
from agentouto._domain.event_pieces import Drafted, ReplySoFar, Token
from agentouto._domain.stream_event import AnyStreamEvent


class StreamWriter:
    """Writes the stream events of one reader, who gets all events from some fact on."""

    __slots__ = ("_shown",)

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}  # by call: how much of its finish was passed on

    def events(self, event: Event) -> Iterable[AnyStreamEvent]:
        """Return the next event as stream events: none, one or more."""
        if isinstance(event, Token):  # by far the most frequent event
            return stream_events(event)
        if isinstance(event, Drafted | ReplySoFar):
            if event.words:
                call = event.stamp.call_id
                self._shown[call] = self._shown.get(call, 0) + len(event.words)
        elif isinstance(event, ModelAsked):
            self._shown.pop(event.stamp.call_id, None)
        elif isinstance(event, Replied) and event.finish_is_text:
            shown = self._shown.pop(event.stamp.call_id, 0)
            rest = finish_text(event.reply)[shown:]
            return (finish_token(event, rest),) if rest else ()
        return stream_events(event)


def all_stream_events(events: Iterable[Event]) -> list[AnyStreamEvent]:
    """Return ``events`` of a finished run as a reader who came late to the stream gets them."""
    writer = StreamWriter()
    return [
        stream_event
        for event in events
        for each in with_reply_text(event)
        for stream_event in writer.events(each)
    ]
