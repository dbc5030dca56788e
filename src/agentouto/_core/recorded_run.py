"""A run as it is recorded in its event lines: its calls, its messages and how it ended.

Pictures, exports and checks read it. Of a run that was cut off, or still goes on, it holds what
there is, and ``unfinished`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

import msgspec

from agentouto._core.run_history import CallHistory, Line, RunHistory
from agentouto._domain.message import USER

MessageKind: TypeAlias = Literal["forward", "ask", "return", "message", "error"]
"""``ask`` is a forward to a person; ``error`` is the end of a call that has no return."""

_NO_LINE: Line = MappingProxyType({})

_KINDS: frozenset[str] = frozenset({"forward", "ask", "return", "message", "error"})


class RunMessage(msgspec.Struct, frozen=True):
    """A message of a run.

    Attributes:
        kind: What it is.
        seq: The ``seq`` of its line.
        at: When it was sent, in seconds since the start of the run.
        sender: Who sent it; of an error, whose call has failed.
        receiver: Who it is for; of an error, the caller.
        text: The whole text; of an error, why.
        call: The call that it opens or ends; of a ``message``, the call it was sent from, empty
            for the user's.
        background: Whether the caller goes on without waiting.
        reader: Of a ``message`` that was read or has come back: the call of its receiver.
        fate: Of a ``message``: ``read``, ``returned``, or empty while it is unread.
        settled: When it was read or came back; ``None`` before that.
        reason: Why it has come back.
    """

    kind: MessageKind
    seq: int
    at: float
    sender: str
    receiver: str
    text: str
    call: str
    background: bool = False
    reader: str = ""
    fate: str = ""
    settled: float | None = None
    reason: str = ""


class RecordedRun:
    """A run, read from its lines.

    Args:
        lines: All lines of one run, from the first on.
        until: The present time of a run that goes on, in seconds since its start.

    Attributes:
        lines: The lines.
        history: Its calls, and what each has spent its time on.
        messages: Its messages, in the order in which they were sent.
        participants: The names of those that sent or received any; the user comes first.
        start: The line ``run.start``; empty if there is none.
        end: The line ``run.end``; ``None`` for a run that has not ended.
    """

    def __init__(self, lines: Iterable[Line], until: float = 0.0) -> None:
        self.lines: tuple[Line, ...] = tuple(lines)
        self.history: RunHistory = RunHistory(self.lines)
        self.start: Line = next((one for one in self.lines if one["type"] == "run.start"), _NO_LINE)
        self.end: Line | None = next((one for one in self.lines if one["type"] == "run.end"), None)
        if self.end is None:
            self.history.now = max(self.history.now, until)
        self.messages: tuple[RunMessage, ...] = _messages_in(self.lines, self.history)
        named = [name for one in self.messages for name in (one.sender, one.receiver)]
        self.participants: tuple[str, ...] = tuple(dict.fromkeys([USER, *named]))

    @property
    def id(self) -> str:
        """The id of the run."""
        return str(self.lines[0]["run"]) if self.lines else ""

    @property
    def text(self) -> str:
        """The user's message."""
        return str(self.start.get("text", ""))

    @property
    def status(self) -> str:
        """``completed``, ``failed`` or ``cancelled``; ``not ended`` before its last line."""
        return "not ended" if self.end is None else str(self.end["status"])

    @property
    def output(self) -> str:
        """What the starting agents have returned by now."""
        if self.end is not None and "output" in self.end:
            return str(self.end["output"])
        roots = {call.id for call in self.history.roots}
        returned = [one for one in self.messages if one.kind == "return" and one.call in roots]
        return "\n\n".join(one.text for one in returned)

    @property
    def unfinished(self) -> str:
        """A sentence for a run whose lines do not reach its end; empty if they do."""
        if self.end is not None:
            return ""
        calls = sum(call.end is None for call in self.history.calls.values())
        open_calls = (
            "no call is" if calls == 0 else "1 call is" if calls == 1 else f"{calls} calls are"
        )
        return (
            f"This run has not ended: it goes on, or was cut off. These are its first "
            f"{self.history.now:.2f} s; {open_calls} open."
        )

    def tokens(self) -> tuple[int, int]:
        """Return how many tokens all models have read and written by now."""
        return _sum(self.lines, "input"), _sum(self.lines, "output")

    def cost(self) -> float | None:
        """Return US dollars, ``None`` where a price is unknown or nothing was used."""
        costs = [
            one["cost"]
            for one in self.lines
            if one["type"] in {"model.end", "spent"} and one.get("stop") != "broken"
        ]
        known = [float(cost) for cost in costs if isinstance(cost, int | float)]
        return round(sum(known), 9) if known and len(known) == len(costs) else None


def _sum(lines: Iterable[Line], field: str) -> int:
    used = (one[field] for one in lines if one["type"] in {"model.end", "spent"})
    return sum(tokens for tokens in used if isinstance(tokens, int))


def _messages_in(lines: Iterable[Line], history: RunHistory) -> tuple[RunMessage, ...]:
    fates = {
        str(one["id"]): one for one in lines if one["type"] in {"message.read", "message.returned"}
    }
    now = 0.0
    found: list[RunMessage] = []
    for line in lines:
        now = max(now, cast("float", line["t"]))
        if line["type"] in _KINDS:
            found.append(_message_in(line, now, history.calls.get(str(line.get("call"))), fates))
    return tuple(found)


def _message_in(
    line: Line, at: float, call: CallHistory | None, fates: dict[str, Line]
) -> RunMessage:
    kind = cast("MessageKind", line["type"])
    seq, call_id = cast("int", line["seq"]), "" if call is None else call.id
    if kind == "error":
        caller = call.parent.agent if call is not None and call.parent is not None else USER
        return RunMessage(
            kind,
            seq,
            at,
            str(line["agent"]),
            caller,
            str(line["error"]),
            str(line["call"]),
            background=call is not None and call.background,
        )
    sender, receiver, text = str(line["sender"]), str(line["receiver"]), str(line["text"])
    if kind != "message":
        background = line.get("background") is True
        return RunMessage(kind, seq, at, sender, receiver, text, str(line["call"]), background)
    fate = fates.get(str(line["id"]))
    if fate is None:
        return RunMessage(kind, seq, at, sender, receiver, text, call_id)
    return RunMessage(
        kind,
        seq,
        at,
        sender,
        receiver,
        text,
        call_id,
        reader=str(fate["call"]),
        fate=str(fate["type"]).removeprefix("message."),
        settled=cast("float", fate["t"]),
        reason=str(fate.get("reason", "")),
    )
