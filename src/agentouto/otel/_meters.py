"""Records the metrics of requests to models: tokens, times, and the time to the first word.

Names, units and attributes are those of "Generative AI client metrics" in OpenTelemetry's semantic
conventions; the units are UCUM's, as all of OpenTelemetry's are.
"""

from __future__ import annotations

from agentouto._core.run_history import Line
from agentouto.otel import _names as names
from agentouto.otel._api import metrics


class Meters:
    """The instruments. One object serves any number of runs."""

    def __init__(self, provider: metrics.MeterProvider | None) -> None:
        meter = metrics.get_meter("agentouto", meter_provider=provider)
        self._tokens = meter.create_histogram(names.TOKEN_USAGE, "{token}", "Tokens of a request")
        self._duration = meter.create_histogram(names.DURATION, "s", "Time of a request")
        self._first = meter.create_histogram(
            names.TIME_TO_FIRST_CHUNK, "s", "Time from a request to the first word"
        )

    def record(self, provider: str, model: str, line: Line, seconds: float) -> None:
        """Record a reply, which ``line`` has ended, ``seconds`` after its request."""
        about = {
            names.OPERATION: "chat",
            names.PROVIDER_NAME: provider,
            names.REQUEST_MODEL: model,
        }
        # The conventions have ``error.type`` for the duration only, not for the tokens.
        broken = {names.ERROR_TYPE: "broken"} if line["stop"] == "broken" else {}
        self._duration.record(seconds, {**about, **broken})
        for kind in ("input", "output"):
            tokens = line.get(kind)
            if isinstance(tokens, int):  # ``None`` where the provider reports none: not zero
                self._tokens.record(tokens, {**about, names.TOKEN_TYPE: kind})
        first = line.get("first")
        if isinstance(first, int | float):
            self._first.record(first, about)
