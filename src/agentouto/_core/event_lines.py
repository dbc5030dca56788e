"""Renders events as lines: the fields of each type in ``event_table.py``.

What the common fields say, and which line has which number, is in ``line_writer.py``. A line that
would repeat another is left out: a tool call that becomes a call, a message or a return is told by
``forward``, ``message`` or ``return``, unless it fails before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agentouto._core.builtin_tools import CALL_AGENT, FINISH, SEND_MESSAGE, SPAWN
from agentouto._core.event_fields import (
    LineForm,
    LineState,
    cancel_text,
    file_fields,
    message_fields,
    missing_fields,
    progress_fields,
    summary_sizes,
    tool_call_fields,
    usage_fields,
)
from agentouto._domain.content import Usage, sum_usage
from agentouto._domain.errors import Cancelled
from agentouto._domain.event import (
    Broken,
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    LimitNeared,
    MailAwaited,
    MailWaitEnded,
    MessagePosted,
    MessageRead,
    MessageReturned,
    ModelAsked,
    ModelSwitched,
    ModelWaited,
    Noted,
    Repeated,
    Replied,
    RunEnded,
    RunStarted,
    SourceMissing,
    Spent,
    Summarized,
    SummaryFailed,
    ToolFinished,
    ToolStarted,
)
from agentouto._domain.event_pieces import Drafted, ReplySoFar, Thinking, Token, ToolProgress
from agentouto._domain.limits import Limits
from agentouto._domain.message import USER
from agentouto._domain.version import PACKAGE_VERSION

_TOLD_BY_OTHERS = frozenset({CALL_AGENT, SPAWN, SEND_MESSAGE, FINISH})
"""Built-in tools whose use is told by ``forward``, ``message`` and ``return``."""

_NO_LIMITS = Limits()


def run_started_line(event: RunStarted, _state: LineState) -> Iterator[LineForm]:
    """Yield what the run was asked to do, and by whom it is done."""
    yield (
        "run.start",
        {
            "text": event.message,
            "to": list(event.starting),
            "at": round(event.at, 3),
            **({"team": event.team} if event.team else {}),
            "agents": [
                {"name": name, "model": model, "provider": provider, "role": role}
                for name, model, provider, role in event.agents
            ],
            **_peers(event.peers),
            "tools": [{"name": name, "approval": approval} for name, approval in event.tools],
            "limits": _limits(event.limits),
            "history": event.history,
            **file_fields(event.attachments),
            "version": PACKAGE_VERSION,
        },
    )


def _peers(peers: Iterable[tuple[str, str, bool]]) -> dict[str, object]:
    rows = [{"name": name, "role": role, "person": person} for name, role, person in peers]
    return {"peers": rows} if rows else {}


def _limits(limits: Limits) -> dict[str, object]:
    """Return the limits that are set."""
    every: Mapping[str, object] = {name: getattr(limits, name) for name in limits.__slots__}
    return {
        name: value
        for name, value in every.items()
        if name != "prices" and value != getattr(_NO_LIMITS, name)
    }


def run_ended_line(event: RunEnded, state: LineState) -> Iterator[LineForm]:
    """Yield what has come of the run."""
    used = sum_usage(state.usage.values())
    costs = list(state.cost.values())
    known = [cost for cost in costs if cost is not None]
    yield (
        "run.end",
        {
            "status": event.status,
            **({"output": event.output} if event.status == "completed" else {}),
            "outputs": [
                {"agent": output.name, "call": output.call_id, "text": output.text}
                for output in event.outputs
            ],
            "usage": {"input": used.input_tokens, "output": used.output_tokens},
            "cost": round(sum(known), 9) if len(known) == len(costs) else None,
            "limits": dict(event.spent),
            **({"error": dict(event.error)} if event.status != "completed" else {}),
        },
    )


def call_started_line(event: CallStarted, state: LineState) -> Iterator[LineForm]:
    """Yield the forward; of a question to a person, what kind it is."""
    message = event.message
    fields = message_fields(message) | {"background": event.background}
    if event.tool_call:
        fields["tool_call"] = event.tool_call
        state.forwarded.add((event.stamp.parent_call_id, event.tool_call))
    fields |= file_fields(message.attachments)
    if message.options:
        fields["options"] = list(message.options)
    if message.receiver != USER and not event.person:
        yield "forward", fields
    elif message.approval is None:
        yield "ask", fields | {"kind": "question"}
    else:
        asked = message.approval
        about = {"tool": asked.tool, "arguments": dict(asked.arguments)}
        yield "ask", fields | {"kind": "approval", **about}


def model_asked_line(event: ModelAsked, _state: LineState) -> Iterator[LineForm]:
    """Yield that a request leaves."""
    yield (
        "model.start",
        {"turn": event.turn, "model": event.model, "attempt": event.attempt},
    )


def token_line(event: Token, _state: LineState) -> tuple[LineForm]:
    """Return a piece of text."""
    return (("token", {"text": event.text}),)


def thinking_line(event: Thinking, _state: LineState) -> tuple[LineForm]:
    """Return a piece of thinking."""
    return (("thinking", {"text": event.text}),)


def drafted_line(event: Drafted, _state: LineState) -> tuple[LineForm]:
    """Return a piece of a tool call."""
    return (("draft", {"slot": event.slot, "tool": event.tool, "text": event.text}),)


def so_far_line(event: ReplySoFar, _state: LineState) -> Iterator[LineForm]:
    """Yield what has been written of a reply."""
    drafts = [{"slot": slot, "tool": tool, "text": text} for slot, tool, text in event.drafts]
    yield (
        "text",
        {
            "text": event.text,
            **({"thinking": event.thinking} if event.thinking else {}),
            **({"drafts": drafts} if drafts else {}),
        },
    )


def model_waited_line(event: ModelWaited, _state: LineState) -> Iterator[LineForm]:
    """Yield why the next request waits."""
    seconds = event.seconds
    yield (
        "model.wait",
        {
            "why": event.why,
            "seconds": None if seconds is None else round(seconds, 3),
            "attempt": event.attempt,
            "most": event.most,
            "status": event.status,
            "error": event.error,
        },
    )


def model_switched_line(event: ModelSwitched, _state: LineState) -> Iterator[LineForm]:
    """Yield which model takes over."""
    yield (
        "model.switch",
        {"model": event.model, "from": event.previous, "error": event.error},
    )


def replied_line(event: Replied, state: LineState) -> Iterator[LineForm]:
    """Yield how a reply has ended, and what it has used."""
    reply = event.reply
    state.count(event.stamp.call_id, reply.usage, event.cost)
    first = None if event.first is None else round(event.first, 3)
    yield (
        "model.end",
        {
            "turn": event.turn,
            "stop": reply.stop.value,
            **usage_fields(reply.usage, event.cost),
            "first": first,
        },
    )


def broken_line(event: Broken, _state: LineState) -> Iterator[LineForm]:
    """Yield that a request has failed."""
    yield (
        "model.end",
        {"turn": event.turn, "stop": "broken", **usage_fields(Usage(), None), "first": None},
    )


def spent_line(event: Spent, state: LineState) -> Iterator[LineForm]:
    """Yield what a summary has used."""
    state.count(event.stamp.call_id, event.usage, event.cost)
    yield "spent", {**usage_fields(event.usage, event.cost), "for": event.purpose}


def tool_started_line(event: ToolStarted, _state: LineState) -> Iterator[LineForm]:
    """Yield that a tool call begins."""
    tool_call = event.tool_call
    if event.builtin and tool_call.name in _TOLD_BY_OTHERS:
        return
    asked = tool_call_fields(tool_call)
    raw = {"raw_arguments": asked["raw_arguments"]} if "raw_arguments" in asked else {}
    yield (
        "tool.start",
        {
            "tool_call": str(tool_call.place),
            "tool": tool_call.name,
            "arguments": asked["arguments"],
            **raw,
            "builtin": event.builtin,
        },
    )


def tool_finished_line(event: ToolFinished, state: LineState) -> Iterator[LineForm]:
    """Yield what came of a tool call, with its beginning where that was left out."""
    outcome = event.outcome
    tool_call, place = outcome.tool_call, str(outcome.tool_call.place)
    if event.builtin and tool_call.name in _TOLD_BY_OTHERS:
        key = event.stamp.call_id, place
        if not outcome.is_error or key in state.forwarded:
            state.forwarded.discard(key)
            return
        asked = tool_call_fields(tool_call)
        about = {"tool_call": place, "tool": tool_call.name}
        yield "tool.start", {**about, "arguments": asked["arguments"], "builtin": True}
    yield (
        "tool.end",
        {
            "tool_call": place,
            "tool": tool_call.name,
            "result": outcome.content,
            "failed": outcome.is_error,
            **file_fields(outcome.attachments),
        },
    )


def message_line(event: MessagePosted, _state: LineState) -> Iterator[LineForm]:
    """Yield a message."""
    message = event.message
    yield "message", {"id": message.call_id, **message_fields(message), "to": event.address}


def message_read_line(event: MessageRead, _state: LineState) -> Iterator[LineForm]:
    """Yield that a message was read."""
    message = event.message
    yield "message.read", {"id": message.call_id, **message_fields(message), "turn": event.turn}


def message_returned_line(event: MessageReturned, _state: LineState) -> Iterator[LineForm]:
    """Yield why a message was not read."""
    message = event.message
    about = {"id": message.call_id, **message_fields(message)}
    yield "message.returned", about | {"reason": event.reason}


def tool_progress_line(event: ToolProgress, _state: LineState) -> Iterator[LineForm]:
    """Yield how far a tool or a peer is."""
    yield "tool.progress", progress_fields(event)


def source_missing_line(event: SourceMissing, _state: LineState) -> Iterator[LineForm]:
    """Yield which source of tools is missing."""
    yield "source.missing", missing_fields(event)


def mail_awaited_line(event: MailAwaited, _state: LineState) -> Iterator[LineForm]:
    """Yield that messages are waited for."""
    yield "wait", {"for": event.sender, "seconds": event.seconds}


def mail_wait_ended_line(event: MailWaitEnded, _state: LineState) -> Iterator[LineForm]:
    """Yield that messages are no longer waited for."""
    yield "wait.end", {"for": event.sender, "seconds": round(event.seconds, 3)}


def limit_line(event: LimitNeared, _state: LineState) -> Iterator[LineForm]:
    """Yield how much of a limit is used."""
    yield (
        "limit",
        {
            "limit": event.limit,
            "spent": round(event.spent, 6),
            "allowed": event.allowed,
            "reached": event.reached,
        },
    )


def noted_line(event: Noted, _state: LineState) -> Iterator[LineForm]:
    """Yield what an agent was told."""
    yield "note", {"kind": event.kind, "text": event.text}


def summarized_line(event: Summarized, _state: LineState) -> Iterator[LineForm]:
    """Yield the summary."""
    yield "summarized", {"text": event.summary} | summary_sizes(event)


def summary_failed_line(event: SummaryFailed, _state: LineState) -> Iterator[LineForm]:
    """Yield why there is no summary."""
    yield "summary.failed", {"error": event.error}


def repeated_line(event: Repeated, _state: LineState) -> Iterator[LineForm]:
    """Yield how often an agent was asked the same."""
    yield "repeated", {"text": event.message.content, "times": event.times}


def returned_line(event: CallReturned, state: LineState) -> Iterator[LineForm]:
    """Yield the return, and what its call has used."""
    message, call = event.message, event.stamp.call_id
    used = state.usage.get(call) or Usage()
    own = {"input": used.input_tokens, "output": used.output_tokens}
    yield (
        "return",
        {
            **message_fields(message),
            "background": event.background,
            **file_fields(message.attachments),
            "usage": {**own, "cost": state.cost.get(call)},
        },
    )


def failed_line(event: CallFailed, _state: LineState) -> Iterator[LineForm]:
    """Yield why a call has failed."""
    yield "error", {"error": event.error, "kind": event.kind, "code": event.code}


def cancelled_line(event: CallCancelled, _state: LineState) -> Iterator[LineForm]:
    """Yield why a call was cancelled."""
    yield "error", {"error": cancel_text(event), "kind": "stopped", "code": Cancelled.code}
