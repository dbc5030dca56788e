"""Keeps the transcript of one call within the context window of its model.

It estimates the size of the transcript and decides when to shorten it. How a transcript is
shortened is in ``_core/summaries.py``; ``model_call.py`` asks the model for a summary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agentouto._core.prompt import incoming_forward
from agentouto._core.summaries import (
    COMPACT_FROM,
    KEPT_SHARE,
    RESULT_SHARES,
    TARGET_SHARE,
    cut_results,
    first_kept,
    summary_source,
    with_summary,
    without_native,
)
from agentouto._core.token_estimates import Meter, entry_tokens, text_tokens
from agentouto._domain.content import Entry, Incoming, Transcript
from agentouto._domain.errors import ContextOverflow
from agentouto._engine.call import Call
from agentouto._engine.run_setup import RunSetup
from agentouto._engine.toolbox import Toolbox

Summarize: TypeAlias = Callable[[str, str, int], Awaitable[str]]
"""Takes a system prompt, a text, and about how many tokens the transcript of that text has. Returns
the summary of the text by a model; empty if the model fails. Raises ``ContextOverflow`` if the text
is too long."""

_GROWTH_TO_RETRY = 1.1
"""A summary that failed is requested again when the transcript has grown by this factor. Each try
is a request that is paid for, and a few entries more do not change its outcome."""

_MAX_SHARE_TO_RESEND = 0.97
"""A transcript that did not fit is sent again if it is at most this share of what it was. A smaller
cut is within the error of the estimate, and would most likely fail again."""

_MAX_WINDOW_SHARE = 0.9
"""The window is taken to be at most this share of a transcript that did not fit. Its true size is
unknown where the error does not name it: each failure then lowers the bound by a tenth."""


_SMALLEST_ROOM = 1_024
"""Tokens below which no window is assumed: every model reads more, so the cause is another one."""


class Compactor:
    """Estimates and shortens the transcript of one call.

    Args:
        call: The call.
        forward: The forward that the call answers, as its transcript has it.
        fixed_tokens: Tokens of the beginning of every request: the system prompt and the tools.
        readable: Whether the agent has the tool that reads results which were cut.

    Attributes:
        window_bound: An upper bound of the context window, once a transcript did not fit.
        failed_at: The size at which a summary was asked for in vain; 0 if none was.
    """

    __slots__ = (
        "_call",
        "_fixed_tokens",
        "_forward",
        "_meter",
        "_overflow_tokens",
        "_readable",
        "_summary",
        "_summary_entry",
        "failed_at",
        "window_bound",
    )

    def __init__(self, call: Call, forward: Incoming, fixed_tokens: int, *, readable: bool) -> None:
        self._call = call
        self._readable = readable
        self._forward = forward
        self._fixed_tokens = fixed_tokens
        self._meter = Meter(fixed_tokens)
        self.failed_at: int = 0
        self._summary = ""
        self._summary_entry: Entry | None = None
        self._overflow_tokens: int | None = None
        self.window_bound: int | None = None

    def size(self, transcript: Transcript) -> int:
        """Return about how many tokens ``transcript`` has."""
        return self._meter.size(transcript)

    def report(self, transcript: Transcript, tokens: int | None) -> None:
        """Store how many tokens a provider reported for ``transcript``."""
        self._meter.report(transcript, tokens)

    def overflowed(self, transcript: Transcript) -> None:
        """Note that ``transcript`` did not fit, and lower the bound of the window."""
        self._overflow_tokens = sum(map(entry_tokens, transcript.entries))
        self.window_bound = int(self.size(transcript) * _MAX_WINDOW_SHARE)
        self.failed_at = 0

    def fits(self) -> None:
        """Note that the last transcript did fit."""
        self._overflow_tokens = None

    def restore(self, window_bound: int | None, failed_at: int, summary: Entry | None) -> None:
        """Take over what an earlier process has found out, and the summary it has inserted."""
        self.window_bound, self.failed_at = window_bound, failed_at
        self._summary_entry = summary or self._summary_entry
        self._meter.forget()

    def take_summary(self) -> str:
        """Return the summary that the last ``fit`` has inserted, if any, and forget it."""
        summary, self._summary = self._summary, ""
        return summary

    async def fit(
        self, transcript: Transcript, window: int | None, summarize: Summarize
    ) -> Transcript:
        """Return ``transcript``, shortened if it would not fit the window.

        In this order, until it fits: cut the longest results, summarize the older entries, cut
        shorter results. Cuts cost no request and the agent can still read what was cut.
        """
        room = min(window or self.window_bound or 0, self.window_bound or window or 0)
        limit = int(room * COMPACT_FROM)
        if not room or self.size(transcript) <= limit:
            return transcript
        first, *further = RESULT_SHARES
        self._call.most_read = int(room * first)
        shorter = self._with_cut_results(transcript, int(room * first))
        if self.size(shorter) > limit:
            shorter = await self._summarized(shorter, room, summarize)
            room = min(room, self.window_bound or room)
            limit = int(room * COMPACT_FROM)
        for share in further:  # a single turn may be too large, and is never summarized
            if self.size(shorter) > limit:
                shorter = self._with_cut_results(shorter, int(room * share))
        if self._summary and self.size(shorter) > limit:
            self.failed_at = self.size(shorter)
        return transcript if self._is_as_long(shorter) else shorter

    def _is_as_long(self, shorter: Transcript) -> bool:
        """Whether a transcript that did not fit is hardly any shorter now.

        It is then returned as it was, so that ``ask_model`` raises the provider's error.
        """
        before = self._overflow_tokens
        if (
            before is None
            or sum(map(entry_tokens, shorter.entries)) < before * _MAX_SHARE_TO_RESEND
        ):
            return False
        self._summary = ""
        return True

    async def _summarized(
        self, transcript: Transcript, room: int, summarize: Summarize
    ) -> Transcript:
        entries, size = transcript.entries, self.size(transcript)
        unchanged = self._fixed_tokens + entry_tokens(self._forward)
        kept_tokens = min(
            room * KEPT_SHARE / self._meter.scale,
            room * TARGET_SHARE / self._meter.scale - unchanged,
        )
        cut = first_kept(entries, int(max(kept_tokens, 0)))
        old = [entry for entry in entries[:cut] if entry is not self._forward]
        if old in ([], [self._summary_entry]) or size < self.failed_at * _GROWTH_TO_RETRY:
            return transcript
        try:
            self._summary = await summarize(transcript.system, summary_source(old, room), size)
        except ContextOverflow:  # the window is smaller than estimated
            if room < 2 * _SMALLEST_ROOM:
                self.failed_at = size
                return transcript
            self.window_bound = room // 2
            return await self._summarized(transcript, self.window_bound, summarize)
        self.failed_at = 0 if self._summary else size
        if not self._summary:
            return transcript
        shorter = with_summary(self._forward, self._summary, entries[cut:], room)
        self._summary_entry = next(entry for entry in shorter if entry is not self._forward)
        return self._rewritten(transcript, shorter)

    def _with_cut_results(self, transcript: Transcript, tokens: int) -> Transcript:
        full_texts = self._call.cut_results
        entries = cut_results(transcript.entries, tokens, full_texts, readable=self._readable)
        if entries == transcript.entries:
            return transcript
        return self._rewritten(transcript, without_native(entries))

    def _rewritten(self, transcript: Transcript, entries: tuple[Entry, ...]) -> Transcript:
        self._meter.forget()
        return Transcript(transcript.system, entries)


class LazyCompactor:
    """Makes the compactor of one call when the size of its transcript first matters.

    Few calls become that large, and counting the tokens of a system prompt takes time.

    Attributes:
        forward: The forward that the call answers, as its transcript has it.
        compactor: The compactor, once it is made.
    """

    __slots__ = ("_call", "_setup", "_toolbox", "compactor", "forward")

    def __init__(self, call: Call, setup: RunSetup, toolbox: Toolbox) -> None:
        self._call = call
        self._setup = setup
        self._toolbox = toolbox
        self.forward: Incoming = incoming_forward(call.forward)
        self.compactor: Compactor | None = None

    def get(self, system: str) -> Compactor:
        """Return the compactor for transcripts with the ``system`` prompt."""
        if self.compactor is None:
            box = self._toolbox
            fixed_tokens = text_tokens(system) + self._setup.weight(box)
            self.compactor = Compactor(
                self._call, self.forward, fixed_tokens, readable=box.reads_results
            )
        return self.compactor

    def size(self, transcript: Transcript) -> int:
        """Return about how many tokens ``transcript`` has."""
        return self.get(transcript.system).size(transcript)
