"""The examples of the two documents this package answers to run as they are written there."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import json
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Self, TypeVar

import pytest

import agentouto
from agentouto import (
    Agent,
    Attachment,
    AuthMethod,
    Handle,
    Message,
    Provider,
    RunResult,
    TokenData,
    TokenStore,
    Tool,
    ToolResult,
)
from agentouto._domain.clock import SYSTEM_CLOCK
from agentouto.testing import Request, Script, call, finish, say, tool
from docs.runner import BlockRunner, execute

OLD, NEW = "0.20.4", "0.24.1"
SEED = Path(__file__).with_name("seed")
BLOCKS = {path.stem for path in SEED.iterdir()}
T = TypeVar("T")

PLAYED: set[str] = set()

TASK_ID = r"bg_[0-9a-f]{12}"
ALL_THREE = (
    "[researcher]Research findings...[/researcher]\n\n"
    "[writer]Written report...[/writer]\n\n"
    "[reviewer]Review complete...[/reviewer]"
)
TWO = "[writer]Written report...[/writer]\n\n[researcher]Research findings...[/researcher]"


def block(topic: str, *documents: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Give a test the block on ``topic`` of each of ``documents``; left out, of both."""
    names = [f"{document}-{topic}" for document in documents or (OLD, NEW)]
    PLAYED.update(names)
    return pytest.mark.parametrize("block", names)


def test_every_block_is_played() -> None:
    assert PLAYED == BLOCKS


# ── one call, one answer ──────────────────────────────────────────────────────────────────────


