"""The span of a run is called like its team."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentouto import Team
from agentouto.otel import traced
from agentouto.testing import Script, finish
from teams import peers


def test_the_span_of_a_run_has_the_name_of_its_team() -> None:
    memory, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(memory))
    team = Team(peers(Script(lambda _: finish("ok")), "lead"), name="reviewers")
    for hooks in (traced(tracer_provider=tracers), traced(name="mine", tracer_provider=tracers)):
        team.run("Go.", hooks=hooks)
    runs = [span for span in memory.get_finished_spans() if span.parent is None]
    assert [span.name for span in runs] == ["invoke_workflow reviewers", "invoke_workflow mine"]
    named = [dict(span.attributes or {})["gen_ai.workflow.name"] for span in runs]
    assert named == ["reviewers", "mine"]
