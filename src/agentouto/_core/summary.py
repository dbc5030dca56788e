"""How a transcript becomes shorter, and what of it stays as it was.

Long results of tools are cut first: what is left out can still be read. Only then are old entries
replaced by a summary; the forward that the call is about and the newest entries stay word for word.
Who writes the summary is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from agentouto._core.prompt import LEFT_OUT, LEFT_OUT_READABLE, SUMMARY
from agentouto._core.tokens import of_entry, of_text
from agentouto._domain.content import Entry, Incoming, Outcome, Outcomes, Reply, ToolCall
from agentouto._domain.message import Attachment

FULL = 0.7
"""From this share of a window on, something has to go."""

KEPT = 0.3
"""At most this share is kept word for word, if it is not all one turn."""

EMPTIED = 0.5
"""To about this share of a window a transcript is shortened, if what must stay leaves room."""

LONG_RESULTS = (0.1, 0.03, 0.01)
"""Results longer than such a share of the window are cut, the first share first."""

_LONGEST_SUMMARY = 0.15
_LONGEST_QUESTION = 0.6
_SHORTEST = 200
_GAP = " [...] "


def cut_results(
    entries: Sequence[Entry], tokens: int, whole: dict[str, str], *, readable: bool
) -> tuple[Entry, ...]:
    """Return ``entries`` with no result of a tool much longer than ``tokens``.

    What was cut is put into ``whole``, by the place of its tool call; ``readable`` says whether the
    agent has a tool to read it with.
    """

    def shorter(outcome: Outcome) -> Outcome:
        if of_text(outcome.content) <= tokens or len(outcome.content) <= _SHORTEST:
            return outcome
        text = whole.setdefault(outcome.tool_call.place, outcome.content)
        half = max(_letters(text, tokens), _SHORTEST) // 2
        words = LEFT_OUT_READABLE if readable else LEFT_OUT
        gap = words.format(
            id=outcome.tool_call.place, start=half, end=len(text) - half, count=len(text) - 2 * half
        )
        content = f"{text[:half]}\n{gap}\n{text[-half:]}"
        return msgspec.structs.replace(outcome, content=content)

    def each(entry: Entry) -> Entry:
        if not isinstance(entry, Outcomes):
            return entry
        items = tuple(map(shorter, entry.items))
        return entry if items == entry.items else Outcomes(items)

    return tuple(map(each, entries))


def portion(text: str, start: int, end: int, tokens: int) -> str:
    """Return ``text`` from ``start`` to ``end``, but not much more than ``tokens``."""
    part = text[start:end]
    return part[: max(_letters(part, tokens), _SHORTEST)]


def unsealed(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return ``entries`` without what their provider has sealed, bound to what went before."""
    return tuple(
        msgspec.structs.replace(entry, native=None)
        if isinstance(entry, Reply) and entry.native is not None
        else entry
        for entry in entries
    )


def first_kept(entries: Sequence[Entry], tokens: int) -> int:
    """Return where the newest entries begin that have about ``tokens`` together.

    There is always one, and results are never kept without the reply that asked for them.
    """
    place, size = len(entries), 0
    while place > 0:
        size += of_entry(entries[place - 1])
        if size > tokens and place < len(entries):
            break
        place -= 1
    while place > 0 and isinstance(entries[place], Outcomes):
        place -= 1
    return place


def retold(entries: Iterable[Entry], window: int) -> str:
    """Return ``entries`` as a text that whoever summarises them can read in one go."""
    entries = tuple(entries)
    most = int(window * _LONGEST_QUESTION)
    for letters in (1_000_000, 4_000, 1_000, 250):
        text = "\n\n".join(line for entry in entries for line in _lines(entry, letters))
        if of_text(text) <= most:
            return text
    return _cut(text, _letters(text, most))


def replaced(
    asked: Incoming, summary: str, kept: Sequence[Entry], window: int
) -> tuple[Entry, ...]:
    """Return the entries of a transcript whose older part is now a ``summary``.

    What is asked comes first, but not before earlier messages that are ``kept``.
    """
    most = _letters(summary, int(window * _LONGEST_SUMMARY))
    told = Incoming(SUMMARY.format(text=_cut(summary.strip(), max(most, _SHORTEST))))
    if any(entry is asked for entry in kept):
        return told, *unsealed(kept)
    return asked, told, *unsealed(kept)


def _lines(entry: Entry, letters: int) -> list[str]:
    match entry:
        case Incoming(text, files):
            return [f"User: {_cut(text, letters)}{_named(files)}"]
        case Outcomes(items):
            return [
                f"Tool result ({item.tool_call.name}): {_cut(item.content, letters)}"
                f"{_named(item.attachments)}"
                for item in items
            ]
        case Reply(parts):
            said = [f"Assistant: {_cut(entry.text, letters)}"] if entry.text else []
            calls = [
                f"{part.name}({_cut(part.arguments, letters)})"
                for part in parts
                if isinstance(part, ToolCall)
            ]
            return said + ([f"Assistant: [Called tools: {', '.join(calls)}]"] if calls else [])


def _letters(text: str, tokens: int) -> int:
    """Return how many letters of ``text`` are about ``tokens``."""
    return tokens * len(text) // of_text(text)


def _named(files: Iterable[Attachment]) -> str:
    return "".join(f" ({file.name or file.mime_type})" for file in files)


def _cut(text: str, letters: int) -> str:
    if len(text) <= letters:
        return text
    half = max(letters // 2 - len(_GAP), 1)
    return f"{text[:half]}{_GAP}{text[-half:]}"
