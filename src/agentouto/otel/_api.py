"""Imports OpenTelemetry's API, and says which extra is missing where it is not installed."""

from __future__ import annotations

import os

try:
    from opentelemetry import context, metrics, trace
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'agentouto.otel needs a package that is not installed: pip install "agentouto[otel]"',
        name=error.name,
    ) from error

__all__ = ["captures_content", "context", "metrics", "trace"]

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The variable by which all instrumentations of generative AI are asked for texts."""


def captures_content(content: bool | None) -> bool:  # noqa: FBT001 - as it is given
    """Return whether spans have texts: as ``content`` says, else as the environment does."""
    return os.environ.get(CAPTURE, "").strip().lower() == "true" if content is None else content
