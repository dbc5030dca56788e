"""Google's Gemini: generateContent, over REST and as a stream.

The request half; ``_gemini_answer`` reads what comes back. All of it is a pure function of its
arguments, but for two memories: tools already written down, and what a server has once refused.
Whether a connection holds, and when to try again, is not known here.

Peculiarities worth knowing:

* The model is a part of the address, so every model has one of its own.
* A part of a reply may have a signature. It goes back on that very part, or the next request fails.
  A tool call that another model made gets a mark in its place that the API knows.
* Results of tools stand in one content, in the order of the calls; whatever else was said stands in
  the next, because the API takes words beside results for the model's own.
* Servers differ in what they accept. A field that we chose to send and a server refuses is left out
  from then on; what the user put into ``extra`` never is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import cast
from urllib.parse import quote, urlsplit

from agentouto._domain.content import Entry, Reply
from agentouto._domain.errors import AuthError, ProviderError
from agentouto._domain.message import Attachment
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Draft, ModelRequest, ToolSpec
from agentouto._network import shown
from agentouto.providers._addresses import to_fetch
from agentouto.providers._entries import is_unsealed, unseal, unsealed, write_new
from agentouto.providers._gemini_answer import GeminiDecoder
from agentouto.providers._gemini_entries import (
    MODEL_ENDS,
    NOBODY,
    Manner,
    must_be_fetched,
    write_entry,
)
from agentouto.providers._gemini_schema import declared
from agentouto.providers._habits import REFUSING, Habits, is_lesson, paths, remembered, without
from agentouto.providers._json import Json, as_object, dump, merged
from agentouto.providers._models import SOME_GEMINI, Gemini, known_gemini
from agentouto.providers._origins import account
from agentouto.providers._refusal import Fault, sort_out
from agentouto.providers._tools import ToolLists
from agentouto.providers._windows import beside, told_in
from agentouto.providers._wire import Inquiry, WireRequest, endpoint, not_json, split_extra

HOST = "https://generativelanguage.googleapis.com"
KIND = "google"

_VERSION = "/v1beta"
_COLLECTIONS = ("models/", "tunedModels/", "endpoints/", "publishers/", "projects/")
"""How a model's name begins that says where it lies."""

_NESTED = frozenset({"generationConfig", "thinkingConfig", "toolConfig", "functionCallingConfig"})
_THINKING = "generationConfig.thinkingConfig"
_COMPLAINTS: tuple[tuple[str, str], ...] = (
    (r"include.?thoughts", f"{_THINKING}.includeThoughts"),
    (r"thinking.?level", f"{_THINKING}.thinkingLevel"),
    (r"thinking.?budget|\bbudget \S+ is invalid", f"{_THINKING}.thinkingBudget"),
    (r"thinking[_ ]?config|\bthinking is not\b", _THINKING),
    (
        r"\bVALIDATED\b|function.?calling.?config|tool.?config|too many states",
        "toolConfig.functionCallingConfig.mode",
    ),
)
"""What a refusal says, and what of ours it is about."""

_SETTINGS = (
    (r"\btemperature\b", "generationConfig.temperature"),
    (r"max.?output.?tokens", "generationConfig.maxOutputTokens"),
)
"""The same where the value is the user's: only a server that knows no such field is spared it."""

_CANNOT_FIND = re.compile(r"cannot find field", re.IGNORECASE)
_SIGNATURE = re.compile(r"thought.?signature", re.IGNORECASE)
_MISSING = re.compile(r"missing|required|without", re.IGNORECASE)
_UNKNOWN_ID = re.compile(r"""unknown name ["'`]?id\b""", re.IGNORECASE)


class _Habits(Habits):
    """How one server wants one model to be asked."""

    __slots__ = ("ids", "signed")

    def __init__(self, origin: str, *, signed: bool) -> None:
        super().__init__(origin)
        self.signed = signed
        self.ids = True

    def wire(self, draft: Draft, origin: str) -> str:
        """Name the way the entries of ``draft`` are written for the account in ``origin``."""
        name = f"{origin} {self.signed} {self.ids}"
        return unsealed(name) if is_unsealed(draft, origin) else name


def _new_habits(origin: str, agent: Agent) -> _Habits:
    model = known_gemini(agent.model) or SOME_GEMINI
    return _Habits(origin, signed=model.recent)


_HABITS: OrderedDict[str, _Habits] = OrderedDict()
"""What servers have taught this process, of each of their models."""