@block("quick-start")
def test_quick_start(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(block)
    expected = "Research findings..." if block.startswith(OLD) else ALL_THREE
    assert block_run.printed == f"{expected}\n"
    assert block_run.results[0].output == expected
    assert {"search_web", "call_agent", "finish"} <= block_run.script.requests[0].tools.keys()


@block("quick-start", OLD)
def test_the_three_of_the_quick_start_can_call_each_other(runner: BlockRunner, block: str) -> None:
    lines = runner.lines(
        researcher=[
            [call("writer", "Write it."), tool("search_web", query="AI")],
            lambda request: finish("; ".join(o.content for o in request.outcomes)),
        ],
        writer=[call("reviewer", "Check it."), lambda r: say(f"Reviewed: {r.outcomes[0].content}")],
    )
    (result,) = runner.run(block, lines).results
    review = "[reviewer]Review complete...[/reviewer]"
    # What looks like somebody else's tag is made harmless on its way through the writer.
    written = f"[writer]Reviewed: {review.replace('[', chr(92) + '[')}[/writer]"
    assert result.output == f"{written}; Results for: AI"
    assert [(m.type, m.sender, m.receiver) for m in result.messages] == [
        ("forward", "user", "researcher"),
        ("forward", "researcher", "writer"),
        ("forward", "writer", "reviewer"),
        ("return", "reviewer", "writer"),
        ("return", "writer", "researcher"),
        ("return", "researcher", "user"),
    ]


@block("providers")
def test_providers(runner: BlockRunner, block: str) -> None:
    made: dict[str, object] = {}
    exec(runner.source(block), made)  # noqa: S102 - with the real Provider
    providers = {name: made[name] for name in ("openai", "openai_resp", "anthropic", "google")}
    assert all(isinstance(provider, Provider) for provider in providers.values())
    kinds = [provider.kind for provider in providers.values() if isinstance(provider, Provider)]
    assert kinds == ["openai", "openai_responses", "anthropic", "google"]
    assert made["local"] == Provider("local", "openai", base_url="http://localhost:11434/v1")


@block("oauth-openai")
def test_oauth_at_openai(runner: BlockRunner, block: str) -> None:
    made = signed_in(runner, block, "openai_oauth", "your-client-id")
    assert made["openai"] == Provider("openai", auth=made["auth"])  # type: ignore[arg-type]


@block("oauth-claude")
def test_oauth_at_anthropic(runner: BlockRunner, block: str) -> None:
    with pytest.warns(UserWarning, match="Anthropic does not allow"):
        made = signed_in(runner, block, "claude_oauth", "your-client-id")
    assert made["anthropic"] == Provider("anthropic", auth=made["auth"])  # type: ignore[arg-type]


@block("oauth-google")
def test_oauth_at_google(runner: BlockRunner, block: str) -> None:
    client_id = "your-gcp-client-id.apps.googleusercontent.com"
    with pytest.warns(UserWarning, match="Google closes accounts"):
        made = signed_in(runner, block, "google_oauth", client_id)
    assert made["google"] == Provider("google", auth=made["auth"])  # type: ignore[arg-type]


def signed_in(runner: BlockRunner, block: str, kept_as: str, client_id: str) -> dict[str, object]:
    """Play a block as somebody who has signed in before; return the names it leaves behind."""
    ends = SYSTEM_CLOCK.now() + 3600
    TokenStore().save(kept_as, TokenData("a-token", "b", ends, extra={"client_id": client_id}))
    made: dict[str, object] = {}
    execute(runner.source(block), block, made)
    auth = made["auth"]
    assert isinstance(auth, AuthMethod)
    assert asyncio.run(auth.get_token()) == "a-token"
    return made


@block("agent")
def test_agent(runner: BlockRunner, block: str) -> None:
    agent = runner.run(block).names.agent
    assert agent == Agent(
        "researcher", "Research expert.", "gpt-5.2", "openai", None, True, "high", None, 1.0
    )
    assert (agent.context_window, agent.max_output_tokens, agent.extra) == (None, None, {})


@block("attachment-fields")
def test_attachment_fields(runner: BlockRunner, block: str) -> None:
    check_fields(runner.source(block), Attachment)


@block("message-fields")
def test_message_fields(runner: BlockRunner, block: str) -> None:
    check_fields(runner.source(block), Message)


def check_fields(listing: str, ours: type) -> None:
    """Check that ``ours`` has the fields of a listed dataclass, in order, of the same types."""
    (definition,) = ast.parse(listing).body
    assert isinstance(definition, ast.ClassDef)
    assert definition.name == ours.__name__
    fields = [each for each in dataclasses.fields(ours) if not each.kw_only]  # what we add
    listed = [node for node in definition.body if isinstance(node, ast.AnnAssign)]
    assert all(field.kw_only for field in fields[len(listed) :])  # what came later
    for node, field in zip(listed, fields[: len(listed)], strict=True):
        assert ast.unparse(node.target) == field.name
        assert ast.unparse(node.annotation) == ast.unparse(ast.parse(str(field.type)))
        if node.value is not None:
            assert ast.literal_eval(node.value) == field.default


@block("attachments")
def test_attachments(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(block)
    assert block_run.results[0].output == "A picture."
    seen = block_run.script.requests[0].entries[-1].attachments
    assert [(file.mime_type, file.data or file.url) for file in seen] == [
        ("image/png", "aGk="),
        ("image/jpeg", "https://example.com/photo.jpg"),
    ]


@block("history")
def test_history(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(block)
    first, second = block_run.results
    assert first.output == "Research findings..."
    heard = ["Research AI trends.", "[Return from researcher]: Research findings..."]
    writer = next(
        request for request in block_run.script.requests if request.agent_name == "writer"
    )
    assert writer.heard == [*heard, "Write about what you found."]
    if block.startswith(NEW):
        again = block_run.script.requests[-1]
        assert again.agent_name == "researcher"
        assert again.heard == [heard[0], "Write about what you found."]  # it knows its own reply
        assert second.output == TWO
    else:
        assert second.output == "Written report..."


@block("call-agent-with-history")
def test_call_agent_with_history(runner: BlockRunner, block: str) -> None:
    heard: list[list[str]] = []
    previous = [
        {"type": "forward", "sender": "user", "receiver": "writer", "content": "Write a report."},
        {"type": "return", "sender": "writer", "receiver": "user", "content": "Chapter one."},
        {"type": "return", "sender": "reviewer", "receiver": "user", "content": "Good."},
    ]

    def call_agent(**arguments: object) -> str:
        def write(request: Request) -> object:
            heard.append(request.heard)
            return say("Chapter two.")

        script = Script({"lead": [tool("call_agent", **arguments), told], "writer": write})
        return one_run(runner, script, "lead", "writer").output

    block_run = runner.run(
        block, fill={"[...]": "previous"}, call_agent=call_agent, previous=previous
    )
    assert block_run.values == ["[writer]Chapter two.[/writer]"]
    assert heard == [
        [
            f"{HEAD} forward from user to writer]: Write a report.",
            f"{HEAD} return from writer to user]: Chapter one.",
            f"{HEAD} return from reviewer to user]: Good.",
            "Continue the report.",
        ],
    ]


HEAD = "[History written by lead:"
"""What stands before history that the model of ``lead`` has written, which may be anything."""


def told(request: Request) -> object:
    """Return, as an agent, what came of the last tool call."""
    return finish(request.outcomes[0].content)


def one_run(
    runner: BlockRunner, script: Script, starter: str, *others: str, tools: tuple[object, ...] = ()
) -> RunResult:
    provider = Provider("scripted", kind="script", script=script)
    team = [runner.agent(name, provider) for name in (starter, *others)]
    return agentouto.run("Go.", team[:1], list(tools), run_agents=team)  # type: ignore[arg-type]


@block("call-agent-output", NEW)
def test_call_agent_returns_tagged_text(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(
        block, call_agent=lambda **given: runner.as_a_model("call_agent", **given)
    )
    assert block_run.values == ["[writer]Summary text...[/writer]"]


# ── tools ─────────────────────────────────────────────────────────────────────────────────────


@block("tools")
def test_tools(runner: BlockRunner, block: str) -> None:
    class Reply:
        async def text(self) -> str:
            return "the page"

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            return

    class Session(Reply):
        def get(self, url: str) -> Reply:
            assert url == "https://example.com"
            return Reply()

    made = runner.run(block, aiohttp=SimpleNamespace(ClientSession=Session)).names
    script = Script(
        {
            "researcher": [
                [tool("search_web", query="AI"), tool("fetch_data", url="https://example.com")],
                lambda request: finish(" | ".join(o.content for o in request.outcomes)),
            ]
        }
    )
    result = one_run(runner, script, "researcher", tools=(made.search_web, made.fetch_data))
    assert result.output == "Results for: AI | the page"
    assert script.requests[0].tools["search_web"].description == "Search the web."
    assert made.search_web("AI") == "Results for: AI"


@block("rich-parameters")
def test_rich_parameters(runner: BlockRunner, block: str) -> None:
    found = runner.run(block).names.search_web
    documented = json.loads(runner.source(f"{block}-schema"))
    assert {**found.parameters} == {"type": "object", **documented}
    assert found.description == "Search the web for information."


@block("rich-parameters-schema")
def test_the_schema_comes_in_the_documented_order(runner: BlockRunner, block: str) -> None:
    found = runner.run(block.removesuffix("-schema")).names.search_web.parameters
    documented = json.loads(runner.source(block))
    assert list(found["properties"]) == list(documented["properties"])
    for name, wanted in documented["properties"].items():
        assert json.dumps(found["properties"][name]) == json.dumps(wanted)


@block("tool-result")
def test_tool_result(runner: BlockRunner, block: str) -> None:
    made = runner.run(block, download_and_base64_encode=lambda url: f"<{url}>").names
    script = Script({"vision_agent": [tool("fetch_image", url="a.png"), told]})
    result = one_run(runner, script, "vision_agent", tools=(made.fetch_image,))
    assert result.output == "Image fetched successfully."
    (outcome,) = script.requests[-1].outcomes
    assert outcome.attachments == (Attachment("image/png", "<a.png>"),)
    assert made.fetch_image("b.png") == ToolResult(
        "Image fetched successfully.", [Attachment("image/png", "<b.png>")]
    )


@block("disabling", NEW)
def test_disabling(runner: BlockRunner, block: str) -> None:
    request = runner.run(block).script.requests[0]
    assert list(request.tools) == ["search_web", "call_agent", "send_message", "finish"]
    assert "spawn_background_agent" not in request.system
    assert "get_messages" not in request.system


@block("overriding", NEW)
def test_overriding(runner: BlockRunner, block: str) -> None:
    said = tool("finish", message="Analysis complete", confidence=0.85)
    block_run = runner.run(block, runner.lines(researcher=[said]))
    assert block_run.results[0].output == "[0.85] Analysis complete"
    assert "confidence" in block_run.script.requests[0].tools["finish"].parameters["properties"]


@block("overriding", NEW)
def test_overriding_takes_precedence_over_disabling(runner: BlockRunner, block: str) -> None:
    finish_ = runner.run(block, runner.lines(researcher=tool("finish", message="x"))).names.finish
    script = Script({"researcher": tool("finish", message="Both", confidence=0.5)})
    agent = runner.agent("researcher", Provider("scripted", kind="script", script=script))
    assert (
        agentouto.run("Go.", [agent], [finish_], disabled_tools={"finish"}).output == "[0.5] Both"
    )
    with pytest.raises(ValueError, match="finish"):
        agentouto.run("Go.", [agent], disabled_tools={"finish"})


# ── instructions at run time, several starters, participants ──────────────────────────────────


@block("extra-instructions-entry", NEW)
def test_extra_instructions_for_those_who_start(runner: BlockRunner, block: str) -> None:
    first, second, called = play_with_soul(runner, block)
    for request in (first, second):
        assert_in_order(
            request.system,
            f"You are {request.agent_name}.",
            "ADDITIONAL INSTRUCTIONS:\nBe kind.",
            "Available agents:",
        )
    assert "ADDITIONAL INSTRUCTIONS" not in called.system


@block("extra-instructions-all", NEW)
def test_extra_instructions_for_everyone(runner: BlockRunner, block: str) -> None:
    requests = play_with_soul(runner, block)
    assert {request.agent_name for request in requests} == {"writer", "researcher", "reviewer"}
    assert len(requests) == 4
    for request in requests:
        assert "ADDITIONAL INSTRUCTIONS:\nBe kind." in request.system


def play_with_soul(runner: BlockRunner, block: str) -> list[Request]:
    """Play a block in which the writer calls the researcher; return each first request."""
    Path("SOUL.md").write_text("Be kind.")
    lines = runner.lines(writer=[call("researcher", "What is new?"), told])
    script = runner.run(block, lines).script
    return [request for request in script.requests if request.turn == 0]


def assert_in_order(text: str, *pieces: str) -> None:
    places = [text.find(piece) for piece in pieces]
    assert -1 not in places, f"{pieces[places.index(-1)]!r} is not in: {text}"
    assert places == sorted(places)


@block("starting-agents", NEW)
def test_starting_agents(runner: BlockRunner, block: str) -> None:
    together = threading.Barrier(3)

    def meet(query: str) -> str:
        """Wait for the others: were they asked in turn, nobody would come."""
        together.wait(5)
        return query

    meeting = Tool(meet, name="search_web")
    lines = {name: [tool("search_web", query=name), told] for name in ("writer", "reviewer")}
    lines["researcher"] = [tool("search_web", query="me first"), told]
    (result,) = runner.run(block, lines, search_web=meeting).results
    assert result.output == (
        "[researcher]me first[/researcher]\n\n[writer]writer[/writer]\n\n"
        "[reviewer]reviewer[/reviewer]"
    )
    assert [output.text for output in result.outputs] == ["me first", "writer", "reviewer"]


@block("participants", NEW)
def test_participants(runner: BlockRunner, block: str) -> None:
    # The last argument of the last call is not Python; the document leaves the rest of it open.
    rest = "  # reviewer NOT in participants\n    ...\n"
    with pytest.warns(UserWarning, match="'reviewer' is in starting_agents but not in run_agents"):
        block_run = runner.run(block, fill={rest: rest.removesuffix("    ...\n")}, carried=True)
    good, bad = block_run.results
    assert good.output == ALL_THREE
    assert [output.name for output in bad.outputs] == ["researcher", "writer"]
    last = [request for request in block_run.script.requests if request.last == "..."]
    assert {request.agent_name for request in last} == {"researcher", "writer"}
    assert all("reviewer" not in request.system for request in last)


@block("participants", NEW)
def test_only_the_bad_participants_are_warned_of(runner: BlockRunner, block: str) -> None:
    good = runner.source(block).partition("# Bad:")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner.run(block, fill={runner.source(block): good})


@block("output-format", NEW)
def test_output_format(runner: BlockRunner, block: str) -> None:
    single, several = runner.run(block, carried=True).results
    assert single.output == "Research findings..."
    assert several.output == ALL_THREE


# ── looking back ──────────────────────────────────────────────────────────────────────────────


@block("tracking", OLD)
def test_tracking(runner: BlockRunner, block: str) -> None:
    twice = [call("researcher", "Models?"), call("researcher", "Money?")]
    decide = [lambda r: twice if r.last == "Research AI trends." else say("Much."), finish("So.")]
    block_run = runner.run(block, runner.lines(researcher=decide))
    ids = [message.call_id for message in block_run.results[0].messages]
    assert len(set(ids)) == 3
    assert all(ids.count(id_) == 2 for id_ in ids)
    lines = block_run.printed.splitlines()
    assert lines[0] == f"userresearcher [call_id={ids[0][:8]}] forward"
    assert lines[-1] == f"researcheruser [call_id={ids[0][:8]}] return"
    assert len(lines) == 6


@block("filtering")
def test_filtering(runner: BlockRunner, block: str) -> None:
    twice = [call("researcher", "Models?"), call("researcher", "Money?")]
    script = Script({"lead": [twice, finish("So.")], "researcher": say("Much.")})
    result = one_run(runner, script, "lead", "researcher")
    printed = runner.run(block, result=result).printed
    first, second = [m for m in result.messages if m.receiver == "researcher"]
    assert printed == (
        f"call_id={first.call_id[:8]}: Models?...\ncall_id={second.call_id[:8]}: Money?...\n"
    )


@block("debug")
def test_debug(runner: BlockRunner, block: str) -> None:
    lines = runner.lines(
        researcher=[[call("writer", "Write."), tool("search_web", query="AI")], finish("So.")]
    )
    open_arguments = (
        "run(message='Go.', starting_agents=[researcher], run_agents=[researcher, writer], "
        "tools=[search_web], providers=[openai]"
    )
    block_run = runner.run(block, lines, fill={"run(...": open_arguments})
    (result,) = block_run.results
    outer, inner = [message.call_id for message in result.messages[:2]]
    tree, rest = block_run.printed.split("researcher: ", 1)
    assert [re.sub(r"\d+\.\d\ds", "0s", line) for line in tree.splitlines()] == [
        "└── [researcher] (0s)",
        "      ⚡ search_web",
        "    └── [writer] (0s)",
    ]
    assert rest == f"{outer[:8]} from parent=None\nwriter: {inner[:8]} from parent={outer}\n"
    assert result.event_log.filter(event_type="llm_call")


# ── async ─────────────────────────────────────────────────────────────────────────────────────


@block("async")
def test_async(runner: BlockRunner, block: str) -> None:
    result = runner.run(block).names.result
    assert result.output == ("Research findings..." if block.startswith(OLD) else ALL_THREE)


@block("async-history")
def test_async_history(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(block)
    assert block_run.names.result.output == ("Written report..." if block.startswith(OLD) else TWO)
    writer = block_run.script.requests[0]
    assert writer.heard == ["Earlier.", "Continue the report."]
    tone = "ADDITIONAL INSTRUCTIONS:\nUse a professional tone."
    assert (tone in writer.system) is block.startswith(NEW)


@block("streaming")
def test_streaming(runner: BlockRunner, block: str) -> None:
    script = Script(runner.lines(), stream=True)
    printed = runner.run(block, script).printed
    for name in ["researcher"] if block.startswith(OLD) else ["researcher", "writer", "reviewer"]:
        assert f"\n--- {name} finished ---\n[finish] call_id=" in printed
    assert len(re.findall(r"\[finish\] call_id=[0-9a-f]{8} parent=None\n", printed)) == (
        1 if block.startswith(OLD) else 3
    )
    assert len(re.findall(r"\[token\] call_id=[0-9a-f]{8} parent=None\n", printed)) >= 3


@block("streaming", OLD)
def test_streamed_words_are_printed_as_they_come(runner: BlockRunner, block: str) -> None:
    script = Script({"researcher": say("Research findings...")}, stream=True)
    printed = runner.run(block, script).printed
    words = re.sub(r"\[token\] call_id=\w+ parent=None\n", "", printed)
    assert words.startswith("Research findings...\n--- researcher finished ---")


@block("streaming-history")
def test_streaming_history(runner: BlockRunner, block: str) -> None:
    script = runner.run(block).script
    assert script.requests[0].heard == ["Earlier.", "Continue writing."]
    focus = "ADDITIONAL INSTRUCTIONS:\nFocus on technical details."
    assert (focus in script.requests[0].system) is block.startswith(NEW)


# ── in the background, as models do it ────────────────────────────────────────────────────────


@block("spawning", OLD)
def test_spawning_by_a_model(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(
        block,
        call_agent=lambda **given: runner.as_a_model("call_agent", **given),
        spawn_background_agent=lambda **given: runner.as_a_model("spawn_background_agent", **given),
    )
    for value in block_run.values:
        assert re.fullmatch(f"Background agent started. Task ID: {TASK_ID}", str(value))


@block("sending", OLD)
def test_sending_by_a_model(runner: BlockRunner, block: str) -> None:
    sent = runner.run(
        block, send_message=lambda **given: runner.as_a_model("send_message", **given)
    ).values
    assert re.fullmatch(rf"Message sent to writer \(task_id: {TASK_ID}\)", str(sent[0]))


@block("status", OLD)
def test_status_for_a_model(runner: BlockRunner, block: str) -> None:
    told = runner.run(
        block, get_messages=lambda **given: runner.as_a_model("get_messages", **given)
    ).values
    assert re.fullmatch(
        rf"Task ID: {TASK_ID}\nAgent: writer\nStatus: running\nMessages \(1\):\n"
        r"  \[forward\] lead -> writer: Write a report on AI trends\.",
        str(told[0]),
    )


@block("concurrent", OLD)
def test_what_agent_a_does(runner: BlockRunner, block: str) -> None:
    assert runner.run(block).values == []  # it is all told in comments
    steps: list[str] = []
    gate = threading.Event()

    def wait(query: str) -> str:
        """Search for long."""
        gate.wait(5)
        return query

    def step(request: Request) -> object:
        steps.append(request.outcomes[0].content)
        task_id = steps[0].rpartition(" ")[2]
        if len(steps) == 1:
            return tool("write_file", path="a", text="b")
        if len(steps) == 2:
            return tool("send_message", task_id=task_id, message="Also look at GPT-5")
        if len(steps) == 3:
            return tool("get_messages", task_id=task_id)
        gate.set()
        return finish("All set.")

    def write_file(path: str, text: str) -> str:
        """Do other work."""
        return f"{path}: {text}"

    script = Script(
        {
            "a": [call("researcher", "Research AI", background=True), step, step, step, step],
            "researcher": [tool("search", query="AI"), lambda r: say(f"Looked at: {r.last}")],
        }
    )
    tools = (Tool(wait, name="search"), write_file)
    result = one_run(runner, script, "a", "researcher", tools=tools)
    started, other, sent, report = steps
    task_id = started.removeprefix("Background agent started. Task ID: ")
    assert other == "a: b"
    assert sent == f"Message sent to researcher (task_id: {task_id})"
    assert report.splitlines() == [
        f"Task ID: {task_id}",
        "Agent: researcher",
        "Status: running",
        "Messages (2):",
        "  [forward] a -> researcher: Research AI",
        "  [forward] a -> researcher: Also look at GPT-5",
    ]
    assert "Also look at GPT-5" in next(
        m.content for m in result.messages if m.sender == "researcher"
    )


# ── in the background, from plain code ────────────────────────────────────────────────────────


class Gate:
    """A tool that waits, so that a run can be looked at while it runs."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.search_web = Tool(self._search, name="search_web")

    def _search(self, query: str) -> str:
        """Search for as long as it takes."""
        assert self._event.wait(5)
        return query

    def open(self) -> None:
        self._event.set()


def at_work(runner: BlockRunner, gate: Gate, message: str = "Write a report...") -> Handle:
    """Start a writer in the background that will tell what it was told at work."""
    script = Script(
        {"writer": [tool("search_web", query="AI"), lambda r: say(f"Here's the report: {r.last}")]},
        stream=True,
    )
    agent = runner.agent("writer", Provider("scripted", kind="script", script=script))
    return agentouto.run_background(message, [agent], [gate.search_web])


@block("tracking", NEW)
def test_tracking_of_background_runs(runner: BlockRunner, block: str) -> None:
    task_id = runner.run(block).names.task_id
    check_three(task_id, ["researcher", "writer", "reviewer"])
    assert task_id.result(5).output == ALL_THREE


@block("background-participants", NEW)
def test_background_participants(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(block)
    check_three(block_run.names.task_id, ["writer", "reviewer"])
    assert block_run.names.task_id.result(5).output.startswith("[writer]Written report...[/writer]")
    assert "- researcher:" in block_run.script.requests[0].system


def check_three(task_id: str, names: list[str]) -> None:
    """Check that each starting agent can be asked for under the documented id."""
    assert re.fullmatch(TASK_ID, task_id)
    ids = [task_id, *(f"{task_id}_{place}" for place in range(1, len(names)))]
    for id_, name in zip(ids, names, strict=True):
        lines = agentouto.get_agent_status(id_).splitlines()
        assert lines[:2] == [f"Task ID: {id_}", f"Agent: {name}"]
        assert f"  [forward] user -> {name}: Research AI trends" in lines
    with pytest.raises(agentouto.AgentError, match="No background agent found with task_id"):
        agentouto.get_agent_status(f"{task_id}_{len(names)}")


@block("spawning", NEW)
def test_spawning(runner: BlockRunner, block: str) -> None:
    block_run = runner.run(
        block, call_agent=lambda **given: runner.as_a_model("call_agent", **given)
    )
    check_three(block_run.names.task_id, ["researcher", "writer"])
    started = str(block_run.values[-1])
    assert re.fullmatch(f"Background agent started. Task ID: {TASK_ID}", started)


@block("sending", NEW)
def test_sending(runner: BlockRunner, block: str) -> None:
    gate = Gate()
    task_id = at_work(runner, gate)
    sent = runner.run(block, fill={"bg_abc123": str(task_id)}).values
    assert sent == [f"Message sent to writer (task_id: {task_id})"]
    gate.open()
    assert task_id.result(5).output == "Here's the report: Add a section about GPT-5."


@block("status", NEW)
def test_status(runner: BlockRunner, block: str) -> None:
    gate = Gate()
    task_id = at_work(runner, gate)
    fill = {"bg_abc123": str(task_id)}
    head = f"Task ID: {task_id}\nAgent: writer\nStatus: "
    forward = "  [forward] user -> writer: Write a report..."
    running = runner.run(block, fill=fill).names.status
    assert running in (  # it may be looked at before it has begun
        f"{head}running\nMessages (1):\n{forward}",
        f"{head}pending\nMessages (1):\n{forward}",
    )
    gate.open()
    task_id.result(5)
    said = "Here's the report: Write a report..."
    assert runner.run(block, fill=fill).names.status == (
        f"{head}completed\nResult: {said}\nMessages (2):\n{forward}\n"
        f"  [return] writer -> user: {said}"
    )


@block("background-events", NEW)
def test_background_events(runner: BlockRunner, block: str) -> None:
    gate = Gate()
    task_id = at_work(runner, gate)
    threading.Timer(0.05, gate.open).start()
    said = "Here's the report: Write a report..."
    for _ in ("while it runs", "after its end"):
        printed = runner.run(block, fill={"bg_abc123": str(task_id)}).printed
        assert printed == f"{said}\n--- Result: {said} ---\n"


@block("concurrent", NEW)
def test_concurrent(runner: BlockRunner, block: str) -> None:
    gate = Gate()
    lines = runner.lines(
        researcher=[tool("search_web", query="AI"), lambda r: say(f"Looked at: {r.last}")]
    )
    block_run = runner.run(
        block, lines, fill={'"bg_res_001"': "task_id"}, search_web=gate.search_web
    )
    task_id = block_run.names.task_id
    gate.open()
    assert task_id.result(5).output == "Looked at: Also look at GPT-5"
    assert block_run.values[0] == f"Message sent to researcher (task_id: {task_id})"
    assert "Messages (2):" in block_run.printed
    assert "  [forward] user -> researcher: Also look at GPT-5" in block_run.printed


# ── messages both ways ────────────────────────────────────────────────────────────────────────


def writes_to_caller(text: str) -> Callable[[Request], object]:
    """Return a reply that writes to the caller, whose id stands in the prompt."""

    def reply(request: Request) -> object:
        found = re.search(r"task_id is '([^']+)'", request.system)
        assert found
        return tool("send_message", task_id=found[1], message=text)

    return reply


@block("on-message", NEW)
def test_on_message(runner: BlockRunner, block: str) -> None:
    lines = runner.lines(
        writer=[writes_to_caller("Need your input"), lambda r: say(f"I heard: {r.last}")]
    )
    block_run = runner.run(block, lines)
    (result,) = block_run.results
    assert block_run.printed == "[writer] Need your input\n"
    assert result.output == "I heard: Approved, proceed."
    said = [(m.type, m.sender, m.receiver, m.content) for m in result.messages]
    assert ("forward", "writer", "user", "Need your input") in said


@block("on-message-streaming", NEW)
def test_on_message_streaming(runner: BlockRunner, block: str) -> None:
    lines = runner.lines(
        writer=[writes_to_caller("I am stuck"), lambda r: say(f"I heard: {r.last}")]
    )
    block_run = runner.run(block, lines, carried=True)
    assert block_run.printed == "Progress: I am stuck\nDone: I heard: keep going\n"
