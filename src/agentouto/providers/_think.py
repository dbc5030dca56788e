"""Thinking that a model writes into its text, told apart from the text.

Some models begin with a block in tags such as ``<think>``. It is recognised at the very beginning
only: later on the tags are words like any other. Nothing is searched for inside the block.
"""

from __future__ import annotations

from enum import Enum, auto

from agentouto._domain.delta import Delta, ReasoningDelta, TextDelta

_TAGS = ("think", "thinking", "reason", "reasoning")
_OPENINGS = tuple(f"<{tag}>" for tag in _TAGS)


class _State(Enum):
    BEFORE = auto()
    INSIDE = auto()
    AFTER = auto()
    OVER = auto()


class ThinkSplitter:
    """Splits the beginning of a text into thinking and saying, however it is cut into pieces.

    Where a model is known to think elsewhere (``may_tag=False``), tags are words from the start.
    """

    __slots__ = ("_held", "_raw", "_state", "_tag")

    def __init__(self, *, may_tag: bool = True) -> None:
        self._state = _State.BEFORE if may_tag else _State.OVER
        self._held: str = ""
        self._tag: str = ""
        self._raw: list[str] = []

    @property
    def over(self) -> bool:
        """Whether no block can begin any more: from then on text is text."""
        return self._state is _State.OVER

    @property
    def begun(self) -> bool:
        """Whether there has been any text."""
        return bool(self._held) or self._state is not _State.BEFORE

    @property
    def verbatim(self) -> str:
        """The block as the model wrote it, with the blanks around it; empty without a block."""
        return "".join(self._raw)

    def feed(self, text: str, heard: list[Delta]) -> None:
        """Take more text; add to ``heard`` what can be told of it."""
        if self._state is _State.BEFORE:
            text = self._before(self._held + text)
        if self._state is _State.INSIDE:
            text = self._inside(text, heard)
        if self._state is _State.AFTER:
            text = self._after(text)
        if self._state is _State.OVER and text:
            heard.append(TextDelta(text))

    def end(self, heard: list[Delta]) -> None:
        """Tell what was still held back: nothing more will come."""
        held, self._held = self._held, ""
        if held and self._state is _State.INSIDE:
            self._raw.append(held)
            heard.append(ReasoningDelta(held))
        elif held:
            heard.append(TextDelta(held))

    def _before(self, text: str) -> str:
        self._held = ""
        begun = text.lstrip()
        for tag, opening in zip(_TAGS, _OPENINGS, strict=True):
            if begun.startswith(opening):
                after = text.index(opening) + len(opening)
                self._state, self._tag = _State.INSIDE, f"</{tag}>"
                self._raw.append(text[:after])
                return text[after:]
        if any(opening.startswith(begun) for opening in _OPENINGS):
            self._held = text
            return ""
        self._state = _State.OVER
        return text

    def _inside(self, text: str, heard: list[Delta]) -> str:
        text, self._held = self._held + text, ""
        thought, closing, rest = text.partition(self._tag)
        if closing:
            self._state = _State.AFTER
        elif keep := _overlap(text, self._tag):
            thought, self._held = text[:-keep], text[-keep:]
        if thought:
            heard.append(ReasoningDelta(thought))
        self._raw += (thought, closing)
        return rest

    def _after(self, text: str) -> str:
        said = text.lstrip()
        self._raw.append(text[: len(text) - len(said)])
        if said:
            self._state = _State.OVER
        return said


def _overlap(text: str, tag: str) -> int:
    """Return how many letters at the end of ``text`` may be the beginning of ``tag``."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(tag[:size])), 0)
