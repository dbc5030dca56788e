"""The content blocks of one answer of the Messages API, while they are being sent.

A block is kept as it came, fields that are not known included. What blocks mean, and in which
order they are told, is ``_messages_answer``'s business.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from agentouto.providers._json import Json, as_text, parse_object


class Said(
    msgspec.Struct, tag_field="type", tag="text_delta", forbid_unknown_fields=True, gc=False
):
    text: str


class Thought(
    msgspec.Struct, tag_field="type", tag="thinking_delta", forbid_unknown_fields=True, gc=False
):
    thinking: str


class Argument(
    msgspec.Struct, tag_field="type", tag="input_json_delta", forbid_unknown_fields=True, gc=False
):
    partial_json: str


Word: TypeAlias = Said | Thought | Argument


class Piece(
    msgspec.Struct,
    tag_field="type",
    tag="content_block_delta",
    forbid_unknown_fields=True,
    gc=False,
):
    """An event that says a little more of one block and nothing else."""

    index: int
    delta: Word


read_piece = msgspec.json.Decoder(Piece).decode


class Block:
    """One content block that is still being sent."""

    __slots__ = ("arguments", "fields", "kind", "slot", "thoughts", "words")

    def __init__(self, fields: Json, slot: int) -> None:
        self.fields = fields
        self.kind = as_text(fields.get("type"))
        self.slot = slot
        self.words: list[str] = []
        self.thoughts: list[str] = []
        self.arguments: list[str] = []

    @property
    def text(self) -> str:
        """What a block of text has said from the beginning."""
        return as_text(self.fields.get("text")) if self.kind == "text" else ""

    @property
    def spoken(self) -> bool:
        """Whether it has said any words."""
        return any(self.words) or bool(self.text)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments of a call have come to their end."""
        given = bool(self.fields.get("input"))
        return parse_object("".join(self.arguments)) is not None if self.arguments else given

    def grow(self, delta: Json) -> None:
        """Take a piece of fields that are not known here: text grows, anything else is replaced."""
        for key, value in delta.items():
            known = self.fields.get(key)
            if isinstance(known, str) and isinstance(value, str) and key != "type":
                value = known + value
            if key != "type":
                self.fields[key] = value

    def whole(self) -> Json:
        """Return the block as it goes back; the arguments of a call are in its part of a reply."""
        fields = dict(self.fields)
        if self.kind == "tool_use":
            fields.pop("input", None)
        elif self.arguments:
            fields["input"] = parse_object("".join(self.arguments)) or fields.get("input")
        if self.words and self.kind not in {"thinking", "tool_use"}:
            fields["text"] = self.text + "".join(self.words)
        if self.thoughts and self.kind == "thinking":
            fields["thinking"] = as_text(fields.get("thinking")) + "".join(self.thoughts)
        return fields


def read_word(kind: str, delta: Json) -> Word | None:
    """Return ``delta`` as a piece of text, arguments or thinking, if it is one."""
    match kind:
        case "text_delta":
            return Said(as_text(delta.get("text")))
        case "thinking_delta":
            return Thought(as_text(delta.get("thinking")))
        case "input_json_delta":
            return Argument(as_text(delta.get("partial_json")))
        case _:
            return None
