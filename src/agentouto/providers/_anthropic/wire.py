"""Encodes requests for Anthropic's Messages API and the servers that imitate it.

Source: Anthropic's API reference, "Messages", "Versioning", "Beta headers" and "Get a model", and
its guide "Extended thinking". The decoder reads the answer. Encoding is a pure function of its
arguments and of the wire's memory: encoded tool lists and learned quirks. Connections and retries
belong to the transport. The clock only decides when the vendor may be asked again for the limits of
a model.

What is special about this format:

* A reply with thinking goes back with its thinking and signatures, or the results that follow it
  are refused. Newer models bind thinking to everything before it, system prompt and tools included,
  so what was sent once is never encoded differently.
* Consecutive entries of one role become one message: results of tools first, mail after them. The
  last message is the user's: models from 4.6 on refuse a prefilled reply.
* ``max_tokens`` is required. Agents that do not set it get the limit from the table of models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from types import MappingProxyType
from urllib.parse import quote, urlsplit

import msgspec

from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto._domain.content import Entry, Reply, Stop
from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.memory import Memory
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Draft, ModelRequest, ToolSpec
from agentouto._domain.secret import Secret, address
from agentouto.providers._anthropic.decoder import MessagesDecoder
from agentouto.providers._anthropic.encoder import MessagesOptions, needs_download, write_entry
from agentouto.providers._anthropic.options import (
    cap_is_unknown,
    chosen_fields,
    chosen_values,
    why_no_temperature,
)
from agentouto.providers._anthropic.quirks import Correction, MessagesQuirks
from agentouto.providers._format.entries import write_new
from agentouto.providers._format.errors import ErrorDetails
from agentouto.providers._format.file_urls import files_to_download
from agentouto.providers._format.json import Json, as_object, dump, merged, parse_object
from agentouto.providers._format.json_wire import Field, JsonWire, json_field, json_fields
from agentouto.providers._format.lookups import replace_path, window_in
from agentouto.providers._format.quirks import CRASHED, LearnedQuirks
from agentouto.providers._format.tool_lists import ToolLists, pop_added_tools
from agentouto.providers._format.wire import ModelLookup, WireRequest, endpoint, split_extra

ANTHROPIC_URL = "https://api.anthropic.com"
"""The vendor's own server."""

VERSION = "2023-06-01"
"""``anthropic-version``, which is required ("Versioning"). Servers that imitate the API know this
version; a server that requires another names it in its error, and gets that one."""

VERTEX_VERSION = "vertex-2023-10-16"
"""``anthropic_version`` in the body at Google Cloud ("Claude on Vertex AI")."""

SAMPLING_UNTIL = "2026-10-21"
"""From this version of the API on, the server refuses a temperature for every model."""

BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""Allows ``block_binding`` in ``thinking`` (docstring of ``BetaMessage`` in the package
``anthropic``)."""

TOKEN_BETA = "oauth-2025-04-20"  # noqa: S105
"""Required beside an OAuth token: without it, the API answers 401 "OAuth authentication is
currently not supported." (``OAUTH_API_BETA_HEADER`` in the package ``anthropic``)."""

ASK_AGAIN_SECONDS = 60.0
"""Seconds until the vendor is asked again for the limits of a model, if it did not answer: a
failing lookup must not delay every request."""

_AT_VERTEX = ":streamRawPredict"
"""The end of an address at Google Cloud, where the model is part of the path, not of the body."""

