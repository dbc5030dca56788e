"""Fields that the public forms of events share: of messages, tool calls, files and replies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from agentouto._core.tool_arguments import BadArguments, parse_arguments
from agentouto._domain.content import Outcome, Reply, ToolCall, Usage
from agentouto._domain.event import CallCancelled, ModelWaited, SourceMissing, Summarized
from agentouto._domain.event_pieces import ToolProgress
from agentouto._domain.message import Attachment, Message

LineForm: TypeAlias = tuple[str, dict[str, object]]
"""The type of a line, and its own fields."""


class LineState:
    """What lines say that follows from earlier events.

    Attributes:
        forwarded: The tool calls that have become calls, each with its caller's id.
        usage: The tokens of each call.
        cost: What each call has cost; ``None`` where the price of a model is unknown.
    """

    __slots__ = ("cost", "forwarded", "usage")

    def __init__(self) -> None:
        self.forwarded: set[tuple[str | None, str]] = set()
        self.usage: dict[str, Usage] = {}
        self.cost: dict[str, float | None] = {}

    def count(self, call: str, usage: Usage, cost: float | None) -> None:
        """Add what a reply has used to that of its call."""
        before = self.usage.get(call)
        if before is None:
            self.usage[call], self.cost[call] = usage, cost
            return
        spent = self.cost[call]
        self.usage[call] = before + usage
        self.cost[call] = None if spent is None or cost is None else round(spent + cost, 9)


def message_fields(message: Message) -> dict[str, object]:
    """Return the fields of a message in a line."""
    return {"sender": message.sender, "receiver": message.receiver, "text": message.content}


def approval_field(message: Message) -> dict[str, object]:
    """Return the field of a stream event that asks for an approval; else nothing."""
    approval = message.approval
    if approval is None:
        return {}
    shown = {"id": approval.id, "tool": approval.tool, "arguments": approval.arguments}
    return {"approval": shown}


def mail_fields(message: Message) -> dict[str, object]:
    """Return the fields of mail in a stream event."""
    return {"message": message.content, "sender": message.sender, "id": message.call_id}


def tool_call_fields(tool_call: ToolCall) -> dict[str, object]:
    """Return name, arguments and place of a tool call; arguments that are no JSON as text."""
    about: dict[str, object] = {"tool_name": tool_call.name, "tool_call": str(tool_call.place)}
    try:
        return about | {"arguments": parse_arguments(tool_call.arguments)}
    except BadArguments:
        none = dict[str, object]()
        return about | {"arguments": none, "raw_arguments": tool_call.arguments}


def outcome_fields(outcome: Outcome) -> dict[str, object]:
    """Return what came of a tool call."""
    return {
        "tool_name": outcome.tool_call.name,
        "tool_call": str(outcome.tool_call.place),
        "result": outcome.content,
        "attachments": attachment_fields(outcome.attachments),
    }


def attachment_fields(
    attachments: Iterable[Attachment] | None,
) -> list[dict[str, str | None]] | None:
    """Return the fields of files, or ``None`` if there are none."""
    return [
        {"mime_type": file.mime_type, "data": file.data, "url": file.url, "name": file.name}
        for file in attachments or ()
    ] or None


def file_fields(attachments: Iterable[Attachment] | None) -> dict[str, object]:
    """Return what a line says of files, without their data; nothing if there are none.

    Base64 has four characters for three bytes (RFC 4648 §4), with ``=`` for those that are missing.
    """
    files = [
        {
            "name": file.name,
            "type": file.mime_type,
            "size": None
            if file.data is None
            else len(file.data) * 3 // 4 - file.data[-2:].count("="),
        }
        for file in attachments or ()
    ]
    return {"files": files} if files else {}


def reply_fields(reply: Reply) -> dict[str, object]:
    """Return what a reply was, without its text."""
    return {
        "has_tool_calls": bool(reply.tool_calls),
        "content_length": len(reply.text),
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
    }


def retry_fields(event: ModelWaited) -> dict[str, object]:
    """Return what a stream event says of the next try."""
    return {"attempt": event.attempt, "wait": event.seconds, "error": event.error}


def summary_sizes(event: Summarized) -> dict[str, object]:
    """Return about how many tokens a transcript had before and after."""
    return {"tokens_before": event.tokens_before, "tokens_after": event.tokens_after}


def cancel_text(event: CallCancelled) -> str:
    """Return why a call was cancelled."""
    return f"cancelled: {event.reason}" if event.reason else "cancelled"


def progress_fields(event: ToolProgress) -> dict[str, object]:
    """Return how far a tool or a peer is."""
    return {
        "tool_call": event.place or None,
        "text": event.text,
        "done": event.done,
        "total": event.total,
    }


def missing_fields(event: SourceMissing) -> dict[str, object]:
    """Return which source of tools is missing, and why."""
    return {"source": event.source, "error": event.error}


def usage_fields(usage: Usage, cost: float | None) -> dict[str, object]:
    """Return what a request or a peer has used, and what it has cost."""
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cached": usage.cached_tokens,
        "reasoning": usage.reasoning_tokens,
        "cost": cost,
    }