class GeminiWire:
    """One server that speaks Gemini."""

    def __init__(self, provider: Provider) -> None:
        self._name = provider.name
        self._has_auth = provider.auth is not None
        self._url = _models_url(provider.base_url)
        self._shown = shown(self._url)
        self._account = account(provider)
        self._tools = ToolLists(_written)

    @property
    def url(self) -> str:
        """Where the models are; each request goes to one below it."""
        return self._url

    def credentials(self, api_key: str) -> Mapping[str, str]:
        """Return the headers that carry ``api_key``: a key of its own, or a token of OAuth."""
        if not api_key:
            return {}
        is_token = self._has_auth and not api_key.startswith(("AIza", "AQ."))
        if is_token or api_key.startswith("ya29."):
            return {"Authorization": f"Bearer {api_key}"}
        return {"x-goog-api-key": api_key}

    def wanted(self, request: ModelRequest) -> list[Attachment]:
        """Return what must be fetched first: nearly everything."""
        return to_fetch(request, must_be_fetched)

    def encode(self, request: ModelRequest) -> WireRequest:
        """Write ``request`` down; ``ProviderError`` if this format has no words for it."""
        agent = request.agent
        habits = self._habits_for(agent)
        extra, headers = split_extra(self._name, agent.extra)
        extra = _camelled(extra)
        chosen = _chosen(request, habits, extra)
        try:
            body = self._body(merged(chosen, extra), request, habits)
        except (TypeError, ValueError) as error:
            raise not_json(self._name, error) from error
        ours = frozenset(paths(chosen, whole=_FORM) - paths(extra))
        return WireRequest(self._url_of(agent.model), body, headers, ours)

    def decoder(self, request: ModelRequest) -> GeminiDecoder:
        """Return a reader for the answer to ``request``."""
        return GeminiDecoder(self._name, self._origin(request.agent), self.refusal)

    def refusal(self, fault: Fault) -> ProviderError | AuthError:
        """Return the error that an unsuccessful answer stands for."""
        return sort_out(self._name, fault, self._shown)

    def learn(self, request: ModelRequest, sent: WireRequest, fault: Fault) -> None:
        """Remember what ``fault`` says of what we chose to send."""
        if not is_lesson(self.refusal(fault)):
            return
        habits, draft = self._habits_for(request.agent), request.draft
        said = f"{fault.param} {fault.message}"
        if _SIGNATURE.search(said):
            if habits.signed or not _MISSING.search(said):
                unseal(draft)
            habits.signed = habits.signed or bool(_MISSING.search(said))
        elif _UNKNOWN_ID.search(said):
            habits.ids = False
        elif _FORM[0] in sent.ours and _ABOUT_FORM.search(said):
            habits.left_out.update(_FORM)
        elif field := _refused(said):
            for path in sent.ours:
                if path == field or path.startswith(f"{field}."):
                    habits.left_out.add(path)
                    habits.note(path.rpartition(".")[2], fault.message)

    def _origin(self, agent: Agent) -> str:
        """Return where replies to ``agent`` come from, which account included."""
        return f"{KIND} {self._shown} {self._account} {agent.model}"

    def _habits_for(self, agent: Agent) -> _Habits:
        """Return how the model wants to be asked, whoever asks."""
        where = f"{KIND} {self._shown} {agent.model}"
        return remembered(_HABITS, where, lambda at: _new_habits(at, agent))

    def inquiry(self, agent: Agent) -> Inquiry | None:
        """Ask about the model, at its own address."""
        return self._limits(agent.model)

    def _limits(self, model: str) -> Inquiry:
        return told_in(as_object((yield WireRequest(self._url_of_model(model), b""))))

    def _url_of_model(self, model: str) -> str:
        below = model if model.startswith(_COLLECTIONS) else f"models/{model}"
        return beside(self._url, "models", quote(below, safe="/@"))

    def _url_of(self, model: str) -> str:
        parts = urlsplit(self._url_of_model(model))
        query = parts.query if "alt=" in parts.query else f"{parts.query}&alt=sse".lstrip("&")
        return parts._replace(path=f"{parts.path}:streamGenerateContent", query=query).geturl()

    def _body(self, head: Json, request: ModelRequest, habits: _Habits) -> bytes:
        """Return the request with what never changes in front and what grows at the end."""
        pieces: list[bytes] = []
        cached = "cachedContent" in head  # the system prompt and the tools are in there already
        if request.transcript.system and not cached and "systemInstruction" not in head:
            system = {"parts": [{"text": request.transcript.system}]}
            pieces.append(b'"systemInstruction":' + dump(system))
        if request.tools and not cached and "tools" not in head:
            pieces.append(b'"tools":' + self._tools.written(request.tools))
        if head:
            pieces.append(dump(head)[1:-1])
        if "contents" not in head:
            contents = self._contents(request, habits)
            pieces.append(b'"contents":[' + b",".join(contents) + b"]")
        return b"{" + b",".join(pieces) + b"}"

    def _contents(self, request: ModelRequest, habits: _Habits) -> list[bytes]:
        entries, draft = request.transcript.entries, request.draft
        origin = self._origin(request.agent)
        sealed = "" if is_unsealed(draft, origin) else origin
        manner = self._manner(request.agent.model, habits, sealed)

        def write(entry: Entry, place: int) -> bytes | None:
            written = write_entry(entry, entries[place - 1] if place else None, manner)
            if written and isinstance(entry, Reply) and _must_be_asked(draft.pieces):
                return NOBODY + b"," + written
            return written or None

        return write_new(request, habits.wire(draft, origin), write) or [NOBODY]

    def _manner(self, model: str, habits: _Habits, origin: str) -> Manner:
        return Manner(
            self._name,
            origin,
            signed=habits.signed,
            ids=habits.ids,
            files_in_results=(known_gemini(model) or SOME_GEMINI).recent,
        )


