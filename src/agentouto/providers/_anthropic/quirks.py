"""Learns from errors of the Messages API: quirks of a model, and corrections of one call.

A field that we chose and a server refuses is left out from then on, or sent with the value that the
error names. What the user put into ``extra`` is never changed. Errors about thinking in earlier
replies concern one conversation, so their corrections belong to one call.

The order of the tests in ``adapt`` matters: an error about ``max_tokens`` may also mention
thinking, and one about a signature also says "invalid". ``options.py`` decides what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import MappingProxyType

from agentouto._domain.participants import EFFORTS
from agentouto.providers._anthropic.server_messages import (
    ABOUT_OUTPUT_LIMIT,
    API_VERSION,
    CHOICE_REFUSED,
    INPUT_PLUS_OUTPUT,
    INPUT_POSITION,
    OUTPUT_FORMAT_REFUSED,
    OUTPUT_LIMIT,
    THINKING_BOUND,
    THINKING_MISSING,
    THINKING_REFUSED,
    WINDOW_MINUS_INPUT,
)
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.json import Json, as_count, as_object
from agentouto.providers._format.quirks import Quirks, is_about_value

_MAX_CORRECTIONS = 256
"""Calls of one model whose corrections are kept: more than run at one time against one model."""

_MIN_ROOM = 1_024
"""Tokens that must be left for a reply. With less, the conversation has to be summarised first."""

CHOICE_BY_WORD = MappingProxyType(
    {
        "thinking": "thinking",
        "display": "display",
        "block_binding": "block_binding",
        "output_config": "effort",
        "effort": "effort",
        "temperature": "temperature",
        "cache_control": "cache_control",
    }
)
"""Which of our choices an error is about, by the word that its text uses."""


class Correction:
    """What the errors of one call have changed.

    Attributes:
        bound: Whether the server is asked to drop thinking of another conversation.
        plain: Whether no thinking goes back at all.
        silent: Whether the model must not think, because earlier thinking is missing.
        room: How many tokens were left for the reply, where a request did not fit.
    """

    __slots__ = ("bound", "plain", "room", "silent")

    def __init__(self) -> None:
        self.bound = False
        self.plain = False
        self.silent = False
        self.room: int | None = None


class MessagesQuirks(Quirks):
    """What one server refuses and requires for one model.

    Attributes:
        thinks: The type of ``thinking`` that it takes instead of the one in our table.
        rests: The type that switches thinking off, likewise.
        refused: The types that it does not take.
        efforts: The efforts that it lists.
        cap: The highest ``max_tokens``.
        ask_at: When the server may be asked for the limits of the model, in seconds of the clock.
        version: The version of the API that it requires; empty if it takes ours.
    """

    __slots__ = ("ask_at", "cap", "corrections", "efforts", "refused", "rests", "thinks", "version")

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.refused: set[str] = set()
        self.thinks: str | None = None
        self.rests: str | None = None
        self.efforts: tuple[str, ...] = ()
        self.cap: int | None = None
        self.ask_at = 0.0
        self.version = ""
        self.corrections: dict[str, Correction] = {}

    def correction(self, call_id: str) -> Correction:
        """Return the corrections of a call: an empty one for most calls."""
        return self.corrections.get(call_id) or Correction()

    def take_capabilities(self, model: Json) -> None:
        """Take limits and capabilities from ``GET /v1/models/{id}``; errors count for more."""
        most = as_count(model.get("max_tokens"))
        if most is not None and most > 0:
            self.cap = most if self.cap is None else min(most, self.cap)
        can = as_object(model.get("capabilities"))
        self.efforts = self.efforts or tuple(filter(_supported(can.get("effort")), EFFORTS))
        types = as_object(can.get("thinking")).get("types")
        if types and self.thinks is None and self.rests is None:
            takes = _supported(types)
            self.thinks = next(filter(takes, ("adaptive", "enabled")), "")
            self.rests = next(filter(takes, ("disabled", "between_tools")), "")
            self.refused |= {"disabled"} - {self.rests}

    def adapt(self, call_id: str, sent: dict[str, str], details: ErrorDetails) -> None:
        """Learn from ``details`` what to change. ``sent`` are our choices, as words."""
        message = details.message
        if "anthropic-version" in message:
            others = set(API_VERSION.expression.findall(message)) - {sent.get("version", "")}
            if "version" in sent and others:
                self.version = max(others)
            return
        if (
            "max_tokens" in sent
            and ABOUT_OUTPUT_LIMIT.matches(message)
            and self._adapt_cap(call_id, sent, message)
        ):
            return
        correction = self.correction(call_id)
        if THINKING_BOUND.matches(message):
            correction.plain = correction.bound or sent.get("thinking") not in {
                "adaptive",
                "enabled",
            }
            correction.bound = not correction.plain
        elif THINKING_MISSING.matches(message):
            correction.silent = True
        elif THINKING_REFUSED.matches(message):
            correction.plain = True
        else:
            self._adapt_field(correction, sent, details)
        self._keep(call_id, correction)

    def _keep(self, call_id: str, correction: Correction) -> None:
        self.corrections[call_id] = correction
        if len(self.corrections) > _MAX_CORRECTIONS:
            del self.corrections[next(iter(self.corrections))]

    def _adapt_cap(self, call_id: str, sent: dict[str, str], message: str) -> bool:
        """Learn the highest ``max_tokens`` from an error about it; return whether it names one."""
        if fits := INPUT_PLUS_OUTPUT.search(message) or WINDOW_MINUS_INPUT.search(message):
            room = int(fits["window"]) - int(fits["input"])
            if room < _MIN_ROOM:
                return False
            correction = self.correction(call_id)
            correction.room = room - room // 4  # the next request of the call is longer
            self._keep(call_id, correction)
            return True
        numbers = (
            int((n[1] or n[2]).replace(",", "")) for n in OUTPUT_LIMIT.expression.finditer(message)
        )
        cap = max((n for n in numbers if 0 < n < int(sent["max_tokens"])), default=0)
        if not cap:
            return False
        self.cap = cap
        self.warn_once(f"max_tokens={sent['max_tokens']}", message)
        return True

    def _adapt_field(
        self, correction: Correction, sent: dict[str, str], details: ErrorDetails
    ) -> None:
        if "format" in sent and OUTPUT_FORMAT_REFUSED.matches(details.message):
            self.left_out.add("format")
            return
        not_ours = INPUT_POSITION.matches(details.message) or is_about_value(details)
        if not_ours or not CHOICE_REFUSED.matches(details.labels):
            return
        field = next((f for f in _choices_named(details) if f in sent), "")
        if field == "thinking":
            self._adapt_thinking(sent[field], details.message)
        elif field == "block_binding":
            correction.plain, correction.bound = True, False
        elif field == "effort" and (listed := _efforts_listed(details.message, sent[field])):
            self.efforts = listed
        elif field:
            self.left_out.add(field)
        if field in {"thinking", "effort", "temperature"}:
            self.warn_once(f"{field}={sent[field]}", details.message)

    def _adapt_thinking(self, refused: str, message: str) -> None:
        """Choose another type of thinking, or none if all are refused."""
        self.refused.add(refused)
        if refused in {"disabled", "between_tools"}:
            other = "between_tools" if "between_tools" in message else ""
            self.rests = "" if other in self.refused else other
        else:
            other = "enabled" if refused == "adaptive" else "adaptive"
            self.thinks = "" if other in self.refused else other


def _supported(listed: object) -> Callable[[str], bool]:
    """Return a test whether a name is supported according to ``listed``."""
    return lambda name: as_object(as_object(listed).get(name)).get("supported") is True


def _choices_named(details: ErrorDetails) -> Iterator[str]:
    """Yield the choices that ``details`` names, in its order; of a path, the end first."""
    for path in re.findall(r"[\w.]+", f"{details.param} {details.message}"):
        for step in reversed(path.split(".")):
            if field := CHOICE_BY_WORD.get(step):
                yield field


def _efforts_listed(message: str, refused: str) -> tuple[str, ...]:
    """Return the efforts that an error lists, without the one that it refuses."""
    words = set(re.findall(r"[a-z]+", message))
    return tuple(one for one in EFFORTS if one in words and one not in {refused, "none"})
