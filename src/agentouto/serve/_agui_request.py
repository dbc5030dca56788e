"""Reads a ``RunAgentInput`` of AG-UI as a message to a team (https://docs.ag-ui.com).

A client sends the whole conversation each time. Its end says what is wanted: a message of the user,
results of tools, or neither, if the answer to an interrupt is in ``resume``. What comes before is
the history. ``state`` and ``forwardedProps`` are not read: a team has no state to share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, cast

import msgspec

from agentouto import Attachment, Message
from agentouto.serve._openai_content import (
    attachment_at,
    bad_value,
    checked_base64,
    named_tools,
)
from agentouto.serve._waiting import CallerTool, ToolOutput

_AguiMessage: TypeAlias = Mapping[str, object]
"""A message of a request."""

_AGUI_ROLES = ("user", "assistant", "system", "developer", "tool", "activity", "reasoning")
"""Roles of AG-UI 1.0 ("Messages")."""

_MEDIA = MappingProxyType(
    {"image": "image/*", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}
)
"""Parts of a message that are files, and their types if none is given."""


class Resumption(msgspec.Struct, frozen=True):
    """An answer to an interrupt.

    Attributes:
        id: The id of the interrupt.
        text: The answer to a question; ``None`` if the user gives none.
        approves: Whether it approves the use of a tool: by ``{"approved": true}`` and nothing else.
    """

    id: str
    text: str | None
    approves: bool


class AguiRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to run an agent.

    Attributes:
        thread: The id of the conversation.
        run: The id that the client gives the run.
        message: The last message of the user; ``""`` without one.
        attachments: The files of that message.
        history: The messages before it.
        instructions: System messages and context; ``None`` without any.
        resume: Answers to interrupts.
        tool_outputs: The results of tools that the request brings.
        tools: The tools that the caller carries out.
    """

    thread: str
    run: str
    message: str
    attachments: tuple[Attachment, ...]
    history: tuple[Message, ...]
    instructions: str | None
    resume: tuple[Resumption, ...]
    tool_outputs: tuple[ToolOutput, ...]
    tools: tuple[CallerTool, ...]


def read_agui_request(body: Mapping[str, object], author: str, taken: Iterable[str]) -> AguiRequest:
    """Return ``body`` as a request.

    Args:
        body: The body.
        author: The participant who has written the earlier replies.
        taken: Names that a caller's tool cannot have.

    Raises:
        HttpError: Something in it is missing or wrong.
    """
    messages = _messages(body.get("messages"))
    resume = tuple(_resumption(each, n) for n, each in enumerate(_list_field(body, "resume")))
    last = messages[-1] if messages and messages[-1]["role"] == "user" else None
    end = len(messages) if last is None else len(messages) - 1
    begin = end
    # Results of tools are last, or directly before a message that the user wrote beside them.
    while begin and messages[begin - 1]["role"] == "tool":
        begin -= 1
    outputs = [_output(messages[n], n) for n in range(begin, end)]
    if not resume and last is None and not outputs:
        raise bad_value(
            "messages",
            "the last message must have the role user, or tool after a tool call, if there is no "
            "resume",
        )
    text, files = "", list[Attachment]()
    if last is not None:
        text, files = _content_of(last, len(messages) - 1)
    return AguiRequest(
        thread=_id(body, "threadId"),
        run=_id(body, "runId"),
        message=text,
        attachments=tuple(files),
        # Results are in it too: if no run waits for them, the message begins one that reads them.
        history=tuple(_earlier(messages[:-1] if last is not None else messages, author)),
        instructions="\n\n".join(_instruction_texts(body, messages)) or None,
        resume=resume,
        tool_outputs=tuple(outputs),
        tools=named_tools(_list_field(body, "tools"), taken),
    )


