"""Encodes requests for Google's Gemini API (``streamGenerateContent`` over REST).

Source: ai.google.dev, "Generating content", "Function calling", "Thinking", "Thought signatures"
and "Models" (API reference). The decoder reads the answer. Encoding is a pure function of its
arguments and of the wire's memory: encoded tool lists and learned quirks. Connections and retries
belong to the transport.

What is special about this format:

* The model is part of the address, so every model has an address of its own.
* A part of a reply may have a signature. It goes back on that very part, or the next request fails.
  A tool call that another model made gets the placeholder that the API accepts.
* Results of tools stand in one content, in the order of the calls. Other text stands in the next
  content, because the API takes text beside results for the model's own.
* A field that we chose to send and a server refuses is left out from then on; what the user put
  into ``extra`` never is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import quote, urlsplit

from agentouto._domain.content import Entry, Reply
from agentouto._domain.memory import Memory
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto._domain.secret import Secret, address
from agentouto.providers._format.entries import drop_native, write_new
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.file_urls import files_to_download
from agentouto.providers._format.json import Json, as_object, dump, merged
from agentouto.providers._format.json_wire import (
    Field,
    JsonWire,
    json_array,
    json_field,
    json_fields,
)
from agentouto.providers._format.lookups import replace_path, window_in
from agentouto.providers._format.quirks import (
    LearnedQuirks,
    Quirks,
    paths,
    without,
)
from agentouto.providers._format.server_messages import FIELD_REFUSED
from agentouto.providers._format.tool_lists import ToolLists, pop_added_tools
from agentouto.providers._format.wire import ModelLookup, WireRequest, endpoint, split_extra
from agentouto.providers._google import server_messages
from agentouto.providers._google.decoder import GeminiDecoder
from agentouto.providers._google.encoder import (
    EMPTY_USER,
    MODEL_ENDS,
    GeminiOptions,
    needs_download,
    write_entry,
)
from agentouto.providers._google.schema import gemini_schema
from agentouto.providers._models.families import UNKNOWN_GEMINI, Gemini, gemini_family

GEMINI_URL = "https://generativelanguage.googleapis.com"
"""The vendor's own server."""

_VERSION = "/v1beta"
"""The version of the API. Names of models such as ``gemini-flash-latest`` and new fields are in
``v1beta`` before they are in ``v1`` ("API versions explained")."""

_COLLECTIONS = ("models/", "tunedModels/", "endpoints/", "publishers/", "projects/")
"""Beginnings of a model's name that is a path: tuned models, and those of Vertex AI."""

_NESTED = frozenset({"generationConfig", "thinkingConfig", "toolConfig", "functionCallingConfig"})
"""Objects whose fields we set, so that a user's spelling of the same field has to be found
there."""


class GeminiQuirks(Quirks):
    """What one server refuses and requires for one model.

    Attributes:
        signed: Whether the first tool call of a reply must have a signature.
        ids: Whether tool calls may have ids.
    """

    __slots__ = ("ids", "signed")

    def __init__(self, origin: str, *, signed: bool) -> None:
        super().__init__(origin)
        self.signed = signed
        self.ids = True


class LearnedGeminiQuirks(LearnedQuirks[GeminiQuirks]):
    """Quirks of all models that are asked through the Gemini API."""


