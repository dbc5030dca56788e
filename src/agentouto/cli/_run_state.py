"""State of every call in a run, reduced from its event lines.

Calls are identified by their id and never by the agent's name: one agent may have three open calls.
This module decides what a call's state is; ``_tree_view`` decides how it looks.

A call can be in several states at once: it may run a tool while a peer works for it. The one that
blocks it longest is shown, in this order: a question to the user, a rate limit, its own tools, its
peers, its model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from agentouto import BUILTIN_TOOL_NAMES as BUILTIN_TOOLS
from agentouto.cli._terminal_text import join_words, one_line


class State(StrEnum):
    """What a call does.

    The last three are outcomes: a stopped call was cancelled, a failed one ended with an error.
    """

    ASKS = "waits for you"
    RATE_LIMIT = "rate limit"
    TOOL = "tool"
    PEERS = "waits for peers"
    MODEL = "waits for its model"
    THINKING = "thinking"
    WRITING = "writing"
    RETURNED = "returned"
    FAILED = "failed"
    STOPPED = "stopped"


OUTCOMES = (State.RETURNED, State.FAILED, State.STOPPED)

TAIL_LENGTH = 240
"""Characters kept of the text that a call is writing: a line of a wide terminal."""

EventLine = Mapping[str, object]
"""One event of a run: an item of ``RunStream.lines()``."""


@dataclass
class CallState:
    """The state of one call.

    Attributes:
        name: The agent that answers it.
        began: When it began, in seconds after the start of the run.
        parent: The call that made it; ``None`` for a call of the user.
        background: Whether its caller does not wait for it.
        ended: When it ended, like ``began``; ``None`` while it is open.
        outcome: One of ``OUTCOMES`` after its end.
        children: The calls that it made, in order.
        tools: The tools that it is running, without built-in ones.
        question: Its question to the user while that is open.
        wait: Why its next request waits, for example a rate limit.
        wait_ends: When that wait ends, like ``began``.
        output: What its model is sending: ``THINKING``, ``WRITING``, or ``MODEL`` before that.
        note: Text shown beside its state.
    """

    name: str
    began: float
    parent: CallState | None = None
    background: bool = False
    ended: float | None = None
    outcome: State | None = None
    children: list[CallState] = field(default_factory=list["CallState"])
    tools: list[str] = field(default_factory=list[str])
    question: str = ""
    wait: str = ""
    wait_ends: float = 0.0
    output: State = State.MODEL
    note: str = ""
    _since: float = 0.0
    _noted: State | None = None

    def state(self, now: float) -> State:
        """Return the state at second ``now``."""
        if self.outcome is not None:
            return self.outcome
        if self.question:
            return State.ASKS
        if self.wait and now < self.wait_ends:
            return State.RATE_LIMIT
        if self.tools:
            return State.TOOL
        waits = any(each.outcome is None and not each.background for each in self.children)
        return State.PEERS if waits else self.output

    def since(self, now: float) -> float:
        """Return when its state at second ``now`` began."""
        waited = self._noted is State.RATE_LIMIT and self.state(now) is not State.RATE_LIMIT
        return self.wait_ends if waited else self._since

    def note_state(self, now: float) -> None:
        """Remember when the present state began. Call this after every change."""
        state = self.state(now)
        if state is not self._noted:
            self._noted, self._since = state, now

    def detail(self, now: float) -> str:
        """Return the text beside the state: the question, the wait, the tools or the note."""
        match self.state(now):
            case State.ASKS:
                return self.question
            case State.RATE_LIMIT:
                return self.wait
            case State.TOOL:
                return join_words(self.tools, 3)
            case _:
                return self.note

    def awaited_peers(self) -> list[CallState]:
        """Return the open calls that this call waits for."""
        return [each for each in self.children if each.outcome is None and not each.background]

    def callers(self) -> Iterator[CallState]:
        """Yield the calls that wait for this one: its caller, that one's caller, and so on."""
        call = self
        while call.parent is not None and not call.background:
            call = call.parent
            yield call

    def descendants(self) -> Iterator[CallState]:
        """Yield this call and all calls below it, without recursion: chains may be very deep."""
        pending = [self]
        while pending:
            call = pending.pop()
            yield call
            pending += call.children


