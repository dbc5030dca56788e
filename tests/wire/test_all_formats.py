"""What holds whichever format is spoken, over the network, in whole runs."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from agentouto import Agent, Attachment, Tool, ToolResult, async_run, async_run_stream
from agentouto._core.reply_builder import ReplyBuilder
from agentouto._core.reply_progress import ReplyProgress
from agentouto._domain.content import Incoming
from agentouto._domain.delta import Delta, DraftDelta, RetryDelta, TextDelta, ToolCallDelta
from agentouto._domain.errors import ProviderError
from agentouto.providers._transport.http_backend import HttpBackend
from agentouto.providers._transport.retry import RetryPolicy
from wire import turns
from wire import words as chat
from wire.anthropic_words import stream as claude_events
from wire.conversations import JPEG, PNG
from wire.dialects import DIALECTS, Call, Dialect, Thought, Words
from wire.gemini_words import stream as gemini_events
from wire.responses_words import stream as responses_events
from wire.server import Answer, Server, breaks, gives, refuses, serving, streams
from wire.words import folded

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
ONCE = RetryPolicy(tries=1)
QUICK = RetryPolicy(total=5.0, first=0.01, longest=0.02)

OVERLOADED = {
    "openai": chat.stream({"error": {"message": "Overloaded", "code": 503}}, done=False),
    "openai_responses": responses_events(
        [{"type": "error", "code": "server_error", "message": "Overloaded"}]
    ),
    "anthropic": claude_events(
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    ),
    "google": gemini_events(
        {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    ),
}
FAULTS = ("an error in the stream", "a silent end", "a cut line")


def fault(kind: str, dialect: Dialect, before: bytes) -> Answer:
    match kind:
        case "an error in the stream":
            return streams(before + OVERLOADED[dialect.name])
        case "a silent end":
            return streams(before or b": hello\n\n")
        case _:
            return breaks(before or b": hello\n\n")


def first_word(dialect: Dialect) -> bytes:
    """A reply as far as its first word."""
    data = dialect.stream([Words("Hello")])
    return data[: data.index(b"\n\n", data.index(b'"He')) + 2]


async def ask(dialect: Dialect, server: Server, into: list[Delta]) -> None:
    provider = replace(dialect.home, base_url=server.url, api_key="k")
    backend = HttpBackend(provider, dialect.wire(provider), policy=QUICK, idle_seconds=5)
    async with aclosing(backend.stream(dialect.request([Incoming("Hi")]))) as answer:
        async for deltas in answer:
            into += deltas


@EVERY
@pytest.mark.parametrize("kind", FAULTS)
async def test_what_breaks_before_the_first_word_is_tried_again(
    dialect: Dialect, kind: str
) -> None:
    heard: list[Delta] = []
    whole = streams(dialect.stream([Words("Hello")]))
    async with serving(fault(kind, dialect, b""), whole) as server:
        await ask(dialect, server, heard)
        assert len(server.asked) == 2
    assert isinstance(heard[0], RetryDelta)
    assert folded(heard).text == "Hello"


@EVERY
@pytest.mark.parametrize("kind", FAULTS)
async def test_what_breaks_after_the_first_word_is_not_tried_again(
    dialect: Dialect, kind: str
) -> None:
    heard: list[Delta] = []
    async with serving(fault(kind, dialect, first_word(dialect))) as server:
        with pytest.raises(ProviderError):
            await ask(dialect, server, heard)
        assert len(server.asked) == 1
    said = [delta.text for delta in heard if isinstance(delta, TextDelta)]
    assert said == ["Hello" if dialect.name == "google" else "He"]


@EVERY
async def test_what_is_written_into_a_tool_call_is_told_before_the_call_is_whole(
    dialect: Dialect,
) -> None:
    heard: list[Delta] = []
    arguments = '{"message":"Hello there"}'
    answer = dialect.stream([Words("So."), Call("call_1", arguments, "finish")])
    async with serving(streams(answer)) as server:
        await ask(dialect, server, heard)
    progress = ReplyProgress(ReplyBuilder("p"), finish_is_text=True)
    progress.follow()
    pieces = [
        piece
        for delta in heard
        if isinstance(delta, ToolCallDelta | DraftDelta)
        and (piece := progress.add(delta)) is not None
    ]
    assert json.loads("".join(piece.text for piece in pieces)) == {"message": "Hello there"}
    assert "".join(piece.words for piece in pieces) == "Hello there"
    assert {piece.tool for piece in pieces} == {"finish"}
    assert len(pieces) == (1 if dialect.name == "google" else 2), "Gemini sends calls whole"
    assert [call.name for call in folded(heard).tool_calls] == ["finish"]


@EVERY
async def test_in_a_run_the_words_of_finish_are_drafts_and_tokens_before_the_reply_has_ended(
    dialect: Dialect,
) -> None:
    answer = dialect.stream([Words("So."), Call("call_1", '{"message":"Hello there"}', "finish")])
    async with serving(streams(answer), streams(answer)) as server:
        provider = replace(dialect.home, base_url=server.url, api_key="k")
        agent = Agent("a", "", "m", provider, max_output_tokens=100)
        lines = [line async for line in async_run_stream("Go.", [agent]).lines()]
        stream = async_run_stream("Go.", [agent])
        events = [event async for event in stream]
    types = [line["type"] for line in lines]
    assert "draft" in types[: types.index("model.end")]
    drafted = [str(line["text"]) for line in lines if line["type"] == "draft"]
    assert json.loads("".join(drafted)) == {"message": "Hello there"}
    for told in (events, (await stream.result()).events):
        assert told[-1].type == "finish"
        tokens = [event.data for event in told[:-1] if event.type == "token"]
        assert "".join(data["text"] for data in tokens if "tool" not in data) == "So."
        assert "".join(data["text"] for data in tokens if "tool" in data) == "Hello there"


@EVERY
async def test_a_key_is_in_no_error_however_it_is_written_and_wherever_it_is_cut(
    dialect: Dialect,
) -> None:
    key = "Zm9vYmFy/is+mine/0123456789"
    for said in (f"no {key}", key.replace("/", r"\/"), "x" * 480 + key):
        error = json.dumps({"error": {"message": said}}).encode()
        for answer in (refuses(400, said), gives(error), streams(b"data: " + error + b"\n\n")):
            async with serving(answer) as server:
                provider = replace(dialect.home, base_url=server.url, api_key=key)
                backend = HttpBackend(provider, dialect.wire(provider), policy=ONCE)
                with pytest.raises(ProviderError) as caught:
                    await anext(backend.stream(dialect.request([Incoming("Hi")])))
            assert "***" in str(caught.value)
            assert "Zm9v" not in str(caught.value)


@EVERY
async def test_results_go_back_in_the_order_of_the_calls_whoever_is_done_first(
    dialect: Dialect,
) -> None:
    last_is_done = asyncio.Event()

    @Tool
    async def slow() -> ToolResult:
        """Wait for the last."""
        await last_is_done.wait()
        return ToolResult("slowly", [Attachment("image/png", data=PNG.data)])

    @Tool
    async def fail() -> str:
        """Fail."""
        raise RuntimeError("boom")

    @Tool
    async def last() -> ToolResult:
        """Let the others go on."""
        last_is_done.set()
        return ToolResult("at once", [Attachment("image/jpeg", data=JPEG.data)])

    calls = [Call(f"call_{name}", "{}", name) for name in ("slow", "fail", "last")]
    asking = streams(dialect.stream([Thought("hm"), *calls]))
    async with serving(asking, streams(dialect.stream([Words("Done.")]))) as server:
        provider = replace(dialect.home, base_url=server.url, api_key="k")
        agent = Agent("a", "Do it.", dialect.model, provider)
        result = await async_run("Go.", [agent], [slow, fail, last])
        body = server.asked[-1].body
    assert result.output == "Done."
    assert dialect.complaints(body) == []
    groups: list[turns.Group] = dialect.groups(body)
    assert groups[-1].results == [call.id for call in calls]
    said = str(groups[-1].items)
    assert str(PNG.data) in said
    assert str(JPEG.data) in said
    assert said.index("slowly") < said.index("boom") < said.index("at once")


# Compatible servers -------------------------------------------------------------------------------


@pytest.mark.parametrize("finish", ["tool_calls", "stop", "", None, "function_call", "eos"])
def test_calls_are_trusted_whatever_the_reason_of_the_end(finish: str | None) -> None:
    piece = chat.piece(0, "a", "look", "{}")
    assert chat.calls_of(chat.calling(piece), chat.chunk({}, finish)) == [("a", "look", "{}")]


def test_a_call_that_is_printed_as_words_is_words() -> None:
    printed = '<tool_call>{"name":"look","arguments":{}}</tool_call>'
    reply = chat.reply_to(chat.chunk({"content": printed}), chat.chunk({}, "stop"))
    assert (reply.text, reply.tool_calls) == (printed, ())