class GeminiWire(JsonWire[GeminiQuirks]):
    """One server that speaks the Gemini API. Its URL is that of all models."""

    kind = "google"
    path = "/models"

    def __init__(
        self,
        provider: Provider,
        memory: Memory | None = None,
        *,
        host: str = GEMINI_URL,
    ) -> None:
        memory = memory or Memory()
        url = _models_url(provider.base_url, host)
        super().__init__(provider, url, host, memory.part(LearnedGeminiQuirks))
        self._has_auth = provider.auth is not None
        self._tools = ToolLists(_tool_list, memory)

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``: an API key or an OAuth token.

        Google's API keys begin with ``AIza`` or ``AQ.``, its access tokens with ``ya29.``.
        """
        if not api_key:
            return {}
        is_token = self._has_auth and not api_key.startswith(("AIza", "AQ."))
        if is_token or api_key.startswith("ya29."):
            return {"Authorization": Secret(f"Bearer {api_key}")}
        return {"x-goog-api-key": api_key}

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        """Return the files to download first: the API fetches few addresses itself."""
        return files_to_download(request, needs_download)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Encode ``request``; ``ProviderError`` if the format cannot express it."""
        agent = request.agent
        quirks = self._quirks_for(agent)
        extra, headers = split_extra(self._name, agent.extra)
        extra = _in_camel_case(extra)
        chosen = _chosen_fields(request, quirks, extra)
        body = self._body(self._fields(merged(chosen, extra), request, quirks))
        optional = frozenset(paths(chosen, whole=_SCHEMA_FIELDS) - paths(extra))
        return WireRequest(self._url_of(agent.model), body, headers, optional)

    def decoder(self, request: ModelRequest) -> GeminiDecoder:
        """Return a reader for the answer to ``request``."""
        return GeminiDecoder(self._name, self._origin(request.agent), self.error_for)

    def _adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        quirks = self._quirks_for(request.agent)
        message = f"{details.param} {details.message}"
        if server_messages.ABOUT_SIGNATURE.matches(message):
            if quirks.signed or not server_messages.SIGNATURE_MISSING.matches(message):
                drop_native(request.draft, self._origin(request.agent))
            quirks.signed = quirks.signed or server_messages.SIGNATURE_MISSING.matches(message)
        elif server_messages.CALL_ID_REFUSED.matches(message):
            quirks.ids = False
        elif _SCHEMA_FIELDS[0] in sent.optional and server_messages.RESPONSE_SCHEMA_REFUSED.matches(
            message
        ):
            quirks.left_out.update(_SCHEMA_FIELDS)
        elif field := _refused_field(message):
            for path in sent.optional:
                if path == field or path.startswith(f"{field}."):
                    quirks.left_out.add(path)
                    quirks.warn_once(path.rpartition(".")[2], details.message)

    def _new_quirks(self, where: str, agent: Agent, /) -> GeminiQuirks:
        model = gemini_family(agent.model) or UNKNOWN_GEMINI
        return GeminiQuirks(where, signed=model.recent)

    def model_lookup(self, agent: Agent) -> ModelLookup | None:
        """Ask for the model (API reference, "Models": ``inputTokenLimit``)."""
        return self._limits(agent.model)

    def _limits(self, model: str) -> ModelLookup:
        return window_in(as_object((yield WireRequest(self._url_of_model(model), b""))))

    def _url_of_model(self, model: str) -> str:
        return replace_path(self._url, "models", _path_of(model))

    def _url_of(self, model: str) -> str:
        path = _path_of(model)
        models_url, _, query = self._url.partition("?")
        query = query if "alt=" in query else f"{query}&alt=sse".lstrip("&")
        url = models_url.removesuffix("models") + path
        return address(f"{url}:streamGenerateContent?{query}")

    def _fields(self, head: Json, request: ModelRequest, quirks: GeminiQuirks) -> Iterator[Field]:
        added = pop_added_tools(head)
        cached = "cachedContent" in head  # the system prompt and the tools are in there already
        if request.transcript.system and not cached and "systemInstruction" not in head:
            system = {"parts": [{"text": request.transcript.system}]}
            yield json_field(b"systemInstruction", dump(system))
        if not cached and (tools := self._tools.with_added(request.tools, added)):
            yield json_field(b"tools", tools)
        yield json_fields(head)
        if "contents" not in head:
            yield json_array(b"contents", self._contents(request, quirks))

    def _contents(self, request: ModelRequest, quirks: GeminiQuirks) -> bytes | bytearray:
        entries, draft = request.transcript.entries, request.draft
        origin = self._origin(request.agent)
        own = "" if draft.native_refused_by == origin else origin
        options = self._options(request.agent.model, quirks, own)

        def write(entry: Entry, place: int) -> bytes:
            written = write_entry(entry, entries[place - 1] if place else None, options)
            if written and isinstance(entry, Reply) and _needs_user_turn(draft.written):
                return EMPTY_USER + b"," + written
            return written

        return write_new(request, options, write) or EMPTY_USER

    def _options(self, model: str, quirks: GeminiQuirks, origin: str) -> GeminiOptions:
        return GeminiOptions(
            self._name,
            origin,
            signed=quirks.signed,
            ids=quirks.ids,
            files_in_results=(gemini_family(model) or UNKNOWN_GEMINI).recent,
        )


