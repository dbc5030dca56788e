"""The history of a run, reduced from its event lines: what each call does and did, and when.

Lines are fed in their order. ``t`` may step back by some milliseconds between threads, so a time
that is smaller than an earlier one counts as that one: causes never come after their effects. Lines
of unknown types are skipped, and a run that was cut off is one whose calls are still open.

A question to the user is a call like any other, answered by the user. So a call waits for two
things only: for the calls that it made, and for messages. A tool that makes a call, or needs an
approval, does nothing until that call has ended: its use has several activities then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, cast

from agentouto._core.builtin_tools import WAIT_FOR_MESSAGES
from agentouto._core.figures import Doing

Line: TypeAlias = Mapping[str, object]
"""One event of a run: an item of ``RunStream.lines()``."""


class Activity:
    """A part of the time of a call, open while ``end`` is ``None``.

    Attributes:
        doing: What it is spent on.
        detail: The tool, the model, the reason of the wait; of ``MAIL``, the call it waits for.
        start: When it began, in seconds since the start of the run.
        end: When it ended.
        cause: Of ``MAIL``: the call whose message ended the wait, and when that was sent.
        arguments: Of ``TOOL``: its arguments.
        tool_call: Of ``TOOL``: which tool call it belongs to.
    """

    __slots__ = ("arguments", "cause", "detail", "doing", "end", "start", "tool_call")

    def __init__(self, doing: Doing, start: float, detail: str = "") -> None:
        self.doing = doing
        self.start = start
        self.end: float | None = None
        self.detail = detail
        self.cause: tuple[str, float] | None = None
        self.arguments: object = None
        self.tool_call = ""


class CallHistory:
    """One call.

    Attributes:
        id: Its id.
        agent: The participant that answers it.
        parent: The call it was made from, if that is known.
        background: Whether its caller goes on without waiting.
        by_tool: Whether a model has made it with a tool call, and not the user or code.
        tool_call: The tool call of its caller that it came from, or empty.
        text: The forward.
        start: When it began, in seconds since the start of the run.
        end: When it ended; ``None`` while it is open.
        outcome: ``returned``, ``failed``, ``stopped``, ``refused`` or ``limit`` after its end.
        children: The calls made from it.
        is_of_person: Whether a person answers it.
        activities: What it has spent its time on, besides waiting for children, in order.
        since: When the last line about it came.
    """

    def __init__(self, line: Line, parent: CallHistory | None, start: float) -> None:
        self.id = str(line["call"])
        self.agent = str(line["agent"])
        self.parent = parent
        self.background = line.get("background") is True
        self.by_tool = "tool_call" in line
        self.tool_call = str(line.get("tool_call", ""))
        self.text = str(line.get("text", ""))
        self.start = start
        self.end: float | None = None
        self.outcome = ""
        self.children: list[CallHistory] = []
        self.activities: list[Activity] = []
        self.since = start
        self.model: Activity | None = None
        self.tools: dict[str, Activity] = {}
        self.waits: list[Activity] = []
        self.mail: list[tuple[str, float]] = []
        self.is_of_person: bool = line["type"] == "ask"
        if self.is_of_person:
            self.activities.append(Activity(Doing.PERSON, start, self.text))

    def open_activities(self) -> list[Activity]:
        """Return what it does now, besides waiting for children."""
        if self.is_of_person:
            return [] if self.end is not None else self.activities[:1]
        model = [] if self.model is None else [self.model]
        tools = (tool for tool in self.tools.values() if tool.end is None)
        return [*tools, *model, *self.waits]

    def open_children(self) -> list[CallHistory]:
        """Return the calls that it waits for."""
        return [child for child in self.children if child.end is None and not child.background]

    def begin(self, doing: Doing, now: float, detail: str = "") -> Activity:
        """Add an activity."""
        activity = Activity(doing, now, detail)
        self.activities.append(activity)
        return activity

    def turn_to(self, doing: Doing | None, now: float, detail: str = "") -> None:
        """End what its model does, and begin something else of the kind, if anything."""
        if self.model is not None:
            self.model.end = now
        self.model = None if doing is None else self.begin(doing, now, detail)

    def begin_tool(self, tool_call: str, name: str, arguments: object, now: float) -> None:
        """Begin the use of a tool, or go on with it."""
        tool = self.tools[tool_call] = self.begin(Doing.TOOL, now, name)
        tool.tool_call, tool.arguments = tool_call, arguments

    def end_tool(self, tool_call: str, now: float) -> None:
        """End the use of a tool, which may be paused."""
        tool = self.tools.pop(tool_call, None)
        if tool is not None and tool.end is None:
            tool.end = now

    def pause_or_resume(self, tool_call: str, now: float) -> None:
        """Pause a tool that has made a call, or go on with it when the last of these has ended."""
        tool = self.tools.get(tool_call)
        if tool is None:
            return
        if any(child.tool_call == tool_call for child in self.open_children()):
            tool.end = now if tool.end is None else tool.end
        elif tool.end is not None:
            self.begin_tool(tool_call, tool.detail, tool.arguments, now)

    def finish(self, outcome: str, now: float) -> None:
        """End it, and everything it does."""
        self.outcome, self.end = outcome, now
        for activity in self.activities:
            if activity.end is None:
                activity.end = now
        self.model = None
        self.tools.clear()
        self.waits.clear()
        if self.parent is not None and self.parent.end is None:
            self.parent.pause_or_resume(self.tool_call, now)


class RunHistory:
    """All calls of a run. ``feed`` takes every line.

    Attributes:
        calls: Every call by its id, in the order in which they began.
        now: The time of the last line.
        over: Whether the run has ended.
        turns: How many replies of models have ended.
        messages: How many messages were sent: forwards, returns and mail.
    """

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.calls: dict[str, CallHistory] = {}
        self.now = 0.0
        self.over = False
        self.turns = 0
        self.messages = 0
        for line in lines:
            self.feed(line)

    @property
    def roots(self) -> list[CallHistory]:
        """The calls of the starting agents, and those whose caller is not in the lines."""
        return [call for call in self.calls.values() if call.parent is None]

    def feed(self, line: Line) -> None:
        """Take the next line."""
        self.now = max(self.now, cast("float", line["t"]))
        type_ = str(line["type"])
        if type_ in {"forward", "ask"}:
            self._begin_call(line)
        elif type_ == "run.end":
            self._end()
        elif (call := self.calls.get(str(line.get("call")))) is not None:
            if call.end is None:
                call.since = self.now
                self._take(call, type_, line)
        elif type_ == "message":  # of the user, who has no call
            self._post(line)

    def _begin_call(self, line: Line) -> None:
        parent = self.calls.get(str(line.get("parent")))
        call = self.calls[str(line["call"])] = CallHistory(line, parent, self.now)
        self.messages += 1
        if parent is not None:
            parent.children.append(call)
            parent.since = self.now
            parent.pause_or_resume(call.tool_call, self.now)

    def _end(self) -> None:
        self.over = True
        for call in self.calls.values():
            if call.end is None:
                call.finish("stopped", self.now)

    def _take(self, call: CallHistory, type_: str, line: Line) -> None:
        now = self.now
        match type_:
            case "token" | "thinking" | "draft" | "text":
                if call.model is None or call.model.doing is not Doing.WRITING:
                    call.turn_to(Doing.WRITING, now)
            case "model.start":
                call.turn_to(Doing.MODEL, now, str(line["model"]))
            case "model.wait":
                queued = line["why"] == "parallel"
                doing = Doing.QUEUE if queued else Doing.RATE_LIMIT
                call.turn_to(doing, now, str(line["error"]))
            case "model.end":
                self.turns += 1
                _split_at_first_word(call, line)
                call.turn_to(None, now)
            case "tool.start" if line["tool"] != WAIT_FOR_MESSAGES:
                call.begin_tool(str(line["tool_call"]), str(line["tool"]), line["arguments"], now)
            case "tool.end":
                call.end_tool(str(line["tool_call"]), now)
            case "wait":
                call.waits.append(call.begin(Doing.MAIL, now, str(line["for"])))
            case "wait.end":
                self._end_wait(call, str(line["for"]))
            case "message":
                self._post(line)
            case "return":
                self.messages += 1
                call.finish("returned", now)
            case "error":
                call.finish(str(line["kind"]), now)
            case _:
                pass

    def _post(self, line: Line) -> None:
        self.messages += 1
        reader = self.calls.get(str(line["to"]))
        if reader is not None:
            reader.mail.append((str(line.get("call")), self.now))

    def _end_wait(self, call: CallHistory, sender: str) -> None:
        wait = next((wait for wait in call.waits if wait.detail == sender), None)
        if wait is None:
            return
        call.waits.remove(wait)
        wait.end = self.now
        if call.mail and call.mail[-1][1] > wait.start:
            wait.cause = next(one for one in call.mail if one[1] > wait.start)


def _split_at_first_word(call: CallHistory, line: Line) -> None:
    """Put the beginning of the words where it was: who reads later gets them all at the end."""
    first = line.get("first")
    began = next((one for one in reversed(call.activities) if one.doing is Doing.MODEL), None)
    if began is None or not isinstance(first, int | float):
        return
    word = began.start + first
    if call.model is began:
        call.turn_to(Doing.WRITING, word)
    elif call.model is not None and call.model.doing is Doing.WRITING:
        began.end = call.model.start = min(word, call.model.start)
