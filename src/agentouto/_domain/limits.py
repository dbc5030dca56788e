"""The limits of a run, and what models cost. Only mailboxes are limited by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import cast

import msgspec

from agentouto._domain.configuration_error import ConfigurationError
from agentouto._domain.content import Usage
from agentouto._domain.foreign_words import LIMIT_WORDS, explains_keywords

MAX_MAIL = 100_000
"""Default size of a mailbox, in unread messages: far more than any agent can read, and bounded, so
that a loop that only sends cannot use up the memory."""

WARN_AT = 0.9
"""Default share of a limit at which agents are warned: late enough to be rare, early enough to
return what they have."""

_WHOLE_NUMBERS = (
    "turns",
    "calls",
    "depth",
    "requests",
    "tokens",
    "parallel",
    "tool_calls",
    "repeats",
)


class Price(msgspec.Struct, frozen=True, gc=False):
    """Prices of a million tokens in US dollars. ``cached`` is for input read from a cache."""

    input: float
    output: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        """Return the cost of ``usage``. Tokens that were not reported cost nothing."""
        read = usage.input_tokens or 0
        cached = min(usage.cached_tokens or 0, read) if self.cached is not None else 0
        spent = (read - cached) * self.input + cached * (self.cached or 0.0)
        return (spent + (usage.output_tokens or 0) * self.output) / 1_000_000


@explains_keywords(LIMIT_WORDS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a run may do. All of its calls share one budget, background calls too.

    ``None`` is no limit. ``turns`` ends the call that reaches it; the eight after it end the run
    with ``LimitReached``, whose ``partial`` has everything that was done.

    Attributes:
        turns: Replies of the model in one call.
        calls: Calls, the starting agents' among them.
        depth: How deeply calls are nested; a starting agent's call has depth 1.
        requests: Requests to models, retries and summaries among them.
        tokens: Tokens read and written, as reported, or estimated where no count is reported.
        cost: US dollars.
        seconds: Time, from the start of the run.
        repeats: How often an agent may get the same message from its own descendants.
        parallel: Requests to models at the same time; further requests wait.
        tool_calls: Tool calls of one reply that are done; each of the others gets an error.
        mail: Unread messages in one mailbox; further messages are refused.
        warn_at: The share of calls, requests, tokens, cost, seconds and turns at which agents are
            warned, once, so that they can return what they have.
        prices: What models cost, by name: ``(input, output)`` or ``(input, output, cached)`` in US
            dollars for a million tokens. They stand above the built-in prices.

    Raises:
        ConfigurationError: A limit is not a number above 0.
    """

    turns: int | None = None
    calls: int | None = None
    depth: int | None = None
    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    repeats: int | None = None
    parallel: int | None = None
    tool_calls: int | None = None
    mail: int = MAX_MAIL
    warn_at: float = WARN_AT
    prices: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])

    def __post_init__(self) -> None:
        """Check every limit."""
        for one in fields(self):
            value = cast("object", getattr(self, one.name))
            if one.name == "prices":
                _check_prices(value)
            elif value is None and one.default is None:
                continue
            elif isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigurationError(f"Limits({one.name}={value!r}) must be more than 0")
            elif (one.name in _WHOLE_NUMBERS or one.name == "mail") and not isinstance(value, int):
                raise ConfigurationError(f"Limits({one.name}={value!r}) must be a whole number")
        if self.warn_at > 1:
            raise ConfigurationError(f"Limits(warn_at={self.warn_at!r}) is a share: at most 1")

    @property
    def limits_run(self) -> bool:
        """Whether any limit is shared by all calls of a run, so that the run needs a budget."""
        return (
            self.turns,
            self.calls,
            self.depth,
            self.requests,
            self.tokens,
            self.cost,
            self.seconds,
            self.repeats,
            self.parallel,
        ) != _NO_SHARED_LIMIT


_NO_SHARED_LIMIT = (None,) * 9


def _check_prices(prices: object) -> None:
    if not isinstance(prices, Mapping):
        raise ConfigurationError("Limits(prices=) takes a mapping from models to prices")
    for model, price in cast("Mapping[object, object]", prices).items():
        numbers = list(cast("tuple[object, ...]", price)) if isinstance(price, tuple | list) else []
        sensible = all(isinstance(n, int | float) and 0 <= n < float("inf") for n in numbers)
        if len(numbers) not in {2, 3} or not sensible:
            raise ConfigurationError(
                f"Limits(prices={{{model!r}: {price!r}}}): a price is (input, output) or (input, "
                "output, cached), in US dollars for a million tokens"
            )
