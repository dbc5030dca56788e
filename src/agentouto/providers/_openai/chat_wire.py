"""Encodes requests for OpenAI's Chat Completions API and the servers that imitate it.

Source: OpenAI's API reference, "Create chat completion", and its guides "Reasoning models" and
"Structured Outputs". The decoder reads the answer. Encoding is a pure function of its arguments and
of the wire's memory: encoded tool lists and learned quirks. Connections and retries belong to the
transport.

What is special about this format:

* Results of tools are text only. Files they return follow in one user message, after all results:
  the API refuses a user message between two results of one reply.
* A reply goes back to the server it came from with every field it came with: DeepSeek, Gemini and
  OpenRouter refuse a reply whose thinking or signature is missing. Other servers get the text and
  the tool calls.
* Servers differ in what they accept. A field that we chose to send and a server refuses is left out
  from then on; what the user put into ``extra`` never is.
"""

from __future__ import annotations

from collections.abc import Iterator

from agentouto._domain.content import Entry, Incoming, Reply
from agentouto._domain.memory import Memory
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto.providers._format.entries import write_new
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.file_urls import files_to_download
from agentouto.providers._format.json import Json, dump
from agentouto.providers._format.json_wire import (
    Field,
    json_array,
    json_field,
    json_fields,
)
from agentouto.providers._format.quirks import (
    CRASHED,
    LearnedQuirks,
    Quirks,
    field_named,
    paths,
    without,
)
from agentouto.providers._format.server_messages import FIELD_REFUSED
from agentouto.providers._format.tool_lists import ToolLists, pop_added_tools
from agentouto.providers._format.wire import WireRequest
from agentouto.providers._models.families import gpt_family, nearest
from agentouto.providers._openai import OPENAI_URL
from agentouto.providers._openai.chat_decoder import ChatDecoder
from agentouto.providers._openai.chat_encoder import (
    FILLER_REPLY,
    ChatOptions,
    native_fields,
    needs_download,
    write_entry,
)
from agentouto.providers._openai.openai_format import OpenAIFormatWire
from agentouto.providers._openai.server_messages import (
    ALTERNATION_REQUIRED,
    EFFORT_NONE_REQUIRED,
    NATIVE_FIELD,
    NULL_CONTENT_REFUSED,
    REASONING_FIELD_MISSING,
    RESPONSE_FORMAT_REFUSED,
    SHORT_IDS_REQUIRED,
)

_REASONING_FIELD = "reasoning_content"
"""What DeepSeek and Moonshot require in every reply with tool calls, also of other models."""

_RESPONSE_FORMAT = "response_format"
"""The field of structured output."""

_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")
"""The field for the length of a reply, at OpenAI and elsewhere: OpenAI's reasoning models refuse
``max_tokens``, which is deprecated, and many compatible servers know nothing else."""


class ChatQuirks(Quirks):
    """What one server refuses and requires for one model.

    Attributes:
        other_cap: Whether it takes the other of ``_LIMIT_FIELDS``.
        effort: The effort that it requires; empty if it takes ours.
        plain: Whether replies go back without fields that came with them.
        backfill: A field that replies with tool calls must have; empty for none.
        short_ids: Whether ids of tool calls must be nine letters and digits.
        alternate: Whether a user message may only follow a reply.
        content_is_text: Whether ``content`` must not be ``null``.
    """

    __slots__ = (
        "alternate",
        "backfill",
        "content_is_text",
        "effort",
        "other_cap",
        "plain",
        "short_ids",
    )

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.other_cap = False
        self.effort = ""
        self.plain = False
        self.backfill = ""
        self.short_ids = False
        self.alternate = False
        self.content_is_text = False

    def options(self, provider_name: str, origin: str) -> ChatOptions:
        """Return how entries are encoded for ``origin``."""
        native_origin = "" if self.plain else origin
        return ChatOptions(
            provider_name,
            native_origin,
            self.backfill,
            self.short_ids,
            self.alternate,
            self.content_is_text,
        )


class LearnedChatQuirks(LearnedQuirks[ChatQuirks]):
    """Quirks of all models that are asked through Chat Completions."""


