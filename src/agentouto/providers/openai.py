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

import re
from collections import OrderedDict
from collections.abc import Mapping

from agentouto._domain.content import Entry, Incoming, Reply
from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto._network import shown
from agentouto.providers._addresses import to_fetch
from agentouto.providers._chat_answer import ChatDecoder
from agentouto.providers._chat_entries import (
    BRIDGE,
    Manner,
    kept_with,
    must_be_fetched,
    write_entry,
)
from agentouto.providers._entries import write_new
from agentouto.providers._habits import (
    REFUSING,
    Habits,
    is_lesson,
    named,
    paths,
    remembered,
    without,
)
from agentouto.providers._json import Json, dump, merged
from agentouto.providers._models import known_gpt, nearest
from agentouto.providers._origins import account
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._tools import ToolLists
from agentouto.providers._windows import beside, listed
from agentouto.providers._wire import Inquiry, WireRequest, endpoint, not_json, split_extra

HOST = "https://api.openai.com/v1"

_MISSING = re.compile(r"missing|required|must be (passed|provided|included)", re.IGNORECASE)
_KEPT_FIELD = re.compile(r"\b(reasoning_content|reasoning_details|reasoning|extra_content)\b")
_SAYS_NONE = re.compile(r"""to ['"`]?none\b""", re.IGNORECASE)
_BACKFILLED = "reasoning_content"
"""What some servers want in every reply with tool calls, even in those of other models."""

_SHORT_IDS = re.compile(r"tool.?call.?id.{0,80}(length of 9|9 characters|nine)", re.IGNORECASE)
_ALTERNATE = re.compile(
    r"roles must alternate|unexpected role .{0,3}user.{0,3} after", re.IGNORECASE
)
"""What Mistral's servers and templates complain about."""

_FORM = "response_format"
_CAPS = ("max_completion_tokens", "max_tokens")


class _Habits(Habits):
    """How one server wants one model to be asked."""

    __slots__ = ("alternate", "backfill", "effort", "learnt", "other_cap", "plain", "short_ids")

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.learnt = ""
        self.other_cap = False
        self.effort = ""
        self.plain = False
        self.backfill = ""
        self.short_ids = False
        self.alternate = False

    def manner(self, provider_name: str, origin: str) -> Manner:
        """Return how entries are to be written to ``origin``."""
        whose = "" if self.plain else origin
        return Manner(provider_name, whose, self.backfill, self.short_ids, self.alternate)

    def rewrite(self) -> None:
        """Let entries be written anew."""
        self.learnt = f" {(self.plain, self.backfill, self.short_ids, self.alternate)}"


_HABITS: OrderedDict[str, _Habits] = OrderedDict()
"""What servers have taught this process, of each of their models."""


