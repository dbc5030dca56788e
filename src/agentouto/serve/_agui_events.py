"""Turns the lines of a run into the events of AG-UI 1.0 (https://docs.ag-ui.com).

The starting agents are the agent that the client talks to. A call of a peer is a nested agent, so
everything in it has a ``subagentRunId``. Ids are random: those of calls would let a client address
participants of the run.

One run may take several requests. ``AguiEvents`` lives as long as the run. Before a request ends,
``suspend`` closes what is open; with the next one, ``resume`` opens nested agents again, because a
client takes each stream of events as complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeAlias, cast

import msgspec

from agentouto.serve._model_reply import random_id
from agentouto.serve._teams import USER_NAME
from agentouto.serve._waiting import CallerToolUse

AguiEvent: TypeAlias = dict[str, object]
"""An event of AG-UI, as it is written as JSON."""


class _Call:
    """What is open in one call of an agent.

    Attributes:
        agent: Its name.
        invocation: The id of the nested agent; ``None`` for a starting agent.
        parent: The id of the nested agent that made the call, if one did.
        message: The id of the open text message, or ``None``.
        reasoning: The id of the open reasoning, or ``None``.
        last_message: The id of the last text message, for the tools that follow from it.
        said: The texts of its turns.
    """

    __slots__ = ("agent", "invocation", "last_message", "message", "parent", "reasoning", "said")

    def __init__(self, agent: str, invocation: str | None, parent: str | None) -> None:
        self.agent = agent
        self.invocation = invocation
        self.parent = parent
        self.message: str | None = None
        self.reasoning: str | None = None
        self.last_message: str | None = None
        self.said: list[list[str]] = []

    def event(self, type_: str, **fields: object) -> AguiEvent:
        """Return an event of this call."""
        about = {} if self.invocation is None else {"subagentRunId": self.invocation}
        return {"type": type_, **fields, **about}


class AguiEvents:
    """The events of one run.

    Args:
        caller_tools: Names of tools that the caller carries out. Their uses are told when the run
            waits for them, by ``uses_of_caller_tools``.
    """

    def __init__(self, caller_tools: Collection[str] = ()) -> None:
        self._caller_tools = frozenset(caller_tools)
        self._calls: dict[str, _Call] = {}
        self._askers: dict[str, str] = {}
        self._tools: dict[tuple[str, str], str] = {}
        self._usage = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
        self._handlers: Mapping[str, Callable[[Mapping[str, object]], Iterator[AguiEvent]]] = {
            "token": self._token,
            "thinking": self._thinking,
            "model.start": self._model_start,
            "model.end": self._model_end,
            "spent": self._spent,
            "forward": self._forward,
            "ask": self._forward,
            "return": self._return,
            "error": self._error,
            "tool.start": self._tool_start,
            "tool.end": self._tool_end,
            "tool.progress": self._tool_progress,
            "model.wait": self._model_wait,
            "message": self._mail,
        }

    def feed(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        """Yield the events that ``line`` stands for."""
        handler = self._handlers.get(str(line["type"]))
        if handler is not None:
            yield from handler(line)

    def resume(self) -> Iterator[AguiEvent]:
        """Yield what opens the nested agents again that were suspended."""
        self._usage = dict.fromkeys(self._usage, 0)
        for call in self._calls.values():
            if call.invocation is not None:
                yield self._started(call)

    def suspend(
        self, asker: str | None = None, interrupt: str | None = None
    ) -> Iterator[AguiEvent]:
        """Yield what closes everything that is open, until the run goes on.

        Args:
            asker: The call that has asked the user.
            interrupt: The id of its question.
        """
        yield from self.close_messages()
        # Inner ones first: each was begun after the one that asked it.
        for id_, call in reversed(list(self._calls.items())):
            if call.invocation is not None:
                own = [interrupt] if id_ == asker and interrupt is not None else []
                outcome = {"type": "suspended", "interruptIds": own}
                yield call.event("SUBAGENT_FINISHED", outcome=outcome)

    def uses_of_caller_tools(self, uses: Iterable[CallerToolUse]) -> Iterator[AguiEvent]:
        """Yield the tool calls that the caller carries out."""
        for use in uses:
            call = self._calls.get(use.call) or _Call(use.agent, None, None)
            yield from self._tool_call(call, use.id, use.name, use.arguments_text)

    def close_messages(self) -> Iterator[AguiEvent]:
        """Yield the ends of all open messages."""
        for call in self._calls.values():
            yield from _close(call)

    def invocation_of(self, call: str) -> str | None:
        """Return the id of the nested agent that works on ``call``, if it is one."""
        found = self._calls.get(call)
        return None if found is None else found.invocation

    def tool_call_of(self, call: str, place: str) -> str | None:
        """Return the id of a tool call that has not ended, if it was told."""
        return self._tools.get((call, place))

    def asker_of(self, question: str) -> str:
        """Return the call that has asked the user; ``question`` is the call of the user."""
        return self._askers.get(question, "")

    @property
    def usage(self) -> list[dict[str, int]]:
        """What the requests to models since the last ``resume`` have used."""
        return [self._usage] if self._usage["totalTokens"] else []

    def _call(self, line: Mapping[str, object]) -> _Call:
        id_ = str(line["call"])
        call = self._calls.get(id_)
        if call is None:  # the call of a starting agent
            call = self._calls[id_] = _Call(str(line["agent"]), None, None)
        return call

    def _token(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        call = self._call(line)
        text = str(line["text"])
        yield from _close_reasoning(call)
        if call.message is None:
            call.message = call.last_message = random_id("msg_")
            yield call.event(
                "TEXT_MESSAGE_START", messageId=call.message, role="assistant", name=call.agent
            )
        if not call.said:
            call.said.append([])
        call.said[-1].append(text)
        yield call.event("TEXT_MESSAGE_CONTENT", messageId=call.message, delta=text)

    def _thinking(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        call = self._call(line)
        if call.reasoning is None:
            yield from _close(call)
            call.reasoning = random_id("rs_")
            yield call.event("REASONING_START", messageId=call.reasoning)
            yield call.event("REASONING_MESSAGE_START", messageId=call.reasoning, role="reasoning")
        yield call.event(
            "REASONING_MESSAGE_CONTENT", messageId=call.reasoning, delta=str(line["text"])
        )

    def _model_start(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        self._call(line).said.append([])
        yield from ()

    def _model_end(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        yield from _close(self._call(line))
        yield from self._spent(line)

    def _spent(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        read, written = (cast("int | None", line[name]) or 0 for name in ("input", "output"))
        self._usage["inputTokens"] += read
        self._usage["outputTokens"] += written
        self._usage["totalTokens"] += read + written
        yield from ()

    def _forward(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        if line["receiver"] == USER_NAME:  # the interrupt says it
            self._askers[str(line["call"])] = str(line["parent"])
            return
        parent = line["parent"]
        if parent is None:
            self._call(line)
            return
        caller = self.invocation_of(str(parent))
        call = _Call(str(line["agent"]), random_id("sub_"), caller)
        self._calls[str(line["call"])] = call
        yield self._started(call)

    def _started(self, call: _Call) -> AguiEvent:
        parent = {} if call.parent is None else {"parentSubagentRunId": call.parent}
        return call.event("SUBAGENT_STARTED", name=call.agent, **parent)

    def _return(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        call = self._calls.pop(str(line["call"]), None)
        if call is None:
            self._askers.pop(str(line["call"]), None)  # an answer of the user
            return
        yield from _close(call)
        text = str(line["text"])
        if call.invocation is not None:
            yield call.event("SUBAGENT_FINISHED", result=text, outcome={"type": "success"})
        elif text.strip() not in {"".join(each).strip() for each in call.said}:
            id_ = random_id("msg_")
            about = {"role": "assistant", "name": call.agent}
            yield call.event("TEXT_MESSAGE_START", messageId=id_, **about)
            yield call.event("TEXT_MESSAGE_CONTENT", messageId=id_, delta=text)
            yield call.event("TEXT_MESSAGE_END", messageId=id_)

    def _error(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        call = self._calls.pop(str(line["call"]), None)
        if call is None:
            return
        yield from _close(call)
        if call.invocation is not None:
            text = f"{call.agent} could not answer."
            yield call.event("SUBAGENT_ERROR", message=text, code=str(line["kind"]))

    def _tool_start(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        if line["builtin"] or line["tool"] in self._caller_tools:
            return
        call, id_ = self._call(line), random_id("tool_")
        self._tools[str(line["call"]), str(line["tool_call"])] = id_
        arguments = msgspec.json.encode(line["arguments"]).decode()
        yield from self._tool_call(call, id_, str(line["tool"]), arguments)

    def _tool_call(self, call: _Call, id_: str, name: str, arguments: str) -> Iterator[AguiEvent]:
        yield from _close(call)
        parent = {} if call.last_message is None else {"parentMessageId": call.last_message}
        yield call.event("TOOL_CALL_START", toolCallId=id_, toolCallName=name, **parent)
        yield call.event("TOOL_CALL_ARGS", toolCallId=id_, delta=arguments)
        yield call.event("TOOL_CALL_END", toolCallId=id_)

    def _tool_end(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        id_ = self._tools.pop((str(line["call"]), str(line["tool_call"])), None)
        if id_ is None:
            return  # a built-in tool, or one of the caller's
        # The text of an error may hold anything; see ``_run_errors.py``.
        text = "The tool has failed." if line["failed"] else str(line["result"])
        yield self._call(line).event(
            "TOOL_CALL_RESULT",
            messageId=random_id("msg_"),
            toolCallId=id_,
            content=text,
            role="tool",
        )

    def _tool_progress(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        value = {name: line[name] for name in ("text", "done", "total")}
        yield self._call(line).event("CUSTOM", name="progress", value=value)

    def _model_wait(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        value = {name: line[name] for name in ("why", "seconds", "attempt")}
        yield self._call(line).event("CUSTOM", name="model.wait", value=value)

    def _mail(self, line: Mapping[str, object]) -> Iterator[AguiEvent]:
        value = {name: line[name] for name in ("sender", "receiver", "text")}
        yield self._call(line).event("CUSTOM", name="message", value=value)


def _close(call: _Call) -> Iterator[AguiEvent]:
    """Yield the ends of the open messages of ``call``."""
    yield from _close_reasoning(call)
    if call.message is not None:
        yield call.event("TEXT_MESSAGE_END", messageId=call.message)
        call.message = None


def _close_reasoning(call: _Call) -> Iterator[AguiEvent]:
    if call.reasoning is not None:
        yield call.event("REASONING_MESSAGE_END", messageId=call.reasoning)
        yield call.event("REASONING_END", messageId=call.reasoning)
        call.reasoning = None
