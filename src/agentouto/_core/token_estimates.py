"""Estimates how many tokens texts, entries and whole requests have.

Counting needs the model's own tokenizer, which most vendors do not publish. A provider reports the
size of each request with its reply, so only the entries since the last report are estimated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

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

TOKENS_PER_ENTRY = 4
"""Tokens that separate an entry from the next one: its role and its end (OpenAI cookbook, "How to
count tokens with tiktoken", counts 3 or 4 for its chat models)."""

TOKENS_PER_FILE = 1_600
"""Tokens of an image or a page: Anthropic's largest picture that is not scaled down ("Vision":
width * height / 750 for about 1.15 megapixels). A longer text file counts by its length.
"""

_IMPLAUSIBLE_RATIO = 3
"""A reported count below a third of the estimate (12 characters a token) is implausible and is
ignored: no tokenizer reaches that for text, while some servers report 0, or uncached tokens only.
"""


def text_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has.

    Four ASCII characters are a token (OpenAI, "What are tokens"), and so is one character of a
    script that UTF-8 writes in three bytes, such as Korean or Chinese.
    """
    if text.isascii():
        return len(text) // 4 + 1
    wide = len(text.encode("utf-8", "replace")) - len(text)  # two extra bytes a CJK character
    return (len(text) - wide // 2) // 4 + wide // 2 + 1


def entry_tokens(entry: Entry) -> int:
    """Return about how many tokens ``entry`` has."""
    match entry:
        case Incoming(text, files):
            return TOKENS_PER_ENTRY + text_tokens(text) + _attachments_tokens(files)
        case Outcomes(items):
            texts = sum(TOKENS_PER_ENTRY + text_tokens(item.content) for item in items)
            return texts + sum(_attachments_tokens(item.attachments) for item in items)
        case Reply(parts):
            return TOKENS_PER_ENTRY + sum(
                text_tokens(part.name) + text_tokens(part.arguments) + TOKENS_PER_ENTRY
                if isinstance(part, ToolCall)
                else text_tokens(part.text)
                for part in parts
                if not isinstance(part, Reasoning)
            )
        case _:
            assert_never(entry)


def tool_tokens(tools: Iterable[ToolSpec]) -> int:
    """Return about how many tokens the descriptions of ``tools`` have."""
    return len(msgspec.json.encode(list(tools))) // 4


def _attachments_tokens(files: Iterable[Attachment]) -> int:
    return sum(max(TOKENS_PER_FILE, _attachment_tokens(file)) for file in files)


def _attachment_tokens(file: Attachment) -> int:
    is_text = file.data is not None and file.mime_type.startswith("text/")
    return len(file.data or "") * 3 // 16 if is_text else 0


class Meter:
    """Estimates the size of the next request of one call. Each entry is looked at once.

    Args:
        fixed: Tokens of the beginning of every request: the system prompt and the tools.

    Attributes:
        scale: Reported tokens for one estimated token, at least 1: an estimate that was too low is
            corrected, one that was too high is kept, because too early is better than too late.
    """

    __slots__ = ("_estimate", "_fixed", "_last", "_measured", "_reported", "_seen", "scale")

    def __init__(self, fixed: int) -> None:
        self._fixed = fixed
        self.scale: float = 1.0
        self.forget()

    def forget(self) -> None:
        """Start over: the next transcript is not a continuation of the last one."""
        self._seen = 0
        self._last: Entry | None = None
        self._estimate = 0
        self._reported: int | None = None
        self._measured = 0

    def size(self, transcript: Transcript) -> int:
        """Return about how many tokens a request with ``transcript`` will have."""
        entries = transcript.entries
        if self._seen and not (
            len(entries) >= self._seen and entries[self._seen - 1] is self._last
        ):
            self.forget()
        new = entries[self._seen :]
        if not self._seen:
            self._estimate = self._fixed
        if new:
            self._estimate += sum(map(entry_tokens, new))
            self._seen, self._last = len(entries), new[-1]
        if self._reported is None:
            return int(self._estimate * self.scale)
        return self._reported + self._estimate - self._measured

    def report(self, transcript: Transcript, tokens: int | None) -> None:
        """Store the count that a provider reported for a request with ``transcript``."""
        self.size(transcript)
        if tokens is not None and tokens * _IMPLAUSIBLE_RATIO >= self._estimate:
            self._reported, self._measured = tokens, self._estimate
            self.scale = max(tokens / max(self._estimate, 1), 1.0)
