"""The content blocks of one answer of the Messages API, while they are streamed.

Source: Anthropic's API reference, "Streaming Messages": a block begins with
``content_block_start``, grows by ``content_block_delta`` events of its index, and ends with
``content_block_stop``. A block is kept with all its fields, unknown ones included, because the API
refuses changed ones on the way back. What blocks mean, and in which order deltas are delivered, is
decided by the decoder.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from agentouto.providers._format.accumulate import GrowingText
from agentouto.providers._format.call_pieces import (
    CallPiece,
    PartialArguments,
    PartialCall,
    is_empty,
    most_complete,
)
from agentouto.providers._format.json import Json, as_list, as_str, dump, parse_object

# These three forbid fields that they do not have. An event with any other field is then no match,
# and takes the slow path, which keeps the field.


class TextPiece(
    msgspec.Struct, tag_field="type", tag="text_delta", forbid_unknown_fields=True, gc=False
):
    text: str


class ThinkingPiece(
    msgspec.Struct, tag_field="type", tag="thinking_delta", forbid_unknown_fields=True, gc=False
):
    thinking: str


class ArgumentsPiece(
    msgspec.Struct, tag_field="type", tag="input_json_delta", forbid_unknown_fields=True, gc=False
):
    partial_json: str


BlockPiece: TypeAlias = TextPiece | ThinkingPiece | ArgumentsPiece


class PlainDeltaEvent(
    msgspec.Struct,
    tag_field="type",
    tag="content_block_delta",
    forbid_unknown_fields=True,
    gc=False,
):
    """An event that adds one piece to one block, and has no other field: the fast path."""

    index: int
    delta: BlockPiece


read_plain_event = msgspec.json.Decoder(PlainDeltaEvent).decode
"""Parses an event of the fast path; ``msgspec.DecodeError`` for every other event."""


class Block:
    """One content block that is still being streamed.

    Attributes:
        fields: The fields it began with, and unknown ones that came later.
        kind: Its ``type``.
        slot: Its place among the calls, if it is one.
        texts: Pieces of text.
        thoughts: Pieces of thinking.
        growing: Unknown text fields that grow by pieces.
        streamed_arguments: Arguments of a call, as streamed.
        earlier_arguments: Arguments that beginnings of the block had, and pieces before the last.
        stopped: Whether its end event has come.
        announced: Whether the beginning of the call has been delivered.
    """

    __slots__ = (
        "announced",
        "earlier_arguments",
        "fields",
        "growing",
        "kind",
        "slot",
        "stopped",
        "streamed_arguments",
        "texts",
        "thoughts",
    )

    def __init__(self, fields: Json, slot: int) -> None:
        self.fields = fields
        self.kind = as_str(fields.get("type"))
        self.slot = slot
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.growing: dict[str, GrowingText] = {}
        self.streamed_arguments = PartialArguments()
        self.earlier_arguments = [_input_of(fields)]
        self.stopped = False
        self.announced = False

    @property
    def text(self) -> str:
        """The text that a text block began with."""
        return as_str(self.fields.get("text")) if self.kind == "text" else ""

    @property
    def has_text(self) -> bool:
        """Whether it has any text."""
        return any(self.texts) or bool(self.text)

    @property
    def id(self) -> str:
        """The id of a call."""
        return as_str(self.fields.get("id"))

    @property
    def name(self) -> str:
        """The name of the tool that is called."""
        return as_str(self.fields.get("name"))

    @property
    def arguments(self) -> str:
        """The arguments of a call: streamed, or from a beginning of the block."""
        return most_complete((self.streamed_arguments.text, *reversed(self.earlier_arguments)))

    @property
    def is_complete(self) -> bool:
        """Whether the arguments of a call are complete."""
        arguments = self.arguments
        in_pieces = bool(self.streamed_arguments.pieces) or not is_empty(arguments)
        return in_pieces and parse_object(arguments) is not None

    def begins_again(self, fields: Json) -> bool:
        """Take a second beginning at the same index; return whether it is of the same call.

        Gateways begin a call with an empty ``input``, and once more with the complete one.
        """
        piece = CallPiece(as_str(fields.get("id")), as_str(fields.get("name")))
        both = self.kind == as_str(fields.get("type")) == "tool_use"
        if not both or not PartialCall(self.id, self.name).may_continue(piece):
            return False
        if self.stopped and not piece.id:
            return False
        if self.announced:  # else pieces came before the first beginning
            self.earlier_arguments.append(self.streamed_arguments.text)
            self.streamed_arguments = PartialArguments()
        self.earlier_arguments.append(_input_of(fields))
        self.fields.update((key, value) for key, value in fields.items() if value)
        return True

    def cite(self, citation: object) -> None:
        """Add one more citation."""
        if not isinstance(self.fields.get("citations"), list):
            self.fields["citations"] = []
        as_list(self.fields["citations"]).append(citation)

    def grow(self, delta: Json) -> None:
        """Take a piece of unknown fields: text grows, anything else is replaced."""
        for key, value in delta.items():
            if key == "type":
                continue
            earlier = self.fields.get(key)
            if isinstance(earlier, str) and isinstance(value, str):
                if key not in self.growing:
                    self.growing[key] = GrowingText(earlier)
                self.growing[key].grow(value)
            else:
                self.growing.pop(key, None)
                self.fields[key] = value

    def whole(self) -> Json:
        """Return the block as it is sent back, without the arguments of a call.

        Those stand in the tool call of the reply, which may be repaired meanwhile.
        """
        fields = {**self.fields, **{key: text.whole() for key, text in self.growing.items()}}
        if self.kind == "tool_use":
            fields.pop("input", None)
        elif self.streamed_arguments.pieces:
            fields["input"] = parse_object(self.arguments) or fields.get("input")
        if self.texts and self.kind not in {"thinking", "tool_use"}:
            fields["text"] = self.text + "".join(self.texts)
        if self.thoughts and self.kind == "thinking":
            fields["thinking"] = as_str(fields.get("thinking")) + "".join(self.thoughts)
        return fields


def _input_of(fields: Json) -> str:
    """Return the arguments that a block begins with; none for an empty ``input``."""
    value = fields.get("input")
    return value if isinstance(value, str) else dump(value).decode() if value else ""


def piece_of(kind: str, delta: Json) -> BlockPiece | None:
    """Return ``delta`` as a piece of text, arguments or thinking; ``None`` if it is none."""
    match kind:
        case "text_delta":
            return TextPiece(as_str(delta.get("text")))
        case "thinking_delta":
            return ThinkingPiece(as_str(delta.get("thinking")))
        case "input_json_delta":
            return ArgumentsPiece(as_str(delta.get("partial_json")))
        case _:
            return None