class RunState:
    """All calls of a run. Call ``feed`` with every line of the run.

    Attributes:
        message: The user's message.
        now: When the last line came, in seconds after the start of the run.
        usage: The tokens read and written, after the end of the run.
        over: Whether the run has ended.
        roots: The calls of the user.
        calls_by_id: All calls, in the order of their start.
    """

    def __init__(self) -> None:
        self.message = ""
        self.now = 0.0
        self.usage: tuple[int | None, int | None] = (None, None)
        self.over = False
        self.roots: list[CallState] = []
        self.calls_by_id: dict[str, CallState] = {}
        self._asking_calls: dict[str, CallState] = {}
        self._written: dict[str, str] = {}

    @property
    def calls(self) -> list[CallState]:
        """All calls in the order of their start."""
        return list(self.calls_by_id.values())

    def fully_ended(self) -> set[int]:
        """Return the ``id()`` of every call that has ended with all calls below it."""
        done: set[int] = set()
        for call in reversed(self.calls_by_id.values()):  # children begin after their parents
            if call.outcome and all(id(below) in done for below in call.children):
                done.add(id(call))
        return done

    def feed(self, line: EventLine) -> None:
        """Update the state with a line."""
        self.now = max(self.now, cast("float", line["t"]))
        type_ = str(line["type"])
        if type_ == "run.start":
            self.message = _line_text(line, "text")
        elif type_ == "run.end":
            self._finish_run(line)
        elif type_ == "ask" and line.get("receiver") == "user":
            self._ask(line)
        elif type_ in ("forward", "ask"):
            self._add_call(line)
        elif type_ == "message":
            self._note_message(line)
        elif line.get("agent") == "user":
            self._clear_question(line)
        elif (call := self.calls_by_id.get(str(line.get("call")))) is not None:
            self._update_call(call, type_, line)

    def _add_call(self, line: EventLine) -> None:
        id_ = str(line["call"])
        parent = self.calls_by_id.get(str(line.get("parent")))
        background = line.get("background") is True
        call = CallState(str(line["agent"]), cast("float", line["t"]), parent, background)
        call.note = _line_text(line, "text")
        self.calls_by_id[id_] = call
        (self.roots if parent is None else parent.children).append(call)
        self._note_states(call)

    def _note_states(self, call: CallState) -> None:
        """Note the states of a call that began or ended, and of its caller, which waits for it."""
        call.note_state(self.now)
        if call.parent is not None:
            call.parent.note_state(self.now)

    def _ask(self, line: EventLine) -> None:
        asking_call = self.calls_by_id.get(str(line.get("parent")))
        if asking_call is not None:
            asking_call.question = one_line(asked_text(line)) or "(an empty question)"
            self._asking_calls[str(line["call"])] = asking_call
            asking_call.note_state(self.now)

    def _clear_question(self, line: EventLine) -> None:
        asking_call = self._asking_calls.pop(str(line.get("call")), None)
        if asking_call is not None:
            asking_call.question = ""
            asking_call.output = State.MODEL
            asking_call.note_state(self.now)

    def _note_message(self, line: EventLine) -> None:
        receiver = self.calls_by_id.get(str(line.get("to")))
        if receiver is not None:
            receiver.note = f"message from {line['sender']}: {_line_text(line, 'text')}"

    def _update_call(self, call: CallState, type_: str, line: EventLine) -> None:
        if type_ != "model.wait":
            call.wait = ""
        match type_:
            case "token" | "thinking":
                self._add_output(call, State.WRITING if type_ == "token" else State.THINKING, line)
            case "tool.start":
                call.output = State.MODEL
                call.tools += _visible_tools(line)
            case "tool.end":
                _remove_tool(call.tools, line)
                if line.get("failed"):
                    call.note = f"{line['tool']}: {_line_text(line, 'result')}"
            case "model.start" | "model.end":
                call.output = State.MODEL
            case "draft":
                call.output = State.WRITING
            case "model.wait" if line["why"] == "parallel":
                call.note = "waits until fewer requests are under way"
            case "model.wait":
                call.output = State.MODEL
                call.wait = f"then try {line['attempt']}: {_line_text(line, 'error')}"
                call.wait_ends = cast("float", line["t"]) + cast("float", line["seconds"])
            case "summarized":
                call.note = "sums up what came before"
            case "return":
                _end_call(call, State.RETURNED, _line_text(line, "text"), line)
            case "error":
                outcome = State.STOPPED if line.get("kind") == "stopped" else State.FAILED
                _end_call(call, outcome, _line_text(line, "error"), line)
            case _:
                return
        self._note_states(call)

    def _add_output(self, call: CallState, output: State, line: EventLine) -> None:
        """Show the end of what a model sends. Thinking and words are not joined."""
        id_ = str(line["call"])
        before = self._written.get(id_, "") if call.output is output else ""
        self._written[id_] = (before + str(line["text"]))[-TAIL_LENGTH:]
        call.output = output
        call.note = one_line(self._written[id_])

    def _finish_run(self, line: EventLine) -> None:
        self.over = True
        used = line.get("usage")
        if isinstance(used, Mapping):
            tokens = cast("Mapping[str, int | None]", used)
            self.usage = tokens.get("input"), tokens.get("output")


def _end_call(call: CallState, outcome: State, note: str, line: EventLine) -> None:
    call.outcome, call.ended = outcome, cast("float", line["t"])
    call.note = "" if outcome is State.STOPPED else note
    call.tools.clear()


def _remove_tool(tools: list[str], line: EventLine) -> None:
    if line["tool"] in tools:
        tools.remove(str(line["tool"]))


def _visible_tools(line: EventLine) -> list[str]:
    name = str(line["tool"])
    return [] if name in BUILTIN_TOOLS else [name]


def asked_text(line: EventLine) -> str:
    """Return the text of a message; of an approval, its question before the arguments.

    A line of text is cut at its end, and there the question would be lost.
    """
    text = str(line.get("text", ""))
    if line.get("kind") != "approval":
        return text
    *arguments, question = text.split("\n")
    return "\n".join((question, *arguments))


def _line_text(line: EventLine, name: str) -> str:
    return one_line(str(line.get(name, "")))
