"""Sends the spans of a run that is saved, or has ended.

``send_spans`` gives them to the tracer provider that the program has set up, and needs no more than
OpenTelemetry's API. ``send_otlp`` sets one up of its own, so it imports the SDK and the exporter by
their names, when it is called: the extra ``otel`` does not install them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opentelemetry.context import Context

from agentouto._domain.configuration_error import ConfigurationError
from agentouto.exports._sources import RunSource, load_run
from agentouto.otel._api import captures_content, trace
from agentouto.otel._spans import SpanMapper


def send_spans(
    run: RunSource,
    *,
    name: str = "",
    content: bool | None = None,
    tracer_provider: trace.TracerProvider | None = None,
) -> int:
    """Make the spans of ``run``, with the times that it had, and return how many there are.

    They are those of ``traced()``. Of a run that was cut off or goes on, they end with its last
    line, and have ``agentouto.unfinished``. Metrics are not recorded: they would be of today.

    Args:
        run: A result, a handle, lines, or a file of lines.
        name: The name of the workflow in the trace; by default that of the team, or the names of
            the starting agents.
        content: Whether spans have texts, arguments and results. By default only if the variable
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` is ``true``.
        tracer_provider: Where spans go; by default OpenTelemetry's global provider.

    Raises:
        ConfigurationError: It is no run, or OpenTelemetry has not been set up in this program.
    """
    provider = tracer_provider or trace.get_tracer_provider()
    # What the API returns while no program has set one up: both drop every span without a word.
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        raise ConfigurationError(
            "OpenTelemetry has no tracer provider here, so the spans would go nowhere: pass "
            "tracer_provider=, or call opentelemetry.trace.set_tracer_provider() before"
        )
    recorded = load_run(run)
    if not recorded.start:
        raise ConfigurationError(
            "the beginning of this run is missing, so it is not known when it was: spans need the "
            "line run.start"
        )
    mapper = SpanMapper(
        trace.get_tracer("agentouto", tracer_provider=provider),
        name,
        content=captures_content(content),
        parent=Context(),  # empty: what is current today has nothing to do with that run
    )
    for line in recorded.lines:
        mapper.feed(line)
    mapper.close()
    return mapper.count


def send_otlp(run: RunSource, *, name: str = "", content: bool | None = None) -> int:
    """Send the spans of ``run`` over OTLP, and return how many there are.

    They go to the address in ``OTEL_EXPORTER_OTLP_ENDPOINT``, by default
    ``http://localhost:4318``, with the headers in ``OTEL_EXPORTER_OTLP_HEADERS``. It needs the
    packages ``opentelemetry-sdk`` and ``opentelemetry-exporter-otlp-proto-http``.

    Args:
        run: A result, a handle, lines, or a file of lines.
        name: The name of the workflow in the trace; by default that of the team, or the names of
            the starting agents.
        content: Whether spans have texts, arguments and results; see ``send_spans``.

    Raises:
        ConfigurationError: It is no run; one of the packages is missing; or the spans did not
            arrive.
    """
    try:
        sdk: Any = import_module("opentelemetry.sdk.trace")
        exports: Any = import_module("opentelemetry.sdk.trace.export")
        resources: Any = import_module("opentelemetry.sdk.resources")
        otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"sending spans over OTLP needs {error.name}, which is not installed: install "
            "opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http"
        ) from error
    # The SDK would call a resource without a name "unknown_service".
    resource = resources.Resource.create({"service.name": "agentouto"})
    provider = sdk.TracerProvider(resource=resource)
    memory = _Collected()
    # A processor only logs that its exporter has failed, so spans are collected and sent below.
    provider.add_span_processor(exports.SimpleSpanProcessor(memory))
    count = send_spans(run, name=name, content=content, tracer_provider=provider)
    exporter = otlp.OTLPSpanExporter()
    outcome = exporter.export(memory.spans)
    exporter.shutdown()
    if outcome is not exports.SpanExportResult.SUCCESS:
        raise ConfigurationError(
            "the spans did not arrive: see the log of OpenTelemetry, and "
            "OTEL_EXPORTER_OTLP_ENDPOINT, which is http://localhost:4318 by default"
        )
    return count


class _Collected:
    """Collects spans, so that they are sent at once and it is known whether they have arrived."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def export(self, spans: Any) -> None:
        self.spans += spans

    def shutdown(self) -> None:
        """Do nothing: nothing is open."""

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return that nothing is left to send."""
        return True
