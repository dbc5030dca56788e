"""Traces runs while they go on: hooks that read their lines, and make a tool's span current.

The same hooks may be given to runs at the same time, in several threads and event loops. So the
spans of each run are kept under its id, from its first line to its last.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from agentouto._core.run_history import Line
from agentouto._domain.hooks import Hooks, ToolUse
from agentouto.otel._api import captures_content, context, metrics, trace
from agentouto.otel._meters import Meters
from agentouto.otel._spans import SpanMapper


def traced(
    hooks: Hooks | None = None,
    *,
    name: str = "",
    content: bool | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Hooks:
    """Return hooks that trace every run which they are given to.

    ``run("...", [lead], hooks=traced())``, or ``Team(..., hooks=traced())`` for all its runs. While
    a tool runs, its span is the current one: spans of its own HTTP client or database, and runs
    that it begins, are below it.

    Args:
        hooks: Hooks of your own, which stay.
        name: The name of the workflow in the trace; by default that of the team, or the names of
            the starting agents.
        content: Whether spans have texts, arguments and results. By default only if the variable
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` is ``true``.
        tracer_provider: Where spans go; by default OpenTelemetry's global provider.
        meter_provider: Where metrics go; by default OpenTelemetry's global provider.
    """
    own = hooks or Hooks()
    tracing = _Tracing(
        trace.get_tracer("agentouto", tracer_provider=tracer_provider),
        Meters(meter_provider),
        name,
        content=captures_content(content),
    )

    def on_line(line: Line) -> None:
        tracing.feed(line)  # first: a hook that raises must not cost the span
        if own.on_line is not None:
            own.on_line(line)

    @contextmanager
    def tool_context(use: ToolUse) -> Generator[None]:
        with ExitStack() as stack:
            # The user's is entered inside of ours, so that it finds the span of the tool current.
            stack.enter_context(tracing.current(use))
            if own.tool_context is not None:
                stack.enter_context(own.tool_context(use))
            yield

    return replace(own, on_line=on_line, tool_context=tool_context)


class _Tracing:
    """The spans of all runs that go on with the same hooks."""

    def __init__(self, tracer: trace.Tracer, meters: Meters, name: str, *, content: bool) -> None:
        self._tracer = tracer
        self._meters = meters
        self._name = name
        self._content = content
        self._runs: dict[str, SpanMapper] = {}

    def feed(self, line: Line) -> None:
        run = str(line["run"])
        mapper = self._runs.get(run)
        if mapper is None:
            # The first line is read in the context in which the run begins: a run that a tool
            # begins finds the span of that tool here.
            mapper = self._runs[run] = SpanMapper(
                self._tracer,
                self._name,
                content=self._content,
                parent=context.get_current(),
                meters=self._meters,
            )
        mapper.feed(line)
        if line["type"] == "run.end":
            self._runs.pop(run, None)  # hooks of a team live as long as the program does

    @contextmanager
    def current(self, use: ToolUse) -> Generator[None]:
        # A copy, because runs of other threads may begin or end meanwhile.
        found = (one.span_of(use.call_id, use.tool_call) for one in list(self._runs.values()))
        span = next((each for each in found if each is not None), None)
        if span is None:
            yield
            return
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield
        finally:
            context.detach(token)
