"""OpenAI's Chat Completions, and every server that imitates them.

The request half; ``_chat_answer`` reads what comes back. All of it is a pure function of its
arguments, but for two memories: tools already written down, and what a server has once refused.
Whether a connection holds, and when to try again, is not known here.

Peculiarities worth knowing:

* Results of tools are text only. Files they return follow in one user message, after all results.
* The same reply goes back to the same server with everything it came with: the field it thinks in,
  signatures, think tags. To anyone else it goes as words and tool calls.
* Servers differ in what they accept. A field that we chose to send and a server refuses is left
  out from then on; what the user put into ``extra`` never is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from agentouto._domain.content import Reply
from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto.providers._chat_answer import ChatDecoder
from agentouto.providers._chat_entries import Manner, write_entry
from agentouto.providers._json import Json, dump, merged
from agentouto.providers._models import effort_for_budget, reasons
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._wire import WireRequest, endpoint, shown, split_extra

log: logging.Logger = logging.getLogger("agentouto")

HOST = "https://api.openai.com/v1"

_REFUSING = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|not support|n.t support|unexpected|extra|not permitted"
    r"|not allowed|not accepted|deprecated|instead|only the default|invalid (field|param|argument)",
    re.IGNORECASE,
)
_MISSING = re.compile(r"missing|required|must be (passed|provided|included)", re.IGNORECASE)
_KEPT_FIELD = re.compile(r"\b(reasoning_content|reasoning_details|reasoning|extra_content)\b")
_SAYS_NONE = re.compile(r"""to ['"`]?none\b""", re.IGNORECASE)
_BACKFILLED = "reasoning_content"
"""What some servers want in every reply with tool calls, even in those of other models."""

_CAPS = ("max_completion_tokens", "max_tokens")
_MOST_TOOL_LISTS = 64


class _Habits:
    """How one server wants one model to be asked: what it has refused, what it insists on.

    Habits are only ever added, so two requests that learn the same thing at once agree.
    """

    __slots__ = ("backfill", "effort", "hushed", "left_out", "origin", "other_cap", "plain", "wire")

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.wire = origin
        self.left_out: set[str] = set()
        self.hushed: set[str] = set()
        self.other_cap = False
        self.effort = ""
        self.plain = False
        self.backfill = ""

    def manner(self, provider_name: str) -> Manner:
        """Return how entries are to be written."""
        return Manner(provider_name, "" if self.plain else self.origin, self.backfill)

    def rewrite(self) -> None:
        """Let entries be written anew."""
        self.wire = f"{self.origin} {self.plain} {self.backfill}"

    def note(self, field: str, why: str) -> None:
        """Say, once, that a setting of the user's is not sent."""
        if field not in self.hushed:
            self.hushed.add(field)
            log.warning("%s: %s is not sent: %s", self.origin, field, why)


_HABITS: dict[str, _Habits] = {}
"""What servers have taught this process, by where a reply comes from."""


class OpenAIChatWire:
    """One server that speaks Chat Completions."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._url = endpoint(provider.base_url, HOST, "/v1", "/chat/completions")
        self._home = self._url.startswith(f"{HOST}/")
        self._shown = shown(self._url)
        self._tools: dict[int, tuple[tuple[ToolSpec, ...], bytes]] = {}
        self._habits: dict[str, _Habits] = {}

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down; ``ProviderError`` if this format has no words for it."""
        agent = request.agent
        habits = self._habits_for(agent)
        chosen = self._chosen(agent, habits)
        extra, headers = split_extra(self._name, agent.extra)
        head = merged({"model": agent.model, "stream": True, **chosen}, extra)
        try:
            body = self._body(head, request, habits)
        except (TypeError, ValueError) as error:
            raise ProviderError(
                self._name, f"the agent's extra= or a tool's schema is not JSON: {error}"
            ) from error
        return WireRequest(self._url, body, headers, frozenset(chosen.keys() - extra.keys()))

    def decoder(self, request: ModelRequest) -> ChatDecoder:
        """Return a reader for the answer to ``request``."""
        return ChatDecoder(self._name, self._habits_for(request.agent).origin, self.refusal)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return sort_out(self._name, fault, self._shown)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember what ``fault`` says of fields that we chose to send."""
        if isinstance(self.refusal(fault), AuthError | ContextOverflow | QuotaExhausted):
            return
        habits = self._habits_for(request.agent)
        field = _named(sent.ours, fault)
        refused = _REFUSING.search(fault.labels)
        if field == "reasoning_effort" or (not field and _wants_no_effort(request.agent, fault)):
            _learn_effort(habits, sent, fault)
        elif field == "stream_options":
            habits.left_out.add(field)
        elif field in _CAPS:
            habits.other_cap = habits.other_cap or bool(refused)
        elif field and refused:
            habits.left_out.add(field)
            habits.note(field, fault.message)
        elif _BACKFILLED in fault.message and _MISSING.search(fault.message):
            habits.backfill = _BACKFILLED
            habits.rewrite()
        elif refused and _KEPT_FIELD.search(fault.message) and _has_kept(request, habits.origin):
            habits.plain = True
            habits.rewrite()

    def _habits_for(self, agent: Agent) -> _Habits:
        habits = self._habits.get(agent.model)
        if habits is None:
            origin = f"openai {self._shown} {agent.model}"
            habits = _HABITS.setdefault(origin, _Habits(origin))
            self._habits[agent.model] = habits
        return habits

    def _body(self, head: Json, request: ModelRequest, habits: _Habits) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces = [dump(head)[:-1]]
        if request.tools and "tools" not in head:
            pieces.append(b',"tools":' + self._written_tools(request.tools))
        if "messages" not in head:
            pieces.append(b',"messages":[' + b",".join(self._messages(request, habits)) + b"]")
        return b"".join((*pieces, b"}"))

    def _messages(self, request: ModelRequest, habits: _Habits) -> list[bytes]:
        transcript, draft = request.transcript, request.draft
        manner = habits.manner(self._name)
        try:
            for entry in draft.unwritten(transcript, habits.wire):
                if written := write_entry(entry, manner):
                    draft.pieces.append(written)
        except BaseException:
            draft.wire = ""  # it says more is written down than is
            raise
        if not transcript.system:
            return draft.pieces
        return [dump({"role": "system", "content": transcript.system}), *draft.pieces]

    def _written_tools(self, tools: tuple[ToolSpec, ...]) -> bytes:
        known = self._tools.get(id(tools))
        if known is not None:
            return known[1]
        written = dump([{"type": "function", "function": tool} for tool in tools])
        if len(self._tools) >= _MOST_TOOL_LISTS:
            self._tools.clear()
        self._tools[id(tools)] = tools, written
        return written

    def _chosen(self, agent: Agent, habits: _Habits) -> Json:
        """Return the fields that we chose to send, and may stop sending."""
        chosen: Json = {"stream_options": {"include_usage": True}}
        if agent.max_output_tokens is not None:
            chosen[_CAPS[self._home == habits.other_cap]] = agent.max_output_tokens
        effort = self._effort(agent, habits)
        if effort is not None:
            chosen["reasoning_effort"] = effort
        if agent.temperature != 1.0:
            if self._home and _is_reasoning(agent.model, effort):
                habits.note("temperature", "the model takes none while it reasons")
            else:
                chosen["temperature"] = agent.temperature
        for field in habits.left_out:
            chosen.pop(field, None)
        return chosen

    def _effort(self, agent: Agent, habits: _Habits) -> str | None:
        if habits.effort:
            return habits.effort
        known = reasons(agent.model) if self._home else None
        if not agent.reasoning:
            return "none" if known and known.by_default and known.can_be_off else None
        effort: str = agent.reasoning_effort
        if agent.reasoning_budget is not None and effort == "medium":
            effort = effort_for_budget(agent.reasoning_budget)
            habits.note("reasoning_budget", f"this API takes efforts; {effort!r} comes closest")
        if not self._home:
            return effort
        if known is None:
            return "xhigh" if effort == "max" else effort
        return known.nearest(effort) if known.efforts else None


def _is_reasoning(model: str, effort: str | None) -> bool:
    if effort is not None:
        return effort != "none"
    known = reasons(model)
    return known is not None and known.by_default


def _named(ours: frozenset[str], fault: Fault) -> str:
    """Return the field of ours that ``fault`` names first, or nothing."""
    param = fault.param.partition(".")[0]
    if param in ours:
        return param
    places = {
        field: found.start()
        for field in ours
        if (found := re.search(rf"\b{field}\b", fault.message))
    }
    return min(places, key=places.__getitem__, default="")


def _wants_no_effort(agent: Agent, fault: Fault) -> bool:
    """Return whether a server that was told no effort wants to be told that there is none."""
    said = "reasoning_effort" in fault.labels and _SAYS_NONE.search(fault.message)
    return bool(said) and "reasoning_effort" not in agent.extra


def _has_kept(request: ModelRequest, origin: str) -> bool:
    """Return whether some reply goes back with more than its words and calls."""
    return any(
        isinstance(entry, Reply) and entry.native is not None and entry.native.origin == origin
        for entry in request.transcript.entries
    )


def _learn_effort(habits: _Habits, sent: WireRequest, fault: Fault) -> None:
    """Do without reasoning where a server says that it must be, else without the field."""
    if _SAYS_NONE.search(fault.message) and b'"reasoning_effort":"none"' not in sent.body:
        habits.effort = "none"
    else:
        habits.left_out.add("reasoning_effort")
    habits.note("reasoning_effort", fault.message)
