"""What a run has cost, in all and by participant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cost:
    """What the models of a run have cost, and what peers and tools reported with ``Here.spent``.

    An unknown part makes a sum unknown: ``None`` instead of a number that is too low.

    Attributes:
        dollars: US dollars for the whole run; ``None`` where a part of it is unknown.
        by_agent: US dollars for each participant that used a model or reported something, by
            name; ``None`` likewise.
        unknown_models: The models whose cost is unknown, sorted: they have no price, or their
            server reported no tokens. ``Limits(prices=)`` gives a model a price.
    """

    dollars: float | None = 0.0
    by_agent: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    unknown_models: tuple[str, ...] = ()
