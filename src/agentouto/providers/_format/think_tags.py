"""Splits a ``<think>`` block at the beginning of a text from the text.

DeepSeek-R1, Qwen and other open models write their reasoning into the text, in such a block; their
servers separate it only if they are configured to (vLLM: "Reasoning Outputs").
A block is recognised at the beginning of the reply only: later on a tag is ordinary text, for a
model may write about tags. Tags may be cut anywhere between two pieces, so a piece that may be the
beginning of a tag is held back. The block is kept as it was, to be sent back.
"""

from __future__ import annotations

from enum import Enum, auto

from agentouto._domain.delta import Delta, ReasoningDelta, TextDelta

_TAGS = ("think", "thinking", "reason", "reasoning")
"""``think`` is that of DeepSeek-R1 and Qwen; fine-tuned models use the others."""

_OPENINGS = tuple(f"<{tag}>" for tag in _TAGS)
"""Opening tags. None is the beginning of another, because each has its bracket."""


class _State(Enum):
    BEFORE = auto()
    INSIDE = auto()
    AFTER = auto()


class ThinkSplitter:
    """Splits a streamed text into reasoning and text, however it is cut into pieces.

    With ``may_tag=False``, for models whose reasoning has fields of its own, tags are always text.

    Attributes:
        over: Whether no block can begin any more: all that follows is text.
    """

    __slots__ = ("_blanks", "_held", "_raw", "_state", "_tag", "over")

    def __init__(self, *, may_tag: bool = True) -> None:
        self.over = not may_tag
        self._state = _State.BEFORE
        self._blanks: list[str] = []
        self._held: str = ""
        self._tag: str = ""
        self._raw: list[str] = []

    @property
    def begun(self) -> bool:
        """Whether there has been any text."""
        started = self.over or self._state is not _State.BEFORE
        return started or bool(self._held or self._blanks)

    @property
    def verbatim(self) -> str:
        """The block as the model wrote it, with white space around it; empty without a block."""
        return "".join(self._raw)

    def feed(self, text: str, deltas: list[Delta]) -> None:
        """Take more text; add to ``deltas`` all of it that is certain."""
        if not self.over:
            text = self._read_block(text, deltas)
        if self.over and text:
            deltas.append(TextDelta(text))

    def end(self, deltas: list[Delta]) -> None:
        """Add to ``deltas`` what was held back: the text is complete."""
        if not self._blanks and not self._held:
            return
        held = "".join((*self._blanks, self._held))
        self._blanks, self._held = [], ""
        if held and self._state is _State.INSIDE:
            self._raw.append(held)
            deltas.append(ReasoningDelta(held))
        elif held:
            deltas.append(TextDelta(held))

    def _read_block(self, text: str, deltas: list[Delta]) -> str:
        """Take text while there may be a block; return what follows it."""
        if self._state is _State.BEFORE:
            text = self._before(text)
        if self._state is _State.INSIDE:
            text = self._inside(text, deltas)
        if self._state is _State.AFTER:
            text = self._after(text)
        return text

    def _before(self, text: str) -> str:
        if not self._held and (not text or text.isspace()):
            self._blanks.append(text)
            return ""
        begun = self._held + text if self._held else text.lstrip()
        if not self._held:
            self._blanks.append(text[: len(text) - len(begun)])
        self._held = ""
        for tag, opening in zip(_TAGS, _OPENINGS, strict=True):
            if begun.startswith(opening):
                self._state, self._tag = _State.INSIDE, f"</{tag}>"
                self._raw += (*self._blanks, opening)
                self._blanks = []
                return begun[len(opening) :]
        if any(opening.startswith(begun) for opening in _OPENINGS):
            self._held = begun
            return ""
        self.over = True
        rest, self._blanks = "".join((*self._blanks, begun)), []
        return rest

    def _inside(self, text: str, deltas: list[Delta]) -> str:
        text, self._held = self._held + text, ""
        thought, closing, rest = text.partition(self._tag)
        if closing:
            self._state = _State.AFTER
        elif keep := _overlap(text, self._tag):
            thought, self._held = text[:-keep], text[-keep:]
        if thought:
            deltas.append(ReasoningDelta(thought))
        self._raw += (thought, closing)
        return rest

    def _after(self, text: str) -> str:
        rest = text.lstrip()
        self._raw.append(text[: len(text) - len(rest)])
        if rest:
            self.over = True
        return rest


def _overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of ``text`` may be the beginning of ``tag``."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(tag[:size])), 0)
