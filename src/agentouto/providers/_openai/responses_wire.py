"""Encodes requests for OpenAI's Responses API and the servers that imitate it.

Source: OpenAI's API reference, "Create a model response", and its guides "Reasoning models",
"Conversation state" and "Migrate to the Responses API". The decoder reads the answer. Encoding is a
pure function of its arguments and of the wire's memory: encoded tool lists and learned quirks.
Connections and retries belong to the transport.

What is special about this format:

* Nothing is stored at the server (``store: false``). Every request holds the whole conversation,
  and reasoning goes back encrypted, in the items it came in.
* A reasoning item must be followed by the item it led to ("without its required following item").
  If a server cannot read its own items, the conversation goes on as text and calls.
* The server takes tools as strict unless ``strict`` is ``false``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentouto._domain.memory import Memory
from agentouto._domain.message import Attachment
from agentouto._domain.participants import EFFORTS, Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto.providers._format.entries import drop_native, write_new
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.file_urls import files_to_download
from agentouto.providers._format.json import Json, dump
from agentouto.providers._format.json_wire import (
    Field,
    json_array,
    json_field,
    json_fields,
)
from agentouto.providers._format.media import File
from agentouto.providers._format.quirks import (
    LearnedQuirks,
    Quirks,
    field_named,
    paths,
    without,
)
from agentouto.providers._format.server_messages import FIELD_REFUSED
from agentouto.providers._format.tool_lists import ToolLists, pop_added_tools
from agentouto.providers._format.wire import WireRequest
from agentouto.providers._models.families import Gpt, gpt_family, nearest
from agentouto.providers._openai import OPENAI_URL
from agentouto.providers._openai.openai_format import OpenAIFormatWire
from agentouto.providers._openai.responses_decoder import ResponsesDecoder
from agentouto.providers._openai.responses_encoder import ResponsesOptions, write_entry
from agentouto.providers._openai.server_messages import (
    ALLOWED_VALUES,
    ENCRYPTED_CONTENT_REFUSED,
    INPUT_ITEM,
    ITEM_TYPE_REQUIRED,
    REASONING_UNREADABLE,
)

_ENCRYPTED = "reasoning.encrypted_content"
"""What ``include`` asks for: reasoning items that a server without storage can read again
("Reasoning models", encrypted reasoning items)."""

_STRICT = "tools.strict"
"""The path by which ``strict`` of all tools is one field that may be left out."""

_MIN_OUTPUT_TOKENS = 16
"""The least ``max_output_tokens`` that the API takes ("Expected a value >= 16")."""

_SETTINGS = frozenset({"temperature", "max_output_tokens"})
"""Settings of users. The log has a warning if one of them cannot be sent, as for ``reasoning``."""


_REQUIRED_FIELDS = frozenset(
    {"type", "role", "content", "call_id", "name", "arguments", "output", "summary"}
)
"""Fields without which an item is not valid. An error about one of them is not about the field but
about the item, so it goes as text."""


_WORD = re.compile(r"\w+")
"""One value in a list of allowed values."""


class ResponsesQuirks(Quirks):
    """What one server refuses and requires for one model.

    Attributes:
        efforts: The efforts that it lists; empty if it lists none.
        refused_fields: Fields of items that it sends but does not take.
        typed: Whether every item must have a ``type``.
    """

    __slots__ = ("efforts", "refused_fields", "typed")

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.efforts: tuple[str, ...] = ()
        self.refused_fields: frozenset[str] = frozenset()
        self.typed = False


class LearnedResponsesQuirks(LearnedQuirks[ResponsesQuirks]):
    """Quirks of all models that are asked through the Responses API."""


_TEXT_FORMAT = "text.format"
"""The field of structured output."""


def _has_vague_type(file: File) -> bool:
    return file.is_vague


class OpenAIResponsesWire(OpenAIFormatWire[ResponsesQuirks]):
    """One server that speaks the Responses API."""

    kind = "openai_responses"
    path = "/responses"

    def __init__(
        self,
        provider: Provider,
        memory: Memory | None = None,
        *,
        host: str = OPENAI_URL,
    ) -> None:
        memory = memory or Memory()
        super().__init__(provider, memory, host, LearnedResponsesQuirks)
        self._tools = ToolLists(_tools_not_strict, memory)
        self._unmarked_tools = ToolLists(_tools_unmarked, memory)

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        """Return the files to download first: only those of unknown type."""
        return files_to_download(request, _has_vague_type)

    def decoder(self, request: ModelRequest) -> ResponsesDecoder:
        """Return a decoder for the answer to ``request``."""
        return ResponsesDecoder(self._name, self._origin(request.agent), self.error_for)

    def _adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        agent, draft = request.agent, request.draft
        quirks = self._quirks_for(agent)
        refused = FIELD_REFUSED.matches(details.labels)
        if REASONING_UNREADABLE.matches(details.labels):
            drop_native(draft, self._origin(agent))
        elif not quirks.typed and ITEM_TYPE_REQUIRED.matches(details.message):
            quirks.typed = True
        elif item := INPUT_ITEM.search(f"{details.param} {details.message}"):
            if refused and item[1] and item[1] not in _REQUIRED_FIELDS:
                quirks.refused_fields |= {item[1]}
            elif refused:
                drop_native(draft, self._origin(agent))
        elif _TEXT_FORMAT in sent.optional and _TEXT_FORMAT in f"{details.param} {details.message}":
            quirks.left_out.add(_TEXT_FORMAT)
        elif field := field_named(sent.optional, details):
            _adapt_field(quirks, field, details, refused=refused)
        elif (
            refused
            and "include" in sent.optional
            and ENCRYPTED_CONTENT_REFUSED.matches(details.message)
        ):
            quirks.left_out.add("include")

    def _new_quirks(self, where: str, _: Agent, /) -> ResponsesQuirks:
        return ResponsesQuirks(where)

    # The body -------------------------------------------------------------------------------------

    def _fields(
        self, head: Json, request: ModelRequest, quirks: ResponsesQuirks
    ) -> Iterator[Field]:
        added = pop_added_tools(head)
        yield json_fields(head)
        lists = self._unmarked_tools if _STRICT in quirks.left_out else self._tools
        if tools := lists.with_added(request.tools, added):
            yield json_field(b"tools", tools)
        if request.transcript.system and "instructions" not in head:
            yield json_field(b"instructions", dump(request.transcript.system))
        if "input" not in head:
            stored = head.get("store") is not False
            yield json_array(b"input", self._items(request, quirks, stored=stored))

    def _items(
        self, request: ModelRequest, quirks: ResponsesQuirks, *, stored: bool
    ) -> bytes | bytearray:
        origin, refused_fields = self._origin(request.agent), quirks.refused_fields
        plain = request.draft.native_refused_by == origin
        needs_encrypted = self._at_vendor and not stored
        options = ResponsesOptions(
            self._name, origin, plain, needs_encrypted, refused_fields, quirks.typed
        )
        items = write_new(request, options, lambda entry, _: write_entry(entry, options))
        return items or dump({"role": "user", "content": ""})

    # Settings -------------------------------------------------------------------------------------

    def _optional(self, chosen: Json, extra: Json) -> frozenset[str]:
        return frozenset((paths(chosen, whole=(_TEXT_FORMAT,)) | {_STRICT}) - paths(extra))

    def _chosen(self, request: ModelRequest, quirks: ResponsesQuirks) -> Json:
        agent = request.agent
        family = gpt_family(agent.model)
        chosen: Json = {"store": False}
        if bool(family.efforts) if family else (self._at_vendor or agent.reasoning):
            chosen["include"] = [_ENCRYPTED]
        effort = self._effort(agent, quirks, family.on_responses if family else None)
        if effort is not None:
            summary = {"summary": "auto"} if agent.reasoning and effort != "none" else {}
            chosen["reasoning"] = {"effort": effort, **summary}
        if (most := agent.max_output_tokens) is not None:
            if most < _MIN_OUTPUT_TOKENS:
                quirks.warn_once(
                    f"max_output_tokens={most}",
                    f"this API takes no fewer than {_MIN_OUTPUT_TOKENS}, which is sent instead",
                )
            chosen["max_output_tokens"] = max(most, _MIN_OUTPUT_TOKENS)
        if agent.temperature != 1.0:
            if self._at_vendor and effort not in {None, "none"}:
                quirks.warn_once("temperature", "the model takes none while it reasons")
            else:
                chosen["temperature"] = agent.temperature
        if request.form is not None:
            form = {"type": "json_schema", "name": "result", "schema": request.form, "strict": True}
            chosen["text"] = {"format": form}
        for field in tuple(quirks.left_out):
            without(chosen, field)
        return chosen

    def _effort(self, agent: Agent, quirks: ResponsesQuirks, family: Gpt | None) -> str | None:
        if quirks.efforts:
            family = Gpt(efforts=quirks.efforts)
        elif not self._at_vendor:
            family = None
        if family is not None and not family.efforts:
            return None
        if agent.reasoning:
            effort = quirks.wanted_effort(agent)
            return nearest(family.efforts, effort) if family else effort
        if family is None or not self._at_vendor:
            return None
        return "none" if family.can_be_off else family.efforts[0]


def _tools_unmarked(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([_tool_fields(tool) for tool in tools])


def _tools_not_strict(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([_tool_fields(tool) | {"strict": False} for tool in tools])


def _tool_fields(tool: ToolSpec) -> Json:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _adapt_field(
    quirks: ResponsesQuirks, field: str, details: ErrorDetails, *, refused: bool
) -> None:
    """Take one of the efforts that the server lists, or leave the refused field out."""
    found = ALLOWED_VALUES.search(details.message) if field == "reasoning.effort" else None
    listed = _WORD.findall(found[1] or found[2]) if found else []
    efforts = tuple(effort for effort in EFFORTS if effort in listed)
    if efforts and efforts != quirks.efforts:
        quirks.efforts = efforts
    elif refused or field == "reasoning.effort":
        quirks.left_out.add(field)
        if field in _SETTINGS or field.startswith("reasoning"):
            quirks.warn_once(field, details.message)
