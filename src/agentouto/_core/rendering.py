"""Renders events for readers: as stream events, as entries of the event log, and as lines.

The log of a run keeps facts. The names and keys of the first two forms are written here and in
``event_fields.py``, those of lines in ``event_lines.py``. This module does not know who reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias, TypeVar, cast, get_args

import msgspec

from agentouto._core import event_lines, kept_forms
from agentouto._core.builtin_tools import BUILTIN_TOOL_NAMES, FINISH
from agentouto._core.event_fields import (
    LineForm,
    LineState,
    approval_field,
    attachment_fields,
    cancel_text,
    mail_fields,
    missing_fields,
    outcome_fields,
    progress_fields,
    reply_fields,
    retry_fields,
    summary_sizes,
    tool_call_fields,
)
from agentouto._domain.content import Reasoning, Text
from agentouto._domain.event import (
    Broken,
    CallCancelled,
    CallFailed,
    CallReturned,
    CallStarted,
    Event,
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
from agentouto._domain.kept_event import (
    HiddenEvent,
    RunResumed,
    ToolInterrupted,
    TurnRestarted,
)
from agentouto._domain.message import USER
from agentouto._domain.stream_event import AnyStreamEvent, StreamEvent, StreamEventType
from agentouto._domain.trace import AgentEvent, shorten

E = TypeVar("E", bound=Event)

Form: TypeAlias = tuple[str, Mapping[str, object]]
"""A type, as readers know it, and what there is to say, by name."""


def with_reply_text(event: Event) -> Iterator[Event]:
    """Yield ``event``, preceded by the text of its reply for a reader who got no tokens of it."""
    if isinstance(event, Replied | Broken):
        for part in event.reply.parts if isinstance(event, Replied) else event.parts:
            if isinstance(part, Text) and part.text:
                yield Token(event.stamp, event.at, part.text)
            elif isinstance(part, Reasoning) and part.text:
                yield Thinking(event.stamp, event.at, part.text)
    yield event


def stream_events(event: Event) -> Iterable[AnyStreamEvent]:
    """Return ``event`` as stream events: none, one or two."""
    if isinstance(event, Token):  # by far the most frequent event: it skips the table
        return (_stream_event("token", event, {"token": event.text, "text": event.text}),)
    return FORMS[type(event)].stream(event)


def log_entry(event: Event, *, debug: bool) -> AgentEvent | None:
    """Return ``event`` as an entry of the event log; what models did is for ``debug`` only."""
    forms = FORMS[type(event)]
    entry = None if forms.debug and not debug else forms.log(event)
    if entry is None:
        return None
    type_, details = entry
    stamp = event.stamp
    return AgentEvent(
        type_, stamp.agent_name, stamp.call_id, stamp.parent_call_id, event.at, details
    )


def finish_token(event: Event, text: str) -> AnyStreamEvent:
    """Return a piece of the text that ``finish`` returns, as a token."""
    return _stream_event("token", event, {"token": text, "text": text, "tool": FINISH})


def _stream_event(
    type_: StreamEventType, event: Event, data: Mapping[str, object]
) -> AnyStreamEvent:
    """Return a stream event; a test compares ``data`` with the fields of its type."""
    stamp = event.stamp
    made = StreamEvent(type_, stamp.agent_name, stamp.call_id, stamp.parent_call_id, data)
    return cast("AnyStreamEvent", made)


def _no_stream(_event: Event) -> Iterable[AnyStreamEvent]:
    return ()


def _nothing(_event: Event) -> Form | None:
    return None


class Forms(msgspec.Struct, frozen=True):
    """The public forms of one type of event. What is left out, its readers do not get.

    Attributes:
        line: Returns its lines: none, one or two, each a type and fields.
        stream: Returns its stream events.
        log: Returns its entry in the event log: a type and details.
        debug: Whether the entry in the event log is for ``debug=True`` only.
    """

    line: Callable[[Event, LineState], Iterable[LineForm]]
    stream: Callable[[Event], Iterable[AnyStreamEvent]] = _no_stream
    log: Callable[[Event], Form | None] = _nothing
    debug: bool = False


def _row(
    kind: type[E],
    line: Callable[[E, LineState], Iterable[LineForm]],
    stream: Callable[[E], Iterable[AnyStreamEvent]] = _no_stream,
    log: Callable[[E], Form | None] = _nothing,
    *,
    debug: bool = False,
) -> tuple[type[Event], Forms]:
    """Return a row of ``FORMS``: its functions are called with events of this ``kind`` only."""
    forms = Forms(
        cast("Callable[[Event, LineState], Iterable[LineForm]]", line),
        cast("Callable[[Event], Iterable[AnyStreamEvent]]", stream),
        cast("Callable[[Event], Form | None]", log),
        debug,
    )
    return cast("type[Event]", kind), forms


def _started_stream(event: CallStarted) -> Iterator[AnyStreamEvent]:
    if event.stamp.parent_call_id is not None:
        message = event.message
        asked = {"from": message.sender, "message": message.content, "tool_call": event.tool_call}
        yield _stream_event("agent_call", event, asked | approval_field(message))


def _started_log(event: CallStarted) -> Form:
    details: dict[str, object] = {"message": shorten(event.message.content)}
    if event.stamp.parent_call_id is not None:
        details |= {"from": event.message.sender, "background": event.background}
    return "agent_call", details


def _returned_stream(event: CallReturned) -> Iterator[AnyStreamEvent]:
    message = event.message
    files = attachment_fields(message.attachments)
    yield _stream_event("finish", event, {"output": message.content, "attachments": files})
    if event.stamp.parent_call_id is not None:
        yield _stream_event("agent_return", event, {"result": message.content})


def _returned_log(event: CallReturned) -> Form:
    type_ = "finish" if event.stamp.parent_call_id is None else "agent_return"
    return type_, {"result": shorten(event.message.content)}


def _tool_started_stream(event: ToolStarted) -> Iterator[AnyStreamEvent]:
    if not event.builtin:
        yield _stream_event("tool_call", event, tool_call_fields(event.tool_call))


def _tool_finished_stream(event: ToolFinished) -> Iterator[AnyStreamEvent]:
    outcome = event.outcome
    if event.builtin and outcome.is_error:
        yield _stream_event("tool_call", event, tool_call_fields(outcome.tool_call))
    if not event.builtin or outcome.is_error:
        yield _stream_event("tool_result", event, outcome_fields(outcome))


def _tool_finished_log(event: ToolFinished) -> Form | None:
    outcome = event.outcome
    if event.builtin and not outcome.is_error:
        return None
    details = tool_call_fields(outcome.tool_call) | {"result": shorten(outcome.content)}
    if outcome.tool_call.name in BUILTIN_TOOL_NAMES and not event.builtin:
        details |= {"override": True}
    return "tool_exec", details


def _posted_stream(event: MessagePosted) -> Iterator[AnyStreamEvent]:
    message, stamp = event.message, event.stamp
    mail = mail_fields(message)
    if message.receiver == USER:
        told = StreamEvent("user_message", stamp.agent_name, message.call_id, stamp.call_id, mail)
        yield cast("AnyStreamEvent", told)
    else:
        to = {"receiver": message.receiver, "task_id": event.address}
        yield _stream_event("message", event, mail | to)


def _read_stream(event: MessageRead) -> Iterator[AnyStreamEvent]:
    yield _stream_event("message_read", event, mail_fields(event.message) | {"turn": event.turn})


def _given_back_stream(event: MessageReturned) -> Iterator[AnyStreamEvent]:
    fields = mail_fields(event.message) | {"reason": event.reason}
    yield _stream_event("message_returned", event, fields)


def _waited_stream(event: ModelWaited) -> Iterator[AnyStreamEvent]:
    if event.seconds is not None:
        yield _stream_event("retry", event, retry_fields(event))


def _switched_stream(event: ModelSwitched) -> Iterator[AnyStreamEvent]:
    yield _stream_event("retry", event, {"attempt": 1, "wait": 0.0, "error": event.error})


def _repeated_stream(event: Repeated) -> Iterator[AnyStreamEvent]:
    fields = {"message": event.message.content, "times": event.times}
    yield _stream_event("repeated", event, fields)


def _summarized_stream(event: Summarized) -> Iterator[AnyStreamEvent]:
    yield _stream_event("summarized", event, {"summary": event.summary} | summary_sizes(event))


def _summary_failed_stream(event: SummaryFailed) -> Iterator[AnyStreamEvent]:
    yield _stream_event("summary_failed", event, {"error": event.error})


def _failed_stream(event: CallFailed) -> Iterator[AnyStreamEvent]:
    yield _stream_event("error", event, {"error": event.error})


def _failed_log(event: CallFailed) -> Form:
    return "error", {"error": shorten(event.error)}


def _cancelled_stream(event: CallCancelled) -> Iterator[AnyStreamEvent]:
    yield _stream_event("error", event, {"error": cancel_text(event)})


def _cancelled_log(event: CallCancelled) -> Form:
    return "error", {"error": cancel_text(event)}


def _thinking_stream(event: Thinking) -> Iterator[AnyStreamEvent]:
    yield _stream_event("thinking", event, {"thinking": event.text})


def _drafted_stream(event: Drafted) -> Iterable[AnyStreamEvent]:
    return (finish_token(event, event.words),) if event.words else ()


def _so_far_stream(event: ReplySoFar) -> Iterator[AnyStreamEvent]:
    if event.thinking:
        yield _stream_event("thinking", event, {"thinking": event.thinking})
    if event.text:
        yield _stream_event("token", event, {"token": event.text, "text": event.text})
    if event.words:
        yield finish_token(event, event.words)


def _progress_stream(event: ToolProgress) -> Iterator[AnyStreamEvent]:
    yield _stream_event("tool_progress", event, progress_fields(event))


def _source_missing_stream(event: SourceMissing) -> Iterator[AnyStreamEvent]:
    yield _stream_event("source_missing", event, missing_fields(event))


def _resumed_stream(event: RunResumed) -> Iterator[AnyStreamEvent]:
    yield _stream_event("run_resumed", event, {"turns": event.turns})


def _restarted_stream(event: TurnRestarted) -> Iterator[AnyStreamEvent]:
    yield _stream_event("turn_restarted", event, {"turn": event.turn})


def _interrupted_stream(event: ToolInterrupted) -> Iterator[AnyStreamEvent]:
    yield _stream_event("tool_interrupted", event, kept_forms.interrupted_fields(event))


def _asked_log(event: ModelAsked) -> Form:
    return "llm_call", {"model": event.model}


def _replied_log(event: Replied) -> Form:
    return "llm_response", reply_fields(event.reply)


FORMS: Mapping[type[Event], Forms] = MappingProxyType(
    dict(
        (
            _row(RunStarted, event_lines.run_started_line),
            _row(CallStarted, event_lines.call_started_line, _started_stream, _started_log),
            _row(ModelAsked, event_lines.model_asked_line, log=_asked_log, debug=True),
            _row(ModelWaited, event_lines.model_waited_line, _waited_stream),
            _row(ModelSwitched, event_lines.model_switched_line, _switched_stream),
            _row(Token, event_lines.token_line),
            _row(Thinking, event_lines.thinking_line, _thinking_stream),
            _row(Drafted, event_lines.drafted_line, _drafted_stream),
            _row(ReplySoFar, event_lines.so_far_line, _so_far_stream),
            _row(Replied, event_lines.replied_line, log=_replied_log, debug=True),
            _row(Broken, event_lines.broken_line),
            _row(Spent, event_lines.spent_line),
            _row(ToolStarted, event_lines.tool_started_line, _tool_started_stream),
            _row(
                ToolFinished,
                event_lines.tool_finished_line,
                _tool_finished_stream,
                _tool_finished_log,
            ),
            _row(MessagePosted, event_lines.message_line, _posted_stream),
            _row(MessageRead, event_lines.message_read_line, _read_stream),
            _row(MessageReturned, event_lines.message_returned_line, _given_back_stream),
            _row(MailAwaited, event_lines.mail_awaited_line),
            _row(MailWaitEnded, event_lines.mail_wait_ended_line),
            _row(LimitNeared, event_lines.limit_line),
            _row(Noted, event_lines.noted_line),
            _row(Summarized, event_lines.summarized_line, _summarized_stream),
            _row(SummaryFailed, event_lines.summary_failed_line, _summary_failed_stream),
            _row(Repeated, event_lines.repeated_line, _repeated_stream),
            _row(CallReturned, event_lines.returned_line, _returned_stream, _returned_log),
            _row(CallFailed, event_lines.failed_line, _failed_stream, _failed_log),
            _row(CallCancelled, event_lines.cancelled_line, _cancelled_stream, _cancelled_log),
            _row(ToolProgress, event_lines.tool_progress_line, _progress_stream),
            _row(SourceMissing, event_lines.source_missing_line, _source_missing_stream),
            _row(RunEnded, event_lines.run_ended_line),
            _row(RunResumed, kept_forms.resumed_line, _resumed_stream),
            _row(TurnRestarted, kept_forms.restarted_line, _restarted_stream),
            _row(ToolInterrupted, kept_forms.interrupted_line, _interrupted_stream),
            *(_row(kind, kept_forms.hidden_line) for kind in get_args(HiddenEvent)),
        )
    )
)
"""Every type of event, with its public forms. A new event is a type in ``_domain/event.py``, a row
here, and a row in ``event_table.py``; tests see that none is forgotten."""
