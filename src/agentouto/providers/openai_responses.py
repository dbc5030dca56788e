"""OpenAI's Responses API, and every server that imitates it.

The request half; ``_responses_answer`` reads what comes back. All of it is a pure function of its
arguments, but for two memories: tools already written down, and what a server has once refused.
Whether a connection holds, and when to try again, is not known here.

Peculiarities worth knowing:

* Nothing is stored at the server. Every request holds the whole conversation, and thinking goes
  back encrypted, in the items it came in.
* Thinking and what it led to belong together. Where a server cannot make sense of its own items any
  more, the conversation goes on without them, as words and calls.
* Tools are taken for strict unless it is said that they are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agentouto._domain.errors import AuthError, ContextOverflow, ProviderError, QuotaExhausted
from agentouto._domain.participants import EFFORTS, Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto.providers._habits import REFUSING, Habits, named, paths, without
from agentouto.providers._json import Json, dump, merged
from agentouto.providers._models import Reasons, reasons
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._responses_answer import ResponsesDecoder
from agentouto.providers._responses_entries import Manner, write_entry
from agentouto.providers._wire import WireRequest, endpoint, shown, split_extra

HOST = "https://api.openai.com/v1"
KIND = "openai_responses"

_ENCRYPTED = "reasoning.encrypted_content"
_STRICT = "tools.strict"
_FEWEST_TOKENS = 16
_MOST_TOOL_LISTS = 64

_SETTINGS = frozenset({"temperature", "max_output_tokens"})
"""What a user has set and is told of if it cannot be sent; ``reasoning`` and what is in it too."""

_BROKEN_SEAL = re.compile(
    r"invalid_encrypted_content|encrypted[ _]content\b.{0,80}\b(could not|cannot|failed|invalid)"
    r"|without its required|are not persisted",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\binput\[\d+\](?:\.(\w+)(?![\w.\[]))?")
_NEEDED = frozenset(
    {"type", "role", "content", "call_id", "name", "arguments", "output", "summary"}
)
_VALUES = re.compile(r"values (?:are|is)\b(.*)|one of\b(.*)", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"\w+")


class _Habits(Habits):
    """How one server wants one model to be asked."""

    __slots__ = ("bare", "efforts")

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.efforts: tuple[str, ...] = ()
        self.bare: frozenset[str] = frozenset()


_HABITS: dict[str, _Habits] = {}
"""What servers have taught this process, by where a reply comes from."""


class OpenAIResponsesWire:
    """One server that speaks the Responses API."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._url = endpoint(provider.base_url, HOST, "/v1", "/responses")
        self._home = self._url.startswith(f"{HOST}/")
        self._shown = shown(self._url)
        self._tools: dict[tuple[int, bool], tuple[tuple[ToolSpec, ...], bytes]] = {}
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
        theirs = paths(extra) | {_STRICT for _ in {"tools"} & extra.keys()}
        ours = {path for path in paths(chosen) | {_STRICT} if path not in theirs}
        return WireRequest(self._url, body, headers, frozenset(ours))

    def decoder(self, request: ModelRequest) -> ResponsesDecoder:
        """Return a reader for the answer to ``request``."""
        return ResponsesDecoder(self._name, self._habits_for(request.agent).origin, self.refusal)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return sort_out(self._name, fault, self._shown)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember what ``fault`` says of fields that we chose to send, and of items sent back."""
        if isinstance(self.refusal(fault), AuthError | ContextOverflow | QuotaExhausted):
            return
        habits, draft = self._habits_for(request.agent), request.draft
        refused = bool(REFUSING.search(fault.labels))
        if _BROKEN_SEAL.search(fault.labels):
            draft.wire, draft.count = _unsealed(draft.wire), 0
        elif item := _ITEM.search(f"{fault.param} {fault.message}"):
            if refused and item[1] and item[1] not in _NEEDED:
                habits.bare |= {item[1]}
            elif refused:
                draft.wire, draft.count = _unsealed(draft.wire), 0
        elif field := named(sent.ours, fault):
            _learn_field(habits, field, fault, refused=refused)
        elif refused and "include" in sent.ours and "encrypted content" in fault.message.lower():
            habits.left_out.add("include")

    def _habits_for(self, agent: Agent) -> _Habits:
        habits = self._habits.get(agent.model)
        if habits is None:
            origin = f"{KIND} {self._shown} {agent.model}"
            habits = _HABITS.setdefault(origin, _Habits(origin))
            self._habits[agent.model] = habits
        return habits

    # The body -------------------------------------------------------------------------------------

    def _body(self, head: Json, request: ModelRequest, habits: _Habits) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces = [dump(head)[:-1]]
        if request.tools and "tools" not in head:
            strict = _STRICT not in habits.left_out
            pieces.append(b',"tools":' + self._written_tools(request.tools, say_strict=strict))
        if request.transcript.system and "instructions" not in head:
            pieces.append(b',"instructions":' + dump(request.transcript.system))
        if "input" not in head:
            items = self._items(request, habits, stored=head.get("store") is not False)
            pieces.append(b',"input":[' + b",".join(items) + b"]")
        return b"".join((*pieces, b"}"))

    def _items(self, request: ModelRequest, habits: _Habits, *, stored: bool) -> list[bytes]:
        draft, origin = request.draft, habits.origin
        wire = " ".join((origin, str(stored), *sorted(habits.bare)))
        unsealed = draft.wire == _unsealed(wire)
        needs_seal = self._home and not stored
        manner = Manner(self._name, origin, unsealed, needs_seal, habits.bare)
        try:
            for entry in draft.unwritten(request.transcript, draft.wire if unsealed else wire):
                if written := write_entry(entry, manner):
                    draft.pieces.append(written)
        except BaseException:
            draft.wire = ""  # it says more is written down than is
            raise
        return draft.pieces or [dump({"role": "user", "content": ""})]

    def _written_tools(self, tools: tuple[ToolSpec, ...], *, say_strict: bool) -> bytes:
        known = self._tools.get((id(tools), say_strict))
        if known is not None:
            return known[1]
        strict = {"strict": False} if say_strict else {}
        written = dump(
            [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                }
                | strict
                for tool in tools
            ]
        )
        if len(self._tools) >= _MOST_TOOL_LISTS:
            self._tools.clear()
        self._tools[id(tools), say_strict] = tools, written
        return written

    # Settings -------------------------------------------------------------------------------------

    def _chosen(self, agent: Agent, habits: _Habits) -> Json:
        """Return the fields that we chose to send, and may stop sending."""
        known = reasons(agent.model)
        chosen: Json = {"store": False}
        if bool(known.efforts) if known else (self._home or agent.reasoning):
            chosen["include"] = [_ENCRYPTED]
        effort = self._effort(agent, habits, known.on_responses if known else None)
        if effort is not None:
            aloud = {"summary": "auto"} if agent.reasoning and effort != "none" else {}
            chosen["reasoning"] = {"effort": effort, **aloud}
        if (most := agent.max_output_tokens) is not None:
            if most < _FEWEST_TOKENS:
                habits.note(
                    f"max_output_tokens={most}",
                    f"this API takes no fewer than {_FEWEST_TOKENS}, which is sent instead",
                )
            chosen["max_output_tokens"] = max(most, _FEWEST_TOKENS)
        if agent.temperature != 1.0:
            if self._home and effort not in {None, "none"}:
                habits.note("temperature", "the model takes none while it reasons")
            else:
                chosen["temperature"] = agent.temperature
        for field in habits.left_out:
            without(chosen, field)
        return chosen

    def _effort(self, agent: Agent, habits: _Habits, known: Reasons | None) -> str | None:
        if habits.efforts:
            known = Reasons(efforts=habits.efforts)
        elif not self._home:
            known = None
        if known is not None and not known.efforts:
            return None
        if agent.reasoning:
            effort = habits.wanted_effort(agent)
            return known.nearest(effort) if known else effort
        if known is None or not self._home:
            return None
        return "none" if known.can_be_off else known.efforts[0]


def _unsealed(wire: str) -> str:
    """Return what a draft is called that is written without seals."""
    return f"{wire.removesuffix(' unsealed')} unsealed"


def _learn_field(habits: _Habits, field: str, fault: Fault, *, refused: bool) -> None:
    """Take another effort where a server lists those it knows; leave out what it does not take."""
    found = _VALUES.search(fault.message) if field == "reasoning.effort" else None
    listed = _WORD.findall(found[1] or found[2]) if found else []
    efforts = tuple(effort for effort in EFFORTS if effort in listed)
    if efforts and efforts != habits.efforts:
        habits.efforts = efforts
    elif refused or field == "reasoning.effort":
        habits.left_out.add(field)
        if field in _SETTINGS or field.startswith("reasoning"):
            habits.note(field, fault.message)
