"""Runs as spans: live and from saved runs, with the parents and links that viewers need."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agentouto import Agent, ConfigurationError, Hooks, RunResult, Tool, async_run, run
from agentouto.exports import to_jsonl
from agentouto.otel import send_otlp, send_spans, traced
from agentouto.testing import Request, Script, call, fail, finish, say, tool
from exports.teams import provider


class Collector:
    """Collects the spans and metrics of a test."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._memory))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def hooks(self, own: Hooks | None = None, *, content: bool = False) -> Hooks:
        return traced(
            own, content=content, tracer_provider=self.tracers, meter_provider=self.meters
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self._memory.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.spans if span.name == name]
        return found

    def parents(self) -> set[tuple[str, str | None]]:
        """Return the name of each span with that of its parent."""
        names = {span.context.span_id: span.name for span in self.spans}
        return {
            (
                span.name,
                None if span.parent is None else names.get(span.parent.span_id, "elsewhere"),
            )
            for span in self.spans
        }

    def metrics(self) -> dict[str, list[tuple[float, Mapping[str, object]]]]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: [(point.sum, dict(point.attributes)) for point in metric.data.data_points]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def collector() -> Collector:
    return Collector()


def look(what: str) -> str:
    """Look something up."""
    with trace.get_tracer("mine").start_as_current_span(f"query {what}"):
        return f"found {what}"


async def look_async(what: str) -> str:
    """Look something up."""
    await asyncio.sleep(0)
    return look(what)


def team_run(hooks: Hooks | None = None, tools: tuple[object, ...] = ()) -> RunResult:
    """Return a run with a background call, a question, a message, tools and a failed call."""

    def lead(seen: Request) -> object:
        match seen.turn:
            case 0:
                return call("writer", "Write.", background=True)
            case 1:
                [id_] = re.findall(r"bg_[0-9a-f]{12}", seen.outcomes[0].content)
                return tool("send_message", task_id=id_, message="Make it short.")
            case 2:
                sent.append(True)
                return [
                    call("critic", "Be strict."),
                    call("user", "For whom?"),
                    call("judge", "Judge."),
                ]
            case _:
                return finish("Done.")

    async def write(seen: Request) -> object:
        while not sent:  # otherwise it might return before it is written to
            await asyncio.sleep(0.001)
        return tool("look", what="solar") if seen.turn == 0 else finish("Written.")

    sent: list[bool] = []
    script = Script(
        {
            "lead": lead,
            "writer": write,
            "critic": [fail(400, message="no such model")],
            "judge": [say("Good.")],
        },
        usage=(100, 20),
    )
    agents = [
        Agent(name, "", "gpt-x", provider(script), role=f"The {name}")
        for name in ("lead", "writer", "critic", "judge")
    ]
    return run(
        "Report on solar power.",
        agents[:1],
        list(tools) or [Tool(look)],
        run_agents=agents,
        ask_user=lambda question: "for an investor",
        hooks=hooks,
    )


PARENTS = {
    ("invoke_workflow lead", None),
    ("invoke_agent lead", "invoke_workflow lead"),
    ("execute_tool call_agent critic", "invoke_agent lead"),
    ("invoke_agent critic", "execute_tool call_agent critic"),
    ("execute_tool call_agent judge", "invoke_agent lead"),
    ("invoke_agent judge", "execute_tool call_agent judge"),
    ("execute_tool call_agent user", "invoke_agent lead"),
    ("invoke_agent writer", None),
    ("execute_tool look", "invoke_agent writer"),
    ("chat gpt-x", "invoke_agent lead"),
    ("chat gpt-x", "invoke_agent writer"),
    ("chat gpt-x", "invoke_agent critic"),
    ("chat gpt-x", "invoke_agent judge"),
}


def test_spans_have_the_parents_and_links_of_the_calls(collector: Collector) -> None:
    result = team_run(collector.hooks())
    assert collector.parents() == PARENTS
    lead, writer = collector.named("invoke_agent lead"), collector.named("invoke_agent writer")
    [link] = writer.links
    assert link.context.span_id == lead.context.span_id
    assert writer.context.trace_id != lead.context.trace_id
    workflow = collector.named("invoke_workflow lead")
    run_id = result.lines()[0]["run"]
    assert all(span.attributes["gen_ai.conversation.id"] == run_id for span in collector.spans)
    assert workflow.attributes["gen_ai.aggregated_usage.input_tokens"] == result.usage.input_tokens