_STATUS = MappingProxyType(
    {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
)
"""The status of each type of error (API reference, "Errors"). Errors inside a stream have none."""

_MESSAGES_END = b"]}"
"""Closes the content of a message and the message."""

_FILLER_TEXT = b'{"type":"text","text":"(go on)"}'
"""What the user says where the API requires a user's turn: at the beginning, and at the end,
because models from 4.6 on refuse a request that ends with a reply."""


class LearnedMessagesQuirks(LearnedQuirks[MessagesQuirks]):
    """Quirks of all models that are asked through the Messages API."""


class AnthropicWire(JsonWire[MessagesQuirks]):
    """One server that speaks the Messages API."""

    kind = "anthropic"
    path = "/messages"

    def __init__(
        self,
        provider: Provider,
        memory: Memory | None = None,
        *,
        host: str = ANTHROPIC_URL,
        now: Callable[[], float] = SYSTEM_CLOCK.now,
    ) -> None:
        memory = memory or Memory()
        url = _post_url(provider.base_url, host)
        super().__init__(provider, url, host, memory.part(LearnedMessagesQuirks))
        self._now = now
        self._tokens = provider.auth is not None
        self._own = provider.headers
        self._tools = ToolLists(_tool_list, memory)

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``.

        Anthropic takes keys in ``x-api-key`` and OAuth tokens, which begin with ``sk-ant-oat``, as
        bearer tokens. Other servers read one header or the other, so they get a key in both.
        """
        if not api_key:
            return {}
        bearer = {"authorization": Secret(f"Bearer {api_key}")}
        if api_key.startswith("sk-ant-oat") or (self._tokens and not api_key.startswith("sk-ant-")):
            return {**bearer, "anthropic-beta": TOKEN_BETA} if self._at_vendor else bearer
        return {"x-api-key": api_key} if self._at_vendor else {"x-api-key": api_key, **bearer}

    def needed_downloads(self, request: ModelRequest) -> list[Attachment]:
        """Return the files to download first: all but images and PDF, whose URLs the API takes."""
        return files_to_download(request, needs_download)

    def needs_lookup(self, agent: Agent) -> bool:
        """Return whether the output limit of an unknown model has to be asked for first."""
        quirks = self._quirks_for(agent)
        is_set = agent.max_output_tokens is not None or "max_tokens" in agent.extra
        if is_set or not self._at_vendor or self._now() < quirks.ask_at:
            return False
        return cap_is_unknown(agent.model, quirks)

    def model_lookup(self, agent: Agent) -> ModelLookup | None:
        """Ask the vendor for the model, any other server for its list of models."""
        if self._url.endswith(_AT_VERTEX):
            return None
        return self._limits(agent) if self._at_vendor else super().model_lookup(agent)

    def _limits(self, agent: Agent) -> ModelLookup:
        """Ask for the limits of a model and its types of thinking ("Get a model")."""
        url = replace_path(self._url, self.path, f"/models/{quote(agent.model, safe='')}")
        answer = as_object((yield WireRequest(url, b"", self._headers({}, VERSION))))
        quirks = self._quirks_for(agent)
        quirks.ask_at = inf if answer else self._now() + ASK_AGAIN_SECONDS
        quirks.take_capabilities(answer)
        return window_in(answer)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Encode ``request``; ``ProviderError`` if the format cannot express it."""
        agent, quirks = request.agent, self._quirks_for(request.agent)
        correction = quirks.correction(request.call_id)
        extra, own = split_extra(self._name, agent.extra)
        headers = self._headers(own, quirks.version or VERSION, correction)
        chosen = chosen_fields(request, quirks, correction, extra, home=self._at_vendor)
        if agent.temperature != 1.0 and "temperature" not in quirks.left_out:
            if headers["anthropic-version"] >= SAMPLING_UNTIL:
                quirks.warn_once("temperature", "this version of the API takes none")
            elif why := why_no_temperature(agent.model, merged(chosen, extra)):
                quirks.warn_once("temperature", why)
            else:
                chosen["temperature"] = agent.temperature
        head = merged({"model": agent.model, **chosen, "stream": True}, extra)
        url = self._url
        if url.endswith(_AT_VERTEX):
            url = address(url.replace("{model}", quote(str(head.pop("model")), safe="@")))
            head.setdefault("anthropic_version", VERTEX_VERSION)
        body = self._body(self._fields(head, request, correction))
        optional = chosen_values(chosen).keys() - chosen_values(extra).keys()
        return WireRequest(url, body, headers, frozenset(optional))

    def decoder(self, request: ModelRequest) -> MessagesDecoder:
        """Return a reader for the answer to ``request``."""
        origin = self._origin(request.agent)
        return MessagesDecoder(self._name, origin, self.error_for, may_tag=not self._at_vendor)

    def error_for(self, details: ErrorDetails) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        if details.status is None:
            status = next((_STATUS[word] for word in details.code.split() if word in _STATUS), None)
            details = msgspec.structs.replace(details, status=status)
        return super().error_for(details)

    def adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        """Learn from ``details`` what to change in the next request.

        Unlike other wires, also from a context overflow: it may be ``max_tokens`` that does not
        fit.
        """
        error = self.error_for(details)
        if details.status != CRASHED and not isinstance(error, AuthError | QuotaExhausted):
            self._adapt(request, sent, details)

    def _adapt(self, request: ModelRequest, sent: WireRequest, details: ErrorDetails) -> None:
        too_long = isinstance(self.error_for(details), ContextOverflow)
        words = sent.optional & {"max_tokens"} if too_long else sent.optional
        values = chosen_values(parse_object(sent.body) or {})
        chosen = {word: how for word, how in values.items() if word in words}
        _, own = split_extra(self._name, request.agent.extra)
        if "anthropic-version" not in {name.lower() for name in (*self._own, *own)}:
            chosen["version"] = sent.headers.get("anthropic-version", "")
        self._quirks_for(request.agent).adapt(request.call_id, chosen, details)

    def _new_quirks(self, where: str, _: Agent, /) -> MessagesQuirks:
        return MessagesQuirks(where)

    def _headers(
        self, own: Mapping[str, str], version: str, correction: Correction | None = None
    ) -> dict[str, str]:
        """Return the headers of a request; the user's own come before ours."""
        headers = {name.lower(): value for name, value in {**self._own, **own}.items()}
        headers.setdefault("anthropic-version", version)
        betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",")]
        if correction and correction.bound:
            betas.append(BINDING_BETA)
        if any(betas):
            if self._tokens and self._at_vendor:
                betas.append(TOKEN_BETA)  # these headers replace those of the credentials
            headers["anthropic-beta"] = ",".join(dict.fromkeys(filter(None, betas)))
        return headers

    def _fields(self, head: Json, request: ModelRequest, correction: Correction) -> Iterator[Field]:
        added = pop_added_tools(head)
        yield json_fields(head)
        if tools := self._tools.with_added(request.tools, added):
            yield json_field(b"tools", tools)
        if request.transcript.system.strip() and "system" not in head:
            yield json_field(b"system", dump(request.transcript.system))
        if "messages" not in head:
            yield (b'"messages":[', *self._messages(request, correction), b"]")

    def _messages(self, request: ModelRequest, correction: Correction) -> Field:
        """Return the messages in pieces; entries of one role make one message."""
        entries, draft = request.transcript.entries, request.draft
        origin = self._origin(request.agent)
        options = MessagesOptions(
            self._name, origin, documents=self._at_vendor, plain=correction.plain
        )

        def write(entry: Entry, _: int) -> bytes:
            before = _last_speaker(draft)
            return _connected(write_entry(entry, options), _role(entry), before)

        messages = write_new(request, options, write, between=b"")
        speaker = _last_speaker(draft)
        if speaker == "user" or _ends_paused(entries, origin):
            return (messages, _MESSAGES_END)
        return (messages, _connected(_FILLER_TEXT, "user", speaker), _MESSAGES_END)