def _tool_list(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([{"functionDeclarations": [_declaration(tool) for tool in tools]}])


def _models_url(base_url: str | None, host: str) -> str:
    """Return the URL of the models below ``base_url``, which may already have path or version."""
    url = urlsplit(endpoint(base_url, host, _VERSION, "/models"))
    path = re.sub(r"/models(/[^/]+)?/models$", "/models", url.path)
    if not re.search(r"/v\d\w*/", path):
        path = f"{path.removesuffix('/models')}{_VERSION}/models"
    return address(url._replace(path=path).geturl())


def _path_of(model: str) -> str:
    below = model if model.startswith(_COLLECTIONS) else f"models/{model}"
    return quote(below, safe="/@")


def _needs_user_turn(written: bytearray) -> bool:
    """Return whether a user's turn must come next: a user begins, and turns alternate."""
    return not written or written.endswith(MODEL_ENDS)


def _declaration(tool: ToolSpec) -> Json:
    declaration: Json = {"name": tool.name, "description": tool.description}
    if schema := gemini_schema(tool.parameters):
        declaration["parametersJsonSchema"] = schema
    return declaration


# Settings -----------------------------------------------------------------------------------------


_SCHEMA_FIELDS = ("generationConfig.responseJsonSchema", "generationConfig.responseMimeType")
"""The fields of structured output. The API takes both or neither."""


def _chosen_fields(request: ModelRequest, quirks: GeminiQuirks, extra: Json) -> Json:
    """Return the fields that we choose to send, and may stop sending."""
    agent = request.agent
    model = gemini_family(agent.model)
    settings: Json = {}
    if agent.max_output_tokens is not None:
        settings["maxOutputTokens"] = agent.max_output_tokens
    if agent.temperature != 1.0:
        settings["temperature"] = agent.temperature
    if thinking := _thinking_config(agent, model, quirks, extra):
        settings["thinkingConfig"] = thinking
    if request.form is not None and model is not None and model.levels:
        settings |= {"responseMimeType": "application/json", "responseJsonSchema": request.form}
    chosen: Json = {"generationConfig": settings} if settings else {}
    has_tools = request.tools and "cachedContent" not in extra
    if has_tools and model is not None and model.validates:
        chosen["toolConfig"] = {"functionCallingConfig": {"mode": "VALIDATED"}}
    for path in tuple(quirks.left_out):
        without(chosen, path)
    return chosen


def _thinking_config(agent: Agent, model: Gemini | None, quirks: GeminiQuirks, extra: Json) -> Json:
    asked = agent.reasoning and agent.reasoning_effort != "none"
    if not asked and model is None:
        return {}
    model = model or UNKNOWN_GEMINI
    if not model.thinks:
        if asked:
            quirks.warn_once("reasoning", "the model does not take it")
        return {}
    if not asked:
        settings = model.thinking("none", None)
    elif model.levels:
        settings = model.thinking(quirks.wanted_effort(agent), None)
    else:
        settings = model.thinking(agent.reasoning_effort, agent.reasoning_budget)
    by_user = as_object(as_object(extra.get("generationConfig")).get("thinkingConfig"))
    if by_user.keys() & {"thinkingLevel", "thinkingBudget"}:
        settings = {}  # the API refuses a request that has both
    return {"includeThoughts": True, **settings} if asked else settings


def _refused_field(message: str) -> str:
    """Return the path of the field that a refusal is about; empty if it is not one of ours."""
    row = None
    if FIELD_REFUSED.matches(message) or server_messages.UNKNOWN_FIELD.matches(message):
        row = server_messages.REFUSED_SETTINGS.first(message)
    row = row or server_messages.REFUSED_CHOICES.first(message)
    return row.about if row else ""


def _in_camel_case(fields: Json) -> Json:
    """Return ``fields`` with the names of settings in camel case.

    The API takes ``max_output_tokens`` and ``maxOutputTokens`` alike (protobuf.dev, "ProtoJSON
    Format"); with one spelling, a user's value replaces ours.
    """
    camelled: Json = {}
    for name, value in fields.items():
        name = re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)
        if name in _NESTED and isinstance(value, dict):
            value = _in_camel_case(cast("Json", value))
        camelled[name] = value
    return camelled
