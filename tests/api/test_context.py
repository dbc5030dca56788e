"""A call stays within its model's window, and nothing that matters is lost."""

from __future__ import annotations

import asyncio
import re

import pytest

from agentouto import Agent, ConfigurationError, Provider, Refuse, Tool, async_run_stream, run
from agentouto._core.token_estimates import text_tokens, tool_tokens
from agentouto._domain.content import Incoming, Outcomes, Reply
from agentouto.exceptions import ContextOverflow
from agentouto.testing import Request, Script, fail, finish, say, tool


def one(script: Script, window: int | None = None) -> list[Agent]:
    provider = Provider("p", kind="script", script=script)
    return [Agent("a", "You are a.", "m", provider, context_window=window)]


def size(request: Request) -> int:
    """Return about how large a request is, in tokens, counted without the library's own meter."""
    texts = [request.system]
    for entry in request.entries:
        match entry:
            case Incoming(text):
                texts.append(text)
            case Reply():
                texts += [entry.text, *(call.name + call.arguments for call in entry.tool_calls)]
            case Outcomes(items):
                texts += [item.content for item in items]
    return sum(map(text_tokens, texts)) + tool_tokens(request.specs)


FIRST = "Count to a thousand, and never forget that the word is xylophone."


def test_a_long_call_never_leaves_its_window_and_keeps_the_first_request() -> None:
    largest = 0

    @Tool
    def look(at: int) -> str:
        """Look at something."""
        return f"{at}: " + "x" * 300

    def working(request: Request) -> object:
        nonlocal largest
        largest = max(largest, size(request))
        assert FIRST in request.heard
        if request.turn == 300:
            return finish("done")
        return say("y" * 1000), tool("look", at=request.turn)

    script = Script(working)
    result = run(FIRST, one(script, 8_000), [look])
    assert result.output == "done"
    assert largest <= 8_000
    assert sum(event.type == "summarized" for event in result.events) > 5


async def test_a_summary_is_told_as_an_event() -> None:
    def working(request: Request) -> object:
        return finish("done") if request.turn == 40 else (say("y" * 2000), tool("get_messages"))

    script = Script(working, summary=say("All is well so far."))
    stream = async_run_stream("Go.", one(script, 8_000))
    told = [event.data async for event in stream if event.type == "summarized"]
    assert told
    assert told[0]["summary"] == "All is well so far."
    assert int(str(told[0]["tokens_before"])) > 5_600 > int(str(told[0]["tokens_after"]))
    heard = script.heard_by("a")
    assert any("[Previous conversation summary]\nAll is well so far." in text for text in heard)


def test_the_newest_turns_stay_word_for_word_and_calls_keep_their_results() -> None:
    @Tool
    def look(at: int) -> str:
        """Look at something."""
        return f"result {at} " + "z" * 900

    def working(request: Request) -> object:
        if request.turn:
            assert any(f"result {request.turn - 1} " in text for text in request.results("look"))
        return finish("done") if request.turn == 60 else tool("look", at=request.turn)

    assert run("Go.", one(Script(working), 8_000), [look]).output == "done"


def test_one_huge_result_is_cut_before_anything_is_summarised_and_can_be_read() -> None:
    text = "".join(f"line {number}\n" for number in range(20_000))

    @Tool
    def read_file() -> str:
        """Read the file."""
        return text

    def working(request: Request) -> object:
        if request.turn == 0:
            return tool("read_file")
        if request.turn == 1:
            shown = request.results("read_file")[0]
            assert len(shown) < 10_000
            [(id_, start)] = re.findall(r'read_result\(id="([^"]+)", from=(\d+)', shown)
            return tool("read_result", id=id_, **{"from": int(start), "to": int(start) + 500})
        return finish(request.results("read_result")[0])

    result = run("Go.", one(Script(working), 8_000), [read_file])
    assert result.output in text
    assert len(result.output) == 500
    assert not any(event.type == "summarized" for event in result.events)
    assert text in [e.data.get("result") for e in result.events if e.type == "tool_result"]


def test_reading_a_result_that_is_not_there_says_what_is() -> None:
    @Tool
    def read_file() -> str:
        """Read the file."""
        return "x" * 100_000

    script = Script(
        {
            "a": [
                tool("read_file"),
                tool("read_result", id="nope"),
                tool("read_result", id="0.0", **{"from": 999_999}),
                tool("read_result", id="0.0"),
                lambda seen: finish("\n".join(text[:200] for text in seen.results("read_result"))),
            ]
        }
    )
    first, second, third = run("Go.", one(script, 8_000), [read_file]).output.split("\n")
    assert "no result 'nope'" in first
    assert "0.0" in first
    assert "100000" in second.replace(",", "")
    assert third.startswith("xxx")