def test_a_saved_run_has_the_spans_that_it_had_live(collector: Collector, tmp_path: Path) -> None:
    result = team_run(collector.hooks())
    file = tmp_path / "run.jsonl"
    file.write_text(to_jsonl(result), encoding="utf-8")
    for source in (result, file, result.lines()):
        saved = Collector()
        assert send_spans(source, tracer_provider=saved.tracers) == len(saved.spans)
        assert saved.parents() == PARENTS

        def told(one: Collector) -> list[tuple[object, ...]]:
            return sorted(
                (
                    span.name,
                    span.start_time,
                    span.end_time,
                    span.status.status_code.value,
                    json.dumps(dict(span.attributes), default=list, sort_keys=True),
                    json.dumps(
                        [[each.name, each.timestamp, dict(each.attributes)] for each in span.events]
                    ),
                )
                for span in one.spans
            )

        assert told(saved) == told(collector)


def test_spans_have_the_attributes_of_the_conventions(collector: Collector) -> None:
    team_run(collector.hooks())
    agent = collector.named("invoke_agent judge").attributes
    assert agent["gen_ai.operation.name"] == "invoke_agent"
    assert (agent["gen_ai.agent.name"], agent["gen_ai.agent.description"]) == ("judge", "The judge")
    assert agent["gen_ai.aggregated_usage.input_tokens"] == 100
    assert (
        agent["agentouto.parent_call.id"]
        == collector.named("invoke_agent lead").attributes["agentouto.call.id"]
    )
    handover = collector.named("execute_tool call_agent judge").attributes
    assert handover["gen_ai.transfer.mode"] == "return_to_caller"
    assert handover["gen_ai.transfer.target.name"] == "judge"
    chat = next(span for span in collector.spans if span.name == "chat gpt-x")
    assert chat.kind is SpanKind.CLIENT
    assert chat.attributes["gen_ai.provider.name"] == "scripted"
    assert chat.attributes["gen_ai.request.model"] == "gpt-x"
    assert chat.attributes["gen_ai.usage.input_tokens"] == 100
    assert chat.attributes["gen_ai.usage.output_tokens"] == 20
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    used = collector.named("execute_tool look").attributes
    assert (used["gen_ai.tool.name"], used["gen_ai.tool.call.id"]) == ("look", "0.0")


def test_messages_questions_and_returns_are_events_of_the_spans(collector: Collector) -> None:
    team_run(collector.hooks())
    names = [event.name for event in collector.named("invoke_agent lead").events]
    assert names.count("agentouto.forward") == 3
    assert names.count("agentouto.ask") == 1
    assert names.count("agentouto.message") == 1
    assert "agentouto.return" in names
    assert "agentouto.error" in names
    sent = next(
        event
        for event in collector.named("invoke_agent lead").events
        if event.name == "agentouto.message"
    )
    assert (sent.attributes["agentouto.sender"], sent.attributes["agentouto.receiver"]) == (
        "lead",
        "writer",
    )


def test_a_call_that_failed_is_an_error_and_its_caller_is_not(collector: Collector) -> None:
    team_run(collector.hooks())
    failed = {span.name for span in collector.spans if span.status.status_code is StatusCode.ERROR}
    assert failed == {"invoke_agent critic", "execute_tool call_agent critic", "chat gpt-x"}
    critic = collector.named("invoke_agent critic")
    assert critic.attributes["error.type"]
    assert "no such model" not in str(critic.status.description)


def test_texts_are_in_spans_on_request_only(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts(one: Collector) -> str:
        return "\n".join(span.to_json() for span in one.spans)

    result = team_run(collector.hooks())
    for text in (
        "solar power",
        "Be strict",
        "investor",
        "found solar",
        "Written",
        "no such model",
        "Make it short",
    ):
        assert text not in texts(collector)
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    full = Collector()
    send_spans(result, tracer_provider=full.tracers)
    for text in (
        "solar power",
        "Be strict",
        "investor",
        "found solar",
        "Written",
        "no such model",
        "Make it short",
    ):
        assert text in texts(full)
    judge = full.named("invoke_agent judge").attributes
    assert (judge["input.value"], judge["output.value"]) == ("Judge.", "Good.")
    assert json.loads(str(judge["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Good."}]}
    ]


@pytest.mark.parametrize("function", [look, look_async])
def test_while_a_tool_runs_its_span_is_the_current_one(function: object) -> None:
    outer = Collector()
    tracer = outer.tracers.get_tracer("test")
    seen: list[tuple[int, int]] = []

    def current(what: str) -> str:
        """Look something up."""
        span = trace.get_current_span()
        seen.append((span.get_span_context().span_id, span.get_span_context().trace_id))
        return "found"

    async def current_async(what: str) -> str:
        """Look something up."""
        await asyncio.sleep(0)
        return current(what)

    tools = (Tool(current if function is look else current_async, name="look"),)
    with tracer.start_as_current_span("request") as request:
        team_run(outer.hooks(), tools)
        assert trace.get_current_span() is request
    used = outer.named("execute_tool look")
    assert seen == [(used.context.span_id, used.context.trace_id)]
    assert ("invoke_workflow lead", "request") in outer.parents()


