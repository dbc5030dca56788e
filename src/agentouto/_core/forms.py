"""What happened, in the three forms people read: stream events, the event log, file lines.

The log of a run keeps facts; this table is the only place where they get the names and keys that
readers rely on. It does not know who reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from agentouto._core.arguments import BadArguments, parse_arguments
from agentouto._core.prompt import BUILTIN_TOOL_NAMES
from agentouto._domain.content import Outcome, Reasoning, Reply, Text, ToolCall
from agentouto._domain.event import (
    Broken,
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    Event,
    MessagePosted,
    MessageRead,
    MessageReturned,
    ModelAsked,
    Repeated,
    Replied,
    Retried,
    Spent,
    Stamp,
    Summarized,
    Thinking,
    Token,
    ToolFinished,
    ToolStarted,
)
from agentouto._domain.message import USER, Attachment
from agentouto._domain.world import REAL

SHOWN = 200
"""How many characters of a message the short forms show."""

LINE_VERSION = 1


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something that happened in a run, as ``async_run_stream`` and ``get_stream_events`` tell it.

    Attributes:
        type: ``token``, ``thinking``, ``tool_call``, ``tool_result``, ``agent_call``,
            ``agent_return``, ``message``, ``user_message``, ``message_read``,
            ``message_returned``, ``repeated``, ``summarized``, ``retry``, ``finish`` or ``error``.
        agent_name: The agent at work.
        call_id: The call it is working on.
        parent_call_id: The call that call was made from; ``None`` for a starting agent's.
        data: What there is to say, by name. ``event["data"]`` and the like read the same fields.
    """

    type: str
    agent_name: str
    call_id: str
    parent_call_id: str | None
    data: Mapping[str, object] = field(default_factory=dict[str, object])

    def __getitem__(self, name: str) -> object:
        """Return a field by its name."""
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One line of the event log.

    Attributes:
        event_type: ``agent_call``, ``llm_call``, ``llm_response``, ``tool_exec``, ``agent_return``,
            ``finish`` or ``error``.
        agent_name: The agent at work.
        call_id: The call it is working on.
        parent_call_id: The call that call was made from, if any.
        timestamp: Seconds since the epoch.
        details: What there is to say, by name; texts are cut.
    """

    event_type: str
    agent_name: str
    call_id: str
    parent_call_id: str | None = None
    timestamp: float = field(default_factory=REAL.now)
    details: Mapping[str, object] = field(default_factory=dict[str, object])


def cut(text: str, most: int = SHOWN) -> str:
    """Return ``text``, or its beginning and three dots."""
    return text if len(text) <= most else f"{text[:most]}..."


def retold(event: Event) -> Iterator[Event]:
    """Yield ``event`` for a reader who did not hear the reply while it was being said."""
    if isinstance(event, Replied | Broken):
        for part in event.reply.parts if isinstance(event, Replied) else event.parts:
            if isinstance(part, Text) and part.text:
                yield Token(event.stamp, event.at, part.text)
            elif isinstance(part, Reasoning) and part.text:
                yield Thinking(event.stamp, event.at, part.text)
    yield event


def streamed(event: Event) -> Iterable[StreamEvent]:
    """Return ``event`` as stream events: none, one or two."""
    if isinstance(event, Token):  # by far the most: they do not wait for a match
        return (_told("token", event.stamp, {"token": event.text, "text": event.text}),)
    return _streamed(event)


def _streamed(event: Event) -> Iterator[StreamEvent]:
    stamp = event.stamp
    match event:
        case Thinking(_, _, text):
            yield _told("thinking", stamp, {"thinking": text})
        case ToolStarted(_, _, tool_call, builtin):
            if not builtin:
                yield _told("tool_call", stamp, _wish(tool_call))
        case ToolFinished(_, _, outcome, builtin):
            if builtin and outcome.is_error:
                yield _told("tool_call", stamp, _wish(outcome.tool_call))
            if not builtin or outcome.is_error:
                yield _told("tool_result", stamp, _came(outcome))
        case CallStarted(_, _, message):
            if stamp.parent_call_id is not None:
                asked = {"from": message.sender, "message": cut(message.content)}
                yield _told("agent_call", stamp, asked)
        case CallReturned(_, _, message):
            files = _files(message.attachments)
            yield _told("finish", stamp, {"output": message.content, "attachments": files})
            if stamp.parent_call_id is not None:
                yield _told("agent_return", stamp, {"result": cut(message.content)})
        case CallFailed(_, _, error):
            yield _told("error", stamp, {"error": error})
        case CallCancelled(_, _, reason):
            yield _told("error", stamp, {"error": _cancelled(reason)})
        case _:
            yield from _streamed_besides(event)


def _streamed_besides(event: Event) -> Iterator[StreamEvent]:
    """Yield what happens to messages and transcripts, and while one waits."""
    stamp = event.stamp
    match event:
        case MessagePosted(_, _, message, address):
            said = {"message": message.content, "sender": message.sender}
            if message.receiver == USER:
                yield StreamEvent(
                    "user_message", stamp.agent_name, message.call_id, stamp.call_id, said
                )
            else:
                yield _told(
                    "message", stamp, said | {"receiver": message.receiver, "task_id": address}
                )
        case Retried(_, _, attempt, wait, error):
            yield _told("retry", stamp, {"attempt": attempt, "wait": wait, "error": error})
        case MessageRead(_, _, message, turn):
            said = {"message": message.content, "sender": message.sender}
            yield _told("message_read", stamp, said | {"turn": turn})
        case MessageReturned(_, _, message, reason):
            said = {"message": message.content, "sender": message.sender}
            yield _told("message_returned", stamp, said | {"reason": reason})
        case Repeated(_, _, message, times):
            yield _told("repeated", stamp, {"message": cut(message.content), "times": times})
        case Summarized(_, _, summary, before, after):
            sizes = {"tokens_before": before, "tokens_after": after}
            yield _told("summarized", stamp, {"summary": summary, **sizes})
        case _:
            return


def logged(event: Event, *, debug: bool) -> AgentEvent | None:
    """Return ``event`` as a line of the event log; what the model did only if ``debug``."""
    match event:
        case CallStarted(stamp, _, message, background):
            details: dict[str, object] = {"message": cut(message.content)}
            if stamp.parent_call_id is not None:
                details |= {"from": message.sender, "background": background}
            return _noted("agent_call", event, details)
        case ModelAsked(_, _, model):
            return _noted("llm_call", event, {"model": model}) if debug else None
        case Replied(_, _, reply):
            return _noted("llm_response", event, _reply_details(reply)) if debug else None
        case ToolFinished(_, _, outcome, builtin):
            if builtin and not outcome.is_error:
                return None
            details = _wish(outcome.tool_call) | {"result": cut(outcome.content)}
            if outcome.tool_call.name in BUILTIN_TOOL_NAMES and not builtin:
                details |= {"override": True}
            return _noted("tool_exec", event, details)
        case CallReturned(stamp, _, message):
            type_ = "finish" if stamp.parent_call_id is None else "agent_return"
            return _noted(type_, event, {"result": cut(message.content)})
        case CallFailed(_, _, error):
            return _noted("error", event, {"error": cut(error)})
        case CallCancelled(_, _, reason):
            return _noted("error", event, {"error": _cancelled(reason)})
        case _:
            return None


def line(event: Event, *, started: float) -> dict[str, object] | None:
    """Return ``event`` as a line of a file or a page, without ``v``, ``seq`` and ``run``.

    ``t`` is in seconds since ``started``.
    """
    words: Mapping[str, object]
    match event:
        case CallStarted(_, _, message, background):
            type_ = "ask" if message.receiver == USER else "forward"
            words = _said(message.sender, message.receiver, message.content)
            words = words | {"background": background}
        case Token(_, _, text):
            type_, words = "token", {"text": text}
        case Thinking(_, _, text):
            type_, words = "thinking", {"text": text}
        case ToolStarted(_, _, tool_call):
            wish = _wish(tool_call)
            type_, words = "tool.start", {"tool": tool_call.name, "arguments": wish["arguments"]}
        case ToolFinished(_, _, outcome):
            type_ = "tool.end"
            failed = outcome.is_error
            words = {"tool": outcome.tool_call.name, "result": outcome.content, "failed": failed}
        case Retried(_, _, attempt, wait, error):
            type_, words = "retry", {"attempt": attempt, "wait": wait, "error": error}
        case MessagePosted(_, _, message, address):
            type_ = "message"
            words = _said(message.sender, message.receiver, message.content) | {"to": address}
        case CallReturned(_, _, message):
            type_, words = "return", _said(message.sender, message.receiver, message.content)
        case CallFailed(_, _, error):
            type_, words = "error", {"error": error}
        case CallCancelled(_, _, reason):
            type_, words = "error", {"error": _cancelled(reason)}
        case MessageRead(_, _, message, turn):
            type_ = "message.read"
            words = _said(message.sender, message.receiver, message.content) | {"turn": turn}
        case MessageReturned(_, _, message, reason):
            type_ = "message.returned"
            words = _said(message.sender, message.receiver, message.content) | {"reason": reason}
        case Repeated(_, _, message, times):
            type_, words = "repeated", {"text": message.content, "times": times}
        case Summarized(_, _, summary, before, after):
            sizes = {"tokens_before": before, "tokens_after": after}
            type_, words = "summarized", {"text": summary, **sizes}
        case ModelAsked() | Replied() | Broken() | Spent():
            return None
    stamp = event.stamp
    who = {"agent": stamp.agent_name, "call": stamp.call_id, "parent": stamp.parent_call_id}
    return {"t": round(event.at - started, 3), "type": type_, **who, **words}


def all_streamed(events: Iterable[Event]) -> list[StreamEvent]:
    """Return finished ``events`` as a late reader of the stream would get them."""
    return [told for event in events for again in retold(event) for told in streamed(again)]


def _told(type_: str, stamp: Stamp, data: Mapping[str, object]) -> StreamEvent:
    return StreamEvent(type_, stamp.agent_name, stamp.call_id, stamp.parent_call_id, data)


def _noted(type_: str, event: Event, details: dict[str, object]) -> AgentEvent:
    stamp = event.stamp
    return AgentEvent(
        type_, stamp.agent_name, stamp.call_id, stamp.parent_call_id, event.at, details
    )


def _cancelled(reason: str) -> str:
    return f"cancelled: {reason}" if reason else "cancelled"


def _said(sender: str, receiver: str, text: str) -> dict[str, object]:
    return {"sender": sender, "receiver": receiver, "text": text}


def _wish(tool_call: ToolCall) -> dict[str, object]:
    try:
        arguments = parse_arguments(tool_call.arguments)
    except BadArguments:
        return {
            "tool_name": tool_call.name,
            "arguments": dict[str, object](),
            "raw_arguments": tool_call.arguments,
        }
    return {"tool_name": tool_call.name, "arguments": arguments}


def _came(outcome: Outcome) -> dict[str, object]:
    return {
        "tool_name": outcome.tool_call.name,
        "result": outcome.content,
        "attachments": _files(outcome.attachments),
    }


def _files(attachments: Iterable[Attachment] | None) -> list[dict[str, str | None]] | None:
    return [
        {"mime_type": file.mime_type, "data": file.data, "url": file.url, "name": file.name}
        for file in attachments or ()
    ] or None


def _reply_details(reply: Reply) -> dict[str, object]:
    return {
        "has_tool_calls": bool(reply.tool_calls),
        "content_length": len(reply.text),
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
    }
