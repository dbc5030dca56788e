"""Looks up the price of a model: in our own table, then in ``genai-prices`` if it is installed.

That package is imported here and nowhere else, and only for a model that is not in the table,
because importing it takes about 0.4 seconds. Only the prices that it ships with are used: its
updates over the network are never started.
"""

from __future__ import annotations

from contextlib import suppress

from agentouto._domain.kinds import kind_spec
from agentouto._domain.limits import Price
from agentouto._domain.memory import Newest
from agentouto._domain.participants import Provider
from agentouto.providers._models.catalog import listed_price

MAX_CACHED_PRICES = 256
"""How many looked-up prices are kept: more models than one program asks, each a few numbers."""


class Prices:
    """Prices of models, looked up once for each."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: Newest[tuple[str, str | None, str], Price | None] = Newest(MAX_CACHED_PRICES)

    def of(self, provider: Provider, model: str) -> Price | None:
        """Return the price of ``model`` at ``provider``, or ``None`` if it is in no table."""
        if provider.source is not None:  # a recorder, whose replies come from another provider
            return self.of(provider.source, model)
        if (listed := listed_price(model)) is not None:
            return listed
        key = kind_spec(provider.kind).sold_by, provider.base_url, model
        if key in self._found:
            return self._found.get(key)
        return self._found.setdefault(key, _from_genai_prices(*key))

    def forget(self) -> None:
        """Forget all prices."""
        self._found.clear()


def _from_genai_prices(sold_by: str, base_url: str | None, model: str) -> Price | None:
    """Return the price of a model at an address or at its kind's vendor, else at its maker.

    Of a price with tiers, that of short requests is taken, as in our own table.
    """
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - the door
        from genai_prices.types import TieredPrices  # noqa: PLC0415
    except ImportError:
        return None
    found = None
    with suppress(LookupError):
        if base_url is not None:
            found = calc_price(Usage(), model, provider_api_url=base_url)
        elif sold_by:
            found = calc_price(Usage(), model, provider_id=sold_by)
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