def test_the_tool_that_reads_results_is_there_where_the_window_is_known() -> None:
    names: list[list[str]] = []

    def look(request: Request) -> object:
        names.append(list(request.tools))
        return finish("x")

    run("Go.", one(Script(look), 8_000))
    run("Go.", one(Script(look)))
    run("Go.", one(Script(look), 8_000), disabled_tools={"read_result"})
    assert ["read_result" in tools for tools in names] == [True, False, False]
    assert names[0][:-1] == names[1]


def test_a_context_that_is_full_is_summarised_and_asked_again() -> None:
    full = 12_000

    @Tool
    def look(at: int) -> str:
        """Look at something."""
        return "z" * 2_000

    def working(request: Request) -> object:
        if size(request) > full:
            return fail("context")
        return finish("done") if request.turn == 60 else tool("look", at=request.turn)

    script = Script(working)
    result = run("Go.", one(script), [look])
    assert result.output == "done"
    assert any(event.type == "summarized" for event in result.events)


def test_a_request_that_can_never_fit_fails_and_says_so() -> None:
    script = Script({"a": [fail("context")] * 10})
    with pytest.raises(ContextOverflow):
        run("Go.", one(script))
    assert len([request for request in script.requests if not request.summary]) == 1


def test_a_summary_that_fails_is_not_asked_for_every_turn() -> None:
    asked = 0

    def no(_request: Request) -> object:
        nonlocal asked
        asked += 1
        return fail(400)

    def working(request: Request) -> object:
        return finish("done") if request.turn == 30 else (say("y" * 800), tool("get_messages"))

    assert run("Go.", one(Script(working, summary=no), 8_000)).output == "done"
    assert 1 <= asked <= 6


def refuse_summary(_summary: object) -> str:
    raise Refuse("not now")


@pytest.mark.parametrize(
    ("written", "hook", "reason"),
    [
        (fail(400), None, "400"),
        ([say("No."), fail("refused")], None, "the model refused to write one"),
        (say(" "), None, "it is empty"),
        (say("A summary."), refuse_summary, "on_summarize refused it: not now"),
    ],
)
def test_a_summary_that_fails_is_an_event_and_a_warning(
    written: object, hook: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    def working(request: Request) -> object:
        return finish("done") if request.turn == 20 else (say("y" * 2000), tool("get_messages"))

    script = Script(working, summary=lambda _: written)
    result = run("Go.", one(script, 8_000), on_summarize=hook)
    assert result.output == "done"
    failures = [event.data for event in result.events if event.type == "summary_failed"]
    assert failures
    assert all(reason in str(fields["error"]) for fields in failures)
    assert "The transcript of a could not be summarized: " in caplog.text
    assert not any(event.type == "summarized" for event in result.events)


def test_a_summary_can_be_seen_and_changed() -> None:
    seen: list[str] = []

    def on_summarize(summary: object) -> str:
        seen.append(summary.summarized)
        return "What the user says it was."

    def working(request: Request) -> object:
        return finish("done") if request.turn == 20 else (say("y" * 2000), tool("get_messages"))

    script = Script(working)
    result = run("Go.", one(script, 8_000), on_summarize=on_summarize)
    assert result.output == "done"
    assert seen
    assert "yyyy" in seen[0]
    assert any("What the user says it was." in text for text in script.heard_by("a"))


def test_a_summary_is_asked_of_the_agents_own_model_without_tools() -> None:
    asked: list[Request] = []

    def write(request: Request) -> object:
        asked.append(request)
        return say("Summary.")

    def working(request: Request) -> object:
        return finish("done") if request.turn == 20 else (say("y" * 2000), tool("get_messages"))

    result = run("Go.", one(Script(working, summary=write, usage=(7, 3)), 8_000))
    assert asked[0].specs == ()
    assert asked[0].agent_name == "a"
    assert asked[0].summary
    assert "next steps" in asked[0].last
    replies = 21 + len(asked)
    assert result.usage.output_tokens == 3 * replies


def test_usage_that_was_reported_counts_for_more_than_an_estimate() -> None:
    def working(request: Request) -> object:
        return finish("done") if request.turn == 5 else (say("y" * 1200), tool("get_messages"))

    result = run("Go.", one(Script(working, usage=(7_000, 5)), 8_000))
    assert any(event.type == "summarized" for event in result.events)


def test_on_summarize_is_a_function() -> None:
    with pytest.raises(ConfigurationError, match="on_summarize="):
        run("Go.", one(Script({"a": [finish("x")]})), on_summarize=3)  # type: ignore[arg-type]


def test_cancelling_in_the_middle_of_a_summary_ends_at_once() -> None:
    summing = asyncio.Event()

    async def slow(_request: Request) -> object:
        summing.set()
        await asyncio.sleep(60)
        return say("x")

    def working(request: Request) -> object:
        return (say("y" * 3000), tool("get_messages"))

    async def main() -> None:
        stream = async_run_stream("Go.", one(Script(working, summary=slow), 8_000))
        async for event in stream:
            if event.data.get("tool_name") is None and event.type == "token":
                await summing.wait()
                break
        await asyncio.wait_for(stream.aclose(), 10)

    asyncio.run(main())
