"""What servers of the Messages API have taught: per model, and per conversation.

A field that we chose to send and a server refuses is left out from then on, or said in another way
where its complaint names one. What the user put into ``extra`` never is. What a complaint means is
read here; what is then sent is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from agentouto._domain.participants import EFFORTS
from agentouto.providers._habits import Habits, is_of_a_value
from agentouto.providers._json import Json, as_count, as_object
from agentouto.providers._refusal import Fault

_REFUSING = re.compile(
    r"unsupported|not support|not available|not enabled|n.t (support|allow)|not (allowed|permitted)"
    r"|unknown|unrecogni[sz]ed|unexpected|extra|deprecated|cannot|may only|invalid|should be"
    r"|must be|range",
    re.IGNORECASE,
)
_CAP = re.compile(r"max_tokens|max(imum)? (output )?tokens|output tokens", re.IGNORECASE)
_TOGETHER = re.compile(r"(?P<input>\d+) \+ \d+ > (?P<window>\d+)")
_REST = re.compile(r"> (?P<window>\d+) - (?P<input>\d+)")
_MOST = re.compile(
    r"> (\d+)|(?:limit|maximum|at most|up to|lower than|less than|exceed|<)\D{0,40}(\d[\d,]{2,})",
    re.IGNORECASE,
)
_BOUND = re.compile(r"bound to a different conversation", re.IGNORECASE)
_UNWANTED = re.compile(
    r"signature|thinking` blocks .{0,60}cannot be modified|must contain thinking|cannot contain"
    r" `?thinking|first block must be|cannot be `?(redacted_)?thinking"
    r"|messages\.\d+\.content\S* .{0,20}extra inputs",
    re.IGNORECASE,
)
_MISSED = re.compile(
    r"must start with a thinking block|expected `?thinking|thinking.{0,40} must be passed back",
    re.IGNORECASE,
)
_VERSIONS = re.compile(r"\b20\d\d-\d\d-\d\d\b")
_HISTORY = re.compile(r"\b(messages|tools|system)[.\[]\d")
_MOST_CALLS = 256
_LEAST_ROOM = 1_024

FIELDS = {
    "thinking": "thinking",
    "display": "display",
    "block_binding": "block_binding",
    "output_config": "effort",
    "effort": "effort",
    "temperature": "temperature",
    "cache_control": "cache_control",
}
"""Which of our choices a complaint is about, by the word it uses."""


class Lesson:
    """What one conversation has taught.

    Attributes:
        bound: Whether the server shall drop thinking that it takes for somebody else's.
        plain: Whether no thinking goes back at all.
        silent: Whether the model is not to think, for want of the thinking it had done before.
        room: How many tokens were left for the reply, where a request did not fit.
    """

    __slots__ = ("bound", "plain", "room", "silent")

    def __init__(self) -> None:
        self.bound = False
        self.plain = False
        self.silent = False
        self.room: int | None = None


_FORM = re.compile(r"output_config\.format|output_format|compiled grammar|schema is too complex")
"""What a server says that will not promise a form."""


class MessagesHabits(Habits):
    """How one server wants one model to be asked.

    Attributes:
        thinks: The type of ``thinking`` that it takes instead of the one in our table.
        rests: The type that switches thinking off, likewise.
        refused: The types that it does not take.
        efforts: The efforts that it says it takes.
        cap: How long a reply may be at most.
        ask_at: From when on the server may be asked what it knows of the model.
        version: The version of the API that it asks for; empty if it is content.
    """

    __slots__ = ("ask_at", "cap", "efforts", "lessons", "refused", "rests", "thinks", "version")

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.refused: set[str] = set()
        self.thinks: str | None = None
        self.rests: str | None = None
        self.efforts: tuple[str, ...] = ()
        self.cap: int | None = None
        self.ask_at = 0.0
        self.version = ""
        self.lessons: dict[str, Lesson] = {}

    def lesson(self, call_id: str) -> Lesson:
        """Return what the call has taught: nothing yet, for most."""
        return self.lessons.get(call_id) or Lesson()

    def believe(self, said: Json) -> None:
        """Take what a server says of the model, as far as it has not taught otherwise."""
        most = as_count(said.get("max_tokens"))
        if most is not None and most > 0:
            self.cap = most if self.cap is None else min(most, self.cap)
        can = as_object(said.get("capabilities"))
        self.efforts = self.efforts or tuple(filter(_supported(can.get("effort")), EFFORTS))
        types = as_object(can.get("thinking")).get("types")
        if types and self.thinks is None and self.rests is None:
            takes = _supported(types)
            self.thinks = next(filter(takes, ("adaptive", "enabled")), "")
            self.rests = next(filter(takes, ("disabled", "between_tools")), "")
            self.refused |= {"disabled"} - {self.rests}

    def learn(self, call_id: str, sent: dict[str, str], fault: Fault) -> None:
        """Take from ``fault`` what to do otherwise. ``sent`` are our choices, as words."""
        said = fault.message
        if "anthropic-version" in said:
            others = set(_VERSIONS.findall(said)) - {sent.get("version", "")}
            if "version" in sent and others:
                self.version = max(others)
            return
        if "max_tokens" in sent and _CAP.search(said) and self._learn_cap(call_id, sent, said):
            return
        lesson = self.lesson(call_id)
        if _BOUND.search(said):
            lesson.plain = lesson.bound or sent.get("thinking") not in {"adaptive", "enabled"}
            lesson.bound = not lesson.plain
        elif _MISSED.search(said):
            lesson.silent = True
        elif _UNWANTED.search(said):
            lesson.plain = True
        else:
            self._learn_field(lesson, sent, fault)
        self._keep(call_id, lesson)

    def _keep(self, call_id: str, lesson: Lesson) -> None:
        self.lessons[call_id] = lesson
        if len(self.lessons) > _MOST_CALLS:
            del self.lessons[next(iter(self.lessons))]

    def _learn_cap(self, call_id: str, sent: dict[str, str], said: str) -> bool:
        """Take from a complaint about the length of the reply how long it may be."""
        if fits := _TOGETHER.search(said) or _REST.search(said):
            room = int(fits["window"]) - int(fits["input"])
            if room < _LEAST_ROOM:
                return False
            lesson = self.lesson(call_id)
            lesson.room = room - room // 4  # the next request of the call is longer
            self._keep(call_id, lesson)
            return True
        numbers = (int((n[1] or n[2]).replace(",", "")) for n in _MOST.finditer(said))
        cap = max((n for n in numbers if 0 < n < int(sent["max_tokens"])), default=0)
        if not cap:
            return False
        self.cap = cap
        self.note(f"max_tokens={sent['max_tokens']}", said)
        return True

    def _learn_field(self, lesson: Lesson, sent: dict[str, str], fault: Fault) -> None:
        if "format" in sent and _FORM.search(fault.message):
            self.left_out.add("format")
            return
        theirs = _HISTORY.search(fault.message) or is_of_a_value(fault)
        if theirs or not _REFUSING.search(fault.labels):
            return
        field = next((f for f in _named(fault) if f in sent), "")
        if field == "thinking":
            self._learn_thinking(sent[field], fault.message)
        elif field == "block_binding":
            lesson.plain, lesson.bound = True, False
        elif field == "effort" and (known := _other_efforts(fault.message, sent[field])):
            self.efforts = known
        elif field:
            self.left_out.add(field)
        if field in {"thinking", "effort", "temperature"}:
            self.note(f"{field}={sent[field]}", fault.message)

    def _learn_thinking(self, refused: str, said: str) -> None:
        """Say the same in another way, and leave it out where there is none."""
        self.refused.add(refused)
        if refused in {"disabled", "between_tools"}:
            other = "between_tools" if "between_tools" in said else ""
            self.rests = "" if other in self.refused else other
        else:
            other = "enabled" if refused == "adaptive" else "adaptive"
            self.thinks = "" if other in self.refused else other


def _supported(listed: object) -> Callable[[str], bool]:
    """Return who says whether something is supported, by what is ``listed``."""
    return lambda name: as_object(as_object(listed).get(name)).get("supported") is True


def _named(fault: Fault) -> Iterator[str]:
    """Yield the choices a fault speaks of, in its order; of a path, the end first."""
    for path in re.findall(r"[\w.]+", f"{fault.param} {fault.message}"):
        for step in reversed(path.split(".")):
            if field := FIELDS.get(step):
                yield field


def _other_efforts(said: str, refused: str) -> tuple[str, ...]:
    """Return the efforts that a complaint lists, besides the one it refuses."""
    words = set(re.findall(r"[a-z]+", said))
    return tuple(one for one in EFFORTS if one in words and one not in {refused, "none"})
