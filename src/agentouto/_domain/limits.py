"""What a user allows a run to spend. Nothing is limited unless somebody says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import cast

import msgspec

from agentouto._domain.content import Usage
from agentouto._domain.misuse import ConfigurationError

MOST_MAIL = 100_000
"""How many unread messages a mailbox holds, unless somebody says otherwise."""

WARN_AT = 0.9
"""At which share of a limit agents are told of it, unless somebody says otherwise."""

_WHOLE = ("turns", "calls", "depth", "requests", "tokens", "parallel", "tool_calls", "repeats")


class Price(msgspec.Struct, frozen=True, gc=False):
    """What a million tokens cost, in US dollars. ``cached`` is for what is read out of a cache."""

    input: float
    output: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        """Return what ``usage`` costs; what was not reported is not counted."""
        read = usage.input_tokens or 0
        cached = min(usage.cached_tokens or 0, read) if self.cached is not None else 0
        spent = (read - cached) * self.input + cached * (self.cached or 0.0)
        return (spent + (usage.output_tokens or 0) * self.output) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a run may do. All calls of a run share one pot, background calls too.

    ``None`` is no limit. ``turns`` ends the call that reaches it, the next eight end the run, with
    ``LimitReached`` and all that was done on its ``partial``.

    Attributes:
        turns: Replies of the model in one call.
        calls: Calls, the starting agents' among them.
        depth: Calls inside of each other; a starting agent's has depth 1.
        requests: Requests to models: also those that failed and were made again, and summaries.
        tokens: Tokens read and written, as reported, or estimated where nobody reports.
        cost: US dollars.
        seconds: Time, from the start of the run.
        repeats: How often an agent may be asked the same thing by its own descendants.
        parallel: Requests to models at the same time; more wait for their turn.
        tool_calls: Tool calls of one reply that are acted on; the agent is told of the others.
        mail: Unread messages in one mailbox; more are refused.
        warn_at: At which share of calls, requests, tokens, cost, seconds and turns agents are told,
            once, so that they can return what they have.
        prices: What models cost, by name: ``(input, output)`` or ``(input, output, cached)`` in US
            dollars for a million tokens. They come before what is known here.

    Raises:
        ConfigurationError: A limit is no number that can be kept.
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
    mail: int = MOST_MAIL
    warn_at: float = WARN_AT
    prices: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])

    def __post_init__(self) -> None:
        """Refuse what could not be kept."""
        for one in fields(self):
            value = cast("object", getattr(self, one.name))
            if one.name == "prices":
                _check_prices(value)
            elif value is None and one.default is None:
                continue
            elif isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigurationError(f"Limits({one.name}={value!r}) must be more than 0")
            elif (one.name in _WHOLE or one.name == "mail") and not isinstance(value, int):
                raise ConfigurationError(f"Limits({one.name}={value!r}) must be a whole number")
        if self.warn_at > 1:
            raise ConfigurationError(f"Limits(warn_at={self.warn_at!r}) is a share: at most 1")

    @property
    def pooled(self) -> bool:
        """Whether there is anything that all calls of a run share."""
        return any(
            limit is not None
            for limit in (
                self.turns,
                self.calls,
                self.depth,
                self.requests,
                self.tokens,
                self.cost,
                self.seconds,
                self.repeats,
                self.parallel,
            )
        )

    def price(self, model: str) -> Price | None:
        """Return what the user says that ``model`` costs."""
        given = self.prices.get(model)
        return None if given is None else Price(*given)


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