class OpenAIChatWire:
    """One server that speaks Chat Completions."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._url = endpoint(provider.base_url, HOST, "/v1", "/chat/completions")
        self._home = self._url.startswith(f"{HOST}/")
        self._shown = shown(self._url)
        self._account = account(provider)
        self._tools = ToolLists(_written)

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def wanted(self, request: ModelRequest) -> list[Attachment]:
        """Return what must be fetched first: all but images."""
        return to_fetch(request, must_be_fetched)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down; ``ProviderError`` if this format has no words for it."""
        agent = request.agent
        habits = self._habits_for(agent)
        chosen = self._chosen(request, habits)
        extra, headers = split_extra(self._name, agent.extra)
        head = merged({"model": agent.model, "stream": True, **chosen}, extra)
        try:
            body = self._body(head, request, habits)
        except (TypeError, ValueError) as error:
            raise not_json(self._name, error) from error
        ours = {
            path for path in paths(chosen, whole=(_FORM,)) if path.partition(".")[0] not in extra
        }
        return WireRequest(self._url, body, headers, frozenset(ours))

    def decoder(self, request: ModelRequest) -> ChatDecoder:
        """Return a reader for the answer to ``request``."""
        return ChatDecoder(self._name, self._origin(request.agent), self.refusal)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return sort_out(self._name, fault, self._shown)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember what ``fault`` says of fields that we chose to send."""
        if not is_lesson(self.refusal(fault)):
            return
        habits = self._habits_for(request.agent)
        if _SHORT_IDS.search(fault.message) or _ALTERNATE.search(fault.message):
            habits.short_ids = habits.short_ids or bool(_SHORT_IDS.search(fault.message))
            habits.alternate = habits.alternate or bool(_ALTERNATE.search(fault.message))
            habits.rewrite()
            return
        field = named(sent.ours, fault)
        refused = REFUSING.search(fault.labels)
        if field == "reasoning_effort" or (not field and _wants_no_effort(request.agent, fault)):
            _learn_effort(habits, sent, fault)
        elif field.startswith(("stream_options", _FORM)):
            habits.left_out.add(field)
        elif field in _CAPS:
            if refused:  # the other name next, whoever else has learnt the same meanwhile
                habits.other_cap = self._home == (field == _CAPS[0])
        elif field and refused:
            habits.left_out.add(field)
            habits.note(field, fault.message)
        elif _BACKFILLED in fault.message and _MISSING.search(fault.message):
            habits.backfill = _BACKFILLED
            habits.rewrite()
        elif refused and _KEPT_FIELD.search(fault.message) and self._has_kept(request):
            habits.plain = True
            habits.rewrite()

    def inquiry(self, agent: Agent) -> Inquiry | None:
        """Ask any server for its list of models but the vendor's, whose list does not say."""
        models_url = beside(self._url, "/chat/completions", "/models")
        return None if self._home else listed(models_url, agent.model)

    def _has_kept(self, request: ModelRequest) -> bool:
        """Return whether some reply goes back with more than its words and calls."""
        replies = (entry for entry in request.transcript.entries if isinstance(entry, Reply))
        origin = self._origin(request.agent)
        return any(kept_with(reply, origin) for reply in replies)

    def _origin(self, agent: Agent) -> str:
        """Return where replies to ``agent`` come from, which account included."""
        return f"openai {self._shown} {self._account} {agent.model}"

    def _habits_for(self, agent: Agent) -> _Habits:
        """Return how the model wants to be asked, whoever asks."""
        where = f"openai {self._shown} {agent.model}"
        return remembered(_HABITS, where, _Habits)

    def _body(self, head: Json, request: ModelRequest, habits: _Habits) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces = [dump(head)[:-1]]
        if request.tools and "tools" not in head:
            pieces.append(b',"tools":' + self._tools.written(request.tools))
        if "messages" not in head:
            pieces.append(b',"messages":[' + b",".join(self._messages(request, habits)) + b"]")
        return b"".join((*pieces, b"}"))

    def _messages(self, request: ModelRequest, habits: _Habits) -> list[bytes]:
        origin = self._origin(request.agent)
        manner = habits.manner(self._name, origin)
        entries = request.transcript.entries

        def write(entry: Entry, place: int) -> bytes | None:
            before = entries[place - 1] if place else None
            written = write_entry(entry, before, manner)
            if manner.alternate and isinstance(entry, Incoming) and not isinstance(before, Reply):
                written = BRIDGE + b"," + written if before else written
            return written or None

        said = write_new(request, origin + habits.learnt, write)
        if not request.transcript.system:
            return said
        return [dump({"role": "system", "content": request.transcript.system}), *said]

    def _chosen(self, request: ModelRequest, habits: _Habits) -> Json:
        """Return the fields that we chose to send, and may stop sending."""
        agent = request.agent
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
        if request.form is not None and self._home:
            form = {"name": "result", "schema": request.form, "strict": True}
            chosen[_FORM] = {"type": "json_schema", "json_schema": form}
        for field in tuple(habits.left_out):
            without(chosen, field)
        return chosen

    def _effort(self, agent: Agent, habits: _Habits) -> str | None:
        if habits.effort:
            return habits.effort
        known = known_gpt(agent.model) if self._home else None
        if not agent.reasoning:
            return "none" if known and known.by_default and known.can_be_off else None
        effort = habits.wanted_effort(agent)
        if not self._home:
            return effort
        if known is None:
            return "xhigh" if effort == "max" else effort
        return nearest(known.efforts, effort) if known.efforts else None


def _written(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([{"type": "function", "function": tool} for tool in tools])


def _is_reasoning(model: str, effort: str | None) -> bool:
    if effort is not None:
        return effort != "none"
    known = known_gpt(model)
    return known is not None and known.by_default


def _wants_no_effort(agent: Agent, fault: Fault) -> bool:
    """Return whether a server that was told no effort wants to be told that there is none."""
    said = "reasoning_effort" in fault.labels and _SAYS_NONE.search(fault.message)
    return bool(said) and "reasoning_effort" not in agent.extra


def _learn_effort(habits: _Habits, sent: WireRequest, fault: Fault) -> None:
    """Do without reasoning where a server says that it must be, else without the field."""
    if _SAYS_NONE.search(fault.message) and b'"reasoning_effort":"none"' not in sent.body:
        habits.effort = "none"
    else:
        habits.left_out.add("reasoning_effort")
    habits.note("reasoning_effort", fault.message)