async def test_a_run_that_a_tool_begins_is_below_the_tool(collector: Collector) -> None:
    inner = Agent("inner", "", "m", provider(Script({"inner": [say("yes")]})))

    async def ask() -> str:
        """Ask the others."""
        return (await async_run("Inside.", [inner], hooks=collector.hooks())).output

    outer = Agent("outer", "", "m", provider(Script({"outer": [tool("ask"), finish("Done.")]})))
    await async_run("Go.", [outer], [Tool(ask)], hooks=collector.hooks())
    assert ("invoke_workflow inner", "execute_tool ask") in collector.parents()
    assert trace.get_current_span().get_span_context().is_valid is False


async def test_runs_at_once_with_the_same_hooks_do_not_mix(collector: Collector) -> None:
    script = Script({"lead": [tool("look", what="x"), finish("Done.")]})
    lead = Agent("lead", "", "m", provider(script))
    hooks = collector.hooks()

    async def look_slowly(what: str) -> str:
        """Look something up."""
        await asyncio.sleep(0.01)
        return str(trace.get_current_span().get_span_context().trace_id)

    tools = [Tool(look_slowly, name="look")]
    results = [asyncio.create_task(async_run("Go.", [lead], tools, hooks=hooks)) for _ in range(8)]
    lines = [(await each).lines() for each in results]
    traces = {span.context.trace_id for span in collector.spans}
    told = {str(line["result"]) for each in lines for line in each if line["type"] == "tool.end"}
    assert told == {str(one) for one in traces}
    assert len(traces) == 8


def test_requests_are_metrics(collector: Collector) -> None:
    result = team_run(collector.hooks())
    metrics = collector.metrics()
    tokens = {
        str(about["gen_ai.token.type"]): total
        for total, about in metrics["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": result.usage.input_tokens, "output": result.usage.output_tokens}
    assert {"gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk"} < {
        *metrics
    }
    assert any(
        about.get("error.type") == "broken"
        for _, about in metrics["gen_ai.client.operation.duration"]
    )


def test_hooks_of_the_users_own_stay(collector: Collector) -> None:
    lines: list[str] = []
    used: list[str] = []
    own = Hooks(
        on_line=lambda line: lines.append(str(line["type"])),
        around_tool=lambda use: used.append(use.tool_call),
        on_forward=lambda message: "Judge well." if message.receiver == "judge" else None,
    )
    result = team_run(collector.hooks(own, content=True))
    assert lines == [line["type"] for line in result.lines()]
    assert used == ["0.0"]
    assert collector.named("invoke_agent judge").attributes["input.value"] == "Judge well."


def test_a_hook_on_lines_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def on_line(line: Mapping[str, object]) -> None:
        raise ValueError("broken observer")

    assert team_run(Hooks(on_line=on_line)).output == "Done."
    assert [each.message for each in caplog.records].count("the hook on_line raised") == 1


def test_a_run_that_was_cut_off_ends_with_its_last_line(collector: Collector) -> None:
    lines = team_run().lines()
    send_spans(lines[: len(lines) // 2], tracer_provider=collector.tracers)
    workflow = collector.named("invoke_workflow lead")
    assert workflow.attributes["agentouto.unfinished"] is True
    assert collector.named("invoke_agent lead").end_time == workflow.end_time
    assert workflow.status.status_code is StatusCode.UNSET


def test_a_run_that_another_process_began_has_spans_from_there_on(collector: Collector) -> None:
    lines = team_run().lines()
    turns = [(line["type"], line.get("agent"), line.get("turn")) for line in lines]
    place = turns.index(("model.start", "lead", 2))
    before, after = lines[:place], lines[place:]
    resumed = {**lines[0], "type": "run.resumed", "t": before[-1]["t"], "at": 1_900_000_000.0}
    on_line = collector.hooks().on_line
    assert on_line is not None
    for line in [resumed, *after]:
        on_line(line)
    workflow = collector.named("invoke_workflow")
    assert workflow.attributes["agentouto.resumed"] is True
    assert workflow.start_time == 1_900_000_000 * 10**9
    assert ("invoke_agent lead", "invoke_workflow") in collector.parents()
    assert ("invoke_agent judge", "execute_tool call_agent judge") in collector.parents()
    with pytest.raises(ConfigurationError, match="the beginning of this run is missing"):
        send_spans(after, tracer_provider=collector.tracers)


def test_without_a_provider_nothing_is_lost_silently() -> None:
    program = "from agentouto.otel import send_spans; send_spans('run.jsonl')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "OpenTelemetry has no tracer provider here" in done.stderr


def test_without_the_extra_the_error_names_it() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import agentouto; assert 'agentouto.otel' not in sys.modules\n"
        "import agentouto.otel"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert 'pip install "agentouto[otel]"' in done.stderr


def test_sending_over_otlp_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigurationError, match="opentelemetry-exporter-otlp-proto-http"):
        send_otlp([{}])  # type: ignore[list-item]
