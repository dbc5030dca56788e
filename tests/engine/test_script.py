"""A scripted model speaks like a real one, and fails like one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import pytest

from agentouto._core.reply_builder import ReplyBuilder
from agentouto._domain.content import (
    Entry,
    Incoming,
    Outcome,
    Outcomes,
    Reasoning,
    Reply,
    Stop,
    Text,
    ToolCall,
    Transcript,
    Usage,
)
from agentouto._domain.delta import Delta, RetryDelta, StopDelta, TextDelta, ToolCallDelta
from agentouto._domain.errors import (
    AuthError,
    ConfigurationError,
    ContextOverflow,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from agentouto._domain.participants import Agent, Provider
from agentouto._domain.ports import Draft, ModelRequest, ToolSpec
from agentouto.providers._script.backend import open_script
from agentouto.testing import (
    Request,
    Script,
    Turn,
    call,
    fail,
    finish,
    raw,
    say,
    think,
    tool,
)


def asked(
    name: str = "writer",
    *,
    turn: int = 0,
    call_id: str = "c1",
    entries: Sequence[Entry] = (Incoming("Go."),),
) -> ModelRequest:
    agent = Agent(name, "You write.", "some-model", "scripted")
    specs = (ToolSpec("count", "Counts.", {"type": "object"}),)
    return ModelRequest(
        agent, Transcript("sys", tuple(entries)), specs, Draft(), call_id, turn, f"0:{name}"
    )


async def batches(script: object, request: ModelRequest) -> list[Sequence[Delta]]:
    """Return what arrives of a reply, also if it breaks off."""
    backend = open_script(Provider("scripted", kind="script", script=script))
    arrived: list[Sequence[Delta]] = []
    with suppress(ProtocolViolation):
        async for deltas in backend.stream(request):
            arrived.append(deltas)  # noqa: PERF401 - a comprehension would lose them
    return arrived


async def heard(script: object, request: ModelRequest) -> Reply:
    builder = ReplyBuilder("scripted")
    for deltas in await batches(script, request):
        for delta in deltas:
            builder.add(delta)
    return builder.finish()


def arguments(part: object) -> object:
    assert isinstance(part, ToolCall)
    return msgspec.json.decode(part.arguments)


async def test_each_turn_of_a_call_hears_the_next_reply() -> None:
    script = Script({"writer": [tool("count", text="a b"), say("two")]})
    first, second = await heard(script, asked()), await heard(script, asked(turn=1))
    assert [part.name for part in first.tool_calls] == ["count"]
    assert arguments(first.parts[0]) == {"text": "a b"}
    assert second == Reply((Text("two"),))


async def test_every_call_of_an_agent_plays_from_the_start() -> None:
    script = Script({"writer": [say("one"), say("two")]}, delay=0.001)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(heard(script, asked(turn=turn, call_id=f"c{place}")))
            for place in range(20)
            for turn in (0, 1)
        ]
    assert [task.result().text for task in tasks] == ["one", "two"] * 20


async def test_several_words_are_one_reply() -> None:
    script = Script({"writer": [[think("Hm."), say("Both."), call("a", "x"), call("b", "y")]]})
    reply = await heard(script, asked())
    assert reply.parts[:2] == (Reasoning("Hm."), Text("Both."))
    assert [arguments(part) for part in reply.tool_calls] == [
        {"agent_name": "a", "message": "x"},
        {"agent_name": "b", "message": "y"},
    ]
    assert len({part.id for part in reply.tool_calls}) == 2


async def test_call_takes_what_call_agent_takes() -> None:
    reply = await heard({"writer": call("a", "x", background=True)}, asked())
    assert arguments(reply.parts[0]) == {"agent_name": "a", "message": "x", "background": True}


async def test_an_argument_of_a_tool_may_be_called_name() -> None:
    reply = await heard({"writer": tool("greet", name="Ada")}, asked())
    assert arguments(reply.parts[0]) == {"name": "Ada"}


async def test_raw_arguments_are_sent_as_they_stand() -> None:
    reply = await heard({"writer": raw("count", '{"text": ')}, asked())
    assert reply.tool_calls[0].arguments == '{"text": '


async def test_an_empty_reply_is_possible() -> None:
    assert await heard({"writer": [[]]}, asked()) == Reply(())


async def test_a_streamed_reply_comes_in_pieces_and_is_the_same() -> None:
    words = [think("Let me see."), say("  Ein Satz,\n 한국어도 있다 "), tool("count", text="a b c")]
    whole = {"writer": [words]}
    pieces = Script(whole, stream=True)
    streamed, at_once = await batches(pieces, asked()), await batches(Script(whole), asked())
    assert len(streamed) > 8
    assert len(at_once) == 2
    assert all(len(deltas) == 1 for deltas in streamed)
    assert await heard(pieces, asked()) == await heard(whole, asked())


async def test_a_turn_may_differ_from_its_script() -> None:
    script = Script({"writer": [Turn(say("a b c"), stream=False, usage=(3, 1))]}, stream=True)
    assert (await batches(script, asked()))[0] == (TextDelta("a b c"),)
    assert (await heard(script, asked())).usage == Usage(3, 1)


async def test_usage_is_reported_only_where_the_script_says_so() -> None:
    assert (await heard({"writer": say("x")}, asked())).usage == Usage(complete=False)
    assert (await heard(Script({"writer": say("x")}, usage=(7, 2)), asked())).usage == Usage(7, 2)


async def test_delay_and_pause_take_time() -> None:
    clock = asyncio.get_running_loop()
    began = clock.time()
    await heard(Script({"writer": say("a b c")}, delay=0.02, stream=True, pause=0.01), asked())
    assert clock.time() - began >= 0.035


async def test_a_reply_waits_for_its_delay_without_holding_up_others() -> None:
    script = Script({"slow": [Turn(say("x"), delay=30)], "writer": [say("y")]})
    slow = asyncio.ensure_future(heard(script, asked("slow")))
    async with asyncio.timeout(10):
        assert (await heard(script, asked())).text == "y"
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_function_decides_by_what_came_of_the_tools() -> None:
    def decide(request: Request) -> object:
        if not request.results("count"):
            return tool("count", text=request.last)
        return finish(f"There are {request.results('count')[0]}.")

    entries: list[Entry] = [Incoming("a b c")]
    first = await heard(decide, asked(entries=entries))
    assert arguments(first.parts[0]) == {"text": "a b c"}
    entries += [first, Outcomes((Outcome(first.tool_calls[0], "3"),))]
    second = await heard(decide, asked(turn=1, entries=entries))
    assert arguments(second.parts[0]) == {"message": "There are 3."}


async def test_a_function_may_be_async_and_stand_for_one_agent_or_one_reply() -> None:
    async def slowly(request: Request) -> list[object]:
        await asyncio.sleep(0)
        return [say(request.agent_name)]

    for script in (slowly, {"writer": slowly}, {"writer": [slowly]}):
        assert (await heard(script, asked())).text == "writer"


async def test_a_request_shows_what_the_model_sees() -> None:
    calls = [
        ToolCall("1", "call_agent", '{"agent_name": "critic"}'),
        ToolCall("2", "count", "{}"),
        ToolCall("3", "call_agent", '{"agent_name": "critic"}'),
    ]
    outcomes = Outcomes(
        (
            Outcome(calls[0], "[critic]good[/critic]"),
            Outcome(calls[1], "Error: no text", is_error=True),
            Outcome(calls[2], "Error: gone", is_error=True),
        )
    )
    script = Script({"writer": [say("-"), say("x")]})
    entries: list[Entry] = [Incoming("Go."), Reply(tuple(calls)), outcomes, Incoming("Hurry.")]
    await heard(script, asked(turn=1, entries=entries))
    request = script.requests[0]
    assert (request.agent_name, request.model, request.instructions, request.system) == (
        "writer",
        "some-model",
        "You write.",
        "sys",
    )
    assert (request.turn, request.call_id, request.path, request.attempt) == (
        1,
        "c1",
        "0:writer",
        1,
    )
    assert request.heard == ["Go.", "Hurry."]
    assert request.last == "Hurry."
    assert request.outcomes == outcomes.items
    assert request.results("count") == ["Error: no text"]
    assert request.answers("critic") == ["good"]
    assert request.answers("writer") == []
    assert request.tools["count"].description == "Counts."


async def test_outcomes_are_those_of_the_last_reply_only() -> None:
    script = Script({"writer": [say("x"), say("y"), say("z")]})
    one = ToolCall("1", "count", "{}")
    entries: list[Entry] = [Incoming("Go."), Reply((one,)), Outcomes((Outcome(one, "1"),))]
    await heard(script, asked(turn=2, entries=[*entries, Reply(()), Incoming("Well?")]))
    await heard(script, asked())
    assert [request.outcomes for request in script.requests] == [(), ()]
    assert script.requests[0].results("count") == ["1"]


async def test_what_an_agent_heard_is_told_call_by_call() -> None:
    script = Script(lambda _: say("ok"))
    await heard(script, asked(entries=[Incoming("Go.")]))
    await heard(script, asked(call_id="c2", entries=[Incoming("Other.")]))
    await heard(script, asked(turn=1, entries=[Incoming("Go."), Reply(()), Incoming("Mail.")]))
    await heard(script, asked("critic", call_id="c3", entries=[Incoming("Look.")]))
    assert script.heard_by("writer") == ["Go.", "Mail.", "Other."]
    assert script.heard_by("critic") == ["Look."]
    assert len(script.requests) == 4


@pytest.mark.parametrize(
    ("how", "error", "retryable"),
    [
        (500, ProviderUnavailable, True),
        (529, ProviderUnavailable, True),
        (408, ProviderUnavailable, True),
        (400, ProviderError, False),
        ("nonsense", ProtocolViolation, True),
        ("context", ContextOverflow, False),
        ("quota", QuotaExhausted, False),
    ],
)
async def test_a_failure_in_the_middle_is_raised_after_what_was_said(
    how: int | str, error: type[ProviderError], retryable: bool
) -> None:
    script = {"writer": [[say("abc"), fail(how)]]}
    stream = open_script(Provider("scripted", kind="script", script=script)).stream(asked())
    assert await anext(stream) == (TextDelta("abc"),)
    with pytest.raises(error, match=r"\[scripted\]") as raised:
        await anext(stream)
    assert raised.value.retryable is retryable
    assert raised.value.status == (how if isinstance(how, int) else raised.value.status)


async def test_a_failure_before_the_first_word_is_tried_again() -> None:
    script = Script(
        {"writer": [fail(429, retry_after=0.01), fail(500), fail("nonsense"), say("ok")]}
    )
    got = [delta for batch in await batches(script, asked()) for delta in batch]
    retries = [delta for delta in got if isinstance(delta, RetryDelta)]
    assert [delta.attempt for delta in retries] == [2, 3, 4]
    assert "429" in retries[0].error
    assert got[3:] == [TextDelta("ok"), StopDelta(Stop.COMPLETE)]
    assert [request.attempt for request in script.requests] == [1, 2, 3, 4]


@pytest.mark.parametrize("failing", [fail(503), fail("unreachable")])
async def test_nobody_tries_for_ever(failing: object) -> None:
    script = Script({"writer": [failing]})
    with pytest.raises(ProviderUnavailable):
        await heard(script, asked())
    assert len(script.requests) == 4


async def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    with pytest.raises(RateLimited):
        await heard({"writer": [fail(429, retry_after=3600), say("ok")]}, asked())


@pytest.mark.parametrize("status", [401, 403])
async def test_an_unknown_key_is_an_auth_error(status: int) -> None:
    with pytest.raises(AuthError, match="go away"):
        await heard({"writer": fail(status, message="go away")}, asked())


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    with pytest.raises(RateLimited) as raised:
        await heard({"writer": [[say("a"), fail(429, retry_after=7)]]}, asked())
    assert (raised.value.status, raised.value.retry_after) == (429, 7)


@pytest.mark.parametrize("how", ["context", "quota", 400])
async def test_who_asks_again_after_a_failure_hears_the_next_reply(how: str | int) -> None:
    script = Script({"writer": [tool("count"), fail(how), say("ok"), say("last")]})
    assert (await heard(script, asked())).tool_calls
    with pytest.raises(ProviderError):
        await heard(script, asked(turn=1))
    assert (await heard(script, asked(turn=1))).text == "ok"
    assert (await heard(script, asked(turn=2))).text == "last"
    with pytest.raises(ProviderError):
        await heard(script, asked(turn=1, call_id="another call"))
    assert [request.attempt for request in script.requests] == [1, 1, 2, 1, 1]


async def test_a_failure_at_the_end_of_a_script_stays() -> None:
    script = Script({"writer": [fail("quota")]})
    for _ in range(3):
        with pytest.raises(QuotaExhausted):
            await heard(script, asked())


async def test_a_cut_stream_has_no_last_word() -> None:
    for line in (fail("cut"), [say("Half"), fail("cut")]):
        assert any(
            isinstance(d, TextDelta) for b in await batches({"writer": [line]}, asked()) for d in b
        )
        with pytest.raises(ProtocolViolation, match="cut short"):
            await heard({"writer": [line]}, asked())


@pytest.mark.parametrize("how", ["cut", "out_of_tokens"])
async def test_arguments_are_broken_off_where_a_reply_is_cut(how: str) -> None:
    words = [tool("count", text="one"), tool("count", text="one"), fail(how)]
    deltas = [delta for batch in await batches({"writer": [words]}, asked()) for delta in batch]
    pieces = [d.arguments for d in deltas if isinstance(d, ToolCallDelta) and d.arguments]
    assert pieces == ['{"text":"one"}', '{"text"']


async def test_a_reply_may_run_out_of_tokens_or_be_refused() -> None:
    cut = await heard({"writer": [[say("Half a"), fail("out_of_tokens")]]}, asked())
    assert (cut.text, cut.stop) == ("Half a", Stop.OUT_OF_TOKENS)
    refused = await heard({"writer": fail("refused")}, asked())
    assert (refused.text, refused.stop) == ("", Stop.REFUSED)


def summarising(request: ModelRequest) -> ModelRequest:
    return msgspec.structs.replace(request, summary=True)


@pytest.mark.parametrize("lines", [{"writer": [say("one"), say("two")]}, lambda _: say("one")])
async def test_a_summary_is_no_reply_of_the_agent(lines: object) -> None:
    script = Script(lines)  # type: ignore[arg-type]
    entries = [Incoming("Go."), Reply(()), Incoming("Mail.")]
    assert (await heard(script, summarising(asked()))).text == "Summary of 1 entry."
    assert (
        await heard(script, summarising(asked(entries=entries)))
    ).text == "Summary of 3 entries."
    assert (await heard(script, asked())).text == "one"
    assert [request.summary for request in script.requests] == [True, True, False]
    assert [request.attempt for request in script.requests] == [1, 2, 1]
    assert script.heard_by("writer") == ["Go."]


async def test_a_summary_needs_no_lines_of_the_agent() -> None:
    script = Script({}, summary=say("It was long."), usage=(9, 3))
    reply = await heard(script, summarising(asked(turn=7)))
    assert (reply.text, reply.usage) == ("It was long.", Usage(9, 3))


async def test_a_summary_may_be_decided_by_what_there_is_to_be_summarised() -> None:
    async def tell(request: Request) -> object:
        assert request.summary
        return Turn(say(f"{request.agent_name}: {request.last}"), usage=(5, 1))

    reply = await heard(Script({}, summary=tell), summarising(asked()))  # type: ignore[arg-type]
    assert (reply.text, reply.usage) == ("writer: Go.", Usage(5, 1))


async def test_a_summary_may_fail() -> None:
    script = Script({"writer": say("one")}, summary=fail("context"))
    with pytest.raises(ContextOverflow):
        await heard(script, summarising(asked()))
    assert (await heard(script, asked())).text == "one"


async def test_a_script_that_runs_out_says_how_many_replies_it_has() -> None:
    with pytest.raises(ProviderError, match=r"'writer' is in turn 3, and its script has 2 replies"):
        await heard({"writer": [tool("count"), fail(429), say("x")]}, asked(turn=2))


async def test_an_agent_that_is_not_in_the_script_is_named_with_the_nearest() -> None:
    with pytest.raises(ProviderError, match=r"no agent 'writer'; it has: writr, critic\. Did you"):
        await heard({"writr": say("x"), "critic": say("y")}, asked())


async def test_a_function_that_fails_is_a_provider_error_with_its_cause() -> None:
    def wrong(_: Request) -> object:
        raise LookupError("nothing there")

    with pytest.raises(ProviderError, match="turn 1: LookupError: nothing there") as raised:
        await heard({"writer": wrong}, asked())
    assert isinstance(raised.value.__cause__, LookupError)


async def test_a_function_may_raise_what_a_provider_raises() -> None:
    def wrong(_: Request) -> object:
        raise QuotaExhausted("scripted", "nothing left")

    with pytest.raises(QuotaExhausted, match="nothing left"):
        await heard(wrong, asked())


@pytest.mark.parametrize("reply", ["text", None, 3, [say("a"), "b"]])
async def test_a_function_must_return_a_reply(reply: object) -> None:
    with pytest.raises(ProviderError, match="of a script"):
        await heard({"writer": lambda _: reply}, asked())


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda: Script({"writer": ["hello"]}), r"reply 1 of agent 'writer'.*mean say\('hello'\)"),
        (lambda: Script({"writer": "hello"}), "'hello' for agent 'writer' is neither"),
        (lambda: Script({"writer": 3}), "neither a list of replies nor a function"),
        (lambda: Script([say("x")]), "a mapping from agent names"),
        (lambda: Script({"writer": [[fail(500), say("x")]]}), r"fail\(\) ends a reply"),
        (lambda: Script({}, delay=-1), "delay=-1"),
        (lambda: Script({}, summary="short"), r"Script\(summary=\): .*mean say\('short'\)"),
        (lambda: Turn(say("x"), pause=-1), "pause=-1"),
        (lambda: fail("cutt"), "no such failure.*Did you mean 'cut'"),
        (lambda: fail(200), "400 to 599"),
        (lambda: tool("count", text=object()), r"tool\('count'"),
    ],
)
def test_what_is_no_script_is_refused_where_it_is_written(
    write: Callable[[], object], why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        write()


@pytest.mark.parametrize(("script", "why"), [(None, "no script="), (3, "a mapping from")])
def test_a_script_provider_needs_a_script(script: object, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        open_script(Provider("scripted", kind="script", script=script))


async def test_closing_a_stream_early_ends_it() -> None:
    script = Script({"writer": say("a b c d")}, stream=True, pause=30)
    backend = open_script(Provider("scripted", kind="script", script=script))
    stream = backend.stream(asked())
    assert await anext(stream) == (TextDelta("a"),)
    async with asyncio.timeout(10):
        await stream.aclose()
