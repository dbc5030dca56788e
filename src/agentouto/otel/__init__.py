"""Runs as OpenTelemetry spans and metrics, live and from saved runs.

Needs the extra ``otel``: ``pip install "agentouto[otel]"``. It uses OpenTelemetry's API only; which
program collects the spans is decided by the SDK that your program sets up.

::

    from agentouto.otel import traced

    run("Write a report.", [lead], hooks=traced())
"""

from agentouto.otel._live import traced
from agentouto.otel._saved import send_otlp, send_spans

__all__ = ["send_otlp", "send_spans", "traced"]