def _written(tools: tuple[ToolSpec, ...]) -> bytes:
    return dump([{"functionDeclarations": [_declaration(tool) for tool in tools]}])


def _models_url(base_url: str | None) -> str:
    """Return where the models are below ``base_url``, however much of it was given."""
    url = urlsplit(endpoint(base_url, HOST, _VERSION, "/models"))
    path = re.sub(r"/models(/[^/]+)?/models$", "/models", url.path)
    if not re.search(r"/v\d\w*/", path):
        path = f"{path.removesuffix('/models')}{_VERSION}/models"
    return url._replace(path=path).geturl()


def _must_be_asked(pieces: list[bytes]) -> bool:
    """Return whether a model may not speak next: only users may begin, and nobody speaks twice."""
    return not pieces or pieces[-1].endswith(MODEL_ENDS)


def _declaration(tool: ToolSpec) -> Json:
    declaration: Json = {"name": tool.name, "description": tool.description}
    if schema := declared(tool.parameters):
        declaration["parametersJsonSchema"] = schema
    return declaration


# Settings -----------------------------------------------------------------------------------------


_FORM = ("generationConfig.responseJsonSchema", "generationConfig.responseMimeType")
_ABOUT_FORM = re.compile(r"response_?(json_?)?schema|response_?mime_?type", re.IGNORECASE)


def _chosen(request: ModelRequest, habits: _Habits, extra: Json) -> Json:
    """Return the settings that we chose to send, and may stop sending."""
    agent = request.agent
    model = known_gemini(agent.model)
    settings: Json = {}
    if agent.max_output_tokens is not None:
        settings["maxOutputTokens"] = agent.max_output_tokens
    if agent.temperature != 1.0:
        settings["temperature"] = agent.temperature
    if thinking := _thinking(agent, model, habits, extra):
        settings["thinkingConfig"] = thinking
    if request.form is not None and model is not None and model.levels:
        settings |= {"responseMimeType": "application/json", "responseJsonSchema": request.form}
    chosen: Json = {"generationConfig": settings} if settings else {}
    has_tools = request.tools and not extra.keys() & {"tools", "cachedContent"}
    if has_tools and model is not None and model.validates:
        chosen["toolConfig"] = {"functionCallingConfig": {"mode": "VALIDATED"}}
    for path in tuple(habits.left_out):
        without(chosen, path)
    return chosen


def _thinking(agent: Agent, model: Gemini | None, habits: _Habits, extra: Json) -> Json:
    asked = agent.reasoning and agent.reasoning_effort != "none"
    if not asked and model is None:
        return {}
    model = model or SOME_GEMINI
    if not model.thinks:
        if asked:
            habits.note("reasoning", "the model does not take it")
        return {}
    if not asked:
        told = model.thinking("none", None)
    elif model.levels:
        told = model.thinking(habits.wanted_effort(agent), None)
    else:
        told = model.thinking(agent.reasoning_effort, agent.reasoning_budget)
    given = as_object(as_object(extra.get("generationConfig")).get("thinkingConfig"))
    if given.keys() & {"thinkingLevel", "thinkingBudget"}:
        told = {}  # only one of the two may be given, and it has been
    return {"includeThoughts": True, **told} if asked else told


def _refused(said: str) -> str:
    """Return what of ours a refusal is about, or nothing."""
    complaints = _COMPLAINTS
    if REFUSING.search(said) or _CANNOT_FIND.search(said):
        complaints = _SETTINGS + complaints
    found = (field for words, field in complaints if re.search(words, said, re.IGNORECASE))
    return next(found, "")


def _camelled(fields: Json) -> Json:
    """Return ``fields`` with our settings' names in the one spelling we use; the API has two."""
    camelled: Json = {}
    for name, value in fields.items():
        name = re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)
        if name in _NESTED and isinstance(value, dict):
            value = _camelled(cast("Json", value))
        camelled[name] = value
    return camelled
