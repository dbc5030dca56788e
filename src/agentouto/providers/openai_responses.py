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
from collections import OrderedDict
from collections.abc import Mapping

from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import EFFORTS, Agent, Provider
from agentouto._domain.ports import ModelRequest, ToolSpec
from agentouto._network import shown
from agentouto.providers._addresses import to_fetch
from agentouto.providers._entries import is_unsealed, unseal, unsealed, write_new
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
from agentouto.providers._media import File
from agentouto.providers._models import Gpt, known_gpt, nearest
from agentouto.providers._origins import account
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._responses_answer import ResponsesDecoder
from agentouto.providers._responses_entries import Manner, write_entry
from agentouto.providers._tools import ToolLists
from agentouto.providers._windows import beside, listed
from agentouto.providers._wire import Inquiry, WireRequest, endpoint, not_json, split_extra

HOST = "https://api.openai.com/v1"
KIND = "openai_responses"

_ENCRYPTED = "reasoning.encrypted_content"
_STRICT = "tools.strict"
_FEWEST_TOKENS = 16

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


_HABITS: OrderedDict[str, _Habits] = OrderedDict()
"""What servers have taught this process, of each of their models."""


_FORM = "text.format"
"""Where it is said that text has to have a form."""


def _is_vague(file: File) -> bool:
    return file.is_vague


class OpenAIResponsesWire:
    """One server that speaks the Responses API."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._url = endpoint(provider.base_url, HOST, "/v1", "/responses")
        self._home = self._url.startswith(f"{HOST}/")
        self._shown = shown(self._url)
        self._account = account(provider)
        self._tools = ToolLists(_written_loosely)
        self._bare_tools = ToolLists(_written)

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def wanted(self, request: ModelRequest) -> list[Attachment]:
        """Return what must be fetched first: only what nobody has said the type of."""
        return to_fetch(request, _is_vague)

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
        theirs = paths(extra) | {_STRICT for _ in {"tools"} & extra.keys()}
        ours = {path for path in paths(chosen, whole=(_FORM,)) | {_STRICT} if path not in theirs}
        return WireRequest(self._url, body, headers, frozenset(ours))

    def decoder(self, request: ModelRequest) -> ResponsesDecoder:
        """Return a reader for the answer to ``request``."""
        return ResponsesDecoder(self._name, self._origin(request.agent), self.refusal)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return sort_out(self._name, fault, self._shown)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember what ``fault`` says of fields that we chose to send, and of items sent back."""
        if not is_lesson(self.refusal(fault)):
            return
        habits, draft = self._habits_for(request.agent), request.draft
        refused = bool(REFUSING.search(fault.labels))
        if _BROKEN_SEAL.search(fault.labels):
            unseal(draft)
        elif item := _ITEM.search(f"{fault.param} {fault.message}"):
            if refused and item[1] and item[1] not in _NEEDED:
                habits.bare |= {item[1]}
            elif refused:
                unseal(draft)
        elif _FORM in sent.ours and _FORM in f"{fault.param} {fault.message}":
            habits.left_out.add(_FORM)
        elif field := named(sent.ours, fault):
            _learn_field(habits, field, fault, refused=refused)
        elif refused and "include" in sent.ours and "encrypted content" in fault.message.lower():
            habits.left_out.add("include")

    def inquiry(self, agent: Agent) -> Inquiry | None:
        """Ask any server for its list of models but the vendor's, whose list does not say."""
        models_url = beside(self._url, "/responses", "/models")
        return None if self._home else listed(models_url, agent.model)

    def _origin(self, agent: Agent) -> str:
        """Return where replies to ``agent`` come from, which account included."""
        return f"{KIND} {self._shown} {self._account} {agent.model}"

    def _habits_for(self, agent: Agent) -> _Habits:
        """Return how the model wants to be asked, whoever asks."""
        where = f"{KIND} {self._shown} {agent.model}"
        return remembered(_HABITS, where, _Habits)

    # The body -------------------------------------------------------------------------------------

    def _body(self, head: Json, request: ModelRequest, habits: _Habits) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces = [dump(head)[:-1]]
        if request.tools and "tools" not in head:
            lists = self._bare_tools if _STRICT in habits.left_out else self._tools
            pieces.append(b',"tools":' + lists.written(request.tools))
        if request.transcript.system and "instructions" not in head:
            pieces.append(b',"instructions":' + dump(request.transcript.system))
        if "input" not in head:
            items = self._items(request, habits, stored=head.get("store") is not False)
            pieces.append(b',"input":[' + b",".join(items) + b"]")
        return b"".join((*pieces, b"}"))

    def _items(self, request: ModelRequest, habits: _Habits, *, stored: bool) -> list[bytes]:
        origin, bare = self._origin(request.agent), habits.bare
        wire = " ".join((origin, str(stored), *sorted(bare)))
        plain = is_unsealed(request.draft, origin)
        manner = Manner(self._name, origin, plain, self._home and not stored, bare)
        name = unsealed(wire) if plain else wire
        items = write_new(request, name, lambda entry, _: write_entry(entry, manner) or None)
        return items or [dump({"role": "user", "content": ""})]

    # Settings -------------------------------------------------------------------------------------

    def _chosen(self, request: ModelRequest, habits: _Habits) -> Json:
        """Return the fields that we chose to send, and may stop sending."""
        agent = request.agent
        known = known_gpt(agent.model)
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
        if request.form is not None and self._home:
            form = {"type": "json_schema", "name": "result", "schema": request.form, "strict": True}
            chosen["text"] = {"format": form}
        for field in tuple(habits.left_out):
            without(chosen, field)
        return chosen

    def _effort(self, agent: Agent, habits: _Habits, known: Gpt | None) -> str | None:
        if habits.efforts:
            known = Gpt(efforts=habits.efforts)
        elif not self._home:
            known = None
        if known is not None and not known.efforts:
            return None
        if agent.reasoning:
            effort = habits.wanted_effort(agent)
            return nearest(known.efforts, effort) if known else effort
        if known is None or not self._home:
            return None
        return "none" if known.can_be_off else known.efforts[0]


def _written(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([_told(tool) for tool in tools])


def _written_loosely(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([_told(tool) | {"strict": False} for tool in tools])


def _told(tool: ToolSpec) -> Json:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


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
