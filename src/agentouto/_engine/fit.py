"""Keeps the transcript of one call within what its model can read.

It knows how large the transcript is and what to do about it; asking the model for a summary is
somebody else's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agentouto._core.summary import (
    FULL,
    KEPT,
    LONG_RESULTS,
    cut_results,
    first_kept,
    replaced,
    retold,
    unsealed,
)
from agentouto._core.tokens import Meter
from agentouto._domain.content import Entry, Incoming, Transcript
from agentouto._engine.call import Call

Summarize: TypeAlias = Callable[[Transcript, str], Awaitable[str]]
"""Asks whoever can for a summary of a text; empty if there is none to be had."""

_GROWN = 1.1
"""A summary that failed is asked for again when the transcript has grown by so much."""

_TOO_MUCH = 0.9
"""A transcript that did not fit shows that the window is at most this share of it."""


class Fitter:
    """What is known of one call's size.

    Attributes:
        learned: How much the model can read, as far as a transcript that did not fit tells it.
    """

    __slots__ = ("_asked", "_call", "_failed_at", "_meter", "_readable", "_summary", "learned")

    def __init__(self, call: Call, *, readable: bool) -> None:
        self._call = call
        self._readable = readable
        self._meter = Meter(lambda: 0)
        self._asked = Incoming("")
        self._failed_at = 0
        self._summary = ""
        self.learned: int | None = None

    def begin(self, asked: Incoming, standing: Callable[[], int]) -> None:
        """Take in what the call is about, and what every request begins with, in tokens."""
        self._asked = asked
        self._meter = Meter(standing)

    def size(self, transcript: Transcript) -> int:
        """Return about how many tokens ``transcript`` is."""
        return self._meter.size(transcript)

    def report(self, transcript: Transcript, tokens: int | None) -> None:
        """Take in how large a provider says that ``transcript`` was."""
        self._meter.report(transcript, tokens)

    def overflowed(self, transcript: Transcript) -> None:
        """Take in that ``transcript`` did not fit."""
        self.learned = int(self.size(transcript) * _TOO_MUCH)
        self._failed_at = 0

    def take_summary(self) -> str:
        """Return the summary that the last ``fit`` has put in, if it has."""
        summary, self._summary = self._summary, ""
        return summary

    async def fit(
        self, transcript: Transcript, window: int | None, summarize: Summarize
    ) -> Transcript:
        """Return ``transcript``, or one that says the same in fewer words."""
        room = min(window or self.learned or 0, self.learned or window or 0)
        most = int(room * FULL)
        if not room or self.size(transcript) <= most:
            return transcript
        first, *further = LONG_RESULTS
        self._call.most_read = int(room * first)
        transcript = self._cut(transcript, int(room * first))
        if self.size(transcript) > most:
            transcript = await self._summarized(transcript, room, summarize)
        for share in further:  # one turn alone may be too large
            if self.size(transcript) > most:
                transcript = self._cut(transcript, int(room * share))
        return transcript

    async def _summarized(
        self, transcript: Transcript, room: int, summarize: Summarize
    ) -> Transcript:
        entries, size = transcript.entries, self.size(transcript)
        place = first_kept(entries, int(room * KEPT / self._meter.scale))
        old = [entry for entry in entries[:place] if entry is not self._asked]
        if not old or size < self._failed_at * _GROWN:
            return transcript
        self._summary = await summarize(transcript, retold(old, room))
        self._failed_at = 0 if self._summary else size
        if not self._summary:
            return transcript
        kept = [entry for entry in entries[place:] if entry is not self._asked]
        return self._anew(transcript, replaced(self._asked, self._summary, kept, room))

    def _cut(self, transcript: Transcript, tokens: int) -> Transcript:
        whole = self._call.cut_results
        entries = cut_results(transcript.entries, tokens, whole, readable=self._readable)
        if entries == transcript.entries:
            return transcript
        return self._anew(transcript, unsealed(entries))

    def _anew(self, transcript: Transcript, entries: tuple[Entry, ...]) -> Transcript:
        self._meter.forget()
        return Transcript(transcript.system, entries)
