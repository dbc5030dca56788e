"""Reads a request of the Chat Completions API as a message to a team.

https://platform.openai.com/docs/api-reference/chat/create. What a client always sends and a team
decides itself, such as ``temperature``, is left aside; what would change the meaning of the answer
is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

import msgspec

from agentouto import Attachment, Message
from agentouto.serve._openai_content import (
    OpenAIRequest,
    bad_value,
    caller_tools,
    chosen_model,
    is_streamed,
    marked_question,
    person_of,
    read_content,
    strip_marks,
)
from agentouto.serve._waiting import ToolOutput

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
"""Roles of messages. ``function`` is the form that results had before there was ``tool``."""

_ChatItem: TypeAlias = Mapping[str, object]
"""A message of a request."""


def read_chat_request(
    body: Mapping[str, object], authors: Mapping[str, str], taken: Iterable[str]
) -> OpenAIRequest:
    """Return ``body`` as a request.

    Args:
        body: The body.
        authors: By model, the participant who has written the earlier replies.
        taken: Names that a caller's tool cannot have.

    Raises:
        HttpError: Something in it is missing, wrong or cannot be done.
    """
    _refuse_what_cannot_be_done(body)
    model = chosen_model(body, authors)
    given = _checked_messages(body.get("messages"))
    before, outputs, last = _split_messages(given)
    text, files = "", list[Attachment]()
    if last is not None:
        text, files = read_content(last.get("content"), f"messages[{len(given) - 1}].content")
        if not text.strip() and not files:
            raise bad_value(f"messages[{len(given) - 1}].content", "the last message is empty")
    earlier = given[:-1] if last is not None else given
    options = body.get("stream_options")
    usage = isinstance(options, dict) and cast("dict[str, object]", options).get("include_usage")
    return OpenAIRequest(
        model=model,
        message=text,
        attachments=tuple(files),
        # With the results, which a new run reads if no run waits for them any more.
        history=tuple(_history(earlier, authors[model])),
        instructions=_instructions(given),
        question_id=_question_before(before),
        tool_outputs=tuple(outputs),
        tools=caller_tools(body, taken),
        user=person_of(body),
        streams=is_streamed(body),
        includes_usage=usage is True,
    )


def _refuse_what_cannot_be_done(body: Mapping[str, object]) -> None:
    """Raise for a wish that cannot be left aside: the client would misread the answer."""
    if body.get("n") not in (None, 1):
        raise bad_value("n", "n can be 1: a team gives one answer")
    form = body.get("response_format")
    kind = cast("dict[str, object]", form).get("type") if isinstance(form, dict) else form
    if kind not in (None, "text"):
        raise bad_value(
            "response_format",
            "response_format can be text: what a team returns is decided by its output_type",
        )


def _checked_messages(given: object) -> list[_ChatItem]:
    if not isinstance(given, list) or not given:
        raise bad_value("messages", "messages must be a list with at least one message")
    messages: list[_ChatItem] = []
    for place, item in enumerate(cast("list[object]", given)):
        if not isinstance(item, dict):
            raise bad_value(
                f"messages[{place}]", "a message must be an object with role and content"
            )
        message = cast("dict[str, object]", item)
        if message.get("role") not in _ROLES:
            raise bad_value(
                f"messages[{place}].role",
                f"a role is one of {', '.join(_ROLES)}, not {message.get('role')!r:.40}",
            )
        messages.append(message)
    return messages


def _split_messages(
    given: Sequence[_ChatItem],
) -> tuple[Sequence[_ChatItem], list[ToolOutput], _ChatItem | None]:
    """Return what came before, the results of tools after it, and the user's last message.

    A request ends with a message of the user, or with results of tools; a message may follow them.
    """
    last = given[-1] if given[-1]["role"] == "user" else None
    end = len(given) if last is None else len(given) - 1
    begin = end
    # Several uses of tools in one reply have a message each.
    while begin and given[begin - 1]["role"] == "tool":
        begin -= 1
    if last is None and begin == end:
        raise bad_value(
            f"messages[{len(given) - 1}].role",
            "the last message must have the role user, or tool after tool_calls, not "
            f"{given[-1]['role']!r:.40}",
        )
    outputs = [_tool_output(given[n], n) for n in range(begin, end)]
    return given[:begin], outputs, last


def _tool_output(message: _ChatItem, place: int) -> ToolOutput:
    id_ = message.get("tool_call_id")
    if not isinstance(id_, str):
        raise bad_value(f"messages[{place}].tool_call_id", "tool_call_id must be text")
    text, files = read_content(message.get("content"), f"messages[{place}].content")
    return ToolOutput(id_, text, tuple(files))


def _instructions(given: Iterable[_ChatItem]) -> str | None:
    texts = [
        read_content(message.get("content"), f"messages[{place}].content")[0]
        for place, message in enumerate(given)
        if message["role"] in {"system", "developer"}
    ]
    return "\n\n".join(filter(None, texts)) or None


def _history(earlier: Iterable[_ChatItem], author: str) -> Iterator[Message]:
    """Yield the conversation so far as messages between the user and ``author``."""
    for place, message in enumerate(earlier):
        role, content = message["role"], message.get("content")
        if role in {"system", "developer"}:
            continue
        where = f"messages[{place}].content"
        if role == "assistant":
            text, files = read_content(content, where) if content is not None else ("", [])
            text = strip_marks(text)
            # Calls are told as text: the tools were those of an earlier run.
            calls = message.get("tool_calls")
            for call in cast("list[object]", calls) if isinstance(calls, list) else ():
                text = f"{text}\n[Called a tool: {msgspec.json.encode(call).decode()}]".strip()
            yield Message("return", author, "user", text, attachments=files)
            continue
        text, files = read_content(content, where)
        if role in {"tool", "function"}:
            name = message.get("name") or message.get("tool_call_id") or "a tool"
            text = f"[Result of {name}]: {text}"
        yield Message("forward", "user", author, text, attachments=files)


def _question_before(before: Sequence[_ChatItem]) -> str | None:
    """Return the id of the question in the reply that the last message follows."""
    # An older reply may end with a mark too; its question was answered, or passed over.
    if not before or before[-1]["role"] != "assistant":
        return None
    content = before[-1].get("content")
    return marked_question(read_content(content, "content")[0]) if content is not None else None
