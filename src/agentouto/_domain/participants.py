"""``Agent`` and ``Provider``: the settings of a model, and how its API is reached.

An agent holds all settings of its model. A provider holds the address and the key of an API and no
settings of models, so that agents with different models can share it. This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from os import PathLike
from types import MappingProxyType, UnionType
from typing import Literal, Protocol, TypeAlias, cast, get_args

from agentouto._domain.configuration_error import ConfigurationError, did_you_mean
from agentouto._domain.foreign_words import AGENT_WORDS, PROVIDER_WORDS, explains_keywords
from agentouto._domain.functions import check_worker_kind
from agentouto._domain.kinds import BUILT_IN, Kind, KindSpec, check_kind, kind_spec
from agentouto._domain.retry import Retry
from agentouto._domain.secret import Secret, address, hides_arguments

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[str, ...] = get_args(Effort)

FORBIDDEN_IN_NAMES = frozenset("[]<>")

_SAME_AS_NAME = cast("Kind", "")
"""The default of ``Provider(kind=)``. ``__post_init__`` replaces it, so no type has it."""

EXTRA_HEADERS = "extra_headers"
"""The key in ``Agent.extra`` that goes to the headers of a request, not to its body."""

_HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


class Authenticator(Protocol):
    """An object that provides a token for each request: what ``Provider(auth=)`` takes.

    If it also has ``async def refresh_token(self) -> str``, that is awaited for another token when
    a server refuses the first one.
    """

    def get_token(self) -> Awaitable[str]:
        """Return a token that is valid now."""
        ...


class Signer(Protocol):
    """An object that signs requests: what ``Provider(auth=)`` takes instead of a token."""

    def headers(self, method: str, url: str, body: bytes) -> Awaitable[Mapping[str, str]]:
        """Return the headers that authenticate exactly this request."""
        ...


@hides_arguments
@explains_keywords(PROVIDER_WORDS)
@dataclass(frozen=True, slots=True, weakref_slot=True)
class Provider:
    """How to reach a model API.

    Attributes:
        name: The name that agents refer to. Left out, it is the kind.
        kind: ``"openai"`` (Chat Completions, and every compatible server), ``"openai_responses"``,
            ``"anthropic"``, ``"google"``, ``"script"`` (a model that is a script, see
            ``agentouto.testing``) or ``"record"`` (writes another provider's replies to a file and
            replays them); or a ``KindSpec``, which is a kind of your own. Left out, it is the name.
        api_key: The key. Left out, ``AGENTOUTO_<NAME>_API_KEY`` is read, and, only where
            ``base_url`` is left out too, the variables of its kind.
        base_url: A compatible server. Left out, the vendor's own.
        auth: Provides a token for each request, instead of a key, or signs each request.
        headers: Sent with every request, to this provider only. An agent's own come first.
        query: Added to the address of every request, likewise.
        idle: Seconds without words, thinking or parts of tool calls after which a request is given
            up. Pings and other signs of life do not count.
        retry: How often a request that failed temporarily is made, and for how long.
        script: For ``kind="script"``: the script, or a function from a request to a reply.
        file: For ``kind="record"``: the file with the replies.
        source: For ``kind="record"``: the provider whose replies are recorded; without one, the
            file is only replayed.

    Raises:
        ConfigurationError: Neither name nor kind is given, the name is not text, there is no such
            kind, a header or a query cannot be sent, ``idle`` is no positive number of seconds, or
            ``retry`` no ``Retry``.
    """

    name: str = ""
    kind: Kind | KindSpec = _SAME_AS_NAME
    api_key: str = field(default="", repr=False)
    base_url: str | None = field(default=None, repr=False)  # its query may hold a key
    auth: Authenticator | Signer | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(
        default_factory=dict[str, str], repr=False, hash=False, kw_only=True
    )
    query: Mapping[str, str] = field(
        default_factory=dict[str, str], repr=False, hash=False, kw_only=True
    )
    idle: float = field(default=600.0, kw_only=True)
    retry: Retry = field(default=Retry(), kw_only=True)
    script: object = field(default=None, repr=False, kw_only=True)
    file: str | PathLike[str] | None = field(default=None, kw_only=True)
    source: Provider | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Fill in the name from the kind or the kind from the name, and check everything."""
        if not (self.name or self.kind):
            raise ConfigurationError("Provider() needs a name or a kind")
        if not isinstance(cast("object", self.name), str):
            raise ConfigurationError(
                f"Provider: name={self.name!r:.60} is not text; a kind goes into kind="
            )
        object.__setattr__(self, "kind", self.kind or self.name)
        check_kind(self.name, self.kind)
        _check_fields_of_kind(self)
        object.__setattr__(self, "name", self.name or kind_spec(self.kind).name)
        for setting in ("headers", "query"):
            given = _checked_texts(self.name, setting, getattr(self, setting))
            object.__setattr__(self, setting, given)
        if self.api_key:
            object.__setattr__(self, "api_key", Secret(self.api_key))
        if self.base_url:
            object.__setattr__(self, "base_url", address(self.base_url))
        object.__setattr__(self, "idle", _seconds(self.name, self.idle))
        if not isinstance(cast("object", self.retry), Retry):
            raise ConfigurationError(
                f"Provider {self.name!r}: retry={self.retry!r:.40} is no Retry; write for example "
                "retry=Retry(tries=2, seconds=30)"
            )

    async def resolve_api_key(self) -> str:
        """Return the token for the next request: from ``auth`` if given, else ``api_key``."""
        get_token = getattr(self.auth, "get_token", None)
        if not callable(get_token):
            return self.api_key
        return await cast("Authenticator", self.auth).get_token()


