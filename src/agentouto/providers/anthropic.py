"""Anthropic's Messages API, and every server that imitates it.

The request half; ``_messages_answer`` reads what comes back. All of it is a pure function of its
arguments, but for two memories: tools already written down, and what a server has once refused.
The clock only says when the vendor may be asked again what it knows of a model. Whether a
connection holds, and when to try a request again, is not known here.

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
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import inf
from urllib.parse import quote, urlsplit

import msgspec

from agentouto._domain.content import Entry, Reply, Stop
from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto._domain.world import REAL
from agentouto._network import shown
from agentouto.providers._addresses import to_fetch
from agentouto.providers._entries import write_new
from agentouto.providers._habits import remembered
from agentouto.providers._json import Json, as_object, dump, merged, parse_object
from agentouto.providers._messages_answer import MessagesDecoder
from agentouto.providers._messages_entries import Manner, must_be_fetched, write_entry
from agentouto.providers._messages_fields import (
    cap_is_unknown,
    chosen_fields,
    said_in,
    why_no_temperature,
)
from agentouto.providers._messages_habits import Lesson, MessagesHabits
from agentouto.providers._origins import account
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._tools import ToolLists
from agentouto.providers._windows import beside, listed, told_in
from agentouto.providers._wire import Inquiry, WireRequest, endpoint, not_json, split_extra

HOST = "https://api.anthropic.com"
VERSION = "2023-06-01"
VERTEX_VERSION = "vertex-2023-10-16"
SAMPLING_UNTIL = "2026-10-21"
"""From this version of the API on, no model is told a temperature."""

BINDING_BETA = "thinking-binding-controls-2026-08-01"
TOKEN_BETA = "oauth-2025-04-20"  # noqa: S105

ASK_AGAIN_SECONDS = 60.0
"""When the vendor is asked again for the limits of a model, if it has not answered."""

_AT_VERTEX = ":streamRawPredict"
"""How an address ends at Google Cloud, where the model is a part of it and not of the body."""

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

_END = b"]}"
_STUB = b'{"type":"text","text":"(go on)"}'

_HABITS: OrderedDict[str, MessagesHabits] = OrderedDict()
"""What servers have taught this process, of each of their models."""


class AnthropicWire:
    """One server that speaks the Messages API."""

    def __init__(self, provider: Provider, now: Callable[[], float] = REAL.now) -> None:
        self._now = now
        self._name = provider.name
        self._tokens = provider.auth is not None
        self._own = provider.headers
        self._url = _address(provider.base_url)
        self._home = self._url.startswith(f"{HOST}/")
        self._shown = shown(self._url)
        self._account = account(provider)
        self._tools = ToolLists(_written)

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

    def wanted(self, request: ModelRequest) -> list[Attachment]:
        """Return what must be fetched first: all but images and pdf files."""
        return to_fetch(request, must_be_fetched)

    def wonders(self, agent: Agent) -> bool:
        """Return whether to ask the vendor first how much a model may write that nobody knows."""
        habits = self._habits_for(agent)
        given = agent.max_output_tokens is not None or "max_tokens" in agent.extra
        if given or not self._home or self._now() < habits.ask_at:
            return False
        return cap_is_unknown(agent.model, habits)

    def inquiry(self, agent: Agent) -> Inquiry | None:
        """Ask the vendor about the model, and any other server for its list of models."""
        if self._url.endswith(_AT_VERTEX):
            return None
        if self._home:
            return self._limits(agent)
        return listed(beside(self._url, "/messages", "/models"), agent.model)

    def _limits(self, agent: Agent) -> Inquiry:
        """Ask how much a model reads and writes, and how it thinks."""
        url = beside(self._url, "/messages", f"/models/{quote(agent.model, safe='')}")
        said = as_object((yield WireRequest(url, b"", self._headers({}, VERSION))))
        habits = self._habits_for(agent)
        habits.ask_at = inf if said else self._now() + ASK_AGAIN_SECONDS
        habits.believe(said)
        return told_in(said)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down; ``ProviderError`` if this format has no words for it."""
        agent, habits = request.agent, self._habits_for(request.agent)
        lesson = habits.lesson(request.call_id)
        extra, own = split_extra(self._name, agent.extra)
        headers = self._headers(own, habits.version or VERSION, lesson)
        chosen = chosen_fields(request, habits, lesson, extra, home=self._home)
        if agent.temperature != 1.0 and "temperature" not in habits.left_out:
            if headers["anthropic-version"] >= SAMPLING_UNTIL:
                habits.note("temperature", "this version of the API takes none")
            elif why := why_no_temperature(agent.model, merged(chosen, extra)):
                habits.note("temperature", why)
            else:
                chosen["temperature"] = agent.temperature
        head = merged({"model": agent.model, **chosen, "stream": True}, extra)
        url = self._url
        if url.endswith(_AT_VERTEX):
            url = url.replace("{model}", quote(str(head.pop("model")), safe="@"))
            head.setdefault("anthropic_version", VERTEX_VERSION)
        try:
            body = self._body(head, request, lesson)
        except (TypeError, ValueError) as error:
            raise not_json(self._name, error) from error
        ours = said_in(chosen).keys() - said_in(extra).keys()
        return WireRequest(url, body, headers, frozenset(ours))

    def decoder(self, request: ModelRequest) -> MessagesDecoder:
        """Return a reader for the answer to ``request``."""
        origin = self._origin(request.agent)
        return MessagesDecoder(self._name, origin, self.refusal, may_tag=not self._home)

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
        _, own = split_extra(self._name, request.agent.extra)
        if "anthropic-version" not in {name.lower() for name in (*self._own, *own)}:
            chosen["version"] = sent.headers.get("anthropic-version", "")
        self._habits_for(request.agent).learn(request.call_id, chosen, fault)

    def _origin(self, agent: Agent) -> str:
        """Return where replies to ``agent`` come from, which account included."""
        return f"anthropic {self._shown} {self._account} {agent.model}"

    def _habits_for(self, agent: Agent) -> MessagesHabits:
        """Return how the model wants to be asked, whoever asks."""
        where = f"anthropic {self._shown} {agent.model}"
        return remembered(_HABITS, where, MessagesHabits)

    def _headers(
        self, own: Mapping[str, str], version: str, lesson: Lesson | None = None
    ) -> dict[str, str]:
        """Return what a request says in its headers; the user's own have the last word."""
        headers = {name.lower(): value for name, value in {**self._own, **own}.items()}
        headers.setdefault("anthropic-version", version)
        betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",")]
        if lesson and lesson.bound:
            betas.append(BINDING_BETA)
        if any(betas):
            if self._tokens and self._home:
                betas.append(TOKEN_BETA)  # these headers take the place of the credentials' own
            headers["anthropic-beta"] = ",".join(dict.fromkeys(filter(None, betas)))
        return headers

    def _body(self, head: Json, request: ModelRequest, lesson: Lesson) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces = [dump(head)[:-1]]
        if request.tools and "tools" not in head:
            pieces.append(b',"tools":' + self._tools.written(request.tools))
        if request.transcript.system.strip() and "system" not in head:
            pieces.append(b',"system":' + dump(request.transcript.system))
        if "messages" not in head:
            pieces += (b',"messages":[', *self._messages(request, lesson), b"]")
        return b"".join((*pieces, b"}"))

    def _messages(self, request: ModelRequest, lesson: Lesson) -> list[bytes]:
        """Return the messages in pieces, one for each entry: who speaks on goes on."""
        entries, draft = request.transcript.entries, request.draft
        origin = self._origin(request.agent)
        manner = Manner(self._name, origin, documents=self._home, plain=lesson.plain)

        def write(entry: Entry, _: int) -> bytes:
            before = _last_speaker(entries, draft.pieces)
            return _linked(write_entry(entry, manner), _role(entry), before)

        pieces = write_new(request, f"{origin} {lesson.plain}", write)
        speaker = _last_speaker(entries, pieces)
        if speaker == "user" or _paused(entries, origin):
            return [*pieces, _END]
        return [*pieces, _linked(_STUB, "user", speaker), _END]


def _written(tools: tuple[ToolSpec, ...]) -> bytes:
    told = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
        for tool in tools
    ]
    return dump(told)


def _address(base_url: str | None) -> str:
    """Return where to post. Addresses are given with the version of the API and without it."""
    below = urlsplit(endpoint(base_url, HOST, "", "")).path.rstrip("/")
    if below.endswith(_AT_VERTEX):
        return endpoint(base_url, HOST, "", _AT_VERTEX)
    versioned = re.search(r"/(v\d\w*|messages)$", below)
    return endpoint(base_url, HOST, "", "/messages" if versioned else "/v1/messages")


def _role(entry: Entry) -> str:
    return "assistant" if isinstance(entry, Reply) else "user"


def _last_speaker(entries: Sequence[Entry], pieces: Sequence[bytes]) -> str:
    """Return who said the last of ``pieces``, if anybody has said anything."""
    places = range(len(pieces) - 1, -1, -1)
    return next((_role(entries[place]) for place in places if pieces[place]), "")


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
    if not isinstance(last, Reply) or last.stop is not Stop.PAUSED:
        return False
    return last.native is not None and last.native.origin == origin
