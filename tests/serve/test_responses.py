"""The Responses API of the OpenAI front, asked by the openai package."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from agentouto import Agent, Message, Provider, async_run
from agentouto.serve._response_store import ResponseStore
from agentouto.testing import Request, Script, call, fail, finish, say, think, tool
from serve.serving import asks_user, client, openai_served, team

STORY = {
    "lead": [[think("Hm."), say("I ask."), call("writer", "Write.")], finish("The end.")],
    "writer": [say("Once upon a time.")],
}


async def respond(asking: AsyncOpenAI, input_: Any, **more: Any) -> Any:
    return await asking.responses.create(model="team", input=input_, **more)


async def test_a_response_has_the_words_and_the_work_as_items() -> None:
    script = Script(STORY, usage=(5, 2))
    async with client(team(script, *STORY)) as asking:
        response = await respond(asking, "A story.", instructions="Be brief.")
    assert response.output_text == "I ask.\n\nThe end."
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "reasoning",
        "message",
    ]
    assert "lead → writer: Write.\n" in response.output[2].summary[0].text
    assert (response.status, response.usage.total_tokens) == ("completed", 21)
    assert response.instructions == "Be brief."


async def test_a_streamed_response_builds_up_to_the_whole_one() -> None:
    script = Script(STORY, usage=(5, 2), stream=True)
    async with (
        client(team(script, *STORY)) as asking,
        asking.responses.stream(model="team", input="A story.") as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "I ask.\n\nThe end."
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(numbers)
    types = [event.type for event in events]
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text


async def test_previous_response_id_goes_on_with_the_conversation() -> None:
    seen: list[Request] = []

    def reply(request: Request) -> Any:
        seen.append(request)
        return say(f"Answer {len(seen)}.")

    async with client(team({"lead": reply})) as asking:
        first = await respond(asking, "One?")
        second = await respond(asking, "Two?", previous_response_id=first.id)
        branch = await respond(asking, "Three?", previous_response_id=first.id)
    assert (first.output_text, second.output_text, branch.output_text) == (
        "Answer 1.",
        "Answer 2.",
        "Answer 3.",
    )
    assert seen[1].heard == ["One?", "Two?"]
    assert seen[2].heard == ["One?", "Three?"]  # a response can be followed twice


async def test_previous_response_id_answers_a_question_and_so_does_the_mark_alone() -> None:
    script = Script({"lead": asks_user})
    async with client(team(script, "lead")) as asking:
        for stateless in (False, True):
            first = await respond(asking, "Paint.")
            assert first.output_text.startswith("Which colour?")
            if stateless:
                conversation = [
                    {"role": "user", "content": "Paint."},
                    *[item.model_dump(exclude_none=True) for item in first.output],
                    {"role": "user", "content": "Red"},
                ]
                second = await respond(asking, conversation, store=False)
            else:
                second = await respond(asking, "Red", previous_response_id=first.id)
            assert second.output_text == "Painted Red."
        third = await respond(asking, "Green", previous_response_id=first.id)
        assert third.output_text.startswith("Which colour?")  # taken once
    assert script.requests[-1].heard == ["Paint.", "Green"]


async def test_a_callers_tool_is_an_item_and_its_output_goes_on() -> None:
    def reply(request: Request) -> Any:
        if request.turn == 0:
            return [say("I look."), tool("clock")]
        return finish(f"It is {request.results('clock')[0]}.")

    clock: Any = {"type": "function", "name": "clock", "parameters": {"type": "object"}}
    async with client(team({"lead": reply})) as asking:
        first = await respond(asking, "When?", tools=[clock])
        used = first.output[-1]
        assert (used.type, used.name, used.arguments) == ("function_call", "clock", "{}")
        output: Any = [{"type": "function_call_output", "call_id": used.call_id, "output": "noon"}]
        second = await respond(asking, output, previous_response_id=first.id, tools=[clock])
        assert second.output_text == "It is noon."
        with pytest.raises(openai.BadRequestError, match="No run waits"):
            await respond(asking, output, previous_response_id=first.id)
        async with asking.responses.stream(model="team", input="When?", tools=[clock]) as stream:
            types = [event.type async for event in stream]
            final = await stream.get_final_response()
    assert "response.function_call_arguments.done" in types
    assert final.output[-1].name == "clock"


async def test_a_response_belongs_to_its_key_and_model() -> None:
    async with client(team({"lead": [say("Yes.")]})) as asking:
        first = await respond(asking, "One?")
        unstored = await respond(asking, "One?", store=False)
        other_key = asking.with_options(api_key="other")
        for stranger, more in (
            (other_key, {"previous_response_id": first.id}),
            (asking, {"previous_response_id": first.id, "model": "lead"}),
            (asking, {"previous_response_id": unstored.id}),
            (asking, {"previous_response_id": "resp_0"}),
        ):
            with pytest.raises(openai.BadRequestError) as raised:
                await stranger.responses.create(**{"model": "team", "input": "Two?", **more})
            assert raised.value.code == "previous_response_not_found"


async def test_our_own_provider_of_the_kind_asks_a_team() -> None:
    script = Script(STORY, usage=(5, 2), stream=True)
    async with openai_served(team(script, *STORY)) as url:
        provider = Provider("crew", kind="openai_responses", base_url=url)
        result = await async_run("A story.", [Agent("boss", "", "team", provider)])
    assert result.output == "I ask.\n\nThe end."
    assert result.usage.total_tokens == 21


async def test_an_error_after_the_first_words_fails_the_response() -> None:
    def look() -> str:
        """Look."""
        return "nothing"

    lines = {"lead": [[say("I begin."), tool("look")], fail(400, message="SECRET prompt")]}
    async with client(team(lines, tools=[look])) as asking:
        stream = await respond(asking, "Go.", stream=True)
        events = [event async for event in stream]
        with pytest.raises(openai.InternalServerError) as raised:
            await respond(asking, "Go.")
    assert (events[-1].type, events[-1].response.status) == ("response.failed", "failed")
    assert events[-1].response.error.code == "provider_failed"
    assert "SECRET" not in events[-1].model_dump_json()
    assert "SECRET" not in raised.value.message


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"input": []}, "input", "at least one item"),
    ({"input": 3}, "input", "text, or a list"),
    ({"input": ["Go."]}, "input[0]", "must be an object"),
    ({"input": " "}, "input[0].content", "is empty"),
    ({"input": [{"role": "king", "content": "Go."}]}, "input[0].role", "not 'king'"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]", "items are not stored"),
    ({"input": [{"role": "assistant", "content": "Hm."}]}, "input[0]", "the role user"),
    ({"background": True}, "background", "while its client waits"),
    ({"conversation": "c"}, "conversation", "previous_response_id"),
    ({"text": {"format": {"type": "json_object"}}}, "text.format", "output_type"),
    (
        {"input": [{"type": "function_call_output", "output": "x"}]},
        "input[0].call_id",
        "must be text",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        "input[0].content[0].image_url",
        "must be text",
    ),
]


async def test_every_mistake_is_named_and_starts_nothing() -> None:
    script = Script({"lead": [say("Done.")]})
    async with client(team(script, "lead")) as asking:
        for fields, param, text in MISTAKES:
            with pytest.raises(openai.BadRequestError) as raised:
                await respond(asking, "Go.", extra_body=fields)
            assert raised.value.param == param
            assert text in raised.value.message
    assert script.requests == []


def test_of_too_many_responses_the_oldest_are_forgotten() -> None:
    store = ResponseStore(most=2, most_bytes=10)
    for id_ in ("a", "b", "c"):
        store.put("ann", id_, [Message("forward", "user", "lead", "xx")], None)
    assert store.get("ann", "a") is None
    assert store.get("bob", "c") is None
    assert store.get("ann", "c") is not None
    store.put("ann", "d", [Message("forward", "user", "lead", "x" * 9)], None)
    assert [store.get("ann", id_) is not None for id_ in "bcd"] == [False, False, True]
