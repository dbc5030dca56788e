"""How many tokens something is, roughly: there is no counting without the model's own vocabulary.

The last request is known exactly where its provider reports it; only what came since is estimated.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from agentouto._domain.content import (
    Entry,
    Incoming,
    Outcomes,
    Reasoning,
    Reply,
    ToolCall,
    Transcript,
)
from agentouto._domain.message import Attachment
from agentouto._domain.ports import ToolSpec

PER_ENTRY = 4
PER_FILE = 1_600
"""What an image costs, or a page; a text file that is longer counts as what it is."""

_DOUBTFUL = 3
"""No vocabulary makes one token of twelve letters: so much less than estimated was not counted."""


def of_text(text: str) -> int:
    """Return about how many tokens ``text`` is: letters come in fours, other scripts singly."""
    if text.isascii():
        return len(text) // 4 + 1
    wide = len(text.encode("utf-8", "replace")) - len(text)  # two more for each CJK character
    return (len(text) - wide // 2) // 4 + wide // 2 + 1


def of_entry(entry: Entry) -> int:
    """Return about how many tokens ``entry`` is."""
    match entry:
        case Incoming(text, files):
            return PER_ENTRY + of_text(text) + _of_files(files)
        case Outcomes(items):
            texts = sum(PER_ENTRY + of_text(item.content) for item in items)
            return texts + sum(_of_files(item.attachments) for item in items)
        case Reply(parts):
            return PER_ENTRY + sum(
                of_text(part.name) + of_text(part.arguments) + PER_ENTRY
                if isinstance(part, ToolCall)
                else of_text(part.text)
                for part in parts
                if not isinstance(part, Reasoning)
            )


def of_tools(tools: Iterable[ToolSpec]) -> int:
    """Return about how many tokens the descriptions of ``tools`` are."""
    return len(msgspec.json.encode(list(tools))) // 4


def _of_files(files: Iterable[Attachment]) -> int:
    return sum(max(PER_FILE, _of_file(file)) for file in files)


def _of_file(file: Attachment) -> int:
    is_text = file.data is not None and file.mime_type.startswith("text/")
    return len(file.data or "") * 3 // 16 if is_text else 0


class Meter:
    """How large the next request of one call is. Looks at every entry once.

    Args:
        standing: Tokens of what every request begins with: the system prompt and the tools.

    Attributes:
        scale: How many tokens one estimated token is, where more were counted than estimated.
    """

    __slots__ = ("_estimate", "_last", "_measured", "_reported", "_seen", "_standing", "scale")

    def __init__(self, standing: int) -> None:
        self._standing = standing
        self.scale: float = 1.0
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next transcript is not the last one and more."""
        self._seen = 0
        self._last: Entry | None = None
        self._estimate = 0
        self._reported: int | None = None
        self._measured = 0

    def size(self, transcript: Transcript) -> int:
        """Return about how many tokens a request with ``transcript`` has."""
        entries = transcript.entries
        if self._seen and not (
            len(entries) >= self._seen and entries[self._seen - 1] is self._last
        ):
            self.forget()
        new = entries[self._seen :]
        if not self._seen:
            self._estimate = self._standing
        if new:
            self._estimate += sum(map(of_entry, new))
            self._seen, self._last = len(entries), new[-1]
        if self._reported is None:
            return int(self._estimate * self.scale)
        return self._reported + self._estimate - self._measured

    def report(self, transcript: Transcript, tokens: int | None) -> None:
        """Take in what a provider has counted for a request with ``transcript``."""
        self.size(transcript)
        if tokens is not None and tokens * _DOUBTFUL >= self._estimate:
            self._reported, self._measured = tokens, self._estimate
            self.scale = max(tokens / max(self._estimate, 1), 1.0)
