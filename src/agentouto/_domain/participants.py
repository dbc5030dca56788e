"""Agents, and the providers behind them.

An agent is a peer with a model: its settings live here and nowhere else. A provider is a connection
and holds no model settings. This module does not know how a provider is reached.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from types import UnionType
from typing import Literal, Protocol, TypeAlias, cast, get_args

from agentouto._domain.misuse import ConfigurationError, nearest

Kind: TypeAlias = Literal["openai", "openai_responses", "anthropic", "google", "script", "record"]
"""How a provider is spoken to."""

KINDS: tuple[str, ...] = get_args(Kind)

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[str, ...] = get_args(Effort)

FORBIDDEN_IN_NAMES = frozenset("[]<>")

_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


class Authenticator(Protocol):
    """Anything that can hand out a token: what ``Provider(auth=)`` takes.

    If it also has ``async def refresh_token(self) -> str``, that is asked for another token when a
    server refuses the one it handed out.
    """

    def get_token(self) -> Awaitable[str]:
        """Return a token that is valid now."""
        ...


class Signer(Protocol):
    """Anything that can sign a request: what ``Provider(auth=)`` takes instead of a token."""

    def headers(self, method: str, url: str, body: bytes) -> Awaitable[Mapping[str, str]]:
        """Return the headers that let this very request in."""
        ...


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Provider:
    """How to reach a model API.

    Attributes:
        name: What agents call it. Left out, it is the kind.
        kind: ``"openai"`` (Chat Completions, and every compatible server), ``"openai_responses"``,
            ``"anthropic"``, ``"google"``, ``"script"`` (a model that is a script, see
            ``agentouto.testing``) or ``"record"`` (writes another provider's replies to a file and
            replays them). Left out, it is the name.
        api_key: The key. Left out, ``AGENTOUTO_<NAME>_API_KEY`` is read, and, only where
            ``base_url`` is left out too, the vendor's own variable.
        base_url: A compatible server. Left out, the vendor's own.
        auth: Hands out a token for each request, instead of a key, or signs each request.
        headers: Sent with every request, to this provider only. An agent's own come first.
        query: Added to the address of every request, likewise.
        script: For ``kind="script"``: the script, or a function from a request to a reply.
        file: For ``kind="record"``: where replies are kept.
        source: For ``kind="record"``: the provider whose replies are recorded; without one, the
            file is only replayed.

    Raises:
        ConfigurationError: Neither name nor kind is given, there is no such kind, or a header or a
            query cannot be sent.
    """

    name: str = ""
    kind: str = ""
    api_key: str = field(default="", repr=False)
    base_url: str | None = field(default=None, repr=False)  # its query may hold a key
    auth: Authenticator | Signer | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(
        default_factory=dict[str, str], repr=False, hash=False, kw_only=True
    )
    query: Mapping[str, str] = field(
        default_factory=dict[str, str], repr=False, hash=False, kw_only=True
    )
    script: object = field(default=None, repr=False, kw_only=True)
    file: str | PathLike[str] | None = field(default=None, kw_only=True)
    source: Provider | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Let the name stand for the kind and the kind for the name."""
        if not (self.name or self.kind):
            raise ConfigurationError("Provider() needs a name or a kind")
        object.__setattr__(self, "name", self.name or self.kind)
        object.__setattr__(self, "kind", self.kind or self.name)
        if self.kind not in KINDS:
            raise ConfigurationError(
                f"Provider {self.name!r}: there is no kind {self.kind!r}; "
                f"there are: {', '.join(KINDS)}{nearest(self.kind, KINDS)}"
            )
        for setting in ("headers", "query"):
            given = _texts(self.name, setting, getattr(self, setting))
            object.__setattr__(self, setting, given)

    async def resolve_api_key(self) -> str:
        """Return the token for the next request: from ``auth`` if given, else ``api_key``."""
        get_token = getattr(self.auth, "get_token", None)
        if not callable(get_token):
            return self.api_key
        return await cast("Authenticator", self.auth).get_token()


