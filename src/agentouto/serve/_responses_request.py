"""Reads a request of the Responses API as a message to a team.

https://platform.openai.com/docs/api-reference/responses/create.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, cast

from agentouto import Attachment, Message
from agentouto.serve._openai_content import (
    OpenAIRequest,
    bad_value,
    caller_tools,
    chosen_model,
    is_streamed,
    marked_question,
    optional_text,
    person_of,
    read_content,
    strip_marks,
)
from agentouto.serve._waiting import ToolOutput

_ResponseItem: TypeAlias = Mapping[str, object]
"""An item of ``input``."""

_ROLES_OF_ITEMS = ("system", "developer", "user", "assistant")
"""Roles of messages. Results of tools are items of another type and have no role."""

_NOT_POSSIBLE = MappingProxyType(
    {
        "background": "a response is made while its client waits",
        "conversation": "conversations are named by previous_response_id",
        "prompt": "there is no store of prompts here",
    }
)
"""Fields that name what a team does not have, and why. A client that sends one and is not told
would wait for something that never comes."""


def read_responses_request(
    body: Mapping[str, object], authors: Mapping[str, str], taken: Iterable[str]
) -> OpenAIRequest:
    """Return ``body`` as a request; what its ``previous_response_id`` adds is not in it yet.

    Args:
        body: The body.
        authors: By model, the participant who has written the earlier replies.
        taken: Names that a caller's tool cannot have.

    Raises:
        HttpError: Something in it is missing, wrong or cannot be done.
    """
    _refuse_what_there_is_not(body)
    model = chosen_model(body, authors)
    items = _items(body.get("input"))
    before, outputs, last = _split_items(items)
    text, files = "", list[Attachment]()
    if last is not None:
        where = f"input[{len(items) - 1}].content"
        text, files = read_content(last.get("content"), where)
        if not text.strip() and not files:
            raise bad_value(where, "the last message is empty")
    earlier = items[:-1] if last is not None else items
    system = [
        read_content(item.get("content"), f"input[{place}].content")[0]
        for place, item in enumerate(items)
        if item.get("role") in {"system", "developer"}
    ]
    given = optional_text(body, "instructions")
    return OpenAIRequest(
        model=model,
        message=text,
        attachments=tuple(files),
        # With the results, which a new run reads if no run waits for them any more.
        history=tuple(_history_of(earlier, authors[model])),
        instructions="\n\n".join(filter(None, [given, *system])) or None,
        question_id=_question_in(before),
        tool_outputs=tuple(outputs),
        tools=caller_tools(body, taken),
        user=person_of(body),
        streams=is_streamed(body),
        previous_id=optional_text(body, "previous_response_id") or None,
    )


def _refuse_what_there_is_not(body: Mapping[str, object]) -> None:
    for name, why in _NOT_POSSIBLE.items():
        if body.get(name) not in (None, False):
            raise bad_value(name, f"{name} is not possible: {why}")
    text = body.get("text")
    form = cast("dict[str, object]", text).get("format") if isinstance(text, dict) else None
    kind = cast("dict[str, object]", form).get("type") if isinstance(form, dict) else None
    if kind not in (None, "text"):
        raise bad_value(
            "text.format",
            "text.format can be text: what a team returns is decided by its output_type",
        )


def _items(given: object) -> list[_ResponseItem]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise bad_value("input", "input must be text, or a list with at least one item")
    items: list[_ResponseItem] = []
    for place, item in enumerate(cast("list[object]", given)):
        if not isinstance(item, dict):
            raise bad_value(f"input[{place}]", "an item must be an object")
        fields = cast("dict[str, object]", item)
        type_ = fields.get("type", "message")  # only messages may leave it out
        if type_ == "item_reference":
            raise bad_value(
                f"input[{place}]", "items are not stored: send them, or previous_response_id"
            )
        if type_ == "message" and fields.get("role") not in _ROLES_OF_ITEMS:
            raise bad_value(
                f"input[{place}].role",
                f"a role is one of {', '.join(_ROLES_OF_ITEMS)}, not {fields.get('role')!r:.40}",
            )
        items.append(fields)
    return items


def _split_items(
    items: Sequence[_ResponseItem],
) -> tuple[Sequence[_ResponseItem], list[ToolOutput], _ResponseItem | None]:
    """Return what came before, the results of tools after it, and the user's last message."""
    last = items[-1] if items[-1].get("role") == "user" else None
    end = len(items) if last is None else len(items) - 1
    begin = end
    while begin and items[begin - 1].get("type") == "function_call_output":
        begin -= 1
    if last is None and begin == end:
        raise bad_value(
            f"input[{len(items) - 1}]",
            "the last item must be a message with the role user, or a function_call_output",
        )
    outputs = [_function_output(items[n], n) for n in range(begin, end)]
    return items[:begin], outputs, last


def _function_output(item: _ResponseItem, place: int) -> ToolOutput:
    id_ = item.get("call_id")
    if not isinstance(id_, str):
        raise bad_value(f"input[{place}].call_id", "call_id must be text")
    text, files = read_content(item.get("output"), f"input[{place}].output")
    return ToolOutput(id_, text, tuple(files))


def _history_of(items: Iterable[_ResponseItem], author: str) -> Iterator[Message]:
    """Yield the items so far as messages between the user and ``author``; reasoning is left out."""
    for place, item in enumerate(items):
        type_ = item.get("type", "message")
        # Calls and results are told as text: the tools were those of an earlier run.
        if type_ == "function_call":
            text = f"[Called a tool: {item.get('name')}({item.get('arguments')})]"
            yield Message("return", author, "user", text)
        elif type_ == "function_call_output":
            output = _function_output(item, place)
            text = f"[Result of {output.id}]: {output.text}"
            yield Message("forward", "user", author, text, attachments=[*output.attachments])
        elif type_ == "message" and item["role"] in {"user", "assistant"}:
            text, files = read_content(item.get("content"), f"input[{place}].content")
            if item["role"] == "user":
                yield Message("forward", "user", author, text, attachments=files)
            else:
                text = strip_marks(text)
                yield Message("return", author, "user", text, attachments=files)


def _question_in(before: Sequence[_ResponseItem]) -> str | None:
    """Return the id of the question in the reply that the last message follows.

    A reply of several items is looked through from its end up to the user's message before it.
    """
    for item in reversed(before):
        if item.get("role") == "assistant":
            found = marked_question(read_content(item.get("content"), "content")[0])
            if found is not None:
                return found
        elif item.get("role") is not None:
            break
    return None