class OpenAIChatWire(OpenAIFormatWire[ChatQuirks]):
    """One server that speaks Chat Completions."""

    kind = "openai"
    path = "/chat/completions"
    adapts_to_crashes = True

    def __init__(
        self,
        provider: Provider,
        memory: Memory | None = None,
        *,
        host: str = OPENAI_URL,
    ) -> None:
        memory = memory or Memory()
        super().__init__(provider, memory, host, LearnedChatQuirks)
        self._tools = ToolLists(_tool_list, memory)

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        """Return the files to download first: all but images, whose URLs the API takes."""
        return files_to_download(request, needs_download)

    def decoder(self, request: ModelRequest) -> ChatDecoder:
        """Return a decoder for the answer to ``request``."""
        return ChatDecoder(self._name, self._origin(request.agent), self.error_for)

    def _adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        quirks = self._quirks_for(request.agent)
        if self._adapt_messages(quirks, sent, details) or details.status == CRASHED:
            return
        if _RESPONSE_FORMAT in sent.optional and RESPONSE_FORMAT_REFUSED.matches(details.message):
            quirks.left_out.add(_RESPONSE_FORMAT)
            return
        field = field_named(sent.optional, details)
        refused = FIELD_REFUSED.matches(details.labels)
        if field == "reasoning_effort" or (not field and _wants_no_effort(request.agent, details)):
            _adapt_effort(quirks, sent, details)
        elif field.startswith(("stream_options", _RESPONSE_FORMAT)):
            quirks.left_out.add(field)
        elif field in _LIMIT_FIELDS:
            if refused:  # use the other name next, also if a parallel request has learned it
                quirks.other_cap = self._at_vendor == (field == _LIMIT_FIELDS[0])
        elif field and refused:
            quirks.left_out.add(field)
            quirks.warn_once(field, details.message)
        elif _REASONING_FIELD in details.message and REASONING_FIELD_MISSING.matches(
            details.message
        ):
            quirks.backfill = _REASONING_FIELD
        elif refused and NATIVE_FIELD.matches(details.message) and self._has_kept(request):
            quirks.plain = True

    def _adapt_messages(self, quirks: ChatQuirks, sent: WireRequest, details: ErrorDetails) -> bool:
        """Learn from an error about messages how to encode them; return whether it was one."""
        before = quirks.short_ids, quirks.alternate, quirks.content_is_text
        message = details.message
        quirks.short_ids = quirks.short_ids or SHORT_IDS_REQUIRED.matches(message)
        quirks.alternate = quirks.alternate or ALTERNATION_REQUIRED.matches(message)
        if b'"content":null' in sent.body and NULL_CONTENT_REFUSED.matches(message):
            quirks.content_is_text = True
        return before != (quirks.short_ids, quirks.alternate, quirks.content_is_text)

    def _has_kept(self, request: ModelRequest) -> bool:
        """Return whether some reply goes back with more than its text and calls."""
        replies = (entry for entry in request.transcript.entries if isinstance(entry, Reply))
        origin = self._origin(request.agent)
        return any(native_fields(reply, origin) for reply in replies)

    def _new_quirks(self, where: str, _: Agent, /) -> ChatQuirks:
        return ChatQuirks(where)

    def _fields(self, head: Json, request: ModelRequest, quirks: ChatQuirks) -> Iterator[Field]:
        added = pop_added_tools(head)
        yield json_fields(head)
        if tools := self._tools.with_added(request.tools, added):
            yield json_field(b"tools", tools)
        if "messages" not in head:
            yield json_array(b"messages", *self._messages(request, quirks))

    def _messages(self, request: ModelRequest, quirks: ChatQuirks) -> Field:
        options = quirks.options(self._name, self._origin(request.agent))
        entries = request.transcript.entries

        def write(entry: Entry, place: int) -> bytes:
            before = entries[place - 1] if place else None
            written = write_entry(entry, before, options)
            if options.alternate and isinstance(entry, Incoming) and not isinstance(before, Reply):
                written = FILLER_REPLY + b"," + written if before else written
            return written

        messages = write_new(request, options, write)
        if not request.transcript.system:
            return (messages,)
        system = dump({"role": "system", "content": request.transcript.system})
        return (system, b",", messages) if messages else (system,)

    def _optional(self, chosen: Json, extra: Json) -> frozenset[str]:
        fields = paths(chosen, whole=(_RESPONSE_FORMAT,))
        return frozenset(path for path in fields if path.partition(".")[0] not in extra)

    def _chosen(self, request: ModelRequest, quirks: ChatQuirks) -> Json:
        agent = request.agent
        chosen: Json = {"stream_options": {"include_usage": True}}
        if agent.max_output_tokens is not None:
            chosen[_LIMIT_FIELDS[self._at_vendor == quirks.other_cap]] = agent.max_output_tokens
        effort = self._effort(agent, quirks)
        if effort is not None:
            chosen["reasoning_effort"] = effort
        if agent.temperature != 1.0:
            # OpenAI's models refuse any temperature but 1 while they reason ("Reasoning models").
            if self._at_vendor and _is_reasoning(agent.model, effort):
                quirks.warn_once("temperature", "the model takes none while it reasons")
            else:
                chosen["temperature"] = agent.temperature
        if request.form is not None:
            form = {"name": "result", "schema": request.form, "strict": True}
            chosen[_RESPONSE_FORMAT] = {"type": "json_schema", "json_schema": form}
        for field in tuple(quirks.left_out):
            without(chosen, field)
        return chosen

    def _effort(self, agent: Agent, quirks: ChatQuirks) -> str | None:
        if quirks.effort:
            return quirks.effort
        family = gpt_family(agent.model) if self._at_vendor else None
        if not agent.reasoning:
            return "none" if family and family.by_default and family.can_be_off else None
        effort = quirks.wanted_effort(agent)
        if not self._at_vendor:
            return effort
        if family is None:
            return "xhigh" if effort == "max" else effort
        return nearest(family.efforts, effort) if family.efforts else None


def _tool_list(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([{"type": "function", "function": tool} for tool in tools])


def _is_reasoning(model: str, effort: str | None) -> bool:
    if effort is not None:
        return effort != "none"
    family = gpt_family(model)
    return family is not None and family.by_default


def _wants_no_effort(agent: Agent, details: ErrorDetails) -> bool:
    """Return whether a server requires ``reasoning_effort: none`` where nothing was sent."""
    if "reasoning_effort" in agent.extra or "reasoning_effort" not in details.labels:
        return False
    return EFFORT_NONE_REQUIRED.matches(details.message)


def _adapt_effort(quirks: ChatQuirks, sent: WireRequest, details: ErrorDetails) -> None:
    """Switch reasoning off where the server requires it, else leave the field out."""
    if (
        EFFORT_NONE_REQUIRED.matches(details.message)
        and b'"reasoning_effort":"none"' not in sent.body
    ):
        quirks.effort = "none"
    else:
        quirks.left_out.add("reasoning_effort")
    quirks.warn_once("reasoning_effort", details.message)