@dataclass(frozen=True, slots=True)
class Agent:
    """A peer with a model.

    Attributes:
        name: What peers call it: printable text without ``[ ] < >`` and line ends.
        instructions: What it is told about its job.
        model: The model's name at its provider.
        provider: The name of a provider of the run, or a ``Provider``.
        max_output_tokens: The most tokens one reply may have; ``None`` leaves it to the provider.
        reasoning: Whether the model should think before it answers.
        reasoning_effort: How hard, where the model takes efforts.
        reasoning_budget: How many tokens, where the model takes budgets.
        temperature: Sent if it is not 1.0, which is every API's own default.
        context_window: Tokens the model can read at once; ``None`` if unknown.
        extra: More fields for the request body, as the provider names them.
        role: What peers are told about the agent instead of its instructions.
        output_type: What it returns in every call: any type that pydantic can check, instead of
            text.
        fallback: Other ``(provider, model)`` pairs, tried in order when the model stays
            unavailable. Other providers do not get ``extra``.
        timeout: Seconds within which each of its calls must return; ``None`` for as long as it
            takes.

    Raises:
        ConfigurationError: A value cannot work; the text says which and what can.
    """

    name: str
    instructions: str
    model: str
    provider: str | Provider
    max_output_tokens: int | None = None
    reasoning: bool = False
    reasoning_effort: Effort = "medium"
    reasoning_budget: int | None = None
    temperature: float = 1.0
    context_window: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    role: str | None = field(default=None, kw_only=True)
    output_type: object = field(default=None, kw_only=True)
    fallback: Sequence[tuple[str | Provider, str]] = field(default=(), kw_only=True)
    timeout: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what could never run."""
        check_name(self.name)
        for setting, kinds in _KINDS_OF_SETTINGS.items():
            value = getattr(self, setting)
            if not isinstance(value, kinds) or isinstance(value, bool) != (kinds is bool):
                wanted = getattr(kinds, "__name__", str(kinds)).replace("str | Provider", "a name")
                raise ConfigurationError(
                    f"Agent {self.name!r}: {setting}={value!r:.40} is not {wanted}"
                )
        if self.reasoning_effort not in EFFORTS:
            raise ConfigurationError(
                f"Agent {self.name!r}: reasoning_effort={self.reasoning_effort!r} is none of "
                f"{', '.join(EFFORTS)}{nearest(self.reasoning_effort, EFFORTS)}"
            )
        for setting in ("max_output_tokens", "reasoning_budget", "context_window"):
            value = getattr(self, setting)
            if value is not None and value < 1:
                raise ConfigurationError(
                    f"Agent {self.name!r}: {setting}={value!r} must be at least 1 token"
                )
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigurationError(
                f"Agent {self.name!r}: timeout={self.timeout!r} must be more than 0 seconds"
            )
        for pair in cast("Sequence[object]", self.fallback):
            if isinstance(pair, str) or len(list(cast("Sequence[object]", pair))) != 2:
                raise ConfigurationError(
                    f"Agent {self.name!r}: fallback takes (provider, model) pairs, not {pair!r}"
                )

    @property
    def provider_name(self) -> str:
        """The name of the provider, however it was given."""
        return self.provider if isinstance(self.provider, str) else self.provider.name

    def stand_ins(self) -> tuple[Agent, ...]:
        """Return the agent itself, and itself with each of the fallback models.

        ``extra`` is for the agent's own provider: it may hold what is nobody else's business.
        """
        others = [replace(self, provider=p, model=m, fallback=()) for p, m in self.fallback]
        own = self.provider_name
        return (
            self,
            *(one if one.provider_name == own else replace(one, extra={}) for one in others),
        )


_KINDS_OF_SETTINGS: Mapping[str, type | UnionType] = {
    "instructions": str,
    "model": str,
    "provider": str | Provider,
    "max_output_tokens": int | None,
    "reasoning": bool,
    "reasoning_budget": int | None,
    "temperature": float | int,
    "context_window": int | None,
    "extra": Mapping,
    "role": str | None,
    "fallback": Sequence,
    "timeout": float | int | None,
}


def check_name(name: object) -> None:
    """Raise ``ConfigurationError`` unless ``name`` can be the name of a participant."""
    if not isinstance(name, str):
        raise ConfigurationError(f"An agent's name is text, not {name!r:.40}")
    if not name.strip() or not name.isprintable() or FORBIDDEN_IN_NAMES & set(name):
        raise ConfigurationError(
            f"An agent cannot be called {name!r}: a name is printable text without [ ] < > "
            "and line ends, and not blank"
        )


def _texts(name: str, setting: str, given: object) -> dict[str, str]:
    """Return what ``Provider(headers=)`` or ``Provider(query=)`` was given, as our own."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"Provider {name!r}: {setting}= takes a mapping of texts")
    texts: dict[str, str] = {}
    for key, value in cast("Mapping[object, object]", given).items():
        if not (isinstance(key, str) and isinstance(value, str) and value.isprintable()):
            raise ConfigurationError(
                f"Provider {name!r}: {setting}={{{key!r}: ...}} is not a text for a text"
            )
        if setting == "headers" and not _HEADER.fullmatch(key):
            raise ConfigurationError(f"Provider {name!r}: {key!r} in headers= is no header")
        texts[key] = value
    return texts
