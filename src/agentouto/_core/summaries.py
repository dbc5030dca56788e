"""Shortens a transcript: cuts long tool results, then replaces old entries by a summary.

Long results are cut first, because the agent can still read what is left out with a tool. If that
is not enough, old entries are replaced by a summary. The message that the call answers and the
newest entries are never changed. ``_engine/compaction.py`` decides when, and asks a model for the
summary.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import assert_never

import msgspec

from agentouto._core.prompt import OMITTED, OMITTED_READABLE, SUMMARY
from agentouto._core.token_estimates import entry_tokens, text_tokens
from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, ToolCall
from agentouto._domain.message import Attachment

COMPACT_FROM = 0.7
"""Share of the context window from which on a transcript is shortened. The rest is room for the
reply, for results of one more turn, and for the error of the token estimate."""

KEPT_SHARE = 0.3
"""Share of the window that the newest entries may take up unchanged. A single turn that is larger
is kept as well."""

TARGET_SHARE = 0.5
"""Share of the window to which a transcript is shortened. Below ``COMPACT_FROM``, so that the next
turn does not shorten it again: each time costs a request and the provider's prompt cache."""

RESULT_SHARES = (0.1, 0.03, 0.01)
"""Results longer than this share of the window are cut; the next share is tried only if the
transcript is still too long. Three steps: most transcripts need only their few longest results cut.
"""

_MAX_SUMMARY_SHARE = 0.15
"""A summary is cut at this share of the window, so that it and ``KEPT_SHARE`` fit the target."""

_MAX_SOURCE_SHARE = 0.6
"""A model is asked to summarize at most this share of its window; the rest is room for its reply
and for the error of the token estimate."""

_MIN_CHARACTERS = 200
"""No result is cut shorter than this: the note about the cut is about as long."""

_GAP = " [...] "
"""The mark of a cut within an entry that is summarized; the model cannot read more of it."""

_SOURCE_CUTS = (4_000, 1_000, 250)
"""How many characters of each entry a model is shown when it summarizes, where the whole is too
long: two pages, some paragraphs, a few lines."""


def cut_results(
    entries: Sequence[Entry], tokens: int, full_texts: dict[str, str], *, readable: bool
) -> tuple[Entry, ...]:
    """Return ``entries`` with every tool result cut to about ``tokens``.

    The full text of each cut result is put into ``full_texts``, by the place of its tool call.
    ``readable`` says whether the agent has the tool that reads it.
    """

    def shorter(outcome: Outcome) -> Outcome:
        if text_tokens(outcome.content) <= tokens or len(outcome.content) <= _MIN_CHARACTERS:
            return outcome
        id_ = str(outcome.tool_call.place)
        text = full_texts.setdefault(id_, outcome.content)
        half = max(_characters(text, tokens), _MIN_CHARACTERS) // 2
        note = OMITTED_READABLE if readable else OMITTED
        gap = note.format(id=id_, start=half, end=len(text) - half, count=len(text) - 2 * half)
        content = f"{text[:half]}\n{gap}\n{text[-half:]}"
        return msgspec.structs.replace(outcome, content=content)

    def each(entry: Entry) -> Entry:
        if not isinstance(entry, Outcomes):
            return entry
        items = tuple(map(shorter, entry.items))
        return entry if items == entry.items else Outcomes(items)

    return tuple(map(each, entries))


def excerpt(text: str, start: int, end: int, tokens: int) -> str:
    """Return ``text`` from ``start`` to ``end``, cut to about ``tokens``."""
    part = text[start:end]
    return part[: max(_characters(part, tokens), _MIN_CHARACTERS)]


def without_native(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return ``entries`` without their native items: those are bound to the entries before them.

    Signed thinking (Anthropic), encrypted reasoning (OpenAI) and thought signatures (Gemini) are
    refused by their APIs where the history in front of them has changed.
    """
    return tuple(
        msgspec.structs.replace(entry, native=None)
        if isinstance(entry, Reply) and entry.native is not None
        else entry
        for entry in entries
    )


def first_kept(entries: Sequence[Entry], tokens: int) -> int:
    """Return the index from which on the entries have about ``tokens`` together.

    At least one entry is kept, and results are never kept without the reply that has their tool
    calls: every model API refuses such a history.
    """
    place, size = len(entries), 0
    while place > 0:
        size += entry_tokens(entries[place - 1])
        if size > tokens and place < len(entries):
            break
        place -= 1
    while place > 0 and isinstance(entries[place], Outcomes):
        place -= 1
    return place


def summary_source(entries: Iterable[Entry], window: int) -> str:
    """Return ``entries`` as one text that fits the window of the model that summarizes them."""
    entries = tuple(entries)
    allowed = int(window * _MAX_SOURCE_SHARE)
    text = _plain_text(entries, sys.maxsize)
    for characters in _SOURCE_CUTS:
        if text_tokens(text) <= allowed:
            return text
        text = _plain_text(entries, characters)
    return _cut_middle(text, _characters(text, allowed))


def with_summary(
    asked: Incoming, summary: str, kept: Sequence[Entry], window: int
) -> tuple[Entry, ...]:
    """Return the entries of a transcript whose older part is replaced by ``summary``.

    The message that the call answers comes first, unless it is among the ``kept`` entries.
    """
    allowed = _characters(summary, int(window * _MAX_SUMMARY_SHARE))
    text = _cut_middle(summary.strip(), max(allowed, _MIN_CHARACTERS))
    summarized = Incoming(SUMMARY.format(text=text))
    if any(entry is asked for entry in kept):
        return summarized, *without_native(kept)
    return asked, summarized, *without_native(kept)


def _plain_text(entries: Iterable[Entry], characters: int) -> str:
    return "\n\n".join(line for entry in entries for line in _lines(entry, characters))


def _lines(entry: Entry, letters: int) -> list[str]:
    match entry:
        case Incoming(text, files):
            return [f"User: {_cut_middle(text, letters)}{_attachment_names(files)}"]
        case Outcomes(items):
            return [
                f"Tool result ({item.tool_call.name}): {_cut_middle(item.content, letters)}"
                f"{_attachment_names(item.attachments)}"
                for item in items
            ]
        case Reply(parts):
            lines = [f"Assistant: {_cut_middle(entry.text, letters)}"] if entry.text else []
            calls = [
                f"{part.name}({_cut_middle(part.arguments, letters)})"
                for part in parts
                if isinstance(part, ToolCall)
            ]
            return lines + ([f"Assistant: [Called tools: {', '.join(calls)}]"] if calls else [])
        case _:
            assert_never(entry)


def _characters(text: str, tokens: int) -> int:
    """Return how many characters of ``text`` are about ``tokens``."""
    return tokens * len(text) // text_tokens(text)


def _attachment_names(files: Iterable[Attachment]) -> str:
    return "".join(f" ({file.name or file.mime_type})" for file in files)


def _cut_middle(text: str, letters: int) -> str:
    if len(text) <= letters:
        return text
    half = max(letters // 2 - len(_GAP), 1)
    return f"{text[:half]}{_GAP}{text[-half:]}"