def _tool_list(tools: tuple[ToolSpec, ...]) -> bytes:
    declarations = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
        for tool in tools
    ]
    return dump(declarations)


def _post_url(base_url: str | None, host: str) -> str:
    """Return where to post. ``base_url`` may end with the version of the API, or not."""
    below = urlsplit(endpoint(base_url, host, "", "")).path.rstrip("/")
    if below.endswith(_AT_VERTEX):
        return endpoint(base_url, host, "", _AT_VERTEX)
    versioned = re.search(r"/(v\d\w*|messages)$", below)
    return endpoint(base_url, host, "", "/messages" if versioned else "/v1/messages")


def _role(entry: Entry) -> str:
    return "assistant" if isinstance(entry, Reply) else "user"


def _last_speaker(draft: Draft) -> str:
    """Return the role of the last entry that is written, if there is one."""
    return "" if draft.last_written is None else _role(draft.last_written)


def _connected(blocks: bytes, role: str, before: str) -> bytes:
    """Return ``blocks`` with the JSON that connects them to a message of the role ``before``."""
    if not blocks:
        return b""
    if role == before:
        return b"," + blocks
    if before:
        return b'%s,{"role":"%s","content":[%s' % (_MESSAGES_END, role.encode(), blocks)
    if role == "assistant":  # the first message must be the user's
        return _connected(_FILLER_TEXT, "user", "") + _connected(blocks, role, "user")
    return b'{"role":"%s","content":[%s' % (role.encode(), blocks)


def _ends_paused(entries: Sequence[Entry], origin: str) -> bool:
    """Return whether the last reply was paused (``pause_turn``) and has to go back as it is."""
    last = entries[-1] if entries else None
    if not isinstance(last, Reply) or last.stop is not Stop.PAUSED:
        return False
    return last.native is not None and last.native.origin == origin
