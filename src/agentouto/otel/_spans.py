"""Turns the event lines of a run into spans: the same for one that goes on and for a saved one.

No span is made the current one here. Each is started with the context of its parent, which is kept
with the call, so nothing depends on the task or thread in which a line is read.

A call in the background is a trace of its own, with a link to its caller's span: the caller goes on
and may have ended long before it. OpenTelemetry's overview ("Links between spans") names such work
as what links are for. The spans of a call are ended from the inside out, tools and request first:
in another order, children would outlast their parents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)

from agentouto._core.builtin_tools import CALL_AGENT
from agentouto._core.run_history import Line
from agentouto.otel import _names as names
from agentouto.otel._meters import Meters
from agentouto.otel._open_call import OpenCall, set_number

Attribute: TypeAlias = str | bool | int | float | Sequence[str]

_EVENT_FIELDS = (
    "id", "to", "turn", "limit", "spent", "allowed", "reached", "kind", "times", "why", "seconds",
    "attempt", "status", "model", "from", "tokens_before", "tokens_after", "source", "for", "code",
    "tool", "input", "output", "cost",
)  # fmt: skip
"""Fields that events of spans have; those with texts are added on request only."""

RESUMED = "agentouto.resumed"
"""Whether the span is of a run or call that an earlier process began."""

_TEXT_FIELDS = ("text", "error", "reason")


class SpanMapper:
    """The spans of one run. ``feed`` takes every line.

    Args:
        tracer: Makes the spans.
        name: The name of the workflow; by default that of the team, else the starting agents'.
        content: Whether spans have texts.
        parent: What the span of the run is a child of, if anything.
        meters: Records metrics, of a run that goes on.
    """

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        *,
        content: bool,
        parent: Context,
        meters: Meters | None = None,
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._content = content
        self._parent = parent
        self._meters = meters
        self._began = 0.0
        self._now = 0.0
        self._run: Span | None = None
        self._run_id = ""
        self._is_resumed = False
        self._agents: dict[str, Mapping[str, object]] = {}
        self._calls: dict[str, OpenCall] = {}
        self.count: int = 0

    def span_of(self, call: str, tool_call: str) -> Span | None:
        """Return the open span of a tool call."""
        open_call = self._calls.get(call)
        return None if open_call is None else open_call.tools.get(tool_call)

    def feed(self, line: Line) -> None:
        """Take the next line."""
        # ``t`` may step back by some milliseconds, and a span must not end before it began.
        self._now = max(self._now, cast("float", line["t"]))
        self._run_id = str(line["run"])
        call = self._calls.get(str(line.get("call"))) or self._resumed_call(line)
        match str(line["type"]):
            case "run.start":
                self._start_run(line)
            case "run.resumed":
                self._resume_run(line)
            case "run.end":
                self._end_run(line)
            case "forward" | "ask" as kind:
                self._start_call(line, kind)
            case "return" if call is not None:
                self._end_call(str(line["call"]), call, line, output=str(line["text"]))
            case "error" if call is not None:
                self._end_call(str(line["call"]), call, line)
            case "model.start" if call is not None:
                self._start_chat(call, line)
            case "model.end" if call is not None:
                self._end_chat(call, line)
            case "token" if call is not None:
                call.texts.append(str(line["text"]))
            case "tool.start" if call is not None:
                self._start_tool(call, line)
            case "tool.end" if call is not None:
                self._end_tool(call, line)
            case "thinking" | "draft" | "tool.progress":
                pass
            case _:
                self._add_event(call, line)

    def close(self) -> None:
        """End what is open, of a run whose end is not recorded."""
        for call_id, call in list(self._calls.items()):
            for span in (call.span, call.handover):
                if span is not None:
                    span.set_attribute(names.UNFINISHED, True)  # noqa: FBT003
            self._finish(call_id, call)
        if self._run is not None:
            self._run.set_attribute(names.UNFINISHED, True)  # noqa: FBT003
            self._run.end(self._time())
            self._run = None

    def _time(self) -> int:
        """Return the present time in nanoseconds; lines have milliseconds."""
        return round((self._began + self._now) * 1000) * 1_000_000

    def _start(
        self,
        name: str,
        parent: Context,
        attributes: Mapping[str, Attribute],
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> Span:
        self.count += 1
        given = {names.CONVERSATION: self._run_id, **attributes}
        return self._tracer.start_span(name, parent, kind, given, links, self._time())

    def _start_run(self, line: Line) -> None:
        self._began = cast("float", line["at"])
        for agent in cast("Sequence[Mapping[str, object]]", line.get("agents", ())):
            self._agents[str(agent.get("name"))] = agent
        starters = ", ".join(map(str, cast("Sequence[object]", line.get("to", ()))))
        name = self._name or str(line.get("team", "")) or starters
        about: dict[str, Attribute] = {
            names.OPERATION: "invoke_workflow",
            names.WORKFLOW_NAME: name,
        }
        self._run = self._start(f"invoke_workflow {name}", self._parent, about)
        self._set_text(self._run, "user", str(line.get("text", "")), is_input=True)

    def _resume_run(self, line: Line) -> None:
        """Go on in another process, whose part of the run has a span of its own there."""
        # ``t`` goes on counting from where the first process began; ``at`` is now.
        self._began = cast("float", line["at"]) - cast("float", line["t"])
        if self._run is None:
            about: dict[str, Attribute] = {names.OPERATION: "invoke_workflow", RESUMED: True}
            if self._name:
                about[names.WORKFLOW_NAME] = self._name
            self._run = self._start(f"invoke_workflow {self._name}".strip(), self._parent, about)
            self._is_resumed = True
        self._add_event(None, line)

    def _resumed_call(self, line: Line) -> OpenCall | None:
        """Return a call that was begun by an earlier process, with a span for the rest of it."""
        # Only these two begin work of the call; what else names it is an event of the run's span.
        if not self._is_resumed or line["type"] not in {"model.start", "tool.start"}:
            return None
        agent, call_id = str(line["agent"]), str(line["call"])
        parent = self._calls.get(str(line["parent"]))
        context, _ = self._context_of_call(parent, None, background=False)
        about = self._about_agent(agent) | {names.CALL_ID: call_id, RESUMED: True}
        call = OpenCall(agent, self._start(f"invoke_agent {agent}", context, about), None)
        self._calls[call_id] = call
        return call

    def _end_run(self, line: Line) -> None:
        for call_id, call in list(self._calls.items()):
            self._finish(call_id, call)
        span, self._run = self._run, None
        if span is None:
            return
        used = cast("Mapping[str, object]", line.get("usage") or {})
        set_number(span, names.ALL_INPUT_TOKENS, used.get("input"))
        set_number(span, names.ALL_OUTPUT_TOKENS, used.get("output"))
        set_number(span, names.COST, line.get("cost"))
        self._set_text(span, "assistant", str(line.get("output", "")), is_input=False)
        if line["status"] != "completed":
            error = cast("Mapping[str, object]", line.get("error") or {})
            self._fail(span, str(error.get("code") or line["status"]), str(error.get("what", "")))
        span.end(self._time())

    def _start_call(self, line: Line, kind: str) -> None:
        parent = self._calls.get(str(line["parent"]))
        background = line.get("background") is True
        agent, call_id, place = str(line["agent"]), str(line["call"]), line.get("tool_call")
        self._add_event(parent, line)
        handover: Span | None = None
        # An approval is asked for by a tool call that has a span already.
        by_tool = place is not None and line.get("kind") != "approval"
        if parent is not None and by_tool and not background:
            handover = self._start_handover(parent, agent, str(place))
        if kind == "ask":
            self._calls[call_id] = OpenCall(agent, None, handover)
            return
        context, links = self._context_of_call(parent, handover, background=background)
        about = self._about_agent(agent)
        about |= {names.CALL_ID: call_id, "agentouto.background": background}
        if line["parent"] is not None:
            about[names.PARENT_CALL_ID] = str(line["parent"])
        span = self._start(f"invoke_agent {agent}", context, about, links=links)
        self._set_text(span, "user", str(line["text"]), is_input=True)
        self._calls[call_id] = OpenCall(agent, span, handover)

    def _start_handover(self, caller: OpenCall, agent: str, place: str) -> Span:
        about = {
            names.OPERATION: "execute_tool",
            names.USED_TOOL: CALL_AGENT,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: place,
            names.TRANSFER_MODE: "return_to_caller",
            names.TRANSFER_TARGET: agent,
        }
        return self._start(f"execute_tool {CALL_AGENT} {agent}", caller.context, about)

    def _context_of_call(
        self, caller: OpenCall | None, handover: Span | None, *, background: bool
    ) -> tuple[Context, Sequence[Link]]:
        """Return the context of a call's span; a background call is a trace of its own."""
        if background:
            span = None if caller is None else caller.span
            link = () if span is None else (Link(span.get_span_context()),)
            return Context(), link
        if handover is not None:
            return set_span_in_context(handover, Context()), ()
        if caller is not None:
            return caller.context, ()
        return (Context() if self._run is None else set_span_in_context(self._run, Context())), ()

    def _about_agent(self, agent: str) -> dict[str, Attribute]:
        about: dict[str, Attribute] = {
            names.OPERATION: "invoke_agent",
            names.AGENT_NAME: agent,
            names.AGENT_ID: agent,
        }
        known = self._agents.get(agent, {})
        if known.get("role"):
            about[names.AGENT_DESCRIPTION] = str(known["role"])
        if known.get("model"):
            about[names.REQUEST_MODEL] = str(known["model"])
            about[names.PROVIDER_NAME] = self._provider(agent)
        return about

    def _provider(self, agent: str) -> str:
        name = str(self._agents.get(agent, {}).get("provider", ""))
        return names.PROVIDERS.get(name, name)

    def _end_call(
        self, call_id: str, call: OpenCall, line: Line, output: str | None = None
    ) -> None:
        self._add_event(self._calls.get(str(line["parent"])), line)
        spans = [span for span in (call.span, call.handover) if span is not None]
        for span in spans:
            if output is None:
                self._fail(span, str(line.get("code") or line["kind"]), str(line["error"]))
            else:
                self._set_text(span, "assistant", output, is_input=False)
        self._finish(call_id, call)

    def _finish(self, call_id: str, call: OpenCall) -> None:
        """End the spans of a call, from the inside out."""
        del self._calls[call_id]
        for span in (*call.tools.values(), *([] if call.chat is None else [call.chat])):
            span.end(self._time())
        if call.span is not None:
            call.span.set_attribute(names.ALL_INPUT_TOKENS, call.tokens[0])
            call.span.set_attribute(names.ALL_OUTPUT_TOKENS, call.tokens[1])
            set_number(call.span, names.COST, call.cost)
            call.span.end(self._time())
        if call.handover is not None:
            call.handover.end(self._time())

    def _start_chat(self, call: OpenCall, line: Line) -> None:
        if call.chat is not None:  # a try that is repeated has no ``model.end``
            call.chat.end(self._time())
        call.model, call.texts = str(line["model"]), []
        about: dict[str, Attribute] = {
            names.OPERATION: "chat",
            names.PROVIDER_NAME: self._provider(call.agent),
            names.REQUEST_MODEL: call.model,
            names.AGENT_NAME: call.agent,
            "agentouto.turn": cast("int", line.get("turn", 0)),
            "agentouto.attempt": cast("int", line.get("attempt", 1)),
        }
        call.chat = self._start(f"chat {call.model}", call.context, about, SpanKind.CLIENT)
        call.chat_began = self._now

    def _end_chat(self, call: OpenCall, line: Line) -> None:
        call.count(line)
        span, call.chat = call.chat, None
        if span is None:  # a hook has written the reply
            return
        stop = str(line["stop"])
        span.set_attribute(names.FINISH_REASONS, [names.FINISHES.get(stop, stop)])
        for name, field in (
            (names.INPUT_TOKENS, "input"),
            (names.OUTPUT_TOKENS, "output"),
            (names.CACHED_TOKENS, "cached"),
            (names.REASONING_TOKENS, "reasoning"),
            (names.COST, "cost"),
            (names.FIRST_CHUNK, "first"),
        ):
            set_number(span, name, line.get(field))
        if call.texts:
            self._set_text(span, "assistant", "".join(call.texts), is_input=False)
        if stop == "broken":
            self._fail(span, "broken", "")
        span.end(self._time())
        if self._meters is not None:
            provider = self._provider(call.agent)
            self._meters.record(provider, call.model, line, self._now - call.chat_began)

    def _start_tool(self, call: OpenCall, line: Line) -> None:
        tool, place = str(line["tool"]), str(line["tool_call"])
        about = {
            names.OPERATION: "execute_tool",
            names.USED_TOOL: tool,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: place,
            names.AGENT_NAME: call.agent,
        }
        span = self._start(f"execute_tool {tool}", call.context, about)
        if self._content:
            arguments = line.get("raw_arguments") or _json_text(line["arguments"])
            span.set_attribute(names.TOOL_ARGUMENTS, str(arguments))
        call.tools[place] = span

    def _end_tool(self, call: OpenCall, line: Line) -> None:
        span = call.tools.pop(str(line["tool_call"]), None)
        if span is None:
            return
        if self._content:
            span.set_attribute(names.TOOL_RESULT, str(line["result"]))
        if line["failed"] is True:
            self._fail(span, "tool_error", str(line["result"]))
        span.end(self._time())

    def _add_event(self, call: OpenCall | None, line: Line) -> None:
        """Add an event to the span of ``call``; to that of the run, if there is none."""
        if line["type"] == "spent" and call is not None:
            call.count(line)
        span = self._run if call is None else call.span or call.handover
        if span is None:
            return
        about: dict[str, Attribute] = {"agentouto.type": str(line["type"])}
        fields = (*_EVENT_FIELDS, *(_TEXT_FIELDS if self._content else ()))
        for name in ("sender", "receiver", "call", *fields):
            value = line.get(name)
            if isinstance(value, str | bool | int | float):
                about[f"agentouto.{name}"] = value
        span.add_event(f"agentouto.{line['type']}", about, self._time())

    def _set_text(self, span: Span, role: str, text: str, *, is_input: bool) -> None:
        if not self._content:
            return
        messages = [{"role": role, "parts": [{"type": "text", "content": text}]}]
        names_of = (names.INPUT_VALUE, names.INPUT_MESSAGES)
        value, listed = names_of if is_input else (names.OUTPUT_VALUE, names.OUTPUT_MESSAGES)
        span.set_attribute(value, text)
        span.set_attribute(listed, _json_text(messages))

    def _fail(self, span: Span, type_: str, why: str) -> None:
        span.set_attribute(names.ERROR_TYPE, type_)
        # The text of an error may quote what was asked or answered; its kind does not.
        span.set_status(Status(StatusCode.ERROR, why if self._content else type_))


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
