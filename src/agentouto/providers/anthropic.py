"""Anthropic's Messages API, and every server that imitates it.

The request half; ``_messages_answer`` reads what comes back. All of it is a pure function of its
arguments, but for two memories: tools already written down, and what a server has once refused.
Whether a connection holds, and when to try again, is not known here.

Peculiarities worth knowing:

* A reply with thinking goes back with its thinking, signatures and all, or the results that follow
  it are refused. Newer models bind it to everything that was said before, system prompt and tools
  included; so nothing that was sent once is ever written differently.
* Whoever speaks twice in a row speaks in one message: results of tools first, mail after them. The
  last word is never the model's.
* How long a reply may be has to be said; for agents that do not, the table of models does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from agentouto._domain.content import Entry, Reply
from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto.providers._json import Json, as_object, dump, merged, parse_object
from agentouto.providers._messages_answer import MessagesDecoder
from agentouto.providers._messages_entries import Manner, write_entry
from agentouto.providers._messages_fields import chosen_fields, said_in, why_no_temperature
from agentouto.providers._messages_habits import Lesson, MessagesHabits
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._wire import WireRequest, endpoint, shown, split_extra

HOST = "https://api.anthropic.com"
VERSION = "2023-06-01"
SAMPLING_UNTIL = "2026-10-21"
"""From this version of the API on, no model is told a temperature."""

BINDING_BETA = "thinking-binding-controls-2026-08-01"
TOKEN_BETA = "oauth-2025-04-20"  # noqa: S105

_STATUS = {
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
"""The status that each type of error has, for those that come without one."""

_MOST_TOOL_LISTS = 64
_END = b"]}"
_STUB = b'{"type":"text","text":"(go on)"}'

_HABITS: dict[str, MessagesHabits] = {}
"""What servers have taught this process, by where a reply comes from."""


class AnthropicWire:
    """One server that speaks the Messages API."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._home = provider.base_url is None
        self._tokens = provider.auth is not None
        self._url = _address(provider.base_url)
        self._shown = shown(self._url)
        self._tools: dict[int, tuple[tuple[ToolSpec, ...], bytes]] = {}
        self._habits: dict[str, MessagesHabits] = {}

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``: a key at home, a token by its own header.

        Other servers look for one in either place, so they get it in both.
        """
        if not api_key:
            return {}
        bearer = {"authorization": f"Bearer {api_key}"}
        if api_key.startswith("sk-ant-oat") or (self._tokens and not api_key.startswith("sk-ant-")):
            return {**bearer, "anthropic-beta": TOKEN_BETA} if self._home else bearer
        return {"x-api-key": api_key} if self._home else {"x-api-key": api_key, **bearer}

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down; ``ProviderError`` if this format has no words for it."""
        agent, habits = request.agent, self._habits_for(request.agent)
        lesson = habits.lesson(request.call_id)
        extra, own = split_extra(self._name, agent.extra)
        headers = self._headers(own, habits.version or VERSION, lesson)
        chosen = chosen_fields(agent, habits, lesson, extra, home=self._home)
        if agent.temperature != 1.0 and "temperature" not in habits.left_out:
            if headers["anthropic-version"] >= SAMPLING_UNTIL:
                habits.note("temperature", "this version of the API takes none")
            elif why := why_no_temperature(agent.model, merged(chosen, extra)):
                habits.note("temperature", why)
            else:
                chosen["temperature"] = agent.temperature
        head = merged({"model": agent.model, **chosen, "stream": True}, extra)
        try:
            body = self._body(head, request, habits, lesson)
        except (TypeError, ValueError) as error:
            raise ProviderError(
                self._name, f"the agent's extra= or a tool's schema is not JSON: {error}"
            ) from error
        ours = said_in(chosen).keys() - said_in(extra).keys()
        return WireRequest(self._url, body, headers, frozenset(ours))

    def decoder(self, request: ModelRequest) -> MessagesDecoder:
        """Return a reader for the answer to ``request``."""
        return MessagesDecoder(self._name, self._habits_for(request.agent).origin, self.refusal)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        if fault.status is None:
            status = next((_STATUS[word] for word in fault.code.split() if word in _STATUS), None)
            fault = msgspec.structs.replace(fault, status=status)
        return sort_out(self._name, fault, self._shown)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember what ``fault`` says of what we chose to send."""
        error = self.refusal(fault)
        if isinstance(error, AuthError | QuotaExhausted):
            return
        words = sent.ours & {"max_tokens"} if isinstance(error, ContextOverflow) else sent.ours
        said = said_in(parse_object(sent.body) or {})
        chosen = {word: how for word, how in said.items() if word in words}
        self._habits_for(request.agent).learn(request.call_id, chosen, fault)

    def _habits_for(self, agent: Agent) -> MessagesHabits:
        habits = self._habits.get(agent.model)
        if habits is None:
            origin = f"anthropic {self._shown} {agent.model}"
            habits = _HABITS.setdefault(origin, MessagesHabits(origin))
            self._habits[agent.model] = habits
        return habits

    def _headers(self, own: Mapping[str, str], version: str, lesson: Lesson) -> dict[str, str]:
        """Return what a request says in its headers; the user's own have the last word."""
        headers = {name.lower(): value for name, value in own.items()}
        headers.setdefault("anthropic-version", version)
        betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",")]
        if lesson.bound:
            betas.append(BINDING_BETA)
        if any(betas):
            if self._tokens and self._home:
                betas.append(TOKEN_BETA)  # these headers take the place of the credentials' own
            headers["anthropic-beta"] = ",".join(dict.fromkeys(filter(None, betas)))
        return headers

    def _body(
        self, head: Json, request: ModelRequest, habits: MessagesHabits, lesson: Lesson
    ) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces = [dump(head)[:-1]]
        if request.tools and "tools" not in head:
            pieces.append(b',"tools":' + self._written_tools(request.tools))
        if request.transcript.system.strip() and "system" not in head:
            pieces.append(b',"system":' + dump(request.transcript.system))
        if "messages" not in head:
            pieces += (b',"messages":[', *self._messages(request, habits, lesson), b"]")
        return b"".join((*pieces, b"}"))

    def _messages(
        self, request: ModelRequest, habits: MessagesHabits, lesson: Lesson
    ) -> list[bytes]:
        """Return the messages in pieces, one for each entry: who speaks on goes on."""
        entries, draft = request.transcript.entries, request.draft
        manner = Manner(self._name, habits.origin, documents=self._home, plain=lesson.plain)
        new = draft.unwritten(request.transcript, f"{habits.origin} {lesson.plain}")
        speaker = _last_speaker(entries, draft.pieces)
        try:
            for entry in new:
                blocks = write_entry(entry, manner)
                draft.pieces.append(_linked(blocks, _role(entry), speaker))
                speaker = _role(entry) if blocks else speaker
        except BaseException:
            draft.wire = ""  # it says more is written down than is
            raise
        if speaker == "user" or _paused(entries, habits.origin):
            return [*draft.pieces, _END]
        return [*draft.pieces, _linked(_STUB, "user", speaker), _END]

    def _written_tools(self, tools: tuple[ToolSpec, ...]) -> bytes:
        known = self._tools.get(id(tools))
        if known is not None:
            return known[1]
        written = dump(
            [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": tool.parameters,
                }
                for tool in tools
            ]
        )
        if len(self._tools) >= _MOST_TOOL_LISTS:
            self._tools.clear()
        self._tools[id(tools)] = tools, written
        return written