@hides_arguments
@explains_keywords(AGENT_WORDS)
@dataclass(frozen=True, slots=True)
class Agent:
    """A peer with a model.

    Attributes:
        name: The name that peers use: printable text without ``[ ] < >`` and line ends.
        instructions: Its job, in the system prompt.
        model: The model's name at its provider.
        provider: The name of a provider of the run, or a ``Provider``.
        max_output_tokens: The most tokens one reply may have; ``None`` leaves it to the provider.
        reasoning: Whether the model should think before it answers.
        reasoning_effort: How much it should think, where the model takes efforts.
        reasoning_budget: Tokens it may think, where the model takes budgets.
        temperature: Sent if it is not 1.0, which is the default of every API.
        context_window: Tokens the model can read at once; ``None`` if unknown.
        extra: More fields for the request body, as the provider names them.
        role: The text that peers read about the agent, instead of its instructions.
        output_type: The type of its return, in every call: any type that pydantic can check.
            ``None`` is text.
        fallback: Other ``(provider, model)`` pairs, tried in order when the model stays
            unavailable. Other providers do not get ``extra``.
        timeout: Seconds within which each of its calls must return; ``None`` for as long as it
            takes.
        worker: The kind of worker that answers its calls, as runs of their own, where a worker runs
            the team: ``agentouto worker TEAM --worker gpu``. Elsewhere it has no meaning. ``None``:
            the worker of its caller.

    Raises:
        ConfigurationError: A value cannot work; the text names it and what can.
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
    worker: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check the name and every setting."""
        check_name(self.name)
        if self.worker is not None:
            check_worker_kind(f"Agent {self.name!r}: worker=", self.worker)
        for setting, kinds in _SETTING_TYPES.items():
            value = getattr(self, setting)
            if not isinstance(value, kinds) or isinstance(value, bool) != (kinds is bool):
                wanted = getattr(kinds, "__name__", str(kinds)).replace("str | Provider", "a name")
                raise ConfigurationError(
                    f"Agent {self.name!r}: {setting}={value!r:.40} is not {wanted}"
                )
        if not self.model.strip():
            raise ConfigurationError(f"Agent {self.name!r}: model={self.model!r} names no model")
        check_output_type(f"Agent {self.name!r}", self.output_type)
        object.__setattr__(self, "extra", _with_secret_headers(self.extra))
        if self.reasoning_effort not in EFFORTS:
            raise ConfigurationError(
                f"Agent {self.name!r}: reasoning_effort={self.reasoning_effort!r} is none of "
                f"{', '.join(EFFORTS)}{did_you_mean(self.reasoning_effort, EFFORTS)}"
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

    def with_fallbacks(self) -> tuple[Agent, ...]:
        """Return the agent itself, then the agent with each of its fallback models.

        Other providers do not get ``extra``: its fields are one API's, and may be confidential.
        """
        if not self.fallback:
            return (self,)
        others = [replace(self, provider=p, model=m, fallback=()) for p, m in self.fallback]
        own = self.provider_name
        return (
            self,
            *(one if one.provider_name == own else replace(one, extra={}) for one in others),
        )


_SETTING_TYPES: Mapping[str, type | UnionType] = MappingProxyType(
    {
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
)


def check_name(name: object, what: str = "An agent") -> None:
    """Raise ``ConfigurationError`` unless ``name`` can be the name of a participant."""
    if not isinstance(name, str):
        raise ConfigurationError(f"{what}'s name is text, not {name!r:.40}")
    if not name.strip() or not name.isprintable() or FORBIDDEN_IN_NAMES & set(name):
        raise ConfigurationError(
            f"{what} cannot be called {name!r}: a name is printable text without [ ] < > "
            "and line ends, and not blank"
        )


_VALUES = (str, bytes, int, float, list, dict, tuple, set)
"""What is never a type. A type may be written as many other objects."""


def check_output_type(whose: str, output_type: object) -> None:
    """Raise ``ConfigurationError`` if ``output_type`` is a value and no type."""
    if isinstance(output_type, _VALUES):
        raise ConfigurationError(
            f"{whose}: output_type={output_type!r:.60} is a value and no "
            "type: give the class itself, or a type such as list[str]"
        )


def _check_fields_of_kind(provider: Provider) -> None:
    """Raise if a field was given that the kind does not read."""
    own = kind_spec(provider.kind)
    for kind in BUILT_IN.values():
        for setting in kind.own_settings:
            if kind is not own and getattr(provider, setting) is not None:
                raise ConfigurationError(
                    f"Provider {provider.name!r}: {setting}= is for kind={kind.name!r} only, and "
                    f"its kind is {own.name!r}"
                )


def _checked_texts(name: str, setting: str, given: object) -> dict[str, str]:
    """Return the value of ``Provider(headers=)`` or ``(query=)`` as a dict of our own."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"Provider {name!r}: {setting}= takes a mapping of text to text")
    texts: dict[str, str] = {}
    for key, value in cast("Mapping[object, object]", given).items():
        if not (isinstance(key, str) and isinstance(value, str) and value.isprintable()):
            raise ConfigurationError(
                f"Provider {name!r}: {setting}={{{key!r}: ...}} must be printable text for text"
            )
        if setting == "headers" and not _HEADER_NAME.fullmatch(key):
            raise ConfigurationError(f"Provider {name!r}: {key!r} in headers= is not a header name")
        texts[key] = Secret(value)
    return texts


def _seconds(name: str, given: object) -> float:
    """Return what ``Provider(idle=)`` was given, if it is a length of time that can be waited."""
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < inf:
        return given
    raise ConfigurationError(
        f"Provider {name!r}: idle={given!r:.40} is no number of seconds above 0, such as 600"
    )


def _with_secret_headers(extra: Mapping[str, object]) -> Mapping[str, object]:
    """Return ``extra`` with the values of its headers as secrets; its owner's is left alone."""
    headers = extra.get(EXTRA_HEADERS)
    if not isinstance(headers, Mapping):
        return extra
    given = cast("Mapping[object, object]", headers).items()
    hidden = {name: Secret(value) if isinstance(value, str) else value for name, value in given}
    return {**extra, EXTRA_HEADERS: hidden}