def _id(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise bad_value(name, f"{name} must be text")
    return value


def _list_field(body: Mapping[str, object], name: str) -> list[object]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_value(name, f"{name} must be a list")
    return cast("list[object]", value)


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise bad_value(where, "it must be an object")
    return cast("dict[str, object]", value)


def _messages(given: object) -> list[_AguiMessage]:
    if not isinstance(given, list):
        raise bad_value("messages", "messages must be a list")
    messages: list[_AguiMessage] = []
    for place, item in enumerate(cast("list[object]", given)):
        message = _object(item, f"messages[{place}]")
        if message.get("role") not in _AGUI_ROLES:
            raise bad_value(
                f"messages[{place}].role",
                f"a role is one of {', '.join(_AGUI_ROLES)}, not {message.get('role')!r:.40}",
            )
        messages.append(message)
    return messages


def _resumption(given: object, place: int) -> Resumption:
    entry = _object(given, f"resume[{place}]")
    id_, status = entry.get("interruptId"), entry.get("status")
    if not isinstance(id_, str):
        raise bad_value(f"resume[{place}].interruptId", "interruptId must be text")
    if status not in ("resolved", "cancelled"):
        raise bad_value(
            f"resume[{place}].status", f"status is resolved or cancelled, not {status!r:.40}"
        )
    # A payload has the form that ``responseSchema`` of the interrupt asked for, or any other.
    payload = entry.get("payload")
    text = _payload_text(payload) if status == "resolved" else None
    return Resumption(id_, text, status == "resolved" and _is_consent(payload))


def _is_consent(payload: object) -> bool:
    """Return whether ``payload`` is a consent. Changed arguments beside it would not be run."""
    fields = cast("dict[str, object]", payload) if isinstance(payload, dict) else {}
    return len(fields) == 1 and fields.get("approved") is True


def _payload_text(payload: object) -> str:
    """Return an answer as text; an object with one text in it is a form with one field."""
    answer = payload
    if isinstance(payload, dict):
        values = list(cast("dict[str, object]", payload).values())
        answer = values[0] if len(values) == 1 else cast("dict[str, object]", payload)
    return answer if isinstance(answer, str) else msgspec.json.encode(payload).decode()


def _output(message: _AguiMessage, place: int) -> ToolOutput:
    id_ = message.get("toolCallId")
    if not isinstance(id_, str):
        raise bad_value(f"messages[{place}].toolCallId", "toolCallId must be text")
    text, files = _content_of(message, place)
    # AG-UI has a field for it; to the agent, the result of a tool is one text.
    error = message.get("error")
    text = f"{text}\nThe tool failed: {error}".strip() if error else text
    return ToolOutput(id_, text, tuple(files))


def _instruction_texts(
    body: Mapping[str, object], messages: Sequence[_AguiMessage]
) -> Iterator[str]:
    for place, message in enumerate(messages):
        if message["role"] in {"system", "developer"}:
            yield _content_of(message, place)[0]
    for place, item in enumerate(_list_field(body, "context")):
        context = _object(item, f"context[{place}]")
        yield f"{context.get('description')}: {context.get('value')}"


def _earlier(messages: Sequence[_AguiMessage], author: str) -> Iterator[Message]:
    """Yield the conversation so far, without what nested agents have written."""
    for place, message in enumerate(messages):
        role = message["role"]
        if message.get("subagentRunId") is not None:
            continue
        # ``activity`` and ``reasoning`` are what a page shows beside the words: no history.
        if role == "user":
            text, files = _content_of(message, place)
            yield Message("forward", "user", author, text, attachments=files)
        elif role == "assistant":
            text = _content_of(message, place)[0] if message.get("content") else ""
            calls = message.get("toolCalls")
            for call in cast("list[object]", calls) if isinstance(calls, list) else ():
                text = f"{text}\n[Called a tool: {msgspec.json.encode(call).decode()}]".strip()
            if text:
                yield Message("return", author, "user", text)
        elif role == "tool":
            output = _output(message, place)
            text = f"[Result of {output.id}]: {output.text}"
            yield Message("forward", "user", author, text, attachments=[*output.attachments])


def _content_of(message: _AguiMessage, place: int) -> tuple[str, list[Attachment]]:
    """Return text and files of a message."""
    content, where = message.get("content"), f"messages[{place}].content"
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise bad_value(where, "content must be text or a list of parts")
    texts: list[str] = []
    files: list[Attachment] = []
    for number, item in enumerate(cast("list[object]", content)):
        part = _object(item, f"{where}[{number}]")
        kind = part.get("type")
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(str(part["text"]))
        elif kind in _MEDIA:
            source = _object(part.get("source"), f"{where}[{number}].source")
            files.append(_from_source(source, str(kind), f"{where}[{number}].source"))
        else:
            there = ", ".join(_MEDIA)
            raise bad_value(f"{where}[{number}]", f"a part is text, {there}, not {kind!r:.40}")
    return "\n\n".join(texts), files


def _from_source(source: Mapping[str, object], kind: str, where: str) -> Attachment:
    value, given = source.get("value"), source.get("mimeType")
    type_ = given if isinstance(given, str) and given else _MEDIA[kind]
    match source.get("type"):
        case "data":
            return Attachment(type_, data=checked_base64(value, f"{where}.value"))
        case "url":
            return attachment_at(value, type_, None, f"{where}.value")
        case other:
            raise bad_value(f"{where}.type", f"a source is data or url here, not {other!r:.40}")