def _address(base_url: str | None) -> str:
    """Return where to post. Addresses are given with the version of the API and without it."""
    below = urlsplit((base_url or "").strip()).path.rstrip("/")
    versioned = re.search(r"/(v\d\w*|messages)$", below)
    return endpoint(base_url, HOST, "", "/messages" if versioned else "/v1/messages")


def _role(entry: Entry) -> str:
    return "assistant" if isinstance(entry, Reply) else "user"


def _last_speaker(entries: Sequence[Entry], pieces: Sequence[bytes]) -> str:
    """Return who said the last of ``pieces``, if anybody has said anything."""
    written = zip(reversed(entries[: len(pieces)]), reversed(pieces), strict=True)
    return next((_role(entry) for entry, piece in written if piece), "")


def _linked(blocks: bytes, role: str, before: str) -> bytes:
    """Return ``blocks`` with what it takes to put them behind what was said ``before``."""
    if not blocks:
        return b""
    if role == before:
        return b"," + blocks
    if before:
        return b'%s,{"role":"%s","content":[%s' % (_END, role.encode(), blocks)
    if role == "assistant":  # a conversation begins with somebody else
        return _linked(_STUB, "user", "") + _linked(blocks, role, "user")
    return b'{"role":"%s","content":[%s' % (role.encode(), blocks)


def _paused(entries: Sequence[Entry], origin: str) -> bool:
    """Return whether the model was interrupted by its server, and is to go on by itself."""
    last = entries[-1] if entries else None
    native = last.native if isinstance(last, Reply) else None
    return native is not None and native.origin == origin and "paused" in as_object(native.data)
