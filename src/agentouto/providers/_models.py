"""What is known of OpenAI's models: which of them reason, and how they are told how hard.

The only table of model names. A model it does not know is spoken to as the user asked, and what
its server refuses is left out the next time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentouto._domain.participants import EFFORTS


@dataclass(frozen=True, slots=True)
class Reasons:
    """How a model reasons.

    Attributes:
        by_default: Whether it does so without being told.
        efforts: What it can be told, weakest first; empty if it does not reason.
        max_on_responses: Whether it can be told ``max`` too, through the Responses API only.
        no_tools_on_chat: Whether Chat Completions gives it no tools while it reasons.
    """

    by_default: bool = False
    efforts: tuple[str, ...] = ()
    max_on_responses: bool = False
    no_tools_on_chat: bool = False

    @property
    def can_be_off(self) -> bool:
        """Whether it can be told not to reason."""
        return "none" in self.efforts

    @property
    def on_responses(self) -> Reasons:
        """How it reasons when it is asked through the Responses API."""
        return replace(self, efforts=(*self.efforts, "max")) if self.max_on_responses else self

    def nearest(self, effort: str) -> str:
        """Return the weakest effort that is at least ``effort``, else the strongest there is."""
        wanted = EFFORTS.index(effort)
        strong = (known for known in self.efforts if EFFORTS.index(known) >= wanted)
        return next(strong, self.efforts[-1] if self.efforts else effort)


_UP_TO_XHIGH = ("none", "low", "medium", "high", "xhigh")
_FROM_LOW = ("low", "medium", "high", "xhigh")
_UP_TO_HIGH = ("none", "low", "medium", "high")

_FAMILIES: tuple[tuple[tuple[str, ...], Reasons], ...] = (
    (
        ("gpt-6-astra", "gpt-6.1-sol"),
        Reasons(by_default=True, efforts=_FROM_LOW, max_on_responses=True, no_tools_on_chat=True),
    ),
    (
        ("gpt-6.1-terra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6"),
        Reasons(
            by_default=True, efforts=_UP_TO_XHIGH, max_on_responses=True, no_tools_on_chat=True
        ),
    ),
    (
        ("gpt-5.5-pro", "gpt-5.4-pro"),
        Reasons(by_default=True, efforts=("medium", "high", "xhigh"), no_tools_on_chat=True),
    ),
    (("gpt-5.5",), Reasons(by_default=True, efforts=_UP_TO_XHIGH, no_tools_on_chat=True)),
    (("gpt-5.4",), Reasons(by_default=False, efforts=_UP_TO_XHIGH, no_tools_on_chat=True)),
    (("gpt-5.3", "gpt-5.2"), Reasons(by_default=False, efforts=_UP_TO_XHIGH)),
    (("gpt-5.1",), Reasons(by_default=False, efforts=_UP_TO_HIGH)),
    (("gpt-5-pro",), Reasons(by_default=True, efforts=("high",))),
    (("gpt-5",), Reasons(by_default=True, efforts=("minimal", "low", "medium", "high"))),
    (("o1", "o3", "o4"), Reasons(by_default=True, efforts=("low", "medium", "high"))),
)
_CHAT_LATEST = Reasons(by_default=True, efforts=("medium",))


def reasons(model: str) -> Reasons | None:
    """Return how ``model`` reasons, or ``None`` if the name is not known."""
    name = model.rpartition("/")[2]
    if name.startswith("gpt-5.") and name.endswith("-chat-latest"):
        return _CHAT_LATEST
    for prefixes, family in _FAMILIES:
        if any(name == prefix or name.startswith(f"{prefix}-") for prefix in prefixes):
            return family
    return Reasons() if name.startswith(("gpt-4", "gpt-3.5", "chatgpt-")) else None


def effort_for_budget(tokens: int) -> str:
    """Return the effort that comes closest to a budget of ``tokens`` for thinking."""
    steps = ((1_024, "minimal"), (4_096, "low"), (16_384, "medium"), (49_152, "high"))
    return next((effort for most, effort in steps if tokens <= most), "xhigh")
