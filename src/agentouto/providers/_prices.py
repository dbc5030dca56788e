"""What a model costs: our own table first, then ``genai-prices`` where that is installed.

The door through which that package comes in. It is loaded only for a model that the table does not
know, for it takes a while, and is asked for nothing but what it has brought along: no network.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from agentouto._domain.limits import Price
from agentouto._domain.participants import Provider
from agentouto.providers._catalog import listed_price

_SOLD_BY = {
    "openai": "openai",
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "google": "google",
}
"""How the vendor of each kind is called there."""


def price_of(provider: Provider, model: str) -> Price | None:
    """Return what ``model`` costs at ``provider``, or ``None`` if nobody here knows."""
    if provider.source is not None:  # of a recorder, whose replies are another's
        return price_of(provider.source, model)
    return listed_price(model) or _looked_up(provider.kind, provider.base_url, model)


@lru_cache(maxsize=256)
def _looked_up(kind: str, base_url: str | None, model: str) -> Price | None:
    """Return what a model costs at an address or at its kind's vendor, else at whoever makes it."""
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - the door
        from genai_prices.types import TieredPrices  # noqa: PLC0415
    except ImportError:
        return None
    found = None
    with suppress(LookupError):
        if base_url is not None:
            found = calc_price(Usage(), model, provider_api_url=base_url)
        elif kind in _SOLD_BY:
            found = calc_price(Usage(), model, provider_id=_SOLD_BY[kind])
    if found is None:
        with suppress(LookupError):
            found = calc_price(Usage(), model)
    if found is None:
        return None
    price = found.model_price
    sides = (price.input_mtok, price.output_mtok, price.cache_read_mtok)
    short = (side.base if isinstance(side, TieredPrices) else side for side in sides)
    read, written, cached = (None if side is None else float(side) for side in short)
    return None if read is None or written is None else Price(read, written, cached)
