"""Runs against ``llmock``, which breaks what it is told to break and grades how we took it.

Its grades are held against us but for these, where it cannot see what a client did:

* ``truncated_stream_accepted``, ``malformed_chunk_ignored`` and ``gave_up`` mean that a request was
  not made again. We do not make one again whose first words have been heard, and raise instead,
  which no server can see; nor is it any use when the credit is gone.
* Once a broken stream has been written to its end, before its client could hang up, it is no
  failure in its books, and the next try is another request: ``malformed_chunk_ignored`` again.

And it is not everything the vendors are: its calls for Gemini have no ids and no signatures, and a
cut answer of the Responses API ends in ``response.completed``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Literal, TypeVar

import pytest

from agentouto import Agent, AgentError, AuthError, ProviderError, async_run, async_run_stream
from agentouto._domain.content import Incoming
from agentouto._domain.delta import RetryDelta
from agentouto._domain.errors import ContextOverflow, QuotaExhausted
from agentouto.providers import open_backend
from agentouto.providers._transport.http_backend import HttpBackend
from outside.simulators import KINDS, Grader, fails, says, wants
from wire.words import asking, folded

T = TypeVar("T")
WORDS = "one two three four five six"
BEFORE_WORDS = {"openai": 1, "openai_responses": 4, "anthropic": 3, "google": 0}
"""How many events come before the first word."""

HIDDEN = {"truncated_stream_accepted", "malformed_chunk_ignored", "gave_up"}

every_format = pytest.mark.parametrize("kind", KINDS)
every_break = pytest.mark.parametrize("how", ["disconnect", "truncate", "malformed"])


async def in_every_format(do: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Do the same in all formats at once: they wait at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = {kind: group.create_task(do(kind), name=kind) for kind in KINDS}  # type: ignore[arg-type]
    return {kind: task.result() for kind, task in tasks.items()}


def the_same(value: T) -> dict[str, T]:
    return dict.fromkeys(KINDS, value)


def breaks(how: str, after: int) -> dict[str, object]:
    return {"type": "stream_fault", "kind": how, "after_chunks": after}


async def listen(agent: Agent, heard: list[str]) -> None:
    async for event in async_run_stream("Hi", [agent]):
        if event.type == "token":
            heard.append(str(event.data["token"]))  # noqa: PERF401 - heard before it broke


# Ordinary -----------------------------------------------------------------------------------------


@every_format
async def test_words_are_told_as_they_come(grader: Grader, kind: str) -> None:
    grader.script(says(WORDS))
    stream = async_run_stream("Hi", [grader.agent(kind)])
    heard = [event.data["token"] async for event in stream if event.type == "token"]
    result = await stream.result()
    assert [word.strip() for word in heard] == WORDS.split()  # type: ignore[attr-defined]
    assert result.output == "".join(heard) == WORDS  # type: ignore[arg-type]
    assert result.usage.complete
    assert not grader.grades()


@every_format
async def test_tools_are_used_until_there_is_an_answer(grader: Grader, kind: str) -> None:
    used: list[str] = []

    async def look_up(place: str) -> str:
        """Look a place up."""
        used.append(place)
        if place == "Atlantis":
            raise LookupError("there is no such place")
        return f"{place} is there"

    grader.script(
        wants(("look_up", {"place": "Oslo"}), ("look_up", {"place": "Atlantis"})),
        wants(("look_up", {"place": "Rome"})),
        says("Looked up."),
    )
    result = await async_run("Look.", [grader.agent(kind)], [look_up])
    assert result.output == "Looked up."
    assert sorted(used) == ["Atlantis", "Oslo", "Rome"]
    last = str(grader.requests()[-1]["body"])
    assert last.index("Oslo is there") < last.index("no such place") < last.index("Rome is there")
    assert len(grader.requests()) == 3
    assert not grader.grades()


@every_format
async def test_a_stranger_can_use_a_tool_by_its_schema_alone(grader: Grader, kind: str) -> None:
    used: list[tuple[object, ...]] = []

    async def alpha_bravo_charlie_delta_echo_foxtrot(
        days: int, unit: Literal["c", "f"], places: list[str], tries: dict[str, int] | None = None
    ) -> str:
        """Alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike."""
        used.append((days, unit, places))
        return "as you say"

    tool = alpha_bravo_charlie_delta_echo_foxtrot
    words = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike"
    result = await async_run(words, [grader.agent(kind)], [tool])  # it takes the likeliest tool
    assert result.output
    ((days, unit, places),) = used
    assert isinstance(days, int)
    assert unit in {"c", "f"}
    assert isinstance(places, list)
    assert not grader.grades()


async def test_agents_of_all_formats_are_peers_in_one_run(grader: Grader) -> None:
    agents = [grader.agent(kind, kind) for kind in KINDS]
    others = [("call_agent", {"agent_name": kind, "message": f"{kind}?"}) for kind in KINDS[1:]]
    grader.script(wants(*others), says("All have answered."), kind="openai")
    for kind in KINDS[1:-1]:
        grader.script(says(f"{kind} here"), kind=kind)
    back = ("call_agent", {"agent_name": "anthropic", "message": "And you?"})
    grader.script(wants(back), says("google here"), kind="google")
    grader.script(says("anthropic again"), kind="anthropic")
    result = await async_run("Ask around.", [agents[0]], run_agents=agents)
    assert result.output == "All have answered."
    told = [message.content for message in result.messages if message.type == "return"]
    assert {"openai_responses here", "google here", "All have answered."} < set(told)
    assert len(told) == 5
    assert not grader.grades()


@every_format
async def test_one_conversation_goes_on_from_vendor_to_vendor(grader: Grader, kind: str) -> None:
    grader.script(wants(("finish", {"message": "The first part."})), says("The second part."))
    first = await async_run("Begin.", [grader.agent(kind, "teller")])
    for other in KINDS:
        grader.script(says("The second part."))
        agent = grader.agent(other, "teller")
        second = await async_run("Go on.", [agent], history=first.messages)
        assert second.output == "The second part."
        assert "The first part." in str(grader.requests()[-1]["body"])
    assert not grader.grades()


# What a model gets wrong --------------------------------------------------------------------------


@every_format
async def test_a_call_of_an_unknown_tool_is_answered(grader: Grader, kind: str) -> None:
    grader.script(
        wants(("finish", {"message": "x"})), {"type": "tool_fault", "kind": "unknown_tool"}
    )
    grader.script(says("Then without."))
    assert (await async_run("Go.", [grader.agent(kind)])).output == "Then without."
    assert "finish" in str(grader.requests()[-1]["body"])
    assert len(grader.requests()) == 2


@every_format
async def test_half_written_arguments_are_never_acted_upon(grader: Grader, kind: str) -> None:
    done: list[str] = []

    async def remove(path: str) -> str:
        """Remove a file."""
        done.append(path)
        return "removed"

    grader.script(
        wants(("remove", {"path": "/tmp/a/very/long/path"})),  # noqa: S108 - nothing is removed
        {"type": "tool_fault", "kind": "malformed_arguments"},
    )
    grader.script(says("I could not."))
    assert (await async_run("Go.", [grader.agent(kind)], [remove])).output == "I could not."
    assert not done
    assert "Error" in str(grader.requests()[-1]["body"])


@every_format
async def test_an_answer_cut_by_the_token_limit_is_not_a_result(grader: Grader, kind: str) -> None:
    grader.script(says("Half an", finish_reason="length"))
    with pytest.raises(AgentError) as raised:
        await async_run("Go.", [grader.agent(kind)])
    assert raised.value.partial is not None
    assert raised.value.partial.text == "Half an"


# What a server gets wrong -------------------------------------------------------------------------


async def test_a_server_that_says_when_to_come_back_is_asked_again_then(grader: Grader) -> None:
    async def asked(kind: str) -> tuple[str, int]:
        grader.script(fails(429, 2, retry_after=0.1), says("At last."), kind=kind)
        stream = async_run_stream("Hi", [grader.agent(kind)])
        retries = [event async for event in stream if event.type == "retry"]
        return (await stream.result()).output, len(retries)

    assert await in_every_format(asked) == the_same(("At last.", 2))
    assert len(grader.requests()) == 3 * len(KINDS)
    assert not grader.grades()


async def test_a_server_in_trouble_is_asked_again_less_and_less_often(grader: Grader) -> None:
    async def asked(kind: str) -> str:
        grader.script(fails(500), fails(502), says("At last."), kind=kind)
        return (await async_run("Hi", [grader.agent(kind)])).output

    assert await in_every_format(asked) == the_same("At last.")
    assert not grader.grades()


async def test_a_server_that_stays_in_trouble_is_left_after_four_tries(grader: Grader) -> None:
    async def asked(kind: str) -> int:
        grader.script({**fails(529, retry_after=0.02), "times": None}, kind=kind)
        with pytest.raises(ProviderError, match="529"):
            await async_run("Hi", [grader.agent(kind)])
        return sum(kind in KINDS for _ in grader.requests())

    await in_every_format(asked)
    assert len(grader.requests()) == 4 * len(KINDS)
    assert not grader.grades()


@every_format
async def test_what_no_retry_mends_is_not_tried_again(grader: Grader, kind: str) -> None:
    for status in (400, 401, 403, 404, 422):
        grader.script(fails(status))
        with pytest.raises((ProviderError, AuthError), match=str(status)):
            await async_run(f"Is it {status}?", [grader.agent(kind)])
    assert len(grader.requests()) == 5
    assert not grader.grades()


@every_format
async def test_a_refused_key_is_an_error_of_its_own(grader: Grader, kind: str) -> None:
    grader.script(fails(401))
    with pytest.raises(AuthError):
        await async_run("Hi", [grader.agent(kind)])


FULL = {
    "openai": {"code": "context_length_exceeded"},
    "openai_responses": {"code": "context_length_exceeded"},
    "anthropic": {"message": "prompt is too long: 900000 tokens > 200000 maximum"},
    "google": {
        "message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    },
}


@every_format
async def test_a_full_context_is_told_apart(grader: Grader, kind: str) -> None:
    grader.script(fails(400, **FULL[kind]))
    with pytest.raises(ContextOverflow):
        await async_run("Hi", [grader.agent(kind)])
    # What the model reads at most may be looked up, but it is not asked again.
    assert [request["method"] for request in grader.requests()].count("POST") == 1


async def test_nobody_waits_for_credit(grader: Grader) -> None:
    grader.script(fails(429, code="insufficient_quota", message="You exceeded your current quota."))
    with pytest.raises(QuotaExhausted):
        await async_run("Hi", [grader.agent("openai")])
    assert len(grader.requests()) == 1
    assert set(grader.grades()) <= HIDDEN


@every_break
async def test_a_stream_that_breaks_before_a_word_is_asked_for_again(
    grader: Grader, how: str
) -> None:
    async def asked(kind: str) -> str:
        grader.script(breaks(how, BEFORE_WORDS[kind]), says(WORDS, times=None), kind=kind)
        return (await async_run("Hi", [grader.agent(kind)])).output

    assert await in_every_format(asked) == the_same(WORDS)
    assert len(grader.requests()) == 2 * len(KINDS)
    assert set(grader.grades()) <= ({"malformed_chunk_ignored"} if how == "malformed" else set())


@every_break
@every_format
async def test_a_stream_that_breaks_among_words_is_an_error(
    grader: Grader, kind: str, how: str
) -> None:
    grader.script(breaks(how, BEFORE_WORDS[kind] + 2), says(WORDS, times=None))
    heard: list[str] = []
    with pytest.raises(ProviderError):
        await listen(grader.agent(kind), heard)
    assert "".join(heard).strip() == "one two"
    assert len(grader.requests()) == 1
    assert set(grader.grades()) <= HIDDEN


@every_break
async def test_a_broken_peer_is_told_to_who_called_it(grader: Grader, how: str) -> None:
    caller, peer = grader.agent("openai", "caller"), grader.agent("anthropic", "peer")
    grader.script(wants(("call_agent", {"agent_name": "peer", "message": "?"})), kind="openai")
    grader.script(says("Without the peer, then."), kind="openai")
    grader.script(breaks(how, BEFORE_WORDS["anthropic"] + 2), says(WORDS), kind="anthropic")
    stream = async_run_stream("Go.", [caller], run_agents=[caller, peer])
    async for _ in stream:  # its words are heard, so the peer's model is not asked again
        pass
    assert (await stream.result()).output == "Without the peer, then."
    assert "Error" in str(grader.requests()[-1]["body"])


@every_break
async def test_a_broken_peer_that_is_not_heard_is_asked_again(grader: Grader, how: str) -> None:
    caller, peer = grader.agent("openai", "caller"), grader.agent("anthropic", "peer")
    grader.script(wants(("call_agent", {"agent_name": "peer", "message": "?"})), kind="openai")
    grader.script(says("With the peer."), kind="openai")
    grader.script(breaks(how, BEFORE_WORDS["anthropic"] + 2), says(WORDS), kind="anthropic")
    result = await async_run("Go.", [caller], run_agents=[caller, peer])
    assert result.output == "With the peer."
    assert "Error" not in str(grader.requests()[-1]["body"])


async def test_a_stream_that_stalls_is_given_up_and_asked_for_again(grader: Grader) -> None:
    async def asked(kind: str) -> tuple[str, list[int]]:
        agent: Agent = grader.agent(kind)
        grader.script(
            {"type": "stream_fault", "kind": "stall", "stall_seconds": 9, "after_chunks": 0},
            says(WORDS, times=None),
            kind=kind,
        )
        provider = grader.provider(kind)
        spoken = open_backend(provider)
        assert isinstance(spoken, HttpBackend)
        backend = HttpBackend(provider, spoken._wire, idle_seconds=0.1)
        async with aclosing(backend.stream(asking(Incoming("Hi"), model=agent.model))) as stream:
            heard = [delta async for deltas in stream for delta in deltas]
        retries = [delta.attempt for delta in heard if isinstance(delta, RetryDelta)]
        return folded(heard).text, retries

    assert await in_every_format(asked) == the_same((WORDS, [2]))
    assert not grader.grades()


async def test_another_model_stands_in_for_one_that_is_not_to_be_had(grader: Grader) -> None:
    grader.script({**fails(503, retry_after=0.01), "times": None}, kind="google")
    grader.script(says("I stand in."), kind="openai_responses")
    spare = grader.provider("openai_responses")
    agent = grader.agent("google", fallback=[(spare, "any-model")])
    assert (await async_run("Hi", [agent])).output == "I stand in."
    assert not grader.grades()
