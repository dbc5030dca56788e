"""Keeps the transcript of one call within what its model can read.

It knows how large the transcript is and what to do about it; asking the model for a summary is
somebody else's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agentouto._core.summary import (
    EMPTIED,
    FULL,
    KEPT,
    LONG_RESULTS,
    cut_results,
    first_kept,
    replaced,
    retold,
    unsealed,
)
from agentouto._core.tokens import Meter, of_entry
from agentouto._domain.content import Entry, Incoming, Transcript
from agentouto._engine.call import Call

Summarize: TypeAlias = Callable[[str, str, int], Awaitable[str]]
"""Asks, with a system prompt, for a summary of a text; empty if there is none to be had.

The last is about how many tokens the transcript has that it is taken from.
"""

_GROWN = 1.1
"""A summary that failed is asked for again when the transcript has grown by so much."""

_SHORTER = 0.97
"""What did not fit is put to the model again if it is at most this share of what it was."""

_TOO_MUCH = 0.9
"""A transcript that did not fit shows that the window is at most this share of it."""


class Fitter:
    """What is known of one call's size.

    Args:
        call: The call.
        asked: The forward it is about, as its transcript has it.
        standing: Tokens of what every request begins with: the system prompt and the tools.
        readable: Whether the agent has a tool to read results with that were cut.

    Attributes:
        learned: How much the model can read, as far as a transcript that did not fit tells it.
    """

    __slots__ = (
        "_asked",
        "_call",
        "_failed_at",
        "_meter",
        "_overflow",
        "_readable",
        "_standing",
        "_summary",
        "_told",
        "learned",
    )

    def __init__(self, call: Call, asked: Incoming, standing: int, *, readable: bool) -> None:
        self._call = call
        self._readable = readable
        self._asked = asked
        self._standing = standing
        self._meter = Meter(standing)
        self._failed_at = 0
        self._summary = ""
        self._told: Entry | None = None
        self._overflow: int | None = None
        self.learned: int | None = None

    def size(self, transcript: Transcript) -> int:
        """Return about how many tokens ``transcript`` is."""
        return self._meter.size(transcript)

    def report(self, transcript: Transcript, tokens: int | None) -> None:
        """Take in how large a provider says that ``transcript`` was."""
        self._meter.report(transcript, tokens)

    def overflowed(self, transcript: Transcript) -> None:
        """Take in that ``transcript`` did not fit."""
        self._overflow = sum(map(of_entry, transcript.entries))
        self.learned = int(self.size(transcript) * _TOO_MUCH)
        self._failed_at = 0

    def fits(self) -> None:
        """Take in that the last transcript did fit."""
        self._overflow = None

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
        shorter = self._cut(transcript, int(room * first))
        if self.size(shorter) > most:
            shorter = await self._summarized(shorter, room, summarize)
        for share in further:  # one turn alone may be too large
            if self.size(shorter) > most:
                shorter = self._cut(shorter, int(room * share))
        if self._summary and self.size(shorter) > most:
            self._failed_at = self.size(shorter)
        return transcript if self._is_as_long(shorter) else shorter

    def _is_as_long(self, shorter: Transcript) -> bool:
        """Whether a transcript that did not fit is hardly any shorter now: it never will be."""
        before = self._overflow
        if before is None or sum(map(of_entry, shorter.entries)) < before * _SHORTER:
            return False
        self._summary = ""
        return True

    async def _summarized(
        self, transcript: Transcript, room: int, summarize: Summarize
    ) -> Transcript:
        entries, size = transcript.entries, self.size(transcript)
        stays = self._standing + of_entry(self._asked)
        kept_tokens = min(
            room * KEPT / self._meter.scale, room * EMPTIED / self._meter.scale - stays
        )
        place = first_kept(entries, int(max(kept_tokens, 0)))
        old = [entry for entry in entries[:place] if entry is not self._asked]
        if old in ([], [self._told]) or size < self._failed_at * _GROWN:
            return transcript
        self._summary = await summarize(transcript.system, retold(old, room), size)
        self._failed_at = 0 if self._summary else size
        if not self._summary:
            return transcript
        shorter = replaced(self._asked, self._summary, entries[place:], room)
        self._told = next(entry for entry in shorter if entry is not self._asked)
        return self._anew(transcript, shorter)

    def _cut(self, transcript: Transcript, tokens: int) -> Transcript:
        whole = self._call.cut_results
        entries = cut_results(transcript.entries, tokens, whole, readable=self._readable)
        if entries == transcript.entries:
            return transcript
        return self._anew(transcript, unsealed(entries))

    def _anew(self, transcript: Transcript, entries: tuple[Entry, ...]) -> Transcript:
        self._meter.forget()
        return Transcript(transcript.system, entries)
